/* Heap blocks and arenas, counted and made to fail on request. No other file of the core asks the system for memory. */
#define _GNU_SOURCE /* MAP_ANONYMOUS, madvise */

#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE_BYTES = 2 << 20 };

static atomic_uint_fast64_t allocations;
static atomic_uint_fast64_t live;
static atomic_uint_fast64_t countdown;

bool gng_size_multiply(size_t a, size_t b, size_t *out)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

bool gng_size_add(size_t a, size_t b, size_t *out)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

/* *out = bytes rounded up to a multiple of unit, a power of two. Larger than any object can be: false. */
static bool round_up(size_t bytes, size_t unit, size_t *out)
{
    size_t padded;
    if (!gng_size_add(bytes, unit - 1, &padded) || padded > PTRDIFF_MAX)
        return false;
    *out = padded & ~(unit - 1);
    return true;
}

/* Whether the hook lets this allocation fail. */
static bool hook_fails(void)
{
    uint_fast64_t left = atomic_load(&countdown);
    do {
        if (left == 0)
            return false;
    } while (!atomic_compare_exchange_weak(&countdown, &left, left - 1));
    return left == 1;
}

static void count_allocation(void)
{
    atomic_fetch_add(&allocations, 1);
    atomic_fetch_add(&live, 1);
}

void *gng_memory_allocate(size_t bytes)
{
    size_t padded;
    if (hook_fails() || !round_up(bytes > 0 ? bytes : 1, GNG_ALIGNMENT, &padded))
        return NULL;
    void *block = aligned_alloc(GNG_ALIGNMENT, padded);
    if (block == NULL)
        return NULL;
    memset(block, 0, padded);
    count_allocation();
    return block;
}

void *gng_memory_allocate_array(size_t count, size_t element_bytes)
{
    size_t bytes;
    /* What does not fit is passed on as the largest size, which fails too, so that the hook counts every request. */
    return gng_memory_allocate(gng_size_multiply(count, element_bytes, &bytes) ? bytes : SIZE_MAX);
}

void gng_memory_release(void *block)
{
    if (block == NULL)
        return;
    free(block);
    atomic_fetch_sub(&live, 1);
}

bool gng_memory_has_room(size_t bytes)
{
    void *mapping = MAP_FAILED;
    if (!hook_fails())
        mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
        return false;
    (void)munmap(mapping, bytes);
    return true;
}

uint64_t gng_memory_allocation_count(void)
{
    return atomic_load(&allocations);
}

uint64_t gng_memory_live_count(void)
{
    return atomic_load(&live);
}

void gng_memory_fail_nth(uint64_t n)
{
    atomic_store(&countdown, n);
}

size_t gng_arena_layout_add(gng_arena_layout *layout, size_t count, size_t element_bytes)
{
    const size_t offset = layout->bytes;
    size_t bytes, end;
    if (!gng_size_multiply(count, element_bytes, &bytes) || !round_up(bytes, GNG_ALIGNMENT, &bytes) ||
        !gng_size_add(offset, bytes, &end)) {
        layout->overflow = true;
        return 0;
    }
    layout->bytes = end;
    return offset;
}

gng_status gng_arena_create(const gng_arena_layout *layout, gng_arena *out)
{
    /* Below one huge page, small pages are cheaper than zeroing a whole one. */
    const bool huge = layout->bytes >= HUGE_PAGE_BYTES;
    size_t bytes, mapping_bytes;
    if (layout->overflow || !round_up(layout->bytes > 0 ? layout->bytes : 1, huge ? HUGE_PAGE_BYTES : 4096, &bytes) ||
        !gng_size_add(bytes, HUGE_PAGE_BYTES, &mapping_bytes))
        return gng_error_set(GNG_STATUS_TOO_LARGE,
                             "the memory plan exceeds the address range of the process; "
                             "use smaller pictures or a smaller batch");
    void *mapping = MAP_FAILED;
    if (!hook_fails())
        mapping = mmap(NULL, mapping_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
        return gng_error_set(GNG_STATUS_MEMORY,
                             "the system refused an arena of %zu bytes; use a smaller batch or close other programs",
                             layout->bytes);
    const size_t misaligned = (uintptr_t)mapping % HUGE_PAGE_BYTES;
    unsigned char *base = (unsigned char *)mapping + (misaligned > 0 ? HUGE_PAGE_BYTES - misaligned : 0);
    /* Advice only: a kernel without huge pages refuses it, and the arena works all the same. */
    if (huge)
        (void)madvise(base, bytes, MADV_HUGEPAGE);
    count_allocation();
    *out = (gng_arena){.base = base, .bytes = layout->bytes, .mapping = mapping, .mapping_bytes = mapping_bytes};
    return GNG_OK;
}

void gng_arena_destroy(gng_arena *arena)
{
    if (arena->mapping != NULL) {
        (void)munmap(arena->mapping, arena->mapping_bytes);
        atomic_fetch_sub(&live, 1);
    }
    *arena = (gng_arena){0};
}

void *gng_arena_at(const gng_arena *arena, size_t offset)
{
    return arena->base + offset;
}
