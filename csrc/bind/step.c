/* gonogo._core.Step. */
#include <math.h>
#include <string.h>

#include "bind/arguments.h"
#include "bind/plans.h"

typedef struct bind_step {
    PyObject_HEAD
    PyObject *graph; /* keeps the borrowed gng_graph alive */
    gng_step *step;
    int threads;
    int moment_count;
    gng_bind_lock lock;
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
    const char *text;
    PyObject *name = gng_bind_text_item(mapping, "kind", &text);
    int kind = 0;
    gng_status status = GNG_STATUS_ARGUMENT;
    if (text != NULL)
        status = optimizer_kind(text, &kind);
    Py_XDECREF(name);
    if (status != GNG_OK) {
        if (text == NULL)
            (void)gng_bind_refuse(PyExc_ValueError, "optimizer: expected a mapping with the key 'kind'");
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
    if (!fits)
        return gng_bind_refuse(PyExc_ValueError, "sample_shape: found %R, expected (%d, %d, %d) (height, width, channels) as the graph's input", sequence,
                               (int)shape.height, (int)shape.width, (int)shape.channels);
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
    gng_status status = GNG_STATUS_MEMORY;
    if (gng_bind_lock_create(&self->lock) == 0) {
        Py_BEGIN_ALLOW_THREADS
        status = gng_step_create(graph, &samples, (uint32_t)batch, threads, &optimizer, &self->step);
        Py_END_ALLOW_THREADS
    }
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
    gng_bind_lock_destroy(&self->lock);
    Py_XDECREF(self->graph);
    gng_bind_free(object);
}

static const gng_graph *graph_of(const bind_step *self)
{
    return ((gng_bind_graph *)self->graph)->graph;
}

/* Arrays of a run. uint32 [count] each, below `bound` (0: any). Another thread may change them: the step looks again. */
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
    if (length > UINT32_MAX) {
        PyErr_Format(PyExc_ValueError, "%s: found %zd values, expected fewer than 2^32", name, (Py_ssize_t)length);
        return -1;
    }
    *out = values;
    *count = (uint32_t)length;
    return 0;
}

/* One value for each index, or None. */
static int read_beside(PyObject *object, const char *name, uint32_t expected, const uint32_t **out)
{
    uint32_t count = 0;
    if (object == Py_None)
        return 0;
    if (read_indices(object, name, 0, out, &count) < 0)
        return -1;
    if (count == expected)
        return 0;
    PyErr_Format(PyExc_ValueError, "%s: expected %u values as in indices, found %u", name, expected, count);
    return -1;
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
    static char *names[] = {"samples", "targets", "indices", "learning_rate", "weights", "keys", "occurrences", "augment", "augment_seed", "dropout_seed", "epoch", "update", NULL};
    bind_step *self = (bind_step *)object;
    PyObject *sample_array, *target_array, *index_array, *weight_array = Py_None, *key_array = Py_None, *occurrence_array = Py_None, *augment_mapping = Py_None;
    double rate = NAN; /* keyword arguments cannot be required by the parser: the step refuses NaN */
    gng_bind_unsigned augment_seed = {.name = "augment_seed", .most = UINT64_MAX}, dropout_seed = {.name = "dropout_seed", .most = UINT64_MAX};
    gng_bind_unsigned epoch = {.name = "epoch", .most = UINT32_MAX};
    int update = 1;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOO|$dOOOOO&O&O&p:run", names, &sample_array, &target_array, &index_array, &rate,
                                     &weight_array, &key_array, &occurrence_array, &augment_mapping, gng_bind_read_unsigned, &augment_seed,
                                     gng_bind_read_unsigned, &dropout_seed, gng_bind_read_unsigned, &epoch, &update))
        return NULL;
    const gng_graph *graph = graph_of(self);
    gng_samples samples;
    gng_augment augment;
    gng_batch batch = {.samples = &samples, .epoch = (uint32_t)epoch.value};
    if (gng_bind_samples(sample_array, "samples", graph->shapes[0], &samples) < 0 ||
        read_floats(target_array, "targets", 2, samples.count, gng_graph_outputs(graph), &batch.targets) < 0 ||
        read_indices(index_array, "indices", samples.count, &batch.indices, &batch.count) < 0)
        return NULL;
    if (weight_array != Py_None && read_floats(weight_array, "weights", 1, samples.count, 1, &batch.weights) < 0)
        return NULL;
    if (read_beside(key_array, "keys", batch.count, &batch.keys) < 0 || read_beside(occurrence_array, "occurrences", batch.count, &batch.occurrences) < 0)
        return NULL;
    if (augment_mapping != Py_None) {
        if (samples.pixels == NULL)
            return PyErr_Format(PyExc_ValueError, "augment: rows of features cannot be augmented");
        if (gng_bind_augment(augment_mapping, &augment) < 0)
            return NULL;
        samples.augment = &augment;
        samples.seed = augment_seed.value;
    }
    gng_step_result result;
    if (gng_bind_lock_take_whole(&self->lock) < 0)
        return NULL;
    gng_bind_call call;
    gng_bind_call_begin(&call, self->threads);
    const gng_status status = gng_step_run(self->step, &call.context, &batch, dropout_seed.value, rate, update != 0, &result);
    gng_bind_call_end(&call);
    gng_bind_lock_give(&self->lock);
    if (status != GNG_OK)
        return gng_bind_raise(status);
    return Py_BuildValue("(dId)", result.loss, (unsigned)result.correct, result.gradient_norm);
}

static gng_net *net_of(const bind_step *self)
{
    return gng_step_net(self->step);
}

/* A copy of a block, made between two runs. */
static PyObject *copy_of(bind_step *self, const float *values, size_t count)
{
    if (gng_bind_lock_take_whole(&self->lock) < 0)
        return NULL;
    PyObject *copy = gng_bind_vector(values, count);
    gng_bind_lock_give(&self->lock);
    return copy;
}

/* The other way; a NULL value comes from `del`. */
static int replace(bind_step *self, PyObject *value, const char *name, float *values, size_t count)
{
    if (value == NULL) {
        PyErr_Format(PyExc_AttributeError, "%s cannot be deleted", name);
        return -1;
    }
    if (gng_bind_lock_take_whole(&self->lock) < 0)
        return -1;
    const int result = gng_bind_copy_vector(value, name, values, count);
    gng_bind_lock_give(&self->lock);
    return result;
}

static PyObject *get_parameters(PyObject *object, void *closure)
{
    (void)closure;
    bind_step *self = (bind_step *)object;
    return copy_of(self, gng_net_parameters(net_of(self)), graph_of(self)->parameter_floats);
}

static int set_parameters(PyObject *object, PyObject *value, void *closure)
{
    (void)closure;
    bind_step *self = (bind_step *)object;
    return replace(self, value, "parameters", gng_net_parameters(net_of(self)), graph_of(self)->parameter_floats);
}

static PyObject *get_gradients(PyObject *object, void *closure)
{
    (void)closure;
    bind_step *self = (bind_step *)object;
    return copy_of(self, gng_net_gradients(net_of(self)), graph_of(self)->parameter_floats);
}

static PyObject *get_states(PyObject *object, void *closure)
{
    (void)closure;
    bind_step *self = (bind_step *)object;
    return copy_of(self, gng_net_states(net_of(self)), graph_of(self)->state_floats);
}

static int set_states(PyObject *object, PyObject *value, void *closure)
{
    (void)closure;
    bind_step *self = (bind_step *)object;
    return replace(self, value, "states", gng_net_states(net_of(self)), graph_of(self)->state_floats);
}

static PyObject *get_moments(PyObject *object, void *closure)
{
    (void)closure;
    bind_step *self = (bind_step *)object;
    PyObject *tuple = PyTuple_New(self->moment_count);
    for (int k = 0; k < self->moment_count && tuple != NULL; k++) {
        PyObject *moment = copy_of(self, gng_step_moments(self->step, k), graph_of(self)->parameter_floats);
        if (moment == NULL || PyTuple_SetItem(tuple, k, moment) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

static int set_moments(PyObject *object, PyObject *value, void *closure)
{
    (void)closure;
    bind_step *self = (bind_step *)object;
    const size_t count = graph_of(self)->parameter_floats;
    PyObject *items = value != NULL ? PySequence_Tuple(value) : PyErr_Format(PyExc_AttributeError, "moments cannot be deleted");
    if (items == NULL)
        return -1;
    int result = 0;
    if (PyTuple_Size(items) != self->moment_count) {
        PyErr_Format(PyExc_ValueError, "moments: expected %d arrays, found %zd", self->moment_count, PyTuple_Size(items));
        result = -1;
    }
    /* All are looked at before the first is taken over. */
    for (int k = 0; k < self->moment_count && result == 0; k++)
        result = gng_bind_vector_of(PyTuple_GetItem(items, k), "moments", count) != NULL ? 0 : -1;
    for (int k = 0; k < self->moment_count && result == 0; k++)
        result = replace(self, PyTuple_GetItem(items, k), "moments", gng_step_moments(self->step, k), count);
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
    /* What a double counts exactly: bias correction is computed from it. */
    gng_bind_unsigned count = {.name = "count", .most = UINT64_C(1) << 53};
    if (value == NULL)
        PyErr_SetString(PyExc_AttributeError, "count cannot be deleted");
    if (value == NULL || gng_bind_read_unsigned(value, &count) == 0)
        return -1;
    gng_step_count_set(((bind_step *)object)->step, count.value);
    return 0;
}

static PyObject *get_group(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(gng_net_group(net_of((bind_step *)object)));
}

static PyObject *get_arena_bytes(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(gng_net_arena_bytes(net_of((bind_step *)object)));
}

static PyObject *get_operations(PyObject *object, void *closure)
{
    (void)closure;
    return gng_bind_operations(net_of((bind_step *)object));
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
