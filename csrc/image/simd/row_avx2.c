/* Rows of bytes on AVX2: taken apart by channel, interleaved in pairs, converted to floats. */
#include <immintrin.h>

#include "image/warp_kernel.h"

#define TARGET __attribute__((target("avx2")))

TARGET void gng_row_pair_avx2(uint16_t *pairs, const uint8_t *upper, const uint8_t *lower, size_t width)
{
    size_t x = 0;
    for (; x + 32 <= width; x += 32) {
        const __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)(upper + x));
        const __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(lower + x));
        const __m256i low = _mm256_unpacklo_epi8(a, b); /* pixels 0 to 7 and 16 to 23 */
        const __m256i high = _mm256_unpackhi_epi8(a, b);
        _mm256_storeu_si256((__m256i *)(void *)(pairs + x), _mm256_permute2x128_si256(low, high, 0x20));
        _mm256_storeu_si256((__m256i *)(void *)(pairs + x + 16), _mm256_permute2x128_si256(low, high, 0x31));
    }
    for (; x < width; x++)
        pairs[x] = (uint16_t)(upper[x] | lower[x] << 8);
}

/* Bytes 3 i + channel of 16 pixels lie in three registers; -1 leaves a zero for the other two to fill. */
TARGET void gng_row_split_avx2(uint8_t *planes, size_t stride, const uint8_t *pixels, size_t width)
{
    static const int8_t picks[3][3][16] = {
        {{0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
            {-1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14, -1, -1, -1, -1, -1},
            {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1, 4, 7, 10, 13}},
        {{1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
            {-1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1},
            {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14}},
        {{2, 5, 8, 11, 14, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
            {-1, -1, -1, -1, -1, 1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1},
            {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15}}};
    size_t x = 0;
    for (; x + 16 <= width; x += 16) {
        __m128i parts[3];
        for (int i = 0; i < 3; i++)
            parts[i] = _mm_loadu_si128((const __m128i *)(const void *)(pixels + 3 * x + 16 * i));
        for (int c = 0; c < 3; c++) {
            __m128i plane = _mm_setzero_si128();
            for (int i = 0; i < 3; i++) {
                const __m128i pick = _mm_loadu_si128((const __m128i *)(const void *)picks[c][i]);
                plane = _mm_or_si128(plane, _mm_shuffle_epi8(parts[i], pick));
            }
            _mm_storeu_si128((__m128i *)(void *)(planes + (size_t)c * stride + x), plane);
        }
    }
    for (; x < width; x++)
        for (size_t c = 0; c < 3; c++)
            planes[c * stride + x] = pixels[3 * x + c];
}

TARGET void gng_row_scale_avx2(float *out, const uint8_t *in, size_t count, float scale)
{
    const __m256 factor = _mm256_set1_ps(scale);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(in + i)));
        _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_cvtepi32_ps(bytes), factor));
    }
    for (; i < count; i++)
        out[i] = (float)in[i] * scale;
}
