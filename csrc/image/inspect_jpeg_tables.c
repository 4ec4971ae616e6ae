/* The tables of a JPEG file (ITU-T T.81, B.2.4.1 and B.2.4.2): quantisation and Huffman, valid or refused. */
#include "image/inspect_jpeg.h"

gng_status gng_jpeg_quantisation_read(gng_jpeg_walk *w, const gng_jpeg_segment *s)
{
    for (size_t at = 0; at < s->length;) {
        const uint32_t precision = s->data[at] >> 4, index = s->data[at] & 15;
        const size_t needed = precision == 0 ? GNG_JPEG_COEFFICIENTS : 2 * GNG_JPEG_COEFFICIENTS;
        if (precision > 1 || index >= GNG_JPEG_TABLES || s->length - at - 1 < needed)
            return gng_inspection_fail(w->out, GNG_FAULT_TABLE, s->offset,
                                       "quantisation table %u of precision %u with %zu bytes is invalid; export the picture "
                                       "again", index, precision, s->length - at - 1);
        /* One decoder would use the table of the component's first scan, another the last one. */
        if (w->out->progressive && (w->quantisation_used >> index & 1) != 0)
            return gng_inspection_fail(w->out, GNG_FAULT_TABLE, s->offset,
                                       "quantisation table %u changes while it is in use; export the picture again", index);
        const uint8_t *values = s->data + at + 1;
        for (size_t i = 0; i < GNG_JPEG_COEFFICIENTS; ++i)
            if ((precision == 0 ? values[i] : gng_read_u16_be(values + 2 * i)) == 0)
                return gng_inspection_fail(w->out, GNG_FAULT_TABLE, s->offset,
                                           "quantisation table %u holds a zero, expected 1 or more; export the picture "
                                           "again", index);
        w->quantisation_defined |= (uint8_t)(1u << index);
        w->dc_step[index] = (uint16_t)(precision == 0 ? values[0] : gng_read_u16_be(values));
        at += 1 + needed;
    }
    return GNG_OK;
}

gng_status gng_jpeg_huffman_read(gng_jpeg_walk *w, const gng_jpeg_segment *s)
{
    for (size_t at = 0; at < s->length;) {
        const uint32_t role = s->data[at] >> 4, index = s->data[at] & 15;
        if (role > GNG_JPEG_AC || index >= GNG_JPEG_TABLES || s->length - at < 17)
            return gng_inspection_fail(w->out, GNG_FAULT_TABLE, s->offset,
                                       "Huffman table %u of kind %u with %zu bytes is invalid; export the picture again",
                                       index, role, s->length - at);
        const uint8_t *counts = s->data + at + 1, *symbols = s->data + at + 17;
        uint32_t total = 0, code = 0;
        for (int i = 0; i < 16; ++i) {
            code = 2 * code + counts[i]; /* the first code of i + 1 bits that is free (annex C) */
            total += counts[i];
        }
        const bool overfull = code > 1u << 16; /* one that was too large earlier only grew since */
        /* 8-bit pictures can use 16 DC categories and 176 AC symbols. stb_image keeps 255 of 256 places for itself. */
        const uint32_t most = role == GNG_JPEG_DC ? 16 : 255;
        if (total == 0 || total > most || overfull || s->length - at - 17 < total)
            return gng_inspection_fail(w->out, GNG_FAULT_TABLE, s->offset,
                                       "%s Huffman table %u with %u codes in %zu bytes is no prefix code; export the picture "
                                       "again", role == GNG_JPEG_DC ? "DC" : "AC", index, total, s->length - at);
        for (uint32_t i = 0; role == GNG_JPEG_DC && i < total; ++i)
            if (symbols[i] > 15)
                return gng_inspection_fail(w->out, GNG_FAULT_TABLE, s->offset,
                                           "DC Huffman table %u holds category %u, expected at most 15; export the picture "
                                           "again", index, symbols[i]);
        w->huffman[role][index] = counts;
        at += 17 + total;
    }
    return GNG_OK;
}
