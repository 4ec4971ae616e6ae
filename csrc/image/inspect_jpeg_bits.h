/* Reading entropy-coded data of JPEG files bit by bit and code by code; for the files inspect_jpeg_*.c alone. */
#ifndef GNG_IMAGE_INSPECT_JPEG_BITS_H
#define GNG_IMAGE_INSPECT_JPEG_BITS_H

#include "image/inspect_jpeg.h"

enum {
    GNG_JPEG_LOOKAHEAD = 10,   /* bits; nearly all codes of real files are shorter */
    GNG_JPEG_CODE_BITS_MAX = 16,
    GNG_JPEG_DC_BITS_MAX = 11, /* of a value, for samples of 8 bits (tables F.1 and F.2) */
    GNG_JPEG_AC_BITS_MAX = 10,
    GNG_JPEG_DC_MAX = 2048,    /* 8-bit samples reach 1024; rounding to a large quantisation step at most doubles that */
    GNG_JPEG_BITS_NEEDED = 32, /* a code and its value have at most 27, or 30 where blocks end in runs */
    GNG_JPEG_BLOCK_ENDED = 128 /* step of "end of block": beyond every position */
};

/* A role beside GNG_JPEG_DC and GNG_JPEG_AC: the bare symbols. */
enum { GNG_JPEG_SYMBOLS = 2 };

/* An entry holds the bits of code and value together in its low byte. In its high byte: for DC the bits of the value, for
 * AC how many positions the code moves on. Bare symbols: the bits of the code, and the symbol. 0: no such code. */
typedef struct gng_jpeg_code {
    uint16_t entries[1 << GNG_JPEG_LOOKAHEAD];   /* by the next bits; 0 also for longer codes */
    uint32_t limits[GNG_JPEG_CODE_BITS_MAX + 1]; /* codes of n bits, shifted up to 16, are below limits[n] and above
                                                   * shorter ones */
    int32_t firsts[GNG_JPEG_CODE_BITS_MAX + 1];  /* index of the first symbol of n bits minus its code */
    const uint8_t *symbols;
    int role;
} gng_jpeg_code;

/* Reads bits from the highest down, without the zero bytes that follow each data byte 0xFF. */
typedef struct gng_jpeg_bits {
    const uint8_t *bytes; /* [count] */
    size_t count;
    size_t at;       /* next byte to take; at the end the first 0xFF of the marker */
    uint64_t window; /* the next bit is the highest */
    int held;        /* bits in the window that count; below 0 when more was taken than there was */
    bool ended;      /* by a marker or the end of the file */
} gng_jpeg_bits;

/* Fills the window bytewise until it is full or a marker comes. */
void gng_jpeg_bits_refill_bytewise(gng_jpeg_bits *r);

/* Eight bytes at once where none of them is 0xFF. Bits of theirs that do not count yet are put into the window as well;
 * they come again, the same, with the next refill. */
static inline void gng_jpeg_bits_refill(gng_jpeg_bits *r)
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
    gng_jpeg_bits_refill_bytewise(r);
}

static inline void gng_jpeg_bits_drop(gng_jpeg_bits *r, int bits)
{
    r->window <<= bits;
    r->held -= bits;
}

/* table: 16 counts and the symbols, checked by gng_jpeg_huffman_read. */
void gng_jpeg_code_build(const uint8_t *table, int role, gng_jpeg_code *out);
/* The symbol of the code of any length at the top of the window, and its bits; -1: no such code. */
int gng_jpeg_code_find(const gng_jpeg_code *code, uint64_t window, int *bits);
/* The entry of that symbol. */
uint16_t gng_jpeg_code_entry(int role, uint8_t symbol, int code_bits);

static inline uint16_t gng_jpeg_code_peek(gng_jpeg_bits *r, const gng_jpeg_code *code)
{
    if (r->held < GNG_JPEG_BITS_NEEDED)
        gng_jpeg_bits_refill(r);
    uint16_t entry = code->entries[r->window >> (64 - GNG_JPEG_LOOKAHEAD)];
    if (entry == 0) {
        int bits = 0;
        const int symbol = gng_jpeg_code_find(code, r->window, &bits);
        entry = symbol < 0 ? 0 : gng_jpeg_code_entry(code->role, (uint8_t)symbol, bits);
    }
    return entry;
}

/* One DC value (F.2.2.1), added to *predicted. False when no code fits. */
static inline bool gng_jpeg_dc_take(gng_jpeg_bits *r, const gng_jpeg_code *dc, int32_t *predicted)
{
    const uint16_t entry = gng_jpeg_code_peek(r, dc);
    const int value_bits = entry >> 8, bits = entry & 255;
    if (value_bits > 0) {
        const int32_t value = (int32_t)(r->window << (bits - value_bits) >> (64 - value_bits));
        *predicted += value >> (value_bits - 1) != 0 ? value : value - (1 << value_bits) + 1;
    }
    gng_jpeg_bits_drop(r, bits);
    return entry != 0;
}

/* Coding units of the scan and blocks in each: a lone component is coded without the padding that interleaving needs,
 * whatever its sampling factors (A.2.2, A.2.3). */
void gng_jpeg_units_count(const gng_jpeg_walk *w, const gng_jpeg_scan *sc, uint64_t *units, int blocks[GNG_JPEG_COMPONENTS_MAX]);

/* Behind a marker's 0xFF bytes at `at`; *code is the marker. False at the end of the file. */
GNG_MUST_CHECK bool gng_jpeg_marker_read(const gng_jpeg_walk *w, size_t at, size_t *behind, uint8_t *code);

/* Between two intervals, `done` units from the start: the restart marker number `restarts` and nothing else. */
GNG_MUST_CHECK gng_status gng_jpeg_interval_next(gng_jpeg_walk *w, gng_jpeg_bits *r, uint64_t done, uint64_t restarts);
/* Behind the last unit: at most the bits that fill a byte are left, then comes a marker that is no restart marker. Moves the
 * walk there. */
GNG_MUST_CHECK gng_status gng_jpeg_interval_last(gng_jpeg_walk *w, gng_jpeg_bits *r, uint64_t done);

/* What is said of data that end too early, and of a block that cannot be. */
gng_status gng_jpeg_fail_at_end(gng_jpeg_walk *w);
gng_status gng_jpeg_fail_in_block(gng_jpeg_walk *w, const gng_jpeg_bits *r, uint64_t done, uint64_t units);

/* Progressive scans: searched for markers alone where the walk has no history, otherwise followed code by code. */
GNG_MUST_CHECK gng_status gng_jpeg_progressive_walk(gng_jpeg_walk *w, const gng_jpeg_segment *s, const gng_jpeg_scan *scan);

#endif
