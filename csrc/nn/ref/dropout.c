/* Dropout: a keyed mask that is drawn again in the backward pass instead of being kept. */
#include <math.h>
#include <string.h>

#include "nn/ref/kernels.h"
#include "nn/ref/plan.h"
#include "nn/ref/ref.h"

void GNG_REAL_NAME(gng_ref_dropout)(const gng_layer *layer, gng_tensor_shape shape, const gng_rng_key *key, const gng_real *x, gng_real *y)
{
    /* A table instead of a branch, which would be mispredicted for every other element. */
    const gng_real factors[2] = {0, (gng_real)(1 / (1 - (double)layer->as.dropout.rate))};
    /* uniform < rate, with uniform = (word >> 8) / 2^24 */
    const uint32_t dropped = (uint32_t)ceil((double)layer->as.dropout.rate * 0x1p24);
    const size_t block = (size_t)shape.block, pixels = (size_t)shape.height * (size_t)shape.width;
    /* Draws are taken in CHW order, so element i gets draw i in every layout; one call gives a block of four. */
    gng_rng rng = gng_rng_create(key);
    size_t draw = 0;
    for (int32_t c = 0; c < shape.channels; c++) {
        const size_t first = gng_tensor_index(shape, c, 0, 0);
        for (size_t i = 0; i < pixels; i++, draw++) {
            if (draw % 4 == 0) {
                rng.used = 4;
                (void)gng_rng_bits(&rng);
            }
            y[first + i * block] = factors[rng.block[draw % 4] >> 8 >= dropped] * x[first + i * block];
        }
    }
    GNG_REAL_NAME(gng_ref_clear_padding)(shape, y);
}

#ifndef GNG_REFERENCE_DOUBLE

static gng_status plan(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory)
{
    return gng_ref_plan(request, GNG_REF_LAYOUT_ANY, out, memory);
}

static void run(const gng_operation *operation, const gng_lane_call *call, const float *x, float *y)
{
    if (call->training)
        gng_ref_dropout_float(&operation->layer, operation->output, &call->key, x, y);
    else
        memcpy(y, x, gng_tensor_stored(operation->output) * sizeof *y);
}

static gng_status forward(gng_operation *operation, const gng_lane_call *call)
{
    run(operation, call, call->inputs[0], call->output);
    return GNG_OK;
}

static gng_status backward(gng_operation *operation, const gng_lane_call *call)
{
    if (call->input_gradients[0] != NULL)
        run(operation, call, call->output_gradient, call->input_gradients[0]);
    return GNG_OK;
}

const gng_operation_table gng_ref_dropout_table = {
    .engine = "ref",
    .name = "dropout",
    .plan = plan,
    .destroy = gng_ref_destroy,
    .forward = forward,
    .backward = backward,
};

#endif
