/* What the tables of this room share: the one engine, status codes, and descriptors for the layouts of base/tensor.h. */
#ifndef GNG_NN_DNNL_MEMORY_H
#define GNG_NN_DNNL_MEMORY_H

#include <oneapi/dnnl/dnnl.h>

#include <stdbool.h>

#include "base/status.h"
#include "base/tensor.h"

/* Success -> OK, out of memory -> MEMORY, unimplemented -> UNSUPPORTED, all else -> ENGINE; the detail names `call`. */
GNG_MUST_CHECK gng_status gng_engine_check(dnnl_status_t status, const char *call);
/* Calls a function of the library; returns from the enclosing function when it fails. */
#define GNG_DNNL_TRY(function, ...) GNG_TRY(gng_engine_check(function(__VA_ARGS__), #function))

/* The engine of the process; its first use fixes the instruction-set limit and every setting of the library that an
 * environment variable could change. UNSUPPORTED when the engine is not available, MEMORY as gng_engine_check_room. Any thread. */
GNG_MUST_CHECK gng_status gng_engine_get(dnnl_engine_t *out);

/* Descriptors belong to the caller: dnnl_memory_desc_destroy. One picture is [1, channels, height, width]; UNSUPPORTED for a
 * block other than 1, channels, 8 and 16. */
GNG_MUST_CHECK gng_status gng_descriptor_picture(gng_tensor_shape shape, dnnl_memory_desc_t *out);
GNG_MUST_CHECK gng_status gng_descriptor_tagged(int rank, const dnnl_dims_t sizes, dnnl_format_tag_t tag, dnnl_memory_desc_t *out);
GNG_MUST_CHECK gng_status gng_descriptor_row(size_t count, dnnl_memory_desc_t *out);

/* The block that describes a layout which the library chose for a picture of this shape; UNSUPPORTED when none does. */
GNG_MUST_CHECK gng_status gng_descriptor_block(const_dnnl_memory_desc_t descriptor, gng_tensor_shape shape, int32_t *block);

#endif
