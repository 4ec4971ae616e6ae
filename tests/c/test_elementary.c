/* Accuracy against libm in long double at many points, special values, and the points that must be exact. */
#include "base/elementary.h"
#include "base/rng.h"
#include "check.h"

enum { POINTS = 200000 };

static double relative_error(double found, long double expected)
{
    if (isnan(found))
        return INFINITY;
    return (double)fabsl((found - expected) / expected);
}

static gng_rng points(uint32_t layer)
{
    return gng_rng_create(&(gng_rng_key){.seed = 1, .stream = GNG_STREAM_GRADIENT_CHECK, .layer = layer});
}

static double between(gng_rng *rng, double low, double high)
{
    return low + (high - low) * gng_rng_uniform(rng);
}

static void exponential_is_accurate(void)
{
    gng_rng rng = points(1);
    double worst = 0;
    for (int i = 0; i < POINTS; i++) {
        const double x = i % 2 == 0 ? between(&rng, -708, 709.78) : between(&rng, -1, 1);
        worst = fmax(worst, relative_error(gng_exp(x), expl(x)));
    }
    CHECK_NEAR(worst, 0, 1e-15);
}

static void logarithm_is_accurate(void)
{
    gng_rng rng = points(2);
    double worst = 0;
    for (int i = 0; i < POINTS; i++) {
        const double x = i % 2 == 0 ? ldexp(between(&rng, 0.5, 1), (int)gng_rng_below(&rng, 2097) - 1072)
                                    : between(&rng, 0.5, 2);
        worst = fmax(worst, relative_error(gng_log(x), logl(x)));
    }
    for (double step = 0x1p-52; step < 0.5; step *= 2) {
        worst = fmax(worst, relative_error(gng_log(1 + step), logl(1 + step)));
        worst = fmax(worst, relative_error(gng_log(1 - step), logl(1 - step)));
    }
    CHECK_NEAR(worst, 0, 1e-15);
}

static void logarithm_of_one_plus_is_accurate(void)
{
    gng_rng rng = points(3);
    double worst = 0;
    for (int i = 0; i < POINTS; i++) {
        const double size = ldexp(between(&rng, 0.5, 1), -(int)gng_rng_below(&rng, 300));
        worst = fmax(worst, relative_error(gng_log1p(size), log1pl(size)));
        worst = fmax(worst, relative_error(gng_log1p(-size), log1pl(-size)));
        const double large = between(&rng, 0, 1e6);
        worst = fmax(worst, relative_error(gng_log1p(large), log1pl(large)));
    }
    for (int i = -30; i <= 45; i++)
        worst = fmax(worst, i == 0 ? 0 : relative_error(gng_log1p(i / 100.0), log1pl(i / 100.0)));
    CHECK_NEAR(worst, 0, 1e-15);
}

static void power_is_accurate(void)
{
    gng_rng rng = points(4);
    double worst = 0;
    for (int i = 0; i < POINTS; i++) {
        const double base = i % 2 == 0 ? ldexp(between(&rng, 0.5, 1), (int)gng_rng_below(&rng, 2000) - 1000)
                                       : between(&rng, 0, 3);
        /* Exponents that spread the results over the whole range. */
        const double exponent = between(&rng, -700, 700) / fmax(fabs(log(base)), 1e-3);
        worst = fmax(worst, relative_error(gng_pow(base, exponent), powl(base, exponent)));
    }
    CHECK_NEAR(worst, 0, 1e-14);
    /* Decay of a moving average over a million steps. */
    CHECK_NEAR(relative_error(gng_pow(0.999999, 1e6), powl(0.999999, 1e6)), 0, 1e-15);
}

static void sine_and_cosine_are_accurate(void)
{
    gng_rng rng = points(5);
    const long double radians = 0.017453292519943295769236907684886127L;
    double worst = 0;
    for (int i = 0; i < POINTS; i++) {
        const double degrees = i % 2 == 0 ? between(&rng, -1e6, 1e6) : between(&rng, -360, 360);
        const long double angle = fmodl(degrees, 360) * radians;
        double sine, cosine;
        gng_sin_cos_degrees(degrees, &sine, &cosine);
        worst = fmax(worst, (double)fabsl(sine - sinl(angle)));
        worst = fmax(worst, (double)fabsl(cosine - cosl(angle)));
    }
    CHECK_NEAR(worst, 0, 1e-15);
    double sine, cosine;
    gng_sin_cos_degrees(1e-9, &sine, &cosine);
    CHECK_NEAR(relative_error(sine, sinl(1e-9 * radians)), 0, 1e-15);
    CHECK(cosine == 1);
}

static void quarter_turns_are_exact(void)
{
    static const double sines[4] = {0, 1, 0, -1};
    for (int quarter = -11111; quarter <= 11111; quarter++) {
        const int turn = ((quarter % 4) + 4) % 4;
        double sine, cosine;
        gng_sin_cos_degrees(90.0 * quarter, &sine, &cosine);
        CHECK(sine == sines[turn] && cosine == sines[(turn + 1) % 4]);
        CHECK((sine != 0 || !signbit(sine)) && (cosine != 0 || !signbit(cosine)));
    }
}

static void special_values_are_kept(void)
{
    CHECK(isnan(gng_exp(NAN)) && isnan(gng_log(NAN)) && isnan(gng_log1p(NAN)));
    CHECK(gng_exp(0) == 1 && gng_exp(-INFINITY) == 0 && gng_exp(INFINITY) == INFINITY);
    CHECK(gng_exp(709.8) == INFINITY && isfinite(gng_exp(709.78)) && gng_exp(1e300) == INFINITY);
    CHECK(gng_exp(-746) == 0 && gng_exp(-745) == 0x1p-1074 && gng_exp(-1e300) == 0);
    CHECK_NEAR(relative_error(gng_exp(-720), expl(-720)), 0, 1e-9); /* subnormal: fewer bits */
    CHECK(gng_log(0) == -INFINITY && gng_log(-0.0) == -INFINITY && gng_log(INFINITY) == INFINITY);
    CHECK(isnan(gng_log(-1)) && isnan(gng_log(-INFINITY)) && gng_log(1) == 0);
    CHECK(gng_log1p(-1) == -INFINITY && isnan(gng_log1p(-2)) && gng_log1p(0) == 0);
    CHECK(gng_log1p(INFINITY) == INFINITY && gng_log1p(0x1p-1074) == 0x1p-1074);
    double sine = 0, cosine = 0;
    gng_sin_cos_degrees(INFINITY, &sine, &cosine);
    CHECK(isnan(sine) && isnan(cosine));
    gng_sin_cos_degrees(NAN, &sine, &cosine);
    CHECK(isnan(sine) && isnan(cosine));
    gng_sin_cos_degrees(1e300, &sine, &cosine);
    CHECK(isnan(sine) && isnan(cosine));
}

/* The C standard's own special cases (annex F.10.4.4), as far as the base is not negative. */
static void power_keeps_the_special_cases_of_the_standard(void)
{
    static const double values[] = {0,   0x1p-1074, 1e-300, 0.5, 1 - 0x1p-53, 1,   1 + 0x1p-52,
                                    1.5, 2,         10,     1e9, 1e300,       1e18, INFINITY,   NAN};
    const size_t count = sizeof values / sizeof values[0];
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < 2 * count; k++) {
            const double exponent = k < count ? values[k] : -values[k - count];
            const double found = gng_pow(values[i], exponent), expected = pow(values[i], exponent);
            const bool same = found == expected || (isnan(found) && isnan(expected));
            if (!CHECK(same || fabs(found - expected) <= 1e-15 * expected))
                fprintf(stderr, "    %g to the %g: %.17g, expected %.17g\n", values[i], exponent, found, expected);
        }
    CHECK(isnan(gng_pow(-1, 2)));
    for (int exponent = -1074; exponent <= 1023; exponent++)
        CHECK_NEAR(gng_pow(2, exponent) / ldexp(1, exponent), 1, 1e-15);
}

int main(void)
{
    exponential_is_accurate();
    logarithm_is_accurate();
    logarithm_of_one_plus_is_accurate();
    power_is_accurate();
    sine_and_cosine_are_accurate();
    quarter_turns_are_exact();
    special_values_are_kept();
    power_keeps_the_special_cases_of_the_standard();
    return check_result();
}
