/* Functions on pixels: resize, warp, augmentation. */
#include <string.h>

#include "base/arithmetic.h"
#include "bind/arguments.h"
#include "bind/plans.h"

int gng_bind_resize_mode(const char *name, gng_resize_mode *out)
{
    static const char *const names[] = {"pad", "stretch", "crop"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (gng_resize_mode)i;
            return 0;
        }
    PyErr_Format(PyExc_ValueError, "resize_mode: found '%s', expected 'pad', 'stretch' or 'crop'", name);
    return -1;
}

static int check_size(int height, int width)
{
    if (height >= 1 && width >= 1 && height <= GNG_IMAGE_SIDE_MAX && width <= GNG_IMAGE_SIDE_MAX)
        return 0;
    PyErr_Format(PyExc_ValueError, "size: found %d x %d, expected sides of 1 to %d", height, width, (int)GNG_IMAGE_SIDE_MAX);
    return -1;
}

static PyObject *resize(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"pixels", "height", "width", "mode", NULL};
    PyObject *pixels;
    int height, width;
    const char *mode_name = "pad";
    gng_resize_mode mode;
    gng_image_view view;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "Oii|s:resize", names, &pixels, &height, &width, &mode_name))
        return NULL;
    if (gng_bind_image(pixels, "pixels", &view) < 0 || check_size(height, width) < 0 || gng_bind_resize_mode(mode_name, &mode) < 0)
        return NULL;
    const npy_intp shape[] = {height, width, view.channels};
    PyObject *result = gng_bind_new_array(NPY_UINT8, 3, shape);
    if (result == NULL)
        return NULL;
    const gng_image out = {PyArray_DATA((PyArrayObject *)result), height, width, view.channels};
    gng_status status;
    Py_BEGIN_ALLOW_THREADS
    status = gng_image_resize(view, mode, &out);
    Py_END_ALLOW_THREADS
    if (status == GNG_OK)
        return result;
    Py_DECREF(result);
    return gng_bind_raise(status);
}

int gng_bind_enhancement(PyObject *mapping, gng_enhancement *out)
{
    *out = gng_enhancement_identity();
    const gng_bind_field fields[] = {
        {"median", GNG_FIELD_INT, &out->median, NULL, NULL},
        {"local_contrast", GNG_FIELD_DOUBLE, &out->local_contrast, NULL, NULL},
        {"gamma", GNG_FIELD_DOUBLE, &out->gamma, NULL, NULL},
    };
    if (gng_bind_read(mapping, "preprocess", fields, sizeof fields / sizeof fields[0]) < 0)
        return -1;
    const gng_status status = gng_enhancement_check(out);
    if (status != GNG_OK)
        gng_bind_raise(status);
    return status == GNG_OK ? 0 : -1;
}

static PyObject *enhance(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *pixels, *mapping;
    gng_image_view view;
    gng_enhancement enhancement;
    if (!PyArg_ParseTuple(arguments, "OO:enhance", &pixels, &mapping) || gng_bind_image(pixels, "pixels", &view) < 0 ||
        gng_bind_enhancement(mapping, &enhancement) < 0)
        return NULL;
    const npy_intp shape[] = {view.height, view.width, view.channels};
    PyObject *result = gng_bind_new_array(NPY_UINT8, 3, shape);
    if (result == NULL)
        return NULL;
    const gng_image image = {PyArray_DATA((PyArrayObject *)result), view.height, view.width, view.channels};
    gng_status status;
    const unsigned int mode = gng_arithmetic_exchange(GNG_ARITHMETIC_DEFAULT);
    Py_BEGIN_ALLOW_THREADS
    memcpy(image.pixels, view.pixels, (size_t)view.height * (size_t)view.width * (size_t)view.channels);
    status = gng_image_enhance(&enhancement, &image);
    Py_END_ALLOW_THREADS
    (void)gng_arithmetic_exchange(mode);
    if (status == GNG_OK)
        return result;
    Py_DECREF(result);
    return gng_bind_raise(status);
}

static PyObject *new_tensor(gng_tensor_shape shape)
{
    const npy_intp dimensions[] = {shape.channels, shape.height, shape.width};
    return gng_bind_new_array(NPY_FLOAT32, 3, dimensions);
}

static PyObject *to_tensor(PyObject *module, PyObject *argument)
{
    (void)module;
    gng_image_view view;
    if (gng_bind_image(argument, "pixels", &view) < 0)
        return NULL;
    PyObject *result = new_tensor((gng_tensor_shape){view.channels, view.height, view.width, 1});
    if (result != NULL)
        gng_image_to_tensor(view, PyArray_DATA((PyArrayObject *)result));
    return result;
}

static PyObject *warped(gng_image_view view, const gng_warp *parameters, int height, int width)
{
    const gng_tensor_shape shape = {view.channels, height, width, 1};
    PyObject *result = new_tensor(shape);
    void *scratch = gng_memory_allocate(gng_warp_scratch_bytes(view, height, width));
    gng_status status = scratch != NULL ? GNG_OK : gng_error_set(GNG_STATUS_MEMORY, "warping %d x %d pixels", height, width);
    if (result != NULL && status == GNG_OK) {
        float *out = PyArray_DATA((PyArrayObject *)result);
        const unsigned int mode = gng_arithmetic_exchange(GNG_ARITHMETIC_DEFAULT);
        Py_BEGIN_ALLOW_THREADS
        status = gng_warp_apply(view, parameters, scratch, shape, out);
        Py_END_ALLOW_THREADS
        (void)gng_arithmetic_exchange(mode);
    }
    gng_memory_release(scratch);
    if (result == NULL || status == GNG_OK)
        return result;
    Py_DECREF(result);
    return gng_bind_raise(status);
}

/* Takes it out of the dictionary too, whose other items are fields. */
static int take_matrix(PyObject *dict, double out[6])
{
    PyObject *value;
    const int present = gng_bind_item(dict, "matrix", &value);
    if (present <= 0)
        return present;
    PyObject *items = PySequence_Tuple(value);
    Py_DECREF(value);
    if (items == NULL)
        return -1;
    const Py_ssize_t length = PyTuple_Size(items);
    for (Py_ssize_t i = 0; i < length && length == 6; i++)
        out[i] = PyFloat_AsDouble(PyTuple_GetItem(items, i));
    Py_DECREF(items);
    if (length != 6)
        PyErr_Format(PyExc_ValueError, "matrix: expected 6 numbers, found %zd", length);
    return PyErr_Occurred() ? -1 : PyDict_DelItemString(dict, "matrix");
}

static PyObject *warp(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"pixels", "parameters", "height", "width", NULL};
    PyObject *pixels, *mapping;
    int height, width;
    gng_image_view view;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOii:warp", names, &pixels, &mapping, &height, &width))
        return NULL;
    if (gng_bind_image(pixels, "pixels", &view) < 0 || check_size(height, width) < 0)
        return NULL;
    gng_warp parameters = gng_warp_identity();
    int fill = (int)parameters.fill;
    const gng_bind_field fields[] = {
        {"fill", GNG_FIELD_NAME, NULL, gng_bind_fill_from_name, &fill},
        {"fill_value", GNG_FIELD_FLOAT, &parameters.fill_value, NULL, NULL},
        {"brightness", GNG_FIELD_FLOAT, &parameters.brightness, NULL, NULL},
        {"contrast", GNG_FIELD_FLOAT, &parameters.contrast, NULL, NULL},
        {"gamma", GNG_FIELD_FLOAT, &parameters.gamma, NULL, NULL},
        {"blur_sigma", GNG_FIELD_FLOAT, &parameters.blur_sigma, NULL, NULL},
        {"noise_sigma", GNG_FIELD_FLOAT, &parameters.noise_sigma, NULL, NULL},
        {"noise_seed", GNG_FIELD_UINT64, &parameters.noise_seed, NULL, NULL},
    };
    PyObject *rest = gng_bind_dict(mapping, "warp");
    int read = rest != NULL ? take_matrix(rest, parameters.matrix) : -1;
    if (read == 0)
        read = gng_bind_read(rest, "warp", fields, sizeof fields / sizeof fields[0]);
    Py_XDECREF(rest);
    if (read < 0)
        return NULL;
    parameters.fill = (gng_fill)fill;
    return warped(view, &parameters, height, width);
}

static PyObject *draw_augmentation(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"augment", "height", "width", "seed", "epoch", "occurrence", "sample", NULL};
    PyObject *mapping;
    int height, width;
    gng_bind_unsigned seed = {.name = "seed", .most = UINT64_MAX}, sample = {.name = "sample", .most = UINT64_MAX};
    gng_bind_unsigned epoch = {.name = "epoch", .most = UINT32_MAX}, occurrence = {.name = "occurrence", .most = UINT32_MAX};
    gng_augment augment;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "Oii|$O&O&O&O&:draw_augmentation", names, &mapping, &height, &width, gng_bind_read_unsigned, &seed,
                                     gng_bind_read_unsigned, &epoch, gng_bind_read_unsigned, &occurrence, gng_bind_read_unsigned, &sample))
        return NULL;
    if (check_size(height, width) < 0 || gng_bind_augment(mapping, &augment) < 0)
        return NULL;
    const gng_rng_key key = {
        .seed = seed.value,
        .stream = GNG_STREAM_AUGMENTATION,
        .epoch = (uint32_t)epoch.value,
        .occurrence = (uint32_t)occurrence.value,
        .sample = sample.value,
    };
    const unsigned int mode = gng_arithmetic_exchange(GNG_ARITHMETIC_DEFAULT);
    const gng_augment_draw d = gng_augment_draw_parameters(&augment, height, width, &key);
    (void)gng_arithmetic_exchange(mode);
    return Py_BuildValue("{s:d,s:d,s:d,s:d,s:d,s:d,s:O,s:O,s:d,s:d,s:d,s:d,s:d,s:K}", "rotation", d.rotation, "shift_y", d.shift_y, "shift_x", d.shift_x, "shear",
                         d.shear, "zoom_y", d.zoom_y, "zoom_x", d.zoom_x, "flip_horizontal", d.flip_horizontal ? Py_True : Py_False, "flip_vertical",
                         d.flip_vertical ? Py_True : Py_False, "brightness", d.brightness, "contrast", d.contrast, "gamma", d.gamma, "blur", d.blur, "noise",
                         d.noise, "noise_seed", (unsigned long long)d.noise_seed);
}

static PyObject *apply_augmentation(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"augment", "draw", "pixels", NULL};
    PyObject *augment_mapping, *draw_mapping, *pixels;
    gng_augment augment;
    gng_augment_draw d = {.zoom_y = 1, .zoom_x = 1, .brightness = 1, .contrast = 1, .gamma = 1};
    gng_image_view view;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOO:apply_augmentation", names, &augment_mapping, &draw_mapping, &pixels))
        return NULL;
    const gng_bind_field fields[] = {
        {"rotation", GNG_FIELD_DOUBLE, &d.rotation, NULL, NULL},
        {"shift_y", GNG_FIELD_DOUBLE, &d.shift_y, NULL, NULL},
        {"shift_x", GNG_FIELD_DOUBLE, &d.shift_x, NULL, NULL},
        {"shear", GNG_FIELD_DOUBLE, &d.shear, NULL, NULL},
        {"zoom_y", GNG_FIELD_DOUBLE, &d.zoom_y, NULL, NULL},
        {"zoom_x", GNG_FIELD_DOUBLE, &d.zoom_x, NULL, NULL},
        {"flip_horizontal", GNG_FIELD_BOOL, &d.flip_horizontal, NULL, NULL},
        {"flip_vertical", GNG_FIELD_BOOL, &d.flip_vertical, NULL, NULL},
        {"brightness", GNG_FIELD_DOUBLE, &d.brightness, NULL, NULL},
        {"contrast", GNG_FIELD_DOUBLE, &d.contrast, NULL, NULL},
        {"gamma", GNG_FIELD_DOUBLE, &d.gamma, NULL, NULL},
        {"blur", GNG_FIELD_DOUBLE, &d.blur, NULL, NULL},
        {"noise", GNG_FIELD_DOUBLE, &d.noise, NULL, NULL},
        {"noise_seed", GNG_FIELD_UINT64, &d.noise_seed, NULL, NULL},
    };
    if (gng_bind_augment(augment_mapping, &augment) < 0 || gng_bind_read(draw_mapping, "draw", fields, sizeof fields / sizeof fields[0]) < 0 ||
        gng_bind_image(pixels, "pixels", &view) < 0)
        return NULL;
    const unsigned int mode = gng_arithmetic_exchange(GNG_ARITHMETIC_DEFAULT);
    const gng_warp parameters = gng_augment_warp(&augment, &d, view.height, view.width);
    (void)gng_arithmetic_exchange(mode);
    return warped(view, &parameters, view.height, view.width);
}

static PyObject *check_augmentation(PyObject *module, PyObject *argument)
{
    (void)module;
    gng_augment augment;
    return gng_bind_augment(argument, &augment) < 0 ? NULL : Py_NewRef(Py_None);
}

#define WITH_KEYWORDS(function) (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

PyMethodDef gng_bind_picture_methods[] = {
    {"resize", WITH_KEYWORDS(resize), "Anti-aliased resizing."},
    {"enhance", enhance, METH_VARARGS, "Median, local contrast and gamma."},
    {"to_tensor", to_tensor, METH_O, "Pixels / 255 as float32 planes."},
    {"warp", WITH_KEYWORDS(warp), "One warp of one picture."},
    {"draw_augmentation", WITH_KEYWORDS(draw_augmentation), "Parameters of one augmentation."},
    {"apply_augmentation", WITH_KEYWORDS(apply_augmentation), "One drawn augmentation of one picture."},
    {"check_augmentation", check_augmentation, METH_O, "Raises for values outside their range."},
    {0},
};
