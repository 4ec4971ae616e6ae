/* Bytes of a picture file -> 8-bit pixels, behind the structural check.
 *
 * JPEG and the inflating of PNG are stb_image's part, which decode.c alone sees; the rest is read in decode_*.c. Orientation
 * tags are ignored.
 */
#ifndef GNG_IMAGE_DECODE_H
#define GNG_IMAGE_DECODE_H

#include <stdbool.h>

#include "base/memory.h"
#include "image/image.h"
#include "image/inspect.h"

/* Decodes into out->pixels, which the caller allocated: out->height and out->width must equal the inspection's, and
 * out->channels says what is wanted: 1 (luma for colour files: the exact integer (77 R + 150 G + 29 B + 128) >> 8, which
 * is the identity where R = G = B) or 3 (grey is repeated).
 * inspection: what gng_image_inspect said of exactly these bytes, without a fault. A fault that only the pixels show (scans of
 * progressive JPEGs that hold too few or too many blocks, the inflated data of PNG, transparent pixels, values above the
 * depth) is recorded in it.
 * bit_depth: 16, 12 or 10, how many bits of 16-bit grey are in use; v becomes v >> (bit_depth - 8), and values of
 * 2^bit_depth or more are refused (GNG_FAULT_BIT_DEPTH). Pictures of 8 bits do not depend on it.
 * Memory use besides `out` is bounded by the limits of image.h. After a failure out->pixels is untouched. Any thread. */
GNG_MUST_CHECK gng_status gng_image_decode(const uint8_t *bytes, size_t count, int32_t bit_depth, gng_inspection *inspection,
                                           const gng_image *out);

/* True if and only if R = G = B in every pixel (always for one channel). */
bool gng_image_is_grey(gng_image_view image);

#endif
