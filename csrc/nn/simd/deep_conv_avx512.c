/* Fused deep convolution 3x3 stride 2 + ReLU + max pool 2x2 on AVX-512.
 *
 * Forward: the four convolution outputs under each of two neighbouring pooling windows are accumulated side by side, so that
 * each loaded weight serves eight multiplications. Backward: only winners. For the weights they are first listed filter by
 * filter, so that the inner loop has no branch; for the data, filters with the same place are added in registers before memory
 * is touched.
 */
#include <stdbool.h>
#include <string.h>

#include "nn/simd/deep_conv_kernel.h"
#include "nn/simd/pool_avx512.h"

/* Where the window of a place begins, relative to that of place 0. */
static inline size_t place_offset(const gng_deep_conv_shape *shape, int place)
{
    return ((size_t)(2 * (place / 2)) * (size_t)shape->width + (size_t)(2 * (place % 2))) * (size_t)shape->channels;
}

static inline size_t tap_offset(const gng_deep_conv_shape *shape, int tap)
{
    return ((size_t)(tap / 3) * (size_t)shape->width + (size_t)(tap % 3)) * (size_t)shape->channels;
}

/* `windows` neighbouring pooled pixels of one register of filters. */
TARGET_INLINE void forward_windows(float *out, uint8_t *winner, const gng_deep_conv_shape *shape, const float *x, const float *weights, __m512 bias,
                                   const int windows)
{
    const size_t channels = (size_t)shape->channels, filters = (size_t)shape->filters;
    __m512 sums[2][POOL_PLACES];
#pragma GCC unroll 2
    for (int w = 0; w < windows; w++)
#pragma GCC unroll 4
        for (int place = 0; place < POOL_PLACES; place++)
            sums[w][place] = bias;
    for (int tap = 0; tap < DEEP_CONV_TAPS; tap++) {
        const float *begin = x + tap_offset(shape, tap), *of_tap = weights + (size_t)tap * channels * DEEP_CONV_LANES;
        const float *at[2][POOL_PLACES];
#pragma GCC unroll 2
        for (int w = 0; w < windows; w++)
#pragma GCC unroll 4
            for (int place = 0; place < POOL_PLACES; place++)
                at[w][place] = begin + place_offset(shape, place) + (size_t)(4 * w) * channels;
        for (size_t channel = 0; channel < channels; channel++) {
            const __m512 weight = _mm512_loadu_ps(of_tap + channel * DEEP_CONV_LANES);
#pragma GCC unroll 2
            for (int w = 0; w < windows; w++)
#pragma GCC unroll 4
                for (int place = 0; place < POOL_PLACES; place++)
                    sums[w][place] = _mm512_fmadd_ps(_mm512_set1_ps(at[w][place][channel]), weight, sums[w][place]);
        }
    }
#pragma GCC unroll 2
    for (int w = 0; w < windows; w++)
        pool_window(sums[w], out + (size_t)w * filters, winner != NULL ? winner + (size_t)w * filters : NULL);
}

TARGET void gng_deep_conv_forward_avx512(float *out, uint8_t *winner, const gng_deep_conv_shape *shape, const float *x, const float *weights,
                                         const float *bias)
{
    const size_t channels = (size_t)shape->channels, filters = (size_t)shape->filters;
    for (size_t filter = 0; filter < filters; filter += DEEP_CONV_LANES) {
        const float *of_filters = weights + filter * DEEP_CONV_TAPS * channels;
        const __m512 start = _mm512_loadu_ps(bias + filter);
        for (int32_t py = 0; py < shape->pooled_height; py++) {
            const float *row = x + (size_t)(4 * py) * (size_t)shape->width * channels;
            const size_t pixel = (size_t)py * (size_t)shape->pooled_width;
            int32_t px = 0;
            for (; px < shape->pooled_width; px += 2) {
                const size_t at = (pixel + (size_t)px) * filters + filter;
                const float *region = row + (size_t)(4 * px) * channels;
                uint8_t *won = winner != NULL ? winner + at : NULL;
                if (px + 1 < shape->pooled_width)
                    forward_windows(out + at, won, shape, region, of_filters, start, 2);
                else
                    forward_windows(out + at, won, shape, region, of_filters, start, 1);
            }
        }
    }
}

/* Winners of one filter that carry a gradient, in the order of the pixels. */
static size_t list_winners(gng_deep_conv_winner *list, const gng_deep_conv_shape *shape, size_t filter, const float *out_gradient, const uint8_t *winner,
                           float *gradient_sum)
{
    size_t count = 0;
    float sum = 0;
    for (int32_t py = 0; py < shape->pooled_height; py++)
        for (int32_t px = 0; px < shape->pooled_width; px++) {
            const size_t at = ((size_t)py * (size_t)shape->pooled_width + (size_t)px) * (size_t)shape->filters + filter;
            const int place = winner[at];
            const size_t region = ((size_t)(4 * py) * (size_t)shape->width + (size_t)(4 * px)) * (size_t)shape->channels;
            const bool alive = place != POOL_DEAD;
            list[count] = (gng_deep_conv_winner){(int32_t)(region + place_offset(shape, place & 3)), out_gradient[at]};
            sum += alive ? out_gradient[at] : 0;
            count += alive;
        }
    *gradient_sum = sum;
    return count;
}

/* `registers` registers of channels of one filter. */
TARGET_INLINE void add_weight_gradient(float *gradient, const gng_deep_conv_shape *shape, const float *x, const gng_deep_conv_winner *list, size_t count,
                                       const int registers)
{
    __m512 sums[DEEP_CONV_TAPS][2];
    const size_t channels = (size_t)shape->channels;
#pragma GCC unroll 9
    for (int tap = 0; tap < DEEP_CONV_TAPS; tap++)
#pragma GCC unroll 2
        for (int r = 0; r < registers; r++)
            sums[tap][r] = _mm512_loadu_ps(gradient + (size_t)tap * channels + r * DEEP_CONV_LANES);
    for (size_t i = 0; i < count; i++) {
        const float *window = x + list[i].offset;
        const __m512 carried = _mm512_set1_ps(list[i].gradient);
#pragma GCC unroll 9
        for (int tap = 0; tap < DEEP_CONV_TAPS; tap++)
#pragma GCC unroll 2
            for (int r = 0; r < registers; r++)
                sums[tap][r] = _mm512_fmadd_ps(carried, _mm512_loadu_ps(window + tap_offset(shape, tap) + r * DEEP_CONV_LANES), sums[tap][r]);
    }
#pragma GCC unroll 9
    for (int tap = 0; tap < DEEP_CONV_TAPS; tap++)
#pragma GCC unroll 2
        for (int r = 0; r < registers; r++)
            _mm512_storeu_ps(gradient + (size_t)tap * channels + r * DEEP_CONV_LANES, sums[tap][r]);
}

TARGET void gng_deep_conv_backward_weights_avx512(float *weight_gradient, float *bias_gradient, const gng_deep_conv_shape *shape, const float *x,
                                                  const float *out_gradient, const uint8_t *winner, gng_deep_conv_winner *list)
{
    const size_t channels = (size_t)shape->channels;
    for (size_t filter = 0; filter < (size_t)shape->filters; filter++) {
        float sum;
        const size_t count = list_winners(list, shape, filter, out_gradient, winner, &sum);
        float *gradient = weight_gradient + filter * DEEP_CONV_TAPS * channels;
        bias_gradient[filter] += sum;
        size_t channel = 0;
        for (; channel + 2 * DEEP_CONV_LANES <= channels; channel += 2 * DEEP_CONV_LANES)
            add_weight_gradient(gradient + channel, shape, x + channel, list, count, 2);
        if (channel < channels)
            add_weight_gradient(gradient + channel, shape, x + channel, list, count, 1);
    }
}

/* What the filters in `alive` (bits, 16 filters from `weights` on) send back through one window. */
TARGET_INLINE void add_data_gradient(float *x_gradient, const gng_deep_conv_shape *shape, const float *weights, const float *out_gradient, uint32_t alive,
                                     const int registers)
{
    __m512 sums[DEEP_CONV_TAPS][2];
    const size_t channels = (size_t)shape->channels;
#pragma GCC unroll 9
    for (int tap = 0; tap < DEEP_CONV_TAPS; tap++)
#pragma GCC unroll 2
        for (int r = 0; r < registers; r++)
            sums[tap][r] = _mm512_loadu_ps(x_gradient + tap_offset(shape, tap) + r * DEEP_CONV_LANES);
    for (; alive != 0; alive &= alive - 1) {
        const int filter = __builtin_ctz(alive);
        const __m512 carried = _mm512_set1_ps(out_gradient[filter]);
        const float *of_filter = weights + (size_t)filter * DEEP_CONV_TAPS * channels;
#pragma GCC unroll 9
        for (int tap = 0; tap < DEEP_CONV_TAPS; tap++)
#pragma GCC unroll 2
            for (int r = 0; r < registers; r++)
                sums[tap][r] = _mm512_fmadd_ps(carried, _mm512_loadu_ps(of_filter + (size_t)tap * channels + r * DEEP_CONV_LANES), sums[tap][r]);
    }
#pragma GCC unroll 9
    for (int tap = 0; tap < DEEP_CONV_TAPS; tap++)
#pragma GCC unroll 2
        for (int r = 0; r < registers; r++)
            _mm512_storeu_ps(x_gradient + tap_offset(shape, tap) + r * DEEP_CONV_LANES, sums[tap][r]);
}

TARGET void gng_deep_conv_backward_data_avx512(float *x_gradient, const gng_deep_conv_shape *shape, const float *weights, const float *out_gradient,
                                               const uint8_t *winner)
{
    const size_t channels = (size_t)shape->channels, filters = (size_t)shape->filters;
    memset(x_gradient, 0, (size_t)shape->height * (size_t)shape->width * channels * sizeof *x_gradient);
    for (int32_t py = 0; py < shape->pooled_height; py++)
        for (int32_t px = 0; px < shape->pooled_width; px++) {
            float *region = x_gradient + ((size_t)(4 * py) * (size_t)shape->width + (size_t)(4 * px)) * channels;
            const size_t at = ((size_t)py * (size_t)shape->pooled_width + (size_t)px) * filters;
            for (size_t filter = 0; filter < filters; filter += DEEP_CONV_LANES) {
                const __m128i places = _mm_loadu_si128((const __m128i *)(winner + at + filter));
                const float *of_filters = weights + filter * DEEP_CONV_TAPS * channels;
                for (int place = 0; place < POOL_PLACES; place++) {
                    const uint32_t alive = _mm_cmpeq_epi8_mask(places, _mm_set1_epi8((char)place));
                    if (alive == 0)
                        continue;
                    float *window = region + place_offset(shape, place);
                    size_t channel = 0;
                    for (; channel + 2 * DEEP_CONV_LANES <= channels; channel += 2 * DEEP_CONV_LANES)
                        add_data_gradient(window + channel, shape, of_filters + channel, out_gradient + at + filter, alive, 2);
                    if (channel < channels)
                        add_data_gradient(window + channel, shape, of_filters + channel, out_gradient + at + filter, alive, 1);
                }
            }
        }
}
