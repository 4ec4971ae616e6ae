/* Graphs: layers checked one by one in the order in which they run, shapes and parameters derived from them. */
#include "nn/graph.h"

#include <stdio.h>
#include <string.h>

#include "nn/graph_shapes.h"

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static gng_status check_name(const gng_layer *layers, int32_t i)
{
    const char *name = layers[i].name;
    size_t length = 0;
    while (length < GNG_NAME_BYTES && is_name_character(name[length]))
        length++;
    if (length == GNG_NAME_BYTES)
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer %d: its name '%.20s...' is longer than %d characters", (int)i, name, (int)GNG_NAME_BYTES - 1);
    if (length == 0 || name[length] != '\0')
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer %d: found the name '%.*s', expected letters, digits, '_' and '-'", (int)i, (int)GNG_NAME_BYTES - 1, name);
    for (int32_t k = 0; k < i; k++)
        if (strcmp(layers[k].name, name) == 0)
            return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': layers %d and %d have the same name; names must be unique", name, (int)k, (int)i);
    return GNG_OK;
}

static gng_status check_input(const gng_layer *layer, gng_tensor_shape input)
{
    if (layer->kind != GNG_LAYER_INPUT || layer->input_count != 0)
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': found kind %s with %d inputs, expected that the first layer is the input", layer->name,
                             gng_layer_kind_name(layer->kind), (int)layer->input_count);
    if (input.channels < 1 || input.height < 1 || input.width < 1 || input.block != 1)
        return gng_error_set(GNG_STATUS_SHAPE, "input: found %dx%dx%d, expected at least 1x1x1 (channels, height, width)", (int)input.channels, (int)input.height,
                             (int)input.width);
    const int64_t most = GNG_FEATURES_MAX;
    if (input.channels > most || input.height > most || input.width > most || (int64_t)input.height * input.width > most ||
        (int64_t)input.height * input.width * input.channels > most)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "input: found %dx%dx%d, expected at most %lld elements", (int)input.channels, (int)input.height, (int)input.width,
                             (long long)most);
    return GNG_OK;
}

/* Names tensor `part` "layer.part" and appends it to a flat block of *floats floats: at most 2 * GNG_LAYERS_MAX tensors of
 * less than 2^31 floats, which a size_t of 64 bits can count. */
static void append_tensor(const gng_layer *layer, int32_t index, const gng_parameter *part, gng_parameter *out, size_t *floats)
{
    _Static_assert(sizeof(size_t) >= 8, "offsets need 64 bits");
    *out = *part;
    const size_t length = strlen(layer->name);
    memcpy(out->name, layer->name, length);
    snprintf(out->name + length, sizeof out->name - length, ".%s", part->name);
    out->layer = index;
    out->offset = *floats;
    *floats += part->count;
}

static void append_parameters(gng_graph *graph, int32_t index)
{
    const gng_layer *layer = &graph->layers[index];
    const gng_tensor_shape input = graph->shapes[layer->inputs[0]];
    gng_parameter parts[GNG_LAYER_PARAMETERS_MAX];
    const int32_t count = gng_layer_parameters(layer, input, parts);
    for (int32_t i = 0; i < count; i++)
        append_tensor(layer, index, &parts[i], &graph->parameters[graph->parameter_count++], &graph->parameter_floats);
    static const char *const names[] = {"mean", "variance"};
    for (int i = 0; i < 2 && layer->kind == GNG_LAYER_BATCH_NORM; i++) {
        gng_parameter state = {.rank = 1, .shape = {input.channels, 1, 1, 1}, .count = (size_t)input.channels};
        snprintf(state.name, sizeof state.name, "%s", names[i]);
        append_tensor(layer, index, &state, &graph->states[graph->state_count++], &graph->state_floats);
    }
}

static gng_status add_layer(gng_graph *graph, int32_t index)
{
    const gng_layer *layer = &graph->layers[index];
    if (layer->input_count < 1 || layer->input_count > GNG_LAYER_INPUTS_MAX)
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': found %d inputs, expected 1 to %d", layer->name, (int)layer->input_count, (int)GNG_LAYER_INPUTS_MAX);
    gng_tensor_shape inputs[GNG_LAYER_INPUTS_MAX];
    for (int32_t k = 0; k < layer->input_count; k++) {
        if (layer->inputs[k] < 0 || layer->inputs[k] >= index)
            return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': input %d is layer %d, expected an earlier layer, 0 to %d", layer->name, (int)k, (int)layer->inputs[k],
                                 (int)index - 1);
        inputs[k] = graph->shapes[layer->inputs[k]];
    }
    GNG_TRY(gng_layer_output_shape(layer, inputs, &graph->shapes[index]));
    const uint64_t multiply_adds = gng_layer_multiply_adds(layer, inputs[0], graph->shapes[index]);
    if (multiply_adds > UINT64_MAX - graph->multiply_adds)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "layer '%s': the net up to here needs more than 2^64 multiply-adds; use fewer filters or units", layer->name);
    graph->multiply_adds += multiply_adds;
    append_parameters(graph, index);
    return GNG_OK;
}

static gng_status check_uses(const gng_graph *graph)
{
    bool used[GNG_LAYERS_MAX] = {false};
    for (int32_t i = 1; i < graph->layer_count; i++)
        for (int32_t k = 0; k < graph->layers[i].input_count; k++)
            used[graph->layers[i].inputs[k]] = true;
    const int32_t last = graph->layer_count - 1;
    for (int32_t i = 0; i < last; i++)
        if (!used[i])
            return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': no other layer uses its output, expected at least one; remove it or name it as an input",
                                 graph->layers[i].name);
    const gng_tensor_shape shape = graph->shapes[last];
    if (shape.height != 1 || shape.width != 1)
        return gng_error_set(GNG_STATUS_SHAPE, "layer '%s': found an output of %dx%dx%d, expected that the last layer gives a row of logits; end with a dense layer",
                             graph->layers[last].name, (int)shape.channels, (int)shape.height, (int)shape.width);
    return GNG_OK;
}

static gng_status fill(gng_graph *graph, const gng_layer *layers, int32_t count, gng_tensor_shape input)
{
    graph->layers = gng_memory_allocate_array((size_t)count, sizeof *graph->layers);
    graph->shapes = gng_memory_allocate_array((size_t)count, sizeof *graph->shapes);
    graph->parameters = gng_memory_allocate_array((size_t)count * GNG_LAYER_PARAMETERS_MAX, sizeof *graph->parameters);
    graph->states = gng_memory_allocate_array((size_t)count * 2, sizeof *graph->states);
    if (graph->layers == NULL || graph->shapes == NULL || graph->parameters == NULL || graph->states == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "a graph of %d layers", (int)count);
    memcpy(graph->layers, layers, (size_t)count * sizeof *layers);
    graph->layer_count = count;

    for (int32_t i = 0; i < count; i++)
        GNG_TRY(check_name(graph->layers, i));
    GNG_TRY(check_input(&graph->layers[0], input));
    graph->shapes[0] = input;
    for (int32_t i = 1; i < count; i++)
        GNG_TRY(add_layer(graph, i));
    return check_uses(graph);
}

gng_status gng_graph_create(const gng_layer *layers, int32_t count, gng_tensor_shape input, gng_graph **out)
{
    if (count < 2 || count > GNG_LAYERS_MAX)
        return gng_error_set(GNG_STATUS_ARGUMENT, "layers: found %d with the input, expected 2 to %d", (int)count, (int)GNG_LAYERS_MAX);
    gng_graph *graph = gng_memory_allocate(sizeof *graph);
    if (graph == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "a graph of %d layers", (int)count);
    const gng_status status = fill(graph, layers, count, input);
    if (status != GNG_OK) {
        gng_graph_destroy(graph);
        return status;
    }
    *out = graph;
    return GNG_OK;
}

void gng_graph_destroy(gng_graph *graph)
{
    if (graph == NULL)
        return;
    gng_memory_release(graph->layers);
    gng_memory_release(graph->shapes);
    gng_memory_release(graph->parameters);
    gng_memory_release(graph->states);
    gng_memory_release(graph);
}

int32_t gng_graph_outputs(const gng_graph *graph)
{
    return graph->shapes[graph->layer_count - 1].channels;
}

int32_t gng_graph_features(const gng_graph *graph)
{
    const gng_layer *last = &graph->layers[graph->layer_count - 1];
    return last->kind == GNG_LAYER_DENSE ? graph->shapes[last->inputs[0]].channels : 0;
}
