/* Our own fused kernels for shapes on which oneDNN is far from the machine's peak.
 *
 * A few input channels make a convolution bound by memory traffic, not by arithmetic: what counts is that its output is
 * pooled before it leaves the registers. Chosen at run time by nn/choice; intrinsics stay in the files named after an
 * instruction set.
 */
#ifndef GNG_NN_SIMD_SIMD_H
#define GNG_NN_SIMD_SIMD_H

#include "nn/operation.h"

/* conv 3x3 stride 2 without padding (1 to 4 plain channels -> a multiple of 16) + relu + max pool 2x2 stride 2, of a layer whose
 * inputs need no gradient. Output is HWC. Needs AVX-512. */
extern const gng_operation_table gng_simd_conv_relu_pool_table;

/* The same chain on many channels (HWC, channels and filters multiples of 16), with all gradients. Only the winner of a pooling
 * window carries a gradient, and none where ReLU is dead: three quarters to seven eighths of the multiplications of the dense
 * gradients are never made. Needs AVX-512. */
extern const gng_operation_table gng_simd_deep_conv_table;

#endif
