/* Bytes of a picture file -> 8-bit pixels, through the structural check and then stb_image.
 *
 * decode.c is the only file that sees stb_image.h. Its allocator is replaced by a zeroing, budgeted, counted one.
 */
#ifndef GNG_IMAGE_DECODE_H
#define GNG_IMAGE_DECODE_H

#include <stdbool.h>

#include "base/memory.h"
#include "image/image.h"
#include "image/inspect.h"

/* Decodes into out->pixels, which the caller allocated: out->height and out->width must equal the inspection's, and
 * out->channels says what is wanted: 1 (luma for colour files: the exact integer (77 R + 150 G + 29 B + 128) >> 8, which
 * is the identity where R = G = B) or 3 (grey is repeated). Calls gng_image_inspect itself. Memory use besides `out` is
 * bounded by the limits of image.h. After a failure out->pixels is untouched. Any thread. */
GNG_MUST_CHECK gng_status gng_image_decode(const uint8_t *bytes, size_t count, const gng_image *out);

/* True if and only if R = G = B in every pixel (always for one channel). */
bool gng_image_is_grey(gng_image_view image);

#endif
