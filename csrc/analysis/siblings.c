/* The search for siblings: patterns of all pictures, nearest descriptors as candidates, verification in fixed rounds.
 *
 * A round verifies the candidates of one rank. A pair that earlier rounds already connected is left out; since rounds are fixed, what
 * is left out does not depend on threads.
 */
#include "analysis/siblings.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/align.h"
#include "analysis/neighbours.h"
#include "base/memory.h"
#include "base/rng.h"

/* Random pairs whose agreement shows how much strangers of this product look alike. */
enum { STRANGERS = 1000, STRANGERS_LEAST = 200 };

/* Strangers of unlike surfaces stay below the first. Where parts look alike (castings of one mould reach 0.91 when laid over each
 * other) the threshold is moved up with them, by the share of what is left to 1, but not beyond the last: pictures of the same part, turned,
 * shifted and compressed, agree by 0.93 and more. Too few pairs say nothing about strangers: then the last holds. */
#define THRESHOLD_LEAST 0.72f
#define THRESHOLD_SHARE 0.55f
#define THRESHOLD_MOST 0.92f

/* A straight line agrees with any other, so a pattern that agrees with itself a little further on proves less: this share of what is left
 * to 1 comes on top. Different scratches in steel agree by up to 0.81 and with themselves by 0.7 and more. */
#define AMBIGUITY_SHARE 0.2f

/* Mean square of a pattern below which there is only noise to compare. */
#define ENERGY_LEAST 0.02f

/* Of a picture that is overexposed here and there the descriptor tells little, so it gets more candidates: where the share that is clipped
 * lies above that of the median picture by this. */
#define CLIPPED_SHARE 0.2f
enum { CLIPPED_NEIGHBOURS = 128 };

/* Descriptors have length 1 and some thousand values: most lie within this, the few beyond are cut. */
#define DESCRIPTOR_MOST 0.12f

typedef struct search {
    gng_pattern_plan plan;
    const float *thumbnails;
    const uint32_t *labels; /* [count], or NULL */
    size_t count;
    gng_pattern *patterns;   /* [count] */
    float *descriptors;      /* [count, GNG_DESCRIPTOR_FLOATS] */
    int16_t *vectors;        /* [count, GNG_DESCRIPTOR_FLOATS] */
    size_t *candidates;      /* [count]: of each picture */
    size_t most;             /* the largest number of them */
    float *scratch;          /* [threads, GNG_ALIGN_SCRATCH_FLOATS] */
    gng_sibling_pair *pairs; /* the round's */
} search;

_Static_assert((int)GNG_ALIGN_SCRATCH_FLOATS >= 4 * (int)GNG_THUMBNAIL_PIXELS, "patterns are made in the same scratch memory");

static gng_status make_pattern(void *argument, size_t index, int worker)
{
    const search *with = argument;
    float *scratch = with->scratch + (size_t)worker * GNG_ALIGN_SCRATCH_FLOATS;
    gng_pattern_make(&with->plan, with->thumbnails + index * GNG_THUMBNAIL_PIXELS, scratch, &with->patterns[index]);
    gng_pattern_describe(&with->patterns[index], with->descriptors + index * GNG_DESCRIPTOR_FLOATS);
    return GNG_OK;
}

static gng_status verify_pair(void *argument, size_t index, int worker)
{
    const search *with = argument;
    gng_sibling_pair *pair = &with->pairs[index];
    float *scratch = with->scratch + (size_t)worker * GNG_ALIGN_SCRATCH_FLOATS;
    const gng_pattern *first = &with->patterns[pair->first], *second = &with->patterns[pair->second];
    const bool blank = first->energy < ENERGY_LEAST || second->energy < ENERGY_LEAST;
    pair->agreement = blank ? -1 : gng_pattern_agreement(&with->plan, first, second, scratch);
    return GNG_OK;
}

/* Integer vectors of the descriptors with the mean of all taken out: what the product's pictures share says nothing. */
static void make_vectors(const search *with)
{
    for (size_t k = 0; k < GNG_DESCRIPTOR_FLOATS; k++) {
        double sum = 0;
        for (size_t i = 0; i < with->count; i++)
            sum += (double)with->descriptors[i * GNG_DESCRIPTOR_FLOATS + k];
        const float mean = (float)(sum / (double)with->count);
        for (size_t i = 0; i < with->count; i++)
            with->descriptors[i * GNG_DESCRIPTOR_FLOATS + k] -= mean;
    }
    for (size_t i = 0; i < with->count; i++) {
        const float *descriptor = with->descriptors + i * GNG_DESCRIPTOR_FLOATS;
        int16_t *vector = with->vectors + i * GNG_DESCRIPTOR_FLOATS;
        double squares = 0;
        for (size_t k = 0; k < GNG_DESCRIPTOR_FLOATS; k++)
            squares += (double)descriptor[k] * (double)descriptor[k];
        const bool blank = with->patterns[i].energy < ENERGY_LEAST || squares <= 0;
        const float scale = blank ? 0 : (float)(255 / (double)DESCRIPTOR_MOST / __builtin_sqrt(squares));
        for (size_t k = 0; k < GNG_DESCRIPTOR_FLOATS; k++) {
            const float value = descriptor[k] * scale;
            vector[k] = (int16_t)(value > 255 ? 255 : value < -255 ? -255 : value);
        }
    }
}

static int by_size(const void *a, const void *b)
{
    const float first = *(const float *)a, second = *(const float *)b;
    return (first > second) - (first < second);
}

/* shares [count]: scratch. */
static void count_candidates(search *with, size_t neighbours, float *shares)
{
    for (size_t i = 0; i < with->count; i++)
        shares[i] = with->patterns[i].clipped_share;
    qsort(shares, with->count, sizeof *shares, by_size);
    const float usual = shares[with->count / 2];
    with->most = neighbours;
    for (size_t i = 0; i < with->count; i++) {
        const bool clipped = with->patterns[i].clipped_share > usual + CLIPPED_SHARE;
        with->candidates[i] = clipped && neighbours < CLIPPED_NEIGHBOURS ? CLIPPED_NEIGHBOURS : neighbours;
        with->most = with->candidates[i] > with->most ? with->candidates[i] : with->most;
    }
}

static int by_value(const void *a, const void *b)
{
    const float first = ((const gng_sibling_pair *)a)->agreement, second = ((const gng_sibling_pair *)b)->agreement;
    return (first > second) - (first < second);
}

static int by_index(const void *a, const void *b)
{
    const gng_sibling_pair *first = a, *second = b;
    if (first->first != second->first)
        return first->first < second->first ? -1 : 1;
    return (first->second > second->second) - (first->second < second->second);
}

/* pairs: room for STRANGERS. */
static gng_status set_threshold(gng_context *context, search *with, uint64_t seed, gng_sibling_search *found)
{
    found->threshold = THRESHOLD_MOST;
    found->stranger_quantile = 0;
    if (with->count * (with->count - 1) / 2 < STRANGERS_LEAST)
        return GNG_OK;
    gng_rng rng = gng_rng_create(&(gng_rng_key){.seed = seed, .stream = GNG_STREAM_STRANGERS});
    for (size_t i = 0; i < STRANGERS; i++) {
        const uint32_t first = gng_rng_below(&rng, (uint32_t)with->count), other = gng_rng_below(&rng, (uint32_t)with->count - 1);
        with->pairs[i] = (gng_sibling_pair){.first = first, .second = other < first ? other : other + 1};
    }
    GNG_TRY(gng_parallel_run(context, STRANGERS, verify_pair, with));
    found->verified += STRANGERS;
    qsort(with->pairs, STRANGERS, sizeof *with->pairs, by_value);
    const float quantile = with->pairs[STRANGERS * 95 / 100].agreement;
    const float raised = quantile + THRESHOLD_SHARE * (1 - quantile);
    found->stranger_quantile = quantile;
    found->threshold = raised < THRESHOLD_LEAST ? THRESHOLD_LEAST : raised > THRESHOLD_MOST ? THRESHOLD_MOST : raised;
    return GNG_OK;
}

/* The representative of a picture's group, with the path to it halved. */
static uint32_t group_of(uint32_t *parents, uint32_t i)
{
    while (parents[i] != i)
        i = parents[i] = parents[parents[i]];
    return i;
}

static bool labels_differ(const search *with, uint32_t i, uint32_t other)
{
    return with->labels != NULL && with->labels[i] != with->labels[other];
}

/* Candidates of rank `rank` that are not connected yet, or have two labels, and were not met at a lower rank. Returns how many. */
static size_t choose_candidates(search *with, const uint32_t *nearest, size_t rank, uint32_t *parents)
{
    size_t count = 0;
    for (uint32_t i = 0; i < with->count; i++) {
        const uint32_t other = rank < with->candidates[i] ? nearest[i * with->most + rank] : UINT32_MAX;
        if (other == UINT32_MAX || (group_of(parents, i) == group_of(parents, other) && !labels_differ(with, i, other)))
            continue;
        bool met = false;
        for (size_t k = 0; k < with->candidates[other] && !met; k++)
            met = nearest[other * with->most + k] == i && (k < rank || (k == rank && other < i));
        if (!met)
            with->pairs[count++] = (gng_sibling_pair){.first = i < other ? i : other, .second = i < other ? other : i};
    }
    return count;
}

static float threshold_of(const search *with, const gng_sibling_pair *pair, float threshold)
{
    const float first = with->patterns[pair->first].ambiguity, second = with->patterns[pair->second].ambiguity;
    const float ambiguity = first > second ? first : second, raised = ambiguity + AMBIGUITY_SHARE * (1 - ambiguity);
    return raised > threshold ? raised : threshold;
}

static gng_status verify_rounds(gng_context *context, search *with, const uint32_t *nearest, uint32_t *parents, gng_sibling_search *found)
{
    for (uint32_t i = 0; i < with->count; i++)
        parents[i] = i;
    for (size_t rank = 0; rank < with->most; rank++) {
        const size_t count = choose_candidates(with, nearest, rank, parents);
        GNG_TRY(gng_parallel_run(context, count, verify_pair, with));
        found->verified += count;
        for (size_t i = 0; i < count; i++) {
            const gng_sibling_pair *pair = &with->pairs[i];
            if (!(pair->agreement >= threshold_of(with, pair, found->threshold)))
                continue;
            found->pairs[found->count++] = *pair;
            const uint32_t a = group_of(parents, pair->first), b = group_of(parents, pair->second);
            parents[a < b ? b : a] = a < b ? a : b;
        }
    }
    qsort(found->pairs, found->count, sizeof *found->pairs, by_index);
    return GNG_OK;
}

static gng_status run(gng_context *context, search *with, size_t neighbours, uint64_t seed, uint32_t *nearest, uint32_t *parents,
                      gng_sibling_search *found)
{
    gng_pattern_prepare(&with->plan);
    GNG_TRY(gng_parallel_run(context, with->count, make_pattern, with));
    make_vectors(with);
    count_candidates(with, neighbours, with->descriptors); /* which the vectors have replaced */
    GNG_TRY(gng_neighbours_find(context, with->vectors, with->count, GNG_DESCRIPTOR_FLOATS, with->most, nearest));
    GNG_TRY(set_threshold(context, with, seed, found));
    return verify_rounds(context, with, nearest, parents, found);
}

gng_status gng_siblings_find(gng_context *context, const float *thumbnails, const uint32_t *labels, size_t count, size_t neighbours, uint64_t seed,
                             gng_sibling_search *out)
{
    if (count >= UINT32_MAX || neighbours < 1 || neighbours > GNG_NEIGHBOURS_MOST)
        return gng_error_set(GNG_STATUS_ARGUMENT, "siblings: found %zu pictures and %zu neighbours, expected fewer than 2^32 and 1 to %d", count, neighbours,
                             (int)GNG_NEIGHBOURS_MOST);
    const size_t threads = (size_t)gng_context_threads(context), pairs = count > STRANGERS ? count : STRANGERS;
    search *with = gng_memory_allocate(sizeof *with);
    const size_t room = neighbours > CLIPPED_NEIGHBOURS ? neighbours : CLIPPED_NEIGHBOURS;
    uint32_t *nearest = gng_memory_allocate_array(count, room * sizeof *nearest), *parents = gng_memory_allocate_array(count, sizeof *parents);
    gng_sibling_search found = {.compared = (uint64_t)count * (count > 0 ? count - 1 : 0) / 2};
    found.pairs = gng_memory_allocate_array(count, room * sizeof *found.pairs);
    gng_status status = GNG_OK;
    if (with != NULL) {
        *with = (search){.thumbnails = thumbnails, .labels = labels, .count = count};
        with->patterns = gng_memory_allocate_array(count, sizeof *with->patterns);
        with->descriptors = gng_memory_allocate_array(count, GNG_DESCRIPTOR_FLOATS * sizeof *with->descriptors);
        with->vectors = gng_memory_allocate_array(count, GNG_DESCRIPTOR_FLOATS * sizeof *with->vectors);
        with->candidates = gng_memory_allocate_array(count, sizeof *with->candidates);
        with->scratch = gng_memory_allocate_array(threads, GNG_ALIGN_SCRATCH_FLOATS * sizeof *with->scratch);
        with->pairs = gng_memory_allocate_array(pairs, sizeof *with->pairs);
    }
    if (with == NULL || nearest == NULL || parents == NULL || found.pairs == NULL || with->patterns == NULL || with->descriptors == NULL ||
        with->vectors == NULL || with->candidates == NULL || with->scratch == NULL || with->pairs == NULL)
        status = gng_error_set(GNG_STATUS_MEMORY, "siblings: no memory for %zu pictures", count);
    if (status == GNG_OK && count > 1)
        status = run(context, with, neighbours, seed, nearest, parents, &found);
    if (with != NULL) {
        gng_memory_release(with->pairs);
        gng_memory_release(with->scratch);
        gng_memory_release(with->candidates);
        gng_memory_release(with->vectors);
        gng_memory_release(with->descriptors);
        gng_memory_release(with->patterns);
    }
    gng_memory_release(with);
    gng_memory_release(parents);
    gng_memory_release(nearest);
    if (status == GNG_OK)
        *out = found;
    else
        gng_memory_release(found.pairs);
    return status;
}
