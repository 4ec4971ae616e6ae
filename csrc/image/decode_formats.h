/* What the decoders of the single formats share. Not for other rooms: they include decode.h. */
#ifndef GNG_IMAGE_DECODE_FORMATS_H
#define GNG_IMAGE_DECODE_FORMATS_H

#include "image/decode.h"
#include "image/inspect_formats.h"

/* Each decodes bytes that the inspector accepted into out->pixels, whose size and channels are checked. A fault that
 * only the pixels show is recorded in *inspection, with out->pixels untouched. Any thread. */
GNG_MUST_CHECK gng_status gng_png_decode(const uint8_t *bytes, size_t count, int32_t bit_depth, gng_inspection *inspection,
                                         const gng_image *out);
GNG_MUST_CHECK gng_status gng_bmp_decode(const uint8_t *bytes, size_t count, gng_inspection *inspection, const gng_image *out);
GNG_MUST_CHECK gng_status gng_tiff_decode(const uint8_t *bytes, size_t count, int32_t bit_depth, gng_inspection *inspection,
                                          const gng_image *out);

/* True when stream[count] begins with the head and the compressed data of a zlib stream (RFC 1950) of exactly `bytes` bytes, which
 * are then in out[bytes]. *used: bytes of both; the checksum, which is not looked at, is expected right behind them. Where fewer
 * than 4 bytes are left for it, *used may be too small, but leaves no 4. Any thread. */
bool gng_zlib_inflate(const uint8_t *stream, size_t count, uint8_t *out, size_t bytes, size_t *used);

/* pixels [count, channels] -> out [count, wanted]; channels 1 or 3, or 2 or 4 with a last one that is dropped. */
void gng_pixels_convert(const uint8_t *restrict pixels, size_t count, size_t channels, size_t wanted, uint8_t *restrict out);

/* Records that a sample of 16 bits holds `value`, too large for `bit_depth`. */
gng_status gng_inspection_fail_depth(gng_inspection *out, size_t offset, uint32_t value, int32_t bit_depth);

#endif
