/* Long calls: the lock is released, and Ctrl-C is looked for between tasks. */
#include "bind/bind.h"

#include <time.h>

#include "base/arithmetic.h"

/* Seconds between two looks: well under the 200 ms promised, and rare enough to cost nothing. */
#define POLL_SECONDS 0.05

static double now(void)
{
    struct timespec time;
    (void)timespec_get(&time, TIME_UTC);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Runs in the calling thread, between tasks. A clock set back only postpones a look; one set forward brings one early. */
static bool interrupted(void *argument)
{
    gng_bind_call *call = argument;
    const double time = now();
    if (time >= call->polled && time - call->polled < POLL_SECONDS)
        return false;
    call->polled = time;
    PyEval_RestoreThread(call->saved);
    const bool raised = PyErr_CheckSignals() != 0;
    call->saved = PyEval_SaveThread();
    return raised;
}

void gng_bind_call_begin(gng_bind_call *call, int threads)
{
    *call = (gng_bind_call){.context = {.threads = threads, .interrupted = interrupted, .argument = call}, .polled = now()};
    call->saved = PyEval_SaveThread();
    call->arithmetic = gng_arithmetic_exchange(GNG_ARITHMETIC_DEFAULT);
}

void gng_bind_call_end(gng_bind_call *call)
{
    (void)gng_arithmetic_exchange(call->arithmetic);
    PyEval_RestoreThread(call->saved);
}
