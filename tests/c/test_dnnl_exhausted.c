/* oneDNN where the system has little memory left: MEMORY or the right result, never the end of the process. */
#define _GNU_SOURCE /* fork, setrlimit */

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "instruction_sets.h"
#include "model_examples.h"
#include "nn/dnnl/dnnl_engine.h"
#include "nn/net.h"

/* A sanitizer itself needs terabytes of addresses, so under it nothing can be limited. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { PICTURES = 4, PIXELS = 8 * 6, LOGITS = 2, FINE = 24, COARSE = 24 };

static gng_status fill(void *argument, uint32_t position, int worker, float *out)
{
    (void)argument, (void)worker;
    for (uint32_t i = 0; i < PIXELS; i++)
        out[i] = (float)((i * 37 + position * 11) % 100) / 100;
    return GNG_OK;
}

/* Plans a net, packs example weights, runs it twice. */
static gng_status run(const example *e, int threads, float logits[PICTURES * LOGITS])
{
    gng_context context = {.threads = threads};
    gng_net *net = NULL;
    GNG_TRY(gng_net_create(e->model.graph, &(gng_net_options){.batch = PICTURES, .threads = threads}, &net));
    memcpy(gng_net_parameters(net), e->parameters, e->model.graph->parameter_floats * sizeof(float));
    memcpy(gng_net_states(net), e->states, e->model.graph->state_floats * sizeof(float));
    gng_status status = gng_net_pack(net, &context);
    for (int i = 0; i < 2 && status == GNG_OK; i++)
        status = gng_net_infer(net, &context, &(gng_net_run){.count = PICTURES, .fill = fill}, logits);
    gng_net_destroy(net);
    return status;
}

/* Bytes of addresses in use. */
static size_t used(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (CHECK(file != NULL && fscanf(file, "%zu", &pages) == 1))
        (void)fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

enum { RIGHT, REFUSED, WRONG };

static int run_with(size_t bytes, const example *e, int threads, const float *expected)
{
    float logits[PICTURES * LOGITS] = {0};
    const uint64_t live = gng_memory_live_count();
    const struct rlimit limit = {used() + bytes, used() + bytes};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return WRONG;
    const gng_status status = run(e, threads, logits);
    if (gng_memory_live_count() != live)
        return WRONG;
    if (status == GNG_STATUS_MEMORY)
        return REFUSED;
    return status == GNG_OK && memcmp(logits, expected, sizeof logits) == 0 ? RIGHT : WRONG;
}

static void a_little_memory_is_refused_or_enough(const example *e, int threads, const float *expected)
{
    int outcomes[3] = {0};
    for (size_t step = 0; step < FINE + COARSE; step++) {
        const size_t bytes = step < FINE ? step << 15 : (step - FINE + 1) << 21;
        const pid_t child = fork();
        if (child == 0)
            _exit(run_with(bytes, e, threads, expected));
        int ended = 0;
        CHECK(child > 0 && waitpid(child, &ended, 0) == child);
        if (CHECK(WIFEXITED(ended) && WEXITSTATUS(ended) != WRONG))
            outcomes[WEXITSTATUS(ended)]++;
        else
            fprintf(stderr, "    with %zu bytes and %d threads: %d\n", bytes, threads, ended);
    }
    CHECK(outcomes[REFUSED] > 0 && outcomes[RIGHT] > 0);
}

/* What a process without a limit computes; this one has not used the library yet. */
static void compute(const example *e, float expected[PICTURES * LOGITS])
{
    int ends[2];
    float logits[PICTURES * LOGITS];
    if (!CHECK(pipe(ends) == 0))
        return;
    if (fork() == 0)
        _exit(run(e, 1, logits) == GNG_OK && write(ends[1], logits, sizeof logits) == (ssize_t)sizeof logits ? 0 : 1);
    (void)close(ends[1]);
    CHECK(read(ends[0], expected, sizeof logits) == (ssize_t)sizeof logits);
    (void)close(ends[0]);
}

static void tests(void)
{
    example e = example_model(example_picture_graph(), false);
    float expected[PICTURES * LOGITS] = {0};
    if (SANITIZED) {
        CHECK_STATUS(run(&e, 2, expected), GNG_OK);
    } else {
        compute(&e, expected);
        for (int threads = 1; threads <= 2; threads++)
            a_little_memory_is_refused_or_enough(&e, threads, expected);
    }
    example_release(&e);
}

int main(int argc, char **argv)
{
    return run_at_every_instruction_set(argc, argv, tests);
}
