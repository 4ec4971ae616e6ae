/* The door of the inspector: limits, recognition of the format by content, and the words for what is wrong.
 *
 * The formats themselves are walked in inspect_jpeg.c, inspect_png.c, inspect_bmp.c and inspect_tiff.c.
 */
#include "image/inspect.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "image/image.h"
#include "image/inspect_formats.h"

const char *gng_format_name(gng_format format)
{
    switch (format) {
    case GNG_FORMAT_JPEG:
        return "JPEG";
    case GNG_FORMAT_PNG:
        return "PNG";
    case GNG_FORMAT_BMP:
        return "BMP";
    case GNG_FORMAT_TIFF:
        return "TIFF";
    case GNG_FORMAT_UNKNOWN:
        break;
    }
    return "unknown";
}

const char *gng_fault_word(gng_fault fault)
{
    static const char *const words[GNG_FAULT_COUNT] = {
#define GNG_FAULT_WORD(name, word, status) [GNG_FAULT_##name] = word,
        GNG_FAULT_LIST(GNG_FAULT_WORD)
#undef GNG_FAULT_WORD
    };
    return (unsigned)fault < GNG_FAULT_COUNT ? words[fault] : "unknown";
}

const char *gng_inspection_verdict(const gng_inspection *inspection)
{
    const bool unproven = inspection->fault == GNG_FAULT_NONE && inspection->doubt != GNG_DOUBT_NONE;
    return unproven ? "unproven" : gng_fault_word(inspection->fault);
}

void gng_inspection_doubt_write(const gng_inspection *inspection, char text[GNG_DETAIL_BYTES])
{
    static const char *const sentences[GNG_DOUBT_COUNT] = {
#define GNG_DOUBT_SENTENCE(name, sentence) [GNG_DOUBT_##name] = sentence,
        GNG_DOUBT_LIST(GNG_DOUBT_SENTENCE)
#undef GNG_DOUBT_SENTENCE
    };
    text[0] = '\0';
    if (inspection->doubt != GNG_DOUBT_NONE && (unsigned)inspection->doubt < GNG_DOUBT_COUNT)
        snprintf(text, GNG_DETAIL_BYTES, "%s, byte %zu: %s", gng_format_name(inspection->format), inspection->offset,
                 sentences[inspection->doubt]);
}

static gng_status fault_status(gng_fault fault)
{
    static const gng_status statuses[GNG_FAULT_COUNT] = {
#define GNG_FAULT_STATUS(name, word, status) [GNG_FAULT_##name] = GNG_STATUS_##status,
        GNG_FAULT_LIST(GNG_FAULT_STATUS)
#undef GNG_FAULT_STATUS
    };
    return statuses[fault];
}

gng_status gng_inspection_fail(gng_inspection *out, gng_fault fault, size_t offset, const char *format, ...)
{
    char text[GNG_DETAIL_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    out->fault = fault;
    out->doubt = GNG_DOUBT_NONE;
    out->offset = offset;
    const gng_status status = fault_status(fault);
    if (out->format == GNG_FORMAT_UNKNOWN)
        return gng_error_set(status, "%s", text);
    return gng_error_set(status, "%s, byte %zu: %s", gng_format_name(out->format), offset, text);
}

gng_status gng_inspection_size_set(gng_inspection *out, int64_t height, int64_t width, size_t offset)
{
    if (height < 1 || width < 1)
        return gng_inspection_fail(out, GNG_FAULT_HEADER, offset,
                                   "the header says %lld x %lld pixels (height x width), expected at least 1 x 1; "
                                   "export the picture again", (long long)height, (long long)width);
    if (height > GNG_IMAGE_SIDE_MAX || width > GNG_IMAGE_SIDE_MAX || height * width > GNG_IMAGE_PIXELS_MAX)
        return gng_inspection_fail(out, GNG_FAULT_IMAGE_TOO_LARGE, offset,
                                   "the header says %lld x %lld pixels (height x width), the limits are %d a side and "
                                   "%d in all; scale the picture down or cut it into tiles", (long long)height,
                                   (long long)width, GNG_IMAGE_SIDE_MAX, GNG_IMAGE_PIXELS_MAX);
    out->height = (int32_t)height;
    out->width = (int32_t)width;
    return GNG_OK;
}

void gng_inspection_doubt_zeros(const uint8_t *bytes, size_t end, size_t row_bytes, gng_inspection *out)
{
    enum { ZEROS = 64 };
    size_t start = end - (row_bytes < ZEROS ? row_bytes : ZEROS);
    while (start < end && bytes[start] == 0)
        ++start;
    if (start == end) {
        out->doubt = GNG_DOUBT_PREALLOCATED;
        out->offset = end;
    }
}

typedef struct signature {
    const char *bytes;
    size_t count;
    const char *name;
    gng_status (*inspect)(const uint8_t *bytes, size_t count, gng_inspection *out); /* NULL: known by name only */
    gng_format format;
} signature;

/* "\x89PNG" and not all eight bytes: so that a PNG whose line ends were converted in transfer is told what happened. */
static const signature signatures[] = {
    {"\xFF\xD8", 2, "JPEG", gng_jpeg_inspect, GNG_FORMAT_JPEG},
    {"\x89PNG", 4, "PNG", gng_png_inspect, GNG_FORMAT_PNG},
    {"BM", 2, "BMP", gng_bmp_inspect, GNG_FORMAT_BMP},
    {"II*\0", 4, "TIFF", gng_tiff_inspect, GNG_FORMAT_TIFF},
    {"MM\0*", 4, "TIFF", gng_tiff_inspect, GNG_FORMAT_TIFF},
    {"II+\0", 4, "BigTIFF", NULL, GNG_FORMAT_UNKNOWN},
    {"MM\0+", 4, "BigTIFF", NULL, GNG_FORMAT_UNKNOWN},
    {"GIF8", 4, "GIF", NULL, GNG_FORMAT_UNKNOWN},
    {"RIFF", 4, "RIFF (WebP or AVI)", NULL, GNG_FORMAT_UNKNOWN},
    {"\0\0\0\x0CjP  ", 8, "JPEG 2000", NULL, GNG_FORMAT_UNKNOWN},
    {"\xFF\x0A", 2, "JPEG XL", NULL, GNG_FORMAT_UNKNOWN},
    {"%PDF", 4, "PDF", NULL, GNG_FORMAT_UNKNOWN},
};

gng_status gng_image_inspect(const uint8_t *bytes, size_t count, gng_inspection *out)
{
    *out = (gng_inspection){.format = GNG_FORMAT_UNKNOWN, .fault = GNG_FAULT_NONE};
    if (count == 0)
        return gng_inspection_fail(out, GNG_FAULT_EMPTY, 0, "the file is empty (0 bytes); copy or export it again");
    const char *found = NULL;
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures && found == NULL; ++i) {
        const signature *known = &signatures[i];
        /* A file cut inside a signature of ours is truncated rather than unknown. */
        const size_t compared = known->inspect != NULL && count < known->count ? count : known->count;
        if (count < compared || memcmp(bytes, known->bytes, compared) != 0)
            continue;
        found = known->name;
        if (known->inspect == NULL)
            continue;
        out->format = known->format;
        if (count > GNG_IMAGE_BYTES_MAX)
            return gng_inspection_fail(out, GNG_FAULT_FILE_TOO_LARGE, 0,
                                       "the file has %zu bytes, the limit is %d; scale the picture down or cut it into "
                                       "tiles", count, GNG_IMAGE_BYTES_MAX);
        return known->inspect(bytes, count, out);
    }
    if (found != NULL)
        return gng_inspection_fail(out, GNG_FAULT_FORMAT_UNKNOWN, 0,
                                   "the content is %s, expected JPEG, PNG, BMP or TIFF; save it as PNG", found);
    return gng_inspection_fail(out, GNG_FAULT_FORMAT_UNKNOWN, 0,
                               "the content is no picture format known here (it begins with byte 0x%02X), expected JPEG, "
                               "PNG, BMP or TIFF, whatever the file's name; save it as PNG", bytes[0]);
}
