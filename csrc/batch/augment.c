/* Augmentation: drawing, and the matrix of a draw. Touches no pixel.
 *
 * The matrix is that of Keras' ImageDataGenerator, acting on (row, column): rotation, shift, shear and zoom multiplied in
 * this order and taken about the centre of the picture send an output pixel to the input pixel it shows; flips are applied
 * to the result.
 */
#include "batch/augment.h"

#include "base/elementary.h"

/* Where each draw begins in the sequence behind a key, in 32-bit words; every one has two. Append only. */
enum draw_place {
    PLACE_ROTATION = 0,
    PLACE_SHIFT_HEIGHT = 2,
    PLACE_SHIFT_WIDTH = 4,
    PLACE_SHEAR = 6,
    PLACE_ZOOM_Y = 8,
    PLACE_ZOOM_X = 10,
    PLACE_FLIP_HORIZONTAL = 12,
    PLACE_FLIP_VERTICAL = 14,
    PLACE_BRIGHTNESS = 16,
    PLACE_CONTRAST = 18,
    PLACE_GAMMA = 20,
    PLACE_BLUR = 22,
    PLACE_NOISE = 24,
    PLACE_NOISE_SEED = 26
};

gng_augment gng_augment_none(void)
{
    return (gng_augment){
        .zoom = {1, 1}, .brightness = {1, 1}, .contrast = {1, 1}, .gamma = {1, 1}, .fill = GNG_FILL_NEAREST};
}

static gng_status check_number(const char *field, double value, double low, double high)
{
    if (value >= low && value <= high)
        return GNG_OK;
    return gng_error_set(GNG_STATUS_ARGUMENT, "augment: %s is %s, expected a number from %g to %g", field, GNG_NUMBER(value), low, high);
}

static gng_status check_range(const char *field, const double range[2], double low, double high)
{
    GNG_TRY(check_number(field, range[0], low, high));
    GNG_TRY(check_number(field, range[1], low, high));
    if (range[0] <= range[1])
        return GNG_OK;
    return gng_error_set(GNG_STATUS_ARGUMENT, "augment: %s is the range %g to %g, expected its smaller end first", field,
        range[0], range[1]);
}

gng_status gng_augment_check(const gng_augment *augment)
{
    GNG_TRY(check_number("rotation", augment->rotation, 0, 360));
    GNG_TRY(check_number("shift_height", augment->shift_height, 0, 1));
    GNG_TRY(check_number("shift_width", augment->shift_width, 0, 1));
    GNG_TRY(check_number("shear", augment->shear, 0, 90));
    GNG_TRY(check_range("zoom", augment->zoom, 0.001, 10));
    GNG_TRY(check_range("brightness", augment->brightness, 0, 1000));
    GNG_TRY(check_range("contrast", augment->contrast, 0, 1000));
    GNG_TRY(check_range("gamma", augment->gamma, 0.001, 1000));
    GNG_TRY(check_range("blur", augment->blur, 0, 8));
    GNG_TRY(check_range("noise", augment->noise, 0, 128));
    if ((unsigned)augment->fill > GNG_FILL_WRAP)
        return gng_error_set(
            GNG_STATUS_ARGUMENT, "augment: fill is %d, expected 0 to %d", (int)augment->fill, (int)GNG_FILL_WRAP);
    return check_number("fill_value", augment->fill_value, 0, 255);
}

static double uniform(gng_rng *rng, enum draw_place place, double low, double high)
{
    gng_rng_seek(rng, place);
    return low + (high - low) * gng_rng_uniform(rng);
}

gng_augment_draw gng_augment_draw_parameters(
    const gng_augment *augment, int32_t height, int32_t width, const gng_rng_key *key)
{
    gng_rng rng = gng_rng_create(key);
    const double shift_y = augment->shift_height * height;
    const double shift_x = augment->shift_width * width;
    gng_augment_draw draw = {
        .rotation = uniform(&rng, PLACE_ROTATION, -augment->rotation, augment->rotation),
        .shift_y = uniform(&rng, PLACE_SHIFT_HEIGHT, -shift_y, shift_y),
        .shift_x = uniform(&rng, PLACE_SHIFT_WIDTH, -shift_x, shift_x),
        .shear = uniform(&rng, PLACE_SHEAR, -augment->shear, augment->shear),
        .zoom_y = uniform(&rng, PLACE_ZOOM_Y, augment->zoom[0], augment->zoom[1]),
        .zoom_x = uniform(&rng, PLACE_ZOOM_X, augment->zoom[0], augment->zoom[1]),
        .flip_horizontal = augment->horizontal_flip && uniform(&rng, PLACE_FLIP_HORIZONTAL, 0, 1) < 0.5,
        .flip_vertical = augment->vertical_flip && uniform(&rng, PLACE_FLIP_VERTICAL, 0, 1) < 0.5,
        .brightness = uniform(&rng, PLACE_BRIGHTNESS, augment->brightness[0], augment->brightness[1]),
        .contrast = uniform(&rng, PLACE_CONTRAST, augment->contrast[0], augment->contrast[1]),
        .gamma = uniform(&rng, PLACE_GAMMA, augment->gamma[0], augment->gamma[1]),
        .blur = uniform(&rng, PLACE_BLUR, augment->blur[0], augment->blur[1]),
        .noise = uniform(&rng, PLACE_NOISE, augment->noise[0], augment->noise[1]),
    };
    gng_rng_seek(&rng, PLACE_NOISE_SEED);
    const uint64_t low = gng_rng_bits(&rng);
    draw.noise_seed = low | (uint64_t)gng_rng_bits(&rng) << 32;
    return draw;
}

gng_warp gng_augment_warp(const gng_augment *augment, const gng_augment_draw *draw, int32_t height, int32_t width)
{
    double sine, cosine, shear_sine, shear_cosine;
    gng_sin_cos_degrees(draw->rotation, &sine, &cosine);
    gng_sin_cos_degrees(draw->shear, &shear_sine, &shear_cosine);
    /* [c -s; s c] [1 0 ty; 0 1 tx] [1 -sin; 0 cos] [zy 0; 0 zx] on (row, column), both measured from the centre */
    double row_row = cosine * draw->zoom_y;
    double row_column = (-cosine * shear_sine - sine * shear_cosine) * draw->zoom_x;
    double column_row = sine * draw->zoom_y;
    double column_column = (-sine * shear_sine + cosine * shear_cosine) * draw->zoom_x;
    const double row_shift = cosine * draw->shift_y - sine * draw->shift_x;
    const double column_shift = sine * draw->shift_y + cosine * draw->shift_x;
    /* Mirroring about the centre turns a coordinate's sign. */
    if (draw->flip_vertical) {
        row_row = -row_row;
        column_row = -column_row;
    }
    if (draw->flip_horizontal) {
        row_column = -row_column;
        column_column = -column_column;
    }
    const double centre_y = height / 2.0 - 0.5;
    const double centre_x = width / 2.0 - 0.5;
    return (gng_warp){
        .matrix = {column_column, column_row, column_shift + centre_x - column_column * centre_x - column_row * centre_y,
            row_column, row_row, row_shift + centre_y - row_column * centre_x - row_row * centre_y},
        .fill = augment->fill,
        .fill_value = (float)augment->fill_value,
        .brightness = (float)draw->brightness,
        .contrast = (float)draw->contrast,
        .gamma = (float)draw->gamma,
        .blur_sigma = (float)draw->blur,
        .noise_sigma = (float)draw->noise,
        .noise_seed = draw->noise_seed,
    };
}
