/* The inference-only classifier: an inference plan of the folded graph, and the golden pictures it is held against. */
#include "deploy/classifier.h"

#include <math.h>
#include <string.h>

#include "deploy/model_layout.h"
#include "deploy/threshold.h"
#include "image/warp.h"
#include "nn/net.h"

struct gng_classifier {
    gng_graph *graph; /* folded */
    gng_net *net;
    uint32_t batch;
    int32_t features; /* of the model's own graph: folding may move what its last layer reads */
    int32_t golden_count;
    void *golden_input;         /* uint8 [golden_count, H, W, C], or float32 [golden_count, features] */
    float *golden_logits;       /* [golden_count, outputs] */
    float *golden_computed;     /* [golden_count, outputs], scratch of the self-test */
};

void gng_classifier_destroy(gng_classifier *classifier)
{
    if (classifier == NULL)
        return;
    gng_net_destroy(classifier->net);
    gng_graph_destroy(classifier->graph);
    gng_memory_release(classifier->golden_input);
    gng_memory_release(classifier->golden_logits);
    gng_memory_release(classifier->golden_computed);
    gng_memory_release(classifier);
}

static gng_status copy_golden(gng_classifier *classifier, const gng_model *model)
{
    const size_t count = (size_t)model->golden_count;
    const size_t input_bytes = count * gng_model_golden_bytes(model->graph);
    const size_t logits = count * (size_t)gng_graph_outputs(model->graph);
    if (count == 0)
        return GNG_OK;
    classifier->golden_input = gng_memory_allocate(input_bytes);
    classifier->golden_logits = gng_memory_allocate_array(logits, sizeof(float));
    classifier->golden_computed = gng_memory_allocate_array(logits, sizeof(float));
    if (classifier->golden_input == NULL || classifier->golden_logits == NULL || classifier->golden_computed == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "no memory for %zu golden inputs", count);
    memcpy(classifier->golden_input, gng_model_reads_rows(model->graph) ? (const void *)model->golden_rows : (const void *)model->golden_pixels, input_bytes);
    memcpy(classifier->golden_logits, model->golden_logits, logits * sizeof(float));
    classifier->golden_count = model->golden_count;
    return GNG_OK;
}

static gng_status load(gng_classifier *classifier, const gng_model *model, int threads)
{
    float *parameters = NULL, *states = NULL;
    GNG_TRY(gng_graph_fold(model->graph, model->parameters, model->states, &classifier->graph, &parameters, &states));
    const gng_graph *graph = classifier->graph;
    const gng_net_options options = {.batch = classifier->batch, .threads = threads};
    const gng_status status = gng_net_create(graph, &options, &classifier->net);
    if (status == GNG_OK) {
        memcpy(gng_net_parameters(classifier->net), parameters, graph->parameter_floats * sizeof *parameters);
        memcpy(gng_net_states(classifier->net), states, graph->state_floats * sizeof *states);
    }
    gng_memory_release(parameters);
    gng_memory_release(states);
    return status;
}

static gng_status check_golden(gng_classifier *classifier, gng_context *context)
{
    double difference;
    GNG_TRY(gng_classifier_self_test(classifier, context, &difference));
    if (difference <= GNG_SCORE_DIFFERENCE_FLOAT32)
        return GNG_OK;
    return gng_error_set(GNG_STATUS_UNSUPPORTED,
                         "golden pictures: their logits differ from the stored ones by %g, allowed are %g; this machine must not use the model",
                         difference, GNG_SCORE_DIFFERENCE_FLOAT32);
}

gng_status gng_classifier_create(const gng_model *model, uint32_t batch, int threads, gng_classifier **out)
{
    GNG_TRY(gng_model_check_graph(model->graph));
    gng_classifier *classifier = gng_memory_allocate(sizeof *classifier);
    if (classifier == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "no memory for a classifier");
    classifier->batch = batch;
    classifier->features = gng_graph_features(model->graph);
    gng_context context = {.threads = threads};
    gng_status status = load(classifier, model, threads);
    if (status == GNG_OK)
        status = gng_net_pack(classifier->net, &context);
    if (status == GNG_OK)
        status = copy_golden(classifier, model);
    if (status == GNG_OK)
        status = check_golden(classifier, &context);
    if (status != GNG_OK) {
        gng_classifier_destroy(classifier);
        return status;
    }
    *out = classifier;
    return GNG_OK;
}

/* What the workers fill a chunk from. */
typedef struct chunk {
    gng_tensor_shape shape;
    const uint8_t *pixels; /* [.., H, W, C] of the chunk's first picture */
    const float *rows;     /* [.., features] */
} chunk;

static gng_status fill_picture(void *argument, uint32_t position, int worker, float *out)
{
    (void)worker;
    const chunk *from = argument;
    const gng_image_view view = {
        .pixels = from->pixels + position * gng_tensor_elements(from->shape),
        .height = from->shape.height,
        .width = from->shape.width,
        .channels = from->shape.channels,
    };
    gng_image_to_tensor(view, out);
    return GNG_OK;
}

static gng_status fill_row(void *argument, uint32_t position, int worker, float *out)
{
    (void)worker;
    const chunk *from = argument;
    const size_t features = gng_tensor_elements(from->shape);
    memcpy(out, from->rows + position * features, features * sizeof *out);
    return GNG_OK;
}

static gng_status run_chunks(gng_classifier *classifier, gng_context *context, const uint8_t *pixels, const float *rows, uint64_t count, float *logits,
                             float *features)
{
    const size_t outputs = (size_t)gng_graph_outputs(classifier->graph), width = (size_t)classifier->features;
    const gng_tensor_shape shape = classifier->graph->shapes[0];
    const size_t elements = gng_tensor_elements(shape);
    if (count < 1)
        return gng_error_set(GNG_STATUS_ARGUMENT, "count: found 0 inputs, expected at least 1");
    if (features != NULL && width == 0)
        return gng_error_set(GNG_STATUS_STATE, "features: the last layer of the net is not a dense one, which would read a row of them");
    for (uint64_t first = 0; first < count; first += classifier->batch) {
        const uint64_t left = count - first;
        chunk from = {
            .shape = shape,
            .pixels = pixels != NULL ? pixels + (size_t)first * elements : NULL,
            .rows = rows != NULL ? rows + (size_t)first * elements : NULL,
        };
        const gng_net_run run = {
            .count = left < classifier->batch ? (uint32_t)left : classifier->batch,
            .fill = pixels != NULL ? fill_picture : fill_row,
            .argument = &from,
            .features = features != NULL ? features + (size_t)first * width : NULL,
        };
        GNG_TRY(gng_net_infer(classifier->net, context, &run, logits + (size_t)first * outputs));
    }
    return GNG_OK;
}

gng_status gng_classifier_logits(gng_classifier *classifier, gng_context *context, const uint8_t *pixels, uint64_t count, float *logits, float *features)
{
    const int channels = (int)classifier->graph->shapes[0].channels;
    if (channels != 1 && channels != 3)
        return gng_error_set(GNG_STATUS_STATE, "the net reads rows of %d features, not pictures of 1 or 3 channels", channels);
    return run_chunks(classifier, context, pixels, NULL, count, logits, features);
}

gng_status gng_classifier_row_logits(gng_classifier *classifier, gng_context *context, const float *rows, uint64_t count, float *logits, float *features)
{
    const gng_tensor_shape shape = classifier->graph->shapes[0];
    if (!gng_model_reads_rows(classifier->graph))
        return gng_error_set(GNG_STATUS_STATE, "the net reads pictures of %dx%dx%d (height, width, channels), not rows", (int)shape.height, (int)shape.width,
                             (int)shape.channels);
    return run_chunks(classifier, context, NULL, rows, count, logits, features);
}

int32_t gng_classifier_features(const gng_classifier *classifier)
{
    return classifier->features;
}

gng_status gng_classifier_self_test(gng_classifier *classifier, gng_context *context, double *difference)
{
    const bool rows = gng_model_reads_rows(classifier->graph);
    if (classifier->golden_count > 0)
        GNG_TRY(run_chunks(classifier, context, rows ? NULL : classifier->golden_input, rows ? classifier->golden_input : NULL,
                           (uint64_t)classifier->golden_count, classifier->golden_computed, NULL));
    const size_t logits = (size_t)classifier->golden_count * (size_t)gng_graph_outputs(classifier->graph);
    double largest = 0;
    for (size_t i = 0; i < logits; i++) {
        const double each = fabs((double)classifier->golden_computed[i] - (double)classifier->golden_logits[i]);
        if (!(each <= largest))
            largest = isnan(each) ? INFINITY : each;
    }
    *difference = largest;
    return GNG_OK;
}
