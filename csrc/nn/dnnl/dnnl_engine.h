/* The oneDNN engine: bracket, and one table per operation. The only room that sees dnnl.h.
 *
 * oneDNN always runs single-threaded inside a worker. Every oneDNN call, creation and reorders included, happens between
 * gng_engine_enter and gng_engine_leave: a backward-weights primitive created under two OpenMP threads and run under one
 * gives other bits.
 */
#ifndef GNG_NN_DNNL_DNNL_ENGINE_H
#define GNG_NN_DNNL_DNNL_ENGINE_H

#include "nn/operation.h"

/* The caller's floating-point mode and OpenMP thread count, to be restored. */
typedef struct gng_engine_bracket {
    unsigned int floating_point_mode;
    int openmp_threads;
    bool engine; /* false: oneDNN is not in use, only the floating-point mode was set */
} gng_engine_bracket;

/* One OpenMP thread, flush-to-zero, rounding to nearest, for the calling thread. Every task of a net runs between these
 * two, with any engine, so that a caller's floating-point mode cannot change a result. Nesting is fine. */
gng_engine_bracket gng_engine_enter(void);
void gng_engine_leave(gng_engine_bracket bracket);

/* False at the limit SCALAR and where gng_cpu_engine_safe() is false. */
bool gng_engine_available(void);
/* Before planning, and before every run of what was planned: MEMORY where the system has too little left for what the library
 * itself may ask for. An allocation of its own that fails ends the process, in an exception that C cannot catch or behind
 * a pointer that it does not look at. OK where the engine is not in use. Any thread. */
GNG_MUST_CHECK gng_status gng_engine_check_room(void);
/* "3.2.0 (hash)"; the version of the library that was loaded. */
const char *gng_engine_version(void);

extern const gng_operation_table gng_dnnl_conv_table;      /* conv, or conv + relu */
extern const gng_operation_table gng_dnnl_pool_table;
extern const gng_operation_table gng_dnnl_dense_table;     /* from AVX2 on; below, results depended on the number of rows */
extern const gng_operation_table gng_dnnl_activation_table;

#endif
