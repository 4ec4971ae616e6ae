/* A planned operation: one layer, or a chain of layers fused into one kernel, for one shape on one engine.
 *
 * Each engine (ref, dnnl, simd) offers tables of functions; nn/choice picks one for every chain of a graph. An operation
 * works on one picture at a time ("lane operation"), or, for dense layers, on a block of columns over the rows of a group.
 * All memory comes from the caller's arena; an operation itself holds only what its engine needs (primitives).
 */
#ifndef GNG_NN_OPERATION_H
#define GNG_NN_OPERATION_H

#include "base/rng.h"
#include "nn/graph.h"

enum { GNG_CHAIN_MAX = 3 }; /* conv + relu + pool */

typedef struct gng_operation gng_operation;

/* What is planned: chain[0 .. chain_length - 1] are consecutive layers, each the only consumer of the one before. */
typedef struct gng_operation_request {
    const gng_layer *chain[GNG_CHAIN_MAX];
    int32_t chain_length;
    gng_tensor_shape inputs[GNG_LAYER_INPUTS_MAX]; /* of chain[0], with the layout in which they will arrive */
    int32_t input_count;
    bool training;             /* backward will be called */
    bool input_gradient;       /* false: nobody needs the gradient with respect to the inputs (first layer) */
    int32_t rows;              /* dense only: rows of a group, always computed in full */
    int32_t workers;           /* forward and backward are called with worker 0 to workers - 1 */
} gng_operation_request;

/* What the planned operation needs and offers; filled by `plan`. */
typedef struct gng_operation_memory {
    gng_tensor_shape output;  /* layout chosen by the engine */
    size_t packed_bytes;      /* weights in the engine's layout, one copy for all workers */
    size_t gradient_floats;   /* lane gradient in the engine's layout; 0 without parameters and for dense */
    size_t saved_bytes;       /* per picture, kept from forward to backward (argmax of pooling) */
    size_t scratch_bytes;     /* per worker */
    int32_t column_blocks;    /* dense: fixed units of work over the outputs */
    int32_t input_blocks;     /* dense: fixed units of work over the inputs in the backward pass */
} gng_operation_memory;

/* One call for one picture (lane operations). Pointers have the layout that was planned and are aligned to GNG_ALIGNMENT. */
typedef struct gng_lane_call {
    int worker;
    bool training;                                  /* dropout is active */
    gng_rng_key key;                                /* of this picture; `layer` is set by the net (dropout) */
    const float *inputs[GNG_LAYER_INPUTS_MAX];
    float *output;                                  /* forward: written; backward: as forward left it (unless the table says it is not read) */
    const float *output_gradient;                   /* backward */
    float *input_gradients[GNG_LAYER_INPUTS_MAX];   /* backward: written in full; NULL where not wanted */
    const void *packed;
    float *gradient;                                /* backward: the lane's sum; this picture's gradient is ADDED */
    void *saved;
    void *scratch;
} gng_lane_call;

/* One call of a dense operation. rows and features are those of the plan. */
typedef struct gng_dense_call {
    int worker;
    int32_t block;                 /* column block (forward, weights) or input block (data) */
    const float *input;            /* [rows, features] */
    float *output;                 /* [rows, units]; forward writes the block's columns */
    const float *output_gradient;  /* [rows, units] */
    float *input_gradient;         /* [rows, features]; backward_data writes the block's columns */
    const void *packed;
    float *weight_gradient;        /* flat plain [units, features]; the group's gradient of the block's rows is ADDED */
    float *bias_gradient;          /* flat [units]; ADDED; NULL without bias */
    void *scratch;
} gng_dense_call;

typedef struct gng_operation_table {
    const char *engine; /* "ref", "dnnl", "simd" */
    const char *name;   /* "conv", "conv_relu", ... */
    /* Makes the operation. UNSUPPORTED: not this shape (choice tries the next table); nothing is created then. */
    gng_status (*plan)(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory);
    void (*destroy)(gng_operation *operation);
    /* Once per step: plain parameters of the layer (weight, then bias as in the flat block) -> packed. NULL: no parameters. */
    gng_status (*pack)(gng_operation *operation, int worker, const float *weight, const float *bias, void *packed, void *scratch);
    /* Once per step: the summed lane gradient -> plain gradients, written. NULL as above, and for dense. */
    gng_status (*unpack)(gng_operation *operation, int worker, const float *gradient, float *weight_gradient, float *bias_gradient, void *scratch);
    /* Lane operations. */
    gng_status (*forward)(gng_operation *operation, const gng_lane_call *call);
    gng_status (*backward)(gng_operation *operation, const gng_lane_call *call);
    /* Dense operations. */
    gng_status (*dense_forward)(gng_operation *operation, const gng_dense_call *call);
    gng_status (*dense_backward_data)(gng_operation *operation, const gng_dense_call *call);
    gng_status (*dense_backward_weights)(gng_operation *operation, const gng_dense_call *call);
} gng_operation_table;

#endif
