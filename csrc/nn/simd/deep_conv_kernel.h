/* What deep_conv.c and its vector variant agree on. For these two files alone. */
#ifndef GNG_NN_SIMD_DEEP_CONV_KERNEL_H
#define GNG_NN_SIMD_DEEP_CONV_KERNEL_H

#include <stddef.h>
#include <stdint.h>

enum {
    DEEP_CONV_TAPS = 9,   /* of the 3x3 window */
    DEEP_CONV_LANES = 16 /* channels or filters of one register */
};

typedef struct gng_deep_conv_shape {
    int32_t channels, height, width; /* of the input, HWC; channels are a multiple of DEEP_CONV_LANES */
    int32_t filters;                 /* a multiple of DEEP_CONV_LANES */
    int32_t pooled_height, pooled_width;
} gng_deep_conv_shape;

/* One winner that carries a gradient: where its window begins in x, and how much. */
typedef struct gng_deep_conv_winner {
    int32_t offset;
    float gradient;
} gng_deep_conv_winner;

/* weights [filters / 16][9][channels][16], bias [filters]; x [height, width, channels] -> out [pooled_height, pooled_width,
 * filters]. winner, same shape: which of the four convolution outputs under the pooling window won (row-major, the first of
 * equals), or 4 where ReLU lets
 * nothing through; NULL: not wanted. */
void gng_deep_conv_forward_avx512(float *out, uint8_t *winner, const gng_deep_conv_shape *shape, const float *x, const float *weights,
                                  const float *bias);

/* ADDS to weight_gradient [filters][9][channels] and bias_gradient [filters]. list: room for the pooled pixels. */
void gng_deep_conv_backward_weights_avx512(float *weight_gradient, float *bias_gradient, const gng_deep_conv_shape *shape, const float *x,
                                           const float *out_gradient, const uint8_t *winner, gng_deep_conv_winner *list);

/* weights [filters][9][channels]; writes x_gradient [height, width, channels] in full. */
void gng_deep_conv_backward_data_avx512(float *x_gradient, const gng_deep_conv_shape *shape, const float *weights, const float *out_gradient,
                                        const uint8_t *winner);

#endif
