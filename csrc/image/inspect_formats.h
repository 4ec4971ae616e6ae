/* What the walkers and the decoders of the single formats share. Not for other rooms: they include inspect.h. */
#ifndef GNG_IMAGE_INSPECT_FORMATS_H
#define GNG_IMAGE_INSPECT_FORMATS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "image/inspect.h"

/* Each walks the structure of one format and fills *out, whose format is already set. The bytes begin with the format's
 * signature, as far as there are bytes. OK, or what gng_inspection_fail returned. Any thread. */
GNG_MUST_CHECK gng_status gng_jpeg_inspect(const uint8_t *bytes, size_t count, gng_inspection *out);
GNG_MUST_CHECK gng_status gng_png_inspect(const uint8_t *bytes, size_t count, gng_inspection *out);
GNG_MUST_CHECK gng_status gng_bmp_inspect(const uint8_t *bytes, size_t count, gng_inspection *out);
GNG_MUST_CHECK gng_status gng_tiff_inspect(const uint8_t *bytes, size_t count, gng_inspection *out);

/* Follows a progressive JPEG, which the inspection let pass, once more and code by code: every scan must hold every promised
 * block and nothing else. history: gng_jpeg_history_blocks of zeros. A fault is recorded in *inspection. Any thread. */
GNG_MUST_CHECK gng_status gng_jpeg_follow(const uint8_t *bytes, gng_inspection *inspection, uint64_t *history);
size_t gng_jpeg_history_blocks(const gng_inspection *inspection);

/* Records the fault in *out and the detail "<format>, byte <offset>: <text>"; returns the status that belongs to the
 * fault, so that a refusal is one statement. */
gng_status gng_inspection_fail(gng_inspection *out, gng_fault fault, size_t offset, const char *format, ...)
    GNG_PRINTF(4, 5);

/* Stores height and width when both are at least 1 and within the limits of image.h. `offset`: of their field. */
GNG_MUST_CHECK gng_status gng_inspection_size_set(gng_inspection *out, int64_t height, int64_t width, size_t offset);

/* Formats without checksums: doubts a picture whose last stored bytes, before `end`, are zero for a whole row or 64 bytes. */
void gng_inspection_doubt_zeros(const uint8_t *bytes, size_t end, size_t row_bytes, gng_inspection *out);

/* CRC-32 of bytes[count] as PNG uses it (ISO 3309). Any thread. */
uint32_t gng_crc32(const uint8_t *bytes, size_t count);

static inline uint32_t gng_read_u16_be(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static inline uint32_t gng_read_u32_be(const uint8_t *bytes)
{
    return gng_read_u16_be(bytes) << 16 | gng_read_u16_be(bytes + 2);
}

static inline uint32_t gng_read_u16_le(const uint8_t *bytes)
{
    return (uint32_t)bytes[1] << 8 | bytes[0];
}

static inline uint32_t gng_read_u32_le(const uint8_t *bytes)
{
    return gng_read_u16_le(bytes + 2) << 16 | gng_read_u16_le(bytes);
}

#endif
