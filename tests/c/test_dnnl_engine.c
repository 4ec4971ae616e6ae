/* The bracket, and that neither the caller's floating-point mode nor environment variables change a result. */
#define _POSIX_C_SOURCE 200809L /* popen */

#include <fenv.h>
#include <stdlib.h>

#include "instruction_sets.h"
#include "operation_run.h"

void omp_set_num_threads(int threads);
int omp_get_max_threads(void);

/* x / 2, hidden from the compiler. */
static float half(float x)
{
    volatile float value = x;
    value /= 2;
    return value;
}

/* Rounding to nearest leaves 1 + 2^-30 at 1. */
static bool rounds_to_nearest(void)
{
    volatile float value = 1;
    value += 9.3132257e-10F;
    return value == 1;
}

static void check_bracket(void)
{
    const float smallest = FLT_MIN;
    omp_set_num_threads(3);
    CHECK(fesetround(FE_UPWARD) == 0);
    CHECK(!rounds_to_nearest());
    const gng_engine_bracket outer = gng_engine_enter();
    CHECK(rounds_to_nearest());
    CHECK(half(smallest) == 0);
    CHECK(omp_get_max_threads() == (gng_engine_available() ? 1 : 3));
    const gng_engine_bracket inner = gng_engine_enter();
    CHECK(half(smallest) == 0);
    gng_engine_leave(inner);
    CHECK(half(smallest) == 0);
    gng_engine_leave(outer);
    CHECK(!rounds_to_nearest());
    CHECK(fesetround(FE_TONEAREST) == 0);
    CHECK(half(smallest) > 0);
    CHECK(omp_get_max_threads() == 3);
    omp_set_num_threads(1);
}

static void check_settings(void)
{
    CHECK(gng_engine_available() == (gng_cpu_engine_safe() && gng_cpu_effective() > GNG_INSTRUCTION_SET_SCALAR));
    CHECK(strncmp(gng_engine_version(), "3.", 2) == 0);
}

static const gng_layer conv = {
    .name = "conv", .kind = GNG_LAYER_CONV, .input_count = 1, .as.conv = {64, 1, {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}}, true, 0}};

/* All bits of a convolution of 64 by 64 channels, a shape that bfloat16 tiles would take if they were allowed, in hexadecimal. */
static int print_digest(void)
{
    const gng_operation_request request = {.chain = {&conv}, .chain_length = 1, .inputs = {{64, 9, 9, 1}}, .input_count = 1, .training = true,
                                           .input_gradient = true, .workers = 1};
    operation_data data = operation_data_create(64 * 81, 64 * 81, 64 * 64 * 9, 64);
    gng_operation_memory memory;
    const gng_status status = run_lane_operation(&gng_dnnl_conv_table, &request, 0, 1, &data, &memory);
    const float *const results[] = {data.output, data.input_gradient, data.weight_gradient, data.bias_gradient};
    const size_t counts[] = {data.outputs, data.inputs, data.weights, data.biases};
    uint64_t digest = 14695981039346656037U; /* FNV-1a */
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < counts[i] * sizeof(float); k++)
            digest = (digest ^ ((const unsigned char *)results[i])[k]) * 1099511628211U;
    printf("%s %016llx\n", gng_status_name(status), (unsigned long long)digest);
    operation_data_release(&data);
    return 0;
}

/* What a process of its own prints under these variables. */
static void read_digest(const char *program, const char *environment, char *text, int bytes)
{
    char command[4096];
    (void)snprintf(command, sizeof command, "%s '%s' digest now 2>&1", environment, program);
    FILE *output = popen(command, "r");
    memset(text, 0, (size_t)bytes);
    if (output != NULL) {
        (void)fread(text, 1, (size_t)bytes - 1, output);
        (void)pclose(output);
    }
}

static void check_environment_changes_nothing(const char *program)
{
    static const char *const environments[] = {
        "ONEDNN_VERBOSE=2 DNNL_VERBOSE=2",
        "ONEDNN_MAX_CPU_ISA=SSE41 DNNL_MAX_CPU_ISA=SSE41",
        "ONEDNN_CPU_ISA_HINTS=PREFER_YMM DNNL_CPU_ISA_HINTS=PREFER_YMM",
        "ONEDNN_DEFAULT_FPMATH_MODE=ANY DNNL_DEFAULT_FPMATH_MODE=BF16",
        "ONEDNN_PRIMITIVE_CACHE_CAPACITY=0 ONEDNN_JIT_DUMP=1 ONEDNN_JIT_PROFILE=1",
        "OMP_NUM_THREADS=2 OMP_DYNAMIC=true OMP_PROC_BIND=true",
    };
    char plain[256], changed[256];
    read_digest(program, "env", plain, sizeof plain);
    CHECK(strncmp(plain, "OK ", 3) == 0);
    for (size_t i = 0; i < sizeof environments / sizeof environments[0]; i++) {
        read_digest(program, environments[i], changed, sizeof changed);
        CHECK_TEXT(changed, plain);
    }
}

static void tests(void)
{
    check_bracket();
    check_settings();
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return print_digest();
    if (argc == 1 && gng_engine_available())
        check_environment_changes_nothing(argv[0]);
    return run_at_every_instruction_set(argc, argv, tests);
}
