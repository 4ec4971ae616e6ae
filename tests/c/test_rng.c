/* Known answers of the generator, independence of the keys, and the laws of the draws. */
#include <stdlib.h>

#include "base/rng.h"
#include "check.h"

/* kat_vectors of the Random123 distribution, philox4x32 with 10 rounds. */
static void philox_gives_the_published_answers(void)
{
    static const uint32_t vectors[][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6,
         0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420,
         0x24126ea1},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint32_t out[4];
        gng_rng_philox(vectors[i], vectors[i] + 4, out);
        CHECK(memcmp(out, vectors[i] + 6, sizeof out) == 0);
    }
}

static const gng_rng_key base_key = {
    .seed = 42, .stream = GNG_STREAM_AUGMENTATION, .epoch = 3, .occurrence = 1, .layer = 5, .sample = 1234};

/* The rule that makes a sequence from a key, written a second time: it is part of every reproducible result. */
static void the_sequence_follows_the_written_rule(void)
{
    const uint32_t seed[2] = {0x89abcdef, 0x01234567};
    const uint32_t names[4] = {GNG_STREAM_DROPOUT, 7, 11, 13};
    uint32_t mixed[4], expected[4];
    gng_rng_philox(names, seed, mixed);
    const uint32_t counter[4] = {1, 0, mixed[2] ^ 0x00c0ffee, mixed[3] ^ 0x5};
    gng_rng_philox(counter, mixed, expected);
    gng_rng rng = gng_rng_create(&(gng_rng_key){.seed = 0x0123456789abcdef,
                                                .stream = GNG_STREAM_DROPOUT,
                                                .layer = 7,
                                                .epoch = 11,
                                                .occurrence = 13,
                                                .sample = 0x500c0ffee});
    for (int i = 0; i < 4; i++)
        (void)gng_rng_bits(&rng);
    for (int i = 0; i < 4; i++)
        CHECK(gng_rng_bits(&rng) == expected[i]);
}

static void every_field_of_the_key_matters(void)
{
    gng_rng_key keys[10];
    for (int i = 0; i < 10; i++)
        keys[i] = base_key;
    keys[1].seed++;
    keys[2].seed += UINT64_C(1) << 32;
    keys[3].stream++;
    keys[4].epoch++;
    keys[5].occurrence++;
    keys[6].layer++;
    keys[7].sample++;
    keys[8].sample += UINT64_C(1) << 32;
    uint32_t first[9];
    for (int i = 0; i < 9; i++) {
        gng_rng rng = gng_rng_create(&keys[i]);
        first[i] = gng_rng_bits(&rng);
        for (int k = 0; k < i; k++)
            CHECK(first[k] != first[i]);
    }
    gng_rng again = gng_rng_create(&keys[9]);
    CHECK(gng_rng_bits(&again) == first[0]);
}

static void seeking_is_the_same_as_drawing(void)
{
    enum { COUNT = 23 };
    gng_rng rng = gng_rng_create(&base_key);
    uint32_t drawn[COUNT];
    for (int i = 0; i < COUNT; i++)
        drawn[i] = gng_rng_bits(&rng);
    for (int start = COUNT - 1; start >= 0; start--) {
        gng_rng_seek(&rng, (uint64_t)start);
        for (int i = start; i < COUNT; i++)
            CHECK(gng_rng_bits(&rng) == drawn[i]);
    }
    /* Across the carry into the second counter word. */
    const uint64_t carry = (UINT64_C(1) << 34) - 2;
    gng_rng_seek(&rng, carry);
    (void)gng_rng_bits(&rng);
    (void)gng_rng_bits(&rng);
    const uint32_t after = gng_rng_bits(&rng);
    gng_rng_seek(&rng, carry + 2);
    CHECK(gng_rng_bits(&rng) == after);
    gng_rng_seek(&rng, 0);
    CHECK(gng_rng_bits(&rng) == drawn[0] && drawn[0] != after);
}

/* Bounds are five standard errors of 100,000 draws; the key is fixed, so the outcome is too. */
static void draws_have_their_moments(void)
{
    enum { COUNT = 100000 };
    gng_rng rng = gng_rng_create(&base_key);
    double sum = 0, float_sum = 0, normal[4] = {0};
    double lowest = 1, highest = 0;
    for (int i = 0; i < COUNT; i++) {
        const double u = gng_rng_uniform(&rng);
        const float f = gng_rng_uniform_float(&rng);
        const double z = gng_rng_normal(&rng);
        CHECK(u >= 0 && u < 1 && f >= 0 && f < 1 && fabs(z) < 8.5);
        lowest = fmin(lowest, u);
        highest = fmax(highest, u);
        sum += u;
        float_sum += f;
        for (int power = 0; power < 4; power++)
            normal[power] += pow(z, power + 1);
    }
    CHECK(lowest < 1e-4 && highest > 1 - 1e-4);
    CHECK_NEAR(sum / COUNT, 0.5, 5 * sqrt(1.0 / 12 / COUNT));
    CHECK_NEAR(float_sum / COUNT, 0.5, 5 * sqrt(1.0 / 12 / COUNT));
    CHECK_NEAR(normal[0] / COUNT, 0, 5 * sqrt(1.0 / COUNT));
    CHECK_NEAR(normal[1] / COUNT, 1, 5 * sqrt(2.0 / COUNT));
    CHECK_NEAR(normal[2] / COUNT, 0, 5 * sqrt(15.0 / COUNT));
    CHECK_NEAR(normal[3] / COUNT, 3, 5 * sqrt(96.0 / COUNT));
}

static void each_draw_takes_its_number_of_words(void)
{
    gng_rng_key key = base_key;
    for (key.sample = 0; key.sample < 100; key.sample++) {
        gng_rng words = gng_rng_create(&key), rng = words;
        uint32_t word[6];
        for (int i = 0; i < 6; i++)
            word[i] = gng_rng_bits(&words);
        const double u = gng_rng_uniform(&rng);
        CHECK(u == ldexp((double)(((uint64_t)word[0] << 32 | word[1]) >> 11), -53));
        const float f = gng_rng_uniform_float(&rng);
        CHECK(f == ldexpf((float)(word[2] >> 8), -24));
        /* The normal is the quantile of the middle of its cell: the distribution function leads back. */
        const double z = gng_rng_normal(&rng);
        const double p = ((double)(((uint64_t)word[3] << 32 | word[4]) >> 12) + 0.5) / 0x1p52;
        CHECK_NEAR(0.5 * erfc(-z / sqrt(2)), p, 1e-14);
        CHECK(gng_rng_bits(&rng) == word[5]);
    }
}

/* A sequence whose next two words are given, to reach quantiles that no search finds. */
static double normal_of_words(uint32_t high, uint32_t low)
{
    gng_rng rng = {.block = {high, low}, .used = 0};
    return gng_rng_normal(&rng);
}

static void normal_reaches_both_tails(void)
{
    /* Quantiles of 2^-53, 2^-40 (first cell above), 2^-5 and 1/2, from 40-digit arithmetic. */
    CHECK_NEAR(normal_of_words(0, 0), -8.2095361516013863, 1e-13);
    CHECK_NEAR(normal_of_words(0xffffffff, 0xffffffff), 8.2095361516013863, 1e-13);
    static const uint32_t highs[] = {0, 1, 0xff, 0x10000, 0x01000000, 0x10000000, 0x70000000, 0x7fffffff};
    for (size_t i = 0; i < sizeof highs / sizeof highs[0]; i++) {
        const double z = normal_of_words(highs[i], 0x80000000);
        const double p = ((double)(((uint64_t)highs[i] << 32 | 0x80000000) >> 12) + 0.5) / 0x1p52;
        CHECK_NEAR(0.5 * erfc(-z / sqrt(2)) / p, 1, 1e-13);
        CHECK(normal_of_words(~highs[i], 0x7fffffff) == -z); /* exact mirror image */
    }
}

static void integers_are_even_and_in_range(void)
{
    enum { COUNT = 60000 };
    gng_rng rng = gng_rng_create(&base_key);
    int seen[6] = {0};
    for (int i = 0; i < COUNT; i++) {
        const uint32_t value = gng_rng_below(&rng, 6);
        if (!CHECK(value < 6))
            return;
        seen[value]++;
    }
    for (int i = 0; i < 6; i++)
        CHECK_NEAR(seen[i], COUNT / 6.0, 5 * sqrt(COUNT * 5.0 / 36));
    for (int i = 0; i < 100; i++)
        CHECK(gng_rng_below(&rng, 1) == 0);
    /* A bound of 3 * 2^30: without rejection the even quarters would come up a third too often. */
    int thirds[3] = {0};
    for (int i = 0; i < COUNT; i++)
        thirds[gng_rng_below(&rng, 0xC0000000) % 3]++;
    for (int i = 0; i < 3; i++)
        CHECK_NEAR(thirds[i], COUNT / 3.0, 5 * sqrt(COUNT * 2.0 / 9));
}

static void shuffling_gives_every_order_equally_often(void)
{
    enum { COUNT = 24000 };
    int seen[256] = {0}, orders = 0;
    gng_rng rng = gng_rng_create(&base_key);
    for (int i = 0; i < COUNT; i++) {
        uint32_t items[4] = {0, 1, 2, 3};
        gng_rng_shuffle(&rng, items, 4);
        seen[items[0] << 6 | items[1] << 4 | items[2] << 2 | items[3]]++;
    }
    for (int i = 0; i < 256; i++)
        if (seen[i] > 0) {
            orders++;
            CHECK_NEAR(seen[i], COUNT / 24.0, 5 * sqrt(COUNT * 23.0 / 576));
        }
    CHECK(orders == 24);
    uint32_t one = 9;
    gng_rng_shuffle(&rng, &one, 1);
    gng_rng_shuffle(&rng, NULL, 0);
    CHECK(one == 9);
}

int main(void)
{
    philox_gives_the_published_answers();
    the_sequence_follows_the_written_rule();
    every_field_of_the_key_matters();
    seeking_is_the_same_as_drawing();
    draws_have_their_moments();
    each_draw_takes_its_number_of_words();
    normal_reaches_both_tails();
    integers_are_even_and_in_range();
    shuffling_gives_every_order_equally_often();
    return check_result();
}
