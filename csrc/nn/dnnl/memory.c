/* Layouts of base/tensor.h <-> descriptors of the library. */
#include "nn/dnnl/memory.h"

gng_status gng_engine_check(dnnl_status_t status, const char *call)
{
    switch (status) {
    case dnnl_success:
        return GNG_OK;
    case dnnl_out_of_memory:
        return gng_error_set(GNG_STATUS_MEMORY, "oneDNN found no memory in %s; use a smaller batch or close other programs", call);
    case dnnl_unimplemented:
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "oneDNN has no implementation behind %s", call);
    default:
        return gng_error_set(GNG_STATUS_ENGINE, "oneDNN: %s failed with status %d; report this with the model", call, (int)status);
    }
}

gng_status gng_descriptor_tagged(int rank, const dnnl_dims_t sizes, dnnl_format_tag_t tag, dnnl_memory_desc_t *out)
{
    return gng_engine_check(dnnl_memory_desc_create_with_tag(out, rank, sizes, dnnl_f32, tag), "dnnl_memory_desc_create_with_tag");
}

gng_status gng_descriptor_row(size_t count, dnnl_memory_desc_t *out)
{
    const dnnl_dims_t sizes = {(dnnl_dim_t)count};
    return gng_descriptor_tagged(1, sizes, dnnl_a, out);
}

gng_status gng_descriptor_picture(gng_tensor_shape shape, dnnl_memory_desc_t *out)
{
    const dnnl_dims_t sizes = {1, shape.channels, shape.height, shape.width};
    if (shape.block == 1)
        return gng_descriptor_tagged(4, sizes, dnnl_nchw, out);
    if (shape.block == shape.channels)
        return gng_descriptor_tagged(4, sizes, dnnl_nhwc, out);
    if (shape.block == 8)
        return gng_descriptor_tagged(4, sizes, dnnl_nChw8c, out);
    if (shape.block == 16)
        return gng_descriptor_tagged(4, sizes, dnnl_nChw16c, out);
    return gng_error_set(GNG_STATUS_UNSUPPORTED, "found channels in blocks of %d, expected 1, 8, 16 or all %d", (int)shape.block, (int)shape.channels);
}

gng_status gng_descriptor_block(const_dnnl_memory_desc_t descriptor, gng_tensor_shape shape, int32_t *block)
{
    const struct {
        dnnl_format_tag_t tag;
        int32_t block;
    } known[] = {{dnnl_nchw, 1}, {dnnl_nhwc, shape.channels}, {dnnl_nChw8c, 8}, {dnnl_nChw16c, 16}};
    const dnnl_dims_t sizes = {1, shape.channels, shape.height, shape.width};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        dnnl_memory_desc_t candidate;
        GNG_TRY(gng_descriptor_tagged(4, sizes, known[i].tag, &candidate));
        const bool equal = dnnl_memory_desc_equal(descriptor, candidate) != 0;
        dnnl_memory_desc_destroy(candidate);
        if (equal) {
            *block = known[i].block;
            return GNG_OK;
        }
    }
    return gng_error_set(GNG_STATUS_UNSUPPORTED, "oneDNN chose a layout for %d x %d x %d that no block of channels describes", (int)shape.channels,
                         (int)shape.height, (int)shape.width);
}
