/* What warp.c and its vector variants in simd/ agree on. For these files alone.
 *
 * warp.c holds the definition; a variant computes the same integers and rounds in the same places, so that the results are
 * equal bit by bit.
 */
#ifndef GNG_IMAGE_WARP_KERNEL_H
#define GNG_IMAGE_WARP_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "image/image.h"
#include "image/warp.h"

/* Pixels per register of the widest variant: the tables of columns end at a multiple of it. */
enum { GNG_WARP_LANES = 16 };

/* One picture, ready to be sampled. Coordinates are 16.16 fixed point modulo 2^32: that of output pixel (x, y) is the sum
 * of a column's and a row's entry, which lies within +-32767 pixels although the terms need not. */
typedef struct gng_warp_plan {
    gng_image_view in;
    int32_t out_height;
    int32_t out_width;
    gng_fill fill;
    float fill_value; /* like a sample in units of 2^-16 grey levels */
    float gain;       /* out = clamp(sample * gain + offset, 0, ceiling), each operation rounded by itself */
    float offset;
    float ceiling;
    const uint32_t *column_x; /* [out_width, filled up to GNG_WARP_LANES with the last entry], aligned to GNG_ALIGNMENT */
    const uint32_t *column_y;
    const uint32_t *row_x;    /* [out_height] */
    const uint32_t *row_y;
    /* The picture interleaved by pairs of rows, for the vector variants: [channels, height, pair_stride]. Entry (y, x)
     * holds pixel (y, x) in its low and (y + 1, x) in its high byte, so that 32 bits from there are all four taps. */
    const uint16_t *pairs;
    int32_t pair_stride;
} gng_warp_plan;

/* All planes: out float32 [channels, out_height, out_width]. Any thread. */
void gng_warp_sample_avx512(float *out, const gng_warp_plan *plan);
void gng_warp_sample_avx2(float *out, const gng_warp_plan *plan);

/* Rows of bytes. Any thread.
 * pairs[x] = upper[x] | lower[x] << 8, for x < width. */
void gng_row_pair_avx2(uint16_t *pairs, const uint8_t *upper, const uint8_t *lower, size_t width);
/* planes[c * stride + x] = pixels[3 x + c], for x < width and three channels. */
void gng_row_split_avx2(uint8_t *planes, size_t stride, const uint8_t *pixels, size_t width);
/* out[i] = in[i] * scale, for i < count. */
void gng_row_scale_avx2(float *out, const uint8_t *in, size_t count, float scale);

/* The multiplier of every conversion to [0, 1]. 255 times it rounds to exactly 1. */
static const float gng_grey_scale = 1.0f / 255.0f;

#endif
