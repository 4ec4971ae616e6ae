/* TIFF (revision 6.0), as electron microscopes write it: one page of uncompressed strips, grey of 8 or 16 bits or RGB of 8.
 *
 * Everything else that TIFF can hold is refused with what to save instead. Fields that do not change pixels are skipped, also
 * SubIFDs: pictures beside the one that is read, such as its thumbnail, do no harm.
 */
#include "image/tiff.h"

enum { HEADER_BYTES = 8, ENTRY_BYTES = 12, TYPE_SHORT = 3, TYPE_LONG = 4, SAMPLES_MAX = 3 };

/* X(name, tag, smallest and largest value that is read, value where the field is missing, -1: it must be there, most values) */
#define FIELD_LIST(X)                        \
    X(KIND, 254, 0, UINT32_MAX, 0, 1)        \
    X(OLD_KIND, 255, 1, 3, 1, 1)             \
    X(WIDTH, 256, 0, UINT32_MAX, -1, 1)      \
    X(HEIGHT, 257, 0, UINT32_MAX, -1, 1)     \
    X(BITS, 258, 8, 16, 1, SAMPLES_MAX)      \
    X(COMPRESSION, 259, 1, 1, 1, 1)          \
    X(PHOTOMETRIC, 262, 0, 2, -1, 1)         \
    X(FILL_ORDER, 266, 1, 1, 1, 1)           \
    X(STRIP_OFFSETS, 273, 0, UINT32_MAX, -1, UINT32_MAX) \
    X(SAMPLES, 277, 1, SAMPLES_MAX, 1, 1)    \
    X(STRIP_ROWS, 278, 1, UINT32_MAX, UINT32_MAX, 1) \
    X(STRIP_BYTES, 279, 0, UINT32_MAX, -1, UINT32_MAX) \
    X(PLANES, 284, 1, 2, 1, 1)               \
    X(SAMPLE_FORMAT, 339, 1, 1, 1, SAMPLES_MAX)

enum {
#define FIELD_ENUM(name, tag, smallest, largest, missing, most) FIELD_##name,
    FIELD_LIST(FIELD_ENUM)
#undef FIELD_ENUM
        FIELD_COUNT
};

enum { TAG_TILE_WIDTH = 322, TAG_TILE_BYTES = 325, TAG_EXTRA_SAMPLES = 338 };
enum { WHITE_IS_ZERO = 0, BLACK_IS_ZERO = 1, RGB = 2 };
enum { KIND_PAGE = 2 /* of several, a bit; the others: reduced copy, mask */, OLD_KIND_REDUCED = 2 };

static const struct {
    const char *name;
    uint32_t tag;
    uint32_t smallest, largest;
    int64_t missing;
    uint32_t most;
} fields[FIELD_COUNT] = {
#define FIELD_ROW(name, tag, smallest, largest, missing, most) {#name, tag, smallest, largest, missing, most},
    FIELD_LIST(FIELD_ROW)
#undef FIELD_ROW
};

typedef struct walk {
    const uint8_t *bytes;
    size_t count;
    gng_inspection *out;
    gng_tiff_layout *layout;
    gng_tiff_numbers numbers[FIELD_COUNT]; /* count 0: missing */
    size_t entries[FIELD_COUNT];           /* byte of each */
    size_t directory, directory_end;
    size_t end;                            /* behind all that was read so far */
} walk;

#define REMEDY "re-save it as PNG, or as TIFF of one page, uncompressed, in strips, 8- or 16-bit grey or 8-bit RGB"

static gng_status need(walk *w, uint64_t start, uint64_t bytes, const char *what)
{
    if (start + bytes > w->count)
        return gng_inspection_fail(w->out, GNG_FAULT_TRUNCATED, w->count,
                                   "%s should reach from byte %llu to %llu, the file has %zu; copy it again", what,
                                   (unsigned long long)start, (unsigned long long)(start + bytes), w->count);
    w->end = start + bytes > w->end ? (size_t)(start + bytes) : w->end;
    return GNG_OK;
}

static gng_status read_entry(walk *w, size_t at)
{
    const bool big = w->layout->big_endian;
    const uint32_t tag = gng_tiff_u16(w->bytes + at, big), type = gng_tiff_u16(w->bytes + at + 2, big);
    if (tag >= TAG_TILE_WIDTH && tag <= TAG_TILE_BYTES)
        return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, at, "the picture is stored in tiles; " REMEDY);
    if (tag == TAG_EXTRA_SAMPLES)
        return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, at, "the picture has an alpha channel; " REMEDY);
    int field = 0;
    while (field < FIELD_COUNT && fields[field].tag != tag)
        ++field;
    if (field == FIELD_COUNT)
        return GNG_OK;
    gng_tiff_numbers numbers = {.at = at + 8, .count = gng_tiff_u32(w->bytes + at + 4, big), .item_bytes = type == TYPE_LONG ? 4 : 2};
    if ((type != TYPE_SHORT && type != TYPE_LONG) || numbers.count == 0 || numbers.count > fields[field].most ||
        w->numbers[field].count != 0)
        return gng_inspection_fail(w->out, GNG_FAULT_HEADER, at,
                                   "field %u (%s) has type %u and %u values, expected type 3 or 4 and at most %u, or is there "
                                   "twice; export the picture again", tag, fields[field].name, type, numbers.count,
                                   fields[field].most);
    const uint64_t bytes = (uint64_t)numbers.count * numbers.item_bytes;
    if (bytes > 4) {
        numbers.at = gng_tiff_u32(w->bytes + at + 8, big);
        GNG_TRY(need(w, numbers.at, bytes, "the list of a field"));
    }
    w->numbers[field] = numbers;
    w->entries[field] = at;
    return GNG_OK;
}

/* The directory of the only page. */
static gng_status read_directory(walk *w)
{
    const bool big = w->layout->big_endian;
    const size_t start = gng_tiff_u32(w->bytes + 4, big);
    GNG_TRY(need(w, start, 2, "the directory"));
    const size_t entries = gng_tiff_u16(w->bytes + start, big), next = start + 2 + entries * ENTRY_BYTES;
    GNG_TRY(need(w, start, 2 + entries * ENTRY_BYTES + 4, "the directory"));
    w->directory = start;
    w->directory_end = next + 4;
    if (gng_tiff_u32(w->bytes + next, big) != 0)
        return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, next,
                                   "the file holds several pages, expected one; save the one that is meant, " REMEDY);
    for (size_t i = 0; i < entries; ++i)
        GNG_TRY(read_entry(w, start + 2 + i * ENTRY_BYTES));
    for (int field = 0; field < FIELD_COUNT; ++field)
        if (w->numbers[field].count == 0 && fields[field].missing < 0)
            return gng_inspection_fail(w->out, GNG_FAULT_HEADER, start,
                                       "field %u (%s) is missing; export the picture again", fields[field].tag,
                                       fields[field].name);
    return GNG_OK;
}

/* Every value of the field, which are one and the same. */
static gng_status read_field(walk *w, int field, uint32_t *out)
{
    const gng_tiff_numbers *numbers = &w->numbers[field];
    *out = (uint32_t)fields[field].missing;
    for (uint32_t i = 0; i < numbers->count; ++i) {
        const uint32_t value = gng_tiff_number(w->bytes, w->layout->big_endian, numbers, i);
        if (i > 0 && value != *out)
            return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, w->entries[field],
                                       "field %u (%s) has the values %u and %u, expected the same throughout; " REMEDY,
                                       fields[field].tag, fields[field].name, *out, value);
        *out = value;
    }
    if (*out < fields[field].smallest || *out > fields[field].largest)
        return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, w->entries[field], "field %u (%s) is %u; " REMEDY,
                                   fields[field].tag, fields[field].name, *out);
    return GNG_OK;
}

static gng_status read_kind(walk *w)
{
    uint32_t values[FIELD_COUNT];
    for (int field = 0; field < FIELD_COUNT; ++field) {
        values[field] = 0;
        if (field != FIELD_STRIP_OFFSETS && field != FIELD_STRIP_BYTES)
            GNG_TRY(read_field(w, field, &values[field]));
    }
    for (int i = 0; i < 2; ++i) {
        const int field = i == 0 ? FIELD_BITS : FIELD_SAMPLE_FORMAT;
        if (w->numbers[field].count > 1 && w->numbers[field].count != values[FIELD_SAMPLES])
            return gng_inspection_fail(w->out, GNG_FAULT_HEADER, w->entries[field],
                                       "field %u (%s) has %u values for %u samples, expected one for each; export the picture "
                                       "again", fields[field].tag, fields[field].name, w->numbers[field].count,
                                       values[FIELD_SAMPLES]);
    }
    const bool reduced = values[FIELD_OLD_KIND] == OLD_KIND_REDUCED;
    if (reduced || (values[FIELD_KIND] & ~(uint32_t)KIND_PAGE) != 0)
        return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, w->entries[reduced ? FIELD_OLD_KIND : FIELD_KIND],
                                   "the page says that it is a reduced copy or a mask of another picture; save that picture, "
                                   REMEDY);
    GNG_TRY(gng_inspection_size_set(w->out, values[FIELD_HEIGHT], values[FIELD_WIDTH], w->entries[FIELD_HEIGHT]));
    const uint32_t bits = values[FIELD_BITS], samples = values[FIELD_SAMPLES], kind = values[FIELD_PHOTOMETRIC];
    w->out->bit_depth = (int32_t)bits;
    w->out->channels = (int32_t)samples;
    const bool grey = samples == 1 && ((kind == BLACK_IS_ZERO && (bits == 8 || bits == 16)) || (kind == WHITE_IS_ZERO && bits == 8));
    const bool colour = samples == 3 && kind == RGB && bits == 8 && values[FIELD_PLANES] == 1;
    if (!grey && !colour)
        return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, w->entries[FIELD_PHOTOMETRIC],
                                   "found %u samples of %u bits with colours of kind %u in order %u; " REMEDY, samples, bits,
                                   kind, values[FIELD_PLANES]);
    w->layout->inverted = kind == WHITE_IS_ZERO;
    w->layout->sample_bytes = bits / 8;
    w->layout->samples = samples;
    w->layout->row_bytes = (size_t)w->out->width * samples * (bits / 8);
    const uint32_t height = (uint32_t)w->out->height;
    w->layout->strip_rows = values[FIELD_STRIP_ROWS] < height ? values[FIELD_STRIP_ROWS] : height;
    return GNG_OK;
}

typedef struct strip {
    uint64_t start, end; /* bytes of the file */
} strip;

static strip strip_of(const walk *w, uint32_t i)
{
    const bool big = w->layout->big_endian;
    const uint64_t start = gng_tiff_number(w->bytes, big, &w->numbers[FIELD_STRIP_OFFSETS], i);
    return (strip){start, start + gng_tiff_number(w->bytes, big, &w->numbers[FIELD_STRIP_BYTES], i)};
}

/* Strips are in order and apart: the first that ends behind start is the only one that has to be looked at. */
static gng_status check_apart(walk *w, uint64_t start, uint64_t end)
{
    uint32_t low = 0, high = w->numbers[FIELD_STRIP_OFFSETS].count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (strip_of(w, middle).end > start)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == w->numbers[FIELD_STRIP_OFFSETS].count || strip_of(w, low).start >= end)
        return GNG_OK;
    const strip s = strip_of(w, low);
    return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, (size_t)s.start,
                               "strip %u, %llu bytes from byte %llu, overlaps the directory at byte %zu or a list of it (bytes "
                               "%llu to %llu); export the picture again", low, (unsigned long long)(s.end - s.start),
                               (unsigned long long)s.start, w->directory, (unsigned long long)start, (unsigned long long)end);
}

/* Pixels share no byte with the directory and the lists of its fields, whether these are read or skipped. A list that is skipped
 * and would reach beyond the file is none. */
static gng_status check_structure_apart(walk *w)
{
    static const uint8_t type_bytes[14] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4}; /* section 2; 13: a directory */
    const bool big = w->layout->big_endian;
    GNG_TRY(check_apart(w, w->directory, w->directory_end));
    for (size_t at = w->directory + 2; at + 4 < w->directory_end; at += ENTRY_BYTES) {
        const uint32_t type = gng_tiff_u16(w->bytes + at + 2, big);
        const uint64_t bytes = type < 14 ? (uint64_t)gng_tiff_u32(w->bytes + at + 4, big) * type_bytes[type] : 0;
        const uint64_t start = gng_tiff_u32(w->bytes + at + 8, big);
        if (bytes > 4 && start + bytes <= w->count)
            GNG_TRY(check_apart(w, start, start + bytes));
    }
    return GNG_OK;
}

static gng_status check_strips(walk *w)
{
    const gng_tiff_layout *layout = w->layout;
    const uint32_t offsets = w->numbers[FIELD_STRIP_OFFSETS].count, sizes = w->numbers[FIELD_STRIP_BYTES].count;
    const uint32_t height = (uint32_t)w->out->height, strips = (height + layout->strip_rows - 1) / layout->strip_rows;
    if (offsets != strips || sizes != strips)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, w->entries[FIELD_STRIP_OFFSETS],
                                   "found %u strips with %u sizes, %u rows of pixels need %u; export the picture again",
                                   offsets, sizes, height, strips);
    uint64_t previous_end = HEADER_BYTES, pixels_end = 0;
    const size_t structure_end = w->end;
    for (uint32_t i = 0; i < strips; ++i) {
        const strip s = strip_of(w, i);
        const uint32_t left = height - i * layout->strip_rows;
        const uint64_t full = (uint64_t)layout->row_bytes * layout->strip_rows;
        const uint64_t needed = left < layout->strip_rows ? (uint64_t)layout->row_bytes * left : full;
        /* Some writers fill up the last strip with rows that nobody reads. */
        const bool fits = s.end - s.start == needed || (i > 0 && i == strips - 1 && s.end - s.start == full);
        if (!fits || s.start < previous_end)
            return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, w->entries[fits ? FIELD_STRIP_OFFSETS : FIELD_STRIP_BYTES],
                                       "strip %u has %llu bytes from byte %llu, expected %llu behind the header and the strip "
                                       "before, which end at byte %llu; export the picture again", i,
                                       (unsigned long long)(s.end - s.start), (unsigned long long)s.start,
                                       (unsigned long long)needed, (unsigned long long)previous_end);
        GNG_TRY(need(w, s.start, s.end - s.start, "a strip of pixels"));
        previous_end = s.end;
        pixels_end = s.start + needed;
    }
    GNG_TRY(check_structure_apart(w));
    w->out->picture_bytes = w->end;
    /* A writer that came to what lies behind the pixels has written them. */
    if (structure_end <= pixels_end)
        gng_inspection_doubt_zeros(w->bytes, (size_t)pixels_end, layout->row_bytes, w->out);
    return GNG_OK;
}

gng_status gng_tiff_layout_read(const uint8_t *bytes, size_t count, gng_inspection *out, gng_tiff_layout *layout)
{
    *layout = (gng_tiff_layout){.big_endian = bytes[0] == 'M'};
    walk w = {.bytes = bytes, .count = count, .out = out, .layout = layout};
    GNG_TRY(need(&w, 0, HEADER_BYTES, "the header"));
    GNG_TRY(read_directory(&w));
    GNG_TRY(read_kind(&w));
    layout->strips = w.numbers[FIELD_STRIP_OFFSETS];
    return check_strips(&w);
}

gng_status gng_tiff_inspect(const uint8_t *bytes, size_t count, gng_inspection *out)
{
    gng_tiff_layout layout;
    return gng_tiff_layout_read(bytes, count, out, &layout);
}
