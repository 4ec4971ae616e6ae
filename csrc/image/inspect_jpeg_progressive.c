/* Entropy-coded data of a progressive JPEG file (ITU-T T.81, annex G): is everything there that the headers promise?
 *
 * Refinement scans can only be followed by who remembers which coefficients earlier scans made other than zero: 64 bits a
 * block, the history. The inspector allocates nothing, so it searches these scans for their markers alone; the decoder brings
 * a history and has every scan followed code by code before a sample is rebuilt.
 */
#include <string.h>

#include "image/inspect_jpeg_bits.h"

enum { RST0 = 0xD0, RST7 = 0xD7, RUN_OF_ZEROS = 15 };

typedef struct progress {
    gng_jpeg_bits bits;
    const gng_jpeg_scan *scan;
    gng_jpeg_code codes[GNG_JPEG_COMPONENTS_MAX];
    int32_t steps[GNG_JPEG_COMPONENTS_MAX]; /* of the DC quantisation */
    int32_t predicted[GNG_JPEG_COMPONENTS_MAX];
    uint32_t ended_blocks; /* how many more blocks have no codes of their own */
} progress;

/* To the next marker, with the restart markers in between. */
static gng_status search(gng_jpeg_walk *w, const gng_jpeg_segment *s, const gng_jpeg_scan *sc)
{
    uint64_t units;
    int blocks[GNG_JPEG_COMPONENTS_MAX] = {0};
    gng_jpeg_units_count(w, sc, &units, blocks);
    const uint64_t restarts = w->restart_interval == 0 ? 0 : (units - 1) / w->restart_interval;
    const size_t start = w->at;
    for (uint64_t found = 0;;) {
        const uint8_t *mark = memchr(w->bytes + w->at, 0xFF, w->count - w->at);
        const size_t end = mark == NULL ? w->count : (size_t)(mark - w->bytes);
        uint8_t marker = 0;
        if (!gng_jpeg_marker_read(w, end, &w->at, &marker))
            return gng_jpeg_fail_at_end(w);
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

/* Past the end zeros are read, which the caller notices by `held`. */
static uint32_t take_bits(gng_jpeg_bits *r, int count)
{
    if (count == 0)
        return 0;
    if (r->held < GNG_JPEG_BITS_NEEDED)
        gng_jpeg_bits_refill(r);
    const uint32_t value = (uint32_t)(r->window >> (64 - count));
    gng_jpeg_bits_drop(r, count);
    return value;
}

/* -1: no such code. */
static int take_symbol(gng_jpeg_bits *r, const gng_jpeg_code *code)
{
    const uint16_t entry = gng_jpeg_code_peek(r, code);
    gng_jpeg_bits_drop(r, entry & 255);
    return entry == 0 ? -1 : entry >> 8;
}

/* G.1.2.1, G.2: the DC coefficient, or one more bit of it. */
static bool follow_dc(progress *p, int component)
{
    if (p->scan->high > 0) {
        (void)take_bits(&p->bits, 1);
        return true;
    }
    int32_t *predicted = &p->predicted[component];
    if (!gng_jpeg_dc_take(&p->bits, &p->codes[component], predicted))
        return false;
    const int64_t level = (int64_t)*predicted * (1 << p->scan->low) * p->steps[component];
    return level >= -GNG_JPEG_DC_MAX && level <= GNG_JPEG_DC_MAX;
}

/* G.1.2.2: coefficients for the first time. */
static bool follow_ac_first(progress *p, uint64_t *history)
{
    if (p->ended_blocks > 0) {
        --p->ended_blocks;
        return true;
    }
    for (int k = p->scan->first; k <= p->scan->last; ++k) {
        const int symbol = take_symbol(&p->bits, &p->codes[0]);
        const int run = symbol >> 4, size = symbol & 15;
        if (symbol < 0 || size > GNG_JPEG_AC_BITS_MAX)
            return false;
        if (size == 0 && run < RUN_OF_ZEROS) {
            p->ended_blocks = (1u << run) + take_bits(&p->bits, run) - 1;
            return true;
        }
        k += run;
        if (k > p->scan->last)
            return false;
        if (size > 0)
            *history |= UINT64_C(1) << k;
        (void)take_bits(&p->bits, size);
    }
    return true;
}

/* From coefficient k on: takes the bit of each that is not zero and passes `zeros` that are. Where it stopped. */
static int pass_known(progress *p, uint64_t history, int k, int zeros)
{
    for (; k <= p->scan->last; ++k) {
        if ((history >> k & 1) != 0)
            (void)take_bits(&p->bits, 1);
        else if (zeros-- == 0)
            break;
    }
    return k;
}

/* G.1.2.3: one more bit of the coefficients, and those that become other than zero by it. */
static bool follow_ac_refinement(progress *p, uint64_t *history)
{
    int k = p->scan->first;
    while (p->ended_blocks == 0 && k <= p->scan->last) {
        const int symbol = take_symbol(&p->bits, &p->codes[0]);
        const int run = symbol >> 4, size = symbol & 15;
        if (symbol < 0 || size > 1)
            return false;
        if (size == 0 && run < RUN_OF_ZEROS) {
            p->ended_blocks = (1u << run) + take_bits(&p->bits, run);
            break;
        }
        (void)take_bits(&p->bits, size);
        k = pass_known(p, *history, k, run);
        if (k > p->scan->last)
            return false;
        if (size > 0)
            *history |= UINT64_C(1) << k;
        ++k;
    }
    if (p->ended_blocks > 0) {
        (void)pass_known(p, *history, k, GNG_JPEG_COEFFICIENTS);
        --p->ended_blocks;
    }
    return p->bits.held >= 0;
}

/* Blocks of a lone component lie in the history in the order of its scans. */
static bool follow_unit(progress *p, const int blocks[GNG_JPEG_COMPONENTS_MAX], uint64_t *history)
{
    if (p->scan->first > 0)
        return p->scan->high == 0 ? follow_ac_first(p, history) : follow_ac_refinement(p, history);
    for (int i = 0; i < p->scan->count; ++i)
        for (int block = 0; block < blocks[i]; ++block)
            if (!follow_dc(p, i))
                return false;
    return true;
}

static void begin(const gng_jpeg_walk *w, const gng_jpeg_scan *sc, progress *out)
{
    *out = (progress){.bits = {.bytes = w->bytes, .count = w->count, .at = w->at}, .scan = sc};
    const int role = sc->first > 0 ? GNG_JPEG_AC : GNG_JPEG_DC;
    for (int i = 0; i < sc->count; ++i) {
        out->steps[i] = w->dc_step[sc->components[i]->quantisation];
        if (role == GNG_JPEG_AC || sc->high == 0)
            gng_jpeg_code_build(w->huffman[role][sc->tables[i][role]], role == GNG_JPEG_AC ? GNG_JPEG_SYMBOLS : role,
                                &out->codes[i]);
    }
}

static gng_status follow(gng_jpeg_walk *w, const gng_jpeg_scan *sc)
{
    uint64_t units, restarts = 0;
    int blocks[GNG_JPEG_COMPONENTS_MAX] = {0};
    gng_jpeg_units_count(w, sc, &units, blocks);
    uint64_t *history = w->history + (size_t)(sc->components[0] - w->components) * w->history_blocks;
    progress p;
    begin(w, sc, &p);
    uint64_t until_restart = w->restart_interval == 0 ? units : w->restart_interval;
    for (uint64_t unit = 0; unit < units; ++unit, --until_restart) {
        if (until_restart == 0) {
            if (p.ended_blocks > 0)
                return gng_jpeg_fail_in_block(w, &p.bits, unit, units);
            GNG_TRY(gng_jpeg_interval_next(w, &p.bits, unit, restarts++));
            until_restart = w->restart_interval;
            memset(p.predicted, 0, sizeof p.predicted);
        }
        if (!follow_unit(&p, blocks, sc->first > 0 ? &history[unit] : NULL) || p.bits.held < 0)
            return gng_jpeg_fail_in_block(w, &p.bits, unit, units);
    }
    if (p.ended_blocks > 0)
        return gng_jpeg_fail_in_block(w, &p.bits, units - 1, units);
    return gng_jpeg_interval_last(w, &p.bits, units);
}

gng_status gng_jpeg_progressive_walk(gng_jpeg_walk *w, const gng_jpeg_segment *s, const gng_jpeg_scan *scan)
{
    return w->history == NULL ? search(w, s, scan) : follow(w, scan);
}
