/* Dense layers: y = x weight^T + bias, in blocks of columns over the rows of a group.
 *
 * A row's result must not depend on how many rows share its group. The library's inner product with packed weights keeps
 * that for up to 16 rows at a time (measured for 1 to 16 rows, 2 to 1008 columns and 1 to 100352 features, with AVX2 and
 * AVX-512); plain weights, sgemm and single columns do not. So the forward pass runs in chunks of 16 rows and one shorter
 * chunk, with the weights in the layout chosen for 16, and a single column gets a second one of zeros. The inner product
 * writes contiguous columns only, which are then copied to their place.
 *
 * The backward passes are plain matrix products, where sgemm is as fast as anything packed and adds to what is there.
 */
#include <string.h>

#include "base/cpu.h"
#include "nn/dnnl/dnnl_engine.h"
#include "nn/dnnl/primitive.h"

enum {
    CHUNK_ROWS = 16,
    COLUMN_STEP = 16, /* floats of an AVX-512 register */
    COLUMNS_MIN = 2,
    BLOCKS_MAX = 16,
    BLOCK_WEIGHTS_MIN = 8192 /* 2^17 multiply-adds for 16 rows; less is not worth a thread's attention */
};

/* Blocks of one width: all but the last, and the last. */
typedef struct dense_block {
    int32_t width;          /* columns of the layer */
    int32_t computed_width; /* at least COLUMNS_MIN */
    gng_primitive whole_chunk, last_chunk, pack;
    size_t packed_bytes; /* of one block */
} dense_block;

struct gng_operation {
    int32_t rows, features, units;
    int32_t column_width, column_blocks;
    int32_t input_width, input_blocks;
    bool bias;
    bool keeps_plain; /* backward_data will be called */
    dense_block blocks[2];
    size_t packed_bias_offset, packed_plain_offset;
    size_t scratch_columns_offset; /* computed columns of a chunk; a padded block of plain weights while packing */
};

/* Columns of a block: a function of the shape alone, so that no result depends on rows or threads. */
static int32_t block_width(int32_t columns, int32_t depth)
{
    const int64_t even = ((int64_t)columns + BLOCKS_MAX - 1) / BLOCKS_MAX, worthwhile = (BLOCK_WEIGHTS_MIN + (int64_t)depth - 1) / depth;
    const int64_t wanted = even > worthwhile ? even : worthwhile;
    const int64_t width = (wanted + COLUMN_STEP - 1) / COLUMN_STEP * COLUMN_STEP;
    return width < columns ? (int32_t)width : columns;
}

static int32_t block_first(int32_t width, int32_t block)
{
    return width * block;
}

static int32_t block_last(int32_t columns, int32_t width, int32_t block)
{
    return columns - width * block < width ? columns : width * (block + 1);
}

/* What exists while planning one width of blocks. */
typedef struct dense_plan {
    dnnl_engine_t engine;
    dnnl_primitive_attr_t attributes;
    dnnl_memory_desc_t any_weight, plain_weight, bias;
    dnnl_primitive_desc_t whole; /* for CHUNK_ROWS rows; decides the layout of the weights */
    int32_t features, width, workers;
} dense_plan;

static gng_status matrix(int32_t rows, int32_t columns, dnnl_format_tag_t tag, dnnl_memory_desc_t *out)
{
    const dnnl_dims_t sizes = {rows, columns};
    return gng_descriptor_tagged(2, sizes, tag, out);
}

/* UNSUPPORTED where the library would take an implementation whose results depend on the number of rows. */
static gng_status describe_chunk(const dense_plan *plan, int32_t rows, const_dnnl_memory_desc_t weight, dnnl_primitive_desc_t *out)
{
    dnnl_memory_desc_t input = NULL, output = NULL;
    dnnl_primitive_desc_t chunk = NULL;
    gng_status status = matrix(rows, plan->features, dnnl_ab, &input);
    if (status == GNG_OK)
        status = matrix(rows, plan->width, dnnl_ab, &output);
    if (status == GNG_OK)
        status = gng_engine_check(dnnl_inner_product_forward_primitive_desc_create(&chunk, plan->engine, dnnl_forward_inference, input, weight,
                                                                                   plan->bias, output, plan->attributes),
                                  "dnnl_inner_product_forward_primitive_desc_create");
    if (output != NULL)
        dnnl_memory_desc_destroy(output);
    if (input != NULL)
        dnnl_memory_desc_destroy(input);
    if (status != GNG_OK)
        return status;
    if (!gng_primitive_is_named(chunk, "brgemm")) {
        dnnl_primitive_desc_destroy(chunk);
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "oneDNN has no dense layer of %d x %d whose rows are independent", (int)plan->features,
                             (int)plan->width);
    }
    *out = chunk;
    return GNG_OK;
}

static gng_status create_chunk(const dense_plan *plan, const_dnnl_primitive_desc_t descriptor, gng_primitive *out)
{
    const gng_primitive_argument arguments[] = {
        {DNNL_ARG_SRC, dnnl_primitive_desc_query_md(descriptor, dnnl_query_src_md, 0)},
        {DNNL_ARG_WEIGHTS, dnnl_primitive_desc_query_md(descriptor, dnnl_query_weights_md, 0)},
        {DNNL_ARG_DST, dnnl_primitive_desc_query_md(descriptor, dnnl_query_dst_md, 0)},
        {DNNL_ARG_BIAS, plan->bias},
    };
    return gng_primitive_create(descriptor, arguments, plan->bias != NULL ? 4 : 3, plan->workers, out);
}

static gng_status plan_block(dense_plan *plan, int32_t rows, bool bias, dense_block *block)
{
    GNG_TRY(gng_primitive_attributes(false, &plan->attributes));
    GNG_TRY(matrix(plan->width, plan->features, dnnl_format_tag_any, &plan->any_weight));
    GNG_TRY(matrix(plan->width, plan->features, dnnl_ab, &plan->plain_weight));
    if (bias)
        GNG_TRY(gng_descriptor_row((size_t)plan->width, &plan->bias));
    GNG_TRY(describe_chunk(plan, CHUNK_ROWS, plan->any_weight, &plan->whole));

    const const_dnnl_memory_desc_t weight = dnnl_primitive_desc_query_md(plan->whole, dnnl_query_weights_md, 0);
    block->packed_bytes = dnnl_memory_desc_get_size(weight);
    GNG_TRY(gng_primitive_create_reorder(plan->engine, plan->plain_weight, weight, plan->workers, &block->pack));
    if (rows >= CHUNK_ROWS)
        GNG_TRY(create_chunk(plan, plan->whole, &block->whole_chunk));
    if (rows % CHUNK_ROWS == 0)
        return GNG_OK;
    dnnl_primitive_desc_t last;
    GNG_TRY(describe_chunk(plan, rows % CHUNK_ROWS, weight, &last));
    const gng_status status = create_chunk(plan, last, &block->last_chunk);
    dnnl_primitive_desc_destroy(last);
    return status;
}

static gng_status create_block(const gng_operation_request *request, const gng_operation *operation, int32_t width, dense_block *block)
{
    block->width = width;
    block->computed_width = width > COLUMNS_MIN ? width : COLUMNS_MIN;
    dense_plan plan = {.features = operation->features, .width = block->computed_width, .workers = request->workers};
    GNG_TRY(gng_engine_get(&plan.engine));
    const gng_status status = plan_block(&plan, operation->rows, operation->bias, block);
    if (plan.whole != NULL)
        dnnl_primitive_desc_destroy(plan.whole);
    const dnnl_memory_desc_t descriptors[] = {plan.any_weight, plan.plain_weight, plan.bias};
    for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++)
        if (descriptors[i] != NULL)
            dnnl_memory_desc_destroy(descriptors[i]);
    if (plan.attributes != NULL)
        dnnl_primitive_attr_destroy(plan.attributes);
    return status;
}

static const dense_block *block_at(const gng_operation *operation, int32_t block)
{
    return &operation->blocks[block == operation->column_blocks - 1];
}

/* Blocks before the last have equal sizes. */
static size_t packed_offset(const gng_operation *operation, int32_t block)
{
    return (operation->blocks[0].packed_bytes + GNG_ALIGNMENT - 1) / GNG_ALIGNMENT * GNG_ALIGNMENT * (size_t)block;
}

static void plan_memory(gng_operation *operation, gng_operation_memory *memory)
{
    gng_arena_layout packed = {0}, scratch = {0};
    size_t own = 0;
    for (size_t i = 0; i < 2; i++) {
        const dense_block *block = &operation->blocks[i];
        const size_t needs[] = {block->whole_chunk.scratch_bytes, block->last_chunk.scratch_bytes, block->pack.scratch_bytes};
        for (size_t k = 0; k < sizeof needs / sizeof needs[0]; k++)
            if (needs[k] > own)
                own = needs[k];
    }
    (void)gng_arena_layout_add(&packed, packed_offset(operation, operation->column_blocks - 1), 1);
    (void)gng_arena_layout_add(&packed, operation->blocks[1].packed_bytes, 1);
    operation->packed_bias_offset = gng_arena_layout_add(&packed, operation->bias ? (size_t)operation->units + COLUMNS_MIN : 0, sizeof(float));
    operation->packed_plain_offset =
        gng_arena_layout_add(&packed, operation->keeps_plain ? (size_t)operation->units * (size_t)operation->features : 0, sizeof(float));
    (void)gng_arena_layout_add(&scratch, own, 1);
    const size_t columns = (size_t)CHUNK_ROWS * (size_t)(operation->column_width + COLUMNS_MIN), padded = (size_t)COLUMNS_MIN * (size_t)operation->features;
    operation->scratch_columns_offset = gng_arena_layout_add(&scratch, columns > padded ? columns : padded, sizeof(float));
    *memory = (gng_operation_memory){
        .output = {operation->units, 1, 1, 1},
        .packed_bytes = packed.bytes,
        .scratch_bytes = scratch.bytes,
        .column_blocks = operation->column_blocks,
        .input_blocks = operation->input_blocks,
    };
}

static void dense_destroy(gng_operation *operation)
{
    if (operation == NULL)
        return;
    for (size_t i = 0; i < 2; i++) {
        gng_primitive_destroy(&operation->blocks[i].whole_chunk);
        gng_primitive_destroy(&operation->blocks[i].last_chunk);
        gng_primitive_destroy(&operation->blocks[i].pack);
    }
    gng_memory_release(operation);
}

static gng_status create_operation(const gng_operation_request *request, gng_operation *operation)
{
    const gng_layer *layer = request->chain[0];
    operation->rows = request->rows;
    operation->features = request->inputs[0].channels;
    operation->units = layer->as.dense.units;
    operation->bias = layer->as.dense.bias;
    operation->keeps_plain = request->training && request->input_gradient;
    operation->column_width = block_width(operation->units, operation->features);
    operation->input_width = block_width(operation->features, operation->units);
    operation->column_blocks = (operation->units - 1) / operation->column_width + 1;
    operation->input_blocks = (operation->features - 1) / operation->input_width + 1;
    const int32_t last = operation->column_blocks - 1;
    if (last > 0)
        GNG_TRY(create_block(request, operation, operation->column_width, &operation->blocks[0]));
    return create_block(request, operation, operation->units - block_first(operation->column_width, last), &operation->blocks[1]);
}

static gng_status dense_plan_operation(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory)
{
    const gng_layer *layer = request->chain[0];
    const gng_tensor_shape input = request->inputs[0];
    if (request->chain_length != 1)
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "layer '%s': oneDNN fuses nothing with a dense layer", layer->name);
    if (input.block != 1 || input.height != 1 || input.width != 1)
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "layer '%s': found an input of %d x %d x %d in blocks of %d, expected a plain row", layer->name,
                             (int)input.channels, (int)input.height, (int)input.width, (int)input.block);
    if (gng_cpu_effective() < GNG_INSTRUCTION_SET_AVX2)
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "layer '%s': below AVX2 a row's result would depend on the number of rows", layer->name);
    gng_operation *operation = gng_memory_allocate(sizeof *operation);
    if (operation == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "planning layer '%s'", layer->name);
    const gng_status status = create_operation(request, operation);
    if (status != GNG_OK) {
        dense_destroy(operation);
        return status;
    }
    plan_memory(operation, memory);
    *out = operation;
    return GNG_OK;
}

static unsigned char *at(const void *block, size_t offset)
{
    return (unsigned char *)block + offset;
}

static float *floats_at(const void *block, size_t offset)
{
    return (float *)(void *)at(block, offset);
}

/* Plain weights of a narrow block, with rows of zeros behind them. */
static const float *pad_rows(const gng_operation *operation, const dense_block *block, const float *rows, void *scratch)
{
    const size_t features = (size_t)operation->features, used = (size_t)block->width * features;
    float *padded = floats_at(scratch, operation->scratch_columns_offset);
    memcpy(padded, rows, used * sizeof *padded);
    memset(padded + used, 0, ((size_t)block->computed_width * features - used) * sizeof *padded);
    return padded;
}

static gng_status dense_pack(gng_operation *operation, int worker, const float *weight, const float *bias, void *packed, void *scratch)
{
    const size_t features = (size_t)operation->features;
    for (int32_t i = 0; i < operation->column_blocks; i++) {
        const dense_block *block = block_at(operation, i);
        const float *rows = weight + (size_t)block_first(operation->column_width, i) * features;
        if (block->computed_width > block->width)
            rows = pad_rows(operation, block, rows, scratch);
        void *const pointers[] = {(void *)rows, at(packed, packed_offset(operation, i))};
        GNG_TRY(gng_primitive_run(&block->pack, worker, pointers, scratch));
    }
    if (operation->bias) {
        float *to = floats_at(packed, operation->packed_bias_offset);
        memcpy(to, bias, (size_t)operation->units * sizeof *to);
        memset(to + operation->units, 0, COLUMNS_MIN * sizeof *to);
    }
    if (operation->keeps_plain)
        memcpy(at(packed, operation->packed_plain_offset), weight, (size_t)operation->units * features * sizeof *weight);
    return GNG_OK;
}

static gng_status dense_forward(gng_operation *operation, const gng_dense_call *call)
{
    const dense_block *block = block_at(operation, call->block);
    const size_t features = (size_t)operation->features, units = (size_t)operation->units;
    const size_t width = (size_t)block->width, computed = (size_t)block->computed_width;
    const size_t first = (size_t)block_first(operation->column_width, call->block);
    const bool direct = computed == units;
    for (int32_t row = 0; row < operation->rows; row += CHUNK_ROWS) {
        const int32_t rows = operation->rows - row < CHUNK_ROWS ? operation->rows - row : CHUNK_ROWS;
        float *output = call->output + (size_t)row * units + first;
        float *columns = direct ? output : floats_at(call->scratch, operation->scratch_columns_offset);
        void *const pointers[] = {(void *)(call->input + (size_t)row * features), at(call->packed, packed_offset(operation, call->block)), columns,
                                  floats_at(call->packed, operation->packed_bias_offset) + first};
        GNG_TRY(gng_primitive_run(rows == CHUNK_ROWS ? &block->whole_chunk : &block->last_chunk, call->worker, pointers, call->scratch));
        for (int32_t i = 0; i < rows && !direct; i++)
            memcpy(output + (size_t)i * units, columns + (size_t)i * computed, width * sizeof *output);
    }
    return GNG_OK;
}

/* [rows, block of features] = output gradient [rows, units] * weight [units, block of features] */
static gng_status dense_backward_data(gng_operation *operation, const gng_dense_call *call)
{
    const int32_t features = operation->features, units = operation->units;
    const int32_t first = block_first(operation->input_width, call->block), last = block_last(features, operation->input_width, call->block);
    const float *weight = floats_at(call->packed, operation->packed_plain_offset);
    return gng_primitive_multiply(false, operation->rows, last - first, units, call->output_gradient, units, weight + first, features, 0,
                                  call->input_gradient + first, features);
}

/* [block of units, features] += output gradient [rows, block of units]^T * input [rows, features] */
static gng_status dense_backward_weights(gng_operation *operation, const gng_dense_call *call)
{
    const int32_t rows = operation->rows, features = operation->features, units = operation->units;
    const int32_t first = block_first(operation->column_width, call->block), last = block_last(units, operation->column_width, call->block);
    GNG_TRY(gng_primitive_multiply(true, last - first, features, rows, call->output_gradient + first, units, call->input, features, 1,
                                   call->weight_gradient + (size_t)first * (size_t)features, features));
    for (int32_t row = 0; row < rows && call->bias_gradient != NULL; row++)
        for (int32_t i = first; i < last; i++)
            call->bias_gradient[i] += call->output_gradient[(size_t)row * (size_t)units + (size_t)i];
    return GNG_OK;
}

const gng_operation_table gng_dnnl_dense_table = {
    .engine = "dnnl",
    .name = "dense",
    .plan = dense_plan_operation,
    .destroy = dense_destroy,
    .pack = dense_pack,
    .dense_forward = dense_forward,
    .dense_backward_data = dense_backward_data,
    .dense_backward_weights = dense_backward_weights,
};
