/* The chain both fused kernels take: conv 3x3 stride 2 without padding, ReLU, max pool 2x2 stride 2. */
#ifndef GNG_NN_SIMD_WINDOW_H
#define GNG_NN_SIMD_WINDOW_H

#include "nn/operation.h"

bool gng_simd_is_pooled_conv(const gng_operation_request *request);
/* Shape of the chain's output, HWC. */
gng_tensor_shape gng_simd_pooled_shape(const gng_operation_request *request);

#endif
