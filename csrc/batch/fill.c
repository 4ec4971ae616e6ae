/* One sample of a batch into the floats a net reads. Decides nothing: the batch names the sample and what is drawn for it. */
#include <string.h>

#include "batch/batch.h"

static gng_image_view sample_view(const gng_samples *samples, uint64_t index)
{
    const size_t bytes = gng_tensor_elements(samples->shape);
    return (gng_image_view){.pixels = samples->pixels == NULL ? NULL : samples->pixels + (size_t)index * bytes,
        .height = samples->shape.height,
        .width = samples->shape.width,
        .channels = samples->shape.channels};
}

size_t gng_batch_scratch_bytes(const gng_samples *samples)
{
    if (samples->pixels == NULL)
        return 0;
    return gng_warp_scratch_bytes(sample_view(samples, 0), samples->shape.height, samples->shape.width);
}

gng_status gng_batch_fill(const gng_batch *batch, uint32_t position, void *scratch, float *out)
{
    const gng_samples *samples = batch->samples;
    if (position >= batch->count)
        return gng_error_set(GNG_STATUS_ARGUMENT, "batch: position %u, expected less than %u", position, batch->count);
    const uint64_t index = batch->indices[position];
    if (index >= samples->count)
        return gng_error_set(GNG_STATUS_ARGUMENT, "batch: indices[%u] is %llu, expected less than %llu, the number of samples",
            position, (unsigned long long)index, (unsigned long long)samples->count);
    if (samples->rows != NULL) {
        const size_t features = (size_t)samples->shape.channels;
        memcpy(out, samples->rows + (size_t)index * features, features * sizeof(float));
        return GNG_OK;
    }
    const gng_image_view view = sample_view(samples, index);
    if (samples->augment == NULL) {
        gng_image_to_tensor(view, out);
        return GNG_OK;
    }
    const gng_rng_key key = {
        .seed = samples->seed,
        .stream = GNG_STREAM_AUGMENTATION,
        .epoch = batch->epoch,
        .occurrence = batch->occurrences == NULL ? 0 : batch->occurrences[position],
        .sample = batch->keys == NULL ? index : batch->keys[position],
    };
    const gng_augment_draw draw = gng_augment_draw_parameters(samples->augment, view.height, view.width, &key);
    const gng_warp warp = gng_augment_warp(samples->augment, &draw, view.height, view.width);
    return gng_warp_apply(view, &warp, scratch, samples->shape, out);
}
