/* The backward pass of one group, and the fixed tree in which lanes are added.
 *
 * Segments run from the last to the first. The gradient of batch normalisation needs sums over the whole batch: the segment
 * that begins with it collects them, and the segment before begins its own pass with the second half of that gradient.
 */
#include <string.h>

#include "nn/dnnl/dnnl_engine.h"
#include "nn/net_plan.h"

/* Floats of a gradient that one task of the tree adds. */
enum { REDUCE_SLICE = 8192 };

static void add_to(float *restrict sum, const float *restrict addend, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += addend[i];
}

/* Where input k's gradient is written: in its place, or beside it when another consumer was there first. */
static float *gradient_target(const gng_net *net, const net_unit *unit, int32_t k, uint32_t slot, int worker)
{
    const net_unit *input = &net->units[unit->inputs[k]];
    if (!input->gradient_wanted)
        return NULL;
    if (!unit->accumulates[k])
        return net_gradient(net, unit->inputs[k], slot, worker);
    return (float *)(void *)((unsigned char *)net_worker_block(net, worker) + net->worker_temporary_offset + (size_t)k * net->temporary_bytes);
}

static void add_second_gradients(const gng_net *net, const net_unit *unit, float *const targets[], uint32_t slot, int worker)
{
    for (int32_t k = 0; k < unit->input_count; k++)
        if (targets[k] != NULL && unit->accumulates[k])
            add_to(net_gradient(net, unit->inputs[k], slot, worker), targets[k], net->units[unit->inputs[k]].stored);
}

static gng_status run_unit_backward(const net_pass *pass, int32_t u, uint32_t slot, uint32_t lane, int worker)
{
    gng_net *net = pass->net;
    const net_unit *unit = &net->units[u];
    gng_lane_call call = {
        .worker = worker,
        .training = true,
        .key = net_dropout_key(pass, unit, slot),
        .output = net_value(net, u, slot, worker),
        .output_gradient = net_gradient(net, u, slot, worker),
        .packed = gng_arena_at(&net->arena, unit->packed_offset),
        .gradient = net_lane_gradient(net, unit, lane),
        .saved = net_saved(net, unit, slot),
        .scratch = net_scratch(net, worker),
    };
    for (int32_t k = 0; k < unit->input_count; k++) {
        call.inputs[k] = net_value(net, unit->inputs[k], slot, worker);
        call.input_gradients[k] = gradient_target(net, unit, k, slot, worker);
    }
    GNG_TRY(unit->table->backward(unit->operation, &call));
    add_second_gradients(net, unit, call.input_gradients, slot, worker);
    return GNG_OK;
}

static void apply_batch_norm_gradient(const net_pass *pass, int32_t u, uint32_t slot, int worker)
{
    const gng_net *net = pass->net;
    const net_unit *unit = &net->units[u];
    float *target = gradient_target(net, unit, 0, slot, worker);
    if (target == NULL)
        return;
    const float *parameters = gng_arena_at(&net->arena, net->parameters_offset);
    const double count = (double)pass->count * unit->shape.height * unit->shape.width;
    gng_batch_norm_apply_gradient(unit->shape, net->graph->layers[unit->first_layer].as.batch_norm.epsilon, net_mean(net, unit),
                                  net_variance(net, unit), parameters + unit->weight->offset, net_gradient_sums(net, unit), count,
                                  net_value(net, unit->inputs[0], slot, worker), net_gradient(net, u, slot, worker), target);
    add_second_gradients(net, unit, &target, slot, worker);
}

static void collect_gradient_sums(const net_pass *pass, int32_t u, net_slots slots, uint32_t lane, int worker)
{
    const gng_net *net = pass->net;
    const net_unit *unit = &net->units[u];
    double *sums = net_lane_statistics(net, unit, lane, 2);
    memset(sums, 0, 2 * (size_t)unit->shape.channels * sizeof *sums);
    for (uint32_t slot = slots.first; slot < slots.last; slot++)
        gng_batch_norm_collect_gradient(unit->shape, net->graph->layers[unit->first_layer].as.batch_norm.epsilon, net_mean(net, unit),
                                        net_variance(net, unit), net_value(net, unit->inputs[0], slot, worker),
                                        net_gradient(net, u, slot, worker), sums);
}

/* The batch normalisation that opens the segment behind this one, or -1. */
static int32_t following_batch_norm(const gng_net *net, int32_t segment)
{
    if (segment + 1 == net->segment_count)
        return -1;
    const int32_t first = net->segments[segment + 1].first;
    return net->units[first].kind == NET_UNIT_BATCH_NORM ? first : -1;
}

static gng_status lane_backward_task(void *argument, size_t lane, int worker)
{
    const net_pass *pass = argument;
    const gng_net *net = pass->net;
    const net_segment *segment = &net->segments[pass->segment];
    const int32_t following = following_batch_norm(net, pass->segment);
    const net_slots slots = net_lane_slots(pass, lane);

    const gng_engine_bracket bracket = gng_engine_enter();
    gng_status status = GNG_OK;
    for (uint32_t slot = slots.first; slot < slots.last && status == GNG_OK; slot++) {
        if (following >= 0)
            apply_batch_norm_gradient(pass, following, slot, worker);
        for (int32_t u = segment->last; u >= segment->first && status == GNG_OK; u--)
            if (net->units[u].kind == NET_UNIT_LANE && net->units[u].gradient_wanted)
                status = run_unit_backward(pass, u, slot, (uint32_t)lane, worker);
    }
    if (status == GNG_OK && net->units[segment->first].kind == NET_UNIT_BATCH_NORM)
        collect_gradient_sums(pass, segment->first, slots, (uint32_t)lane, worker);
    gng_engine_leave(bracket);
    return status;
}

/* Both halves of a dense layer's gradient are independent: first the blocks of the weights, then those of the inputs. */
static gng_status dense_backward_task(void *argument, size_t index, int worker)
{
    const net_pass *pass = argument;
    const gng_net *net = pass->net;
    const int32_t u = net->segments[pass->segment].first;
    const net_unit *unit = &net->units[u];
    const bool weights = index < (size_t)unit->memory.column_blocks;
    float *gradients = gng_arena_at(&net->arena, net->gradients_offset);
    float *input_gradient = NULL;
    if (!weights)
        input_gradient = unit->accumulates[0] ? gng_arena_at(&net->arena, net->dense_temporary_offset) : net_gradient(net, unit->inputs[0], 0, worker);
    const gng_dense_call call = {
        .worker = worker,
        .block = (int32_t)(weights ? index : index - (size_t)unit->memory.column_blocks),
        .input = net_value(net, unit->inputs[0], 0, worker),
        .output_gradient = net_gradient(net, u, 0, worker),
        .input_gradient = input_gradient,
        .packed = gng_arena_at(&net->arena, unit->packed_offset),
        .weight_gradient = gradients + unit->weight->offset,
        .bias_gradient = unit->bias != NULL ? gradients + unit->bias->offset : NULL,
        .scratch = net_scratch(net, worker),
    };
    const gng_engine_bracket bracket = gng_engine_enter();
    const gng_status status =
        weights ? unit->table->dense_backward_weights(unit->operation, &call) : unit->table->dense_backward_data(unit->operation, &call);
    gng_engine_leave(bracket);
    return status;
}

static gng_status dense_backward(net_pass *pass, bool serial)
{
    gng_net *net = pass->net;
    const int32_t u = net->segments[pass->segment].first;
    const net_unit *unit = &net->units[u];
    const net_unit *input = &net->units[unit->inputs[0]];
    if (pass->count < net->group)
        memset(net_gradient(net, u, pass->count, 0), 0, (size_t)(net->group - pass->count) * unit->stored * sizeof(float));
    size_t tasks = (size_t)unit->memory.column_blocks;
    if (input->gradient_wanted)
        tasks += (size_t)unit->memory.input_blocks;
    GNG_TRY(gng_net_run_tasks(pass, serial, tasks, dense_backward_task, pass));
    if (input->gradient_wanted && unit->accumulates[0])
        add_to(net_gradient(net, unit->inputs[0], 0, 0), gng_arena_at(&net->arena, net->dense_temporary_offset), (size_t)pass->count * input->stored);
    return GNG_OK;
}

static void finish_batch_norm(const net_pass *pass, const net_unit *unit)
{
    const gng_net *net = pass->net;
    const size_t channels = (size_t)unit->shape.channels;
    double *sums = net_gradient_sums(net, unit);
    gng_batch_norm_merge_gradient(unit->shape.channels, net_lane_statistics(net, unit, 0, 2), sums);
    float *gradients = gng_arena_at(&net->arena, net->gradients_offset);
    for (size_t c = 0; c < channels; c++) {
        gradients[unit->bias->offset + c] = (float)sums[c];
        gradients[unit->weight->offset + c] = (float)sums[channels + c];
    }
}

/* sum += lanes, pairwise: ((0 + 1) + (2 + 3)) + ..., element by element; lanes are zero afterwards. */
static void add_lanes(const gng_net *net, const net_unit *unit, size_t first, size_t last)
{
    float *sum = (float *)gng_arena_at(&net->arena, unit->sum_offset);
    for (uint32_t step = 1; step < GNG_LANES; step *= 2)
        for (uint32_t lane = 0; lane < GNG_LANES; lane += 2 * step)
            add_to(net_lane_gradient(net, unit, lane) + first, net_lane_gradient(net, unit, lane + step) + first, last - first);
    add_to(sum + first, net_lane_gradient(net, unit, 0) + first, last - first);
    for (uint32_t lane = 0; lane < GNG_LANES; lane++)
        memset(net_lane_gradient(net, unit, lane) + first, 0, (last - first) * sizeof(float));
}

static size_t slice_count(const net_unit *unit)
{
    return (unit->memory.gradient_floats + REDUCE_SLICE - 1) / REDUCE_SLICE;
}

typedef struct lane_reduction {
    const gng_net *net;
    int32_t first, last; /* units */
} lane_reduction;

static gng_status add_lanes_task(void *argument, size_t index, int worker)
{
    (void)worker;
    const lane_reduction *reduction = argument;
    int32_t u = reduction->first;
    while (index >= slice_count(&reduction->net->units[u]))
        index -= slice_count(&reduction->net->units[u++]);
    const net_unit *unit = &reduction->net->units[u];
    const size_t first = index * REDUCE_SLICE;
    const size_t last = first + REDUCE_SLICE < unit->memory.gradient_floats ? first + REDUCE_SLICE : unit->memory.gradient_floats;
    const gng_engine_bracket bracket = gng_engine_enter();
    add_lanes(reduction->net, unit, first, last);
    gng_engine_leave(bracket);
    return GNG_OK;
}

static gng_status reduce_units(const net_pass *pass, int32_t first, int32_t last)
{
    lane_reduction reduction = {.net = pass->net, .first = first, .last = last};
    size_t slices = 0;
    for (int32_t u = first; u <= last; u++)
        slices += slice_count(&pass->net->units[u]);
    return gng_net_run_tasks(pass, slices <= 2, slices, add_lanes_task, &reduction);
}

static gng_status unpack_task(void *argument, size_t index, int worker)
{
    const net_pass *pass = argument;
    const gng_net *net = pass->net;
    const net_unit *unit = &net->units[index];
    if (unit->memory.gradient_floats == 0)
        return GNG_OK;
    float *gradients = gng_arena_at(&net->arena, net->gradients_offset);
    const gng_engine_bracket bracket = gng_engine_enter();
    const gng_status status =
        unit->table->unpack(unit->operation, worker, gng_arena_at(&net->arena, unit->sum_offset), gradients + unit->weight->offset,
                            unit->bias != NULL ? gradients + unit->bias->offset : NULL, net_scratch(net, worker));
    gng_engine_leave(bracket);
    return status;
}

gng_status gng_net_backward_group(net_pass *pass)
{
    gng_net *net = pass->net;
    for (pass->segment = net->segment_count - 1; pass->segment >= 0; pass->segment--) {
        const net_segment *segment = &net->segments[pass->segment];
        const net_unit *first = &net->units[segment->first];
        if (segment->dense) {
            GNG_TRY(dense_backward(pass, segment->serial));
            continue;
        }
        GNG_TRY(gng_net_run_tasks(pass, segment->serial, net->lanes, lane_backward_task, pass));
        if (first->kind == NET_UNIT_BATCH_NORM)
            finish_batch_norm(pass, first);
        if (segment->reduce_per_group)
            GNG_TRY(reduce_units(pass, segment->first, segment->last));
    }
    return GNG_OK;
}

gng_status gng_net_reduce(net_pass *pass)
{
    gng_net *net = pass->net;
    if (!net->segments[0].reduce_per_group)
        GNG_TRY(reduce_units(pass, 0, net->unit_count - 1));
    return gng_parallel_run(pass->context, (size_t)net->unit_count, unpack_task, pass);
}
