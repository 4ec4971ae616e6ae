/* What conv_relu_pool.c and its vector variant agree on. For these two files alone. */
#ifndef GNG_NN_SIMD_CONV_RELU_POOL_KERNEL_H
#define GNG_NN_SIMD_CONV_RELU_POOL_KERNEL_H

#include <stdint.h>

enum {
    CONV_POOL_TAPS = 9,  /* of the 3x3 window */
    CONV_POOL_LANES = 16 /* filters of one register */
};

typedef struct gng_conv_pool_shape {
    int32_t channels, height, width; /* of the input, plain */
    int32_t filters;                 /* a multiple of CONV_POOL_LANES */
    int32_t pooled_height, pooled_width;
} gng_conv_pool_shape;

/* Packed weights: [filters / 16][channels][9][16], then bias [filters]; gradients have the same layout. */

/* x [channels, height, width] -> out [pooled_height, pooled_width, filters]. winner, same shape: which of the four
 * convolution outputs under the pooling window won (row-major, the first of equals), or 4 where ReLU lets
 * nothing through; NULL: not wanted. */
void gng_conv_pool_forward_avx512(float *out, uint8_t *winner, const gng_conv_pool_shape *shape, const float *x, const float *packed);

/* ADDS the gradients of weights and bias; out_gradient has the shape of out. Only winners carry a gradient. */
void gng_conv_pool_backward_avx512(float *gradient, const gng_conv_pool_shape *shape, const float *x, const float *out_gradient, const uint8_t *winner);

#endif
