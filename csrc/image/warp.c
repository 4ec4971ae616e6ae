/* The affine warp: what it is, in plain C, and the choice among its variants.
 *
 * The scalar code here is the definition; simd/ computes the same bits. Blur, gamma and noise are in tone.c.
 */
#include "image/warp.h"

#include <math.h>
#include <stdbool.h>

#include "base/cpu.h"
#include "image/tone.h"
#include "image/warp_kernel.h"

/* 16.16 holds less than 32768; one pixel is left for rounding. */
static const double coordinate_limit = 32767.0;
static const double factor_limit = 1000.0;
static const double blur_limit = 8.0;
static const double noise_limit = 128.0;

gng_warp gng_warp_identity(void)
{
    return (gng_warp){
        .matrix = {1, 0, 0, 0, 1, 0}, .fill = GNG_FILL_NEAREST, .brightness = 1, .contrast = 1, .gamma = 1};
}

static gng_status check_number(const char *name, double value, double low, double high)
{
    if (value >= low && value <= high)
        return GNG_OK;
    return gng_error_set(GNG_STATUS_ARGUMENT, "warp: %s is %s, expected a number from %g to %g", name, GNG_NUMBER(value), low, high);
}

/* An affine map takes its extremes at the corners. */
static gng_status check_coordinates(const double matrix[6], int32_t height, int32_t width)
{
    for (int corner = 0; corner < 4; corner++) {
        const double x = corner & 1 ? width - 1 : 0;
        const double y = corner & 2 ? height - 1 : 0;
        for (int axis = 0; axis < 2; axis++) {
            const double *m = matrix + 3 * axis;
            const double value = m[0] * x + m[1] * y + m[2];
            if (!(value >= -coordinate_limit && value <= coordinate_limit))
                return gng_error_set(GNG_STATUS_ARGUMENT,
                    "warp: the matrix sends output pixel (%g, %g) to %c = %s, expected at most %g pixels from the "
                    "origin; use a smaller zoom or shift",
                    x, y, axis ? 'y' : 'x', GNG_NUMBER(value), coordinate_limit);
        }
    }
    return GNG_OK;
}

static gng_status check(gng_image_view in, const gng_warp *warp, gng_tensor_shape shape)
{
    const int32_t sides[4] = {in.height, in.width, shape.height, shape.width};
    for (int i = 0; i < 4; i++)
        if (sides[i] < 1 || sides[i] > GNG_IMAGE_SIDE_MAX)
            return gng_error_set(GNG_STATUS_ARGUMENT, "warp: a side is %d, expected 1 to %d", sides[i], GNG_IMAGE_SIDE_MAX);
    if ((in.channels != 1 && in.channels != 3) || shape.channels != in.channels || shape.block != 1)
        return gng_error_set(GNG_STATUS_SHAPE,
            "warp: %d channels in, %d out in blocks of %d; expected 1 or 3, equal on both sides, in planes (block 1)",
            in.channels, shape.channels, shape.block);
    for (int i = 0; i < 6; i++)
        if (!isfinite(warp->matrix[i]))
            return gng_error_set(GNG_STATUS_ARGUMENT, "warp: matrix[%d] is %s, expected a finite number", i, GNG_NUMBER(warp->matrix[i]));
    GNG_TRY(check_coordinates(warp->matrix, shape.height, shape.width));
    if ((unsigned)warp->fill > GNG_FILL_WRAP)
        return gng_error_set(GNG_STATUS_ARGUMENT, "warp: fill is %d, expected 0 to %d", (int)warp->fill, (int)GNG_FILL_WRAP);
    GNG_TRY(check_number("fill_value", (double)warp->fill_value, 0, 255));
    GNG_TRY(check_number("brightness", (double)warp->brightness, 0, factor_limit));
    GNG_TRY(check_number("contrast", (double)warp->contrast, 0, factor_limit));
    GNG_TRY(check_number("gamma", (double)warp->gamma, 1 / factor_limit, factor_limit));
    GNG_TRY(check_number("blur_sigma", (double)warp->blur_sigma, 0, blur_limit));
    return check_number("noise_sigma", (double)warp->noise_sigma, 0, noise_limit);
}

/* Round half away from zero, whatever the rounding mode; |value| < 2^31. */
static uint32_t fixed_point(double value)
{
    const double scaled = value * 65536.0;
    return (uint32_t)(int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

/* 16.16 coordinate -> 16.16 coordinate inside the picture. With GNG_FILL_WRAP it reaches up to `side`, where the next pixel
 * is pixel 0; otherwise up to side - 1. Reflection is done on coordinates: between the two edge pixels that meet at a
 * border the picture is constant, which is what the clamp after it gives. */
static uint32_t fold(uint32_t coordinate, int32_t side, gng_fill fill)
{
    int32_t value = (int32_t)coordinate;
    if (fill == GNG_FILL_WRAP || fill == GNG_FILL_REFLECT) {
        const int32_t fraction = value & 0xffff;
        const int32_t period = fill == GNG_FILL_WRAP ? side : 2 * side;
        int32_t pixel = (value >> 16) % period;
        pixel += pixel < 0 ? period : 0;
        value = pixel < side ? pixel * 65536 + fraction : (period - 1 - pixel) * 65536 - fraction;
        if (fill == GNG_FILL_WRAP)
            return (uint32_t)value;
    }
    const int32_t last = (side - 1) * 65536;
    return (uint32_t)(value < 0 ? 0 : value > last ? last : value);
}

/* One plane. A sample is exact in integers (8-bit pixels, two 16-bit fractions) and is rounded to a float once. */
static void sample_plane(float *out, const gng_warp_plan *plan, int32_t channel)
{
    const gng_image_view in = plan->in;
    const size_t step = (size_t)in.channels;
    const bool wrap = plan->fill == GNG_FILL_WRAP;
    const uint32_t last_x = (uint32_t)(in.width - 1) * 65536u;
    const uint32_t last_y = (uint32_t)(in.height - 1) * 65536u;
    for (int32_t y = 0; y < plan->out_height; y++) {
        for (int32_t x = 0; x < plan->out_width; x++) {
            const uint32_t at_x = plan->column_x[x] + plan->row_x[y];
            const uint32_t at_y = plan->column_y[x] + plan->row_y[y];
            float value = plan->fill_value;
            if (plan->fill != GNG_FILL_CONSTANT || (at_x <= last_x && at_y <= last_y)) {
                const uint32_t in_x = fold(at_x, in.width, plan->fill);
                const uint32_t in_y = fold(at_y, in.height, plan->fill);
                const size_t left = in_x >> 16;
                const size_t top = in_y >> 16;
                const size_t right = left + 1 < (size_t)in.width ? left + 1 : wrap ? 0 : left;
                const size_t bottom = top + 1 < (size_t)in.height ? top + 1 : wrap ? 0 : top;
                const uint8_t *upper = in.pixels + top * (size_t)in.width * step + (size_t)channel;
                const uint8_t *lower = in.pixels + bottom * (size_t)in.width * step + (size_t)channel;
                const int64_t fraction_x = in_x & 0xffffu;
                const int64_t fraction_y = in_y & 0xffffu;
                const int64_t left_top = upper[left * step];
                const int64_t left_bottom = lower[left * step];
                const int64_t upper_value = left_top * 65536 + fraction_x * (upper[right * step] - left_top);
                const int64_t lower_value = left_bottom * 65536 + fraction_x * (lower[right * step] - left_bottom);
                value = (float)(upper_value * 65536 + fraction_y * (lower_value - upper_value)) * (1.0f / 65536.0f);
            }
            value = value * plan->gain + plan->offset;
            value = value > 0.0f ? value : 0.0f;
            *out++ = value < plan->ceiling ? value : plan->ceiling;
        }
    }
}

/* pairs [channels, height, stride] as gng_warp_plan has them. What lies beyond the right and the lower edge repeats the
 * edge, where its weight is 0, or is the other end of the picture for GNG_FILL_WRAP. `rows`: two rows of pixels. */
static void interleave(uint16_t *pairs, size_t stride, uint8_t *rows, gng_image_view in, bool wrap)
{
    const size_t channels = (size_t)in.channels;
    const size_t width = (size_t)in.width;
    const size_t row_bytes = width * channels;
    const size_t height = (size_t)in.height;
    for (size_t y = 0; y < height; y++) {
        const size_t below = y + 1 < height ? y + 1 : wrap ? 0 : y;
        const uint8_t *upper = in.pixels + y * row_bytes;
        const uint8_t *lower = in.pixels + below * row_bytes;
        if (channels == 3) {
            gng_row_split_avx2(rows, width, upper, width);
            gng_row_split_avx2(rows + row_bytes, width, lower, width);
            upper = rows;
            lower = rows + row_bytes;
        }
        for (size_t c = 0; c < channels; c++) {
            uint16_t *row = pairs + (c * height + y) * stride;
            gng_row_pair_avx2(row, upper + c * width, lower + c * width, width);
            row[width] = row[wrap ? 0 : width - 1];
        }
    }
}

static void sample(float *out, gng_warp_plan *plan, uint16_t *pairs, uint8_t *rows)
{
    const gng_instruction_set set = gng_cpu_effective();
    if (set >= GNG_INSTRUCTION_SET_AVX2) {
        interleave(pairs, (size_t)plan->pair_stride, rows, plan->in, plan->fill == GNG_FILL_WRAP);
        plan->pairs = pairs;
        (set >= GNG_INSTRUCTION_SET_AVX512 ? gng_warp_sample_avx512 : gng_warp_sample_avx2)(out, plan);
    } else {
        const size_t plane = (size_t)plan->out_height * (size_t)plan->out_width;
        for (int32_t channel = 0; channel < plan->in.channels; channel++)
            sample_plane(out + (size_t)channel * plane, plan, channel);
    }
}

/* Where the parts of the scratch memory begin. */
typedef struct scratch_layout {
    size_t columns; /* entries per table, a multiple of GNG_WARP_LANES */
    size_t row_tables, pairs, rows, tone;
    int32_t pair_stride;
    gng_arena_layout total;
} scratch_layout;

static scratch_layout lay_out(gng_image_view in, int32_t out_height, int32_t out_width)
{
    scratch_layout layout = {.total = {0, false}};
    layout.columns = ((size_t)out_width + GNG_WARP_LANES - 1) / GNG_WARP_LANES * GNG_WARP_LANES;
    layout.pair_stride = (in.width + 1 + 31) / 32 * 32; /* a sample at the last pixel reads one more; whole cache lines */
    (void)gng_arena_layout_add(&layout.total, 2 * layout.columns, sizeof(uint32_t));
    layout.row_tables = gng_arena_layout_add(&layout.total, 2 * (size_t)out_height, sizeof(uint32_t));
    layout.pairs = gng_arena_layout_add(
        &layout.total, (size_t)in.channels * (size_t)in.height * (size_t)layout.pair_stride, sizeof(uint16_t));
    layout.rows = gng_arena_layout_add(&layout.total, 2 * (size_t)in.channels, (size_t)in.width);
    layout.tone = gng_arena_layout_add(&layout.total, gng_tone_scratch_floats(out_width), sizeof(float));
    return layout;
}

size_t gng_warp_scratch_bytes(gng_image_view in, int32_t out_height, int32_t out_width)
{
    return lay_out(in, out_height, out_width).total.bytes;
}

gng_status gng_warp_apply(gng_image_view in, const gng_warp *warp, void *scratch, gng_tensor_shape shape, float *out)
{
    GNG_TRY(check(in, warp, shape));
    const scratch_layout layout = lay_out(in, shape.height, shape.width);
    unsigned char *base = scratch;
    uint32_t *column_x = (uint32_t *)(void *)base;
    uint32_t *column_y = column_x + layout.columns;
    uint32_t *row_x = (uint32_t *)(void *)(base + layout.row_tables);
    uint32_t *row_y = row_x + shape.height;
    const double *m = warp->matrix;
    for (size_t i = 0; i < layout.columns; i++) {
        const double x = i < (size_t)shape.width ? (double)i : (double)(shape.width - 1);
        column_x[i] = fixed_point(m[0] * x);
        column_y[i] = fixed_point(m[3] * x);
    }
    for (int32_t y = 0; y < shape.height; y++) {
        row_x[y] = fixed_point(m[1] * y + m[2]);
        row_y[y] = fixed_point(m[4] * y + m[5]);
    }
    gng_warp_plan plan = {
        .in = in,
        .out_height = shape.height,
        .out_width = shape.width,
        .fill = warp->fill,
        .fill_value = warp->fill_value * 65536.0f,
        .gain = 1.0f / 65536.0f,
        .offset = 0.0f,
        .ceiling = 255.0f,
        .column_x = column_x,
        .column_y = column_y,
        .row_x = row_x,
        .row_y = row_y,
        .pair_stride = layout.pair_stride,
    };
    uint16_t *pairs = (uint16_t *)(void *)(base + layout.pairs);
    uint8_t *rows = base + layout.rows;
    if (gng_tone_is_linear(warp)) {
        const gng_tone_line line = gng_tone_line_of(warp);
        plan.gain = (float)(line.factor / 255.0) * (1.0f / 65536.0f);
        plan.offset = (float)(line.offset / 255.0);
        plan.ceiling = 1.0f;
        sample(out, &plan, pairs, rows);
    } else {
        sample(out, &plan, pairs, rows);
        gng_tone_apply(out, warp, shape, (float *)(void *)(base + layout.tone));
    }
    return GNG_OK;
}
