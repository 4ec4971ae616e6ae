/* Activations: elementwise functions, computed in double in either precision and without libm, so that they are the same everywhere. */
#include <math.h>

#include "base/elementary.h"
#include "nn/ref/kernels.h"
#include "nn/ref/plan.h"
#include "nn/ref/ref.h"

/* exp(x) - 1 without cancellation near 0; the first term left out of the series is below 1e-16 of the first. */
static double exp_minus_one(double x)
{
    if (x > -0.01 && x < 0.01)
        return x * (1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5 * (1 + x / 6)))));
    return gng_exp(x) - 1;
}

static double hyperbolic_tangent(double x)
{
    if (fabs(x) > 20)
        return x > 0 ? 1 : -1;
    const double e = exp_minus_one(2 * x);
    return e / (e + 2);
}

static double sigmoid(double x)
{
    const double e = gng_exp(-fabs(x));
    return (x < 0 ? e : 1) / (1 + e);
}

static double horner(const double *coefficients, int count, double x)
{
    double sum = coefficients[0];
    for (int i = 1; i < count; i++)
        sum = sum * x + coefficients[i];
    return sum;
}

/* 1 - erf(x). Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23 (1969);
 * coefficients from the highest power down. */
static double error_function_complement(double x)
{
    static const double centre[2][5] = {
        {1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3},
        {1, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3},
    };
    static const double middle[2][9] = {
        {2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
         1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3},
        {1, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
         3.43936767414372164e3, 1.23033935480374942e3},
    };
    static const double tail[2][6] = {
        {1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4},
        {1, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2, 2.33520497626869185e-3},
    };
    const double inverse_root_pi = 0.56418958354775628695;
    const double size = fabs(x);
    if (size <= 0.46875)
        return 1 - x * (horner(centre[0], 5, x * x) / horner(centre[1], 5, x * x));
    double complement;
    if (size <= 4)
        complement = gng_exp(-size * size) * horner(middle[0], 9, size) / horner(middle[1], 9, size);
    else {
        const double z = 1 / (size * size);
        complement = gng_exp(-size * size) / size * (inverse_root_pi - z * horner(tail[0], 6, z) / horner(tail[1], 6, z));
    }
    return x < 0 ? 2 - complement : complement;
}

/* P(a standard normal variate is below x) */
static double normal_probability(double x)
{
    return error_function_complement(-x * 0.70710678118654752440) / 2;
}

static double normal_density(double x)
{
    return gng_exp(-x * x / 2) * 0.39894228040143267794;
}

/* Hendrycks, Gimpel 2016, the exact form. */
static double gelu(double x)
{
    return isinf(x) ? (x > 0 ? x : 0) : x * normal_probability(x);
}

static double gelu_derivative(double x)
{
    return normal_probability(x) + (isinf(x) ? 0 : x * normal_density(x));
}

/* Comparisons are written so that a NaN stays a NaN. */
void GNG_REAL_NAME(gng_ref_activation_forward)(const gng_layer *layer, size_t count, const gng_real *x, gng_real *y)
{
    const double slope = (double)layer->as.activation.slope;
    switch (layer->as.activation.function) {
    case GNG_ACTIVATION_RELU:
        for (size_t i = 0; i < count; i++)
            y[i] = x[i] < 0 ? 0 : x[i];
        break;
    case GNG_ACTIVATION_LEAKY_RELU:
        for (size_t i = 0; i < count; i++)
            y[i] = x[i] < 0 ? (gng_real)slope * x[i] : x[i];
        break;
    case GNG_ACTIVATION_ELU:
        for (size_t i = 0; i < count; i++)
            y[i] = x[i] < 0 ? (gng_real)(slope * exp_minus_one((double)x[i])) : x[i];
        break;
    case GNG_ACTIVATION_GELU:
        for (size_t i = 0; i < count; i++)
            y[i] = (gng_real)gelu((double)x[i]);
        break;
    case GNG_ACTIVATION_TANH:
        for (size_t i = 0; i < count; i++)
            y[i] = (gng_real)hyperbolic_tangent((double)x[i]);
        break;
    case GNG_ACTIVATION_SIGMOID:
        for (size_t i = 0; i < count; i++)
            y[i] = (gng_real)sigmoid((double)x[i]);
        break;
    case GNG_ACTIVATION_COUNT:
        break;
    }
}

void GNG_REAL_NAME(gng_ref_activation_backward)(const gng_layer *layer, size_t count, const gng_real *x, const gng_real *y, const gng_real *dy,
                                                gng_real *dx)
{
    const gng_real slope = (gng_real)layer->as.activation.slope;
    switch (layer->as.activation.function) {
    case GNG_ACTIVATION_RELU:
        for (size_t i = 0; i < count; i++)
            dx[i] = y[i] > 0 ? dy[i] : 0;
        break;
    case GNG_ACTIVATION_LEAKY_RELU:
        for (size_t i = 0; i < count; i++)
            dx[i] = y[i] > 0 ? dy[i] : slope * dy[i];
        break;
    case GNG_ACTIVATION_ELU: /* alpha exp(x) = y + alpha */
        for (size_t i = 0; i < count; i++)
            dx[i] = y[i] > 0 ? dy[i] : dy[i] * (y[i] + slope);
        break;
    case GNG_ACTIVATION_GELU:
        for (size_t i = 0; i < count; i++)
            dx[i] = (gng_real)((double)dy[i] * gelu_derivative((double)x[i]));
        break;
    case GNG_ACTIVATION_TANH:
        for (size_t i = 0; i < count; i++)
            dx[i] = dy[i] * (1 - y[i] * y[i]);
        break;
    case GNG_ACTIVATION_SIGMOID:
        for (size_t i = 0; i < count; i++)
            dx[i] = dy[i] * (y[i] * (1 - y[i]));
        break;
    case GNG_ACTIVATION_COUNT:
        break;
    }
}

#ifndef GNG_REFERENCE_DOUBLE

static gng_status plan(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory)
{
    return gng_ref_plan(request, GNG_REF_LAYOUT_ANY, out, memory);
}

static gng_status forward(gng_operation *operation, const gng_lane_call *call)
{
    gng_ref_activation_forward_float(&operation->layer, gng_tensor_stored(operation->output), call->inputs[0], call->output);
    /* sigmoid(0) is not 0 */
    gng_ref_clear_padding_float(operation->output, call->output);
    return GNG_OK;
}

static gng_status backward(gng_operation *operation, const gng_lane_call *call)
{
    if (call->input_gradients[0] == NULL)
        return GNG_OK;
    gng_ref_activation_backward_float(&operation->layer, gng_tensor_stored(operation->output), call->inputs[0], call->output, call->output_gradient,
                                      call->input_gradients[0]);
    return GNG_OK;
}

const gng_operation_table gng_ref_activation_table = {
    .engine = "ref",
    .name = "activation",
    .plan = plan,
    .destroy = gng_ref_destroy,
    .forward = forward,
    .backward = backward,
};

#endif
