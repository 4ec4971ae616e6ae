/* Writes small JPEG, PNG, BMP and TIFF files for the tests, byte by byte, with none of the code under test. */
#ifndef GNG_TESTS_PICTURE_BYTES_H
#define GNG_TESTS_PICTURE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { FILE_BYTES_MAX = 1 << 16 };

typedef struct file {
    uint8_t bytes[FILE_BYTES_MAX];
    size_t count;
} file;

static inline void put_bytes(file *f, const void *bytes, size_t count)
{
    memcpy(f->bytes + f->count, bytes, count);
    f->count += count;
}

static inline void put_u8(file *f, unsigned value)
{
    f->bytes[f->count++] = (uint8_t)value;
}

static inline void put_u16_be(file *f, unsigned value)
{
    put_u8(f, value >> 8);
    put_u8(f, value);
}

static inline void put_u32_be(file *f, unsigned value)
{
    put_u16_be(f, value >> 16);
    put_u16_be(f, value);
}

static inline void put_u16_le(file *f, unsigned value)
{
    put_u8(f, value);
    put_u8(f, value >> 8);
}

static inline void put_u32_le(file *f, unsigned value)
{
    put_u16_le(f, value);
    put_u16_le(f, value >> 16);
}

/* ------------------------------------------------------------------------------------------------------------ PNG */

/* CRC-32, one bit at a time. */
static inline uint32_t slow_crc(const uint8_t *bytes, size_t count)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < count; ++i) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit)
            crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

static inline void put_chunk(file *f, const char *type, const uint8_t *data, size_t count)
{
    put_u32_be(f, (unsigned)count);
    const size_t start = f->count;
    put_bytes(f, type, 4);
    if (count > 0)
        put_bytes(f, data, count);
    put_u32_be(f, slow_crc(f->bytes + start, count + 4));
}

static inline void put_png_start(file *f, int width, int height, int depth, int colour_type, int interlace)
{
    const uint8_t header[13] = {0, 0, (uint8_t)(width >> 8), (uint8_t)width, 0, 0, (uint8_t)(height >> 8), (uint8_t)height,
                                (uint8_t)depth, (uint8_t)colour_type, 0, 0, (uint8_t)interlace};
    f->count = 0;
    put_bytes(f, "\x89PNG\r\n\x1A\n", 8);
    put_chunk(f, "IHDR", header, sizeof header);
}

/* rows[count], filter bytes included, as one stored deflate block in a zlib stream (RFC 1950, RFC 1951). */
static inline size_t zlib_store(const uint8_t *rows, size_t count, uint8_t *out)
{
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < count; ++i) {
        a = (a + rows[i]) % 65521;
        b = (b + a) % 65521;
    }
    const uint8_t head[7] = {0x78, 0x01, 1, (uint8_t)count, (uint8_t)(count >> 8), (uint8_t)~count, (uint8_t)(~count >> 8)};
    const uint8_t tail[4] = {(uint8_t)(b >> 8), (uint8_t)b, (uint8_t)(a >> 8), (uint8_t)a};
    memcpy(out, head, sizeof head);
    memcpy(out + sizeof head, rows, count);
    memcpy(out + sizeof head + count, tail, sizeof tail);
    return sizeof head + count + sizeof tail;
}

/* IDAT in two chunks, then IEND. */
static inline void put_png_end(file *f, const uint8_t *rows, size_t count)
{
    uint8_t stream[FILE_BYTES_MAX / 2];
    const size_t bytes = zlib_store(rows, count, stream);
    put_chunk(f, "IDAT", stream, bytes / 2);
    put_chunk(f, "IDAT", stream + bytes / 2, bytes - bytes / 2);
    put_chunk(f, "IEND", NULL, 0);
}

/* ------------------------------------------------------------------------------------------------------------ BMP */

/* 40-byte header; palette[colours] as 0x00RRGGBB (NULL: none); rows follow from the caller. height < 0: top row first. */
static inline void put_bmp_start(file *f, int width, int height, int bits, const uint32_t *palette, unsigned colours)
{
    const int rows = height < 0 ? -height : height;
    const unsigned image_bytes = (unsigned)(((width * bits + 31) / 32 * 4) * rows);
    f->count = 0;
    put_bytes(f, "BM", 2);
    put_u32_le(f, 54 + 4 * colours + image_bytes);
    put_u32_le(f, 0);
    put_u32_le(f, 54 + 4 * colours);
    put_u32_le(f, 40);
    put_u32_le(f, (unsigned)width);
    put_u32_le(f, (unsigned)height);
    put_u16_le(f, 1);
    put_u16_le(f, (unsigned)bits);
    put_u32_le(f, 0);
    put_u32_le(f, image_bytes);
    put_u32_le(f, 2835);
    put_u32_le(f, 2835);
    put_u32_le(f, colours);
    put_u32_le(f, 0);
    for (unsigned i = 0; i < colours; ++i)
        put_u32_le(f, palette[i]);
}

/* ----------------------------------------------------------------------------------------------------------- TIFF */

/* One entry of a directory; types 3 (two bytes, in front) and 4. */
static inline void put_entry(file *f, bool big, unsigned tag, unsigned type, unsigned count, unsigned value)
{
    void (*const put_u16)(file *, unsigned) = big ? put_u16_be : put_u16_le;
    void (*const put_u32)(file *, unsigned) = big ? put_u32_be : put_u32_le;
    put_u16(f, tag);
    put_u16(f, type);
    put_u32(f, count);
    if (type == 3 && count == 1) {
        put_u16(f, value);
        put_u16(f, 0);
    } else {
        put_u32(f, value);
    }
}

/* 5 x 4 pixels in two strips of 3 rows and 1; 40 bytes of pixels at 8 (16 bits: 40, 8 bits: 20), then the directory.
 * change: a tag whose type, count and value are others than usual (0: none). */
static inline void put_tiff(file *f, bool big, unsigned bits, unsigned change, unsigned type, unsigned count, unsigned value)
{
    const unsigned row = 5 * bits / 8, directory = 64;
    const struct {
        unsigned tag, type, count, value;
    } entries[] = {{256, 3, 1, 5},  {257, 4, 1, 4},  {258, 3, 1, bits}, {259, 3, 1, 1}, {262, 3, 1, 1}, {273, 4, 2, 48},
                   {277, 3, 1, 1},  {278, 3, 1, 3},  {279, 4, 2, 56},   {284, 3, 1, 1}, {305, 2, 1, 0}};
    enum { ENTRIES = sizeof entries / sizeof *entries };
    f->count = 0;
    put_bytes(f, big ? "MM\0*\0\0\0\x40" : "II*\0\x40\0\0\0", 8);
    for (unsigned i = 0; i < 40; ++i)
        put_u8(f, i + 1);
    for (unsigned i = 0; i < 4; ++i) {
        const unsigned number = i == 0 ? 8 : i == 1 ? 8 + 3 * row : i == 2 ? 3 * row : row;
        (big ? put_u32_be : put_u32_le)(f, number);
    }
    f->count = directory;
    (big ? put_u16_be : put_u16_le)(f, ENTRIES + (change > 400));
    for (unsigned i = 0; i < ENTRIES; ++i) {
        const bool changed = entries[i].tag == change;
        put_entry(f, big, entries[i].tag, changed ? type : entries[i].type, changed ? count : entries[i].count,
                  changed ? value : entries[i].value);
    }
    if (change > 400)
        put_entry(f, big, change - 400, type, count, value);
    put_u32_le(f, 0);
}

/* ----------------------------------------------------------------------------------------------------------- JPEG */

/* Flat blocks only: one DC coefficient each. Quantisation is 8 throughout, so that a coefficient of v gives the sample
 * 128 + v exactly. DC codes have four bits (category = code); "end of block" is the one-bit code 0. */
typedef struct jpeg_options {
    int width, height;
    int components;       /* 1 or 3 */
    int sampling;         /* factor of the first component in both directions, 1 or 2 */
    int restart_interval; /* 0: none */
    bool progressive;     /* DC at bit 1, refined to bit 0, then empty AC scans */
    bool separate;        /* one scan for each component */
    bool thumbnail;       /* an APP1 segment that contains an end marker */
    uint8_t ids[3];       /* of the components; zeros: 1, 2, 3 */
    bool jfif;
    int adobe_transform;  /* below 0: no Adobe segment */
} jpeg_options;

/* Sample of component c in block (x, y). */
static inline int jpeg_level(int c, int x, int y)
{
    return c == 0 ? 40 + (x * 37 + y * 59) % 180 : 128 + (c == 1 ? 9 : -7) * ((x + 2 * y) % 5);
}

typedef struct bit_writer {
    file *f;
    unsigned bits;
    int count;
} bit_writer;

static inline void put_bits(bit_writer *w, unsigned value, int count)
{
    for (int i = count - 1; i >= 0; --i) {
        w->bits = w->bits << 1 | (value >> i & 1u);
        if (++w->count == 8) {
            put_u8(w->f, w->bits);
            if ((w->bits & 255) == 255)
                put_u8(w->f, 0);
            w->bits = 0;
            w->count = 0;
        }
    }
}

static inline void flush_bits(bit_writer *w)
{
    while (w->count != 0)
        put_bits(w, 1, 1);
}

static inline void put_dc(bit_writer *w, int difference)
{
    const unsigned magnitude = (unsigned)(difference < 0 ? -difference : difference);
    int category = 0;
    while (magnitude >> category != 0)
        ++category;
    put_bits(w, (unsigned)category, 4);
    const int shifted = difference < 0 ? difference + (1 << category) - 1 : difference;
    put_bits(w, (unsigned)shifted, category);
}

static inline void put_segment_start(file *f, unsigned marker, unsigned payload)
{
    put_u8(f, 0xFF);
    put_u8(f, marker);
    put_u16_be(f, payload + 2);
}

static inline int jpeg_blocks(int side, int sampling, int most)
{
    return ((side * sampling + most - 1) / most + 7) / 8;
}

/* One scan over the components first to last. pass 0: sequential; 1: DC at bit 1; 2: DC refinement; 3: AC of nothing. */
static inline void put_jpeg_scan(file *f, const jpeg_options *o, int first, int last, int pass)
{
    const int number = last - first + 1;
    put_segment_start(f, 0xDA, (unsigned)(4 + 2 * number));
    put_u8(f, (unsigned)number);
    for (int c = first; c <= last; ++c) {
        put_u8(f, o->ids[0] == 0 ? (unsigned)c + 1 : o->ids[c]);
        put_u8(f, 0);
    }
    static const uint8_t ranges[4][3] = {{0, 63, 0}, {0, 0, 0x01}, {0, 0, 0x10}, {1, 63, 0}};
    put_bytes(f, ranges[pass], 3);
    bit_writer w = {.f = f};
    const int most = o->sampling;
    const int unit = number == 1 ? 8 : 8 * most;
    int columns = (o->width + unit - 1) / unit, rows = (o->height + unit - 1) / unit;
    if (number == 1) {
        columns = jpeg_blocks(o->width, first == 0 ? most : 1, most);
        rows = jpeg_blocks(o->height, first == 0 ? most : 1, most);
    }
    int predicted[3] = {0, 0, 0};
    for (int i = 0, restarts = 0; i < columns * rows; ++i) {
        if (o->restart_interval > 0 && i > 0 && i % o->restart_interval == 0) {
            flush_bits(&w);
            put_u8(f, 0xFF);
            put_u8(f, 0xD0 + (unsigned)(restarts++ % 8));
            memset(predicted, 0, sizeof predicted);
        }
        for (int c = first; c <= last; ++c) {
            const int side = number > 1 && c == 0 ? most : 1;
            for (int block = 0; block < side * side; ++block) {
                const int x = i % columns * side + block % side, y = i / columns * side + block / side;
                const int value = jpeg_level(c, x, y) - 128;
                if (pass == 0 || pass == 1) {
                    const int sent = pass == 1 ? value >> 1 : value;
                    put_dc(&w, sent - predicted[c]);
                    predicted[c] = sent;
                }
                if (pass == 2)
                    put_bits(&w, (unsigned)value & 1u, 1);
                if (pass == 0 || pass == 3)
                    put_bits(&w, 0, 1);
            }
        }
    }
    flush_bits(&w);
}

static inline void put_jpeg(file *f, const jpeg_options *o)
{
    f->count = 0;
    put_u16_be(f, 0xFFD8);
    if (o->jfif) {
        put_segment_start(f, 0xE0, 14);
        put_bytes(f, "JFIF\0\1\1\0\0\1\0\1\0\0", 14);
    }
    if (o->adobe_transform >= 0) {
        put_segment_start(f, 0xEE, 12);
        put_bytes(f, "Adobe\0\144\0\0\0\0", 11);
        put_u8(f, (unsigned)o->adobe_transform);
    }
    if (o->thumbnail) {
        put_segment_start(f, 0xE1, 10);
        put_bytes(f, "Exif\xFF\xD8\xFF\xD9\xFF\xD9", 10);
    }
    put_segment_start(f, 0xDB, 65);
    put_u8(f, 0);
    for (int i = 0; i < 64; ++i)
        put_u8(f, 8);
    put_segment_start(f, o->progressive ? 0xC2 : 0xC0, (unsigned)(6 + 3 * o->components));
    put_u8(f, 8);
    put_u16_be(f, (unsigned)o->height);
    put_u16_be(f, (unsigned)o->width);
    put_u8(f, (unsigned)o->components);
    for (int c = 0; c < o->components; ++c) {
        put_u8(f, o->ids[0] == 0 ? (unsigned)c + 1 : o->ids[c]);
        put_u8(f, c == 0 ? (unsigned)o->sampling * 17 : 0x11);
        put_u8(f, 0);
    }
    put_segment_start(f, 0xC4, 17 + 12);
    put_bytes(f, "\0\0\0\0\14\0\0\0\0\0\0\0\0\0\0\0\0", 17); /* DC table 0: twelve codes of four bits */
    put_bytes(f, "\0\1\2\3\4\5\6\7\10\11\12\13", 12);
    put_segment_start(f, 0xC4, 17 + 1);
    put_bytes(f, "\20\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 17); /* AC table 0: one code of one bit */
    put_u8(f, 0);
    if (o->restart_interval > 0) {
        put_segment_start(f, 0xDD, 2);
        put_u16_be(f, (unsigned)o->restart_interval);
    }
    const int last = o->components - 1;
    for (int pass = o->progressive ? 1 : 0; pass <= (o->progressive ? 3 : 0); ++pass) {
        if (last > 0 && !o->separate && pass < 3) {
            put_jpeg_scan(f, o, 0, last, pass);
            continue;
        }
        for (int c = 0; c <= last; ++c)
            put_jpeg_scan(f, o, c, c, pass);
    }
    put_u16_be(f, 0xFFD9);
}

#endif
