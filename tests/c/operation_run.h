/* One planned operation, run forward and backward on plain data, so that engines can be compared whatever their layouts. */
#ifndef GNG_TESTS_OPERATION_RUN_H
#define GNG_TESTS_OPERATION_RUN_H

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "check.h"
#include "nn/dnnl/dnnl_engine.h"
#include "nn/graph_shapes.h"
#include "nn/operation.h"

/* What an operation is given and gives back, all plain: pictures as CHW, weights as in the flat block. */
typedef struct operation_data {
    size_t inputs, outputs, weights, biases; /* floats */
    float *input, *output_gradient, *weight, *bias;
    float *output, *input_gradient, *weight_gradient, *bias_gradient;
} operation_data;

/* Deterministic numbers in [-1, 1). */
static inline void fill_random(float *values, size_t count, uint32_t seed)
{
    uint64_t state = seed * 2654435761U + 88172645463325252U;
    for (size_t i = 0; i < count; i++) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        values[i] = (float)((double)(state >> 40) / 8388608.0 - 1);
    }
}

static inline void fill_nan(void *values, size_t bytes)
{
    memset(values, 0xFF, bytes);
}

static inline float *new_floats(size_t count)
{
    return gng_memory_allocate_array(count, sizeof(float));
}

static inline operation_data operation_data_create(size_t inputs, size_t outputs, size_t weights, size_t biases)
{
    operation_data data = {.inputs = inputs, .outputs = outputs, .weights = weights, .biases = biases};
    data.input = new_floats(inputs);
    data.output_gradient = new_floats(outputs);
    data.weight = new_floats(weights);
    data.bias = new_floats(biases);
    data.output = new_floats(outputs);
    data.input_gradient = new_floats(inputs);
    data.weight_gradient = new_floats(weights);
    data.bias_gradient = new_floats(biases);
    fill_random(data.input, inputs, 1);
    fill_random(data.output_gradient, outputs, 2);
    fill_random(data.weight, weights, 3);
    fill_random(data.bias, biases, 4);
    return data;
}

static inline void operation_data_release(operation_data *data)
{
    float *const all[] = {data->input,  data->output_gradient, data->weight,          data->bias,
                          data->output, data->input_gradient,  data->weight_gradient, data->bias_gradient};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        gng_memory_release(all[i]);
}

/* Plain CHW -> the layout of `shape`, its padding zero. */
static inline void to_layout(gng_tensor_shape shape, const float *plain, float *stored)
{
    memset(stored, 0, gng_tensor_stored(shape) * sizeof *stored);
    for (int32_t c = 0; c < shape.channels; c++)
        for (int32_t y = 0; y < shape.height; y++)
            for (int32_t x = 0; x < shape.width; x++)
                stored[gng_tensor_index(shape, c, y, x)] = *plain++;
}

/* Back again; true when everything was written and the padding is zero. */
static inline bool from_layout(gng_tensor_shape shape, const float *stored, float *plain)
{
    size_t zeros = 0, finite = 0;
    const size_t total = gng_tensor_stored(shape);
    for (int32_t c = 0; c < shape.channels; c++)
        for (int32_t y = 0; y < shape.height; y++)
            for (int32_t x = 0; x < shape.width; x++) {
                *plain = stored[gng_tensor_index(shape, c, y, x)];
                finite += *plain > -FLT_MAX && *plain < FLT_MAX;
                zeros += *plain++ == 0;
            }
    size_t stored_zeros = 0;
    for (size_t i = 0; i < total; i++)
        stored_zeros += stored[i] == 0;
    return finite == gng_tensor_elements(shape) && stored_zeros - zeros == total - gng_tensor_elements(shape);
}

typedef struct operation_memory {
    void *packed, *saved, *scratch;
    float *input, *output, *output_gradient, *input_gradient, *gradient;
} operation_memory;

static inline operation_memory operation_memory_create(const gng_operation_request *request, const gng_operation_memory *memory)
{
    operation_memory own = {
        .packed = gng_memory_allocate(memory->packed_bytes),
        .saved = gng_memory_allocate(memory->saved_bytes),
        .scratch = gng_memory_allocate(memory->scratch_bytes),
        .input = new_floats(gng_tensor_stored(request->inputs[0])),
        .output = new_floats(gng_tensor_stored(memory->output)),
        .output_gradient = new_floats(gng_tensor_stored(memory->output)),
        .input_gradient = new_floats(gng_tensor_stored(request->inputs[0])),
        .gradient = new_floats(memory->gradient_floats),
    };
    fill_nan(own.packed, memory->packed_bytes);
    fill_nan(own.saved, memory->saved_bytes);
    fill_nan(own.scratch, memory->scratch_bytes);
    fill_nan(own.output, gng_tensor_stored(memory->output) * sizeof(float));
    fill_nan(own.input_gradient, gng_tensor_stored(request->inputs[0]) * sizeof(float));
    return own;
}

static inline void operation_memory_release(operation_memory *own)
{
    void *const all[] = {own->packed, own->saved, own->scratch, own->input, own->output, own->output_gradient, own->input_gradient, own->gradient};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        gng_memory_release(all[i]);
}

/* Forward, and for training backward `passes` times, by one worker; gradients of the parameters are then their sum. */
static inline gng_status run_lane_operation(const gng_operation_table *table, const gng_operation_request *request, int worker, int passes,
                                            operation_data *data, gng_operation_memory *memory)
{
    gng_operation *operation;
    GNG_TRY(table->plan(request, &operation, memory));
    operation_memory own = operation_memory_create(request, memory);
    to_layout(request->inputs[0], data->input, own.input);
    to_layout(memory->output, data->output_gradient, own.output_gradient);
    gng_lane_call call = {
        .worker = worker,
        .training = request->training,
        .inputs = {own.input},
        .output = own.output,
        .output_gradient = own.output_gradient,
        .input_gradients = {request->input_gradient ? own.input_gradient : NULL},
        .packed = own.packed,
        .gradient = own.gradient,
        .saved = request->training ? own.saved : NULL,
        .scratch = own.scratch,
    };
    const gng_engine_bracket bracket = gng_engine_enter();
    gng_status status = GNG_OK;
    if (table->pack != NULL && data->weights > 0)
        status = table->pack(operation, worker, data->weight, data->biases > 0 ? data->bias : NULL, own.packed, own.scratch);
    if (status == GNG_OK)
        status = table->forward(operation, &call);
    for (int pass = 0; pass < passes && status == GNG_OK && request->training; pass++)
        status = table->backward(operation, &call);
    if (status == GNG_OK && request->training && memory->gradient_floats > 0)
        status = table->unpack(operation, worker, own.gradient, data->weight_gradient, data->biases > 0 ? data->bias_gradient : NULL, own.scratch);
    table->destroy(operation);
    gng_engine_leave(bracket);
    if (status == GNG_OK) {
        CHECK(from_layout(memory->output, own.output, data->output));
        if (request->training && request->input_gradient && passes > 0)
            CHECK(from_layout(request->inputs[0], own.input_gradient, data->input_gradient));
    }
    operation_memory_release(&own);
    return status;
}

/* |found - expected| <= tolerance * the largest |expected| + 1e-7, the resolution of numbers around 1; NaN fails. */
static inline bool close_to(const float *found, const float *expected, size_t count, double tolerance)
{
    double largest = 0, worst = 0;
    bool numbers = true;
    for (size_t i = 0; i < count; i++) {
        const double difference = fabs((double)found[i] - (double)expected[i]);
        numbers = numbers && difference >= 0;
        worst = difference > worst ? difference : worst;
        largest = fabs((double)expected[i]) > largest ? fabs((double)expected[i]) : largest;
    }
    return numbers && worst <= tolerance * largest + 1e-7;
}

static inline bool same_bits(const float *a, const float *b, size_t count)
{
    return memcmp(a, b, count * sizeof *a) == 0;
}

#endif
