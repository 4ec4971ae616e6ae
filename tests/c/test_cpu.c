/* Names, the limit, the description, and the check that keeps one engine from dividing by zero. */
#define _GNU_SOURCE /* registers of a signal's context */

#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/cpu.h"
#include "check.h"

static void names_lead_back(void)
{
    for (int set = 0; set < GNG_INSTRUCTION_SET_COUNT; set++) {
        gng_instruction_set found = GNG_INSTRUCTION_SET_COUNT;
        CHECK_STATUS(gng_instruction_set_from_name(gng_instruction_set_name((gng_instruction_set)set), &found), GNG_OK);
        CHECK((int)found == set);
    }
    gng_instruction_set untouched = GNG_INSTRUCTION_SET_AVX2;
    CHECK_STATUS(gng_instruction_set_from_name("AVX2", &untouched), GNG_STATUS_ARGUMENT);
    CHECK_STATUS(gng_instruction_set_from_name("", &untouched), GNG_STATUS_ARGUMENT);
    CHECK(untouched == GNG_INSTRUCTION_SET_AVX2);
    CHECK_TEXT(gng_instruction_set_name(GNG_INSTRUCTION_SET_COUNT), "unknown");
}

/* The compiler's own detection, written by others, knows all but tiles. */
static void detection_agrees_with_the_compiler(void)
{
#if defined(__x86_64__)
    gng_instruction_set expected = GNG_INSTRUCTION_SET_SCALAR;
    if (__builtin_cpu_supports("sse4.1"))
        expected = GNG_INSTRUCTION_SET_SSE41;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        expected = GNG_INSTRUCTION_SET_AVX2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
        expected = GNG_INSTRUCTION_SET_AVX512;
    const gng_instruction_set detected = gng_cpu_detected();
    CHECK(detected == expected || (detected == GNG_INSTRUCTION_SET_AMX && expected == GNG_INSTRUCTION_SET_AVX512));
#else
    CHECK(gng_cpu_detected() == GNG_INSTRUCTION_SET_SCALAR);
#endif
}

static void the_limit_holds_until_frozen(void)
{
    CHECK(gng_cpu_effective() == gng_cpu_detected());
    for (int set = 0; set < GNG_INSTRUCTION_SET_COUNT; set++) {
        CHECK_STATUS(gng_cpu_limit_set((gng_instruction_set)set), GNG_OK);
        CHECK((int)gng_cpu_effective() == (set < (int)gng_cpu_detected() ? set : (int)gng_cpu_detected()));
    }
    CHECK_STATUS(gng_cpu_limit_set(GNG_INSTRUCTION_SET_COUNT), GNG_STATUS_ARGUMENT);
    CHECK_STATUS(gng_cpu_limit_set((gng_instruction_set)-1), GNG_STATUS_ARGUMENT);
    CHECK_STATUS(gng_cpu_limit_set(GNG_INSTRUCTION_SET_SCALAR), GNG_OK);
    gng_cpu_freeze();
    CHECK_STATUS(gng_cpu_limit_set(GNG_INSTRUCTION_SET_SCALAR), GNG_OK);
    CHECK_STATUS(gng_cpu_limit_set(GNG_INSTRUCTION_SET_AVX2), GNG_STATUS_STATE);
    CHECK(gng_cpu_effective() == GNG_INSTRUCTION_SET_SCALAR);
    gng_cpu_freeze();
    CHECK_STATUS(gng_cpu_limit_set(GNG_INSTRUCTION_SET_SCALAR), GNG_OK);
}

static void the_description_fits_its_buffer(void)
{
    char whole[256], part[8];
    memset(part, 'x', sizeof part);
    gng_cpu_describe(whole, sizeof whole);
    CHECK(strstr(whole, ", scalar") != NULL); /* the frozen limit */
    CHECK(strlen(whole) > sizeof part);
    gng_cpu_describe(part, sizeof part);
    CHECK(strlen(part) == sizeof part - 1 && memcmp(whole, part, sizeof part - 1) == 0);
}

static void the_caches_are_told_whole_or_cut(void)
{
    char whole[256], part[8];
    memset(part, 'x', sizeof part);
    gng_cpu_describe_caches(whole, sizeof whole);
    CHECK(strcmp(whole, "unknown") == 0 || (strstr(whole, "L1 ") == whole && strstr(whole, " KiB/") != NULL));
    gng_cpu_describe_caches(part, sizeof part);
    CHECK(strlen(part) == sizeof part - 1 && memcmp(whole, part, sizeof part - 1) == 0);
}

static void the_count_follows_the_affinity(void)
{
    cpu_set_t before, one;
    if (!CHECK(sched_getaffinity(0, sizeof before, &before) == 0))
        return;
    CHECK(gng_cpu_count() == CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (size_t cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(gng_cpu_count() == 1);
    CHECK(sched_setaffinity(0, sizeof before, &before) == 0);
}

#if defined(__x86_64__)

/* A processor played by a signal handler: with CPUID faulting on, every CPUID instruction arrives here. */
static struct {
    uint32_t vendor[3]; /* EBX, EDX, ECX */
    uint32_t highest, highest_extended;
} played;

static void play_cpuid(int number, siginfo_t *information, void *context)
{
    (void)number;
    (void)information;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint32_t leaf = (uint32_t)registers[REG_RAX];
    registers[REG_RAX] = leaf == 0 ? played.highest : leaf == 0x80000000U ? played.highest_extended : 0;
    registers[REG_RBX] = leaf == 0 ? played.vendor[0] : 0;
    registers[REG_RDX] = leaf == 0 ? played.vendor[1] : 0;
    registers[REG_RCX] = leaf == 0 ? played.vendor[2] : 0;
    registers[REG_RIP] += 2; /* the length of the instruction */
}

/* In a child, since a mistake in here ends the process. 0: unsafe, 1: safe, 2: this machine cannot fault on CPUID. */
static int answer_on(const char *vendor, uint32_t highest, uint32_t highest_extended)
{
    const pid_t child = fork();
    if (child == 0) {
        memcpy(played.vendor, vendor, 12);
        played.highest = highest;
        played.highest_extended = highest_extended;
        struct sigaction action = {.sa_sigaction = play_cpuid, .sa_flags = SA_SIGINFO};
        enum { CPUID_SET = 0x1012 };
        if (sigaction(SIGSEGV, &action, NULL) != 0 || syscall(SYS_arch_prctl, CPUID_SET, 0) != 0)
            _exit(2);
        _exit(gng_cpu_engine_safe() ? 1 : 0);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void the_engine_is_refused_where_it_would_divide_by_zero(void)
{
    static const struct {
        const char *vendor; /* in the order EBX, EDX, ECX, in which it reads as text */
        uint32_t highest, highest_extended;
        int safe;
    } cases[] = {
        {"AuthenticAMD", 0xA, 0x8000001D, 0},
        {"AuthenticAMD", 0x1, 0x8000001F, 0},
        {"AuthenticAMD", 0xB, 0x8000001F, 1},
        {"AuthenticAMD", 0xD, 0x8000001D, 1},
        {"AuthenticAMD", 0xA, 0x8000001C, 1},
        {"GenuineIntel", 0xA, 0x8000001F, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int answer = answer_on(cases[i].vendor, cases[i].highest, cases[i].highest_extended);
        if (answer == 2) {
            printf("CPUID cannot be made to fault here (an older AMD, or no such feature in this virtual machine): "
                   "the engine check was only run on the real processor\n");
            return;
        }
        CHECK(answer == cases[i].safe);
    }
}

#else

static void the_engine_is_refused_where_it_would_divide_by_zero(void)
{
    CHECK(gng_cpu_engine_safe());
}

#endif

int main(void)
{
    names_lead_back();
    detection_agrees_with_the_compiler();
    the_limit_holds_until_frozen();
    the_description_fits_its_buffer();
    the_caches_are_told_whole_or_cut();
    the_count_follows_the_affinity();
    (void)gng_cpu_engine_safe();
    the_engine_is_refused_where_it_would_divide_by_zero();
    return check_result();
}
