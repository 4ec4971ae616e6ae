/* Functions around nets: single layers for checks, probabilities, losses, shuffling, learning rates. */
#include <string.h>

#include "base/arithmetic.h"
#include "bind/arguments.h"
#include "bind/plans.h"
#include "nn/dnnl/dnnl_engine.h"
#include "nn/ref/ref.h"

static PyObject *gradient_check(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"layer", "inputs", "seed", NULL};
    PyObject *mapping, *sequence;
    gng_bind_unsigned seed = {.name = "seed", .most = UINT64_MAX};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOO&:gradient_check", names, &mapping, &sequence, gng_bind_read_unsigned, &seed))
        return NULL;
    gng_layer layers[GNG_LAYER_INPUTS_MAX] = {{.name = "input_1"}, {.name = "input_2"}};
    gng_tensor_shape shapes[GNG_LAYER_INPUTS_MAX] = {{0}};
    gng_layer layer;
    PyObject *items = PySequence_Tuple(sequence);
    if (items == NULL)
        return NULL;
    const Py_ssize_t count = PyTuple_Size(items);
    int read = count >= 1 && count <= GNG_LAYER_INPUTS_MAX ? 0 : -1;
    if (read < 0)
        PyErr_Format(PyExc_ValueError, "inputs: expected 1 to %d shapes, found %zd", (int)GNG_LAYER_INPUTS_MAX, count);
    for (Py_ssize_t i = 0; i < count && read == 0; i++) {
        int c = 0, h = 0, w = 0;
        PyObject *shape = PySequence_Tuple(PyTuple_GetItem(items, i));
        if (shape == NULL || !PyArg_ParseTuple(shape, "iii;inputs: expected shapes (channels, height, width)", &c, &h, &w))
            read = -1;
        Py_XDECREF(shape);
        shapes[i] = (gng_tensor_shape){c, h, w, 1};
    }
    Py_DECREF(items);
    if (read < 0 || gng_bind_layer(mapping, layers, (int32_t)count, &layer) < 0)
        return NULL;
    gng_gradient_check_result result;
    gng_status status;
    Py_BEGIN_ALLOW_THREADS
    status = gng_gradient_check(&layer, shapes, seed.value, &result);
    Py_END_ALLOW_THREADS
    if (status != GNG_OK)
        return gng_bind_raise(status);
    return Py_BuildValue("{s:d,s:d,s:s}", "reference_error", result.reference_error, "engine_error", result.engine_error, "engine", result.engine);
}

static PyObject *probabilities(PyObject *module, PyObject *argument)
{
    (void)module;
    PyArrayObject *logits = gng_bind_array(argument, "logits", NPY_FLOAT32, 2);
    if (logits == NULL)
        return NULL;
    const npy_intp rows = PyArray_DIM(logits, 0), outputs = PyArray_DIM(logits, 1), classes = outputs == 1 ? 2 : outputs;
    const npy_intp shape[] = {rows, classes};
    if (outputs < 1 || outputs > INT32_MAX)
        return PyErr_Format(PyExc_ValueError, "logits: expected at least one column");
    PyObject *result = gng_bind_new_array(NPY_FLOAT64, 2, shape);
    const unsigned int mode = gng_arithmetic_exchange(GNG_ARITHMETIC_DEFAULT);
    for (npy_intp i = 0; i < rows && result != NULL; i++)
        gng_loss_probabilities((int32_t)outputs, (const float *)PyArray_DATA(logits) + i * outputs, (double *)PyArray_DATA((PyArrayObject *)result) + i * classes);
    (void)gng_arithmetic_exchange(mode);
    return result;
}

static PyObject *cross_entropy(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"logits", "targets", "weights", NULL};
    PyObject *logit_array, *target_array, *weight_array = Py_None;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO|O:cross_entropy", names, &logit_array, &target_array, &weight_array))
        return NULL;
    PyArrayObject *logits = gng_bind_array(logit_array, "logits", NPY_FLOAT32, 2);
    PyArrayObject *targets = logits != NULL ? gng_bind_array(target_array, "targets", NPY_FLOAT32, 2) : NULL;
    PyArrayObject *weights = NULL;
    if (targets == NULL || (weight_array != Py_None && (weights = gng_bind_array(weight_array, "weights", NPY_FLOAT32, 1)) == NULL))
        return NULL;
    const npy_intp rows = PyArray_DIM(logits, 0), outputs = PyArray_DIM(logits, 1);
    if (rows < 1 || outputs < 1 || !PyArray_SAMESHAPE(logits, targets) || (weights != NULL && PyArray_SIZE(weights) != rows))
        return PyErr_Format(PyExc_ValueError, "targets and weights: expected as many rows as logits (%zd, at least 1) and %zd columns", (Py_ssize_t)rows, (Py_ssize_t)outputs);
    const unsigned int mode = gng_arithmetic_exchange(GNG_ARITHMETIC_DEFAULT);
    size_t right = 0;
    const double mean = gng_loss_mean((int32_t)outputs, (size_t)rows, PyArray_DATA(logits), PyArray_DATA(targets), weights != NULL ? PyArray_DATA(weights) : NULL, &right);
    (void)gng_arithmetic_exchange(mode);
    return Py_BuildValue("(dn)", mean, (Py_ssize_t)right);
}

static PyObject *shuffled(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"n", "seed", "epoch", "stream", NULL};
    Py_ssize_t count;
    gng_bind_unsigned seed = {.name = "seed", .most = UINT64_MAX}, epoch = {.name = "epoch", .most = UINT32_MAX};
    const char *stream = "shuffle";
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "nO&|O&s:shuffled", names, &count, gng_bind_read_unsigned, &seed, gng_bind_read_unsigned, &epoch, &stream))
        return NULL;
    if (count < 0 || count > (Py_ssize_t)UINT32_MAX)
        return PyErr_Format(PyExc_ValueError, "n: found %zd, expected 0 to 2^32 - 1", count);
    const bool split = strcmp(stream, "split") == 0;
    if (!split && strcmp(stream, "shuffle") != 0)
        return PyErr_Format(PyExc_ValueError, "stream: found '%s', expected 'shuffle' or 'split'", stream);
    const npy_intp shape[] = {count};
    PyObject *result = gng_bind_new_array(NPY_UINT32, 1, shape);
    if (result == NULL)
        return NULL;
    uint32_t *indices = PyArray_DATA((PyArrayObject *)result);
    for (Py_ssize_t i = 0; i < count; i++)
        indices[i] = (uint32_t)i;
    const gng_rng_key key = {.seed = seed.value, .stream = split ? GNG_STREAM_SPLIT : GNG_STREAM_SHUFFLE, .epoch = (uint32_t)epoch.value};
    gng_rng rng = gng_rng_create(&key);
    gng_rng_shuffle(&rng, indices, (size_t)count);
    return result;
}

static gng_status schedule_kind(const char *name, int *out)
{
    gng_schedule_kind kind;
    GNG_TRY(gng_schedule_from_name(name, &kind));
    *out = (int)kind;
    return GNG_OK;
}

static PyObject *learning_rate(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"schedule", "step", NULL};
    PyObject *mapping;
    gng_bind_unsigned step = {.name = "step", .most = UINT64_MAX};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO&:learning_rate", names, &mapping, gng_bind_read_unsigned, &step))
        return NULL;
    const char *text;
    PyObject *kind_name = gng_bind_text_item(mapping, "kind", &text);
    int kind = 0;
    /* A kind that is not a text is found when the fields are read. */
    const gng_status known = schedule_kind(text != NULL ? text : "constant", &kind);
    Py_XDECREF(kind_name);
    if (PyErr_Occurred())
        return NULL;
    if (known != GNG_OK)
        return gng_bind_raise(known);
    gng_schedule schedule = gng_schedule_default((gng_schedule_kind)kind);
    const gng_bind_field fields[] = {
        {"kind", GNG_FIELD_NAME, NULL, schedule_kind, &kind},
        {"learning_rate", GNG_FIELD_DOUBLE, &schedule.learning_rate, NULL, NULL},
        {"total_steps", GNG_FIELD_UINT64, &schedule.total_steps, NULL, NULL},
        {"warmup_steps", GNG_FIELD_UINT64, &schedule.warmup_steps, NULL, NULL},
        {"gamma", GNG_FIELD_DOUBLE, &schedule.gamma, NULL, NULL},
        {"step_size", GNG_FIELD_UINT64, &schedule.step_size, NULL, NULL},
        {"final_fraction", GNG_FIELD_DOUBLE, &schedule.final_fraction, NULL, NULL},
        {"start_fraction", GNG_FIELD_DOUBLE, &schedule.start_fraction, NULL, NULL},
        {"rise_fraction", GNG_FIELD_DOUBLE, &schedule.rise_fraction, NULL, NULL},
    };
    if (gng_bind_read(mapping, "schedule", fields, sizeof fields / sizeof fields[0]) < 0)
        return NULL;
    const gng_status status = gng_schedule_check(&schedule);
    if (status != GNG_OK)
        return gng_bind_raise(status);
    const unsigned int mode = gng_arithmetic_exchange(GNG_ARITHMETIC_DEFAULT);
    const double rate = gng_schedule_rate(&schedule, step.value);
    (void)gng_arithmetic_exchange(mode);
    return PyFloat_FromDouble(rate);
}

PyMethodDef gng_bind_net_methods[] = {
    {"gradient_check", (PyCFunction)(void (*)(void))gradient_check, METH_VARARGS | METH_KEYWORDS, "One layer's gradients against central differences."},
    {"run_layer", (PyCFunction)(void (*)(void))gng_bind_run_layer, METH_VARARGS | METH_KEYWORDS, "One layer on one picture, forward and backward."},
    {"probabilities", probabilities, METH_O, "Class probabilities (n, classes) of logits."},
    {"cross_entropy", (PyCFunction)(void (*)(void))cross_entropy, METH_VARARGS | METH_KEYWORDS, "Mean weighted loss and number of correct rows."},
    {"shuffled", (PyCFunction)(void (*)(void))shuffled, METH_VARARGS | METH_KEYWORDS, "Indices 0 to n - 1 in a keyed random order."},
    {"learning_rate", (PyCFunction)(void (*)(void))learning_rate, METH_VARARGS | METH_KEYWORDS, "Learning rate of a step."},
    {0},
};
