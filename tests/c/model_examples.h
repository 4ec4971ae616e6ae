/* Small graphs and models that several programs look at. */
#ifndef GNG_TESTS_MODEL_EXAMPLES_H
#define GNG_TESTS_MODEL_EXAMPLES_H

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "check.h"
#include "deploy/model_file.h"

/* A layer with one input, the layer before it. */
static inline gng_layer example_layer(const char *name, gng_layer_kind kind, int32_t input)
{
    gng_layer layer = {.kind = kind, .input_count = input < 0 ? 0 : 1, .inputs = {input < 0 ? 0 : input}};
    (void)snprintf(layer.name, sizeof layer.name, "%s", name);
    return layer;
}

static inline gng_layer example_conv(const char *name, int32_t input, int32_t filters, int32_t kernel, bool bias)
{
    gng_layer layer = example_layer(name, GNG_LAYER_CONV, input);
    const int32_t before = (kernel - 1) / 2;
    layer.as.conv.filters = filters;
    layer.as.conv.groups = 1;
    layer.as.conv.window = (gng_window){.kernel = {kernel, kernel}, .stride = {1, 1}, .padding = {before, before, before, before}, .dilation = {1, 1}};
    layer.as.conv.bias = bias;
    return layer;
}

static inline gng_layer example_dense(const char *name, int32_t input, int32_t units, bool bias)
{
    gng_layer layer = example_layer(name, GNG_LAYER_DENSE, input);
    layer.as.dense.units = units;
    layer.as.dense.bias = bias;
    return layer;
}

static inline gng_layer example_batch_norm(const char *name, int32_t input)
{
    gng_layer layer = example_layer(name, GNG_LAYER_BATCH_NORM, input);
    layer.as.batch_norm.momentum = 0.99F;
    layer.as.batch_norm.epsilon = 1e-3F;
    return layer;
}

static inline gng_layer example_activation(const char *name, int32_t input, gng_activation function, float slope)
{
    gng_layer layer = example_layer(name, GNG_LAYER_ACTIVATION, input);
    layer.as.activation.function = function;
    layer.as.activation.slope = slope;
    return layer;
}

static inline gng_layer example_pool(const char *name, int32_t input, gng_pool_kind kind)
{
    gng_layer layer = example_layer(name, GNG_LAYER_POOL, input);
    layer.as.pool.kind = kind;
    layer.as.pool.window = (gng_window){.kernel = {2, 2}, .stride = {2, 2}, .dilation = {1, 1}};
    return layer;
}

static inline gng_layer example_add(const char *name, int32_t a, int32_t b)
{
    gng_layer layer = example_layer(name, GNG_LAYER_ADD, a);
    layer.input_count = 2;
    layer.inputs[1] = b;
    return layer;
}

/* Every kind of layer on pictures of 8 x 6 pixels; two logits. */
static inline gng_graph *example_picture_graph(void)
{
    gng_layer layers[] = {
        example_layer("input", GNG_LAYER_INPUT, -1),
        example_conv("conv_1", 0, 2, 3, true),
        example_batch_norm("conv_1_norm", 1),
        example_activation("conv_1_relu", 2, GNG_ACTIVATION_RELU, 0.5F), /* a slope that means nothing */
        example_pool("pool_1", 3, GNG_POOL_MAX),
        example_conv("conv_2", 4, 2, 3, false),
        example_add("add_1", 5, 4),
        example_activation("leaky", 6, GNG_ACTIVATION_LEAKY_RELU, 0.1F),
        example_layer("dropout", GNG_LAYER_DROPOUT, 7),
        example_layer("flatten", GNG_LAYER_FLATTEN, 8),
        example_dense("logits", 9, 2, true),
    };
    layers[1].as.conv.l2 = 1e-4F;
    layers[5].as.conv.groups = 2;
    layers[8].as.dropout.rate = 0.25F;
    const gng_tensor_shape input = {.channels = 1, .height = 8, .width = 6, .block = 1};
    gng_graph *graph = NULL;
    CHECK_STATUS(gng_graph_create(layers, sizeof layers / sizeof layers[0], input, &graph), GNG_OK);
    return graph;
}

/* Rows of five features; three logits. */
static inline gng_graph *example_row_graph(void)
{
    const gng_layer layers[] = {
        example_layer("input", GNG_LAYER_INPUT, -1),
        example_dense("hidden", 0, 4, true),
        example_activation("hidden_elu", 1, GNG_ACTIVATION_ELU, 1.0F),
        example_dense("logits", 2, 3, false),
    };
    const gng_tensor_shape input = {.channels = 5, .height = 1, .width = 1, .block = 1};
    gng_graph *graph = NULL;
    CHECK_STATUS(gng_graph_create(layers, sizeof layers / sizeof layers[0], input, &graph), GNG_OK);
    return graph;
}

/* count uniform values in [low, high); caller releases. */
static inline float *example_values(size_t count, float low, float high, uint64_t seed)
{
    const gng_rng_key key = {.seed = seed, .stream = GNG_STREAM_INITIALISATION};
    gng_rng rng = gng_rng_create(&key);
    float *values = gng_memory_allocate_array(count, sizeof *values);
    for (size_t i = 0; i < count && CHECK(values != NULL); i++)
        values[i] = low + (high - low) * gng_rng_uniform_float(&rng);
    return values;
}

/* A model and the blocks it borrows. */
typedef struct example {
    gng_model model;
    float *parameters, *states, *golden_logits, *golden_rows;
    uint8_t *golden_pixels;
} example;

enum { EXAMPLE_GOLDEN = 2 };

/* golden: also golden inputs, with logits that are numbers like any other. Takes the graph over. */
static inline example example_model(gng_graph *graph, bool golden)
{
    example e = {.model = {.graph = graph}};
    e.parameters = example_values(graph->parameter_floats, -0.5F, 0.5F, 1);
    e.states = example_values(graph->state_floats, 0.1F, 1.0F, 2);
    e.model.parameters = e.parameters;
    e.model.states = e.states;
    e.model.metadata[0] = (gng_metadata){"versions", "{\"gonogo\":\"0.1.0\"}"};
    e.model.metadata[1] = (gng_metadata){"classes", "[\"ok\",\"Gr\xc3\xa4te\"]"};
    e.model.metadata[2] = (gng_metadata){"x.note", "two\nlines, \"quoted\", \xe2\x82\xac"};
    e.model.metadata_count = 3;
    if (golden) {
        const size_t elements = EXAMPLE_GOLDEN * gng_tensor_elements(graph->shapes[0]);
        e.golden_logits = example_values(EXAMPLE_GOLDEN * (size_t)gng_graph_outputs(graph), -3.0F, 3.0F, 3);
        e.golden_rows = example_values(elements, 0.0F, 1.0F, 4);
        e.golden_pixels = gng_memory_allocate(elements);
        for (size_t i = 0; i < elements && CHECK(e.golden_pixels != NULL); i++)
            e.golden_pixels[i] = (uint8_t)(255 * e.golden_rows[i]);
        e.model.golden_count = EXAMPLE_GOLDEN;
        e.model.golden_logits = e.golden_logits;
        if (graph->shapes[0].height > 1)
            e.model.golden_pixels = e.golden_pixels;
        else
            e.model.golden_rows = e.golden_rows;
    }
    return e;
}

static inline void example_release(example *e)
{
    gng_graph_destroy(e->model.graph);
    gng_memory_release(e->parameters);
    gng_memory_release(e->states);
    gng_memory_release(e->golden_logits);
    gng_memory_release(e->golden_rows);
    gng_memory_release(e->golden_pixels);
}

/* The bytes of a model from malloc, so that a step beyond them is noticed; caller frees. */
static inline uint8_t *example_bytes(const gng_model *model, size_t *count)
{
    uint8_t *bytes = NULL;
    CHECK_STATUS(gng_model_serialise(model, NULL, count), GNG_OK);
    bytes = malloc(*count);
    if (CHECK(bytes != NULL))
        CHECK_STATUS(gng_model_serialise(model, bytes, count), GNG_OK);
    return bytes;
}

#endif
