/* The classifier: golden check, chunks, and the same logits as the unfolded net. */
#include "base/cpu.h"
#include "deploy/classifier.h"
#include "deploy/threshold.h"
#include "model_examples.h"
#include "nn/net.h"

enum { PICTURES = 37, BATCH = 8, LOGITS_MAX = 4 * PICTURES };

static gng_classifier *create(const gng_model *model, uint32_t batch, int threads)
{
    gng_classifier *classifier = NULL;
    CHECK_STATUS(gng_classifier_create(model, batch, threads, &classifier), GNG_OK);
    return classifier;
}

/* Pixels [PICTURES, H, W, C] or rows [PICTURES, features], from one seed. */
static uint8_t *pixels_for(const gng_graph *graph)
{
    const size_t count = PICTURES * gng_tensor_elements(graph->shapes[0]);
    float *values = example_values(count, 0.0F, 255.99F, 8);
    uint8_t *pixels = gng_memory_allocate(count);
    for (size_t i = 0; i < count && CHECK(pixels != NULL); i++)
        pixels[i] = (uint8_t)values[i];
    gng_memory_release(values);
    return pixels;
}

typedef struct picture_source {
    const uint8_t *pixels;
    gng_tensor_shape shape;
} picture_source;

/* Written without gng_image_to_tensor: HWC bytes to CHW floats. */
static gng_status fill(void *argument, uint32_t position, int worker, float *out)
{
    (void)worker;
    const picture_source *source = argument;
    const gng_tensor_shape shape = source->shape;
    const uint8_t *picture = source->pixels + position * gng_tensor_elements(shape);
    for (int32_t c = 0; c < shape.channels; c++)
        for (int32_t y = 0; y < shape.height; y++)
            for (int32_t x = 0; x < shape.width; x++)
                out[gng_tensor_index(shape, c, y, x)] = (float)picture[(y * shape.width + x) * shape.channels + c] / 255.0F;
    return GNG_OK;
}

static void check_against_the_unfolded_net(gng_graph *graph)
{
    example e = example_model(graph, false);
    uint8_t *pixels = pixels_for(graph);
    float expected[LOGITS_MAX], found[LOGITS_MAX];
    gng_net *net = NULL;
    const gng_net_options options = {.batch = PICTURES, .threads = 1};
    CHECK_STATUS(gng_net_create(graph, &options, &net), GNG_OK);
    gng_classifier *classifier = create(&e.model, BATCH, 1);
    if (net != NULL && classifier != NULL) {
        memcpy(gng_net_parameters(net), e.parameters, graph->parameter_floats * sizeof(float));
        memcpy(gng_net_states(net), e.states, graph->state_floats * sizeof(float));
        CHECK_STATUS(gng_net_pack(net, NULL), GNG_OK);
        picture_source source = {pixels, graph->shapes[0]};
        const gng_net_run run = {.count = PICTURES, .fill = fill, .argument = &source};
        CHECK_STATUS(gng_net_infer(net, NULL, &run, expected), GNG_OK);
        CHECK_STATUS(gng_classifier_logits(classifier, NULL, pixels, PICTURES, found, NULL), GNG_OK);
        for (int32_t i = 0; i < PICTURES * gng_graph_outputs(graph); i++)
            CHECK_NEAR((double)found[i], (double)expected[i], 1e-5);
    }
    gng_classifier_destroy(classifier);
    gng_net_destroy(net);
    gng_memory_release(pixels);
    example_release(&e);
}

static gng_graph *colour_graph(void)
{
    const gng_layer layers[] = {
        example_layer("input", GNG_LAYER_INPUT, -1),
        example_conv("conv_1", 0, 4, 3, false),
        example_batch_norm("conv_1_norm", 1),
        example_activation("relu", 2, GNG_ACTIVATION_RELU, 0),
        example_pool("pool", 3, GNG_POOL_GLOBAL_AVERAGE),
        example_dense("logits", 4, 3, true),
    };
    gng_graph *graph = NULL;
    CHECK_STATUS(gng_graph_create(layers, 6, (gng_tensor_shape){3, 7, 5, 1}, &graph), GNG_OK);
    return graph;
}

static void logits_are_those_of_the_unfolded_net(void)
{
    check_against_the_unfolded_net(example_picture_graph());
    check_against_the_unfolded_net(colour_graph());
}

/* Chunks, batch sizes, threads and neighbours change no bit. */
static void a_picture_has_the_same_bits_in_any_company(void)
{
    static const uint64_t counts[] = {1, 2, 3, 7, 8, 9, 16, 17, 33, PICTURES};
    static const uint32_t batches[] = {1, 3, 8, 64};
    example e = example_model(example_picture_graph(), false);
    uint8_t *pixels = pixels_for(e.model.graph);
    const size_t outputs = (size_t)gng_graph_outputs(e.model.graph);
    float expected[LOGITS_MAX] = {0}, found[LOGITS_MAX];
    for (size_t b = 0; b < sizeof batches / sizeof batches[0]; b++)
        for (int threads = 1; threads <= 2; threads++) {
            gng_classifier *classifier = create(&e.model, batches[b], threads);
            gng_context context = {.threads = threads};
            for (size_t i = 0; i < sizeof counts / sizeof counts[0] && classifier != NULL; i++) {
                memset(found, 0, sizeof found);
                CHECK_STATUS(gng_classifier_logits(classifier, &context, pixels, counts[i], found, NULL), GNG_OK);
                if (b == 0 && threads == 1 && counts[i] == 1)
                    for (uint64_t k = 0; k < PICTURES; k++)
                        CHECK_STATUS(gng_classifier_logits(classifier, &context, pixels + k * 48, 1, expected + k * outputs, NULL), GNG_OK);
                CHECK(memcmp(found, expected, (size_t)counts[i] * outputs * sizeof(float)) == 0);
            }
            gng_classifier_destroy(classifier);
        }
    gng_memory_release(pixels);
    example_release(&e);
}

static void rows_give_the_logits_of_plain_loops(void)
{
    example e = example_model(example_row_graph(), false);
    float *rows = example_values(PICTURES * 5, -2.0F, 2.0F, 9), logits[PICTURES * 3];
    gng_classifier *classifier = create(&e.model, BATCH, 1);
    if (classifier != NULL) {
        CHECK_STATUS(gng_classifier_row_logits(classifier, NULL, rows, PICTURES, logits, NULL), GNG_OK);
        const float *weight = e.parameters, *bias = weight + 20, *last = bias + 4;
        for (int n = 0; n < PICTURES; n++) {
            double hidden[4];
            for (int u = 0; u < 4; u++) {
                hidden[u] = (double)bias[u];
                for (int i = 0; i < 5; i++)
                    hidden[u] += (double)weight[5 * u + i] * (double)rows[5 * n + i];
                hidden[u] = hidden[u] > 0 ? hidden[u] : expm1(hidden[u]);
            }
            for (int k = 0; k < 3; k++) {
                double sum = 0;
                for (int u = 0; u < 4; u++)
                    sum += (double)last[4 * k + u] * hidden[u];
                CHECK_NEAR((double)logits[3 * n + k], sum, 1e-5);
            }
        }
        const uint8_t pixel[5] = {0};
        CHECK_STATUS(gng_classifier_logits(classifier, NULL, pixel, 1, logits, NULL), GNG_STATUS_STATE);
        CHECK_STATUS(gng_classifier_row_logits(classifier, NULL, rows, 0, logits, NULL), GNG_STATUS_ARGUMENT);
    }
    gng_classifier_destroy(classifier);
    gng_memory_release(rows);
    example_release(&e);
}

/* Features are what the last layer multiplies: with its weights they give the logits, and wanting them changes no bit of these. */
static void features_are_what_the_last_layer_reads(gng_graph *graph)
{
    example e = example_model(graph, false);
    uint8_t *pixels = pixels_for(graph);
    const int32_t outputs = gng_graph_outputs(graph), width = gng_graph_features(graph);
    const gng_parameter *bias = &graph->parameters[graph->parameter_count - 1], *weight = bias - 1;
    float plain[LOGITS_MAX], logits[LOGITS_MAX];
    float *features = gng_memory_allocate_array((size_t)(PICTURES * width), sizeof *features);
    float *alone = gng_memory_allocate_array((size_t)width, sizeof *alone);
    gng_classifier *classifier = create(&e.model, BATCH, 2);
    if (CHECK(features != NULL && alone != NULL) && classifier != NULL) {
        gng_context context = {.threads = 2};
        CHECK(gng_classifier_features(classifier) == width);
        CHECK_STATUS(gng_classifier_logits(classifier, NULL, pixels, PICTURES, plain, NULL), GNG_OK);
        CHECK_STATUS(gng_classifier_logits(classifier, &context, pixels, PICTURES, logits, features), GNG_OK);
        CHECK(memcmp(plain, logits, (size_t)(PICTURES * outputs) * sizeof(float)) == 0);
        for (int32_t i = 0; i < PICTURES; i++) {
            const float *row = features + i * width;
            for (int32_t k = 0; k < outputs; k++) {
                double sum = (double)e.parameters[bias->offset + (size_t)k];
                for (int32_t j = 0; j < width; j++)
                    sum += (double)row[j] * (double)e.parameters[weight->offset + (size_t)(k * width + j)];
                CHECK_NEAR((double)logits[i * outputs + k], sum, 1e-5);
            }
            CHECK_STATUS(gng_classifier_logits(classifier, NULL, pixels + (size_t)i * gng_tensor_elements(graph->shapes[0]), 1, plain, alone), GNG_OK);
            CHECK(memcmp(alone, row, (size_t)width * sizeof(float)) == 0);
        }
    }
    gng_classifier_destroy(classifier);
    gng_memory_release(alone);
    gng_memory_release(features);
    gng_memory_release(pixels);
    example_release(&e);
}

/* Logits that come from pooling: no layer reads a row of features. */
static void a_net_without_a_dense_end_has_no_features(void)
{
    const gng_layer layers[] = {
        example_layer("input", GNG_LAYER_INPUT, -1),
        example_conv("conv_1", 0, 2, 3, true),
        example_pool("pool", 1, GNG_POOL_GLOBAL_AVERAGE),
    };
    gng_graph *graph = NULL;
    CHECK_STATUS(gng_graph_create(layers, 3, (gng_tensor_shape){1, 6, 8, 1}, &graph), GNG_OK);
    CHECK(gng_graph_features(graph) == 0);
    example e = example_model(graph, false);
    gng_classifier *classifier = create(&e.model, 1, 1);
    if (classifier != NULL) {
        const uint8_t picture[48] = {0};
        float logits[2], features[1];
        CHECK(gng_classifier_features(classifier) == 0);
        CHECK_STATUS(gng_classifier_logits(classifier, NULL, picture, 1, logits, features), GNG_STATUS_STATE);
        CHECK_STATUS(gng_classifier_logits(classifier, NULL, picture, 1, logits, NULL), GNG_OK);
    }
    gng_classifier_destroy(classifier);
    gng_net *net = NULL;
    const gng_net_options options = {.batch = 1, .threads = 1};
    CHECK_STATUS(gng_net_create(graph, &options, &net), GNG_OK);
    if (net != NULL) {
        const uint8_t picture[48] = {0};
        float logits[2], features[1];
        picture_source source = {picture, graph->shapes[0]};
        const gng_net_run run = {.count = 1, .fill = fill, .argument = &source, .features = features};
        CHECK_STATUS(gng_net_infer(net, NULL, &run, logits), GNG_STATUS_STATE);
    }
    gng_net_destroy(net);
    example_release(&e);
}

static void wrong_use_is_refused(void)
{
    example e = example_model(example_picture_graph(), false);
    gng_classifier *classifier = NULL;
    CHECK_STATUS(gng_classifier_create(&e.model, 0, 1, &classifier), GNG_STATUS_ARGUMENT);
    CHECK_STATUS(gng_classifier_create(&e.model, 1, 0, &classifier), GNG_STATUS_ARGUMENT);
    CHECK(classifier == NULL);
    classifier = create(&e.model, 1, 1);
    if (classifier != NULL) {
        const float row[48] = {0};
        float logits[2];
        CHECK_STATUS(gng_classifier_row_logits(classifier, NULL, row, 1, logits, NULL), GNG_STATUS_STATE);
        gng_context cancelled = {.threads = 1, .cancel = 1};
        const uint8_t picture[48] = {0};
        CHECK_STATUS(gng_classifier_logits(classifier, &cancelled, picture, 1, logits, NULL), GNG_STATUS_CANCELLED);
        CHECK_STATUS(gng_classifier_logits(classifier, NULL, picture, 1, logits, NULL), GNG_OK);
    }
    gng_classifier_destroy(classifier);
    gng_classifier_destroy(NULL);
    example_release(&e);
}

/* Stores what this machine computes as golden logits. */
static void make_golden_true(example *e)
{
    gng_model plain = e->model;
    plain.golden_count = 0;
    gng_classifier *classifier = create(&plain, BATCH, 1);
    double difference = 1;
    if (classifier == NULL)
        return;
    CHECK_STATUS(gng_classifier_self_test(classifier, NULL, &difference), GNG_OK);
    CHECK_NEAR(difference, 0.0, 0);
    if (e->model.golden_pixels != NULL)
        CHECK_STATUS(gng_classifier_logits(classifier, NULL, e->golden_pixels, EXAMPLE_GOLDEN, e->golden_logits, NULL), GNG_OK);
    else
        CHECK_STATUS(gng_classifier_row_logits(classifier, NULL, e->golden_rows, EXAMPLE_GOLDEN, e->golden_logits, NULL), GNG_OK);
    gng_classifier_destroy(classifier);
}

static void check_golden(gng_graph *graph)
{
    example e = example_model(graph, true);
    gng_classifier *classifier = NULL;
    CHECK_STATUS(gng_classifier_create(&e.model, BATCH, 1, &classifier), GNG_STATUS_UNSUPPORTED);
    CHECK(classifier == NULL && strstr(gng_error_detail(), "golden") != NULL);
    make_golden_true(&e);
    classifier = create(&e.model, BATCH, 1);
    double difference = 1;
    if (classifier != NULL) {
        CHECK_STATUS(gng_classifier_self_test(classifier, NULL, &difference), GNG_OK);
        CHECK_NEAR(difference, 0.0, 0);
    }
    gng_classifier_destroy(classifier);

    e.golden_logits[1] += 0.9F * (float)GNG_SCORE_DIFFERENCE_FLOAT32;
    classifier = create(&e.model, BATCH, 1);
    if (classifier != NULL)
        CHECK_STATUS(gng_classifier_self_test(classifier, NULL, &difference), GNG_OK);
    CHECK_NEAR(difference, 0.9 * GNG_SCORE_DIFFERENCE_FLOAT32, 1e-6);
    gng_classifier_destroy(classifier);
    classifier = NULL;
    e.golden_logits[1] += 0.2F * (float)GNG_SCORE_DIFFERENCE_FLOAT32;
    CHECK_STATUS(gng_classifier_create(&e.model, BATCH, 1, &classifier), GNG_STATUS_UNSUPPORTED);

    make_golden_true(&e);
    e.parameters[graph->parameter_floats - 1] = NAN; /* logits that are NaN are never equal to anything */
    CHECK_STATUS(gng_classifier_create(&e.model, BATCH, 1, &classifier), GNG_STATUS_UNSUPPORTED);
    CHECK(strstr(gng_error_detail(), "inf") != NULL && classifier == NULL);
    example_release(&e);
}

static void golden_pictures_decide_whether_a_machine_may_run_a_model(void)
{
    check_golden(example_picture_graph());
    check_golden(example_row_graph());
}

static void a_file_that_was_read_gives_the_same_bits(void)
{
    example e = example_model(example_picture_graph(), true);
    make_golden_true(&e);
    size_t count = 0;
    uint8_t *bytes = example_bytes(&e.model, &count), *pixels = pixels_for(e.model.graph);
    gng_model *model = NULL;
    CHECK_STATUS(gng_model_parse(bytes, count, &model), GNG_OK);
    gng_classifier *before = create(&e.model, BATCH, 1), *after = model != NULL ? create(model, BATCH, 1) : NULL;
    gng_model_destroy(model); /* borrowed during creation only */
    float left[LOGITS_MAX], right[LOGITS_MAX];
    if (before != NULL && after != NULL) {
        CHECK_STATUS(gng_classifier_logits(before, NULL, pixels, PICTURES, left, NULL), GNG_OK);
        CHECK_STATUS(gng_classifier_logits(after, NULL, pixels, PICTURES, right, NULL), GNG_OK);
        CHECK(memcmp(left, right, PICTURES * (size_t)gng_graph_outputs(e.model.graph) * sizeof(float)) == 0);
    }
    gng_classifier_destroy(before);
    gng_classifier_destroy(after);
    gng_memory_release(pixels);
    free(bytes);
    example_release(&e);
}

static void classifying_allocates_nothing(void)
{
    example e = example_model(example_picture_graph(), false);
    uint8_t *pixels = pixels_for(e.model.graph);
    gng_classifier *classifier = create(&e.model, BATCH, 1);
    float logits[LOGITS_MAX];
    if (classifier != NULL) {
        CHECK_STATUS(gng_classifier_logits(classifier, NULL, pixels, PICTURES, logits, NULL), GNG_OK);
        const uint64_t before = gng_memory_allocation_count();
        CHECK_STATUS(gng_classifier_logits(classifier, NULL, pixels, PICTURES, logits, NULL), GNG_OK);
        CHECK(gng_memory_allocation_count() == before);
    }
    gng_classifier_destroy(classifier);
    gng_memory_release(pixels);
    example_release(&e);
}

static void every_failing_allocation_is_reported(void)
{
    example e = example_model(example_picture_graph(), true);
    make_golden_true(&e);
    const uint64_t live = gng_memory_live_count();
    gng_status status = GNG_STATUS_MEMORY;
    for (uint64_t n = 1; status != GNG_OK && CHECK(n < 200); n++) {
        gng_classifier *classifier = NULL;
        gng_memory_fail_nth(n);
        status = gng_classifier_create(&e.model, BATCH, 1, &classifier);
        gng_memory_fail_nth(0);
        CHECK(status == GNG_OK || (status == GNG_STATUS_MEMORY && classifier == NULL));
        gng_classifier_destroy(classifier);
        CHECK(gng_memory_live_count() == live);
    }
    example_release(&e);
}

/* An argument names the limit of the instruction set; "scalar" is our own loops alone, without oneDNN. */
int main(int count, char **arguments)
{
    gng_instruction_set limit = gng_cpu_detected();
    if (count > 1)
        CHECK_STATUS(gng_instruction_set_from_name(arguments[1], &limit), GNG_OK);
    CHECK_STATUS(gng_cpu_limit_set(limit), GNG_OK);
    logits_are_those_of_the_unfolded_net();
    a_picture_has_the_same_bits_in_any_company();
    rows_give_the_logits_of_plain_loops();
    features_are_what_the_last_layer_reads(example_picture_graph());
    features_are_what_the_last_layer_reads(colour_graph());
    a_net_without_a_dense_end_has_no_features();
    wrong_use_is_refused();
    golden_pictures_decide_whether_a_machine_may_run_a_model();
    a_file_that_was_read_gives_the_same_bits();
    classifying_allocates_nothing();
    every_failing_allocation_is_reported();
    return check_result();
}
