/* One training step: fill and run the net, then update the flat block. */
#include "train/step.h"

#include <math.h>
#include <string.h>

struct gng_step {
    const gng_graph *graph;
    gng_net *net;
    gng_optimizer optimizer;
    gng_arena arena;
    float *moments[2];
    float *states_before; /* running statistics, to be restored when the update is refused */
    uint32_t *indices;    /* of the batch: a copy, because the caller's may change while the step runs */
    uint32_t batch;
    bool pixels; /* what the scratch memory is planned for */
    size_t scratch_bytes; /* of one worker */
    unsigned char *scratch;
    uint64_t count;
    int threads;
};

gng_status gng_step_create(const gng_graph *graph, const gng_samples *samples, uint32_t batch, int threads, const gng_optimizer *optimizer,
                           gng_step **out)
{
    GNG_TRY(gng_optimizer_check(optimizer));
    gng_step *step = gng_memory_allocate(sizeof *step);
    if (step == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "planning a training step");
    step->graph = graph;
    step->optimizer = *optimizer;
    step->threads = threads;
    step->batch = batch;
    step->pixels = samples->pixels != NULL;
    const gng_net_options options = {.batch = batch, .threads = threads, .training = true};
    gng_status status = gng_net_create(graph, &options, &step->net);
    if (status == GNG_OK) {
        gng_arena_layout layout = {0};
        size_t offsets[2] = {0};
        const int moments = gng_optimizer_moment_count(optimizer);
        for (int k = 0; k < moments; k++)
            offsets[k] = gng_arena_layout_add(&layout, graph->parameter_floats, sizeof(float));
        const size_t states = gng_arena_layout_add(&layout, graph->state_floats, sizeof(float));
        const size_t indices = gng_arena_layout_add(&layout, batch, sizeof *step->indices);
        step->scratch_bytes = (gng_batch_scratch_bytes(samples) + GNG_ALIGNMENT - 1) / GNG_ALIGNMENT * GNG_ALIGNMENT;
        const size_t scratch = gng_arena_layout_add(&layout, (size_t)threads, step->scratch_bytes);
        status = gng_arena_create(&layout, &step->arena);
        if (status == GNG_OK) {
            for (int k = 0; k < moments; k++)
                step->moments[k] = gng_arena_at(&step->arena, offsets[k]);
            step->states_before = gng_arena_at(&step->arena, states);
            step->indices = gng_arena_at(&step->arena, indices);
            step->scratch = gng_arena_at(&step->arena, scratch);
        }
    }
    if (status != GNG_OK) {
        gng_step_destroy(step);
        return status;
    }
    *out = step;
    return GNG_OK;
}

void gng_step_destroy(gng_step *step)
{
    if (step == NULL)
        return;
    gng_net_destroy(step->net);
    gng_arena_destroy(&step->arena);
    gng_memory_release(step);
}

gng_net *gng_step_net(gng_step *step)
{
    return step->net;
}

float *gng_step_moments(gng_step *step, int k)
{
    return k >= 0 && k < 2 ? step->moments[k] : NULL;
}

uint64_t gng_step_count(const gng_step *step)
{
    return step->count;
}

void gng_step_count_set(gng_step *step, uint64_t count)
{
    step->count = count;
}

typedef struct fill_source {
    const gng_step *step;
    const gng_batch *batch;
} fill_source;

static gng_status fill(void *argument, uint32_t position, int worker, float *out)
{
    const fill_source *source = argument;
    return gng_batch_fill(source->batch, position, source->step->scratch + (size_t)worker * source->step->scratch_bytes, out);
}

static gng_status update(gng_step *step, gng_context *context, double learning_rate, gng_step_result *result)
{
    if (!isfinite(result->loss))
        return gng_error_set(GNG_STATUS_STATE, "the loss is not finite (%s); lower the learning rate or set clip_norm", GNG_NUMBER(result->loss));
    GNG_TRY(gng_optimizer_update(&step->optimizer, context, step->graph, learning_rate, step->count + 1, gng_net_parameters(step->net),
                                 gng_net_gradients(step->net), step->moments, &result->gradient_norm));
    step->count++;
    return GNG_OK;
}

static gng_status check_batch(const gng_step *step, const gng_batch *batch)
{
    if (batch->targets == NULL)
        return gng_error_set(GNG_STATUS_ARGUMENT, "targets: a training step needs them");
    if ((batch->samples->pixels != NULL) != step->pixels)
        return gng_error_set(GNG_STATUS_ARGUMENT, "samples: found %s, but the step was planned for %s", step->pixels ? "rows" : "pictures",
                             step->pixels ? "pictures" : "rows");
    if (batch->count < 1 || batch->count > step->batch)
        return gng_error_set(GNG_STATUS_ARGUMENT, "indices: found %u, expected 1 to %u, the batch size of the step", batch->count, step->batch);
    return GNG_OK;
}

/* Targets and weights are found by index too, so none may pass that was not looked at. */
static gng_status copy_indices(const gng_step *step, const gng_batch *batch)
{
    memcpy(step->indices, batch->indices, batch->count * sizeof *step->indices);
    for (uint32_t i = 0; i < batch->count; i++)
        if (step->indices[i] >= batch->samples->count)
            return gng_error_set(GNG_STATUS_ARGUMENT, "indices: found %u, but there are %llu samples", step->indices[i],
                                 (unsigned long long)batch->samples->count);
    return GNG_OK;
}

gng_status gng_step_run(gng_step *step, gng_context *context, const gng_batch *batch, uint64_t dropout_seed, double learning_rate, bool apply,
                        gng_step_result *result)
{
    if (!isfinite(learning_rate) || learning_rate < 0)
        return gng_error_set(GNG_STATUS_ARGUMENT, "learning_rate: found %s, expected a finite number >= 0", GNG_NUMBER(learning_rate));
    GNG_TRY(check_batch(step, batch));
    GNG_TRY(copy_indices(step, batch));
    gng_batch own = *batch;
    own.indices = step->indices;
    fill_source source = {.step = step, .batch = &own};
    const gng_net_run run = {.count = batch->count, .fill = fill, .argument = &source};
    const gng_net_targets targets = {
        .samples = own.indices,
        .keys = batch->keys == NULL ? own.indices : batch->keys,
        .occurrences = batch->occurrences,
        .targets = batch->targets,
        .weights = batch->weights,
        .seed = dropout_seed,
        .epoch = batch->epoch,
    };
    float *states = gng_net_states(step->net);
    const size_t state_bytes = step->graph->state_floats * sizeof *states;
    memcpy(step->states_before, states, state_bytes);
    gng_net_score score;
    gng_step_result found = {0};
    GNG_TRY(gng_net_pack(step->net, context));
    GNG_TRY(gng_net_train(step->net, context, &run, &targets, &score));
    found.loss = score.loss + gng_optimizer_penalty(step->graph, gng_net_parameters(step->net));
    found.correct = score.correct;
    const gng_status status = apply ? update(step, context, learning_rate, &found) : GNG_OK;
    if (status != GNG_OK || !apply)
        memcpy(states, step->states_before, state_bytes);
    if (status == GNG_OK)
        *result = found;
    return status;
}
