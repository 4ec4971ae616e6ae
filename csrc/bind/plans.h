/* What Step, Predictor and Classifier share: samples as arguments, and one call at a time per object. */
#ifndef GNG_BIND_PLANS_H
#define GNG_BIND_PLANS_H

#include "bind/bind.h"

/* uint8 [n, h, w, c] or float32 [n, features] that fits an input of `shape` -> view; -1 with an exception otherwise. */
int gng_bind_samples(PyObject *object, const char *name, gng_tensor_shape shape, gng_samples *out);

/* threads: 0 is one per processor; -1 with an exception when outside 0 to GNG_THREADS_MAX. */
int gng_bind_threads(int threads);

/* Takes the object's lock with the interpreter's lock released, so that two threads may share one object. */
void gng_bind_lock(PyThread_type_lock lock);

/* New instance of a heap type, and its end. */
void *gng_bind_allocate(PyTypeObject *type);
void gng_bind_free(PyObject *self);

/* List of the descriptions of a net's operations. */
PyObject *gng_bind_operations(const gng_net *net);

#endif
