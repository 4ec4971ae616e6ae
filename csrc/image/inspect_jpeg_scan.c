/* Entropy-coded data of a JPEG file (ITU-T T.81, annexes E and F): is everything there that the headers promise?
 *
 * Sequential scans are followed with the file's own Huffman tables, code by code, without rebuilding a single sample: every
 * promised block must be there when the marker comes, and nothing else. That finds files whose middle was lost or zeroed.
 * What is checked on the way: codes that no table holds, coefficients that 8-bit samples cannot give, positions beyond the
 * 64th. Progressive scans are searched for markers alone.
 */
#include <string.h>

#include "image/inspect_jpeg.h"

enum { RST0 = 0xD0, RST7 = 0xD7 };

enum {
    LOOKAHEAD = 10,       /* bits; nearly all codes of real files are shorter */
    CODE_BITS_MAX = 16,
    DC_BITS_MAX = 11,     /* of a value, for samples of 8 bits (tables F.1 and F.2) */
    AC_BITS_MAX = 10,
    DC_MAX = 2048,        /* 8-bit samples reach 1024; rounding to a large quantisation step at most doubles that */
    BITS_NEEDED = 32,     /* a code and its value have at most 27 */
    ZEROS_MAX = 16,       /* bytes in a row */
    BLOCK_ENDED = 128     /* step of "end of block": beyond every position */
};

/* An entry holds the bits of code and value together in its low byte. In its high byte: for DC the bits of the value, for
 * AC how many positions the code moves on. 0: no such code. */
typedef struct huffman {
    uint16_t entries[1 << LOOKAHEAD];     /* by the next bits; 0 also for longer codes */
    uint32_t limits[CODE_BITS_MAX + 1];   /* codes of n bits, shifted up to 16, are below limits[n] and above shorter ones */
    int32_t firsts[CODE_BITS_MAX + 1];    /* index of the first symbol of n bits minus its code */
    const uint8_t *symbols;
    int role;
} huffman;

/* Reads bits from the highest down, without the zero bytes that follow each data byte 0xFF. */
typedef struct bit_reader {
    const uint8_t *bytes; /* [count] */
    size_t count;
    size_t at;       /* next byte to take; at the end the first 0xFF of the marker */
    uint64_t window; /* the next bit is the highest */
    int held;        /* bits in the window that count; below 0 when more was taken than there was */
    bool ended;      /* by a marker or the end of the file */
} bit_reader;

static uint16_t entry_of(int role, uint8_t symbol, int code_bits)
{
    const int bits = role == GNG_JPEG_DC ? symbol : symbol & 15;
    if (bits > (role == GNG_JPEG_DC ? DC_BITS_MAX : AC_BITS_MAX))
        return 0;
    int step = symbol; /* of DC: the bits */
    if (role == GNG_JPEG_AC)
        step = bits > 0 ? (symbol >> 4) + 1 : symbol == 0xF0 ? 16 : BLOCK_ENDED;
    return (uint16_t)(step << 8 | (code_bits + bits));
}

/* table: 16 counts and the symbols, checked by gng_jpeg_huffman_read. */
static void build_huffman(const uint8_t *table, int role, huffman *out)
{
    memset(out->entries, 0, sizeof out->entries);
    out->symbols = table + CODE_BITS_MAX;
    out->role = role;
    uint32_t code = 0;
    int index = 0;
    for (int bits = 1; bits <= CODE_BITS_MAX; ++bits, code <<= 1) {
        out->firsts[bits] = index - (int32_t)code;
        for (int i = 0; i < table[bits - 1]; ++i, ++index, ++code) {
            if (bits > LOOKAHEAD)
                continue;
            const uint16_t entry = entry_of(role, out->symbols[index], bits);
            const uint32_t span = 1u << (LOOKAHEAD - bits), start = code * span;
            for (uint32_t k = 0; k < span; ++k)
                out->entries[start + k] = entry;
        }
        out->limits[bits] = code << (CODE_BITS_MAX - bits);
    }
}

static uint16_t find_long_code(const huffman *h, uint64_t window)
{
    const uint32_t next = (uint32_t)(window >> (64 - CODE_BITS_MAX));
    for (int bits = 1; bits <= CODE_BITS_MAX; ++bits)
        if (next < h->limits[bits])
            return entry_of(h->role, h->symbols[(int32_t)(next >> (CODE_BITS_MAX - bits)) + h->firsts[bits]], bits);
    return 0;
}

static void refill_bytewise(bit_reader *r)
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

/* Eight bytes at once where none of them is 0xFF. Bits of theirs that do not count yet are put into the window as well;
 * they come again, the same, with the next refill. */
static inline void refill(bit_reader *r)
{
    if (r->held < 0 || r->held > 56)
        return;
    if (r->count - r->at >= 8) {
        const uint8_t *b = r->bytes + r->at;
        const uint64_t next = (uint64_t)gng_read_u32_be(b) << 32 | gng_read_u32_be(b + 4);
        const uint64_t inverted = ~next; /* a zero byte where there was 0xFF */
        if (((inverted - 0x0101010101010101u) & ~inverted & 0x8080808080808080u) == 0) {
            const int taken = (63 - r->held) / 8;
            r->window |= next >> r->held;
            r->at += (size_t)taken;
            r->held += 8 * taken;
            return;
        }
    }
    refill_bytewise(r);
}

static inline uint16_t take_code(bit_reader *r, const huffman *h)
{
    if (r->held < BITS_NEEDED)
        refill(r);
    uint16_t entry = h->entries[r->window >> (64 - LOOKAHEAD)];
    if (entry == 0)
        entry = find_long_code(h, r->window);
    return entry;
}

static inline void drop_bits(bit_reader *r, int bits)
{
    r->window <<= bits;
    r->held -= bits;
}

/* One block of 64 coefficients (F.2.2). False when it cannot be what an encoder of 8-bit samples wrote. Past the end zeros
 * are read, which the caller notices by `held`. */
static bool walk_block(bit_reader *reader, const huffman *dc, const huffman *ac, int32_t dc_step, int32_t *predicted)
{
    bit_reader r = *reader; /* a copy that the compiler can keep in registers */
    const uint16_t first = take_code(&r, dc);
    const int value_bits = first >> 8, bits = first & 255;
    if (value_bits > 0) {
        const int32_t value = (int32_t)(r.window << (bits - value_bits) >> (64 - value_bits));
        *predicted += value >> (value_bits - 1) != 0 ? value : value - (1 << value_bits) + 1;
    }
    drop_bits(&r, bits);
    int position = 1;
    bool known = first != 0;
    while (known && position < GNG_JPEG_COEFFICIENTS) {
        const uint16_t entry = take_code(&r, ac);
        drop_bits(&r, entry & 255);
        position += entry >> 8;
        known = entry != 0;
    }
    *reader = r;
    const int32_t level = *predicted * dc_step;
    return known && (position <= GNG_JPEG_COEFFICIENTS || position >= BLOCK_ENDED) && level >= -DC_MAX && level <= DC_MAX;
}

static uint32_t divide_up(uint32_t a, uint32_t b)
{
    return (a + b - 1) / b;
}

/* Coding units of the scan and blocks in each: a lone component is coded without the padding that interleaving needs,
 * whatever its sampling factors (A.2.2, A.2.3). */
static void count_units(const gng_jpeg_walk *w, const gng_jpeg_scan *sc, uint64_t *units, int blocks[GNG_JPEG_COMPONENTS_MAX])
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

static gng_status fail_at_end(gng_jpeg_walk *w)
{
    return gng_inspection_fail(w->out, GNG_FAULT_TRUNCATED, w->count,
                               "the file ends after %zu bytes, inside the pixel data; copy it again", w->count);
}

/* Behind a marker's 0xFF bytes at `at`; *code is the marker. False at the end of the file. */
static bool read_marker(const gng_jpeg_walk *w, size_t at, size_t *behind, uint8_t *code)
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
static gng_status end_interval(gng_jpeg_walk *w, bit_reader *r, uint64_t done, uint8_t *code, size_t *behind)
{
    refill(r);
    if (r->held >= 8)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, r->at - (size_t)(r->held / 8),
                                   "pixel data go on behind the promised %llu coding units: something was lost or altered "
                                   "before; copy or export the picture again", (unsigned long long)done);
    return read_marker(w, r->at, behind, code) ? GNG_OK : fail_at_end(w);
}

static gng_status fail_in_block(gng_jpeg_walk *w, const bit_reader *r, uint64_t done, uint64_t units)
{
    size_t behind;
    uint8_t code;
    if (r->ended && r->held < CODE_BITS_MAX) {
        if (!read_marker(w, r->at, &behind, &code))
            return fail_at_end(w);
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
    huffman tables[GNG_JPEG_COMPONENTS_MAX][2];
    const huffman *of[GNG_JPEG_COMPONENTS_MAX][2];
    int blocks[GNG_JPEG_COMPONENTS_MAX];
    for (int i = 0; i < sc->count; ++i)
        for (int role = GNG_JPEG_DC; role <= GNG_JPEG_AC; ++role) {
            int same = 0; /* colour differences share their tables */
            while (same < i && sc->tables[same][role] != sc->tables[i][role])
                ++same;
            if (same == i)
                build_huffman(w->huffman[role][sc->tables[i][role]], role, &tables[i][role]);
            of[i][role] = &tables[same][role];
        }
    const size_t start = w->at;
    uint64_t units, restarts = 0;
    count_units(w, sc, &units, blocks);
    bit_reader r = {.bytes = w->bytes, .count = w->count, .at = w->at};
    int32_t predicted[GNG_JPEG_COMPONENTS_MAX] = {0};
    uint8_t code = 0;
    size_t behind = 0;
    uint64_t until_restart = w->restart_interval == 0 ? units : w->restart_interval;
    for (uint64_t unit = 0; unit < units; ++unit, --until_restart) {
        if (until_restart == 0) {
            GNG_TRY(end_interval(w, &r, unit, &code, &behind));
            if (code != RST0 + restarts % 8)
                return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, r.at,
                                           "found marker FF%02X where restart marker FF%02X was expected: pixel data are "
                                           "missing; copy or export the picture again", code,
                                           (unsigned)(RST0 + restarts % 8));
            ++restarts;
            until_restart = w->restart_interval;
            r = (bit_reader){.bytes = w->bytes, .count = w->count, .at = behind};
            memset(predicted, 0, sizeof predicted);
        }
        for (int i = 0; i < sc->count; ++i) {
            const int32_t step = w->dc_step[sc->components[i]->quantisation];
            for (int block = 0; block < blocks[i]; ++block)
                if (!walk_block(&r, of[i][GNG_JPEG_DC], of[i][GNG_JPEG_AC], step, &predicted[i]) || r.held < 0)
                    return fail_in_block(w, &r, unit, units);
        }
    }
    GNG_TRY(end_interval(w, &r, units, &code, &behind));
    w->at = r.at;
    if (code >= RST0 && code <= RST7)
        return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, r.at,
                                   "found restart marker FF%02X behind the last coding unit, expected the end of the pixel "
                                   "data; copy or export the picture again", code);
    bool zeros_are_flat = true;
    for (int i = 0; i < sc->count; ++i)
        zeros_are_flat = zeros_are_flat && of[i][GNG_JPEG_AC]->entries[0] >> 8 == BLOCK_ENDED;
    return zeros_are_flat ? GNG_OK : check_zeros(w, start, w->at);
}

/* To the next marker, with the restart markers in between. */
static gng_status search_progressive(gng_jpeg_walk *w, const gng_jpeg_segment *s, const gng_jpeg_scan *sc)
{
    uint64_t units;
    int blocks[GNG_JPEG_COMPONENTS_MAX] = {0};
    count_units(w, sc, &units, blocks);
    const uint64_t restarts = w->restart_interval == 0 ? 0 : (units - 1) / w->restart_interval;
    const size_t start = w->at;
    for (uint64_t found = 0;;) {
        const uint8_t *mark = memchr(w->bytes + w->at, 0xFF, w->count - w->at);
        const size_t end = mark == NULL ? w->count : (size_t)(mark - w->bytes);
        uint8_t marker = 0;
        if (!read_marker(w, end, &w->at, &marker))
            return fail_at_end(w);
        if (marker == 0) /* a data byte 0xFF */
            continue;
        if (marker >= RST0 && marker <= RST7 && found < restarts && (unsigned)(marker - RST0) == found % 8) {
            ++found;
            continue;
        }
        w->at = end;
        if (found != restarts || (marker >= RST0 && marker <= RST7))
            return gng_inspection_fail(w->out, GNG_FAULT_STRUCTURE, end,
                                       "found marker FF%02X after %llu of %llu restart markers: pixel data are missing; copy "
                                       "or export the picture again", marker, (unsigned long long)found,
                                       (unsigned long long)restarts);
        break;
    }
    /* A block of a DC scan takes at least one bit. */
    const uint64_t bits = sc->first > 0 ? 0 : units * (uint64_t)(blocks[0] + blocks[1] + blocks[2]);
    if (bits > 8 * (uint64_t)(w->at - start))
        return gng_inspection_fail(w->out, GNG_FAULT_TRUNCATED, s->offset,
                                   "%zu bytes of pixel data cannot hold the promised %d x %d pixels; export the picture again",
                                   w->at - start, w->out->height, w->out->width);
    return GNG_OK;
}

gng_status gng_jpeg_scan_data_walk(gng_jpeg_walk *w, const gng_jpeg_segment *s, const gng_jpeg_scan *scan)
{
    return w->out->progressive ? search_progressive(w, s, scan) : walk_sequential(w, scan);
}
