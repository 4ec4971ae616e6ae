/* Pixels of a checked BMP file. Shares of narrow masks are scaled to 8 bits as floor(255 v / most), as Pillow does. */
#include "image/bmp.h"
#include "image/decode_formats.h"

static void write_indexed(const gng_bmp_layout *layout, const uint8_t *row, int32_t width, uint8_t *rgb)
{
    for (int32_t x = 0; x < width; ++x) {
        const uint8_t *colour = layout->palette + (size_t)layout->colour_bytes * gng_bmp_index(row, (size_t)x, layout->bits);
        for (int k = 0; k < 3; ++k)
            rgb[3 * x + k] = colour[2 - k];
    }
}

static void write_masked(const gng_bmp_layout *layout, const uint8_t *row, int32_t width, uint8_t *rgb)
{
    for (int32_t x = 0; x < width; ++x) {
        const uint32_t pixel = layout->bits == 16 ? gng_read_u16_le(row + 2 * x) : gng_read_u32_le(row + 4 * x);
        for (int k = 0; k < 3; ++k) {
            const gng_bmp_mask *mask = &layout->masks[k];
            rgb[3 * x + k] = (uint8_t)(((pixel & mask->bits) >> mask->shift) * 255u / mask->most);
        }
    }
}

static void write_bgr(const uint8_t *row, int32_t width, uint8_t *rgb)
{
    for (int32_t x = 0; x < width; ++x)
        for (int k = 0; k < 3; ++k)
            rgb[3 * x + k] = row[3 * x + 2 - k];
}

gng_status gng_bmp_decode(const uint8_t *bytes, size_t count, gng_inspection *inspection, const gng_image *out)
{
    gng_bmp_layout layout;
    GNG_TRY(gng_bmp_layout_read(bytes, count, inspection, &layout));
    const size_t width = (size_t)out->width;
    uint8_t *rgb = gng_memory_allocate_array(width, 3);
    if (rgb == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "BMP: a row of %zu pixels", width);
    for (int32_t y = 0; y < out->height; ++y) {
        const uint8_t *row = layout.rows + (size_t)(layout.bottom_up ? out->height - 1 - y : y) * layout.row_bytes;
        if (layout.bits <= 8)
            write_indexed(&layout, row, out->width, rgb);
        else if (layout.bits == 24)
            write_bgr(row, out->width, rgb);
        else
            write_masked(&layout, row, out->width, rgb);
        gng_pixels_convert(rgb, width, 3, (size_t)out->channels, out->pixels + (size_t)y * width * (size_t)out->channels);
    }
    gng_memory_release(rgb);
    return GNG_OK;
}
