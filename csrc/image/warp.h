/* The geometric and photometric part of augmentation: one pass from 8-bit pixels to the floats a net reads.
 *
 * out(x, y) = tone(in sampled bilinearly at matrix * (x, y, 1)), pixel centres at integers. Coordinates are 16.16 fixed
 * point: every variant (scalar, AVX2, AVX-512) computes identical coordinates, taps and float operations, so all give the same bits.
 */
#ifndef GNG_IMAGE_WARP_H
#define GNG_IMAGE_WARP_H

#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/tensor.h"
#include "image/image.h"

typedef enum gng_fill {
    GNG_FILL_NEAREST,  /* aaaa|abcd|dddd */
    GNG_FILL_CONSTANT, /* kkkk|abcd|kkkk */
    GNG_FILL_REFLECT,  /* dcba|abcd|dcba (half-sample symmetric) */
    GNG_FILL_WRAP      /* abcd|abcd|abcd */
} gng_fill;

/* Everything that is applied to one picture; drawn by batch/augment or set by a caller. Applied in this order: warp,
 * blur, tone (brightness, contrast, gamma), noise, clamp to [0, 255], scale to [0, 1]. */
typedef struct gng_warp {
    double matrix[6];     /* output pixel -> input pixel: x_in = m0 x + m1 y + m2, y_in = m3 x + m4 y + m5 */
    gng_fill fill;
    float fill_value;     /* 0 to 255, for GNG_FILL_CONSTANT */
    float brightness;     /* factor, 1 is neutral */
    float contrast;       /* factor about the mid-grey 127.5, 1 is neutral */
    float gamma;          /* exponent on v / 255, 1 is neutral, > 0 */
    float blur_sigma;     /* Gaussian, in output pixels, 0 is off, at most 8 */
    float noise_sigma;    /* additive Gaussian, in grey levels, 0 is off */
    uint64_t noise_seed;  /* key of the noise field */
} gng_warp;

/* The identity. */
gng_warp gng_warp_identity(void);

/* Bytes of scratch memory that gng_warp_apply needs for pictures of this size. */
size_t gng_warp_scratch_bytes(gng_image_view in, int32_t out_height, int32_t out_width);

/* in [h, w, c] -> out: float32, CHW planes of the tensor shape {c, H, W, block 1}, in [0, 1]. `scratch` holds
 * gng_warp_scratch_bytes, aligned to GNG_ALIGNMENT. Allocates nothing. Any thread.
 * ARGUMENT (nothing written) for a matrix or parameter that is not finite or outside its range. */
GNG_MUST_CHECK gng_status gng_warp_apply(gng_image_view in, const gng_warp *warp, void *scratch, gng_tensor_shape shape, float *out);

/* The same pixels without any change: out = v / 255 in CHW planes. What validation, test and deployment use. The bits
 * equal those of gng_warp_apply with the identity. */
void gng_image_to_tensor(gng_image_view in, float *out);

#endif
