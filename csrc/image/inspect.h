/* The structural check in front of the decoder: hostile bytes in, verdict out. Never decodes, never allocates.
 *
 * JPEG (ITU-T T.81), PNG (W3C PNG, third edition), BMP and plain TIFF (revision 6.0). Content decides, not a file name. One
 * pass over the bytes. An orientation that EXIF or TIFF asks for is ignored: pixels are taken as they are stored.
 */
#ifndef GNG_IMAGE_INSPECT_H
#define GNG_IMAGE_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef enum gng_format { GNG_FORMAT_UNKNOWN, GNG_FORMAT_JPEG, GNG_FORMAT_PNG, GNG_FORMAT_BMP, GNG_FORMAT_TIFF } gng_format;

const char *gng_format_name(gng_format format); /* "unknown", "JPEG", "PNG", "BMP", "TIFF" */

/* What is wrong with a file. X(name, word on the command line, status of gng_image_inspect). Append only. */
#define GNG_FAULT_LIST(X)                          \
    X(NONE, "ok", OK)                              \
    X(EMPTY, "empty", TRUNCATED)                   \
    X(FORMAT_UNKNOWN, "unknown-format", FORMAT)    \
    X(TRUNCATED, "truncated", TRUNCATED)           \
    X(HEADER, "header", FORMAT)                    \
    X(STRUCTURE, "structure", FORMAT)              \
    X(CHECKSUM, "checksum", FORMAT)                \
    X(TABLE, "table", FORMAT)                      \
    X(FILE_TOO_LARGE, "file-too-large", TOO_LARGE) \
    X(IMAGE_TOO_LARGE, "image-too-large", TOO_LARGE) \
    X(UNSUPPORTED, "unsupported", UNSUPPORTED)     \
    X(PIXELS, "pixels", FORMAT)                    \
    X(IMAGE_TOO_SMALL, "image-too-small", SHAPE)   \
    X(BIT_DEPTH, "bit-depth", FORMAT)

typedef enum gng_fault {
#define GNG_FAULT_ENUM(name, word, status) GNG_FAULT_##name,
    GNG_FAULT_LIST(GNG_FAULT_ENUM)
#undef GNG_FAULT_ENUM
        GNG_FAULT_COUNT
} gng_fault;

const char *gng_fault_word(gng_fault fault);

/* Why a valid picture cannot be proven complete. X(name, sentence). Append only. */
#define GNG_DOUBT_LIST(X)                                                                                                  \
    X(NONE, "")                                                                                                            \
    X(PROGRESSIVE, "a progressive JPEG: whether all of it is there cannot be proven; save it as baseline JPEG or as PNG")  \
    X(PREALLOCATED, "the last pixels stored are all zero, as in a file whose room is reserved before it is written: "      \
                    "whether it is complete cannot be proven; save it as PNG")                                             \
    X(SECOND_PICTURE, "another JPEG picture begins here, behind the first one and without an index of pictures: which "   \
                      "one is meant is unclear; save the one that is meant as a file of its own")

typedef enum gng_doubt {
#define GNG_DOUBT_ENUM(name, sentence) GNG_DOUBT_##name,
    GNG_DOUBT_LIST(GNG_DOUBT_ENUM)
#undef GNG_DOUBT_ENUM
        GNG_DOUBT_COUNT
} gng_doubt;

typedef struct gng_inspection {
    gng_format format;
    gng_fault fault;
    gng_doubt doubt;     /* NONE where there is a fault */
    size_t offset;       /* byte at which the fault or the doubt was noticed */
    int32_t height;      /* 0 while unknown */
    int32_t width;
    int32_t channels;    /* as stored: 1 or 3 for what the decoder accepts; alpha is not counted */
    int32_t bit_depth;   /* per sample, as stored */
    bool progressive;    /* a progressive JPEG */
    size_t picture_bytes; /* bytes up to and including the end marker; anything behind is a tail */
} gng_inspection;

/* Fills *out always. OK, or the status of the fault with a detail that names what was found, where, what was expected
 * and what to do. bytes[count] is borrowed for the call. Any thread. */
GNG_MUST_CHECK gng_status gng_image_inspect(const uint8_t *bytes, size_t count, gng_inspection *out);

/* "ok", "unproven" where there is a doubt, or the word of the fault. Static strings. Any thread. */
const char *gng_inspection_verdict(const gng_inspection *inspection);

/* The doubt as a sentence in the form of fault details; "" where there is none. Any thread. */
void gng_inspection_doubt_write(const gng_inspection *inspection, char text[GNG_DETAIL_BYTES]);

#endif
