/* Contrast-limited adaptive histogram equalisation in integers; enhance.h names its source.
 *
 * The picture is divided into 8 x 8 cells (fewer where it has fewer rows or columns), each with a curve of levels made from
 * its histogram, cut at the limit. A pixel's level is interpolated between the curves of the four nearest centres of cells.
 */
#include <stdbool.h>

#include "image/enhance.h"
#include "image/region.h"

enum { CELLS = GNG_CONTRAST_CELLS, LEVELS = 256, WEIGHT_ONE = 256 };

/* Where a row or column lies between two centres of cells. */
typedef struct place {
    int32_t before;
    int32_t after;
    int32_t weight; /* of `after`, in 1 / WEIGHT_ONE */
} place;

typedef struct plan {
    const uint8_t *levels; /* [height, width] */
    int32_t height, width;
    int32_t rows, columns;                 /* of cells */
    double limit;
    uint8_t (*curves)[LEVELS];             /* [rows * columns] */
} plan;

/* In units of 1 / (2 * cells) of a pixel the centres of pixels and cells are whole numbers. */
static place place_of(int32_t pixel, int32_t side, int32_t cells)
{
    const int32_t unit = 2 * side;
    const int32_t offset = (2 * pixel + 1) * cells - side + unit; /* one cell further, so that it is not negative */
    const int32_t before = offset / unit - 1;
    const int32_t weight = (offset % unit * WEIGHT_ONE + side) / unit;
    return (place){
        .before = before < 0 ? 0 : before, .after = before + 1 < cells ? before + 1 : cells - 1, .weight = weight};
}

/* Cuts counts of more than the limit; what was cut off is shared by all levels, the rest in equal steps. */
static void cut(int32_t counts[LEVELS], int32_t pixels, double limit)
{
    int32_t most = (int32_t)(limit * pixels / LEVELS);
    most = most > 1 ? most : 1;
    int32_t excess = 0;
    for (int32_t level = 0; level < LEVELS; level++)
        if (counts[level] > most) {
            excess += counts[level] - most;
            counts[level] = most;
        }
    const int32_t share = excess / LEVELS;
    int32_t rest = excess % LEVELS;
    for (int32_t level = 0; level < LEVELS; level++)
        counts[level] += share;
    const int32_t step = rest > 0 ? LEVELS / rest : 1;
    for (int32_t level = 0; rest > 0; level += step, rest--)
        counts[level]++;
}

static void fill_curve(const plan *p, int32_t row, int32_t column, uint8_t curve[LEVELS])
{
    const int32_t top = (int32_t)((int64_t)row * p->height / p->rows);
    const int32_t bottom = (int32_t)((int64_t)(row + 1) * p->height / p->rows);
    const int32_t left = (int32_t)((int64_t)column * p->width / p->columns);
    const int32_t right = (int32_t)((int64_t)(column + 1) * p->width / p->columns);
    const int32_t pixels = (bottom - top) * (right - left);
    int32_t counts[LEVELS] = {0};
    for (int32_t y = top; y < bottom; y++)
        for (int32_t x = left; x < right; x++)
            counts[p->levels[(size_t)y * (size_t)p->width + (size_t)x]]++;
    cut(counts, pixels, p->limit);
    int64_t reached = 0;
    for (int32_t level = 0; level < LEVELS; level++) {
        reached += counts[level];
        curve[level] = (uint8_t)((2 * (LEVELS - 1) * reached + pixels) / (2 * (int64_t)pixels));
    }
}

static int32_t equalised(const plan *p, int32_t level, place down, place across)
{
    const uint8_t(*upper)[LEVELS] = p->curves + down.before * p->columns;
    const uint8_t(*lower)[LEVELS] = p->curves + down.after * p->columns;
    const int32_t right = across.weight, left = WEIGHT_ONE - right;
    const int32_t above = left * upper[across.before][level] + right * upper[across.after][level];
    const int32_t below = left * lower[across.before][level] + right * lower[across.after][level];
    const int32_t half = WEIGHT_ONE * WEIGHT_ONE / 2;
    return ((WEIGHT_ONE - down.weight) * above + down.weight * below + half) / (WEIGHT_ONE * WEIGHT_ONE);
}

static uint8_t clamped(int32_t level)
{
    return (uint8_t)(level < 0 ? 0 : level > 255 ? 255 : level);
}

static void apply(const plan *p, const place *across, const gng_image *image)
{
    for (int32_t y = 0; y < p->height; y++) {
        const place down = place_of(y, p->height, p->rows);
        for (int32_t x = 0; x < p->width; x++) {
            const size_t i = (size_t)y * (size_t)p->width + (size_t)x;
            const int32_t level = p->levels[i];
            const int32_t value = equalised(p, level, down, across[x]);
            uint8_t *pixel = image->pixels + i * (size_t)image->channels;
            for (int32_t c = 0; c < image->channels; c++)
                pixel[c] = clamped(pixel[c] + value - level);
        }
    }
}

gng_status gng_image_equalise(const gng_image *image, double limit)
{
    const size_t pixels = (size_t)image->height * (size_t)image->width;
    const bool colour = image->channels == 3;
    uint8_t *luma = colour ? gng_memory_allocate(pixels) : NULL;
    place *across = gng_memory_allocate_array((size_t)image->width, sizeof *across);
    plan p = {
        .levels = colour ? luma : image->pixels,
        .height = image->height,
        .width = image->width,
        .rows = image->height < CELLS ? image->height : CELLS,
        .columns = image->width < CELLS ? image->width : CELLS,
        .limit = limit,
        .curves = gng_memory_allocate_array(CELLS * CELLS, sizeof *p.curves),
    };
    gng_status status = GNG_OK;
    if (p.levels == NULL || across == NULL || p.curves == NULL) {
        status = gng_error_set(GNG_STATUS_MEMORY, "local contrast: no memory for %d x %d pixels", image->height, image->width);
    } else {
        if (colour)
            gng_image_luma(image->pixels, pixels, luma);
        for (int32_t row = 0; row < p.rows; row++)
            for (int32_t column = 0; column < p.columns; column++)
                fill_curve(&p, row, column, p.curves[row * p.columns + column]);
        for (int32_t x = 0; x < p.width; x++)
            across[x] = place_of(x, p.width, p.columns);
        apply(&p, across, image);
    }
    gng_memory_release(p.curves);
    gng_memory_release(across);
    gng_memory_release(luma);
    return status;
}
