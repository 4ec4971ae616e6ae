/* Pictures of the same surface among many: candidates by descriptor, then verified one by one. */
#ifndef GNG_ANALYSIS_SIBLINGS_H
#define GNG_ANALYSIS_SIBLINGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/parallel.h"

typedef struct gng_sibling_pair {
    uint32_t first; /* < second */
    uint32_t second;
    float agreement;
} gng_sibling_pair;

typedef struct gng_sibling_search {
    float threshold;         /* agreement from which a pair counts; more is asked of pictures of little but straight lines */
    float stranger_quantile; /* 95 % quantile of the agreement of pairs drawn at random */
    uint64_t compared;       /* pairs, by descriptor */
    uint64_t verified;       /* pairs, pixel by pixel */
    size_t count;
    gng_sibling_pair *pairs; /* [count], by first, then second; owned by the caller, returned with gng_memory_release */
} gng_sibling_search;

/* thumbnails [count, 64, 64] grey levels. labels [count], or NULL: all the same. neighbours: candidates of each picture, 1 to
 * GNG_NEIGHBOURS_MOST; pictures of which much is clipped get more. The pairs found connect all pictures of one surface; among those of one label not every pair is looked at, of pairs
 * with two labels every candidate is. Blank pictures have no siblings. The result depends on the thumbnails, labels, neighbours and seed
 * alone. ARGUMENT, MEMORY, CANCELLED; *out is untouched then. */
GNG_MUST_CHECK gng_status gng_siblings_find(gng_context *context, const float *thumbnails, const uint32_t *labels, size_t count,
                                            size_t neighbours, uint64_t seed, gng_sibling_search *out);

#endif
