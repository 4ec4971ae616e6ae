/* The gradient check, second half: the float32 engine against the double-precision reference.
 *
 * Works on one layer alone, first on plain tensors and then on each blocked layout that an engine takes.
 */
#include <math.h>
#include <string.h>

#include "nn/batch_norm.h"
#include "nn/choice.h"
#include "nn/dnnl/dnnl_engine.h"
#include "nn/gradient_check_plan.h"

/* Float copies of the check's tensors, in the engine's layouts. */
typedef struct engine_run {
    const gradient_check *check;
    gng_tensor_shape inputs[GNG_LAYER_INPUTS_MAX];
    const gng_operation_table *table; /* NULL for batch normalisation */
    gng_operation *operation;
    gng_operation_memory memory;

    gng_arena arena;
    float *x[GNG_LAYER_INPUTS_MAX], *dx[GNG_LAYER_INPUTS_MAX]; /* [pictures, stored] */
    float *y, *dy;
    float *parameters, *dparameters, *lane;
    double *statistics; /* batch normalisation: lanes, mean, variance, sums */
    void *packed, *saved, *scratch;
    double error;
} engine_run;

static void keep_largest(double *most, double value)
{
    if (value > *most || isnan(value))
        *most = value;
}

/* plain double [pictures, elements] -> float in the layout; the padding stays zero. */
static void to_engine(gng_tensor_shape shape, int32_t pictures, const double *plain, float *out)
{
    const size_t stored = gng_tensor_stored(shape);
    size_t i = 0;
    for (size_t n = 0; n < (size_t)pictures; n++)
        for (int32_t c = 0; c < shape.channels; c++)
            for (int32_t y = 0; y < shape.height; y++)
                for (int32_t x = 0; x < shape.width; x++, i++)
                    out[n * stored + gng_tensor_index(shape, c, y, x)] = (float)plain[i];
}

/* Relative error of a tensor; what lies in the padding must be zero. */
static void compare(engine_run *run, gng_tensor_shape shape, int32_t pictures, const double *plain, const float *found)
{
    const size_t stored = gng_tensor_stored(shape), count = stored * (size_t)pictures;
    double difference = 0, size = 0;
    size_t others = 0; /* values that are not zero, less those that belong to channels: the ones in the padding */
    for (size_t i = 0; i < count; i++)
        others += found[i] != 0;
    size_t i = 0;
    for (size_t n = 0; n < (size_t)pictures; n++)
        for (int32_t c = 0; c < shape.channels; c++)
            for (int32_t y = 0; y < shape.height; y++)
                for (int32_t x = 0; x < shape.width; x++, i++) {
                    const double value = (double)found[n * stored + gng_tensor_index(shape, c, y, x)];
                    keep_largest(&difference, fabs(value - plain[i]));
                    keep_largest(&size, fabs(plain[i]));
                    others -= value != 0;
                }
    if (others > 0)
        difference = INFINITY;
    keep_largest(&run->error, gng_gradient_check_error(difference, size));
}

static void compare_row(engine_run *run, size_t count, const double *expected, const float *found)
{
    if (count > 0)
        compare(run, (gng_tensor_shape){(int32_t)count, 1, 1, 1}, 1, expected, found);
}

static void compare_all(engine_run *run)
{
    const gradient_check *check = run->check;
    compare(run, run->memory.output, check->pictures, check->y, run->y);
    for (int32_t k = 0; k < check->layer->input_count; k++)
        compare(run, run->inputs[k], check->pictures, check->dx[k], run->dx[k]);
    compare_row(run, check->weight_count, check->dparameters, run->dparameters);
    compare_row(run, check->bias_count, check->dparameters + check->weight_count, run->dparameters + check->weight_count);
}

static gng_status plan(engine_run *run)
{
    const gradient_check *check = run->check;
    if (check->layer->kind == GNG_LAYER_BATCH_NORM) {
        run->memory.output = run->inputs[0];
        return GNG_OK;
    }
    gng_operation_request request = {
        .chain = {check->layer},
        .chain_length = 1,
        .input_count = check->layer->input_count,
        .training = true,
        .input_gradient = true,
        .rows = check->pictures,
        .workers = 1,
    };
    memcpy(request.inputs, run->inputs, sizeof request.inputs);
    int32_t taken;
    return gng_choice_plan(&request, &run->table, &run->operation, &run->memory, &taken);
}

static gng_status allocate(engine_run *run)
{
    const gradient_check *check = run->check;
    const size_t pictures = (size_t)check->pictures, parameters = check->weight_count + check->bias_count;
    const size_t output = pictures * gng_tensor_stored(run->memory.output);
    gng_arena_layout layout = {0};
    size_t x[GNG_LAYER_INPUTS_MAX], dx[GNG_LAYER_INPUTS_MAX];
    for (int32_t k = 0; k < GNG_LAYER_INPUTS_MAX; k++) {
        const size_t input = k < check->layer->input_count ? pictures * gng_tensor_stored(run->inputs[k]) : 0;
        x[k] = gng_arena_layout_add(&layout, input, sizeof(float));
        dx[k] = gng_arena_layout_add(&layout, input, sizeof(float));
    }
    const size_t y = gng_arena_layout_add(&layout, output, sizeof(float)), dy = gng_arena_layout_add(&layout, output, sizeof(float));
    const size_t values = gng_arena_layout_add(&layout, parameters, sizeof(float)), gradients = gng_arena_layout_add(&layout, parameters, sizeof(float));
    const size_t lane = gng_arena_layout_add(&layout, run->memory.gradient_floats, sizeof(float));
    const size_t statistics = gng_arena_layout_add(&layout, (3 * (size_t)GNG_LANES + 4) * (size_t)run->inputs[0].channels, sizeof(double));
    const size_t packed = gng_arena_layout_add(&layout, run->memory.packed_bytes, 1), saved = gng_arena_layout_add(&layout, run->memory.saved_bytes, 1);
    const size_t scratch = gng_arena_layout_add(&layout, run->memory.scratch_bytes, 1);
    GNG_TRY(gng_arena_create(&layout, &run->arena));
    GNG_TRY(gng_engine_check_room());
    for (int32_t k = 0; k < GNG_LAYER_INPUTS_MAX; k++) {
        run->x[k] = gng_arena_at(&run->arena, x[k]);
        run->dx[k] = gng_arena_at(&run->arena, dx[k]);
    }
    run->y = gng_arena_at(&run->arena, y);
    run->dy = gng_arena_at(&run->arena, dy);
    run->parameters = gng_arena_at(&run->arena, values);
    run->dparameters = gng_arena_at(&run->arena, gradients);
    run->lane = gng_arena_at(&run->arena, lane);
    run->statistics = gng_arena_at(&run->arena, statistics);
    run->packed = gng_arena_at(&run->arena, packed);
    run->saved = gng_arena_at(&run->arena, saved);
    run->scratch = gng_arena_at(&run->arena, scratch);
    return GNG_OK;
}

static void run_batch_norm(engine_run *run)
{
    const gradient_check *check = run->check;
    const gng_tensor_shape shape = run->inputs[0];
    const size_t stored = gng_tensor_stored(shape), channels = (size_t)shape.channels, lane = gng_batch_norm_lane_doubles(shape.channels);
    const float epsilon = check->layer->as.batch_norm.epsilon;
    const float *gamma = run->parameters, *beta = run->parameters + channels;
    double *lanes = run->statistics, *mean = lanes + GNG_LANES * lane, *variance = mean + channels, *sums = variance + channels;
    for (size_t n = 0; n < (size_t)check->pictures; n++)
        gng_batch_norm_collect(shape, run->x[0] + n * stored, lanes + n % GNG_LANES * lane);
    gng_batch_norm_merge(shape.channels, lanes, mean, variance);
    memset(lanes, 0, GNG_LANES * lane * sizeof *lanes);
    for (size_t n = 0; n < (size_t)check->pictures; n++) {
        gng_batch_norm_apply(shape, epsilon, mean, variance, gamma, beta, run->x[0] + n * stored, run->y + n * stored);
        gng_batch_norm_collect_gradient(shape, epsilon, mean, variance, run->x[0] + n * stored, run->dy + n * stored, lanes + n % GNG_LANES * 2 * channels);
    }
    gng_batch_norm_merge_gradient(shape.channels, lanes, sums);
    const double count = (double)check->pictures * shape.height * shape.width;
    for (size_t n = 0; n < (size_t)check->pictures; n++)
        gng_batch_norm_apply_gradient(shape, epsilon, mean, variance, gamma, sums, count, run->x[0] + n * stored, run->dy + n * stored, run->dx[0] + n * stored);
    for (size_t c = 0; c < channels; c++) {
        run->dparameters[c] = (float)sums[channels + c];
        run->dparameters[channels + c] = (float)sums[c];
    }
}

static gng_status run_dense(engine_run *run)
{
    gng_dense_call call = {
        .input = run->x[0],
        .output = run->y,
        .output_gradient = run->dy,
        .input_gradient = run->dx[0],
        .packed = run->packed,
        .weight_gradient = run->dparameters,
        .bias_gradient = run->check->bias_count > 0 ? run->dparameters + run->check->weight_count : NULL,
        .scratch = run->scratch,
    };
    for (call.block = 0; call.block < run->memory.column_blocks; call.block++)
        GNG_TRY(run->table->dense_forward(run->operation, &call));
    for (call.block = 0; call.block < run->memory.column_blocks; call.block++)
        GNG_TRY(run->table->dense_backward_weights(run->operation, &call));
    for (call.block = 0; call.block < run->memory.input_blocks; call.block++)
        GNG_TRY(run->table->dense_backward_data(run->operation, &call));
    return GNG_OK;
}

static gng_status run_lane(engine_run *run)
{
    const gradient_check *check = run->check;
    const gng_lane_call call = {
        .training = true,
        .key = check->key,
        .inputs = {run->x[0], run->x[1]},
        .output = run->y,
        .output_gradient = run->dy,
        .input_gradients = {run->dx[0], run->dx[1]},
        .packed = run->packed,
        .gradient = run->lane,
        .saved = run->saved,
        .scratch = run->scratch,
    };
    GNG_TRY(run->table->forward(run->operation, &call));
    GNG_TRY(run->table->backward(run->operation, &call));
    if (run->memory.gradient_floats == 0)
        return GNG_OK;
    return run->table->unpack(run->operation, 0, run->lane, run->dparameters, check->bias_count > 0 ? run->dparameters + check->weight_count : NULL,
                              run->scratch);
}

static void set_unwritten(float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = NAN;
}

static gng_status run_planned(engine_run *run)
{
    const gradient_check *check = run->check;
    GNG_TRY(allocate(run));
    for (int32_t k = 0; k < check->layer->input_count; k++)
        to_engine(run->inputs[k], check->pictures, check->x[k], run->x[k]);
    to_engine(run->memory.output, check->pictures, check->dy, run->dy);
    /* Whatever is not written stays NaN. */
    set_unwritten(run->y, gng_tensor_stored(run->memory.output) * (size_t)check->pictures);
    for (int32_t k = 0; k < check->layer->input_count; k++)
        set_unwritten(run->dx[k], gng_tensor_stored(run->inputs[k]) * (size_t)check->pictures);
    const size_t parameters = check->weight_count + check->bias_count;
    for (size_t i = 0; i < parameters; i++)
        run->parameters[i] = (float)check->parameters[i];

    if (run->table == NULL)
        run_batch_norm(run);
    else {
        if (parameters > 0)
            GNG_TRY(run->table->pack(run->operation, 0, run->parameters, check->bias_count > 0 ? run->parameters + check->weight_count : NULL, run->packed,
                                     run->scratch));
        GNG_TRY(check->layer->kind == GNG_LAYER_DENSE ? run_dense(run) : run_lane(run));
    }
    compare_all(run);
    return GNG_OK;
}

gng_status gng_gradient_check_engine(const gradient_check *check, double *error, const char **engine)
{
    /* Plain first: every layer has an engine for it. The second input of a sum comes in another layout than the first. */
    static const int32_t blocks[] = {1, 8, 16};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        engine_run run = {.check = check, .inputs = {check->inputs[0], check->inputs[1]}};
        run.inputs[0].block = blocks[i];
        run.inputs[1].block = blocks[(i + 1) % 3];
        gng_status status = plan(&run);
        if (status == GNG_STATUS_UNSUPPORTED && i > 0)
            continue;
        if (status == GNG_OK)
            status = run_planned(&run);
        if (run.operation != NULL)
            run.table->destroy(run.operation);
        gng_arena_destroy(&run.arena);
        if (status != GNG_OK)
            return status;
        keep_largest(error, run.error);
        if (i == 0)
            *engine = run.table != NULL ? run.table->engine : "core";
    }
    return GNG_OK;
}
