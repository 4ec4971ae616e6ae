/* Bytes -> model. From the outside in: sizes, JSON, layout, integrity, metadata, graph, tensors, identity, golden pictures. */
#include <stdio.h>
#include <string.h>

#include "deploy/model_layout.h"
#include "deploy/sha256.h"

/* One entry of the header. */
typedef struct tensor_entry {
    gng_json name;
    bool is_float; /* F32, or U8 */
    bool used;
    int32_t rank;
    int32_t shape[4];
    const uint8_t *data;
    size_t bytes;
} tensor_entry;

typedef struct model_reader {
    const uint8_t *bytes;
    size_t count;
    size_t data_offset; /* where the tensors begin */
    gng_json root;
    gng_json metadata;
    tensor_entry *tensors;
    size_t tensor_count;
} model_reader;

/* What gng_model_parse hands out: the model and the blocks it points into. */
typedef struct owned_model {
    gng_model model;
    float *parameters;
    float *states;
    void *golden_input;
    float *golden_logits;
    float *known_features;
    char *texts; /* keys and values of the metadata */
} owned_model;

void gng_model_destroy(gng_model *model)
{
    if (model == NULL)
        return;
    owned_model *owned = (owned_model *)(void *)model;
    gng_graph_destroy(owned->model.graph);
    gng_memory_release(owned->parameters);
    gng_memory_release(owned->states);
    gng_memory_release(owned->golden_input);
    gng_memory_release(owned->golden_logits);
    gng_memory_release(owned->known_features);
    gng_memory_release(owned->texts);
    gng_memory_release(owned);
}

static gng_status open_header(model_reader *reader)
{
    if (reader->count > GNG_MODEL_FILE_BYTES_MAX)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "file: %zu bytes, allowed are %d", reader->count, (int)GNG_MODEL_FILE_BYTES_MAX);
    if (reader->count < GNG_MODEL_PREFIX_BYTES)
        return gng_error_set(GNG_STATUS_TRUNCATED, "file: %zu bytes, but a model begins with the %d bytes of its header's length", reader->count,
                             (int)GNG_MODEL_PREFIX_BYTES);
    uint64_t length;
    memcpy(&length, reader->bytes, sizeof length);
    if (length > GNG_MODEL_HEADER_BYTES_MAX)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "header length: found %llu, allowed are %d; this is no model file, or a damaged one",
                             (unsigned long long)length, (int)GNG_MODEL_HEADER_BYTES_MAX);
    if (length % GNG_MODEL_ALIGNMENT != 0)
        return gng_error_set(GNG_STATUS_FORMAT, "header length: found %llu, expected a multiple of %d", (unsigned long long)length, (int)GNG_MODEL_ALIGNMENT);
    if (length > reader->count - GNG_MODEL_PREFIX_BYTES)
        return gng_error_set(GNG_STATUS_TRUNCATED, "header: %llu bytes are announced, %zu are there", (unsigned long long)length,
                             reader->count - GNG_MODEL_PREFIX_BYTES);
    reader->data_offset = GNG_MODEL_PREFIX_BYTES + (size_t)length;

    const char *header = (const char *)reader->bytes + GNG_MODEL_PREFIX_BYTES;
    GNG_TRY(gng_json_check(header, (size_t)length, GNG_MODEL_JSON_DEPTH_MAX, "header", &reader->root));
    if (reader->root.kind != GNG_JSON_OBJECT || reader->root.text != header || reader->root.bytes + GNG_MODEL_ALIGNMENT <= length)
        return gng_error_set(GNG_STATUS_FORMAT, "header: expected a JSON object from its first byte on, filled up with spaces to a multiple of %d bytes",
                             (int)GNG_MODEL_ALIGNMENT);
    return GNG_OK;
}

static gng_status find_text(const model_reader *reader, const char *key, gng_json *out)
{
    if (!gng_json_find(reader->metadata, key, out))
        return gng_error_set(GNG_STATUS_FORMAT, "metadata: the key '%s' is missing; this is no gonogo model", key);
    return GNG_OK;
}

static gng_status find_digits(const model_reader *reader, const char *key, const char **out)
{
    gng_json value;
    GNG_TRY(find_text(reader, key, &value));
    bool valid = value.bytes == GNG_MODEL_DIGITS + 2;
    for (size_t i = 1; i <= GNG_MODEL_DIGITS && valid; i++)
        valid = (value.text[i] >= '0' && value.text[i] <= '9') || (value.text[i] >= 'a' && value.text[i] <= 'f');
    if (!valid)
        return gng_error_set(GNG_STATUS_FORMAT, "metadata: %s: expected %d lower-case hexadecimal digits", key, (int)GNG_MODEL_DIGITS);
    *out = value.text + 1;
    return GNG_OK;
}

static gng_status open_metadata(model_reader *reader)
{
    if (!gng_json_find(reader->root, "__metadata__", &reader->metadata) || reader->metadata.kind != GNG_JSON_OBJECT)
        return gng_error_set(GNG_STATUS_FORMAT, "header: expected an object '__metadata__'; this is no gonogo model");
    char shown[64];
    size_t position = 0;
    for (gng_json key, value; gng_json_next(reader->metadata, &position, &key, &value);)
        if (value.kind != GNG_JSON_STRING)
            return gng_error_set(GNG_STATUS_FORMAT, "metadata: %s: found %s, expected a string", gng_json_show(key, shown, sizeof shown),
                                 gng_json_kind_name(value.kind));
    gng_json format;
    GNG_TRY(find_text(reader, "format", &format));
    if (!gng_json_equals(format, GNG_MODEL_FORMAT))
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "metadata: format: found %s, expected \"%s\"; a newer version may have written the file",
                             gng_json_show(format, shown, sizeof shown), GNG_MODEL_FORMAT);
    return GNG_OK;
}

static gng_status read_shape(gng_json value, const char *name, tensor_entry *out, size_t *bytes)
{
    char shown[64];
    size_t position = 0;
    *bytes = out->is_float ? sizeof(float) : 1;
    bool valid = value.kind == GNG_JSON_ARRAY;
    for (gng_json element; valid && gng_json_next(value, &position, NULL, &element); out->rank++) {
        int64_t side;
        valid = out->rank < 4 && gng_json_integer(element, 1, INT32_MAX, &side) && gng_size_multiply(*bytes, (size_t)side, bytes);
        if (valid)
            out->shape[out->rank] = (int32_t)side;
    }
    if (!valid || out->rank == 0)
        return gng_error_set(GNG_STATUS_FORMAT, "tensor %s: shape: found %s, expected one to four whole numbers above 0", name,
                             gng_json_show(value, shown, sizeof shown));
    return GNG_OK;
}

/* The tensor that begins at `offset` of the data, which is moved to its end. */
static gng_status read_entry(const model_reader *reader, gng_json key, gng_json value, size_t *offset, tensor_entry *out)
{
    char name[2 * GNG_NAME_BYTES], shown[64];
    tensor_entry entry = {.name = key};
    gng_json type, shape, offsets, first, last;
    (void)gng_json_show(key, name, sizeof name);
    if (!gng_json_find(value, "dtype", &type) || !gng_json_find(value, "shape", &shape) || !gng_json_find(value, "data_offsets", &offsets) ||
        gng_json_length(value) != 3)
        return gng_error_set(GNG_STATUS_FORMAT, "tensor %s: expected an object with the keys 'dtype', 'shape', 'data_offsets' and no other", name);
    entry.is_float = gng_json_equals(type, "F32");
    if (!entry.is_float && !gng_json_equals(type, "U8"))
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "tensor %s: dtype: found %s, expected \"F32\" or \"U8\"", name, gng_json_show(type, shown, sizeof shown));
    size_t position = 0;
    GNG_TRY(read_shape(shape, name, &entry, &entry.bytes));

    int64_t begin = -1, end = -1;
    if (offsets.kind != GNG_JSON_ARRAY || gng_json_length(offsets) != 2 || !gng_json_next(offsets, &position, NULL, &first) ||
        !gng_json_next(offsets, &position, NULL, &last) || !gng_json_integer(first, 0, INT32_MAX, &begin) || !gng_json_integer(last, 0, INT32_MAX, &end))
        return gng_error_set(GNG_STATUS_FORMAT, "tensor %s: data_offsets: found %s, expected [begin,end]", name, gng_json_show(offsets, shown, sizeof shown));
    size_t expected_end;
    if (!gng_size_add(*offset, entry.bytes, &expected_end))
        return gng_error_set(GNG_STATUS_TOO_LARGE, "tensor %s: its shape asks for more bytes than a file can have", name);
    if ((size_t)begin != *offset || (size_t)end != expected_end)
        return gng_error_set(GNG_STATUS_FORMAT, "tensor %s: data_offsets: found [%lld,%lld], expected [%zu,%zu]: no holes, no overlap", name,
                             (long long)begin, (long long)end, *offset, expected_end);
    if (expected_end > reader->count - reader->data_offset)
        return gng_error_set(GNG_STATUS_TRUNCATED, "tensor %s: ends at byte %zu of the tensors, but the file has only %zu", name, expected_end,
                             reader->count - reader->data_offset);
    entry.data = reader->bytes + reader->data_offset + *offset;
    *offset = expected_end;
    *out = entry;
    return GNG_OK;
}

static gng_status read_entries(model_reader *reader)
{
    const size_t count = gng_json_length(reader->root) - 1; /* without __metadata__ */
    if (count > GNG_MODEL_TENSORS_MAX)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "header: found %zu tensors, allowed are %d", count, (int)GNG_MODEL_TENSORS_MAX);
    reader->tensors = gng_memory_allocate_array(count, sizeof *reader->tensors);
    if (reader->tensors == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "header: no memory for %zu tensors", count);
    size_t position = 0, offset = 0;
    for (gng_json key, value; gng_json_next(reader->root, &position, &key, &value);)
        if (!gng_json_equals(key, "__metadata__")) {
            GNG_TRY(read_entry(reader, key, value, &offset, &reader->tensors[reader->tensor_count]));
            reader->tensor_count++;
        }
    if (offset != reader->count - reader->data_offset)
        return gng_error_set(GNG_STATUS_FORMAT, "file: %zu bytes behind the last tensor, expected none", reader->count - reader->data_offset - offset);
    return GNG_OK;
}

static gng_status check_integrity(const model_reader *reader, char digits[65])
{
    const char *stored;
    GNG_TRY(find_digits(reader, "file_sha256", &stored));
    char zeros[GNG_MODEL_DIGITS], computed[GNG_MODEL_DIGITS + 1];
    memset(zeros, '0', sizeof zeros);
    const size_t before = (size_t)((const uint8_t *)stored - reader->bytes), after = before + GNG_MODEL_DIGITS;
    gng_sha256 hash = gng_sha256_create();
    gng_sha256_update(&hash, reader->bytes, before);
    gng_sha256_update(&hash, zeros, sizeof zeros);
    gng_sha256_update(&hash, reader->bytes + after, reader->count - after);
    gng_sha256_finish(&hash, computed);
    if (memcmp(stored, computed, GNG_MODEL_DIGITS) != 0)
        return gng_error_set(GNG_STATUS_FORMAT, "metadata: file_sha256: found %.64s, the bytes give %s; the file is damaged, copy it again", stored, computed);
    memcpy(digits, computed, sizeof computed);
    return GNG_OK;
}

static gng_status read_metadata(const model_reader *reader, owned_model *owned)
{
    gng_model *model = &owned->model;
    /* Each unescaped string with its terminator is shorter than the quoted one. */
    owned->texts = gng_memory_allocate(reader->metadata.bytes);
    if (owned->texts == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "metadata: no memory for %zu bytes", reader->metadata.bytes);
    char *at = owned->texts;
    size_t position = 0;
    for (gng_json name, text; gng_json_next(reader->metadata, &position, &name, &text);) {
        char *key = at, *value = key + gng_json_text(name, key, name.bytes) + 1;
        if (gng_model_is_reserved(key))
            continue;
        at = value + gng_json_text(text, value, text.bytes) + 1;
        GNG_TRY(gng_model_check_metadata(key, value));
        if (model->metadata_count == GNG_MODEL_METADATA_MAX)
            return gng_error_set(GNG_STATUS_TOO_LARGE, "metadata: more than %d keys", (int)GNG_MODEL_METADATA_MAX);
        int32_t place = model->metadata_count++;
        for (; place > 0 && strcmp(model->metadata[place - 1].key, key) > 0; place--)
            model->metadata[place] = model->metadata[place - 1];
        model->metadata[place] = (gng_metadata){.key = key, .value = value};
    }
    return GNG_OK;
}

/* The text must be the one that the graph is written as: then one model has one identity. */
static gng_status check_canonical(const gng_graph *graph, const char *text, size_t bytes, char *scratch, size_t capacity)
{
    size_t written = capacity;
    if (gng_graph_to_json(graph, scratch, &written) == GNG_OK && written == bytes + 1 && memcmp(scratch, text, bytes) == 0)
        return GNG_OK;
    return gng_error_set(GNG_STATUS_FORMAT, "spec: the JSON of the layers is not in its canonical form (order of keys, spaces or digits)");
}

static gng_status read_spec(const model_reader *reader, gng_graph **out)
{
    gng_json value;
    GNG_TRY(find_text(reader, "spec", &value));
    char *text = gng_memory_allocate(2 * value.bytes); /* the text, and what the graph gives */
    if (text == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "spec: no memory for %zu bytes", 2 * value.bytes);
    const size_t bytes = gng_json_text(value, text, value.bytes);
    gng_graph *graph = NULL;
    gng_status status = gng_graph_from_json(text, bytes, &graph);
    if (status == GNG_STATUS_ARGUMENT || status == GNG_STATUS_SHAPE)
        status = gng_model_error(GNG_STATUS_FORMAT, "spec");
    if (status == GNG_OK)
        status = gng_model_check_graph(graph);
    if (status == GNG_OK)
        status = check_canonical(graph, text, bytes, text + value.bytes, value.bytes);
    gng_memory_release(text);
    if (status == GNG_OK)
        *out = graph;
    else
        gng_graph_destroy(graph);
    return status;
}

static tensor_entry *find_tensor(const model_reader *reader, const char *name)
{
    for (size_t i = 0; i < reader->tensor_count; i++)
        if (!reader->tensors[i].used && gng_json_equals(reader->tensors[i].name, name))
            return &reader->tensors[i];
    return NULL;
}

/* Marks a tensor as used after comparing type and shape. */
static gng_status take_tensor(const model_reader *reader, const char *name, bool is_float, int32_t rank, const int32_t *shape, const tensor_entry **out)
{
    tensor_entry *entry = find_tensor(reader, name);
    if (entry == NULL)
        return gng_error_set(GNG_STATUS_FORMAT, "tensor \"%s\" is missing", name);
    if (entry->is_float != is_float || entry->rank != rank || memcmp(entry->shape, shape, (size_t)rank * sizeof *shape) != 0) {
        char text[64] = {0};
        gng_json_writer writer = {.out = text, .capacity = sizeof text - 1};
        gng_json_write_integers(&writer, shape, (size_t)rank);
        return gng_error_set(GNG_STATUS_FORMAT, "tensor \"%s\": its type or shape is not the expected one, %s %s", name, is_float ? "F32" : "U8", text);
    }
    entry->used = true;
    *out = entry;
    return GNG_OK;
}

static gng_status copy_tensors(const model_reader *reader, const gng_parameter *tensors, int32_t count, size_t floats, float **out)
{
    /* Only as much memory as the file has bytes: the sizes of all tensors are compared before. */
    size_t present = 0;
    for (size_t i = 0; i < reader->tensor_count; i++)
        present += reader->tensors[i].bytes;
    if (floats > present / sizeof(float))
        return gng_error_set(GNG_STATUS_FORMAT, "tensors: the spec asks for %zu values, the file has %zu bytes of tensors", floats, present);
    *out = gng_memory_allocate_array(floats, sizeof **out);
    if (*out == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "tensors: no memory for %zu values", floats);
    for (int32_t i = 0; i < count; i++) {
        const tensor_entry *entry;
        GNG_TRY(take_tensor(reader, tensors[i].name, true, tensors[i].rank, tensors[i].shape, &entry));
        memcpy(*out + tensors[i].offset, entry->data, entry->bytes);
    }
    return GNG_OK;
}

static gng_status check_golden_hash(const model_reader *reader, const void *inputs, size_t bytes)
{
    char expected[GNG_MODEL_GOLDEN_TEXT_BYTES];
    gng_json text;
    GNG_TRY(find_text(reader, "golden", &text));
    gng_model_golden_text(inputs, bytes, expected);
    if (!gng_json_equals(text, expected))
        return gng_error_set(GNG_STATUS_FORMAT, "metadata: golden: the hash of the golden inputs is not theirs, expected %s", expected);
    return GNG_OK;
}

static gng_status read_golden(const model_reader *reader, owned_model *owned)
{
    const gng_graph *graph = owned->model.graph;
    const gng_tensor_shape input = graph->shapes[0];
    const tensor_entry *entry = find_tensor(reader, GNG_MODEL_GOLDEN_INPUT);
    gng_json text;
    if (entry == NULL && find_tensor(reader, GNG_MODEL_GOLDEN_LOGITS) == NULL && !gng_json_find(reader->metadata, "golden", &text))
        return GNG_OK;
    const int32_t count = entry != NULL ? entry->shape[0] : 1;
    if (count > GNG_MODEL_GOLDEN_MAX || (size_t)count * gng_model_golden_bytes(graph) > GNG_MODEL_GOLDEN_BYTES_MAX)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "tensor \"%s\": %d inputs of %zu bytes, allowed are %d and %d bytes in all", GNG_MODEL_GOLDEN_INPUT,
                             (int)count, gng_model_golden_bytes(graph), (int)GNG_MODEL_GOLDEN_MAX, (int)GNG_MODEL_GOLDEN_BYTES_MAX);
    const bool rows = gng_model_reads_rows(graph);
    const int32_t row_shape[] = {count, input.channels}, picture_shape[] = {count, input.height, input.width, input.channels};
    const int32_t logits_shape[] = {count, gng_graph_outputs(graph)};
    const tensor_entry *logits;
    GNG_TRY(take_tensor(reader, GNG_MODEL_GOLDEN_INPUT, rows, rows ? 2 : 4, rows ? row_shape : picture_shape, &entry));
    GNG_TRY(take_tensor(reader, GNG_MODEL_GOLDEN_LOGITS, true, 2, logits_shape, &logits));
    owned->golden_input = gng_memory_allocate(entry->bytes);
    owned->golden_logits = gng_memory_allocate(logits->bytes);
    if (owned->golden_input == NULL || owned->golden_logits == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "golden pictures: no memory for %zu bytes", entry->bytes + logits->bytes);
    memcpy(owned->golden_input, entry->data, entry->bytes);
    memcpy(owned->golden_logits, logits->data, logits->bytes);
    GNG_TRY(gng_model_check_finite(GNG_MODEL_GOLDEN_LOGITS, owned->golden_logits, logits->bytes / sizeof(float)));
    if (rows)
        GNG_TRY(gng_model_check_finite(GNG_MODEL_GOLDEN_INPUT, owned->golden_input, entry->bytes / sizeof(float)));
    GNG_TRY(check_golden_hash(reader, owned->golden_input, entry->bytes));

    gng_model *model = &owned->model;
    model->golden_count = count;
    model->golden_logits = owned->golden_logits;
    if (rows)
        model->golden_rows = owned->golden_input;
    else
        model->golden_pixels = owned->golden_input;
    return GNG_OK;
}

static gng_status read_known(const model_reader *reader, owned_model *owned)
{
    const tensor_entry *entry = find_tensor(reader, GNG_MODEL_KNOWN_FEATURES);
    if (entry == NULL)
        return GNG_OK;
    const int32_t count = entry->shape[0], features = gng_graph_features(owned->model.graph);
    if (features == 0)
        return gng_error_set(GNG_STATUS_FORMAT, "tensor \"%s\": found, but the last layer is not a dense one: the net has no features", GNG_MODEL_KNOWN_FEATURES);
    if (count > GNG_MODEL_KNOWN_MAX)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "tensor \"%s\": %d rows, allowed are %d", GNG_MODEL_KNOWN_FEATURES, (int)count, (int)GNG_MODEL_KNOWN_MAX);
    const int32_t shape[] = {count, features};
    GNG_TRY(take_tensor(reader, GNG_MODEL_KNOWN_FEATURES, true, 2, shape, &entry));
    owned->known_features = gng_memory_allocate(entry->bytes);
    if (owned->known_features == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "known features: no memory for %zu bytes", entry->bytes);
    memcpy(owned->known_features, entry->data, entry->bytes);
    GNG_TRY(gng_model_check_finite(GNG_MODEL_KNOWN_FEATURES, owned->known_features, entry->bytes / sizeof(float)));
    owned->model.known_count = count;
    owned->model.known_features = owned->known_features;
    return GNG_OK;
}

static gng_status read_model(model_reader *reader, owned_model *owned)
{
    gng_model *model = &owned->model;
    GNG_TRY(open_header(reader));
    GNG_TRY(open_metadata(reader));
    GNG_TRY(read_entries(reader));
    GNG_TRY(check_integrity(reader, model->file_sha256));
    GNG_TRY(read_metadata(reader, owned));
    GNG_TRY(read_spec(reader, &model->graph));
    const gng_graph *graph = model->graph;
    GNG_TRY(copy_tensors(reader, graph->parameters, graph->parameter_count, graph->parameter_floats, &owned->parameters));
    GNG_TRY(copy_tensors(reader, graph->states, graph->state_count, graph->state_floats, &owned->states));
    model->parameters = owned->parameters;
    model->states = owned->states;
    GNG_TRY(gng_model_check_tensors(graph, model->parameters, model->states));
    GNG_TRY(read_golden(reader, owned));
    GNG_TRY(read_known(reader, owned));
    for (size_t i = 0; i < reader->tensor_count; i++)
        if (!reader->tensors[i].used) {
            char shown[2 * GNG_NAME_BYTES];
            return gng_error_set(GNG_STATUS_FORMAT, "tensor %s belongs to no layer", gng_json_show(reader->tensors[i].name, shown, sizeof shown));
        }

    const char *stored;
    GNG_TRY(find_digits(reader, "model_sha256", &stored));
    GNG_TRY(gng_model_identity(graph, model->parameters, model->states, model->model_sha256));
    if (memcmp(stored, model->model_sha256, GNG_MODEL_DIGITS) != 0)
        return gng_error_set(GNG_STATUS_FORMAT, "metadata: model_sha256: found %.64s, spec and tensors give %s", stored, model->model_sha256);
    return GNG_OK;
}

gng_status gng_model_parse(const uint8_t *bytes, size_t count, gng_model **out)
{
    owned_model *owned = gng_memory_allocate(sizeof *owned);
    if (owned == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "file: no memory for a model");
    model_reader reader = {.bytes = bytes, .count = count};
    const gng_status status = read_model(&reader, owned);
    gng_memory_release(reader.tensors);
    if (status == GNG_OK)
        *out = &owned->model;
    else
        gng_model_destroy(&owned->model);
    return status;
}
