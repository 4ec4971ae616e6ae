/* Learning-rate schedules: a pure function of the step. */
#ifndef GNG_TRAIN_SCHEDULE_H
#define GNG_TRAIN_SCHEDULE_H

#include <stdint.h>

#include "base/status.h"

typedef enum gng_schedule_kind { GNG_SCHEDULE_CONSTANT, GNG_SCHEDULE_STEP, GNG_SCHEDULE_COSINE, GNG_SCHEDULE_ONE_CYCLE } gng_schedule_kind;

/* "constant", "step", "cosine", "one_cycle". */
GNG_MUST_CHECK gng_status gng_schedule_from_name(const char *name, gng_schedule_kind *out);

typedef struct gng_schedule {
    gng_schedule_kind kind;
    double learning_rate;  /* the peak; > 0 and finite */
    uint64_t total_steps;  /* of the training, >= 1 */
    uint64_t warmup_steps; /* linear from learning_rate / warmup_steps up to the peak, before any kind but one_cycle */
    double gamma;          /* step: factor at every boundary, (0, 1] */
    uint64_t step_size;    /* step: steps between boundaries, >= 1 */
    double final_fraction; /* cosine, one_cycle: last rate / peak, [0, 1] */
    double start_fraction; /* one_cycle: first rate / peak, (0, 1] */
    double rise_fraction;  /* one_cycle: share of the steps on the way up, (0, 1); both ways are half cosines (Smith 2018) */
} gng_schedule;

/* Constant 1e-3; step gamma 0.1; cosine final 0; one_cycle start 1/25, rise 0.3, final 1e-4 (fractions of the peak). */
gng_schedule gng_schedule_default(gng_schedule_kind kind);
/* ARGUMENT naming the field, the value and the range. */
GNG_MUST_CHECK gng_status gng_schedule_check(const gng_schedule *schedule);
/* The rate of step `step`, 0-based; steps past the end get the last rate. */
double gng_schedule_rate(const gng_schedule *schedule, uint64_t step);

#endif
