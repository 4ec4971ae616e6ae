/* gonogo._core.Predictor: the forward pass of a graph whose parameters change from epoch to epoch. */
#include <string.h>

#include "bind/plans.h"

typedef struct bind_predictor {
    PyObject_HEAD
    PyObject *graph; /* keeps the borrowed gng_graph alive */
    gng_net *net;
    uint32_t batch;
    int threads;
    bool loaded; /* parameters are there, and packed */
    gng_bind_lock lock;
} bind_predictor;

static const gng_graph *graph_of(const bind_predictor *self)
{
    return ((gng_bind_graph *)self->graph)->graph;
}

static PyObject *predictor_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"graph", "batch", "threads", NULL};
    PyObject *graph_object;
    int batch = 64, threads = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|ii:Predictor", names, &graph_object, &batch, &threads))
        return NULL;
    const gng_graph *graph = gng_bind_graph_of(graph_object);
    threads = graph != NULL ? gng_bind_threads(threads) : -1;
    if (threads < 0)
        return NULL;
    if (batch < 1)
        return PyErr_Format(PyExc_ValueError, "batch: found %d, expected at least 1", batch);
    bind_predictor *self = gng_bind_allocate(type);
    if (self == NULL)
        return NULL;
    self->graph = Py_NewRef(graph_object);
    self->threads = threads;
    self->batch = (uint32_t)batch;
    const gng_net_options options = {.batch = self->batch, .threads = threads};
    gng_status status = GNG_STATUS_MEMORY;
    if (gng_bind_lock_create(&self->lock) == 0) {
        Py_BEGIN_ALLOW_THREADS
        status = gng_net_create(graph, &options, &self->net);
        Py_END_ALLOW_THREADS
    }
    if (status != GNG_OK) {
        Py_DECREF(self);
        return gng_bind_raise(status);
    }
    return (PyObject *)self;
}

static void predictor_dealloc(PyObject *object)
{
    bind_predictor *self = (bind_predictor *)object;
    gng_net_destroy(self->net);
    gng_bind_lock_destroy(&self->lock);
    Py_XDECREF(self->graph);
    gng_bind_free(object);
}

static PyObject *predictor_load(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"parameters", "states", NULL};
    bind_predictor *self = (bind_predictor *)object;
    PyObject *parameters, *states;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO:load", names, &parameters, &states))
        return NULL;
    const size_t parameter_floats = graph_of(self)->parameter_floats, state_floats = graph_of(self)->state_floats;
    const float *new_parameters = gng_bind_vector_of(parameters, "parameters", parameter_floats);
    const float *new_states = new_parameters != NULL ? gng_bind_vector_of(states, "states", state_floats) : NULL;
    if (new_states == NULL || gng_bind_lock_take(&self->lock) < 0)
        return NULL;
    self->loaded = false; /* a forked child may find the object in the middle of this */
    memcpy(gng_net_parameters(self->net), new_parameters, parameter_floats * sizeof *new_parameters);
    memcpy(gng_net_states(self->net), new_states, state_floats * sizeof *new_states);
    gng_bind_call call;
    gng_bind_call_begin(&call, self->threads);
    const gng_status status = gng_net_pack(self->net, &call.context);
    gng_bind_call_end(&call);
    /* Ctrl-C may leave a mixture of old and new weights. */
    self->loaded = status == GNG_OK;
    gng_bind_lock_give(&self->lock);
    return status == GNG_OK ? Py_NewRef(Py_None) : gng_bind_raise(status);
}

/* Validation and test pictures have no augmentation, so filling needs no scratch memory. */
static gng_status fill(void *argument, uint32_t position, int worker, float *out)
{
    (void)worker;
    return gng_batch_fill(argument, position, NULL, out);
}

static gng_status run_chunks(bind_predictor *self, gng_context *context, const gng_samples *samples, const uint32_t *indices, uint32_t *every, uint64_t count,
                             float *logits)
{
    const size_t outputs = (size_t)gng_graph_outputs(graph_of(self));
    for (uint64_t first = 0; first < count; first += self->batch) {
        const uint32_t length = count - first < self->batch ? (uint32_t)(count - first) : self->batch;
        for (uint32_t i = 0; i < length && indices == NULL; i++)
            every[i] = (uint32_t)(first + i);
        gng_batch batch = {.samples = samples, .indices = indices != NULL ? indices + first : every, .count = length};
        const gng_net_run run = {.count = length, .fill = fill, .argument = &batch};
        GNG_TRY(gng_net_infer(self->net, context, &run, logits + (size_t)first * outputs));
    }
    return GNG_OK;
}

static gng_status run_locked(bind_predictor *self, const gng_samples *samples, const uint32_t *indices, uint32_t *every, uint64_t count, float *logits)
{
    if (gng_bind_lock_take(&self->lock) < 0)
        return GNG_STATUS_STATE;
    gng_status status = GNG_STATUS_STATE;
    if (self->loaded) {
        gng_bind_call call;
        gng_bind_call_begin(&call, self->threads);
        status = run_chunks(self, &call.context, samples, indices, every, count, logits);
        gng_bind_call_end(&call);
    } else {
        PyErr_SetString(PyExc_RuntimeError, "the predictor has no parameters; call load first, and again after a load that was interrupted");
    }
    gng_bind_lock_give(&self->lock);
    return status;
}

static PyObject *predictor_logits(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"samples", "indices", NULL};
    bind_predictor *self = (bind_predictor *)object;
    PyObject *sample_array, *index_array = Py_None;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O:logits", names, &sample_array, &index_array))
        return NULL;
    gng_samples samples;
    if (gng_bind_samples(sample_array, "samples", graph_of(self)->shapes[0], &samples) < 0)
        return NULL;
    if (samples.count > UINT32_MAX)
        return PyErr_Format(PyExc_ValueError, "samples: found %llu, expected fewer than 2^32", (unsigned long long)samples.count);
    uint64_t count = samples.count;
    const uint32_t *indices = NULL;
    if (index_array != Py_None) {
        PyArrayObject *array = gng_bind_array(index_array, "indices", NPY_UINT32, 1);
        if (array == NULL)
            return NULL;
        indices = PyArray_DATA(array);
        count = (uint64_t)PyArray_SIZE(array);
        for (uint64_t i = 0; i < count; i++)
            if (indices[i] >= samples.count)
                return PyErr_Format(PyExc_IndexError, "indices: found %u, but there are %llu samples", indices[i], (unsigned long long)samples.count);
    }
    const npy_intp shape[] = {(npy_intp)count, gng_graph_outputs(graph_of(self))};
    PyObject *result = gng_bind_new_array(NPY_FLOAT32, 2, shape);
    uint32_t *every = gng_memory_allocate_array(self->batch, sizeof *every);
    gng_status status = every != NULL ? GNG_OK : gng_error_set(GNG_STATUS_MEMORY, "predicting %llu samples", (unsigned long long)count);
    if (result != NULL && status == GNG_OK)
        status = run_locked(self, &samples, indices, every, count, PyArray_DATA((PyArrayObject *)result));
    gng_memory_release(every);
    if (result == NULL || status == GNG_OK)
        return result;
    Py_DECREF(result);
    return gng_bind_raise(status);
}

static PyObject *get_operations(PyObject *object, void *closure)
{
    (void)closure;
    return gng_bind_operations(((bind_predictor *)object)->net);
}

static PyGetSetDef predictor_properties[] = {
    {"operations", get_operations, NULL, "engine and layers of each planned operation", NULL},
    {0},
};

static PyMethodDef predictor_methods[] = {
    {"load", (PyCFunction)(void (*)(void))predictor_load, METH_VARARGS | METH_KEYWORDS, "Takes over parameters and running statistics."},
    {"logits", (PyCFunction)(void (*)(void))predictor_logits, METH_VARARGS | METH_KEYWORDS, "Logits (n, outputs) of samples, or of samples[indices]."},
    {0},
};

static PyType_Slot predictor_slots[] = {
    {Py_tp_new, (void *)predictor_new},
    {Py_tp_dealloc, (void *)predictor_dealloc},
    {Py_tp_getset, predictor_properties},
    {Py_tp_methods, predictor_methods},
    {Py_tp_doc, (void *)"Inference plan of a graph in training."},
    {0, NULL},
};

PyType_Spec gng_bind_predictor_spec = {
    .name = "gonogo._core.Predictor",
    .basicsize = (int)sizeof(bind_predictor),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = predictor_slots,
};
