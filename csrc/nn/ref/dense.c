/* Dense layers: y = x weight^T + bias over the rows of a group, in blocks of columns.
 *
 * Innermost loops run over columns (or features), whose sums are independent of each other.
 */
#include <string.h>

#include "nn/ref/kernels.h"
#include "nn/ref/plan.h"
#include "nn/ref/ref.h"

size_t GNG_REAL_NAME(gng_ref_dense_panels_size)(int32_t features, int32_t units)
{
    return ((size_t)units + GNG_REF_PANEL - 1) / GNG_REF_PANEL * GNG_REF_PANEL * (size_t)features;
}

void GNG_REAL_NAME(gng_ref_dense_panels)(int32_t features, int32_t units, const gng_real *weight, gng_real *panels)
{
    const size_t depth = (size_t)features, columns = (size_t)units;
    memset(panels, 0, GNG_REAL_NAME(gng_ref_dense_panels_size)(features, units) * sizeof *panels);
    for (size_t u = 0; u < columns; u++) {
        gng_real *to = panels + u / GNG_REF_PANEL * depth * GNG_REF_PANEL + u % GNG_REF_PANEL;
        for (size_t k = 0; k < depth; k++)
            to[k * GNG_REF_PANEL] = weight[u * depth + k];
    }
}

/* sums[k] += x[i] * panel[i, k] for i = 0 to count - 1. A full step is spelled out, so that sums stay in registers for it. */
enum { DENSE_STEP = 8 };

static void dense_add_features(size_t count, const gng_real *restrict x, const gng_real *restrict panel, gng_real *restrict sums)
{
    if (count == DENSE_STEP) {
        for (size_t k = 0; k < GNG_REF_PANEL; k++) {
            gng_real sum = sums[k];
            for (size_t i = 0; i < DENSE_STEP; i++)
                sum += x[i] * panel[i * GNG_REF_PANEL + k];
            sums[k] = sum;
        }
        return;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < GNG_REF_PANEL; k++)
            sums[k] += x[i] * panel[i * GNG_REF_PANEL + k];
}

void GNG_REAL_NAME(gng_ref_dense_forward)(int32_t rows, int32_t features, int32_t units, int32_t first, int32_t last, const gng_real *x,
                                          const gng_real *panels, const gng_real *bias, gng_real *y)
{
    const size_t depth = (size_t)features, columns = (size_t)units, end = (size_t)last;
    for (size_t u = (size_t)first; u < end; u += GNG_REF_PANEL) {
        const size_t used = end - u < GNG_REF_PANEL ? end - u : GNG_REF_PANEL;
        const gng_real *panel = panels + u * depth;
        for (size_t row = 0; row < (size_t)rows; row++) {
            gng_real sums[GNG_REF_PANEL] = {0};
            for (size_t k = 0; k < used && bias != NULL; k++)
                sums[k] = bias[u + k];
            for (size_t i = 0; i < depth; i += DENSE_STEP)
                dense_add_features(depth - i < DENSE_STEP ? depth - i : DENSE_STEP, x + row * depth + i, panel + i * GNG_REF_PANEL, sums);
            memcpy(y + row * columns + u, sums, used * sizeof *y);
        }
    }
}

static void dense_add_row(size_t count, gng_real factor, const gng_real *restrict x, gng_real *restrict sum)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += factor * x[i];
}

void GNG_REAL_NAME(gng_ref_dense_backward_data)(int32_t rows, int32_t features, int32_t units, int32_t first, int32_t last, const gng_real *dy,
                                                const gng_real *weight, gng_real *dx)
{
    const size_t depth = (size_t)features, columns = (size_t)units, from = (size_t)first, count = (size_t)(last - first);
    for (size_t row = 0; row < (size_t)rows; row++)
        memset(dx + row * depth + from, 0, count * sizeof *dx);
    for (size_t u = 0; u < columns; u++)
        for (size_t row = 0; row < (size_t)rows; row++)
            dense_add_row(count, dy[row * columns + u], weight + u * depth + from, dx + row * depth + from);
}

void GNG_REAL_NAME(gng_ref_dense_backward_weights)(int32_t rows, int32_t features, int32_t units, int32_t first, int32_t last, const gng_real *x,
                                                   const gng_real *dy, gng_real *dweight, gng_real *dbias)
{
    const size_t depth = (size_t)features, columns = (size_t)units;
    for (size_t u = (size_t)first; u < (size_t)last; u++)
        for (size_t row = 0; row < (size_t)rows; row++) {
            dense_add_row(depth, dy[row * columns + u], x + row * depth, dweight + u * depth);
            if (dbias != NULL)
                dbias[u] += dy[row * columns + u];
        }
}

#ifndef GNG_REFERENCE_DOUBLE

/* Less work (multiply-adds) in a block is not worth a thread's attention. */
#define BLOCK_WORK ((uint64_t)1 << 15)
enum { BLOCKS_MAX = 16 };

/* A function of the shape alone. Blocks end at multiples of GNG_REF_PANEL. */
static int32_t block_count(uint64_t work, int32_t columns)
{
    const uint64_t panels = ((uint64_t)columns + GNG_REF_PANEL - 1) / GNG_REF_PANEL;
    uint64_t blocks = work / BLOCK_WORK;
    if (blocks > BLOCKS_MAX)
        blocks = BLOCKS_MAX;
    if (blocks > panels)
        blocks = panels;
    return blocks < 1 ? 1 : (int32_t)blocks;
}

static int32_t block_limit(int32_t columns, int32_t blocks, int32_t block)
{
    const int64_t panels = ((int64_t)columns + GNG_REF_PANEL - 1) / GNG_REF_PANEL;
    const int64_t limit = panels * block / blocks * GNG_REF_PANEL;
    return limit < columns ? (int32_t)limit : columns;
}

/* packed: panels, bias (units floats, unused without), and for training the plain weight. */
static size_t bias_offset(const gng_operation *operation)
{
    return gng_ref_dense_panels_size_float(operation->inputs[0].channels, operation->output.channels);
}

static size_t weight_offset(const gng_operation *operation)
{
    return bias_offset(operation) + (size_t)operation->output.channels;
}

static size_t weight_count(const gng_operation *operation)
{
    return (size_t)operation->inputs[0].channels * (size_t)operation->output.channels;
}

static gng_status plan(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory)
{
    GNG_TRY(gng_ref_plan(request, GNG_REF_LAYOUT_PLAIN, out, memory));
    gng_operation *operation = *out;
    const uint64_t work = (uint64_t)request->rows * weight_count(operation);
    operation->column_blocks = block_count(work, operation->output.channels);
    operation->input_blocks = block_count(work, operation->inputs[0].channels);
    memory->column_blocks = operation->column_blocks;
    memory->input_blocks = operation->input_blocks;
    memory->packed_bytes = (weight_offset(operation) + (request->training ? weight_count(operation) : 0)) * sizeof(float);
    return GNG_OK;
}

static gng_status pack(gng_operation *operation, int worker, const float *weight, const float *bias, void *packed, void *scratch)
{
    (void)worker, (void)scratch;
    float *to = packed;
    gng_ref_dense_panels_float(operation->inputs[0].channels, operation->output.channels, weight, to);
    if (operation->layer.as.dense.bias)
        memcpy(to + bias_offset(operation), bias, (size_t)operation->output.channels * sizeof *to);
    if (operation->training)
        memcpy(to + weight_offset(operation), weight, weight_count(operation) * sizeof *to);
    return GNG_OK;
}

static gng_status forward(gng_operation *operation, const gng_dense_call *call)
{
    const int32_t units = operation->output.channels;
    const float *packed = call->packed;
    gng_ref_dense_forward_float(operation->rows, operation->inputs[0].channels, units, block_limit(units, operation->column_blocks, call->block),
                                block_limit(units, operation->column_blocks, call->block + 1), call->input, packed,
                                operation->layer.as.dense.bias ? packed + bias_offset(operation) : NULL, call->output);
    return GNG_OK;
}

static gng_status backward_data(gng_operation *operation, const gng_dense_call *call)
{
    const int32_t features = operation->inputs[0].channels;
    gng_ref_dense_backward_data_float(operation->rows, features, operation->output.channels, block_limit(features, operation->input_blocks, call->block),
                                      block_limit(features, operation->input_blocks, call->block + 1), call->output_gradient,
                                      (const float *)call->packed + weight_offset(operation), call->input_gradient);
    return GNG_OK;
}

static gng_status backward_weights(gng_operation *operation, const gng_dense_call *call)
{
    const int32_t units = operation->output.channels;
    gng_ref_dense_backward_weights_float(operation->rows, operation->inputs[0].channels, units, block_limit(units, operation->column_blocks, call->block),
                                         block_limit(units, operation->column_blocks, call->block + 1), call->input, call->output_gradient,
                                         call->weight_gradient, call->bias_gradient);
    return GNG_OK;
}

const gng_operation_table gng_ref_dense_table = {
    .engine = "ref",
    .name = "dense",
    .plan = plan,
    .destroy = gng_ref_destroy,
    .pack = pack,
    .dense_forward = forward,
    .dense_backward_data = backward_data,
    .dense_backward_weights = backward_weights,
};

#endif
