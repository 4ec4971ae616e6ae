/* Model files: parse, serialise, and gonogo._core.Classifier. */
#include <string.h>

#include "base/arithmetic.h"
#include "bind/arguments.h"
#include "bind/plans.h"

typedef struct bind_classifier {
    PyObject_HEAD
    gng_classifier *classifier;
    PyObject *metadata, *model_sha256, *file_sha256;
    gng_tensor_shape input;
    int32_t outputs;
    size_t parameter_floats;
    int threads;
    int32_t golden_count;
    gng_bind_lock lock;
} bind_classifier;

static PyObject *metadata_dict(const gng_model *model)
{
    PyObject *metadata = PyDict_New();
    for (int32_t i = 0; i < model->metadata_count && metadata != NULL; i++) {
        PyObject *value = PyUnicode_FromString(model->metadata[i].value);
        if (value == NULL || PyDict_SetItemString(metadata, model->metadata[i].key, value) < 0)
            Py_CLEAR(metadata);
        Py_XDECREF(value);
    }
    return metadata;
}

static gng_status parse(PyObject *object, gng_model **out)
{
    PyObject *bytes = gng_bind_bytes(object);
    if (bytes == NULL)
        return GNG_STATUS_ARGUMENT;
    const uint8_t *data = (const uint8_t *)PyBytes_AsString(bytes);
    const size_t count = (size_t)PyBytes_Size(bytes);
    gng_status status;
    Py_BEGIN_ALLOW_THREADS
    status = gng_model_parse(data, count, out);
    Py_END_ALLOW_THREADS
    Py_DECREF(bytes);
    return status;
}

static PyObject *golden_input(const gng_model *model)
{
    const gng_tensor_shape shape = model->graph->shapes[0];
    if (model->golden_count == 0)
        return Py_NewRef(Py_None);
    const npy_intp rows[] = {model->golden_count, shape.channels};
    const npy_intp pictures[] = {model->golden_count, shape.height, shape.width, shape.channels};
    const bool is_row = model->golden_rows != NULL;
    PyObject *array = is_row ? gng_bind_new_array(NPY_FLOAT32, 2, rows) : gng_bind_new_array(NPY_UINT8, 4, pictures);
    const size_t values = (size_t)model->golden_count * gng_tensor_elements(shape);
    if (array != NULL && is_row)
        memcpy(PyArray_DATA((PyArrayObject *)array), model->golden_rows, values * sizeof(float));
    else if (array != NULL)
        memcpy(PyArray_DATA((PyArrayObject *)array), model->golden_pixels, values);
    return array;
}

static PyObject *golden_logits(const gng_model *model)
{
    if (model->golden_count == 0)
        return Py_NewRef(Py_None);
    const npy_intp shape[] = {model->golden_count, gng_graph_outputs(model->graph)};
    PyObject *array = gng_bind_new_array(NPY_FLOAT32, 2, shape);
    if (array != NULL)
        memcpy(PyArray_DATA((PyArrayObject *)array), model->golden_logits, (size_t)(shape[0] * shape[1]) * sizeof(float));
    return array;
}

static PyObject *known_features(const gng_model *model)
{
    if (model->known_count == 0)
        return Py_NewRef(Py_None);
    const npy_intp shape[] = {model->known_count, gng_graph_features(model->graph)};
    PyObject *array = gng_bind_new_array(NPY_FLOAT32, 2, shape);
    if (array != NULL)
        memcpy(PyArray_DATA((PyArrayObject *)array), model->known_features, (size_t)(shape[0] * shape[1]) * sizeof(float));
    return array;
}

static PyObject *parse_model(PyObject *module, PyObject *argument)
{
    (void)module;
    gng_model *model = NULL;
    const gng_status status = parse(argument, &model);
    if (status != GNG_OK)
        return gng_bind_raise(status);
    /* Nothing more is asked of Python once an exception is set. */
    PyObject *parameters = gng_bind_vector(model->parameters, model->graph->parameter_floats);
    PyObject *states = parameters != NULL ? gng_bind_vector(model->states, model->graph->state_floats) : NULL;
    PyObject *metadata = states != NULL ? metadata_dict(model) : NULL;
    PyObject *inputs = metadata != NULL ? golden_input(model) : NULL;
    PyObject *logits = inputs != NULL ? golden_logits(model) : NULL;
    PyObject *known = logits != NULL ? known_features(model) : NULL;
    PyObject *digests = known != NULL ? Py_BuildValue("(ss)", model->model_sha256, model->file_sha256) : NULL;
    /* The graph moves into its Python object; the model keeps the rest until it is destroyed. */
    gng_graph *graph = model->graph;
    model->graph = NULL;
    gng_model_destroy(model);
    PyObject *wrapped = NULL, *result = NULL;
    if (digests != NULL)
        wrapped = gng_bind_graph_wrap(graph);
    else
        gng_graph_destroy(graph);
    if (wrapped != NULL)
        result = Py_BuildValue("{s:O,s:O,s:O,s:O,s:O,s:O,s:O,s:O,s:O}", "graph", wrapped, "parameters", parameters, "states", states, "metadata", metadata, "golden_input",
                               inputs, "golden_logits", logits, "known_features", known, "model_sha256", PyTuple_GetItem(digests, 0), "file_sha256", PyTuple_GetItem(digests, 1));
    Py_XDECREF(wrapped);
    Py_XDECREF(parameters);
    Py_XDECREF(states);
    Py_XDECREF(metadata);
    Py_XDECREF(inputs);
    Py_XDECREF(logits);
    Py_XDECREF(known);
    Py_XDECREF(digests);
    return result;
}

static int read_metadata(PyObject *items, gng_model *model)
{
    const Py_ssize_t count = PyList_Size(items);
    if (count > GNG_MODEL_METADATA_MAX) {
        PyErr_Format(PyExc_ValueError, "metadata: found %zd entries, expected at most %d", count, (int)GNG_MODEL_METADATA_MAX);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        const char *key, *value;
        if (!PyArg_ParseTuple(PyList_GetItem(items, i), "ss;metadata: keys and values must be texts", &key, &value))
            return -1;
        model->metadata[i] = (gng_metadata){key, value};
    }
    model->metadata_count = (int32_t)count;
    return 0;
}

static int read_golden(PyObject *inputs, PyObject *logits, gng_model *model)
{
    if (inputs == Py_None && logits == Py_None)
        return 0;
    gng_samples samples;
    PyArrayObject *scores = gng_bind_array(logits, "golden_logits", NPY_FLOAT32, 2);
    if (scores == NULL || gng_bind_samples(inputs, "golden_input", model->graph->shapes[0], &samples) < 0)
        return -1;
    if (samples.count > GNG_MODEL_GOLDEN_MAX || (uint64_t)PyArray_DIM(scores, 0) != samples.count || PyArray_DIM(scores, 1) != gng_graph_outputs(model->graph)) {
        PyErr_Format(PyExc_ValueError, "golden_logits: expected at most %d rows, as many as golden_input, of %d values", (int)GNG_MODEL_GOLDEN_MAX,
                     (int)gng_graph_outputs(model->graph));
        return -1;
    }
    model->golden_count = (int32_t)samples.count;
    model->golden_pixels = samples.pixels;
    model->golden_rows = samples.rows;
    model->golden_logits = PyArray_DATA(scores);
    return 0;
}

static int read_known(PyObject *object, gng_model *model)
{
    if (object == Py_None)
        return 0;
    PyArrayObject *rows = gng_bind_array(object, "known_features", NPY_FLOAT32, 2);
    if (rows == NULL)
        return -1;
    if (PyArray_DIM(rows, 0) > GNG_MODEL_KNOWN_MAX || PyArray_DIM(rows, 1) != gng_graph_features(model->graph)) {
        PyErr_Format(PyExc_ValueError, "known_features: found the shape (%zd, %zd), expected at most %d rows of %d values", PyArray_DIM(rows, 0),
                     PyArray_DIM(rows, 1), (int)GNG_MODEL_KNOWN_MAX, (int)gng_graph_features(model->graph));
        return -1;
    }
    model->known_count = (int32_t)PyArray_DIM(rows, 0);
    model->known_features = PyArray_DATA(rows);
    return 0;
}

static PyObject *serialised(const gng_model *model)
{
    size_t count = 0;
    gng_status status = gng_model_serialise(model, NULL, &count);
    if (status != GNG_OK)
        return gng_bind_raise(status);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)count);
    if (bytes == NULL)
        return NULL;
    status = gng_model_serialise(model, (uint8_t *)PyBytes_AsString(bytes), &count);
    if (status == GNG_OK)
        return bytes;
    Py_DECREF(bytes);
    return gng_bind_raise(status);
}

static PyObject *serialise_model(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"graph", "parameters", "states", "metadata", "golden_input", "golden_logits", "known_features", NULL};
    PyObject *graph_object, *parameters, *states, *mapping, *inputs = Py_None, *logits = Py_None, *known = Py_None;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOOO|OOO:serialise_model", names, &graph_object, &parameters, &states, &mapping, &inputs, &logits,
                                     &known))
        return NULL;
    const gng_graph *graph = gng_bind_graph_of(graph_object);
    if (graph == NULL)
        return NULL;
    /* Serialising only reads the graph. */
    gng_model model = {.graph = ((gng_bind_graph *)graph_object)->graph};
    model.parameters = gng_bind_vector_of(parameters, "parameters", graph->parameter_floats);
    model.states = model.parameters != NULL ? gng_bind_vector_of(states, "states", graph->state_floats) : NULL;
    if (model.states == NULL)
        return NULL;
    PyObject *dict = gng_bind_dict(mapping, "metadata"), *items = dict != NULL ? PyDict_Items(dict) : NULL;
    Py_XDECREF(dict);
    if (items == NULL)
        return NULL;
    PyObject *result = NULL;
    if (read_metadata(items, &model) == 0 && read_golden(inputs, logits, &model) == 0 && read_known(known, &model) == 0)
        result = serialised(&model);
    Py_DECREF(items);
    return result;
}

static PyObject *model_identity(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"graph", "parameters", "states", NULL};
    PyObject *graph_object, *parameter_array, *state_array;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOO:model_identity", names, &graph_object, &parameter_array, &state_array))
        return NULL;
    const gng_graph *graph = gng_bind_graph_of(graph_object);
    const float *parameters = graph != NULL ? gng_bind_vector_of(parameter_array, "parameters", graph->parameter_floats) : NULL;
    const float *states = parameters != NULL ? gng_bind_vector_of(state_array, "states", graph->state_floats) : NULL;
    if (states == NULL)
        return NULL;
    char digits[65];
    const gng_status status = gng_model_identity(graph, parameters, states, digits);
    return status == GNG_OK ? PyUnicode_FromString(digits) : gng_bind_raise(status);
}

static gng_status self_test(bind_classifier *self, double *difference)
{
    if (gng_bind_lock_take(&self->lock) < 0)
        return GNG_STATUS_STATE;
    gng_bind_call call;
    gng_bind_call_begin(&call, self->threads);
    const gng_status status = gng_classifier_self_test(self->classifier, &call.context, difference);
    gng_bind_call_end(&call);
    gng_bind_lock_give(&self->lock);
    return status;
}

static PyObject *classifier_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"data", "batch", "threads", NULL};
    PyObject *data;
    int batch = 64, threads = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|ii:Classifier", names, &data, &batch, &threads))
        return NULL;
    threads = gng_bind_threads(threads);
    if (threads < 0)
        return NULL;
    if (batch < 1)
        return PyErr_Format(PyExc_ValueError, "batch: found %d, expected at least 1", batch);
    gng_model *model = NULL;
    gng_status status = parse(data, &model);
    if (status != GNG_OK)
        return gng_bind_raise(status);
    bind_classifier *self = gng_bind_allocate(type);
    if (self == NULL) {
        gng_model_destroy(model);
        return NULL;
    }
    self->threads = threads;
    self->input = model->graph->shapes[0];
    self->outputs = gng_graph_outputs(model->graph);
    self->parameter_floats = model->graph->parameter_floats;
    self->golden_count = model->golden_count;
    self->metadata = metadata_dict(model);
    self->model_sha256 = PyUnicode_FromString(model->model_sha256);
    self->file_sha256 = PyUnicode_FromString(model->file_sha256);
    status = GNG_STATUS_MEMORY;
    if (self->metadata != NULL && self->model_sha256 != NULL && self->file_sha256 != NULL && gng_bind_lock_create(&self->lock) == 0) {
        const unsigned int mode = gng_arithmetic_exchange(GNG_ARITHMETIC_DEFAULT);
        Py_BEGIN_ALLOW_THREADS
        status = gng_classifier_create(model, (uint32_t)batch, threads, &self->classifier);
        Py_END_ALLOW_THREADS
        (void)gng_arithmetic_exchange(mode);
    }
    gng_model_destroy(model);
    if (status == GNG_OK)
        return (PyObject *)self;
    Py_DECREF(self);
    return gng_bind_raise(status);
}

static void classifier_dealloc(PyObject *object)
{
    bind_classifier *self = (bind_classifier *)object;
    gng_classifier_destroy(self->classifier);
    gng_bind_lock_destroy(&self->lock);
    Py_XDECREF(self->metadata);
    Py_XDECREF(self->model_sha256);
    Py_XDECREF(self->file_sha256);
    gng_bind_free(object);
}

/* Logits, and features unless NULL, of samples. */
static gng_status run_samples(bind_classifier *self, const gng_samples *samples, float *logits, float *features)
{
    if (samples->count == 0)
        return GNG_OK;
    if (gng_bind_lock_take(&self->lock) < 0)
        return GNG_STATUS_STATE;
    gng_bind_call call;
    gng_bind_call_begin(&call, self->threads);
    const gng_status status = samples->pixels != NULL
                                  ? gng_classifier_logits(self->classifier, &call.context, samples->pixels, samples->count, logits, features)
                                  : gng_classifier_row_logits(self->classifier, &call.context, samples->rows, samples->count, logits, features);
    gng_bind_call_end(&call);
    gng_bind_lock_give(&self->lock);
    return status;
}

static PyObject *new_rows(const gng_samples *samples, int32_t width)
{
    const npy_intp shape[] = {(npy_intp)samples->count, width};
    return gng_bind_new_array(NPY_FLOAT32, 2, shape);
}

static PyObject *classifier_logits(PyObject *object, PyObject *argument)
{
    bind_classifier *self = (bind_classifier *)object;
    gng_samples samples;
    if (gng_bind_samples(argument, "samples", self->input, &samples) < 0)
        return NULL;
    PyObject *logits = new_rows(&samples, self->outputs);
    if (logits == NULL)
        return NULL;
    const gng_status status = run_samples(self, &samples, PyArray_DATA((PyArrayObject *)logits), NULL);
    if (status == GNG_OK)
        return logits;
    Py_DECREF(logits);
    return gng_bind_raise(status);
}

static PyObject *classifier_logits_and_features(PyObject *object, PyObject *argument)
{
    bind_classifier *self = (bind_classifier *)object;
    const int32_t width = gng_classifier_features(self->classifier);
    gng_samples samples;
    if (gng_bind_samples(argument, "samples", self->input, &samples) < 0)
        return NULL;
    PyObject *logits = new_rows(&samples, self->outputs), *features = logits != NULL ? new_rows(&samples, width) : NULL;
    gng_status status = GNG_STATUS_MEMORY;
    if (features != NULL)
        status = run_samples(self, &samples, PyArray_DATA((PyArrayObject *)logits), PyArray_DATA((PyArrayObject *)features));
    PyObject *result = NULL;
    if (status == GNG_OK)
        result = Py_BuildValue("(OO)", logits, features);
    else if (features != NULL)
        (void)gng_bind_raise(status);
    Py_XDECREF(features);
    Py_XDECREF(logits);
    return result;
}

static PyObject *classifier_self_test(PyObject *object, PyObject *unused)
{
    (void)unused;
    bind_classifier *self = (bind_classifier *)object;
    double difference = 0;
    const gng_status status = self_test(self, &difference);
    return status == GNG_OK ? PyFloat_FromDouble(difference) : gng_bind_raise(status);
}

static PyObject *get_metadata(PyObject *object, void *closure)
{
    (void)closure;
    return PyDict_Copy(((bind_classifier *)object)->metadata);
}

static PyObject *get_model_sha256(PyObject *object, void *closure)
{
    (void)closure;
    return Py_NewRef(((bind_classifier *)object)->model_sha256);
}

static PyObject *get_file_sha256(PyObject *object, void *closure)
{
    (void)closure;
    return Py_NewRef(((bind_classifier *)object)->file_sha256);
}

static PyObject *get_input_shape(PyObject *object, void *closure)
{
    (void)closure;
    const gng_tensor_shape shape = ((bind_classifier *)object)->input;
    return Py_BuildValue("(iii)", (int)shape.channels, (int)shape.height, (int)shape.width);
}

static PyObject *get_outputs(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromLong(((bind_classifier *)object)->outputs);
}

static PyObject *get_parameter_count(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(((bind_classifier *)object)->parameter_floats);
}

static PyObject *get_features(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromLong(gng_classifier_features(((bind_classifier *)object)->classifier));
}

static PyObject *get_golden_count(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromLong(((bind_classifier *)object)->golden_count);
}

static PyGetSetDef classifier_properties[] = {
    {"golden_count", get_golden_count, NULL, "golden samples that the self-test runs", NULL},
    {"metadata", get_metadata, NULL, "texts stored beside the tensors", NULL},
    {"model_sha256", get_model_sha256, NULL, "identity: specification and tensors", NULL},
    {"file_sha256", get_file_sha256, NULL, "integrity: the whole file", NULL},
    {"input_shape", get_input_shape, NULL, "(channels, height, width)", NULL},
    {"outputs", get_outputs, NULL, "logits of one picture", NULL},
    {"features", get_features, NULL, "values that a dense last layer reads of one picture; 0: it is not dense", NULL},
    {"parameter_count", get_parameter_count, NULL, "trainable values", NULL},
    {0},
};

static PyMethodDef classifier_methods[] = {
    {"logits", classifier_logits, METH_O, "Logits (n, outputs)."},
    {"logits_and_features", classifier_logits_and_features, METH_O, "Logits (n, outputs) and what the last layer reads (n, features)."},
    {"self_test", classifier_self_test, METH_NOARGS, "Largest difference of a golden picture's logits from the stored ones."},
    {0},
};

static PyType_Slot classifier_slots[] = {
    {Py_tp_new, (void *)classifier_new},
    {Py_tp_dealloc, (void *)classifier_dealloc},
    {Py_tp_getset, classifier_properties},
    {Py_tp_methods, classifier_methods},
    {Py_tp_doc, (void *)"Inference from a model file's bytes; runs the self-test at creation."},
    {0, NULL},
};

PyType_Spec gng_bind_classifier_spec = {
    .name = "gonogo._core.Classifier",
    .basicsize = (int)sizeof(bind_classifier),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = classifier_slots,
};

PyMethodDef gng_bind_model_methods[] = {
    {"parse_model", parse_model, METH_O, "Contents of a model file's bytes, after every check."},
    {"serialise_model", (PyCFunction)(void (*)(void))serialise_model, METH_VARARGS | METH_KEYWORDS, "Bytes of a model file."},
    {"model_identity", (PyCFunction)(void (*)(void))model_identity, METH_VARARGS | METH_KEYWORDS, "SHA-256 of specification and tensors."},
    {0},
};
