/* gonogo._core.Step. */
#include <math.h>
#include <string.h>

#include "bind/plans.h"

typedef struct bind_step {
    PyObject_HEAD
    PyObject *graph; /* keeps the borrowed gng_graph alive */
    gng_step *step;
    int threads;
    int moment_count;
    PyThread_type_lock lock;
} bind_step;

static gng_status optimizer_kind(const char *name, int *out)
{
    gng_optimizer_kind kind;
    GNG_TRY(gng_optimizer_from_name(name, &kind));
    *out = (int)kind;
    return GNG_OK;
}

static int read_optimizer(PyObject *mapping, gng_optimizer *out)
{
    PyObject *name = PyMapping_Check(mapping) ? PyMapping_GetItemString(mapping, "kind") : NULL;
    const char *text = name != NULL && PyUnicode_Check(name) ? PyUnicode_AsUTF8AndSize(name, NULL) : NULL;
    int kind = 0;
    gng_status status = GNG_STATUS_ARGUMENT;
    if (text != NULL)
        status = optimizer_kind(text, &kind);
    Py_XDECREF(name);
    if (status != GNG_OK) {
        PyErr_Clear();
        if (text == NULL)
            PyErr_SetString(PyExc_ValueError, "optimizer: expected a mapping with the key 'kind'");
        else
            gng_bind_raise(status);
        return -1;
    }
    gng_optimizer optimizer = gng_optimizer_default((gng_optimizer_kind)kind);
    const gng_bind_field fields[] = {
        {"kind", GNG_FIELD_NAME, NULL, optimizer_kind, &kind},
        {"momentum", GNG_FIELD_DOUBLE, &optimizer.momentum, NULL, NULL},
        {"nesterov", GNG_FIELD_BOOL, &optimizer.nesterov, NULL, NULL},
        {"rho", GNG_FIELD_DOUBLE, &optimizer.rho, NULL, NULL},
        {"beta_1", GNG_FIELD_DOUBLE, &optimizer.beta_1, NULL, NULL},
        {"beta_2", GNG_FIELD_DOUBLE, &optimizer.beta_2, NULL, NULL},
        {"epsilon", GNG_FIELD_DOUBLE, &optimizer.epsilon, NULL, NULL},
        {"weight_decay", GNG_FIELD_DOUBLE, &optimizer.weight_decay, NULL, NULL},
        {"clip_norm", GNG_FIELD_DOUBLE, &optimizer.clip_norm, NULL, NULL},
        {"clip_value", GNG_FIELD_DOUBLE, &optimizer.clip_value, NULL, NULL},
    };
    if (gng_bind_read(mapping, "optimizer", fields, sizeof fields / sizeof fields[0]) < 0)
        return -1;
    *out = optimizer;
    return 0;
}

static int read_sample_shape(PyObject *sequence, const gng_graph *graph, gng_samples *out)
{
    PyObject *items = PySequence_Tuple(sequence);
    if (items == NULL)
        return -1;
    const Py_ssize_t rank = PyTuple_Size(items);
    const gng_tensor_shape shape = graph->shapes[0];
    const int32_t expected[3] = {shape.height, shape.width, shape.channels};
    bool fits = rank == 3 || (rank == 1 && shape.height == 1 && shape.width == 1);
    for (Py_ssize_t i = 0; i < rank && fits; i++)
        fits = PyLong_AsLong(PyTuple_GetItem(items, i)) == expected[rank == 3 ? i : 2];
    Py_DECREF(items);
    if (!fits) {
        PyErr_Clear();
        PyErr_Format(PyExc_ValueError, "sample_shape: found %R, expected (%d, %d, %d) (height, width, channels) as the graph's input", sequence,
                     (int)shape.height, (int)shape.width, (int)shape.channels);
        return -1;
    }
    static const uint8_t pixel = 0;
    static const float row = 0;
    *out = (gng_samples){.pixels = rank == 3 ? &pixel : NULL, .rows = rank == 3 ? NULL : &row, .shape = shape};
    return 0;
}

static PyObject *step_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"graph", "sample_shape", "batch", "optimizer", "threads", NULL};
    PyObject *graph_object, *shape, *optimizer_mapping;
    int batch, threads = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOiO|i:Step", names, &graph_object, &shape, &batch, &optimizer_mapping, &threads))
        return NULL;
    const gng_graph *graph = gng_bind_graph_of(graph_object);
    gng_samples samples;
    gng_optimizer optimizer;
    if (graph == NULL || read_sample_shape(shape, graph, &samples) < 0 || read_optimizer(optimizer_mapping, &optimizer) < 0)
        return NULL;
    threads = gng_bind_threads(threads);
    if (threads < 0)
        return NULL;
    if (batch < 1)
        return PyErr_Format(PyExc_ValueError, "batch: found %d, expected at least 1", batch);
    bind_step *self = gng_bind_allocate(type);
    if (self == NULL)
        return NULL;
    self->graph = Py_NewRef(graph_object);
    self->threads = threads;
    self->moment_count = gng_optimizer_moment_count(&optimizer);
    self->lock = PyThread_allocate_lock();
    gng_status status;
    Py_BEGIN_ALLOW_THREADS
    status = self->lock != NULL ? gng_step_create(graph, &samples, (uint32_t)batch, threads, &optimizer, &self->step)
                                : gng_error_set(GNG_STATUS_MEMORY, "creating a lock");
    Py_END_ALLOW_THREADS
    if (status != GNG_OK) {
        Py_DECREF(self);
        return gng_bind_raise(status);
    }
    return (PyObject *)self;
}

static void step_dealloc(PyObject *object)
{
    bind_step *self = (bind_step *)object;
    gng_step_destroy(self->step);
    if (self->lock != NULL)
        PyThread_free_lock(self->lock);
    Py_XDECREF(self->graph);
    gng_bind_free(object);
}

static const gng_graph *graph_of(const bind_step *self)
{
    return ((gng_bind_graph *)self->graph)->graph;
}

/* Arrays of a run. uint32 [count] each, indices below `count_of_samples`. */
static int read_indices(PyObject *object, const char *name, uint64_t bound, const uint32_t **out, uint32_t *count)
{
    PyArrayObject *array = gng_bind_array(object, name, NPY_UINT32, 1);
    if (array == NULL)
        return -1;
    const uint32_t *values = PyArray_DATA(array);
    const npy_intp length = PyArray_SIZE(array);
    for (npy_intp i = 0; i < length && bound > 0; i++)
        if (values[i] >= bound) {
            PyErr_Format(PyExc_IndexError, "%s: found %u, but there are %llu samples", name, (unsigned)values[i], (unsigned long long)bound);
            return -1;
        }
    *out = values;
    *count = (uint32_t)length;
    return 0;
}

static int read_floats(PyObject *object, const char *name, int dimensions, uint64_t rows, int32_t columns, const float **out)
{
    PyArrayObject *array = gng_bind_array(object, name, NPY_FLOAT32, dimensions);
    if (array == NULL)
        return -1;
    if ((uint64_t)PyArray_DIM(array, 0) != rows || (dimensions == 2 && PyArray_DIM(array, 1) != columns)) {
        PyErr_Format(PyExc_ValueError, "%s: expected %llu rows of %d values, found %zd rows", name, (unsigned long long)rows, (int)columns,
                     (Py_ssize_t)PyArray_DIM(array, 0));
        return -1;
    }
    *out = PyArray_DATA(array);
    return 0;
}

static PyObject *step_run(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"samples", "targets", "indices", "learning_rate", "weights", "occurrences", "augment", "augment_seed", "dropout_seed", "epoch", "update", NULL};
    bind_step *self = (bind_step *)object;
    PyObject *sample_array, *target_array, *index_array, *weight_array = Py_None, *occurrence_array = Py_None, *augment_mapping = Py_None;
    double rate = NAN; /* keyword arguments cannot be required by the parser: the step refuses NaN */
    unsigned long long augment_seed = 0, dropout_seed = 0;
    unsigned int epoch = 0;
    int update = 1;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOO|$dOOOKKIp:run", names, &sample_array, &target_array, &index_array, &rate, &weight_array,
                                     &occurrence_array, &augment_mapping, &augment_seed, &dropout_seed, &epoch, &update))
        return NULL;
    const gng_graph *graph = graph_of(self);
    gng_samples samples;
    gng_augment augment;
    gng_batch batch = {.samples = &samples, .epoch = epoch};
    uint32_t occurrence_count = 0;
    if (gng_bind_samples(sample_array, "samples", graph->shapes[0], &samples) < 0 ||
        read_floats(target_array, "targets", 2, samples.count, gng_graph_outputs(graph), &batch.targets) < 0 ||
        read_indices(index_array, "indices", samples.count, &batch.indices, &batch.count) < 0)
        return NULL;
    if (weight_array != Py_None && read_floats(weight_array, "weights", 1, samples.count, 1, &batch.weights) < 0)
        return NULL;
    if (occurrence_array != Py_None) {
        if (read_indices(occurrence_array, "occurrences", 0, &batch.occurrences, &occurrence_count) < 0)
            return NULL;
        if (occurrence_count != batch.count)
            return PyErr_Format(PyExc_ValueError, "occurrences: expected %u values as in indices, found %u", batch.count, occurrence_count);
    }
    if (augment_mapping != Py_None) {
        if (samples.pixels == NULL)
            return PyErr_Format(PyExc_ValueError, "augment: rows of features cannot be augmented");
        if (gng_bind_augment(augment_mapping, &augment) < 0)
            return NULL;
        samples.augment = &augment;
        samples.seed = augment_seed;
    }
    gng_step_result result;
    gng_bind_lock(self->lock);
    gng_bind_call call;
    gng_bind_call_begin(&call, self->threads);
    const gng_status status = gng_step_run(self->step, &call.context, &batch, dropout_seed, rate, update != 0, &result);
    gng_bind_call_end(&call);
    PyThread_release_lock(self->lock);
    if (status != GNG_OK)
        return gng_bind_raise(status);
    return Py_BuildValue("(dId)", result.loss, (unsigned)result.correct, result.gradient_norm);
}

static PyObject *get_parameters(PyObject *object, void *closure)
{
    (void)closure;
    bind_step *self = (bind_step *)object;
    return gng_bind_vector(gng_net_parameters(gng_step_net(self->step)), graph_of(self)->parameter_floats);
}

static int refuse_delete(PyObject *value, const char *name)
{
    if (value == NULL)
        PyErr_Format(PyExc_AttributeError, "%s cannot be deleted", name);
    return value == NULL ? -1 : 0;
}

static int set_parameters(PyObject *object, PyObject *value, void *closure)
{
    (void)closure;
    bind_step *self = (bind_step *)object;
    if (refuse_delete(value, "parameters") < 0)
        return -1;
    return gng_bind_copy_vector(value, "parameters", gng_net_parameters(gng_step_net(self->step)), graph_of(self)->parameter_floats);
}

static PyObject *get_gradients(PyObject *object, void *closure)
{
    (void)closure;
    bind_step *self = (bind_step *)object;
    return gng_bind_vector(gng_net_gradients(gng_step_net(self->step)), graph_of(self)->parameter_floats);
}

static PyObject *get_states(PyObject *object, void *closure)
{
    (void)closure;
    bind_step *self = (bind_step *)object;
    return gng_bind_vector(gng_net_states(gng_step_net(self->step)), graph_of(self)->state_floats);
}

static int set_states(PyObject *object, PyObject *value, void *closure)
{
    (void)closure;
    bind_step *self = (bind_step *)object;
    if (refuse_delete(value, "states") < 0)
        return -1;
    return gng_bind_copy_vector(value, "states", gng_net_states(gng_step_net(self->step)), graph_of(self)->state_floats);
}

static PyObject *get_moments(PyObject *object, void *closure)
{
    (void)closure;
    bind_step *self = (bind_step *)object;
    PyObject *tuple = PyTuple_New(self->moment_count);
    for (int k = 0; k < self->moment_count && tuple != NULL; k++) {
        PyObject *moment = gng_bind_vector(gng_step_moments(self->step, k), graph_of(self)->parameter_floats);
        if (moment == NULL || PyTuple_SetItem(tuple, k, moment) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

static int set_moments(PyObject *object, PyObject *value, void *closure)
{
    (void)closure;
    bind_step *self = (bind_step *)object;
    if (refuse_delete(value, "moments") < 0)
        return -1;
    PyObject *items = PySequence_Tuple(value);
    if (items == NULL)
        return -1;
    int result = 0;
    if (PyTuple_Size(items) != self->moment_count) {
        PyErr_Format(PyExc_ValueError, "moments: expected %d arrays, found %zd", self->moment_count, PyTuple_Size(items));
        result = -1;
    }
    for (int k = 0; k < self->moment_count && result == 0; k++)
        result = gng_bind_copy_vector(PyTuple_GetItem(items, k), "moments", gng_step_moments(self->step, k), graph_of(self)->parameter_floats);
    Py_DECREF(items);
    return result;
}

static PyObject *get_count(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(gng_step_count(((bind_step *)object)->step));
}

static int set_count(PyObject *object, PyObject *value, void *closure)
{
    (void)closure;
    if (refuse_delete(value, "count") < 0)
        return -1;
    const unsigned long long count = PyLong_AsUnsignedLongLong(value);
    if (PyErr_Occurred())
        return -1;
    gng_step_count_set(((bind_step *)object)->step, count);
    return 0;
}

static PyObject *get_group(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(gng_net_group(gng_step_net(((bind_step *)object)->step)));
}

static PyObject *get_arena_bytes(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(gng_net_arena_bytes(gng_step_net(((bind_step *)object)->step)));
}

static PyObject *get_operations(PyObject *object, void *closure)
{
    (void)closure;
    return gng_bind_operations(gng_step_net(((bind_step *)object)->step));
}

static PyGetSetDef step_properties[] = {
    {"parameters", get_parameters, set_parameters, "flat float32 block (a copy)", NULL},
    {"states", get_states, set_states, "running statistics (a copy)", NULL},
    {"moments", get_moments, set_moments, "the optimizer's blocks (copies)", NULL},
    {"count", get_count, set_count, "updates made so far", NULL},
    {"gradients", get_gradients, NULL, "gradients of the last run (a copy)", NULL},
    {"group", get_group, NULL, "pictures of a group", NULL},
    {"arena_bytes", get_arena_bytes, NULL, "memory of the plan", NULL},
    {"operations", get_operations, NULL, "engine and layers of each planned operation", NULL},
    {0},
};

static PyMethodDef step_methods[] = {
    {"run", (PyCFunction)(void (*)(void))step_run, METH_VARARGS | METH_KEYWORDS, "One training step; returns loss, number correct, gradient norm."},
    {0},
};

static PyType_Slot step_slots[] = {
    {Py_tp_new, (void *)step_new},
    {Py_tp_dealloc, (void *)step_dealloc},
    {Py_tp_getset, step_properties},
    {Py_tp_methods, step_methods},
    {Py_tp_doc, (void *)"Training step: plan, parameters and moments."},
    {0, NULL},
};

PyType_Spec gng_bind_step_spec = {
    .name = "gonogo._core.Step",
    .basicsize = (int)sizeof(bind_step),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = step_slots,
};
