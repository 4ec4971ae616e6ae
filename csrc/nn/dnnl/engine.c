/* The bracket around every task of a net, and the one engine object with the settings of the library. */
#include "nn/dnnl/dnnl_engine.h"

#include <stdio.h>
#include <threads.h>

#include "base/arithmetic.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "nn/dnnl/memory.h"

/* OpenMP 5.2, sections 18.2.1 and 18.2.3. Declared here because omp.h comes with a compiler's OpenMP package, which the
 * library, built with GNU OpenMP, does not need. */
void omp_set_num_threads(int threads);
int omp_get_max_threads(void);

/* The library keeps one instruction-set limit, one cache and one set of switches for the process, so the engine is one too. */
static struct {
    once_flag looked, started, named;
    bool safe;
    dnnl_engine_t engine;
    dnnl_status_t status; /* of the first call that failed while starting */
    const char *call;
    char version[64];
} engine_global = {.looked = ONCE_FLAG_INIT, .started = ONCE_FLAG_INIT, .named = ONCE_FLAG_INIT};

gng_engine_bracket gng_engine_enter(void)
{
    gng_engine_bracket bracket = {.floating_point_mode = gng_arithmetic_exchange(GNG_ARITHMETIC_FLUSH), .engine = gng_engine_available()};
    if (bracket.engine) {
        bracket.openmp_threads = omp_get_max_threads();
        omp_set_num_threads(1);
    }
    return bracket;
}

void gng_engine_leave(gng_engine_bracket bracket)
{
    if (bracket.engine)
        omp_set_num_threads(bracket.openmp_threads);
    (void)gng_arithmetic_exchange(bracket.floating_point_mode);
}

/* CPUID costs microseconds in a virtual machine. */
static void look(void)
{
    engine_global.safe = gng_cpu_engine_safe();
}

bool gng_engine_available(void)
{
    call_once(&engine_global.looked, look);
    return engine_global.safe && gng_cpu_effective() != GNG_INSTRUCTION_SET_SCALAR;
}

/* Measured with 16 workers: 1 MiB to plan a layer, 6 MiB for the first run of a net, which compiles what planning put off. The
 * rest is for the stacks of threads that start meanwhile. */
enum { ENGINE_ROOM_BYTES = 32 << 20 };

gng_status gng_engine_check_room(void)
{
    if (!gng_engine_available() || gng_memory_has_room(ENGINE_ROOM_BYTES))
        return GNG_OK;
    return gng_error_set(GNG_STATUS_MEMORY, "oneDNN: found less than the %d MiB of memory that it may need; use a smaller batch or close other programs",
                         ENGINE_ROOM_BYTES >> 20);
}

static void name(void)
{
    const dnnl_version_t *version = dnnl_version();
    (void)snprintf(engine_global.version, sizeof engine_global.version, "%d.%d.%d (%.40s)", version->major, version->minor, version->patch,
                   version->hash != NULL ? version->hash : "no hash");
}

const char *gng_engine_version(void)
{
    call_once(&engine_global.named, name);
    return engine_global.version;
}

static dnnl_cpu_isa_t engine_limit(void)
{
    switch (gng_cpu_effective()) {
    case GNG_INSTRUCTION_SET_AMX:
        return dnnl_cpu_isa_avx512_core_amx;
    case GNG_INSTRUCTION_SET_AVX512:
        return dnnl_cpu_isa_avx512_core;
    case GNG_INSTRUCTION_SET_AVX2:
        return dnnl_cpu_isa_avx2;
    default:
        return dnnl_cpu_isa_sse41;
    }
}

/* A library built without a switch has nothing to switch off. */
static void apply(dnnl_status_t status, const char *call)
{
    if (engine_global.status == dnnl_success && status != dnnl_success && status != dnnl_unimplemented) {
        engine_global.status = status;
        engine_global.call = call;
    }
}

#define APPLY(function, ...) apply(function(__VA_ARGS__), #function)

/* Primitives kept for a second plan of the same shape; the library's own default. */
enum { CACHED_PRIMITIVES = 1024 };

static void start(void)
{
    gng_cpu_freeze();
    APPLY(dnnl_set_max_cpu_isa, engine_limit());
    APPLY(dnnl_set_cpu_isa_hints, dnnl_cpu_isa_no_hints);
    APPLY(dnnl_set_default_fpmath_mode, dnnl_fpmath_mode_strict);
    APPLY(dnnl_set_verbose, 0);
    APPLY(dnnl_set_jit_dump, 0);
    APPLY(dnnl_set_jit_profiling_flags, DNNL_JIT_PROFILE_NONE);
    APPLY(dnnl_set_primitive_cache_capacity, CACHED_PRIMITIVES);
    APPLY(dnnl_engine_create, &engine_global.engine, dnnl_cpu, 0);
}

gng_status gng_engine_get(dnnl_engine_t *out)
{
    if (!gng_engine_available())
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "oneDNN is not in use on this processor at the instruction-set limit '%s'",
                             gng_instruction_set_name(gng_cpu_effective()));
    GNG_TRY(gng_engine_check_room());
    call_once(&engine_global.started, start);
    GNG_TRY(gng_engine_check(engine_global.status, engine_global.call));
    *out = engine_global.engine;
    return GNG_OK;
}
