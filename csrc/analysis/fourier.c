/* Radix 2, decimation in time (Cooley and Tukey 1965). The inner loops run over columns, which compilers turn into vectors without
 * changing the order of any sum. */
#include "analysis/fourier.h"

#include "base/elementary.h"

void gng_fourier_prepare(gng_fourier *plan, size_t length)
{
    plan->length = length;
    for (size_t i = 0; i < length / 2; i++) {
        double sine, cosine;
        gng_sin_cos_degrees(360.0 * (double)i / (double)length, &sine, &cosine);
        plan->cosine[i] = (float)cosine;
        plan->sine[i] = (float)sine;
    }
}

static void swap_rows(float *restrict a, float *restrict b, size_t columns)
{
    for (size_t c = 0; c < columns; c++) {
        const float kept = a[c];
        a[c] = b[c];
        b[c] = kept;
    }
}

static void reverse_bits(float *rows, size_t length, size_t columns)
{
    for (size_t i = 1, j = 0; i < length; i++) {
        size_t bit = length >> 1;
        for (; j & bit; bit >>= 1)
            j ^= bit;
        j |= bit;
        if (i < j)
            swap_rows(rows + i * columns, rows + j * columns, columns);
    }
}

/* (upper, lower) -> (upper + root * lower, upper - root * lower), root = cosine - i sine. */
static void butterflies(float *restrict upper_real, float *restrict upper_imaginary, float *restrict lower_real,
                        float *restrict lower_imaginary, float cosine, float sine, size_t columns)
{
    for (size_t c = 0; c < columns; c++) {
        const float real = cosine * lower_real[c] + sine * lower_imaginary[c];
        const float imaginary = cosine * lower_imaginary[c] - sine * lower_real[c];
        lower_real[c] = upper_real[c] - real;
        lower_imaginary[c] = upper_imaginary[c] - imaginary;
        upper_real[c] += real;
        upper_imaginary[c] += imaginary;
    }
}

void gng_fourier_columns(const gng_fourier *plan, float *real, float *imaginary, size_t columns)
{
    const size_t length = plan->length;
    reverse_bits(real, length, columns);
    reverse_bits(imaginary, length, columns);
    for (size_t half = 1; half < length; half *= 2)
        for (size_t first = 0; first < length; first += 2 * half)
            for (size_t i = 0; i < half; i++) {
                const size_t upper = (first + i) * columns, lower = (first + i + half) * columns, root = i * (length / 2 / half);
                butterflies(real + upper, imaginary + upper, real + lower, imaginary + lower, plan->cosine[root], plan->sine[root], columns);
            }
}

static void transpose(float *square, size_t side)
{
    for (size_t y = 0; y < side; y++)
        for (size_t x = y + 1; x < side; x++) {
            const float kept = square[y * side + x];
            square[y * side + x] = square[x * side + y];
            square[x * side + y] = kept;
        }
}

void gng_fourier_square(const gng_fourier *plan, float *real, float *imaginary)
{
    gng_fourier_columns(plan, real, imaginary, plan->length);
    transpose(real, plan->length);
    transpose(imaginary, plan->length);
    gng_fourier_columns(plan, real, imaginary, plan->length);
}
