/* Both fused chains of convolution, ReLU and pooling against the three reference operations one after the other. */
#include "operation_run.h"

#include "base/cpu.h"
#include "nn/ref/ref.h"
#include "nn/simd/simd.h"

typedef struct chain {
    gng_layer conv, relu, pool;
} chain;

static chain new_chain(int32_t filters, bool bias)
{
    chain c = {.conv = {.name = "conv", .kind = GNG_LAYER_CONV, .input_count = 1}, .relu = {.name = "relu", .kind = GNG_LAYER_ACTIVATION, .input_count = 1}, .pool = {.name = "pool", .kind = GNG_LAYER_POOL, .input_count = 1}};
    c.conv.as.conv.filters = filters;
    c.conv.as.conv.groups = 1;
    c.conv.as.conv.bias = bias;
    c.conv.as.conv.window = (gng_window){.kernel = {3, 3}, .stride = {2, 2}, .dilation = {1, 1}};
    c.relu.as.activation.function = GNG_ACTIVATION_RELU;
    c.pool.as.pool.kind = GNG_POOL_MAX;
    c.pool.as.pool.window = (gng_window){.kernel = {2, 2}, .stride = {2, 2}, .dilation = {1, 1}};
    return c;
}

static gng_operation_request request_for(const gng_layer *layer, gng_tensor_shape input)
{
    return (gng_operation_request){.chain = {layer}, .chain_length = 1, .inputs = {input}, .input_count = 1, .training = true, .input_gradient = true, .rows = 1, .workers = 1};
}

static gng_operation_request fused_request(const chain *c, gng_tensor_shape input)
{
    gng_operation_request request = request_for(&c->conv, input);
    request.chain[1] = &c->relu;
    request.chain[2] = &c->pool;
    request.chain_length = 3;
    request.input_gradient = input.block > 1;
    return request;
}

/* Runs one reference operation; its gradient arrives in `data->output_gradient`. */
static void run_reference(const gng_operation_table *table, const gng_layer *layer, gng_tensor_shape input, operation_data *data)
{
    const gng_operation_request request = request_for(layer, input);
    gng_operation_memory memory;
    CHECK(run_lane_operation(table, &request, 0, 1, data, &memory) == GNG_OK);
}

/* Plain input: the kernel of the first layer; HWC: that of deeper ones, which has a gradient for its input as well. */
static void compare(bool deep, int32_t channels, int32_t height, int32_t width, int32_t filters, bool bias)
{
    const gng_operation_table *table = deep ? &gng_simd_deep_conv_table : &gng_simd_conv_relu_pool_table;
    const chain c = new_chain(filters, bias);
    const gng_tensor_shape input = {channels, height, width, 1};
    const gng_tensor_shape middle = {filters, (height - 3) / 2 + 1, (width - 3) / 2 + 1, 1};
    const gng_tensor_shape output = {filters, middle.height / 2, middle.width / 2, 1};
    const size_t inputs = gng_tensor_elements(input), middles = gng_tensor_elements(middle), outputs = gng_tensor_elements(output);
    const size_t weights = (size_t)filters * (size_t)channels * 9, biases = bias ? (size_t)filters : 0;

    operation_data fused = operation_data_create(inputs, outputs, weights, biases);
    gng_tensor_shape stored = input;
    stored.block = deep ? channels : 1;
    const gng_operation_request request = fused_request(&c, stored);
    gng_operation_memory memory;
    CHECK(run_lane_operation(table, &request, 0, 1, &fused, &memory) == GNG_OK);
    CHECK(memory.output.channels == output.channels && memory.output.height == output.height && memory.output.width == output.width);

    operation_data conv = operation_data_create(inputs, middles, weights, biases);
    operation_data relu = operation_data_create(middles, middles, 0, 0), pool = operation_data_create(middles, outputs, 0, 0);
    run_reference(&gng_ref_conv_table, &c.conv, input, &conv);
    memcpy(relu.input, conv.output, middles * sizeof(float));
    run_reference(&gng_ref_activation_table, &c.relu, middle, &relu);
    memcpy(pool.input, relu.output, middles * sizeof(float));
    run_reference(&gng_ref_pool_table, &c.pool, middle, &pool);
    CHECK(close_to(fused.output, pool.output, outputs, 1e-5));

    memcpy(relu.output_gradient, pool.input_gradient, middles * sizeof(float));
    run_reference(&gng_ref_activation_table, &c.relu, middle, &relu);
    memcpy(conv.output_gradient, relu.input_gradient, middles * sizeof(float));
    run_reference(&gng_ref_conv_table, &c.conv, input, &conv);
    CHECK(close_to(fused.weight_gradient, conv.weight_gradient, weights, 1e-4));
    CHECK(close_to(fused.bias_gradient, conv.bias_gradient, biases, 1e-4));
    if (deep)
        CHECK(close_to(fused.input_gradient, conv.input_gradient, inputs, 1e-4));

    operation_data *const all[] = {&fused, &conv, &relu, &pool};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        operation_data_release(all[i]);
}

static void test_shapes_against_the_reference(void)
{
    const int32_t sides[][2] = {{7, 7}, {8, 9}, {11, 30}, {31, 10}, {60, 60}};
    for (int32_t channels = 1; channels <= 4; channels++)
        for (int32_t filters = 16; filters <= 64; filters += 16)
            for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++)
                compare(false, channels, sides[i][0], sides[i][1], filters, (filters + channels) % 3 != 0);
    for (int32_t channels = 16; channels <= 64; channels += 16)
        for (int32_t filters = 16; filters <= 48; filters += 16)
            for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++)
                compare(true, channels, sides[i][0], sides[i][1], filters, (filters + channels) % 3 != 0);
}

/* NaN must arrive: a maximum that forgets it would turn nonsense into a number. */
static void test_nan_is_kept(const gng_operation_table *table, int32_t channels)
{
    const chain c = new_chain(16, true);
    const gng_tensor_shape input = {channels, 7, 7, channels};
    const size_t values = 49 * (size_t)channels;
    for (int place = 0; place < 49; place++) {
        operation_data data = operation_data_create(values, 16, 16 * 9 * (size_t)channels, 16);
        data.input[place * channels] = NAN;
        const gng_operation_request request = fused_request(&c, input);
        gng_operation *operation;
        gng_operation_memory memory;
        CHECK(table->plan(&request, &operation, &memory) == GNG_OK);
        operation_memory own = operation_memory_create(&request, &memory);
        memcpy(own.input, data.input, values * sizeof(float));
        CHECK(table->pack(operation, 0, data.weight, data.bias, own.packed, NULL) == GNG_OK);
        const gng_lane_call call = {.inputs = {own.input}, .output = own.output, .packed = own.packed};
        CHECK(table->forward(operation, &call) == GNG_OK);
        /* The pooled pixel reads rows and columns 0 to 4. */
        const bool read = place / 7 < 5 && place % 7 < 5;
        for (int filter = 0; filter < 16; filter++)
            CHECK(isnan(own.output[filter]) == read);
        table->destroy(operation);
        operation_memory_release(&own);
        operation_data_release(&data);
    }
}

static void refuse(const chain *c, gng_tensor_shape input)
{
    const gng_operation_request request = fused_request(c, input);
    gng_operation *operation;
    gng_operation_memory memory;
    CHECK(gng_simd_conv_relu_pool_table.plan(&request, &operation, &memory) == GNG_STATUS_UNSUPPORTED);
    CHECK(input.block > 1 || gng_simd_deep_conv_table.plan(&request, &operation, &memory) == GNG_STATUS_UNSUPPORTED);
}

static void test_other_shapes_are_left_to_others(void)
{
    const gng_tensor_shape input = {1, 20, 20, 1};
    chain c = new_chain(16, true);
    refuse(&c, (gng_tensor_shape){5, 20, 20, 1});
    refuse(&c, (gng_tensor_shape){16, 20, 20, 16});
    c = new_chain(24, true);
    refuse(&c, input);
    c = new_chain(16, true);
    c.conv.as.conv.window.padding[1] = 1;
    refuse(&c, input);
    c = new_chain(16, true);
    c.relu.as.activation.function = GNG_ACTIVATION_TANH;
    refuse(&c, input);
    c = new_chain(16, true);
    c.pool.as.pool.kind = GNG_POOL_AVERAGE;
    refuse(&c, input);
}

int main(void)
{
    if (gng_cpu_effective() < GNG_INSTRUCTION_SET_AVX512) {
        printf("not run: no AVX-512\n");
        return 0;
    }
    test_shapes_against_the_reference();
    test_nan_is_kept(&gng_simd_conv_relu_pool_table, 1);
    test_nan_is_kept(&gng_simd_deep_conv_table, 16);
    test_other_shapes_are_left_to_others();
    return check_result();
}
