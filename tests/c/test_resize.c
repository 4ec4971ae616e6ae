/* Resizing: exact values, geometry of the three modes, refusals. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "image/resize.h"

static int failures;

#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);       \
            failures++;                                                           \
        }                                                                         \
    } while (0)

static gng_status resize(const uint8_t *in, int h, int w, int c, gng_resize_mode mode, uint8_t *out, int out_h, int out_w)
{
    const gng_image_view view = {.pixels = in, .height = h, .width = w, .channels = c};
    const gng_image target = {.pixels = out, .height = out_h, .width = out_w, .channels = c};
    return gng_image_resize(view, mode, &target);
}

static void known_values(void)
{
    const uint8_t step[4] = {0, 0, 255, 255};
    uint8_t out[8];
    /* Weights 3/7, 3/7, 1/7 about the centre of each half. */
    CHECK(resize(step, 1, 4, 1, GNG_RESIZE_STRETCH, out, 1, 2) == GNG_OK);
    CHECK(out[0] == 36 && out[1] == 219);
    CHECK(resize(step, 4, 1, 1, GNG_RESIZE_STRETCH, out, 2, 1) == GNG_OK);
    CHECK(out[0] == 36 && out[1] == 219);
    /* Enlarging is linear interpolation between centres: quarters and three quarters. */
    const uint8_t two[2] = {0, 200};
    CHECK(resize(two, 1, 2, 1, GNG_RESIZE_STRETCH, out, 1, 4) == GNG_OK);
    CHECK(out[0] == 0 && out[1] == 50 && out[2] == 150 && out[3] == 200);
    const uint8_t colours[6] = {0, 100, 200, 100, 100, 0};
    CHECK(resize(colours, 1, 2, 3, GNG_RESIZE_STRETCH, out, 1, 1) == GNG_OK);
    CHECK(out[0] == 50 && out[1] == 100 && out[2] == 100);
}

static void constant_pictures_stay_constant(void)
{
    static const int sides[] = {1, 2, 3, 7, 64, 300, 4097, 16384};
    enum { COUNT = sizeof sides / sizeof sides[0] };
    static uint8_t in[16384 * 3], out[16384 * 3];
    memset(in, 251, sizeof in);
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < COUNT; k++)
            for (int c = 1; c <= 3; c += 2) {
                memset(out, 0, sizeof out);
                CHECK(resize(in, 1, sides[i], c, GNG_RESIZE_STRETCH, out, 1, sides[k]) == GNG_OK);
                CHECK(memcmp(in, out, (size_t)(sides[k] * c)) == 0);
            }
}

static void same_size_is_copied(void)
{
    uint8_t in[12], out[12];
    for (int i = 0; i < 12; i++)
        in[i] = (uint8_t)(i * 91);
    for (int mode = GNG_RESIZE_PAD; mode <= GNG_RESIZE_CROP; mode++) {
        memset(out, 0, sizeof out);
        CHECK(resize(in, 2, 2, 3, (gng_resize_mode)mode, out, 2, 2) == GNG_OK);
        CHECK(memcmp(in, out, sizeof in) == 0);
    }
}

static void padding_repeats_the_edges(void)
{
    const uint8_t wide[2] = {10, 90};
    uint8_t out[36];
    /* 1 x 2 into 4 x 4: 2 x 4 in the middle. */
    CHECK(resize(wide, 1, 2, 1, GNG_RESIZE_PAD, out, 4, 4) == GNG_OK);
    for (int y = 0; y < 4; y++)
        CHECK(out[4 * y] == 10 && out[4 * y + 1] == 30 && out[4 * y + 2] == 70 && out[4 * y + 3] == 90);
    /* 2 x 1 into 2 x 4: one column at (4 - 1) / 2, its neighbours repeat it. */
    CHECK(resize(wide, 2, 1, 1, GNG_RESIZE_PAD, out, 2, 4) == GNG_OK);
    for (int x = 0; x < 4; x++)
        CHECK(out[x] == 10 && out[4 + x] == 90);
    /* Colours are repeated whole. */
    const uint8_t colours[6] = {1, 2, 3, 201, 202, 203};
    CHECK(resize(colours, 2, 1, 3, GNG_RESIZE_PAD, out, 2, 5) == GNG_OK);
    for (int x = 0; x < 5; x++)
        CHECK(memcmp(out + 3 * x, colours, 3) == 0 && memcmp(out + 15 + 3 * x, colours + 3, 3) == 0);
    /* A picture much wider than its frame keeps one row. */
    static uint8_t line[1000];
    memset(line, 77, sizeof line);
    CHECK(resize(line, 1, 1000, 1, GNG_RESIZE_PAD, out, 6, 6) == GNG_OK);
    for (int i = 0; i < 36; i++)
        CHECK(out[i] == 77);
}

static void cropping_keeps_the_centre(void)
{
    const uint8_t line[8] = {255, 255, 10, 20, 30, 40, 255, 255};
    uint8_t out[4];
    CHECK(resize(line, 1, 8, 1, GNG_RESIZE_CROP, out, 1, 4) == GNG_OK);
    CHECK(out[0] == 10 && out[1] == 20 && out[2] == 30 && out[3] == 40);
    CHECK(resize(line, 8, 1, 1, GNG_RESIZE_CROP, out, 4, 1) == GNG_OK);
    CHECK(out[0] == 10 && out[1] == 20 && out[2] == 30 && out[3] == 40);
}

static void failures_leave_the_output_alone(void)
{
    const uint8_t in[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t out[4] = {9, 9, 9, 9};
    const uint64_t live = gng_memory_live_count();
    CHECK(resize(in, 0, 4, 1, GNG_RESIZE_PAD, out, 2, 2) == GNG_STATUS_ARGUMENT);
    CHECK(resize(in, 2, 4, 1, GNG_RESIZE_PAD, out, 2, GNG_IMAGE_SIDE_MAX + 1) == GNG_STATUS_ARGUMENT);
    CHECK(resize(in, 2, 2, 2, GNG_RESIZE_PAD, out, 1, 1) == GNG_STATUS_ARGUMENT);
    CHECK(resize(in, 2, 4, 1, (gng_resize_mode)7, out, 2, 2) == GNG_STATUS_ARGUMENT);
    const gng_image_view view = {.pixels = in, .height = 2, .width = 4, .channels = 1};
    const gng_image colour = {.pixels = out, .height = 1, .width = 1, .channels = 3};
    CHECK(gng_image_resize(view, GNG_RESIZE_PAD, &colour) == GNG_STATUS_ARGUMENT);
    uint64_t nth = 1;
    for (;; nth++) {
        gng_memory_fail_nth(nth);
        const gng_status status = resize(in, 2, 4, 1, GNG_RESIZE_PAD, out, 2, 2);
        gng_memory_fail_nth(0);
        if (status == GNG_OK)
            break;
        CHECK(status == GNG_STATUS_MEMORY);
        CHECK(out[0] == 9 && out[1] == 9 && out[2] == 9 && out[3] == 9);
        CHECK(gng_memory_live_count() == live);
    }
    CHECK(nth > 4);
    CHECK(gng_memory_live_count() == live);
}

int main(void)
{
    known_values();
    constant_pictures_stay_constant();
    same_size_is_copied();
    padding_repeats_the_edges();
    cropping_keeps_the_centre();
    failures_leave_the_output_alone();
    return failures != 0;
}
