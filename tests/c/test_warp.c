/* The warp: equal bits on every instruction set, accuracy against double precision, tone, refusals. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/rng.h"
#include "image/warp.h"

static int failures;

#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);       \
            failures++;                                                           \
        }                                                                         \
    } while (0)

enum { SIDE_MAX = 80 };

static gng_rng rng;
static uint8_t pixels[SIDE_MAX * SIDE_MAX * 3];
static float plain[SIDE_MAX * SIDE_MAX * 3 + 1], other[SIDE_MAX * SIDE_MAX * 3 + 1];
static const float sentinel = -7.0f;

static double between(double low, double high)
{
    return low + (high - low) * gng_rng_uniform(&rng);
}

static gng_image_view noise_picture(int height, int width, int channels)
{
    for (int i = 0; i < height * width * channels; i++)
        pixels[i] = (uint8_t)gng_rng_below(&rng, 256);
    return (gng_image_view){.pixels = pixels, .height = height, .width = width, .channels = channels};
}

/* Exactly the scratch asked for, and one float behind the output, so that sanitizer and sentinel see what is too much. */
static gng_status apply(gng_image_view in, const gng_warp *warp, int height, int width, float *out)
{
    void *scratch = gng_memory_allocate(gng_warp_scratch_bytes(in, height, width));
    const gng_tensor_shape shape = {.channels = in.channels, .height = height, .width = width, .block = 1};
    const size_t count = gng_tensor_elements(shape);
    for (size_t i = 0; i <= count; i++)
        out[i] = sentinel;
    const gng_status status = gng_warp_apply(in, warp, scratch, shape, out);
    CHECK(out[count] <= sentinel && out[count] >= sentinel);
    gng_memory_release(scratch);
    return status;
}

static void limit(gng_instruction_set set)
{
    CHECK(gng_cpu_limit_set(set) == GNG_OK);
}

/* Rotation, zoom and shift about the centre, sometimes far outside. */
static gng_warp random_warp(int in_height, int in_width, int out_height, int out_width)
{
    gng_warp warp = gng_warp_identity();
    const double angle = between(0, 6.3);
    const double zoom_x = between(0.2, 3);
    const double zoom_y = between(0.2, 3);
    double *m = warp.matrix;
    m[0] = cos(angle) * zoom_x;
    m[1] = -sin(angle) * zoom_y;
    m[3] = sin(angle) * zoom_x;
    m[4] = cos(angle) * zoom_y;
    m[2] = in_width / 2.0 - m[0] * out_width / 2 - m[1] * out_height / 2 + between(-9, 9);
    m[5] = in_height / 2.0 - m[3] * out_width / 2 - m[4] * out_height / 2 + between(-9, 9);
    if (gng_rng_below(&rng, 4) == 0) {
        m[2] = between(-20000, 20000);
        m[5] = between(-20000, 20000);
    }
    warp.fill = (gng_fill)gng_rng_below(&rng, 4);
    warp.fill_value = (float)between(0, 255);
    warp.brightness = (float)between(0, 2);
    warp.contrast = gng_rng_below(&rng, 2) ? 1.0f : (float)between(0, 3);
    return warp;
}

static void every_instruction_set_gives_the_same_bits(void)
{
    for (int round = 0; round < 600; round++) {
        const int height = 1 + (int)gng_rng_below(&rng, SIDE_MAX), width = 1 + (int)gng_rng_below(&rng, SIDE_MAX);
        const int out_height = 1 + (int)gng_rng_below(&rng, SIDE_MAX), out_width = 1 + (int)gng_rng_below(&rng, SIDE_MAX);
        const gng_image_view in = noise_picture(height, width, gng_rng_below(&rng, 3) ? 1 : 3);
        gng_warp warp = random_warp(height, width, out_height, out_width);
        if (round % 8 == 0) {
            warp.gamma = (float)between(0.3, 3);
            warp.blur_sigma = (float)between(0, 3);
            warp.noise_sigma = (float)between(0, 20);
        }
        const size_t bytes = (size_t)(out_height * out_width * in.channels) * sizeof(float);
        limit(GNG_INSTRUCTION_SET_SCALAR);
        CHECK(apply(in, &warp, out_height, out_width, plain) == GNG_OK);
        for (int set = GNG_INSTRUCTION_SET_SCALAR + 1; set < GNG_INSTRUCTION_SET_COUNT; set++) {
            limit((gng_instruction_set)set);
            CHECK(apply(in, &warp, out_height, out_width, other) == GNG_OK);
            CHECK(memcmp(plain, other, bytes) == 0);
        }
    }
}

static void the_identity_is_division_by_255(void)
{
    for (int set = GNG_INSTRUCTION_SET_SCALAR; set < GNG_INSTRUCTION_SET_COUNT; set++) {
        limit((gng_instruction_set)set);
        for (int channels = 1; channels <= 3; channels += 2) {
            const int height = 61, width = 77;
            const gng_image_view in = noise_picture(height, width, channels);
            for (int fill = GNG_FILL_NEAREST; fill <= GNG_FILL_WRAP; fill++) {
                gng_warp warp = gng_warp_identity();
                warp.fill = (gng_fill)fill;
                CHECK(apply(in, &warp, height, width, plain) == GNG_OK);
                other[height * width * channels] = sentinel;
                gng_image_to_tensor(in, other);
                CHECK(memcmp(plain, other, (size_t)(height * width * channels) * sizeof(float)) == 0);
                CHECK(other[height * width * channels] <= sentinel);
            }
            for (int c = 0; c < channels; c++)
                for (int i = 0; i < height * width; i++)
                    CHECK(fabs((double)other[c * height * width + i] - pixels[i * channels + c] / 255.0) < 1.2e-7);
        }
    }
    const uint8_t ends[2] = {0, 255};
    gng_image_to_tensor((gng_image_view){.pixels = ends, .height = 1, .width = 2, .channels = 1}, other);
    CHECK(other[0] <= 0.0f && other[1] >= 1.0f && other[1] <= 1.0f);
}

/* Index of the pixel that stands at `position` of the row extended to both sides. */
static int extended(int position, int side, gng_fill fill)
{
    if (fill == GNG_FILL_NEAREST || fill == GNG_FILL_CONSTANT)
        return position < 0 ? 0 : position >= side ? side - 1 : position;
    const int period = fill == GNG_FILL_WRAP ? side : 2 * side;
    const int rest = ((position % period) + period) % period;
    return rest < side ? rest : period - 1 - rest;
}

static void samples_are_within_a_hundredth_of_a_grey_level(void)
{
    double worst = 0;
    for (int round = 0; round < 200; round++) {
        const int height = 2 + (int)gng_rng_below(&rng, 60), width = 2 + (int)gng_rng_below(&rng, 60);
        const gng_image_view in = noise_picture(height, width, 1);
        gng_warp warp = random_warp(height, width, height, width);
        warp.brightness = warp.contrast = 1;
        CHECK(apply(in, &warp, height, width, plain) == GNG_OK);
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                const double *m = warp.matrix;
                const double at_x = m[0] * x + m[1] * y + m[2], at_y = m[3] * x + m[4] * y + m[5];
                const double border = fmin(fmin(fabs(at_x), fabs(at_x - width + 1)), fmin(fabs(at_y), fabs(at_y - height + 1)));
                if (warp.fill == GNG_FILL_CONSTANT && border < 1e-4)
                    continue; /* either side is right */
                const int x0 = (int)floor(at_x), y0 = (int)floor(at_y);
                const double fx = at_x - x0, fy = at_y - y0;
                double expected = 0;
                for (int tap = 0; tap < 4; tap++) {
                    const int column = extended(x0 + (tap & 1), width, warp.fill);
                    const int row = extended(y0 + (tap >> 1), height, warp.fill);
                    expected += pixels[row * width + column] * (tap & 1 ? fx : 1 - fx) * (tap >> 1 ? fy : 1 - fy);
                }
                if (warp.fill == GNG_FILL_CONSTANT && (at_x < 0 || at_y < 0 || at_x > width - 1 || at_y > height - 1))
                    expected = (double)warp.fill_value;
                worst = fmax(worst, fabs(expected - 255.0 * (double)plain[y * width + x]));
            }
    }
    printf("largest error of a sample: %.5f grey levels\n", worst);
    CHECK(worst < 0.01);
}

static void brightness_and_contrast_are_one_line(void)
{
    const gng_image_view in = noise_picture(20, 30, 1);
    gng_warp warp = gng_warp_identity();
    warp.brightness = 1.2f;
    warp.contrast = 0.5f;
    CHECK(apply(in, &warp, 20, 30, plain) == GNG_OK);
    for (int i = 0; i < 600; i++) {
        const double expected = (pixels[i] * 1.2 - 127.5) * 0.5 + 127.5;
        CHECK(fabs(255.0 * (double)plain[i] - fmin(fmax(expected, 0), 255)) < 1e-3);
    }
}

static void gamma_follows_the_power(void)
{
    const gng_image_view in = noise_picture(40, 40, 1);
    static const double exponents[] = {0.4, 0.9, 1.1, 2.0};
    for (int e = 0; e < 4; e++) {
        gng_warp warp = gng_warp_identity();
        warp.gamma = (float)exponents[e];
        CHECK(apply(in, &warp, 40, 40, plain) == GNG_OK);
        for (int i = 0; i < 1600; i++)
            CHECK(fabs(255.0 * (double)plain[i] - 255.0 * pow(pixels[i] / 255.0, (double)warp.gamma)) < 0.02);
    }
}

static void blur_is_a_gaussian_with_repeated_edges(void)
{
    const int height = 13, width = 31;
    static const float sigmas[] = {0.7f, 2.3f, 8.0f};
    for (int s = 0; s < 3; s++) {
        const gng_image_view in = noise_picture(height, width, 3);
        gng_warp warp = gng_warp_identity();
        warp.blur_sigma = sigmas[s];
        CHECK(apply(in, &warp, height, width, plain) == GNG_OK);
        const double sigma = (double)sigmas[s];
        const int radius = (int)(4 * sigma + 0.5);
        for (int c = 0; c < 3; c++)
            for (int y = 0; y < height; y++)
                for (int x = 0; x < width; x++) {
                    double sum = 0, weights = 0;
                    for (int dy = -radius; dy <= radius; dy++)
                        for (int dx = -radius; dx <= radius; dx++) {
                            const double weight = exp(-(dx * dx + dy * dy) / (2 * sigma * sigma));
                            const int row = extended(y + dy, height, GNG_FILL_NEAREST);
                            sum += weight * pixels[(row * width + extended(x + dx, width, GNG_FILL_NEAREST)) * 3 + c];
                            weights += weight;
                        }
                    CHECK(fabs(255.0 * (double)plain[(c * height + y) * width + x] - sum / weights) < 1e-3);
                }
    }
}

static void noise_is_normal_and_keyed(void)
{
    const int side = 64;
    memset(pixels, 128, sizeof pixels);
    const gng_image_view in = {.pixels = pixels, .height = side, .width = side, .channels = 3};
    gng_warp warp = gng_warp_identity();
    warp.noise_sigma = 10;
    warp.noise_seed = 5;
    CHECK(apply(in, &warp, side, side, plain) == GNG_OK);
    double sum = 0, squares = 0;
    const int count = side * side * 3;
    for (int i = 0; i < count; i++) {
        const double value = 255.0 * (double)plain[i] - 128;
        sum += value;
        squares += value * value;
    }
    CHECK(fabs(sum / count) < 0.5);
    CHECK(fabs(sqrt(squares / count) - 10) < 0.5);
    CHECK(apply(in, &warp, side, side, other) == GNG_OK);
    CHECK(memcmp(plain, other, (size_t)count * sizeof(float)) == 0);
    /* An element's noise depends on its place in memory alone. */
    CHECK(apply(in, &warp, side / 2, side, other) == GNG_OK);
    CHECK(memcmp(plain, other, (size_t)(side / 2 * side) * sizeof(float)) == 0);
    warp.noise_seed = 6;
    CHECK(apply(in, &warp, side, side, other) == GNG_OK);
    CHECK(memcmp(plain, other, (size_t)count * sizeof(float)) != 0);
}

static void expect_refusal(gng_warp warp, const char *word)
{
    const gng_image_view in = {.pixels = pixels, .height = 8, .width = 8, .channels = 1};
    CHECK(apply(in, &warp, 8, 8, plain) == GNG_STATUS_ARGUMENT);
    CHECK(plain[0] <= sentinel && plain[63] <= sentinel);
    if (strstr(gng_error_detail(), word) == NULL) {
        fprintf(stderr, "'%s' does not name %s\n", gng_error_detail(), word);
        failures++;
    }
}

static void what_is_out_of_range_is_refused(void)
{
    gng_warp warp = gng_warp_identity();
    warp.matrix[4] = NAN;
    expect_refusal(warp, "matrix[4]");
    warp = gng_warp_identity();
    warp.matrix[0] = 5000;
    expect_refusal(warp, "pixel (7, 0)");
    warp.matrix[0] = 1e300;
    expect_refusal(warp, "matrix");
    warp = gng_warp_identity();
    warp.matrix[5] = -32768;
    expect_refusal(warp, "y = -32768");
    warp = gng_warp_identity();
    warp.fill = (gng_fill)4;
    expect_refusal(warp, "fill");
    warp = gng_warp_identity();
    warp.fill_value = 256;
    expect_refusal(warp, "fill_value");
    warp = gng_warp_identity();
    warp.brightness = -1;
    expect_refusal(warp, "brightness");
    warp = gng_warp_identity();
    warp.contrast = INFINITY;
    expect_refusal(warp, "contrast");
    warp = gng_warp_identity();
    warp.gamma = 0;
    expect_refusal(warp, "gamma");
    warp = gng_warp_identity();
    warp.blur_sigma = 8.5f;
    expect_refusal(warp, "blur_sigma");
    warp = gng_warp_identity();
    warp.noise_sigma = NAN;
    expect_refusal(warp, "noise_sigma");

    const gng_image_view in = {.pixels = pixels, .height = 8, .width = 8, .channels = 1};
    warp = gng_warp_identity();
    CHECK(gng_warp_apply(in, &warp, NULL, (gng_tensor_shape){3, 8, 8, 1}, plain) == GNG_STATUS_SHAPE);
    CHECK(gng_warp_apply(in, &warp, NULL, (gng_tensor_shape){1, 8, 8, 8}, plain) == GNG_STATUS_SHAPE);
    CHECK(gng_warp_apply(in, &warp, NULL, (gng_tensor_shape){1, 0, 8, 1}, plain) == GNG_STATUS_ARGUMENT);
}

/* The largest coordinates there can be. */
static void the_longest_side_is_sampled_to_its_end(void)
{
    enum { LONG = GNG_IMAGE_SIDE_MAX };
    static uint8_t line[LONG];
    static float out[LONG + 1];
    line[0] = 51;
    line[LONG - 1] = 255;
    const gng_image_view in = {.pixels = line, .height = 1, .width = LONG, .channels = 1};
    for (int set = GNG_INSTRUCTION_SET_SCALAR; set < GNG_INSTRUCTION_SET_COUNT; set++) {
        limit((gng_instruction_set)set);
        gng_warp warp = gng_warp_identity();
        warp.matrix[0] = -1;
        warp.matrix[2] = LONG - 1;
        CHECK(apply(in, &warp, 1, LONG, out) == GNG_OK);
        CHECK(out[0] >= 1.0f && fabs((double)out[LONG - 1] - 0.2) < 1e-6 && out[1] <= 0.0f);
        warp.fill = GNG_FILL_REFLECT;
        warp.matrix[0] = 1;
        warp.matrix[2] = -LONG; /* output 0 shows position -side, the mirrored end */
        CHECK(apply(in, &warp, 1, LONG, out) == GNG_OK);
        CHECK(out[0] >= 1.0f && fabs((double)out[LONG - 1] - 0.2) < 1e-6);
        warp.fill = GNG_FILL_WRAP;
        CHECK(apply(in, &warp, 1, LONG, out) == GNG_OK);
        CHECK(fabs((double)out[0] - 0.2) < 1e-6 && out[LONG - 1] >= 1.0f);
    }
}

int main(void)
{
    const gng_rng_key key = {.seed = 1};
    rng = gng_rng_create(&key);
    every_instruction_set_gives_the_same_bits();
    the_identity_is_division_by_255();
    samples_are_within_a_hundredth_of_a_grey_level();
    brightness_and_contrast_are_one_line();
    gamma_follows_the_power();
    blur_is_a_gaussian_with_repeated_edges();
    noise_is_normal_and_keyed();
    what_is_out_of_range_is_refused();
    the_longest_side_is_sampled_to_its_end();
    return failures != 0;
}
