/* The parts of a checked PNG file, for inspect_png.c, which finds them, and decode_png.c, which reads them. */
#ifndef GNG_IMAGE_PNG_H
#define GNG_IMAGE_PNG_H

#include "image/inspect_formats.h"

/* Colour types of IHDR. */
enum { GNG_PNG_GREY = 0, GNG_PNG_RGB = 2, GNG_PNG_PALETTE = 3, GNG_PNG_GREY_ALPHA = 4, GNG_PNG_RGB_ALPHA = 6 };

/* Pointers lie inside the file's bytes. */
typedef struct gng_png_layout {
    uint32_t colour_type;
    uint32_t depth;              /* bits of a sample */
    uint32_t samples;            /* of a pixel as stored, alpha included, 1 for an index */
    bool interlaced;
    const uint8_t *palette;      /* [palette_entries, 3] */
    uint32_t palette_entries;
    const uint8_t *transparency; /* [transparency_bytes] of tRNS; NULL: none */
    uint32_t transparency_bytes;
    size_t data_offset;          /* of the first IDAT chunk; those behind it follow without a gap */
    uint64_t data_bytes;         /* of all IDAT chunks together */
} gng_png_layout;

/* Pixel (x, y) of a pass is pixel (x_first + x * x_step, y_first + y * y_step) of the picture (section 8.1). */
typedef struct gng_png_pass {
    int32_t x_first, y_first, x_step, y_step;
    int32_t columns, rows;
    size_t row_bytes; /* without the filter byte in front */
} gng_png_pass;

static inline int gng_png_passes(const gng_png_layout *layout)
{
    return layout->interlaced ? 7 : 1;
}

gng_png_pass gng_png_pass_of(const gng_png_layout *layout, int32_t height, int32_t width, int pass);

/* Bytes after inflating: each row of each pass has a filter byte (sections 7.2 and 8.1). */
size_t gng_png_inflated_bytes(const gng_png_layout *layout, int32_t height, int32_t width);

/* gng_png_inspect, which also says where things are. */
GNG_MUST_CHECK gng_status gng_png_layout_read(const uint8_t *bytes, size_t count, gng_inspection *out, gng_png_layout *layout);

#endif
