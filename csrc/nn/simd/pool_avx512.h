/* ReLU and maximum of the four convolution outputs under a pooling window, sixteen filters at a time. For the kernels of this
 * room that end in a pooling. */
#ifndef GNG_NN_SIMD_POOL_AVX512_H
#define GNG_NN_SIMD_POOL_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define TARGET_INLINE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"), always_inline)) static inline

enum {
    POOL_PLACES = 4, /* under a window, row-major */
    POOL_DEAD = 4    /* in `winner`: ReLU let nothing through */
};

/* out[16] = max(places, 0), winner[16] the first place that has the maximum, or POOL_DEAD; NULL: not wanted. NaN wins over
 * everything: a maximum that forgot it would make a number of nonsense. */
TARGET_INLINE void pool_window(const __m512 places[POOL_PLACES], float *out, uint8_t *winner)
{
    const __m512 zero = _mm512_setzero_ps();
    const __m512 most = _mm512_max_ps(_mm512_max_ps(places[0], places[1]), _mm512_max_ps(places[2], places[3]));
    const __mmask16 unordered =
        _mm512_cmp_ps_mask(places[0], places[1], _CMP_UNORD_Q) | _mm512_cmp_ps_mask(places[2], places[3], _CMP_UNORD_Q);
    _mm512_storeu_ps(out, _mm512_mask_mov_ps(_mm512_max_ps(most, zero), unordered, _mm512_set1_ps(__builtin_nanf(""))));
    if (winner == NULL)
        return;
    __m512i first = _mm512_set1_epi32(POOL_PLACES - 1);
    for (int place = POOL_PLACES - 2; place >= 0; place--)
        first = _mm512_mask_mov_epi32(first, _mm512_cmp_ps_mask(places[place], most, _CMP_EQ_OQ), _mm512_set1_epi32(place));
    first = _mm512_mask_mov_epi32(first, _mm512_cmp_ps_mask(most, zero, _CMP_LE_OQ), _mm512_set1_epi32(POOL_DEAD));
    _mm_storeu_si128((__m128i *)winner, _mm512_cvtepi32_epi8(first));
}

#endif
