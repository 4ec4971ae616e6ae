/* Patterns and descriptors of thumbnails. Single precision in a fixed order of sums: the same bits on every machine. */
#include "analysis/pattern.h"

#include <string.h>

#include "base/elementary.h"

enum { SIDE = GNG_THUMBNAIL_SIDE, PIXELS = GNG_THUMBNAIL_PIXELS, ANGLES = GNG_PATTERN_ANGLES, RADII = GNG_PATTERN_RADII };

/* Standard deviations of the Gaussians, in pixels of a thumbnail: the band that is kept lies between the first two, contrast is
 * measured over the third. */
#define FINE 0.56
#define COARSE 2.0
#define LOCAL 4.0
enum { FINE_TAPS = 2, COARSE_TAPS = 6, LOCAL_TAPS = 12 }; /* on each side */

/* Grey levels squared: contrast below this is noise and is not blown up. */
#define CONTRAST_FLOOR 4.0f

/* Mean levels beyond which all pixels under one of a thumbnail are black, or white. */
#define CLIPPED_BELOW 0.5f
#define CLIPPED_ABOVE 254.5f

/* Radii of the spectrum: below are shading and the window, above is noise. */
#define RADIUS_FIRST 5.0
#define RADIUS_LAST 30.0

/* Shifts at which a pattern is compared with itself, in pixels of a thumbnail: beyond what one detail spans, and within what two pictures
 * of a part may be shifted. */
enum { AMBIGUITY_FIRST = 5, AMBIGUITY_LAST = 10 };

#define CENTRE ((double)(SIDE - 1) / 2)

static double distance(int32_t y, int32_t x)
{
    return __builtin_sqrt(((double)y - CENTRE) * ((double)y - CENTRE) + ((double)x - CENTRE) * ((double)x - CENTRE));
}

/* real, imaginary: a transposed spectrum, taken for its squared magnitude -> in `real` the picture's correlation with itself by cyclic
 * shift, 1 without one. Symmetric, so the transposition does not matter. */
static void correlate_with_itself(const gng_fourier *plan, float *real, float *imaginary)
{
    for (size_t i = 0; i < PIXELS; i++) {
        real[i] = real[i] * real[i] + imaginary[i] * imaginary[i];
        imaginary[i] = 0;
    }
    gng_fourier_square(plan, real, imaginary);
    const float scale = real[0] > 0 ? 1 / real[0] : 0;
    for (size_t i = 0; i < PIXELS; i++)
        real[i] *= scale;
}

void gng_pattern_prepare(gng_pattern_plan *plan)
{
    gng_fourier_prepare(&plan->picture, SIDE);
    gng_fourier_prepare(&plan->angles, ANGLES);
    for (int32_t y = 0; y < SIDE; y++)
        for (int32_t x = 0; x < SIDE; x++) {
            const double inside = (GNG_PATTERN_WINDOW_RADIUS - distance(y, x)) / (0.1 * SIDE);
            plan->window[y * SIDE + x] = (float)(inside < 0 ? 0 : inside > 1 ? 1 : inside);
        }
    float imaginary[PIXELS] = {0};
    memcpy(plan->overlap, plan->window, sizeof plan->overlap);
    gng_fourier_square(&plan->picture, plan->overlap, imaginary);
    correlate_with_itself(&plan->picture, plan->overlap, imaginary);
    for (int32_t i = 0; i < ANGLES; i++) {
        double sine, cosine;
        gng_sin_cos_degrees(180.0 * i / ANGLES, &sine, &cosine);
        plan->cosine[i] = (float)cosine;
        plan->sine[i] = (float)sine;
    }
}

/* Position in a row of SIDE values that is mirrored at its ends, without repeating them. */
static int32_t mirrored(int32_t position)
{
    const int32_t inside = position < 0 ? -position : position;
    return inside < SIDE ? inside : 2 * (SIDE - 1) - inside;
}

/* out = in, smoothed down the columns and transposed; twice makes a blur of the picture. */
static void blur_columns(float *restrict out, const float *restrict in, double deviation, int32_t taps)
{
    float weights[LOCAL_TAPS + 1];
    double sum = 0;
    for (int32_t i = -taps; i <= taps; i++)
        sum += gng_exp(-0.5 * i * i / (deviation * deviation));
    for (int32_t i = 0; i <= taps; i++)
        weights[i] = (float)(gng_exp(-0.5 * i * i / (deviation * deviation)) / sum);
    for (int32_t y = 0; y < SIDE; y++) {
        float row[SIDE];
        for (int32_t x = 0; x < SIDE; x++)
            row[x] = weights[0] * in[y * SIDE + x];
        for (int32_t i = 1; i <= taps; i++) {
            const float *above = in + mirrored(y - i) * SIDE, *below = in + mirrored(y + i) * SIDE;
            for (int32_t x = 0; x < SIDE; x++)
                row[x] += weights[i] * (above[x] + below[x]);
        }
        for (int32_t x = 0; x < SIDE; x++)
            out[x * SIDE + y] = row[x];
    }
}

static void blur(float *out, const float *in, float *scratch, double deviation, int32_t taps)
{
    blur_columns(scratch, in, deviation, taps);
    blur_columns(out, scratch, deviation, taps);
}

/* pattern [64, 64] of a thumbnail; scratch: 3 * PIXELS. */
static void normalise(float *pattern, const float *levels, float *scratch)
{
    float *coarse = scratch, *contrast = scratch + PIXELS, *spare = scratch + 2 * PIXELS;
    blur(pattern, levels, spare, FINE, FINE_TAPS);
    blur(coarse, levels, spare, COARSE, COARSE_TAPS);
    for (size_t i = 0; i < PIXELS; i++) {
        pattern[i] -= coarse[i];
        coarse[i] = pattern[i] * pattern[i];
    }
    blur(contrast, coarse, spare, LOCAL, LOCAL_TAPS);
    for (size_t i = 0; i < PIXELS; i++)
        pattern[i] /= __builtin_sqrtf(contrast[i] + CONTRAST_FLOOR);
}

static void keep_levels(gng_pattern *out, const float *pattern, const float *levels)
{
    double sum = 0;
    size_t count = 0, clipped = 0;
    for (int32_t y = 0; y < SIDE; y++)
        for (int32_t x = 0; x < SIDE; x++) {
            const float value = pattern[y * SIDE + x], steps = value / GNG_PATTERN_STEP;
            const float limited = steps > 127 ? 127 : steps < -127 ? -127 : steps;
            out->levels[y * SIDE + x] = (int8_t)(limited < 0 ? limited - 0.5f : limited + 0.5f);
            out->clipped[y * SIDE + x] = levels[y * SIDE + x] < CLIPPED_BELOW || levels[y * SIDE + x] > CLIPPED_ABOVE;
            if (distance(y, x) < GNG_PATTERN_RADIUS) {
                sum += (double)value * (double)value;
                count++;
                clipped += out->clipped[y * SIDE + x];
            }
        }
    out->clipped_share = (float)clipped / (float)count;
    out->energy = (float)(sum / (double)count);
}

/* Log magnitude of a transposed spectrum at frequency (ky, kx), cyclic. */
static float log_magnitude(const float *logs, int32_t ky, int32_t kx)
{
    return logs[(kx & (SIDE - 1)) * SIDE + (ky & (SIDE - 1))];
}

static float sample_spectrum(const float *logs, float ky, float kx)
{
    const float floor_y = __builtin_floorf(ky), floor_x = __builtin_floorf(kx), v = ky - floor_y, u = kx - floor_x;
    const int32_t y = (int32_t)floor_y, x = (int32_t)floor_x;
    const float upper = (1 - u) * log_magnitude(logs, y, x) + u * log_magnitude(logs, y, x + 1);
    const float lower = (1 - u) * log_magnitude(logs, y + 1, x) + u * log_magnitude(logs, y + 1, x + 1);
    return (1 - v) * upper + v * lower;
}

/* polar [ANGLES, RADII]: the mean over the angle taken out of each radius, all together of length 1 (0 where there is nothing). */
static void make_polar(const gng_pattern_plan *plan, float *polar, const float *logs)
{
    double squares = 0;
    for (int32_t r = 0; r < RADII; r++) {
        const float radius = (float)(RADIUS_FIRST + (RADIUS_LAST - RADIUS_FIRST) * r / (RADII - 1));
        double sum = 0;
        for (int32_t a = 0; a < ANGLES; a++) {
            polar[a * RADII + r] = sample_spectrum(logs, radius * plan->sine[a], radius * plan->cosine[a]);
            sum += (double)polar[a * RADII + r];
        }
        for (int32_t a = 0; a < ANGLES; a++) {
            polar[a * RADII + r] -= (float)(sum / ANGLES);
            squares += (double)polar[a * RADII + r] * (double)polar[a * RADII + r];
        }
    }
    const float scale = squares > 1e-12 ? (float)(1 / __builtin_sqrt(squares)) : 0;
    for (size_t i = 0; i < ANGLES * RADII; i++)
        polar[i] *= scale;
}

/* The largest agreement of a pattern with itself over the shifts looked at. */
static float find_ambiguity(const float *correlation, const float *overlap)
{
    float most = 0;
    for (int32_t dy = 0; dy <= AMBIGUITY_LAST; dy++) /* the other half is the same */
        for (int32_t dx = -AMBIGUITY_LAST; dx <= AMBIGUITY_LAST; dx++) {
            const int32_t squared = dy * dy + dx * dx, i = dy * SIDE + (dx & (SIDE - 1));
            if (squared < AMBIGUITY_FIRST * AMBIGUITY_FIRST || squared > AMBIGUITY_LAST * AMBIGUITY_LAST)
                continue;
            const float agreement = correlation[i] / overlap[i];
            most = agreement > most ? agreement : most;
        }
    return most;
}

void gng_pattern_make(const gng_pattern_plan *plan, const float *levels, float *scratch, gng_pattern *out)
{
    float *pattern = scratch, *spare = scratch + PIXELS;
    normalise(pattern, levels, spare);
    keep_levels(out, pattern, levels);
    float *real = spare, *imaginary = spare + PIXELS, *logs = pattern, *polar = spare + 2 * PIXELS;
    for (size_t i = 0; i < PIXELS; i++)
        real[i] = pattern[i] * plan->window[i];
    memset(imaginary, 0, PIXELS * sizeof *imaginary);
    gng_fourier_square(&plan->picture, real, imaginary);
    for (size_t i = 0; i < PIXELS; i++)
        logs[i] = (float)gng_log1p(__builtin_sqrt((double)real[i] * (double)real[i] + (double)imaginary[i] * (double)imaginary[i]));
    make_polar(plan, polar, logs);
    correlate_with_itself(&plan->picture, real, imaginary);
    out->ambiguity = find_ambiguity(real, plan->overlap);
    float *none = imaginary;
    memset(none, 0, ANGLES * RADII * sizeof *none);
    gng_fourier_columns(&plan->angles, polar, none, RADII);
    for (int32_t r = 0; r < RADII; r++)
        for (int32_t k = 0; k < GNG_PATTERN_HARMONICS; k++) {
            out->real[r * GNG_PATTERN_HARMONICS + k] = polar[(k + 1) * RADII + r];
            out->imaginary[r * GNG_PATTERN_HARMONICS + k] = none[(k + 1) * RADII + r];
        }
}

static void scale_to_length(float *values, size_t count, double length)
{
    double squares = 0;
    for (size_t i = 0; i < count; i++)
        squares += (double)values[i] * (double)values[i];
    const float scale = squares > 1e-24 ? (float)(length / __builtin_sqrt(squares)) : 0;
    for (size_t i = 0; i < count; i++)
        values[i] *= scale;
}

void gng_pattern_describe(const gng_pattern *pattern, float *descriptor)
{
    float *out = descriptor;
    for (int32_t apart = 0; apart < GNG_PATTERN_NEIGHBOURS; apart++) {
        const size_t count = (size_t)(RADII - apart) * GNG_PATTERN_HARMONICS, other = (size_t)apart * GNG_PATTERN_HARMONICS;
        for (size_t i = 0; i < count; i++)
            out[i] = pattern->real[i] * pattern->real[i + other] + pattern->imaginary[i] * pattern->imaginary[i + other];
        scale_to_length(out, count, 1);
        out += count;
    }
    /* The square root keeps a few strong harmonics from deciding alone. */
    for (size_t i = 0; i < GNG_DESCRIPTOR_FLOATS; i++)
        descriptor[i] = descriptor[i] < 0 ? -__builtin_sqrtf(-descriptor[i]) : __builtin_sqrtf(descriptor[i]);
    scale_to_length(descriptor, GNG_DESCRIPTOR_FLOATS, 1);
}
