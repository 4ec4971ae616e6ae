/* Elementary functions in plain double arithmetic: the same bits on every machine.
 *
 * libm chooses among implementations by processor, so its last bit is not reproducible. Accuracy here is better than
 * 1e-14 relative (absolute near zeros of sine and cosine), which is all that losses, schedules and augmentation need.
 * Compiled without floating-point contraction. Any thread.
 */
#ifndef GNG_BASE_ELEMENTARY_H
#define GNG_BASE_ELEMENTARY_H

#include <stdint.h>

double gng_exp(double x);   /* 0 below -745, infinity above 709.79; NaN stays NaN */
double gng_log(double x);   /* -infinity at 0, NaN below; infinity and NaN stay */
double gng_log1p(double x); /* for x > -1 */
double gng_pow(double base, double exponent); /* base >= 0 */
double gng_power(double base, uint64_t exponent); /* by squaring */
/* Sine and cosine of an angle in degrees, exact at multiples of 90. |degrees| <= 1e6. */
void gng_sin_cos_degrees(double degrees, double *sine, double *cosine);

#endif
