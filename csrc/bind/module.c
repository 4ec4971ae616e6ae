/* The extension module gonogo._core. */
#define GNG_BIND_IMPORTS_NUMPY
#include "bind/arguments.h"
#include "bind/bind.h"

#define TEXT_OF(value) #value
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

static const char module_name[] = "gonogo._core";
static const char *const type_names[] = {"CoreError", "Graph", "Step", "Predictor", "Classifier"};

static int add_types(PyObject *module)
{
    PyType_Spec *const specs[] = {&gng_bind_graph_spec, &gng_bind_step_spec, &gng_bind_predictor_spec, &gng_bind_classifier_spec};
    if (gng_bind_add_errors(module) < 0)
        return -1;
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        PyObject *type = PyType_FromSpec(specs[i]);
        const int added = type != NULL ? PyModule_AddObjectRef(module, type_names[i + 1], type) : -1;
        Py_XDECREF(type);
        if (added < 0)
            return -1;
    }
    return 0;
}

static int add_functions(PyObject *module)
{
    PyMethodDef *const tables[] = {gng_bind_analysis_methods, gng_bind_machine_methods, gng_bind_picture_methods, gng_bind_picture_file_methods, gng_bind_net_methods, gng_bind_model_methods};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        if (PyModule_AddFunctions(module, tables[i]) < 0)
            return -1;
    return 0;
}

static int add_number(PyObject *module, const char *name, double value)
{
    PyObject *number = PyFloat_FromDouble(value);
    const int added = number != NULL ? PyModule_AddObjectRef(module, name, number) : -1;
    Py_XDECREF(number);
    return added;
}

static int add_constants(PyObject *module)
{
    if (add_number(module, "SCORE_DIFFERENCE", GNG_SCORE_DIFFERENCE_FLOAT32) < 0 || add_number(module, "GUARD_BAND", GNG_GUARD_BAND_FLOAT32) < 0)
        return -1;
    return PyModule_AddStringConstant(module, "__version__", VERSION_TEXT(GNG_VERSION_MAJOR, GNG_VERSION_MINOR, GNG_VERSION_PATCH));
}

/* After another import (the module was taken out of sys.modules) errors are still caught and graphs still known by the
 * types that the program has in hand. */
static int share_types(PyObject *module, PyObject *first)
{
    for (size_t i = 0; i < sizeof type_names / sizeof type_names[0]; i++) {
        PyObject *type = PyObject_GetAttrString(first, type_names[i]);
        const int added = type != NULL ? PyModule_AddObjectRef(module, type_names[i], type) : -1;
        Py_XDECREF(type);
        if (added < 0)
            return -1;
    }
    return 0;
}

/* Runs in the interpreter that imports, at each import; only the first would be seen by a module made in one phase. */
static int execute(PyObject *module)
{
    PyInterpreterState *interpreter = PyInterpreterState_Get();
    /* The thread pool and the engine belong to the process, not to an interpreter. */
    if (PyInterpreterState_GetID(interpreter) != 0) {
        PyErr_SetString(PyExc_ImportError, "gonogo runs in the main interpreter only; use processes instead of sub-interpreters");
        return -1;
    }
    import_array1(-1);
    PyObject *kept = PyInterpreterState_GetDict(interpreter); /* borrowed */
    if (kept == NULL) {
        (void)PyErr_NoMemory();
        return -1;
    }
    PyObject *first = NULL;
    const int again = gng_bind_item(kept, module_name, &first);
    int result = again < 0 ? -1 : again > 0 ? share_types(module, first) : add_types(module);
    Py_XDECREF(first);
    if (result == 0 && (add_functions(module) < 0 || add_constants(module) < 0))
        result = -1;
    return result == 0 && again == 0 ? PyDict_SetItemString(kept, module_name, module) : result;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = module_name,
    .m_doc = "The compiled core of gonogo.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&definition);
}
