/* The operation table around the fused deep convolution, ReLU and pooling: shapes it takes, packing, calls. */
#include "base/cpu.h"
#include "nn/simd/deep_conv_kernel.h"
#include "nn/simd/simd.h"
#include "nn/simd/window.h"

struct gng_operation {
    gng_deep_conv_shape shape;
};

/* Packed: weights for the forward pass, weights for the backward pass, bias. */
static size_t weight_floats(const gng_deep_conv_shape *shape)
{
    return (size_t)shape->filters * DEEP_CONV_TAPS * (size_t)shape->channels;
}

static bool is_supported(const gng_operation_request *request)
{
    return gng_cpu_effective() >= GNG_INSTRUCTION_SET_AVX512 && gng_simd_is_pooled_conv(request) &&
           request->inputs[0].block == request->inputs[0].channels && request->inputs[0].channels % DEEP_CONV_LANES == 0 &&
           request->chain[0]->as.conv.filters % DEEP_CONV_LANES == 0;
}

static gng_status plan(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory)
{
    if (!is_supported(request))
        return GNG_STATUS_UNSUPPORTED;
    const gng_tensor_shape in = request->inputs[0], pooled = gng_simd_pooled_shape(request);
    gng_operation *operation = gng_memory_allocate(sizeof *operation);
    if (operation == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "planning layer '%s'", request->chain[0]->name);
    operation->shape = (gng_deep_conv_shape){in.channels, in.height, in.width, pooled.channels, pooled.height, pooled.width};
    const size_t weights = weight_floats(&operation->shape), filters = (size_t)pooled.channels;
    *memory = (gng_operation_memory){
        .output = pooled,
        .packed_bytes = (2 * weights + filters) * sizeof(float),
        .gradient_floats = weights + filters,
        .saved_bytes = request->training ? gng_tensor_elements(pooled) : 0,
        .scratch_bytes = request->training ? (size_t)pooled.height * (size_t)pooled.width * sizeof(gng_deep_conv_winner) : 0,
    };
    *out = operation;
    return GNG_OK;
}

static void destroy(gng_operation *operation)
{
    gng_memory_release(operation);
}

/* Plain OIHW -> [filters][9][channels], and -> [filters / 16][9][channels][16]. */
static gng_status pack(gng_operation *operation, int worker, const float *weight, const float *bias, void *packed, void *scratch)
{
    (void)worker;
    (void)scratch;
    const gng_deep_conv_shape *shape = &operation->shape;
    const size_t channels = (size_t)shape->channels;
    float *forward = packed, *backward = forward + weight_floats(shape), *packed_bias = backward + weight_floats(shape);
    for (size_t filter = 0; filter < (size_t)shape->filters; filter++) {
        float *blocked = forward + filter / DEEP_CONV_LANES * DEEP_CONV_TAPS * channels * DEEP_CONV_LANES + filter % DEEP_CONV_LANES;
        for (size_t channel = 0; channel < channels; channel++)
            for (size_t tap = 0; tap < DEEP_CONV_TAPS; tap++) {
                const float value = weight[(filter * channels + channel) * DEEP_CONV_TAPS + tap];
                blocked[(tap * channels + channel) * DEEP_CONV_LANES] = value;
                backward[(filter * DEEP_CONV_TAPS + tap) * channels + channel] = value;
            }
        packed_bias[filter] = bias != NULL ? bias[filter] : 0;
    }
    return GNG_OK;
}

static gng_status unpack(gng_operation *operation, int worker, const float *gradient, float *weight_gradient, float *bias_gradient, void *scratch)
{
    (void)worker;
    (void)scratch;
    const gng_deep_conv_shape *shape = &operation->shape;
    const size_t channels = (size_t)shape->channels;
    for (size_t filter = 0; filter < (size_t)shape->filters; filter++) {
        for (size_t channel = 0; channel < channels; channel++)
            for (size_t tap = 0; tap < DEEP_CONV_TAPS; tap++)
                weight_gradient[(filter * channels + channel) * DEEP_CONV_TAPS + tap] = gradient[(filter * DEEP_CONV_TAPS + tap) * channels + channel];
        if (bias_gradient != NULL)
            bias_gradient[filter] = gradient[weight_floats(shape) + filter];
    }
    return GNG_OK;
}

static gng_status forward(gng_operation *operation, const gng_lane_call *call)
{
    const gng_deep_conv_shape *shape = &operation->shape;
    const float *weights = call->packed;
    gng_deep_conv_forward_avx512(call->output, call->training ? call->saved : NULL, shape, call->inputs[0], weights, weights + 2 * weight_floats(shape));
    return GNG_OK;
}

static gng_status backward(gng_operation *operation, const gng_lane_call *call)
{
    const gng_deep_conv_shape *shape = &operation->shape;
    const float *weights = (const float *)call->packed + weight_floats(shape);
    gng_deep_conv_backward_weights_avx512(call->gradient, call->gradient + weight_floats(shape), shape, call->inputs[0], call->output_gradient,
                                          call->saved, call->scratch);
    if (call->input_gradients[0] != NULL)
        gng_deep_conv_backward_data_avx512(call->input_gradients[0], shape, weights, call->output_gradient, call->saved);
    return GNG_OK;
}

const gng_operation_table gng_simd_deep_conv_table = {
    .engine = "simd",
    .name = "deep_conv_relu_pool",
    .plan = plan,
    .destroy = destroy,
    .pack = pack,
    .unpack = unpack,
    .forward = forward,
    .backward = backward,
};
