/* The signal mask of the calling thread. */
#define _GNU_SOURCE /* pthread_sigmask */

#include "base/signals.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

_Static_assert(sizeof(sigset_t) <= sizeof(gng_signals), "the mask has room");

gng_signals gng_signals_hold(void)
{
    static const int of_the_thread[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t held, before;
    (void)sigfillset(&held);
    for (size_t i = 0; i < sizeof of_the_thread / sizeof of_the_thread[0]; i++)
        (void)sigdelset(&held, of_the_thread[i]);
    (void)sigemptyset(&before);
    (void)pthread_sigmask(SIG_BLOCK, &held, &before);
    gng_signals result = {{0}};
    memcpy(&result, &before, sizeof before);
    return result;
}

void gng_signals_release(const gng_signals *before)
{
    sigset_t mask;
    memcpy(&mask, before, sizeof mask);
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
}
