/* One table from status codes to exceptions. */
#include "bind/bind.h"

#include <stdarg.h>

static const char core_error_text[] =
    "Bytes that violate their format or a limit. `code` is the name of the status, such as 'TRUNCATED'.";

int gng_bind_refuse(PyObject *type, const char *format, ...)
{
    if (PyErr_ExceptionMatches(PyExc_MemoryError))
        return -1;
    va_list arguments;
    va_start(arguments, format);
    PyErr_Clear();
    PyErr_FormatV(type, format, arguments);
    va_end(arguments);
    return -1;
}

PyObject *gng_bind_module_attribute(const char *name)
{
    PyObject *module = PyImport_ImportModule("gonogo._core");
    if (module == NULL)
        return NULL;
    PyObject *value = PyObject_GetAttrString(module, name);
    Py_DECREF(module);
    return value;
}

static PyObject *raise_core_error(gng_status status)
{
    PyObject *type = gng_bind_module_attribute("CoreError");
    if (type == NULL)
        return NULL;
    PyObject *error = PyObject_CallFunction(type, "s", gng_error_detail());
    PyObject *code = PyUnicode_FromString(gng_status_name(status));
    if (error != NULL && code != NULL && PyObject_SetAttrString(error, "code", code) == 0)
        PyErr_SetObject(type, error);
    Py_XDECREF(code);
    Py_XDECREF(error);
    Py_DECREF(type);
    return NULL;
}

PyObject *gng_bind_raise(gng_status status)
{
    if (PyErr_Occurred())
        return NULL;
    PyObject *type = PyExc_RuntimeError;
    switch (status) {
    case GNG_STATUS_ARGUMENT:
    case GNG_STATUS_SHAPE:
        type = PyExc_ValueError;
        break;
    case GNG_STATUS_MEMORY:
        type = PyExc_MemoryError;
        break;
    case GNG_STATUS_IO:
        type = PyExc_OSError;
        break;
    case GNG_STATUS_FORMAT:
    case GNG_STATUS_TRUNCATED:
    case GNG_STATUS_TOO_LARGE:
    case GNG_STATUS_UNSUPPORTED:
        return raise_core_error(status);
    case GNG_STATUS_CANCELLED:
        type = PyExc_KeyboardInterrupt;
        break;
    case GNG_STATUS_OK:
    case GNG_STATUS_ENGINE:
    case GNG_STATUS_STATE:
    case GNG_STATUS_COUNT:
        break;
    }
    PyErr_SetString(type, gng_error_detail());
    return NULL;
}

int gng_bind_add_errors(PyObject *module)
{
    PyObject *namespace = Py_BuildValue("{s:s}", "code", "");
    if (namespace == NULL)
        return -1;
    PyObject *type = PyErr_NewExceptionWithDoc("gonogo._core.CoreError", core_error_text, PyExc_ValueError, namespace);
    Py_DECREF(namespace);
    if (type == NULL)
        return -1;
    const int result = PyModule_AddObjectRef(module, "CoreError", type);
    Py_DECREF(type);
    return result;
}
