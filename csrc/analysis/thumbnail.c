/* Thumbnails by area means, and the figures of exposure. Plain loops with a fixed order of sums: the same bits everywhere. */
#include "analysis/thumbnail.h"

#include <string.h>

gng_image_view gng_luma_reduce(gng_image image)
{
    const size_t pixels = (size_t)image.height * (size_t)image.width;
    for (size_t i = 0; i < pixels && image.channels == 3; i++) {
        const uint8_t *pixel = image.pixels + 3 * i;
        /* ITU-R BT.601 in 1/256, as the decoder reduces colour. */
        image.pixels[i] = (uint8_t)((77u * pixel[0] + 150u * pixel[1] + 29u * pixel[2] + 128u) >> 8);
    }
    return (gng_image_view){image.pixels, image.height, image.width, 1};
}

size_t gng_thumbnail_scratch_floats(int32_t width)
{
    return (size_t)width;
}

/* Adds rows [first, last) of a picture, where the ends may cut a row, to sums[side]: columns from `left` on. */
static void add_rows(float *sums, gng_image_view image, int32_t left, int32_t side, double first, double last)
{
    for (int32_t y = (int32_t)first; y < image.height && (double)y < last; y++) {
        const double from = (double)y > first ? (double)y : first, to = (double)(y + 1) < last ? (double)(y + 1) : last;
        const float weight = (float)(to - from);
        const uint8_t *row = image.pixels + (size_t)y * (size_t)image.width + (size_t)left;
        for (int32_t x = 0; x < side; x++)
            sums[x] += weight * (float)row[x];
    }
}

void gng_thumbnail_make(float *levels, gng_image_view image, float *scratch)
{
    const int32_t side = image.height < image.width ? image.height : image.width;
    const int32_t top = (image.height - side) / 2, left = (image.width - side) / 2;
    const double step = (double)side / GNG_THUMBNAIL_SIDE;
    for (int32_t v = 0; v < GNG_THUMBNAIL_SIDE; v++) {
        memset(scratch, 0, (size_t)side * sizeof *scratch);
        add_rows(scratch, image, left, side, top + v * step, top + (v + 1) * step);
        for (int32_t u = 0; u < GNG_THUMBNAIL_SIDE; u++) {
            const double first = u * step, last = (u + 1) * step;
            double sum = 0;
            for (int32_t x = (int32_t)first; x < side && (double)x < last; x++) {
                const double from = (double)x > first ? (double)x : first, to = (double)(x + 1) < last ? (double)(x + 1) : last;
                sum += (to - from) * (double)scratch[x];
            }
            levels[v * GNG_THUMBNAIL_SIDE + u] = (float)(sum / (step * step));
        }
    }
}

static void measure_levels(gng_exposure *out, gng_image_view image, double *variance)
{
    uint64_t histogram[256] = {0};
    const size_t pixels = (size_t)image.height * (size_t)image.width;
    for (size_t i = 0; i < pixels; i++)
        histogram[image.pixels[i]]++;
    double sum = 0, squares = 0;
    out->minimum = 255;
    out->maximum = 0;
    for (int32_t level = 0; level < 256; level++) {
        sum += (double)level * (double)histogram[level];
        squares += (double)level * (double)level * (double)histogram[level];
        if (histogram[level] == 0)
            continue;
        out->minimum = level < out->minimum ? level : out->minimum;
        out->maximum = level;
    }
    out->mean = sum / (double)pixels;
    *variance = squares / (double)pixels - out->mean * out->mean;
    *variance = out->minimum == out->maximum || *variance < 0 ? 0 : *variance;
    out->saturated = (double)(histogram[0] + histogram[255]) / (double)pixels;
}

static double laplacian_variance(gng_image_view image)
{
    const size_t stride = (size_t)image.width;
    int64_t sum = 0, squares = 0, count = 0;
    for (int32_t y = 1; y + 1 < image.height; y++) {
        const uint8_t *row = image.pixels + (size_t)y * stride, *above = row - stride, *below = row + stride;
        int64_t row_sum = 0, row_squares = 0;
        for (int32_t x = 1; x + 1 < image.width; x++) {
            const int32_t value = above[x] + below[x] + row[x - 1] + row[x + 1] - 4 * row[x];
            row_sum += value;
            row_squares += value * value;
        }
        sum += row_sum;
        squares += row_squares;
        count += image.width - 2;
    }
    if (count <= 0)
        return 0;
    const double mean = (double)sum / (double)count;
    return (double)squares / (double)count - mean * mean;
}

void gng_exposure_measure(gng_exposure *out, gng_image_view image)
{
    double variance;
    measure_levels(out, image, &variance);
    out->deviation = __builtin_sqrt(variance);
    out->sharpness = variance > 0 ? laplacian_variance(image) / variance : 0;
}
