/* Cross-entropy from logits, in double precision inside.
 *
 * One output: sigmoid cross-entropy, target 0 or 1. K > 1 outputs: softmax cross-entropy against one-hot (or soft)
 * targets. Each picture's loss is multiplied by its weight; the caller divides by the number of pictures.
 */
#ifndef GNG_NN_LOSS_H
#define GNG_NN_LOSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One picture. logits[outputs], target[outputs] -> weighted loss; *correct: the most probable class is the target's
 * (one output: logit > 0 means class 1). gradient[outputs] = scale * weight * d loss / d logits; NULL: not wanted.
 * NaN logits give a NaN loss, never a correct answer. Any thread. */
double gng_loss_cross_entropy(int32_t outputs, const float *logits, const float *target, double weight, double scale,
                              float *gradient, bool *correct);

/* Mean over rows >= 1 pictures: logits[rows, outputs], targets[rows, outputs], weights[rows] (NULL: 1). *correct: how many. */
double gng_loss_mean(int32_t outputs, size_t rows, const float *logits, const float *targets, const float *weights, size_t *correct);

/* Probabilities of one picture: one output -> [1 - p, p] (2 values); K outputs -> K values that sum to 1. float64. */
void gng_loss_probabilities(int32_t outputs, const float *logits, double *probabilities);

#endif
