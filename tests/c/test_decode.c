/* The decoder: exact pixels of small files, refusals that leave the output alone, and random damage.
 *
 * A number as argument asks for so many random mutations instead of the usual few.
 */
#include <stdlib.h>

#include "check.h"
#include "image/decode.h"
#include "picture_bytes.h"

enum { PIXELS_MAX = 1 << 16, UNTOUCHED = 0xA5 };

typedef struct picture {
    uint8_t pixels[PIXELS_MAX];
    gng_image image;
} picture;

/* Decodes to `channels`; after a failure checks that nothing was written, and always that nothing was leaked. */
static gng_status decode_deep(const file *f, int channels, int bit_depth, picture *out)
{
    gng_inspection inspection;
    const uint64_t live = gng_memory_live_count();
    memset(out->pixels, UNTOUCHED, sizeof out->pixels);
    out->image = (gng_image){out->pixels, 1, 1, channels};
    gng_status status = gng_image_inspect(f->bytes, f->count, &inspection);
    if (status == GNG_OK) {
        out->image.height = inspection.height;
        out->image.width = inspection.width;
        if ((size_t)inspection.height * (size_t)inspection.width * (size_t)channels > PIXELS_MAX)
            return GNG_STATUS_TOO_LARGE; /* mutations may ask for more than the test has room for */
    }
    if (status == GNG_OK)
        status = gng_image_decode(f->bytes, f->count, bit_depth, &inspection, &out->image);
    CHECK(gng_memory_live_count() == live);
    size_t untouched = 0;
    while (untouched < PIXELS_MAX && out->pixels[untouched] == UNTOUCHED)
        ++untouched;
    CHECK(status == GNG_OK || untouched == PIXELS_MAX);
    return status;
}

static gng_status decode(const file *f, int channels, picture *out)
{
    return decode_deep(f, channels, 16, out);
}

static int luma(const uint8_t *rgb)
{
    return (77 * rgb[0] + 150 * rgb[1] + 29 * rgb[2] + 128) >> 8;
}

/* Decodes to three channels and to one, and compares with expected[height, width, 3]. */
static void check_pixels(const file *f, int height, int width, const uint8_t *expected)
{
    static picture out;
    CHECK(decode(f, 3, &out) == GNG_OK && out.image.height == height && out.image.width == width);
    CHECK(memcmp(out.pixels, expected, (size_t)(3 * height * width)) == 0);
    CHECK(decode(f, 1, &out) == GNG_OK);
    int different = 0;
    for (int i = 0; i < height * width; ++i)
        different += out.pixels[i] != luma(expected + 3 * i);
    CHECK(different == 0);
}

static void test_jpeg_pixels(void)
{
    static file f;
    static uint8_t expected[PIXELS_MAX];
    for (int variant = 0; variant < 16; ++variant) {
        jpeg_options o = {.width = 43, .height = 29, .components = (variant & 1) != 0 ? 3 : 1, .sampling = 1,
                          .progressive = (variant & 2) != 0, .separate = (variant & 4) != 0,
                          .restart_interval = (variant & 8) != 0 ? 4 : 0, .thumbnail = true, .adobe_transform = 0};
        put_jpeg(&f, &o);
        for (int i = 0; i < o.height * o.width; ++i)
            for (int c = 0; c < 3; ++c)
                expected[3 * i + c] = (uint8_t)jpeg_level(o.components == 3 ? c : 0, i % o.width / 8, i / o.width / 8);
        check_pixels(&f, o.height, o.width, expected);
    }
}

static void test_jpeg_sampling_factors(void)
{
    static file f;
    static picture out;
    jpeg_options o = {.width = 43, .height = 29, .components = 3, .sampling = 2, .jfif = true, .adobe_transform = -1};
    put_jpeg(&f, &o);
    CHECK(decode(&f, 3, &out) == GNG_OK);
    CHECK(!gng_image_is_grey((gng_image_view){out.pixels, o.height, o.width, 3}));
    /* A lone component has no padding, whatever its factors say. */
    o.components = 1;
    put_jpeg(&f, &o);
    CHECK(decode(&f, 3, &out) == GNG_OK);
    CHECK(gng_image_is_grey((gng_image_view){out.pixels, o.height, o.width, 3}));
    int different = 0;
    for (int i = 0; i < o.height * o.width; ++i)
        different += out.pixels[3 * i] != jpeg_level(0, i % o.width / 8, i / o.width / 8);
    CHECK(different == 0);
}

/* Sample k of pixel (x, y), `depth` bits. */
static unsigned png_sample(int x, int y, int k, int depth)
{
    return (unsigned)(x * 29 + y * 83 + k * 101 + x * y) & ((1u << depth) - 1);
}

/* Rows of one pass with filter bytes; returns bytes written. */
static size_t put_pass(uint8_t *out, int width, int height, int depth, int samples, const int pass[4])
{
    uint8_t *start = out;
    for (int y = pass[1]; y < height && pass[0] < width; y += pass[3]) {
        *out++ = 0;
        unsigned bits = 0;
        int count = 0;
        for (int x = pass[0]; x < width; x += pass[2])
            for (int k = 0; k < samples; ++k) {
                bits = bits << depth | png_sample(x, y, k, depth);
                for (count += depth; count >= 8; count -= 8)
                    *out++ = (uint8_t)(bits >> (count - 8));
            }
        if (count > 0)
            *out++ = (uint8_t)(bits << (8 - count));
    }
    return (size_t)(out - start);
}

static void test_png_pixels(void)
{
    static const int adam7[7][4] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2},
                                    {0, 1, 1, 2}};
    static const int whole[4] = {0, 0, 1, 1};
    static const int kinds[9][3] = {{0, 1, 1}, {0, 2, 1}, {0, 4, 1}, {0, 8, 1}, {2, 8, 3}, {3, 1, 1}, {3, 2, 1}, {3, 4, 1},
                                    {3, 8, 1}};
    static const int sizes[4][2] = {{1, 1}, {3, 5}, {17, 9}, {40, 31}};
    static file f;
    static uint8_t rows[FILE_BYTES_MAX / 4], expected[PIXELS_MAX];
    uint8_t palette[768];
    for (int i = 0; i < 768; ++i)
        palette[i] = (uint8_t)(i * 7 + i / 256);
    for (int i = 0; i < 9 * 4 * 2; ++i) {
        const int *kind = kinds[i / 8], *size = sizes[i / 2 % 4];
        size_t count = 0;
        for (int pass = 0; pass < (i % 2 == 1 ? 7 : 1); ++pass)
            count += put_pass(rows + count, size[1], size[0], kind[1], kind[2], i % 2 == 1 ? adam7[pass] : whole);
        put_png_start(&f, size[1], size[0], kind[1], kind[0], i % 2);
        if (kind[0] == 3)
            put_chunk(&f, "PLTE", palette, (size_t)3 << kind[1]);
        put_png_end(&f, rows, count);
        for (int p = 0; p < size[0] * size[1]; ++p)
            for (int k = 0; k < 3; ++k) {
                const unsigned v = png_sample(p % size[1], p / size[1], kind[2] == 3 ? k : 0, kind[1]);
                expected[3 * p + k] = kind[0] == 3 ? palette[3 * v + (unsigned)k] : (uint8_t)(v * 255 / ((1u << kind[1]) - 1));
            }
        check_pixels(&f, size[0], size[1], expected);
    }
}

/* Two pixels with alpha 255 and `alpha`, of grey (colour type 4) or RGB (6). */
static gng_status decode_alpha(int colour_type, unsigned alpha, int channels, picture *out)
{
    static file f;
    const uint8_t grey[5] = {0, 10, 255, 20, (uint8_t)alpha}, rgb[9] = {0, 1, 2, 3, 255, 4, 5, 6, (uint8_t)alpha};
    put_png_start(&f, 2, 1, 8, colour_type, 0);
    put_png_end(&f, colour_type == 4 ? grey : rgb, colour_type == 4 ? sizeof grey : sizeof rgb);
    return decode(&f, channels, out);
}

static void test_png_transparency_is_refused(void)
{
    static picture out;
    CHECK(decode_alpha(4, 255, 3, &out) == GNG_OK && memcmp(out.pixels, "\12\12\12\24\24\24", 6) == 0);
    CHECK(decode_alpha(4, 255, 1, &out) == GNG_OK && memcmp(out.pixels, "\12\24", 2) == 0);
    CHECK(decode_alpha(6, 255, 3, &out) == GNG_OK && memcmp(out.pixels, "\1\2\3\4\5\6", 6) == 0);
    CHECK(decode_alpha(6, 255, 1, &out) == GNG_OK && memcmp(out.pixels, "\2\5", 2) == 0);
    CHECK(decode_alpha(4, 254, 1, &out) == GNG_STATUS_UNSUPPORTED);
    CHECK(decode_alpha(6, 0, 3, &out) == GNG_STATUS_UNSUPPORTED);
    CHECK(strstr(gng_error_detail(), "without transparency") != NULL);
    static file f;
    const uint8_t row[3] = {0, 7, 9}, palette[30] = {0}, opaque[2] = {255, 255}, clear[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    for (int used = 0; used <= 1; ++used) {
        put_png_start(&f, 2, 1, 8, 0, 0);
        put_chunk(&f, "tRNS", used != 0 ? (const uint8_t *)"\0\7" : (const uint8_t *)"\0\10", 2);
        put_png_end(&f, row, sizeof row);
        CHECK(decode(&f, 1, &out) == (used != 0 ? GNG_STATUS_UNSUPPORTED : GNG_OK));
        put_png_start(&f, 2, 1, 8, 3, 0);
        put_chunk(&f, "PLTE", palette, sizeof palette);
        put_chunk(&f, "tRNS", used != 0 ? clear : opaque, used != 0 ? sizeof clear : sizeof opaque);
        put_png_end(&f, row, sizeof row);
        CHECK(decode(&f, 1, &out) == (used != 0 ? GNG_STATUS_UNSUPPORTED : GNG_OK));
    }
}

static void test_png_without_all_its_rows_is_refused(void)
{
    static file f;
    static picture out;
    const uint8_t rows[100] = {0};
    for (size_t missing = 0; missing <= 1; ++missing) {
        put_png_start(&f, 9, 10, 8, 0, 0);
        put_png_end(&f, rows, sizeof rows - missing);
        CHECK(decode(&f, 1, &out) == (missing == 0 ? GNG_OK : GNG_STATUS_FORMAT));
    }
    CHECK(strstr(gng_error_detail(), "do not fit the header") != NULL);
    put_png_start(&f, 9, 9, 8, 0, 0); /* a row too many */
    put_png_end(&f, rows, sizeof rows);
    CHECK(decode(&f, 1, &out) == GNG_STATUS_FORMAT);
}

/* A grey picture of one row whose stream is changed at a place before chunks get their checksums. */
static gng_status decode_changed_stream(size_t at, uint8_t change)
{
    static file f;
    static picture out;
    const uint8_t row[6] = {0, 1, 2, 3, 4, 5};
    uint8_t stream[64];
    const size_t count = zlib_store(row, sizeof row, stream);
    stream[at < count ? at : count - 1] ^= change;
    put_png_start(&f, 5, 1, 8, 0, 0);
    put_chunk(&f, "IDAT", stream, count);
    put_chunk(&f, "IEND", NULL, 0);
    return decode(&f, 1, &out);
}

static void test_png_checks_the_inflated_data(void)
{
    static file f;
    static picture out;
    CHECK(decode_changed_stream(0, 0) == GNG_OK);
    CHECK(decode_changed_stream(9, 1) == GNG_STATUS_FORMAT); /* a pixel */
    CHECK(strstr(gng_error_detail(), "PNG, byte 33: the pixels have checksum") == gng_error_detail());
    CHECK(decode_changed_stream(63, 1) == GNG_STATUS_FORMAT); /* the checksum */
    CHECK(decode_changed_stream(7, 5) == GNG_STATUS_FORMAT && decode_changed_stream(0, 1) == GNG_STATUS_FORMAT);
    const uint8_t filter[6] = {5, 1, 2, 3, 4, 5}, indices[4] = {0, 0, 1, 2}, palette[6] = {0, 0, 0, 9, 9, 9};
    put_png_start(&f, 5, 1, 8, 0, 0);
    put_png_end(&f, filter, sizeof filter);
    CHECK(decode(&f, 1, &out) == GNG_STATUS_FORMAT && strstr(gng_error_detail(), "row 0 has filter 5") != NULL);
    put_png_start(&f, 3, 1, 8, 3, 0);
    put_chunk(&f, "PLTE", palette, sizeof palette);
    put_png_end(&f, indices, sizeof indices);
    CHECK(decode(&f, 1, &out) == GNG_STATUS_FORMAT && strstr(gng_error_detail(), "colour 2 of a palette of 2") != NULL);
    gng_inspection found;
    CHECK(gng_image_inspect(f.bytes, f.count, &found) == GNG_OK);
    const gng_image image = {out.pixels, 1, 3, 1};
    CHECK(gng_image_decode(f.bytes, f.count, 16, &found, &image) == GNG_STATUS_FORMAT);
    CHECK(found.fault == GNG_FAULT_PIXELS && found.offset == 33 + 18);
    put_png_start(&f, 5, 1, 8, 0, 0);
    put_chunk(&f, "IDAT", (const uint8_t *)"", 0);
    put_chunk(&f, "IEND", NULL, 0);
    CHECK(decode(&f, 1, &out) == GNG_STATUS_FORMAT);
}

/* All five filters (section 9.2), of a picture whose rows are given to them one after the other. */
static void test_png_filters(void)
{
    enum { WIDTH = 7, HEIGHT = 10 };
    static file f;
    static uint8_t expected[PIXELS_MAX];
    uint8_t rows[HEIGHT * (3 * WIDTH + 1)];
    for (int y = 0; y < HEIGHT; ++y) {
        uint8_t *row = rows + y * (3 * WIDTH + 1);
        row[0] = (uint8_t)(y % 5);
        for (int i = 0; i < 3 * WIDTH; ++i) {
            const uint8_t *now = expected + y * 3 * WIDTH;
            expected[y * 3 * WIDTH + i] = (uint8_t)(y * 71 + i * 37 + y * i * 5);
            const int left = i < 3 ? 0 : now[i - 3], above = y == 0 ? 0 : now[i - 3 * WIDTH];
            const int corner = i < 3 || y == 0 ? 0 : now[i - 3 * WIDTH - 3], guess = left + above - corner;
            const int nearest = abs(guess - left) <= abs(guess - above) && abs(guess - left) <= abs(guess - corner) ? left
                                : abs(guess - above) <= abs(guess - corner)                                     ? above
                                                                                                                : corner;
            const int predicted[5] = {0, left, above, (left + above) / 2, nearest};
            row[1 + i] = (uint8_t)(now[i] - predicted[y % 5]);
        }
    }
    put_png_start(&f, WIDTH, HEIGHT, 8, 2, 0);
    put_png_end(&f, rows, sizeof rows);
    check_pixels(&f, HEIGHT, WIDTH, expected);
}

static void test_deep_grey(void)
{
    static file f;
    static picture out;
    const uint8_t deep[7] = {0, 0x12, 0x34, 0x0F, 0xFF, 0x03, 0xFF};
    put_png_start(&f, 3, 1, 16, 0, 0);
    put_png_end(&f, deep, sizeof deep);
    CHECK(decode_deep(&f, 1, 16, &out) == GNG_OK && memcmp(out.pixels, "\x12\x0F\x03", 3) == 0);
    CHECK(decode_deep(&f, 1, 12, &out) == GNG_STATUS_FORMAT);
    CHECK(strstr(gng_error_detail(), "found the value 4660, expected at most 4095") != NULL);
    for (int big = 0; big <= 1; ++big) {
        f.count = 0;
        put_bytes(&f, big ? "MM\0*\0\0\0\xE" : "II*\0\xE\0\0\0", 8);
        void (*const put_u16)(file *, unsigned) = big ? put_u16_be : put_u16_le;
        void (*const put_u32)(file *, unsigned) = big ? put_u32_be : put_u32_le;
        put_u16(&f, 0x0FFF);
        put_u16(&f, 0x03FF);
        put_u16(&f, 0x0010);
        static const unsigned entries[8][2] = {{256, 3}, {257, 1}, {258, 16}, {259, 1}, {262, 1}, {273, 8}, {278, 1}, {279, 6}};
        put_u16(&f, 8);
        for (int i = 0; i < 8; ++i) {
            put_u16(&f, entries[i][0]);
            put_u16(&f, 4);
            put_u32(&f, 1);
            put_u32(&f, entries[i][1]);
        }
        put_u32(&f, 0);
        CHECK(decode_deep(&f, 1, 16, &out) == GNG_OK && memcmp(out.pixels, "\x0F\x03\0", 3) == 0);
        CHECK(decode_deep(&f, 1, 12, &out) == GNG_OK && memcmp(out.pixels, "\xFF\x3F\1", 3) == 0);
        CHECK(decode_deep(&f, 3, 12, &out) == GNG_OK && memcmp(out.pixels, "\xFF\xFF\xFF\x3F", 4) == 0);
        CHECK(decode_deep(&f, 1, 10, &out) == GNG_STATUS_FORMAT);
        f.bytes[big ? 8 : 9] = 3;
        CHECK(decode_deep(&f, 1, 10, &out) == GNG_OK && memcmp(out.pixels, "\xFF\xFF\4", 3) == 0);
    }
}

static void test_png_bomb_is_refused(void)
{
    /* One pixel that inflates to 9 MB: a fixed block of zeros, each copy 258 bytes from distance 1 (RFC 1951, 3.2.6). */
    static file f;
    static uint8_t stream[60000];
    static picture out;
    size_t bit = 16;
    stream[0] = 0x78, stream[1] = 0x01;
    const struct {
        unsigned value;
        int bits; /* low bit first, as they lie in the stream */
    } start[2] = {{3, 3}, {0x0C, 8}}, copy = {0xA3, 13};
    /* The zeros that are left at the end are "end of block" (seven bits) and a checksum, which the decoder skips. */
    for (size_t i = 0; bit + 13 + 64 < 8 * sizeof stream; ++i) {
        const unsigned value = i < 2 ? start[i].value : copy.value;
        const int bits = i < 2 ? start[i].bits : copy.bits;
        for (int k = 0; k < bits; ++k, ++bit)
            stream[bit / 8] |= (uint8_t)((value >> k & 1u) << bit % 8);
    }
    put_png_start(&f, 1, 1, 8, 0, 0);
    put_chunk(&f, "IDAT", stream, sizeof stream);
    put_chunk(&f, "IEND", NULL, 0);
    CHECK(decode(&f, 1, &out) == GNG_STATUS_FORMAT);
}

static void test_bmp_pixels(void)
{
    static const uint32_t palette[3] = {0x102030, 0x405060, 0xFFFFFF};
    static file f;
    for (int sign = -1; sign <= 1; sign += 2) {
        /* Row y of the picture is stored first when the height is negative. */
        const int top = sign < 0 ? 0 : 1;
        uint8_t expected[2 * 3 * 3];
        put_bmp_start(&f, 3, 2 * sign, 8, palette, 3);
        put_bytes(&f, "\0\1\2\7\2\2\0\7", 8);
        static const uint8_t stored[2][3] = {{0, 1, 2}, {2, 2, 0}};
        for (int i = 0; i < 6; ++i)
            for (int k = 0; k < 3; ++k)
                expected[3 * i + k] = (uint8_t)(palette[stored[i / 3 ^ top][i % 3]] >> (16 - 8 * k));
        check_pixels(&f, 2, 3, expected);
        for (int bytes = 3; bytes <= 4; ++bytes) {
            put_bmp_start(&f, 3, 2 * sign, 8 * bytes, NULL, 0);
            for (int i = 0; i < 6; ++i) {
                for (int k = 0; k < bytes; ++k)
                    put_u8(&f, (unsigned)(40 * i + k)); /* blue, green, red, spare */
                for (int pad = 0; bytes == 3 && i % 3 == 2 && pad < 3; ++pad)
                    put_u8(&f, 0xEE);
                for (int k = 0; k < 3; ++k)
                    expected[3 * ((i / 3 ^ top) * 3 + i % 3) + k] = (uint8_t)(40 * i + 2 - k);
            }
            check_pixels(&f, 2, 3, expected);
        }
    }
}

static void test_bmp_masks(void)
{
    static file f;
    put_bmp_start(&f, 1, 1, 32, NULL, 0);
    f.bytes[10] = 66;
    f.bytes[30] = 3;
    put_u32_le(&f, 0x0000FF00);
    put_u32_le(&f, 0x00FF0000);
    put_u32_le(&f, 0xFF000000);
    put_u32_le(&f, 0x030201AA);
    const uint8_t expected[3] = {1, 2, 3};
    check_pixels(&f, 1, 1, expected);
}

/* 40-byte header; rows of pixels of few bits, with masks for 16 bits. */
static void test_bmp_packed_pixels(void)
{
    static const uint32_t palette[16] = {0x010203, 0x141516, 0x272829, 0x3A3B3C, 0x4D4E4F, 0x606162, 0x737475, 0x868788,
                                         0x99A0A1, 0xACADAE, 0xBFC0C1, 0xD2D3D4, 0xE5E6E7, 0xF8F9FA, 0x0B0C0D, 0x1E1F20};
    static file f;
    uint8_t expected[11 * 3];
    for (int bits = 1; bits <= 4; bits += 3) {
        put_bmp_start(&f, 11, 1, bits, palette, 1u << bits);
        put_bytes(&f, bits == 1 ? "\xB2\xE0\0" : "\x01\x23\x45\x67\x89\xAF\0", bits == 1 ? 4 : 8);
        static const uint8_t indices[2][11] = {{1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}};
        for (int i = 0; i < 33; ++i)
            expected[i] = (uint8_t)(palette[indices[bits == 4][i / 3]] >> (16 - 8 * (i % 3)));
        check_pixels(&f, 1, 11, expected);
    }
    static const uint8_t full[6] = {255, 0, 0, 0, 255, 255}, narrow[6] = {8, 16, 24, 32, 41, 49};
    for (int masks = 0; masks <= 1; ++masks) {
        put_bmp_start(&f, 2, 2, 16, NULL, 0);
        if (masks == 1) { /* red and blue five bits, green six */
            f.bytes[10] = 66;
            f.bytes[30] = 3;
            put_u32_le(&f, 0xF800);
            put_u32_le(&f, 0x07E0);
            put_u32_le(&f, 0x001F);
        }
        put_u16_le(&f, masks == 0 ? 1 << 10 | 2 << 5 | 3 : 1 << 11 | 4 << 5 | 3);
        put_u16_le(&f, masks == 0 ? 4 << 10 | 5 << 5 | 6 : 4 << 11 | 10 << 5 | 6);
        put_u16_le(&f, masks == 0 ? 0x7C00 : 0xF800);
        put_u16_le(&f, masks == 0 ? 0x03FF : 0x07FF);
        memcpy(expected, full, 6);
        memcpy(expected + 6, narrow, 6);
        if (masks == 1)
            expected[10] = 40; /* floor(255 * 10 / 63) */
        check_pixels(&f, 2, 2, expected);
    }
}

static void make(file *f, unsigned kind)
{
    if (kind < 4) {
        const jpeg_options o = {.width = 37, .height = 21, .components = kind == 0 ? 1 : 3, .sampling = 1 + (int)kind % 2,
                                .restart_interval = 2, .progressive = kind == 3, .jfif = true, .adobe_transform = -1};
        put_jpeg(f, &o);
        return;
    }
    if (kind < 8) {
        static const int kinds[4][4] = {{0, 16, 1, 0}, {2, 8, 3, 1}, {3, 4, 1, 0}, {6, 8, 4, 0}};
        static const int whole[4] = {0, 0, 1, 1};
        const int *k = kinds[kind - 4];
        uint8_t rows[4096];
        const size_t count = put_pass(rows, 19, 13, k[1], k[2], whole);
        put_png_start(f, 19, 13, k[1], k[0], k[3]);
        if (k[0] == 3)
            put_chunk(f, "PLTE", rows, 48);
        put_png_end(f, rows, count);
        return;
    }
    if (kind < 10) {
        put_tiff(f, kind == 9, kind == 9 ? 16 : 8, 0, 0, 0, 0);
        return;
    }
    static const uint32_t palette[2] = {0x000000, 0xFFFFFF};
    static const int depths[5] = {8, 1, 16, 24, 32};
    const int bits = depths[kind - 10];
    put_bmp_start(f, 9, 7, bits, palette, bits <= 8 ? 2 : 0);
    for (int i = 0; i < (9 * bits + 31) / 32 * 4 * 7; ++i)
        put_u8(f, bits == 8 ? i & 1 : (unsigned)(i * 37 + 1));
}

enum { KINDS = 15 };

static void test_truncated_files_are_never_decoded(void)
{
    static file f;
    static picture out;
    for (unsigned kind = 0; kind < KINDS; ++kind) {
        make(&f, kind);
        gng_inspection inspection;
        const gng_status status = gng_image_inspect(f.bytes, f.count, &inspection);
        CHECK(status == GNG_OK);
        const gng_image image = {out.pixels, inspection.height, inspection.width, 1};
        for (f.count = 0; f.count < inspection.picture_bytes; ++f.count) {
            gng_inspection cut;
            CHECK(gng_image_inspect(f.bytes, f.count, &cut) != GNG_OK);
            CHECK(gng_image_decode(f.bytes, f.count, 16, &cut, &image) == GNG_STATUS_ARGUMENT);
        }
    }
}

static void test_exhausted_memory_is_reported(void)
{
    static file f;
    static picture out;
    for (unsigned kind = 0; kind < KINDS; ++kind) {
        make(&f, kind);
        const bool decodable = decode(&f, 3, &out) == GNG_OK;
        const uint64_t before = gng_memory_allocation_count();
        CHECK(decode(&f, 3, &out) == GNG_OK || !decodable);
        const uint64_t allocations = gng_memory_allocation_count() - before;
        for (uint64_t n = 1; decodable && n <= allocations; ++n) {
            gng_memory_fail_nth(n);
            CHECK(decode(&f, 3, &out) == GNG_STATUS_MEMORY);
        }
        gng_memory_fail_nth(0);
    }
}

static void test_arguments_are_checked(void)
{
    static file f;
    static picture out;
    make(&f, 0);
    CHECK(decode(&f, 2, &out) == GNG_STATUS_ARGUMENT);
    CHECK(decode_deep(&f, 1, 8, &out) == GNG_STATUS_ARGUMENT);
    CHECK(decode_deep(&f, 1, 17, &out) == GNG_STATUS_ARGUMENT);
    const gng_image wrong = {out.pixels, 37, 21, 1}, right = {out.pixels, 21, 37, 1};
    gng_inspection inspection = {0};
    CHECK(gng_image_decode(f.bytes, f.count, 16, &inspection, &right) == GNG_STATUS_SHAPE);
    inspection = (gng_inspection){.height = 21, .width = 37};
    CHECK(gng_image_decode(f.bytes, f.count, 16, &inspection, &right) == GNG_STATUS_ARGUMENT); /* nothing was inspected */
    CHECK(gng_image_inspect(f.bytes, f.count, &inspection) == GNG_OK);
    CHECK(gng_image_decode(f.bytes, f.count, 16, &inspection, &wrong) == GNG_STATUS_SHAPE);
    CHECK(gng_image_decode(f.bytes, f.count - 1, 16, &inspection, &right) == GNG_STATUS_ARGUMENT);
    CHECK(gng_image_decode(f.bytes, f.count, 16, &inspection, &right) == GNG_OK);
}

static void test_grey_is_told_from_colour(void)
{
    uint8_t pixels[12] = {1, 1, 1, 9, 9, 9, 255, 255, 255, 0, 0, 0};
    const gng_image_view rgb = {pixels, 2, 2, 3}, one = {pixels, 2, 2, 1};
    CHECK(gng_image_is_grey(rgb) && gng_image_is_grey(one));
    for (int i = 0; i < 12; ++i) {
        pixels[i] ^= 1;
        CHECK(!gng_image_is_grey(rgb));
        pixels[i] ^= 1;
    }
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Writes fitting checksums into all chunks that still are whole, so that damage reaches what lies behind them. */
static void repair_png(file *f)
{
    for (size_t at = 8; at + 12 <= f->count;) {
        const size_t length = (size_t)f->bytes[at] << 24 | (size_t)f->bytes[at + 1] << 16 | (size_t)f->bytes[at + 2] << 8 |
                              f->bytes[at + 3];
        if (length > f->count - at - 12)
            return;
        const uint32_t crc = slow_crc(f->bytes + at + 4, length + 4);
        for (size_t i = 0; i < 4; ++i)
            f->bytes[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + length;
    }
}

static void test_random_damage(long mutations)
{
    static file f;
    static picture out, again;
    uint64_t state = 7;
    long decoded = 0;
    for (long i = 0; i < mutations; ++i) {
        const unsigned kind = next_random(&state) % KINDS;
        make(&f, kind);
        for (unsigned changes = 1 + next_random(&state) % 6; changes > 0; --changes) {
            const size_t at = next_random(&state) % f.count;
            const uint32_t how = next_random(&state) % 8;
            if (how < 4)
                f.bytes[at] ^= (uint8_t)(1u << next_random(&state) % 8);
            else if (how < 6)
                f.bytes[at] = (uint8_t)next_random(&state);
            else if (how == 6)
                f.bytes[at] = next_random(&state) % 2 != 0 ? 0xFF : 0;
            else if (f.count - at > 4)
                memmove(f.bytes + at, f.bytes + at + 1 + at % 3, f.count - at - 1 - at % 3);
        }
        if (kind >= 4 && kind < 8)
            repair_png(&f);
        if (decode(&f, 3, &out) != GNG_OK)
            continue;
        ++decoded;
        CHECK(decode(&f, 3, &again) == GNG_OK && memcmp(out.pixels, again.pixels, sizeof out.pixels) == 0);
    }
    CHECK(decoded > 0 && decoded < mutations);
}

int main(int argc, char **argv)
{
    test_jpeg_pixels();
    test_jpeg_sampling_factors();
    test_png_pixels();
    test_png_transparency_is_refused();
    test_png_without_all_its_rows_is_refused();
    test_png_checks_the_inflated_data();
    test_png_filters();
    test_deep_grey();
    test_png_bomb_is_refused();
    test_bmp_pixels();
    test_bmp_masks();
    test_bmp_packed_pixels();
    test_truncated_files_are_never_decoded();
    test_exhausted_memory_is_reported();
    test_arguments_are_checked();
    test_grey_is_told_from_colour();
    test_random_damage(argc > 1 ? strtol(argv[1], NULL, 10) : 5000);
    return check_result();
}
