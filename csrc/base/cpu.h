/* Processor features and the limit that a caller may set on the instruction set. */
#ifndef GNG_BASE_CPU_H
#define GNG_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* Ordered: a level contains those before it. SCALAR runs our reference code alone, without oneDNN. */
typedef enum gng_instruction_set {
    GNG_INSTRUCTION_SET_SCALAR,
    GNG_INSTRUCTION_SET_SSE41,
    GNG_INSTRUCTION_SET_AVX2,   /* with FMA */
    GNG_INSTRUCTION_SET_AVX512, /* F, BW, DQ, VL, CD */
    GNG_INSTRUCTION_SET_AMX,    /* AVX-512 with bfloat16 and int8 tiles usable by this process */
    GNG_INSTRUCTION_SET_COUNT
} gng_instruction_set;

const char *gng_instruction_set_name(gng_instruction_set set); /* "scalar", "sse41", "avx2", "avx512", "amx" */
/* ARGUMENT for an unknown name. */
GNG_MUST_CHECK gng_status gng_instruction_set_from_name(const char *name, gng_instruction_set *out);

/* The best level that processor and operating system offer. */
gng_instruction_set gng_cpu_detected(void);
/* min(detected, limit): what all choices of kernels use. */
gng_instruction_set gng_cpu_effective(void);
/* Sets the limit for the process. Allowed until gng_cpu_freeze was called (the engine fixes its own limit at its first
 * use and cannot change it), STATE afterwards unless the limit stays the same. */
GNG_MUST_CHECK gng_status gng_cpu_limit_set(gng_instruction_set limit);
void gng_cpu_freeze(void);

/* False on AMD processors with CPUID leaf 0x8000001D but a maximum basic leaf below 0xB: oneDNN 3.2 divides by zero
 * there at its first call. Reads CPUID alone. */
bool gng_cpu_engine_safe(void);

/* Processors this process may run on (affinity), at least 1. */
int gng_cpu_count(void);

/* "GenuineIntel Intel(R) Xeon(R) ..., avx512" and so on into text[bytes], always terminated. */
void gng_cpu_describe(char *text, size_t bytes);

/* Data caches and how many logical processors share each, "L1 48 KiB/2, L2 2048 KiB/2, L3 107520 KiB/96", into text[bytes], always
 * terminated; "unknown" where the processor does not tell. The engine sizes its blocks by them, and with the blocks the order of sums. */
void gng_cpu_describe_caches(char *text, size_t bytes);

#endif
