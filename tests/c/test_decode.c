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
static gng_status decode(const file *f, int channels, picture *out)
{
    gng_inspection inspection;
    const uint64_t live = gng_memory_live_count();
    memset(out->pixels, UNTOUCHED, sizeof out->pixels);
    out->image = (gng_image){out->pixels, 1, 1, channels};
    if (gng_image_inspect(f->bytes, f->count, &inspection) == GNG_OK) {
        out->image.height = inspection.height;
        out->image.width = inspection.width;
        if ((size_t)inspection.height * (size_t)inspection.width * (size_t)channels > PIXELS_MAX)
            return GNG_STATUS_TOO_LARGE; /* mutations may ask for more than the test has room for */
    }
    const gng_status status = gng_image_decode(f->bytes, f->count, &out->image);
    CHECK(gng_memory_live_count() == live);
    size_t untouched = 0;
    while (untouched < PIXELS_MAX && out->pixels[untouched] == UNTOUCHED)
        ++untouched;
    CHECK(status == GNG_OK || untouched == PIXELS_MAX);
    return status;
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
                count += depth;
                if (count == 8) {
                    *out++ = (uint8_t)bits;
                    bits = 0;
                    count = 0;
                }
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

static void make(file *f, unsigned kind)
{
    if (kind < 4) {
        const jpeg_options o = {.width = 37, .height = 21, .components = kind == 0 ? 1 : 3, .sampling = 1 + (int)kind % 2,
                                .restart_interval = 2, .progressive = kind == 3, .jfif = true, .adobe_transform = -1};
        put_jpeg(f, &o);
        return;
    }
    if (kind < 8) {
        static const int kinds[4][4] = {{0, 8, 1, 0}, {2, 8, 3, 1}, {3, 4, 1, 0}, {6, 8, 4, 0}};
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
    static const uint32_t palette[2] = {0x000000, 0xFFFFFF};
    put_bmp_start(f, 9, 7, kind == 8 ? 8 : 24, palette, kind == 8 ? 2 : 0);
    for (unsigned i = 0; i < 28 * 7; ++i)
        put_u8(f, kind == 8 ? i & 1 : i);
}

enum { KINDS = 10 };

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
        for (f.count = 0; f.count < inspection.picture_bytes; ++f.count)
            CHECK(gng_image_decode(f.bytes, f.count, &image) != GNG_OK);
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
    const gng_image wrong = {out.pixels, 37, 21, 1};
    CHECK(gng_image_decode(f.bytes, f.count, &wrong) == GNG_STATUS_SHAPE);
    CHECK(gng_image_decode(f.bytes, 0, &wrong) == GNG_STATUS_TRUNCATED);
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
    test_png_bomb_is_refused();
    test_bmp_pixels();
    test_bmp_masks();
    test_truncated_files_are_never_decoded();
    test_exhausted_memory_is_reported();
    test_arguments_are_checked();
    test_grey_is_told_from_colour();
    test_random_damage(argc > 1 ? strtol(argv[1], NULL, 10) : 5000);
    return check_result();
}
