/* Cross-entropy: against the formulas with libm, against differences, and at the ends of the range. */
#include "nn/loss.h"

#include "base/status.h"
#include "check.h"

static double loss_of(int32_t outputs, const float *logits, const float *target)
{
    bool correct;
    return gng_loss_cross_entropy(outputs, logits, target, 1, 1, NULL, &correct);
}

static bool is_correct(int32_t outputs, const float *logits, const float *target)
{
    bool correct;
    (void)gng_loss_cross_entropy(outputs, logits, target, 1, 1, NULL, &correct);
    return correct;
}

/* Also where the formula would give a number: the probability of a class that is not the target may vanish. */
static void scores_that_are_no_numbers_have_no_loss(void)
{
    const float values[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            float logits[] = {1, 2, 3}, gradient[3];
            const float target[] = {1, 0, 0}, one = (float)(k & 1);
            bool correct;
            logits[k] = values[i];
            CHECK(!isfinite(gng_loss_cross_entropy(3, logits, target, 1, 1, gradient, &correct)));
            CHECK(isnan(gradient[0]) && isnan(gradient[1]) && isnan(gradient[2]));
            CHECK(!isfinite(loss_of(1, &values[i], &one)));
        }
}

static void one_output_is_sigmoid_cross_entropy(void)
{
    for (float logit = -9; logit <= 9; logit += 0.375F)
        for (float target = 0; target <= 1; target += 0.25F) {
            const double p = 1 / (1 + exp(-(double)logit));
            const double expected = -(double)target * log(p) - (1 - (double)target) * log(1 - p);
            CHECK_NEAR(loss_of(1, &logit, &target), expected, 1e-11);
        }
}

static void several_outputs_are_softmax_cross_entropy(void)
{
    const float logits[] = {0.5F, -1.25F, 3, 2.5F}, hard[] = {0, 0, 0, 1}, soft[] = {0.125F, 0.25F, 0.5F, 0.125F};
    double sum = 0, expected = 0;
    for (int k = 0; k < 4; k++)
        sum += exp((double)logits[k]);
    CHECK_NEAR(loss_of(4, logits, hard), log(sum) - 2.5, 1e-13);
    for (int k = 0; k < 4; k++)
        expected += (double)soft[k] * (log(sum) - (double)logits[k]);
    CHECK_NEAR(loss_of(4, logits, soft), expected, 1e-13);
}

static void two_classes_agree_with_one_output(void)
{
    for (float logit = -40; logit <= 40; logit += 1.25F) {
        const float pair[] = {0, logit}, second[] = {0, 1}, one = 1;
        CHECK_NEAR(loss_of(2, pair, second), loss_of(1, &logit, &one), 1e-12);
        double from_one[2], from_two[2];
        gng_loss_probabilities(1, &logit, from_one);
        gng_loss_probabilities(2, pair, from_two);
        CHECK_NEAR(from_one[0], from_two[0], 1e-15 + 1e-12 * from_two[0]);
        CHECK_NEAR(from_one[1], from_two[1], 1e-15 + 1e-12 * from_two[1]);
    }
}

static void check_gradient(int32_t outputs, const float *logits, const float *target)
{
    const double weight = 1.75, scale = 0.125;
    float gradient[8];
    bool correct;
    const double loss = gng_loss_cross_entropy(outputs, logits, target, weight, scale, gradient, &correct);
    CHECK_NEAR(loss, weight * loss_of(outputs, logits, target), 1e-12);
    for (int32_t k = 0; k < outputs; k++) {
        float low[8], high[8];
        memcpy(low, logits, (size_t)outputs * sizeof *low);
        memcpy(high, logits, (size_t)outputs * sizeof *high);
        low[k] -= 0x1p-10F;
        high[k] += 0x1p-10F;
        const double difference = (loss_of(outputs, high, target) - loss_of(outputs, low, target)) / 0x1p-9;
        CHECK_NEAR((double)gradient[k], scale * weight * difference, 1e-6);
    }
}

static void gradients_agree_with_differences(void)
{
    const float logits[] = {0.5F, -1.25F, 3, 2.5F, -6}, hard[] = {0, 1, 0, 0, 0}, soft[] = {0.125F, 0.25F, 0.5F, 0.125F, 0};
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 5; k++)
            check_gradient(1, &logits[i], &soft[k]);
    for (int32_t outputs = 2; outputs <= 5; outputs++) {
        check_gradient(outputs, logits, hard);
        check_gradient(outputs, logits, soft);
    }
}

static void certain_logits_neither_overflow_nor_lose_the_small_side(void)
{
    const float far = 1000, zero = 0, one = 1;
    CHECK_NEAR(loss_of(1, &far, &zero), 1000, 0);
    CHECK_NEAR(loss_of(1, &far, &one), 0, 0);
    const float near = 40;
    CHECK_NEAR(loss_of(1, &near, &one) / exp(-40), 1, 1e-12);
    double probabilities[3];
    gng_loss_probabilities(1, &near, probabilities);
    CHECK_NEAR(probabilities[0] / exp(-40), 1, 1e-12);
    const float logits[] = {-1000, 1000, 0}, target[] = {1, 0, 0};
    CHECK_NEAR(loss_of(3, logits, target), 2000, 0);
    gng_loss_probabilities(3, logits, probabilities);
    CHECK(probabilities[0] == 0 && probabilities[1] == 1 && probabilities[2] == 0);
}

static void the_most_probable_class_decides(void)
{
    const float zero = 0, one = 1, above = 0.25F, below = -0.25F;
    CHECK(is_correct(1, &above, &one) && !is_correct(1, &above, &zero));
    CHECK(is_correct(1, &below, &zero) && !is_correct(1, &below, &one));
    CHECK(is_correct(1, &zero, &zero)); /* 0.5 is not above one half */
    const float tie[] = {1, 2, 2}, second[] = {0, 1, 0}, third[] = {0, 0, 1};
    CHECK(is_correct(3, tie, second) && !is_correct(3, tie, third));
}

static void nan_is_never_correct(void)
{
    const float nan_logit = NAN, targets[] = {0, 1};
    for (int i = 0; i < 2; i++) {
        float gradient;
        bool correct = true;
        CHECK(isnan(gng_loss_cross_entropy(1, &nan_logit, &targets[i], 1, 1, &gradient, &correct)));
        CHECK(!correct && isnan(gradient));
    }
    for (int k = 0; k < 3; k++)
        for (int t = 0; t < 3; t++) {
            float logits[] = {1, 2, 3}, target[3] = {0}, gradient[3];
            logits[k] = NAN;
            target[t] = 1;
            bool correct = true;
            CHECK(isnan(gng_loss_cross_entropy(3, logits, target, 1, 1, gradient, &correct)));
            CHECK(!correct && isnan(gradient[0]) && isnan(gradient[1]) && isnan(gradient[2]));
            double probabilities[3];
            gng_loss_probabilities(3, logits, probabilities);
            CHECK(isnan(probabilities[0]) && isnan(probabilities[1]) && isnan(probabilities[2]));
        }
    double probabilities[2];
    gng_loss_probabilities(1, &nan_logit, probabilities);
    CHECK(isnan(probabilities[0]) && isnan(probabilities[1]));
}

static void probabilities_sum_to_one(void)
{
    const float logits[] = {0.5F, -1.25F, 3, 2.5F, -6, 12, -30};
    double probabilities[7];
    for (int32_t outputs = 1; outputs <= 7; outputs++) {
        gng_loss_probabilities(outputs, logits, probabilities);
        double sum = 0;
        for (int32_t k = 0; k < (outputs == 1 ? 2 : outputs); k++)
            sum += probabilities[k];
        CHECK_NEAR(sum, 1, 1e-15);
    }
}

int main(void)
{
    scores_that_are_no_numbers_have_no_loss();
    one_output_is_sigmoid_cross_entropy();
    several_outputs_are_softmax_cross_entropy();
    two_classes_agree_with_one_output();
    gradients_agree_with_differences();
    certain_logits_neither_overflow_nor_lose_the_small_side();
    the_most_probable_class_decides();
    nan_is_never_correct();
    probabilities_sum_to_one();
    return check_result();
}
