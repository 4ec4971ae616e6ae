/* Cutting rectangles out of pictures. */
#include "image/region.h"

#include <stdbool.h>
#include <string.h>

gng_status gng_image_crop(gng_image_view in, gng_region region, gng_image *out)
{
    const bool within = region.top >= 0 && region.left >= 0 && region.height >= 1 && region.width >= 1 &&
        region.height <= in.height - region.top && region.width <= in.width - region.left;
    if (!within)
        return gng_error_set(GNG_STATUS_SHAPE,
            "the picture has %d x %d pixels (height x width), which do not hold the region of %d x %d pixels at row %d, "
            "column %d; give a region that all pictures hold, or leave this one out",
            in.height, in.width, region.height, region.width, region.top, region.left);
    const size_t step = (size_t)in.channels;
    const size_t row_bytes = (size_t)region.width * step;
    const uint8_t *row = in.pixels + ((size_t)region.top * (size_t)in.width + (size_t)region.left) * step;
    for (int32_t y = 0; y < region.height; y++)
        memcpy(out->pixels + (size_t)y * row_bytes, row + (size_t)y * (size_t)in.width * step, row_bytes);
    out->height = region.height;
    out->width = region.width;
    out->channels = in.channels;
    return GNG_OK;
}

void gng_image_luma(const uint8_t *rgb, size_t pixels, uint8_t *grey)
{
    for (size_t i = 0; i < pixels; i++)
        grey[i] = (uint8_t)((77 * rgb[3 * i] + 150 * rgb[3 * i + 1] + 29 * rgb[3 * i + 2] + 128) >> 8);
}
