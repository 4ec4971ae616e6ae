/* Plain arguments: texts, unsigned integers, mappings. */
#ifndef GNG_BIND_ARGUMENTS_H
#define GNG_BIND_ARGUMENTS_H

#include "bind/bind.h"

/* The text of a str without NUL characters, borrowed from it; NULL, without an exception, for anything else; NULL with a MemoryError
 * where memory ran out, as gng_bind_refuse knows. */
const char *gng_bind_text(PyObject *object);

/* The bytes of a buffer that nobody else can change between the check and the use: a copy of anything but bytes. A new
 * reference; NULL with a TypeError for another object. */
PyObject *gng_bind_bytes(PyObject *data);

/* New dict with the items of a mapping; NULL with a TypeError that names it as `what` for another object. */
PyObject *gng_bind_dict(PyObject *mapping, const char *what);

/* What stands under `key` of a mapping: a new reference. 1; 0 where there is nothing; -1 with the exception of the mapping. */
int gng_bind_item(PyObject *mapping, const char *key, PyObject **out);

/* Text under `key` of a mapping: *out is NULL, without an exception, when there is none, and with a MemoryError where memory ran out.
 * Owned by the reference returned. */
PyObject *gng_bind_text_item(PyObject *mapping, const char *key, const char **out);

/* An unsigned integer for "O&" of the argument parser: gng_bind_read_unsigned, &argument. Nothing is cut or wrapped. */
typedef struct gng_bind_unsigned {
    const char *name;
    uint64_t most;
    uint64_t value;
} gng_bind_unsigned;
int gng_bind_read_unsigned(PyObject *object, void *argument);

#endif
