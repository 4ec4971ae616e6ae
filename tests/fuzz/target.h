/* What the fuzz targets share. A target looks at one input and ends the process when a promise is broken. */
#ifndef GNG_TESTS_FUZZ_TARGET_H
#define GNG_TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The name that libFuzzer looks for. bytes[count] is borrowed. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* Ends the process, which a fuzzer takes for a finding. */
#define REQUIRE(condition)                                                                 \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            (void)fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

/* What memory holds before it is used. */
typedef enum poison { POISON_ZEROS, POISON_AA, POISON_RANDOM, POISON_COUNT } poison;

/* Fills block[count] so; POISON_RANDOM gives the same bytes for the same count, and others for the next call with it. */
void poison_fill(poison with, void *block, size_t count);

/* From now on the heap blocks that the core is given hold this, and so does the stack below the caller. */
void poison_memory(poison with);

#endif
