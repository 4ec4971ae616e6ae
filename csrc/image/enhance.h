/* Fixed enhancement of a picture, in place: median, local contrast, gamma, in this order. The same bits everywhere.
 *
 * Median: each channel for itself over a square window; the border is repeated outwards.
 * Local contrast: contrast-limited adaptive histogram equalisation (K. Zuiderveld, "Contrast Limited Adaptive Histogram
 * Equalization", Graphics Gems IV, 1994) on a grid of 8 x 8 cells, in integers. Of colours the luma is equalised and its
 * change added to each channel, which keeps the colour differences.
 * Gamma: a table of 256 levels, 255 * (level / 255)^gamma, halves up.
 */
#ifndef GNG_IMAGE_ENHANCE_H
#define GNG_IMAGE_ENHANCE_H

#include "base/memory.h"
#include "image/image.h"

enum { GNG_CONTRAST_CELLS = 8, GNG_CONTRAST_LIMIT_MAX = 256 };

typedef struct gng_enhancement {
    int32_t median;        /* side of the window: 3 or 5; 0: none */
    double local_contrast; /* counts that a level may have in a cell, as a multiple of their average: 1 to 256; 0: none */
    double gamma;          /* exponent on the value between 0 and 1: 0.1 to 10; 1: none */
} gng_enhancement;

/* Changes nothing. */
gng_enhancement gng_enhancement_identity(void);

/* ARGUMENT with a detail that names the field. Any thread. */
GNG_MUST_CHECK gng_status gng_enhancement_check(const gng_enhancement *enhancement);

/* Enhances pixels [height, width, 1 or 3]. Scratch memory comes from the heap. Any thread. ARGUMENT for fields outside their
 * range; MEMORY, and then the pixels are of no use. */
GNG_MUST_CHECK gng_status gng_image_enhance(const gng_enhancement *enhancement, const gng_image *image);

/* Its steps: a window of 3 or 5, a limit of 1 to 256. MEMORY leaves the pixels as they were. */
GNG_MUST_CHECK gng_status gng_image_median(const gng_image *image, int32_t side);
GNG_MUST_CHECK gng_status gng_image_equalise(const gng_image *image, double limit);

#endif
