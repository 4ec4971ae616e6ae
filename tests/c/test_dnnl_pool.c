/* Pooling on oneDNN against the reference: windows, strides, paddings, global kinds, every layout, the gradient. */
#include "instruction_sets.h"
#include "nn/ref/ref.h"
#include "operation_run.h"

typedef struct pool_case {
    int32_t channels, height, width;
    gng_pool_kind kind;
    gng_window window;
} pool_case;

/* The window of a global kind is not read. */
#define WHOLE {{1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}}

static const pool_case cases[] = {
    {32, 29, 29, GNG_POOL_MAX, {{2, 2}, {2, 2}, {0, 0, 0, 0}, {1, 1}}},     {16, 36, 36, GNG_POOL_MAX, {{2, 2}, {2, 2}, {0, 0, 0, 0}, {1, 1}}},
    {5, 13, 11, GNG_POOL_MAX, {{3, 2}, {2, 1}, {1, 0, 0, 1}, {1, 1}}},      {64, 15, 15, GNG_POOL_MAX, {{3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}}},
    {1, 9, 9, GNG_POOL_MAX, {{2, 2}, {3, 3}, {0, 0, 0, 0}, {1, 1}}},        {24, 18, 19, GNG_POOL_MAX, {{17, 16}, {1, 2}, {0, 0, 0, 0}, {1, 1}}},
    {32, 12, 12, GNG_POOL_AVERAGE, {{2, 2}, {2, 2}, {0, 0, 0, 0}, {1, 1}}}, {7, 9, 14, GNG_POOL_AVERAGE, {{3, 3}, {1, 2}, {1, 1, 1, 1}, {1, 1}}},
    {20, 8, 8, GNG_POOL_AVERAGE, {{3, 2}, {3, 1}, {2, 0, 0, 1}, {1, 1}}},   {3, 6, 6, GNG_POOL_AVERAGE, {{1, 1}, {2, 2}, {0, 0, 0, 0}, {1, 1}}},
    {48, 7, 9, GNG_POOL_GLOBAL_MAX, WHOLE},                                {48, 7, 9, GNG_POOL_GLOBAL_AVERAGE, WHOLE},
    {10, 20, 20, GNG_POOL_GLOBAL_MAX, WHOLE},                               {10, 4, 1, GNG_POOL_GLOBAL_AVERAGE, WHOLE},
};

/* Max windows in which only the last value is at home: saved positions, ties and padding all matter. */
static void put_ties(float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = i % 3 == 0 ? -1 : values[i] - 2;
}

/* Layouts for which the engine must have fast code; the rest, such as plain pictures of few channels, may be left to the
 * reference. */
static bool is_required(const pool_case *shape, int32_t block)
{
    if (block == shape->channels && block > 1)
        return gng_cpu_effective() >= GNG_INSTRUCTION_SET_AVX2;
    return block == 1 && shape->channels >= 16 && gng_cpu_effective() >= GNG_INSTRUCTION_SET_AVX512;
}

static void check_case(const pool_case *shape, int32_t block, bool ties)
{
    gng_layer layer = {.name = "pool", .kind = GNG_LAYER_POOL, .input_count = 1};
    layer.as.pool.kind = shape->kind;
    layer.as.pool.window = shape->window;
    const gng_tensor_shape input = {shape->channels, shape->height, shape->width, 1};
    gng_tensor_shape output;
    if (!CHECK(gng_layer_output_shape(&layer, &input, &output) == GNG_OK))
        return;
    operation_data expected = operation_data_create(gng_tensor_elements(input), gng_tensor_elements(output), 0, 0);
    operation_data found = operation_data_create(gng_tensor_elements(input), gng_tensor_elements(output), 0, 0);
    if (ties) {
        put_ties(expected.input, expected.inputs);
        put_ties(found.input, found.inputs);
    }
    gng_operation_request request = {
        .chain = {&layer}, .chain_length = 1, .inputs = {input}, .input_count = 1, .training = true, .input_gradient = true, .workers = 2};
    gng_operation_memory memory;
    CHECK_STATUS(run_lane_operation(&gng_ref_pool_table, &request, 0, 1, &expected, &memory), GNG_OK);

    request.inputs[0].block = block;
    for (int mode = 0; mode < 3; mode++) {
        request.training = mode > 0;
        request.input_gradient = mode > 1;
        const gng_status status = run_lane_operation(&gng_dnnl_pool_table, &request, mode % 2, 1, &found, &memory);
        if (status == GNG_STATUS_UNSUPPORTED && !is_required(shape, block))
            continue;
        const bool same = status == GNG_OK && memory.output.block == block && close_to(found.output, expected.output, found.outputs, 1e-5) &&
                          (mode < 2 || close_to(found.input_gradient, expected.input_gradient, found.inputs, 1e-5));
        if (!CHECK(same))
            fprintf(stderr, "    %s (%s): %d x %d x %d, %s, block %d, mode %d, ties %d\n", gng_status_name(status), gng_error_detail(),
                    (int)shape->channels, (int)shape->height, (int)shape->width, gng_pool_name(shape->kind), (int)block, mode, ties);
    }
    operation_data_release(&expected);
    operation_data_release(&found);
}

static void tests(void)
{
    if (!gng_engine_available()) {
        gng_layer layer = {.name = "pool", .kind = GNG_LAYER_POOL, .input_count = 1, .as.pool = {GNG_POOL_GLOBAL_MAX, WHOLE}};
        const gng_operation_request request = {.chain = {&layer}, .chain_length = 1, .inputs = {{1, 3, 3, 1}}, .input_count = 1, .workers = 1};
        gng_operation *operation = NULL;
        gng_operation_memory memory;
        CHECK_STATUS(gng_dnnl_pool_table.plan(&request, &operation, &memory), GNG_STATUS_UNSUPPORTED);
        return;
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int32_t blocks[] = {1, cases[i].channels, 8, 16};
        for (size_t k = 0; k < 4; k++)
            if (k == 0 || blocks[k] != 1)
                for (int ties = 0; ties < 2; ties++)
                    check_case(&cases[i], blocks[k], ties != 0);
    }
}

int main(int argc, char **argv)
{
    return run_at_every_instruction_set(argc, argv, tests);
}
