/* What all reference tables share: an operation is its layer and its shapes. */
#ifndef GNG_NN_REF_PLAN_H
#define GNG_NN_REF_PLAN_H

#include "nn/operation.h"

struct gng_operation {
    gng_layer layer;
    gng_tensor_shape inputs[GNG_LAYER_INPUTS_MAX];
    gng_tensor_shape output;
    int32_t rows;          /* dense */
    int32_t column_blocks; /* dense */
    int32_t input_blocks;  /* dense */
    bool training;
};

typedef enum gng_ref_layout {
    GNG_REF_LAYOUT_PLAIN, /* inputs and output plain */
    GNG_REF_LAYOUT_ANY,   /* the output has the layout of the first input */
    GNG_REF_LAYOUT_TO_PLAIN
} gng_ref_layout;

/* Plans a chain of one layer and fills memory->output, everything else zero. UNSUPPORTED for a longer chain, and for blocked
 * inputs with GNG_REF_LAYOUT_PLAIN. */
GNG_MUST_CHECK gng_status gng_ref_plan(const gng_operation_request *request, gng_ref_layout layout, gng_operation **out,
                                       gng_operation_memory *memory);
void gng_ref_destroy(gng_operation *operation);

#endif
