/* Convolution: cross-correlation of a picture with filters, as neural networks call it. Loops, not speed.
 *
 * The column loop is the innermost one: its sums are independent of each other, so a compiler may vectorise it without
 * changing a result.
 */
#include <string.h>

#include "nn/ref/kernels.h"
#include "nn/ref/plan.h"
#include "nn/ref/ref.h"

/* Outputs first to last - 1 are those for which a tap reads inside the picture: 0 <= o * stride + offset < size. */
typedef struct conv_range {
    int64_t first, last, offset;
} conv_range;

static conv_range conv_tap_range(int32_t size, int32_t outputs, const gng_window *window, int side, int32_t tap)
{
    const int64_t stride = window->stride[side];
    const int64_t offset = (int64_t)tap * window->dilation[side] - window->padding[2 * side];
    conv_range range = {.first = offset < 0 ? (-offset + stride - 1) / stride : 0, .offset = offset};
    range.last = offset < size ? (size - 1 - offset) / stride + 1 : 0;
    if (range.last > outputs)
        range.last = outputs;
    if (range.first > range.last)
        range.first = range.last;
    return range;
}

/* What tap (r, s) of any filter reads and writes in a plane: `height` rows of `width` elements. */
typedef struct conv_tap {
    size_t weight;               /* index inside a filter's plane */
    size_t height, width;
    size_t input, output;        /* where the first row begins */
    size_t input_row, input_step; /* from row to row, from element to element */
} conv_tap;

static conv_tap conv_tap_at(const gng_window *window, gng_tensor_shape input, gng_tensor_shape output, int32_t r, int32_t s)
{
    const conv_range rows = conv_tap_range(input.height, output.height, window, 0, r);
    const conv_range columns = conv_tap_range(input.width, output.width, window, 1, s);
    const int64_t y = rows.first * window->stride[0] + rows.offset, x = columns.first * window->stride[1] + columns.offset;
    return (conv_tap){
        .weight = (size_t)r * (size_t)window->kernel[1] + (size_t)s,
        .height = columns.last > columns.first ? (size_t)(rows.last - rows.first) : 0,
        .width = (size_t)(columns.last - columns.first),
        .input = (size_t)(y * input.width + x),
        .output = (size_t)(rows.first * output.width + columns.first),
        .input_row = (size_t)window->stride[0] * (size_t)input.width,
        .input_step = (size_t)window->stride[1],
    };
}

/* Sizes of the planes, and how many channels a filter sees. */
typedef struct conv_sizes {
    size_t filters, channels, filters_per_group;
    size_t input_plane, output_plane, output_width, taps;
} conv_sizes;

static conv_sizes conv_sizes_of(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape output)
{
    const size_t groups = (size_t)layer->as.conv.groups;
    return (conv_sizes){
        .filters = (size_t)output.channels,
        .channels = (size_t)input.channels / groups,
        .filters_per_group = (size_t)output.channels / groups,
        .input_plane = (size_t)input.height * (size_t)input.width,
        .output_plane = (size_t)output.height * (size_t)output.width,
        .output_width = (size_t)output.width,
        .taps = (size_t)layer->as.conv.window.kernel[0] * (size_t)layer->as.conv.window.kernel[1],
    };
}

/* sum[i * sum_step] += factor * x[i * x_step] */
static void conv_add_row(size_t count, gng_real factor, const gng_real *restrict x, size_t x_step, gng_real *restrict sum, size_t sum_step)
{
    if (x_step == 1 && sum_step == 1)
        for (size_t i = 0; i < count; i++)
            sum[i] += factor * x[i];
    else
        for (size_t i = 0; i < count; i++)
            sum[i * sum_step] += factor * x[i * x_step];
}

void GNG_REAL_NAME(gng_ref_conv_forward)(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape output, const gng_real *x,
                                         const gng_real *weight, const gng_real *bias, gng_real *y)
{
    const gng_window *window = &layer->as.conv.window;
    const conv_sizes sizes = conv_sizes_of(layer, input, output);
    for (size_t f = 0; f < sizes.filters; f++) {
        const gng_real *from = x + f / sizes.filters_per_group * sizes.channels * sizes.input_plane;
        const gng_real *filter = weight + f * sizes.channels * sizes.taps;
        gng_real *to = y + f * sizes.output_plane;
        for (size_t i = 0; i < sizes.output_plane; i++)
            to[i] = bias != NULL ? bias[f] : 0;
        for (int32_t r = 0; r < window->kernel[0]; r++)
            for (int32_t s = 0; s < window->kernel[1]; s++) {
                const conv_tap tap = conv_tap_at(window, input, output, r, s);
                for (size_t c = 0; c < sizes.channels; c++)
                    for (size_t row = 0; row < tap.height; row++)
                        conv_add_row(tap.width, filter[c * sizes.taps + tap.weight], from + c * sizes.input_plane + tap.input + row * tap.input_row,
                                     tap.input_step, to + tap.output + row * sizes.output_width, 1);
            }
    }
}

void GNG_REAL_NAME(gng_ref_conv_backward_data)(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape output, const gng_real *dy,
                                               const gng_real *weight, gng_real *dx)
{
    const gng_window *window = &layer->as.conv.window;
    const conv_sizes sizes = conv_sizes_of(layer, input, output);
    memset(dx, 0, gng_tensor_elements(input) * sizeof *dx);
    for (size_t f = 0; f < sizes.filters; f++) {
        gng_real *to = dx + f / sizes.filters_per_group * sizes.channels * sizes.input_plane;
        const gng_real *filter = weight + f * sizes.channels * sizes.taps;
        const gng_real *from = dy + f * sizes.output_plane;
        for (int32_t r = 0; r < window->kernel[0]; r++)
            for (int32_t s = 0; s < window->kernel[1]; s++) {
                const conv_tap tap = conv_tap_at(window, input, output, r, s);
                for (size_t c = 0; c < sizes.channels; c++)
                    for (size_t row = 0; row < tap.height; row++)
                        conv_add_row(tap.width, filter[c * sizes.taps + tap.weight], from + tap.output + row * sizes.output_width, 1,
                                     to + c * sizes.input_plane + tap.input + row * tap.input_row, tap.input_step);
            }
    }
}

/* A sum over a plane is 16 sums, by column modulo 16, added in order at the end. */
enum { CONV_PARTS = 16 };

static void conv_add_products(size_t count, const gng_real *restrict a, const gng_real *restrict b, size_t b_step, gng_real parts[CONV_PARTS])
{
    size_t i = 0;
    if (b_step == 1)
        for (; i + CONV_PARTS <= count; i += CONV_PARTS)
            for (size_t k = 0; k < CONV_PARTS; k++)
                parts[k] += a[i + k] * b[i + k];
    for (; i < count; i++)
        parts[i % CONV_PARTS] += a[i] * b[i * b_step];
}

static gng_real conv_add_parts(const gng_real parts[CONV_PARTS])
{
    gng_real sum = 0;
    for (size_t k = 0; k < CONV_PARTS; k++)
        sum += parts[k];
    return sum;
}

void GNG_REAL_NAME(gng_ref_conv_backward_weights)(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape output, const gng_real *x,
                                                  const gng_real *dy, gng_real *dweight, gng_real *dbias)
{
    const gng_window *window = &layer->as.conv.window;
    const conv_sizes sizes = conv_sizes_of(layer, input, output);
    for (size_t f = 0; f < sizes.filters; f++) {
        const gng_real *from = x + f / sizes.filters_per_group * sizes.channels * sizes.input_plane;
        const gng_real *gradient = dy + f * sizes.output_plane;
        gng_real *filter = dweight + f * sizes.channels * sizes.taps;
        for (int32_t r = 0; r < window->kernel[0]; r++)
            for (int32_t s = 0; s < window->kernel[1]; s++) {
                const conv_tap tap = conv_tap_at(window, input, output, r, s);
                for (size_t c = 0; c < sizes.channels; c++) {
                    gng_real parts[CONV_PARTS] = {0};
                    for (size_t row = 0; row < tap.height; row++)
                        conv_add_products(tap.width, gradient + tap.output + row * sizes.output_width,
                                          from + c * sizes.input_plane + tap.input + row * tap.input_row, tap.input_step, parts);
                    filter[c * sizes.taps + tap.weight] += conv_add_parts(parts);
                }
            }
        if (dbias == NULL)
            continue;
        gng_real parts[CONV_PARTS] = {0};
        for (size_t i = 0; i < sizes.output_plane; i++)
            parts[i % CONV_PARTS] += gradient[i];
        dbias[f] += conv_add_parts(parts);
    }
}

#ifndef GNG_REFERENCE_DOUBLE

static size_t weight_count(const gng_operation *operation)
{
    const gng_window *window = &operation->layer.as.conv.window;
    return (size_t)operation->output.channels * (size_t)(operation->inputs[0].channels / operation->layer.as.conv.groups) * (size_t)window->kernel[0] *
           (size_t)window->kernel[1];
}

static size_t bias_count(const gng_operation *operation)
{
    return operation->layer.as.conv.bias ? (size_t)operation->output.channels : 0;
}

static gng_status plan(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory)
{
    GNG_TRY(gng_ref_plan(request, GNG_REF_LAYOUT_PLAIN, out, memory));
    const size_t parameters = weight_count(*out) + bias_count(*out);
    memory->packed_bytes = parameters * sizeof(float);
    memory->gradient_floats = request->training ? parameters : 0;
    return GNG_OK;
}

/* packed and the lane gradient: weight, then bias, as in the flat block. */
static gng_status pack(gng_operation *operation, int worker, const float *weight, const float *bias, void *packed, void *scratch)
{
    (void)worker, (void)scratch;
    float *to = packed;
    memcpy(to, weight, weight_count(operation) * sizeof *to);
    if (operation->layer.as.conv.bias)
        memcpy(to + weight_count(operation), bias, bias_count(operation) * sizeof *to);
    return GNG_OK;
}

static gng_status unpack(gng_operation *operation, int worker, const float *gradient, float *weight_gradient, float *bias_gradient, void *scratch)
{
    (void)worker, (void)scratch;
    memcpy(weight_gradient, gradient, weight_count(operation) * sizeof *gradient);
    if (operation->layer.as.conv.bias)
        memcpy(bias_gradient, gradient + weight_count(operation), bias_count(operation) * sizeof *gradient);
    return GNG_OK;
}

static gng_status forward(gng_operation *operation, const gng_lane_call *call)
{
    const float *weight = call->packed;
    gng_ref_conv_forward_float(&operation->layer, operation->inputs[0], operation->output, call->inputs[0], weight,
                               operation->layer.as.conv.bias ? weight + weight_count(operation) : NULL, call->output);
    return GNG_OK;
}

static gng_status backward(gng_operation *operation, const gng_lane_call *call)
{
    if (call->input_gradients[0] != NULL)
        gng_ref_conv_backward_data_float(&operation->layer, operation->inputs[0], operation->output, call->output_gradient, call->packed,
                                         call->input_gradients[0]);
    gng_ref_conv_backward_weights_float(&operation->layer, operation->inputs[0], operation->output, call->inputs[0], call->output_gradient, call->gradient,
                                        operation->layer.as.conv.bias ? call->gradient + weight_count(operation) : NULL);
    return GNG_OK;
}

const gng_operation_table gng_ref_conv_table = {
    .engine = "ref",
    .name = "conv",
    .plan = plan,
    .destroy = gng_ref_destroy,
    .pack = pack,
    .unpack = unpack,
    .forward = forward,
    .backward = backward,
};

#endif
