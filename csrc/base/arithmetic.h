/* The arithmetic mode of a thread: rounding, and what becomes of numbers below the normal range.
 *
 * A program that loads code built with -ffast-math, or sets a rounding mode itself, changes the mode of its threads. Results
 * must not depend on that, so whatever computes sets a mode and puts the caller's back. What stands between the two calls must be
 * a call of its own: a compiler does not know that the mode changes what an addition gives, and may move one past the other.
 */
#ifndef GNG_BASE_ARITHMETIC_H
#define GNG_BASE_ARITHMETIC_H

#if defined(__x86_64__)

/* MXCSR (Intel SDM volume 1, section 10.2.3): rounding to nearest (bits 14 and 13 zero), no exception traps (bits 12 to 7 set). */
enum {
    GNG_ARITHMETIC_DEFAULT = 0x1F80,
    GNG_ARITHMETIC_FLUSH = 0x9FC0 /* results and operands below the normal range count as zero (bits 15 and 6) */
};

/* Sets the mode of the calling thread and returns the one before. */
static inline unsigned int gng_arithmetic_exchange(unsigned int mode)
{
    const unsigned int before = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(mode);
    return before;
}

#else

#include <fenv.h>

enum { GNG_ARITHMETIC_DEFAULT = FE_TONEAREST, GNG_ARITHMETIC_FLUSH = FE_TONEAREST };

static inline unsigned int gng_arithmetic_exchange(unsigned int mode)
{
    const int before = fegetround();
    (void)fesetround((int)mode);
    return (unsigned int)before;
}

#endif

/* The float32 nearest to a number, whatever the mode of the thread. Volatile keeps the conversion where it stands. */
static inline float gng_arithmetic_nearest_float(double number)
{
    const unsigned int mode = gng_arithmetic_exchange(GNG_ARITHMETIC_DEFAULT);
    const volatile double given = number;
    const volatile float nearest = (float)given;
    (void)gng_arithmetic_exchange(mode);
    return nearest;
}

#endif
