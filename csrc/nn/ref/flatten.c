/* Flatten: a picture becomes a row of features in CHW order, whatever its layout was; and the layout changes it consists of,
 * which stand alone as the reorder in front of an operation that needs a plain layout. */
#include <string.h>

#include "nn/ref/kernels.h"
#include "nn/ref/plan.h"
#include "nn/ref/ref.h"

void GNG_REAL_NAME(gng_ref_clear_padding)(gng_tensor_shape shape, gng_real *x)
{
    const size_t block = (size_t)shape.block, pixels = (size_t)shape.height * (size_t)shape.width;
    const size_t used = (size_t)shape.channels % block;
    if (used == 0)
        return;
    gng_real *last = x + (size_t)shape.channels / block * pixels * block;
    for (size_t i = 0; i < pixels; i++)
        for (size_t k = used; k < block; k++)
            last[i * block + k] = 0;
}

void GNG_REAL_NAME(gng_ref_to_plain)(gng_tensor_shape shape, const gng_real *x, gng_real *plain)
{
    const size_t block = (size_t)shape.block, pixels = (size_t)shape.height * (size_t)shape.width;
    if (block == 1) {
        memcpy(plain, x, gng_tensor_elements(shape) * sizeof *plain);
        return;
    }
    for (int32_t c = 0; c < shape.channels; c++) {
        const gng_real *from = x + gng_tensor_index(shape, c, 0, 0);
        for (size_t i = 0; i < pixels; i++)
            plain[(size_t)c * pixels + i] = from[i * block];
    }
}

void GNG_REAL_NAME(gng_ref_from_plain)(gng_tensor_shape shape, const gng_real *plain, gng_real *x)
{
    const size_t block = (size_t)shape.block, pixels = (size_t)shape.height * (size_t)shape.width;
    if (block == 1) {
        memcpy(x, plain, gng_tensor_elements(shape) * sizeof *plain);
        return;
    }
    for (int32_t c = 0; c < shape.channels; c++) {
        gng_real *to = x + gng_tensor_index(shape, c, 0, 0);
        for (size_t i = 0; i < pixels; i++)
            to[i * block] = plain[(size_t)c * pixels + i];
    }
    GNG_REAL_NAME(gng_ref_clear_padding)(shape, x);
}

#ifndef GNG_REFERENCE_DOUBLE

static gng_status plan_flatten(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory)
{
    return gng_ref_plan(request, GNG_REF_LAYOUT_TO_PLAIN, out, memory);
}

/* The layer that follows gives the name alone: the shape stays as it is. */
static gng_status plan_reorder(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory)
{
    gng_operation *operation = gng_memory_allocate(sizeof *operation);
    if (operation == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "planning a change of layout before layer '%s'", request->chain[0]->name);
    operation->inputs[0] = operation->output = request->inputs[0];
    operation->output.block = 1;
    *memory = (gng_operation_memory){.output = operation->output};
    *out = operation;
    return GNG_OK;
}

static gng_status forward(gng_operation *operation, const gng_lane_call *call)
{
    gng_ref_to_plain_float(operation->inputs[0], call->inputs[0], call->output);
    return GNG_OK;
}

static gng_status backward(gng_operation *operation, const gng_lane_call *call)
{
    if (call->input_gradients[0] != NULL)
        gng_ref_from_plain_float(operation->inputs[0], call->output_gradient, call->input_gradients[0]);
    return GNG_OK;
}

const gng_operation_table gng_ref_flatten_table = {
    .engine = "ref",
    .name = "flatten",
    .plan = plan_flatten,
    .destroy = gng_ref_destroy,
    .forward = forward,
    .backward = backward,
};

const gng_operation_table gng_ref_reorder_table = {
    .engine = "ref",
    .name = "reorder",
    .plan = plan_reorder,
    .destroy = gng_ref_destroy,
    .forward = forward,
    .backward = backward,
};

#endif
