/* The most similar of many vectors, by exact integer arithmetic: the same answer on every machine and for any number of threads. */
#ifndef GNG_ANALYSIS_NEIGHBOURS_H
#define GNG_ANALYSIS_NEIGHBOURS_H

#include <stddef.h>
#include <stdint.h>

#include "base/parallel.h"

enum { GNG_NEIGHBOURS_MOST = 128 };

/* For each of count vectors the `most` others with the largest dot products, best first, of equal ones the lower index: out [count, most],
 * UINT32_MAX behind the last where there are fewer. vectors [count, length] int16 of at most +-255 with length at most 32768, so that
 * no sum overflows; vectors that are all zero have no neighbours and are nobody's. ARGUMENT, MEMORY, CANCELLED. */
GNG_MUST_CHECK gng_status gng_neighbours_find(gng_context *context, const int16_t *vectors, size_t count, size_t length, size_t most,
                                              uint32_t *out);

#endif
