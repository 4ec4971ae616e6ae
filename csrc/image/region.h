/* Parts of pictures, and colours brought to grey. */
#ifndef GNG_IMAGE_REGION_H
#define GNG_IMAGE_REGION_H

#include "image/image.h"

/* A rectangle of pixels. */
typedef struct gng_region {
    int32_t top;
    int32_t left;
    int32_t height;
    int32_t width;
} gng_region;

/* Copies a region of `in` to out->pixels, [region.height, region.width, in.channels]; sizes and channels of `out` are set.
 * SHAPE, and nothing written, unless the region has pixels and lies inside the picture. Any thread. */
GNG_MUST_CHECK gng_status gng_image_crop(gng_image_view in, gng_region region, gng_image *out);

/* rgb [pixels, 3] -> grey [pixels]: (77 R + 150 G + 29 B + 128) >> 8, as the decoder does; `grey` may be `rgb`. Any thread. */
void gng_image_luma(const uint8_t *rgb, size_t pixels, uint8_t *grey);

#endif
