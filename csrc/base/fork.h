/* What a child made by fork must know: that it is one, which thread lived on, and that no engine was caught half-planned.
 *
 * Of all threads only the one that called fork lives on in the child. What another thread had in hand stays as it was at
 * that moment: locks stay locked, results unfinished.
 */
#ifndef GNG_BASE_FORK_H
#define GNG_BASE_FORK_H

#include <stdbool.h>
#include <stdint.h>

/* Begins to watch for forks; later calls do nothing. False where the system has no memory for it. Any thread. */
bool gng_fork_watch(void);

/* Forks seen since the watch began that lie between the first process and this one. Any thread. */
uint64_t gng_fork_count(void);

/* The thread that lived on after the last fork, as pthread_self names it; 0 where there was none. */
unsigned long gng_fork_survivor(void);

/* While a thread holds, forks of other threads wait: the engine's own locks, which a child could never open, are free at
 * every fork. Short work only, without a call of fork and without nesting. */
void gng_fork_hold(void);
void gng_fork_release(void);

#endif
