/* A picture in memory: 8-bit pixels, grey or RGB, rows top to bottom, channels interleaved. */
#ifndef GNG_IMAGE_IMAGE_H
#define GNG_IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum {
    GNG_IMAGE_BYTES_MAX = 64 * 1024 * 1024, /* of a file */
    GNG_IMAGE_SIDE_MAX = 16384,
    GNG_IMAGE_PIXELS_MAX = 50 * 1000 * 1000
};

/* Borrowed view. pixels: [height, width, channels], contiguous; channels is 1 or 3. */
typedef struct gng_image {
    uint8_t *pixels;
    int32_t height;
    int32_t width;
    int32_t channels;
} gng_image;

/* Read-only borrowed view. */
typedef struct gng_image_view {
    const uint8_t *pixels;
    int32_t height;
    int32_t width;
    int32_t channels;
} gng_image_view;

#endif
