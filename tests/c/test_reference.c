/* The reference tables where Python cannot look: layouts, blocks of columns, lane sums, saved taps, running statistics. */
#include "nn/ref/ref.h"

#include <math.h>

#include "check.h"
#define GNG_REFERENCE_DOUBLE
#include "nn/ref/kernels.h"

enum { MOST = 4096 };

/* One planned operation with memory for everything. */
typedef struct bench {
    const gng_operation_table *table;
    gng_operation *operation;
    gng_operation_memory memory;
    gng_lane_call call;
    float x[2][MOST], dx[2][MOST], y[MOST], dy[MOST], packed[2 * MOST], gradient[MOST];
    int32_t saved[MOST];
} bench;

static gng_layer layer_of(gng_layer_kind kind)
{
    return (gng_layer){.name = "layer", .kind = kind, .input_count = kind == GNG_LAYER_ADD ? 2 : 1, .inputs = {0, 1}};
}

static bool bench_plan(bench *b, const gng_operation_table *table, const gng_layer *layer, gng_tensor_shape first, gng_tensor_shape second, bool training)
{
    memset(b, 0, sizeof *b);
    b->table = table;
    const gng_operation_request request = {.chain = {layer}, .chain_length = 1, .inputs = {first, second}, .input_count = layer->input_count,
                                           .training = training, .input_gradient = training, .rows = 3, .workers = 1};
    CHECK_STATUS(table->plan(&request, &b->operation, &b->memory), GNG_OK);
    b->call = (gng_lane_call){.training = training, .inputs = {b->x[0], b->x[1]}, .output = b->y, .output_gradient = b->dy,
                              .input_gradients = {b->dx[0], b->dx[1]}, .packed = b->packed, .gradient = b->gradient, .saved = b->saved};
    return b->operation != NULL && gng_tensor_stored(b->memory.output) <= MOST && b->memory.saved_bytes <= sizeof b->saved && b->memory.packed_bytes <= sizeof b->packed;
}

/* Distinct values of both signs. */
static void fill(gng_tensor_shape shape, float start, float *out)
{
    for (int32_t c = 0; c < shape.channels; c++)
        for (int32_t y = 0; y < shape.height; y++)
            for (int32_t x = 0; x < shape.width; x++) {
                const float value = start + 0.37F * (float)((c * 31 + y * 7 + x * 3) % 17 - 8);
                out[gng_tensor_index(shape, c, y, x)] = value;
            }
}

static bool same_values(gng_tensor_shape a, const float *x, gng_tensor_shape b, const float *y)
{
    for (int32_t c = 0; c < a.channels; c++)
        for (int32_t row = 0; row < a.height; row++)
            for (int32_t column = 0; column < a.width; column++)
                if (x[gng_tensor_index(a, c, row, column)] != y[gng_tensor_index(b, c, row, column)])
                    return false;
    return true;
}

static bool padding_is_zero(gng_tensor_shape shape, const float *x)
{
    double all = 0, inside = 0;
    for (size_t i = 0; i < gng_tensor_stored(shape); i++)
        all += x[i] != 0;
    for (int32_t c = 0; c < shape.channels; c++)
        for (int32_t row = 0; row < shape.height; row++)
            for (int32_t column = 0; column < shape.width; column++)
                inside += x[gng_tensor_index(shape, c, row, column)] != 0;
    return all == inside;
}

static void set_garbage(bench *b)
{
    for (size_t i = 0; i < MOST; i++)
        b->y[i] = b->dx[0][i] = b->dx[1][i] = NAN;
}

/* The same operation on a plain and on a blocked picture, forward and backward. */
static void check_layout(const gng_operation_table *table, const gng_layer *layer, int32_t block, int32_t second_block)
{
    static bench plain, blocked;
    const gng_tensor_shape shape = {5, 4, 3, 1}, first = {5, 4, 3, block}, second = {5, 4, 3, second_block};
    const bool trains = table->backward != NULL;
    if (!bench_plan(&plain, table, layer, shape, shape, trains) || !bench_plan(&blocked, table, layer, first, second, trains))
        return;
    CHECK(blocked.memory.output.block == (table == &gng_ref_flatten_table || table == &gng_ref_reorder_table ? 1 : block));
    fill(shape, 0.25F, plain.x[0]);
    fill(first, 0.25F, blocked.x[0]);
    fill(shape, 1, plain.x[1]);
    fill(second, 1, blocked.x[1]);
    fill(plain.memory.output, -0.5F, plain.dy);
    fill(blocked.memory.output, -0.5F, blocked.dy);
    set_garbage(&plain);
    set_garbage(&blocked);
    if (table->pack != NULL) {
        const float gamma[] = {1, -2, 3, 0.5F, 0}, rest[] = {1, 2, 3, 4, 5, 0.5F, -1, 0, 2, 3, 1, 2, 3, 4, 5};
        CHECK_STATUS(table->pack(plain.operation, 0, gamma, rest, plain.packed, NULL), GNG_OK);
        CHECK_STATUS(table->pack(blocked.operation, 0, gamma, rest, blocked.packed, NULL), GNG_OK);
    }
    CHECK_STATUS(table->forward(plain.operation, &plain.call), GNG_OK);
    CHECK_STATUS(table->forward(blocked.operation, &blocked.call), GNG_OK);
    CHECK(same_values(plain.memory.output, plain.y, blocked.memory.output, blocked.y));
    CHECK(padding_is_zero(blocked.memory.output, blocked.y));
    if (trains) {
        CHECK_STATUS(table->backward(plain.operation, &plain.call), GNG_OK);
        CHECK_STATUS(table->backward(blocked.operation, &blocked.call), GNG_OK);
        for (int32_t k = 0; k < layer->input_count; k++) {
            const gng_tensor_shape input = k == 0 ? first : second;
            CHECK(same_values(shape, plain.dx[k], input, blocked.dx[k]));
            CHECK(padding_is_zero(input, blocked.dx[k]));
            plain.call.input_gradients[k] = NULL; /* not wanted: nothing is written, nothing is read through it */
        }
        CHECK_STATUS(table->backward(plain.operation, &plain.call), GNG_OK);
    }
    table->destroy(plain.operation);
    table->destroy(blocked.operation);
}

static void every_layout_gives_the_same(void)
{
    static const int32_t blocks[] = {2, 5, 8, 16};
    gng_layer activation = layer_of(GNG_LAYER_ACTIVATION), dropout = layer_of(GNG_LAYER_DROPOUT), norm = layer_of(GNG_LAYER_BATCH_NORM);
    const gng_layer flatten = layer_of(GNG_LAYER_FLATTEN), add = layer_of(GNG_LAYER_ADD);
    activation.as.activation.slope = 0.25F;
    dropout.as.dropout.rate = 0.5F;
    norm.as.batch_norm.epsilon = 1e-3F;
    norm.as.batch_norm.momentum = 0.9F;
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < GNG_ACTIVATION_COUNT; k++) {
            activation.as.activation.function = (gng_activation)k;
            check_layout(&gng_ref_activation_table, &activation, blocks[i], 1);
        }
        check_layout(&gng_ref_dropout_table, &dropout, blocks[i], 1);
        check_layout(&gng_ref_batch_norm_table, &norm, blocks[i], 1);
        check_layout(&gng_ref_flatten_table, &flatten, blocks[i], 1);
        check_layout(&gng_ref_reorder_table, &flatten, blocks[i], 1);
        for (int k = 0; k < 4; k++)
            check_layout(&gng_ref_add_table, &add, blocks[i], blocks[k]);
        check_layout(&gng_ref_add_table, &add, 1, blocks[i]);
    }
}

static void operations_that_need_plain_pictures_say_so(void)
{
    const gng_tensor_shape blocked = {8, 4, 4, 8};
    gng_layer conv = layer_of(GNG_LAYER_CONV), pool = layer_of(GNG_LAYER_POOL);
    conv.as.conv.filters = conv.as.conv.groups = 1;
    conv.as.conv.window = pool.as.pool.window = (gng_window){.kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}};
    const gng_operation_table *const tables[] = {&gng_ref_conv_table, &gng_ref_pool_table};
    const gng_layer *const layers[] = {&conv, &pool};
    const uint64_t live = gng_memory_live_count();
    for (int i = 0; i < 2; i++) {
        gng_operation *operation = NULL;
        gng_operation_memory memory;
        gng_operation_request request = {.chain = {layers[i]}, .chain_length = 1, .inputs = {blocked}, .input_count = 1, .workers = 1};
        CHECK_STATUS(tables[i]->plan(&request, &operation, &memory), GNG_STATUS_UNSUPPORTED);
        request.inputs[0].block = 1;
        request.chain_length = 2;
        request.chain[1] = layers[i];
        CHECK_STATUS(tables[i]->plan(&request, &operation, &memory), GNG_STATUS_UNSUPPORTED);
        request.chain_length = 1;
        gng_memory_fail_nth(1);
        CHECK_STATUS(tables[i]->plan(&request, &operation, &memory), GNG_STATUS_MEMORY);
        CHECK(operation == NULL && gng_memory_live_count() == live);
    }
}

static void lane_gradients_are_added_and_unpacked_in_the_order_of_the_flat_block(void)
{
    static bench b;
    gng_layer conv = layer_of(GNG_LAYER_CONV);
    conv.as.conv.filters = 2;
    conv.as.conv.groups = 1;
    conv.as.conv.bias = true;
    conv.as.conv.window = (gng_window){.kernel = {2, 2}, .stride = {1, 1}, .dilation = {1, 1}};
    const gng_tensor_shape shape = {1, 2, 2, 1};
    if (!bench_plan(&b, &gng_ref_conv_table, &conv, shape, shape, true) || !CHECK(b.memory.gradient_floats == 10))
        return;
    const float x[] = {1, 2, 3, 4}, dy[] = {10, 100};
    memcpy(b.x[0], x, sizeof x);
    memcpy(b.dy, dy, sizeof dy);
    float weight[8], bias[2];
    for (float times = 1; times <= 3; times++) {
        CHECK_STATUS(b.table->backward(b.operation, &b.call), GNG_OK);
        CHECK_STATUS(b.table->unpack(b.operation, 0, b.gradient, weight, bias, NULL), GNG_OK);
        for (int i = 0; i < 8; i++)
            CHECK(weight[i] == times * x[i % 4] * dy[i / 4]);
        CHECK(bias[0] == times * 10 && bias[1] == times * 100);
    }
    b.table->destroy(b.operation);
}

static void the_first_maximum_wins_for_few_and_for_many_taps(void)
{
    static bench b;
    gng_layer pool = layer_of(GNG_LAYER_POOL);
    for (int32_t width = 15; width <= 17; width += 2) { /* 15 * 17 = 255 taps fit a byte, 17 * 17 do not */
        const gng_tensor_shape shape = {1, 17, width, 1};
        pool.as.pool.kind = GNG_POOL_GLOBAL_MAX;
        if (!bench_plan(&b, &gng_ref_pool_table, &pool, shape, shape, true))
            return;
        CHECK(b.memory.saved_bytes == (width == 15 ? 1 : 4));
        for (int32_t i = 0; i < 17 * width; i++)
            b.x[0][i] = i >= 16 * width + 3 ? -1.0F : -2.0F;
        b.dy[0] = 7;
        CHECK_STATUS(b.table->forward(b.operation, &b.call), GNG_OK);
        CHECK_STATUS(b.table->backward(b.operation, &b.call), GNG_OK);
        CHECK(b.y[0] == -1);
        for (int32_t i = 0; i < 17 * width; i++)
            CHECK(b.dx[0][i] == (i == 16 * width + 3 ? 7.0F : 0.0F));
        b.table->destroy(b.operation);
    }
}

static void dropout_keeps_what_its_draws_say(void)
{
    static bench b;
    gng_layer dropout = layer_of(GNG_LAYER_DROPOUT);
    dropout.as.dropout.rate = 0.3F;
    const gng_tensor_shape shape = {3, 10, 11, 4};
    if (!bench_plan(&b, &gng_ref_dropout_table, &dropout, shape, shape, true))
        return;
    b.call.key = (gng_rng_key){.seed = 11, .stream = GNG_STREAM_DROPOUT, .epoch = 2, .layer = 5, .sample = 77};
    for (size_t i = 0; i < gng_tensor_stored(shape); i++)
        b.x[0][i] = b.dy[i] = 1;
    CHECK_STATUS(b.table->forward(b.operation, &b.call), GNG_OK);
    CHECK_STATUS(b.table->backward(b.operation, &b.call), GNG_OK);
    CHECK(memcmp(b.y, b.dx[0], gng_tensor_stored(shape) * sizeof(float)) == 0);
    gng_rng rng = gng_rng_create(&b.call.key);
    for (int32_t c = 0; c < 3; c++)
        for (int32_t y = 0; y < 10; y++)
            for (int32_t x = 0; x < 11; x++)
                CHECK(b.y[gng_tensor_index(shape, c, y, x)] == (gng_rng_uniform_float(&rng) >= 0.3F ? (float)(1 / (1 - (double)0.3F)) : 0.0F));
    b.call.training = false;
    CHECK_STATUS(b.table->forward(b.operation, &b.call), GNG_OK);
    CHECK(memcmp(b.y, b.x[0], gng_tensor_stored(shape) * sizeof(float)) == 0);
    b.table->destroy(b.operation);
}

static void running_statistics_normalise(void)
{
    static bench b;
    gng_layer norm = layer_of(GNG_LAYER_BATCH_NORM);
    norm.as.batch_norm.epsilon = 0.5F;
    norm.as.batch_norm.momentum = 0.9F;
    const gng_tensor_shape shape = {2, 1, 3, 1};
    if (!bench_plan(&b, &gng_ref_batch_norm_table, &norm, shape, shape, false))
        return;
    const float gamma[] = {2, 3}, rest[] = {10, 20, 1, -1, 3.5F, 0.5F}, x[] = {1, 3, 5, -1, 0, 1}, expected[] = {10, 12, 14, 20, 23, 26};
    memcpy(b.x[0], x, sizeof x);
    CHECK_STATUS(b.table->pack(b.operation, 0, gamma, rest, b.packed, NULL), GNG_OK);
    CHECK_STATUS(b.table->forward(b.operation, &b.call), GNG_OK);
    for (int i = 0; i < 6; i++)
        CHECK_NEAR((double)b.y[i], (double)expected[i], 1e-5);
    b.table->destroy(b.operation);
    gng_operation *operation = NULL;
    const gng_operation_request request = {.chain = {&norm}, .chain_length = 1, .inputs = {shape}, .input_count = 1, .training = true, .workers = 1};
    CHECK_STATUS(gng_ref_batch_norm_table.plan(&request, &operation, &b.memory), GNG_STATUS_UNSUPPORTED);
}

enum { FEATURES = 70, UNITS = 333, ROWS_MAX = 40 };

typedef struct dense_case {
    float x[ROWS_MAX * FEATURES], dy[ROWS_MAX * UNITS], y[ROWS_MAX * UNITS], dx[ROWS_MAX * FEATURES];
    float weight[UNITS * FEATURES], bias[UNITS], dweight[UNITS * FEATURES], dbias[UNITS], packed[3 * UNITS * FEATURES];
} dense_case;

static void run_dense(dense_case *d, int32_t rows, bool has_bias)
{
    gng_layer dense = layer_of(GNG_LAYER_DENSE);
    dense.as.dense.units = UNITS;
    dense.as.dense.bias = has_bias;
    const gng_operation_request request = {.chain = {&dense}, .chain_length = 1, .inputs = {{FEATURES, 1, 1, 1}}, .input_count = 1, .training = true, .input_gradient = true,
                                           .rows = rows, .workers = 1};
    const gng_operation_table *table = &gng_ref_dense_table;
    gng_operation *operation = NULL;
    gng_operation_memory memory;
    CHECK_STATUS(table->plan(&request, &operation, &memory), GNG_OK);
    if (operation == NULL || !CHECK(memory.packed_bytes <= sizeof d->packed))
        return;
    const int32_t work = rows * FEATURES * UNITS >> 15;
    CHECK(memory.column_blocks == (work < 1 ? 1 : work > 16 ? 16 : work));
    CHECK(memory.input_blocks == (work < 1 ? 1 : work > 5 ? 5 : work)); /* 70 features are 5 panels */
    CHECK_STATUS(table->pack(operation, 0, d->weight, has_bias ? d->bias : NULL, d->packed, NULL), GNG_OK);
    gng_dense_call call = {.input = d->x, .output = d->y, .output_gradient = d->dy, .input_gradient = d->dx, .packed = d->packed, .weight_gradient = d->dweight,
                           .bias_gradient = has_bias ? d->dbias : NULL};
    for (call.block = memory.column_blocks - 1; call.block >= 0; call.block--) {
        CHECK_STATUS(table->dense_forward(operation, &call), GNG_OK);
        CHECK_STATUS(table->dense_backward_weights(operation, &call), GNG_OK);
    }
    for (call.block = 0; call.block < memory.input_blocks; call.block++)
        CHECK_STATUS(table->dense_backward_data(operation, &call), GNG_OK);
    table->destroy(operation);
}

static void dense_rows_do_not_depend_on_their_neighbours_and_blocks_cover_everything(void)
{
    static dense_case all, some;
    gng_rng rng = gng_rng_create(&(gng_rng_key){.seed = 1});
    for (size_t i = 0; i < sizeof all.weight / sizeof(float); i++)
        all.weight[i] = (float)gng_rng_normal(&rng);
    for (size_t i = 0; i < UNITS; i++)
        all.bias[i] = (float)gng_rng_normal(&rng);
    for (size_t i = 0; i < sizeof all.x / sizeof(float); i++)
        all.x[i] = (float)gng_rng_normal(&rng);
    for (size_t i = 0; i < sizeof all.dy / sizeof(float); i++)
        all.dy[i] = (float)gng_rng_normal(&rng);
    run_dense(&all, ROWS_MAX, true);
    for (size_t n = 0; n < ROWS_MAX; n++)
        for (size_t u = 0; u < UNITS; u++) {
            double sum = (double)all.bias[u];
            for (size_t k = 0; k < FEATURES; k++)
                sum += (double)all.x[n * FEATURES + k] * (double)all.weight[u * FEATURES + k];
            CHECK_NEAR((double)all.y[n * UNITS + u], sum, 2e-5);
        }
    for (size_t n = 0; n < ROWS_MAX; n++)
        for (size_t k = 0; k < FEATURES; k++) {
            double sum = 0;
            for (size_t u = 0; u < UNITS; u++)
                sum += (double)all.dy[n * UNITS + u] * (double)all.weight[u * FEATURES + k];
            CHECK_NEAR((double)all.dx[n * FEATURES + k], sum, 1e-4);
        }
    /* The same rows in groups of other sizes: same bits, and gradients that add up to the same sum. */
    static const int32_t sizes[] = {1, 3, 16, 20};
    memcpy(&some, &all, sizeof all);
    memset(some.dweight, 0, sizeof some.dweight);
    memset(some.dbias, 0, sizeof some.dbias);
    size_t first = 0;
    for (int i = 0; i < 4; i++) {
        const size_t rows = (size_t)sizes[i];
        memcpy(some.x, all.x + first * FEATURES, rows * FEATURES * sizeof(float));
        memcpy(some.dy, all.dy + first * UNITS, rows * UNITS * sizeof(float));
        run_dense(&some, sizes[i], true);
        CHECK(memcmp(some.y, all.y + first * UNITS, rows * UNITS * sizeof(float)) == 0);
        CHECK(memcmp(some.dx, all.dx + first * FEATURES, rows * FEATURES * sizeof(float)) == 0);
        first += rows;
    }
    CHECK(first == ROWS_MAX);
    CHECK(memcmp(some.dweight, all.dweight, sizeof all.dweight) == 0 && memcmp(some.dbias, all.dbias, sizeof all.dbias) == 0);
    memset(some.dbias, 0, sizeof some.dbias);
    run_dense(&some, 2, false);
    float without = 0;
    for (size_t k = 0; k < FEATURES; k++)
        without += some.x[k] * some.weight[k];
    CHECK(some.y[0] == without && some.dbias[0] == 0);
}

static double activation_of(gng_activation function, double x, double *slope)
{
    gng_layer layer = layer_of(GNG_LAYER_ACTIVATION);
    layer.as.activation.function = function;
    layer.as.activation.slope = 1.5F;
    double y, dx;
    const double one = 1;
    gng_ref_activation_forward_double(&layer, 1, &x, &y);
    gng_ref_activation_backward_double(&layer, 1, &x, &y, &one, &dx);
    *slope = dx;
    return y;
}

static void activations_in_double_agree_with_the_mathematical_library(void)
{
    for (double x = -30; x <= 30; x += 0.0173) {
        double slope;
        const double cdf = erfc(-x / sqrt(2)) / 2, density = exp(-x * x / 2) / sqrt(2 * acos(-1.0));
        /* exp(-x^2 / 2) makes the relative error grow with x^2. */
        CHECK_NEAR(activation_of(GNG_ACTIVATION_GELU, x, &slope), x * cdf, 1e-15 * (10 + x * x) * fabs(x * cdf));
        CHECK_NEAR(slope, cdf + x * density, 1e-14 * (1 + x * x) * (cdf + fabs(x) * density));
        CHECK_NEAR(activation_of(GNG_ACTIVATION_TANH, x, &slope), tanh(x), 1e-14 * fabs(tanh(x)));
        CHECK_NEAR(slope, 1 - tanh(x) * tanh(x), 1e-14);
        CHECK_NEAR(activation_of(GNG_ACTIVATION_SIGMOID, x, &slope), 1 / (1 + exp(-x)), 1e-14 / (1 + exp(-x)));
        CHECK_NEAR(activation_of(GNG_ACTIVATION_ELU, x, &slope), x > 0 ? x : 1.5 * expm1(x), 1e-14 * fabs(x));
        CHECK_NEAR(slope, x > 0 ? 1 : 1.5 * exp(x), 1e-14);
    }
}

static void activations_keep_nan_and_infinity(void)
{
    double slope;
    for (int k = 0; k < GNG_ACTIVATION_COUNT; k++)
        CHECK(isnan(activation_of((gng_activation)k, NAN, &slope)));
    static const double low[] = {0, -INFINITY, -1.5, 0, -1, 0}, high[] = {INFINITY, INFINITY, INFINITY, INFINITY, 1, 1};
    for (int k = 0; k < GNG_ACTIVATION_COUNT; k++) {
        CHECK(activation_of((gng_activation)k, -INFINITY, &slope) == low[k]);
        CHECK(activation_of((gng_activation)k, INFINITY, &slope) == high[k]);
    }
}

int main(void)
{
    every_layout_gives_the_same();
    operations_that_need_plain_pictures_say_so();
    lane_gradients_are_added_and_unpacked_in_the_order_of_the_flat_block();
    the_first_maximum_wins_for_few_and_for_many_taps();
    dropout_keeps_what_its_draws_say();
    running_statistics_normalise();
    dense_rows_do_not_depend_on_their_neighbours_and_blocks_cover_everything();
    activations_in_double_agree_with_the_mathematical_library();
    activations_keep_nan_and_infinity();
    return check_result();
}
