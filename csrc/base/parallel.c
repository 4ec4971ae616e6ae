/* The worker pool: detached threads that wait for a round of numbered tasks, run what they can claim, and wait again.
 *
 * One atomic word, the gate, says which round it is, whether it is open, how many workers may take part and how many
 * are inside. A worker touches the job only while it is counted inside; the caller closes the gate when no task is
 * left and waits for those inside, never for a worker that was too late to enter.
 */
#define _GNU_SOURCE /* clock_gettime */

#include "base/parallel.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/arithmetic.h"
#include "base/cpu.h"
#include "base/fork.h"
#include "base/signals.h"

/* The gate, from the low bits: workers inside, workers allowed (the caller included), open, round. */
#define GATE_INSIDE UINT64_C(0x3FF)
#define GATE_ALLOWED_SHIFT 10
#define GATE_OPEN (UINT64_C(1) << 20)
#define GATE_ROUND_SHIFT 21

/* A step of training leaves gaps of this order between two rounds; waking a thread that sleeps costs as much. */
enum { SPIN_NANOSECONDS = 50000, PAUSES_PER_LOOK = 32 };

static struct {
    pthread_mutex_t owner; /* held by the caller of the round; the others run their tasks themselves */
    bool fork_watched;
    int started;

    pthread_mutex_t mutex; /* guards sleeping, the waits, and the failure */
    pthread_cond_t opened, finished;
    int sleeping;
    atomic_uint_fast64_t gate;

    gng_task task;
    void *argument;
    size_t count;
    _Atomic(gng_context *) context; /* NULL between rounds */
    atomic_size_t next;
    atomic_bool failed;
    size_t failure_index;
    gng_status failure_status;
    char failure_detail[GNG_DETAIL_BYTES];
} pool = {
    .owner = PTHREAD_MUTEX_INITIALIZER,
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .opened = PTHREAD_COND_INITIALIZER,
    .finished = PTHREAD_COND_INITIALIZER,
};

int gng_context_threads(const gng_context *context)
{
    if (context == NULL)
        return 1;
    const int threads = context->threads > 0 ? context->threads : gng_cpu_count();
    return threads < GNG_THREADS_MAX ? threads : GNG_THREADS_MAX;
}

static gng_status cancelled(size_t done, size_t count)
{
    return gng_error_set(GNG_STATUS_CANCELLED, "cancelled by the caller after %zu of %zu tasks", done, count);
}

/* Whether the caller wants to stop. Only the calling thread may ask `interrupted`. */
static bool stopped(gng_context *context, bool calling_thread)
{
    if (context == NULL)
        return false;
    if (calling_thread && context->interrupted != NULL && context->interrupted(context->argument))
        atomic_store(&context->cancel, 1);
    return atomic_load(&context->cancel) != 0;
}

static gng_status run_alone(gng_context *context, bool asks, size_t count, gng_task task, void *argument)
{
    const unsigned int mode = gng_arithmetic_exchange(GNG_ARITHMETIC_DEFAULT);
    gng_status status = GNG_OK;
    for (size_t index = 0; index < count && status == GNG_OK; index++)
        status = stopped(context, asks) ? cancelled(index, count) : task(argument, index, 0);
    (void)gng_arithmetic_exchange(mode);
    return status;
}

static void record_failure(size_t index, gng_status status)
{
    pthread_mutex_lock(&pool.mutex);
    if (index < pool.failure_index) {
        pool.failure_index = index;
        pool.failure_status = status;
        memcpy(pool.failure_detail, gng_error_detail(), GNG_DETAIL_BYTES);
    }
    pthread_mutex_unlock(&pool.mutex);
    atomic_store(&pool.failed, true);
}

/* Indices are claimed in rising order and a claimed task always runs. So all tasks below a failed one run too, and the
 * lowest failure does not depend on the threads. */
static void run_claimed(int worker)
{
    gng_context *context = atomic_load(&pool.context);
    const uint64_t forks = gng_fork_count();
    /* What the program does while it is asked may fork: the child must not touch the tasks, which are the parent's. */
    while (!atomic_load(&pool.failed) && !stopped(context, worker == 0) && gng_fork_count() == forks) {
        const size_t index = atomic_fetch_add(&pool.next, 1);
        if (index >= pool.count)
            return;
        const gng_status status = pool.task(pool.argument, index, worker);
        if (status != GNG_OK)
            record_failure(index, status);
    }
}

static int64_t nanoseconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Looks at the gate for a short while without sleeping, until (gate & mask) != value. False when time ran out. */
static bool spin_while(uint64_t mask, uint64_t value)
{
    const int64_t deadline = nanoseconds() + SPIN_NANOSECONDS;
    do {
        for (int i = 0; i < PAUSES_PER_LOOK; i++) {
            if ((atomic_load_explicit(&pool.gate, memory_order_acquire) & mask) != value)
                return true;
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
    } while (nanoseconds() < deadline);
    return false;
}

/* The gate of a round other than `round`. */
static uint64_t wait_for_other_round(uint64_t round)
{
    const uint64_t mask = ~UINT64_C(0) << GATE_ROUND_SHIFT, value = round << GATE_ROUND_SHIFT;
    if (!spin_while(mask, value)) {
        pthread_mutex_lock(&pool.mutex);
        pool.sleeping++;
        while ((atomic_load(&pool.gate) & mask) == value)
            pthread_cond_wait(&pool.opened, &pool.mutex);
        pool.sleeping--;
        pthread_mutex_unlock(&pool.mutex);
    }
    return atomic_load(&pool.gate);
}

static bool enter(uint64_t gate, int worker)
{
    const uint64_t round = gate >> GATE_ROUND_SHIFT;
    while (gate >> GATE_ROUND_SHIFT == round && (gate & GATE_OPEN) != 0 &&
           (uint64_t)worker < (gate >> GATE_ALLOWED_SHIFT & GATE_INSIDE))
        if (atomic_compare_exchange_weak(&pool.gate, &gate, gate + 1))
            return true;
    return false;
}

static void leave(void)
{
    const uint64_t before = atomic_fetch_sub(&pool.gate, 1);
    if ((before & GATE_INSIDE) == 1 && (before & GATE_OPEN) == 0) {
        pthread_mutex_lock(&pool.mutex);
        pthread_cond_signal(&pool.finished);
        pthread_mutex_unlock(&pool.mutex);
    }
}

static void *worker_main(void *number)
{
    const int worker = (int)(intptr_t)number;
    (void)gng_arithmetic_exchange(GNG_ARITHMETIC_DEFAULT);
    for (uint64_t round = 0;;) {
        const uint64_t gate = wait_for_other_round(round);
        round = gate >> GATE_ROUND_SHIFT;
        if (enter(gate, worker)) {
            run_claimed(worker);
            leave();
        }
    }
    return NULL;
}

/* Only the thread that called fork lives on in the child. Whatever state the locks were in, the child starts afresh. */
static void forget_threads(void)
{
    pool.owner = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    pool.mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    pool.opened = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    pool.finished = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    pool.started = 0;
    pool.sleeping = 0;
    atomic_store(&pool.context, NULL);
    atomic_store(&pool.gate, 0);
}

/* Threads that can work, up to `wanted` with the caller. Where the system gives fewer, the results are the same. */
static int start_threads(int wanted)
{
    if (!pool.fork_watched)
        pool.fork_watched = gng_fork_watch() && pthread_atfork(NULL, NULL, forget_threads) == 0;
    pthread_attr_t attributes;
    if (pool.started >= wanted - 1 || !pool.fork_watched || pthread_attr_init(&attributes) != 0)
        return pool.started + 1 < wanted ? pool.started + 1 : wanted;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    /* Signals belong to the program's own threads. */
    const gng_signals before = gng_signals_hold();
    pthread_t thread;
    while (pool.started < wanted - 1 &&
           pthread_create(&thread, &attributes, worker_main, (void *)(intptr_t)(pool.started + 1)) == 0)
        pool.started++;
    gng_signals_release(&before);
    (void)pthread_attr_destroy(&attributes);
    return pool.started + 1;
}

static void open_gate(int allowed)
{
    const uint64_t round = (atomic_load(&pool.gate) >> GATE_ROUND_SHIFT) + 1;
    pthread_mutex_lock(&pool.mutex);
    atomic_store(&pool.gate, round << GATE_ROUND_SHIFT | GATE_OPEN | (uint64_t)allowed << GATE_ALLOWED_SHIFT);
    if (pool.sleeping > 0)
        pthread_cond_broadcast(&pool.opened);
    pthread_mutex_unlock(&pool.mutex);
}

static void close_gate(void)
{
    const uint64_t before = atomic_fetch_and(&pool.gate, ~GATE_OPEN);
    for (uint64_t inside = before & GATE_INSIDE; inside != 0; inside = atomic_load(&pool.gate) & GATE_INSIDE)
        if (!spin_while(GATE_INSIDE, inside)) {
            pthread_mutex_lock(&pool.mutex);
            while ((atomic_load(&pool.gate) & GATE_INSIDE) != 0)
                pthread_cond_wait(&pool.finished, &pool.mutex);
            pthread_mutex_unlock(&pool.mutex);
        }
}

static gng_status run_together(int threads, gng_context *context, size_t count, gng_task task, void *argument)
{
    pool.task = task;
    pool.argument = argument;
    pool.count = count;
    atomic_store(&pool.context, context);
    pool.failure_index = SIZE_MAX;
    atomic_store(&pool.next, 0);
    atomic_store(&pool.failed, false);
    open_gate(threads);
    const unsigned int mode = gng_arithmetic_exchange(GNG_ARITHMETIC_DEFAULT);
    const uint64_t forks = gng_fork_count();
    run_claimed(0);
    (void)gng_arithmetic_exchange(mode);
    if (gng_fork_count() != forks)
        return gng_error_set(GNG_STATUS_STATE, "the process was forked in the middle of this call, whose other threads live in the parent alone; "
                                               "do not go on with it in the child");
    close_gate();
    atomic_store(&pool.context, NULL);
    if (pool.failure_index != SIZE_MAX)
        return gng_error_set(pool.failure_status, "%s", pool.failure_detail);
    /* The caller may ask to stop after the last task was claimed: an exception is then waiting to be heard of. */
    const size_t claimed = atomic_load(&pool.next);
    const bool stop = context != NULL && atomic_load(&context->cancel) != 0;
    return claimed < count || stop ? cancelled(claimed < count ? claimed : count, count) : GNG_OK;
}

gng_status gng_parallel_run(gng_context *context, size_t count, gng_task task, void *argument)
{
    const int threads = gng_context_threads(context);
    if (threads == 1)
        return run_alone(context, true, count, task, argument);
    /* A call from inside a task finds the pool taken, as does one from another thread. A task may run in a thread that
     * must not ask `interrupted`; the round that it belongs to is of the same context, and asks. */
    if (pthread_mutex_trylock(&pool.owner) != 0)
        return run_alone(context, atomic_load(&pool.context) != context, count, task, argument);
    const int wanted = count < (size_t)threads ? (int)count : threads;
    const int available = wanted > 1 ? start_threads(wanted) : 1;
    const uint64_t forks = gng_fork_count();
    const gng_status status = available > 1 ? run_together(available, context, count, task, argument)
                                            : run_alone(context, true, count, task, argument);
    if (gng_fork_count() == forks) /* a child starts with open locks */
        pthread_mutex_unlock(&pool.owner);
    return status;
}
