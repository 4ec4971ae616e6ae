/* Activations on oneDNN against the reference, in every layout. */
#include "instruction_sets.h"
#include "nn/ref/ref.h"
#include "operation_run.h"

static gng_layer activation_layer(gng_activation function, float slope)
{
    return (gng_layer){.name = "activation", .kind = GNG_LAYER_ACTIVATION, .input_count = 1, .as.activation = {function, slope}};
}

static void check_function(gng_activation function, float slope, gng_tensor_shape shape, float scale)
{
    const gng_layer layer = activation_layer(function, slope);
    const size_t count = gng_tensor_elements(shape);
    operation_data expected = operation_data_create(count, count, 0, 0), found = operation_data_create(count, count, 0, 0);
    for (size_t i = 0; i < count; i++)
        found.input[i] = expected.input[i] = expected.input[i] * scale;
    gng_operation_request request = {
        .chain = {&layer}, .chain_length = 1, .inputs = {shape}, .input_count = 1, .training = true, .input_gradient = true, .workers = 2};
    gng_operation_memory memory;
    CHECK_STATUS(run_lane_operation(&gng_ref_activation_table, &request, 0, 1, &expected, &memory), GNG_OK);
    for (int mode = 0; mode < 3; mode++) {
        request.training = mode > 0;
        request.input_gradient = mode > 1;
        const gng_status status = run_lane_operation(&gng_dnnl_activation_table, &request, mode % 2, 1, &found, &memory);
        if (function == GNG_ACTIVATION_SIGMOID && gng_tensor_stored(shape) != count) {
            CHECK(status == GNG_STATUS_UNSUPPORTED);
            continue;
        }
        const bool same = status == GNG_OK && memory.output.block == shape.block && close_to(found.output, expected.output, count, 1e-5) &&
                          (mode < 2 || close_to(found.input_gradient, expected.input_gradient, count, 1e-5));
        if (!CHECK(same))
            fprintf(stderr, "    %s (%s): %s, slope %g, %d x %d x %d in blocks of %d, inputs up to %g, mode %d\n", gng_status_name(status),
                    gng_error_detail(), gng_activation_name(function), (double)slope, (int)shape.channels, (int)shape.height, (int)shape.width,
                    (int)shape.block, (double)scale, mode);
    }
    operation_data_release(&expected);
    operation_data_release(&found);
}

static void tests(void)
{
    if (!gng_engine_available()) {
        const gng_layer layer = activation_layer(GNG_ACTIVATION_RELU, 0);
        const gng_operation_request request = {.chain = {&layer}, .chain_length = 1, .inputs = {{3, 1, 1, 1}}, .input_count = 1, .workers = 1};
        gng_operation *operation = NULL;
        gng_operation_memory memory;
        CHECK_STATUS(gng_dnnl_activation_table.plan(&request, &operation, &memory), GNG_STATUS_UNSUPPORTED);
        return;
    }
    const gng_tensor_shape shapes[] = {{1, 1, 1, 1}, {17, 1, 1, 1}, {20, 9, 7, 1}, {20, 9, 7, 20}, {20, 9, 7, 16}, {16, 9, 7, 8}};
    const float scales[] = {1, 6, 200};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (size_t k = 0; k < sizeof scales / sizeof scales[0]; k++) {
            check_function(GNG_ACTIVATION_RELU, 0, shapes[i], scales[k]);
            check_function(GNG_ACTIVATION_LEAKY_RELU, 0.2F, shapes[i], scales[k]);
            check_function(GNG_ACTIVATION_LEAKY_RELU, 0, shapes[i], scales[k]);
            check_function(GNG_ACTIVATION_ELU, 1.5F, shapes[i], scales[k]);
            check_function(GNG_ACTIVATION_GELU, 0, shapes[i], scales[k]);
            check_function(GNG_ACTIVATION_TANH, 0, shapes[i], scales[k]);
            check_function(GNG_ACTIVATION_SIGMOID, 0, shapes[i], scales[k]);
        }
}

int main(int argc, char **argv)
{
    return run_at_every_instruction_set(argc, argv, tests);
}
