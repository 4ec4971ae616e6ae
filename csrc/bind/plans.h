/* What Step, Predictor and Classifier share: samples as arguments, and one call at a time per object. */
#ifndef GNG_BIND_PLANS_H
#define GNG_BIND_PLANS_H

#include "bind/bind.h"

/* uint8 [n, h, w, c] or float32 [n, features] that fits an input of `shape` -> view; -1 with an exception otherwise. */
int gng_bind_samples(PyObject *object, const char *name, gng_tensor_shape shape, gng_samples *out);

/* threads: 0 is one per processor; -1 with an exception when outside 0 to GNG_THREADS_MAX. */
int gng_bind_threads(int threads);

/* One call at a time: threads may share an object. A signal handler that runs inside a call must not wait for that call,
 * so the thread that holds the lock is known. Hold the interpreter's lock for each of these. */
typedef struct gng_bind_lock {
    PyThread_type_lock lock;
    unsigned long owner; /* 0: free */
    uint64_t forks;      /* gng_fork_count() when the lock was last looked at */
    bool abandoned;      /* a fork caught another thread in the middle of a call, which in this process never ends */
} gng_bind_lock;
/* -1 with a MemoryError. */
int gng_bind_lock_create(gng_bind_lock *lock);
void gng_bind_lock_destroy(gng_bind_lock *lock);
/* Waits with the interpreter's lock released. -1 with a RuntimeError where this thread holds the lock already, with what
 * a signal handler raises (Ctrl-C), or with a MemoryError. In a forked child a lock that a lost thread held is open again. */
int gng_bind_lock_take(gng_bind_lock *lock);
/* The same for an object that a call changes: -1 with a RuntimeError where a lost thread left it half-changed. */
int gng_bind_lock_take_whole(gng_bind_lock *lock);
void gng_bind_lock_give(gng_bind_lock *lock);

/* New instance of a heap type, and its end. */
void *gng_bind_allocate(PyTypeObject *type);
void gng_bind_free(PyObject *self);

/* List of the descriptions of a net's operations. */
PyObject *gng_bind_operations(const gng_net *net);

#endif
