/* Memory that never looks fresh: the linker sends the core's requests here (--wrap=aligned_alloc). */
#include "target.h"

#include <string.h>

enum { STACK_BYTES = 16 * 1024 };

static poison current;
static uint32_t state = 1;

void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);

void poison_fill(poison with, void *block, size_t count)
{
    if (with != POISON_RANDOM) {
        memset(block, with == POISON_AA ? 0xAA : 0, count);
        return;
    }
    unsigned char *bytes = block;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u; /* Numerical Recipes */
        bytes[i] = (unsigned char)(state >> 24);
    }
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    void *block = __real_aligned_alloc(alignment, bytes);
    if (block != NULL)
        poison_fill(current, block, bytes);
    return block;
}

__attribute__((noinline)) static void poison_stack(poison with)
{
    unsigned char below[STACK_BYTES];
    poison_fill(with, below, sizeof below);
    __asm__ volatile("" : : "r"(below) : "memory"); /* or the compiler leaves it out */
}

void poison_memory(poison with)
{
    current = with;
    poison_stack(with);
}
