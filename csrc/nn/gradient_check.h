/* The gradient checker that ships with the library: every layer against central differences in double precision. */
#ifndef GNG_NN_GRADIENT_CHECK_H
#define GNG_NN_GRADIENT_CHECK_H

#include "nn/graph.h"

typedef struct gng_gradient_check_result {
    double reference_error; /* largest relative error of the double reference's gradients against central differences */
    double engine_error;    /* largest relative error of the chosen float32 engine against the double reference: output and gradients */
    const char *engine;     /* which engine was chosen */
} gng_gradient_check_result;

/* Checks one layer (not INPUT) on random inputs, parameters and output gradients drawn from `seed`. Relative error of a
 * tensor: max |a - b| / max(1e-3, max |b|). Works on all gradients: inputs, weights, bias. Inputs of ReLU-like and max layers keep away
 * from kinks. Batch normalisation is checked over a batch of 5 pictures, dense over 16 rows. */
GNG_MUST_CHECK gng_status gng_gradient_check(const gng_layer *layer, const gng_tensor_shape *inputs, uint64_t seed,
                                             gng_gradient_check_result *out);

#endif
