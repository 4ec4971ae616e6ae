/* Philox4x32-10 and the draws made from it. Holds no state of its own and calls no libm.
 *
 * From key to sequence: one Philox block, counter (stream, layer, epoch, occurrence) under the two halves of the seed,
 * mixes what is the same for many samples. Its words 0 and 1 are the key of the sequence; words 2 and 3, exclusive-or
 * the sample's halves, are the upper counter words; the lower ones are the position divided by 4. Two samples under one
 * key can therefore never share a block.
 */
#include "base/rng.h"

#include <math.h>

#include "base/elementary.h"

/* Salmon et al. 2011, section 4.3: multipliers of the 4x32 variant, and Weyl increments from the golden ratio and from
 * the square root of 3. */
#define MULTIPLIER_0 UINT32_C(0xD2511F53)
#define MULTIPLIER_1 UINT32_C(0xCD9E8D57)
#define WEYL_0 UINT32_C(0x9E3779B9)
#define WEYL_1 UINT32_C(0xBB67AE85)

void gng_rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)MULTIPLIER_0 * c0;
        const uint64_t p1 = (uint64_t)MULTIPLIER_1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += WEYL_0;
        k1 += WEYL_1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

gng_rng gng_rng_create(const gng_rng_key *key)
{
    const uint32_t seed[2] = {(uint32_t)key->seed, (uint32_t)(key->seed >> 32)};
    const uint32_t names[4] = {key->stream, key->layer, key->epoch, key->occurrence};
    uint32_t mixed[4];
    gng_rng_philox(names, seed, mixed);
    return (gng_rng){
        .key = {mixed[0], mixed[1]},
        .counter = {0, 0, mixed[2] ^ (uint32_t)key->sample, mixed[3] ^ (uint32_t)(key->sample >> 32)},
        .used = 4,
    };
}

/* Fills `block` from the counter, which then names the block after it. */
static void next_block(gng_rng *rng)
{
    gng_rng_philox(rng->counter, rng->key, rng->block);
    if (++rng->counter[0] == 0)
        rng->counter[1]++;
    rng->used = 0;
}

void gng_rng_seek(gng_rng *rng, uint64_t position)
{
    const uint64_t block = position / 4;
    rng->counter[0] = (uint32_t)block;
    rng->counter[1] = (uint32_t)(block >> 32);
    rng->used = 4;
    if (position % 4 != 0) {
        next_block(rng);
        rng->used = (uint32_t)(position % 4);
    }
}

uint32_t gng_rng_bits(gng_rng *rng)
{
    if (rng->used >= 4)
        next_block(rng);
    return rng->block[rng->used++];
}

static uint64_t two_words(gng_rng *rng)
{
    const uint64_t high = gng_rng_bits(rng);
    return high << 32 | gng_rng_bits(rng);
}

double gng_rng_uniform(gng_rng *rng)
{
    return (double)(two_words(rng) >> 11) * 0x1p-53;
}

float gng_rng_uniform_float(gng_rng *rng)
{
    return (float)(gng_rng_bits(rng) >> 8) * 0x1p-24f;
}

uint32_t gng_rng_below(gng_rng *rng, uint32_t bound)
{
    /* Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019), algorithm 5. */
    uint64_t product = (uint64_t)gng_rng_bits(rng) * bound;
    if ((uint32_t)product < bound) {
        const uint32_t threshold = (uint32_t)(0 - bound) % bound;
        while ((uint32_t)product < threshold)
            product = (uint64_t)gng_rng_bits(rng) * bound;
    }
    return (uint32_t)(product >> 32);
}

/* Coefficients from the highest power down. */
static double polynomial(const double coefficients[8], double x)
{
    double sum = coefficients[0];
    for (int i = 1; i < 8; i++)
        sum = sum * x + coefficients[i];
    return sum;
}

/* Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37 (1988), PPND16.
 * 0 < p < 1. */
static double normal_quantile(double p)
{
    static const double centre[2][8] = {
        {2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
         13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608},
        {5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
         5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0},
    };
    static const double flank[2][8] = {
        {7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
         3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734},
        {1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
         0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0},
    };
    static const double tail[2][8] = {
        {2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
         0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772},
        {2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
         0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0},
    };
    const double q = p - 0.5;
    if (q >= -0.425 && q <= 0.425) {
        const double r = 0.180625 - q * q;
        return q * polynomial(centre[0], r) / polynomial(centre[1], r);
    }
    /* sqrt is rounded correctly by IEEE 754, so it is the same everywhere. */
    const double r = sqrt(-gng_log(q < 0 ? p : 1 - p));
    const double size = r <= 5 ? polynomial(flank[0], r - 1.6) / polynomial(flank[1], r - 1.6)
                               : polynomial(tail[0], r - 5) / polynomial(tail[1], r - 5);
    return q < 0 ? -size : size;
}

double gng_rng_normal(gng_rng *rng)
{
    /* The middles of 2^52 equal cells: never 0 or 1, symmetric, and exact in double. */
    return normal_quantile(((double)(two_words(rng) >> 12) + 0.5) * 0x1p-52);
}

void gng_rng_shuffle(gng_rng *rng, uint32_t *indices, size_t count)
{
    for (size_t left = count; left > 1; left--) {
        const size_t chosen = gng_rng_below(rng, (uint32_t)left);
        const uint32_t last = indices[left - 1];
        indices[left - 1] = indices[chosen];
        indices[chosen] = last;
    }
}
