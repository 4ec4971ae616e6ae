/* Pooling: maximum and average over windows or whole planes. */
#include <string.h>

#include "nn/ref/kernels.h"
#include "nn/ref/plan.h"
#include "nn/ref/ref.h"

/* The global kinds are a window over the whole plane. */
static gng_window pool_window(const gng_layer *layer, gng_tensor_shape input)
{
    if (layer->as.pool.kind == GNG_POOL_MAX || layer->as.pool.kind == GNG_POOL_AVERAGE)
        return layer->as.pool.window;
    return (gng_window){.kernel = {input.height, input.width}, .stride = {1, 1}, .dilation = {1, 1}};
}

static bool pool_is_max(const gng_layer *layer)
{
    return layer->as.pool.kind == GNG_POOL_MAX || layer->as.pool.kind == GNG_POOL_GLOBAL_MAX;
}

static bool pool_tap_is_byte(const gng_window *window)
{
    return (int64_t)window->kernel[0] * window->kernel[1] <= UINT8_MAX;
}

size_t GNG_REAL_NAME(gng_ref_pool_saved_bytes)(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape output)
{
    const gng_window window = pool_window(layer, input);
    if (!pool_is_max(layer))
        return 0;
    return gng_tensor_elements(output) * (pool_tap_is_byte(&window) ? sizeof(uint8_t) : sizeof(int32_t));
}

/* The part of a window that lies inside the picture: rows and columns first to last - 1, at least one each, because
 * padding is smaller than the window. */
typedef struct pool_part {
    int32_t first[2], last[2];
    int32_t start[2]; /* of the window, negative in the padding */
} pool_part;

static pool_part pool_part_at(const gng_window *window, gng_tensor_shape input, int32_t row, int32_t column)
{
    const int32_t position[2] = {row, column}, size[2] = {input.height, input.width};
    pool_part part;
    for (int side = 0; side < 2; side++) {
        const int64_t start = (int64_t)position[side] * window->stride[side] - window->padding[2 * side];
        const int64_t end = start + window->kernel[side];
        part.start[side] = (int32_t)start;
        part.first[side] = start < 0 ? 0 : (int32_t)start;
        part.last[side] = end > size[side] ? size[side] : (int32_t)end;
    }
    return part;
}

static gng_real pool_max(const pool_part *part, int32_t width, int32_t kernel_width, const gng_real *plane, int32_t *tap)
{
    int32_t best_row = part->first[0], best_column = part->first[1];
    gng_real best = plane[(size_t)best_row * (size_t)width + (size_t)best_column];
    for (int32_t y = part->first[0]; y < part->last[0]; y++)
        for (int32_t x = part->first[1]; x < part->last[1]; x++) {
            const gng_real value = plane[(size_t)y * (size_t)width + (size_t)x];
            if (value > best) {
                best = value;
                best_row = y;
                best_column = x;
            }
        }
    *tap = (best_row - part->start[0]) * kernel_width + best_column - part->start[1];
    return best;
}

static gng_real pool_average(const pool_part *part, int32_t width, const gng_real *plane)
{
    gng_real sum = 0;
    for (int32_t y = part->first[0]; y < part->last[0]; y++)
        for (int32_t x = part->first[1]; x < part->last[1]; x++)
            sum += plane[(size_t)y * (size_t)width + (size_t)x];
    return sum / (gng_real)((part->last[0] - part->first[0]) * (part->last[1] - part->first[1]));
}

void GNG_REAL_NAME(gng_ref_pool_forward)(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape output, const gng_real *x, gng_real *y,
                                         void *saved)
{
    const gng_window window = pool_window(layer, input);
    const bool byte = pool_tap_is_byte(&window);
    const size_t plane = (size_t)input.height * (size_t)input.width;
    size_t i = 0;
    for (size_t c = 0; c < (size_t)input.channels; c++)
        for (int32_t row = 0; row < output.height; row++)
            for (int32_t column = 0; column < output.width; column++, i++) {
                const pool_part part = pool_part_at(&window, input, row, column);
                if (!pool_is_max(layer)) {
                    y[i] = pool_average(&part, input.width, x + c * plane);
                    continue;
                }
                int32_t tap;
                y[i] = pool_max(&part, input.width, window.kernel[1], x + c * plane, &tap);
                if (saved != NULL && byte)
                    ((uint8_t *)saved)[i] = (uint8_t)tap;
                else if (saved != NULL)
                    ((int32_t *)saved)[i] = tap;
            }
}

void GNG_REAL_NAME(gng_ref_pool_backward)(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape output, const void *saved,
                                          const gng_real *dy, gng_real *dx)
{
    const gng_window window = pool_window(layer, input);
    const bool byte = pool_tap_is_byte(&window);
    const size_t plane = (size_t)input.height * (size_t)input.width, width = (size_t)input.width;
    memset(dx, 0, gng_tensor_elements(input) * sizeof *dx);
    size_t i = 0;
    for (size_t c = 0; c < (size_t)input.channels; c++)
        for (int32_t row = 0; row < output.height; row++)
            for (int32_t column = 0; column < output.width; column++, i++) {
                const pool_part part = pool_part_at(&window, input, row, column);
                gng_real *to = dx + c * plane;
                if (pool_is_max(layer)) {
                    const int32_t tap = byte ? ((const uint8_t *)saved)[i] : ((const int32_t *)saved)[i];
                    to[(size_t)(part.start[0] + tap / window.kernel[1]) * width + (size_t)(part.start[1] + tap % window.kernel[1])] += dy[i];
                    continue;
                }
                const gng_real share = dy[i] / (gng_real)((part.last[0] - part.first[0]) * (part.last[1] - part.first[1]));
                for (int32_t k = part.first[0]; k < part.last[0]; k++)
                    for (int32_t l = part.first[1]; l < part.last[1]; l++)
                        to[(size_t)k * width + (size_t)l] += share;
            }
}

#ifndef GNG_REFERENCE_DOUBLE

static gng_status plan(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory)
{
    GNG_TRY(gng_ref_plan(request, GNG_REF_LAYOUT_PLAIN, out, memory));
    if (request->training)
        memory->saved_bytes = gng_ref_pool_saved_bytes_float(&(*out)->layer, (*out)->inputs[0], (*out)->output);
    return GNG_OK;
}

static gng_status forward(gng_operation *operation, const gng_lane_call *call)
{
    gng_ref_pool_forward_float(&operation->layer, operation->inputs[0], operation->output, call->inputs[0], call->output,
                               operation->training ? call->saved : NULL);
    return GNG_OK;
}

static gng_status backward(gng_operation *operation, const gng_lane_call *call)
{
    if (call->input_gradients[0] != NULL)
        gng_ref_pool_backward_float(&operation->layer, operation->inputs[0], operation->output, call->saved, call->output_gradient,
                                    call->input_gradients[0]);
    return GNG_OK;
}

const gng_operation_table gng_ref_pool_table = {
    .engine = "ref",
    .name = "pool",
    .plan = plan,
    .destroy = gng_ref_destroy,
    .forward = forward,
    .backward = backward,
};

#endif
