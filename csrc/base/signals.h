/* Holding back a program's signals while a thread is not able to take them. */
#ifndef GNG_BASE_SIGNALS_H
#define GNG_BASE_SIGNALS_H

/* Which signals a thread takes; the system's own type hides behind it, which not every C dialect knows. */
typedef struct gng_signals {
    _Alignas(16) unsigned char blocked[128];
} gng_signals;

/* Holds back all signals that come from outside the calling thread; they arrive at the release. Signals of its own faults,
 * such as SIGSEGV, are taken as before. Returns what was held back before, for the release. Nesting is fine. */
gng_signals gng_signals_hold(void);
void gng_signals_release(const gng_signals *before);

#endif
