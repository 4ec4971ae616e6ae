/* Optimizers over flat float32 blocks: gradients -> new parameters.
 *
 * Formulas are Keras' (epsilon outside the square root in Adam, inside in RMSprop). Work is cut into fixed slices, so bits do not depend on threads.
 */
#ifndef GNG_TRAIN_OPTIMIZER_H
#define GNG_TRAIN_OPTIMIZER_H

#include "base/parallel.h"
#include "nn/graph.h"

typedef enum gng_optimizer_kind { GNG_OPTIMIZER_SGD, GNG_OPTIMIZER_RMSPROP, GNG_OPTIMIZER_ADAM, GNG_OPTIMIZER_ADAMW } gng_optimizer_kind;

/* "sgd", "rmsprop", "adam", "adamw"; ARGUMENT names them for another. */
GNG_MUST_CHECK gng_status gng_optimizer_from_name(const char *name, gng_optimizer_kind *out);

typedef struct gng_optimizer {
    gng_optimizer_kind kind;
    double momentum;     /* SGD, RMSprop: [0, 1) */
    bool nesterov;       /* SGD */
    double rho;          /* RMSprop: [0, 1) */
    double beta_1;       /* Adam, AdamW: [0, 1) */
    double beta_2;
    double epsilon;      /* > 0 */
    double weight_decay; /* AdamW: decoupled, weights only (rank > 1), multiplied by the learning rate; >= 0 */
    double clip_norm;    /* scales all gradients so that their joint norm is at most this; 0: off */
    double clip_value;   /* clamps each gradient; 0: off */
} gng_optimizer;

/* Defaults of Keras: momentum 0, rho 0.9, beta 0.9 and 0.999, epsilon 1e-7, AdamW weight_decay 0.004. */
gng_optimizer gng_optimizer_default(gng_optimizer_kind kind);
/* ARGUMENT, naming the field, the value and the range. */
GNG_MUST_CHECK gng_status gng_optimizer_check(const gng_optimizer *optimizer);
/* Blocks of parameter_floats that the optimizer keeps: 0 to 2. */
int gng_optimizer_moment_count(const gng_optimizer *optimizer);

/* One update. parameters, gradients, moments[k]: [graph->parameter_floats]; step: 1 for the first. Gradients are clipped and get
 * 2 * l2 * weight in place. *norm: the joint norm before clipping (L2 included). Norms are summed in double over fixed slices in a fixed tree.
 * Nothing is changed when the status is not OK. STATE when the norm is not finite. Allocates nothing. */
GNG_MUST_CHECK gng_status gng_optimizer_update(const gng_optimizer *optimizer, gng_context *context, const gng_graph *graph,
                                               double learning_rate, uint64_t step, float *parameters, float *gradients,
                                               float *const moments[2], double *norm);

/* Sum over weights of l2 * weight^2. */
double gng_optimizer_penalty(const gng_graph *graph, const float *parameters);

#endif
