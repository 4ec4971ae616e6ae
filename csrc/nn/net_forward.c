/* The forward pass of one group: segment after segment, lanes or blocks of columns side by side. */
#include <string.h>

#include "nn/dnnl/dnnl_engine.h"
#include "nn/net_plan.h"

static gng_status run_batch_norm(const net_pass *pass, const net_unit *unit, uint32_t slot, int worker, float *output)
{
    const gng_net *net = pass->net;
    const float *parameters = gng_arena_at(&net->arena, net->parameters_offset);
    gng_batch_norm_apply(unit->shape, net->graph->layers[unit->first_layer].as.batch_norm.epsilon, net_mean(net, unit),
                         net_variance(net, unit), parameters + unit->weight->offset, parameters + unit->bias->offset,
                         net_value(net, unit->inputs[0], slot, worker), output);
    return GNG_OK;
}

static gng_status run_unit(const net_pass *pass, int32_t u, uint32_t slot, int worker)
{
    gng_net *net = pass->net;
    const net_unit *unit = &net->units[u];
    float *output = net_value(net, u, slot, worker);
    if (unit->kind == NET_UNIT_INPUT)
        return pass->run->fill(pass->run->argument, pass->first + slot, worker, output);
    if (unit->kind == NET_UNIT_BATCH_NORM)
        return run_batch_norm(pass, unit, slot, worker, output);

    gng_lane_call call = {
        .worker = worker,
        .training = net->options.training,
        .output = output,
        .packed = gng_arena_at(&net->arena, unit->packed_offset),
        .saved = net->options.training ? net_saved(net, unit, slot) : NULL,
        .scratch = net_scratch(net, worker),
    };
    if (pass->targets != NULL)
        call.key = net_dropout_key(pass, unit, slot);
    for (int32_t k = 0; k < unit->input_count; k++)
        call.inputs[k] = net_value(net, unit->inputs[k], slot, worker);
    return unit->table->forward(unit->operation, &call);
}

/* The lane's part of the statistics of a batch normalisation that opens the next segment. */
static void collect_statistics(const net_pass *pass, net_slots slots, uint32_t lane, int worker)
{
    const gng_net *net = pass->net;
    if (pass->segment + 1 == net->segment_count)
        return;
    const net_unit *next = &net->units[net->segments[pass->segment + 1].first];
    if (next->kind != NET_UNIT_BATCH_NORM)
        return;
    double *sums = net_lane_statistics(net, next, lane, 3);
    memset(sums, 0, gng_batch_norm_lane_doubles(next->shape.channels) * sizeof *sums);
    for (uint32_t slot = slots.first; slot < slots.last; slot++)
        gng_batch_norm_collect(next->shape, net_value(net, next->inputs[0], slot, worker), sums);
}

static gng_status lane_task(void *argument, size_t lane, int worker)
{
    const net_pass *pass = argument;
    const gng_net *net = pass->net;
    const net_segment *segment = &net->segments[pass->segment];
    const net_slots slots = net_lane_slots(pass, lane);

    const gng_engine_bracket bracket = gng_engine_enter();
    gng_status status = GNG_OK;
    for (uint32_t slot = slots.first; slot < slots.last && status == GNG_OK; slot++)
        for (int32_t u = segment->first; u <= segment->last && status == GNG_OK; u++)
            status = run_unit(pass, u, slot, worker);
    if (status == GNG_OK && net->options.training)
        collect_statistics(pass, slots, (uint32_t)lane, worker);
    gng_engine_leave(bracket);
    return status;
}

static gng_status dense_task(void *argument, size_t block, int worker)
{
    const net_pass *pass = argument;
    const gng_net *net = pass->net;
    const int32_t u = net->segments[pass->segment].first;
    const net_unit *unit = &net->units[u];
    const gng_dense_call call = {
        .worker = worker,
        .block = (int32_t)block,
        .input = net_value(net, unit->inputs[0], 0, worker),
        .output = net_value(net, u, 0, worker),
        .packed = gng_arena_at(&net->arena, unit->packed_offset),
        .scratch = net_scratch(net, worker),
    };
    const gng_engine_bracket bracket = gng_engine_enter();
    const gng_status status = unit->table->dense_forward(unit->operation, &call);
    gng_engine_leave(bracket);
    return status;
}

/* Rows behind a short group's last picture hold what an earlier group left: zeros keep it out of every sum. */
static void clear_missing_rows(const net_pass *pass, int32_t edge)
{
    const gng_net *net = pass->net;
    if (pass->count < net->group)
        memset(net_value(net, edge, pass->count, 0), 0, (size_t)(net->group - pass->count) * net->units[edge].stored * sizeof(float));
}

typedef struct task_list {
    gng_task task;
    void *argument;
    size_t count;
} task_list;

static gng_status all_tasks(void *argument, size_t index, int worker)
{
    (void)index;
    const task_list *list = argument;
    for (size_t i = 0; i < list->count; i++)
        GNG_TRY(list->task(list->argument, i, worker));
    return GNG_OK;
}

gng_status gng_net_run_tasks(const net_pass *pass, bool serial, size_t count, gng_task task, void *argument)
{
    if (!serial)
        return gng_parallel_run(pass->context, count, task, argument);
    task_list list = {.task = task, .argument = argument, .count = count};
    return gng_parallel_run(pass->context, 1, all_tasks, &list);
}

gng_status gng_net_forward_group(net_pass *pass)
{
    gng_net *net = pass->net;
    for (pass->segment = 0; pass->segment < net->segment_count; pass->segment++) {
        const net_segment *segment = &net->segments[pass->segment];
        const net_unit *first = &net->units[segment->first];
        if (segment->dense) {
            clear_missing_rows(pass, first->inputs[0]);
            GNG_TRY(gng_net_run_tasks(pass, segment->serial, (size_t)first->memory.column_blocks, dense_task, pass));
            continue;
        }
        if (first->kind == NET_UNIT_BATCH_NORM)
            gng_batch_norm_merge(first->shape.channels, net_lane_statistics(net, first, 0, 3), net_mean(net, first), net_variance(net, first));
        GNG_TRY(gng_net_run_tasks(pass, segment->serial, net->lanes, lane_task, pass));
    }
    return GNG_OK;
}
