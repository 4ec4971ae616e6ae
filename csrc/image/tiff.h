/* The parts of a checked TIFF file, for inspect_tiff.c, which finds them, and decode_tiff.c, which reads them. */
#ifndef GNG_IMAGE_TIFF_H
#define GNG_IMAGE_TIFF_H

#include "image/inspect_formats.h"

/* Numbers in the file, or inside the entry itself. */
typedef struct gng_tiff_numbers {
    size_t at;           /* byte of the file */
    uint32_t count;
    uint32_t item_bytes; /* 2 or 4 */
} gng_tiff_numbers;

typedef struct gng_tiff_layout {
    bool big_endian;
    bool inverted;         /* grey of 8 bits with 0 as white */
    uint32_t sample_bytes; /* 1 or 2 */
    uint32_t samples;      /* of a pixel, 1 or 3 */
    size_t row_bytes;
    uint32_t strip_rows;   /* of all strips but the last, which may have fewer */
    gng_tiff_numbers strips; /* offset of each */
} gng_tiff_layout;

static inline uint32_t gng_tiff_u16(const uint8_t *bytes, bool big_endian)
{
    return big_endian ? gng_read_u16_be(bytes) : gng_read_u16_le(bytes);
}

static inline uint32_t gng_tiff_u32(const uint8_t *bytes, bool big_endian)
{
    return big_endian ? gng_read_u32_be(bytes) : gng_read_u32_le(bytes);
}

/* Number i < numbers->count of the file's bytes. */
static inline uint32_t gng_tiff_number(const uint8_t *bytes, bool big_endian, const gng_tiff_numbers *numbers, uint32_t i)
{
    const uint8_t *at = bytes + numbers->at + (size_t)i * numbers->item_bytes;
    return numbers->item_bytes == 2 ? gng_tiff_u16(at, big_endian) : gng_tiff_u32(at, big_endian);
}

/* gng_tiff_inspect, which also says where things are. */
GNG_MUST_CHECK gng_status gng_tiff_layout_read(const uint8_t *bytes, size_t count, gng_inspection *out, gng_tiff_layout *layout);

#endif
