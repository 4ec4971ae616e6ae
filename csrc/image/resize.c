/* Resizing in integers alone: weights, rounding, sizes of padded and cropped pictures. No floats, no choice by processor. */
#include "image/resize.h"

#include <string.h>

enum { WEIGHT_BITS = 22 };

/* A rectangle inside a picture: `stride` bytes from row to row. */
typedef struct region {
    const uint8_t *pixels;
    int32_t height;
    int32_t width;
    size_t stride;
} region;

/* The filter along one axis: output i is the sum over k < counts[i] of weights[i * taps + k] * input[firsts[i] + k]. */
typedef struct filter {
    int32_t *firsts; /* [out] */
    int32_t *counts; /* [out] */
    int32_t *weights; /* [out, taps], each row sums to 2^WEIGHT_BITS */
    size_t taps;
} filter;

static void filter_release(filter *f)
{
    gng_memory_release(f->firsts);
    gng_memory_release(f->counts);
    gng_memory_release(f->weights);
    *f = (filter){0};
}

/* Distances are counted in 1 / (2 out) input pixels, in which the centres of input and output pixels are whole numbers. */
static gng_status filter_create(int32_t in, int32_t out, filter *f)
{
    const int64_t support = 2 * (int64_t)(in > out ? in : out);
    const size_t count = (size_t)out;
    *f = (filter){.taps = (size_t)(support / out) + 1};
    f->firsts = gng_memory_allocate_array(count, sizeof *f->firsts);
    f->counts = gng_memory_allocate_array(count, sizeof *f->counts);
    f->weights = gng_memory_allocate_array(count * f->taps, sizeof *f->weights);
    if (f->firsts == NULL || f->counts == NULL || f->weights == NULL) {
        filter_release(f);
        return gng_error_set(GNG_STATUS_MEMORY, "resize: no memory for the weights of %d to %d pixels", in, out);
    }
    for (int32_t i = 0; i < out; i++) {
        const int64_t centre = (2 * (int64_t)i + 1) * in;
        int32_t *weights = f->weights + (size_t)i * f->taps;
        int64_t first = (centre - support) / (2 * (int64_t)out);
        first = first > 0 ? first : 0;
        while ((2 * first + 1) * out <= centre - support)
            first++;
        int64_t sum = 0;
        int32_t taps = 0;
        for (int64_t k = first; k < in && (2 * k + 1) * out < centre + support; k++) {
            const int64_t distance = (2 * k + 1) * out - centre;
            const int64_t height = support - (distance < 0 ? -distance : distance);
            weights[taps++] = (int32_t)height;
            sum += height;
        }
        int32_t rest = 1 << WEIGHT_BITS;
        int32_t largest = 0;
        for (int32_t k = 0; k < taps; k++) {
            weights[k] = (int32_t)((((int64_t)weights[k] << (WEIGHT_BITS + 1)) + sum) / (2 * sum));
            rest -= weights[k];
            largest = weights[k] > weights[largest] ? k : largest;
        }
        weights[largest] += rest;
        f->firsts[i] = (int32_t)first;
        f->counts[i] = taps;
    }
    return GNG_OK;
}

/* The rounding that the largest weight takes can make it negative where thousands of taps share 2^22. */
static uint8_t round_to_byte(int32_t sum)
{
    const int32_t value = (sum + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* in [height, width, channels] -> out [height, out_width, channels] */
static void filter_rows(uint8_t *out, region in, int32_t channels, const filter *f, int32_t out_width)
{
    const size_t step = (size_t)channels;
    for (int32_t y = 0; y < in.height; y++) {
        const uint8_t *row = in.pixels + (size_t)y * in.stride;
        for (int32_t x = 0; x < out_width; x++) {
            const int32_t *weights = f->weights + (size_t)x * f->taps;
            for (size_t c = 0; c < step; c++) {
                const uint8_t *pixel = row + (size_t)f->firsts[x] * step + c;
                int32_t sum = 0;
                for (int32_t k = 0; k < f->counts[x]; k++)
                    sum += weights[k] * pixel[(size_t)k * step];
                *out++ = round_to_byte(sum);
            }
        }
    }
}

/* in [in height, row_bytes] -> out [out_height, row_bytes], out_stride bytes from row to row; sums [row_bytes] */
static void filter_columns(
    uint8_t *out, size_t out_stride, int32_t out_height, const uint8_t *in, size_t row_bytes, const filter *f, int32_t *sums)
{
    for (int32_t y = 0; y < out_height; y++) {
        memset(sums, 0, row_bytes * sizeof *sums);
        for (int32_t k = 0; k < f->counts[y]; k++) {
            const uint8_t *row = in + (size_t)(f->firsts[y] + k) * row_bytes;
            const int32_t weight = f->weights[(size_t)y * f->taps + (size_t)k];
            for (size_t i = 0; i < row_bytes; i++)
                sums[i] += weight * row[i];
        }
        for (size_t i = 0; i < row_bytes; i++)
            out[(size_t)y * out_stride + i] = round_to_byte(sums[i]);
    }
}

/* Fills [height, width] of `out` at a stride of its own. */
static gng_status stretch(region in, int32_t channels, uint8_t *out, int32_t height, int32_t width, size_t out_stride)
{
    filter across = {0};
    filter down = {0};
    const size_t row_bytes = (size_t)width * (size_t)channels;
    GNG_TRY(filter_create(in.width, width, &across));
    gng_status status = filter_create(in.height, height, &down);
    uint8_t *middle = gng_memory_allocate_array((size_t)in.height, row_bytes);
    int32_t *sums = gng_memory_allocate_array(row_bytes, sizeof *sums);
    if (status == GNG_OK && (middle == NULL || sums == NULL))
        status = gng_error_set(GNG_STATUS_MEMORY, "resize: no memory for %d x %d pixels on the way", in.height, width);
    if (status == GNG_OK) {
        filter_rows(middle, in, channels, &across, width);
        filter_columns(out, out_stride, height, middle, row_bytes, &down, sums);
    }
    gng_memory_release(sums);
    gng_memory_release(middle);
    filter_release(&down);
    filter_release(&across);
    return status;
}

/* side * numerator / denominator, halves up, at least 1 and at most `limit` */
static int32_t scaled_side(int32_t side, int32_t numerator, int32_t denominator, int32_t limit)
{
    const int64_t value = (2 * (int64_t)side * numerator + denominator) / (2 * (int64_t)denominator);
    return value < 1 ? 1 : value > limit ? limit : (int32_t)value;
}

/* The picture occupies rows top to top + height and columns left to left + width of `out`: repeats its border outwards. */
static void extend(const gng_image *out, int32_t top, int32_t left, int32_t height, int32_t width)
{
    const size_t step = (size_t)out->channels;
    const size_t row_bytes = (size_t)out->width * step;
    for (int32_t y = top; y < top + height; y++) {
        uint8_t *row = out->pixels + (size_t)y * row_bytes;
        for (int32_t x = left - 1; x >= 0; x--)
            memcpy(row + (size_t)x * step, row + (size_t)left * step, step);
        for (int32_t x = left + width; x < out->width; x++)
            memcpy(row + (size_t)x * step, row + (size_t)(left + width - 1) * step, step);
    }
    for (int32_t y = 0; y < out->height; y++) {
        const int32_t nearest = y < top ? top : y >= top + height ? top + height - 1 : y;
        if (nearest != y)
            memcpy(out->pixels + (size_t)y * row_bytes, out->pixels + (size_t)nearest * row_bytes, row_bytes);
    }
}

static gng_status resize_pad(region in, const gng_image *out)
{
    /* The side that is the longer one in proportion fills the frame. */
    const bool wide = (int64_t)in.width * out->height >= (int64_t)in.height * out->width;
    const int32_t height = wide ? scaled_side(in.height, out->width, in.width, out->height) : out->height;
    const int32_t width = wide ? out->width : scaled_side(in.width, out->height, in.height, out->width);
    const int32_t top = (out->height - height) / 2;
    const int32_t left = (out->width - width) / 2;
    const size_t step = (size_t)out->channels;
    const size_t stride = (size_t)out->width * step;
    uint8_t *corner = out->pixels + (size_t)top * stride + (size_t)left * step;
    GNG_TRY(stretch(in, out->channels, corner, height, width, stride));
    extend(out, top, left, height, width);
    return GNG_OK;
}

/* Cuts the source, to within half a pixel of the aspect ratio of `out`. */
static region cropped(region in, const gng_image *out)
{
    const bool wide = (int64_t)in.width * out->height >= (int64_t)in.height * out->width;
    region part = in;
    part.height = wide ? in.height : scaled_side(out->height, in.width, out->width, in.height);
    part.width = wide ? scaled_side(out->width, in.height, out->height, in.width) : in.width;
    const size_t top = (size_t)(in.height - part.height) / 2;
    const size_t left = (size_t)(in.width - part.width) / 2;
    part.pixels = in.pixels + top * in.stride + left * (size_t)out->channels;
    return part;
}

gng_status gng_image_resize(gng_image_view in, gng_resize_mode mode, const gng_image *out)
{
    const int32_t sides[4] = {in.height, in.width, out->height, out->width};
    for (int i = 0; i < 4; i++)
        if (sides[i] < 1 || sides[i] > GNG_IMAGE_SIDE_MAX)
            return gng_error_set(GNG_STATUS_ARGUMENT, "resize: a side is %d, expected 1 to %d", sides[i], GNG_IMAGE_SIDE_MAX);
    if (in.channels != out->channels || (in.channels != 1 && in.channels != 3))
        return gng_error_set(GNG_STATUS_ARGUMENT, "resize: %d channels in, %d out, expected 1 or 3 and equal numbers",
            in.channels, out->channels);
    const size_t stride = (size_t)in.width * (size_t)in.channels;
    const size_t out_stride = (size_t)out->width * (size_t)out->channels;
    if (in.height == out->height && in.width == out->width) {
        memcpy(out->pixels, in.pixels, (size_t)in.height * stride);
        return GNG_OK;
    }
    const region whole = {.pixels = in.pixels, .height = in.height, .width = in.width, .stride = stride};
    switch (mode) {
    case GNG_RESIZE_PAD:
        return resize_pad(whole, out);
    case GNG_RESIZE_STRETCH:
        return stretch(whole, out->channels, out->pixels, out->height, out->width, out_stride);
    case GNG_RESIZE_CROP:
        return stretch(cropped(whole, out), out->channels, out->pixels, out->height, out->width, out_stride);
    }
    return gng_error_set(
        GNG_STATUS_ARGUMENT, "resize: mode is %d, expected %d to %d", (int)mode, (int)GNG_RESIZE_PAD, (int)GNG_RESIZE_CROP);
}
