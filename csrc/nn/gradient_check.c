/* The gradient check, first half: the double-precision reference against central differences. */
#include "nn/gradient_check.h"

#include <math.h>
#include <string.h>

#include "base/fork.h"
#include "nn/dnnl/dnnl_engine.h"
#include "nn/gradient_check_plan.h"
#include "nn/graph_shapes.h"
#define GNG_REFERENCE_DOUBLE
#include "nn/ref/kernels.h"

enum {
    /* The gaps between the inputs of maximum pooling, 4 / ELEMENTS_MAX, stay above two steps of the difference. */
    ELEMENTS_MAX = 1 << 17,
    BATCH_NORM_PICTURES = 5,
    DENSE_ROWS = 16,
    CHECKED_MIN = 32 /* elements of a tensor that are checked at least, at random places where there are more */
};

/* Arithmetic operations spent on the differences of one tensor, before elements are left out. */
#define WORK_MAX ((uint64_t)1 << 25)
/* A power of two: x + STEP is exact for whole floats x of the size used here. */
#define STEP 0x1p-17

double gng_gradient_check_error(double difference, double size)
{
    const double error = difference / (size > 1e-3 ? size : 1e-3);
    return isnan(error) ? INFINITY : error;
}

/* max(value, most); a NaN stays. */
static double largest(double value, double most)
{
    return value > most || isnan(value) ? value : most;
}

static gng_status check_shapes(gradient_check *check, const gng_tensor_shape *inputs)
{
    const gng_layer *layer = check->layer;
    const int32_t input_count = layer->kind == GNG_LAYER_ADD ? 2 : 1;
    for (int32_t k = 0; k < input_count; k++) {
        const gng_tensor_shape shape = inputs[k];
        const int64_t most = ELEMENTS_MAX;
        if (shape.channels < 1 || shape.height < 1 || shape.width < 1 || shape.block != 1 || shape.channels > most || shape.height > most || shape.width > most ||
            (int64_t)shape.height * shape.width > most || (int64_t)shape.channels * shape.height * shape.width > most / DENSE_ROWS)
            return gng_error_set(GNG_STATUS_SHAPE, "layer '%s': found an input of %dx%dx%d, expected 1 to %d elements; check a smaller shape", layer->name,
                                 (int)shape.channels, (int)shape.height, (int)shape.width, (int)ELEMENTS_MAX / DENSE_ROWS);
    }
    GNG_TRY(gng_layer_output_shape(layer, inputs, &check->output));
    gng_parameter parameters[GNG_LAYER_PARAMETERS_MAX];
    const int32_t count = gng_layer_parameters(layer, inputs[0], parameters);
    check->weight_count = count > 0 ? parameters[0].count : 0;
    check->bias_count = count > 1 ? parameters[1].count : 0;
    check->pictures = layer->kind == GNG_LAYER_BATCH_NORM ? BATCH_NORM_PICTURES : layer->kind == GNG_LAYER_DENSE ? DENSE_ROWS : 1;
    for (int32_t k = 0; k < layer->input_count; k++) {
        check->inputs[k] = inputs[k];
        check->input_count[k] = gng_tensor_elements(inputs[k]) * (size_t)check->pictures;
    }
    check->output_count = gng_tensor_elements(check->output) * (size_t)check->pictures;
    if (check->weight_count > (size_t)ELEMENTS_MAX * 8 || check->output_count > (size_t)ELEMENTS_MAX * 8)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "layer '%s': found %zu weights and %zu outputs, expected at most %d each; check a smaller layer", layer->name,
                             check->weight_count, check->output_count, ELEMENTS_MAX * 8);
    if (layer->kind == GNG_LAYER_DENSE)
        check->panel_count = gng_ref_dense_panels_size_double(inputs[0].channels, check->output.channels);
    if (layer->kind == GNG_LAYER_POOL)
        check->saved_bytes = gng_ref_pool_saved_bytes_double(layer, inputs[0], check->output);
    return GNG_OK;
}

static gng_status allocate(gradient_check *check)
{
    const size_t parameters = check->weight_count + check->bias_count;
    double **const blocks[] = {&check->x[0], &check->x[1], &check->dx[0], &check->dx[1], &check->parameters, &check->dparameters, &check->y,
                               &check->dy,   &check->low,  &check->high,  &check->panels};
    const size_t counts[] = {check->input_count[0], check->input_count[1], check->input_count[0], check->input_count[1], parameters, parameters,
                             check->output_count,   check->output_count,   check->output_count,   check->output_count,   check->panel_count};
    enum { BLOCKS = sizeof counts / sizeof counts[0] };
    gng_arena_layout layout = {0};
    size_t offsets[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++)
        offsets[i] = gng_arena_layout_add(&layout, counts[i], sizeof(double));
    const size_t saved = gng_arena_layout_add(&layout, check->saved_bytes, 1);
    GNG_TRY(gng_arena_create(&layout, &check->arena));
    for (size_t i = 0; i < BLOCKS; i++)
        *blocks[i] = gng_arena_at(&check->arena, offsets[i]);
    check->saved = gng_arena_at(&check->arena, saved);
    return GNG_OK;
}

/* --- drawing */

static gng_rng stream_of(const gradient_check *check, uint32_t tensor)
{
    const gng_rng_key key = {.seed = check->seed, .stream = GNG_STREAM_GRADIENT_CHECK, .layer = tensor};
    return gng_rng_create(&key);
}

/* Uniform floats in (-range, range). */
static void draw_uniform(gng_rng *rng, double range, size_t count, double *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (double)(float)(range * (2 * gng_rng_uniform(rng) - 1));
}

/* 0.1 to 2 in size, of either sign: no step reaches 0. */
static void draw_off_zero(gng_rng *rng, size_t count, double *out)
{
    for (size_t i = 0; i < count; i++) {
        const double size = 0.1 + 1.9 * gng_rng_uniform(rng);
        out[i] = (double)(float)(gng_rng_bits(rng) & 1 ? size : -size);
    }
}

/* Evenly spaced in (-2, 2) and shuffled (inside out, so that no second block is needed): no step changes their order. */
static void draw_distinct(gng_rng *rng, size_t count, double *out)
{
    for (size_t i = 0; i < count; i++) {
        const size_t k = gng_rng_below(rng, (uint32_t)i + 1);
        out[i] = out[k];
        out[k] = (double)(float)(4 * ((double)i + 0.5) / (double)count - 2);
    }
}

static bool has_kink_at_zero(const gng_layer *layer)
{
    const gng_activation function = layer->as.activation.function;
    return layer->kind == GNG_LAYER_ACTIVATION &&
           (function == GNG_ACTIVATION_RELU || function == GNG_ACTIVATION_LEAKY_RELU || function == GNG_ACTIVATION_ELU);
}

static void draw(gradient_check *check)
{
    const gng_layer *layer = check->layer;
    uint32_t tensor = 0;
    gng_rng rng;
    for (int32_t k = 0; k < layer->input_count; k++) {
        rng = stream_of(check, tensor++);
        if (has_kink_at_zero(layer))
            draw_off_zero(&rng, check->input_count[k], check->x[k]);
        else if (layer->kind == GNG_LAYER_POOL && (layer->as.pool.kind == GNG_POOL_MAX || layer->as.pool.kind == GNG_POOL_GLOBAL_MAX))
            draw_distinct(&rng, check->input_count[k], check->x[k]);
        else
            draw_uniform(&rng, layer->kind == GNG_LAYER_ACTIVATION ? 3 : 1, check->input_count[k], check->x[k]);
    }
    rng = stream_of(check, tensor++);
    draw_uniform(&rng, 1, check->weight_count + check->bias_count, check->parameters);
    rng = stream_of(check, tensor++);
    draw_uniform(&rng, 1, check->output_count, check->dy);
    check->key = (gng_rng_key){.seed = check->seed, .stream = GNG_STREAM_DROPOUT};
}

/* --- the double reference */

static const double *bias_of(const gradient_check *check)
{
    return check->bias_count > 0 ? check->parameters + check->weight_count : NULL;
}

static void forward(const gradient_check *check, double *y)
{
    const gng_layer *layer = check->layer;
    const gng_tensor_shape input = check->inputs[0], output = check->output;
    switch (layer->kind) {
    case GNG_LAYER_CONV:
        gng_ref_conv_forward_double(layer, input, output, check->x[0], check->parameters, bias_of(check), y);
        break;
    case GNG_LAYER_DENSE:
        gng_ref_dense_panels_double(input.channels, output.channels, check->parameters, check->panels);
        gng_ref_dense_forward_double(check->pictures, input.channels, output.channels, 0, output.channels, check->x[0], check->panels, bias_of(check), y);
        break;
    case GNG_LAYER_ACTIVATION:
        gng_ref_activation_forward_double(layer, check->output_count, check->x[0], y);
        break;
    case GNG_LAYER_POOL:
        gng_ref_pool_forward_double(layer, input, output, check->x[0], y, check->saved);
        break;
    case GNG_LAYER_DROPOUT:
        gng_ref_dropout_double(layer, input, &check->key, check->x[0], y);
        break;
    case GNG_LAYER_BATCH_NORM:
        gng_ref_batch_norm_forward_double(layer, input, check->pictures, check->x[0], check->parameters, bias_of(check), y);
        break;
    case GNG_LAYER_ADD:
        gng_ref_add_double(input, input, check->x[0], check->x[1], y);
        break;
    case GNG_LAYER_FLATTEN:
    case GNG_LAYER_INPUT:
    case GNG_LAYER_KIND_COUNT:
        gng_ref_to_plain_double(input, check->x[0], y);
        break;
    }
}

/* After forward. */
static void backward(const gradient_check *check)
{
    const gng_layer *layer = check->layer;
    const gng_tensor_shape input = check->inputs[0], output = check->output;
    double *dbias = check->bias_count > 0 ? check->dparameters + check->weight_count : NULL;
    switch (layer->kind) {
    case GNG_LAYER_CONV:
        gng_ref_conv_backward_data_double(layer, input, output, check->dy, check->parameters, check->dx[0]);
        gng_ref_conv_backward_weights_double(layer, input, output, check->x[0], check->dy, check->dparameters, dbias);
        break;
    case GNG_LAYER_DENSE:
        gng_ref_dense_backward_data_double(check->pictures, input.channels, output.channels, 0, input.channels, check->dy, check->parameters, check->dx[0]);
        gng_ref_dense_backward_weights_double(check->pictures, input.channels, output.channels, 0, output.channels, check->x[0], check->dy, check->dparameters, dbias);
        break;
    case GNG_LAYER_ACTIVATION:
        gng_ref_activation_backward_double(layer, check->output_count, check->x[0], check->y, check->dy, check->dx[0]);
        break;
    case GNG_LAYER_POOL:
        gng_ref_pool_backward_double(layer, input, output, check->saved, check->dy, check->dx[0]);
        break;
    case GNG_LAYER_DROPOUT:
        gng_ref_dropout_double(layer, input, &check->key, check->dy, check->dx[0]);
        break;
    case GNG_LAYER_BATCH_NORM:
        gng_ref_batch_norm_backward_double(layer, input, check->pictures, check->x[0], check->parameters, check->dy, check->dx[0], check->dparameters, dbias);
        break;
    case GNG_LAYER_ADD:
        memcpy(check->dx[1], check->dy, check->output_count * sizeof(double));
        memcpy(check->dx[0], check->dy, check->output_count * sizeof(double));
        break;
    case GNG_LAYER_FLATTEN:
    case GNG_LAYER_INPUT:
    case GNG_LAYER_KIND_COUNT:
        gng_ref_from_plain_double(input, check->dy, check->dx[0]);
        break;
    }
}

/* --- central differences of sum(dy * y) */

static double central_difference(const gradient_check *check, double *value)
{
    const double middle = *value;
    *value = middle + STEP;
    forward(check, check->high);
    *value = middle - STEP;
    forward(check, check->low);
    *value = middle;
    double sum = 0;
    for (size_t i = 0; i < check->output_count; i++)
        sum += check->dy[i] * (check->high[i] - check->low[i]);
    return sum / (2 * STEP);
}

static double compare_tensor(const gradient_check *check, gng_rng *rng, double *values, const double *gradient, size_t count)
{
    const uint64_t work = 2 * (uint64_t)check->pictures * gng_layer_multiply_adds(check->layer, check->inputs[0], check->output) +
                          32 * ((uint64_t)check->output_count + check->input_count[0]);
    const uint64_t affordable = WORK_MAX / work > CHECKED_MIN ? WORK_MAX / work : CHECKED_MIN;
    const bool all = count <= affordable;
    const size_t checked = all ? count : (size_t)affordable;
    double difference = 0, size = 0;
    for (size_t i = 0; i < checked; i++) {
        const size_t at = all ? i : gng_rng_below(rng, (uint32_t)count);
        const double expected = central_difference(check, &values[at]);
        difference = largest(fabs(gradient[at] - expected), difference);
        size = largest(fabs(expected), size);
    }
    return gng_gradient_check_error(difference, size);
}

static double compare_all(const gradient_check *check)
{
    gng_rng rng = stream_of(check, UINT32_MAX);
    double error = 0;
    for (int32_t k = 0; k < check->layer->input_count; k++)
        error = largest(compare_tensor(check, &rng, check->x[k], check->dx[k], check->input_count[k]), error);
    if (check->weight_count > 0)
        error = largest(compare_tensor(check, &rng, check->parameters, check->dparameters, check->weight_count), error);
    if (check->bias_count > 0)
        error = largest(compare_tensor(check, &rng, check->parameters + check->weight_count, check->dparameters + check->weight_count, check->bias_count), error);
    return error;
}

gng_status gng_gradient_check(const gng_layer *layer, const gng_tensor_shape *inputs, uint64_t seed, gng_gradient_check_result *out)
{
    gradient_check check = {.layer = layer, .seed = seed};
    GNG_TRY(check_shapes(&check, inputs));
    GNG_TRY(allocate(&check));
    gng_fork_hold();
    const gng_engine_bracket bracket = gng_engine_enter();
    draw(&check);
    forward(&check, check.y);
    backward(&check);
    gng_gradient_check_result result = {0};
    const gng_status status = gng_gradient_check_engine(&check, &result.engine_error, &result.engine);
    if (status == GNG_OK)
        result.reference_error = compare_all(&check);
    gng_engine_leave(bracket);
    gng_fork_release();
    gng_arena_destroy(&check.arena);
    if (status == GNG_OK)
        *out = result;
    return status;
}
