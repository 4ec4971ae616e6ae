/* Memory: checked sizes, counted heap allocations with a fail-the-nth hook, and the arena a plan is cut from. */
#ifndef GNG_BASE_MEMORY_H
#define GNG_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* A cache line, and the width of the widest vector register. */
enum { GNG_ALIGNMENT = 64 };

/* *out = a * b or a + b; false, and *out untouched, when the result does not fit. Any thread. */
GNG_MUST_CHECK bool gng_size_multiply(size_t a, size_t b, size_t *out);
GNG_MUST_CHECK bool gng_size_add(size_t a, size_t b, size_t *out);

/* Zeroed memory aligned to GNG_ALIGNMENT, NULL when exhausted (or when the hook says so). bytes == 0 gives a valid
 * block. Caller owns it and returns it with gng_memory_release (NULL is fine). Any thread. */
void *gng_memory_allocate(size_t bytes);
void *gng_memory_allocate_array(size_t count, size_t element_bytes);
void gng_memory_release(void *block);

/* Whether the system would give this many bytes now; they are not kept, so another thread may take them. False also when the
 * hook says so. Not counted as an allocation. Any thread. */
bool gng_memory_has_room(size_t bytes);

/* Number of successful allocations (heap blocks and arenas) since the process started. Any thread. */
uint64_t gng_memory_allocation_count(void);

/* Number of blocks and arenas that are allocated now. */
uint64_t gng_memory_live_count(void);

/* Test hook: the n-th allocation or question for room from now (1 is the next) fails, once; 0 switches the hook off. */
void gng_memory_fail_nth(uint64_t n);

/* First pass of a plan: collects sizes and gives offsets. An overflow is remembered and reported by gng_arena_create. */
typedef struct gng_arena_layout {
    size_t bytes;
    bool overflow;
} gng_arena_layout;

/* Offset of a block of count * element_bytes, aligned to GNG_ALIGNMENT. */
size_t gng_arena_layout_add(gng_arena_layout *layout, size_t count, size_t element_bytes);

/* One zeroed block aligned to 2 MiB, advised to use huge pages (first touch of 4 KiB pages costs more than the
 * arithmetic of a small layer). The handle owns the block. */
typedef struct gng_arena {
    unsigned char *base;
    size_t bytes;
    void *mapping;
    size_t mapping_bytes;
} gng_arena;

/* MEMORY when exhausted, TOO_LARGE when the layout overflowed; *out is untouched then. */
GNG_MUST_CHECK gng_status gng_arena_create(const gng_arena_layout *layout, gng_arena *out);
/* Safe on a zeroed handle; zeroes the handle. */
void gng_arena_destroy(gng_arena *arena);
/* The block at an offset given by gng_arena_layout_add. */
void *gng_arena_at(const gng_arena *arena, size_t offset);

#endif
