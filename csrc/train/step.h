/* The data-parallel training step: batch -> augmented pictures -> forward, loss, backward -> updated parameters.
 *
 * After creation a step allocates nothing. Bits do not depend on the number of threads.
 */
#ifndef GNG_TRAIN_STEP_H
#define GNG_TRAIN_STEP_H

#include "batch/batch.h"
#include "nn/net.h"
#include "train/optimizer.h"

typedef struct gng_step gng_step;

/* Plans the training net and the optimizer's moments (zeros). The graph is borrowed and must outlive the step. samples: shape and kind of what will be
 * fed (pixels or rows), for scratch sizes; not kept. Caller destroys. */
GNG_MUST_CHECK gng_status gng_step_create(const gng_graph *graph, const gng_samples *samples, uint32_t batch, int threads,
                                          const gng_optimizer *optimizer, gng_step **out);
void gng_step_destroy(gng_step *step);

/* The flat blocks and the counter that make up the state of a training; owned by the step, may be read and written
 * between runs. */
gng_net *gng_step_net(gng_step *step);
float *gng_step_moments(gng_step *step, int k); /* NULL where the optimizer keeps fewer */
uint64_t gng_step_count(const gng_step *step);  /* updates made so far */
void gng_step_count_set(gng_step *step, uint64_t count);

typedef struct gng_step_result {
    double loss;          /* mean weighted loss of the batch + L2 penalty, before the update */
    uint32_t correct;
    double gradient_norm; /* before clipping */
} gng_step_result;

/* One step; dropout_seed keys dropout together with batch->epoch. With `update` false only gradients are computed. After any failure (CANCELLED, a loss or gradient that
 * is not finite: STATE) parameters, moments, running statistics and counter are as before. */
GNG_MUST_CHECK gng_status gng_step_run(gng_step *step, gng_context *context, const gng_batch *batch, uint64_t dropout_seed,
                                       double learning_rate, bool update, gng_step_result *result);

#endif
