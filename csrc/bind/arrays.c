/* Arguments as borrowed NumPy views, results as new arrays. */
#include "bind/bind.h"

#include <string.h>

static const char *type_name(int type)
{
    switch (type) {
    case NPY_UINT8:
        return "uint8";
    case NPY_UINT32:
        return "uint32";
    default:
        return "float32";
    }
}

PyArrayObject *gng_bind_array(PyObject *object, const char *name, int type, int dimensions)
{
    if (!PyArray_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s: expected a NumPy array of %s, found %R", name, type_name(type), (PyObject *)Py_TYPE(object));
        return NULL;
    }
    PyArrayObject *array = (PyArrayObject *)object;
    if (PyArray_TYPE(array) != type || !PyArray_ISNOTSWAPPED(array)) {
        PyErr_Format(PyExc_TypeError, "%s: expected an array of %s in native byte order, found %R", name, type_name(type),
                     (PyObject *)PyArray_DESCR(array));
        return NULL;
    }
    /* What stands behind a mask is no pixel; a view of it is, once the caller has decided so. */
    if (!PyArray_CheckExact(object) && PyObject_HasAttrString(object, "mask")) {
        PyErr_Format(PyExc_ValueError, "%s: found a masked array, expected values everywhere; pass its filled(...)", name);
        return NULL;
    }
    if (dimensions >= 0 && PyArray_NDIM(array) != dimensions) {
        PyErr_Format(PyExc_ValueError, "%s: expected an array with %d dimensions, found %d", name, dimensions, PyArray_NDIM(array));
        return NULL;
    }
    if (!PyArray_IS_C_CONTIGUOUS(array) || !PyArray_ISALIGNED(array)) {
        PyErr_Format(PyExc_ValueError, "%s: expected a C-contiguous, aligned array; pass numpy.require(..., requirements='CA')", name);
        return NULL;
    }
    return array;
}

PyObject *gng_bind_new_array(int type, int dimensions, const npy_intp *shape)
{
    return PyArray_ZEROS(dimensions, shape, type, 0);
}

PyObject *gng_bind_vector(const float *values, size_t count)
{
    const npy_intp shape[] = {(npy_intp)count};
    PyObject *array = gng_bind_new_array(NPY_FLOAT32, 1, shape);
    if (array != NULL && count > 0)
        memcpy(PyArray_DATA((PyArrayObject *)array), values, count * sizeof *values);
    return array;
}

const float *gng_bind_vector_of(PyObject *object, const char *name, size_t count)
{
    PyArrayObject *array = gng_bind_array(object, name, NPY_FLOAT32, 1);
    if (array == NULL)
        return NULL;
    if ((size_t)PyArray_SIZE(array) == count)
        return PyArray_DATA(array);
    PyErr_Format(PyExc_ValueError, "%s: expected %zu values, found %zd", name, count, (Py_ssize_t)PyArray_SIZE(array));
    return NULL;
}

int gng_bind_copy_vector(PyObject *object, const char *name, float *out, size_t count)
{
    const float *values = gng_bind_vector_of(object, name, count);
    if (values != NULL && count > 0)
        memcpy(out, values, count * sizeof *out);
    return values != NULL ? 0 : -1;
}

int gng_bind_image(PyObject *object, const char *name, gng_image_view *out)
{
    PyArrayObject *array = gng_bind_array(object, name, NPY_UINT8, 3);
    if (array == NULL)
        return -1;
    const npy_intp *shape = PyArray_DIMS(array);
    for (int i = 0; i < 2; i++)
        if (shape[i] < 1 || shape[i] > GNG_IMAGE_SIDE_MAX) {
            PyErr_Format(PyExc_ValueError, "%s: sides must be 1 to %d pixels, found %zd x %zd", name, (int)GNG_IMAGE_SIDE_MAX,
                         (Py_ssize_t)shape[0], (Py_ssize_t)shape[1]);
            return -1;
        }
    if (shape[2] != 1 && shape[2] != 3) {
        PyErr_Format(PyExc_ValueError, "%s: expected 1 or 3 channels in the last dimension, found %zd", name, (Py_ssize_t)shape[2]);
        return -1;
    }
    *out = (gng_image_view){PyArray_DATA(array), (int32_t)shape[0], (int32_t)shape[1], (int32_t)shape[2]};
    return 0;
}
