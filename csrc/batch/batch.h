/* Samples -> training batch: which pictures, how each is changed, and where its floats go.
 *
 * A source without augmentation (validation, test) has no parameters to draw: such pictures cannot be changed.
 */
#ifndef GNG_BATCH_BATCH_H
#define GNG_BATCH_BATCH_H

#include "base/parallel.h"
#include "base/tensor.h"
#include "batch/augment.h"

/* Decoded data set in memory, borrowed. Exactly one of pixels and rows is set. */
typedef struct gng_samples {
    const uint8_t *pixels;      /* [count, shape.height, shape.width, shape.channels] */
    const float *rows;          /* [count, shape.channels] */
    uint64_t count;
    gng_tensor_shape shape;     /* of one sample, block 1 */
    const gng_augment *augment; /* NULL: never changed. Pixels only. */
    uint64_t seed;              /* of augmentation */
} gng_samples;

/* A batch to be filled: `count` samples by index. Everything is borrowed. */
typedef struct gng_batch {
    const gng_samples *samples;
    const uint32_t *indices;     /* [count], each < samples->count */
    const uint32_t *keys;        /* [count], the samples as random draws know them, wherever their pixels lie; NULL: the indices */
    const uint32_t *occurrences; /* [count], how often the sample was drawn before in this epoch; NULL: 0 */
    uint32_t count;
    uint32_t epoch;
    const float *targets;        /* [samples->count, outputs]: 0/1 or one-hot; NULL outside training */
    const float *weights;        /* [samples->count]; NULL: 1 */
} gng_batch;

/* Scratch bytes gng_batch_fill needs per worker for samples of this kind and shape, whatever their augmentation. */
size_t gng_batch_scratch_bytes(const gng_samples *samples);

/* Fills sample `position` of the batch into out: float32, CHW, gng_tensor_elements(shape) values. `scratch` as above.
 * Allocates nothing; any thread. */
GNG_MUST_CHECK gng_status gng_batch_fill(const gng_batch *batch, uint32_t position, void *scratch, float *out);

#endif
