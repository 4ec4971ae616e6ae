/* Levels and last rows of a picture; the compiler vectorises the one, the C library the other. */
#include "image/readout.h"

#include <string.h>

static int32_t largest(const uint8_t *levels, size_t count)
{
    uint8_t found = 0;
    for (size_t i = 0; i < count; i++)
        found = levels[i] > found ? levels[i] : found;
    return found;
}

gng_readout gng_readout_measure(gng_image_view image)
{
    const size_t channels = (size_t)image.channels, stride = (size_t)image.width * channels;
    const uint8_t *last = image.pixels + (size_t)(image.height - 1) * stride;
    gng_readout found = {.brightest = largest(image.pixels, (size_t)image.height * stride)};
    if (memcmp(last, last + channels, stride - channels) != 0) /* each pixel with the next */
        return found;
    found.bottom_rows = 1;
    for (const uint8_t *row = last; found.bottom_rows < image.height; found.bottom_rows++) {
        row -= stride;
        if (memcmp(row, last, stride) != 0)
            break;
    }
    return found;
}
