/* gonogo._core.Graph. */
#include <string.h>

#include "base/arithmetic.h"
#include "bind/arguments.h"
#include "bind/plans.h"

static void graph_dealloc(PyObject *self)
{
    gng_graph_destroy(((gng_bind_graph *)self)->graph);
    gng_bind_free(self);
}

const gng_graph *gng_bind_graph_of(PyObject *object)
{
    /* Known by its destructor: isinstance believes whatever an object says about its class, and the type has no subclasses. */
    if (PyType_GetSlot(Py_TYPE(object), Py_tp_dealloc) == (void *)graph_dealloc)
        return ((gng_bind_graph *)object)->graph;
    PyErr_Format(PyExc_TypeError, "graph: expected a %s, found %R", gng_bind_graph_spec.name, (PyObject *)Py_TYPE(object));
    return NULL;
}

static PyObject *wrap(PyTypeObject *type, gng_graph *graph)
{
    gng_bind_graph *self = gng_bind_allocate(type);
    if (self == NULL) {
        gng_graph_destroy(graph);
        return NULL;
    }
    self->graph = graph;
    return (PyObject *)self;
}

PyObject *gng_bind_graph_wrap(gng_graph *graph)
{
    PyObject *type = gng_bind_module_attribute("Graph");
    if (type == NULL) {
        gng_graph_destroy(graph);
        return NULL;
    }
    PyObject *result = wrap((PyTypeObject *)type, graph);
    Py_DECREF(type);
    return result;
}

static int read_layers(PyObject *items, gng_layer *layers)
{
    memcpy(layers[0].name, "input", sizeof "input");
    layers[0].kind = GNG_LAYER_INPUT;
    for (Py_ssize_t i = 0; i < PyTuple_Size(items); i++)
        if (gng_bind_layer(PyTuple_GetItem(items, i), layers, (int32_t)i + 1, &layers[i + 1]) < 0)
            return -1;
    return 0;
}

static PyObject *graph_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"layers", "input_shape", NULL};
    PyObject *sequence;
    int channels, height, width;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O(iii):Graph", names, &sequence, &channels, &height, &width))
        return NULL;
    PyObject *items = PySequence_Tuple(sequence);
    if (items == NULL)
        return NULL;
    const Py_ssize_t count = PyTuple_Size(items);
    if (count >= GNG_LAYERS_MAX) {
        Py_DECREF(items);
        return PyErr_Format(PyExc_ValueError, "layers: found %zd, expected at most %d", count, (int)GNG_LAYERS_MAX - 1);
    }
    gng_layer *layers = gng_memory_allocate_array((size_t)count + 1, sizeof *layers);
    gng_graph *graph = NULL;
    gng_status status = GNG_STATUS_MEMORY;
    int read = 0;
    if (layers != NULL) {
        read = read_layers(items, layers);
        const gng_tensor_shape input = {.channels = channels, .height = height, .width = width, .block = 1};
        status = read == 0 ? gng_graph_create(layers, (int32_t)count + 1, input, &graph) : GNG_OK;
    } else {
        status = gng_error_set(GNG_STATUS_MEMORY, "creating a graph of %zd layers", count);
    }
    gng_memory_release(layers);
    Py_DECREF(items);
    if (read < 0)
        return NULL;
    return status == GNG_OK ? wrap(type, graph) : gng_bind_raise(status);
}

static const gng_graph *graph_of(PyObject *self)
{
    return ((gng_bind_graph *)self)->graph;
}

static PyObject *shape_tuple(gng_tensor_shape shape)
{
    return Py_BuildValue("(iii)", (int)shape.channels, (int)shape.height, (int)shape.width);
}

static PyObject *get_input_shape(PyObject *self, void *closure)
{
    (void)closure;
    return shape_tuple(graph_of(self)->shapes[0]);
}

static PyObject *get_outputs(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromLong(gng_graph_outputs(graph_of(self)));
}

static PyObject *get_parameter_count(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(graph_of(self)->parameter_floats);
}

static PyObject *get_state_count(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(graph_of(self)->state_floats);
}

static PyObject *get_multiply_adds(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(graph_of(self)->multiply_adds);
}

static PyObject *get_layers(PyObject *self, void *closure)
{
    (void)closure;
    const gng_graph *graph = graph_of(self);
    PyObject *list = PyList_New(0);
    for (int32_t i = 0; i < graph->layer_count && list != NULL; i++) {
        size_t parameters = 0;
        for (int32_t p = 0; p < graph->parameter_count; p++)
            if (graph->parameters[p].layer == i)
                parameters += graph->parameters[p].count;
        PyObject *item = Py_BuildValue("{s:s,s:s,s:N,s:n}", "name", graph->layers[i].name, "kind", gng_layer_kind_name(graph->layers[i].kind),
                                       "shape", shape_tuple(graph->shapes[i]), "parameters", (Py_ssize_t)parameters);
        if (item == NULL || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *tensor_list(const gng_graph *graph, const gng_parameter *tensors, int32_t count)
{
    PyObject *list = PyList_New(0);
    for (int32_t i = 0; i < count && list != NULL; i++) {
        PyObject *shape = PyTuple_New(tensors[i].rank);
        for (int32_t k = 0; k < tensors[i].rank && shape != NULL; k++)
            if (PyTuple_SetItem(shape, k, PyLong_FromLong(tensors[i].shape[k])) < 0)
                Py_CLEAR(shape);
        if (shape == NULL) {
            Py_DECREF(list);
            return NULL;
        }
        PyObject *item = Py_BuildValue("{s:s,s:s,s:N,s:n,s:n}", "name", tensors[i].name, "layer", graph->layers[tensors[i].layer].name, "shape", shape,
                                       "offset", (Py_ssize_t)tensors[i].offset, "count", (Py_ssize_t)tensors[i].count);
        if (item == NULL || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *get_parameters(PyObject *self, void *closure)
{
    (void)closure;
    return tensor_list(graph_of(self), graph_of(self)->parameters, graph_of(self)->parameter_count);
}

static PyObject *get_states(PyObject *self, void *closure)
{
    (void)closure;
    return tensor_list(graph_of(self), graph_of(self)->states, graph_of(self)->state_count);
}

static PyObject *graph_initialise(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"initialiser", "seed", NULL};
    const char *name;
    gng_bind_unsigned seed = {.name = "seed", .most = UINT64_MAX};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "sO&:initialise", names, &name, gng_bind_read_unsigned, &seed))
        return NULL;
    gng_initialiser initialiser;
    const gng_status status = gng_initialiser_from_name(name, &initialiser);
    if (status != GNG_OK)
        return gng_bind_raise(status);
    const npy_intp parameter_shape[] = {(npy_intp)graph_of(self)->parameter_floats}, state_shape[] = {(npy_intp)graph_of(self)->state_floats};
    PyObject *parameters = gng_bind_new_array(NPY_FLOAT32, 1, parameter_shape);
    PyObject *states = gng_bind_new_array(NPY_FLOAT32, 1, state_shape);
    if (parameters == NULL || states == NULL) {
        Py_XDECREF(parameters);
        Py_XDECREF(states);
        return NULL;
    }
    const unsigned int mode = gng_arithmetic_exchange(GNG_ARITHMETIC_DEFAULT);
    gng_graph_initialise(graph_of(self), initialiser, seed.value, PyArray_DATA((PyArrayObject *)parameters), PyArray_DATA((PyArrayObject *)states));
    (void)gng_arithmetic_exchange(mode);
    return Py_BuildValue("(NN)", parameters, states);
}

static PyObject *graph_to_json(PyObject *self, PyObject *unused)
{
    (void)unused;
    size_t bytes = 0;
    gng_status status = gng_graph_to_json(graph_of(self), NULL, &bytes);
    char *text = status == GNG_OK ? gng_memory_allocate(bytes) : NULL;
    if (status == GNG_OK)
        status = text != NULL ? gng_graph_to_json(graph_of(self), text, &bytes) : gng_error_set(GNG_STATUS_MEMORY, "writing a graph as JSON");
    PyObject *result = status == GNG_OK ? PyUnicode_FromString(text) : gng_bind_raise(status);
    gng_memory_release(text);
    return result;
}

static PyObject *graph_from_json(PyObject *unused, PyObject *argument)
{
    (void)unused;
    Py_ssize_t bytes = 0;
    const char *text = PyUnicode_AsUTF8AndSize(argument, &bytes);
    if (text == NULL)
        return NULL;
    gng_graph *graph = NULL;
    const gng_status status = gng_graph_from_json(text, (size_t)bytes, &graph);
    return status == GNG_OK ? gng_bind_graph_wrap(graph) : gng_bind_raise(status);
}

static PyGetSetDef graph_properties[] = {
    {"input_shape", get_input_shape, NULL, "(channels, height, width)", NULL},
    {"outputs", get_outputs, NULL, "logits of one picture", NULL},
    {"parameter_count", get_parameter_count, NULL, "trainable values", NULL},
    {"state_count", get_state_count, NULL, "running statistics", NULL},
    {"multiply_adds", get_multiply_adds, NULL, "of one forward pass of one picture", NULL},
    {"layers", get_layers, NULL, "name, kind, output shape and number of parameters of each layer", NULL},
    {"parameters", get_parameters, NULL, "name, layer, shape, offset and count of each tensor of the flat block", NULL},
    {"states", get_states, NULL, "the same for running statistics", NULL},
    {0},
};

static PyMethodDef graph_methods[] = {
    {"initialise", (PyCFunction)(void (*)(void))graph_initialise, METH_VARARGS | METH_KEYWORDS, "Initial parameters and states."},
    {"to_json", graph_to_json, METH_NOARGS, "Canonical JSON of the graph."},
    {"from_json", graph_from_json, METH_O | METH_STATIC, "Graph from its JSON."},
    {0},
};

static PyType_Slot graph_slots[] = {
    {Py_tp_new, (void *)graph_new},
    {Py_tp_dealloc, (void *)graph_dealloc},
    {Py_tp_getset, graph_properties},
    {Py_tp_methods, graph_methods},
    {Py_tp_doc, (void *)"Checked graph of layers with shapes and the layout of its parameters."},
    {0, NULL},
};

PyType_Spec gng_bind_graph_spec = {
    .name = "gonogo._core.Graph",
    .basicsize = (int)sizeof(gng_bind_graph),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = graph_slots,
};
