/* Cross-entropy. All exponentials are of numbers <= 0, so nothing overflows. */
#include "nn/loss.h"

#include <math.h>
#include <stddef.h>

#include "base/elementary.h"

/* p of the less probable of two classes and 1 - p of the other: both to full precision. */
static void two_classes(double logit, double *negative, double *positive)
{
    const double e = gng_exp(-fabs(logit));
    const double rare = e / (1 + e);
    *positive = logit > 0 ? 1 - rare : rare;
    *negative = logit > 0 ? rare : 1 - rare;
}

static double binary(double logit, double target, double weight, double scale, float *gradient, bool *correct)
{
    double negative, positive;
    two_classes(logit, &negative, &positive);
    *correct = !isnan(logit) && (logit > 0) == (target > 0.5);
    if (gradient != NULL)
        /* sigmoid - target, without cancellation for a target of 1. */
        *gradient = (float)(scale * weight * ((1 - target) * positive - target * negative));
    /* -t log(p) - (1 - t) log(1 - p) with log(1 + exp(-|x|)) taken out of both. */
    return weight * ((logit > 0 ? (1 - target) * logit : -target * logit) + gng_log1p(gng_exp(-fabs(logit))));
}

static bool all_finite(int32_t count, const float *values)
{
    for (int32_t k = 0; k < count; k++)
        if (!isfinite(values[k]))
            return false;
    return true;
}

/* Index of the first largest value, -1 when there is a NaN. */
static int32_t largest(int32_t count, const float *values)
{
    int32_t best = 0;
    for (int32_t k = 0; k < count; k++) {
        if (isnan(values[k]))
            return -1;
        if (values[k] > values[best])
            best = k;
    }
    return best;
}

double gng_loss_cross_entropy(int32_t outputs, const float *logits, const float *target, double weight, double scale, float *gradient,
                              bool *correct)
{
    if (outputs == 1)
        return binary((double)logits[0], (double)target[0], weight, scale, gradient, correct);
    const int32_t best = largest(outputs, logits);
    *correct = best >= 0 && best == largest(outputs, target);
    if (!all_finite(outputs, logits)) {
        for (int32_t k = 0; k < outputs && gradient != NULL; k++)
            gradient[k] = NAN;
        return NAN;
    }
    const double highest = (double)logits[best];
    double sum = 0, target_sum = 0;
    for (int32_t k = 0; k < outputs; k++) {
        sum += gng_exp((double)logits[k] - highest);
        target_sum += (double)target[k];
    }
    const double log_sum = gng_log(sum);
    double loss = 0;
    for (int32_t k = 0; k < outputs; k++) {
        const double log_probability = (double)logits[k] - highest - log_sum;
        if (target[k] != 0)
            loss -= (double)target[k] * log_probability;
        if (gradient != NULL)
            gradient[k] = (float)(scale * weight * (target_sum * gng_exp(log_probability) - (double)target[k]));
    }
    return weight * loss;
}

double gng_loss_mean(int32_t outputs, size_t rows, const float *logits, const float *targets, const float *weights, size_t *correct)
{
    double sum = 0;
    *correct = 0;
    for (size_t i = 0; i < rows; i++) {
        const size_t first = i * (size_t)outputs;
        bool right = false;
        sum += gng_loss_cross_entropy(outputs, logits + first, targets + first, weights != NULL ? (double)weights[i] : 1.0, 1.0, NULL, &right);
        *correct += right;
    }
    return sum / (double)rows;
}

void gng_loss_probabilities(int32_t outputs, const float *logits, double *probabilities)
{
    if (outputs == 1) {
        two_classes((double)logits[0], &probabilities[0], &probabilities[1]);
        return;
    }
    const int32_t best = largest(outputs, logits);
    double sum = 0;
    for (int32_t k = 0; k < outputs; k++) {
        probabilities[k] = best < 0 ? NAN : gng_exp((double)logits[k] - (double)logits[best]);
        sum += probabilities[k];
    }
    for (int32_t k = 0; k < outputs; k++)
        probabilities[k] /= sum;
}
