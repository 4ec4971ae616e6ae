/* image/warp.c on AVX-512: sixteen pixels at a time, the same bits.
 *
 * As the picture comes interleaved by pairs of rows, one 32-bit gather fetches all four taps of a pixel.
 */
#include <immintrin.h>

#include "image/warp_kernel.h"

/* Bytes -1, 1, -1, -1. */
#define DIFFERENCE_AND_SUM ((int32_t)0xffff01ffu)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define TARGET_INLINE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"), always_inline)) static inline

/* fold() of warp.c. The quotient by way of floats is off by one at most (|pixel| <= 2^15), which is put right. */
TARGET_INLINE __m512i fold(__m512i value, int32_t side, const gng_fill fill)
{
    if (fill == GNG_FILL_WRAP || fill == GNG_FILL_REFLECT) {
        const int32_t length = fill == GNG_FILL_WRAP ? side : 2 * side;
        const __m512i period = _mm512_set1_epi32(length);
        const __m512i fraction = _mm512_and_si512(value, _mm512_set1_epi32(0xffff));
        __m512i pixel = _mm512_srai_epi32(value, 16);
        const __m512 ratio = _mm512_mul_ps(_mm512_cvtepi32_ps(pixel), _mm512_set1_ps(1.0f / (float)length));
        const __m512i quotient = _mm512_cvt_roundps_epi32(ratio, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
        pixel = _mm512_sub_epi32(pixel, _mm512_mullo_epi32(quotient, period));
        pixel = _mm512_mask_add_epi32(pixel, _mm512_movepi32_mask(pixel), pixel, period);
        pixel = _mm512_mask_sub_epi32(pixel, _mm512_cmpge_epi32_mask(pixel, period), pixel, period);
        value = _mm512_or_si512(_mm512_slli_epi32(pixel, 16), fraction);
        if (fill == GNG_FILL_WRAP)
            return value;
        const __m512i mirrored = _mm512_sub_epi32(_mm512_set1_epi32(length - 1), pixel);
        value = _mm512_mask_sub_epi32(value, _mm512_cmpge_epi32_mask(pixel, _mm512_set1_epi32(side)),
            _mm512_slli_epi32(mirrored, 16), fraction);
    }
    return _mm512_min_epi32(_mm512_max_epi32(value, _mm512_setzero_si512()), _mm512_set1_epi32((side - 1) * 65536));
}

TARGET_INLINE void sample_plane(float *out, const gng_warp_plan *shared, const uint16_t *pairs, const gng_fill fill)
{
    const gng_warp_plan plan = *shared; /* a copy that stores to `out` cannot be taken to change */
    const int32_t width = plan.out_width;
    const __m512i stride = _mm512_set1_epi32(plan.pair_stride);
    const __m512i fraction = _mm512_set1_epi32(0xffff);
    const __m512i upper_bytes = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 2, 0, 2, 4, 6, 4, 6, 8, 10, 8, 10, 12, 14, 12, 14));
    const __m512i lower_bytes = _mm512_broadcast_i32x4(
        _mm_setr_epi8(1, 3, 1, 3, 5, 7, 5, 7, 9, 11, 9, 11, 13, 15, 13, 15));
    const __m512i signs = _mm512_set1_epi32(DIFFERENCE_AND_SUM);
    const __m512i bias = _mm512_set1_epi32((int32_t)0x80008000u);
    const __m512 unit = _mm512_set1_ps(1.0f / 65536.0f);
    const __m512 fill_value = _mm512_set1_ps(plan.fill_value);
    const __m512 gain = _mm512_set1_ps(plan.gain);
    const __m512 offset = _mm512_set1_ps(plan.offset);
    const __m512 ceiling = _mm512_set1_ps(plan.ceiling);
    for (int32_t y = 0; y < plan.out_height; y++) {
        const __m512i row_x = _mm512_set1_epi32((int32_t)plan.row_x[y]);
        const __m512i row_y = _mm512_set1_epi32((int32_t)plan.row_y[y]);
        float *row = out + (size_t)y * (size_t)width;
        for (int32_t x = 0; x < width; x += GNG_WARP_LANES) {
            const __m512i at_x = _mm512_add_epi32(row_x, _mm512_load_si512(plan.column_x + x));
            const __m512i at_y = _mm512_add_epi32(row_y, _mm512_load_si512(plan.column_y + x));
            const __m512i in_x = fold(at_x, plan.in.width, fill);
            const __m512i in_y = fold(at_y, plan.in.height, fill);
            /* Rows and stride are below 2^15: the 16-bit multiply-add is an exact, cheaper 32-bit product. */
            const __m512i index = _mm512_add_epi32(
                _mm512_madd_epi16(_mm512_srli_epi32(in_y, 16), stride), _mm512_srli_epi32(in_x, 16));
            const __m512i taps = _mm512_i32gather_epi32(index, pairs, 2);
            /* Words (right - left, -(left + right)) times words (fraction - 2^15, -2^15), added: left 2^16 +
             * (right - left) fraction, exactly. */
            const __m512i weights = _mm512_xor_si512(_mm512_and_si512(in_x, fraction), bias);
            const __m512i upper = _mm512_madd_epi16(
                _mm512_maddubs_epi16(_mm512_shuffle_epi8(taps, upper_bytes), signs), weights);
            const __m512i lower = _mm512_madd_epi16(
                _mm512_maddubs_epi16(_mm512_shuffle_epi8(taps, lower_bytes), signs), weights);
            /* All three operands are exact, hence the sample is rounded once. */
            const __m512 fraction_y = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_and_si512(in_y, fraction)), unit);
            __m512 value = _mm512_fmadd_ps(
                fraction_y, _mm512_cvtepi32_ps(_mm512_sub_epi32(lower, upper)), _mm512_cvtepi32_ps(upper));
            if (fill == GNG_FILL_CONSTANT) {
                /* Inside: the clamp of fold() changed nothing. */
                const __mmask16 inside = _mm512_mask_cmpeq_epi32_mask(_mm512_cmpeq_epi32_mask(at_x, in_x), at_y, in_y);
                value = _mm512_mask_mov_ps(fill_value, inside, value);
            }
            value = _mm512_add_ps(_mm512_mul_ps(value, gain), offset);
            value = _mm512_min_ps(_mm512_max_ps(value, _mm512_setzero_ps()), ceiling);
            if (width - x >= GNG_WARP_LANES)
                _mm512_storeu_ps(row + x, value);
            else
                _mm512_mask_storeu_ps(row + x, (__mmask16)((1u << (width - x)) - 1u), value);
        }
    }
}

TARGET void gng_warp_sample_avx512(float *out, const gng_warp_plan *plan)
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
