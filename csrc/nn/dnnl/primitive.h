/* A primitive of the library with a stream and memory objects of its own for every worker, so that running it only sets
 * pointers. Scratch memory is the caller's.
 *
 * Matrix kernels ("gemm", not "brgemm") of oneDNN 3.2 point the stack pointer at a block of the heap, and the system writes
 * the frame of a signal below it, over whatever lies there (uxlfoundation/oneDNN, issue 4845). While they run, signals wait.
 */
#ifndef GNG_NN_DNNL_PRIMITIVE_H
#define GNG_NN_DNNL_PRIMITIVE_H

#include <stdbool.h>

#include "nn/dnnl/memory.h"

enum { GNG_PRIMITIVE_ARGUMENTS_MAX = 5 };

typedef struct gng_primitive_argument {
    int name; /* DNNL_ARG_... */
    const_dnnl_memory_desc_t descriptor;
} gng_primitive_argument;

typedef struct gng_primitive_worker {
    dnnl_stream_t stream;
    dnnl_exec_arg_t arguments[GNG_PRIMITIVE_ARGUMENTS_MAX + 1]; /* the last one of those in use is the scratchpad */
} gng_primitive_worker;

/* Zeroed: no primitive. */
typedef struct gng_primitive {
    dnnl_primitive_t handle;
    gng_primitive_worker *workers; /* [worker_count] */
    int32_t worker_count;
    int32_t argument_count; /* without the scratchpad */
    size_t scratch_bytes;
    bool lends_stack; /* signals have to wait */
} gng_primitive;

/* Makes the primitive of a descriptor whose attributes are those of gng_primitive_attributes. After a failure *out is still
 * safe to destroy. */
GNG_MUST_CHECK gng_status gng_primitive_create(const_dnnl_primitive_desc_t descriptor, const gng_primitive_argument *arguments,
                                               int32_t count, int32_t workers, gng_primitive *out);
/* Safe on a zeroed primitive. */
void gng_primitive_destroy(gng_primitive *primitive);
/* pointers[argument_count], in the order of creation; those that are read are not written in spite of their type. Each
 * worker may run it at the same time as the others. scratch: scratch_bytes, unused when 0. */
GNG_MUST_CHECK gng_status gng_primitive_run(const gng_primitive *primitive, int worker, void *const *pointers, void *scratch);

/* Attributes with scratch memory from the caller, and with a ReLU behind the operation. The caller destroys. */
GNG_MUST_CHECK gng_status gng_primitive_attributes(bool relu, dnnl_primitive_attr_t *out);

/* True for the library's own unoptimised loops, which are slower than ours. */
bool gng_primitive_is_slow(const_dnnl_primitive_desc_t descriptor);
/* Whether the name of the implementation begins with `prefix`. */
bool gng_primitive_is_named(const_dnnl_primitive_desc_t descriptor, const char *prefix);

/* c [m, n] = a [m, k] * b [k, n] + beta * c, by rows with strides; transposed: a is stored as [k, m]. */
GNG_MUST_CHECK gng_status gng_primitive_multiply(bool transposed, int32_t m, int32_t n, int32_t k, const float *a, int32_t a_stride,
                                                 const float *b, int32_t b_stride, float beta, float *c, int32_t c_stride);

/* A change of layout. */
GNG_MUST_CHECK gng_status gng_primitive_create_reorder(dnnl_engine_t engine, const_dnnl_memory_desc_t from, const_dnnl_memory_desc_t to,
                                                       int32_t workers, gng_primitive *out);

#endif
