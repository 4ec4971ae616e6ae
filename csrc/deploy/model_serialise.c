/* Model -> bytes. Equal models give equal bytes: keys are sorted, numbers canonical, nothing depends on when or where. */
#include <stdio.h>
#include <string.h>

#include "deploy/model_layout.h"
#include "deploy/sha256.h"

enum { RESERVED_COUNT = 5, ENTRIES_MAX = GNG_MODEL_METADATA_MAX + RESERVED_COUNT };

/* The metadata as they will be written, sorted by key, and where the header holds the digits of the file's hash. */
typedef struct model_writer {
    const gng_model *model;
    gng_metadata entries[ENTRIES_MAX];
    int32_t entry_count;
    char golden[GNG_MODEL_GOLDEN_TEXT_BYTES];
    char model_sha256[GNG_MODEL_DIGITS + 1];
    char *spec;
    size_t digits_at;   /* in the header */
    size_t header_bytes;
    size_t data_bytes;
} model_writer;

static const char zero_digits[] = "0000000000000000000000000000000000000000000000000000000000000000";

static gng_status add_entry(model_writer *writer, const char *key, const char *value)
{
    int32_t place = writer->entry_count;
    for (; place > 0; place--) {
        const int order = strcmp(writer->entries[place - 1].key, key);
        if (order == 0)
            return gng_error_set(GNG_STATUS_ARGUMENT, "metadata: the key '%s' is given twice", key);
        if (order < 0)
            break;
        writer->entries[place] = writer->entries[place - 1];
    }
    writer->entries[place] = (gng_metadata){.key = key, .value = value};
    writer->entry_count++;
    return GNG_OK;
}

static const void *golden_input(const gng_model *model)
{
    return gng_model_reads_rows(model->graph) ? (const void *)model->golden_rows : (const void *)model->golden_pixels;
}

static size_t golden_input_bytes(const gng_model *model)
{
    return (size_t)model->golden_count * gng_model_golden_bytes(model->graph);
}

static size_t golden_logits_count(const gng_model *model)
{
    return (size_t)model->golden_count * (size_t)gng_graph_outputs(model->graph);
}

static gng_status check_golden(const gng_model *model)
{
    if (model->golden_count == 0)
        return GNG_OK;
    const bool rows = gng_model_reads_rows(model->graph);
    if (model->golden_count < 0 || model->golden_count > GNG_MODEL_GOLDEN_MAX || golden_input_bytes(model) > GNG_MODEL_GOLDEN_BYTES_MAX)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "golden: %d inputs of %zu bytes, allowed are %d and %d bytes in all", (int)model->golden_count,
                             gng_model_golden_bytes(model->graph), (int)GNG_MODEL_GOLDEN_MAX, (int)GNG_MODEL_GOLDEN_BYTES_MAX);
    if (golden_input(model) == NULL || model->golden_logits == NULL)
        return gng_error_set(GNG_STATUS_ARGUMENT, "golden: a net of %s needs golden %s and their logits", rows ? "rows" : "pictures", rows ? "rows" : "pixels");
    if (rows)
        GNG_TRY(gng_model_check_finite(GNG_MODEL_GOLDEN_INPUT, model->golden_rows, golden_input_bytes(model) / sizeof(float)));
    return gng_model_check_finite(GNG_MODEL_GOLDEN_LOGITS, model->golden_logits, golden_logits_count(model));
}

static size_t known_values(const gng_model *model)
{
    return (size_t)model->known_count * (size_t)gng_graph_features(model->graph);
}

static gng_status check_known(const gng_model *model)
{
    if (model->known_count == 0)
        return GNG_OK;
    if (model->known_count < 0 || model->known_count > GNG_MODEL_KNOWN_MAX)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "known features: %d rows, allowed are %d", (int)model->known_count, (int)GNG_MODEL_KNOWN_MAX);
    if (model->known_features == NULL || known_values(model) == 0)
        return gng_error_set(GNG_STATUS_ARGUMENT, "known features: the last layer is not a dense one: the net has none");
    return gng_model_check_finite(GNG_MODEL_KNOWN_FEATURES, model->known_features, known_values(model));
}

static gng_status check_metadata(const gng_model *model)
{
    if (model->metadata_count < 0 || model->metadata_count > GNG_MODEL_METADATA_MAX)
        return gng_error_set(GNG_STATUS_ARGUMENT, "metadata: found %d keys, allowed are %d", (int)model->metadata_count, (int)GNG_MODEL_METADATA_MAX);
    for (int32_t i = 0; i < model->metadata_count; i++)
        GNG_TRY(gng_model_check_metadata(model->metadata[i].key, model->metadata[i].value));
    return GNG_OK;
}

/* The checks are the reader's; what is a fault of the format there is one of the arguments here. */
static gng_status check_model(const gng_model *model)
{
    gng_status status = gng_model_check_graph(model->graph);
    if (status == GNG_OK)
        status = gng_model_check_tensors(model->graph, model->parameters, model->states);
    if (status == GNG_OK)
        status = check_golden(model);
    if (status == GNG_OK)
        status = check_known(model);
    if (status == GNG_OK)
        status = check_metadata(model);
    return status == GNG_STATUS_FORMAT ? gng_error_set(GNG_STATUS_ARGUMENT, "%s", gng_error_detail()) : status;
}

static gng_status collect_metadata(model_writer *writer)
{
    const gng_model *model = writer->model;
    size_t bytes;
    GNG_TRY(gng_graph_to_json(model->graph, NULL, &bytes));
    writer->spec = gng_memory_allocate(bytes);
    if (writer->spec == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "spec: no memory for %zu bytes", bytes);
    GNG_TRY(gng_graph_to_json(model->graph, writer->spec, &bytes));
    for (int32_t i = 0; i < model->metadata_count; i++)
        GNG_TRY(add_entry(writer, model->metadata[i].key, model->metadata[i].value));
    GNG_TRY(add_entry(writer, "format", GNG_MODEL_FORMAT));
    GNG_TRY(add_entry(writer, "spec", writer->spec));
    GNG_TRY(add_entry(writer, "file_sha256", zero_digits));
    GNG_TRY(add_entry(writer, "model_sha256", writer->model_sha256));
    return model->golden_count > 0 ? add_entry(writer, "golden", writer->golden) : GNG_OK;
}

static void write_entry(gng_json_writer *json, const char *name, const char *type, const int32_t *shape, size_t rank, size_t bytes, size_t *offset)
{
    gng_json_write(json, ",");
    gng_json_write_string(json, name);
    gng_json_write(json, ":{\"dtype\":\"");
    gng_json_write(json, type);
    gng_json_write(json, "\",\"shape\":");
    gng_json_write_integers(json, shape, rank);
    gng_json_write(json, ",\"data_offsets\":[");
    gng_json_write_integer(json, (int64_t)*offset);
    gng_json_write(json, ",");
    *offset += bytes;
    gng_json_write_integer(json, (int64_t)*offset);
    gng_json_write(json, "]}");
}

static void write_tensors(gng_json_writer *json, const gng_parameter *tensors, int32_t count, size_t *offset)
{
    for (int32_t i = 0; i < count; i++)
        write_entry(json, tensors[i].name, "F32", tensors[i].shape, (size_t)tensors[i].rank, tensors[i].count * sizeof(float), offset);
}

static void write_known(gng_json_writer *json, const gng_model *model, size_t *offset)
{
    const int32_t shape[] = {model->known_count, gng_graph_features(model->graph)};
    if (model->known_count > 0)
        write_entry(json, GNG_MODEL_KNOWN_FEATURES, "F32", shape, 2, known_values(model) * sizeof(float), offset);
}

/* The golden pixels come last, so that every float32 tensor lies at a multiple of four bytes. */
static void write_golden(gng_json_writer *json, const gng_model *model, size_t *offset)
{
    if (model->golden_count == 0)
        return;
    const gng_tensor_shape input = model->graph->shapes[0];
    const int32_t n = model->golden_count;
    const bool rows = gng_model_reads_rows(model->graph);
    const int32_t row_shape[] = {n, input.channels}, picture_shape[] = {n, input.height, input.width, input.channels};
    const int32_t logits_shape[] = {n, gng_graph_outputs(model->graph)};
    write_entry(json, GNG_MODEL_GOLDEN_LOGITS, "F32", logits_shape, 2, golden_logits_count(model) * sizeof(float), offset);
    write_entry(json, GNG_MODEL_GOLDEN_INPUT, rows ? "F32" : "U8", rows ? row_shape : picture_shape, rows ? 2 : 4, golden_input_bytes(model), offset);
}

static void write_header(model_writer *writer, char *out, size_t capacity)
{
    const gng_model *model = writer->model;
    gng_json_writer json = {.out = out, .capacity = capacity};
    gng_json_write(&json, "{\"__metadata__\":");
    for (int32_t i = 0; i < writer->entry_count; i++) {
        gng_json_write(&json, i == 0 ? "{" : ",");
        gng_json_write_string(&json, writer->entries[i].key);
        gng_json_write(&json, ":");
        if (writer->entries[i].value == zero_digits)
            writer->digits_at = json.bytes + 1;
        gng_json_write_string(&json, writer->entries[i].value);
    }
    gng_json_write(&json, "}");
    size_t offset = 0;
    write_tensors(&json, model->graph->parameters, model->graph->parameter_count, &offset);
    write_tensors(&json, model->graph->states, model->graph->state_count, &offset);
    write_known(&json, model, &offset);
    write_golden(&json, model, &offset);
    gng_json_write(&json, "}");
    while (json.bytes % GNG_MODEL_ALIGNMENT != 0)
        gng_json_write(&json, " ");
    writer->header_bytes = json.bytes;
    writer->data_bytes = offset;
}

static uint8_t *copy(uint8_t *to, const void *from, size_t bytes)
{
    if (bytes > 0)
        memcpy(to, from, bytes);
    return to + bytes;
}

static void write_file(model_writer *writer, uint8_t *bytes)
{
    const gng_model *model = writer->model;
    const uint64_t length = writer->header_bytes;
    char *header = (char *)bytes + GNG_MODEL_PREFIX_BYTES;
    (void)copy(bytes, &length, sizeof length);
    write_header(writer, header, writer->header_bytes);
    uint8_t *at = bytes + GNG_MODEL_PREFIX_BYTES + writer->header_bytes;
    /* The flat blocks hold the tensors one behind the other, in the order of the header. */
    at = copy(at, model->parameters, model->graph->parameter_floats * sizeof(float));
    at = copy(at, model->states, model->graph->state_floats * sizeof(float));
    at = copy(at, model->known_features, known_values(model) * sizeof(float));
    if (model->golden_count > 0) {
        at = copy(at, model->golden_logits, golden_logits_count(model) * sizeof(float));
        at = copy(at, golden_input(model), golden_input_bytes(model));
    }
    char digits[GNG_MODEL_DIGITS + 1];
    gng_sha256 hash = gng_sha256_create();
    gng_sha256_update(&hash, bytes, (size_t)(at - bytes));
    gng_sha256_finish(&hash, digits);
    memcpy(header + writer->digits_at, digits, GNG_MODEL_DIGITS);
}

static gng_status serialise(model_writer *writer, uint8_t *bytes, size_t *count)
{
    const gng_model *model = writer->model;
    GNG_TRY(check_model(model));
    GNG_TRY(collect_metadata(writer));
    /* A size needs no hashes: theirs is always the same. */
    memcpy(writer->model_sha256, zero_digits, sizeof zero_digits);
    if (bytes != NULL)
        GNG_TRY(gng_model_identity(model->graph, model->parameters, model->states, writer->model_sha256));
    if (model->golden_count > 0)
        gng_model_golden_text(golden_input(model), golden_input_bytes(model), writer->golden);
    write_header(writer, NULL, 0);
    if (writer->header_bytes > GNG_MODEL_HEADER_BYTES_MAX)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "header: %zu bytes, allowed are %d; store less metadata", writer->header_bytes,
                             (int)GNG_MODEL_HEADER_BYTES_MAX);
    const size_t total = GNG_MODEL_PREFIX_BYTES + writer->header_bytes + writer->data_bytes;
    if (total > GNG_MODEL_FILE_BYTES_MAX)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "file: %zu bytes, allowed are %d", total, (int)GNG_MODEL_FILE_BYTES_MAX);
    if (bytes != NULL && *count < total)
        return gng_error_set(GNG_STATUS_ARGUMENT, "bytes: room for %zu, needed are %zu", *count, total);
    if (bytes != NULL)
        write_file(writer, bytes);
    *count = total;
    return GNG_OK;
}

gng_status gng_model_serialise(const gng_model *model, uint8_t *bytes, size_t *count)
{
    model_writer writer = {.model = model};
    const gng_status status = serialise(&writer, bytes, count);
    gng_memory_release(writer.spec);
    return status;
}
