/* What is true of every model file, read or written: metadata keys, caps, finite tensors, identity. Bytes are model_parse.c and
 * model_serialise.c, the graph as JSON is model_spec.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "deploy/model_layout.h"
#include "deploy/sha256.h"

typedef enum metadata_rule {
    METADATA_RESERVED, /* made by the writer, checked by the reader, never handed to callers */
    METADATA_ARRAY,    /* JSON text of that kind */
    METADATA_OBJECT
} metadata_rule;

/* The keys of `__metadata__`; any other must begin with "x." and may hold any text. `training` holds no date, number of threads or
 * speed, so that equal trainings give equal files. */
static const struct {
    const char *key;
    metadata_rule rule;
} metadata_keys[] = {
    {"format", METADATA_RESERVED},       /* GNG_MODEL_FORMAT */
    {"spec", METADATA_RESERVED},         /* canonical JSON of the graph */
    {"file_sha256", METADATA_RESERVED},  /* integrity */
    {"model_sha256", METADATA_RESERVED}, /* identity */
    {"golden", METADATA_RESERVED},       /* hash of the golden inputs, where there are any */
    {"certificate", METADATA_OBJECT}, /* what the gate promises, and about which weights */
    {"review_zone", METADATA_OBJECT}, /* which parts people look at, beside the certificate */
    {"classes", METADATA_ARRAY},
    {"preprocess", METADATA_OBJECT},
    {"reference", METADATA_OBJECT}, /* how good parts look, beside the certificate */
    {"temperature", METADATA_OBJECT}, /* what turns scores into probabilities */
    {"training", METADATA_OBJECT},
    {"unknown_guard", METADATA_OBJECT}, /* which pictures are unlike the known features, beside the certificate */
    {"versions", METADATA_OBJECT},
};

enum { METADATA_KEY_COUNT = sizeof metadata_keys / sizeof metadata_keys[0] };

gng_status gng_model_error(gng_status status, const char *prefix)
{
    return gng_error_set(status, "%s: %s", prefix, gng_error_detail());
}

bool gng_model_is_reserved(const char *key)
{
    for (size_t i = 0; i < METADATA_KEY_COUNT; i++)
        if (strcmp(metadata_keys[i].key, key) == 0)
            return metadata_keys[i].rule == METADATA_RESERVED;
    return false;
}

static gng_status check_free_key(const char *key)
{
    const size_t length = strlen(key);
    bool allowed = length > 2 && length < GNG_MODEL_KEY_BYTES_MAX && strncmp(key, "x.", 2) == 0;
    for (size_t i = 0; i < length && allowed; i++)
        allowed = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", key[i]) != NULL;
    if (allowed)
        return GNG_OK;
    return gng_error_set(GNG_STATUS_FORMAT,
                         "metadata: unknown key '%.80s'; known are certificate, classes, preprocess, reference, review_zone, temperature, training, unknown_guard, "
                         "versions, and keys of at most %d letters, digits, '.', '_', '-' that begin with 'x.'",
                         key, (int)GNG_MODEL_KEY_BYTES_MAX - 1);
}

gng_status gng_model_check_metadata(const char *key, const char *value)
{
    if (!gng_json_utf8(key) || !gng_json_utf8(value))
        return gng_error_set(GNG_STATUS_FORMAT, "metadata: a key or its value is not UTF-8");
    size_t i = 0;
    while (i < METADATA_KEY_COUNT && strcmp(metadata_keys[i].key, key) != 0)
        i++;
    if (i == METADATA_KEY_COUNT)
        return check_free_key(key);
    if (metadata_keys[i].rule == METADATA_RESERVED)
        return gng_error_set(GNG_STATUS_FORMAT, "metadata: the key '%s' is written by the library itself", key);
    char what[GNG_MODEL_KEY_BYTES_MAX + 16];
    (void)snprintf(what, sizeof what, "metadata: %s", key);
    gng_json root;
    GNG_TRY(gng_json_check(value, strlen(value), GNG_MODEL_JSON_DEPTH_MAX, what, &root));
    const gng_json_kind expected = metadata_keys[i].rule == METADATA_ARRAY ? GNG_JSON_ARRAY : GNG_JSON_OBJECT;
    if (root.kind != expected)
        return gng_error_set(GNG_STATUS_FORMAT, "%s: found %s, expected %s", what, gng_json_kind_name(root.kind), gng_json_kind_name(expected));
    return GNG_OK;
}

gng_status gng_model_check_graph(const gng_graph *graph)
{
    const gng_tensor_shape input = graph->shapes[0];
    if (!gng_model_reads_rows(graph) && input.channels != 1 && input.channels != 3)
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "spec: the input has %d channels; pictures have 1 or 3, and rows of features are n x 1 x 1",
                             (int)input.channels);
    if (graph->multiply_adds > GNG_MODEL_MULTIPLY_ADDS_MAX)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "spec: %llu multiply-adds for one picture, allowed are %llu",
                             (unsigned long long)graph->multiply_adds, (unsigned long long)GNG_MODEL_MULTIPLY_ADDS_MAX);
    uint64_t bytes = 0; /* at most 1024 layers of 2^27 values: fits */
    for (int32_t i = 0; i < graph->layer_count; i++)
        bytes += (uint64_t)gng_tensor_elements(graph->shapes[i]) * sizeof(float);
    if (bytes > GNG_MODEL_ACTIVATION_BYTES_MAX)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "spec: the outputs of the layers take %llu bytes for one picture, allowed are %llu",
                             (unsigned long long)bytes, (unsigned long long)GNG_MODEL_ACTIVATION_BYTES_MAX);
    return GNG_OK;
}

gng_status gng_model_check_finite(const char *what, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return gng_error_set(GNG_STATUS_FORMAT, "%s: value %zu is %s, expected finite numbers", what, i, isnan(values[i]) ? "NaN" : "infinite");
    return GNG_OK;
}

gng_status gng_model_check_tensors(const gng_graph *graph, const float *parameters, const float *states)
{
    for (int32_t i = 0; i < graph->parameter_count; i++)
        GNG_TRY(gng_model_check_finite(graph->parameters[i].name, parameters + graph->parameters[i].offset, graph->parameters[i].count));
    for (int32_t i = 0; i < graph->state_count; i++) {
        const gng_parameter *tensor = &graph->states[i];
        GNG_TRY(gng_model_check_finite(tensor->name, states + tensor->offset, tensor->count));
        const char *suffix = strrchr(tensor->name, '.');
        if (suffix == NULL || strcmp(suffix, ".variance") != 0)
            continue;
        for (size_t k = 0; k < tensor->count; k++)
            if (states[tensor->offset + k] < 0)
                return gng_error_set(GNG_STATUS_FORMAT, "%s: value %zu is %g; a variance is never below 0", tensor->name, k,
                                     (double)states[tensor->offset + k]);
    }
    return GNG_OK;
}

void gng_model_golden_text(const void *inputs, size_t bytes, char text[GNG_MODEL_GOLDEN_TEXT_BYTES])
{
    char digits[GNG_MODEL_DIGITS + 1];
    gng_sha256 hash = gng_sha256_create();
    gng_sha256_update(&hash, inputs, bytes);
    gng_sha256_finish(&hash, digits);
    (void)snprintf(text, GNG_MODEL_GOLDEN_TEXT_BYTES, "{\"input_sha256\":\"%s\"}", digits);
}

gng_status gng_model_identity(const gng_graph *graph, const float *parameters, const float *states, char digits[65])
{
    size_t bytes;
    GNG_TRY(gng_graph_to_json(graph, NULL, &bytes));
    char *text = gng_memory_allocate(bytes);
    if (text == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "spec: no memory for %zu bytes", bytes);
    const gng_status status = gng_graph_to_json(graph, text, &bytes);
    if (status == GNG_OK) {
        gng_sha256 hash = gng_sha256_create();
        gng_sha256_update(&hash, text, bytes - 1);
        gng_sha256_update(&hash, parameters, graph->parameter_floats * sizeof *parameters);
        gng_sha256_update(&hash, states, graph->state_floats * sizeof *states);
        gng_sha256_finish(&hash, digits);
    }
    gng_memory_release(text);
    return status;
}
