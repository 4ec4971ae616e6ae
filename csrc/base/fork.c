/* Handlers of pthread_atfork, and the lock that they take around every fork. */
#define _GNU_SOURCE /* a lock that prefers writers */

#include "base/fork.h"

#include <pthread.h>
#include <stdatomic.h>

/* Forks write, planners read: many may plan at once. A fork comes before later planners, so that it need not wait for all. */
#define OPEN_LOCK PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP

static struct {
    pthread_once_t asked;
    bool watched;
    pthread_rwlock_t planning;
    atomic_uint_fast64_t count;
    atomic_ulong survivor;
} forks = {.asked = PTHREAD_ONCE_INIT, .planning = OPEN_LOCK};

static void before_fork(void)
{
    (void)pthread_rwlock_wrlock(&forks.planning);
}

static void after_fork_in_parent(void)
{
    (void)pthread_rwlock_unlock(&forks.planning);
}

static void after_fork_in_child(void)
{
    forks.planning = (pthread_rwlock_t)OPEN_LOCK;
    atomic_store(&forks.survivor, (unsigned long)pthread_self());
    atomic_fetch_add(&forks.count, 1);
}

static void watch(void)
{
    forks.watched = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
}

bool gng_fork_watch(void)
{
    return pthread_once(&forks.asked, watch) == 0 && forks.watched;
}

uint64_t gng_fork_count(void)
{
    return atomic_load(&forks.count);
}

unsigned long gng_fork_survivor(void)
{
    return atomic_load(&forks.survivor);
}

void gng_fork_hold(void)
{
    (void)gng_fork_watch();
    (void)pthread_rwlock_rdlock(&forks.planning);
}

void gng_fork_release(void)
{
    (void)pthread_rwlock_unlock(&forks.planning);
}
