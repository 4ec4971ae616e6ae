/* Functions on pictures: inspect, decode, resize, warp, augmentation. */
#include <string.h>

#include "bind/plans.h"

static PyObject *inspect(PyObject *module, PyObject *argument)
{
    (void)module;
    Py_buffer data;
    if (PyObject_GetBuffer(argument, &data, PyBUF_SIMPLE) < 0)
        return NULL;
    gng_inspection found;
    const gng_status status = gng_image_inspect(data.buf, (size_t)data.len, &found);
    PyBuffer_Release(&data);
    return Py_BuildValue("{s:s,s:s,s:s,s:n,s:i,s:i,s:i,s:i,s:O,s:n}", "format", gng_format_name(found.format), "fault", gng_fault_word(found.fault), "reason",
                         status == GNG_OK ? "" : gng_error_detail(), "offset", (Py_ssize_t)found.offset, "height", (int)found.height, "width",
                         (int)found.width, "channels", (int)found.channels, "bit_depth", (int)found.bit_depth, "progressive",
                         found.progressive ? Py_True : Py_False, "picture_bytes", (Py_ssize_t)found.picture_bytes);
}

static PyObject *decode(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"data", "channels", NULL};
    Py_buffer data;
    int channels;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y*i:decode", names, &data, &channels))
        return NULL;
    PyObject *result = NULL;
    gng_inspection found;
    gng_status status = gng_image_inspect(data.buf, (size_t)data.len, &found);
    if (channels != 1 && channels != 3) {
        PyErr_Format(PyExc_ValueError, "channels: found %d, expected 1 or 3", channels);
    } else if (status != GNG_OK) {
        gng_bind_raise(status);
    } else {
        const npy_intp shape[] = {found.height, found.width, channels};
        result = gng_bind_new_array(NPY_UINT8, 3, shape);
        if (result != NULL) {
            const gng_image image = {PyArray_DATA((PyArrayObject *)result), found.height, found.width, channels};
            Py_BEGIN_ALLOW_THREADS
            status = gng_image_decode(data.buf, (size_t)data.len, &image);
            Py_END_ALLOW_THREADS
            if (status != GNG_OK) {
                Py_CLEAR(result);
                gng_bind_raise(status);
            }
        }
    }
    PyBuffer_Release(&data);
    return result;
}

static int resize_mode(const char *name, gng_resize_mode *out)
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

/* One file of decode_many and what became of it. */
typedef struct decode_job {
    Py_buffer data;
    gng_fault fault;
    size_t offset;
    bool grey;
    char reason[GNG_DETAIL_BYTES];
} decode_job;

typedef struct decode_jobs {
    decode_job *jobs;
    uint8_t *out; /* [count, height, width, channels] */
    int32_t height, width, channels;
    gng_resize_mode mode;
} decode_jobs;

static void reduce_to_luma(const uint8_t *rgb, size_t pixels, uint8_t *grey)
{
    for (size_t i = 0; i < pixels; i++)
        grey[i] = (uint8_t)((77 * rgb[3 * i] + 150 * rgb[3 * i + 1] + 29 * rgb[3 * i + 2] + 128) >> 8);
}

/* Decodes a picture as it is stored, notes whether it is grey, and brings it to the channels and the size of `out`. */
static gng_status decode_into(const decode_jobs *jobs, decode_job *job, const gng_inspection *found, const gng_image *out)
{
    const size_t pixels = (size_t)found->height * (size_t)found->width;
    const int32_t stored = found->channels == 3 || out->channels == 3 ? 3 : 1;
    uint8_t *block = gng_memory_allocate_array(pixels, (size_t)stored);
    if (block == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "decoding %d x %d pixels", (int)found->height, (int)found->width);
    const gng_image image = {block, found->height, found->width, stored};
    gng_status status = gng_image_decode(job->data.buf, (size_t)job->data.len, &image);
    if (status == GNG_OK) {
        gng_image_view view = {block, found->height, found->width, stored};
        job->grey = gng_image_is_grey(view);
        if (out->channels == 1 && stored == 3) {
            reduce_to_luma(block, pixels, block);
            view.channels = 1;
        }
        status = gng_image_resize(view, jobs->mode, out);
    }
    gng_memory_release(block);
    return status;
}

static gng_status decode_task(void *argument, size_t index, int worker)
{
    (void)worker;
    const decode_jobs *jobs = argument;
    decode_job *job = &jobs->jobs[index];
    const size_t bytes = (size_t)jobs->height * (size_t)jobs->width * (size_t)jobs->channels;
    const gng_image out = {jobs->out + index * bytes, jobs->height, jobs->width, jobs->channels};
    gng_inspection found;
    gng_status status = gng_image_inspect(job->data.buf, (size_t)job->data.len, &found);
    job->fault = found.fault;
    job->offset = found.offset;
    job->grey = true;
    if (status == GNG_OK)
        status = decode_into(jobs, job, &found, &out);
    if (status == GNG_OK || status == GNG_STATUS_MEMORY)
        return status;
    /* A bad file is a result, not a failure of the call. */
    if (job->fault == GNG_FAULT_NONE)
        job->fault = status == GNG_STATUS_UNSUPPORTED ? GNG_FAULT_UNSUPPORTED : GNG_FAULT_PIXELS;
    memcpy(job->reason, gng_error_detail(), sizeof job->reason);
    memset(out.pixels, 0, bytes);
    return GNG_OK;
}

static PyObject *failures_and_grey(const decode_job *jobs, Py_ssize_t count)
{
    const npy_intp shape[] = {count};
    PyObject *failures = PyList_New(0), *grey = gng_bind_new_array(NPY_BOOL, 1, shape);
    for (Py_ssize_t i = 0; i < count && failures != NULL && grey != NULL; i++) {
        ((npy_bool *)PyArray_DATA((PyArrayObject *)grey))[i] = jobs[i].grey;
        if (jobs[i].fault == GNG_FAULT_NONE)
            continue;
        PyObject *row = Py_BuildValue("(nssn)", i, gng_fault_word(jobs[i].fault), jobs[i].reason, (Py_ssize_t)jobs[i].offset);
        if (row == NULL || PyList_Append(failures, row) < 0)
            Py_CLEAR(failures);
        Py_XDECREF(row);
    }
    if (failures == NULL || grey == NULL) {
        Py_XDECREF(failures);
        Py_XDECREF(grey);
        return NULL;
    }
    return Py_BuildValue("(NN)", failures, grey);
}

static PyObject *decode_files(PyObject *files, PyArrayObject *out, gng_resize_mode mode, int threads)
{
    const Py_ssize_t count = PyTuple_Size(files);
    const npy_intp *shape = PyArray_DIMS(out);
    decode_jobs jobs = {.out = PyArray_DATA(out), .height = (int32_t)shape[1], .width = (int32_t)shape[2], .channels = (int32_t)shape[3], .mode = mode};
    jobs.jobs = gng_memory_allocate_array((size_t)count, sizeof *jobs.jobs);
    if (jobs.jobs == NULL)
        return PyErr_NoMemory();
    Py_ssize_t held = 0;
    while (held < count && PyObject_GetBuffer(PyTuple_GetItem(files, held), &jobs.jobs[held].data, PyBUF_SIMPLE) == 0)
        held++;
    PyObject *result = NULL;
    if (held == count) {
        gng_bind_call call;
        gng_bind_call_begin(&call, threads);
        const gng_status status = gng_parallel_run(&call.context, (size_t)count, decode_task, &jobs);
        gng_bind_call_end(&call);
        result = status == GNG_OK ? failures_and_grey(jobs.jobs, count) : gng_bind_raise(status);
    }
    while (held > 0)
        PyBuffer_Release(&jobs.jobs[--held].data);
    gng_memory_release(jobs.jobs);
    return result;
}

static PyObject *decode_many(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"files", "out", "mode", "threads", NULL};
    PyObject *sequence, *array;
    const char *mode_name = "pad";
    int threads = 0;
    gng_resize_mode mode;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO|si:decode_many", names, &sequence, &array, &mode_name, &threads))
        return NULL;
    PyArrayObject *out = gng_bind_array(array, "out", NPY_UINT8, 4);
    threads = gng_bind_threads(threads);
    if (out == NULL || threads < 0 || resize_mode(mode_name, &mode) < 0)
        return NULL;
    const npy_intp *shape = PyArray_DIMS(out);
    if (!PyArray_ISWRITEABLE(out) || shape[1] < 1 || shape[2] < 1 || shape[1] > GNG_IMAGE_SIDE_MAX || shape[2] > GNG_IMAGE_SIDE_MAX ||
        (shape[3] != 1 && shape[3] != 3))
        return PyErr_Format(PyExc_ValueError, "out: expected a writable array (n, height, width, 1 or 3) with sides of 1 to %d", (int)GNG_IMAGE_SIDE_MAX);
    PyObject *files = PySequence_Tuple(sequence);
    if (files == NULL)
        return NULL;
    PyObject *result = NULL;
    if (PyTuple_Size(files) != shape[0])
        PyErr_Format(PyExc_ValueError, "out: has room for %zd pictures, but there are %zd files", (Py_ssize_t)shape[0], PyTuple_Size(files));
    else
        result = decode_files(files, out, mode, threads);
    Py_DECREF(files);
    return result;
}

static PyObject *is_grey(PyObject *module, PyObject *argument)
{
    (void)module;
    gng_image_view view;
    if (gng_bind_image(argument, "pixels", &view) < 0)
        return NULL;
    return PyBool_FromLong(gng_image_is_grey(view));
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
    if (gng_bind_image(pixels, "pixels", &view) < 0 || check_size(height, width) < 0 || resize_mode(mode_name, &mode) < 0)
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
        Py_BEGIN_ALLOW_THREADS
        status = gng_warp_apply(view, parameters, scratch, shape, out);
        Py_END_ALLOW_THREADS
    }
    gng_memory_release(scratch);
    if (result == NULL || status == GNG_OK)
        return result;
    Py_DECREF(result);
    return gng_bind_raise(status);
}

static int read_matrix(PyObject *mapping, double out[6])
{
    PyObject *value = PyMapping_GetItemString(mapping, "matrix");
    if (value == NULL) {
        PyErr_Clear();
        return 0;
    }
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
    return PyErr_Occurred() ? -1 : 0;
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
    PyObject *rest = PyDict_New();
    int read = rest != NULL ? PyDict_Update(rest, mapping) : -1;
    if (read == 0)
        read = read_matrix(mapping, parameters.matrix);
    if (read == 0 && PyDict_GetItemString(rest, "matrix") != NULL)
        read = PyDict_DelItemString(rest, "matrix");
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
    unsigned long long seed = 0, sample = 0;
    unsigned int epoch = 0, occurrence = 0;
    gng_augment augment;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "Oii|$KIIK:draw_augmentation", names, &mapping, &height, &width, &seed, &epoch, &occurrence, &sample))
        return NULL;
    if (check_size(height, width) < 0 || gng_bind_augment(mapping, &augment) < 0)
        return NULL;
    const gng_rng_key key = {.seed = seed, .stream = GNG_STREAM_AUGMENTATION, .epoch = epoch, .occurrence = occurrence, .sample = sample};
    const gng_augment_draw d = gng_augment_draw_parameters(&augment, height, width, &key);
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
    const gng_warp parameters = gng_augment_warp(&augment, &d, view.height, view.width);
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
    {"inspect", inspect, METH_O, "Structural check of a picture file's bytes."},
    {"decode", WITH_KEYWORDS(decode), "Pixels (h, w, channels) of a picture file's bytes."},
    {"decode_many", WITH_KEYWORDS(decode_many), "Decodes files in parallel into one array."},
    {"is_grey", is_grey, METH_O, "Whether R = G = B in every pixel."},
    {"resize", WITH_KEYWORDS(resize), "Anti-aliased resizing."},
    {"to_tensor", to_tensor, METH_O, "Pixels / 255 as float32 planes."},
    {"warp", WITH_KEYWORDS(warp), "One warp of one picture."},
    {"draw_augmentation", WITH_KEYWORDS(draw_augmentation), "Parameters of one augmentation."},
    {"apply_augmentation", WITH_KEYWORDS(apply_augmentation), "One drawn augmentation of one picture."},
    {"check_augmentation", check_augmentation, METH_O, "Raises for values outside their range."},
    {0},
};
