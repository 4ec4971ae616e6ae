/* Any numbers -> augmentation, warp and resizing of a small picture.
 *
 * Numbers outside their range are refused with nothing written; all others give values in [0, 1], the same ones whatever
 * scratch memory held before.
 */
#include <math.h>
#include <string.h>

#include "batch/augment.h"
#include "image/resize.h"
#include "target.h"

enum { SIDE_MAX = 24, CHANNELS_MAX = 3, ELEMENTS_MAX = SIDE_MAX * SIDE_MAX * CHANNELS_MAX };

/* Input bytes, taken one after the other; zeros behind the end. */
typedef struct source {
    const uint8_t *bytes;
    size_t count;
} source;

static void take(source *s, void *out, size_t size)
{
    const size_t there = s->count < size ? s->count : size;
    memset(out, 0, size);
    if (there > 0)
        memcpy(out, s->bytes, there);
    s->bytes += there;
    s->count -= there;
}

static uint8_t take_byte(source *s)
{
    uint8_t value;
    take(s, &value, 1);
    return value;
}

/* Mostly within [low, high], sometimes any double, NaN and infinities included. */
static double take_number(source *s, double low, double high)
{
    const uint8_t kind = take_byte(s);
    if (kind < 8) {
        double any;
        take(s, &any, sizeof any);
        return any;
    }
    if (kind < 24)
        return kind % 2 == 0 ? low : high;
    uint16_t part;
    take(s, &part, sizeof part);
    return low + (high - low) * part / UINT16_MAX;
}

/* The same for a field that is a float: its own bits, because a double may not fit. */
static float take_float(source *s, float low, float high)
{
    const double value = take_number(s, (double)low, (double)high);
    if (value >= (double)low && value <= (double)high)
        return (float)value;
    float any;
    take(s, &any, sizeof any);
    return any;
}

static void take_range(source *s, double range[2], double low, double high)
{
    range[0] = take_number(s, low, high);
    range[1] = take_number(s, range[0], high);
}

static gng_augment take_augment(source *s)
{
    gng_augment a = {.rotation = take_number(s, 0, 360)};
    a.shift_height = take_number(s, 0, 1);
    a.shift_width = take_number(s, 0, 1);
    a.shear = take_number(s, 0, 90);
    take_range(s, a.zoom, 0.001, 10);
    a.horizontal_flip = take_byte(s) & 1;
    a.vertical_flip = take_byte(s) & 1;
    take_range(s, a.brightness, 0, 1000);
    take_range(s, a.contrast, 0, 1000);
    take_range(s, a.gamma, 0.001, 1000);
    take_range(s, a.blur, 0, 8);
    take_range(s, a.noise, 0, 128);
    a.fill = (gng_fill)(take_byte(s) % 5); /* one more than there are */
    a.fill_value = take_number(s, 0, 255);
    return a;
}

static gng_warp take_warp(source *s)
{
    gng_warp w = {.fill = (gng_fill)(take_byte(s) % 5)};
    for (int i = 0; i < 6; i++)
        w.matrix[i] = i % 3 == 2 ? take_number(s, -32768, 32768) : take_number(s, -800, 800);
    w.fill_value = take_float(s, 0, 255);
    w.brightness = take_float(s, 0, 1000);
    w.contrast = take_float(s, 0, 1000);
    w.gamma = take_float(s, 0.001F, 1000);
    w.blur_sigma = take_float(s, 0, 8);
    w.noise_sigma = take_float(s, 0, 128);
    take(s, &w.noise_seed, sizeof w.noise_seed);
    return w;
}

/* out has memory of its own, so that a step beyond it is noticed. False when the warp was refused. */
static bool apply(gng_image_view in, const gng_warp *warp, gng_tensor_shape shape, poison with, float *result)
{
    const size_t scratch_bytes = gng_warp_scratch_bytes(in, shape.height, shape.width);
    const size_t count = gng_tensor_elements(shape), size = count * sizeof(float);
    /* A multiple of the alignment, as the function wants it. */
    void *scratch = aligned_alloc(GNG_ALIGNMENT, (scratch_bytes + GNG_ALIGNMENT) / GNG_ALIGNMENT * GNG_ALIGNMENT);
    float *out = malloc(size), *before = malloc(size);
    REQUIRE(scratch != NULL && out != NULL && before != NULL);
    poison_fill(with, scratch, scratch_bytes);
    poison_fill(with, before, size);
    memcpy(out, before, size);
    poison_memory(with);
    const gng_status status = gng_warp_apply(in, warp, scratch, shape, out);
    REQUIRE(status == GNG_OK || (status == GNG_STATUS_ARGUMENT && memcmp(out, before, size) == 0));
    for (size_t i = 0; status == GNG_OK && i < count; i++)
        REQUIRE(out[i] >= 0 && out[i] <= 1);
    memcpy(result, out, size);
    free(before);
    free(out);
    free(scratch);
    return status == GNG_OK;
}

static void check_warp(gng_image_view in, const gng_warp *warp, gng_tensor_shape shape, bool must_work)
{
    static float first[ELEMENTS_MAX], other[ELEMENTS_MAX];
    const bool applied = apply(in, warp, shape, POISON_AA, first);
    REQUIRE(applied || !must_work);
    if (!applied)
        return;
    REQUIRE(apply(in, warp, shape, POISON_RANDOM, other));
    REQUIRE(memcmp(first, other, gng_tensor_elements(shape) * sizeof(float)) == 0);
}

static void check_resize(gng_image_view in, gng_resize_mode mode, int32_t height, int32_t width)
{
    const size_t size = (size_t)height * (size_t)width * (size_t)in.channels;
    uint8_t *pixels = malloc(2 * size);
    REQUIRE(pixels != NULL);
    for (int i = 0; i < 2; i++) {
        poison_memory(i == 0 ? POISON_AA : POISON_RANDOM);
        const gng_image out = {.pixels = pixels + (size_t)i * size, .height = height, .width = width, .channels = in.channels};
        REQUIRE(gng_image_resize(in, mode, &out) == GNG_OK);
    }
    REQUIRE(memcmp(pixels, pixels + size, size) == 0);
    free(pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    source s = {.bytes = bytes, .count = count};
    gng_image_view in = {.height = 1 + take_byte(&s) % SIDE_MAX, .width = 1 + take_byte(&s) % SIDE_MAX};
    in.channels = take_byte(&s) % 2 == 0 ? 1 : 3;
    gng_tensor_shape shape = {.channels = in.channels, .block = 1};
    shape.height = 1 + take_byte(&s) % SIDE_MAX;
    shape.width = 1 + take_byte(&s) % SIDE_MAX;
    const gng_resize_mode mode = (gng_resize_mode)(take_byte(&s) % 3);
    const gng_augment augment = take_augment(&s);
    const gng_warp warp = take_warp(&s);
    const size_t size = (size_t)in.height * (size_t)in.width * (size_t)in.channels;
    uint8_t *pixels = malloc(size);
    REQUIRE(pixels != NULL);
    for (size_t i = 0; i < size; i++)
        pixels[i] = count == 0 ? 0 : bytes[i * 7 % count];
    in.pixels = pixels;
    check_warp(in, &warp, shape, false);
    if (gng_augment_check(&augment) == GNG_OK) {
        const gng_rng_key key = {.seed = warp.noise_seed, .stream = GNG_STREAM_AUGMENTATION};
        const gng_augment_draw draw = gng_augment_draw_parameters(&augment, in.height, in.width, &key);
        const gng_warp drawn = gng_augment_warp(&augment, &draw, in.height, in.width);
        const gng_tensor_shape same = {.channels = in.channels, .height = in.height, .width = in.width, .block = 1};
        check_warp(in, &drawn, same, false);
    }
    check_resize(in, mode, shape.height, shape.width);
    free(pixels);
    return 0;
}
