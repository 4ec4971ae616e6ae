/* Median filter by bisection: the median is the largest level that at least half of the window reaches, found bit by bit.
 *
 * Each step counts over whole rows of bytes without a branch, which compilers turn into vector instructions.
 */
#include <string.h>

#include "image/enhance.h"

/* counts[i] += in[i] >= (level[i] | bit) */
static void count_reached(
    uint8_t *restrict counts, const uint8_t *restrict in, const uint8_t *restrict level, uint8_t bit, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t wanted = level[i] | bit;
        counts[i] = (uint8_t)(counts[i] + (in[i] >= wanted));
    }
}

static void keep_bit(uint8_t *restrict level, const uint8_t *restrict counts, uint8_t bit, uint8_t majority, size_t count)
{
    for (size_t i = 0; i < count; i++)
        level[i] = (uint8_t)(level[i] | (counts[i] >= majority ? bit : 0));
}

/* padded [height + side - 1, width + side - 1, channels]: the picture with its border repeated. */
static void pad(uint8_t *padded, const gng_image *image, int32_t radius)
{
    const size_t step = (size_t)image->channels;
    const size_t row_bytes = (size_t)image->width * step;
    const size_t stride = row_bytes + 2 * (size_t)radius * step;
    for (int32_t y = -radius; y < image->height + radius; y++) {
        const int32_t nearest = y < 0 ? 0 : y < image->height ? y : image->height - 1;
        const uint8_t *row = image->pixels + (size_t)nearest * row_bytes;
        for (int32_t k = 0; k < radius; k++) {
            memcpy(padded + (size_t)k * step, row, step);
            memcpy(padded + (size_t)(radius + image->width + k) * step, row + row_bytes - step, step);
        }
        memcpy(padded + (size_t)radius * step, row, row_bytes);
        padded += stride;
    }
}

gng_status gng_image_median(const gng_image *image, int32_t side)
{
    const int32_t radius = side / 2;
    const size_t step = (size_t)image->channels;
    const size_t row_bytes = (size_t)image->width * step;
    const size_t stride = row_bytes + 2 * (size_t)radius * step;
    const uint8_t majority = (uint8_t)((side * side + 1) / 2);
    uint8_t *padded = gng_memory_allocate_array((size_t)image->height + 2 * (size_t)radius, stride);
    uint8_t *counts = gng_memory_allocate(row_bytes);
    if (padded == NULL || counts == NULL) {
        gng_memory_release(counts);
        gng_memory_release(padded);
        return gng_error_set(GNG_STATUS_MEMORY, "median: no memory for %d x %d pixels", image->height, image->width);
    }
    pad(padded, image, radius);
    for (int32_t y = 0; y < image->height; y++) {
        uint8_t *out = image->pixels + (size_t)y * row_bytes;
        memset(out, 0, row_bytes);
        for (int32_t bit = 128; bit > 0; bit /= 2) {
            memset(counts, 0, row_bytes);
            for (int32_t k = 0; k < side; k++)
                for (int32_t j = 0; j < side; j++)
                    count_reached(counts, padded + (size_t)(y + k) * stride + (size_t)j * step, out, (uint8_t)bit, row_bytes);
            keep_bit(out, counts, (uint8_t)bit, majority, row_bytes);
        }
    }
    gng_memory_release(counts);
    gng_memory_release(padded);
    return GNG_OK;
}
