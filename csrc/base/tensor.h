/* A borrowed view of one picture or one row of features inside a net: shape and memory layout of the channels.
 *
 * One integer describes every layout in use. Element (c, y, x) of a picture lies at
 *     ((c / block * height + y) * width + x) * block + c % block
 * so that block = 1 is plain CHW, block = channels is HWC, and block = 8 or 16 are the blocked layouts of vector code;
 * channels are padded with zeros to a multiple of block. A row of features is channels x 1 x 1 with block = 1.
 */
#ifndef GNG_BASE_TENSOR_H
#define GNG_BASE_TENSOR_H

#include <stddef.h>
#include <stdint.h>

typedef struct gng_tensor_shape {
    int32_t channels;
    int32_t height;
    int32_t width;
    int32_t block; /* >= 1 */
} gng_tensor_shape;

/* channels * height * width. Shapes are checked when a graph is built, so the product always fits. */
static inline size_t gng_tensor_elements(gng_tensor_shape shape)
{
    return (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width;
}

/* Elements in memory, the padding of channels included. */
static inline size_t gng_tensor_stored(gng_tensor_shape shape)
{
    const size_t block = (size_t)shape.block;
    return ((size_t)shape.channels + block - 1) / block * block * (size_t)shape.height * (size_t)shape.width;
}

/* Memory index of element (c, y, x). */
static inline size_t gng_tensor_index(gng_tensor_shape shape, int32_t c, int32_t y, int32_t x)
{
    const size_t block = (size_t)shape.block;
    const size_t pixel = ((size_t)c / block * (size_t)shape.height + (size_t)y) * (size_t)shape.width + (size_t)x;
    return pixel * block + (size_t)c % block;
}

#endif
