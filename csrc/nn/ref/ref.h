/* The reference engine: plain loops that define what is correct.
 *
 * One file per operation, backward right under forward, compiled for float (`gng_real` = float, a table for the net) and
 * for double (for the gradient check). Layout is plain: block must be 1. Compiled without floating-point contraction.
 */
#ifndef GNG_NN_REF_REF_H
#define GNG_NN_REF_REF_H

#include "nn/operation.h"

extern const gng_operation_table gng_ref_conv_table;
extern const gng_operation_table gng_ref_dense_table;
extern const gng_operation_table gng_ref_activation_table; /* any layout */
extern const gng_operation_table gng_ref_pool_table;
extern const gng_operation_table gng_ref_flatten_table;    /* any layout in, plain out */
extern const gng_operation_table gng_ref_dropout_table;    /* any layout */
extern const gng_operation_table gng_ref_add_table;        /* any layout; converts the second input to the first's */
extern const gng_operation_table gng_ref_batch_norm_table; /* any layout; inference form; its packed form is described there */
/* Any layout -> plain, put in front of a reference operation that needs it. Planned with the layer that follows in chain[0]. */
extern const gng_operation_table gng_ref_reorder_table;

#endif
