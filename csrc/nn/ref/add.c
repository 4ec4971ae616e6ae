/* Add: the sum of two pictures of one shape, in the layout of the first. */
#include <string.h>

#include "nn/ref/kernels.h"
#include "nn/ref/plan.h"
#include "nn/ref/ref.h"

void GNG_REAL_NAME(gng_ref_add)(gng_tensor_shape shape, gng_tensor_shape second, const gng_real *a, const gng_real *b, gng_real *y)
{
    const size_t pixels = (size_t)shape.height * (size_t)shape.width;
    if (shape.block == second.block) {
        const size_t count = gng_tensor_stored(shape);
        for (size_t i = 0; i < count; i++)
            y[i] = a[i] + b[i];
        return;
    }
    for (int32_t c = 0; c < shape.channels; c++) {
        const size_t at = gng_tensor_index(shape, c, 0, 0), other = gng_tensor_index(second, c, 0, 0);
        for (size_t i = 0; i < pixels; i++)
            y[at + i * (size_t)shape.block] = a[at + i * (size_t)shape.block] + b[other + i * (size_t)second.block];
    }
    GNG_REAL_NAME(gng_ref_clear_padding)(shape, y);
}

#ifndef GNG_REFERENCE_DOUBLE

static gng_status plan(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory)
{
    return gng_ref_plan(request, GNG_REF_LAYOUT_ANY, out, memory);
}

static gng_status forward(gng_operation *operation, const gng_lane_call *call)
{
    gng_ref_add_float(operation->inputs[0], operation->inputs[1], call->inputs[0], call->inputs[1], call->output);
    return GNG_OK;
}

/* Both gradients are dy, each in the layout of its input. */
static gng_status backward(gng_operation *operation, const gng_lane_call *call)
{
    const gng_tensor_shape shape = operation->output;
    for (int k = 0; k < 2; k++) {
        const gng_tensor_shape input = operation->inputs[k];
        float *to = call->input_gradients[k];
        if (to == NULL)
            continue;
        if (input.block == shape.block) {
            memcpy(to, call->output_gradient, gng_tensor_stored(shape) * sizeof *to);
            continue;
        }
        for (int32_t c = 0; c < shape.channels; c++) {
            const size_t at = gng_tensor_index(input, c, 0, 0), from = gng_tensor_index(shape, c, 0, 0);
            for (size_t i = 0; i < (size_t)shape.height * (size_t)shape.width; i++)
                to[at + i * (size_t)input.block] = call->output_gradient[from + i * (size_t)shape.block];
        }
        gng_ref_clear_padding_float(input, to);
    }
    return GNG_OK;
}

const gng_operation_table gng_ref_add_table = {
    .engine = "ref",
    .name = "add",
    .plan = plan,
    .destroy = gng_ref_destroy,
    .forward = forward,
    .backward = backward,
};

#endif
