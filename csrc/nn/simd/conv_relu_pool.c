/* The operation table around the fused convolution, ReLU and pooling: shapes it takes, packing, calls. No arithmetic here. */
#include "base/cpu.h"
#include "nn/simd/conv_relu_pool_kernel.h"
#include "nn/simd/simd.h"
#include "nn/simd/window.h"

enum { CHANNELS_MAX = 4 };

struct gng_operation {
    gng_conv_pool_shape shape;
};

static bool is_supported(const gng_operation_request *request)
{
    return !request->input_gradient && gng_cpu_effective() >= GNG_INSTRUCTION_SET_AVX512 && gng_simd_is_pooled_conv(request) &&
           request->chain[0]->as.conv.filters % CONV_POOL_LANES == 0 && request->inputs[0].block == 1 &&
           request->inputs[0].channels <= CHANNELS_MAX;
}

static size_t packed_floats(const gng_conv_pool_shape *shape)
{
    return (size_t)shape->filters * (size_t)shape->channels * CONV_POOL_TAPS + (size_t)shape->filters;
}

static gng_status plan(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory)
{
    if (!is_supported(request))
        return GNG_STATUS_UNSUPPORTED;
    const gng_tensor_shape in = request->inputs[0], pooled = gng_simd_pooled_shape(request);
    const gng_conv_pool_shape shape = {in.channels, in.height, in.width, pooled.channels, pooled.height, pooled.width};
    gng_operation *operation = gng_memory_allocate(sizeof *operation);
    if (operation == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "planning layer '%s'", request->chain[0]->name);
    operation->shape = shape;
    *memory = (gng_operation_memory){
        .output = pooled,
        .packed_bytes = packed_floats(&shape) * sizeof(float),
        .gradient_floats = packed_floats(&shape),
        .saved_bytes = request->training ? gng_tensor_elements(pooled) : 0,
    };
    *out = operation;
    return GNG_OK;
}

static void destroy(gng_operation *operation)
{
    gng_memory_release(operation);
}

/* Where weight (filter, channel, tap) lies in the packed block. */
static size_t packed_index(const gng_conv_pool_shape *shape, int32_t filter, int32_t channel, int32_t tap)
{
    const size_t row = ((size_t)(filter / CONV_POOL_LANES) * (size_t)shape->channels + (size_t)channel) * CONV_POOL_TAPS + (size_t)tap;
    return row * CONV_POOL_LANES + (size_t)(filter % CONV_POOL_LANES);
}

/* Copies between the plain block and the packed one; a NULL destination is left out. */
static void reorder(const gng_conv_pool_shape *shape, const float *plain, float *packed, const float *from_packed, float *to_plain)
{
    size_t i = 0;
    for (int32_t filter = 0; filter < shape->filters; filter++)
        for (int32_t channel = 0; channel < shape->channels; channel++)
            for (int32_t tap = 0; tap < CONV_POOL_TAPS; tap++, i++) {
                const size_t at = packed_index(shape, filter, channel, tap);
                if (packed != NULL)
                    packed[at] = plain[i];
                else
                    to_plain[i] = from_packed[at];
            }
}

static gng_status pack(gng_operation *operation, int worker, const float *weight, const float *bias, void *packed, void *scratch)
{
    (void)worker;
    (void)scratch;
    const gng_conv_pool_shape *shape = &operation->shape;
    float *packed_bias = (float *)packed + packed_floats(shape) - (size_t)shape->filters;
    reorder(shape, weight, packed, NULL, NULL);
    for (int32_t filter = 0; filter < shape->filters; filter++)
        packed_bias[filter] = bias != NULL ? bias[filter] : 0;
    return GNG_OK;
}

static gng_status unpack(gng_operation *operation, int worker, const float *gradient, float *weight_gradient, float *bias_gradient, void *scratch)
{
    (void)worker;
    (void)scratch;
    const gng_conv_pool_shape *shape = &operation->shape;
    const float *packed_bias = gradient + packed_floats(shape) - (size_t)shape->filters;
    reorder(shape, NULL, NULL, gradient, weight_gradient);
    for (int32_t filter = 0; filter < shape->filters && bias_gradient != NULL; filter++)
        bias_gradient[filter] = packed_bias[filter];
    return GNG_OK;
}

static gng_status forward(gng_operation *operation, const gng_lane_call *call)
{
    gng_conv_pool_forward_avx512(call->output, call->training ? call->saved : NULL, &operation->shape, call->inputs[0], call->packed);
    return GNG_OK;
}

static gng_status backward(gng_operation *operation, const gng_lane_call *call)
{
    gng_conv_pool_backward_avx512(call->gradient, &operation->shape, call->inputs[0], call->output_gradient, call->saved);
    return GNG_OK;
}

const gng_operation_table gng_simd_conv_relu_pool_table = {
    .engine = "simd",
    .name = "conv_relu_pool",
    .plan = plan,
    .destroy = destroy,
    .pack = pack,
    .unpack = unpack,
    .forward = forward,
    .backward = backward,
};
