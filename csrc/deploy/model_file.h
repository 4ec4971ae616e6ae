/* Model files: bytes <-> graph, parameters, metadata. The bytes are hostile until every check has passed.
 *
 * Safetensors layout: 8-byte little-endian header length, JSON header, raw little-endian tensors, no holes, exact size.
 * Tensors: every parameter and state of the graph by its name (F32), `golden.input` (U8 [n, H, W, C], or F32 [n, features])
 * and `golden.logits` (F32 [n, outputs]), and, where a gate was given some, `known.features` (F32 [n, features]). `__metadata__` holds strings only; the keys are listed in model_file.c, unknown keys with
 * the prefix "x." are kept, others refused. `spec` is the canonical JSON of the graph. `file_sha256` is the SHA-256 of the file with
 * those 64 digits set to '0'; `model_sha256` the SHA-256 of the canonical spec and the parameter and state tensors in graph order.
 */
#ifndef GNG_DEPLOY_MODEL_FILE_H
#define GNG_DEPLOY_MODEL_FILE_H

#include "nn/graph.h"

enum {
    GNG_MODEL_FILE_BYTES_MAX = 512 * 1024 * 1024,
    GNG_MODEL_HEADER_BYTES_MAX = 1024 * 1024,
    GNG_MODEL_JSON_DEPTH_MAX = 16,
    GNG_MODEL_METADATA_MAX = 64,
    GNG_MODEL_GOLDEN_MAX = 64, /* golden pictures */
    GNG_MODEL_KNOWN_MAX = 4096 /* pictures whose features are kept */
};

typedef struct gng_metadata {
    const char *key;   /* terminated, valid UTF-8 */
    const char *value; /* terminated, valid UTF-8, no NUL inside */
} gng_metadata;

typedef struct gng_model {
    gng_graph *graph;
    const float *parameters;    /* [graph->parameter_floats] */
    const float *states;        /* [graph->state_floats] */
    gng_metadata metadata[GNG_MODEL_METADATA_MAX]; /* without spec, file_sha256, model_sha256; sorted by key */
    int32_t metadata_count;
    char model_sha256[65];
    char file_sha256[65];
    int32_t golden_count;
    const uint8_t *golden_pixels; /* [golden_count, H, W, C]; NULL when the input is a row of features */
    const float *golden_rows;     /* [golden_count, features]; NULL for pictures */
    const float *golden_logits;   /* [golden_count, outputs] */
    int32_t known_count;          /* pictures whose features are kept, as what the net knows */
    const float *known_features;  /* [known_count, gng_graph_features] */
} gng_model;

/* Checks everything (layout, caps, duplicate keys, offsets, shapes, types, layer kinds, both hashes, all weights finite)
 * and copies what it keeps. FORMAT, TRUNCATED, TOO_LARGE, UNSUPPORTED name the field, found and expected. Caller destroys. */
GNG_MUST_CHECK gng_status gng_model_parse(const uint8_t *bytes, size_t count, gng_model **out);
void gng_model_destroy(gng_model *model);

/* Size query, then fill: with bytes NULL only *count is set. The hashes of `model` are ignored, computed anew and written.
 * Equal models give equal bytes. ARGUMENT when a weight is not finite or a metadata key is reserved. */
GNG_MUST_CHECK gng_status gng_model_serialise(const gng_model *model, uint8_t *bytes, size_t *count);

/* SHA-256 of canonical specification and tensors. */
GNG_MUST_CHECK gng_status gng_model_identity(const gng_graph *graph, const float *parameters, const float *states, char digits[65]);

/* Canonical JSON of a graph (size query with text NULL; *bytes includes the terminator), and back. */
GNG_MUST_CHECK gng_status gng_graph_to_json(const gng_graph *graph, char *text, size_t *bytes);
GNG_MUST_CHECK gng_status gng_graph_from_json(const char *text, size_t bytes, gng_graph **out);

#endif
