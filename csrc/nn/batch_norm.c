/* Batch normalisation in training: sums per channel in double precision, lanes merged in a fixed tree. */
#include "nn/batch_norm.h"

#include <math.h>

#include "nn/ref/kernels.h"

/* Partial sums of a channel: independent, so that additions need not wait for each other. */
enum { PARTS = 8 };

/* The elements of one channel lie `step` apart from `first` on. */
typedef struct channel {
    size_t first, step, count;
} channel;

static channel channel_of(gng_tensor_shape shape, int32_t c)
{
    return (channel){.first = gng_tensor_index(shape, c, 0, 0), .step = (size_t)shape.block, .count = (size_t)shape.height * (size_t)shape.width};
}

static double add_parts(const double parts[PARTS])
{
    return ((parts[0] + parts[1]) + (parts[2] + parts[3])) + ((parts[4] + parts[5]) + (parts[6] + parts[7]));
}

/* sum of x - shift and of (x - shift)^2 */
static void sum_powers(channel where, const float *x, double shift, double *sum, double *squares)
{
    double first[PARTS] = {0}, second[PARTS] = {0};
    const float *at = x + where.first;
    for (size_t i = 0; i < where.count; i += PARTS) {
        const size_t parts = where.count - i < PARTS ? where.count - i : PARTS;
        for (size_t k = 0; k < parts; k++, at += where.step) {
            const double value = (double)*at - shift;
            first[k] += value;
            second[k] += value * value;
        }
    }
    *sum = add_parts(first);
    *squares = add_parts(second);
}

/* Count, mean and M2 (sum of squared distances from the mean) of a set. */
typedef struct moments {
    double count, mean, m2;
} moments;

/* Chan, Golub, LeVeque 1979, equation 2.1 in terms of means. */
static moments merge(moments a, moments b)
{
    if (a.count == 0)
        return b;
    const double count = a.count + b.count, distance = b.mean - a.mean;
    return (moments){
        .count = count,
        .mean = a.mean + distance * (b.count / count),
        .m2 = a.m2 + b.m2 + distance * distance * (a.count * b.count / count),
    };
}

size_t gng_batch_norm_lane_doubles(int32_t channels)
{
    return 3 * (size_t)channels;
}

void gng_batch_norm_collect(gng_tensor_shape shape, const float *x, double *lane)
{
    const size_t channels = (size_t)shape.channels;
    for (int32_t c = 0; c < shape.channels; c++) {
        const channel where = channel_of(shape, c);
        /* Sums about the first element: what the mean loses to its size, the squares would lose twice. */
        const double shift = (double)x[where.first], count = (double)where.count;
        double sum, squares;
        sum_powers(where, x, shift, &sum, &squares);
        const moments picture = {.count = count, .mean = shift + sum / count, .m2 = squares - sum * (sum / count)};
        double *at = lane + c;
        const moments merged = merge((moments){at[0], at[channels], at[2 * channels]}, picture);
        at[0] = merged.count;
        at[channels] = merged.mean;
        at[2 * channels] = merged.m2;
    }
}

void gng_batch_norm_merge(int32_t channels, const double *lanes, double *mean, double *variance)
{
    const size_t stride = gng_batch_norm_lane_doubles(channels), n = (size_t)channels;
    for (size_t c = 0; c < n; c++) {
        moments tree[GNG_LANES];
        for (size_t lane = 0; lane < GNG_LANES; lane++) {
            const double *at = lanes + lane * stride + c;
            tree[lane] = (moments){at[0], at[n], at[2 * n]};
        }
        for (size_t step = 1; step < GNG_LANES; step *= 2)
            for (size_t lane = 0; lane < GNG_LANES; lane += 2 * step)
                tree[lane] = merge(tree[lane], tree[lane + step]);
        mean[c] = tree[0].mean;
        variance[c] = tree[0].count > 0 ? tree[0].m2 / tree[0].count : 0;
    }
}

void gng_batch_norm_apply(gng_tensor_shape shape, float epsilon, const double *mean, const double *variance, const float *gamma,
                          const float *beta, const float *x, float *y)
{
    for (int32_t c = 0; c < shape.channels; c++) {
        const channel where = channel_of(shape, c);
        const double scale = (double)gamma[c] / sqrt(variance[c] + (double)epsilon), centre = mean[c], offset = (double)beta[c];
        for (size_t i = 0; i < where.count; i++) {
            const size_t k = where.first + i * where.step;
            y[k] = (float)(((double)x[k] - centre) * scale + offset);
        }
    }
    gng_ref_clear_padding_float(shape, y);
}

void gng_batch_norm_collect_gradient(gng_tensor_shape shape, float epsilon, const double *mean, const double *variance, const float *x,
                                     const float *dy, double *lane)
{
    for (int32_t c = 0; c < shape.channels; c++) {
        const channel where = channel_of(shape, c);
        const double scale = 1 / sqrt(variance[c] + (double)epsilon), centre = mean[c];
        double plain[PARTS] = {0}, weighted[PARTS] = {0};
        size_t at = where.first;
        for (size_t i = 0; i < where.count; i += PARTS) {
            const size_t parts = where.count - i < PARTS ? where.count - i : PARTS;
            for (size_t k = 0; k < parts; k++, at += where.step) {
                plain[k] += (double)dy[at];
                weighted[k] += (double)dy[at] * ((double)x[at] - centre);
            }
        }
        lane[c] += add_parts(plain);
        lane[shape.channels + c] += add_parts(weighted) * scale;
    }
}

void gng_batch_norm_merge_gradient(int32_t channels, const double *lanes, double *sums)
{
    const size_t n = 2 * (size_t)channels;
    for (size_t c = 0; c < n; c++) {
        double tree[GNG_LANES];
        for (size_t lane = 0; lane < GNG_LANES; lane++)
            tree[lane] = lanes[lane * n + c];
        for (size_t step = 1; step < GNG_LANES; step *= 2)
            for (size_t lane = 0; lane < GNG_LANES; lane += 2 * step)
                tree[lane] += tree[lane + step];
        sums[c] = tree[0];
    }
}

void gng_batch_norm_apply_gradient(gng_tensor_shape shape, float epsilon, const double *mean, const double *variance, const float *gamma,
                                   const double *sums, double count, const float *x, const float *dy, float *dx)
{
    for (int32_t c = 0; c < shape.channels; c++) {
        const channel where = channel_of(shape, c);
        const double deviation = 1 / sqrt(variance[c] + (double)epsilon), centre = mean[c];
        const double scale = (double)gamma[c] * deviation;
        const double shift = sums[c] / count, slope = sums[shape.channels + c] / count * deviation;
        for (size_t i = 0; i < where.count; i++) {
            const size_t k = where.first + i * where.step;
            dx[k] = (float)(scale * ((double)dy[k] - shift - ((double)x[k] - centre) * slope));
        }
    }
    gng_ref_clear_padding_float(shape, dx);
}
