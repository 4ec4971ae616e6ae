/* The only threads of the core: a pool that runs numbered tasks.
 *
 * Which thread runs a task is left to chance, so a task may write only what its index owns; results then do not depend
 * on the number of threads. Threads start at first use, spin briefly between calls and then sleep. After fork a child
 * starts a pool of its own at first use; a call in whose middle `interrupted` forked fails in the child.
 */
#ifndef GNG_BASE_PARALLEL_H
#define GNG_BASE_PARALLEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

enum { GNG_THREADS_MAX = 256 };

/* What a caller brings to every long call. Owned by the caller, who may set `cancel` from any thread or signal handler. */
typedef struct gng_context {
    int threads;       /* 1 to GNG_THREADS_MAX; 0: gng_cpu_count() */
    atomic_int cancel; /* non-zero: stop at the next task boundary and return CANCELLED */
    /* NULL, or asked between tasks in the calling thread alone: true sets `cancel`. */
    bool (*interrupted)(void *argument);
    void *argument;
} gng_context;

/* Threads that a call with this context uses at most; 1 when context is NULL. */
int gng_context_threads(const gng_context *context);

/* Task `index` of a call, run by worker `worker` (0 to threads - 1; a worker runs one task at a time, so scratch memory
 * may be indexed by it). The caller's thread is worker 0. */
typedef gng_status (*gng_task)(void *argument, size_t index, int worker);

/* Runs tasks 0 to count - 1 and returns when all are finished. On failure, no new tasks start, and the status and
 * detail of the failed task with the lowest index are the caller's. CANCELLED when context->cancel is set (NULL:
 * one thread, no cancelling), STATE in a child that was forked in the middle of the call. A call from inside a task, or while another
 * thread uses the pool, runs all its tasks in the calling thread as worker 0. With one thread no thread is ever started. Allocates nothing once the threads run. */
GNG_MUST_CHECK gng_status gng_parallel_run(gng_context *context, size_t count, gng_task task, void *argument);

#endif
