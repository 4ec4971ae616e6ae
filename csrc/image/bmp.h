/* The parts of a checked BMP file, for inspect_bmp.c, which finds them, and decode_bmp.c, which reads them. */
#ifndef GNG_IMAGE_BMP_H
#define GNG_IMAGE_BMP_H

#include "image/inspect_formats.h"

/* Of red, green, blue and alpha inside a pixel of 16 or 32 bits. */
typedef struct gng_bmp_mask {
    uint32_t bits; /* contiguous; 0: none */
    uint32_t shift;
    uint32_t most; /* largest value, 1 to 255 */
} gng_bmp_mask;

/* Pointers lie inside the file's bytes. */
typedef struct gng_bmp_layout {
    uint32_t bits;           /* of a pixel: 1, 4 or 8 (an index), 16, 24 or 32 */
    const uint8_t *palette;  /* [colours, colour_bytes]: blue, green, red and maybe a spare byte */
    uint32_t colours;
    uint32_t colour_bytes;   /* 3 or 4 */
    gng_bmp_mask masks[4];   /* red, green, blue, alpha */
    bool bottom_up;
    const uint8_t *rows;     /* [height, row_bytes] in the order they are stored */
    size_t row_bytes;        /* a multiple of 4 */
} gng_bmp_layout;

/* Index of pixel x in a stored row of 1, 4 or 8 bits a pixel, the leftmost in the highest bits. */
static inline uint32_t gng_bmp_index(const uint8_t *row, size_t x, uint32_t bits)
{
    if (bits == 8)
        return row[x];
    const size_t at = x * bits;
    return (uint32_t)row[at / 8] >> (8 - bits - at % 8) & ((1u << bits) - 1);
}

/* gng_bmp_inspect, which also says where things are. */
GNG_MUST_CHECK gng_status gng_bmp_layout_read(const uint8_t *bytes, size_t count, gng_inspection *out, gng_bmp_layout *layout);

#endif
