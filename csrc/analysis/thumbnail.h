/* A picture reduced to what comparing pictures needs: a small square of grey levels, and figures about its exposure.
 *
 * The centre square of the shorter side is taken, so that a turned picture keeps its inscribed circle and an elongated one is not
 * stretched.
 */
#ifndef GNG_ANALYSIS_THUMBNAIL_H
#define GNG_ANALYSIS_THUMBNAIL_H

#include <stddef.h>

#include "image/image.h"

enum { GNG_THUMBNAIL_SIDE = 64, GNG_THUMBNAIL_PIXELS = GNG_THUMBNAIL_SIDE * GNG_THUMBNAIL_SIDE };

/* In place: colour becomes luma (ITU-R BT.601). Returns the picture [height, width, 1], at the same address. Any thread. */
gng_image_view gng_luma_reduce(gng_image image);

/* Levels 0 to 255, of all pixels. */
typedef struct gng_exposure {
    double mean;
    double deviation; /* of the population */
    int32_t minimum;
    int32_t maximum;
    double saturated; /* share of pixels at 0 or 255 */
    double sharpness; /* variance of the Laplacian (4 neighbours) over the variance of the levels; 0 for a constant picture.
                       * Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000, made independent of contrast */
} gng_exposure;

/* Floats of scratch memory for a picture of this width. */
size_t gng_thumbnail_scratch_floats(int32_t width);

/* levels [GNG_THUMBNAIL_PIXELS]: means over equal areas, 0 to 255. image: of 1 channel. scratch as above. Any thread. */
void gng_thumbnail_make(float *levels, gng_image_view image, float *scratch);

/* image: of 1 channel. Any thread. */
void gng_exposure_measure(gng_exposure *out, gng_image_view image);

#endif
