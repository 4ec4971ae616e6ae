/* BMP (Microsoft BITMAPINFOHEADER, V4, V5 and OS/2 core headers): header fields, and every promised byte present.
 *
 * Pixels are stored plainly, so indices and transparency are checked here as well. What is accepted is what the decoder
 * reads without guessing: 24 and 32 bits, and 8 bits with a palette, uncompressed.
 */
#include "image/inspect_formats.h"

enum {
    FILE_HEADER_BYTES = 14,
    CORE_HEADER_BYTES = 12,
    INFO_HEADER_BYTES = 40,
    MASKS_HEADER_BYTES = 56,
    V4_HEADER_BYTES = 108,
    V5_HEADER_BYTES = 124
};

enum { COMPRESSION_NONE = 0, COMPRESSION_RLE8 = 1, COMPRESSION_RLE4 = 2, COMPRESSION_MASKS = 3 };

typedef struct header {
    uint32_t pixels_offset;
    uint32_t bytes; /* of the information header */
    int64_t height; /* negative: rows from top to bottom */
    int64_t width;
    uint32_t bits;  /* per pixel */
    uint32_t compression;
    uint32_t colours; /* in the palette, 0: as many as the bits allow */
} header;

static gng_status read_header(const uint8_t *bytes, size_t count, gng_inspection *out, header *h)
{
    if (count < FILE_HEADER_BYTES + 4)
        return gng_inspection_fail(out, GNG_FAULT_TRUNCATED, count,
                                   "the file ends after %zu bytes, inside its header; copy it again", count);
    *h = (header){.pixels_offset = gng_read_u32_le(bytes + 10), .bytes = gng_read_u32_le(bytes + 14)};
    if (h->bytes != CORE_HEADER_BYTES && h->bytes != INFO_HEADER_BYTES && h->bytes != MASKS_HEADER_BYTES &&
        h->bytes != V4_HEADER_BYTES && h->bytes != V5_HEADER_BYTES)
        return gng_inspection_fail(out, h->bytes == 52 || h->bytes == 64 || h->bytes == 16 ? GNG_FAULT_UNSUPPORTED
                                                                                           : GNG_FAULT_HEADER,
                                   14, "the header has %u bytes, expected 12, 40, 56, 108 or 124; re-save the picture as "
                                   "PNG or as a 24-bit BMP", h->bytes);
    if (count < FILE_HEADER_BYTES + (size_t)h->bytes)
        return gng_inspection_fail(out, GNG_FAULT_TRUNCATED, count,
                                   "the file ends after %zu bytes, inside its header; copy it again", count);
    uint32_t planes;
    if (h->bytes == CORE_HEADER_BYTES) {
        h->width = gng_read_u16_le(bytes + 18);
        h->height = gng_read_u16_le(bytes + 20);
        planes = gng_read_u16_le(bytes + 22);
        h->bits = gng_read_u16_le(bytes + 24);
    } else {
        h->width = (int32_t)gng_read_u32_le(bytes + 18);
        h->height = (int32_t)gng_read_u32_le(bytes + 22);
        planes = gng_read_u16_le(bytes + 26);
        h->bits = gng_read_u16_le(bytes + 28);
        h->compression = gng_read_u32_le(bytes + 30);
        h->colours = gng_read_u32_le(bytes + 46);
    }
    if (planes != 1)
        return gng_inspection_fail(out, GNG_FAULT_HEADER, h->bytes == CORE_HEADER_BYTES ? 22 : 26,
                                   "the header says %u planes, expected 1; export the picture again", planes);
    return gng_inspection_size_set(out, h->height < 0 ? -h->height : h->height, h->width, 18);
}

static gng_status check_kind(const header *h, gng_inspection *out)
{
    if (h->compression == COMPRESSION_RLE8 || h->compression == COMPRESSION_RLE4)
        return gng_inspection_fail(out, GNG_FAULT_UNSUPPORTED, 30,
                                   "the pixels are run-length encoded, expected uncompressed; re-save the picture as PNG");
    if (h->compression > COMPRESSION_MASKS)
        return gng_inspection_fail(out, GNG_FAULT_UNSUPPORTED, 30,
                                   "found compression %u, expected none; re-save the picture as PNG", h->compression);
    if (h->bits != 8 && h->bits != 24 && h->bits != 32)
        return gng_inspection_fail(out, GNG_FAULT_UNSUPPORTED, 28,
                                   "found %u bits per pixel, expected 8, 24 or 32; re-save the picture as PNG or as a "
                                   "24-bit BMP", h->bits);
    if (h->compression == COMPRESSION_MASKS && h->bits != 32)
        return gng_inspection_fail(out, GNG_FAULT_HEADER, 30,
                                   "found colour masks with %u bits per pixel, expected them with 32 alone; export the "
                                   "picture again", h->bits);
    /* stb_image misplaces both: the palette after a core header and the masks of a 56-byte header. */
    if ((h->bytes == CORE_HEADER_BYTES && h->bits != 24) ||
        (h->bytes == MASKS_HEADER_BYTES && h->compression == COMPRESSION_MASKS))
        return gng_inspection_fail(out, GNG_FAULT_UNSUPPORTED, 14,
                                   "a %u-byte header with %u bits per pixel is not supported; re-save the picture as PNG or "
                                   "as a 24-bit BMP", h->bytes, h->bits);
    return GNG_OK;
}

/* The palette lies between header and pixels, four bytes (blue, green, red, spare) a colour. */
static gng_status check_palette(const uint8_t *bytes, const header *h, gng_inspection *out, uint32_t *colours)
{
    const size_t start = FILE_HEADER_BYTES + (size_t)h->bytes;
    *colours = h->colours == 0 ? 256 : h->colours;
    const size_t gap = h->pixels_offset < start ? 0 : h->pixels_offset - start;
    if (*colours > 256 || gap / 4 < *colours)
        return gng_inspection_fail(out, GNG_FAULT_TABLE, 46,
                                   "the palette has %u colours and room for %zu, expected at most 256 and room for all; "
                                   "export the picture again", *colours, gap / 4);
    if (gap / 4 > 256)
        return gng_inspection_fail(out, GNG_FAULT_UNSUPPORTED, 10,
                                   "found %zu bytes between palette and pixels, expected none; re-save the picture as PNG",
                                   gap - (size_t)*colours * 4);
    out->channels = 1;
    for (uint32_t i = 0; i < *colours; ++i) {
        const uint8_t *colour = bytes + start + 4 * (size_t)i;
        if (colour[0] != colour[1] || colour[0] != colour[2])
            out->channels = 3;
    }
    return GNG_OK;
}

/* Red, green and blue (and alpha, when there is one) are eight contiguous bits each and do not overlap. */
static gng_status check_masks(const uint8_t *bytes, const header *h, gng_inspection *out, uint32_t *alpha_mask)
{
    const size_t at = FILE_HEADER_BYTES + INFO_HEADER_BYTES;
    const bool has_alpha_field = h->bytes >= V4_HEADER_BYTES;
    uint32_t seen = 0;
    for (size_t i = 0; i < (has_alpha_field ? 4u : 3u); ++i) {
        const uint32_t mask = gng_read_u32_le(bytes + at + 4 * i);
        if (i == 3 && mask == 0)
            break;
        const uint32_t lowest = mask & (~mask + 1u);
        if (mask == 0 || mask / lowest != 255 || (mask & seen) != 0)
            return gng_inspection_fail(out, GNG_FAULT_UNSUPPORTED, at + 4 * i,
                                       "found the colour mask %08X, expected eight bits in a row that no other colour uses; "
                                       "re-save the picture as PNG or as a 24-bit BMP", mask);
        seen |= mask;
        *alpha_mask = i == 3 ? mask : 0;
    }
    return GNG_OK;
}

/* pixels: rows of `row_bytes`. */
static gng_status check_indices(const uint8_t *bytes, const header *h, gng_inspection *out, size_t row_bytes,
                                uint32_t colours)
{
    for (int32_t y = 0; y < out->height; ++y) {
        const uint8_t *row = bytes + h->pixels_offset + (size_t)y * row_bytes;
        uint8_t largest = 0;
        for (int32_t x = 0; x < out->width; ++x)
            largest = row[x] > largest ? row[x] : largest;
        if (largest >= colours)
            return gng_inspection_fail(out, GNG_FAULT_PIXELS, (size_t)(row - bytes),
                                       "stored row %d uses colour %u of a palette of %u; export the picture again", y,
                                       largest, colours);
    }
    return GNG_OK;
}

/* Writers that know no transparency leave the alpha bits all set or all clear. */
static gng_status check_opaque(const uint8_t *bytes, const header *h, gng_inspection *out, uint32_t alpha_mask)
{
    const uint8_t *pixels = bytes + h->pixels_offset;
    const size_t count = (size_t)out->height * (size_t)out->width;
    uint32_t any = 0, all = alpha_mask;
    for (size_t i = 0; i < count; ++i) {
        const uint32_t pixel = gng_read_u32_le(pixels + 4 * i);
        any |= pixel;
        all &= pixel;
    }
    if (all != alpha_mask && (any & alpha_mask) != 0)
        return gng_inspection_fail(out, GNG_FAULT_UNSUPPORTED, h->pixels_offset,
                                   "found transparent pixels, expected opaque ones; save the picture without transparency "
                                   "(alpha channel)");
    return GNG_OK;
}

gng_status gng_bmp_inspect(const uint8_t *bytes, size_t count, gng_inspection *out)
{
    header h = {0};
    GNG_TRY(read_header(bytes, count, out, &h));
    out->channels = 3;
    out->bit_depth = 8;
    GNG_TRY(check_kind(&h, out));
    const bool masks_follow = h.compression == COMPRESSION_MASKS && h.bytes == INFO_HEADER_BYTES;
    const size_t header_end = FILE_HEADER_BYTES + (size_t)h.bytes + (masks_follow ? 12u : 0u);
    const size_t row_bytes = ((size_t)out->width * h.bits / 8 + 3) / 4 * 4;
    const uint64_t end = (uint64_t)h.pixels_offset + (uint64_t)row_bytes * (uint64_t)out->height;
    if (h.pixels_offset < header_end)
        return gng_inspection_fail(out, GNG_FAULT_HEADER, 10,
                                   "the pixels are said to begin at byte %u, inside the header of %zu bytes; export the "
                                   "picture again", h.pixels_offset, header_end);
    if (end > count)
        return gng_inspection_fail(out, GNG_FAULT_TRUNCATED, count,
                                   "%d x %d pixels need %llu bytes, the file has %zu; copy it again", out->height,
                                   out->width, (unsigned long long)end, count);
    if (h.bits == 8) {
        uint32_t colours;
        GNG_TRY(check_palette(bytes, &h, out, &colours));
        GNG_TRY(check_indices(bytes, &h, out, row_bytes, colours));
    } else if (h.pixels_offset != header_end) {
        return gng_inspection_fail(out, GNG_FAULT_UNSUPPORTED, 10,
                                   "the pixels begin at byte %u, expected right behind the header at %zu; re-save the "
                                   "picture as PNG", h.pixels_offset, header_end);
    }
    if (h.compression == COMPRESSION_MASKS) {
        uint32_t alpha_mask = 0;
        GNG_TRY(check_masks(bytes, &h, out, &alpha_mask));
        if (alpha_mask != 0)
            GNG_TRY(check_opaque(bytes, &h, out, alpha_mask));
    }
    out->picture_bytes = (size_t)end;
    return GNG_OK;
}
