/* Batch normalisation (Ioffe, Szegedy 2015): by running statistics, as a table; by the statistics of the batch, as a
 * definition in double precision for nn/batch_norm.h, through which training goes.
 */
#include <math.h>
#include <string.h>

#include "nn/ref/kernels.h"
#include "nn/ref/plan.h"
#include "nn/ref/ref.h"

#ifdef GNG_REFERENCE_DOUBLE

/* One channel of x[pictures, channels, plane]. */
typedef struct batch_norm_statistics {
    double mean, deviation; /* deviation: sqrt(variance + epsilon) */
} batch_norm_statistics;

static batch_norm_statistics batch_norm_measure(const gng_layer *layer, size_t pictures, size_t stride, size_t plane, const double *x)
{
    const double count = (double)(pictures * plane);
    double mean = 0, variance = 0;
    for (size_t n = 0; n < pictures; n++)
        for (size_t i = 0; i < plane; i++)
            mean += x[n * stride + i] / count;
    for (size_t n = 0; n < pictures; n++)
        for (size_t i = 0; i < plane; i++)
            variance += (x[n * stride + i] - mean) * (x[n * stride + i] - mean) / count;
    return (batch_norm_statistics){mean, sqrt(variance + (double)layer->as.batch_norm.epsilon)};
}

void gng_ref_batch_norm_forward_double(const gng_layer *layer, gng_tensor_shape shape, int32_t pictures, const double *x, const double *gamma,
                                       const double *beta, double *y)
{
    const size_t plane = (size_t)shape.height * (size_t)shape.width, stride = gng_tensor_elements(shape);
    for (size_t c = 0; c < (size_t)shape.channels; c++) {
        const batch_norm_statistics statistics = batch_norm_measure(layer, (size_t)pictures, stride, plane, x + c * plane);
        for (size_t n = 0; n < (size_t)pictures; n++)
            for (size_t i = n * stride + c * plane; i < n * stride + (c + 1) * plane; i++)
                y[i] = gamma[c] * (x[i] - statistics.mean) / statistics.deviation + beta[c];
    }
}

void gng_ref_batch_norm_backward_double(const gng_layer *layer, gng_tensor_shape shape, int32_t pictures, const double *x, const double *gamma,
                                        const double *dy, double *dx, double *dgamma, double *dbeta)
{
    const size_t plane = (size_t)shape.height * (size_t)shape.width, stride = gng_tensor_elements(shape);
    const double count = (double)((size_t)pictures * plane);
    for (size_t c = 0; c < (size_t)shape.channels; c++) {
        const batch_norm_statistics statistics = batch_norm_measure(layer, (size_t)pictures, stride, plane, x + c * plane);
        double sum = 0, weighted = 0;
        for (size_t n = 0; n < (size_t)pictures; n++)
            for (size_t i = n * stride + c * plane; i < n * stride + (c + 1) * plane; i++) {
                sum += dy[i];
                weighted += dy[i] * (x[i] - statistics.mean) / statistics.deviation;
            }
        for (size_t n = 0; n < (size_t)pictures; n++)
            for (size_t i = n * stride + c * plane; i < n * stride + (c + 1) * plane; i++) {
                const double normalised = (x[i] - statistics.mean) / statistics.deviation;
                dx[i] = gamma[c] / statistics.deviation * (dy[i] - sum / count - normalised * weighted / count);
            }
        dgamma[c] += weighted;
        dbeta[c] += sum;
    }
}

#else

/* packed: scale and shift, channels filled up to whole blocks with zeros each. */
static size_t padded_channels(gng_tensor_shape shape)
{
    const size_t block = (size_t)shape.block;
    return ((size_t)shape.channels + block - 1) / block * block;
}

static gng_status plan(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory)
{
    if (request->training)
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "layer '%s': training needs the statistics of the whole batch", request->chain[0]->name);
    GNG_TRY(gng_ref_plan(request, GNG_REF_LAYOUT_ANY, out, memory));
    memory->packed_bytes = 2 * padded_channels((*out)->output) * sizeof(float);
    return GNG_OK;
}

/* weight: gamma[channels]; bias: [3, channels], beta, running mean and running variance in one block. */
static gng_status pack(gng_operation *operation, int worker, const float *weight, const float *bias, void *packed, void *scratch)
{
    (void)worker, (void)scratch;
    const size_t channels = (size_t)operation->output.channels, padded = padded_channels(operation->output);
    const float *beta = bias, *mean = bias + channels, *variance = bias + 2 * channels;
    float *scale = packed, *shift = scale + padded;
    memset(packed, 0, 2 * padded * sizeof *scale);
    for (size_t c = 0; c < channels; c++) {
        const double factor = (double)weight[c] / sqrt((double)variance[c] + (double)operation->layer.as.batch_norm.epsilon);
        scale[c] = (float)factor;
        shift[c] = (float)((double)beta[c] - (double)mean[c] * factor);
    }
    return GNG_OK;
}

static gng_status forward(gng_operation *operation, const gng_lane_call *call)
{
    const gng_tensor_shape shape = operation->output;
    const size_t block = (size_t)shape.block, pixels = (size_t)shape.height * (size_t)shape.width, padded = padded_channels(shape);
    const float *scale = call->packed, *shift = scale + padded;
    for (size_t first = 0; first < padded; first += block)
        for (size_t i = 0; i < pixels; i++)
            for (size_t k = 0; k < block; k++) {
                const size_t at = first * pixels + i * block + k;
                call->output[at] = call->inputs[0][at] * scale[first + k] + shift[first + k];
            }
    return GNG_OK;
}

/* `pack` takes beta, running mean and running variance in one block [3, channels] as its bias. No backward: see above. */
const gng_operation_table gng_ref_batch_norm_table = {
    .engine = "ref",
    .name = "batch_norm",
    .plan = plan,
    .destroy = gng_ref_destroy,
    .pack = pack,
    .forward = forward,
};

#endif
