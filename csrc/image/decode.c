/* Checked bytes -> 8-bit pixels: the door of the decoder, and the only file that sees stb_image.h, which decodes JPEG and
 * inflates zlib streams for decode_png.c.
 *
 * Memory that stb_image asks for is zeroed, limited by what the inspected size justifies, and given back as a whole, so
 * a damaged file can neither show old memory, nor take much, nor leak. Built with -fwrapv and
 * -ftrivial-auto-var-init=zero, which give a meaning to overflow and unset variables that damaged files may reach.
 */
#include "image/decode.h"

#include <string.h>

#include "image/decode_formats.h"

typedef struct memory_block {
    struct memory_block *next;
    struct memory_block *previous;
    size_t bytes;
} memory_block;

_Static_assert(sizeof(memory_block) <= GNG_ALIGNMENT, "the head of a block keeps the alignment of what follows");

/* What one call of the decoder owns. Per thread, because stb_image passes no context to its allocator. */
typedef struct decoder_memory {
    memory_block *blocks;
    size_t used;
    size_t budget;
    bool over_budget;
    bool exhausted;
    bool assertion_failed;
} decoder_memory;

static _Thread_local decoder_memory memory;

static void *memory_take(size_t bytes)
{
    if (bytes > memory.budget - memory.used) {
        memory.over_budget = true;
        return NULL;
    }
    memory_block *block = gng_memory_allocate(GNG_ALIGNMENT + bytes);
    if (block == NULL) {
        memory.exhausted = true;
        return NULL;
    }
    *block = (memory_block){.next = memory.blocks, .bytes = bytes};
    if (memory.blocks != NULL)
        memory.blocks->previous = block;
    memory.blocks = block;
    memory.used += bytes;
    return (unsigned char *)block + GNG_ALIGNMENT;
}

static void memory_give(void *pointer)
{
    if (pointer == NULL)
        return;
    memory_block *block = (memory_block *)(void *)((unsigned char *)pointer - GNG_ALIGNMENT);
    if (block->next != NULL)
        block->next->previous = block->previous;
    if (block->previous != NULL)
        block->previous->next = block->next;
    else
        memory.blocks = block->next;
    memory.used -= block->bytes;
    gng_memory_release(block);
}

static void *memory_resize(void *pointer, size_t old_bytes, size_t bytes)
{
    void *larger = memory_take(bytes);
    if (larger != NULL && pointer != NULL) {
        memcpy(larger, pointer, old_bytes < bytes ? old_bytes : bytes);
        memory_give(pointer);
    }
    return larger;
}

static void memory_give_all(void)
{
    while (memory.blocks != NULL)
        memory_give((unsigned char *)memory.blocks + GNG_ALIGNMENT);
}

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG /* for its zlib part: only bytes that the JPEG inspector accepted are given to the rest */
#define STBI_NO_GIF
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_NO_FAILURE_STRINGS
#define STBI_MAX_DIMENSIONS GNG_IMAGE_SIDE_MAX
#define STBI_ASSERT(x) ((x) ? (void)0 : (void)(memory.assertion_failed = true))
#define STBI_MALLOC(bytes) memory_take(bytes)
#define STBI_REALLOC_SIZED(pointer, old_bytes, bytes) memory_resize(pointer, old_bytes, bytes)
#define STBI_FREE(pointer) memory_give(pointer)
/* Version 2.27 declares this one under another name than it defines it. */
#define stbi_set_unpremultiply_on_load_thread stbi__unpremultiply_on_load_thread

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "stb_image.h"
#pragma GCC diagnostic pop

/* Most bytes that stb_image holds at one time for an honest JPEG of this size. */
static size_t honest_bytes(const gng_inspection *inspection)
{
    const size_t slack = 256 * 1024; /* decoder structures and row buffers */
    const size_t height = (size_t)inspection->height, width = (size_t)inspection->width;
    /* Planes are padded to whole coding units of at most 32 x 32 pixels; coefficients of progressive files are int16. */
    const size_t padded = ((height + 31) / 32 * 32) * ((width + 31) / 32 * 32);
    return slack + padded * (size_t)inspection->channels * (inspection->progressive ? 3 : 1) + 4 * height * width;
}

bool gng_zlib_inflate(const uint8_t *stream, size_t count, uint8_t *out, size_t bytes, size_t *used)
{
    /* Into memory of a fixed size stb_image neither allocates nor writes more. Sizes are within the limits of image.h. Its public
     * functions do not tell where they ended; its state does: bytes taken, less those of which it still has all bits. */
    stbi__zbuf state = {.zbuffer = (stbi_uc *)stream, .zbuffer_end = (stbi_uc *)stream + count};
    if (!stbi__do_zlib(&state, (char *)out, (int)bytes, 0, 1) || (size_t)(state.zout - state.zout_start) != bytes)
        return false;
    const ptrdiff_t taken = state.zbuffer - stream - state.num_bits / 8;
    *used = taken > 0 ? (size_t)taken : 0;
    return state.num_bits >= 0 && taken > 0 && *used <= count;
}

/* Weights of ITU-R BT.601 in 1/256. Called with a constant number of channels, so that the loop is vectorised. */
static inline void convert_to_grey(const uint8_t *restrict pixels, size_t count, size_t channels, uint8_t *restrict out)
{
    for (size_t i = 0; i < count; ++i) {
        const uint8_t *pixel = pixels + channels * i;
        out[i] = (uint8_t)((77u * pixel[0] + 150u * pixel[1] + 29u * pixel[2] + 128u) >> 8);
    }
}

void gng_pixels_convert(const uint8_t *restrict pixels, size_t count, size_t channels, size_t wanted, uint8_t *restrict out)
{
    if (channels == wanted) {
        memcpy(out, pixels, count * channels);
    } else if (channels <= 2) {
        for (size_t i = 0; i < count; ++i)
            memset(out + wanted * i, pixels[channels * i], wanted);
    } else if (wanted == 3) {
        for (size_t i = 0; i < count; ++i)
            memcpy(out + 3 * i, pixels + channels * i, 3);
    } else if (channels == 3) {
        convert_to_grey(pixels, count, 3, out);
    } else {
        convert_to_grey(pixels, count, 4, out);
    }
}

gng_status gng_inspection_fail_depth(gng_inspection *out, size_t offset, uint32_t value, int32_t bit_depth)
{
    return gng_inspection_fail(out, GNG_FAULT_BIT_DEPTH, offset,
                               "found the value %u, expected at most %u for a bit depth of %d; give the depth that the camera "
                               "delivers (bit_depth=16, 12 or 10)", value, (1u << bit_depth) - 1, bit_depth);
}

static gng_status exhausted_in_jpeg(const gng_image *out)
{
    return gng_error_set(GNG_STATUS_MEMORY, "JPEG: memory is exhausted while decoding %d x %d pixels; close other programs or "
                         "use fewer threads", out->height, out->width);
}

/* stb_image reads beyond the end of a scan that is too short, shifting by more bits than there are. */
static gng_status check_progressive(const uint8_t *bytes, gng_inspection *inspection, const gng_image *out)
{
    uint64_t *history = gng_memory_allocate_array(gng_jpeg_history_blocks(inspection), sizeof *history);
    if (history == NULL)
        return exhausted_in_jpeg(out);
    const gng_status status = gng_jpeg_follow(bytes, inspection, history);
    gng_memory_release(history);
    return status;
}

static gng_status decode_jpeg(const uint8_t *bytes, gng_inspection *inspection, const gng_image *out)
{
    if (inspection->progressive)
        GNG_TRY(check_progressive(bytes, inspection, out));
    /* Colour conversion is vectorised for four channels only (the same values). */
    const int channels = inspection->channels == 3 ? 4 : 1;
    int height = 0, width = 0, stored = 0;
    memory = (decoder_memory){.budget = honest_bytes(inspection)};
    const uint8_t *pixels =
        stbi_load_from_memory(bytes, (int)inspection->picture_bytes, &width, &height, &stored, channels);
    gng_status status = GNG_OK;
    if (memory.exhausted)
        status = exhausted_in_jpeg(out);
    else if (pixels == NULL || memory.over_budget || memory.assertion_failed || height != out->height || width != out->width)
        status = gng_inspection_fail(inspection, GNG_FAULT_PIXELS, inspection->picture_bytes,
                                     "the pixel data are damaged or do not fit the header (%d x %d pixels); copy or export "
                                     "the picture again", out->height, out->width);
    else
        gng_pixels_convert(pixels, (size_t)height * (size_t)width, (size_t)channels, (size_t)out->channels, out->pixels);
    memory_give_all();
    return status;
}

gng_status gng_image_decode(const uint8_t *bytes, size_t count, int32_t bit_depth, gng_inspection *inspection,
                            const gng_image *out)
{
    if (out->channels != 1 && out->channels != 3)
        return gng_error_set(GNG_STATUS_ARGUMENT, "channels is %d, expected 1 (grey) or 3 (RGB)", out->channels);
    if (bit_depth != 16 && bit_depth != 12 && bit_depth != 10)
        return gng_error_set(GNG_STATUS_ARGUMENT, "bit_depth is %d, expected 16, 12 or 10", bit_depth);
    if (inspection->fault != GNG_FAULT_NONE || inspection->picture_bytes > count)
        return gng_error_set(GNG_STATUS_ARGUMENT, "the inspection found no good picture in these bytes; decode what passes it");
    if (out->height != inspection->height || out->width != inspection->width)
        return gng_error_set(GNG_STATUS_SHAPE, "the picture has %d x %d pixels, the buffer for it %d x %d; inspect the same "
                             "bytes first", inspection->height, inspection->width, out->height, out->width);
    switch (inspection->format) {
    case GNG_FORMAT_JPEG:
        return decode_jpeg(bytes, inspection, out);
    case GNG_FORMAT_PNG:
        return gng_png_decode(bytes, count, bit_depth, inspection, out);
    case GNG_FORMAT_BMP:
        return gng_bmp_decode(bytes, count, inspection, out);
    case GNG_FORMAT_TIFF:
        return gng_tiff_decode(bytes, count, bit_depth, inspection, out);
    case GNG_FORMAT_UNKNOWN:
        break;
    }
    return gng_error_set(GNG_STATUS_ARGUMENT, "nothing was inspected; inspect the same bytes first");
}

bool gng_image_is_grey(gng_image_view image)
{
    /* Each byte with the next, but not the last of a pixel with the first of the next: neighbours in memory are vectorised. */
    enum { BLOCK = 48 };
    static const uint8_t inside[BLOCK] = {
        255, 255, 0, 255, 255, 0, 255, 255, 0, 255, 255, 0, 255, 255, 0, 255, 255, 0, 255, 255, 0, 255, 255, 0,
        255, 255, 0, 255, 255, 0, 255, 255, 0, 255, 255, 0, 255, 255, 0, 255, 255, 0, 255, 255, 0, 255, 255, 0,
    };
    if (image.channels == 1)
        return true;
    const uint8_t *pixels = image.pixels;
    size_t left = (size_t)image.height * (size_t)image.width * 3;
    for (; left > BLOCK; left -= BLOCK, pixels += BLOCK) { /* one byte more than the block is read */
        uint8_t differences = 0;
        for (size_t i = 0; i < BLOCK; i++)
            differences |= (uint8_t)((pixels[i] ^ pixels[i + 1]) & inside[i]);
        if (differences != 0)
            return false;
    }
    for (; left > 0; left -= 3, pixels += 3)
        if (pixels[0] != pixels[1] || pixels[0] != pixels[2])
            return false;
    return true;
}
