/* BMP (Microsoft BITMAPINFOHEADER with its V3, V4 and V5 extensions, and OS/2 core headers): header fields, and every
 * promised byte present.
 *
 * Pixels are stored plainly, so indices and transparency are checked here as well. Uncompressed pixels of 1, 4, 8, 16, 24
 * and 32 bits are accepted. The format has no checksum: a file whose last pixels are all zero may have been reserved and
 * never filled, so it is unproven.
 */
#include "image/bmp.h"

enum {
    FILE_HEADER_BYTES = 14,
    CORE_HEADER_BYTES = 12,
    INFO_HEADER_BYTES = 40,
    V3_HEADER_BYTES = 56,
    V4_HEADER_BYTES = 108,
    V5_HEADER_BYTES = 124,
    MASKS_OFFSET = FILE_HEADER_BYTES + INFO_HEADER_BYTES, /* inside larger headers, or behind this one */
    PROFILE_BYTES_OFFSET = FILE_HEADER_BYTES + 116        /* inside V5 headers */
};

enum { COMPRESSION_NONE = 0, COMPRESSION_RLE8 = 1, COMPRESSION_RLE4 = 2, COMPRESSION_MASKS = 3 };

typedef struct header {
    uint32_t pixels_offset;
    uint32_t bytes; /* of the information header */
    int64_t height; /* negative: rows from top to bottom */
    int64_t width;
    uint32_t bits;  /* per pixel */
    uint32_t compression;
    uint32_t file_bytes, pixel_bytes; /* as promised; the latter 0 where the header does not say */
    uint32_t colours; /* in the palette, 0: as many as the bits allow */
} header;

static gng_status read_header(const uint8_t *bytes, size_t count, gng_inspection *out, header *h)
{
    if (count < FILE_HEADER_BYTES + 4)
        return gng_inspection_fail(out, GNG_FAULT_TRUNCATED, count,
                                   "the file ends at byte %zu, inside its header; copy it again", count);
    *h = (header){.file_bytes = gng_read_u32_le(bytes + 2), .pixels_offset = gng_read_u32_le(bytes + 10),
                   .bytes = gng_read_u32_le(bytes + 14)};
    if (h->bytes != CORE_HEADER_BYTES && h->bytes != INFO_HEADER_BYTES && h->bytes != V3_HEADER_BYTES &&
        h->bytes != V4_HEADER_BYTES && h->bytes != V5_HEADER_BYTES)
        return gng_inspection_fail(out, h->bytes == 52 || h->bytes == 64 || h->bytes == 16 ? GNG_FAULT_UNSUPPORTED
                                                                                           : GNG_FAULT_HEADER,
                                   14, "the header has %u bytes, expected 12, 40, 56, 108 or 124; re-save the picture as "
                                   "PNG or as a 24-bit BMP", h->bytes);
    if (count < FILE_HEADER_BYTES + (size_t)h->bytes)
        return gng_inspection_fail(out, GNG_FAULT_TRUNCATED, count,
                                   "the file ends at byte %zu, inside its header; copy it again", count);
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
        h->pixel_bytes = gng_read_u32_le(bytes + 34);
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
    const bool index = h->bits == 1 || h->bits == 4 || h->bits == 8;
    const bool core = h->bytes == CORE_HEADER_BYTES;
    if (!index && h->bits != 24 && (core || (h->bits != 16 && h->bits != 32)))
        return gng_inspection_fail(out, GNG_FAULT_UNSUPPORTED, core ? 24 : 28,
                                   "found %u bits per pixel, expected 1, 4, 8, 24%s; re-save the picture as PNG or as a 24-bit "
                                   "BMP", h->bits, core ? " with this header" : ", 16 or 32");
    if (h->compression == COMPRESSION_MASKS && h->bits != 16 && h->bits != 32)
        return gng_inspection_fail(out, GNG_FAULT_HEADER, 30,
                                   "found colour masks with %u bits per pixel, expected them with 16 and 32 alone; export the "
                                   "picture again", h->bits);
    return GNG_OK;
}

/* The palette lies between header and pixels. Core headers do not say how many colours they have. */
static gng_status read_palette(const uint8_t *bytes, const header *h, gng_inspection *out, gng_bmp_layout *layout)
{
    const size_t start = FILE_HEADER_BYTES + (size_t)h->bytes, most = (size_t)1 << h->bits;
    const bool core = h->bytes == CORE_HEADER_BYTES;
    layout->palette = bytes + start;
    layout->colour_bytes = core ? 3 : 4;
    const size_t room = (h->pixels_offset - start) / layout->colour_bytes;
    const size_t colours = h->colours != 0 ? h->colours : core && room < most ? room : most;
    if (colours == 0 || colours > most || colours > room)
        return gng_inspection_fail(out, GNG_FAULT_TABLE, core ? 10 : 46,
                                   "the palette has %zu colours and room for %zu, expected 1 to %zu and room for all; export "
                                   "the picture again", colours, room, most);
    layout->colours = (uint32_t)colours;
    out->channels = 1;
    for (size_t i = 0; i < colours; ++i) {
        const uint8_t *colour = layout->palette + layout->colour_bytes * i;
        if (colour[0] != colour[1] || colour[0] != colour[2])
            out->channels = 3;
    }
    return GNG_OK;
}

static gng_bmp_mask mask_of(uint32_t bits)
{
    gng_bmp_mask mask = {.bits = bits};
    while (bits != 0 && (bits & 1) == 0) {
        bits >>= 1;
        ++mask.shift;
    }
    mask.most = bits;
    return mask;
}

/* Neighbours of equal width, green maybe one bit wider: a changed bit of a mask shows. */
static bool are_usual(const gng_bmp_mask masks[4])
{
    const uint32_t together = mask_of(masks[0].bits | masks[1].bits | masks[2].bits).most;
    const uint32_t red = masks[0].most, green = masks[1].most;
    return red == masks[2].most && (green == red || green == 2 * red + 1) && (together & (together + 1)) == 0;
}

/* Red, green and blue (and alpha, when there is one) are one to eight contiguous bits each and do not overlap. */
static gng_status read_masks(const uint8_t *bytes, const header *h, gng_inspection *out, gng_bmp_layout *layout)
{
    static const uint32_t usual[2][3] = {{0x7C00, 0x03E0, 0x001F}, {0xFF0000, 0x00FF00, 0x0000FF}};
    const bool given = h->compression == COMPRESSION_MASKS;
    uint32_t seen = h->bits == 16 ? 0xFFFF0000 : 0;
    for (size_t i = 0; i < (given && h->bytes >= V3_HEADER_BYTES ? 4u : 3u); ++i) {
        const uint32_t bits = given ? gng_read_u32_le(bytes + MASKS_OFFSET + 4 * i) : usual[h->bits == 32][i];
        const gng_bmp_mask mask = mask_of(bits);
        const bool contiguous = (mask.most & (mask.most + 1)) == 0;
        if ((i < 3 && bits == 0) || !contiguous || mask.most > 255 || (bits & seen) != 0)
            return gng_inspection_fail(out, GNG_FAULT_UNSUPPORTED, MASKS_OFFSET + 4 * i,
                                       "found the colour mask %08X, expected one to eight bits in a row that no other colour "
                                       "uses; re-save the picture as PNG or as a 24-bit BMP", bits);
        seen |= bits;
        layout->masks[i] = mask;
    }
    if (!are_usual(layout->masks))
        return gng_inspection_fail(out, GNG_FAULT_UNSUPPORTED, MASKS_OFFSET,
                                   "found the colour masks %08X, %08X and %08X, expected neighbours of equal width (green may have "
                                   "a bit more); re-save the picture as PNG or as a 24-bit BMP", layout->masks[0].bits,
                                   layout->masks[1].bits, layout->masks[2].bits);
    return GNG_OK;
}

static gng_status check_indices(const uint8_t *bytes, gng_inspection *out, const gng_bmp_layout *layout)
{
    for (int32_t y = 0; y < out->height; ++y) {
        const uint8_t *row = layout->rows + (size_t)y * layout->row_bytes;
        uint32_t largest = 0;
        for (int32_t x = 0; x < out->width; ++x) {
            const uint32_t index = gng_bmp_index(row, (size_t)x, layout->bits);
            largest = index > largest ? index : largest;
        }
        if (largest >= layout->colours)
            return gng_inspection_fail(out, GNG_FAULT_PIXELS, (size_t)(row - bytes),
                                       "stored row %d uses colour %u of a palette of %u; export the picture again", y,
                                       largest, layout->colours);
    }
    return GNG_OK;
}

/* Writers that know no transparency leave the alpha bits all set or all clear. */
static gng_status check_opaque(const uint8_t *bytes, gng_inspection *out, const gng_bmp_layout *layout)
{
    const uint32_t alpha = layout->masks[3].bits;
    uint32_t any = 0, all = alpha;
    for (int32_t y = 0; y < out->height; ++y)
        for (int32_t x = 0; x < out->width; ++x) {
            const uint8_t *at = layout->rows + (size_t)y * layout->row_bytes + (size_t)x * (layout->bits / 8);
            const uint32_t pixel = layout->bits == 16 ? gng_read_u16_le(at) : gng_read_u32_le(at);
            any |= pixel;
            all &= pixel;
        }
    if (all != alpha && (any & alpha) != 0)
        return gng_inspection_fail(out, GNG_FAULT_UNSUPPORTED, (size_t)(layout->rows - bytes),
                                   "found transparent pixels, expected opaque ones; save the picture without transparency "
                                   "(alpha channel)");
    return GNG_OK;
}

/* Some writers do not count what fills up rows to four bytes, some fill up the file to a multiple of four. */
static bool is_size(uint64_t promised, const gng_inspection *out, const header *h)
{
    const uint64_t row_bits = (uint64_t)out->width * h->bits, rows = (uint64_t)out->height;
    const uint64_t needed = (row_bits + 31) / 32 * 4 * rows;
    const bool file_filled = promised > needed && promised < needed + 4 && (h->pixels_offset + promised) % 4 == 0;
    return promised == needed || promised == (row_bits + 7) / 8 * rows || file_filled;
}

/* Width and bits of a pixel say how many bytes the pixels have, and so do two more fields. That of the pixels may be 0. That of the
 * file is none in some files (smaller than the header or larger than the file), is without headers or palette in some, and
 * with a profile or other things behind the pixels in some.
 */
static gng_status check_sizes(const uint8_t *bytes, size_t count, const header *h, gng_inspection *out, uint64_t needed)
{
    const size_t header_end = FILE_HEADER_BYTES + (size_t)h->bytes;
    const bool pixels_stated = h->pixel_bytes != 0;
    const bool pixels_fit = !pixels_stated || is_size(h->pixel_bytes, out, h);
    const bool file_stated = h->file_bytes > h->pixels_offset && h->file_bytes <= count;
    const bool more_behind = pixels_stated || (h->bytes == V5_HEADER_BYTES && gng_read_u32_le(bytes + PROFILE_BYTES_OFFSET) != 0);
    const bool file_fits = !file_stated || is_size(h->file_bytes - h->pixels_offset, out, h) || is_size(h->file_bytes, out, h) ||
                           (h->bits <= 8 && is_size(h->file_bytes - header_end, out, h)) ||
                           (more_behind && h->file_bytes - h->pixels_offset > needed);
    if (pixels_fit && file_fits)
        return GNG_OK;
    return gng_inspection_fail(out, GNG_FAULT_STRUCTURE, pixels_fit ? 2 : 34,
                               "the header promises %u bytes of %s, but %d x %d pixels of %u bits from byte %u need %llu; export "
                               "the picture again", pixels_fit ? h->file_bytes : h->pixel_bytes, pixels_fit ? "file" : "pixels",
                               out->height, out->width, h->bits, h->pixels_offset, (unsigned long long)needed);
}

gng_status gng_bmp_layout_read(const uint8_t *bytes, size_t count, gng_inspection *out, gng_bmp_layout *layout)
{
    header h = {0};
    *layout = (gng_bmp_layout){0};
    GNG_TRY(read_header(bytes, count, out, &h));
    out->channels = 3;
    out->bit_depth = 8;
    GNG_TRY(check_kind(&h, out));
    const bool masks_follow = h.compression == COMPRESSION_MASKS && h.bytes == INFO_HEADER_BYTES;
    const size_t header_end = FILE_HEADER_BYTES + (size_t)h.bytes + (masks_follow ? 12u : 0u);
    layout->bits = h.bits;
    layout->bottom_up = h.height > 0;
    layout->row_bytes = ((size_t)out->width * h.bits + 31) / 32 * 4;
    const uint64_t end = (uint64_t)h.pixels_offset + (uint64_t)layout->row_bytes * (uint64_t)out->height;
    if (h.pixels_offset < header_end)
        return gng_inspection_fail(out, GNG_FAULT_HEADER, 10,
                                   "the pixels are said to begin at byte %u, inside the header of %zu bytes; export the "
                                   "picture again", h.pixels_offset, header_end);
    if (end > count)
        return gng_inspection_fail(out, GNG_FAULT_TRUNCATED, count,
                                   "%d x %d pixels need %llu bytes, the file has %zu; copy it again", out->height,
                                   out->width, (unsigned long long)end, count);
    GNG_TRY(check_sizes(bytes, count, &h, out, end - h.pixels_offset));
    layout->rows = bytes + h.pixels_offset;
    if (h.bits <= 8) {
        GNG_TRY(read_palette(bytes, &h, out, layout));
        GNG_TRY(check_indices(bytes, out, layout));
    } else if (h.bits != 24) {
        GNG_TRY(read_masks(bytes, &h, out, layout));
        if (layout->masks[3].bits != 0)
            GNG_TRY(check_opaque(bytes, out, layout));
    }
    out->picture_bytes = (size_t)end;
    gng_inspection_doubt_zeros(bytes, (size_t)end, layout->row_bytes, out);
    return GNG_OK;
}

gng_status gng_bmp_inspect(const uint8_t *bytes, size_t count, gng_inspection *out)
{
    gng_bmp_layout layout;
    return gng_bmp_layout_read(bytes, count, out, &layout);
}
