/* Where everything of a net lies: one arena, cut once.
 *
 * Edges that cross a segment (and in training all values) have a slot for every picture of the group. The others live in
 * a worker's block, where slots are reused as soon as their last reader is done.
 */
#include "nn/net_plan.h"

typedef struct lifetime {
    int32_t unit;
    int32_t from, to; /* times at which the slot is first written and last read */
    size_t bytes;
    size_t offset;
} lifetime;

/* First fit: the lowest offset that is free during the whole lifetime. Returns the end of the highest slot. */
static size_t pack_lifetimes(lifetime *items, int32_t count)
{
    size_t top = 0;
    for (int32_t i = 0; i < count; i++) {
        size_t offset = 0;
        for (bool moved = true; moved;) {
            moved = false;
            for (int32_t k = 0; k < i; k++) {
                const bool together = items[k].from <= items[i].to && items[i].from <= items[k].to;
                if (together && items[k].offset < offset + items[i].bytes && offset < items[k].offset + items[k].bytes) {
                    offset = items[k].offset + items[k].bytes;
                    moved = true;
                }
            }
        }
        items[i].offset = offset;
        if (offset + items[i].bytes > top)
            top = offset + items[i].bytes;
    }
    return top;
}

static size_t aligned(size_t bytes)
{
    return (bytes + GNG_ALIGNMENT - 1) / GNG_ALIGNMENT * GNG_ALIGNMENT;
}

static size_t slot_bytes(const net_unit *unit)
{
    return aligned(unit->stored * sizeof(float));
}

/* Floats between the slots of two pictures: whole cache lines, except beside a dense layer, which reads the group's rows as one matrix. */
static void plan_strides(gng_net *net)
{
    for (int32_t u = 0; u < net->unit_count; u++)
        net->units[u].stored = aligned(gng_tensor_stored(net->units[u].shape) * sizeof(float)) / sizeof(float);
    for (int32_t u = 0; u < net->unit_count; u++)
        if (net->units[u].kind == NET_UNIT_DENSE) {
            net_unit *input = &net->units[net->units[u].inputs[0]];
            net->units[u].stored = gng_tensor_elements(net->units[u].shape);
            input->stored = gng_tensor_elements(input->shape);
        }
    net_unit *logits = &net->units[net->unit_count - 1];
    logits->stored = gng_tensor_elements(logits->shape);
}

static void plan_grouping(gng_net *net)
{
    for (int32_t u = 0; u < net->unit_count; u++) {
        net_unit *unit = &net->units[u];
        const bool logits = u == net->unit_count - 1;
        unit->value_grouped = net->options.training || logits || unit->kind == NET_UNIT_DENSE;
        unit->gradient_grouped = logits || unit->kind == NET_UNIT_BATCH_NORM || unit->kind == NET_UNIT_DENSE;
    }
    for (int32_t u = 1; u < net->unit_count; u++)
        for (int32_t k = 0; k < net->units[u].input_count; k++) {
            net_unit *producer = &net->units[net->units[u].inputs[k]];
            producer->value_grouped |= producer->segment != net->units[u].segment;
            producer->gradient_grouped |= producer->segment != net_backward_segment(&net->units[u]);
        }
}

/* Slots in a worker's block: values by time of the forward pass, gradients by time of the backward pass. */
static gng_status plan_worker_slots(gng_net *net, gng_arena_layout *worker)
{
    const int32_t count = net->unit_count;
    lifetime *items = gng_memory_allocate_array((size_t)count, sizeof *items);
    if (items == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "planning a net of %d operations", (int)count);

    int32_t used = 0;
    for (int32_t u = 0; u < count; u++)
        if (!net->units[u].value_grouped)
            items[used++] = (lifetime){.unit = u, .from = u, .to = net->units[u].last_consumer, .bytes = slot_bytes(&net->units[u])};
    size_t base = gng_arena_layout_add(worker, pack_lifetimes(items, used), 1);
    for (int32_t i = 0; i < used; i++)
        net->units[items[i].unit].value_offset = base + items[i].offset;

    used = 0;
    for (int32_t u = count - 1; u >= 0; u--)
        if (net->units[u].gradient_wanted && !net->units[u].gradient_grouped)
            items[used++] = (lifetime){
                .unit = u, .from = count - net->units[u].last_consumer, .to = count - u, .bytes = slot_bytes(&net->units[u])};
    base = gng_arena_layout_add(worker, pack_lifetimes(items, used), 1);
    for (int32_t i = 0; i < used; i++)
        net->units[items[i].unit].gradient_offset = base + items[i].offset;
    gng_memory_release(items);
    return GNG_OK;
}

static void plan_unit_blocks(gng_net *net, net_unit *unit, gng_arena_layout *layout)
{
    const size_t channels = (size_t)unit->shape.channels;
    if (unit->value_grouped)
        unit->value_offset = gng_arena_layout_add(layout, (size_t)net->group * unit->stored, sizeof(float));
    if (unit->gradient_wanted && unit->gradient_grouped)
        unit->gradient_offset = gng_arena_layout_add(layout, (size_t)net->group * unit->stored, sizeof(float));
    unit->packed_offset = gng_arena_layout_add(layout, unit->memory.packed_bytes, 1);
    if (net->options.training) {
        unit->saved_stride = aligned(unit->memory.saved_bytes);
        unit->saved_offset = gng_arena_layout_add(layout, net->group, unit->saved_stride);
        unit->sum_offset = gng_arena_layout_add(layout, unit->memory.gradient_floats, sizeof(float));
    }
    if (unit->kind == NET_UNIT_BATCH_NORM) {
        unit->statistics_offset = gng_arena_layout_add(layout, 4 * channels, sizeof(double));
        unit->lane_statistics_offset = gng_arena_layout_add(layout, (size_t)GNG_LANES * 3 * channels, sizeof(double));
    }
}

/* Lane gradients: side by side, or, where segments are cut for them, one region that segments share. */
static void plan_lane_gradients(gng_net *net, gng_arena_layout *layout)
{
    size_t most = 0, total = 0;
    for (int32_t s = 0; s < net->segment_count; s++) {
        size_t bytes = net->segments[s].reduce_per_group ? 0 : total;
        for (int32_t u = net->segments[s].first; u <= net->segments[s].last; u++) {
            net->units[u].lane_gradient_offset = bytes;
            bytes += aligned((size_t)GNG_LANES * net->units[u].memory.gradient_floats * sizeof(float));
        }
        total = bytes;
        if (bytes > most)
            most = bytes;
    }
    net->lane_gradients_bytes = net->options.training ? most : 0;
    net->lane_gradients_offset = gng_arena_layout_add(layout, net->lane_gradients_bytes, 1);
    for (int32_t u = 0; u < net->unit_count; u++)
        net->units[u].lane_gradient_offset += net->lane_gradients_offset;
}

gng_status gng_net_plan_memory(gng_net *net)
{
    const gng_graph *graph = net->graph;
    plan_strides(net);
    plan_grouping(net);

    gng_arena_layout worker = {0};
    GNG_TRY(plan_worker_slots(net, &worker));
    size_t scratch = 0, temporary = 0, dense_temporary = 0, channels = 0;
    for (int32_t u = 0; u < net->unit_count; u++) {
        const net_unit *unit = &net->units[u];
        if (unit->memory.scratch_bytes > scratch)
            scratch = unit->memory.scratch_bytes;
        if (graph->layers[unit->first_layer].kind == GNG_LAYER_BATCH_NORM && (size_t)unit->shape.channels > channels)
            channels = (size_t)unit->shape.channels;
        for (int32_t k = 0; k < unit->input_count; k++) {
            const net_unit *input = &net->units[unit->inputs[k]];
            if (!unit->accumulates[k])
                continue;
            if (slot_bytes(input) > temporary)
                temporary = slot_bytes(input);
            if (unit->kind == NET_UNIT_DENSE && input->stored > dense_temporary)
                dense_temporary = input->stored;
        }
    }
    net->worker_scratch_offset = gng_arena_layout_add(&worker, scratch, 1);
    net->temporary_bytes = temporary;
    net->worker_temporary_offset = gng_arena_layout_add(&worker, GNG_LAYER_INPUTS_MAX, temporary);

    gng_arena_layout layout = {.overflow = worker.overflow};
    net->parameters_offset = gng_arena_layout_add(&layout, graph->parameter_floats, sizeof(float));
    net->states_offset = gng_arena_layout_add(&layout, graph->state_floats, sizeof(float));
    if (net->options.training) {
        net->gradients_offset = gng_arena_layout_add(&layout, graph->parameter_floats, sizeof(float));
        net->losses_offset = gng_arena_layout_add(&layout, net->options.batch, sizeof(double));
        net->correct_offset = gng_arena_layout_add(&layout, net->options.batch, sizeof(bool));
    }
    net->batch_norm_pack_floats = 3 * channels;
    net->batch_norm_pack_offset = gng_arena_layout_add(&layout, (size_t)net->options.threads * net->batch_norm_pack_floats, sizeof(float));
    net->dense_temporary_offset = gng_arena_layout_add(&layout, (size_t)net->group * dense_temporary, sizeof(float));
    for (int32_t u = 0; u < net->unit_count; u++)
        plan_unit_blocks(net, &net->units[u], &layout);
    plan_lane_gradients(net, &layout);
    net->worker_bytes = aligned(worker.bytes);
    net->workers_offset = gng_arena_layout_add(&layout, (size_t)net->options.threads, net->worker_bytes);
    return gng_arena_create(&layout, &net->arena);
}
