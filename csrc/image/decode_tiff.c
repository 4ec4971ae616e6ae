/* Pixels of a checked TIFF file: rows of the strips as they are stored, samples of 16 bits shifted down to 8. */
#include "image/decode_formats.h"
#include "image/tiff.h"

static const uint8_t *row_of(const uint8_t *bytes, const gng_tiff_layout *layout, uint32_t y)
{
    const uint32_t strip = y / layout->strip_rows;
    return bytes + gng_tiff_number(bytes, layout->big_endian, &layout->strips, strip) +
           (size_t)(y - strip * layout->strip_rows) * layout->row_bytes;
}

static gng_status check_depth(const uint8_t *bytes, const gng_tiff_layout *layout, int32_t bit_depth, gng_inspection *inspection)
{
    for (uint32_t y = 0; y < (uint32_t)inspection->height; ++y) {
        const uint8_t *row = row_of(bytes, layout, y);
        uint32_t largest = 0;
        for (size_t x = 0; x < (size_t)inspection->width; ++x) {
            const uint32_t value = gng_tiff_u16(row + 2 * x, layout->big_endian);
            largest = value > largest ? value : largest;
        }
        if (largest >> bit_depth != 0)
            return gng_inspection_fail_depth(inspection, (size_t)(row - bytes), largest, bit_depth);
    }
    return GNG_OK;
}

gng_status gng_tiff_decode(const uint8_t *bytes, size_t count, int32_t bit_depth, gng_inspection *inspection,
                           const gng_image *out)
{
    gng_tiff_layout layout;
    GNG_TRY(gng_tiff_layout_read(bytes, count, inspection, &layout));
    if (layout.sample_bytes == 2)
        GNG_TRY(check_depth(bytes, &layout, bit_depth, inspection));
    const size_t width = (size_t)out->width, wanted = (size_t)out->channels;
    uint8_t *line = gng_memory_allocate(width);
    if (line == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "TIFF: a row of %zu pixels", width);
    for (uint32_t y = 0; y < (uint32_t)out->height; ++y) {
        const uint8_t *row = row_of(bytes, &layout, y);
        const bool plain = layout.sample_bytes == 1 && !layout.inverted;
        for (size_t x = 0; !plain && x < width; ++x)
            line[x] = layout.sample_bytes == 2 ? (uint8_t)(gng_tiff_u16(row + 2 * x, layout.big_endian) >> (bit_depth - 8))
                                               : (uint8_t)(255 - row[x]);
        gng_pixels_convert(plain ? row : line, width, layout.samples, wanted, out->pixels + y * width * wanted);
    }
    gng_memory_release(line);
    return GNG_OK;
}
