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

/* Whole numbers in any order give one sum: compilers may add many pixels at a time. */
static void measure_levels(gng_exposure *out, gng_image_view image, double *variance)
{
    const size_t width = (size_t)image.width, pixels = (size_t)image.height * width;
    uint64_t sum = 0, squares = 0, saturated = 0;
    uint8_t minimum = 255, maximum = 0;
    for (int32_t y = 0; y < image.height; y++) {
        const uint8_t *row = image.pixels + (size_t)y * width;
        uint32_t row_sum = 0, row_squares = 0, row_saturated = 0; /* 16,384 * 255 * 255 < 2^32 */
        for (size_t x = 0; x < width; x++) {
            const uint8_t level = row[x];
            row_sum += level;
            row_squares += (uint32_t)level * level;
            row_saturated += level == 0 || level == 255;
            minimum = level < minimum ? level : minimum;
            maximum = level > maximum ? level : maximum;
        }
        sum += row_sum;
        squares += row_squares;
        saturated += row_saturated;
    }
    out->minimum = minimum;
    out->maximum = maximum;
    out->mean = (double)sum / (double)pixels;
    *variance = (double)squares / (double)pixels - out->mean * out->mean;
    *variance = minimum == maximum || *variance < 0 ? 0 : *variance;
    out->saturated = (double)saturated / (double)pixels;
}

/* Adds the Laplacian of a run of up to 2,048 pixels of a row, whose squares fit 32 bits. */
static void add_laplacian(const uint8_t *row, size_t stride, int32_t count, int64_t *sum, int64_t *squares)
{
    const uint8_t *above = row - stride, *below = row + stride;
    int32_t run_sum = 0;
    uint32_t run_squares = 0;
    for (int32_t x = 0; x < count; x++) {
        const int32_t value = above[x] + below[x] + row[x - 1] + row[x + 1] - 4 * row[x];
        run_sum += value;
        run_squares += (uint32_t)(value * value);
    }
    *sum += run_sum;
    *squares += run_squares;
}

static double laplacian_variance(gng_image_view image)
{
    enum { RUN = 2048 };
    const size_t stride = (size_t)image.width;
    const int32_t inside = image.width - 2;
    int64_t sum = 0, squares = 0;
    for (int32_t y = 1; y + 1 < image.height; y++)
        for (int32_t x = 0; x < inside; x += RUN)
            add_laplacian(image.pixels + (size_t)y * stride + 1 + x, stride, inside - x < RUN ? inside - x : RUN, &sum, &squares);
    const int64_t count = image.height > 2 && inside > 0 ? (int64_t)inside * (image.height - 2) : 0;
    if (count == 0)
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
