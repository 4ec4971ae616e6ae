/* The extension module gonogo._core. */
#define GNG_BIND_IMPORTS_NUMPY
#include "bind/bind.h"

#define TEXT_OF(value) #value
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

static int add_types(PyObject *module)
{
    PyType_Spec *const specs[] = {&gng_bind_graph_spec, &gng_bind_step_spec, &gng_bind_predictor_spec, &gng_bind_classifier_spec};
    static const char *const names[] = {"Graph", "Step", "Predictor", "Classifier"};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        PyObject *type = PyType_FromSpec(specs[i]);
        const int added = type != NULL ? PyModule_AddObjectRef(module, names[i], type) : -1;
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

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "gonogo._core",
    .m_doc = "The compiled core of gonogo.",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__core(void)
{
    /* The thread pool and the engine belong to the process, not to an interpreter. */
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0) {
        PyErr_SetString(PyExc_ImportError, "gonogo runs in the main interpreter only; use processes instead of sub-interpreters");
        return NULL;
    }
    import_array();
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL)
        return NULL;
    if (gng_bind_add_errors(module) < 0 || add_types(module) < 0 || add_functions(module) < 0 ||
        add_number(module, "SCORE_DIFFERENCE", GNG_SCORE_DIFFERENCE_FLOAT32) < 0 || add_number(module, "GUARD_BAND", GNG_GUARD_BAND_FLOAT32) < 0 ||
        PyModule_AddStringConstant(module, "__version__", VERSION_TEXT(GNG_VERSION_MAJOR, GNG_VERSION_MINOR, GNG_VERSION_PATCH)) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
