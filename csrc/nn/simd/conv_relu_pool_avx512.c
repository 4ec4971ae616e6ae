/* Fused convolution 3x3 stride 2 + ReLU + max pool 2x2 on AVX-512, sixteen filters to a register.
 *
 * The four convolution outputs under a pooling window are accumulated side by side, so that each loaded weight serves four
 * multiplications and only the winner leaves the registers. Backward: the gradient reaches the winner's window alone,
 * so three quarters of the multiplications of the dense gradient are never made.
 */
#include "nn/simd/conv_relu_pool_kernel.h"
#include "nn/simd/pool_avx512.h"

/* Registers of filters worked on together: 2 where filters are a multiple of 32. */
typedef struct window_sums {
    __m512 at[2][POOL_PLACES]; /* [register][place in the pooling window] */
} window_sums;

/* One channel's part of the four sums. x points at the top left of the 5x5 region. */
TARGET_INLINE void add_channel(window_sums *sums, const float *x, size_t width, const float *const weights[2], const int registers)
{
#pragma GCC unroll 9
    for (int tap = 0; tap < CONV_POOL_TAPS; tap++) {
        const float *at = x + (size_t)(tap / 3) * width + tap % 3;
        const float *const places[4] = {at, at + 2, at + 2 * width, at + 2 * width + 2};
#pragma GCC unroll 2
        for (int r = 0; r < registers; r++) {
            const __m512 weight = _mm512_loadu_ps(weights[r] + (size_t)tap * CONV_POOL_LANES);
#pragma GCC unroll 4
            for (int place = 0; place < 4; place++)
                sums->at[r][place] = _mm512_fmadd_ps(_mm512_set1_ps(*places[place]), weight, sums->at[r][place]);
        }
    }
}

TARGET_INLINE void forward_filters(float *out, uint8_t *winner, const gng_conv_pool_shape *shape, const float *x, const float *packed, int32_t filter,
                                   const int32_t channels, const int registers)
{
    const size_t plane = (size_t)shape->height * (size_t)shape->width, width = (size_t)shape->width;
    const size_t block = (size_t)channels * CONV_POOL_TAPS * CONV_POOL_LANES;
    const float *weights = packed + (size_t)(filter / CONV_POOL_LANES) * block;
    const float *bias = packed + (size_t)(shape->filters / CONV_POOL_LANES) * block + filter;
    for (int32_t py = 0; py < shape->pooled_height; py++)
        for (int32_t px = 0; px < shape->pooled_width; px++) {
            const float *region = x + (size_t)(4 * py) * width + (size_t)(4 * px);
            window_sums sums;
#pragma GCC unroll 4
            for (int place = 0; place < 4; place++)
#pragma GCC unroll 2
                for (int r = 0; r < registers; r++)
                    sums.at[r][place] = _mm512_loadu_ps(bias + r * CONV_POOL_LANES);
            for (int32_t c = 0; c < channels; c++) {
                const float *const of_channel[2] = {weights + (size_t)c * CONV_POOL_TAPS * CONV_POOL_LANES,
                                                    weights + block + (size_t)c * CONV_POOL_TAPS * CONV_POOL_LANES};
                add_channel(&sums, region + (size_t)c * plane, width, of_channel, registers);
            }
            const size_t at = ((size_t)py * (size_t)shape->pooled_width + (size_t)px) * (size_t)shape->filters + (size_t)filter;
#pragma GCC unroll 2
            for (int r = 0; r < registers; r++)
                pool_window(sums.at[r], out + at + r * CONV_POOL_LANES, winner != NULL ? winner + at + r * CONV_POOL_LANES : NULL);
        }
}

TARGET void gng_conv_pool_forward_avx512(float *out, uint8_t *winner, const gng_conv_pool_shape *shape, const float *x, const float *packed)
{
    int32_t filter = 0;
    for (; filter + 2 * CONV_POOL_LANES <= shape->filters; filter += 2 * CONV_POOL_LANES) {
        if (shape->channels == 1)
            forward_filters(out, winner, shape, x, packed, filter, 1, 2);
        else
            forward_filters(out, winner, shape, x, packed, filter, shape->channels, 2);
    }
    if (filter < shape->filters)
        forward_filters(out, winner, shape, x, packed, filter, shape->channels, 1);
}

/* The 5x5 region under a pooling window as 25 values in two registers: entry row * 5 + column. */
typedef struct region_values {
    __m512 low, high; /* entries 0 to 15, 16 to 24 */
} region_values;

TARGET_INLINE region_values load_region(const float *x, size_t width)
{
    region_values region;
    region.low = _mm512_maskz_loadu_ps(0x001f, x);
    region.low = _mm512_mask_expandloadu_ps(region.low, 0x03e0, x + width);
    region.low = _mm512_mask_expandloadu_ps(region.low, 0x7c00, x + 2 * width);
    region.low = _mm512_mask_expandloadu_ps(region.low, 0x8000, x + 3 * width);
    region.high = _mm512_maskz_loadu_ps(0x000f, x + 3 * width + 1);
    region.high = _mm512_mask_expandloadu_ps(region.high, 0x01f0, x + 4 * width);
    return region;
}

/* One channel of the gradient of one or two registers of filters; the bias is added with the first channel. */
TARGET_INLINE void backward_channel(float *gradient, const gng_conv_pool_shape *shape, const float *x, const float *out_gradient, const uint8_t *winner,
                                    int32_t filter, int32_t channel, const int registers)
{
    const size_t width = (size_t)shape->width, filters = (size_t)shape->filters;
    const size_t block = (size_t)shape->channels * CONV_POOL_TAPS * CONV_POOL_LANES;
    float *bias = gradient + filters / CONV_POOL_LANES * block + filter;
    float *weights[2];
    __m512 sums[2][CONV_POOL_TAPS], bias_sums[2];
#pragma GCC unroll 2
    for (int r = 0; r < registers; r++) {
        weights[r] = gradient + ((size_t)(filter / CONV_POOL_LANES) + (size_t)r) * block + (size_t)channel * CONV_POOL_TAPS * CONV_POOL_LANES;
        bias_sums[r] = _mm512_loadu_ps(bias + r * CONV_POOL_LANES);
#pragma GCC unroll 9
        for (int tap = 0; tap < CONV_POOL_TAPS; tap++)
            sums[r][tap] = _mm512_loadu_ps(weights[r] + (size_t)tap * CONV_POOL_LANES);
    }
    /* Entry of the region at which the window of each place begins: 2 columns or 2 rows further. */
    const __m512i begins = _mm512_setr_epi32(0, 2, 10, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m512i dead = _mm512_set1_epi32(POOL_DEAD);
    for (int32_t py = 0; py < shape->pooled_height; py++)
        for (int32_t px = 0; px < shape->pooled_width; px++) {
            const region_values region = load_region(x + (size_t)(4 * py) * width + (size_t)(4 * px), width);
            const size_t at = ((size_t)py * (size_t)shape->pooled_width + (size_t)px) * filters + (size_t)filter;
#pragma GCC unroll 2
            for (int r = 0; r < registers; r++) {
                const __m512i place = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(winner + at + r * CONV_POOL_LANES)));
                const __m512 carried = _mm512_maskz_loadu_ps(_mm512_cmplt_epi32_mask(place, dead), out_gradient + at + r * CONV_POOL_LANES);
                const __m512i begin = _mm512_permutexvar_epi32(place, begins);
                bias_sums[r] = _mm512_add_ps(bias_sums[r], carried);
#pragma GCC unroll 9
                for (int tap = 0; tap < CONV_POOL_TAPS; tap++) {
                    const __m512i entry = _mm512_add_epi32(begin, _mm512_set1_epi32(tap / 3 * 5 + tap % 3));
                    sums[r][tap] = _mm512_fmadd_ps(carried, _mm512_permutex2var_ps(region.low, entry, region.high), sums[r][tap]);
                }
            }
        }
#pragma GCC unroll 2
    for (int r = 0; r < registers; r++) {
        if (channel == 0)
            _mm512_storeu_ps(bias + r * CONV_POOL_LANES, bias_sums[r]);
#pragma GCC unroll 9
        for (int tap = 0; tap < CONV_POOL_TAPS; tap++)
            _mm512_storeu_ps(weights[r] + (size_t)tap * CONV_POOL_LANES, sums[r][tap]);
    }
}

TARGET void gng_conv_pool_backward_avx512(float *gradient, const gng_conv_pool_shape *shape, const float *x, const float *out_gradient, const uint8_t *winner)
{
    const size_t plane = (size_t)shape->height * (size_t)shape->width;
    for (int32_t channel = 0; channel < shape->channels; channel++) {
        const float *of_channel = x + (size_t)channel * plane;
        int32_t filter = 0;
        for (; filter + 2 * CONV_POOL_LANES <= shape->filters; filter += 2 * CONV_POOL_LANES)
            backward_channel(gradient, shape, of_channel, out_gradient, winner, filter, channel, 2);
        if (filter < shape->filters)
            backward_channel(gradient, shape, of_channel, out_gradient, winner, filter, channel, 1);
    }
}
