/* Layers -> units: which operation runs which chain of layers, how units are joined, and where segments are cut.
 *
 * Decides order and kind only; where things lie in memory is net_memory.c.
 */
#include <stdio.h>
#include <string.h>

#include "nn/dnnl/dnnl_engine.h"
#include "nn/net_plan.h"
#include "nn/ref/ref.h"

/* Lane gradients of all segments together; beyond it segments are cut and share the memory. */
#define LANE_GRADIENT_BYTES_MAX ((size_t)256 << 20)
/* A segment with less work per group (multiply-adds, or elements of its edges) runs on the calling thread: waking
 * another costs about as much. */
#define SERIAL_WORK_MAX 32768

static int32_t consumer_count(const gng_graph *graph, int32_t layer, int32_t *last)
{
    int32_t count = 0;
    for (int32_t i = layer + 1; i < graph->layer_count; i++)
        for (int32_t k = 0; k < graph->layers[i].input_count; k++)
            if (graph->layers[i].inputs[k] == layer) {
                count++;
                *last = i;
            }
    return count;
}

/* How many layers from `first` on form a chain that one kernel could run. */
static int32_t chain_length(const gng_graph *graph, int32_t first)
{
    int32_t length = 1;
    while (length < GNG_CHAIN_MAX && first + length < graph->layer_count) {
        const gng_layer *next = &graph->layers[first + length];
        int32_t last = -1;
        if (next->input_count != 1 || next->inputs[0] != first + length - 1 || consumer_count(graph, first + length - 1, &last) != 1)
            break;
        length++;
    }
    return length;
}

static net_unit *unit_append(gng_net *net, net_unit_kind kind)
{
    net_unit *unit = &net->units[net->unit_count++];
    unit->kind = kind;
    return unit;
}

static void describe(const gng_net *net, net_unit *unit, bool reorder)
{
    const gng_layer *layers = net->graph->layers;
    const char *engine = unit->table != NULL ? unit->table->engine : "core";
    const char *name = unit->table != NULL ? unit->table->name : gng_layer_kind_name(layers[unit->first_layer].kind);
    int used = snprintf(unit->description, sizeof unit->description, "%s %s%s: %s", engine, name, reorder ? " before" : "",
                        layers[unit->first_layer].name);
    for (int32_t i = unit->first_layer + 1; i <= unit->last_layer && used > 0 && (size_t)used < sizeof unit->description; i++)
        used += snprintf(unit->description + used, sizeof unit->description - (size_t)used, ", %s", layers[i].name);
}

/* The parameter (or state) tensors of a layer, in the order of the flat block. */
static void find_tensors(const gng_parameter *tensors, int32_t count, int32_t layer, const gng_parameter **first, const gng_parameter **second)
{
    for (int32_t i = 0; i < count; i++)
        if (tensors[i].layer == layer) {
            if (*first == NULL)
                *first = &tensors[i];
            else
                *second = &tensors[i];
        }
}

/* Edge `input` in plain layout, in front of layer `layer`: a copy where it is plain already. */
static gng_status append_reorder(gng_net *net, int32_t input, int32_t layer, int32_t *out)
{
    const gng_operation_request request = {
        .chain = {&net->graph->layers[layer]},
        .chain_length = 1,
        .inputs = {net->units[input].shape},
        .input_count = 1,
        .training = net->options.training,
        .input_gradient = net->options.training && net->units[input].gradient_wanted,
        .rows = (int32_t)net->group,
        .workers = net->options.threads,
    };
    net_unit planned = {.table = &gng_ref_reorder_table};
    GNG_TRY(planned.table->plan(&request, &planned.operation, &planned.memory));
    net_unit *unit = unit_append(net, NET_UNIT_LANE);
    unit->table = planned.table;
    unit->operation = planned.operation;
    unit->memory = planned.memory;
    unit->first_layer = unit->last_layer = layer;
    unit->inputs[0] = input;
    unit->input_count = 1;
    unit->shape = planned.memory.output;
    unit->gradient_wanted = net->units[input].gradient_wanted;
    describe(net, unit, true);
    *out = net->unit_count - 1;
    return GNG_OK;
}

static gng_status append_layer(gng_net *net, int32_t layer, const int32_t *unit_of_layer, int32_t *taken)
{
    const gng_graph *graph = net->graph;
    const gng_layer *spec = &graph->layers[layer];
    const bool normalises = spec->kind == GNG_LAYER_BATCH_NORM && net->options.training;
    gng_operation_request request = {
        .chain_length = spec->kind == GNG_LAYER_DENSE ? 1 : chain_length(graph, layer),
        .input_count = spec->input_count,
        .training = net->options.training,
        .rows = (int32_t)net->group,
        .workers = net->options.threads,
    };
    for (int32_t i = 0; i < request.chain_length; i++)
        request.chain[i] = &graph->layers[layer + i];
    int32_t inputs[GNG_LAYER_INPUTS_MAX] = {0};
    for (int32_t k = 0; k < spec->input_count; k++) {
        inputs[k] = unit_of_layer[spec->inputs[k]];
        request.inputs[k] = net->units[inputs[k]].shape;
        request.input_gradient |= net->options.training && net->units[inputs[k]].gradient_wanted;
    }

    net_unit planned = {0};
    *taken = 1;
    if (normalises) {
        /* The lanes of the segment before collect the statistics, and a dense segment has none: a copy gives it lanes. */
        if (net->units[net->unit_count - 1].kind == NET_UNIT_DENSE) {
            GNG_TRY(append_reorder(net, inputs[0], layer, &inputs[0]));
            request.inputs[0] = net->units[inputs[0]].shape;
        }
        planned.memory.output = request.inputs[0];
    } else {
        gng_status status = gng_choice_plan(&request, &planned.table, &planned.operation, &planned.memory, taken);
        if (status == GNG_STATUS_UNSUPPORTED) {
            bool reordered = false;
            for (int32_t k = 0; k < spec->input_count; k++)
                if (request.inputs[k].block != 1) {
                    GNG_TRY(append_reorder(net, inputs[k], layer, &inputs[k]));
                    request.inputs[k] = net->units[inputs[k]].shape;
                    reordered = true;
                }
            if (reordered)
                status = gng_choice_plan(&request, &planned.table, &planned.operation, &planned.memory, taken);
        }
        if (status != GNG_OK)
            return status;
    }

    const net_unit_kind kind = normalises ? NET_UNIT_BATCH_NORM : spec->kind == GNG_LAYER_DENSE ? NET_UNIT_DENSE : NET_UNIT_LANE;
    net_unit *unit = unit_append(net, kind);
    unit->table = planned.table;
    unit->operation = planned.operation;
    unit->memory = planned.memory;
    unit->shape = planned.memory.output;
    unit->first_layer = layer;
    unit->last_layer = layer + *taken - 1;
    unit->input_count = spec->input_count;
    memcpy(unit->inputs, inputs, sizeof inputs);
    find_tensors(graph->parameters, graph->parameter_count, layer, &unit->weight, &unit->bias);
    find_tensors(graph->states, graph->state_count, layer, &unit->mean_state, &unit->variance_state);
    unit->gradient_wanted = net->options.training && (request.input_gradient || unit->weight != NULL);
    describe(net, unit, false);
    return GNG_OK;
}

gng_status gng_net_plan_units(gng_net *net)
{
    const gng_graph *graph = net->graph;
    /* Every layer may need one change of layout for each of its inputs, and the logits one more. */
    const size_t most = (size_t)graph->layer_count * (1 + GNG_LAYER_INPUTS_MAX) + 1;
    net->units = gng_memory_allocate_array(most, sizeof *net->units);
    int32_t *unit_of_layer = gng_memory_allocate_array((size_t)graph->layer_count, sizeof *unit_of_layer);
    gng_status status = GNG_OK;
    if (net->units == NULL || unit_of_layer == NULL)
        status = gng_error_set(GNG_STATUS_MEMORY, "planning a net of %d layers", (int)graph->layer_count);

    if (status == GNG_OK) {
        net_unit *input = unit_append(net, NET_UNIT_INPUT);
        input->shape = graph->shapes[0];
        describe(net, input, false);
    }
    const gng_engine_bracket bracket = gng_engine_enter();
    for (int32_t layer = 1, taken = 1; layer < graph->layer_count && status == GNG_OK; layer += taken) {
        status = append_layer(net, layer, unit_of_layer, &taken);
        for (int32_t i = 0; i < taken && status == GNG_OK; i++)
            unit_of_layer[layer + i] = net->unit_count - 1;
    }
    int32_t last = net->unit_count - 1;
    if (status == GNG_OK && net->units[last].shape.block != 1)
        status = append_reorder(net, last, graph->layer_count - 1, &last);
    gng_engine_leave(bracket);
    gng_memory_release(unit_of_layer);
    if (status != GNG_OK)
        return status;

    for (int32_t u = net->unit_count - 1; u > 0; u--)
        for (int32_t k = 0; k < net->units[u].input_count; k++) {
            net_unit *producer = &net->units[net->units[u].inputs[k]];
            /* Backward visits consumers from the last to the first: all but the last consumer add. */
            net->units[u].accumulates[k] = producer->consumers > 0;
            if (producer->consumers++ == 0)
                producer->last_consumer = u;
        }
    return GNG_OK;
}

static bool must_cut_before(const gng_net *net, int32_t u, size_t segment_gradient_bytes, bool shared)
{
    const net_unit *unit = &net->units[u], *before = &net->units[u - 1];
    if (unit->kind == NET_UNIT_DENSE || before->kind == NET_UNIT_DENSE || unit->kind == NET_UNIT_BATCH_NORM)
        return true;
    const size_t own = GNG_LANES * unit->memory.gradient_floats * sizeof(float);
    return shared && segment_gradient_bytes > 0 && own > 0 && segment_gradient_bytes + own > LANE_GRADIENT_BYTES_MAX;
}

void gng_net_plan_segments(gng_net *net)
{
    size_t all = 0;
    for (int32_t u = 0; u < net->unit_count; u++)
        all += GNG_LANES * net->units[u].memory.gradient_floats * sizeof(float);
    const bool shared = all > LANE_GRADIENT_BYTES_MAX;

    size_t bytes = 0;
    for (int32_t u = 0; u < net->unit_count; u++) {
        if (u == 0 || must_cut_before(net, u, bytes, shared)) {
            net->segments[net->segment_count++] = (net_segment){.first = u, .dense = net->units[u].kind == NET_UNIT_DENSE, .reduce_per_group = shared};
            bytes = 0;
        }
        net->segments[net->segment_count - 1].last = u;
        net->units[u].segment = net->segment_count - 1;
        bytes += GNG_LANES * net->units[u].memory.gradient_floats * sizeof(float);
    }

    for (int32_t s = 0; s < net->segment_count; s++) {
        net_segment *segment = &net->segments[s];
        size_t work = 0;
        for (int32_t u = segment->first; u <= segment->last; u++) {
            const net_unit *unit = &net->units[u];
            size_t own = gng_tensor_elements(unit->shape);
            if (unit->weight != NULL && unit->table != NULL && unit->kind != NET_UNIT_BATCH_NORM)
                own *= unit->weight->count / (size_t)unit->weight->shape[0];
            work += own * net->group;
        }
        segment->serial = work < SERIAL_WORK_MAX;
    }
}
