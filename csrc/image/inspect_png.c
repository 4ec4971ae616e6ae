/* PNG (W3C PNG, third edition): every chunk whole, in order and with its checksum. The data is not inflated here. */
#include <string.h>

#include "image/inspect_formats.h"

enum { SIGNATURE_BYTES = 8, CHUNK_OVERHEAD = 12 /* length, type, checksum */, PALETTE_ENTRIES_MAX = 256 };

/* Colour types of IHDR. */
enum { GREY = 0, RGB = 2, PALETTE = 3, GREY_ALPHA = 4, RGB_ALPHA = 6 };

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
    uint32_t colour_type;
    uint32_t bits_per_pixel;
    bool interlaced;
    bool palette_seen;
    uint32_t palette_entries;
    bool transparency_seen;
    bool data_seen;
    bool data_ended;     /* another chunk followed the data */
    uint64_t data_bytes; /* of all IDAT together */
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
                                   "the file ends after %zu bytes, before its end chunk IEND; copy it again", w->count);
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
    w->colour_type = colour_type;
    w->bits_per_pixel = samples[colour_type] * depth;
    w->interlaced = interlace == 1;
    w->out->channels = (colour_type & 2) != 0 ? 3 : 1;
    w->out->bit_depth = colour_type == PALETTE ? 8 : (int32_t)depth;
    if (depth == 16)
        return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, c->offset + 16,
                                   "found 16 bits per sample, expected at most 8; convert the picture to 8 bits");
    return GNG_OK;
}

static gng_status read_palette(walk *w, const chunk *c)
{
    if (w->palette_seen || w->data_seen || w->transparency_seen)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, c->offset,
                                   "found chunk PLTE twice or too late, expected once and before tRNS and IDAT; export the "
                                   "picture again");
    if (w->colour_type == GREY || w->colour_type == GREY_ALPHA)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, c->offset,
                                   "found a palette in a grey picture, expected none; export the picture again");
    const uint32_t most = w->colour_type == PALETTE ? 1u << w->bits_per_pixel : PALETTE_ENTRIES_MAX;
    if (c->length == 0 || c->length % 3 != 0 || c->length / 3 > most)
        return gng_inspection_fail(w->out, GNG_FAULT_TABLE, c->offset,
                                   "the palette has %u bytes, expected 3 for each of 1 to %u colours; export the picture "
                                   "again", c->length, most);
    w->palette_seen = true;
    w->palette_entries = c->length / 3;
    if (w->colour_type == PALETTE) {
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
    if (w->transparency_seen || w->data_seen || (w->colour_type == PALETTE && !w->palette_seen))
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, c->offset,
                                   "found chunk tRNS twice or in the wrong place, expected once, after PLTE and before "
                                   "IDAT; export the picture again");
    const bool fits = w->colour_type == GREY      ? c->length == 2
                      : w->colour_type == RGB     ? c->length == 6
                      : w->colour_type == PALETTE ? c->length >= 1 && c->length <= w->palette_entries
                                                  : false;
    if (!fits)
        return gng_inspection_fail(w->out, GNG_FAULT_TABLE, c->offset,
                                   "chunk tRNS has %u bytes, which does not fit colour type %u; save the picture without "
                                   "transparency", c->length, w->colour_type);
    w->transparency_seen = true;
    return GNG_OK;
}

static gng_status read_chunk(walk *w, const chunk *c)
{
    const type_text name = type_name(c->type);
    if (c->type == TYPE('I', 'D', 'A', 'T')) {
        if (w->data_ended)
            return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, c->offset,
                                       "the data chunks IDAT are not contiguous; export the picture again");
        if (w->colour_type == PALETTE && !w->palette_seen)
            return gng_inspection_fail(w->out, GNG_FAULT_TABLE, c->offset,
                                       "found pixel data before the palette PLTE, expected after; export the picture "
                                       "again");
        w->data_seen = true;
        w->data_bytes += c->length;
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

/* Bytes after inflating: each row of each pass has a filter byte (sections 7.2 and 8.1). */
static uint64_t inflated_bytes(const walk *w)
{
    static const uint8_t x_start[7] = {0, 4, 0, 2, 0, 1, 0}, x_step[7] = {8, 8, 4, 4, 2, 2, 1};
    static const uint8_t y_start[7] = {0, 0, 4, 0, 2, 0, 1}, y_step[7] = {8, 8, 8, 4, 4, 2, 2};
    const uint64_t height = (uint64_t)w->out->height, width = (uint64_t)w->out->width;
    if (!w->interlaced)
        return height * ((width * w->bits_per_pixel + 7) / 8 + 1);
    uint64_t sum = 0;
    for (int pass = 0; pass < 7; ++pass) {
        const uint64_t columns = (width + x_step[pass] - 1 - x_start[pass]) / x_step[pass];
        const uint64_t rows = (height + y_step[pass] - 1 - y_start[pass]) / y_step[pass];
        if (columns > 0)
            sum += rows * ((columns * w->bits_per_pixel + 7) / 8 + 1);
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
    const uint64_t needed = inflated_bytes(w);
    if (needed / 1032 > w->data_bytes)
        return gng_inspection_fail(w->out, GNG_FAULT_TRUNCATED, end->offset,
                                   "%llu bytes of compressed data cannot hold the promised %d x %d pixels; export the "
                                   "picture again", (unsigned long long)w->data_bytes, w->out->height, w->out->width);
    w->out->picture_bytes = w->at;
    return GNG_OK;
}

gng_status gng_png_inspect(const uint8_t *bytes, size_t count, gng_inspection *out)
{
    static const uint8_t signature[SIGNATURE_BYTES] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    if (memcmp(bytes, signature, count < SIGNATURE_BYTES ? count : SIGNATURE_BYTES) != 0)
        return gng_inspection_fail(out, GNG_FAULT_HEADER, 4,
                                   "the signature is damaged, as by a transfer that converts line ends; copy the file again "
                                   "in binary mode");
    if (count < SIGNATURE_BYTES)
        return gng_inspection_fail(out, GNG_FAULT_TRUNCATED, count,
                                   "the file ends after %zu bytes, inside its signature; copy it again", count);
    walk w = {.bytes = bytes, .count = count, .at = SIGNATURE_BYTES, .out = out};
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
