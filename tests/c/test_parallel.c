/* The pool: every task once, the lowest failure, cancelling, nesting, callers side by side, fork, and few threads. */
#define _GNU_SOURCE /* alarm, sched_yield */

#include <dirent.h>
#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/parallel.h"
#include "check.h"

enum { TASKS = 1000 };

/* Threads of this process; -1 where the system does not say. */
static int threads_alive(void)
{
    DIR *folder = opendir("/proc/self/task");
    if (folder == NULL)
        return -1;
    int count = 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

typedef struct record {
    atomic_int runs[TASKS];
    atomic_int busy[GNG_THREADS_MAX]; /* tasks that a worker runs right now */
    atomic_int overlaps;              /* times when a worker was found to run two */
    atomic_int highest;               /* worker */
} record;

static gng_status count_run(void *argument, size_t index, int worker)
{
    record *seen = argument;
    if (atomic_fetch_add(&seen->busy[worker], 1) != 0)
        atomic_fetch_add(&seen->overlaps, 1);
    atomic_fetch_add(&seen->runs[index], 1);
    int highest = atomic_load(&seen->highest);
    while (worker > highest && !atomic_compare_exchange_weak(&seen->highest, &highest, worker))
        continue;
    atomic_fetch_sub(&seen->busy[worker], 1);
    return GNG_OK;
}

static void every_task_runs_once(int threads, size_t count)
{
    gng_context context = {.threads = threads};
    record seen = {0};
    CHECK_STATUS(gng_parallel_run(&context, count, count_run, &seen), GNG_OK);
    for (size_t i = 0; i < TASKS; i++)
        CHECK(atomic_load(&seen.runs[i]) == (i < count ? 1 : 0));
    CHECK(atomic_load(&seen.overlaps) == 0);
    CHECK(atomic_load(&seen.highest) < threads);
}

static void one_thread_starts_no_other(void)
{
    const int before = threads_alive();
    every_task_runs_once(1, TASKS);
    record seen = {0};
    CHECK_STATUS(gng_parallel_run(NULL, TASKS, count_run, &seen), GNG_OK);
    gng_context context = {.threads = 8};
    CHECK_STATUS(gng_parallel_run(&context, 1, count_run, &seen), GNG_OK);
    CHECK_STATUS(gng_parallel_run(&context, 0, count_run, &seen), GNG_OK);
    CHECK(atomic_load(&seen.runs[0]) == 2 && atomic_load(&seen.highest) == 0);
    CHECK(threads_alive() == before);
}

static void the_context_gives_the_number_of_threads(void)
{
    CHECK(gng_context_threads(NULL) == 1);
    CHECK(gng_context_threads(&(gng_context){.threads = 3}) == 3);
    CHECK(gng_context_threads(&(gng_context){.threads = 0}) >= 1);
    CHECK(gng_context_threads(&(gng_context){.threads = -1}) >= 1);
    CHECK(gng_context_threads(&(gng_context){.threads = GNG_THREADS_MAX + 1}) == GNG_THREADS_MAX);
}

/* Each of the tasks waits until all have begun, which needs as many threads. */
static gng_status meet(void *argument, size_t index, int worker)
{
    atomic_int *missing = argument;
    (void)index;
    (void)worker;
    atomic_fetch_sub(missing, 1);
    while (atomic_load(missing) > 0)
        sched_yield();
    return GNG_OK;
}

static void tasks_run_side_by_side(int threads)
{
    gng_context context = {.threads = threads};
    for (int round = 0; round < 50; round++) {
        atomic_int missing = threads;
        CHECK_STATUS(gng_parallel_run(&context, (size_t)threads, meet, &missing), GNG_OK);
    }
}

static gng_status fail_by_list(void *argument, size_t index, int worker)
{
    const bool *fails = argument;
    (void)worker;
    if (fails[index])
        return gng_error_set(index % 2 == 0 ? GNG_STATUS_FORMAT : GNG_STATUS_IO, "task %zu", index);
    return GNG_OK;
}

static void the_lowest_failure_is_the_callers(int threads)
{
    gng_context context = {.threads = threads};
    for (size_t lowest = 0; lowest < 40; lowest++) {
        bool fails[TASKS] = {false};
        for (size_t i = lowest; i < TASKS; i += 3)
            fails[i] = true;
        char expected[32];
        snprintf(expected, sizeof expected, "task %zu", lowest);
        CHECK_STATUS(gng_parallel_run(&context, TASKS, fail_by_list, fails),
                     lowest % 2 == 0 ? GNG_STATUS_FORMAT : GNG_STATUS_IO);
        CHECK_TEXT(gng_error_detail(), expected);
    }
    every_task_runs_once(threads, TASKS);
}

typedef struct cancelling {
    gng_context context;
    size_t at;
    atomic_size_t runs;
} cancelling;

static gng_status cancel_at(void *argument, size_t index, int worker)
{
    cancelling *call = argument;
    (void)worker;
    atomic_fetch_add(&call->runs, 1);
    if (index == call->at)
        atomic_store(&call->context.cancel, 1);
    return GNG_OK;
}

static void a_cancelled_call_stops(int threads)
{
    cancelling call = {.context = {.threads = threads}, .at = 5};
    CHECK_STATUS(gng_parallel_run(&call.context, SIZE_MAX / 2, cancel_at, &call), GNG_STATUS_CANCELLED);
    CHECK(atomic_load(&call.runs) >= 6);
    /* The flag stays up: the next call does not begin. */
    atomic_store(&call.runs, 0);
    CHECK_STATUS(gng_parallel_run(&call.context, 10, cancel_at, &call), GNG_STATUS_CANCELLED);
    CHECK(atomic_load(&call.runs) == 0);
    CHECK(strlen(gng_error_detail()) > 0);
    /* Too late: everything is done. */
    cancelling last = {.context = {.threads = threads}, .at = 0};
    CHECK_STATUS(gng_parallel_run(&last.context, 1, cancel_at, &last), GNG_OK);
}

typedef struct asking {
    gng_context context;
    pthread_t caller;
    atomic_int asked, elsewhere; /* elsewhere: not in the calling thread */
    int answer_at;               /* the question that is answered with yes */
    atomic_int missing;          /* for `meet` */
} asking;

static bool ask(void *argument)
{
    asking *call = argument;
    if (!pthread_equal(pthread_self(), call->caller))
        atomic_fetch_add(&call->elsewhere, 1);
    return atomic_fetch_add(&call->asked, 1) + 1 == call->answer_at;
}

static gng_status do_nothing(void *argument, size_t index, int worker)
{
    (void)argument;
    (void)index;
    (void)worker;
    return GNG_OK;
}

static gng_status meet_and_nest(void *argument, size_t index, int worker)
{
    asking *call = argument;
    GNG_TRY(meet(&call->missing, index, worker));
    return gng_parallel_run(&call->context, 10, do_nothing, NULL);
}

static bool all_have_run(void *argument)
{
    const record *seen = argument;
    int runs = 0;
    for (size_t i = 0; i < 4; i++)
        runs += atomic_load(&seen->runs[i]);
    return runs == 4;
}

/* The one who answered must not be told that nothing happened: an exception may be waiting. */
static void an_interrupt_behind_the_last_task_still_cancels(void)
{
    record seen = {0};
    gng_context context = {.threads = 2, .interrupted = all_have_run, .argument = &seen};
    const gng_status status = gng_parallel_run(&context, 4, count_run, &seen);
    CHECK((status == GNG_STATUS_CANCELLED) == (atomic_load(&context.cancel) != 0));
}

static void only_the_calling_thread_is_asked_about_interrupts(int threads)
{
    asking call = {.context = {.threads = threads, .interrupted = ask}, .caller = pthread_self(), .answer_at = 4};
    call.context.argument = &call;
    CHECK_STATUS(gng_parallel_run(&call.context, SIZE_MAX / 2, do_nothing, NULL), GNG_STATUS_CANCELLED);
    CHECK(atomic_load(&call.asked) == 4 && atomic_load(&call.context.cancel) != 0);
    call.answer_at = 0;
    atomic_store(&call.context.cancel, 0);
    atomic_store(&call.missing, threads);
    CHECK_STATUS(gng_parallel_run(&call.context, (size_t)threads, meet_and_nest, &call), GNG_OK);
    CHECK(atomic_load(&call.asked) > 4 && atomic_load(&call.elsewhere) == 0);
}

typedef struct nesting {
    gng_context context;
    record inner[8];
    pthread_t threads[8][TASKS / 8];
    pthread_t outer[8];
} nesting;

static gng_status note_thread(void *argument, size_t index, int worker)
{
    ((pthread_t *)argument)[index] = pthread_self();
    return worker == 0 ? GNG_OK : gng_error_set(GNG_STATUS_STATE, "worker %d", worker);
}

static gng_status nest(void *argument, size_t index, int worker)
{
    nesting *call = argument;
    (void)worker;
    call->outer[index] = pthread_self();
    GNG_TRY(gng_parallel_run(&call->context, TASKS, count_run, &call->inner[index]));
    return gng_parallel_run(&call->context, TASKS / 8, note_thread, call->threads[index]);
}

static void a_call_inside_a_task_stays_in_its_thread(int threads)
{
    static nesting call;
    memset(&call, 0, sizeof call);
    call.context.threads = threads;
    CHECK_STATUS(gng_parallel_run(&call.context, 8, nest, &call), GNG_OK);
    for (int i = 0; i < 8; i++) {
        for (int k = 0; k < TASKS; k++)
            CHECK(atomic_load(&call.inner[i].runs[k]) == 1);
        for (int k = 0; k < TASKS / 8; k++)
            CHECK(pthread_equal(call.threads[i][k], call.outer[i]));
    }
}

static void *call_often(void *problems)
{
    for (int round = 0; round < 200; round++) {
        gng_context context = {.threads = 1 + round % 4};
        record seen = {0};
        if (gng_parallel_run(&context, TASKS, count_run, &seen) != GNG_OK)
            atomic_fetch_add((atomic_int *)problems, 1);
        for (int i = 0; i < TASKS; i++)
            if (atomic_load(&seen.runs[i]) != 1)
                atomic_fetch_add((atomic_int *)problems, 1);
    }
    return NULL;
}

static void callers_side_by_side_all_get_their_work_done(void)
{
    enum { CALLERS = 4 };
    pthread_t callers[CALLERS];
    atomic_int problems = 0;
    int started = 0;
    while (started < CALLERS && pthread_create(&callers[started], NULL, call_often, &problems) == 0)
        started++;
    CHECK(started == CALLERS);
    for (int i = 0; i < started; i++)
        CHECK(pthread_join(callers[i], NULL) == 0);
    CHECK(atomic_load(&problems) == 0);
}

/* 1 + 2^-25 in float is 1 unless rounding is upward; the sum tells in which mode the task ran. */
static gng_status add_little(void *argument, size_t index, int worker)
{
    volatile float one = 1, little = 0x1p-25f;
    (void)worker;
    ((float *)argument)[index] = one + little;
    return GNG_OK;
}

static void the_callers_rounding_mode_changes_no_result(int threads)
{
    float sums[64] = {0};
    gng_context context = {.threads = threads};
    CHECK(fesetround(FE_UPWARD) == 0);
    CHECK_STATUS(gng_parallel_run(&context, 64, add_little, sums), GNG_OK);
    CHECK(fegetround() == FE_UPWARD);
    CHECK(fesetround(FE_TONEAREST) == 0);
    for (int i = 0; i < 64; i++)
        CHECK(sums[i] == 1);
}

/* A worker takes its own faults, so that a program's handler can tell of them, and no other signals. */
static gng_status note_signal(void *argument, size_t index, int worker)
{
    sigset_t blocked;
    const bool right = pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0 && sigismember(&blocked, SIGINT) == 1 &&
                       sigismember(&blocked, SIGPROF) == 1 && sigismember(&blocked, SIGSEGV) == 0;
    GNG_TRY(meet(argument, index, worker));
    return worker > 0 && !right ? gng_error_set(GNG_STATUS_STATE, "worker %d takes the wrong signals", worker) : GNG_OK;
}

static void signals_are_left_to_the_program(void)
{
    gng_context context = {.threads = 4};
    atomic_int missing = 4;
    CHECK_STATUS(gng_parallel_run(&context, 4, note_signal, &missing), GNG_OK);
    sigset_t blocked;
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0 && sigismember(&blocked, SIGINT) == 0);
}

static bool is_child;

/* LeakSanitizer asks this as a process ends. It looks for leaks with a process of its own, which some children may not start. */
__attribute__((visibility("default"))) int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return is_child;
}

/* Runs `check` in a child, which an alarm ends if it hangs. */
static bool child_succeeds(bool (*check)(void))
{
    const pid_t child = fork();
    if (child == 0) {
        is_child = true;
        alarm(20);
        exit(check() ? 0 : 1); /* not _exit: what measures coverage writes at the end */
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool pool_works(void)
{
    gng_context context = {.threads = 4};
    for (int round = 0; round < 20; round++) {
        record seen = {0};
        if (gng_parallel_run(&context, TASKS, count_run, &seen) != GNG_OK)
            return false;
        for (int i = 0; i < TASKS; i++)
            if (atomic_load(&seen.runs[i]) != 1)
                return false;
    }
    return true;
}

static bool pool_has_threads_of_its_own(void)
{
    const int before = threads_alive();
    tasks_run_side_by_side(3); /* hangs without two workers */
    return pool_works() && (before < 0 || threads_alive() == before + 3) && checks_failed == 0;
}

static bool grandchild_works(void)
{
    return pool_works() && child_succeeds(pool_works);
}

/* With no processes left to this user, threads cannot be started. Root is not limited, so it becomes somebody else. */
static bool pool_works_without_threads(void)
{
    const struct rlimit none = {0, 0};
    const int before = threads_alive();
    if (getuid() == 0 && setuid(65534) != 0)
        return false;
    return setrlimit(RLIMIT_NPROC, &none) == 0 && pool_works() && threads_alive() == before;
}

static void a_forked_child_works(void)
{
    CHECK(pool_works());
    CHECK(child_succeeds(pool_has_threads_of_its_own));
    CHECK(child_succeeds(grandchild_works));
    CHECK(pool_works());
}

static void *call_until_told(void *told)
{
    while (atomic_load((atomic_int *)told) == 0)
        if (!pool_works())
            return told;
    return NULL;
}

static void a_fork_in_the_middle_of_another_threads_call_is_safe(void)
{
    pthread_t caller;
    atomic_int told = 0;
    if (!CHECK(pthread_create(&caller, NULL, call_until_told, &told) == 0))
        return;
    for (int i = 0; i < 20; i++)
        CHECK(child_succeeds(pool_works));
    atomic_store(&told, 1);
    void *failed = NULL;
    CHECK(pthread_join(caller, &failed) == 0 && failed == NULL);
}

int main(void)
{
    one_thread_starts_no_other();
    the_context_gives_the_number_of_threads();
    CHECK(child_succeeds(pool_works_without_threads));
    for (int threads = 2; threads <= 16; threads += 7) {
        const size_t counts[] = {0, 1, 2, 3, 15, 16, 17, TASKS};
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
            every_task_runs_once(threads, counts[i]);
        tasks_run_side_by_side(threads);
        the_lowest_failure_is_the_callers(threads);
        a_cancelled_call_stops(threads);
        only_the_calling_thread_is_asked_about_interrupts(threads);
        a_call_inside_a_task_stays_in_its_thread(threads);
        the_callers_rounding_mode_changes_no_result(threads);
    }
    the_lowest_failure_is_the_callers(1);
    a_cancelled_call_stops(1);
    only_the_calling_thread_is_asked_about_interrupts(1);
    the_callers_rounding_mode_changes_no_result(1);
    for (int i = 0; i < 50; i++)
        an_interrupt_behind_the_last_task_still_cancels();
    callers_side_by_side_all_get_their_work_done();
    signals_are_left_to_the_program();
    a_forked_child_works();
    a_fork_in_the_middle_of_another_threads_call_is_safe();
    return check_result();
}
