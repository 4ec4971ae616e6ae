/* Counter-based random numbers: a pure function of a key, so that no result depends on threads or order.
 *
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011). The key names
 * everything a draw may depend on; the counter numbers the draws behind one key. No libm: the same bits everywhere.
 */
#ifndef GNG_BASE_RNG_H
#define GNG_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* Streams keep the uses of one seed apart. Append only: the numbers are part of every reproducible result. */
typedef enum gng_stream {
    GNG_STREAM_INITIALISATION = 1,
    GNG_STREAM_SHUFFLE = 2,
    GNG_STREAM_AUGMENTATION = 3,
    GNG_STREAM_DROPOUT = 4,
    GNG_STREAM_SPLIT = 5,
    GNG_STREAM_GRADIENT_CHECK = 6,
    GNG_STREAM_STRANGERS = 7
} gng_stream;

typedef struct gng_rng_key {
    uint64_t seed;
    uint32_t stream;     /* gng_stream */
    uint32_t epoch;      /* 0-based */
    uint32_t occurrence; /* how often the sample was drawn in this epoch before (sampling with replacement) */
    uint32_t layer;      /* node index; 0 where there is none */
    uint64_t sample;     /* index of the picture in its data set; 0 where there is none */
} gng_rng_key;

/* One position in the sequence behind a key. Plain data: copy it, keep it on the stack. */
typedef struct gng_rng {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    uint32_t used; /* words of `block` already given out, 0 to 4 */
} gng_rng;

/* Ten Philox rounds: out[4] from counter[4] and key[2]. Any thread. */
void gng_rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

gng_rng gng_rng_create(const gng_rng_key *key);
/* Places the sequence at draw number `position` (in 32-bit words), so that element i of a tensor owns draw i. */
void gng_rng_seek(gng_rng *rng, uint64_t position);

uint32_t gng_rng_bits(gng_rng *rng);
/* 53 bits, in [0, 1). Takes two words. */
double gng_rng_uniform(gng_rng *rng);
/* 24 bits, in [0, 1). Takes one word. */
float gng_rng_uniform_float(gng_rng *rng);
/* Unbiased integer in [0, bound), bound >= 1 (Lemire 2019, with rejection). */
uint32_t gng_rng_below(gng_rng *rng, uint32_t bound);
/* Standard normal by inversion (Wichura, algorithm AS 241) with our own logarithm; takes two words. */
double gng_rng_normal(gng_rng *rng);
/* Fisher-Yates on indices[count]. */
void gng_rng_shuffle(gng_rng *rng, uint32_t *indices, size_t count);

#endif
