/* Fourier-Mellin registration: the angle from the spectra, then the shift from a cross-correlation, then one look at the pixels. */
#include "analysis/align.h"

#include <stdbool.h>
#include <string.h>

#include "base/elementary.h"

enum {
    SIDE = GNG_THUMBNAIL_SIDE,
    PIXELS = GNG_THUMBNAIL_PIXELS,
    ANGLES = GNG_PATTERN_ANGLES,
    SHIFT_MOST = 7,   /* pixels of a thumbnail */
    ANGLES_TRIED = 3, /* of the peaks over the angle, mirror images included */
    LOOKS = 2,        /* of the shifts found, whose pixels are compared */
    COMPARED_LEAST = 250 /* pixels of a thumbnail that are clipped in neither picture: a tenth of the circle */
};

#define CENTRE ((float)(SIDE - 1) / 2)

/* b turned and shifted onto a. */
typedef struct placement {
    float peak; /* of the correlation that proposed it */
    float sine, cosine;
    bool mirrored;
    float dy, dx;
} placement;

/* Offset of the top of a parabola through three values, from the middle one. */
static float parabola_top(float before, float middle, float after)
{
    const float bend = before - 2 * middle + after;
    const float top = bend < 0 ? 0.5f * (before - after) / bend : 0;
    return top < -0.5f ? -0.5f : top > 0.5f ? 0.5f : top;
}

/* Keeps the `room` placements with the highest peaks in order; of equal ones the first stays in front. */
static void keep_best(placement *best, int *count, int room, const placement *found)
{
    int at = *count;
    while (at > 0 && best[at - 1].peak < found->peak)
        at--;
    if (at >= room)
        return;
    *count = *count < room ? *count + 1 : room;
    memmove(best + at + 1, best + at, (size_t)(*count - 1 - at) * sizeof *best);
    best[at] = *found;
}

/* Correlation over the angle of a with b in `real` and with b's mirror image in `imaginary`: [ANGLES]. */
static void correlate_angles(const gng_pattern_plan *plan, const gng_pattern *a, const gng_pattern *b, float *real, float *imaginary)
{
    memset(real, 0, ANGLES * sizeof *real);
    memset(imaginary, 0, ANGLES * sizeof *imaginary);
    for (int32_t k = 0; k < GNG_PATTERN_HARMONICS; k++) {
        float straight_real = 0, straight_imaginary = 0, mirror_real = 0, mirror_imaginary = 0;
        for (int32_t r = 0; r < GNG_PATTERN_RADII; r++) {
            const int32_t i = r * GNG_PATTERN_HARMONICS + k;
            const float rr = a->real[i] * b->real[i], ii = a->imaginary[i] * b->imaginary[i];
            const float ir = a->imaginary[i] * b->real[i], ri = a->real[i] * b->imaginary[i];
            straight_real += rr + ii; /* a conj(b) */
            straight_imaginary += ir - ri;
            mirror_real += rr - ii; /* a b: the mirror image has the conjugate coefficients */
            mirror_imaginary += ir + ri;
        }
        /* Two real functions share one complex transform: S + i M. */
        real[k + 1] = straight_real - mirror_imaginary;
        imaginary[k + 1] = straight_imaginary + mirror_real;
        real[ANGLES - 1 - k] = straight_real + mirror_imaginary;
        imaginary[ANGLES - 1 - k] = mirror_real - straight_imaginary;
    }
    gng_fourier_columns(&plan->angles, imaginary, real, 1); /* swapped: the inverse */
}

static int find_angles(const float *straight, const float *mirror, placement *best)
{
    int count = 0;
    for (int flip = 0; flip < 2; flip++) {
        const float *values = flip ? mirror : straight;
        for (int32_t i = 0; i < ANGLES; i++) {
            const float before = values[(i + ANGLES - 1) % ANGLES], middle = values[i], after = values[(i + 1) % ANGLES];
            if (!(middle >= before && middle > after))
                continue;
            placement found = {.peak = middle, .mirrored = flip};
            double sine, cosine;
            gng_sin_cos_degrees(180.0 / ANGLES * ((double)i + (double)parabola_top(before, middle, after)), &sine, &cosine);
            found.sine = (float)sine;
            found.cosine = (float)cosine;
            keep_best(best, &count, ANGLES_TRIED, &found);
        }
    }
    return count;
}

/* Where a pixel of a, from the centre, lies in b, from the centre. */
static void place(const placement *how, float y, float x, float *v, float *u)
{
    const float from_y = y - how->dy, from_x = x - how->dx;
    *v = how->cosine * from_y - how->sine * from_x;
    const float across = how->cosine * from_x + how->sine * from_y;
    *u = how->mirrored ? -across : across;
}

static float bilinear(float upper_left, float upper_right, float lower_left, float lower_right, float v, float u)
{
    const float upper = upper_left + u * (upper_right - upper_left), lower = lower_left + u * (lower_right - lower_left);
    return upper + v * (lower - upper);
}

/* Level of b at (v, u) from the centre, inside the circle. */
static float sample_levels(const int8_t *levels, float v, float u)
{
    const float y = v + CENTRE, x = u + CENTRE;
    const int32_t top = (int32_t)y, left = (int32_t)x;
    const int8_t *at = levels + top * SIDE + left;
    return bilinear((float)at[0], (float)at[1], (float)at[SIDE], (float)at[SIDE + 1], y - (float)top, x - (float)left);
}

/* out [64, 64] = b, turned, under the window. */
static void turn(const gng_pattern_plan *plan, const gng_pattern *b, const placement *how, float *out)
{
    for (int32_t y = 0; y < SIDE; y++)
        for (int32_t x = 0; x < SIDE; x++) {
            const float weight = plan->window[y * SIDE + x];
            float v, u;
            place(how, (float)y - CENTRE, (float)x - CENTRE, &v, &u);
            out[y * SIDE + x] = weight > 0 ? weight * sample_levels(b->levels, v, u) : 0;
        }
}

/* From Z, the transform of a + i b with a and b real, to A conj(B) + i A B: one inverse transform then gives the correlation of a with b
 * and with b turned by half a turn, which is the convolution. */
static void multiply_spectra(const float *real, const float *imaginary, float *out_real, float *out_imaginary)
{
    for (size_t y = 0; y < SIDE; y++)
        for (size_t x = 0; x < SIDE; x++) {
            const size_t i = y * SIDE + x, opposite = ((SIDE - y) % SIDE) * SIDE + (SIDE - x) % SIDE;
            const float a_real = 0.5f * (real[i] + real[opposite]), a_imaginary = 0.5f * (imaginary[i] - imaginary[opposite]);
            const float b_real = 0.5f * (imaginary[i] + imaginary[opposite]), b_imaginary = 0.5f * (real[opposite] - real[i]);
            const float rr = a_real * b_real, ii = a_imaginary * b_imaginary, ir = a_imaginary * b_real, ri = a_real * b_imaginary;
            out_real[i] = (rr + ii) - (ir + ri);
            out_imaginary[i] = (ir - ri) + (rr - ii);
        }
}

/* The highest correlation over shifts; `offset` is the shift of element 0. */
static placement find_shift(const float *correlation, int32_t offset, const placement *turned)
{
    placement best = *turned;
    best.peak = -__builtin_inff();
    for (int32_t dy = -SHIFT_MOST; dy <= SHIFT_MOST; dy++)
        for (int32_t dx = -SHIFT_MOST; dx <= SHIFT_MOST; dx++) {
            const float value = correlation[((dy - offset) & (SIDE - 1)) * SIDE + ((dx - offset) & (SIDE - 1))];
            if (value > best.peak) {
                best.peak = value;
                best.dy = (float)dy;
                best.dx = (float)dx;
            }
        }
    const int32_t y = (int32_t)best.dy - offset, x = (int32_t)best.dx - offset;
    const int32_t row = (y & (SIDE - 1)) * SIDE, column = x & (SIDE - 1);
    best.dy += parabola_top(correlation[((y - 1) & (SIDE - 1)) * SIDE + column], best.peak, correlation[((y + 1) & (SIDE - 1)) * SIDE + column]);
    best.dx += parabola_top(correlation[row + ((x - 1) & (SIDE - 1))], best.peak, correlation[row + ((x + 1) & (SIDE - 1))]);
    return best;
}

/* Where one picture is clipped, nobody knows what the other should agree with. */
static float compare_pixels(const gng_pattern *a, const gng_pattern *b, const placement *how)
{
    const float radius = (float)(GNG_PATTERN_RADIUS * GNG_PATTERN_RADIUS);
    size_t compared = 0;
    double both = 0, first = 0, second = 0;
    for (int32_t y = 0; y < SIDE; y++)
        for (int32_t x = 0; x < SIDE; x++) {
            const float from_y = (float)y - CENTRE, from_x = (float)x - CENTRE;
            float v, u;
            place(how, from_y, from_x, &v, &u);
            if (from_y * from_y + from_x * from_x >= radius || v * v + u * u >= radius)
                continue;
            if (a->clipped[y * SIDE + x] || b->clipped[(int32_t)(v + CENTRE + 0.5f) * SIDE + (int32_t)(u + CENTRE + 0.5f)])
                continue;
            compared++;
            const double one = (double)a->levels[y * SIDE + x], other = (double)sample_levels(b->levels, v, u);
            both += one * other;
            first += one * one;
            second += other * other;
        }
    return compared >= COMPARED_LEAST && first > 0 && second > 0 ? (float)(both / __builtin_sqrt(first * second)) : -1;
}

/* The two shifts, one for each half turn, that bring b turned as in `angle` onto a. */
static void try_angle(const gng_pattern_plan *plan, const gng_pattern *a, const gng_pattern *b, const placement *angle, float *scratch,
                      placement *best, int *count)
{
    float *real = scratch, *imaginary = scratch + PIXELS, *product = scratch + 2 * PIXELS, *product_imaginary = scratch + 3 * PIXELS;
    for (size_t i = 0; i < PIXELS; i++)
        real[i] = plan->window[i] * (float)a->levels[i];
    turn(plan, b, angle, imaginary);
    gng_fourier_square(&plan->picture, real, imaginary);
    multiply_spectra(real, imaginary, product, product_imaginary);
    gng_fourier_square(&plan->picture, product_imaginary, product); /* swapped: the inverse; transposed back */
    const placement straight = find_shift(product, 0, angle);
    keep_best(best, count, LOOKS, &straight);
    /* A half turn about the centre takes n to 63 - n and not to -n: the convolution lies one pixel further. */
    placement half = *angle;
    half.sine = -half.sine;
    half.cosine = -half.cosine;
    half = find_shift(product_imaginary, 1, &half);
    keep_best(best, count, LOOKS, &half);
}

float gng_pattern_agreement(const gng_pattern_plan *plan, const gng_pattern *a, const gng_pattern *b, float *scratch)
{
    placement angles[ANGLES_TRIED + 1], best[LOOKS + 1];
    correlate_angles(plan, a, b, scratch, scratch + ANGLES);
    const int tried = find_angles(scratch, scratch + ANGLES, angles);
    int looks = 0;
    for (int i = 0; i < tried; i++)
        try_angle(plan, a, b, &angles[i], scratch, best, &looks);
    float agreement = -1;
    for (int i = 0; i < looks; i++) {
        const float found = compare_pixels(a, b, &best[i]);
        agreement = found > agreement ? found : agreement;
    }
    return agreement;
}
