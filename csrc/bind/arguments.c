/* Plain arguments: what a caller may pass by mistake is an exception here, not a surprise later. */
#include "bind/arguments.h"

#include <string.h>

const char *gng_bind_text(PyObject *object)
{
    Py_ssize_t bytes = 0;
    const char *text = object != NULL && PyUnicode_Check(object) ? PyUnicode_AsUTF8AndSize(object, &bytes) : NULL;
    if (text != NULL && strlen(text) == (size_t)bytes)
        return text;
    if (!PyErr_ExceptionMatches(PyExc_MemoryError))
        PyErr_Clear();
    return NULL;
}

PyObject *gng_bind_bytes(PyObject *data)
{
    if (PyBytes_Check(data))
        return Py_NewRef(data);
    if (!PyObject_CheckBuffer(data))
        return PyErr_Format(PyExc_TypeError, "data: expected bytes, found %R", (PyObject *)Py_TYPE(data));
    return PyBytes_FromObject(data);
}

PyObject *gng_bind_dict(PyObject *mapping, const char *what)
{
    PyObject *dict = PyDict_New();
    if (dict != NULL && PyDict_Update(dict, mapping) == 0)
        return dict;
    Py_XDECREF(dict);
    /* A mapping may fail for reasons of its own, which are passed on. */
    if (PyErr_ExceptionMatches(PyExc_AttributeError) || PyErr_ExceptionMatches(PyExc_TypeError))
        (void)gng_bind_refuse(PyExc_TypeError, "%s: expected a mapping, found %R", what, (PyObject *)Py_TYPE(mapping));
    return NULL;
}

int gng_bind_item(PyObject *mapping, const char *key, PyObject **out)
{
    *out = PyMapping_GetItemString(mapping, key);
    if (*out != NULL)
        return 1;
    if (!PyErr_ExceptionMatches(PyExc_KeyError))
        return -1;
    PyErr_Clear();
    return 0;
}

PyObject *gng_bind_text_item(PyObject *mapping, const char *key, const char **out)
{
    PyObject *item = PyMapping_Check(mapping) ? PyMapping_GetItemString(mapping, key) : NULL;
    *out = NULL;
    if (item != NULL)
        *out = gng_bind_text(item);
    else if (!PyErr_ExceptionMatches(PyExc_MemoryError))
        PyErr_Clear();
    return item;
}

int gng_bind_read_unsigned(PyObject *object, void *argument)
{
    gng_bind_unsigned *out = argument;
    PyObject *index = PyNumber_Index(object);
    const unsigned long long number = index != NULL ? PyLong_AsUnsignedLongLong(index) : 0;
    Py_XDECREF(index);
    if (PyErr_Occurred() || number > out->most) {
        (void)gng_bind_refuse(index == NULL ? PyExc_TypeError : PyExc_ValueError, "%s: expected an integer of 0 to %llu, found %R", out->name,
                              (unsigned long long)out->most, object);
        return 0;
    }
    out->value = number;
    return 1;
}
