/* Blur, brightness, contrast, gamma and noise on planes of floats. Knows nothing of geometry. */
#include "image/tone.h"

#include <stdint.h>
#include <string.h>

#include "base/elementary.h"
#include "base/rng.h"
#include "image/warp_kernel.h"

enum {
    BLUR_RADIUS_MAX = 32, /* four standard deviations of the largest sigma, 8 */
    BLUR_LINES = BLUR_RADIUS_MAX + 1,
    /* The gamma curve is tabulated at 64 points in each of the 16 octaves below 1, where a straight line between
     * neighbours is within gamma |gamma - 1| / 8 / 64^2 of the curve, relatively: 0.02 grey levels for gamma = 2. */
    CURVE_BITS = 6,
    CURVE_OCTAVES = 16,
    CURVE_POINTS = (CURVE_OCTAVES << CURVE_BITS) + 1,
    CURVE_SHIFT = 23 - CURVE_BITS, /* a float has 23 bits behind its exponent */
    CURVE_FIRST = (127 - CURVE_OCTAVES) << CURVE_BITS
};

gng_tone_line gng_tone_line_of(const gng_warp *warp)
{
    const double contrast = (double)warp->contrast;
    return (gng_tone_line){.factor = (double)warp->brightness * contrast, .offset = 127.5 * (1.0 - contrast)};
}

bool gng_tone_is_linear(const gng_warp *warp)
{
    return !(warp->blur_sigma > 0.0f) && !(warp->noise_sigma > 0.0f) && !(warp->gamma < 1.0f) && !(warp->gamma > 1.0f);
}

size_t gng_tone_scratch_floats(int32_t width)
{
    const size_t line = (size_t)width + 2 * BLUR_RADIUS_MAX;
    return (CURVE_POINTS + 1) + line * (BLUR_LINES + 1);
}

/* weights[0 to radius] of one side of a Gaussian cut at four standard deviations (as scipy.ndimage does), sum 1. */
static int32_t blur_weights(float sigma, float weights[BLUR_LINES])
{
    const int32_t radius = (int32_t)(4.0 * (double)sigma + 0.5);
    double values[BLUR_LINES];
    double sum = 0.0;
    for (int32_t k = 0; k <= radius; k++) {
        const double distance = k / (double)sigma;
        values[k] = gng_exp(-0.5 * distance * distance);
        sum += k == 0 ? values[k] : 2.0 * values[k];
    }
    for (int32_t k = 0; k <= radius; k++)
        weights[k] = (float)(values[k] / sum);
    return radius;
}

static void blur_rows(float *plane, int32_t height, int32_t width, const float *weights, int32_t radius, float *line)
{
    for (int32_t y = 0; y < height; y++) {
        float *row = plane + (size_t)y * (size_t)width;
        memcpy(line + radius, row, (size_t)width * sizeof(float));
        for (int32_t k = 0; k < radius; k++) {
            line[k] = row[0];
            line[radius + width + k] = row[width - 1];
        }
        for (int32_t x = 0; x < width; x++)
            row[x] = weights[0] * line[radius + x];
        for (int32_t k = 1; k <= radius; k++)
            for (int32_t x = 0; x < width; x++)
                row[x] += weights[k] * (line[radius + x - k] + line[radius + x + k]);
    }
}

/* In place: the rows above the current one are kept in `ring` as they were, [radius + 1, width]. */
static void blur_columns(float *plane, int32_t height, int32_t width, const float *weights, int32_t radius, float *ring)
{
    const size_t row_bytes = (size_t)width * sizeof(float);
    for (int32_t y = 0; y < height; y++) {
        float *row = plane + (size_t)y * (size_t)width;
        float *kept = ring + (size_t)(y % (radius + 1)) * (size_t)width;
        memcpy(kept, row, row_bytes);
        for (int32_t x = 0; x < width; x++)
            row[x] = weights[0] * kept[x];
        for (int32_t k = 1; k <= radius; k++) {
            const int32_t above = y - k > 0 ? y - k : 0;
            const int32_t below = y + k < height ? y + k : height - 1;
            const float *upper = ring + (size_t)(above % (radius + 1)) * (size_t)width;
            const float *lower = below == y ? kept : plane + (size_t)below * (size_t)width;
            for (int32_t x = 0; x < width; x++)
                row[x] += weights[k] * (upper[x] + lower[x]);
        }
    }
}

/* curve[i] = 255 * (point i)^gamma; the last point, 1, is repeated for its right neighbour. */
static void curve_fill(float curve[CURVE_POINTS + 1], float gamma)
{
    for (int32_t i = 0; i < CURVE_POINTS; i++) {
        const uint32_t bits = (uint32_t)(CURVE_FIRST + i) << CURVE_SHIFT;
        float point;
        memcpy(&point, &bits, sizeof point);
        curve[i] = (float)(255.0 * gng_pow((double)point, (double)gamma));
    }
    curve[CURVE_POINTS] = curve[CURVE_POINTS - 1];
}

/* value in [0, 1]; below the first point the curve is a straight line from 0. */
static float curve_at(const float *curve, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (bits < (uint32_t)CURVE_FIRST << CURVE_SHIFT)
        return value * (float)(1 << CURVE_OCTAVES) * curve[0];
    const uint32_t i = (bits >> CURVE_SHIFT) - CURVE_FIRST;
    const float fraction = (float)(bits & ((1u << CURVE_SHIFT) - 1)) * (1.0f / (float)(1 << CURVE_SHIFT));
    return curve[i] + fraction * (curve[i + 1] - curve[i]);
}

static float clamp_grey(float value)
{
    value = value > 0.0f ? value : 0.0f;
    return value < 255.0f ? value : 255.0f;
}

void gng_tone_apply(float *plane, const gng_warp *warp, gng_tensor_shape shape, float *scratch)
{
    const size_t count = gng_tensor_elements(shape);
    float *curve = scratch;
    float *line = scratch + (CURVE_POINTS + 1);
    float *ring = line + shape.width + 2 * BLUR_RADIUS_MAX;
    if (warp->blur_sigma > 0.0f) {
        float weights[BLUR_LINES];
        const int32_t radius = blur_weights(warp->blur_sigma, weights);
        for (int32_t c = 0; c < shape.channels; c++) {
            float *channel = plane + gng_tensor_index(shape, c, 0, 0);
            blur_rows(channel, shape.height, shape.width, weights, radius, line);
            blur_columns(channel, shape.height, shape.width, weights, radius, ring);
        }
    }
    const gng_tone_line tone = gng_tone_line_of(warp);
    const float factor = (float)tone.factor;
    const float offset = (float)tone.offset;
    for (size_t i = 0; i < count; i++)
        plane[i] = clamp_grey(plane[i] * factor + offset);
    if (warp->gamma < 1.0f || warp->gamma > 1.0f) {
        curve_fill(curve, warp->gamma);
        for (size_t i = 0; i < count; i++)
            plane[i] = curve_at(curve, plane[i] * gng_grey_scale);
    }
    if (warp->noise_sigma > 0.0f) {
        /* Element i owns normal number i: a normal takes two words, and they are taken in order. */
        const gng_rng_key key = {.seed = warp->noise_seed, .stream = GNG_STREAM_AUGMENTATION};
        gng_rng rng = gng_rng_create(&key);
        const double sigma = (double)warp->noise_sigma;
        for (size_t i = 0; i < count; i++)
            plane[i] += (float)(sigma * gng_rng_normal(&rng));
    }
    for (size_t i = 0; i < count; i++)
        plane[i] = clamp_grey(plane[i]) * gng_grey_scale;
}
