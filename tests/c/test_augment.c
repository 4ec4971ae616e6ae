/* Augmentation: what is drawn, the matrix of a draw, and the samples of a batch. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "batch/batch.h"

static int failures;

#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);       \
            failures++;                                                           \
        }                                                                         \
    } while (0)

static bool same(double a, double b)
{
    return a >= b && a <= b;
}

static gng_augment everything(void)
{
    return (gng_augment){.rotation = 360,
        .shift_height = 0.1,
        .shift_width = 0.2,
        .shear = 5,
        .zoom = {0.9, 1.2},
        .horizontal_flip = true,
        .vertical_flip = true,
        .brightness = {0.5, 1.5},
        .contrast = {0.6, 1.4},
        .gamma = {0.7, 1.3},
        .blur = {0.1, 2},
        .noise = {1, 9},
        .fill = GNG_FILL_REFLECT,
        .fill_value = 3};
}

static gng_augment_draw draw_for(const gng_augment *augment, uint64_t sample)
{
    const gng_rng_key key = {.seed = 11, .stream = GNG_STREAM_AUGMENTATION, .sample = sample};
    return gng_augment_draw_parameters(augment, 100, 50, &key);
}

static void none_is_the_identity(void)
{
    const gng_augment none = gng_augment_none();
    CHECK(gng_augment_check(&none) == GNG_OK);
    const gng_augment_draw draw = draw_for(&none, 3);
    const gng_warp warp = gng_augment_warp(&none, &draw, 100, 50);
    const gng_warp identity = gng_warp_identity();
    for (int i = 0; i < 6; i++)
        CHECK(same(warp.matrix[i], identity.matrix[i]));
    CHECK(warp.brightness >= 1 && warp.brightness <= 1 && warp.contrast >= 1 && warp.contrast <= 1);
    CHECK(warp.gamma >= 1 && warp.gamma <= 1 && warp.blur_sigma <= 0 && warp.noise_sigma <= 0);
}

static void draws_stay_inside_and_fill_their_ranges(void)
{
    const gng_augment augment = everything();
    CHECK(gng_augment_check(&augment) == GNG_OK);
    enum { FIELDS = 11, COUNT = 2000 };
    const double low[FIELDS] = {-360, -10, -10, -5, 0.9, 0.9, 0.5, 0.6, 0.7, 0.1, 1};
    const double high[FIELDS] = {360, 10, 10, 5, 1.2, 1.2, 1.5, 1.4, 1.3, 2, 9};
    double least[FIELDS], most[FIELDS];
    int horizontal = 0, vertical = 0, both = 0;
    for (uint64_t sample = 0; sample < COUNT; sample++) {
        const gng_augment_draw d = draw_for(&augment, sample);
        const double values[FIELDS] = {d.rotation, d.shift_y, d.shift_x, d.shear, d.zoom_y, d.zoom_x, d.brightness, d.contrast,
            d.gamma, d.blur, d.noise};
        for (int i = 0; i < FIELDS; i++) {
            CHECK(values[i] >= low[i] && values[i] <= high[i]);
            least[i] = sample == 0 ? values[i] : fmin(least[i], values[i]);
            most[i] = sample == 0 ? values[i] : fmax(most[i], values[i]);
        }
        horizontal += d.flip_horizontal;
        vertical += d.flip_vertical;
        both += d.flip_horizontal && d.flip_vertical;
        CHECK(!same(d.zoom_y, d.zoom_x));
    }
    for (int i = 0; i < FIELDS; i++)
        CHECK(least[i] < low[i] + 0.02 * (high[i] - low[i]) && most[i] > high[i] - 0.02 * (high[i] - low[i]));
    CHECK(abs(horizontal - COUNT / 2) < 120 && abs(vertical - COUNT / 2) < 120 && abs(both - COUNT / 4) < 100);
}

static void one_field_never_changes_another(void)
{
    const gng_augment augment = everything();
    gng_augment less = augment;
    less.rotation = 0;
    less.vertical_flip = false;
    less.zoom[0] = less.zoom[1] = 1;
    less.blur[0] = less.blur[1] = 0;
    for (uint64_t sample = 0; sample < 50; sample++) {
        const gng_augment_draw a = draw_for(&augment, sample);
        const gng_augment_draw b = draw_for(&less, sample);
        CHECK(same(a.shift_y, b.shift_y) && same(a.shift_x, b.shift_x) && same(a.shear, b.shear));
        CHECK(a.flip_horizontal == b.flip_horizontal && !b.flip_vertical);
        CHECK(same(a.brightness, b.brightness) && same(a.contrast, b.contrast) && same(a.gamma, b.gamma));
        CHECK(same(a.noise, b.noise) && a.noise_seed == b.noise_seed);
        CHECK(same(b.rotation, 0) && same(b.zoom_x, 1) && same(b.zoom_y, 1) && same(b.blur, 0));
    }
}

/* An output pixel shows the input pixel that the matrix sends it to. */
static void matrices_of_simple_draws_are_exact(void)
{
    const gng_augment none = gng_augment_none();
    gng_augment_draw draw = {.zoom_y = 1, .zoom_x = 1, .brightness = 1, .contrast = 1, .gamma = 1};
    draw.flip_horizontal = true;
    gng_warp warp = gng_augment_warp(&none, &draw, 100, 51);
    CHECK(same(warp.matrix[0], -1) && same(warp.matrix[2], 50) && same(warp.matrix[4], 1) && same(warp.matrix[5], 0));
    draw.flip_horizontal = false;
    draw.flip_vertical = true;
    warp = gng_augment_warp(&none, &draw, 100, 51);
    CHECK(same(warp.matrix[0], 1) && same(warp.matrix[2], 0) && same(warp.matrix[4], -1) && same(warp.matrix[5], 99));
    /* A quarter turn: row_in = -column_out, column_in = row_out about the centre. */
    draw.flip_vertical = false;
    draw.rotation = 90;
    warp = gng_augment_warp(&none, &draw, 10, 10);
    CHECK(same(warp.matrix[0], 0) && same(warp.matrix[1], 1) && same(warp.matrix[2], 0));
    CHECK(same(warp.matrix[3], -1) && same(warp.matrix[4], 0) && same(warp.matrix[5], 9));
    draw.rotation = 0;
    draw.shift_y = 3;
    draw.shift_x = -2;
    warp = gng_augment_warp(&none, &draw, 10, 10);
    CHECK(same(warp.matrix[2], -2) && same(warp.matrix[5], 3));
    /* A factor above 1 shows more of the surroundings. */
    draw = (gng_augment_draw){.zoom_y = 2, .zoom_x = 1};
    warp = gng_augment_warp(&none, &draw, 11, 11);
    CHECK(same(warp.matrix[4], 2) && same(warp.matrix[5], -5) && same(warp.matrix[0], 1) && same(warp.matrix[2], 0));
}

static void expect_refusal(gng_augment augment, const char *word)
{
    CHECK(gng_augment_check(&augment) == GNG_STATUS_ARGUMENT);
    CHECK(strstr(gng_error_detail(), word) != NULL);
}

static void what_is_out_of_range_is_refused(void)
{
    gng_augment augment = gng_augment_none();
    augment.rotation = -1;
    expect_refusal(augment, "rotation");
    augment = gng_augment_none();
    augment.shift_height = 30; /* pixels, in Keras */
    expect_refusal(augment, "shift_height");
    augment = gng_augment_none();
    augment.shift_width = NAN;
    expect_refusal(augment, "shift_width");
    augment = gng_augment_none();
    augment.shear = INFINITY;
    expect_refusal(augment, "shear");
    augment = gng_augment_none();
    augment.zoom[0] = 0;
    expect_refusal(augment, "zoom");
    augment = gng_augment_none();
    augment.zoom[0] = 1.1;
    expect_refusal(augment, "zoom is the range 1.1 to 1");
    augment = gng_augment_none();
    augment.brightness[0] = -0.1;
    expect_refusal(augment, "brightness");
    augment = gng_augment_none();
    augment.contrast[1] = NAN;
    expect_refusal(augment, "contrast");
    augment = gng_augment_none();
    augment.gamma[0] = 0;
    expect_refusal(augment, "gamma");
    augment = gng_augment_none();
    augment.blur[1] = 9;
    expect_refusal(augment, "blur");
    augment = gng_augment_none();
    augment.noise[1] = 129;
    expect_refusal(augment, "noise");
    augment = gng_augment_none();
    augment.fill = (gng_fill)9;
    expect_refusal(augment, "fill");
    augment = gng_augment_none();
    augment.fill_value = -1;
    expect_refusal(augment, "fill_value");
}

enum { SIDE = 20, SAMPLES = 3, ELEMENTS = SIDE * SIDE };

static void batches_of_pictures(void)
{
    static uint8_t pixels[SAMPLES * ELEMENTS];
    for (int i = 0; i < SAMPLES * ELEMENTS; i++)
        pixels[i] = (uint8_t)(i * 2654435761u >> 13);
    const gng_augment augment = everything();
    gng_samples samples = {
        .pixels = pixels, .count = SAMPLES, .shape = {.channels = 1, .height = SIDE, .width = SIDE, .block = 1}, .seed = 4};
    const uint32_t indices[4] = {2, 0, 2, 3};
    const uint32_t occurrences[4] = {0, 0, 1, 0};
    gng_batch batch = {.samples = &samples, .indices = indices, .count = 4};
    static float first[ELEMENTS], second[ELEMENTS], third[ELEMENTS];
    const size_t bytes = sizeof first;

    /* A training step is planned before its augmentation is known. */
    const size_t scratch_bytes = gng_batch_scratch_bytes(&samples);
    CHECK(scratch_bytes > 0);
    CHECK(gng_batch_fill(&batch, 0, NULL, first) == GNG_OK);
    const gng_image_view picture = {.pixels = pixels + 2 * ELEMENTS, .height = SIDE, .width = SIDE, .channels = 1};
    gng_image_to_tensor(picture, second);
    CHECK(memcmp(first, second, bytes) == 0);
    CHECK(gng_batch_fill(&batch, 3, NULL, first) == GNG_STATUS_ARGUMENT && strstr(gng_error_detail(), "indices[3] is 3"));
    CHECK(gng_batch_fill(&batch, 4, NULL, first) == GNG_STATUS_ARGUMENT);

    samples.augment = &augment;
    CHECK(gng_batch_scratch_bytes(&samples) == scratch_bytes);
    void *scratch = gng_memory_allocate(scratch_bytes);
    CHECK(gng_batch_fill(&batch, 0, scratch, first) == GNG_OK && memcmp(first, second, bytes) != 0);
    /* The sample decides, not its place in the batch: positions 0 and 2 are the same picture. */
    CHECK(gng_batch_fill(&batch, 2, scratch, second) == GNG_OK && memcmp(first, second, bytes) == 0);
    const uint32_t keys[4] = {7, 2, 9, 9};
    batch.keys = keys;
    CHECK(gng_batch_fill(&batch, 0, scratch, second) == GNG_OK && memcmp(first, second, bytes) != 0);
    CHECK(gng_batch_fill(&batch, 2, scratch, third) == GNG_OK && memcmp(second, third, bytes) != 0);
    batch.keys = NULL;
    batch.occurrences = occurrences;
    CHECK(gng_batch_fill(&batch, 0, scratch, second) == GNG_OK && memcmp(first, second, bytes) == 0);
    CHECK(gng_batch_fill(&batch, 2, scratch, second) == GNG_OK && memcmp(first, second, bytes) != 0);
    batch.epoch = 1;
    CHECK(gng_batch_fill(&batch, 0, scratch, third) == GNG_OK && memcmp(first, third, bytes) != 0);
    batch.epoch = 0;
    samples.seed = 5;
    CHECK(gng_batch_fill(&batch, 0, scratch, third) == GNG_OK && memcmp(first, third, bytes) != 0);
    gng_memory_release(scratch);
}

static void batches_of_rows(void)
{
    const float rows[6] = {1, 2, 3, -4, 5.5f, 6};
    const gng_samples samples = {
        .rows = rows, .count = 2, .shape = {.channels = 3, .height = 1, .width = 1, .block = 1}};
    const uint32_t indices[1] = {1};
    const gng_batch batch = {.samples = &samples, .indices = indices, .count = 1};
    float out[3];
    CHECK(gng_batch_fill(&batch, 0, NULL, out) == GNG_OK);
    CHECK(memcmp(out, rows + 3, sizeof out) == 0);
}

int main(void)
{
    none_is_the_identity();
    draws_stay_inside_and_fill_their_ranges();
    one_field_never_changes_another();
    matrices_of_simple_draws_are_exact();
    what_is_out_of_range_is_refused();
    batches_of_pictures();
    batches_of_rows();
    return failures != 0;
}
