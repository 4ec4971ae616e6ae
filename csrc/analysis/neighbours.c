/* Blocks of rows against all rows. Dot products of 16-bit integers are one instruction on every x86-64, and exact. */
#include "analysis/neighbours.h"

#include <stdbool.h>

#include "base/memory.h"

/* Rows whose neighbours are found together, so that a row that was fetched from memory is used this often, and those of them whose
 * products are summed together, so that a value that was loaded is. */
enum { BLOCK = 16, TOGETHER = 4 };

typedef struct search {
    const int16_t *vectors;
    size_t count, length, most;
    const bool *blank;  /* [count] */
    int32_t *products;  /* [count, most]: of the neighbours found so far */
    uint32_t *out;
} search;

/* products [TOGETHER]: of rows [TOGETHER, length] with other [length]. */
static void multiply_rows(int32_t *restrict products, const int16_t *restrict rows, const int16_t *restrict other, size_t length)
{
    int32_t first = 0, second = 0, third = 0, fourth = 0;
    for (size_t i = 0; i < length; i++) {
        const int32_t value = other[i];
        first += value * (int32_t)rows[i];
        second += value * (int32_t)rows[length + i];
        third += value * (int32_t)rows[2 * length + i];
        fourth += value * (int32_t)rows[3 * length + i];
    }
    products[0] = first;
    products[1] = second;
    products[2] = third;
    products[3] = fourth;
}

static int32_t multiply_row(const int16_t *restrict a, const int16_t *restrict b, size_t length)
{
    int32_t sum = 0;
    for (size_t i = 0; i < length; i++)
        sum += (int32_t)a[i] * (int32_t)b[i];
    return sum;
}

/* Puts `other` among the neighbours of `row`. Others come in rising order, so an equal one stays behind. */
static void offer(const search *with, size_t row, size_t other, int32_t product)
{
    int32_t *products = with->products + row * with->most;
    uint32_t *indices = with->out + row * with->most;
    size_t at = with->most;
    if (indices[at - 1] != UINT32_MAX && products[at - 1] >= product)
        return;
    for (; at > 1 && (indices[at - 2] == UINT32_MAX || products[at - 2] < product); at--) {
        products[at - 1] = products[at - 2];
        indices[at - 1] = indices[at - 2];
    }
    products[at - 1] = product;
    indices[at - 1] = (uint32_t)other;
}

static gng_status search_block(void *argument, size_t index, int worker)
{
    (void)worker;
    const search *with = argument;
    const size_t first = index * BLOCK, last = first + BLOCK < with->count ? first + BLOCK : with->count;
    for (size_t i = first * with->most; i < last * with->most; i++)
        with->out[i] = UINT32_MAX;
    for (size_t other = 0; other < with->count; other++) {
        if (with->blank[other])
            continue;
        const int16_t *rows = with->vectors + first * with->length, *vector = with->vectors + other * with->length;
        int32_t products[BLOCK];
        size_t row = 0;
        for (; row + TOGETHER <= last - first; row += TOGETHER)
            multiply_rows(products + row, rows + row * with->length, vector, with->length);
        for (; row < last - first; row++)
            products[row] = multiply_row(rows + row * with->length, vector, with->length);
        for (row = first; row < last; row++)
            if (row != other && !with->blank[row])
                offer(with, row, other, products[row - first]);
    }
    return GNG_OK;
}

static bool is_blank(const int16_t *vector, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (vector[i] != 0)
            return false;
    return true;
}

gng_status gng_neighbours_find(gng_context *context, const int16_t *vectors, size_t count, size_t length, size_t most, uint32_t *out)
{
    if (most < 1 || most > GNG_NEIGHBOURS_MOST || length > 32768 || count >= UINT32_MAX)
        return gng_error_set(GNG_STATUS_ARGUMENT, "neighbours: found %zu of %zu vectors of length %zu, expected 1 to %d of fewer than 2^32 of length 32768",
                             most, count, length, (int)GNG_NEIGHBOURS_MOST);
    bool *blank = gng_memory_allocate_array(count, sizeof *blank);
    int32_t *products = gng_memory_allocate_array(count, most * sizeof *products);
    gng_status status = GNG_OK;
    if (blank == NULL || products == NULL)
        status = gng_error_set(GNG_STATUS_MEMORY, "neighbours: no memory for %zu vectors", count);
    for (size_t i = 0; i < count && status == GNG_OK; i++)
        blank[i] = is_blank(vectors + i * length, length);
    search with = {vectors, count, length, most, blank, products, out};
    if (status == GNG_OK)
        status = gng_parallel_run(context, (count + BLOCK - 1) / BLOCK, search_block, &with);
    gng_memory_release(products);
    gng_memory_release(blank);
    return status;
}
