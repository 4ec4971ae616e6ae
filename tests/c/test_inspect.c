/* The inspector: what it accepts, what it refuses and with which fault. */
#include "check.h"
#include "image/image.h"
#include "image/inspect.h"
#include "picture_bytes.h"

static gng_fault fault_of(const uint8_t *bytes, size_t count)
{
    gng_inspection inspection;
    const gng_status status = gng_image_inspect(bytes, count, &inspection);
    CHECK((status == GNG_OK) == (inspection.fault == GNG_FAULT_NONE));
    return inspection.fault;
}

static gng_fault file_fault(const file *f)
{
    return fault_of(f->bytes, f->count);
}

static const jpeg_options grey = {.width = 20, .height = 13, .components = 1, .sampling = 1, .adobe_transform = -1};
static const jpeg_options colour = {.width = 37, .height = 21, .components = 3, .sampling = 2, .jfif = true,
                                    .thumbnail = true, .adobe_transform = -1};

/* Position of the n-th marker FF<code>, counted from 0. */
static size_t marker_at(const file *f, unsigned code, int n)
{
    for (size_t i = 0; i + 1 < f->count; ++i)
        if (f->bytes[i] == 0xFF && f->bytes[i + 1] == code && n-- == 0)
            return i;
    return 0;
}

static void remove_bytes(file *f, size_t at, size_t count)
{
    memmove(f->bytes + at, f->bytes + at + count, f->count - at - count);
    f->count -= count;
}

static void insert_bytes(file *f, size_t at, const void *bytes, size_t count)
{
    memmove(f->bytes + at + count, f->bytes + at, f->count - at);
    memcpy(f->bytes + at, bytes, count);
    f->count += count;
}

static void remove_segment(file *f, size_t at)
{
    remove_bytes(f, at, 2 + (size_t)f->bytes[at + 2] * 256 + f->bytes[at + 3]);
}

/* No prefix of an accepted file is accepted, and none is taken for something else. */
static void check_truncations(const file *f, gng_format format)
{
    gng_inspection inspection;
    CHECK(gng_image_inspect(f->bytes, f->count, &inspection) == GNG_OK);
    CHECK(inspection.format == format && inspection.picture_bytes == f->count);
    for (size_t count = 1; count < f->count; ++count) {
        CHECK(gng_image_inspect(f->bytes, count, &inspection) == GNG_STATUS_TRUNCATED);
        CHECK(inspection.fault == GNG_FAULT_TRUNCATED && inspection.format == format);
    }
}

static void make_png(file *f, int colour_type, int depth, int interlace)
{
    uint8_t rows[4096] = {0};
    const uint8_t palette[12] = {0, 0, 0, 255, 0, 0, 0, 255, 0, 9, 9, 9};
    put_png_start(f, 9, 5, depth, colour_type, interlace);
    if (colour_type == 3)
        put_chunk(f, "PLTE", palette, depth == 1 ? 6 : 12);
    put_png_end(f, rows, 5 * (9 * 4 + 1));
}

static void make_bmp(file *f)
{
    static const uint32_t palette[4] = {0x000000, 0x555555, 0xAAAAAA, 0xFFFFFF};
    put_bmp_start(f, 5, 3, 8, palette, 4);
    for (unsigned i = 0; i < 24; ++i)
        put_u8(f, i % 8 < 5 ? i % 4 : 0);
}

static void test_accepted_files_and_their_truncations(void)
{
    static file f;
    jpeg_options o = grey;
    gng_inspection inspection;
    put_jpeg(&f, &o);
    check_truncations(&f, GNG_FORMAT_JPEG);
    CHECK(gng_image_inspect(f.bytes, f.count, &inspection) == GNG_OK);
    CHECK(inspection.height == 13 && inspection.width == 20 && inspection.channels == 1);
    CHECK(inspection.bit_depth == 8 && !inspection.progressive);
    for (int variant = 0; variant < 16; ++variant) {
        o = colour;
        o.progressive = (variant & 1) != 0;
        o.separate = (variant & 2) != 0;
        o.restart_interval = (variant & 4) != 0 ? 2 : 0;
        o.sampling = (variant & 8) != 0 ? 2 : 1;
        put_jpeg(&f, &o);
        check_truncations(&f, GNG_FORMAT_JPEG);
        CHECK(gng_image_inspect(f.bytes, f.count, &inspection) == GNG_OK);
        CHECK(inspection.channels == 3 && inspection.progressive == o.progressive);
    }
    static const int kinds[6][2] = {{0, 1}, {0, 8}, {2, 8}, {3, 4}, {4, 8}, {6, 8}};
    for (int i = 0; i < 12; ++i) {
        make_png(&f, kinds[i / 2][0], kinds[i / 2][1], i % 2);
        check_truncations(&f, GNG_FORMAT_PNG);
    }
    make_bmp(&f);
    check_truncations(&f, GNG_FORMAT_BMP);
    put_bmp_start(&f, 3, -2, 24, NULL, 0);
    put_bytes(&f, "abcdefghi\0\0\0ABCDEFGHI\0\0\0", 24);
    check_truncations(&f, GNG_FORMAT_BMP);
}

static void test_tail_is_not_part_of_the_picture(void)
{
    static file f;
    gng_inspection inspection;
    put_jpeg(&f, &grey);
    const size_t end = f.count;
    put_bytes(&f, "camera data", 11);
    CHECK(gng_image_inspect(f.bytes, f.count, &inspection) == GNG_OK && inspection.picture_bytes == end);
}

static void test_grey_palettes_count_as_grey(void)
{
    static file f;
    gng_inspection inspection;
    make_bmp(&f);
    CHECK(gng_image_inspect(f.bytes, f.count, &inspection) == GNG_OK && inspection.channels == 1);
    f.bytes[54] = 1;
    CHECK(gng_image_inspect(f.bytes, f.count, &inspection) == GNG_OK && inspection.channels == 3);
    make_png(&f, 3, 4, 0);
    CHECK(gng_image_inspect(f.bytes, f.count, &inspection) == GNG_OK && inspection.channels == 3);
}

static void test_content_decides(void)
{
    CHECK(fault_of((const uint8_t *)"", 0) == GNG_FAULT_EMPTY);
    CHECK(fault_of((const uint8_t *)"GIF89a", 6) == GNG_FAULT_FORMAT_UNKNOWN);
    CHECK(strstr(gng_error_detail(), "GIF") != NULL && strstr(gng_error_detail(), "save it as PNG") != NULL);
    CHECK(fault_of((const uint8_t *)"\0\0", 2) == GNG_FAULT_FORMAT_UNKNOWN);
    CHECK(fault_of((const uint8_t *)"\x89PNG\n\x1A\n\0\0\0\0", 11) == GNG_FAULT_HEADER);
    CHECK(strcmp(gng_fault_word(GNG_FAULT_FILE_TOO_LARGE), "file-too-large") == 0);
    CHECK(strcmp(gng_fault_word(GNG_FAULT_COUNT), "unknown") == 0);
    CHECK(strcmp(gng_format_name(GNG_FORMAT_PNG), "PNG") == 0);
}

static void test_limits_hold_before_any_work(void)
{
    static uint8_t huge[GNG_IMAGE_BYTES_MAX + 1] = {0xFF, 0xD8};
    static file f;
    CHECK(fault_of(huge, sizeof huge) == GNG_FAULT_FILE_TOO_LARGE);
    jpeg_options o = grey;
    put_jpeg(&f, &o);
    const size_t frame = marker_at(&f, 0xC0, 0);
    f.bytes[frame + 5] = 0x40, f.bytes[frame + 6] = 1; /* height 16385 */
    CHECK(file_fault(&f) == GNG_FAULT_IMAGE_TOO_LARGE);
    put_jpeg(&f, &o);
    f.bytes[frame + 5] = 0x1C, f.bytes[frame + 7] = 0x1C; /* 7181 x 7188: more than 50 million */
    CHECK(file_fault(&f) == GNG_FAULT_IMAGE_TOO_LARGE);
    put_jpeg(&f, &o);
    f.bytes[frame + 5] = 0x10; /* 4109 x 20 pixels cannot hide in these few bytes */
    CHECK(file_fault(&f) == GNG_FAULT_TRUNCATED);
    put_png_start(&f, 12000, 4000, 8, 2, 0);
    const uint8_t row[8] = {0};
    put_png_end(&f, row, sizeof row);
    CHECK(file_fault(&f) == GNG_FAULT_TRUNCATED);
    put_png_start(&f, 0, 4, 8, 2, 0);
    CHECK(file_fault(&f) == GNG_FAULT_HEADER);
    put_bmp_start(&f, 20000, 1, 24, NULL, 0);
    CHECK(file_fault(&f) == GNG_FAULT_IMAGE_TOO_LARGE);
}

static void test_jpeg_frames(void)
{
    static file f;
    put_jpeg(&f, &colour);
    const size_t frame = marker_at(&f, 0xC0, 0);
    static const struct {
        size_t at;
        unsigned value;
        gng_fault fault;
    } changes[] = {
        {1, 0xC9, GNG_FAULT_UNSUPPORTED}, /* arithmetic coding */
        {1, 0xC3, GNG_FAULT_UNSUPPORTED}, /* lossless */
        {4, 12, GNG_FAULT_UNSUPPORTED},   /* bits */
        {9, 4, GNG_FAULT_HEADER},         /* components without room */
        {11, 0x02, GNG_FAULT_HEADER},     /* sampling 0 */
        {11, 0x52, GNG_FAULT_HEADER},     /* sampling 5 */
        {11, 0x32, GNG_FAULT_STRUCTURE},  /* 3 to 1 is a whole number, but 2 x 2 blocks are stored */
        {11, 0x44, GNG_FAULT_HEADER},     /* 18 blocks in a unit */
        {12, 4, GNG_FAULT_HEADER},        /* quantisation table 4 */
        {12, 1, GNG_FAULT_TABLE},         /* not defined */
        {13, 1, GNG_FAULT_HEADER},        /* a number twice */
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; ++i) {
        put_jpeg(&f, &colour);
        f.bytes[frame + changes[i].at] = (uint8_t)changes[i].value;
        CHECK(file_fault(&f) == changes[i].fault);
    }
    put_jpeg(&f, &colour);
    f.bytes[frame + 11] = 0x32, f.bytes[frame + 14] = 0x21; /* 3 to 2 is not */
    CHECK(file_fault(&f) == GNG_FAULT_UNSUPPORTED);
    put_jpeg(&f, &colour);
    f.bytes[frame + 5] = f.bytes[frame + 6] = 0; /* height by DNL */
    CHECK(file_fault(&f) == GNG_FAULT_UNSUPPORTED);
    put_jpeg(&f, &colour);
    insert_bytes(&f, frame, f.bytes + frame, 19);
    CHECK(file_fault(&f) == GNG_FAULT_STRUCTURE);
    static const uint8_t cmyk[26] = {0xFF, 0xD8, 0xFF, 0xC0, 0, 20, 8, 0, 9, 0, 9, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0,
                                     4, 0x11, 0};
    CHECK(fault_of(cmyk, sizeof cmyk) == GNG_FAULT_UNSUPPORTED);
}

static void test_jpeg_tables(void)
{
    static file f;
    put_jpeg(&f, &grey);
    const size_t quantisation = marker_at(&f, 0xDB, 0), dc = marker_at(&f, 0xC4, 0), ac = marker_at(&f, 0xC4, 1);
    static const uint8_t codes_256[16] = {0, 0, 0, 0, 0, 0, 0, 0, 255, 1};
    const struct {
        size_t at;
        unsigned value;
        gng_fault fault;
    } changes[] = {
        {quantisation + 4, 0x20, GNG_FAULT_TABLE}, /* precision 2 */
        {quantisation + 4, 0x10, GNG_FAULT_TABLE}, /* 16-bit values without room */
        {quantisation + 4, 0x04, GNG_FAULT_TABLE}, /* table 4 */
        {quantisation + 4, 0x01, GNG_FAULT_TABLE}, /* table 0 stays undefined */
        {quantisation + 9, 0, GNG_FAULT_TABLE},    /* a zero */
        {dc + 4, 0x20, GNG_FAULT_TABLE},           /* kind 2 */
        {dc + 4, 0x01, GNG_FAULT_TABLE},           /* table 0 stays undefined */
        {dc + 8, 13, GNG_FAULT_TABLE},             /* one symbol more than there are bytes */
        {dc + 21, 16, GNG_FAULT_TABLE},            /* category 16 */
        {ac + 5, 0, GNG_FAULT_TABLE},              /* no code at all */
        {quantisation + 1, 0xD8, GNG_FAULT_STRUCTURE}, /* SOI */
        {quantisation + 1, 0xD0, GNG_FAULT_STRUCTURE}, /* a restart outside a scan */
        {quantisation + 3, 1, GNG_FAULT_STRUCTURE},    /* length 1 */
        {quantisation, 0xFE, GNG_FAULT_STRUCTURE},     /* no marker */
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; ++i) {
        put_jpeg(&f, &grey);
        f.bytes[changes[i].at] = (uint8_t)changes[i].value;
        CHECK(file_fault(&f) == changes[i].fault);
    }
    put_jpeg(&f, &grey);
    f.bytes[dc + 5] = 3, f.bytes[dc + 8] = 9; /* the same number of codes, three of them of one bit */
    CHECK(file_fault(&f) == GNG_FAULT_TABLE);
    put_jpeg(&f, &grey);
    remove_segment(&f, ac);
    CHECK(file_fault(&f) == GNG_FAULT_TABLE);
    /* 256 codes are one more than stb_image can tell apart. */
    put_jpeg(&f, &grey);
    remove_segment(&f, ac);
    static file table;
    table.count = 0;
    put_segment_start(&table, 0xC4, 17 + 256);
    put_u8(&table, 0x10);
    put_bytes(&table, codes_256, 16);
    for (unsigned i = 0; i < 256; ++i)
        put_u8(&table, i);
    insert_bytes(&f, ac, table.bytes, table.count);
    CHECK(file_fault(&f) == GNG_FAULT_TABLE);
}

static void test_jpeg_scans(void)
{
    static file f;
    jpeg_options o = colour;
    put_jpeg(&f, &o);
    const size_t scan = marker_at(&f, 0xDA, 0);
    static const struct {
        size_t at;
        unsigned value;
        gng_fault fault;
    } changes[] = {
        {4, 2, GNG_FAULT_HEADER},     /* components and length disagree */
        {5, 7, GNG_FAULT_HEADER},     /* unknown component */
        {5, 2, GNG_FAULT_HEADER},     /* order of the frame broken */
        {6, 0x40, GNG_FAULT_TABLE},   /* DC table 4 */
        {6, 0x01, GNG_FAULT_TABLE},   /* AC table 1 is not defined */
        {11, 1, GNG_FAULT_HEADER},    /* from coefficient 1 */
        {12, 62, GNG_FAULT_HEADER},   /* to coefficient 62 */
        {13, 0x10, GNG_FAULT_HEADER}, /* approximation in a sequential frame */
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; ++i) {
        put_jpeg(&f, &o);
        f.bytes[scan + changes[i].at] = (uint8_t)changes[i].value;
        CHECK(file_fault(&f) == changes[i].fault);
    }
    /* Without any scan, with one of three components, with one of them twice. */
    put_jpeg(&f, &o);
    remove_bytes(&f, scan, f.count - 2 - scan);
    CHECK(file_fault(&f) == GNG_FAULT_STRUCTURE);
    o.separate = true;
    put_jpeg(&f, &o);
    const size_t second = marker_at(&f, 0xDA, 1), third = marker_at(&f, 0xDA, 2);
    remove_bytes(&f, second, f.count - 2 - second);
    CHECK(file_fault(&f) == GNG_FAULT_STRUCTURE);
    put_jpeg(&f, &o);
    insert_bytes(&f, third, f.bytes + second, third - second);
    CHECK(file_fault(&f) == GNG_FAULT_STRUCTURE);
    /* Pixel data before the frame header. */
    put_jpeg(&f, &grey);
    remove_segment(&f, marker_at(&f, 0xC0, 0));
    CHECK(file_fault(&f) == GNG_FAULT_STRUCTURE);
    static const uint8_t nothing[4] = {0xFF, 0xD8, 0xFF, 0xD9};
    CHECK(fault_of(nothing, sizeof nothing) == GNG_FAULT_STRUCTURE);
}

static void test_jpeg_progression(void)
{
    static file f;
    jpeg_options o = grey;
    o.progressive = true;
    put_jpeg(&f, &o);
    CHECK(file_fault(&f) == GNG_FAULT_NONE);
    const size_t dc = marker_at(&f, 0xDA, 0), refinement = marker_at(&f, 0xDA, 1), ac = marker_at(&f, 0xDA, 2);
    static const struct {
        int scan;
        size_t at;
        unsigned value;
        gng_fault fault;
    } changes[] = {
        {0, 8, 5, GNG_FAULT_HEADER},       /* DC and AC in one scan */
        {0, 9, 0x0E, GNG_FAULT_HEADER},    /* bit 14 */
        {1, 9, 0x20, GNG_FAULT_HEADER},    /* two bits at once */
        {1, 9, 0x21, GNG_FAULT_STRUCTURE}, /* refines what was not sent */
        {1, 9, 0x00, GNG_FAULT_STRUCTURE}, /* DC sent twice */
        {2, 7, 2, GNG_FAULT_STRUCTURE},    /* coefficient 1 is never sent */
        {2, 8, 64, GNG_FAULT_HEADER},      /* there is no coefficient 64 */
        {2, 9, 0x01, GNG_FAULT_STRUCTURE}, /* never brought to full precision */
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; ++i) {
        put_jpeg(&f, &o);
        const size_t scans[3] = {dc, refinement, ac};
        f.bytes[scans[changes[i].scan] + changes[i].at] = (uint8_t)changes[i].value;
        CHECK(file_fault(&f) == changes[i].fault);
    }
    put_jpeg(&f, &o);
    f.bytes[dc + 6] = 0x01; /* AC table 1 is not defined, and not needed for DC */
    CHECK(file_fault(&f) == GNG_FAULT_NONE);
    put_jpeg(&f, &o);
    const size_t end = f.count - 2;
    static file first_ac;
    first_ac = f;
    insert_bytes(&first_ac, dc, f.bytes + ac, end - ac); /* AC before DC */
    remove_bytes(&first_ac, end, end - ac);
    CHECK(file_fault(&first_ac) == GNG_FAULT_STRUCTURE);
    /* One scan for each AC coefficient makes 65 in all. */
    put_jpeg(&f, &o);
    static file scan;
    memcpy(scan.bytes, f.bytes + ac, end - ac);
    scan.count = end - ac;
    f.count = ac;
    for (unsigned k = 1; k <= 63; ++k) {
        scan.bytes[7] = scan.bytes[8] = (uint8_t)k;
        put_bytes(&f, scan.bytes, scan.count);
    }
    put_u16_be(&f, 0xFFD9);
    CHECK(file_fault(&f) == GNG_FAULT_UNSUPPORTED);
    remove_bytes(&f, refinement, ac - refinement);
    f.bytes[dc + 9] = 0; /* 64, with DC at once */
    CHECK(file_fault(&f) == GNG_FAULT_NONE);
    put_jpeg(&f, &o);
    const size_t table = marker_at(&f, 0xDB, 0);
    insert_bytes(&f, ac, f.bytes + table, 69);
    CHECK(file_fault(&f) == GNG_FAULT_TABLE);
}

static void test_jpeg_restarts_and_data(void)
{
    static file f;
    jpeg_options o = grey; /* 3 x 2 blocks */
    o.restart_interval = 2;
    put_jpeg(&f, &o);
    CHECK(file_fault(&f) == GNG_FAULT_NONE);
    const size_t restart = marker_at(&f, 0xD0, 0);
    f.bytes[restart + 1] = 0xD1; /* out of order */
    CHECK(file_fault(&f) == GNG_FAULT_STRUCTURE);
    put_jpeg(&f, &o);
    remove_bytes(&f, restart, marker_at(&f, 0xD1, 0) - restart); /* an interval is lost */
    CHECK(file_fault(&f) == GNG_FAULT_STRUCTURE);
    put_jpeg(&f, &o);
    const size_t last = marker_at(&f, 0xD1, 0);
    remove_bytes(&f, last, f.count - 2 - last); /* the last one is lost */
    CHECK(file_fault(&f) == GNG_FAULT_STRUCTURE);
    put_jpeg(&f, &o);
    const size_t interval = marker_at(&f, 0xDD, 0);
    insert_bytes(&f, interval + 6, "", 1);
    f.bytes[interval + 3] = 5; /* three bytes */
    CHECK(file_fault(&f) == GNG_FAULT_STRUCTURE);
    put_jpeg(&f, &o);
    f.bytes[marker_at(&f, 0xDD, 0) + 5] = 4; /* fewer promised than found */
    CHECK(file_fault(&f) == GNG_FAULT_TRUNCATED);
    o.restart_interval = 0;
    put_jpeg(&f, &o);
    insert_bytes(&f, f.count - 4, "\xFF\xD0", 2); /* none promised */
    CHECK(file_fault(&f) == GNG_FAULT_TRUNCATED);
    put_jpeg(&f, &o);
    insert_bytes(&f, f.count - 2, "\xFF\xD0", 2); /* behind the last block */
    CHECK(file_fault(&f) == GNG_FAULT_STRUCTURE);
    put_jpeg(&f, &o);
    insert_bytes(&f, f.count - 2, "\0", 1); /* more data than blocks */
    CHECK(file_fault(&f) == GNG_FAULT_STRUCTURE);
    put_jpeg(&f, &o);
    const size_t data = marker_at(&f, 0xDA, 0) + 10;
    remove_bytes(&f, data, f.count - 3 - data); /* one byte for six blocks */
    CHECK(file_fault(&f) == GNG_FAULT_TRUNCATED);
    put_jpeg(&f, &o);
    insert_bytes(&f, f.count - 2, "\xFF\xFF\xFF", 3); /* fill bytes before a marker are allowed */
    CHECK(file_fault(&f) == GNG_FAULT_NONE);
}

static void test_jpeg_colour_markers(void)
{
    static const struct {
        bool jfif;
        int adobe_transform;
        uint8_t ids[3];
        gng_fault fault;
    } cases[] = {
        {true, 1, {1, 2, 3}, GNG_FAULT_NONE},
        {false, 0, {1, 2, 3}, GNG_FAULT_NONE},
        {false, -1, {'R', 'G', 'B'}, GNG_FAULT_NONE},
        {true, 0, {1, 2, 3}, GNG_FAULT_STRUCTURE},
        {true, -1, {'R', 'G', 'B'}, GNG_FAULT_STRUCTURE},
        {false, 1, {'R', 'G', 'B'}, GNG_FAULT_STRUCTURE},
        {false, 2, {1, 2, 3}, GNG_FAULT_STRUCTURE},
    };
    static file f;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        jpeg_options o = colour;
        o.jfif = cases[i].jfif;
        o.adobe_transform = cases[i].adobe_transform;
        memcpy(o.ids, cases[i].ids, 3);
        put_jpeg(&f, &o);
        CHECK(file_fault(&f) == cases[i].fault);
    }
    jpeg_options o = colour;
    o.adobe_transform = 1;
    put_jpeg(&f, &o);
    const size_t jfif = marker_at(&f, 0xE0, 0), adobe = marker_at(&f, 0xEE, 0);
    static file changed;
    changed = f;
    insert_bytes(&changed, adobe, f.bytes + adobe, 16);
    CHECK(file_fault(&changed) == GNG_FAULT_NONE);
    changed.bytes[adobe + 15] = 0; /* two that differ */
    CHECK(file_fault(&changed) == GNG_FAULT_STRUCTURE);
    changed = f;
    changed.bytes[adobe + 9] = 1; /* version 356 */
    CHECK(file_fault(&changed) == GNG_FAULT_STRUCTURE);
    changed = f;
    remove_bytes(&changed, jfif + 17, 1);
    changed.bytes[jfif + 3] = 15; /* one byte short */
    CHECK(file_fault(&changed) == GNG_FAULT_HEADER);
    changed = f;
    insert_bytes(&changed, f.count - 2, f.bytes + jfif, 18); /* behind the pixel data */
    CHECK(file_fault(&changed) == GNG_FAULT_STRUCTURE);
}

static void test_png_bits_are_protected(void)
{
    static file f;
    for (int interlace = 0; interlace <= 1; ++interlace) {
        make_png(&f, 3, 4, interlace);
        for (size_t bit = 0; bit < 8 * f.count; ++bit) {
            f.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            CHECK(file_fault(&f) != GNG_FAULT_NONE);
            f.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        CHECK(file_fault(&f) == GNG_FAULT_NONE);
    }
}

static void test_png_headers(void)
{
    static const struct {
        int depth, colour_type, interlace;
        gng_fault fault;
    } cases[] = {
        {3, 0, 0, GNG_FAULT_HEADER},       {4, 2, 0, GNG_FAULT_HEADER},       {16, 3, 0, GNG_FAULT_HEADER},
        {8, 1, 0, GNG_FAULT_HEADER},       {8, 7, 0, GNG_FAULT_HEADER},       {40, 0, 0, GNG_FAULT_HEADER},
        {8, 0, 2, GNG_FAULT_HEADER},       {16, 0, 0, GNG_FAULT_NONE},        {16, 6, 1, GNG_FAULT_UNSUPPORTED},
        {8, 3, 0, GNG_FAULT_TABLE},        {8, 0, 0, GNG_FAULT_NONE},         {2, 0, 1, GNG_FAULT_NONE},
    };
    static file f;
    const uint8_t rows[256] = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        put_png_start(&f, 5, 5, cases[i].depth, cases[i].colour_type, cases[i].interlace);
        put_png_end(&f, rows, sizeof rows);
        CHECK(file_fault(&f) == cases[i].fault);
    }
}

/* A PNG of the colour type with the chunks named in order; "IDAT" carries pixels, others the bytes given. */
static gng_fault chunks_fault(int colour_type, const char *names, size_t bytes)
{
    static file f;
    uint8_t stream[512];
    const uint8_t rows[256] = {0}, data[1024] = {0};
    const size_t stream_bytes = zlib_store(rows, sizeof rows, stream);
    put_png_start(&f, 5, 5, 8, colour_type, 0);
    for (const char *name = names; *name != '\0'; name += 4) {
        if (memcmp(name, "IDAT", 4) == 0)
            put_chunk(&f, name, stream, stream_bytes);
        else
            put_chunk(&f, name, data, bytes);
    }
    put_chunk(&f, "IEND", NULL, 0);
    return file_fault(&f);
}

static void test_png_chunks(void)
{
    CHECK(chunks_fault(0, "tEXtIDAT", 7) == GNG_FAULT_NONE);
    CHECK(chunks_fault(0, "IDATtEXt", 7) == GNG_FAULT_NONE);
    CHECK(chunks_fault(0, "tEXt", 7) == GNG_FAULT_STRUCTURE);
    CHECK(chunks_fault(0, "IDATtEXtIDAT", 7) == GNG_FAULT_STRUCTURE);
    CHECK(chunks_fault(0, "IHDRIDAT", 13) == GNG_FAULT_STRUCTURE);
    CHECK(chunks_fault(0, "TEXtIDAT", 7) == GNG_FAULT_UNSUPPORTED);
    CHECK(chunks_fault(0, "tE tIDAT", 7) == GNG_FAULT_STRUCTURE);
    CHECK(chunks_fault(0, "acTLIDAT", 8) == GNG_FAULT_UNSUPPORTED);
    CHECK(chunks_fault(0, "PLTEIDAT", 6) == GNG_FAULT_STRUCTURE);
    CHECK(chunks_fault(2, "PLTEIDAT", 6) == GNG_FAULT_NONE);
    CHECK(chunks_fault(3, "PLTEIDAT", 768) == GNG_FAULT_NONE);
    CHECK(chunks_fault(3, "PLTEIDAT", 771) == GNG_FAULT_TABLE);
    CHECK(chunks_fault(3, "PLTEIDAT", 7) == GNG_FAULT_TABLE);
    CHECK(chunks_fault(3, "PLTEIDAT", 0) == GNG_FAULT_TABLE);
    CHECK(chunks_fault(3, "PLTEPLTEIDAT", 6) == GNG_FAULT_STRUCTURE);
    CHECK(chunks_fault(3, "IDATPLTE", 6) == GNG_FAULT_TABLE);
    CHECK(chunks_fault(0, "tRNSIDAT", 2) == GNG_FAULT_NONE);
    CHECK(chunks_fault(0, "tRNSIDAT", 1) == GNG_FAULT_TABLE);
    CHECK(chunks_fault(6, "tRNSIDAT", 6) == GNG_FAULT_TABLE);
    CHECK(chunks_fault(3, "PLTEtRNSIDAT", 3) == GNG_FAULT_TABLE);
    CHECK(chunks_fault(3, "tRNSPLTEIDAT", 3) == GNG_FAULT_STRUCTURE);
    CHECK(chunks_fault(0, "IDATtRNS", 2) == GNG_FAULT_STRUCTURE);
    static file f;
    f.count = 0;
    put_bytes(&f, "\x89PNG\r\n\x1A\n", 8);
    put_chunk(&f, "CgBI", (const uint8_t *)"\0\0\0\0", 4);
    CHECK(file_fault(&f) == GNG_FAULT_UNSUPPORTED);
    f.count = 8;
    const uint8_t long_header[14] = {0, 0, 0, 5, 0, 0, 0, 5, 8};
    put_chunk(&f, "IHDR", long_header, sizeof long_header);
    CHECK(file_fault(&f) == GNG_FAULT_HEADER);
    make_png(&f, 0, 8, 0);
    f.count -= 12;
    put_chunk(&f, "IEND", long_header, 1);
    CHECK(file_fault(&f) == GNG_FAULT_STRUCTURE);
}

static void put_rows(file *f, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        put_u8(f, (unsigned)i % 4);
}

/* A 5 x 3 picture with one header field changed. */
static gng_fault bmp_fault(int bits, size_t at, uint32_t value)
{
    static file f;
    static const uint32_t palette[4] = {0x000000, 0x555555, 0xAAAAAA, 0xFFFFFF};
    put_bmp_start(&f, 5, 3, bits, palette, bits == 8 ? 4 : 0);
    put_rows(&f, 200);
    for (int i = 0; i < 4; ++i)
        f.bytes[at + (size_t)i] = (uint8_t)(value >> 8 * i);
    return file_fault(&f);
}

static void test_bmp_headers(void)
{
    CHECK(bmp_fault(24, 6, 0) == GNG_FAULT_NONE);
    CHECK(bmp_fault(32, 6, 0) == GNG_FAULT_NONE);
    CHECK(bmp_fault(8, 6, 0) == GNG_FAULT_NONE);
    CHECK(bmp_fault(24, 10, 53) == GNG_FAULT_HEADER);      /* pixels inside the header */
    CHECK(bmp_fault(24, 10, 58) == GNG_FAULT_STRUCTURE);   /* a gap, of which the file's size does not tell */
    CHECK(bmp_fault(24, 10, 0xFFFFFFF0) == GNG_FAULT_TRUNCATED);
    CHECK(bmp_fault(24, 14, 52) == GNG_FAULT_UNSUPPORTED);
    CHECK(bmp_fault(24, 14, 41) == GNG_FAULT_HEADER);
    CHECK(bmp_fault(24, 18, 0) == GNG_FAULT_HEADER);          /* width */
    CHECK(bmp_fault(24, 18, 0xFFFFFFFF) == GNG_FAULT_HEADER); /* width -1 */
    CHECK(bmp_fault(24, 22, 0) == GNG_FAULT_HEADER);          /* height */
    CHECK(bmp_fault(24, 22, 0x80000000) == GNG_FAULT_IMAGE_TOO_LARGE); /* the most negative height */
    CHECK(bmp_fault(24, 26, 2 | 24 << 16) == GNG_FAULT_HEADER);     /* planes */
    CHECK(bmp_fault(24, 26, 1 | 2 << 16) == GNG_FAULT_UNSUPPORTED); /* bits */
    CHECK(bmp_fault(24, 26, 1 | 16 << 16) == GNG_FAULT_STRUCTURE); /* for which the pixels are too many */
    CHECK(bmp_fault(16, 6, 0) == GNG_FAULT_NONE);
    CHECK(bmp_fault(8, 30, 1) == GNG_FAULT_UNSUPPORTED);   /* RLE8 */
    CHECK(bmp_fault(8, 30, 5) == GNG_FAULT_UNSUPPORTED);   /* PNG inside */
    CHECK(bmp_fault(8, 30, 3) == GNG_FAULT_HEADER);        /* masks with a palette */
    CHECK(bmp_fault(8, 46, 257) == GNG_FAULT_TABLE);
    CHECK(bmp_fault(8, 46, 5) == GNG_FAULT_TABLE);         /* five colours in the room of four */
    CHECK(bmp_fault(8, 46, 0) == GNG_FAULT_TABLE);         /* 256 of them */
    CHECK(bmp_fault(8, 46, 3) == GNG_FAULT_PIXELS);        /* index 3 of three */
    CHECK(bmp_fault(32, 46, 0) == GNG_FAULT_NONE);         /* the spare byte is no alpha */
}

/* A 5 x 3 picture with a header of 12 or 56 bytes. */
static gng_fault other_header_fault(unsigned header_bytes, unsigned bits, unsigned compression)
{
    static file f;
    put_bmp_start(&f, 5, 3, (int)bits, NULL, 0);
    f.bytes[14] = (uint8_t)header_bytes;
    f.bytes[30] = (uint8_t)compression;
    if (header_bytes == 12) {
        f.count = 18;
        put_u16_le(&f, 5);
        put_u16_le(&f, 3);
        put_u16_le(&f, 1);
        put_u16_le(&f, bits);
    } else {
        put_bytes(&f, "\0\0\xFF\0\0\xFF\0\0\xFF\0\0\0\0\0\0\xFF", 16);
    }
    f.bytes[10] = (uint8_t)f.count;
    f.bytes[2] = (uint8_t)(f.count + (5 * bits + 31) / 32 * 4 * 3);
    put_rows(&f, 2000);
    return file_fault(&f);
}

static void test_bmp_headers_of_other_sizes(void)
{
    CHECK(other_header_fault(12, 24, 0) == GNG_FAULT_NONE);
    CHECK(other_header_fault(12, 8, 0) == GNG_FAULT_TABLE); /* no room for a palette */
    CHECK(other_header_fault(12, 32, 0) == GNG_FAULT_UNSUPPORTED);
    CHECK(other_header_fault(12, 16, 0) == GNG_FAULT_UNSUPPORTED);
    CHECK(other_header_fault(56, 24, 0) == GNG_FAULT_NONE);
    CHECK(other_header_fault(56, 32, 0) == GNG_FAULT_NONE);
    CHECK(other_header_fault(56, 32, 3) == GNG_FAULT_UNSUPPORTED); /* with transparent pixels */
    static file f;
    static const uint32_t palette[257] = {0};
    put_bmp_start(&f, 5, 3, 8, palette, 257);
    f.bytes[46] = 4, f.bytes[47] = 0; /* a gap behind the colours */
    put_rows(&f, 24);
    CHECK(file_fault(&f) == GNG_FAULT_NONE);
    put_bmp_start(&f, 5, 3, 24, NULL, 0);
    put_u32_le(&f, 0);
    put_rows(&f, 48);
    f.bytes[2] += 4, f.bytes[10] += 4; /* a gap behind the header, of which the file's size tells */
    CHECK(file_fault(&f) == GNG_FAULT_NONE);
}

/* A 2 x 1 picture with a 108-byte header, its four masks and two pixels. */
static gng_fault masks_fault(const uint32_t masks[4], uint32_t first, uint32_t second)
{
    static file f;
    put_bmp_start(&f, 2, 1, 32, NULL, 0);
    f.bytes[10] = 122;
    f.bytes[14] = 108;
    f.bytes[30] = 3;
    for (int i = 0; i < 4; ++i)
        put_u32_le(&f, masks[i]);
    while (f.count < 122)
        put_u8(&f, 0);
    put_u32_le(&f, first);
    put_u32_le(&f, second);
    return file_fault(&f);
}

static void test_bmp_masks_and_alpha(void)
{
    const uint32_t bgra[4] = {0xFF0000, 0xFF00, 0xFF, 0xFF000000}, rgbx[4] = {0xFF, 0xFF00, 0xFF0000, 0};
    const uint32_t narrow[4] = {0xF800, 0x7E0, 0x1F, 0}, wide[4] = {0x3FF00000, 0xFFC00, 0x3FF, 0}, overlapping[4] = {0xFF0000, 0xFF00, 0xFF00, 0};
    const uint32_t none[4] = {0, 0xFF00, 0xFF, 0}, broken[4] = {0xF50000, 0xFF00, 0xFF, 0};
    CHECK(masks_fault(bgra, 0xFF123456, 0xFF000000) == GNG_FAULT_NONE);
    CHECK(masks_fault(bgra, 0x00123456, 0x00000000) == GNG_FAULT_NONE);
    CHECK(masks_fault(bgra, 0xFF123456, 0x7F000000) == GNG_FAULT_UNSUPPORTED);
    CHECK(masks_fault(bgra, 0xFF123456, 0x00000000) == GNG_FAULT_UNSUPPORTED);
    CHECK(masks_fault(rgbx, 0x12345678, 0x00000000) == GNG_FAULT_NONE);
    CHECK(masks_fault(narrow, 0, 0) == GNG_FAULT_NONE);
    CHECK(masks_fault(wide, 0, 0) == GNG_FAULT_UNSUPPORTED);
    CHECK(masks_fault(broken, 0, 0) == GNG_FAULT_UNSUPPORTED);
    CHECK(masks_fault(overlapping, 0, 0) == GNG_FAULT_UNSUPPORTED);
    CHECK(masks_fault(none, 0, 0) == GNG_FAULT_UNSUPPORTED);
}

static const char *file_verdict(const file *f, gng_inspection *out)
{
    CHECK(gng_image_inspect(f->bytes, f->count, out) == GNG_OK);
    return gng_inspection_verdict(out);
}

static void test_doubts_have_a_sentence_and_a_place(void)
{
    static file f;
    gng_inspection found;
    char text[GNG_DETAIL_BYTES];
    jpeg_options o = colour;
    put_jpeg(&f, &o);
    CHECK(strcmp(file_verdict(&f, &found), "ok") == 0);
    gng_inspection_doubt_write(&found, text);
    CHECK(text[0] == '\0');
    const size_t end = f.count;
    static file second;
    put_jpeg(&second, &o);
    put_bytes(&f, "\xFF\xD8", 2); /* no picture yet */
    CHECK(strcmp(file_verdict(&f, &found), "ok") == 0 && found.picture_bytes == end);
    f.count = end;
    put_bytes(&f, "tail", 4);
    put_bytes(&f, second.bytes, second.count);
    CHECK(strcmp(file_verdict(&f, &found), "unproven") == 0 && found.doubt == GNG_DOUBT_SECOND_PICTURE);
    CHECK(found.offset == end + 4 && found.picture_bytes == end);
    gng_inspection_doubt_write(&found, text);
    CHECK(strncmp(text, "JPEG, byte ", 11) == 0 && strstr(text, "save the one that is meant") != NULL);
    insert_bytes(&f, 2, "\xFF\xE2\0\x08MPF\0II", 10); /* an index of pictures */
    CHECK(strcmp(file_verdict(&f, &found), "ok") == 0);
    o.progressive = true;
    put_jpeg(&f, &o);
    CHECK(strcmp(file_verdict(&f, &found), "unproven") == 0 && found.doubt == GNG_DOUBT_PROGRESSIVE);
    CHECK(found.offset == marker_at(&f, 0xC2, 0));
    put_bmp_start(&f, 30, 4, 24, NULL, 0);
    for (int i = 0; i < 4 * 92; ++i)
        put_u8(&f, i < 3 * 92 + 28 ? 7 : 0);
    CHECK(strcmp(file_verdict(&f, &found), "unproven") == 0 && found.doubt == GNG_DOUBT_PREALLOCATED);
    CHECK(found.offset == f.count);
    f.bytes[54 + 3 * 92 + 28] = 1;
    CHECK(strcmp(file_verdict(&f, &found), "ok") == 0);
    f.count = 0;
    CHECK(gng_image_inspect(f.bytes, 0, &found) != GNG_OK && strcmp(gng_inspection_verdict(&found), "empty") == 0);
}

/* Levels of blocks, so that every lost or changed bit of the data shows in the count of blocks or in a level. */
static void test_jpeg_data_that_lost_their_middle(void)
{
    static file f;
    for (int variant = 0; variant < 4; ++variant) {
        jpeg_options o = variant % 2 == 0 ? grey : colour;
        o.width = o.height = 160;
        o.separate = variant >= 2;
        put_jpeg(&f, &o);
        const size_t start = marker_at(&f, 0xDA, 0) + (o.components == 3 && !o.separate ? 14u : 10u);
        const size_t end = variant >= 2 && o.components == 3 ? marker_at(&f, 0xDA, 1) : f.count - 2;
        for (size_t lost = 4; lost < (end - start) / 2; lost *= 2)
            for (size_t at = start; at + lost < end; at += lost) {
                put_jpeg(&f, &o);
                memset(f.bytes + at, 0, lost);
                CHECK(file_fault(&f) != GNG_FAULT_NONE);
                put_jpeg(&f, &o);
                remove_bytes(&f, at, lost);
                CHECK(file_fault(&f) != GNG_FAULT_NONE);
            }
    }
}

static void test_jpeg_codes_and_values_that_cannot_be(void)
{
    static file f;
    put_jpeg(&f, &grey);
    const size_t data = marker_at(&f, 0xDA, 0) + 10, dc = marker_at(&f, 0xC4, 0), ac = marker_at(&f, 0xC4, 1);
    f.bytes[data] = 0xF0; /* DC codes end at 1011 */
    CHECK(file_fault(&f) == GNG_FAULT_PIXELS);
    put_jpeg(&f, &grey);
    f.bytes[dc + 21 + 6] = 15; /* a category that 8-bit samples do not reach */
    CHECK(file_fault(&f) == GNG_FAULT_PIXELS);
    put_jpeg(&f, &grey);
    f.bytes[ac + 21] = 0xF1; /* "end of block" becomes sixteen positions and a bit: beyond the 64th */
    CHECK(file_fault(&f) != GNG_FAULT_NONE);
    put_jpeg(&f, &grey);
    f.bytes[ac + 21] = 0x0B; /* eleven bits */
    CHECK(file_fault(&f) == GNG_FAULT_PIXELS);
    put_jpeg(&f, &grey);
    f.bytes[marker_at(&f, 0xDB, 0) + 5] = 255; /* levels far outside 8 bits */
    CHECK(file_fault(&f) == GNG_FAULT_PIXELS);
}

static gng_fault tiff_fault(unsigned tag, unsigned type, unsigned count, unsigned value)
{
    static file f;
    put_tiff(&f, false, 8, tag, type, count, value);
    return file_fault(&f);
}

static void test_tiff(void)
{
    static file f;
    gng_inspection found;
    for (int variant = 0; variant < 4; ++variant) {
        put_tiff(&f, variant % 2 == 1, variant >= 2 ? 16 : 8, 0, 0, 0, 0);
        check_truncations(&f, GNG_FORMAT_TIFF);
        CHECK(strcmp(file_verdict(&f, &found), "ok") == 0 && found.height == 4 && found.width == 5 && found.channels == 1);
        CHECK(found.bit_depth == (variant >= 2 ? 16 : 8));
    }
    f.bytes[f.count - 4] = 9; /* a second page */
    CHECK(file_fault(&f) == GNG_FAULT_UNSUPPORTED);
    CHECK(tiff_fault(256, 3, 1, 0) == GNG_FAULT_HEADER);
    CHECK(tiff_fault(256, 2, 1, 5) == GNG_FAULT_HEADER); /* text */
    CHECK(tiff_fault(256, 3, 0, 5) == GNG_FAULT_HEADER);
    CHECK(tiff_fault(256, 4, 1, 20000) == GNG_FAULT_IMAGE_TOO_LARGE);
    CHECK(tiff_fault(257, 4, 1, 7) == GNG_FAULT_STRUCTURE);      /* three strips needed */
    CHECK(tiff_fault(257, 4, 1, 5) == GNG_FAULT_STRUCTURE);      /* the second strip is too short */
    CHECK(tiff_fault(258, 3, 1, 16) == GNG_FAULT_STRUCTURE);
    CHECK(tiff_fault(258, 3, 1, 4) == GNG_FAULT_UNSUPPORTED);
    CHECK(tiff_fault(258, 3, 3, 8) == GNG_FAULT_UNSUPPORTED);    /* values that differ */
    CHECK(tiff_fault(259, 3, 1, 5) == GNG_FAULT_UNSUPPORTED);
    CHECK(tiff_fault(262, 3, 1, 0) == GNG_FAULT_NONE);           /* white is zero */
    CHECK(tiff_fault(262, 3, 1, 2) == GNG_FAULT_UNSUPPORTED);
    CHECK(tiff_fault(262, 3, 1, 3) == GNG_FAULT_UNSUPPORTED);
    CHECK(tiff_fault(273, 4, 2, 60000) == GNG_FAULT_TRUNCATED);
    CHECK(tiff_fault(273, 4, 1, 48) == GNG_FAULT_STRUCTURE);
    CHECK(tiff_fault(273, 4, 2, 0) == GNG_FAULT_TRUNCATED);      /* the strips begin beyond the file */
    CHECK(tiff_fault(277, 3, 1, 3) == GNG_FAULT_UNSUPPORTED);
    CHECK(tiff_fault(278, 3, 1, 0) == GNG_FAULT_UNSUPPORTED);
    CHECK(tiff_fault(284, 3, 1, 2) == GNG_FAULT_NONE);           /* no matter with one sample */
    CHECK(tiff_fault(400 + 322, 3, 1, 16) == GNG_FAULT_UNSUPPORTED); /* tiles */
    CHECK(tiff_fault(400 + 338, 3, 1, 2) == GNG_FAULT_UNSUPPORTED);  /* alpha */
    CHECK(tiff_fault(400 + 339, 3, 1, 3) == GNG_FAULT_UNSUPPORTED);  /* floating point */
    CHECK(tiff_fault(400 + 266, 3, 1, 2) == GNG_FAULT_UNSUPPORTED);  /* bits the other way round */
    CHECK(tiff_fault(400 + 256, 3, 1, 5) == GNG_FAULT_HEADER);       /* twice */
    put_tiff(&f, true, 16, 262, 3, 1, 0);
    CHECK(file_fault(&f) == GNG_FAULT_UNSUPPORTED); /* 16 bits with white as zero */
    put_tiff(&f, false, 8, 0, 0, 0, 0);
    f.bytes[64 + 3] = 0; /* no width */
    CHECK(file_fault(&f) == GNG_FAULT_HEADER);
}

static void test_refusals_say_what_where_and_what_to_do(void)
{
    static file f;
    make_png(&f, 2, 8, 0);
    f.bytes[16] ^= 1;
    gng_inspection inspection;
    CHECK(gng_image_inspect(f.bytes, f.count, &inspection) == GNG_STATUS_FORMAT);
    CHECK(inspection.fault == GNG_FAULT_CHECKSUM && inspection.offset == 8);
    CHECK(strstr(gng_error_detail(), "PNG, byte 8: chunk IHDR has checksum") == gng_error_detail());
    CHECK(strstr(gng_error_detail(), "copy it again") != NULL && strchr(gng_error_detail(), '\n') == NULL);
}

int main(void)
{
    test_accepted_files_and_their_truncations();
    test_tail_is_not_part_of_the_picture();
    test_grey_palettes_count_as_grey();
    test_content_decides();
    test_limits_hold_before_any_work();
    test_jpeg_frames();
    test_jpeg_tables();
    test_jpeg_scans();
    test_jpeg_progression();
    test_jpeg_restarts_and_data();
    test_jpeg_colour_markers();
    test_png_bits_are_protected();
    test_png_headers();
    test_png_chunks();
    test_bmp_headers();
    test_bmp_headers_of_other_sizes();
    test_bmp_masks_and_alpha();
    test_doubts_have_a_sentence_and_a_place();
    test_jpeg_data_that_lost_their_middle();
    test_jpeg_codes_and_values_that_cannot_be();
    test_tiff();
    test_refusals_say_what_where_and_what_to_do();
    return check_result();
}
