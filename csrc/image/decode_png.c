/* Pixels of a checked PNG file (W3C PNG, third edition). Inflating is stb_image's part, in decode.c; undoing filters, passes
 * and packing is done here, because the checks belong in between: exactly the promised bytes, their Adler-32 sum, filters
 * that exist, indices inside the palette, no transparent pixel, no value above the depth. All rows are checked before the
 * first one is written.
 */
#include <string.h>

#include "image/decode_formats.h"
#include "image/png.h"

enum { CHECKSUM_BYTES = 4 };

typedef struct picture {
    gng_png_layout layout;
    gng_inspection *inspection;
    int32_t bit_depth; /* of 16-bit samples: how many of them are in use */
    uint8_t *rows;     /* inflated, pass by pass */
} picture;

/* RFC 1950, section 9: two sums modulo 65521; 5552 bytes fit before the larger one needs the modulo. */
static uint32_t adler32(const uint8_t *bytes, size_t count)
{
    uint32_t low = 1, high = 0;
    while (count > 0) {
        const size_t part = count < 5552 ? count : 5552;
        for (size_t i = 0; i < part; ++i) {
            low += bytes[i];
            high += low;
        }
        low %= 65521;
        high %= 65521;
        bytes += part;
        count -= part;
    }
    return high << 16 | low;
}

/* The data chunks follow each other without a gap. */
static void gather(const uint8_t *bytes, const gng_png_layout *layout, uint8_t *out)
{
    const uint8_t *chunk = bytes + layout->data_offset;
    for (uint64_t left = layout->data_bytes; left > 0;) {
        const uint32_t length = gng_read_u32_be(chunk);
        memcpy(out, chunk + 8, length);
        out += length;
        left -= length;
        chunk += 12 + (size_t)length;
    }
}

static gng_status inflate(const uint8_t *bytes, picture *p, size_t row_bytes)
{
    const size_t count = (size_t)p->layout.data_bytes;
    uint8_t *stream = gng_memory_allocate(count);
    if (stream == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "PNG: %zu bytes of compressed data", count);
    gather(bytes, &p->layout, stream);
    size_t used = 0;
    const bool inflated = gng_zlib_inflate(stream, count, p->rows, row_bytes, &used) && count - used >= CHECKSUM_BYTES;
    const uint32_t stored = inflated ? gng_read_u32_be(stream + used) : 0;
    gng_memory_release(stream);
    const size_t offset = p->layout.data_offset;
    if (!inflated)
        return gng_inspection_fail(p->inspection, GNG_FAULT_PIXELS, offset,
                                   "the compressed data are damaged, or do not fit the header (%d x %d pixels, %zu bytes); "
                                   "copy or export the picture again", p->inspection->height, p->inspection->width, row_bytes);
    const uint32_t computed = adler32(p->rows, row_bytes);
    if (stored != computed)
        return gng_inspection_fail(p->inspection, GNG_FAULT_CHECKSUM, offset,
                                   "the pixels have checksum %08X, %08X was stored with them: the file was altered; copy it "
                                   "again", computed, stored);
    const size_t behind = count - used - CHECKSUM_BYTES;
    if (behind > 0)
        return gng_inspection_fail(p->inspection, GNG_FAULT_STRUCTURE, offset,
                                   "the compressed data are whole, but their chunks hold more behind them (bytes: %zu), expected "
                                   "their end; export the picture again", behind);
    return GNG_OK;
}

static uint8_t paeth(uint8_t left, uint8_t above, uint8_t corner)
{
    const int guess = left + above - corner;
    const int to_left = guess > left ? guess - left : left - guess;
    const int to_above = guess > above ? guess - above : above - guess;
    const int to_corner = guess > corner ? guess - corner : corner - guess;
    return to_left <= to_above && to_left <= to_corner ? left : to_above <= to_corner ? above : corner;
}

/* Section 9.2. row, above: [count]; `above` is a row of zeros for the first one. `step`: bytes of a pixel, at least 1. */
static bool undo_filter(int filter, uint8_t *row, const uint8_t *above, size_t count, size_t step)
{
    const size_t start = step < count ? step : count;
    switch (filter) {
    case 0:
        return true;
    case 1:
        for (size_t i = start; i < count; ++i)
            row[i] = (uint8_t)(row[i] + row[i - step]);
        return true;
    case 2:
        for (size_t i = 0; i < count; ++i)
            row[i] = (uint8_t)(row[i] + above[i]);
        return true;
    case 3:
        for (size_t i = 0; i < start; ++i)
            row[i] = (uint8_t)(row[i] + above[i] / 2);
        for (size_t i = start; i < count; ++i)
            row[i] = (uint8_t)(row[i] + (row[i - step] + above[i]) / 2);
        return true;
    case 4:
        for (size_t i = 0; i < start; ++i)
            row[i] = (uint8_t)(row[i] + above[i]);
        for (size_t i = start; i < count; ++i)
            row[i] = (uint8_t)(row[i] + paeth(row[i - step], above[i], above[i - step]));
        return true;
    default:
        return false;
    }
}

/* Sample i of a row: the leftmost in the highest bits, two bytes with the high one first. */
static inline uint32_t sample_at(const uint8_t *row, size_t i, uint32_t depth)
{
    if (depth == 8)
        return row[i];
    if (depth == 16)
        return gng_read_u16_be(row + 2 * i);
    const size_t at = i * depth;
    return (uint32_t)row[at / 8] >> (8 - depth - at % 8) & ((1u << depth) - 1);
}

static gng_status fail_transparent(const picture *p, int32_t y)
{
    return gng_inspection_fail(p->inspection, GNG_FAULT_UNSUPPORTED, p->layout.data_offset,
                               "found transparent pixels in row %d, expected opaque ones; save the picture without "
                               "transparency (alpha channel)", y);
}

/* A colour that tRNS names is transparent as a whole; only as many low bits of it count as a sample has. */
static bool uses_colour_key(const gng_png_layout *layout, const uint8_t *row, size_t columns)
{
    const uint32_t most = (1u << layout->depth) - 1;
    for (size_t x = 0; x < columns; ++x) {
        bool same = true;
        for (uint32_t k = 0; k < layout->samples; ++k)
            same = same && sample_at(row, x * layout->samples + k, layout->depth) ==
                               (gng_read_u16_be(layout->transparency + 2 * k) & most);
        if (same)
            return true;
    }
    return false;
}

static gng_status check_indices(const picture *p, const uint8_t *row, size_t columns, int32_t y)
{
    const gng_png_layout *layout = &p->layout;
    for (size_t x = 0; x < columns; ++x) {
        const uint32_t index = sample_at(row, x, layout->depth);
        if (index >= layout->palette_entries)
            return gng_inspection_fail(p->inspection, GNG_FAULT_PIXELS, layout->data_offset,
                                       "row %d uses colour %u of a palette of %u; export the picture again", y, index,
                                       layout->palette_entries);
        if (index < layout->transparency_bytes && layout->transparency[index] != 255)
            return fail_transparent(p, y);
    }
    return GNG_OK;
}

/* Row y of the picture, as far as this pass holds it. */
static gng_status check_row(const picture *p, const uint8_t *row, size_t columns, int32_t y)
{
    const gng_png_layout *layout = &p->layout;
    if (layout->colour_type == GNG_PNG_PALETTE)
        return check_indices(p, row, columns, y);
    if (layout->colour_type == GNG_PNG_GREY_ALPHA || layout->colour_type == GNG_PNG_RGB_ALPHA) {
        uint8_t all = 255;
        for (size_t x = 1; x <= columns; ++x)
            all &= row[layout->samples * x - 1];
        return all == 255 ? GNG_OK : fail_transparent(p, y);
    }
    if (layout->transparency != NULL && uses_colour_key(layout, row, columns))
        return fail_transparent(p, y);
    uint32_t largest = 0;
    for (size_t x = 0; layout->depth == 16 && x < columns; ++x) {
        const uint32_t value = gng_read_u16_be(row + 2 * x);
        largest = value > largest ? value : largest;
    }
    return largest >> p->bit_depth == 0 ? GNG_OK
                                        : gng_inspection_fail_depth(p->inspection, layout->data_offset, largest, p->bit_depth);
}

/* Undoes all filters in place and checks all rows. zeros: as many bytes as the longest row has. */
static gng_status check_rows(picture *p, const uint8_t *zeros)
{
    const uint32_t pixel_bits = p->layout.samples * p->layout.depth;
    uint8_t *row = p->rows;
    for (int pass = 0; pass < gng_png_passes(&p->layout); ++pass) {
        const gng_png_pass g = gng_png_pass_of(&p->layout, p->inspection->height, p->inspection->width, pass);
        const uint8_t *above = zeros;
        for (int32_t i = 0; i < g.rows; ++i, row += 1 + g.row_bytes) {
            const int32_t y = g.y_first + i * g.y_step;
            if (!undo_filter(row[0], row + 1, above, g.row_bytes, (pixel_bits + 7) / 8))
                return gng_inspection_fail(p->inspection, GNG_FAULT_PIXELS, p->layout.data_offset,
                                           "row %d has filter %u, expected 0 to 4; export the picture again", y, row[0]);
            GNG_TRY(check_row(p, row + 1, (size_t)g.columns, y));
            above = row + 1;
        }
    }
    return GNG_OK;
}

/* row -> 8-bit samples [columns, result]. Rows of 8-bit samples without a palette are that already. */
static const uint8_t *unpack_row(const picture *p, const uint8_t *row, size_t columns, uint8_t *line, size_t *channels)
{
    const gng_png_layout *layout = &p->layout;
    *channels = layout->samples;
    if (layout->colour_type == GNG_PNG_PALETTE) {
        *channels = 3;
        for (size_t x = 0; x < columns; ++x)
            memcpy(line + 3 * x, layout->palette + 3 * sample_at(row, x, layout->depth), 3);
        return line;
    }
    if (layout->depth == 8)
        return row;
    for (size_t x = 0; x < columns; ++x) {
        const uint32_t value = sample_at(row, x, layout->depth);
        line[x] = (uint8_t)(layout->depth == 16 ? value >> (p->bit_depth - 8) : value * (255u / ((1u << layout->depth) - 1)));
    }
    return line;
}

/* scratch: two lines of three bytes a pixel. */
static void write_rows(const picture *p, uint8_t *scratch, const gng_image *out)
{
    const size_t width = (size_t)out->width, wanted = (size_t)out->channels;
    uint8_t *line = scratch, *converted = scratch + 3 * width;
    const uint8_t *row = p->rows;
    for (int pass = 0; pass < gng_png_passes(&p->layout); ++pass) {
        const gng_png_pass g = gng_png_pass_of(&p->layout, out->height, out->width, pass);
        for (int32_t i = 0; i < g.rows; ++i, row += 1 + g.row_bytes) {
            uint8_t *target = out->pixels + (size_t)(g.y_first + i * g.y_step) * width * wanted;
            const size_t columns = (size_t)g.columns;
            size_t channels;
            const uint8_t *samples = unpack_row(p, row + 1, columns, line, &channels);
            gng_pixels_convert(samples, columns, channels, wanted, p->layout.interlaced ? converted : target);
            for (size_t x = 0; p->layout.interlaced && x < columns; ++x)
                memcpy(target + ((size_t)g.x_first + x * (size_t)g.x_step) * wanted, converted + x * wanted, wanted);
        }
    }
}

gng_status gng_png_decode(const uint8_t *bytes, size_t count, int32_t bit_depth, gng_inspection *inspection,
                          const gng_image *out)
{
    picture p = {.inspection = inspection, .bit_depth = bit_depth};
    GNG_TRY(gng_png_layout_read(bytes, count, inspection, &p.layout));
    const size_t row_bytes = gng_png_inflated_bytes(&p.layout, out->height, out->width);
    /* Zeros in check_rows, up to four bytes a pixel there; two lines in write_rows. */
    uint8_t *scratch = gng_memory_allocate_array((size_t)out->width, 6);
    p.rows = gng_memory_allocate(row_bytes);
    gng_status status = GNG_OK;
    if (scratch == NULL || p.rows == NULL)
        status = gng_error_set(GNG_STATUS_MEMORY, "PNG: memory is exhausted while decoding %d x %d pixels; close other "
                               "programs or use fewer threads", out->height, out->width);
    if (status == GNG_OK)
        status = inflate(bytes, &p, row_bytes);
    if (status == GNG_OK)
        status = check_rows(&p, scratch);
    if (status == GNG_OK)
        write_rows(&p, scratch, out);
    gng_memory_release(p.rows);
    gng_memory_release(scratch);
    return status;
}
