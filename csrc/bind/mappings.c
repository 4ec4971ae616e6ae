/* Mappings from Python -> the plain structures of the core. Unknown keys are errors. */
#include "bind/arguments.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arithmetic.h"

static int read_double(PyObject *value, const char *what, const char *name, double *out)
{
    *out = PyFloat_AsDouble(value);
    if (*out == -1.0 && PyErr_Occurred())
        return gng_bind_refuse(PyExc_TypeError, "%s: %s: expected a number, found %R", what, name, value);
    return 0;
}

static int read_int(PyObject *value, const char *what, const char *name, int32_t *out)
{
    PyObject *index = PyNumber_Index(value);
    int overflow = 0;
    const long number = index != NULL ? PyLong_AsLongAndOverflow(index, &overflow) : -1;
    Py_XDECREF(index);
    if (index == NULL || overflow != 0 || number < INT32_MIN || number > INT32_MAX)
        return gng_bind_refuse(index == NULL ? PyExc_TypeError : PyExc_ValueError, "%s: %s: expected an integer of 32 bits, found %R", what, name, value);
    *out = (int32_t)number;
    return 0;
}

/* Not the truth of any object: "false" would be true. */
static int read_bool(PyObject *value, const char *what, const char *name, bool *out)
{
    if (!PyBool_Check(value) && !PyArray_IsScalar(value, Bool)) {
        PyErr_Format(PyExc_TypeError, "%s: %s: expected True or False, found %R", what, name, value);
        return -1;
    }
    *out = PyObject_IsTrue(value) == 1;
    return 0;
}

static int read_range(PyObject *value, const char *what, const char *name, double out[2])
{
    PyObject *items = PySequence_Tuple(value);
    if (items == NULL || PyTuple_Size(items) != 2) {
        Py_XDECREF(items);
        return gng_bind_refuse(PyExc_ValueError, "%s: %s: expected a pair (low, high), found %R", what, name, value);
    }
    const bool read = read_double(PyTuple_GetItem(items, 0), what, name, &out[0]) == 0 && read_double(PyTuple_GetItem(items, 1), what, name, &out[1]) == 0;
    Py_DECREF(items);
    return read ? 0 : -1;
}

static int read_name(PyObject *value, const char *what, const gng_bind_field *field)
{
    const char *text = gng_bind_text(value);
    if (text == NULL)
        return gng_bind_refuse(PyExc_TypeError, "%s: %s: expected a name, found %R", what, field->name, value);
    const gng_status status = field->from_name(text, field->name_out);
    if (status == GNG_OK)
        return 0;
    /* What is known to be a layer says so itself; "optimizer: optimizer: ..." would say nothing more. */
    const char *detail = gng_error_detail();
    gng_bind_raise(strncmp(detail, what, strlen(what)) == 0 ? status : gng_error_set(status, "%s: %s", what, detail));
    return -1;
}

static int read_field(PyObject *value, const char *what, const gng_bind_field *field)
{
    double number = 0;
    switch (field->type) {
    case GNG_FIELD_INT:
        return read_int(value, what, field->name, field->out);
    case GNG_FIELD_DOUBLE:
        return read_double(value, what, field->name, field->out);
    case GNG_FIELD_FLOAT:
        if (read_double(value, what, field->name, &number) < 0)
            return -1;
        *(float *)field->out = gng_arithmetic_nearest_float(number);
        return 0;
    case GNG_FIELD_BOOL:
        return read_bool(value, what, field->name, field->out);
    case GNG_FIELD_RANGE:
        return read_range(value, what, field->name, field->out);
    case GNG_FIELD_UINT64: {
        char path[GNG_NAME_BYTES + 64];
        PyOS_snprintf(path, sizeof path, "%s: %s", what, field->name);
        gng_bind_unsigned large = {.name = path, .most = UINT64_MAX};
        if (gng_bind_read_unsigned(value, &large) == 0)
            return -1;
        *(uint64_t *)field->out = large.value;
        return 0;
    }
    case GNG_FIELD_NAME:
        return read_name(value, what, field);
    case GNG_FIELD_ELSEWHERE:
        return 0;
    }
    return -1;
}

static int refuse_key(PyObject *key, const char *what, const gng_bind_field *fields, size_t count)
{
    char known[512] = "";
    size_t length = 0;
    for (size_t i = 0; i < count && length < sizeof known; i++)
        length += (size_t)snprintf(known + length, sizeof known - length, i > 0 ? ", %s" : "%s", fields[i].name);
    return gng_bind_refuse(PyExc_ValueError, "%s: unknown key %R, expected some of %s", what, key, known);
}

int gng_bind_read(PyObject *mapping, const char *what, const gng_bind_field *fields, size_t count)
{
    /* Of a dict of our own: the items of another mapping need not be pairs, nor stay the same while fields are read. */
    PyObject *dict = gng_bind_dict(mapping, what);
    PyObject *items = dict != NULL ? PyDict_Items(dict) : NULL;
    Py_XDECREF(dict);
    if (items == NULL)
        return -1;
    int result = 0;
    for (Py_ssize_t i = 0; i < PyList_Size(items) && result == 0; i++) {
        PyObject *pair = PyList_GetItem(items, i), *key = PyTuple_GetItem(pair, 0);
        const char *name = gng_bind_text(key);
        const gng_bind_field *field = NULL;
        for (size_t k = 0; k < count && name != NULL; k++)
            if (strcmp(fields[k].name, name) == 0)
                field = &fields[k];
        if (field != NULL) {
            result = read_field(PyTuple_GetItem(pair, 1), what, field);
            continue;
        }
        result = refuse_key(key, what, fields, count);
    }
    Py_DECREF(items);
    return result;
}

gng_status gng_bind_fill_from_name(const char *name, int *out)
{
    static const char *const names[] = {"nearest", "constant", "reflect", "wrap"};
    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = i;
            return GNG_OK;
        }
    return gng_error_set(GNG_STATUS_ARGUMENT, "fill: found '%s', expected 'nearest', 'constant', 'reflect' or 'wrap'", name);
}

int gng_bind_augment(PyObject *mapping, gng_augment *out)
{
    gng_augment augment = gng_augment_none();
    int fill = (int)augment.fill;
    const gng_bind_field fields[] = {
        {"rotation", GNG_FIELD_DOUBLE, &augment.rotation, NULL, NULL},
        {"shift_height", GNG_FIELD_DOUBLE, &augment.shift_height, NULL, NULL},
        {"shift_width", GNG_FIELD_DOUBLE, &augment.shift_width, NULL, NULL},
        {"shear", GNG_FIELD_DOUBLE, &augment.shear, NULL, NULL},
        {"zoom", GNG_FIELD_RANGE, augment.zoom, NULL, NULL},
        {"horizontal_flip", GNG_FIELD_BOOL, &augment.horizontal_flip, NULL, NULL},
        {"vertical_flip", GNG_FIELD_BOOL, &augment.vertical_flip, NULL, NULL},
        {"brightness", GNG_FIELD_RANGE, augment.brightness, NULL, NULL},
        {"contrast", GNG_FIELD_RANGE, augment.contrast, NULL, NULL},
        {"gamma", GNG_FIELD_RANGE, augment.gamma, NULL, NULL},
        {"blur", GNG_FIELD_RANGE, augment.blur, NULL, NULL},
        {"noise", GNG_FIELD_RANGE, augment.noise, NULL, NULL},
        {"fill", GNG_FIELD_NAME, NULL, gng_bind_fill_from_name, &fill},
        {"fill_value", GNG_FIELD_DOUBLE, &augment.fill_value, NULL, NULL},
    };
    if (gng_bind_read(mapping, "augment", fields, sizeof fields / sizeof fields[0]) < 0)
        return -1;
    augment.fill = (gng_fill)fill;
    const gng_status status = gng_augment_check(&augment);
    if (status != GNG_OK) {
        gng_bind_raise(status);
        return -1;
    }
    *out = augment;
    return 0;
}
