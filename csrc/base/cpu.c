/* What processor and operating system offer, read from CPUID, XCR0 and the affinity mask, and the limit set below it.
 *
 * A feature bit alone is not enough: vector registers are usable only where the operating system saves them (XCR0), and
 * tiles only after the process asked for them.
 */
#define _GNU_SOURCE /* sched_getaffinity, syscall */

#include "base/cpu.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum { FROZEN = 0x100 };

static struct {
    atomic_int state;    /* gng_instruction_set, and FROZEN */
    atomic_int detected; /* gng_instruction_set + 1; 0: not looked yet (CPUID is slow in virtual machines) */
} limit = {GNG_INSTRUCTION_SET_AMX, 0};

static const char *const set_names[GNG_INSTRUCTION_SET_COUNT] = {"scalar", "sse41", "avx2", "avx512", "amx"};

const char *gng_instruction_set_name(gng_instruction_set set)
{
    return (unsigned)set < GNG_INSTRUCTION_SET_COUNT ? set_names[set] : "unknown";
}

gng_status gng_instruction_set_from_name(const char *name, gng_instruction_set *out)
{
    for (int set = 0; set < GNG_INSTRUCTION_SET_COUNT; set++)
        if (strcmp(name, set_names[set]) == 0) {
            *out = (gng_instruction_set)set;
            return GNG_OK;
        }
    return gng_error_set(GNG_STATUS_ARGUMENT,
                         "unknown instruction set '%s'; use one of scalar, sse41, avx2, avx512, amx", name);
}

#if defined(__x86_64__)

typedef struct cpuid_leaf {
    uint32_t eax, ebx, ecx, edx;
} cpuid_leaf;

/* All zero above the highest leaf: a processor answers a leaf it does not know with another one's data. */
static cpuid_leaf read_leaf(uint32_t number, uint32_t sub)
{
    cpuid_leaf leaf = {0, 0, 0, 0};
    __cpuid(number & 0x80000000U, leaf.eax, leaf.ebx, leaf.ecx, leaf.edx);
    if (leaf.eax < number)
        return (cpuid_leaf){0, 0, 0, 0};
    __cpuid_count(number, sub, leaf.eax, leaf.ebx, leaf.ecx, leaf.edx);
    return leaf;
}

static void read_vendor(char vendor[13])
{
    const cpuid_leaf leaf = read_leaf(0, 0);
    memcpy(vendor, &leaf.ebx, 4);
    memcpy(vendor + 4, &leaf.edx, 4);
    memcpy(vendor + 8, &leaf.ecx, 4);
    vendor[12] = '\0';
}

static bool has_bits(uint64_t value, uint64_t bits)
{
    return (value & bits) == bits;
}

/* Register states that the operating system saves; 0 without XSAVE. Intel SDM volume 1, section 13.3. */
static uint64_t saved_states(void)
{
    if (!has_bits(read_leaf(1, 0).ecx, 1U << 27))
        return 0;
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Linux hands tiles out on request (Documentation/arch/x86/xstate.rst): arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA). */
static bool tiles_granted(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

/* Feature bits: Intel SDM volume 2, CPUID; states in XCR0: 1 XMM, 2 YMM, 5 to 7 ZMM and masks, 17 and 18 tiles. */
static gng_instruction_set detect(void)
{
    const cpuid_leaf basic = read_leaf(1, 0), extended = read_leaf(7, 0);
    const uint64_t states = saved_states();
    const uint32_t sse41 = 1U << 19, fma = 1U << 12, avx = 1U << 28;
    const uint32_t avx2 = 1U << 5;
    const uint32_t avx512 = 1U << 16 | 1U << 17 | 1U << 28 | 1U << 30 | 1U << 31; /* F, DQ, CD, BW, VL */
    const uint32_t amx = 1U << 22 | 1U << 24 | 1U << 25;                          /* BF16, TILE, INT8 */
    if (!has_bits(basic.ecx, sse41))
        return GNG_INSTRUCTION_SET_SCALAR;
    if (!has_bits(basic.ecx, fma | avx) || !has_bits(extended.ebx, avx2) || !has_bits(states, 0x6))
        return GNG_INSTRUCTION_SET_SSE41;
    if (!has_bits(extended.ebx, avx512) || !has_bits(states, 0xE6))
        return GNG_INSTRUCTION_SET_AVX2;
    if (!has_bits(extended.edx, amx) || !has_bits(states, 0x600E6) || !tiles_granted())
        return GNG_INSTRUCTION_SET_AVX512;
    return GNG_INSTRUCTION_SET_AMX;
}

bool gng_cpu_engine_safe(void)
{
    char vendor[13];
    read_vendor(vendor);
    const bool has_cache_leaf = read_leaf(0x80000000U, 0).eax >= 0x8000001DU;
    return strcmp(vendor, "AuthenticAMD") != 0 || !has_cache_leaf || read_leaf(0, 0).eax >= 0xB;
}

/* Vendor, and the brand text of leaves 0x80000002 to 0x80000004 without the blanks around it. */
static void read_names(char vendor[13], char brand[49])
{
    read_vendor(vendor);
    for (uint32_t i = 0; i < 3; i++) {
        const cpuid_leaf leaf = read_leaf(0x80000002U + i, 0);
        memcpy(brand + 16 * i, &leaf, 16);
    }
    brand[48] = '\0';
    const size_t blanks = strspn(brand, " ");
    memmove(brand, brand + blanks, 49 - blanks);
    size_t length = strlen(brand);
    while (length > 0 && brand[length - 1] == ' ')
        brand[--length] = '\0';
}

/* Deterministic cache parameters: Intel SDM volume 2, CPUID leaf 4; AMD's leaf 0x8000001D has the same fields. */
void gng_cpu_describe_caches(char *text, size_t bytes)
{
    enum { DATA = 1, UNIFIED = 3, CACHES_MAX = 16 };
    char vendor[13];
    read_vendor(vendor);
    const uint32_t number = strcmp(vendor, "AuthenticAMD") == 0 ? 0x8000001DU : 4;
    size_t length = 0;
    (void)snprintf(text, bytes, "unknown");
    for (uint32_t i = 0; i < CACHES_MAX; i++) {
        const cpuid_leaf leaf = read_leaf(number, i);
        const uint32_t type = leaf.eax & 31, level = leaf.eax >> 5 & 7, sharing = (leaf.eax >> 14 & 0xFFF) + 1;
        if (type == 0)
            break;
        if (type != DATA && type != UNIFIED)
            continue;
        const uint64_t line = (leaf.ebx & 0xFFF) + 1, partitions = (leaf.ebx >> 12 & 0x3FF) + 1, ways = (leaf.ebx >> 22) + 1;
        const uint64_t size = line * partitions * ways * ((uint64_t)leaf.ecx + 1);
        if (length < bytes)
            length += (size_t)snprintf(text + length, bytes - length, "%sL%u %llu KiB/%u", length > 0 ? ", " : "", (unsigned)level,
                                       (unsigned long long)(size / 1024), (unsigned)sharing);
    }
}

#else

static gng_instruction_set detect(void)
{
    return GNG_INSTRUCTION_SET_SCALAR;
}

bool gng_cpu_engine_safe(void)
{
    return true;
}

static void read_names(char vendor[13], char brand[49])
{
    memcpy(vendor, "unknown", 8);
    memcpy(brand, "processor", 10);
}

void gng_cpu_describe_caches(char *text, size_t bytes)
{
    (void)snprintf(text, bytes, "unknown");
}

#endif

gng_instruction_set gng_cpu_detected(void)
{
    int known = atomic_load(&limit.detected);
    if (known == 0) {
        known = (int)detect() + 1;
        atomic_store(&limit.detected, known);
    }
    return (gng_instruction_set)(known - 1);
}

gng_instruction_set gng_cpu_effective(void)
{
    const gng_instruction_set detected = gng_cpu_detected();
    const gng_instruction_set allowed = (gng_instruction_set)(atomic_load(&limit.state) & ~FROZEN);
    return detected < allowed ? detected : allowed;
}

gng_status gng_cpu_limit_set(gng_instruction_set wanted)
{
    if ((unsigned)wanted >= GNG_INSTRUCTION_SET_COUNT)
        return gng_error_set(GNG_STATUS_ARGUMENT, "instruction set number %d; expected 0 (scalar) to %d (amx)",
                             (int)wanted, GNG_INSTRUCTION_SET_COUNT - 1);
    int seen = atomic_load(&limit.state);
    do {
        const int allowed = seen & ~FROZEN;
        if (allowed == (int)wanted)
            return GNG_OK;
        if (seen & FROZEN)
            return gng_error_set(GNG_STATUS_STATE,
                                 "the instruction-set limit is fixed at '%s' since the first use of a net; "
                                 "set '%s' at the start of a new process",
                                 set_names[allowed], set_names[wanted]);
    } while (!atomic_compare_exchange_weak(&limit.state, &seen, (int)wanted));
    return GNG_OK;
}

void gng_cpu_freeze(void)
{
    atomic_fetch_or(&limit.state, FROZEN);
}

int gng_cpu_count(void)
{
    cpu_set_t sets[16]; /* 16384 processors; a kernel with more refuses the call */
    if (sched_getaffinity(0, sizeof sets, sets) != 0)
        return 1;
    const int count = CPU_COUNT_S(sizeof sets, sets);
    return count > 0 ? count : 1;
}

void gng_cpu_describe(char *text, size_t bytes)
{
    char vendor[13], brand[49];
    read_names(vendor, brand);
    (void)snprintf(text, bytes, "%s %s, %s", vendor, brand, gng_instruction_set_name(gng_cpu_effective()));
}
