/* A graph as JSON and back. One table says which fields a kind of layer has, in the order they are written. */
#include <stdio.h>
#include <string.h>

#include "deploy/model_layout.h"

typedef enum field_type { FIELD_INTEGERS, FIELD_FLOAT, FIELD_BOOLEAN, FIELD_ACTIVATION, FIELD_POOL } field_type;

typedef struct field {
    gng_layer_kind kind;
    const char *key;
    field_type type;
    size_t offset; /* in gng_layer */
    size_t count;  /* integers; 1: a plain number, no array */
} field;

#define FIELD(kind, key, type, member, count) {GNG_LAYER_##kind, key, FIELD_##type, offsetof(gng_layer, as.member), count}

static const field fields[] = {
    FIELD(CONV, "filters", INTEGERS, conv.filters, 1),
    FIELD(CONV, "kernel", INTEGERS, conv.window.kernel, 2),
    FIELD(CONV, "stride", INTEGERS, conv.window.stride, 2),
    FIELD(CONV, "padding", INTEGERS, conv.window.padding, 4),
    FIELD(CONV, "dilation", INTEGERS, conv.window.dilation, 2),
    FIELD(CONV, "groups", INTEGERS, conv.groups, 1),
    FIELD(CONV, "bias", BOOLEAN, conv.bias, 1),
    FIELD(CONV, "l2", FLOAT, conv.l2, 1),
    FIELD(DENSE, "units", INTEGERS, dense.units, 1),
    FIELD(DENSE, "bias", BOOLEAN, dense.bias, 1),
    FIELD(DENSE, "l2", FLOAT, dense.l2, 1),
    FIELD(ACTIVATION, "function", ACTIVATION, activation.function, 1),
    FIELD(ACTIVATION, "slope", FLOAT, activation.slope, 1),
    FIELD(POOL, "pool", POOL, pool.kind, 1),
    FIELD(POOL, "kernel", INTEGERS, pool.window.kernel, 2),
    FIELD(POOL, "stride", INTEGERS, pool.window.stride, 2),
    FIELD(POOL, "padding", INTEGERS, pool.window.padding, 4),
    FIELD(DROPOUT, "rate", FLOAT, dropout.rate, 1),
    FIELD(BATCH_NORM, "momentum", FLOAT, batch_norm.momentum, 1),
    FIELD(BATCH_NORM, "epsilon", FLOAT, batch_norm.epsilon, 1),
};

enum { FIELD_COUNT = sizeof fields / sizeof fields[0] };

/* Fields that mean nothing for this layer are not written, so that equal graphs have equal texts. The name of the activation or
 * pooling stands before what depends on it. */
static bool field_applies(const field *item, const gng_layer *layer)
{
    if (item->kind != layer->kind)
        return false;
    if (layer->kind == GNG_LAYER_ACTIVATION && item->type == FIELD_FLOAT)
        return layer->as.activation.function == GNG_ACTIVATION_LEAKY_RELU || layer->as.activation.function == GNG_ACTIVATION_ELU;
    if (layer->kind == GNG_LAYER_POOL && item->type == FIELD_INTEGERS)
        return layer->as.pool.kind == GNG_POOL_MAX || layer->as.pool.kind == GNG_POOL_AVERAGE;
    return true;
}

static void write_field(gng_json_writer *writer, const field *item, const gng_layer *layer)
{
    const void *member = (const char *)layer + item->offset;
    gng_json_write(writer, ",");
    gng_json_write_string(writer, item->key);
    gng_json_write(writer, ":");
    switch (item->type) {
    case FIELD_INTEGERS:
        if (item->count == 1)
            gng_json_write_integer(writer, *(const int32_t *)member);
        else
            gng_json_write_integers(writer, member, item->count);
        break;
    case FIELD_FLOAT:
        gng_json_write_float(writer, *(const float *)member);
        break;
    case FIELD_BOOLEAN:
        gng_json_write(writer, *(const bool *)member ? "true" : "false");
        break;
    case FIELD_ACTIVATION:
        gng_json_write_string(writer, gng_activation_name(*(const gng_activation *)member));
        break;
    case FIELD_POOL:
        gng_json_write_string(writer, gng_pool_name(*(const gng_pool_kind *)member));
        break;
    }
}

gng_status gng_graph_to_json(const gng_graph *graph, char *text, size_t *bytes)
{
    if (strcmp(graph->layers[0].name, "input") != 0)
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': the input of a graph that is written must be called 'input'", graph->layers[0].name);
    gng_json_writer writer = {.out = text, .capacity = text != NULL ? *bytes : 0};
    const gng_tensor_shape input = graph->shapes[0];
    gng_json_write(&writer, "{\"input\":");
    gng_json_write_integers(&writer, (const int32_t[]){input.channels, input.height, input.width}, 3);
    gng_json_write(&writer, ",\"layers\":[");
    for (int32_t i = 1; i < graph->layer_count; i++) {
        const gng_layer *layer = &graph->layers[i];
        gng_json_write(&writer, i == 1 ? "{\"name\":" : ",{\"name\":");
        gng_json_write_string(&writer, layer->name);
        gng_json_write(&writer, ",\"kind\":");
        gng_json_write_string(&writer, gng_layer_kind_name(layer->kind));
        for (int32_t k = 0; k < layer->input_count; k++) {
            gng_json_write(&writer, k == 0 ? ",\"inputs\":[" : ",");
            gng_json_write_string(&writer, graph->layers[layer->inputs[k]].name);
        }
        gng_json_write(&writer, "]");
        for (size_t f = 0; f < FIELD_COUNT; f++)
            if (field_applies(&fields[f], layer))
                write_field(&writer, &fields[f], layer);
        gng_json_write(&writer, "}");
    }
    gng_json_write(&writer, "]}");
    const size_t needed = writer.bytes + 1;
    if (text != NULL && *bytes < needed)
        return gng_error_set(GNG_STATUS_ARGUMENT, "text: %zu bytes given, the graph needs %zu", *bytes, needed);
    if (text != NULL)
        text[writer.bytes] = '\0';
    *bytes = needed;
    return GNG_OK;
}

/* One layer while it is read. */
typedef struct layer_reader {
    gng_json object;
    gng_layer *layers; /* [index], those before it */
    int32_t index;
    size_t used; /* keys read so far */
    char label[GNG_NAME_BYTES + 24];
} layer_reader;

static gng_status wrong(const layer_reader *reader, const char *key, gng_json found, const char *expected)
{
    char shown[64];
    return gng_error_set(GNG_STATUS_FORMAT, "%s: %s: found %s, expected %s", reader->label, key, gng_json_show(found, shown, sizeof shown), expected);
}

static gng_status take(layer_reader *reader, const char *key, gng_json *out)
{
    if (!gng_json_find(reader->object, key, out))
        return gng_error_set(GNG_STATUS_FORMAT, "%s: the key '%s' is missing", reader->label, key);
    reader->used++;
    return GNG_OK;
}

/* A word of at most `capacity` - 1 bytes; cut ones equal no known word. */
static gng_status take_word(layer_reader *reader, const char *key, char *out, size_t capacity)
{
    gng_json value;
    GNG_TRY(take(reader, key, &value));
    if (value.kind != GNG_JSON_STRING || gng_json_text(value, out, capacity) >= capacity)
        return wrong(reader, key, value, "a short string");
    return GNG_OK;
}

static gng_status read_integers(const layer_reader *reader, const field *item, gng_json value, int32_t *out)
{
    static const char *const expected[] = {"", "a whole number", "two whole numbers", "", "four whole numbers"};
    int32_t numbers[4];
    size_t count = 0, position = 0;
    if (item->count > 1 && value.kind != GNG_JSON_ARRAY)
        return wrong(reader, item->key, value, expected[item->count]);
    for (gng_json element = value; count < item->count; count++) {
        int64_t number;
        if ((item->count > 1 && !gng_json_next(value, &position, NULL, &element)) || !gng_json_integer(element, 0, INT32_MAX, &number))
            return wrong(reader, item->key, value, expected[item->count]);
        numbers[count] = (int32_t)number;
    }
    if (item->count > 1 && gng_json_length(value) != item->count)
        return wrong(reader, item->key, value, expected[item->count]);
    memcpy(out, numbers, count * sizeof *out);
    return GNG_OK;
}

static gng_status read_field(layer_reader *reader, const field *item, gng_layer *layer)
{
    void *member = (char *)layer + item->offset;
    char word[GNG_NAME_BYTES];
    gng_json value;
    gng_status status = GNG_OK;
    switch (item->type) {
    case FIELD_INTEGERS:
        GNG_TRY(take(reader, item->key, &value));
        return read_integers(reader, item, value, member);
    case FIELD_FLOAT:
        GNG_TRY(take(reader, item->key, &value));
        return gng_json_float(value, member) ? GNG_OK : wrong(reader, item->key, value, "a number");
    case FIELD_BOOLEAN:
        GNG_TRY(take(reader, item->key, &value));
        return gng_json_boolean(value, member) ? GNG_OK : wrong(reader, item->key, value, "true or false");
    case FIELD_ACTIVATION:
        GNG_TRY(take_word(reader, item->key, word, sizeof word));
        status = gng_activation_from_name(word, member);
        break;
    case FIELD_POOL:
        GNG_TRY(take_word(reader, item->key, word, sizeof word));
        status = gng_pool_from_name(word, member);
        break;
    }
    return status == GNG_OK ? GNG_OK : gng_model_error(GNG_STATUS_UNSUPPORTED, reader->label);
}

static gng_status read_inputs(layer_reader *reader, gng_layer *layer)
{
    gng_json value, element;
    GNG_TRY(take(reader, "inputs", &value));
    const size_t count = value.kind == GNG_JSON_ARRAY ? gng_json_length(value) : 0;
    if (count < 1 || count > GNG_LAYER_INPUTS_MAX)
        return wrong(reader, "inputs", value, "an array of one or two names");
    size_t position = 0;
    while (gng_json_next(value, &position, NULL, &element)) {
        int32_t found = reader->index - 1;
        while (found >= 0 && !gng_json_equals(element, reader->layers[found].name))
            found--;
        if (found < 0)
            return wrong(reader, "inputs", element, "the name of an earlier layer");
        layer->inputs[layer->input_count++] = found;
    }
    return GNG_OK;
}

static bool key_is_known(gng_json key, const gng_layer *layer)
{
    static const char *const common[] = {"name", "kind", "inputs"};
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        if (gng_json_equals(key, common[i]))
            return true;
    for (size_t f = 0; f < FIELD_COUNT; f++)
        if (field_applies(&fields[f], layer) && gng_json_equals(key, fields[f].key))
            return true;
    return false;
}

static gng_status refuse_unknown_keys(const layer_reader *reader, const gng_layer *layer)
{
    if (gng_json_length(reader->object) == reader->used)
        return GNG_OK;
    char shown[64];
    size_t position = 0;
    gng_json key, value;
    while (gng_json_next(reader->object, &position, &key, &value) && key_is_known(key, layer))
        continue;
    return gng_error_set(GNG_STATUS_FORMAT, "%s: unknown key %s; a layer of kind '%s' has no such field", reader->label,
                         gng_json_show(key, shown, sizeof shown), gng_layer_kind_name(layer->kind));
}

static gng_status read_layer(gng_json object, gng_layer *layers, int32_t index)
{
    layer_reader reader = {.object = object, .layers = layers, .index = index};
    gng_layer layer = {0};
    (void)snprintf(reader.label, sizeof reader.label, "spec: layer %d", (int)index);
    if (object.kind != GNG_JSON_OBJECT)
        return gng_error_set(GNG_STATUS_FORMAT, "%s: found %s, expected an object", reader.label, gng_json_kind_name(object.kind));
    GNG_TRY(take_word(&reader, "name", layer.name, sizeof layer.name));
    (void)snprintf(reader.label, sizeof reader.label, "spec: layer '%s'", layer.name);

    char kind[GNG_NAME_BYTES];
    GNG_TRY(take_word(&reader, "kind", kind, sizeof kind));
    if (gng_layer_kind_from_name(kind, &layer.kind) != GNG_OK)
        return gng_model_error(GNG_STATUS_UNSUPPORTED, reader.label);
    if (layer.kind == GNG_LAYER_INPUT)
        return gng_error_set(GNG_STATUS_FORMAT, "%s: kind 'input' is not listed among the layers", reader.label);
    GNG_TRY(read_inputs(&reader, &layer));
    if (layer.kind == GNG_LAYER_POOL)
        layer.as.pool.window = (gng_window){.kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}};
    for (size_t f = 0; f < FIELD_COUNT; f++)
        if (field_applies(&fields[f], &layer))
            GNG_TRY(read_field(&reader, &fields[f], &layer));
    GNG_TRY(refuse_unknown_keys(&reader, &layer));
    layers[index] = layer;
    return GNG_OK;
}

static gng_status read_input_shape(gng_json value, gng_tensor_shape *out)
{
    static const field shape = {.key = "input", .type = FIELD_INTEGERS, .count = 3};
    const layer_reader reader = {.label = "spec"};
    int64_t numbers[3];
    size_t position = 0, count = 0;
    for (gng_json element; count < shape.count && gng_json_next(value, &position, NULL, &element); count++)
        if (!gng_json_integer(element, 1, INT32_MAX, &numbers[count]))
            break;
    if (value.kind != GNG_JSON_ARRAY || count != shape.count || gng_json_length(value) != shape.count)
        return wrong(&reader, shape.key, value, "[channels,height,width]");
    *out = (gng_tensor_shape){.channels = (int32_t)numbers[0], .height = (int32_t)numbers[1], .width = (int32_t)numbers[2], .block = 1};
    return GNG_OK;
}

gng_status gng_graph_from_json(const char *text, size_t bytes, gng_graph **out)
{
    if (bytes > GNG_MODEL_HEADER_BYTES_MAX)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "spec: %zu bytes, allowed are %d", bytes, (int)GNG_MODEL_HEADER_BYTES_MAX);
    gng_json root, input, list, element;
    GNG_TRY(gng_json_check(text, bytes, GNG_MODEL_JSON_DEPTH_MAX, "spec", &root));
    if (!gng_json_find(root, "input", &input) || !gng_json_find(root, "layers", &list) || gng_json_length(root) != 2)
        return gng_error_set(GNG_STATUS_FORMAT, "spec: expected an object with the keys 'input' and 'layers' and no other");
    gng_tensor_shape shape;
    GNG_TRY(read_input_shape(input, &shape));
    const size_t count = gng_json_length(list);
    if (list.kind != GNG_JSON_ARRAY || count < 1)
        return gng_error_set(GNG_STATUS_FORMAT, "spec: layers: expected an array of at least one layer");
    if (count >= GNG_LAYERS_MAX)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "spec: found %zu layers, allowed are %d", count, (int)GNG_LAYERS_MAX - 1);

    gng_layer *layers = gng_memory_allocate_array(count + 1, sizeof *layers);
    if (layers == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "spec: no memory for %zu layers", count);
    memcpy(layers[0].name, "input", sizeof "input");
    layers[0].kind = GNG_LAYER_INPUT;
    gng_status status = GNG_OK;
    size_t position = 0;
    for (int32_t i = 1; status == GNG_OK && gng_json_next(list, &position, NULL, &element); i++)
        status = read_layer(element, layers, i);
    if (status == GNG_OK)
        status = gng_graph_create(layers, (int32_t)count + 1, shape, out);
    gng_memory_release(layers);
    return status;
}
