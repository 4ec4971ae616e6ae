/* What the files of the JPEG inspector share. Not for others: they include inspect.h. */
#ifndef GNG_IMAGE_INSPECT_JPEG_H
#define GNG_IMAGE_INSPECT_JPEG_H

#include "image/inspect_formats.h"

enum { GNG_JPEG_COMPONENTS_MAX = 3, GNG_JPEG_COEFFICIENTS = 64, GNG_JPEG_TABLES = 4 };

/* Roles of Huffman tables, as numbered in DHT. */
enum { GNG_JPEG_DC = 0, GNG_JPEG_AC = 1 };

typedef struct gng_jpeg_component {
    uint8_t id;
    uint8_t horizontal; /* sampling factors, 1 to 4 */
    uint8_t vertical;
    uint8_t quantisation;                    /* index of its table */
    int8_t precision[GNG_JPEG_COEFFICIENTS]; /* lowest bit position sent so far, below 0 before the first scan */
} gng_jpeg_component;

typedef struct gng_jpeg_walk {
    const uint8_t *bytes; /* [count] */
    size_t count;
    size_t at;
    gng_inspection *out;
    int components_count; /* 0 before the frame header */
    size_t frame_offset;  /* of the frame header */
    gng_jpeg_component components[GNG_JPEG_COMPONENTS_MAX];
    uint8_t horizontal_max;
    uint8_t vertical_max;
    uint8_t quantisation_defined; /* bit i: table i */
    uint8_t quantisation_used;
    uint16_t dc_step[GNG_JPEG_TABLES];          /* first value of each quantisation table */
    const uint8_t *huffman[2][GNG_JPEG_TABLES]; /* by role: 16 counts and the symbols, checked; NULL: not defined */
    uint32_t restart_interval;    /* in coding units, 0: none */
    uint64_t *history;            /* [components][history_blocks] of progressive files, bit k: coefficient k is not zero; or NULL */
    size_t history_blocks;
    int scans;
    bool pictures_index;          /* the file says that it holds several pictures */
    bool jfif;
    bool adobe;
    uint8_t adobe_transform;
} gng_jpeg_walk;

typedef struct gng_jpeg_scan {
    int count;
    gng_jpeg_component *components[GNG_JPEG_COMPONENTS_MAX];
    uint8_t tables[GNG_JPEG_COMPONENTS_MAX][2]; /* Huffman table indices by role */
    uint8_t first, last;                        /* coefficients, in zigzag order */
    uint8_t high, low;                          /* bit positions before and after this scan */
} gng_jpeg_scan;

typedef struct gng_jpeg_segment {
    const uint8_t *data; /* [length], behind the length field */
    size_t length;
    size_t offset;       /* of the marker */
    uint8_t marker;
} gng_jpeg_segment;

/* Check the tables of one DQT or DHT segment and note which are defined. */
GNG_MUST_CHECK gng_status gng_jpeg_quantisation_read(gng_jpeg_walk *w, const gng_jpeg_segment *s);
GNG_MUST_CHECK gng_status gng_jpeg_huffman_read(gng_jpeg_walk *w, const gng_jpeg_segment *s);

/* Walks the entropy-coded data behind the scan header s, up to the marker that ends it. Sequential scans are followed code
 * by code: every promised block must be there, and nothing else. So are progressive ones where the walk has a history;
 * otherwise they are searched for their markers alone. */
GNG_MUST_CHECK gng_status gng_jpeg_scan_data_walk(gng_jpeg_walk *w, const gng_jpeg_segment *s, const gng_jpeg_scan *scan);

#endif
