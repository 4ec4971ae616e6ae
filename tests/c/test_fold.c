/* Folding of batch normalisation: the same function with fewer layers, held against plain double loops. */
#include "deploy/classifier.h"
#include "model_examples.h"

enum { ELEMENTS_MAX = 256, LAYERS = 12 };

typedef struct net {
    gng_graph *graph;
    float *parameters, *states;
} net;

static net make_net(const gng_layer *layers, int32_t count, gng_tensor_shape input)
{
    net n = {0};
    CHECK_STATUS(gng_graph_create(layers, count, input, &n.graph), GNG_OK);
    if (n.graph != NULL) {
        n.parameters = example_values(n.graph->parameter_floats, -1.0F, 1.0F, 5);
        n.states = example_values(n.graph->state_floats, 0.2F, 1.5F, 6);
    }
    return n;
}

static net fold(const net *n)
{
    net folded = {0};
    CHECK_STATUS(gng_graph_fold(n->graph, n->parameters, n->states, &folded.graph, &folded.parameters, &folded.states), GNG_OK);
    return folded;
}

static void release(net *n)
{
    gng_graph_destroy(n->graph);
    gng_memory_release(n->parameters);
    gng_memory_release(n->states);
}

static const float *tensor(const gng_parameter *tensors, int32_t count, const float *values, int32_t layer, const char *part)
{
    for (int32_t i = 0; i < count; i++)
        if (tensors[i].layer == layer && strcmp(strrchr(tensors[i].name, '.') + 1, part) == 0)
            return values + tensors[i].offset;
    return NULL;
}

/* stride 1, dilation 1, any padding and groups */
static void run_conv(const gng_layer *layer, gng_tensor_shape in, gng_tensor_shape out, const float *weight, const float *bias, const double *from, double *to)
{
    const gng_window *window = &layer->as.conv.window;
    const int32_t channels = in.channels / layer->as.conv.groups, filters = out.channels / layer->as.conv.groups;
    for (int32_t k = 0; k < out.channels; k++)
        for (int32_t y = 0; y < out.height; y++)
            for (int32_t x = 0; x < out.width; x++) {
                double sum = bias != NULL ? (double)bias[k] : 0;
                for (int32_t c = 0; c < channels; c++)
                    for (int32_t r = 0; r < window->kernel[0]; r++)
                        for (int32_t s = 0; s < window->kernel[1]; s++) {
                            const int32_t row = y + r - window->padding[0], column = x + s - window->padding[2];
                            if (row >= 0 && row < in.height && column >= 0 && column < in.width)
                                sum += (double)weight[((k * channels + c) * window->kernel[0] + r) * window->kernel[1] + s] *
                                       from[gng_tensor_index(in, k / filters * channels + c, row, column)];
                        }
                to[gng_tensor_index(out, k, y, x)] = sum;
            }
}

/* The logits of one input, in double; the kinds of layers that these tests use. */
static void run(const net *n, const float *input, double *logits)
{
    static double values[LAYERS][ELEMENTS_MAX];
    const gng_graph *graph = n->graph;
    for (size_t i = 0; i < gng_tensor_elements(graph->shapes[0]); i++)
        values[0][i] = (double)input[i];
    for (int32_t l = 1; l < graph->layer_count; l++) {
        const gng_layer *layer = &graph->layers[l];
        const gng_tensor_shape in = graph->shapes[layer->inputs[0]], out = graph->shapes[l];
        const double *from = values[layer->inputs[0]];
        const float *weight = tensor(graph->parameters, graph->parameter_count, n->parameters, l, "weight");
        const float *bias = tensor(graph->parameters, graph->parameter_count, n->parameters, l, "bias");
        const float *gamma = tensor(graph->parameters, graph->parameter_count, n->parameters, l, "gamma");
        const float *beta = tensor(graph->parameters, graph->parameter_count, n->parameters, l, "beta");
        const float *mean = tensor(graph->states, graph->state_count, n->states, l, "mean");
        const float *variance = tensor(graph->states, graph->state_count, n->states, l, "variance");
        const size_t elements = gng_tensor_elements(out), plane = elements / (size_t)out.channels;
        if (layer->kind == GNG_LAYER_CONV)
            run_conv(layer, in, out, weight, bias, from, values[l]);
        for (size_t i = 0; i < elements; i++) {
            const size_t c = i / plane;
            if (layer->kind == GNG_LAYER_BATCH_NORM)
                values[l][i] = (double)gamma[c] * (from[i] - (double)mean[c]) / sqrt((double)variance[c] + (double)layer->as.batch_norm.epsilon) + (double)beta[c];
            if (layer->kind == GNG_LAYER_ACTIVATION)
                values[l][i] = from[i] > 0 ? from[i] : 0;
            if (layer->kind == GNG_LAYER_FLATTEN)
                values[l][i] = from[i];
            if (layer->kind == GNG_LAYER_ADD)
                values[l][i] = from[i] + values[layer->inputs[1]][i];
            if (layer->kind == GNG_LAYER_DENSE) {
                values[l][i] = bias != NULL ? (double)bias[i] : 0;
                for (size_t k = 0; k < (size_t)in.channels; k++)
                    values[l][i] += (double)weight[i * (size_t)in.channels + k] * from[k];
            }
        }
    }
    memcpy(logits, values[graph->layer_count - 1], (size_t)gng_graph_outputs(graph) * sizeof *logits);
}

static void check_same_function(const net *a, const net *b)
{
    double left[8] = {0}, right[8] = {0};
    for (uint64_t seed = 0; seed < 5; seed++) {
        float *input = example_values(gng_tensor_elements(a->graph->shapes[0]), 0.0F, 1.0F, seed);
        run(a, input, left);
        run(b, input, right);
        for (int32_t i = 0; i < gng_graph_outputs(a->graph); i++)
            CHECK_NEAR(left[i], right[i], 1e-5);
        gng_memory_release(input);
    }
}

static int32_t count_of(const gng_graph *graph, gng_layer_kind kind)
{
    int32_t count = 0;
    for (int32_t i = 0; i < graph->layer_count; i++)
        count += graph->layers[i].kind == kind;
    return count;
}

static void convolutions_and_dense_layers_take_it_in(void)
{
    gng_layer layers[] = {
        example_layer("input", GNG_LAYER_INPUT, -1),
        example_conv("conv_1", 0, 4, 3, false),
        example_batch_norm("conv_1_norm", 1),
        example_activation("relu", 2, GNG_ACTIVATION_RELU, 0),
        example_conv("conv_2", 3, 4, 3, true),
        example_batch_norm("conv_2_norm", 4),
        example_layer("flatten", GNG_LAYER_FLATTEN, 5),
        example_dense("dense", 6, 6, false),
        example_batch_norm("dense_norm", 7),
        example_dense("logits", 8, 3, true),
        example_batch_norm("logits_norm", 9),
    };
    layers[4].as.conv.groups = 2;
    net n = make_net(layers, sizeof layers / sizeof layers[0], (gng_tensor_shape){3, 4, 5, 1});
    net folded = fold(&n);
    if (folded.graph != NULL) {
        CHECK(count_of(folded.graph, GNG_LAYER_BATCH_NORM) == 0 && folded.graph->layer_count == 7 && folded.graph->state_floats == 0);
        CHECK(folded.graph->layers[1].as.conv.bias && folded.graph->layers[5].as.dense.bias);
        CHECK_TEXT(folded.graph->layers[6].name, "logits");
        check_same_function(&n, &folded);
    }
    release(&n);
    release(&folded);
}

/* After the input, after an activation, and after a convolution that someone else reads too. */
static void others_are_kept(void)
{
    const gng_layer layers[] = {
        example_layer("input", GNG_LAYER_INPUT, -1),
        example_batch_norm("input_norm", 0),
        example_conv("conv_1", 1, 2, 3, true),
        example_activation("relu", 2, GNG_ACTIVATION_RELU, 0),
        example_batch_norm("relu_norm", 3),
        example_conv("conv_2", 4, 2, 3, true),
        example_batch_norm("conv_2_norm", 5),
        example_add("add", 6, 5),
        example_conv("conv_3", 7, 2, 1, false),
        example_batch_norm("conv_3_norm", 8),
        example_layer("flatten", GNG_LAYER_FLATTEN, 9),
        example_dense("logits", 10, 2, false),
    };
    net n = make_net(layers, sizeof layers / sizeof layers[0], (gng_tensor_shape){1, 3, 3, 1});
    net folded = fold(&n);
    if (folded.graph != NULL) {
        CHECK(count_of(folded.graph, GNG_LAYER_BATCH_NORM) == 3 && folded.graph->layer_count == 11);
        check_same_function(&n, &folded);
    }
    release(&n);
    release(&folded);
}

static void a_graph_without_any_is_copied(void)
{
    net n = {.graph = example_row_graph()};
    n.parameters = example_values(n.graph->parameter_floats, -1.0F, 1.0F, 5);
    n.states = example_values(0, 0, 0, 6);
    net folded = fold(&n);
    if (folded.graph != NULL)
        CHECK(folded.graph->layer_count == n.graph->layer_count && folded.graph->parameter_floats == n.graph->parameter_floats &&
              memcmp(folded.parameters, n.parameters, n.graph->parameter_floats * sizeof(float)) == 0);
    release(&n);
    release(&folded);
}

static void impossible_statistics_are_refused(void)
{
    const gng_layer layers[] = {
        example_layer("input", GNG_LAYER_INPUT, -1),
        example_dense("logits", 0, 1, false),
        example_batch_norm("logits_norm", 1),
    };
    net n = make_net(layers, 3, (gng_tensor_shape){2, 1, 1, 1}), folded = {0};
    n.states[1] = -1;
    CHECK_STATUS(gng_graph_fold(n.graph, n.parameters, n.states, &folded.graph, &folded.parameters, &folded.states), GNG_STATUS_ARGUMENT);
    CHECK(strstr(gng_error_detail(), "logits_norm") != NULL && folded.graph == NULL && folded.parameters == NULL && folded.states == NULL);
    release(&n);
}

static void every_failing_allocation_is_reported(void)
{
    const gng_layer layers[] = {
        example_layer("input", GNG_LAYER_INPUT, -1),
        example_dense("logits", 0, 1, false),
        example_batch_norm("logits_norm", 1),
    };
    net n = make_net(layers, 3, (gng_tensor_shape){2, 1, 1, 1});
    const uint64_t live = gng_memory_live_count();
    gng_status status = GNG_STATUS_MEMORY;
    for (uint64_t i = 1; status != GNG_OK && CHECK(i < 50); i++) {
        net folded = {0};
        gng_memory_fail_nth(i);
        status = gng_graph_fold(n.graph, n.parameters, n.states, &folded.graph, &folded.parameters, &folded.states);
        gng_memory_fail_nth(0);
        CHECK(status == GNG_OK || (status == GNG_STATUS_MEMORY && folded.graph == NULL));
        release(&folded);
        CHECK(gng_memory_live_count() == live);
    }
    release(&n);
}

int main(void)
{
    convolutions_and_dense_layers_take_it_in();
    others_are_kept();
    a_graph_without_any_is_copied();
    impossible_statistics_are_refused();
    every_failing_allocation_is_reported();
    return check_result();
}
