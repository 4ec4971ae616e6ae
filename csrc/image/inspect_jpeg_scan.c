/* Entropy-coded data of a JPEG file (ITU-T T.81, annexes E and F): is everything there that the headers promise?
 *
 * Sequential scans are followed with the file's own Huffman tables, code by code, without rebuilding a single sample: every
 * promised block must be there when the marker comes, and nothing else. That finds files whose middle was lost or zeroed.
 * What is checked on the way: codes that no table holds, coefficients that 8-bit samples cannot give, positions beyond the
 * 64th.
 */
#include <string.h>

#include "image/inspect_jpeg_bits.h"

enum { RST0 = 0xD0, RST7 = 0xD7, ZEROS_MAX = 16 /* bytes in a row */ };

void gng_jpeg_bits_refill_bytewise(gng_jpeg_bits *r)
{
    while (r->held <= 56 && !r->ended) {
        if (r->at == r->count) {
            r->ended = true;
            return;
        }
        const uint8_t byte = r->bytes[r->at];
        size_t next = r->at + 1;
        if (byte == 0xFF) {
            while (next < r->count && r->bytes[next] == 0xFF)
                ++next;
            if (next == r->count || r->bytes[next] != 0) {
                r->ended = true;
                return;
            }
            ++next;
        }
        r->window |= (uint64_t)byte << (56 - r->held);
        r->held += 8;
        r->at = next;
    }
}

uint16_t gng_jpeg_code_entry(int role, uint8_t symbol, int code_bits)
{
    if (role == GNG_JPEG_SYMBOLS)
        return (uint16_t)(symbol << 8 | code_bits);
    const int bits = role == GNG_JPEG_DC ? symbol : symbol & 15;
    if (bits > (role == GNG_JPEG_DC ? GNG_JPEG_DC_BITS_MAX : GNG_JPEG_AC_BITS_MAX))
        return 0;
    int step = symbol; /* of DC: the bits */
    if (role == GNG_JPEG_AC)
        step = bits > 0 ? (symbol >> 4) + 1 : symbol == 0xF0 ? 16 : GNG_JPEG_BLOCK_ENDED;
    return (uint16_t)(step << 8 | (code_bits + bits));
}

void gng_jpeg_code_build(const uint8_t *table, int role, gng_jpeg_code *out)
{
    memset(out->entries, 0, sizeof out->entries);
    out->symbols = table + GNG_JPEG_CODE_BITS_MAX;
    out->role = role;
    uint32_t code = 0;
    int index = 0;
    for (int bits = 1; bits <= GNG_JPEG_CODE_BITS_MAX; ++bits, code <<= 1) {
        out->firsts[bits] = index - (int32_t)code;
        for (int i = 0; i < table[bits - 1]; ++i, ++index, ++code) {
            if (bits > GNG_JPEG_LOOKAHEAD)
                continue;
            const uint16_t entry = gng_jpeg_code_entry(role, out->symbols[index], bits);
            const uint32_t span = 1u << (GNG_JPEG_LOOKAHEAD - bits), start = code * span;
            for (uint32_t k = 0; k < span; ++k)
                out->entries[start + k] = entry;
        }
        out->limits[bits] = code << (GNG_JPEG_CODE_BITS_MAX - bits);
    }
}

int gng_jpeg_code_find(const gng_jpeg_code *code, uint64_t window, int *bits)
{
    const uint32_t next = (uint32_t)(window >> (64 - GNG_JPEG_CODE_BITS_MAX));
    for (*bits = 1; *bits <= GNG_JPEG_CODE_BITS_MAX; ++*bits)
        if (next < code->limits[*bits])
            return code->symbols[(int32_t)(next >> (GNG_JPEG_CODE_BITS_MAX - *bits)) + code->firsts[*bits]];
    return -1;
}

/* One block of 64 coefficients (F.2.2). False when it cannot be what an encoder of 8-bit samples wrote. Past the end zeros
 * are read, which the caller notices by `held`. */
static bool walk_block(gng_jpeg_bits *reader, const gng_jpeg_code *dc, const gng_jpeg_code *ac, int32_t dc_step, int32_t *predicted)
{
    gng_jpeg_bits r = *reader; /* a copy that the compiler can keep in registers */
    bool known = gng_jpeg_dc_take(&r, dc, predicted);
    int position = 1;
    while (known && position < GNG_JPEG_COEFFICIENTS) {
        const uint16_t entry = gng_jpeg_code_peek(&r, ac);
        gng_jpeg_bits_drop(&r, entry & 255);
        position += entry >> 8;
        known = entry != 0;
    }
    *reader = r;
    const int32_t level = *predicted * dc_step;
    return known && (position <= GNG_JPEG_COEFFICIENTS || position >= GNG_JPEG_BLOCK_ENDED) && level >= -GNG_JPEG_DC_MAX &&
           level <= GNG_JPEG_DC_MAX;
}

static uint32_t divide_up(uint32_t a, uint32_t b)
{
    return (a + b - 1) / b;
}

void gng_jpeg_units_count(const gng_jpeg_walk *w, const gng_jpeg_scan *sc, uint64_t *units, int blocks[GNG_JPEG_COMPONENTS_MAX])
{
    const uint32_t height = (uint32_t)w->out->height, width = (uint32_t)w->out->width;
    const gng_jpeg_component *c = sc->components[0];
    blocks[0] = 1;
    if (sc->count == 1) {
        *units = (uint64_t)divide_up(divide_up(height * c->vertical, w->vertical_max), 8) *
                 divide_up(divide_up(width * c->horizontal, w->horizontal_max), 8);
        return;
    }
    *units = (uint64_t)divide_up(height, 8u * w->vertical_max) * divide_up(width, 8u * w->horizontal_max);
    for (int i = 0; i < sc->count; ++i)
        blocks[i] = sc->components[i]->horizontal * sc->components[i]->vertical;
}

gng_status gng_jpeg_fail_at_end(gng_jpeg_walk *w)
{
    return gng_inspection_fail(w->out, GNG_FAULT_TRUNCATED, w->count,
                               "the file ends at byte %zu, inside the pixel data; copy it again", w->count);
}

bool gng_jpeg_marker_read(const gng_jpeg_walk *w, size_t at, size_t *behind, uint8_t *code)
{
    while (at < w->count && w->bytes[at] == 0xFF)
        ++at;
    if (at == w->count)
        return false;
    *code = w->bytes[at];
    *behind = at + 1;
    return true;
}

/* After the last promised block before a marker at most the bits that fill a byte are left. */
static gng_status end_interval(gng_jpeg_walk *w, gng_jpeg_bits *r, uint64_t done, uint8_t *code, size_t *behind)
{
    gng_jpeg_bits_refill(r);
    if (r->held >= 8)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, r->at - (size_t)(r->held / 8),
                                   "pixel data go on behind the promised %llu coding units: something was lost or altered "
                                   "before; copy or export the picture again", (unsigned long long)done);
    return gng_jpeg_marker_read(w, r->at, behind, code) ? GNG_OK : gng_jpeg_fail_at_end(w);
}

gng_status gng_jpeg_interval_next(gng_jpeg_walk *w, gng_jpeg_bits *r, uint64_t done, uint64_t restarts)
{
    uint8_t code = 0;
    size_t behind = 0;
    GNG_TRY(end_interval(w, r, done, &code, &behind));
    if (code != RST0 + restarts % 8)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, r->at,
                                   "found marker FF%02X where restart marker FF%02X was expected: pixel data are missing; copy "
                                   "or export the picture again", code, (unsigned)(RST0 + restarts % 8));
    *r = (gng_jpeg_bits){.bytes = w->bytes, .count = w->count, .at = behind};
    return GNG_OK;
}

gng_status gng_jpeg_interval_last(gng_jpeg_walk *w, gng_jpeg_bits *r, uint64_t done)
{
    uint8_t code = 0;
    size_t behind = 0;
    GNG_TRY(end_interval(w, r, done, &code, &behind));
    w->at = r->at;
    if (code < RST0 || code > RST7)
        return GNG_OK;
    return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, r->at,
                               "found restart marker FF%02X behind the last coding unit, expected the end of the pixel data; "
                               "copy or export the picture again", code);
}

gng_status gng_jpeg_fail_in_block(gng_jpeg_walk *w, const gng_jpeg_bits *r, uint64_t done, uint64_t units)
{
    size_t behind;
    uint8_t code;
    if (r->ended && r->held < GNG_JPEG_CODE_BITS_MAX) {
        if (!gng_jpeg_marker_read(w, r->at, &behind, &code))
            return gng_jpeg_fail_at_end(w);
        return gng_inspection_fail(w->out, GNG_FAULT_TRUNCATED, r->at,
                                   "found marker FF%02X after %llu of %llu coding units: pixel data are missing; copy or "
                                   "export the picture again", code, (unsigned long long)done, (unsigned long long)units);
    }
    return gng_inspection_fail(w->out, GNG_FAULT_PIXELS, r->at,
                               "the pixel data are damaged in coding unit %llu of %llu; copy or export the picture again",
                               (unsigned long long)done + 1, (unsigned long long)units);
}

/* Zeroed sectors, whose wrong blocks can by chance be as many as those that were there. Where zero bits do not mean "end of
 * block", sixteen zero bytes would be a block with dozens of equal coefficients in a row, which no picture has. */
static gng_status check_zeros(gng_jpeg_walk *w, size_t start, size_t end)
{
    for (size_t at = start + ZEROS_MAX - 1; at < end; at += ZEROS_MAX) {
        size_t first = at, behind = at;
        while (behind < end && w->bytes[behind] == 0)
            ++behind;
        while (behind > at && first > start && w->bytes[first - 1] == 0)
            --first;
        if (behind - first >= ZEROS_MAX)
            return gng_inspection_fail(w->out, GNG_FAULT_PIXELS, first,
                                       "%zu bytes of the pixel data are zero, as where a disk or a transfer failed; copy or "
                                       "export the picture again", behind - first);
    }
    return GNG_OK;
}

static gng_status walk_sequential(gng_jpeg_walk *w, const gng_jpeg_scan *sc)
{
    gng_jpeg_code tables[GNG_JPEG_COMPONENTS_MAX][2];
    const gng_jpeg_code *of[GNG_JPEG_COMPONENTS_MAX][2];
    int blocks[GNG_JPEG_COMPONENTS_MAX];
    for (int i = 0; i < sc->count; ++i)
        for (int role = GNG_JPEG_DC; role <= GNG_JPEG_AC; ++role) {
            int same = 0; /* colour differences share their tables */
            while (same < i && sc->tables[same][role] != sc->tables[i][role])
                ++same;
            if (same == i)
                gng_jpeg_code_build(w->huffman[role][sc->tables[i][role]], role, &tables[i][role]);
            of[i][role] = &tables[same][role];
        }
    const size_t start = w->at;
    uint64_t units, restarts = 0;
    gng_jpeg_units_count(w, sc, &units, blocks);
    gng_jpeg_bits r = {.bytes = w->bytes, .count = w->count, .at = w->at};
    int32_t predicted[GNG_JPEG_COMPONENTS_MAX] = {0};
    uint64_t until_restart = w->restart_interval == 0 ? units : w->restart_interval;
    for (uint64_t unit = 0; unit < units; ++unit, --until_restart) {
        if (until_restart == 0) {
            GNG_TRY(gng_jpeg_interval_next(w, &r, unit, restarts++));
            until_restart = w->restart_interval;
            memset(predicted, 0, sizeof predicted);
        }
        for (int i = 0; i < sc->count; ++i) {
            const int32_t step = w->dc_step[sc->components[i]->quantisation];
            for (int block = 0; block < blocks[i]; ++block)
                if (!walk_block(&r, of[i][GNG_JPEG_DC], of[i][GNG_JPEG_AC], step, &predicted[i]) || r.held < 0)
                    return gng_jpeg_fail_in_block(w, &r, unit, units);
        }
    }
    GNG_TRY(gng_jpeg_interval_last(w, &r, units));
    bool zeros_are_flat = true;
    for (int i = 0; i < sc->count; ++i)
        zeros_are_flat = zeros_are_flat && of[i][GNG_JPEG_AC]->entries[0] >> 8 == GNG_JPEG_BLOCK_ENDED;
    return zeros_are_flat ? GNG_OK : check_zeros(w, start, w->at);
}

gng_status gng_jpeg_scan_data_walk(gng_jpeg_walk *w, const gng_jpeg_segment *s, const gng_jpeg_scan *scan)
{
    return w->out->progressive ? gng_jpeg_progressive_walk(w, s, scan) : walk_sequential(w, scan);
}
