/* Constant, step, cosine (Loshchilov, Hutter 2017) and one-cycle (Smith, Topin 2018) learning rates. */
#include "train/schedule.h"

#include <stdbool.h>
#include <string.h>

#include "base/elementary.h"

static const char *const schedule_names[] = {"constant", "step", "cosine", "one_cycle"};

gng_status gng_schedule_from_name(const char *name, gng_schedule_kind *out)
{
    for (int i = 0; i < (int)(sizeof schedule_names / sizeof schedule_names[0]); i++)
        if (strcmp(name, schedule_names[i]) == 0) {
            *out = (gng_schedule_kind)i;
            return GNG_OK;
        }
    return gng_error_set(GNG_STATUS_ARGUMENT, "schedule: found '%s', expected 'constant', 'step', 'cosine' or 'one_cycle'", name);
}

gng_schedule gng_schedule_default(gng_schedule_kind kind)
{
    return (gng_schedule){
        .kind = kind,
        .learning_rate = 1e-3,
        .total_steps = 1,
        .gamma = 0.1,
        .step_size = 1,
        .final_fraction = kind == GNG_SCHEDULE_ONE_CYCLE ? 1e-4 : 0.0,
        .start_fraction = 1.0 / 25,
        .rise_fraction = 0.3,
    };
}

/* Written so that NaN is outside every range. */
static gng_status check_range(const char *field, double value, bool inside, const char *expected)
{
    return inside ? GNG_OK : gng_error_set(GNG_STATUS_ARGUMENT, "schedule: %s: found %s, expected %s", field, GNG_NUMBER(value), expected);
}

gng_status gng_schedule_check(const gng_schedule *schedule)
{
    const double rate = schedule->learning_rate, gamma = schedule->gamma, last = schedule->final_fraction;
    const double start = schedule->start_fraction, rise = schedule->rise_fraction;
    GNG_TRY(check_range("learning_rate", rate, rate > 0 && rate < 1e30, "a number above 0 and below 1e30, such as 0.001"));
    GNG_TRY(check_range("gamma", gamma, gamma > 0 && gamma <= 1, "0 < gamma <= 1"));
    GNG_TRY(check_range("final_fraction", last, last >= 0 && last <= 1, "0 <= final_fraction <= 1"));
    GNG_TRY(check_range("start_fraction", start, start > 0 && start <= 1, "0 < start_fraction <= 1"));
    GNG_TRY(check_range("rise_fraction", rise, rise > 0 && rise < 1, "0 < rise_fraction < 1"));
    GNG_TRY(check_range("total_steps", (double)schedule->total_steps, schedule->total_steps >= 1, "at least 1"));
    GNG_TRY(check_range("step_size", (double)schedule->step_size, schedule->step_size >= 1, "at least 1"));
    if (schedule->kind == GNG_SCHEDULE_ONE_CYCLE && schedule->warmup_steps > 0)
        return gng_error_set(GNG_STATUS_ARGUMENT, "schedule: warmup_steps: found %llu with schedule 'one_cycle', expected 0: the cycle starts with its own rise",
                             (unsigned long long)schedule->warmup_steps);
    return GNG_OK;
}

/* From 1 down to 0 along half a cosine as `share` goes from 0 to 1. */
static double half_cosine(double share)
{
    double sine, cosine;
    gng_sin_cos_degrees(180 * share, &sine, &cosine);
    return 0.5 * (1 + cosine);
}

static double one_cycle(const gng_schedule *schedule, uint64_t step)
{
    const double rise = schedule->rise_fraction * (double)(schedule->total_steps - 1);
    const double fall = (double)(schedule->total_steps - 1) - rise;
    if (schedule->total_steps == 1)
        return 1;
    if ((double)step <= rise)
        return schedule->start_fraction + (1 - schedule->start_fraction) * (1 - half_cosine((double)step / rise));
    return schedule->final_fraction + (1 - schedule->final_fraction) * half_cosine(((double)step - rise) / fall);
}

static double decay(const gng_schedule *schedule, uint64_t step)
{
    switch (schedule->kind) {
    case GNG_SCHEDULE_STEP:
        return gng_power(schedule->gamma, step / schedule->step_size);
    case GNG_SCHEDULE_COSINE: {
        const uint64_t steps = schedule->total_steps > schedule->warmup_steps ? schedule->total_steps - schedule->warmup_steps : 1;
        const double share = steps > 1 ? (double)(step - schedule->warmup_steps) / (double)(steps - 1) : 0;
        return schedule->final_fraction + (1 - schedule->final_fraction) * half_cosine(share);
    }
    case GNG_SCHEDULE_ONE_CYCLE:
        return one_cycle(schedule, step);
    case GNG_SCHEDULE_CONSTANT:
        break;
    }
    return 1;
}

double gng_schedule_rate(const gng_schedule *schedule, uint64_t step)
{
    if (step >= schedule->total_steps)
        step = schedule->total_steps - 1;
    if (step < schedule->warmup_steps)
        return schedule->learning_rate * (double)(step + 1) / (double)schedule->warmup_steps;
    return schedule->learning_rate * decay(schedule, step);
}
