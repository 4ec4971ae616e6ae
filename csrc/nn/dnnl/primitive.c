/* Primitives, their memory objects and attributes. */
#include "nn/dnnl/primitive.h"

#include <string.h>

#include "base/memory.h"
#include "base/signals.h"

static gng_status create_worker(dnnl_engine_t engine, const gng_primitive_argument *arguments, int32_t count, gng_primitive_worker *worker)
{
    GNG_DNNL_TRY(dnnl_stream_create, &worker->stream, engine, dnnl_stream_default_flags);
    for (int32_t i = 0; i < count; i++) {
        worker->arguments[i].arg = arguments[i].name;
        GNG_DNNL_TRY(dnnl_memory_create, &worker->arguments[i].memory, arguments[i].descriptor, engine, DNNL_MEMORY_NONE);
    }
    return GNG_OK;
}

static const char *implementation(const_dnnl_primitive_desc_t descriptor)
{
    const char *name = "";
    return dnnl_primitive_desc_query(descriptor, dnnl_query_impl_info_str, 0, &name) == dnnl_success ? name : "";
}

static bool lends_stack(const_dnnl_primitive_desc_t descriptor)
{
    const char *name = implementation(descriptor);
    return strstr(name, "gemm") != NULL && strncmp(name, "brg", 3) != 0;
}

gng_status gng_primitive_create(const_dnnl_primitive_desc_t descriptor, const gng_primitive_argument *arguments, int32_t count, int32_t workers,
                                gng_primitive *out)
{
    gng_primitive_argument all[GNG_PRIMITIVE_ARGUMENTS_MAX + 1];
    memcpy(all, arguments, (size_t)count * sizeof *all);
    all[count] = (gng_primitive_argument){DNNL_ARG_SCRATCHPAD, dnnl_primitive_desc_query_md(descriptor, dnnl_query_scratchpad_md, 0)};
    *out = (gng_primitive){.worker_count = workers, .argument_count = count, .scratch_bytes = dnnl_memory_desc_get_size(all[count].descriptor),
                           .lends_stack = lends_stack(descriptor)};

    dnnl_engine_t engine;
    GNG_TRY(gng_engine_get(&engine));
    out->workers = gng_memory_allocate_array((size_t)workers, sizeof *out->workers);
    if (out->workers == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "planning a primitive of oneDNN for %d workers", (int)workers);
    GNG_DNNL_TRY(dnnl_primitive_create, &out->handle, descriptor);
    for (int32_t i = 0; i < workers; i++)
        GNG_TRY(create_worker(engine, all, count + 1, &out->workers[i]));
    return GNG_OK;
}

void gng_primitive_destroy(gng_primitive *primitive)
{
    for (int32_t i = 0; i < primitive->worker_count && primitive->workers != NULL; i++) {
        for (int32_t k = 0; k <= GNG_PRIMITIVE_ARGUMENTS_MAX; k++)
            if (primitive->workers[i].arguments[k].memory != NULL)
                dnnl_memory_destroy(primitive->workers[i].arguments[k].memory);
        if (primitive->workers[i].stream != NULL)
            dnnl_stream_destroy(primitive->workers[i].stream);
    }
    gng_memory_release(primitive->workers);
    if (primitive->handle != NULL)
        dnnl_primitive_destroy(primitive->handle);
    *primitive = (gng_primitive){0};
}

static gng_status execute(const gng_primitive *primitive, const gng_primitive_worker *own)
{
    GNG_DNNL_TRY(dnnl_primitive_execute, primitive->handle, own->stream, primitive->argument_count + 1, own->arguments);
    return gng_engine_check(dnnl_stream_wait(own->stream), "dnnl_stream_wait");
}

gng_status gng_primitive_run(const gng_primitive *primitive, int worker, void *const *pointers, void *scratch)
{
    const gng_primitive_worker *own = &primitive->workers[worker];
    for (int32_t i = 0; i < primitive->argument_count; i++)
        GNG_DNNL_TRY(dnnl_memory_set_data_handle, own->arguments[i].memory, pointers[i]);
    GNG_DNNL_TRY(dnnl_memory_set_data_handle, own->arguments[primitive->argument_count].memory, scratch);
    if (!primitive->lends_stack)
        return execute(primitive, own);
    const gng_signals signals = gng_signals_hold();
    const gng_status status = execute(primitive, own);
    gng_signals_release(&signals);
    return status;
}

gng_status gng_primitive_multiply(bool transposed, int32_t m, int32_t n, int32_t k, const float *a, int32_t a_stride, const float *b,
                                  int32_t b_stride, float beta, float *c, int32_t c_stride)
{
    const gng_signals signals = gng_signals_hold();
    const dnnl_status_t status = dnnl_sgemm(transposed ? 'T' : 'N', 'N', m, n, k, 1, a, a_stride, b, b_stride, beta, c, c_stride);
    gng_signals_release(&signals);
    return gng_engine_check(status, "dnnl_sgemm");
}

static gng_status append_relu(dnnl_primitive_attr_t attributes)
{
    dnnl_post_ops_t operations;
    GNG_DNNL_TRY(dnnl_post_ops_create, &operations);
    gng_status status = gng_engine_check(dnnl_post_ops_append_eltwise(operations, dnnl_eltwise_relu, 0, 0), "dnnl_post_ops_append_eltwise");
    if (status == GNG_OK)
        status = gng_engine_check(dnnl_primitive_attr_set_post_ops(attributes, operations), "dnnl_primitive_attr_set_post_ops");
    dnnl_post_ops_destroy(operations);
    return status;
}

gng_status gng_primitive_attributes(bool relu, dnnl_primitive_attr_t *out)
{
    dnnl_primitive_attr_t attributes;
    GNG_DNNL_TRY(dnnl_primitive_attr_create, &attributes);
    gng_status status = gng_engine_check(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user),
                                         "dnnl_primitive_attr_set_scratchpad_mode");
    if (status == GNG_OK && relu)
        status = append_relu(attributes);
    if (status != GNG_OK) {
        dnnl_primitive_attr_destroy(attributes);
        return status;
    }
    *out = attributes;
    return GNG_OK;
}

bool gng_primitive_is_named(const_dnnl_primitive_desc_t descriptor, const char *prefix)
{
    return strncmp(implementation(descriptor), prefix, strlen(prefix)) == 0;
}

bool gng_primitive_is_slow(const_dnnl_primitive_desc_t descriptor)
{
    return gng_primitive_is_named(descriptor, "ref") || gng_primitive_is_named(descriptor, "simple");
}

static gng_status create_reorder(const_dnnl_primitive_desc_t descriptor, int32_t workers, gng_primitive *out)
{
    const gng_primitive_argument arguments[] = {
        {DNNL_ARG_FROM, dnnl_primitive_desc_query_md(descriptor, dnnl_query_src_md, 0)},
        {DNNL_ARG_TO, dnnl_primitive_desc_query_md(descriptor, dnnl_query_dst_md, 0)},
    };
    return gng_primitive_create(descriptor, arguments, 2, workers, out);
}

gng_status gng_primitive_create_reorder(dnnl_engine_t engine, const_dnnl_memory_desc_t from, const_dnnl_memory_desc_t to, int32_t workers,
                                        gng_primitive *out)
{
    dnnl_primitive_attr_t attributes;
    GNG_TRY(gng_primitive_attributes(false, &attributes));
    dnnl_primitive_desc_t descriptor;
    gng_status status = gng_engine_check(dnnl_reorder_primitive_desc_create(&descriptor, from, engine, to, engine, attributes),
                                         "dnnl_reorder_primitive_desc_create");
    dnnl_primitive_attr_destroy(attributes);
    if (status != GNG_OK)
        return status;
    status = create_reorder(descriptor, workers, out);
    dnnl_primitive_desc_destroy(descriptor);
    return status;
}
