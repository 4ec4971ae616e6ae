/* The roof: the only room with Python.h and NumPy. Turns objects into views, status codes into exceptions, and
 * releases the interpreter's lock around exactly one core call. */
#ifndef GNG_BIND_BIND_H
#define GNG_BIND_BIND_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdio.h> /* NumPy's headers expect it */

#define PY_ARRAY_UNIQUE_SYMBOL gng_numpy_table
#ifndef GNG_BIND_IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#include "gonogo.h"

/* --- errors.c */

/* Sets the exception that belongs to a status, with the thread's detail as its text, and returns NULL. An exception that
 * is set already (an interrupt noticed by the context) stays. */
PyObject *gng_bind_raise(gng_status status);
/* Sets an exception instead of what Python itself said of the value, and returns -1. Exhausted memory says nothing of a value: that
 * MemoryError stays. */
int gng_bind_refuse(PyObject *type, const char *format, ...);
/* New reference to an attribute of this module, whoever calls; NULL with an exception. */
PyObject *gng_bind_module_attribute(const char *name);
/* Adds CoreError to the module. -1 with an exception set on failure. */
int gng_bind_add_errors(PyObject *module);

/* --- arrays.c */

/* Borrowed view of an argument; NULL with an exception that names the argument when `object` is not a C-contiguous,
 * aligned, native array of `type` with `dimensions` axes (-1: any). */
PyArrayObject *gng_bind_array(PyObject *object, const char *name, int type, int dimensions);
/* New array, zeroed. */
PyObject *gng_bind_new_array(int type, int dimensions, const npy_intp *shape);
/* New float32 vector with a copy of values[count]. */
PyObject *gng_bind_vector(const float *values, size_t count);
/* Borrowed float32 vector of exactly `count` values; NULL with an exception that names the argument otherwise. */
const float *gng_bind_vector_of(PyObject *object, const char *name, size_t count);
/* Copies a float32 vector of exactly `count` values; -1 with an exception that names the argument otherwise. */
int gng_bind_copy_vector(PyObject *object, const char *name, float *out, size_t count);
/* uint8 [height, width, channels] -> view; -1 with an exception otherwise. The array must outlive the view. */
int gng_bind_image(PyObject *object, const char *name, gng_image_view *out);

/* --- mappings.c: reading fields of a mapping. All return -1 with an exception that names the field. */
typedef struct gng_bind_field {
    const char *name;
    enum { GNG_FIELD_INT, GNG_FIELD_DOUBLE, GNG_FIELD_FLOAT, GNG_FIELD_BOOL, GNG_FIELD_RANGE, GNG_FIELD_UINT64, GNG_FIELD_NAME, GNG_FIELD_ELSEWHERE } type;
    void *out;                                          /* int32_t, double, float, bool, double[2], uint64_t; unused for NAME and for ELSEWHERE: what another function reads */
    gng_status (*from_name)(const char *name, int *out); /* NAME: text -> enum, written to *name_out */
    int *name_out;
} gng_bind_field;

/* Reads the fields that are present; a key that no field has is a ValueError. `what` names the mapping. */
int gng_bind_read(PyObject *mapping, const char *what, const gng_bind_field *fields, size_t count);
/* "nearest" and so on -> gng_fill, as int. */
gng_status gng_bind_fill_from_name(const char *name, int *out);
int gng_bind_augment(PyObject *mapping, gng_augment *out);
/* One layer; `find` resolves names of inputs to indices among layers[count]. */
int gng_bind_layer(PyObject *mapping, const gng_layer *layers, int32_t count, gng_layer *out);

/* --- pictures.c: the mode of a name; -1 with a ValueError. */
int gng_bind_resize_mode(const char *name, gng_resize_mode *out);

/* The enhancement that a mapping describes; -1 with an exception. */
int gng_bind_enhancement(PyObject *mapping, gng_enhancement *out);

/* --- picture_files.c: -1 with a ValueError unless it is 16, 12 or 10. */
int gng_bind_check_bit_depth(int bit_depth);

/* --- call.c: long calls */
typedef struct gng_bind_call {
    gng_context context;
    PyThreadState *saved;
    double polled;           /* seconds */
    unsigned int arithmetic; /* mode of the caller */
} gng_bind_call;

/* Prepares a context that notices Ctrl-C, releases the lock, and rounds to nearest whatever the caller's thread does. */
void gng_bind_call_begin(gng_bind_call *call, int threads);
/* Takes the lock back, and gives the thread its arithmetic mode. */
void gng_bind_call_end(gng_bind_call *call);

/* --- one file per topic */
extern PyMethodDef gng_bind_analysis_methods[], gng_bind_machine_methods[], gng_bind_picture_methods[], gng_bind_picture_file_methods[], gng_bind_net_methods[], gng_bind_model_methods[];

/* --- run_layer.c */
PyObject *gng_bind_run_layer(PyObject *module, PyObject *arguments, PyObject *keywords);

/* --- graph.c */
typedef struct gng_bind_graph {
    PyObject_HEAD
    gng_graph *graph;
} gng_bind_graph;
/* Borrowed graph of an argument, NULL with a TypeError otherwise. */
const gng_graph *gng_bind_graph_of(PyObject *object);
/* Takes ownership of the graph, also on failure. */
PyObject *gng_bind_graph_wrap(gng_graph *graph);
extern PyType_Spec gng_bind_graph_spec, gng_bind_step_spec, gng_bind_predictor_spec, gng_bind_classifier_spec;

#endif
