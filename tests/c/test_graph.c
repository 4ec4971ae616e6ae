/* Graphs: shapes, parameters and counts worked out by hand, and a message for everything that does not fit. */
#include "nn/graph.h"

#include <stdlib.h>

#include "check.h"
#include "nn/initialise.h"

static const gng_tensor_shape picture = {3, 20, 31, 1};

enum { INPUT, CONV, NORM, RELU, POOL, SIDE, SUM, FLATTEN, DROPOUT, DENSE, COUNT };

static gng_layer layer(const char *name, gng_layer_kind kind, int32_t input)
{
    gng_layer result = {.kind = kind, .input_count = kind == GNG_LAYER_INPUT ? 0 : 1, .inputs = {input}};
    snprintf(result.name, sizeof result.name, "%s", name);
    return result;
}

/* input -> conv -> norm -> relu -> pool -> side, pool + side -> flatten -> dropout -> dense */
static void sound(gng_layer layers[COUNT])
{
    layers[INPUT] = layer("input", GNG_LAYER_INPUT, 0);
    layers[CONV] = layer("conv", GNG_LAYER_CONV, INPUT);
    layers[CONV].as.conv.filters = 6;
    layers[CONV].as.conv.groups = 3;
    layers[CONV].as.conv.bias = true;
    layers[CONV].as.conv.l2 = 0.5F;
    layers[CONV].as.conv.window = (gng_window){.kernel = {3, 5}, .stride = {2, 3}, .padding = {1, 0, 2, 4}, .dilation = {2, 1}};
    layers[NORM] = layer("norm", GNG_LAYER_BATCH_NORM, CONV);
    layers[NORM].as.batch_norm.momentum = 0.9F;
    layers[NORM].as.batch_norm.epsilon = 0.001F;
    layers[RELU] = layer("relu", GNG_LAYER_ACTIVATION, NORM);
    layers[POOL] = layer("pool", GNG_LAYER_POOL, RELU);
    layers[POOL].as.pool.window = (gng_window){.kernel = {2, 3}, .stride = {2, 2}, .dilation = {1, 1}};
    layers[SIDE] = layer("side", GNG_LAYER_CONV, POOL);
    layers[SIDE].as.conv.filters = 6;
    layers[SIDE].as.conv.groups = 1;
    layers[SIDE].as.conv.window = (gng_window){.kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}};
    layers[SUM] = layer("sum", GNG_LAYER_ADD, POOL);
    layers[SUM].input_count = 2;
    layers[SUM].inputs[1] = SIDE;
    layers[FLATTEN] = layer("flatten", GNG_LAYER_FLATTEN, SUM);
    layers[DROPOUT] = layer("dropout", GNG_LAYER_DROPOUT, FLATTEN);
    layers[DROPOUT].as.dropout.rate = 0.5F;
    layers[DENSE] = layer("dense", GNG_LAYER_DENSE, DROPOUT);
    layers[DENSE].as.dense.units = 2;
    layers[DENSE].as.dense.bias = true;
}

static void check_shape(const gng_graph *graph, int32_t i, int32_t channels, int32_t height, int32_t width)
{
    const gng_tensor_shape shape = graph->shapes[i];
    CHECK(shape.channels == channels && shape.height == height && shape.width == width && shape.block == 1);
}

static void shapes_and_parameters_follow_from_the_layers(void)
{
    gng_layer layers[COUNT];
    sound(layers);
    gng_graph *graph = NULL;
    CHECK_STATUS(gng_graph_create(layers, COUNT, picture, &graph), GNG_OK);
    if (graph == NULL)
        return;
    memset(layers, 0, sizeof layers); /* the graph has its own copy */
    /* rows: (20 + 1 + 0 - 2 * 2 - 1) / 2 + 1 = 9; columns: (31 + 2 + 4 - 4 - 1) / 3 + 1 = 11 */
    check_shape(graph, CONV, 6, 9, 11);
    check_shape(graph, RELU, 6, 9, 11);
    check_shape(graph, POOL, 6, 4, 5);
    check_shape(graph, SUM, 6, 4, 5);
    check_shape(graph, FLATTEN, 120, 1, 1);
    check_shape(graph, DENSE, 2, 1, 1);
    CHECK(gng_graph_outputs(graph) == 2);
    CHECK(graph->multiply_adds == 6u * 9 * 11 * 15 + 120u * 6 + 240);

    static const struct {
        const char *name;
        int32_t layer, fan_in, fan_out;
        size_t offset, count;
    } expected[] = {
        {"conv.weight", CONV, 15, 90, 0, 90}, {"conv.bias", CONV, 0, 0, 90, 6},       {"norm.gamma", NORM, 0, 0, 96, 6},       {"norm.beta", NORM, 0, 0, 102, 6},
        {"side.weight", SIDE, 6, 6, 108, 36}, {"dense.weight", DENSE, 120, 2, 144, 240}, {"dense.bias", DENSE, 0, 0, 384, 2},
    };
    CHECK(graph->parameter_count == 7 && graph->parameter_floats == 386);
    for (int32_t i = 0; i < graph->parameter_count && i < 7; i++) {
        const gng_parameter *parameter = &graph->parameters[i];
        CHECK_TEXT(parameter->name, expected[i].name);
        CHECK(parameter->layer == expected[i].layer && parameter->offset == expected[i].offset && parameter->count == expected[i].count);
        CHECK(parameter->fan_in == expected[i].fan_in && parameter->fan_out == expected[i].fan_out);
        CHECK(parameter->l2 == (i == 0 ? 0.5F : 0.0F));
    }
    CHECK(graph->parameters[0].rank == 4 && graph->parameters[0].shape[0] == 6 && graph->parameters[0].shape[1] == 1);
    CHECK(graph->state_count == 2 && graph->state_floats == 12);
    CHECK_TEXT(graph->states[0].name, "norm.mean");
    CHECK_TEXT(graph->states[1].name, "norm.variance");
    CHECK(graph->states[1].offset == 6);
    gng_graph_destroy(graph);
    gng_graph_destroy(NULL);
}

static void window_output_is_floored(void)
{
    CHECK(gng_window_output(7, 0, 0, 3, 2, 1) == 3);
    CHECK(gng_window_output(8, 0, 0, 3, 2, 1) == 3);
    CHECK(gng_window_output(8, 1, 0, 3, 2, 1) == 4);
    CHECK(gng_window_output(5, 0, 0, 3, 1, 2) == 1);
    CHECK(gng_window_output(4, 0, 0, 3, 1, 2) < 1);
    CHECK(gng_window_output(2, 0, 0, 3, 5, 1) < 1);
    CHECK(gng_window_output(INT32_MAX, INT32_MAX, INT32_MAX, 1, 1, 1) == INT32_MAX);
    CHECK(gng_window_output(1, 0, 0, INT32_MAX, 1, INT32_MAX) < 1);
}

static void refuse(const gng_layer *layers, int32_t count, gng_status status, const char *part)
{
    gng_graph *graph = NULL;
    CHECK_STATUS(gng_graph_create(layers, count, picture, &graph), status);
    CHECK(graph == NULL);
    gng_graph_destroy(graph);
    if (!CHECK(strstr(gng_error_detail(), part) != NULL))
        fprintf(stderr, "    '%s' is not part of '%s'\n", part, gng_error_detail());
}

/* Each with one field of the sound graph changed. */
#define REFUSED(change, status, part)        \
    do {                                     \
        gng_layer layers[COUNT];             \
        sound(layers);                       \
        change;                              \
        refuse(layers, COUNT, status, part); \
    } while (0)

static void what_does_not_fit_is_refused_by_name(void)
{
    REFUSED(layers[CONV].as.conv.window.kernel[0] = 12, GNG_STATUS_SHAPE, "layer 'conv': kernel 23x5 (dilated) is larger than its padded input 21x37; use");
    REFUSED(layers[CONV].as.conv.window.kernel[1] = 0, GNG_STATUS_ARGUMENT, "layer 'conv': kernel, stride and dilation along width: found 0, 3, 1");
    REFUSED(layers[CONV].as.conv.window.stride[0] = 0, GNG_STATUS_ARGUMENT, "along height: found 3, 0, 2");
    REFUSED(layers[CONV].as.conv.window.padding[0] = 5, GNG_STATUS_ARGUMENT, "padding along height: found 5 and 0, expected 0 to 4");
    REFUSED(layers[CONV].as.conv.window.padding[3] = -1, GNG_STATUS_ARGUMENT, "padding along width: found 2 and -1");
    REFUSED(layers[CONV].as.conv.groups = 2, GNG_STATUS_SHAPE, "layer 'conv': groups: found 2, expected a divisor of its 3 input channels and of its 6 filters");
    REFUSED(layers[CONV].as.conv.filters = 7, GNG_STATUS_SHAPE, "layer 'conv': groups: found 3, expected a divisor of its 3 input channels and of its 7 filters");
    REFUSED(layers[CONV].as.conv.groups = 0, GNG_STATUS_SHAPE, "groups: found 0");
    REFUSED(layers[CONV].as.conv.filters = 0, GNG_STATUS_ARGUMENT, "layer 'conv': filters: found 0");
    REFUSED(layers[CONV].as.conv.filters = 3 << 24, GNG_STATUS_TOO_LARGE, "layer 'conv': its output 50331648x9x11 has more than");
    REFUSED(layers[CONV].as.conv.l2 = -1, GNG_STATUS_ARGUMENT, "layer 'conv': l2: found -1");
    REFUSED(layers[CONV].as.conv.l2 = NAN, GNG_STATUS_ARGUMENT, "layer 'conv': l2: found NaN");
    REFUSED(layers[NORM].as.batch_norm.epsilon = 0, GNG_STATUS_ARGUMENT, "layer 'norm': epsilon: found 0");
    REFUSED(layers[NORM].as.batch_norm.momentum = 1.5F, GNG_STATUS_ARGUMENT, "layer 'norm': momentum: found 1.5");
    REFUSED(layers[RELU].as.activation.function = GNG_ACTIVATION_COUNT, GNG_STATUS_ARGUMENT, "layer 'relu': unknown activation");
    REFUSED((layers[RELU].as.activation.function = GNG_ACTIVATION_LEAKY_RELU, layers[RELU].as.activation.slope = 2), GNG_STATUS_ARGUMENT, "slope of leaky_relu: found 2");
    REFUSED(layers[RELU].as.activation.function = GNG_ACTIVATION_ELU, GNG_STATUS_ARGUMENT, "layer 'relu': slope (alpha) of elu: found 0");
    REFUSED(layers[POOL].as.pool.window.dilation[0] = 2, GNG_STATUS_ARGUMENT, "layer 'pool': dilation: found 2x1");
    REFUSED(layers[POOL].as.pool.kind = GNG_POOL_COUNT, GNG_STATUS_ARGUMENT, "layer 'pool': unknown kind of pooling");
    REFUSED(layers[SUM].inputs[1] = RELU, GNG_STATUS_SHAPE, "layer 'sum': found inputs of 6x4x5 and 6x9x11, expected equal shapes");
    REFUSED(layers[SUM].input_count = 1, GNG_STATUS_ARGUMENT, "layer 'sum': found 1 inputs, expected 2 for add");
    REFUSED(layers[SUM].input_count = 3, GNG_STATUS_ARGUMENT, "layer 'sum': found 3 inputs");
    REFUSED(layers[DROPOUT].as.dropout.rate = 1, GNG_STATUS_ARGUMENT, "layer 'dropout': rate: found 1");
    REFUSED(layers[DROPOUT].as.dropout.rate = NAN, GNG_STATUS_ARGUMENT, "layer 'dropout': rate: found NaN");
    REFUSED(layers[DENSE].inputs[0] = SUM, GNG_STATUS_SHAPE, "layer 'dense': found an input of 6x4x5, expected a row of features; put a flatten");
    REFUSED(layers[DENSE].as.dense.units = -3, GNG_STATUS_ARGUMENT, "layer 'dense': units: found -3");
    REFUSED(layers[DENSE].as.dense.units = 1 << 26, GNG_STATUS_TOO_LARGE, "layer 'dense': found 67108864 x 120 weights");
    REFUSED(layers[DENSE].inputs[0] = DENSE, GNG_STATUS_ARGUMENT, "layer 'dense': input 0 is layer 9, expected an earlier layer, 0 to 8");
    REFUSED(layers[DENSE].inputs[0] = -1, GNG_STATUS_ARGUMENT, "layer 'dense': input 0 is layer -1");
    REFUSED(layers[DENSE].kind = GNG_LAYER_INPUT, GNG_STATUS_ARGUMENT, "layer 'dense': found kind input");
    REFUSED(layers[DENSE].kind = GNG_LAYER_KIND_COUNT, GNG_STATUS_ARGUMENT, "layer 'dense': found kind unknown");
    REFUSED(layers[RELU].inputs[0] = CONV, GNG_STATUS_ARGUMENT, "layer 'norm': no other layer uses its output");
    REFUSED(layers[INPUT].kind = GNG_LAYER_FLATTEN, GNG_STATUS_ARGUMENT, "layer 'input': found kind flatten");
    REFUSED(memcpy(layers[POOL].name, "conv", 5), GNG_STATUS_ARGUMENT, "layer 'conv': layers 1 and 4 have the same name");
    REFUSED(layers[POOL].name[0] = '\0', GNG_STATUS_ARGUMENT, "layer 4: found the name ''");
    REFUSED(layers[POOL].name[1] = '.', GNG_STATUS_ARGUMENT, "layer 4: found the name 'p.ol'");
    REFUSED(memset(layers[POOL].name, 'a', GNG_NAME_BYTES), GNG_STATUS_ARGUMENT, "layer 4: its name 'aaaaaaaaaaaaaaaaaaaa...' is longer than 63");
}

static void the_last_layer_must_give_logits(void)
{
    gng_layer layers[COUNT];
    sound(layers);
    refuse(layers, POOL + 1, GNG_STATUS_SHAPE, "layer 'pool': found an output of 6x4x5, expected that the last layer gives a row of logits");
    refuse(layers, 1, GNG_STATUS_ARGUMENT, "layers: found 1");
    refuse(layers, GNG_LAYERS_MAX + 1, GNG_STATUS_ARGUMENT, "expected 2 to 1024");
}

static void more_work_than_can_be_counted_is_refused(void)
{
    /* 11585^2 outputs of 46340^2 taps each are 2^58 multiply-adds. */
    static gng_layer layers[80];
    layers[0] = layer("input", GNG_LAYER_INPUT, 0);
    for (int32_t i = 1; i < 80; i++) {
        layers[i] = layer("", GNG_LAYER_CONV, i - 1);
        snprintf(layers[i].name, sizeof layers[i].name, "conv_%d", (int)i);
        layers[i].as.conv.filters = layers[i].as.conv.groups = 1;
        layers[i].as.conv.window = (gng_window){.kernel = {46340, 46340}, .stride = {1, 1}, .padding = {46339, 0, 0, 46339}, .dilation = {1, 1}};
    }
    gng_graph *graph = NULL;
    CHECK_STATUS(gng_graph_create(layers, 80, (gng_tensor_shape){1, 11585, 11585, 1}, &graph), GNG_STATUS_TOO_LARGE);
    CHECK_TEXT(gng_error_detail(), "layer 'conv_65': the net up to here needs more than 2^64 multiply-adds; use fewer filters or units");
    layers[1].as.conv.window.kernel[0] = 46350;
    CHECK_STATUS(gng_graph_create(layers, 80, (gng_tensor_shape){1, 11585, 11585, 1}, &graph), GNG_STATUS_TOO_LARGE);
    CHECK(strstr(gng_error_detail(), "layer 'conv_1': a filter of 1 x 46350x46340 weights is too large") != NULL);
    CHECK(graph == NULL);
}

static void odd_inputs_are_refused(void)
{
    gng_layer layers[COUNT];
    sound(layers);
    gng_graph *graph = NULL;
    CHECK_STATUS(gng_graph_create(layers, COUNT, (gng_tensor_shape){0, 20, 20, 1}, &graph), GNG_STATUS_SHAPE);
    CHECK_STATUS(gng_graph_create(layers, COUNT, (gng_tensor_shape){3, 20, 20, 8}, &graph), GNG_STATUS_SHAPE);
    CHECK_STATUS(gng_graph_create(layers, COUNT, (gng_tensor_shape){3, INT32_MAX, INT32_MAX, 1}, &graph), GNG_STATUS_TOO_LARGE);
    CHECK(graph == NULL);
}

static void exhausted_memory_is_reported_and_nothing_leaks(void)
{
    gng_layer layers[COUNT];
    sound(layers);
    const uint64_t live = gng_memory_live_count();
    for (uint64_t n = 1; n <= 5; n++) {
        gng_graph *graph = NULL;
        gng_memory_fail_nth(n);
        CHECK_STATUS(gng_graph_create(layers, COUNT, picture, &graph), GNG_STATUS_MEMORY);
        CHECK(graph == NULL && gng_memory_live_count() == live);
    }
    gng_memory_fail_nth(0);
}

static void names_are_found_and_unknown_ones_list_the_known(void)
{
    gng_layer_kind kind;
    gng_activation activation;
    gng_pool_kind pool;
    CHECK_STATUS(gng_layer_kind_from_name("batch_norm", &kind), GNG_OK);
    CHECK(kind == GNG_LAYER_BATCH_NORM);
    CHECK_STATUS(gng_activation_from_name("gelu", &activation), GNG_OK);
    CHECK(activation == GNG_ACTIVATION_GELU);
    CHECK_STATUS(gng_pool_from_name("global_average", &pool), GNG_OK);
    CHECK(pool == GNG_POOL_GLOBAL_AVERAGE);
    CHECK_STATUS(gng_activation_from_name("swish", &activation), GNG_STATUS_ARGUMENT);
    CHECK_TEXT(gng_error_detail(), "activation: found 'swish', expected one of: relu, leaky_relu, elu, gelu, tanh, sigmoid");
    CHECK_STATUS(gng_pool_from_name("", &pool), GNG_STATUS_ARGUMENT);
    CHECK_STATUS(gng_layer_kind_from_name(NULL, &kind), GNG_STATUS_ARGUMENT);
    CHECK_TEXT(gng_layer_kind_name(GNG_LAYER_CONV), "conv");
    CHECK_TEXT(gng_activation_name(GNG_ACTIVATION_COUNT), "unknown");
    CHECK_TEXT(gng_pool_name(GNG_POOL_MAX), "max");
}

typedef struct spread {
    double mean, variance, largest;
} spread;

static spread spread_of(const float *values, size_t count)
{
    spread result = {0};
    for (size_t i = 0; i < count; i++) {
        result.mean += (double)values[i] / (double)count;
        result.variance += (double)values[i] * (double)values[i] / (double)count;
        result.largest = fmax(result.largest, fabs((double)values[i]));
    }
    return result;
}

static void initial_weights_have_the_said_spread_and_do_not_depend_on_other_layers(void)
{
    gng_layer layers[3] = {layer("input", GNG_LAYER_INPUT, 0), layer("a", GNG_LAYER_DENSE, 0), layer("b", GNG_LAYER_DENSE, 1)};
    layers[1].as.dense.units = 200;
    layers[1].as.dense.bias = true;
    layers[2].as.dense.units = 300;
    gng_graph *graph = NULL, *other = NULL;
    CHECK_STATUS(gng_graph_create(layers, 3, (gng_tensor_shape){100, 1, 1, 1}, &graph), GNG_OK);
    layers[1].as.dense.bias = false;
    CHECK_STATUS(gng_graph_create(layers, 3, (gng_tensor_shape){100, 1, 1, 1}, &other), GNG_OK);
    if (graph == NULL || other == NULL)
        return;
    float *values = malloc(graph->parameter_floats * sizeof *values), *others = malloc(other->parameter_floats * sizeof *others);
    /* of layer a: fan_in 100, fan_out 200 */
    static const double variances[] = {2.0 / 300, 2.0 / 300, 2.0 / 100, 2.0 / 100};
    static const double bounds[] = {0.1414213562, 0.0816496581 * 2 / 0.87962566103423978, 0.2449489743, 0.1414213562 * 2 / 0.87962566103423978};
    static const char *const names[] = {"glorot_uniform", "glorot_normal", "he_uniform", "he_normal"};
    for (int i = 0; i < 4; i++) {
        gng_initialiser initialiser;
        CHECK_STATUS(gng_initialiser_from_name(names[i], &initialiser), GNG_OK);
        gng_graph_initialise(graph, initialiser, 5, values, NULL);
        const spread all = spread_of(values, 20000);
        CHECK_NEAR(all.mean, 0, 4 * sqrt(variances[i] / 20000));
        CHECK_NEAR(all.variance, variances[i], 0.03 * variances[i]);
        CHECK(all.largest <= bounds[i] * 1.000001 && all.largest > 0.98 * bounds[i]);
        CHECK(spread_of(values + 20000, 200).largest == 0);
        gng_graph_initialise(other, initialiser, 5, others, NULL);
        CHECK(memcmp(values + 20200, others + 20000, 60000 * sizeof *values) == 0);
        CHECK(memcmp(values, values + 20200, 20000 * sizeof *values) != 0);
        gng_graph_initialise(other, initialiser, 6, others, NULL);
        CHECK(memcmp(values, others, 20000 * sizeof *values) != 0);
    }
    gng_initialiser initialiser;
    CHECK_STATUS(gng_initialiser_from_name("ones", &initialiser), GNG_STATUS_ARGUMENT);
    free(values);
    free(others);
    gng_graph_destroy(graph);
    gng_graph_destroy(other);
}

static void batch_normalisation_starts_as_the_identity(void)
{
    gng_layer layers[COUNT];
    sound(layers);
    gng_graph *graph = NULL;
    CHECK_STATUS(gng_graph_create(layers, COUNT, picture, &graph), GNG_OK);
    float parameters[386], states[12];
    gng_graph_initialise(graph, GNG_INITIALISER_GLOROT_UNIFORM, 1, parameters, states);
    for (int c = 0; c < 6; c++)
        CHECK(parameters[96 + c] == 1 && parameters[102 + c] == 0 && states[c] == 0 && states[6 + c] == 1);
    gng_graph_destroy(graph);
}

int main(void)
{
    shapes_and_parameters_follow_from_the_layers();
    window_output_is_floored();
    what_does_not_fit_is_refused_by_name();
    the_last_layer_must_give_logits();
    more_work_than_can_be_counted_is_refused();
    odd_inputs_are_refused();
    exhausted_memory_is_reported_and_nothing_leaks();
    names_are_found_and_unknown_ones_list_the_known();
    initial_weights_have_the_said_spread_and_do_not_depend_on_other_layers();
    batch_normalisation_starts_as_the_identity();
    return check_result();
}
