/* Planning shared by the reference tables. */
#include "nn/ref/plan.h"

#include "nn/graph_shapes.h"

gng_status gng_ref_plan(const gng_operation_request *request, gng_ref_layout layout, gng_operation **out, gng_operation_memory *memory)
{
    const gng_layer *layer = request->chain[0];
    if (request->chain_length != 1)
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "layer '%s': the reference runs single layers, found a chain of %d", layer->name, (int)request->chain_length);
    for (int32_t i = 0; i < request->input_count; i++)
        if (layout == GNG_REF_LAYOUT_PLAIN && request->inputs[i].block != 1)
            return gng_error_set(GNG_STATUS_UNSUPPORTED, "layer '%s': found an input in blocks of %d channels, expected a plain one", layer->name,
                                 (int)request->inputs[i].block);
    gng_tensor_shape output;
    GNG_TRY(gng_layer_output_shape(layer, request->inputs, &output));
    if (layout == GNG_REF_LAYOUT_ANY)
        output.block = request->inputs[0].block;

    gng_operation *operation = gng_memory_allocate(sizeof *operation);
    if (operation == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "planning layer '%s'", layer->name);
    *operation = (gng_operation){.layer = *layer, .output = output, .rows = request->rows, .training = request->training};
    for (int32_t i = 0; i < request->input_count; i++)
        operation->inputs[i] = request->inputs[i];
    *memory = (gng_operation_memory){.output = output};
    *out = operation;
    return GNG_OK;
}

void gng_ref_destroy(gng_operation *operation)
{
    gng_memory_release(operation);
}
