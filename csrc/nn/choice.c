/* The table of engines. Order is preference; a table that cannot serve a shape says UNSUPPORTED and the next is asked. */
#include "nn/choice.h"

#include <string.h>

#include "nn/dnnl/dnnl_engine.h"
#include "nn/ref/ref.h"
#include "nn/simd/simd.h"

typedef struct choice {
    const gng_operation_table *table;
    gng_layer_kind kind;         /* of the first layer of the chain */
    int32_t longest;             /* layers of a chain the table can take at once */
    gng_instruction_set minimum; /* below, the table is not asked */
} choice;

static const choice choices[] = {
    {&gng_simd_conv_relu_pool_table, GNG_LAYER_CONV, 3, GNG_INSTRUCTION_SET_AVX512},
    {&gng_simd_deep_conv_table, GNG_LAYER_CONV, 3, GNG_INSTRUCTION_SET_AVX512},
    {&gng_dnnl_conv_table, GNG_LAYER_CONV, 2, GNG_INSTRUCTION_SET_SSE41},
    {&gng_dnnl_dense_table, GNG_LAYER_DENSE, 1, GNG_INSTRUCTION_SET_AVX2},
    {&gng_dnnl_pool_table, GNG_LAYER_POOL, 1, GNG_INSTRUCTION_SET_SSE41},
    {&gng_dnnl_activation_table, GNG_LAYER_ACTIVATION, 1, GNG_INSTRUCTION_SET_SSE41},
    {&gng_ref_conv_table, GNG_LAYER_CONV, 1, GNG_INSTRUCTION_SET_SCALAR},
    {&gng_ref_dense_table, GNG_LAYER_DENSE, 1, GNG_INSTRUCTION_SET_SCALAR},
    {&gng_ref_activation_table, GNG_LAYER_ACTIVATION, 1, GNG_INSTRUCTION_SET_SCALAR},
    {&gng_ref_pool_table, GNG_LAYER_POOL, 1, GNG_INSTRUCTION_SET_SCALAR},
    {&gng_ref_flatten_table, GNG_LAYER_FLATTEN, 1, GNG_INSTRUCTION_SET_SCALAR},
    {&gng_ref_dropout_table, GNG_LAYER_DROPOUT, 1, GNG_INSTRUCTION_SET_SCALAR},
    {&gng_ref_batch_norm_table, GNG_LAYER_BATCH_NORM, 1, GNG_INSTRUCTION_SET_SCALAR},
    {&gng_ref_add_table, GNG_LAYER_ADD, 1, GNG_INSTRUCTION_SET_SCALAR},
};

gng_status gng_choice_plan(const gng_operation_request *request, const gng_operation_table **table, gng_operation **operation,
                           gng_operation_memory *memory, int32_t *taken)
{
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        const choice *candidate = &choices[i];
        const bool dnnl = strcmp(candidate->table->engine, "dnnl") == 0;
        if (candidate->kind != request->chain[0]->kind || gng_cpu_effective() < candidate->minimum || (dnnl && !gng_engine_available()))
            continue;
        const int32_t longest = request->chain_length < candidate->longest ? request->chain_length : candidate->longest;
        for (int32_t length = longest; length >= 1; length--) {
            gng_operation_request part = *request;
            part.chain_length = length;
            const gng_status status = candidate->table->plan(&part, operation, memory);
            if (status == GNG_OK) {
                *table = candidate->table;
                *taken = length;
            }
            if (status != GNG_STATUS_UNSUPPORTED)
                return status;
        }
    }
    return gng_error_set(GNG_STATUS_UNSUPPORTED, "layer '%s': no engine takes %s with this memory layout", request->chain[0]->name,
                         gng_layer_kind_name(request->chain[0]->kind));
}
