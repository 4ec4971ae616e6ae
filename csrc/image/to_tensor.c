/* Pixels to the floats a net reads, with nothing else done to them. */
#include "base/cpu.h"
#include "image/warp.h"
#include "image/warp_kernel.h"

/* Pixels taken apart by channel at a time, so that they stay in the first cache. */
enum { CHUNK = 1024 };

static void scale_colour(float *out, const uint8_t *in, size_t pixels)
{
    uint8_t planes[3 * CHUNK];
    for (size_t first = 0; first < pixels; first += CHUNK) {
        const size_t count = pixels - first < CHUNK ? pixels - first : CHUNK;
        gng_row_split_avx2(planes, CHUNK, in + 3 * first, count);
        for (size_t c = 0; c < 3; c++)
            gng_row_scale_avx2(out + c * pixels + first, planes + c * CHUNK, count, gng_grey_scale);
    }
}

void gng_image_to_tensor(gng_image_view in, float *out)
{
    const size_t pixels = (size_t)in.height * (size_t)in.width;
    const size_t step = (size_t)in.channels;
    if (gng_cpu_effective() < GNG_INSTRUCTION_SET_AVX2 || (step != 1 && step != 3)) {
        for (size_t c = 0; c < step; c++)
            for (size_t i = 0; i < pixels; i++)
                out[c * pixels + i] = (float)in.pixels[i * step + c] * gng_grey_scale;
    } else if (step == 1) {
        gng_row_scale_avx2(out, in.pixels, pixels, gng_grey_scale);
    } else {
        scale_colour(out, in.pixels, pixels);
    }
}
