/* Nets: creation, access, and whole runs made of groups. */
#include "nn/net.h"

#include <string.h>

#include "base/fork.h"
#include "nn/dnnl/dnnl_engine.h"
#include "nn/loss.h"
#include "nn/net_plan.h"

/* A group larger than GNG_LANES pictures is used while its activations stay in the last cache. */
#define GROUP_BYTES_MAX ((size_t)24 << 20)

/* Pictures of a group: a function of graph and batch size alone. */
static uint32_t group_size(const gng_graph *graph, uint32_t batch)
{
    const uint32_t whole_batch = (batch + GNG_LANES - 1) / GNG_LANES * GNG_LANES;
    size_t bytes = 0;
    for (int32_t i = 0; i < graph->layer_count; i++) {
        /* Exact statistics need the whole batch in one group. */
        if (graph->layers[i].kind == GNG_LAYER_BATCH_NORM)
            return whole_batch;
        bytes += gng_tensor_elements(graph->shapes[i]) * sizeof(float);
    }
    const size_t fitting = GROUP_BYTES_MAX / (GNG_LANES * bytes) * GNG_LANES;
    if (fitting <= GNG_LANES)
        return GNG_LANES;
    return fitting < whole_batch ? (uint32_t)fitting : whole_batch;
}

static gng_status plan(gng_net *net)
{
    GNG_TRY(gng_net_plan_units(net));
    net->segments = gng_memory_allocate_array((size_t)net->unit_count, sizeof *net->segments);
    if (net->segments == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "planning a net of %d operations", (int)net->unit_count);
    gng_net_plan_segments(net);
    return gng_net_plan_memory(net);
}

gng_status gng_net_create(const gng_graph *graph, const gng_net_options *options, gng_net **out)
{
    if (options->batch < 1 || options->batch > 1u << 20)
        return gng_error_set(GNG_STATUS_ARGUMENT, "batch size: found %u, expected 1 to %u", options->batch, 1u << 20);
    if (options->threads < 1 || options->threads > GNG_THREADS_MAX)
        return gng_error_set(GNG_STATUS_ARGUMENT, "threads: found %d, expected 1 to %d", options->threads, (int)GNG_THREADS_MAX);
    gng_net *net = gng_memory_allocate(sizeof *net);
    if (net == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "planning a net");
    net->graph = graph;
    net->options = *options;
    if (options->training) {
        net->group = group_size(graph, options->batch);
        net->lanes = GNG_LANES;
    } else {
        net->group = options->batch < GNG_LANES ? options->batch : GNG_LANES;
        net->lanes = net->group;
    }
    gng_fork_hold();
    const gng_status status = plan(net);
    gng_fork_release();
    if (status != GNG_OK) {
        gng_net_destroy(net);
        return status;
    }
    *out = net;
    return GNG_OK;
}

void gng_net_destroy(gng_net *net)
{
    if (net == NULL)
        return;
    gng_fork_hold();
    const gng_engine_bracket bracket = gng_engine_enter();
    for (int32_t u = 0; u < net->unit_count; u++)
        if (net->units[u].table != NULL)
            net->units[u].table->destroy(net->units[u].operation);
    gng_engine_leave(bracket);
    gng_fork_release();
    gng_arena_destroy(&net->arena);
    gng_memory_release(net->segments);
    gng_memory_release(net->units);
    gng_memory_release(net);
}

float *gng_net_parameters(gng_net *net)
{
    return gng_arena_at(&net->arena, net->parameters_offset);
}

float *gng_net_gradients(gng_net *net)
{
    return net->options.training ? gng_arena_at(&net->arena, net->gradients_offset) : NULL;
}

float *gng_net_states(gng_net *net)
{
    return gng_arena_at(&net->arena, net->states_offset);
}

uint32_t gng_net_group(const gng_net *net)
{
    return net->group;
}

size_t gng_net_arena_bytes(const gng_net *net)
{
    return net->arena.bytes;
}

const char *gng_net_describe(const gng_net *net, int32_t i)
{
    return i >= 0 && i < net->unit_count ? net->units[i].description : NULL;
}

static gng_status pack_task(void *argument, size_t index, int worker)
{
    gng_net *net = argument;
    const net_unit *unit = &net->units[index];
    if (unit->table == NULL || unit->table->pack == NULL || unit->weight == NULL || unit->memory.packed_bytes == 0)
        return GNG_OK;
    const float *parameters = gng_net_parameters(net);
    const float *bias = unit->bias != NULL ? parameters + unit->bias->offset : NULL;
    if (unit->mean_state != NULL) {
        /* Batch normalisation by running statistics: its table expects beta, mean and variance in one block. */
        const size_t channels = unit->weight->count;
        float *block = (float *)gng_arena_at(&net->arena, net->batch_norm_pack_offset) + (size_t)worker * net->batch_norm_pack_floats;
        memcpy(block, bias, channels * sizeof *block);
        memcpy(block + channels, gng_net_states(net) + unit->mean_state->offset, channels * sizeof *block);
        memcpy(block + 2 * channels, gng_net_states(net) + unit->variance_state->offset, channels * sizeof *block);
        bias = block;
    }
    const gng_engine_bracket bracket = gng_engine_enter();
    const gng_status status = unit->table->pack(unit->operation, worker, parameters + unit->weight->offset, bias,
                                                gng_arena_at(&net->arena, unit->packed_offset), net_scratch(net, worker));
    gng_engine_leave(bracket);
    return status;
}

static gng_status check_threads(const gng_net *net, const gng_context *context)
{
    if (gng_context_threads(context) > net->options.threads)
        return gng_error_set(GNG_STATUS_ARGUMENT, "threads: found %d, but the net was planned for at most %d", gng_context_threads(context),
                             net->options.threads);
    return GNG_OK;
}

static gng_status check_run(const gng_net *net, const gng_context *context, const gng_net_run *run)
{
    if (run->count < 1 || run->count > net->options.batch)
        return gng_error_set(GNG_STATUS_ARGUMENT, "pictures in a run: found %u, expected 1 to %u", run->count, net->options.batch);
    GNG_TRY(check_threads(net, context));
    return gng_engine_check_room();
}

gng_status gng_net_pack(gng_net *net, gng_context *context)
{
    GNG_TRY(check_threads(net, context));
    GNG_TRY(gng_engine_check_room());
    return gng_parallel_run(context, (size_t)net->unit_count, pack_task, net);
}

/* Loss of each picture of the group, and the gradient of the batch's mean loss with respect to its logits. */
static void score_group(const net_pass *pass)
{
    gng_net *net = pass->net;
    const int32_t outputs = gng_graph_outputs(net->graph), last = net->unit_count - 1;
    double *losses = gng_arena_at(&net->arena, net->losses_offset);
    bool *correct = gng_arena_at(&net->arena, net->correct_offset);
    for (uint32_t slot = 0; slot < pass->count; slot++) {
        const uint32_t position = pass->first + slot, sample = pass->targets->samples[position];
        const double weight = pass->targets->weights != NULL ? (double)pass->targets->weights[sample] : 1.0;
        float *gradient = net->units[last].gradient_wanted ? net_gradient(net, last, slot, 0) : NULL;
        losses[position] = gng_loss_cross_entropy(outputs, net_value(net, last, slot, 0), pass->targets->targets + (size_t)sample * (size_t)outputs,
                                                  weight, 1.0 / pass->run->count, gradient, &correct[position]);
    }
}

static void update_states(gng_net *net)
{
    float *states = gng_net_states(net);
    for (int32_t u = 0; u < net->unit_count; u++) {
        const net_unit *unit = &net->units[u];
        if (unit->kind != NET_UNIT_BATCH_NORM)
            continue;
        const double momentum = net->graph->layers[unit->first_layer].as.batch_norm.momentum;
        const double *mean = net_mean(net, unit), *variance = net_variance(net, unit);
        float *running_mean = states + unit->mean_state->offset, *running_variance = states + unit->variance_state->offset;
        for (int32_t c = 0; c < unit->shape.channels; c++) {
            running_mean[c] = (float)(momentum * running_mean[c] + (1 - momentum) * mean[c]);
            running_variance[c] = (float)(momentum * running_variance[c] + (1 - momentum) * variance[c]);
        }
    }
}

static gng_status train_groups(net_pass *pass)
{
    gng_net *net = pass->net;
    memset(gng_net_gradients(net), 0, net->graph->parameter_floats * sizeof(float));
    for (int32_t u = 0; u < net->unit_count; u++)
        memset(gng_arena_at(&net->arena, net->units[u].sum_offset), 0, net->units[u].memory.gradient_floats * sizeof(float));
    if (net->lane_gradients_dirty)
        memset(gng_arena_at(&net->arena, net->lane_gradients_offset), 0, net->lane_gradients_bytes);
    net->lane_gradients_dirty = true;
    for (pass->first = 0; pass->first < pass->run->count; pass->first += net->group) {
        pass->count = pass->run->count - pass->first < net->group ? pass->run->count - pass->first : net->group;
        GNG_TRY(gng_net_forward_group(pass));
        score_group(pass);
        GNG_TRY(gng_net_backward_group(pass));
    }
    GNG_TRY(gng_net_reduce(pass));
    net->lane_gradients_dirty = false;
    return GNG_OK;
}

gng_status gng_net_train(gng_net *net, gng_context *context, const gng_net_run *run, const gng_net_targets *targets, gng_net_score *score)
{
    if (!net->options.training)
        return gng_error_set(GNG_STATUS_STATE, "this net was planned for inference and cannot train");
    GNG_TRY(check_run(net, context, run));
    net_pass pass = {.net = net, .context = context, .run = run, .targets = targets};
    GNG_TRY(train_groups(&pass));
    update_states(net);
    const double *losses = gng_arena_at(&net->arena, net->losses_offset);
    const bool *correct = gng_arena_at(&net->arena, net->correct_offset);
    *score = (gng_net_score){0};
    for (uint32_t i = 0; i < run->count; i++) {
        score->loss += losses[i];
        score->correct += correct[i];
    }
    score->loss /= run->count;
    return GNG_OK;
}

gng_status gng_net_infer(gng_net *net, gng_context *context, const gng_net_run *run, float *logits)
{
    if (net->options.training)
        return gng_error_set(GNG_STATUS_STATE, "this net was planned for training; plan another for inference");
    GNG_TRY(check_run(net, context, run));
    const size_t outputs = (size_t)gng_graph_outputs(net->graph), features = (size_t)gng_graph_features(net->graph);
    if (run->features != NULL && features == 0)
        return gng_error_set(GNG_STATUS_STATE, "features: the last layer '%s' is not a dense one, which would read a row of them",
                             net->graph->layers[net->graph->layer_count - 1].name);
    const int32_t last = net->unit_count - 1;
    net_pass pass = {.net = net, .context = context, .run = run};
    for (pass.first = 0; pass.first < run->count; pass.first += net->group) {
        pass.count = run->count - pass.first < net->group ? run->count - pass.first : net->group;
        GNG_TRY(gng_net_forward_group(&pass));
        memcpy(logits + (size_t)pass.first * outputs, net_value(net, last, 0, 0), pass.count * outputs * sizeof *logits);
        /* A dense layer reads the rows of a group side by side (net_memory.c), and nothing has been written over them. */
        if (run->features != NULL)
            memcpy(run->features + (size_t)pass.first * features, net_value(net, net->units[last].inputs[0], 0, 0), pass.count * features * sizeof(float));
    }
    return GNG_OK;
}
