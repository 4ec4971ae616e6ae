/* Convolution on oneDNN against the reference: strides, paddings, dilations, groups, layouts, fused ReLU, all gradients. */
#include "base/parallel.h"
#include "instruction_sets.h"
#include "nn/ref/ref.h"
#include "operation_run.h"

typedef struct conv_case {
    int32_t channels, height, width, filters, groups;
    gng_window window;
    bool bias;
} conv_case;

static const conv_case cases[] = {
    {1, 30, 30, 32, 1, {{3, 3}, {2, 2}, {0, 0, 0, 0}, {1, 1}}, true},    {32, 14, 14, 16, 1, {{3, 3}, {2, 2}, {0, 0, 0, 0}, {1, 1}}, true},
    {3, 17, 13, 8, 1, {{5, 3}, {1, 2}, {2, 1, 0, 1}, {1, 1}}, true},     {3, 9, 11, 5, 1, {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}}, false},
    {16, 12, 12, 24, 1, {{3, 3}, {1, 1}, {2, 2, 2, 2}, {2, 2}}, true},   {7, 10, 9, 12, 1, {{1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}}, true},
    {16, 9, 9, 16, 16, {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}}, false},   {12, 9, 7, 12, 12, {{3, 3}, {2, 2}, {0, 1, 0, 1}, {1, 1}}, true},
    {32, 8, 8, 64, 4, {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}}, true},     {6, 8, 8, 9, 3, {{3, 2}, {1, 1}, {0, 0, 0, 0}, {1, 1}}, true},
    {64, 7, 7, 64, 1, {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}}, false},    {32, 10, 10, 48, 1, {{1, 1}, {2, 2}, {0, 0, 0, 0}, {1, 1}}, true},
    {1, 1, 1, 1, 1, {{1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}}, true},       {4, 6, 30, 17, 1, {{6, 7}, {1, 3}, {0, 0, 3, 2}, {1, 1}}, true},
    {2, 23, 21, 16, 1, {{7, 7}, {2, 2}, {3, 3, 3, 3}, {1, 1}}, true},    {33, 11, 6, 20, 1, {{3, 3}, {1, 1}, {0, 1, 1, 0}, {1, 1}}, true},
    {16, 15, 15, 16, 16, {{3, 3}, {1, 1}, {2, 2, 2, 2}, {2, 2}}, true},  {8, 8, 8, 16, 8, {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}}, true},
    {24, 6, 6, 40, 1, {{3, 3}, {3, 3}, {0, 0, 0, 0}, {1, 1}}, true},     {5, 12, 12, 32, 1, {{3, 3}, {1, 1}, {1, 0, 2, 2}, {1, 3}}, true},
};

static gng_layer conv_layer(const conv_case *shape)
{
    gng_layer layer = {.name = "conv", .kind = GNG_LAYER_CONV, .input_count = 1};
    layer.as.conv.filters = shape->filters;
    layer.as.conv.groups = shape->groups;
    layer.as.conv.window = shape->window;
    layer.as.conv.bias = shape->bias;
    return layer;
}

static const gng_layer relu = {.name = "relu", .kind = GNG_LAYER_ACTIVATION, .input_count = 1, .as.activation.function = GNG_ACTIVATION_RELU};

/* The definition: convolution, then ReLU as a layer of its own. */
static void run_reference(const gng_layer *layer, gng_tensor_shape input, bool with_relu, operation_data *data)
{
    gng_operation_request request = {
        .chain = {layer}, .chain_length = 1, .inputs = {input}, .input_count = 1, .training = true, .input_gradient = true, .workers = 1};
    gng_operation_memory memory;
    if (with_relu) {
        request.training = false;
        CHECK_STATUS(run_lane_operation(&gng_ref_conv_table, &request, 0, 0, data, &memory), GNG_OK);
        for (size_t i = 0; i < data->outputs; i++)
            data->output_gradient[i] = data->output[i] > 0 ? data->output_gradient[i] : 0;
        request.training = true;
    }
    CHECK_STATUS(run_lane_operation(&gng_ref_conv_table, &request, 0, 1, data, &memory), GNG_OK);
    for (size_t i = 0; i < data->outputs && with_relu; i++)
        data->output[i] = data->output[i] > 0 ? data->output[i] : 0;
}

static bool compare(const operation_data *found, const operation_data *expected, bool backward, bool input_gradient)
{
    const double tolerance = 1e-4;
    return close_to(found->output, expected->output, found->outputs, tolerance) &&
           (!backward || (close_to(found->weight_gradient, expected->weight_gradient, found->weights, tolerance) &&
                          close_to(found->bias_gradient, expected->bias_gradient, found->biases, tolerance))) &&
           (!backward || !input_gradient || close_to(found->input_gradient, expected->input_gradient, found->inputs, tolerance));
}

static void check_case(const conv_case *shape, int32_t block, bool with_relu)
{
    const gng_layer layer = conv_layer(shape);
    const gng_tensor_shape input = {shape->channels, shape->height, shape->width, 1};
    gng_tensor_shape output;
    if (!CHECK(gng_layer_output_shape(&layer, &input, &output) == GNG_OK))
        return;
    gng_parameter parameters[GNG_LAYER_PARAMETERS_MAX];
    const int32_t count = gng_layer_parameters(&layer, input, parameters);
    const size_t biases = count == 2 ? parameters[1].count : 0;
    operation_data expected = operation_data_create(gng_tensor_elements(input), gng_tensor_elements(output), parameters[0].count, biases);
    operation_data found = operation_data_create(gng_tensor_elements(input), gng_tensor_elements(output), parameters[0].count, biases);
    run_reference(&layer, input, with_relu, &expected);

    gng_operation_request request = {
        .chain = {&layer, &relu}, .chain_length = with_relu ? 2 : 1, .inputs = {input}, .input_count = 1, .workers = 2};
    request.inputs[0].block = block;
    for (int mode = 0; mode < 3; mode++) {
        request.training = mode > 0;
        request.input_gradient = mode > 1;
        gng_operation_memory memory;
        const gng_status status = run_lane_operation(&gng_dnnl_conv_table, &request, mode % 2, 1, &found, &memory);
        /* Blocked layouts come from the engine itself; the two others from anywhere. */
        if (status == GNG_STATUS_UNSUPPORTED && (!gng_engine_available() || (block != 1 && block != shape->channels)))
            continue;
        const bool same = status == GNG_OK && compare(&found, &expected, request.training, request.input_gradient);
        if (!CHECK(same))
            fprintf(stderr, "    %s: %d x %d x %d -> %d, block %d -> %d, ReLU %d, training %d, input gradient %d\n", gng_status_name(status),
                    (int)shape->channels, (int)shape->height, (int)shape->width, (int)shape->filters, (int)block, (int)memory.output.block, with_relu,
                    request.training, request.input_gradient);
    }
    operation_data_release(&expected);
    operation_data_release(&found);
}

static void check_all_cases(void)
{
    const size_t count = sizeof cases / sizeof cases[0];
    for (size_t i = 0; i < count; i++) {
        const int32_t blocks[] = {1, cases[i].channels, 8, 16};
        for (size_t k = 0; k < 4; k++)
            if (k == 0 || blocks[k] != 1)
                for (int with_relu = 0; with_relu < 2; with_relu++)
                    check_case(&cases[i], blocks[k], with_relu != 0);
    }
}

/* A second pass adds the same gradient again. */
static void check_gradients_are_added(void)
{
    const gng_layer layer = conv_layer(&cases[1]);
    const gng_operation_request request = {
        .chain = {&layer}, .chain_length = 1, .inputs = {{32, 14, 14, 1}}, .input_count = 1, .training = true, .workers = 1};
    operation_data once = operation_data_create(32 * 14 * 14, 16 * 6 * 6, 16 * 32 * 9, 16);
    operation_data twice = operation_data_create(32 * 14 * 14, 16 * 6 * 6, 16 * 32 * 9, 16);
    gng_operation_memory memory;
    CHECK_STATUS(run_lane_operation(&gng_dnnl_conv_table, &request, 0, 1, &once, &memory), GNG_OK);
    CHECK_STATUS(run_lane_operation(&gng_dnnl_conv_table, &request, 0, 2, &twice, &memory), GNG_OK);
    for (size_t i = 0; i < once.weights; i++)
        once.weight_gradient[i] *= 2;
    for (size_t i = 0; i < once.biases; i++)
        once.bias_gradient[i] *= 2;
    CHECK(same_bits(once.weight_gradient, twice.weight_gradient, once.weights));
    CHECK(same_bits(once.bias_gradient, twice.bias_gradient, once.biases));
    operation_data_release(&once);
    operation_data_release(&twice);
}

enum { TASKS = 12, WORKERS = 3 };

typedef struct shared_run {
    const gng_operation_table *table;
    gng_operation *operation;
    gng_operation_memory memory;
    gng_lane_call calls[TASKS];
    void *scratch[WORKERS];
} shared_run;

static gng_status shared_task(void *argument, size_t index, int worker)
{
    shared_run *run = argument;
    gng_lane_call call = run->calls[index];
    call.worker = worker;
    call.scratch = run->scratch[worker];
    const gng_engine_bracket bracket = gng_engine_enter();
    gng_status status = run->table->forward(run->operation, &call);
    if (status == GNG_OK)
        status = run->table->backward(run->operation, &call);
    gng_engine_leave(bracket);
    return status;
}

/* The same picture as many tasks of one operation, spread over threads: every task has the same bits. */
static void check_workers_agree(void)
{
    const gng_layer layer = conv_layer(&cases[1]);
    const gng_operation_request request = {.chain = {&layer, &relu}, .chain_length = 2, .inputs = {{32, 14, 14, 1}}, .input_count = 1,
                                           .training = true, .input_gradient = true, .workers = WORKERS};
    shared_run run = {.table = &gng_dnnl_conv_table};
    if (!CHECK(run.table->plan(&request, &run.operation, &run.memory) == GNG_OK))
        return;
    operation_data data = operation_data_create(32 * 14 * 14, 16 * 6 * 6, 16 * 32 * 9, 16);
    operation_memory own[TASKS];
    for (int i = 0; i < TASKS; i++) {
        own[i] = operation_memory_create(&request, &run.memory);
        to_layout(request.inputs[0], data.input, own[i].input);
        to_layout(run.memory.output, data.output_gradient, own[i].output_gradient);
        run.calls[i] = (gng_lane_call){.training = true, .inputs = {own[i].input}, .output = own[i].output, .output_gradient = own[i].output_gradient,
                                       .input_gradients = {own[i].input_gradient}, .packed = own[0].packed, .gradient = own[i].gradient,
                                       .saved = own[i].saved};
    }
    for (int i = 0; i < WORKERS; i++)
        run.scratch[i] = own[i].scratch;
    CHECK_STATUS(run.table->pack(run.operation, 0, data.weight, data.bias, own[0].packed, own[0].scratch), GNG_OK);
    gng_context context = {.threads = WORKERS};
    CHECK_STATUS(gng_parallel_run(&context, TASKS, shared_task, &run), GNG_OK);
    for (int i = 1; i < TASKS; i++) {
        CHECK(same_bits(own[0].output, own[i].output, gng_tensor_stored(run.memory.output)));
        CHECK(same_bits(own[0].input_gradient, own[i].input_gradient, data.inputs));
        CHECK(same_bits(own[0].gradient, own[i].gradient, run.memory.gradient_floats));
    }
    run.table->destroy(run.operation);
    for (int i = 0; i < TASKS; i++)
        operation_memory_release(&own[i]);
    operation_data_release(&data);
}

/* Every allocation of ours that can fail while planning does: MEMORY, and nothing is left behind. */
static void check_failing_allocations(void)
{
    const gng_layer layer = conv_layer(&cases[1]);
    const gng_operation_request request = {.chain = {&layer, &relu}, .chain_length = 2, .inputs = {{32, 14, 14, 1}}, .input_count = 1,
                                           .training = true, .input_gradient = true, .workers = 2};
    gng_status status = GNG_STATUS_MEMORY;
    const uint64_t live = gng_memory_live_count();
    for (uint64_t n = 1; n < 100 && status == GNG_STATUS_MEMORY; n++) {
        gng_operation *operation = NULL;
        gng_operation_memory memory;
        gng_memory_fail_nth(n);
        status = gng_dnnl_conv_table.plan(&request, &operation, &memory);
        gng_memory_fail_nth(0);
        if (status == GNG_OK)
            gng_dnnl_conv_table.destroy(operation);
        else
            CHECK(operation == NULL);
        CHECK(gng_memory_live_count() == live);
    }
    CHECK(status == GNG_OK);
}

static void tests(void)
{
    const gng_layer layer = conv_layer(&cases[0]);
    const gng_operation_request request = {.chain = {&layer}, .chain_length = 1, .inputs = {{1, 30, 30, 1}}, .input_count = 1, .workers = 1};
    gng_operation *operation = NULL;
    gng_operation_memory memory;
    if (!gng_engine_available()) {
        CHECK_STATUS(gng_dnnl_conv_table.plan(&request, &operation, &memory), GNG_STATUS_UNSUPPORTED);
        CHECK(operation == NULL);
        return;
    }
    check_all_cases();
    check_gradients_are_added();
    check_workers_agree();
    check_failing_allocations();
}

int main(int argc, char **argv)
{
    return run_at_every_instruction_set(argc, argv, tests);
}
