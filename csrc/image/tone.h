/* What follows the geometry of a warp where one multiply-add is not enough: blur, tone curve, noise.
 *
 * Plain C for every machine, in the order that warp.h gives. For warp.c alone.
 */
#ifndef GNG_IMAGE_TONE_H
#define GNG_IMAGE_TONE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/tensor.h"
#include "image/warp.h"

/* Brightness and contrast together, in grey levels: v * factor + offset. */
typedef struct gng_tone_line {
    double factor;
    double offset;
} gng_tone_line;

gng_tone_line gng_tone_line_of(const gng_warp *warp);

/* True when gng_tone_line_of is all there is to do. */
bool gng_tone_is_linear(const gng_warp *warp);

/* Scratch of gng_tone_apply for planes of this width, in floats. */
size_t gng_tone_scratch_floats(int32_t width);

/* plane [channels, height, width]: grey levels from 0 to 255 in, [0, 1] out, in place. Any thread. */
void gng_tone_apply(float *plane, const gng_warp *warp, gng_tensor_shape shape, float *scratch);

#endif
