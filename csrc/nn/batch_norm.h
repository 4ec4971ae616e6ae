/* Batch normalisation in training: exact statistics of the whole batch, from lanes merged in a fixed tree.
 *
 * (Chan, Golub, LeVeque 1979: count, mean, M2 of two sets merge exactly.) The net calls these around the cut it makes at
 * every batch normalisation: lanes collect, the caller's thread merges, lanes apply. Any layout. float64 inside.
 */
#ifndef GNG_NN_BATCH_NORM_H
#define GNG_NN_BATCH_NORM_H

#include "nn/graph.h"

enum { GNG_LANES = 16 };

/* Per channel sums of a lane: [3, channels] doubles: count, mean, M2. */
size_t gng_batch_norm_lane_doubles(int32_t channels);
/* Adds one picture x (layout shape) to the lane. */
void gng_batch_norm_collect(gng_tensor_shape shape, const float *x, double *lane);
/* lanes[GNG_LANES] in a fixed tree -> mean[channels], variance[channels] (biased). */
void gng_batch_norm_merge(int32_t channels, const double *lanes, double *mean, double *variance);
/* y = gamma * (x - mean) / sqrt(variance + epsilon) + beta. */
void gng_batch_norm_apply(gng_tensor_shape shape, float epsilon, const double *mean, const double *variance,
                          const float *gamma, const float *beta, const float *x, float *y);
/* Backward, first half: adds one picture's sum(dy) and sum(dy * xhat) per channel to the lane ([2, channels] doubles). */
void gng_batch_norm_collect_gradient(gng_tensor_shape shape, float epsilon, const double *mean, const double *variance,
                                     const float *x, const float *dy, double *lane);
/* lanes[GNG_LANES][2, channels] in the same tree -> sums[2, channels]; they are the gradients of beta and gamma. */
void gng_batch_norm_merge_gradient(int32_t channels, const double *lanes, double *sums);
/* Backward, second half: dx = gamma / sqrt(variance + epsilon) * (dy - sums[0] / n - xhat * sums[1] / n). */
void gng_batch_norm_apply_gradient(gng_tensor_shape shape, float epsilon, const double *mean, const double *variance,
                                   const float *gamma, const double *sums, double count, const float *x, const float *dy, float *dx);

#endif
