/* What the two halves of the gradient check share: one layer's tensors in double precision. */
#ifndef GNG_NN_GRADIENT_CHECK_PLAN_H
#define GNG_NN_GRADIENT_CHECK_PLAN_H

#include "base/rng.h"
#include "nn/gradient_check.h"

/* Values are drawn, and are whole floats, so that both precisions see the same numbers. All tensors are plain. */
typedef struct gradient_check {
    const gng_layer *layer;
    gng_tensor_shape inputs[GNG_LAYER_INPUTS_MAX], output;
    int32_t pictures; /* of batch normalisation, rows of a dense layer, else 1 */
    uint64_t seed;
    gng_rng_key key; /* of dropout */
    size_t input_count[GNG_LAYER_INPUTS_MAX], output_count; /* elements, all pictures */
    size_t weight_count, bias_count;                        /* or gamma and beta */
    size_t panel_count, saved_bytes;

    gng_arena arena;
    double *x[GNG_LAYER_INPUTS_MAX], *dx[GNG_LAYER_INPUTS_MAX];
    double *parameters, *dparameters; /* weight, then bias */
    double *y, *dy;
    double *low, *high; /* outputs for central differences */
    double *panels;
    void *saved;
} gradient_check;

/* gradient_check_engine.c: output and gradients of the engine that nn/choice picks, in every layout it takes, against y, dx
 * and dparameters. */
GNG_MUST_CHECK gng_status gng_gradient_check_engine(const gradient_check *check, double *error, const char **engine);

/* The relative error of one tensor: largest |a - b| / max(1e-3, largest |b|); NaN counts as infinite. */
double gng_gradient_check_error(double difference, double size);

#endif
