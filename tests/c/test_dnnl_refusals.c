/* What no net asks of oneDNN, and how its answers become ours. */
#include "instruction_sets.h"
#include "model_examples.h"
#include "nn/dnnl/dnnl_engine.h"
#include "nn/dnnl/memory.h"

static void statuses_are_translated(void)
{
    CHECK_STATUS(gng_engine_check(dnnl_success, "call"), GNG_OK);
    CHECK_STATUS(gng_engine_check(dnnl_out_of_memory, "call"), GNG_STATUS_MEMORY);
    CHECK_TEXT(gng_error_detail(), "oneDNN found no memory in call; use a smaller batch or close other programs");
    CHECK_STATUS(gng_engine_check(dnnl_unimplemented, "call"), GNG_STATUS_UNSUPPORTED);
    CHECK_TEXT(gng_error_detail(), "oneDNN has no implementation behind call");
    CHECK_STATUS(gng_engine_check(dnnl_runtime_error, "call"), GNG_STATUS_ENGINE);
    CHECK_TEXT(gng_error_detail(), "oneDNN: call failed with status 5; report this with the model");
}

static void unknown_layouts_are_refused(void)
{
    const gng_tensor_shape shape = {.channels = 12, .height = 3, .width = 2, .block = 4};
    const dnnl_dims_t sizes = {1, 12, 3, 2};
    dnnl_memory_desc_t descriptor = NULL;
    CHECK_STATUS(gng_descriptor_picture(shape, &descriptor), GNG_STATUS_UNSUPPORTED);
    CHECK(descriptor == NULL);
    CHECK_STATUS(gng_descriptor_tagged(4, sizes, dnnl_nChw4c, &descriptor), GNG_OK);
    int32_t block = -1;
    CHECK_STATUS(gng_descriptor_block(descriptor, shape, &block), GNG_STATUS_UNSUPPORTED);
    CHECK(block == -1);
    dnnl_memory_desc_destroy(descriptor);
}

static void chains_that_are_not_fused_are_refused(void)
{
    const gng_layer conv = example_conv("conv", 0, 4, 3, true), dense = example_dense("dense", 0, 2, true), pool = example_pool("pool", 0, GNG_POOL_MAX),
                    tanh = example_activation("tanh", 0, GNG_ACTIVATION_TANH, 0);
    const struct {
        const gng_operation_table *table;
        const gng_layer *layer;
    } pairs[] = {{&gng_dnnl_conv_table, &conv}, {&gng_dnnl_dense_table, &dense}, {&gng_dnnl_pool_table, &pool}, {&gng_dnnl_activation_table, &tanh}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const gng_operation_request request = {.chain = {pairs[i].layer, &tanh}, .chain_length = 2, .inputs = {{1, 4, 4, 1}}, .input_count = 1, .rows = 1,
                                               .workers = 1};
        gng_operation *operation = NULL;
        gng_operation_memory memory;
        const gng_engine_bracket bracket = gng_engine_enter();
        CHECK_STATUS(pairs[i].table->plan(&request, &operation, &memory), GNG_STATUS_UNSUPPORTED);
        CHECK(operation == NULL && strstr(gng_error_detail(), "fuses") != NULL);
        gng_engine_leave(bracket);
        pairs[i].table->destroy(NULL);
    }
}

static void tests(void)
{
    statuses_are_translated();
    unknown_layouts_are_refused();
    chains_that_are_not_fused_are_refused();
    CHECK(gng_memory_live_count() == 0);
}

int main(int argc, char **argv)
{
    return run_at_every_instruction_set(argc, argv, tests);
}
