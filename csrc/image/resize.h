/* Anti-aliased resizing, specified in integers: the same bytes everywhere.
 *
 * Separable triangle filter widened by the scale when shrinking (as Pillow's BILINEAR); weights are rounded to 1/2^22
 * so that they sum to exactly 2^22 (the largest weight takes the rounding), the horizontal pass rounds to 8 bits, then
 * the vertical pass. A picture that already has the target size is copied.
 */
#ifndef GNG_IMAGE_RESIZE_H
#define GNG_IMAGE_RESIZE_H

#include "base/memory.h"
#include "image/image.h"

typedef enum gng_resize_mode {
    GNG_RESIZE_PAD,     /* keep the aspect ratio, centre, repeat the edge pixels outwards */
    GNG_RESIZE_STRETCH, /* ignore the aspect ratio */
    GNG_RESIZE_CROP     /* keep the aspect ratio, cut the longer side about the centre */
} gng_resize_mode;

/* in [h, w, c] -> out [H, W, c], same channels. Scratch memory comes from the heap. Any thread.
 * ARGUMENT for sides outside 1..GNG_IMAGE_SIDE_MAX or unequal channels; MEMORY; `out` is untouched after a failure. */
GNG_MUST_CHECK gng_status gng_image_resize(gng_image_view in, gng_resize_mode mode, const gng_image *out);

#endif
