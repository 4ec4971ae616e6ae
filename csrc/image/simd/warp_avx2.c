/* image/warp.c on AVX2 with FMA: eight pixels at a time, the same bits. Built like warp_avx512.c, which explains it. */
#include <immintrin.h>

#include "image/warp_kernel.h"

/* Bytes -1, 1, -1, -1. */
#define DIFFERENCE_AND_SUM ((int32_t)0xffff01ffu)
#define TARGET __attribute__((target("avx2,fma")))
#define TARGET_INLINE __attribute__((target("avx2,fma"), always_inline)) static inline

enum { LANES = 8 };

/* fold() of warp.c. */
TARGET_INLINE __m256i fold(__m256i value, int32_t side, const gng_fill fill)
{
    if (fill == GNG_FILL_WRAP || fill == GNG_FILL_REFLECT) {
        const int32_t length = fill == GNG_FILL_WRAP ? side : 2 * side;
        const __m256i period = _mm256_set1_epi32(length);
        const __m256i fraction = _mm256_and_si256(value, _mm256_set1_epi32(0xffff));
        __m256i pixel = _mm256_srai_epi32(value, 16);
        const __m256 ratio = _mm256_mul_ps(_mm256_cvtepi32_ps(pixel), _mm256_set1_ps(1.0f / (float)length));
        const __m256i quotient = _mm256_cvttps_epi32(_mm256_floor_ps(ratio));
        pixel = _mm256_sub_epi32(pixel, _mm256_mullo_epi32(quotient, period));
        pixel = _mm256_add_epi32(pixel, _mm256_and_si256(_mm256_srai_epi32(pixel, 31), period));
        const __m256i short_of = _mm256_cmpgt_epi32(period, pixel);
        pixel = _mm256_sub_epi32(pixel, _mm256_andnot_si256(short_of, period));
        value = _mm256_or_si256(_mm256_slli_epi32(pixel, 16), fraction);
        if (fill == GNG_FILL_WRAP)
            return value;
        const __m256i mirrored = _mm256_sub_epi32(_mm256_set1_epi32(length - 1), pixel);
        value = _mm256_blendv_epi8(_mm256_sub_epi32(_mm256_slli_epi32(mirrored, 16), fraction), value,
            _mm256_cmpgt_epi32(_mm256_set1_epi32(side), pixel));
    }
    return _mm256_min_epi32(_mm256_max_epi32(value, _mm256_setzero_si256()), _mm256_set1_epi32((side - 1) * 65536));
}

TARGET_INLINE void sample_plane(float *out, const gng_warp_plan *shared, const uint16_t *pairs, const gng_fill fill)
{
    const gng_warp_plan plan = *shared; /* a copy that stores to `out` cannot be taken to change */
    const int32_t width = plan.out_width;
    const __m256i stride = _mm256_set1_epi32(plan.pair_stride);
    const __m256i fraction = _mm256_set1_epi32(0xffff);
    const __m256i upper_bytes = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 2, 0, 2, 4, 6, 4, 6, 8, 10, 8, 10, 12, 14, 12, 14));
    const __m256i lower_bytes = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(1, 3, 1, 3, 5, 7, 5, 7, 9, 11, 9, 11, 13, 15, 13, 15));
    const __m256i signs = _mm256_set1_epi32(DIFFERENCE_AND_SUM);
    const __m256i bias = _mm256_set1_epi32((int32_t)0x80008000u);
    const __m256 unit = _mm256_set1_ps(1.0f / 65536.0f);
    const __m256 fill_value = _mm256_set1_ps(plan.fill_value);
    const __m256 gain = _mm256_set1_ps(plan.gain);
    const __m256 offset = _mm256_set1_ps(plan.offset);
    const __m256 ceiling = _mm256_set1_ps(plan.ceiling);
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (int32_t y = 0; y < plan.out_height; y++) {
        const __m256i row_x = _mm256_set1_epi32((int32_t)plan.row_x[y]);
        const __m256i row_y = _mm256_set1_epi32((int32_t)plan.row_y[y]);
        float *row = out + (size_t)y * (size_t)width;
        for (int32_t x = 0; x < width; x += LANES) {
            const __m256i at_x = _mm256_add_epi32(row_x, _mm256_load_si256((const __m256i *)(plan.column_x + x)));
            const __m256i at_y = _mm256_add_epi32(row_y, _mm256_load_si256((const __m256i *)(plan.column_y + x)));
            const __m256i in_x = fold(at_x, plan.in.width, fill);
            const __m256i in_y = fold(at_y, plan.in.height, fill);
            const __m256i index = _mm256_add_epi32(
                _mm256_madd_epi16(_mm256_srli_epi32(in_y, 16), stride), _mm256_srli_epi32(in_x, 16));
            const __m256i taps = _mm256_i32gather_epi32((const int *)(const void *)pairs, index, 2);
            const __m256i weights = _mm256_xor_si256(_mm256_and_si256(in_x, fraction), bias);
            const __m256i upper = _mm256_madd_epi16(
                _mm256_maddubs_epi16(_mm256_shuffle_epi8(taps, upper_bytes), signs), weights);
            const __m256i lower = _mm256_madd_epi16(
                _mm256_maddubs_epi16(_mm256_shuffle_epi8(taps, lower_bytes), signs), weights);
            const __m256 fraction_y = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_and_si256(in_y, fraction)), unit);
            __m256 value = _mm256_fmadd_ps(
                fraction_y, _mm256_cvtepi32_ps(_mm256_sub_epi32(lower, upper)), _mm256_cvtepi32_ps(upper));
            if (fill == GNG_FILL_CONSTANT) {
                /* Inside: the clamp of fold() changed nothing. */
                const __m256i inside = _mm256_and_si256(_mm256_cmpeq_epi32(at_x, in_x), _mm256_cmpeq_epi32(at_y, in_y));
                value = _mm256_blendv_ps(fill_value, value, _mm256_castsi256_ps(inside));
            }
            value = _mm256_add_ps(_mm256_mul_ps(value, gain), offset);
            value = _mm256_min_ps(_mm256_max_ps(value, _mm256_setzero_ps()), ceiling);
            if (width - x >= LANES)
                _mm256_storeu_ps(row + x, value);
            else
                _mm256_maskstore_ps(row + x, _mm256_cmpgt_epi32(_mm256_set1_epi32(width - x), lane), value);
        }
    }
}

TARGET void gng_warp_sample_avx2(float *out, const gng_warp_plan *plan)
{
    for (int32_t channel = 0; channel < plan->in.channels; channel++) {
        const uint16_t *pairs = plan->pairs + (size_t)channel * (size_t)plan->in.height * (size_t)plan->pair_stride;
        float *plane = out + (size_t)channel * (size_t)plan->out_height * (size_t)plan->out_width;
        switch (plan->fill) {
        case GNG_FILL_NEAREST:
            sample_plane(plane, plan, pairs, GNG_FILL_NEAREST);
            break;
        case GNG_FILL_CONSTANT:
            sample_plane(plane, plan, pairs, GNG_FILL_CONSTANT);
            break;
        case GNG_FILL_REFLECT:
            sample_plane(plane, plan, pairs, GNG_FILL_REFLECT);
            break;
        case GNG_FILL_WRAP:
            sample_plane(plane, plan, pairs, GNG_FILL_WRAP);
            break;
        }
    }
}
