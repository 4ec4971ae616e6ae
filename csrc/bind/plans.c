#include "bind/plans.h"

#include "base/fork.h"

int gng_bind_threads(int threads)
{
    if (threads < 0 || threads > GNG_THREADS_MAX) {
        PyErr_Format(PyExc_ValueError, "threads: found %d, expected 0 (one per processor) to %d", threads, (int)GNG_THREADS_MAX);
        return -1;
    }
    const gng_context context = {.threads = threads};
    return gng_context_threads(&context);
}

int gng_bind_samples(PyObject *object, const char *name, gng_tensor_shape shape, gng_samples *out)
{
    const bool row = shape.height == 1 && shape.width == 1;
    if (!row || (PyArray_Check(object) && PyArray_TYPE((PyArrayObject *)object) == NPY_UINT8)) {
        PyArrayObject *array = gng_bind_array(object, name, NPY_UINT8, 4);
        if (array == NULL)
            return -1;
        if (row && shape.channels != 1 && shape.channels != 3) {
            PyErr_Format(PyExc_TypeError, "%s: expected rows of %d features of float32, found pictures of uint8", name, (int)shape.channels);
            return -1;
        }
        const npy_intp *found = PyArray_DIMS(array);
        if (found[1] != shape.height || found[2] != shape.width || found[3] != shape.channels) {
            PyErr_Format(PyExc_ValueError, "%s: expected pictures of %d x %d x %d (height, width, channels), found %zd x %zd x %zd", name, (int)shape.height,
                         (int)shape.width, (int)shape.channels, (Py_ssize_t)found[1], (Py_ssize_t)found[2], (Py_ssize_t)found[3]);
            return -1;
        }
        *out = (gng_samples){.pixels = PyArray_DATA(array), .count = (uint64_t)found[0], .shape = shape};
        return 0;
    }
    PyArrayObject *array = gng_bind_array(object, name, NPY_FLOAT32, 2);
    if (array == NULL)
        return -1;
    if (PyArray_DIM(array, 1) != shape.channels) {
        PyErr_Format(PyExc_ValueError, "%s: expected %d features, found %zd", name, (int)shape.channels, (Py_ssize_t)PyArray_DIM(array, 1));
        return -1;
    }
    *out = (gng_samples){.rows = PyArray_DATA(array), .count = (uint64_t)PyArray_DIM(array, 0), .shape = shape};
    return 0;
}

int gng_bind_lock_create(gng_bind_lock *lock)
{
    *lock = (gng_bind_lock){.forks = gng_fork_count()};
    if (gng_fork_watch())
        lock->lock = PyThread_allocate_lock();
    if (lock->lock == NULL)
        (void)PyErr_NoMemory();
    return lock->lock != NULL ? 0 : -1;
}

void gng_bind_lock_destroy(gng_bind_lock *lock)
{
    if (lock->lock != NULL)
        PyThread_free_lock(lock->lock);
}

/* The lock as it is in a child: a call of the thread that lives on goes on, and any other is lost with its thread. */
static int renew_after_fork(gng_bind_lock *lock)
{
    const uint64_t forks = gng_fork_count();
    if (lock->forks == forks)
        return 0;
    if (lock->owner == 0 || lock->owner != gng_fork_survivor()) {
        /* The old one may be taken, with nobody left to give it back or to destroy it safely. */
        PyThread_type_lock fresh = PyThread_allocate_lock();
        if (fresh == NULL) {
            (void)PyErr_NoMemory();
            return -1;
        }
        lock->lock = fresh;
        lock->abandoned = lock->abandoned || lock->owner != 0;
        lock->owner = 0;
    }
    lock->forks = forks;
    return 0;
}

/* Waits in short turns, between which Ctrl-C is looked for. */
static int wait_for(PyThread_type_lock lock)
{
    enum { TURN_MICROSECONDS = 50000 };
    PyLockStatus status;
    do {
        Py_BEGIN_ALLOW_THREADS
        status = PyThread_acquire_lock_timed(lock, TURN_MICROSECONDS, 1);
        Py_END_ALLOW_THREADS
        if (status != PY_LOCK_ACQUIRED && PyErr_CheckSignals() < 0)
            return -1;
    } while (status != PY_LOCK_ACQUIRED);
    return 0;
}

int gng_bind_lock_take(gng_bind_lock *lock)
{
    if (renew_after_fork(lock) < 0)
        return -1;
    const unsigned long self = PyThread_get_thread_ident();
    if (lock->owner == self) {
        PyErr_SetString(PyExc_RuntimeError, "this object is in the middle of a call, which a signal handler interrupted; use it after that call");
        return -1;
    }
    if (wait_for(lock->lock) < 0)
        return -1;
    lock->owner = self;
    return 0;
}

int gng_bind_lock_take_whole(gng_bind_lock *lock)
{
    if (gng_bind_lock_take(lock) < 0)
        return -1;
    if (!lock->abandoned)
        return 0;
    gng_bind_lock_give(lock);
    PyErr_SetString(PyExc_RuntimeError, "the process was forked while another thread was in the middle of a call of this object, which is half-changed in the child; "
                                        "make a new one");
    return -1;
}

void gng_bind_lock_give(gng_bind_lock *lock)
{
    lock->owner = 0;
    PyThread_release_lock(lock->lock);
}

void *gng_bind_allocate(PyTypeObject *type)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    return allocate(type, 0);
}

void gng_bind_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

PyObject *gng_bind_operations(const gng_net *net)
{
    PyObject *list = PyList_New(0);
    const char *text;
    for (int32_t i = 0; list != NULL && (text = gng_net_describe(net, i)) != NULL; i++) {
        PyObject *item = PyUnicode_FromString(text);
        if (item == NULL || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}
