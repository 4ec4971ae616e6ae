/* Dense layers on oneDNN: against the reference, and the promise that a row's result does not depend on its companions. */
#include "base/parallel.h"
#include "instruction_sets.h"
#include "nn/ref/ref.h"
#include "operation_run.h"

typedef struct dense_case {
    int32_t features, units;
    bool bias;
} dense_case;

static const dense_case cases[] = {
    {5184, 128, true}, {128, 1, true}, {128, 10, false}, {1, 1, true}, {3, 5, true}, {100, 17, false}, {777, 33, true}, {64, 1000, true}, {1031, 130, true},
};

static gng_layer dense_layer(const dense_case *shape)
{
    gng_layer layer = {.name = "dense", .kind = GNG_LAYER_DENSE, .input_count = 1};
    layer.as.dense.units = shape->units;
    layer.as.dense.bias = shape->bias;
    return layer;
}

typedef struct dense_run {
    const gng_operation_table *table;
    gng_operation *operation;
    gng_operation_memory memory;
    gng_dense_call call;
    void *scratch[3];
} dense_run;

static gng_status dense_task(void *argument, size_t index, int worker)
{
    dense_run *run = argument;
    const size_t columns = (size_t)run->memory.column_blocks;
    gng_dense_call call = run->call;
    call.worker = worker;
    call.scratch = run->scratch[worker];
    call.block = (int32_t)(index % columns);
    const gng_engine_bracket bracket = gng_engine_enter();
    gng_status status;
    if (index < columns)
        status = run->table->dense_forward(run->operation, &call);
    else if (index < 2 * columns)
        status = run->table->dense_backward_weights(run->operation, &call);
    else {
        call.block = (int32_t)(index - 2 * columns);
        status = run->table->dense_backward_data(run->operation, &call);
    }
    gng_engine_leave(bracket);
    return status;
}

/* All blocks, forward and, when training, backward; parameter gradients are added to what is there. */
static gng_status run_dense(const gng_operation_table *table, const dense_case *shape, int32_t rows, bool training, int threads, operation_data *data)
{
    const gng_layer layer = dense_layer(shape);
    const gng_operation_request request = {.chain = {&layer}, .chain_length = 1, .inputs = {{shape->features, 1, 1, 1}}, .input_count = 1,
                                           .training = training, .input_gradient = training, .rows = rows, .workers = threads};
    dense_run run = {.table = table};
    GNG_TRY(table->plan(&request, &run.operation, &run.memory));
    CHECK(run.memory.column_blocks >= 1 && run.memory.column_blocks <= 16 && run.memory.input_blocks >= 1 && run.memory.input_blocks <= 16);
    void *packed = gng_memory_allocate(run.memory.packed_bytes);
    fill_nan(packed, run.memory.packed_bytes);
    fill_nan(data->output, data->outputs * sizeof(float));
    fill_nan(data->input_gradient, data->inputs * sizeof(float));
    for (int i = 0; i < threads; i++) {
        run.scratch[i] = gng_memory_allocate(run.memory.scratch_bytes);
        fill_nan(run.scratch[i], run.memory.scratch_bytes);
    }
    run.call = (gng_dense_call){.input = data->input, .output = data->output, .output_gradient = data->output_gradient,
                                .input_gradient = data->input_gradient, .packed = packed, .weight_gradient = data->weight_gradient,
                                .bias_gradient = shape->bias ? data->bias_gradient : NULL};
    gng_context context = {.threads = threads};
    const size_t tasks = training ? 2 * (size_t)run.memory.column_blocks + (size_t)run.memory.input_blocks : (size_t)run.memory.column_blocks;
    gng_status status = table->pack(run.operation, 0, data->weight, shape->bias ? data->bias : NULL, packed, run.scratch[0]);
    if (status == GNG_OK)
        status = gng_parallel_run(&context, tasks, dense_task, &run);
    table->destroy(run.operation);
    gng_memory_release(packed);
    for (int i = 0; i < threads; i++)
        gng_memory_release(run.scratch[i]);
    return status;
}

static operation_data create_data(const dense_case *shape, int32_t rows)
{
    const size_t features = (size_t)shape->features, units = (size_t)shape->units;
    return operation_data_create((size_t)rows * features, (size_t)rows * units, features * units, shape->bias ? units : 0);
}

static void check_case(const dense_case *shape, int32_t rows)
{
    operation_data expected = create_data(shape, rows), found = create_data(shape, rows), threaded = create_data(shape, rows);
    operation_data *const all[] = {&expected, &found, &threaded};
    for (size_t i = 0; i < 3; i++) { /* what was there before */
        fill_random(all[i]->weight_gradient, all[i]->weights, 5);
        fill_random(all[i]->bias_gradient, all[i]->biases, 6);
    }
    CHECK_STATUS(run_dense(&gng_ref_dense_table, shape, rows, true, 1, &expected), GNG_OK);
    CHECK_STATUS(run_dense(&gng_dnnl_dense_table, shape, rows, true, 1, &found), GNG_OK);
    CHECK_STATUS(run_dense(&gng_dnnl_dense_table, shape, rows, true, 3, &threaded), GNG_OK);
    const double tolerance = 1e-4;
    const bool same = close_to(found.output, expected.output, found.outputs, tolerance) &&
                      close_to(found.input_gradient, expected.input_gradient, found.inputs, tolerance) &&
                      close_to(found.weight_gradient, expected.weight_gradient, found.weights, tolerance) &&
                      close_to(found.bias_gradient, expected.bias_gradient, found.biases, tolerance);
    const bool equal = same_bits(found.output, threaded.output, found.outputs) &&
                       same_bits(found.input_gradient, threaded.input_gradient, found.inputs) &&
                       same_bits(found.weight_gradient, threaded.weight_gradient, found.weights) &&
                       same_bits(found.bias_gradient, threaded.bias_gradient, found.biases);
    if (!CHECK(same) || !CHECK(equal))
        fprintf(stderr, "    %d rows of %d features, %d units\n", (int)rows, (int)shape->features, (int)shape->units);
    for (size_t i = 0; i < 3; i++)
        operation_data_release(all[i]);
}

/* The same rows in groups of every size: all bits of each row agree, wherever in the group it stands. */
static void check_rows_are_independent(const dense_case *shape)
{
    enum { ROWS = 64 };
    const int32_t groups[] = {1, 2, 3, 5, 7, 8, 11, 13, 15, 16, 17, 31, 33, 48};
    const size_t features = (size_t)shape->features, units = (size_t)shape->units;
    operation_data whole = create_data(shape, ROWS), part = create_data(shape, ROWS);
    CHECK_STATUS(run_dense(&gng_dnnl_dense_table, shape, ROWS, false, 1, &whole), GNG_OK);
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        for (int32_t first = 0; first + groups[i] <= ROWS; first += 29) {
            memcpy(part.input, whole.input + (size_t)first * features, (size_t)groups[i] * features * sizeof(float));
            CHECK_STATUS(run_dense(&gng_dnnl_dense_table, shape, groups[i], false, 1, &part), GNG_OK);
            if (!CHECK(same_bits(part.output, whole.output + (size_t)first * units, (size_t)groups[i] * units)))
                fprintf(stderr, "    %d rows from row %d on, %d features, %d units\n", (int)groups[i], (int)first, (int)shape->features,
                        (int)shape->units);
        }
    operation_data_release(&whole);
    operation_data_release(&part);
}

static void check_failing_allocations(void)
{
    const gng_layer layer = dense_layer(&cases[8]);
    const gng_operation_request request = {.chain = {&layer}, .chain_length = 1, .inputs = {{cases[8].features, 1, 1, 1}}, .input_count = 1,
                                           .training = true, .input_gradient = true, .rows = 17, .workers = 2};
    gng_status status = GNG_STATUS_MEMORY;
    const uint64_t live = gng_memory_live_count();
    for (uint64_t n = 1; n < 100 && status == GNG_STATUS_MEMORY; n++) {
        gng_operation *operation = NULL;
        gng_operation_memory memory;
        gng_memory_fail_nth(n);
        status = gng_dnnl_dense_table.plan(&request, &operation, &memory);
        gng_memory_fail_nth(0);
        if (status == GNG_OK)
            gng_dnnl_dense_table.destroy(operation);
        else
            CHECK(operation == NULL);
        CHECK(gng_memory_live_count() == live);
    }
    CHECK(status == GNG_OK);
}

static void tests(void)
{
    if (gng_cpu_effective() < GNG_INSTRUCTION_SET_AVX2 || !gng_engine_available()) {
        operation_data data = create_data(&cases[1], 1);
        CHECK_STATUS(run_dense(&gng_dnnl_dense_table, &cases[1], 1, false, 1, &data), GNG_STATUS_UNSUPPORTED);
        operation_data_release(&data);
        return;
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_case(&cases[i], 16);
        check_case(&cases[i], 1);
        check_case(&cases[i], 35);
        check_rows_are_independent(&cases[i]);
    }
    const dense_case more[] = {{50000, 16, true}, {2048, 2, true}, {20000, 1, false}, {255, 96, true}, {4097, 48, true}, {1280, 112, true}};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        check_rows_are_independent(&more[i]);
    check_failing_allocations();
}

int main(int argc, char **argv)
{
    return run_at_every_instruction_set(argc, argv, tests);
}
