/* The loops themselves, in the precision of the including file (see real.h). One picture each, unless said otherwise.
 *
 * x, dx have the shape of the input, y, dy that of the output; d means the gradient of a loss with respect to it. dx is
 * written in full; weight gradients are ADDED. Shapes were checked by gng_layer_output_shape. Layout is plain unless said
 * otherwise. Tensors never overlap. Any thread.
 */
#ifndef GNG_NN_REF_KERNELS_H
#define GNG_NN_REF_KERNELS_H

#include "base/rng.h"
#include "nn/graph.h"
#include "nn/ref/real.h"

/* Cross-correlation. weight[filters, channels / groups, R, S]; bias, dbias [filters], NULL: none. A sum runs over r, s, c
 * (data: f, r, s) in this order, from the bias on. */
void GNG_REAL_NAME(gng_ref_conv_forward)(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape output, const gng_real *x,
                                         const gng_real *weight, const gng_real *bias, gng_real *y);
void GNG_REAL_NAME(gng_ref_conv_backward_data)(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape output, const gng_real *dy,
                                               const gng_real *weight, gng_real *dx);
void GNG_REAL_NAME(gng_ref_conv_backward_weights)(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape output, const gng_real *x,
                                                  const gng_real *dy, gng_real *dweight, gng_real *dbias);

/* Dense over rows: x[rows, features], y[rows, units], weight[units, features]; columns (or features) first to last - 1 alone.
 * A sum runs over features (data: units; weights: rows) in their order, so a row depends on no other row or block. */
enum { GNG_REF_PANEL = 16 }; /* columns whose weights lie together: panels[units / 16, features, 16], filled up with zeros */
size_t GNG_REAL_NAME(gng_ref_dense_panels_size)(int32_t features, int32_t units);
void GNG_REAL_NAME(gng_ref_dense_panels)(int32_t features, int32_t units, const gng_real *weight, gng_real *panels);
/* first is a multiple of GNG_REF_PANEL. bias NULL: none. */
void GNG_REAL_NAME(gng_ref_dense_forward)(int32_t rows, int32_t features, int32_t units, int32_t first, int32_t last, const gng_real *x,
                                          const gng_real *panels, const gng_real *bias, gng_real *y);
void GNG_REAL_NAME(gng_ref_dense_backward_data)(int32_t rows, int32_t features, int32_t units, int32_t first, int32_t last,
                                                const gng_real *dy, const gng_real *weight, gng_real *dx);
void GNG_REAL_NAME(gng_ref_dense_backward_weights)(int32_t rows, int32_t features, int32_t units, int32_t first, int32_t last,
                                                   const gng_real *x, const gng_real *dy, gng_real *dweight, gng_real *dbias);

/* Elementwise, any layout: count stored elements. The gradient comes from y, except for gelu, where it comes from x. */
void GNG_REAL_NAME(gng_ref_activation_forward)(const gng_layer *layer, size_t count, const gng_real *x, gng_real *y);
void GNG_REAL_NAME(gng_ref_activation_backward)(const gng_layer *layer, size_t count, const gng_real *x, const gng_real *y,
                                                const gng_real *dy, gng_real *dx);

/* Padding counts as minus infinity for the maximum and is left out of averages. The first maximum of a window in row-major
 * order wins; its tap r * S + s goes to saved: bytes of gng_ref_pool_saved_bytes, uint8 up to 255 taps, else int32. NULL: not
 * wanted. Averages save nothing. */
size_t GNG_REAL_NAME(gng_ref_pool_saved_bytes)(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape output);
void GNG_REAL_NAME(gng_ref_pool_forward)(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape output, const gng_real *x,
                                         gng_real *y, void *saved);
void GNG_REAL_NAME(gng_ref_pool_backward)(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape output, const void *saved,
                                          const gng_real *dy, gng_real *dx);

/* Any layout -> plain, and back with padded channels set to zero. */
void GNG_REAL_NAME(gng_ref_to_plain)(gng_tensor_shape shape, const gng_real *x, gng_real *plain);
void GNG_REAL_NAME(gng_ref_from_plain)(gng_tensor_shape shape, const gng_real *plain, gng_real *x);
/* Sets the channels that fill up the last block to zero. */
void GNG_REAL_NAME(gng_ref_clear_padding)(gng_tensor_shape shape, gng_real *x);

/* Any layout. Element i in CHW order is kept when draw i behind the key is >= rate, and then scaled by 1 / (1 - rate). The
 * backward pass is the same function of dy. */
void GNG_REAL_NAME(gng_ref_dropout)(const gng_layer *layer, gng_tensor_shape shape, const gng_rng_key *key, const gng_real *x, gng_real *y);

/* a and y have the layout of `shape`, b that of `second`. y = a + b. */
void GNG_REAL_NAME(gng_ref_add)(gng_tensor_shape shape, gng_tensor_shape second, const gng_real *a, const gng_real *b, gng_real *y);

#ifdef GNG_REFERENCE_DOUBLE
/* Batch normalisation over x[pictures, channels, height, width] with the statistics of these pictures: what
 * nn/batch_norm.h, which works in double anyway, must agree with. */
void gng_ref_batch_norm_forward_double(const gng_layer *layer, gng_tensor_shape shape, int32_t pictures, const double *x, const double *gamma,
                                       const double *beta, double *y);
void gng_ref_batch_norm_backward_double(const gng_layer *layer, gng_tensor_shape shape, int32_t pictures, const double *x, const double *gamma,
                                        const double *dy, double *dx, double *dgamma, double *dbeta);
#endif

#endif
