/* PNG (W3C PNG, third edition): every chunk whole, in order and with its checksum. The data is inflated in decode_png.c. */
#include "image/png.h"

#include <string.h>

enum { SIGNATURE_BYTES = 8, CHUNK_OVERHEAD = 12 /* length, type, checksum */, PALETTE_ENTRIES_MAX = 256 };

typedef struct chunk {
    const uint8_t *data; /* [length] */
    uint32_t length;
    uint32_t type;       /* four letters, the first in the highest byte */
    size_t offset;       /* of the length field */
} chunk;

typedef struct walk {
    const uint8_t *bytes;
    size_t count;
    size_t at;
    gng_inspection *out;
    gng_png_layout *layout;
    bool palette_seen;
    bool transparency_seen;
    bool data_seen;
    bool data_ended; /* another chunk followed the data */
} walk;

#define TYPE(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

/* The type as text, with bytes that are no letters shown as '?'. */
typedef struct type_text {
    char letters[5];
} type_text;

static bool is_letter(uint32_t byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

static type_text type_name(uint32_t type)
{
    type_text text = {""};
    for (int i = 0; i < 4; ++i) {
        const uint32_t byte = type >> (24 - 8 * i) & 255;
        text.letters[i] = is_letter(byte) ? (char)byte : '?';
    }
    return text;
}

static gng_status next_chunk(walk *w, chunk *out)
{
    const size_t left = w->count - w->at;
    if (left < CHUNK_OVERHEAD)
        return gng_inspection_fail(w->out, GNG_FAULT_TRUNCATED, w->at,
                                   "the file ends at byte %zu, before its end chunk IEND; copy it again", w->count);
    const uint8_t *start = w->bytes + w->at;
    *out = (chunk){.data = start + 8, .length = gng_read_u32_be(start), .type = gng_read_u32_be(start + 4),
                   .offset = w->at};
    const type_text name = type_name(out->type);
    if (out->length > left - CHUNK_OVERHEAD)
        return gng_inspection_fail(w->out, GNG_FAULT_TRUNCATED, w->at,
                                   "chunk %s promises %u bytes of data, %zu are left; copy the file again", name.letters,
                                   out->length, left - CHUNK_OVERHEAD);
    const uint32_t stored = gng_read_u32_be(out->data + out->length);
    const uint32_t computed = gng_crc32(start + 4, (size_t)out->length + 4);
    if (stored != computed)
        return gng_inspection_fail(w->out, GNG_FAULT_CHECKSUM, w->at,
                                   "chunk %s has checksum %08X, its bytes give %08X: the file was altered; copy it again",
                                   name.letters, stored, computed);
    for (int shift = 0; shift < 32; shift += 8)
        if (!is_letter(out->type >> shift & 255))
            return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, w->at + 4,
                                       "found a chunk type that is not four letters (%08X); export the picture again",
                                       out->type);
    w->at += CHUNK_OVERHEAD + (size_t)out->length;
    return GNG_OK;
}

static gng_status read_header(walk *w, const chunk *c)
{
    if (c->type == TYPE('C', 'g', 'B', 'I'))
        return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, c->offset,
                                   "this is Apple's variant of PNG (chunk CgBI), expected standard PNG; export it again");
    if (c->type != TYPE('I', 'H', 'D', 'R') || c->length != 13)
        return gng_inspection_fail(w->out, GNG_FAULT_HEADER, c->offset,
                                   "the first chunk is %s with %u bytes, expected IHDR with 13; export the picture again",
                                   type_name(c->type).letters, c->length);
    GNG_TRY(gng_inspection_size_set(w->out, gng_read_u32_be(c->data + 4), gng_read_u32_be(c->data), c->offset + 8));
    const uint32_t depth = c->data[8], colour_type = c->data[9], interlace = c->data[12];
    static const uint8_t samples[7] = {1, 0, 3, 1, 2, 0, 4};
    /* Bit d: depth d is allowed for this colour type (third edition, table 8). */
    static const uint32_t depths[7] = {0x10116, 0, 0x10100, 0x00116, 0x10100, 0, 0x10100};
    if (colour_type > 6 || samples[colour_type] == 0 || depth > 16 || (depths[colour_type] >> depth & 1) == 0)
        return gng_inspection_fail(w->out, GNG_FAULT_HEADER, c->offset + 16,
                                   "found colour type %u with %u bits per sample, which PNG does not have; export the "
                                   "picture again", colour_type, depth);
    if (c->data[10] != 0 || c->data[11] != 0 || interlace > 1)
        return gng_inspection_fail(w->out, GNG_FAULT_HEADER, c->offset + 18,
                                   "found compression %u, filter %u, interlace %u, expected 0, 0 and 0 or 1; export the "
                                   "picture again", c->data[10], c->data[11], interlace);
    w->layout->colour_type = colour_type;
    w->layout->depth = depth;
    w->layout->samples = samples[colour_type];
    w->layout->interlaced = interlace == 1;
    w->out->channels = (colour_type & 2) != 0 ? 3 : 1;
    w->out->bit_depth = colour_type == GNG_PNG_PALETTE ? 8 : (int32_t)depth;
    if (depth == 16 && colour_type != GNG_PNG_GREY)
        return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, c->offset + 16,
                                   "found 16 bits per sample in a picture with colour or alpha, expected at most 8; convert "
                                   "it to 8 bits, or to plain grey of 16 bits");
    return GNG_OK;
}

static gng_status read_palette(walk *w, const chunk *c)
{
    if (w->palette_seen || w->data_seen || w->transparency_seen)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, c->offset,
                                   "found chunk PLTE twice or too late, expected once and before tRNS and IDAT; export the "
                                   "picture again");
    if (w->layout->colour_type == GNG_PNG_GREY || w->layout->colour_type == GNG_PNG_GREY_ALPHA)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, c->offset,
                                   "found a palette in a grey picture, expected none; export the picture again");
    const uint32_t most = w->layout->colour_type == GNG_PNG_PALETTE ? 1u << w->layout->depth : PALETTE_ENTRIES_MAX;
    if (c->length == 0 || c->length % 3 != 0 || c->length / 3 > most)
        return gng_inspection_fail(w->out, GNG_FAULT_TABLE, c->offset,
                                   "the palette has %u bytes, expected 3 for each of 1 to %u colours; export the picture "
                                   "again", c->length, most);
    w->palette_seen = true;
    w->layout->palette = c->data;
    w->layout->palette_entries = c->length / 3;
    if (w->layout->colour_type == GNG_PNG_PALETTE) {
        w->out->channels = 1;
        for (uint32_t i = 0; i < c->length; i += 3)
            if (c->data[i] != c->data[i + 1] || c->data[i] != c->data[i + 2])
                w->out->channels = 3;
    }
    return GNG_OK;
}

/* Whether transparency is used at all shows in the pixels: the decoder refuses those that are not opaque. */
static gng_status read_transparency(walk *w, const chunk *c)
{
    if (w->transparency_seen || w->data_seen || (w->layout->colour_type == GNG_PNG_PALETTE && !w->palette_seen))
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, c->offset,
                                   "found chunk tRNS twice or in the wrong place, expected once, after PLTE and before "
                                   "IDAT; export the picture again");
    const bool fits = w->layout->colour_type == GNG_PNG_GREY      ? c->length == 2
                      : w->layout->colour_type == GNG_PNG_RGB     ? c->length == 6
                      : w->layout->colour_type == GNG_PNG_PALETTE ? c->length >= 1 && c->length <= w->layout->palette_entries
                                                  : false;
    if (!fits)
        return gng_inspection_fail(w->out, GNG_FAULT_TABLE, c->offset,
                                   "chunk tRNS has %u bytes, which does not fit colour type %u; save the picture without "
                                   "transparency", c->length, w->layout->colour_type);
    w->transparency_seen = true;
    w->layout->transparency = c->data;
    w->layout->transparency_bytes = c->length;
    return GNG_OK;
}

static gng_status read_chunk(walk *w, const chunk *c)
{
    const type_text name = type_name(c->type);
    if (c->type == TYPE('I', 'D', 'A', 'T')) {
        if (w->data_ended)
            return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, c->offset,
                                       "the data chunks IDAT are not contiguous; export the picture again");
        if (w->layout->colour_type == GNG_PNG_PALETTE && !w->palette_seen)
            return gng_inspection_fail(w->out, GNG_FAULT_TABLE, c->offset,
                                       "found pixel data before the palette PLTE, expected after; export the picture "
                                       "again");
        if (!w->data_seen)
            w->layout->data_offset = c->offset;
        w->data_seen = true;
        w->layout->data_bytes += c->length;
        return GNG_OK;
    }
    w->data_ended = w->data_seen;
    if (c->type == TYPE('P', 'L', 'T', 'E'))
        return read_palette(w, c);
    if (c->type == TYPE('t', 'R', 'N', 'S'))
        return read_transparency(w, c);
    if (c->type == TYPE('a', 'c', 'T', 'L'))
        return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, c->offset,
                                   "found an animation (chunk acTL), expected one picture; save the frame that is meant");
    if (c->type == TYPE('I', 'H', 'D', 'R'))
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, c->offset,
                                   "found a second header IHDR, expected one; export the picture again");
    /* A capital first letter: the picture cannot be shown without knowing this chunk (section 5.4). */
    if ((c->type & TYPE(0x20, 0, 0, 0)) == 0)
        return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, c->offset,
                                   "found the critical chunk %s, which is not known here; export the picture as plain PNG",
                                   name.letters);
    return GNG_OK;
}

gng_png_pass gng_png_pass_of(const gng_png_layout *layout, int32_t height, int32_t width, int pass)
{
    static const uint8_t x_first[7] = {0, 4, 0, 2, 0, 1, 0}, x_step[7] = {8, 8, 4, 4, 2, 2, 1};
    static const uint8_t y_first[7] = {0, 0, 4, 0, 2, 0, 1}, y_step[7] = {8, 8, 8, 4, 4, 2, 2};
    gng_png_pass out = {.x_step = 1, .y_step = 1};
    if (layout->interlaced)
        out = (gng_png_pass){.x_first = x_first[pass], .y_first = y_first[pass], .x_step = x_step[pass], .y_step = y_step[pass]};
    out.columns = (width - out.x_first + out.x_step - 1) / out.x_step;
    out.rows = (height - out.y_first + out.y_step - 1) / out.y_step;
    if (out.columns <= 0)
        out.rows = 0;
    out.row_bytes = ((size_t)out.columns * layout->samples * layout->depth + 7) / 8;
    return out;
}

size_t gng_png_inflated_bytes(const gng_png_layout *layout, int32_t height, int32_t width)
{
    size_t sum = 0;
    for (int pass = 0; pass < gng_png_passes(layout); ++pass) {
        const gng_png_pass p = gng_png_pass_of(layout, height, width, pass);
        sum += (size_t)p.rows * (p.row_bytes + 1);
    }
    return sum;
}

static gng_status finish(walk *w, const chunk *end)
{
    if (end->length != 0)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, end->offset,
                                   "the end chunk IEND has %u bytes, expected 0; export the picture again", end->length);
    if (!w->data_seen)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, end->offset,
                                   "found no pixel data (chunk IDAT) before IEND; export the picture again");
    /* Deflate spends at least two bits on a copy of at most 258 bytes (RFC 1951): a factor of 1032. */
    const size_t needed = gng_png_inflated_bytes(w->layout, w->out->height, w->out->width);
    if (needed / 1032 > w->layout->data_bytes)
        return gng_inspection_fail(w->out, GNG_FAULT_TRUNCATED, end->offset,
                                   "%llu bytes of compressed data cannot hold the promised %d x %d pixels; export the "
                                   "picture again", (unsigned long long)w->layout->data_bytes, w->out->height, w->out->width);
    w->out->picture_bytes = w->at;
    return GNG_OK;
}

gng_status gng_png_layout_read(const uint8_t *bytes, size_t count, gng_inspection *out, gng_png_layout *layout)
{
    *layout = (gng_png_layout){0};
    static const uint8_t signature[SIGNATURE_BYTES] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    if (memcmp(bytes, signature, count < SIGNATURE_BYTES ? count : SIGNATURE_BYTES) != 0)
        return gng_inspection_fail(out, GNG_FAULT_HEADER, 4,
                                   "the signature is damaged, as by a transfer that converts line ends; copy the file again "
                                   "in binary mode");
    if (count < SIGNATURE_BYTES)
        return gng_inspection_fail(out, GNG_FAULT_TRUNCATED, count,
                                   "the file ends at byte %zu, inside its signature; copy it again", count);
    walk w = {.bytes = bytes, .count = count, .at = SIGNATURE_BYTES, .out = out, .layout = layout};
    chunk c = {0};
    GNG_TRY(next_chunk(&w, &c));
    GNG_TRY(read_header(&w, &c));
    for (;;) {
        GNG_TRY(next_chunk(&w, &c));
        if (c.type == TYPE('I', 'E', 'N', 'D'))
            return finish(&w, &c);
        GNG_TRY(read_chunk(&w, &c));
    }
}

gng_status gng_png_inspect(const uint8_t *bytes, size_t count, gng_inspection *out)
{
    gng_png_layout layout;
    return gng_png_layout_read(bytes, count, out, &layout);
}
