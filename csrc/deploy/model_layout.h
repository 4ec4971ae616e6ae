/* What reading and writing a model file share; for the files model_*.c alone.
 *
 *     offset 0        header length n, 8 bytes, little-endian, a multiple of 8
 *     offset 8        JSON header, n bytes: "__metadata__", then one entry for each tensor in the order of their bytes; spaces at the end
 *     offset 8 + n    the tensors, one behind the other
 */
#ifndef GNG_DEPLOY_MODEL_LAYOUT_H
#define GNG_DEPLOY_MODEL_LAYOUT_H

#include "deploy/json.h"
#include "deploy/model_file.h"

_Static_assert(sizeof(float) == 4 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are copied between memory and file as they are");

#define GNG_MODEL_FORMAT "gonogo 1"
#define GNG_MODEL_GOLDEN_INPUT "golden.input"
#define GNG_MODEL_GOLDEN_LOGITS "golden.logits"
#define GNG_MODEL_KNOWN_FEATURES "known.features"

enum {
    GNG_MODEL_PREFIX_BYTES = 8,
    GNG_MODEL_ALIGNMENT = 8,
    GNG_MODEL_DIGITS = 64, /* of a SHA-256 */
    /* Weight, bias, mean and variance, or two of them, for every layer; the golden tensors; the known features. */
    GNG_MODEL_TENSORS_MAX = 4 * GNG_LAYERS_MAX + 3,
    GNG_MODEL_GOLDEN_BYTES_MAX = 64 * 1024 * 1024,
    GNG_MODEL_KEY_BYTES_MAX = 64
};

/* Generous against any net that a line could wait for: 10^12 multiply-adds are about ten seconds of one processor, 4 GiB what
 * the outputs of all layers of one picture may take. */
#define GNG_MODEL_MULTIPLY_ADDS_MAX UINT64_C(1000000000000)
#define GNG_MODEL_ACTIVATION_BYTES_MAX (UINT64_C(4) << 30)

/* Adds "prefix: " to the detail of the last failure. */
gng_status gng_model_error(gng_status status, const char *prefix);

/* FORMAT for a key that the writer keeps to itself or that is unknown, and for a value that is not what its key wants. */
GNG_MUST_CHECK gng_status gng_model_check_metadata(const char *key, const char *value);
/* True for "format", "spec", "file_sha256", "model_sha256" and "golden". */
bool gng_model_is_reserved(const char *key);

/* TOO_LARGE and UNSUPPORTED for graphs beyond the caps, and for inputs that are neither pictures nor rows. */
GNG_MUST_CHECK gng_status gng_model_check_graph(const gng_graph *graph);
/* FORMAT for parameters and states that are not finite and for variances below 0; names the tensor. */
GNG_MUST_CHECK gng_status gng_model_check_tensors(const gng_graph *graph, const float *parameters, const float *states);
/* FORMAT: `what`, with the index of the first value that is not finite. */
GNG_MUST_CHECK gng_status gng_model_check_finite(const char *what, const float *values, size_t count);

/* A net of rows has features x 1 x 1 as input. */
static inline bool gng_model_reads_rows(const gng_graph *graph)
{
    return graph->shapes[0].height == 1 && graph->shapes[0].width == 1;
}

/* Bytes of one golden input: uint8 pixels or float32 features. */
static inline size_t gng_model_golden_bytes(const gng_graph *graph)
{
    return gng_tensor_elements(graph->shapes[0]) * (gng_model_reads_rows(graph) ? sizeof(float) : 1);
}

/* {"input_sha256":"..."} of the golden inputs. */
enum { GNG_MODEL_GOLDEN_TEXT_BYTES = 96 };
void gng_model_golden_text(const void *inputs, size_t bytes, char text[GNG_MODEL_GOLDEN_TEXT_BYTES]);

#endif
