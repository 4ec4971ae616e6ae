/* SGD, RMSprop, Adam and AdamW over one flat block, cut into slices that depend on its size alone.
 *
 * Kingma, Ba 2015 (Adam); Loshchilov, Hutter 2019 (AdamW); Tieleman, Hinton 2012 (RMSprop); Sutskever et al. 2013 (momentum).
 */
#include "train/optimizer.h"

#include <math.h>
#include <string.h>

#include "base/elementary.h"
#include "nn/dnnl/dnnl_engine.h"

enum { SLICE_FLOATS_MIN = 16384, SLICES_MAX = 1024 };

static const char *const optimizer_names[] = {"sgd", "rmsprop", "adam", "adamw"};

gng_status gng_optimizer_from_name(const char *name, gng_optimizer_kind *out)
{
    for (int i = 0; i < (int)(sizeof optimizer_names / sizeof optimizer_names[0]); i++)
        if (strcmp(name, optimizer_names[i]) == 0) {
            *out = (gng_optimizer_kind)i;
            return GNG_OK;
        }
    return gng_error_set(GNG_STATUS_ARGUMENT, "optimizer: found '%s', expected 'sgd', 'rmsprop', 'adam' or 'adamw'", name);
}

gng_optimizer gng_optimizer_default(gng_optimizer_kind kind)
{
    return (gng_optimizer){
        .kind = kind,
        .rho = 0.9,
        .beta_1 = 0.9,
        .beta_2 = 0.999,
        .epsilon = 1e-7,
        .weight_decay = kind == GNG_OPTIMIZER_ADAMW ? 0.004 : 0.0,
    };
}

/* Written so that NaN is outside every range. */
static gng_status check_range(const char *field, double value, double least, double below, const char *expected)
{
    if (value >= least && value < below)
        return GNG_OK;
    return gng_error_set(GNG_STATUS_ARGUMENT, "optimizer: %s: found %s, expected %s", field, GNG_NUMBER(value), expected);
}

gng_status gng_optimizer_check(const gng_optimizer *optimizer)
{
    GNG_TRY(check_range("momentum", optimizer->momentum, 0, 1, "0 <= momentum < 1"));
    GNG_TRY(check_range("rho", optimizer->rho, 0, 1, "0 <= rho < 1"));
    GNG_TRY(check_range("beta_1", optimizer->beta_1, 0, 1, "0 <= beta_1 < 1"));
    GNG_TRY(check_range("beta_2", optimizer->beta_2, 0, 1, "0 <= beta_2 < 1"));
    GNG_TRY(check_range("epsilon", optimizer->epsilon, 1e-30, 1e30, "a small number > 0, such as 1e-7"));
    GNG_TRY(check_range("weight_decay", optimizer->weight_decay, 0, 1e30, "a number >= 0"));
    GNG_TRY(check_range("clip_norm", optimizer->clip_norm, 0, 1e30, "a number >= 0 (0: off)"));
    GNG_TRY(check_range("clip_value", optimizer->clip_value, 0, 1e30, "a number >= 0 (0: off)"));
    if (optimizer->nesterov && !(optimizer->kind == GNG_OPTIMIZER_SGD && optimizer->momentum > 0))
        return gng_error_set(GNG_STATUS_ARGUMENT, "optimizer: nesterov: needs 'sgd' with momentum > 0; found '%s' with momentum %g",
                             optimizer_names[optimizer->kind], optimizer->momentum);
    return GNG_OK;
}

int gng_optimizer_moment_count(const gng_optimizer *optimizer)
{
    switch (optimizer->kind) {
    case GNG_OPTIMIZER_SGD:
        return optimizer->momentum > 0 ? 1 : 0;
    case GNG_OPTIMIZER_RMSPROP:
        return optimizer->momentum > 0 ? 2 : 1;
    case GNG_OPTIMIZER_ADAM:
    case GNG_OPTIMIZER_ADAMW:
        break;
    }
    return 2;
}

typedef struct update {
    const gng_optimizer *optimizer;
    const gng_graph *graph;
    size_t slice_floats;
    float *parameters, *gradients, *first_moment, *second_moment;
    double *sums;  /* of squared gradients, [slices] */
    double rate;   /* learning rate, bias correction included */
    double decay;  /* factor on weights, AdamW */
    float scale;   /* of gradients, from clip_norm */
} update;

static size_t slice_end(const update *u, size_t first)
{
    const size_t end = first + u->slice_floats;
    return end < u->graph->parameter_floats ? end : u->graph->parameter_floats;
}

/* The part of tensor `parameter` that lies in [first, last): false when there is none. */
static bool overlap(const gng_parameter *parameter, size_t *first, size_t *last)
{
    const size_t begin = parameter->offset, end = parameter->offset + parameter->count;
    *first = *first > begin ? *first : begin;
    *last = *last < end ? *last : end;
    return *first < *last;
}

static gng_status regularise_task(void *argument, size_t index, int worker)
{
    (void)worker;
    const update *u = argument;
    const size_t first = index * u->slice_floats, last = slice_end(u, first);
    const gng_engine_bracket bracket = gng_engine_enter();
    for (int32_t p = 0; p < u->graph->parameter_count; p++) {
        const gng_parameter *parameter = &u->graph->parameters[p];
        size_t from = first, to = last;
        if (parameter->l2 > 0 && overlap(parameter, &from, &to))
            for (size_t i = from; i < to; i++)
                u->gradients[i] += 2 * parameter->l2 * u->parameters[i];
    }
    double sum = 0;
    for (size_t i = first; i < last; i++)
        sum += (double)u->gradients[i] * u->gradients[i];
    u->sums[index] = sum;
    gng_engine_leave(bracket);
    return GNG_OK;
}

static void clip(const update *u, size_t first, size_t last)
{
    const float limit = (float)u->optimizer->clip_value;
    if (u->scale < 1)
        for (size_t i = first; i < last; i++)
            u->gradients[i] *= u->scale;
    if (limit > 0)
        for (size_t i = first; i < last; i++)
            u->gradients[i] = u->gradients[i] > limit ? limit : u->gradients[i] < -limit ? -limit : u->gradients[i];
}

static void update_sgd(const update *u, size_t first, size_t last)
{
    const float rate = (float)u->rate, momentum = (float)u->optimizer->momentum;
    if (u->first_moment == NULL) {
        for (size_t i = first; i < last; i++)
            u->parameters[i] -= rate * u->gradients[i];
        return;
    }
    for (size_t i = first; i < last; i++) {
        const float velocity = momentum * u->first_moment[i] - rate * u->gradients[i];
        u->first_moment[i] = velocity;
        u->parameters[i] += u->optimizer->nesterov ? momentum * velocity - rate * u->gradients[i] : velocity;
    }
}

static void update_rmsprop(const update *u, size_t first, size_t last)
{
    const float rate = (float)u->rate, momentum = (float)u->optimizer->momentum;
    const float rho = (float)u->optimizer->rho, rest = (float)(1 - u->optimizer->rho), epsilon = (float)u->optimizer->epsilon;
    for (size_t i = first; i < last; i++) {
        const float gradient = u->gradients[i];
        const float square = rho * u->first_moment[i] + rest * gradient * gradient;
        float step = rate * gradient / sqrtf(square + epsilon);
        u->first_moment[i] = square;
        if (u->second_moment != NULL) {
            step += momentum * u->second_moment[i];
            u->second_moment[i] = step;
        }
        u->parameters[i] -= step;
    }
}

static void update_adam(const update *u, size_t first, size_t last)
{
    const float rate = (float)u->rate, epsilon = (float)u->optimizer->epsilon;
    const float rest_1 = (float)(1 - u->optimizer->beta_1), rest_2 = (float)(1 - u->optimizer->beta_2);
    float *restrict parameters = u->parameters, *restrict mean = u->first_moment, *restrict square = u->second_moment;
    const float *restrict gradients = u->gradients;
    for (size_t i = first; i < last; i++) {
        const float gradient = gradients[i];
        mean[i] += (gradient - mean[i]) * rest_1;
        square[i] += (gradient * gradient - square[i]) * rest_2;
        parameters[i] -= rate * mean[i] / (sqrtf(square[i]) + epsilon);
    }
}

static gng_status update_task(void *argument, size_t index, int worker)
{
    (void)worker;
    const update *u = argument;
    const size_t first = index * u->slice_floats, last = slice_end(u, first);
    const gng_engine_bracket bracket = gng_engine_enter();
    clip(u, first, last);
    if (u->decay > 0)
        for (int32_t p = 0; p < u->graph->parameter_count; p++) {
            size_t from = first, to = last;
            if (u->graph->parameters[p].rank > 1 && overlap(&u->graph->parameters[p], &from, &to))
                for (size_t i = from; i < to; i++)
                    u->parameters[i] -= (float)u->decay * u->parameters[i];
        }
    switch (u->optimizer->kind) {
    case GNG_OPTIMIZER_SGD:
        update_sgd(u, first, last);
        break;
    case GNG_OPTIMIZER_RMSPROP:
        update_rmsprop(u, first, last);
        break;
    case GNG_OPTIMIZER_ADAM:
    case GNG_OPTIMIZER_ADAMW:
        update_adam(u, first, last);
        break;
    }
    gng_engine_leave(bracket);
    return GNG_OK;
}

/* Pairwise, so that the result depends on the number of slices alone. */
static double tree_sum(double *sums, size_t count)
{
    for (size_t step = 1; step < count; step *= 2)
        for (size_t i = 0; i + step < count; i += 2 * step)
            sums[i] += sums[i + step];
    return count > 0 ? sums[0] : 0;
}

gng_status gng_optimizer_update(const gng_optimizer *optimizer, gng_context *context, const gng_graph *graph, double learning_rate,
                                uint64_t step, float *parameters, float *gradients, float *const moments[2], double *norm)
{
    const size_t count = graph->parameter_floats;
    double sums[SLICES_MAX];
    const size_t even = (count + SLICES_MAX - 1) / SLICES_MAX;
    update u = {
        .optimizer = optimizer,
        .graph = graph,
        .slice_floats = even > SLICE_FLOATS_MIN ? (even + 15) / 16 * 16 : SLICE_FLOATS_MIN,
        .parameters = parameters,
        .gradients = gradients,
        .first_moment = moments[0],
        .second_moment = moments[1],
        .sums = sums,
        .rate = learning_rate,
        .scale = 1,
    };
    const size_t slices = (count + u.slice_floats - 1) / u.slice_floats;
    GNG_TRY(gng_parallel_run(context, slices, regularise_task, &u));
    const double length = sqrt(tree_sum(sums, slices));
    if (!isfinite(length))
        return gng_error_set(GNG_STATUS_STATE, "the gradient is not finite; lower the learning rate or set clip_norm");
    if (optimizer->clip_norm > 0 && length > optimizer->clip_norm)
        u.scale = (float)(optimizer->clip_norm / length);
    if (optimizer->kind == GNG_OPTIMIZER_ADAM || optimizer->kind == GNG_OPTIMIZER_ADAMW)
        u.rate = learning_rate * sqrt(1 - gng_power(optimizer->beta_2, step)) / (1 - gng_power(optimizer->beta_1, step));
    if (optimizer->kind == GNG_OPTIMIZER_ADAMW)
        u.decay = learning_rate * optimizer->weight_decay;

    /* An update must not stop half-way: it runs with the caller's threads but without the cancel flag. */
    gng_context uncancelled = {.threads = gng_context_threads(context)};
    GNG_TRY(gng_parallel_run(&uncancelled, slices, update_task, &u));
    *norm = length;
    return GNG_OK;
}

double gng_optimizer_penalty(const gng_graph *graph, const float *parameters)
{
    double penalty = 0;
    for (int32_t p = 0; p < graph->parameter_count; p++) {
        const gng_parameter *parameter = &graph->parameters[p];
        if (!(parameter->l2 > 0))
            continue;
        double sum = 0;
        for (size_t i = 0; i < parameter->count; i++)
            sum += (double)parameters[parameter->offset + i] * parameters[parameter->offset + i];
        penalty += (double)parameter->l2 * sum;
    }
    return penalty;
}
