/* JPEG (ITU-T T.81): every segment whole, tables and headers valid, every component coded, the end marker in place.
 *
 * Entropy-coded data is walked in inspect_jpeg_scan.c and inspect_jpeg_progressive.c. Baseline, extended and progressive
 * frames (SOF0 to SOF2) of 8-bit samples with one or three components are accepted.
 */
#include "image/inspect_jpeg.h"

#include <string.h>

enum {
    SOF0 = 0xC0, SOF1 = 0xC1, SOF2 = 0xC2, DHT = 0xC4, RST0 = 0xD0, RST7 = 0xD7, SOI = 0xD8, EOI = 0xD9, SOS = 0xDA,
    DQT = 0xDB, DRI = 0xDD, APP0 = 0xE0, APP2 = 0xE2, APP14 = 0xEE, APP15 = 0xEF, COM = 0xFE
};

enum {
    SCANS_MAX = 64,
    BLOCKS_PER_UNIT_MAX = 10, /* B.2.3 */
    SHIFT_MAX = 13,           /* largest successive approximation bit position (B.2.3) */
    NOT_CODED = -1
};

static gng_status next_segment(gng_jpeg_walk *w, gng_jpeg_segment *s)
{
    const size_t offset = w->at;
    while (w->at < w->count && w->bytes[w->at] == 0xFF)
        ++w->at;
    if (w->at < w->count && w->at == offset)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, offset,
                                   "found byte 0x%02X where a marker (0xFF) was expected; export the picture again",
                                   w->bytes[offset]);
    if (w->at == w->count)
        return gng_inspection_fail(w->out, GNG_FAULT_TRUNCATED, w->count,
                                   "the file ends at byte %zu, without an end marker; copy it again", w->count);
    *s = (gng_jpeg_segment){.offset = offset, .marker = w->bytes[w->at++]};
    if (s->marker == EOI)
        return GNG_OK;
    if (s->marker < SOF0 || (s->marker >= RST0 && s->marker <= SOI) || (s->marker > APP15 && s->marker != COM))
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, offset,
                                   "found marker FF%02X, which has no place between segments; export the picture again",
                                   s->marker);
    const size_t left = w->count - w->at;
    const size_t length = left < 2 ? 2 : gng_read_u16_be(w->bytes + w->at);
    if (left < 2 || length > left)
        return gng_inspection_fail(w->out, GNG_FAULT_TRUNCATED, offset,
                                   "segment FF%02X reaches beyond the end of the file at %zu bytes; copy it again",
                                   s->marker, w->count);
    if (length < 2)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, offset,
                                   "segment FF%02X says it has %zu bytes, expected at least 2; export the picture again",
                                   s->marker, length);
    s->data = w->bytes + w->at + 2;
    s->length = length - 2;
    w->at += length;
    return GNG_OK;
}

static gng_status read_component(gng_jpeg_walk *w, const gng_jpeg_segment *s, int index)
{
    const uint8_t *data = s->data + 6 + 3 * index;
    gng_jpeg_component *c = &w->components[index];
    *c = (gng_jpeg_component){.id = data[0], .horizontal = data[1] >> 4, .vertical = data[1] & 15, .quantisation = data[2]};
    memset(c->precision, NOT_CODED, sizeof c->precision);
    if (c->horizontal < 1 || c->horizontal > 4 || c->vertical < 1 || c->vertical > 4 || c->quantisation >= GNG_JPEG_TABLES)
        return gng_inspection_fail(w->out, GNG_FAULT_HEADER, s->offset,
                                   "component %u has sampling %u x %u and quantisation table %u, expected 1 to 4 and 0 to 3; "
                                   "export the picture again", c->id, c->horizontal, c->vertical, c->quantisation);
    for (int i = 0; i < index; ++i)
        if (w->components[i].id == c->id)
            return gng_inspection_fail(w->out, GNG_FAULT_HEADER, s->offset,
                                       "two components have the number %u, expected distinct ones; export the picture again",
                                       c->id);
    w->horizontal_max = c->horizontal > w->horizontal_max ? c->horizontal : w->horizontal_max;
    w->vertical_max = c->vertical > w->vertical_max ? c->vertical : w->vertical_max;
    return GNG_OK;
}

static gng_status read_frame(gng_jpeg_walk *w, const gng_jpeg_segment *s)
{
    if (w->components_count > 0)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, s->offset,
                                   "found a second frame header (marker FF%02X), expected one; export the picture again",
                                   s->marker);
    if (s->length < 6 || s->length != 6 + 3 * (size_t)s->data[5])
        return gng_inspection_fail(w->out, GNG_FAULT_HEADER, s->offset,
                                   "the frame header has %zu bytes, which does not fit its components; export the picture "
                                   "again", s->length);
    const int components = s->data[5];
    const uint32_t height = gng_read_u16_be(s->data + 1);
    if (height == 0)
        return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, s->offset,
                                   "the height is to follow later (marker DNL), expected it in the header; save the picture "
                                   "again");
    GNG_TRY(gng_inspection_size_set(w->out, height, gng_read_u16_be(s->data + 3), s->offset));
    w->out->bit_depth = s->data[0];
    if (s->data[0] != 8)
        return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, s->offset,
                                   "found %u bits per sample, expected 8; convert the picture to 8 bits", s->data[0]);
    if (components != 1 && components != GNG_JPEG_COMPONENTS_MAX)
        return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, s->offset,
                                   "found %d colour components%s, expected 1 (grey) or 3; convert the picture to grey or RGB",
                                   components, components == 4 ? " (CMYK)" : "");
    w->out->channels = components;
    w->out->progressive = s->marker == SOF2;
    for (int i = 0; i < components; ++i)
        GNG_TRY(read_component(w, s, i));
    for (int i = 0; i < components; ++i)
        if (w->horizontal_max % w->components[i].horizontal != 0 || w->vertical_max % w->components[i].vertical != 0)
            return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, s->offset,
                                       "component %u is subsampled by a fraction (%u x %u of %u x %u), expected a whole "
                                       "number; save the picture again", w->components[i].id, w->components[i].horizontal,
                                       w->components[i].vertical, w->horizontal_max, w->vertical_max);
    w->components_count = components;
    w->frame_offset = s->offset;
    return GNG_OK;
}

/* JFIF and Adobe segments say how three components are to be read as colours. */
static gng_status read_application(gng_jpeg_walk *w, const gng_jpeg_segment *s)
{
    /* Multi-Picture Format (CIPA DC-007): the pictures behind the first one are meant to be there. */
    w->pictures_index = w->pictures_index || (s->marker == APP2 && s->length >= 4 && memcmp(s->data, "MPF", 4) == 0);
    const bool jfif = s->marker == APP0 && s->length >= 5 && memcmp(s->data, "JFIF", 5) == 0;
    const bool adobe = s->marker == APP14 && s->length >= 12 && memcmp(s->data, "Adobe", 5) == 0;
    if (!jfif && !adobe)
        return GNG_OK;
    if (w->scans > 0)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, s->offset,
                                   "found a colour marker (FF%02X) behind pixel data, expected it before; export the picture "
                                   "again", s->marker);
    if (jfif && s->length < 14)
        return gng_inspection_fail(w->out, GNG_FAULT_HEADER, s->offset,
                                   "the JFIF segment has %zu bytes, expected at least 14; export the picture again",
                                   s->length);
    /* All versions so far are about 100; stb_image knows the segment by the zero in front. */
    if (adobe && (s->data[5] != 0 || (w->adobe && w->adobe_transform != s->data[11])))
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, s->offset,
                                   "found an Adobe segment of unknown version, or two that differ; export the picture again");
    w->jfif = w->jfif || jfif;
    if (adobe) {
        w->adobe = true;
        w->adobe_transform = s->data[11];
    }
    return GNG_OK;
}

/* Decoders weigh these markers differently, so a file in which they disagree has no certain colours. */
static gng_status check_colour_markers(gng_jpeg_walk *w, const gng_jpeg_segment *s)
{
    static const uint8_t rgb[GNG_JPEG_COMPONENTS_MAX] = {'R', 'G', 'B'};
    bool rgb_numbers = w->components_count == GNG_JPEG_COMPONENTS_MAX;
    for (int i = 0; i < w->components_count; ++i)
        rgb_numbers = rgb_numbers && w->components[i].id == rgb[i];
    const bool says_rgb = rgb_numbers || (w->adobe && w->adobe_transform == 0);
    const bool says_ycbcr = w->jfif || (w->adobe && w->adobe_transform != 0);
    if (w->components_count == GNG_JPEG_COMPONENTS_MAX && ((says_rgb && says_ycbcr) || (w->adobe && w->adobe_transform > 1)))
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, s->offset,
                                   "the colour markers contradict each other (JFIF %s, Adobe %s %u, components numbered R, "
                                   "G, B: %s); export the picture again", w->jfif ? "yes" : "no", w->adobe ? "yes" : "no",
                                   w->adobe_transform, rgb_numbers ? "yes" : "no");
    return GNG_OK;
}

static gng_status read_scan_header(gng_jpeg_walk *w, const gng_jpeg_segment *s, gng_jpeg_scan *out)
{
    *out = (gng_jpeg_scan){.count = s->length > 0 ? s->data[0] : 0};
    if (out->count < 1 || out->count > w->components_count || s->length != 4 + 2 * (size_t)out->count)
        return gng_inspection_fail(w->out, GNG_FAULT_HEADER, s->offset,
                                   "the scan header has %zu bytes for %d of %d components; export the picture again",
                                   s->length, out->count, w->components_count);
    for (int i = 0, next = 0; i < out->count; ++i, ++next) {
        const uint8_t *data = s->data + 1 + 2 * i;
        while (next < w->components_count && w->components[next].id != data[0])
            ++next; /* the order of the frame is kept (B.2.3), which also finds repetitions */
        if (next == w->components_count)
            return gng_inspection_fail(w->out, GNG_FAULT_HEADER, s->offset,
                                       "the scan names component %u, which is unknown, repeated or out of order; export the "
                                       "picture again", data[0]);
        out->components[i] = &w->components[next];
        out->tables[i][GNG_JPEG_DC] = data[1] >> 4;
        out->tables[i][GNG_JPEG_AC] = data[1] & 15;
    }
    const uint8_t *range = s->data + 1 + 2 * out->count;
    out->first = range[0];
    out->last = range[1];
    out->high = range[2] >> 4;
    out->low = range[2] & 15;
    const bool sequential = out->first == 0 && out->last == GNG_JPEG_COEFFICIENTS - 1 && out->high == 0 && out->low == 0;
    const bool spectral = out->first == 0 ? out->last == 0
                                          : out->first <= out->last && out->last < GNG_JPEG_COEFFICIENTS && out->count == 1;
    const bool approximation = out->low <= SHIFT_MAX && (out->high == 0 || out->high == out->low + 1);
    if (w->out->progressive ? !spectral || !approximation : !sequential)
        return gng_inspection_fail(w->out, GNG_FAULT_HEADER, s->offset,
                                   "the scan covers coefficients %u to %u at bits %u to %u in %d components, which is "
                                   "invalid; export the picture again", out->first, out->last, out->high, out->low,
                                   out->count);
    return GNG_OK;
}

/* Every coefficient once, from its first scan down to bit 0 without a gap (G.1.1.1). */
static gng_status check_progress(gng_jpeg_walk *w, const gng_jpeg_segment *s, const gng_jpeg_scan *sc)
{
    for (int i = 0; i < sc->count; ++i) {
        gng_jpeg_component *c = sc->components[i];
        for (int k = sc->first; k <= sc->last; ++k) {
            const bool expected = sc->high == 0 ? c->precision[k] == NOT_CODED : c->precision[k] == sc->high;
            if (!expected || (sc->first > 0 && c->precision[0] == NOT_CODED))
                return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, s->offset,
                                           "coefficient %d of component %u is sent twice or out of order; export the picture "
                                           "again", k, c->id);
            c->precision[k] = (int8_t)sc->low;
        }
    }
    return GNG_OK;
}

static gng_status check_scan_tables(gng_jpeg_walk *w, const gng_jpeg_segment *s, const gng_jpeg_scan *sc)
{
    const bool needs[2] = {sc->first == 0 && sc->high == 0, sc->last > 0};
    int blocks = 0;
    for (int i = 0; i < sc->count; ++i) {
        const gng_jpeg_component *c = sc->components[i];
        for (int role = GNG_JPEG_DC; role <= GNG_JPEG_AC; ++role) {
            const uint8_t index = sc->tables[i][role];
            if (index >= GNG_JPEG_TABLES || (needs[role] && w->huffman[role][index] == NULL))
                return gng_inspection_fail(w->out, GNG_FAULT_TABLE, s->offset,
                                           "the scan needs %s Huffman table %u, which is not defined before it; export the "
                                           "picture again", role == GNG_JPEG_DC ? "DC" : "AC", index);
        }
        if ((w->quantisation_defined >> c->quantisation & 1) == 0)
            return gng_inspection_fail(w->out, GNG_FAULT_TABLE, s->offset,
                                       "the scan needs quantisation table %u, which is not defined before it; export the "
                                       "picture again", c->quantisation);
        w->quantisation_used |= (uint8_t)(1u << c->quantisation);
        blocks += c->horizontal * c->vertical;
    }
    if (sc->count > 1 && blocks > BLOCKS_PER_UNIT_MAX)
        return gng_inspection_fail(w->out, GNG_FAULT_HEADER, s->offset,
                                   "the scan has %d blocks in a coding unit, expected at most %d; export the picture again",
                                   blocks, BLOCKS_PER_UNIT_MAX);
    return GNG_OK;
}

static gng_status read_scan(gng_jpeg_walk *w, const gng_jpeg_segment *s)
{
    if (w->components_count == 0)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, s->offset,
                                   "found pixel data before the frame header, expected after; export the picture again");
    if (++w->scans > SCANS_MAX)
        return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, s->offset,
                                   "found more than %d scans; save the picture as baseline JPEG or as PNG", SCANS_MAX);
    gng_jpeg_scan sc = {0};
    GNG_TRY(read_scan_header(w, s, &sc));
    GNG_TRY(check_scan_tables(w, s, &sc));
    GNG_TRY(check_progress(w, s, &sc));
    return gng_jpeg_scan_data_walk(w, s, &sc);
}

static gng_status read_segment(gng_jpeg_walk *w, const gng_jpeg_segment *s)
{
    switch (s->marker) {
    case DQT:
        return gng_jpeg_quantisation_read(w, s);
    case DHT:
        return gng_jpeg_huffman_read(w, s);
    case SOF0:
    case SOF1:
    case SOF2:
        return read_frame(w, s);
    case SOS:
        return read_scan(w, s);
    case DRI:
        if (s->length != 2)
            return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, s->offset,
                                       "the restart interval has %zu bytes, expected 2; export the picture again", s->length);
        w->restart_interval = gng_read_u16_be(s->data);
        return GNG_OK;
    case COM:
        return GNG_OK;
    default:
        break;
    }
    if (s->marker >= APP0 && s->marker <= APP15)
        return read_application(w, s);
    return gng_inspection_fail(w->out, GNG_FAULT_UNSUPPORTED, s->offset,
                               "found marker FF%02X (lossless, hierarchical or arithmetic coding), expected baseline or "
                               "progressive Huffman coding; save the picture as baseline JPEG or as PNG", s->marker);
}

/* A tail is none of our business, unless it is a picture that may be the one that is meant. */
static void find_doubt(gng_jpeg_walk *w)
{
    if (w->out->progressive) {
        w->out->doubt = GNG_DOUBT_PROGRESSIVE;
        w->out->offset = w->frame_offset;
        return;
    }
    for (size_t at = w->at; !w->pictures_index && at + 3 <= w->count; ++at) {
        const uint8_t *mark = memchr(w->bytes + at, 0xFF, w->count - at - 2);
        if (mark == NULL)
            return;
        at = (size_t)(mark - w->bytes);
        if (mark[1] == SOI && mark[2] == 0xFF) {
            w->out->doubt = GNG_DOUBT_SECOND_PICTURE;
            w->out->offset = at;
            return;
        }
    }
}

static gng_status finish(gng_jpeg_walk *w, const gng_jpeg_segment *end)
{
    for (int i = 0; i < w->components_count; ++i)
        for (int k = 0; k < GNG_JPEG_COEFFICIENTS; ++k)
            if (w->components[i].precision[k] != 0)
                return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, end->offset,
                                           "component %u is incomplete at the end marker (coefficient %d): pixel data are "
                                           "missing; copy or export the picture again", w->components[i].id, k);
    if (w->components_count == 0)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, end->offset,
                                   "found the end marker before any frame header; export the picture again");
    GNG_TRY(check_colour_markers(w, end));
    w->out->picture_bytes = w->at;
    find_doubt(w);
    return GNG_OK;
}

static gng_status walk_file(gng_jpeg_walk *w)
{
    for (;;) {
        gng_jpeg_segment s = {0};
        GNG_TRY(next_segment(w, &s));
        if (s.marker == EOI)
            return finish(w, &s);
        GNG_TRY(read_segment(w, &s));
    }
}

gng_status gng_jpeg_inspect(const uint8_t *bytes, size_t count, gng_inspection *out)
{
    /* Behind SOI; a file of one byte is told that it ends early by the first look for a segment. */
    gng_jpeg_walk w = {.bytes = bytes, .count = count, .at = count < 2 ? count : 2, .out = out};
    return walk_file(&w);
}

/* No component has more blocks than the whole picture. */
static size_t blocks_of(const gng_inspection *inspection)
{
    return (((size_t)inspection->height + 7) / 8) * (((size_t)inspection->width + 7) / 8);
}

size_t gng_jpeg_history_blocks(const gng_inspection *inspection)
{
    return (size_t)inspection->channels * blocks_of(inspection);
}

gng_status gng_jpeg_follow(const uint8_t *bytes, gng_inspection *inspection, uint64_t *history)
{
    gng_inspection found = {.format = GNG_FORMAT_JPEG};
    gng_jpeg_walk w = {.bytes = bytes, .count = inspection->picture_bytes, .at = 2, .out = &found, .history = history,
                       .history_blocks = blocks_of(inspection)};
    const gng_status status = walk_file(&w);
    if (status != GNG_OK) {
        inspection->fault = found.fault;
        inspection->doubt = GNG_DOUBT_NONE;
        inspection->offset = found.offset;
    }
    return status;
}
