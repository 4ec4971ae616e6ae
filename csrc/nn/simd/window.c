#include "nn/simd/window.h"

static bool is_window(const gng_window *window, int32_t kernel)
{
    for (int i = 0; i < 2; i++)
        if (window->kernel[i] != kernel || window->stride[i] != 2 || window->dilation[i] != 1)
            return false;
    for (int i = 0; i < 4; i++)
        if (window->padding[i] != 0)
            return false;
    return true;
}

bool gng_simd_is_pooled_conv(const gng_operation_request *request)
{
    if (request->chain_length != 3)
        return false;
    const gng_layer *conv = request->chain[0], *relu = request->chain[1], *pool = request->chain[2];
    return conv->kind == GNG_LAYER_CONV && conv->as.conv.groups == 1 && is_window(&conv->as.conv.window, 3) &&
           relu->kind == GNG_LAYER_ACTIVATION && relu->as.activation.function == GNG_ACTIVATION_RELU && pool->kind == GNG_LAYER_POOL &&
           pool->as.pool.kind == GNG_POOL_MAX && is_window(&pool->as.pool.window, 2);
}

gng_tensor_shape gng_simd_pooled_shape(const gng_operation_request *request)
{
    const int32_t filters = request->chain[0]->as.conv.filters;
    return (gng_tensor_shape){
        .channels = filters,
        .height = ((request->inputs[0].height - 3) / 2 + 1) / 2,
        .width = ((request->inputs[0].width - 3) / 2 + 1) / 2,
        .block = filters,
    };
}
