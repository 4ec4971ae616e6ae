/* Fourier transforms of small, fixed lengths, many columns at a time. The same bits on every machine. */
#ifndef GNG_ANALYSIS_FOURIER_H
#define GNG_ANALYSIS_FOURIER_H

#include <stddef.h>

enum { GNG_FOURIER_LENGTH_MAX = 128 };

/* Roots of unity for a length, a power of two up to GNG_FOURIER_LENGTH_MAX. Plain data, read-only once made. */
typedef struct gng_fourier {
    size_t length;
    float cosine[GNG_FOURIER_LENGTH_MAX / 2]; /* of 2 pi i / length */
    float sine[GNG_FOURIER_LENGTH_MAX / 2];
} gng_fourier;

void gng_fourier_prepare(gng_fourier *plan, size_t length);

/* In place along the first axis of real, imaginary [length, columns]: out[k] = sum in[n] exp(-2 pi i k n / length).
 * The inverse without its factor 1 / length is the same call with real and imaginary swapped. Any thread. */
void gng_fourier_columns(const gng_fourier *plan, float *real, float *imaginary, size_t columns);

/* In place: [side, side] -> its transform along both axes, transposed: element [kx, ky]. side is the plan's length. Any thread. */
void gng_fourier_square(const gng_fourier *plan, float *real, float *imaginary);

#endif
