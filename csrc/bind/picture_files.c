/* Functions on picture files: inspect, decode, check. */
#include <string.h>

#include "bind/arguments.h"
#include "bind/plans.h"

/* What was found, and the reason of a fault or a doubt. */
static PyObject *inspection_mapping(const gng_inspection *found, const char *fault_reason)
{
    char doubt[GNG_DETAIL_BYTES];
    gng_inspection_doubt_write(found, doubt);
    return Py_BuildValue("{s:s,s:s,s:s,s:s,s:n,s:i,s:i,s:i,s:i,s:O,s:n}", "format", gng_format_name(found->format), "verdict",
                         gng_inspection_verdict(found), "fault", gng_fault_word(found->fault), "reason",
                         found->fault == GNG_FAULT_NONE ? doubt : fault_reason, "offset", (Py_ssize_t)found->offset, "height", (int)found->height, "width",
                         (int)found->width, "channels", (int)found->channels, "bit_depth", (int)found->bit_depth, "progressive",
                         found->progressive ? Py_True : Py_False, "picture_bytes", (Py_ssize_t)found->picture_bytes);
}

static PyObject *inspect(PyObject *module, PyObject *argument)
{
    (void)module;
    PyObject *data = gng_bind_bytes(argument);
    if (data == NULL)
        return NULL;
    gng_inspection found;
    gng_status status;
    const uint8_t *bytes = (const uint8_t *)PyBytes_AsString(data);
    const size_t count = (size_t)PyBytes_Size(data);
    Py_BEGIN_ALLOW_THREADS
    status = gng_image_inspect(bytes, count, &found);
    Py_END_ALLOW_THREADS
    Py_DECREF(data);
    return inspection_mapping(&found, status == GNG_OK ? "" : gng_error_detail());
}

int gng_bind_check_bit_depth(int bit_depth)
{
    if (bit_depth == 16 || bit_depth == 12 || bit_depth == 10)
        return 0;
    PyErr_Format(PyExc_ValueError, "bit_depth: found %d, expected 16, 12 or 10", bit_depth);
    return -1;
}

static PyObject *decode_bytes(const uint8_t *bytes, size_t count, int channels, int bit_depth)
{
    gng_inspection found;
    gng_status status = gng_image_inspect(bytes, count, &found);
    if (status != GNG_OK)
        return gng_bind_raise(status);
    const npy_intp shape[] = {found.height, found.width, channels};
    PyObject *result = gng_bind_new_array(NPY_UINT8, 3, shape);
    if (result == NULL)
        return NULL;
    const gng_image image = {PyArray_DATA((PyArrayObject *)result), found.height, found.width, channels};
    Py_BEGIN_ALLOW_THREADS
    status = gng_image_decode(bytes, count, bit_depth, &found, &image);
    Py_END_ALLOW_THREADS
    if (status == GNG_OK)
        return result;
    Py_DECREF(result);
    return gng_bind_raise(status);
}

static PyObject *decode(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"data", "channels", "bit_depth", NULL};
    PyObject *argument;
    int channels, bit_depth = 16;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "Oi|i:decode", names, &argument, &channels, &bit_depth))
        return NULL;
    if (channels != 1 && channels != 3)
        return PyErr_Format(PyExc_ValueError, "channels: found %d, expected 1 or 3", channels);
    PyObject *data = gng_bind_check_bit_depth(bit_depth) < 0 ? NULL : gng_bind_bytes(argument);
    if (data == NULL)
        return NULL;
    PyObject *result = decode_bytes((const uint8_t *)PyBytes_AsString(data), (size_t)PyBytes_Size(data), channels, bit_depth);
    Py_DECREF(data);
    return result;
}

/* One of many files and what became of it. */
typedef struct file_job {
    const uint8_t *bytes; /* [count] */
    size_t count;
    size_t first_row, rows; /* of `out` */
    gng_inspection found;
    bool grey;       /* in all its regions */
    bool whole_grey; /* in all of the picture */
    char reason[GNG_DETAIL_BYTES]; /* of a fault */
} file_job;

typedef struct file_jobs {
    file_job *jobs;
    int bit_depth;
    uint8_t *out; /* [rows of all files, height, width, channels]; NULL: pixels are looked at and dropped */
    const gng_region *regions; /* [rows of all files]; NULL: whole pictures */
    const int32_t *rows;       /* [number of files], how many each has; NULL: one */
    int32_t *readouts; /* [rows of all files, 2], of what was resized and not yet enhanced: brightest level in all rows of the file, bottom rows */
    gng_enhancement enhancement;
    int32_t height, width, channels;
    gng_resize_mode mode;
} file_jobs;

/* Fills one row of `out` from a picture or a part of it, which is overwritten: colours, size, enhancement. */
static gng_status fill_row(const file_jobs *jobs, const gng_image *image, size_t row)
{
    const size_t bytes = (size_t)jobs->height * (size_t)jobs->width * (size_t)jobs->channels;
    const gng_image out = {jobs->out + row * bytes, jobs->height, jobs->width, jobs->channels};
    gng_image_view view = {image->pixels, image->height, image->width, image->channels};
    if (out.channels == 1 && view.channels == 3) {
        gng_image_luma(image->pixels, (size_t)view.height * (size_t)view.width, image->pixels);
        view.channels = 1;
    }
    GNG_TRY(gng_image_resize(view, jobs->mode, &out));
    const gng_readout found = gng_readout_measure((gng_image_view){out.pixels, out.height, out.width, out.channels});
    jobs->readouts[2 * row] = found.brightest;
    jobs->readouts[2 * row + 1] = found.bottom_rows;
    return gng_image_enhance(&jobs->enhancement, &out);
}

/* Fills all rows of a picture, each from its region; part has room for the whole picture. */
static gng_status fill_rows(const file_jobs *jobs, file_job *job, const gng_image *image, uint8_t *part)
{
    const gng_image_view view = {image->pixels, image->height, image->width, image->channels};
    int32_t brightest = 0;
    job->whole_grey = gng_image_is_grey(view);
    job->grey = jobs->regions != NULL || job->whole_grey;
    if (jobs->regions == NULL)
        return fill_row(jobs, image, job->first_row);
    for (size_t row = job->first_row; row < job->first_row + job->rows; row++) {
        gng_image cut = {.pixels = part};
        const gng_status status = gng_image_crop(view, jobs->regions[row], &cut);
        if (status == GNG_STATUS_SHAPE)
            job->found.fault = GNG_FAULT_IMAGE_TOO_SMALL;
        GNG_TRY(status);
        job->grey = job->grey && (job->whole_grey || gng_image_is_grey((gng_image_view){cut.pixels, cut.height, cut.width, cut.channels}));
        GNG_TRY(fill_row(jobs, &cut, row));
        brightest = jobs->readouts[2 * row] > brightest ? jobs->readouts[2 * row] : brightest;
    }
    /* A tile may well be dark; what that says of light and bit depth the whole picture knows. */
    for (size_t row = job->first_row; row < job->first_row + job->rows; row++)
        jobs->readouts[2 * row] = brightest;
    return GNG_OK;
}

/* Decodes a picture as it is stored, and fills its rows of `out` if there is one. */
static gng_status decode_into(const file_jobs *jobs, file_job *job)
{
    const size_t pixels = (size_t)job->found.height * (size_t)job->found.width;
    const int32_t stored = job->found.channels == 3 || jobs->channels == 3 ? 3 : 1;
    uint8_t *block = gng_memory_allocate_array(pixels, (size_t)stored);
    uint8_t *part = jobs->regions == NULL ? NULL : gng_memory_allocate_array(pixels, (size_t)stored);
    gng_status status = GNG_OK;
    if (block == NULL || (part == NULL && jobs->regions != NULL))
        status = gng_error_set(GNG_STATUS_MEMORY, "decoding %d x %d pixels", (int)job->found.height, (int)job->found.width);
    const gng_image image = {block, job->found.height, job->found.width, stored};
    if (status == GNG_OK)
        status = gng_image_decode(job->bytes, job->count, jobs->bit_depth, &job->found, &image);
    if (status == GNG_OK && jobs->out != NULL)
        status = fill_rows(jobs, job, &image, part);
    gng_memory_release(part);
    gng_memory_release(block);
    return status;
}

static gng_status file_task(void *argument, size_t index, int worker)
{
    (void)worker;
    const file_jobs *jobs = argument;
    file_job *job = &jobs->jobs[index];
    const size_t bytes = (size_t)jobs->height * (size_t)jobs->width * (size_t)jobs->channels;
    job->grey = true;
    gng_status status = gng_image_inspect(job->bytes, job->count, &job->found);
    if (status == GNG_OK)
        status = decode_into(jobs, job);
    if (status == GNG_OK || status == GNG_STATUS_MEMORY)
        return status;
    /* A bad file is a result, not a failure of the call. */
    if (job->found.fault == GNG_FAULT_NONE)
        job->found.fault = GNG_FAULT_PIXELS;
    memcpy(job->reason, gng_error_detail(), sizeof job->reason);
    if (jobs->out != NULL) {
        memset(jobs->out + job->first_row * bytes, 0, job->rows * bytes);
        memset(jobs->readouts + 2 * job->first_row, 0, 2 * job->rows * sizeof *jobs->readouts);
    }
    return GNG_OK;
}

/* What became of each file: (index, fault word, reason, offset) of those with a fault. */
static PyObject *failures_of(const file_job *jobs, Py_ssize_t count)
{
    PyObject *failures = PyList_New(0);
    for (Py_ssize_t i = 0; i < count && failures != NULL; i++) {
        if (jobs[i].found.fault == GNG_FAULT_NONE)
            continue;
        PyObject *row = Py_BuildValue("(nssn)", i, gng_fault_word(jobs[i].found.fault), jobs[i].reason, (Py_ssize_t)jobs[i].found.offset);
        if (row == NULL || PyList_Append(failures, row) < 0)
            Py_CLEAR(failures);
        Py_XDECREF(row);
    }
    return failures;
}

/* Which files cannot be proven complete: (index, sentence) of those with a doubt. */
static PyObject *doubts_of(const file_job *jobs, Py_ssize_t count)
{
    PyObject *doubts = PyList_New(0);
    for (Py_ssize_t i = 0; i < count && doubts != NULL; i++) {
        if (jobs[i].found.fault != GNG_FAULT_NONE || jobs[i].found.doubt == GNG_DOUBT_NONE)
            continue;
        char sentence[GNG_DETAIL_BYTES];
        gng_inspection_doubt_write(&jobs[i].found, sentence);
        PyObject *row = Py_BuildValue("(ns)", i, sentence);
        if (row == NULL || PyList_Append(doubts, row) < 0)
            Py_CLEAR(doubts);
        Py_XDECREF(row);
    }
    return doubts;
}

/* (failures, grey [count], formats [count, 3], readouts, doubts): height, width and whether there is a colour; zeros of files with
 * a fault. */
static PyObject *decoded_tuple(const file_job *jobs, Py_ssize_t count, PyObject *readouts)
{
    const npy_intp shape[] = {count, 3};
    PyObject *failures = failures_of(jobs, count);
    PyObject *grey = failures == NULL ? NULL : gng_bind_new_array(NPY_BOOL, 1, shape);
    PyObject *formats = grey == NULL ? NULL : gng_bind_new_array(NPY_INT32, 2, shape);
    PyObject *doubts = formats == NULL ? NULL : doubts_of(jobs, count);
    if (doubts == NULL) {
        Py_XDECREF(failures);
        Py_XDECREF(grey);
        Py_XDECREF(formats);
        return NULL;
    }
    npy_bool *all_grey = PyArray_DATA((PyArrayObject *)grey);
    int32_t *format = PyArray_DATA((PyArrayObject *)formats);
    for (Py_ssize_t i = 0; i < count; i++, format += 3) {
        const bool good = jobs[i].found.fault == GNG_FAULT_NONE;
        all_grey[i] = !good || jobs[i].grey;
        format[0] = good ? jobs[i].found.height : 0;
        format[1] = good ? jobs[i].found.width : 0;
        format[2] = good && !jobs[i].whole_grey;
    }
    return Py_BuildValue("(NNNON)", failures, grey, formats, readouts, doubts);
}

static PyObject *all_mappings(const file_job *jobs, Py_ssize_t count)
{
    PyObject *rows = PyList_New(0);
    for (Py_ssize_t i = 0; i < count && rows != NULL; i++) {
        PyObject *row = inspection_mapping(&jobs[i].found, jobs[i].reason);
        if (row == NULL || PyList_Append(rows, row) < 0)
            Py_CLEAR(rows);
        Py_XDECREF(row);
    }
    return rows;
}

/* Runs all files (a tuple of objects with bytes) on several threads. readouts: an array, borrowed; NULL without `out`. */
static PyObject *run_files(PyObject *files, file_jobs *jobs, PyObject *readouts, int threads)
{
    const Py_ssize_t count = PyTuple_Size(files);
    PyObject *held = PyList_New(0), *result = NULL;
    size_t row = 0;
    jobs->jobs = gng_memory_allocate_array((size_t)count, sizeof *jobs->jobs);
    bool ready = held != NULL && jobs->jobs != NULL;
    if (jobs->jobs == NULL)
        PyErr_Format(PyExc_MemoryError, "files: no memory for a list of %zd", count);
    for (Py_ssize_t i = 0; i < count && ready; i++) {
        PyObject *data = gng_bind_bytes(PyTuple_GetItem(files, i));
        ready = data != NULL && PyList_Append(held, data) == 0;
        if (ready) {
            jobs->jobs[i].bytes = (const uint8_t *)PyBytes_AsString(data);
            jobs->jobs[i].count = (size_t)PyBytes_Size(data);
            jobs->jobs[i].first_row = row;
            jobs->jobs[i].rows = jobs->out == NULL ? 0 : jobs->rows == NULL ? 1 : (size_t)jobs->rows[i];
            row += jobs->jobs[i].rows;
        }
        Py_XDECREF(data); /* the list holds it */
    }
    if (ready) {
        gng_bind_call call;
        gng_bind_call_begin(&call, threads);
        const gng_status status = gng_parallel_run(&call.context, (size_t)count, file_task, jobs);
        gng_bind_call_end(&call);
        result = status != GNG_OK ? gng_bind_raise(status) : jobs->out == NULL ? all_mappings(jobs->jobs, count) : decoded_tuple(jobs->jobs, count, readouts);
    }
    Py_XDECREF(held);
    gng_memory_release(jobs->jobs);
    return result;
}

/* regions [rows, 4] and rows [files] are both given or both None; borrowed by `jobs`. -1 with an exception. */
static int read_regions(PyObject *regions, PyObject *rows, Py_ssize_t files, npy_intp out_rows, file_jobs *jobs)
{
    npy_intp sum = files;
    if (regions != Py_None || rows != Py_None) {
        PyArrayObject *boxes = gng_bind_array(regions, "regions", NPY_INT32, 2);
        PyArrayObject *counts = boxes == NULL ? NULL : gng_bind_array(rows, "rows", NPY_INT32, 1);
        if (counts == NULL)
            return -1;
        jobs->regions = PyArray_DATA(boxes);
        jobs->rows = PyArray_DATA(counts);
        bool fits = PyArray_DIM(counts, 0) == files && PyArray_DIM(boxes, 0) == out_rows && PyArray_DIM(boxes, 1) == 4;
        sum = 0;
        for (Py_ssize_t i = 0; i < files && fits; i++) {
            fits = jobs->rows[i] >= 1;
            sum += jobs->rows[i];
        }
        if (!fits) {
            PyErr_SetString(PyExc_ValueError, "regions, rows: expected a region (top, left, height, width) for each row of out, and for each file how many rows it has, at least 1");
            return -1;
        }
    }
    if (sum == out_rows)
        return 0;
    PyErr_Format(PyExc_ValueError, "out: has room for %zd pictures, but there are %zd in %zd files", (Py_ssize_t)out_rows, (Py_ssize_t)sum, files);
    return -1;
}

static PyObject *decode_many(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"files", "out", "mode", "threads", "bit_depth", "regions", "rows", "enhancement", NULL};
    PyObject *sequence, *array, *regions = Py_None, *rows = Py_None, *enhancement = NULL;
    const char *mode_name = "pad";
    int threads = 0;
    file_jobs jobs = {.bit_depth = 16, .enhancement = gng_enhancement_identity()};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO|siiOOO:decode_many", names, &sequence, &array, &mode_name, &threads, &jobs.bit_depth, &regions, &rows,
                                     &enhancement))
        return NULL;
    PyArrayObject *out = gng_bind_array(array, "out", NPY_UINT8, 4);
    threads = gng_bind_threads(threads);
    if (out == NULL || threads < 0 || gng_bind_resize_mode(mode_name, &jobs.mode) < 0 || gng_bind_check_bit_depth(jobs.bit_depth) < 0 ||
        (enhancement != NULL && gng_bind_enhancement(enhancement, &jobs.enhancement) < 0))
        return NULL;
    const npy_intp *shape = PyArray_DIMS(out);
    if (!PyArray_ISWRITEABLE(out) || shape[1] < 1 || shape[2] < 1 || shape[1] > GNG_IMAGE_SIDE_MAX || shape[2] > GNG_IMAGE_SIDE_MAX ||
        (shape[3] != 1 && shape[3] != 3))
        return PyErr_Format(PyExc_ValueError, "out: expected a writable array (n, height, width, 1 or 3) with sides of 1 to %d", (int)GNG_IMAGE_SIDE_MAX);
    jobs.out = PyArray_DATA(out);
    jobs.height = (int32_t)shape[1];
    jobs.width = (int32_t)shape[2];
    jobs.channels = (int32_t)shape[3];
    const npy_intp pairs[] = {shape[0], 2};
    PyObject *files = PySequence_Tuple(sequence), *result = NULL;
    PyObject *readouts = files == NULL ? NULL : gng_bind_new_array(NPY_INT32, 2, pairs);
    if (readouts != NULL && read_regions(regions, rows, PyTuple_Size(files), shape[0], &jobs) == 0) {
        jobs.readouts = PyArray_DATA((PyArrayObject *)readouts);
        result = run_files(files, &jobs, readouts, threads);
    }
    Py_XDECREF(readouts);
    Py_XDECREF(files);
    return result;
}

static PyObject *check_many(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"files", "threads", "bit_depth", NULL};
    PyObject *sequence;
    int threads = 0;
    file_jobs jobs = {.bit_depth = 16, .channels = 1};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|ii:check_many", names, &sequence, &threads, &jobs.bit_depth))
        return NULL;
    threads = gng_bind_threads(threads);
    PyObject *files = threads < 0 || gng_bind_check_bit_depth(jobs.bit_depth) < 0 ? NULL : PySequence_Tuple(sequence);
    if (files == NULL)
        return NULL;
    PyObject *result = run_files(files, &jobs, NULL, threads);
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

static PyObject *measure_readout(PyObject *module, PyObject *argument)
{
    (void)module;
    gng_image_view view;
    if (gng_bind_image(argument, "pixels", &view) < 0)
        return NULL;
    gng_readout found;
    Py_BEGIN_ALLOW_THREADS
    found = gng_readout_measure(view);
    Py_END_ALLOW_THREADS
    return Py_BuildValue("(ii)", (int)found.brightest, (int)found.bottom_rows);
}

#define WITH_KEYWORDS(function) (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

PyMethodDef gng_bind_picture_file_methods[] = {
    {"inspect", inspect, METH_O, "Structural check of a picture file's bytes."},
    {"decode", WITH_KEYWORDS(decode), "Pixels (h, w, channels) of a picture file's bytes."},
    {"decode_many", WITH_KEYWORDS(decode_many), "Decodes files in parallel into one array."},
    {"check_many", WITH_KEYWORDS(check_many), "Inspects files and decodes them on trial, in parallel."},
    {"is_grey", is_grey, METH_O, "Whether R = G = B in every pixel."},
    {"measure_readout", measure_readout, METH_O, "Brightest level, and number of last rows of one colour."},
    {0},
};
