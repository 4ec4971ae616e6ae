/* Exponential, logarithm, power, sine and cosine from additions, multiplications and divisions alone.
 *
 * Arguments are reduced to a short interval, where a series needs few terms. The logarithm is carried as a sum of two
 * doubles, because the power multiplies its error by up to 745. No tables, no libm, no
 * fused operations.
 */
#include "base/elementary.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* ln 2 in two parts; the first has 32 bits, so that its product with any exponent is exact. */
#define LN2_HIGH 0x1.62e42feep-1
#define LN2_LOW 0x1.a39ef35793c76p-33
#define LOG2_E 0x1.71547652b82fep+0

static double power_of_two(int exponent) /* -1022 to 1023 */
{
    const uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* exp(x + correction) for |x| <= 746 and a correction of a few units in the last place of x. */
static double exp_of_sum(double x, double correction)
{
    const int k = (int)(x * LOG2_E + (x < 0 ? -0.5 : 0.5));
    const double r = x - k * LN2_HIGH - k * LN2_LOW + correction; /* |r| <= ln 2 / 2 */
    /* Taylor; the first term left out is below 5e-18. */
    static const double inverse_factorials[] = {
        1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
        1.0 / 5040,       1.0 / 720,       1.0 / 120,      1.0 / 24,      1.0 / 6,      1.0 / 2,
    };
    double sum = inverse_factorials[0];
    for (size_t i = 1; i < sizeof inverse_factorials / sizeof inverse_factorials[0]; i++)
        sum = sum * r + inverse_factorials[i];
    const double value = 1 + (r + r * r * sum);
    /* In two steps: 2^k alone may lie outside the range of double, or lose bits to gradual underflow twice. */
    const int half = k / 2;
    return value * power_of_two(half) * power_of_two(k - half);
}

double gng_exp(double x)
{
    if (isnan(x))
        return x;
    if (x > 709.79)
        return INFINITY;
    if (x < -745.14)
        return 0;
    return exp_of_sum(x, 0);
}

/* s^2 / 3 + s^4 / 5 + ... for s2 = s^2 <= 0.0295, where log((1 + s) / (1 - s)) = 2 s (1 + this). First term left out:
 * below 2e-20. */
static double log_series(double s2)
{
    double sum = 1.0 / 23;
    for (int n = 21; n >= 3; n -= 2)
        sum = sum * s2 + 1.0 / n;
    return sum * s2;
}

/* a * b = *high + *low exactly (Veltkamp's splitting and Dekker's product, Numerische Mathematik 18, 1971). */
static void exact_product(double a, double b, double *high, double *low)
{
    const double a_scaled = a * 134217729, b_scaled = b * 134217729; /* 2^27 + 1 */
    const double a1 = a_scaled - (a_scaled - a), b1 = b_scaled - (b_scaled - b);
    const double a2 = a - a1, b2 = b - b1;
    *high = a * b;
    *low = a1 * b1 - *high + a1 * b2 + a2 * b1 + a2 * b2;
}

/* log(x) = *high + *low to about 5e-18 relative, |low| at most half a unit in the last place of high; finite x > 0. */
static void log_as_sum(double x, double *high, double *low)
{
    int exponent = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        exponent = -54;
    }
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    exponent += (int)(bits >> 52) - 1023;
    bits = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1023) << 52;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        exponent++;
    }
    /* s = (m - 1) / (m + 1) as s + s_low; m - 1 is exact, m + 1 = sum + sum_low. */
    const double difference = m - 1, sum = m + 1;
    const double sum_low = m - (sum - 1);
    const double s = difference / sum;
    double product, product_low;
    exact_product(s, sum, &product, &product_low);
    const double s_low = (difference - product - product_low - s * sum_low) / sum;
    const double mantissa = 2 * s;
    const double mantissa_low = 2 * s_low + 2 * s * log_series(s * s);
    /* |exponent ln 2| is 0 or above |log m|, the sum above its rest: in this order Dekker's two-term sums are exact. */
    const double whole = exponent * LN2_HIGH;
    const double sum_of_highs = exponent == 0 ? mantissa : whole + mantissa;
    const double rest = (exponent == 0 ? 0 : whole - sum_of_highs + mantissa) + (mantissa_low + exponent * LN2_LOW);
    *high = sum_of_highs + rest;
    *low = sum_of_highs - *high + rest;
}

double gng_log(double x)
{
    if (isnan(x))
        return x;
    if (x < 0)
        return NAN;
    if (x == 0)
        return -INFINITY;
    if (isinf(x))
        return x;
    double high, low;
    log_as_sum(x, &high, &low);
    return high + low;
}

double gng_log1p(double x)
{
    /* 1 + x inside (1 / sqrt 2, sqrt 2): straight from x, whose small values 1 + x would lose. */
    if (x > -0.29 && x < 0.41) {
        const double s = x / (2 + x);
        return x - s * (x - 2 * log_series(s * s)); /* 2 s = x - s x, which keeps subnormal x */
    }
    return gng_log(1 + x);
}

double gng_pow(double base, double exponent)
{
    if (exponent == 0 || base == 1)
        return 1;
    if (isnan(base) || isnan(exponent) || base < 0)
        return NAN;
    if (base == 0 || isinf(base))
        return (base == 0) == (exponent > 0) ? 0 : INFINITY;
    double high, low;
    log_as_sum(base, &high, &low);
    if (exponent * high > 710)
        return INFINITY;
    if (exponent * high < -746)
        return 0;
    double product, product_low;
    exact_product(exponent, high, &product, &product_low);
    return exp_of_sum(product, product_low + exponent * low);
}

void gng_sin_cos_degrees(double degrees, double *sine, double *cosine)
{
    if (!(degrees >= -1e6 && degrees <= 1e6)) {
        *sine = NAN;
        *cosine = NAN;
        return;
    }
    /* The remainder of a multiple of 90 is exact, which that of a multiple of pi / 2 could not be. */
    const int quarter = (int)(degrees / 90 + (degrees < 0 ? -0.5 : 0.5));
    const double x = (degrees - 90.0 * quarter) * (3.14159265358979323846 / 180); /* |x| <= pi / 4 */
    const double x2 = x * x;
    /* Taylor; the first terms left out are below 1e-19 and 3e-18. */
    double s = 0, c = 0;
    for (int n = 17; n >= 3; n -= 2) {
        s = (1 + s) * -x2 / (n * (n - 1));
        c = (1 + c) * -x2 / ((n - 1) * (n - 2));
    }
    s = x + x * s;
    c = 1 + c;
    const int turn = ((quarter % 4) + 4) % 4;
    const double sines[4] = {s, c, -s, -c};
    const double cosines[4] = {c, -s, -c, s};
    *sine = sines[turn] + 0.0; /* no negative zero */
    *cosine = cosines[turn] + 0.0;
}

double gng_power(double base, uint64_t exponent)
{
    double result = 1;
    for (; exponent > 0; exponent /= 2, base *= base)
        if (exponent % 2 == 1)
            result *= base;
    return result;
}
