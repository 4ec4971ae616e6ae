/* A processor on which oneDNN 3.2 divides by zero (AMD, leaf 0x8000001D there, highest basic leaf below 0xB), played by
 * faulting CPUID: trainings and predictions run on our own kernels, without a call of oneDNN, to the same scores. Exit
 * code 77 where CPUID cannot be made to fault. */
#define _GNU_SOURCE /* registers of a signal's context, RTLD_NEXT */

#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/cpu.h"
#include "model_examples.h"
#include "nn/initialise.h"
#include "train/step.h"

enum { NOT_RUN = 77, PICTURES = 16, STEPS = 4, SIDE = 32 };

/* What a child computed, in memory that it shares with its parent. */
typedef struct results {
    double losses[STEPS];
    float logits[PICTURES];
    int engine_calls;
    char operations[1024]; /* descriptions of the nets, one after the other */
} results;

static int engine_calls;

/* Takes the place of the library's function in this program. Nothing of the library works without an engine. */
dnnl_status_t dnnl_engine_create(dnnl_engine_t *engine, dnnl_engine_kind_t kind, size_t index)
{
    dnnl_status_t (*real)(dnnl_engine_t *, dnnl_engine_kind_t, size_t);
    *(void **)&real = dlsym(RTLD_NEXT, "dnnl_engine_create");
    engine_calls++;
    return real != NULL ? real(engine, kind, index) : dnnl_runtime_error;
}

#if defined(__x86_64__)

static int allow_cpuid(int allowed)
{
    enum { CPUID_SET = 0x1012 };
    return (int)syscall(SYS_arch_prctl, CPUID_SET, allowed);
}

/* The real processor's answers, but for the vendor and the numbers of the highest leaves. */
static void play_amd(int number, siginfo_t *information, void *context)
{
    (void)number;
    (void)information;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    uint32_t a = (uint32_t)registers[REG_RAX], b, c = (uint32_t)registers[REG_RCX], d;
    const uint32_t leaf = a;
    (void)allow_cpuid(1);
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    (void)allow_cpuid(0);
    if (leaf == 0) {
        a = 0xA;
        memcpy(&b, "Auth", 4);
        memcpy(&d, "enti", 4);
        memcpy(&c, "cAMD", 4);
    } else if (leaf == 0x80000000U) {
        a = 0x8000001F;
    }
    registers[REG_RAX] = a;
    registers[REG_RBX] = b;
    registers[REG_RCX] = c;
    registers[REG_RDX] = d;
    registers[REG_RIP] += 2; /* the length of the instruction */
}

static bool become_amd(void)
{
    const struct sigaction action = {.sa_sigaction = play_amd, .sa_flags = SA_SIGINFO | SA_NODEFER};
    return sigaction(SIGSEGV, &action, NULL) == 0 && allow_cpuid(0) == 0;
}

#else

static bool become_amd(void)
{
    return false;
}

#endif

static gng_graph *create_graph(void)
{
    const gng_layer layers[] = {
        example_layer("input", GNG_LAYER_INPUT, -1),
        example_conv("conv_1", 0, 16, 3, true),
        example_activation("conv_1_relu", 1, GNG_ACTIVATION_RELU, 0),
        example_pool("pool_1", 2, GNG_POOL_MAX),
        example_conv("conv_2", 3, 16, 3, true),
        example_activation("conv_2_relu", 4, GNG_ACTIVATION_RELU, 0),
        example_pool("pool_2", 5, GNG_POOL_MAX),
        example_layer("flatten", GNG_LAYER_FLATTEN, 6),
        example_dense("logits", 7, 1, true),
    };
    gng_graph *graph = NULL;
    CHECK_STATUS(gng_graph_create(layers, sizeof layers / sizeof layers[0], (gng_tensor_shape){1, SIDE, SIDE, 1}, &graph), GNG_OK);
    return graph;
}

static void note_operations(const gng_net *net, results *out)
{
    const char *text;
    for (int32_t i = 0; (text = gng_net_describe(net, i)) != NULL; i++)
        (void)snprintf(out->operations + strlen(out->operations), sizeof out->operations - strlen(out->operations), "%s; ", text);
}

static gng_status fill(void *argument, uint32_t position, int worker, float *out)
{
    (void)worker;
    return gng_batch_fill(argument, position, NULL, out);
}

static void predict(const gng_graph *graph, gng_net *trained, const gng_batch *batch, results *out)
{
    gng_net *net = NULL;
    const gng_net_options options = {.batch = PICTURES, .threads = 1};
    CHECK_STATUS(gng_net_create(graph, &options, &net), GNG_OK);
    if (net == NULL)
        return;
    memcpy(gng_net_parameters(net), gng_net_parameters(trained), graph->parameter_floats * sizeof(float));
    CHECK_STATUS(gng_net_pack(net, NULL), GNG_OK);
    gng_batch pictures = *batch;
    const gng_net_run run = {.count = PICTURES, .fill = fill, .argument = &pictures};
    CHECK_STATUS(gng_net_infer(net, NULL, &run, out->logits), GNG_OK);
    note_operations(net, out);
    gng_net_destroy(net);
}

static void train(const gng_graph *graph, const gng_batch *batch, results *out)
{
    gng_step *step = NULL;
    const gng_optimizer optimizer = gng_optimizer_default(GNG_OPTIMIZER_ADAM);
    CHECK_STATUS(gng_step_create(graph, batch->samples, PICTURES, 1, &optimizer, &step), GNG_OK);
    if (step == NULL)
        return;
    gng_net *net = gng_step_net(step);
    gng_graph_initialise(graph, GNG_INITIALISER_HE_NORMAL, 1, gng_net_parameters(net), gng_net_states(net));
    for (int i = 0; i < STEPS; i++) {
        gng_step_result result = {0};
        CHECK_STATUS(gng_step_run(step, NULL, batch, 1, 1e-3, true, &result), GNG_OK);
        out->losses[i] = result.loss;
    }
    note_operations(net, out);
    predict(graph, net, batch, out);
    gng_step_destroy(step);
}

static void compute(results *out)
{
    static uint8_t pixels[PICTURES * SIDE * SIDE];
    float targets[PICTURES];
    uint32_t indices[PICTURES];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 2654435761U >> 13);
    for (uint32_t i = 0; i < PICTURES; i++) {
        targets[i] = (float)(i % 2);
        indices[i] = i;
    }
    gng_graph *graph = create_graph();
    if (graph == NULL)
        return;
    const gng_samples samples = {.pixels = pixels, .count = PICTURES, .shape = graph->shapes[0]};
    const gng_batch batch = {.samples = &samples, .targets = targets, .indices = indices, .count = PICTURES};
    train(graph, &batch, out);
    gng_graph_destroy(graph);
    out->engine_calls = engine_calls;
}

typedef enum machine { REAL, SCALAR, AMD } machine;

/* In a child of its own: the limit and the engine are fixed once in a process. Returns its exit code, -1 where a signal ended it. */
static int compute_on(machine kind, results *out)
{
    const pid_t child = fork();
    if (child == 0) {
        if (kind == AMD && !become_amd())
            _exit(NOT_RUN);
        if (kind == SCALAR)
            CHECK_STATUS(gng_cpu_limit_set(GNG_INSTRUCTION_SET_SCALAR), GNG_OK);
        compute(out);
        _exit(check_result());
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void check_same(const results *found, const results *expected)
{
    for (int i = 0; i < STEPS; i++)
        CHECK_NEAR(found->losses[i], expected->losses[i], 1e-4);
    for (int i = 0; i < PICTURES; i++)
        CHECK_NEAR((double)found->logits[i], (double)expected->logits[i], 1e-3);
}

int main(void)
{
    results *of = mmap(NULL, 3 * sizeof *of, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!CHECK(of != MAP_FAILED))
        return 1;
    CHECK(compute_on(SCALAR, &of[SCALAR]) == 0);
    CHECK(of[SCALAR].losses[STEPS - 1] > 0 && of[SCALAR].losses[STEPS - 1] < of[SCALAR].losses[0]);
    CHECK(compute_on(REAL, &of[REAL]) == 0);
    check_same(&of[REAL], &of[SCALAR]);
    /* Where the engine is used, this program sees it: otherwise seeing nothing would mean nothing. */
    const bool used = gng_cpu_engine_safe() && gng_cpu_detected() > GNG_INSTRUCTION_SET_SCALAR;
    CHECK((of[REAL].engine_calls > 0) == used && (strstr(of[REAL].operations, "dnnl") != NULL) == used);
    const int code = compute_on(AMD, &of[AMD]);
    if (code == NOT_RUN) {
        printf("CPUID faulting\n");
        return check_result() == 0 ? NOT_RUN : 1;
    }
    CHECK(code == 0);
    check_same(&of[AMD], &of[SCALAR]);
    CHECK(of[AMD].engine_calls == 0);
    CHECK(strlen(of[AMD].operations) > 0 && strstr(of[AMD].operations, "dnnl") == NULL);
    (void)munmap(of, 3 * sizeof *of);
    return check_result();
}
