/* Functions that compare pictures with each other. */
#include <string.h>

#include "base/arithmetic.h"
#include "bind/arguments.h"
#include "bind/plans.h"

/* One file: its exposure and thumbnail, or what is wrong with it. */
typedef struct portrait {
    const uint8_t *bytes; /* [count] */
    size_t count;
    gng_inspection found;
    bool grey;
    gng_exposure exposure;
    char reason[GNG_DETAIL_BYTES]; /* of a fault */
} portrait;

typedef struct portraits {
    portrait *files;
    float *thumbnails; /* [number of files, 64, 64] */
    int bit_depth;
} portraits;

static gng_status portray(portrait *file, int bit_depth, float *thumbnail)
{
    GNG_TRY(gng_image_inspect(file->bytes, file->count, &file->found));
    const int32_t channels = file->found.channels == 3 ? 3 : 1;
    const size_t row = (size_t)file->found.width, pixels = (size_t)file->found.height * row;
    uint8_t *block = gng_memory_allocate_array(pixels, (size_t)channels);
    float *scratch = gng_memory_allocate_array(gng_thumbnail_scratch_floats(file->found.width), sizeof *scratch);
    gng_status status = GNG_OK;
    if (block == NULL || scratch == NULL)
        status = gng_error_set(GNG_STATUS_MEMORY, "decoding %d x %d pixels", (int)file->found.height, (int)file->found.width);
    const gng_image image = {block, file->found.height, file->found.width, channels};
    if (status == GNG_OK)
        status = gng_image_decode(file->bytes, file->count, bit_depth, &file->found, &image);
    if (status == GNG_OK) {
        file->grey = gng_image_is_grey((gng_image_view){block, image.height, image.width, channels});
        const gng_image_view luma = gng_luma_reduce(image);
        gng_exposure_measure(&file->exposure, luma);
        gng_thumbnail_make(thumbnail, luma, scratch);
    }
    gng_memory_release(scratch);
    gng_memory_release(block);
    return status;
}

static gng_status portray_task(void *argument, size_t index, int worker)
{
    (void)worker;
    const portraits *all = argument;
    portrait *file = &all->files[index];
    const gng_status status = portray(file, all->bit_depth, all->thumbnails + index * GNG_THUMBNAIL_PIXELS);
    if (status == GNG_OK || status == GNG_STATUS_MEMORY)
        return status;
    /* A bad file is a result, not a failure of the call. */
    if (file->found.fault == GNG_FAULT_NONE)
        file->found.fault = GNG_FAULT_PIXELS;
    memcpy(file->reason, gng_error_detail(), sizeof file->reason);
    return GNG_OK;
}

static PyObject *portrait_mapping(const portrait *file)
{
    char doubt[GNG_DETAIL_BYTES];
    gng_inspection_doubt_write(&file->found, doubt);
    const bool bad = file->found.fault != GNG_FAULT_NONE;
    return Py_BuildValue("{s:s,s:s,s:s,s:n,s:i,s:i,s:i,s:O,s:d,s:d,s:i,s:i,s:d,s:d}", "format", gng_format_name(file->found.format), "verdict",
                         bad ? gng_fault_word(file->found.fault) : gng_inspection_verdict(&file->found), "reason", bad ? file->reason : doubt, "offset",
                         (Py_ssize_t)file->found.offset, "height", (int)file->found.height, "width", (int)file->found.width, "channels",
                         (int)file->found.channels, "grey", file->grey ? Py_True : Py_False, "mean", file->exposure.mean, "deviation",
                         file->exposure.deviation, "minimum", (int)file->exposure.minimum, "maximum", (int)file->exposure.maximum, "saturated",
                         file->exposure.saturated, "sharpness", file->exposure.sharpness);
}

static PyObject *portray_all(PyObject *files, portraits *all, PyObject *thumbnails, int threads)
{
    const Py_ssize_t count = PyTuple_Size(files);
    PyObject *held = PyList_New(0), *rows = NULL;
    bool ready = held != NULL;
    for (Py_ssize_t i = 0; i < count && ready; i++) {
        PyObject *data = gng_bind_bytes(PyTuple_GetItem(files, i));
        ready = data != NULL && PyList_Append(held, data) == 0;
        if (ready) {
            all->files[i].bytes = (const uint8_t *)PyBytes_AsString(data);
            all->files[i].count = (size_t)PyBytes_Size(data);
        }
        Py_XDECREF(data); /* the list holds it */
    }
    if (ready) {
        gng_bind_call call;
        gng_bind_call_begin(&call, threads);
        const gng_status status = gng_parallel_run(&call.context, (size_t)count, portray_task, all);
        gng_bind_call_end(&call);
        rows = status == GNG_OK ? PyList_New(0) : gng_bind_raise(status);
    }
    for (Py_ssize_t i = 0; i < count && rows != NULL; i++) {
        PyObject *row = portrait_mapping(&all->files[i]);
        if (row == NULL || PyList_Append(rows, row) < 0)
            Py_CLEAR(rows);
        Py_XDECREF(row);
    }
    Py_XDECREF(held);
    return rows == NULL ? NULL : Py_BuildValue("(NO)", rows, thumbnails);
}

static PyObject *describe_pictures(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"files", "threads", "bit_depth", NULL};
    PyObject *sequence;
    int threads = 0;
    portraits all = {.bit_depth = 16};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|ii:describe_pictures", names, &sequence, &threads, &all.bit_depth))
        return NULL;
    threads = gng_bind_threads(threads);
    PyObject *files = threads < 0 || gng_bind_check_bit_depth(all.bit_depth) < 0 ? NULL : PySequence_Tuple(sequence);
    if (files == NULL)
        return NULL;
    const npy_intp shape[] = {PyTuple_Size(files), GNG_THUMBNAIL_SIDE, GNG_THUMBNAIL_SIDE};
    PyObject *thumbnails = gng_bind_new_array(NPY_FLOAT32, 3, shape), *result = NULL;
    all.files = gng_memory_allocate_array((size_t)shape[0], sizeof *all.files);
    if (all.files == NULL)
        (void)gng_bind_raise(gng_error_set(GNG_STATUS_MEMORY, "files: no memory for %zd of them", (Py_ssize_t)shape[0]));
    else if (thumbnails != NULL) {
        all.thumbnails = PyArray_DATA((PyArrayObject *)thumbnails);
        result = portray_all(files, &all, thumbnails, threads);
    }
    gng_memory_release(all.files);
    Py_XDECREF(thumbnails);
    Py_DECREF(files);
    return result;
}

static PyObject *measure_exposure(PyObject *module, PyObject *argument)
{
    (void)module;
    gng_image_view view;
    if (gng_bind_image(argument, "pixels", &view) < 0)
        return NULL;
    const size_t bytes = (size_t)view.height * (size_t)view.width * (size_t)view.channels;
    uint8_t *copy = view.channels == 3 ? gng_memory_allocate(bytes) : NULL; /* luma is made in place */
    if (view.channels == 3 && copy == NULL)
        return gng_bind_raise(gng_error_set(GNG_STATUS_MEMORY, "pixels: no memory for a copy of %zu bytes", bytes));
    gng_exposure found;
    const unsigned int mode = gng_arithmetic_exchange(GNG_ARITHMETIC_DEFAULT);
    Py_BEGIN_ALLOW_THREADS
    if (copy != NULL) {
        memcpy(copy, view.pixels, bytes);
        view = gng_luma_reduce((gng_image){copy, view.height, view.width, 3});
    }
    gng_exposure_measure(&found, view);
    Py_END_ALLOW_THREADS
    (void)gng_arithmetic_exchange(mode);
    gng_memory_release(copy);
    return Py_BuildValue("(ddd)", found.mean, found.deviation, found.sharpness);
}

static PyObject *sibling_mapping(const gng_sibling_search *found)
{
    const npy_intp shape[] = {(npy_intp)found->count, 2};
    PyObject *pairs = gng_bind_new_array(NPY_UINT32, 2, shape), *scores = gng_bind_new_array(NPY_FLOAT32, 1, shape);
    for (size_t i = 0; i < found->count && pairs != NULL && scores != NULL; i++) {
        uint32_t *pair = (uint32_t *)PyArray_DATA((PyArrayObject *)pairs) + 2 * i;
        pair[0] = found->pairs[i].first;
        pair[1] = found->pairs[i].second;
        ((float *)PyArray_DATA((PyArrayObject *)scores))[i] = found->pairs[i].agreement;
    }
    if (pairs == NULL || scores == NULL) {
        Py_XDECREF(pairs);
        Py_XDECREF(scores);
        return NULL;
    }
    return Py_BuildValue("{s:N,s:N,s:d,s:d,s:K,s:K}", "pairs", pairs, "scores", scores, "threshold", (double)found->threshold, "stranger_quantile",
                         (double)found->stranger_quantile, "compared", (unsigned long long)found->compared, "verified",
                         (unsigned long long)found->verified);
}

static PyObject *find_siblings(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"thumbnails", "labels", "threads", "neighbours", "seed", NULL};
    PyObject *object, *label_object = Py_None;
    int threads = 0, neighbours = 12;
    gng_bind_unsigned seed = {.name = "seed", .most = UINT64_MAX};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|OiiO&:find_siblings", names, &object, &label_object, &threads, &neighbours, gng_bind_read_unsigned,
                                     &seed))
        return NULL;
    PyArrayObject *thumbnails = gng_bind_array(object, "thumbnails", NPY_FLOAT32, 3);
    threads = gng_bind_threads(threads);
    if (thumbnails == NULL || threads < 0)
        return NULL;
    const npy_intp *shape = PyArray_DIMS(thumbnails);
    if (shape[1] != GNG_THUMBNAIL_SIDE || shape[2] != GNG_THUMBNAIL_SIDE)
        return PyErr_Format(PyExc_ValueError, "thumbnails: found %zd x %zd values each, expected 64 x 64 as describe_pictures makes them", shape[1], shape[2]);
    const float *levels = PyArray_DATA(thumbnails);
    for (npy_intp i = 0; i < shape[0] * GNG_THUMBNAIL_PIXELS; i++)
        if (!(levels[i] >= 0 && levels[i] <= 255))
            return PyErr_Format(PyExc_ValueError, "thumbnails: picture %zd holds a value outside 0 to 255", i / GNG_THUMBNAIL_PIXELS);
    const uint32_t *labels = NULL;
    if (label_object != Py_None) {
        PyArrayObject *array = gng_bind_array(label_object, "labels", NPY_UINT32, 1);
        if (array == NULL)
            return NULL;
        if (PyArray_DIMS(array)[0] != shape[0])
            return PyErr_Format(PyExc_ValueError, "labels: found %zd for %zd thumbnails, expected one for each", PyArray_DIMS(array)[0], shape[0]);
        labels = PyArray_DATA(array);
    }
    gng_sibling_search found = {0};
    gng_bind_call call;
    gng_bind_call_begin(&call, threads);
    const gng_status status = gng_siblings_find(&call.context, levels, labels, (size_t)shape[0], (size_t)(neighbours > 0 ? neighbours : 0), seed.value, &found);
    gng_bind_call_end(&call);
    if (status != GNG_OK)
        return gng_bind_raise(status);
    PyObject *result = sibling_mapping(&found);
    gng_memory_release(found.pairs);
    return result;
}

#define WITH_KEYWORDS(function) (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

PyMethodDef gng_bind_analysis_methods[] = {
    {"describe_pictures", WITH_KEYWORDS(describe_pictures), "Exposure and thumbnail of picture files."},
    {"measure_exposure", measure_exposure, METH_O, "Brightness, contrast and sharpness of a picture."},
    {"find_siblings", WITH_KEYWORDS(find_siblings), "Pictures of the same surface among thumbnails."},
    {0},
};
