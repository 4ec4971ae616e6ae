/* One layer as a mapping -> gng_layer, and running a single layer for checks. */
#include "bind/arguments.h"

#include <string.h>

static gng_status kind_from_name(const char *name, int *out)
{
    gng_layer_kind kind;
    GNG_TRY(gng_layer_kind_from_name(name, &kind));
    *out = (int)kind;
    return GNG_OK;
}

static gng_status function_from_name(const char *name, int *out)
{
    gng_activation function;
    GNG_TRY(gng_activation_from_name(name, &function));
    *out = (int)function;
    return GNG_OK;
}

static gng_status pool_from_name(const char *name, int *out)
{
    gng_pool_kind kind;
    GNG_TRY(gng_pool_from_name(name, &kind));
    *out = (int)kind;
    return GNG_OK;
}

/* Integers of a sequence field; absent: untouched. */
static int read_integers(PyObject *mapping, const char *layer, const char *key, int32_t *out, Py_ssize_t count)
{
    PyObject *value;
    const int present = gng_bind_item(mapping, key, &value);
    if (present <= 0)
        return present;
    PyObject *items = PySequence_Tuple(value);
    int result = items != NULL && PyTuple_Size(items) == count ? 0 : -1;
    for (Py_ssize_t i = 0; i < count && result == 0; i++) {
        const long number = PyLong_AsLong(PyTuple_GetItem(items, i));
        if (PyErr_Occurred() || number < INT32_MIN || number > INT32_MAX)
            result = -1;
        else
            out[i] = (int32_t)number;
    }
    if (result < 0)
        (void)gng_bind_refuse(PyExc_ValueError, "layer '%s': %s: expected %zd integers, found %R", layer, key, count, value);
    Py_XDECREF(items);
    Py_DECREF(value);
    return result;
}

static int read_inputs(PyObject *mapping, const gng_layer *layers, int32_t count, gng_layer *out)
{
    PyObject *value;
    const int present = gng_bind_item(mapping, "inputs", &value);
    if (present <= 0) {
        out->input_count = 1;
        out->inputs[0] = count - 1;
        return present;
    }
    PyObject *items = PySequence_Tuple(value);
    Py_DECREF(value);
    if (items == NULL)
        return -1;
    const Py_ssize_t length = PyTuple_Size(items);
    int result = 0;
    if (length < 1 || length > GNG_LAYER_INPUTS_MAX) {
        PyErr_Format(PyExc_ValueError, "layer '%s': inputs: expected 1 to %d names, found %zd", out->name, (int)GNG_LAYER_INPUTS_MAX, length);
        result = -1;
    }
    for (Py_ssize_t i = 0; i < length && result == 0; i++) {
        PyObject *item = PyTuple_GetItem(items, i);
        const char *name = gng_bind_text(item);
        int32_t found = -1;
        for (int32_t k = 0; k < count && name != NULL; k++)
            if (strcmp(layers[k].name, name) == 0)
                found = k;
        if (found < 0)
            result = gng_bind_refuse(PyExc_ValueError, "layer '%s': inputs: %R is not the name of an earlier layer", out->name, item);
        out->inputs[i] = found;
    }
    out->input_count = (int32_t)length;
    Py_DECREF(items);
    return result;
}

static int read_window(PyObject *mapping, gng_layer *layer, gng_window *window)
{
    *window = (gng_window){.kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}};
    if (read_integers(mapping, layer->name, "kernel", window->kernel, 2) < 0 || read_integers(mapping, layer->name, "stride", window->stride, 2) < 0 ||
        read_integers(mapping, layer->name, "padding", window->padding, 4) < 0 || read_integers(mapping, layer->name, "dilation", window->dilation, 2) < 0)
        return -1;
    return 0;
}

static int read_name(PyObject *mapping, gng_layer *layer)
{
    const char *text;
    PyObject *name = gng_bind_text_item(mapping, "name", &text);
    const size_t length = text != NULL ? strlen(text) : 0;
    int result = -1;
    if (length == 0)
        (void)gng_bind_refuse(PyExc_ValueError, "layer: every layer needs a 'name', a text");
    else if (length >= GNG_NAME_BYTES)
        PyErr_Format(PyExc_ValueError, "layer: name %R is longer than %d bytes", name, (int)GNG_NAME_BYTES - 1);
    else {
        memcpy(layer->name, text, length + 1);
        result = 0;
    }
    Py_XDECREF(name);
    return result;
}

int gng_bind_layer(PyObject *mapping, const gng_layer *layers, int32_t count, gng_layer *out)
{
    enum { WINDOW_KEYS = 4 };
    gng_layer layer = {0};
    if (read_name(mapping, &layer) < 0)
        return -1;
    int kind = GNG_LAYER_INPUT, function = GNG_ACTIVATION_RELU, pool = GNG_POOL_MAX;
    int32_t filters = 0, groups = 1, units = 0;
    bool bias = true;
    float l2 = 0, slope = 0, rate = 0, momentum = 0.99F, epsilon = 1e-3F;
    /* Which fields belong to which kind; the windows, the name and the inputs are read by their own functions. */
    const gng_bind_field fields[] = {
        {"name", GNG_FIELD_ELSEWHERE, NULL, NULL, NULL},
        {"inputs", GNG_FIELD_ELSEWHERE, NULL, NULL, NULL},
        {"kind", GNG_FIELD_NAME, NULL, kind_from_name, &kind},
        {"filters", GNG_FIELD_INT, &filters, NULL, NULL},
        {"kernel", GNG_FIELD_ELSEWHERE, NULL, NULL, NULL},
        {"stride", GNG_FIELD_ELSEWHERE, NULL, NULL, NULL},
        {"padding", GNG_FIELD_ELSEWHERE, NULL, NULL, NULL},
        {"dilation", GNG_FIELD_ELSEWHERE, NULL, NULL, NULL},
        {"groups", GNG_FIELD_INT, &groups, NULL, NULL},
        {"units", GNG_FIELD_INT, &units, NULL, NULL},
        {"bias", GNG_FIELD_BOOL, &bias, NULL, NULL},
        {"l2", GNG_FIELD_FLOAT, &l2, NULL, NULL},
        {"function", GNG_FIELD_NAME, NULL, function_from_name, &function},
        {"slope", GNG_FIELD_FLOAT, &slope, NULL, NULL},
        {"pool", GNG_FIELD_NAME, NULL, pool_from_name, &pool},
        {"rate", GNG_FIELD_FLOAT, &rate, NULL, NULL},
        {"momentum", GNG_FIELD_FLOAT, &momentum, NULL, NULL},
        {"epsilon", GNG_FIELD_FLOAT, &epsilon, NULL, NULL},
    };
    static const char *const window_keys[WINDOW_KEYS] = {"kernel", "stride", "padding", "dilation"};
    char what[GNG_NAME_BYTES + 16];
    PyOS_snprintf(what, sizeof what, "layer '%s'", layer.name);
    PyObject *rest = gng_bind_dict(mapping, what);
    if (rest == NULL)
        return -1;
    int windows = 0, read = 0;
    for (int i = 0; i < WINDOW_KEYS && read == 0; i++) {
        PyObject *window;
        const int present = gng_bind_item(rest, window_keys[i], &window);
        Py_XDECREF(window);
        windows += present;
        read = present < 0 ? -1 : 0;
    }
    if (read == 0)
        read = gng_bind_read(rest, what, fields, sizeof fields / sizeof fields[0]);
    Py_DECREF(rest);
    if (read < 0 || read_inputs(mapping, layers, count, &layer) < 0)
        return -1;

    layer.kind = (gng_layer_kind)kind;
    if (windows > 0 && layer.kind != GNG_LAYER_CONV && layer.kind != GNG_LAYER_POOL) {
        PyErr_Format(PyExc_ValueError, "layer '%s': kernel, stride, padding and dilation belong to 'conv' and 'pool' only", layer.name);
        return -1;
    }
    switch (layer.kind) {
    case GNG_LAYER_CONV:
        layer.as.conv.filters = filters;
        layer.as.conv.groups = groups;
        layer.as.conv.bias = bias;
        layer.as.conv.l2 = l2;
        if (read_window(mapping, &layer, &layer.as.conv.window) < 0)
            return -1;
        break;
    case GNG_LAYER_DENSE:
        layer.as.dense.units = units;
        layer.as.dense.bias = bias;
        layer.as.dense.l2 = l2;
        break;
    case GNG_LAYER_ACTIVATION:
        layer.as.activation.function = (gng_activation)function;
        layer.as.activation.slope = slope;
        break;
    case GNG_LAYER_POOL:
        layer.as.pool.kind = (gng_pool_kind)pool;
        if (read_window(mapping, &layer, &layer.as.pool.window) < 0)
            return -1;
        break;
    case GNG_LAYER_DROPOUT:
        layer.as.dropout.rate = rate;
        break;
    case GNG_LAYER_BATCH_NORM:
        layer.as.batch_norm.momentum = momentum;
        layer.as.batch_norm.epsilon = epsilon;
        break;
    case GNG_LAYER_INPUT:
        PyErr_Format(PyExc_ValueError, "layer '%s': kind: missing, or 'input', which is not listed", layer.name);
        return -1;
    case GNG_LAYER_FLATTEN:
    case GNG_LAYER_ADD:
    case GNG_LAYER_KIND_COUNT:
        break;
    }
    *out = layer;
    return 0;
}
