/* Initial parameters: keyed, so that one layer's values never depend on another's. */
#ifndef GNG_NN_INITIALISE_H
#define GNG_NN_INITIALISE_H

#include "base/rng.h"
#include "nn/graph.h"

typedef enum gng_initialiser {
    GNG_INITIALISER_GLOROT_UNIFORM, /* Glorot, Bengio 2010: U(-a, a), a = sqrt(6 / (fan_in + fan_out)); Keras' default */
    GNG_INITIALISER_GLOROT_NORMAL,
    GNG_INITIALISER_HE_UNIFORM,     /* He et al. 2015: a = sqrt(6 / fan_in) */
    GNG_INITIALISER_HE_NORMAL       /* sigma = sqrt(2 / fan_in), truncated at two sigma as Keras does */
} gng_initialiser;

/* ARGUMENT for an unknown name ("glorot_uniform", "glorot_normal", "he_uniform", "he_normal"). */
GNG_MUST_CHECK gng_status gng_initialiser_from_name(const char *name, gng_initialiser *out);

/* Weights as said; biases and beta 0, gamma 1, running mean 0, running variance 1.
 * parameters[graph->parameter_floats], states[graph->state_floats]. */
void gng_graph_initialise(const gng_graph *graph, gng_initialiser initialiser, uint64_t seed, float *parameters, float *states);

#endif
