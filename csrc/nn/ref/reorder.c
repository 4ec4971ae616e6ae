/* Reorder: any layout -> plain, in front of an operation that needs it. No layer of its own, and floats only. */
#include "nn/ref/kernels.h"
#include "nn/ref/plan.h"
#include "nn/ref/ref.h"

/* The layer that follows gives the name alone: the shape stays as it is. */
static gng_status plan(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory)
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

const gng_operation_table gng_ref_reorder_table = {
    .engine = "ref",
    .name = "reorder",
    .plan = plan,
    .destroy = gng_ref_destroy,
    .forward = forward,
    .backward = backward,
};
