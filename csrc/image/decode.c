/* Checked bytes -> 8-bit pixels. The only file that sees stb_image.h; it makes it safe to use, and decodes nothing itself.
 *
 * Memory that stb_image asks for is zeroed, limited by what the inspected size justifies, and given back as a whole, so
 * a damaged file can neither show old memory, nor take much, nor leak. Built with -fwrapv and
 * -ftrivial-auto-var-init=zero, which give a meaning to overflow and unset variables that damaged files may reach.
 */
#include "image/decode.h"

#include <string.h>

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
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
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

/* Most bytes that stb_image holds at one time for an honest file of this size. */
static size_t honest_bytes(const gng_inspection *inspection)
{
    const size_t slack = 256 * 1024; /* decoder structures, row buffers, and the least sizes of growing buffers */
    const size_t height = (size_t)inspection->height, width = (size_t)inspection->width;
    const size_t pixels = height * width;
    /* Planes are padded to whole coding units of at most 32 x 32 pixels; coefficients of progressive files are int16. */
    const size_t padded = ((height + 31) / 32 * 32) * ((width + 31) / 32 * 32);
    const size_t channels = (size_t)inspection->channels;
    switch (inspection->format) {
    case GNG_FORMAT_JPEG:
        return slack + padded * channels * (inspection->progressive ? 3 : 1) + 4 * pixels;
    case GNG_FORMAT_PNG:
        /* Two growing buffers, old and doubled size at once while they grow: the compressed data and the inflated rows
         * with their filter bytes; pixels before and after interlacing or palette. Four channels where there is alpha. */
        return slack + 3 * inspection->picture_bytes + 3 * (4 * pixels + height) + 8 * pixels;
    case GNG_FORMAT_BMP:
        return slack + 3 * pixels;
    case GNG_FORMAT_UNKNOWN:
        break;
    }
    return 0;
}

/* The alpha channel is the last of `channels` (2 or 4). */
static bool is_opaque(const uint8_t *pixels, size_t count, size_t channels)
{
    uint8_t all = 255;
    for (size_t i = 0; i < count; ++i)
        all &= pixels[channels * i + channels - 1];
    return all == 255;
}

/* Weights of ITU-R BT.601 in 1/256. Called with a constant number of channels, so that the loop is vectorised. */
static inline void convert_to_grey(const uint8_t *restrict pixels, size_t count, size_t channels, uint8_t *restrict out)
{
    for (size_t i = 0; i < count; ++i) {
        const uint8_t *pixel = pixels + channels * i;
        out[i] = (uint8_t)((77u * pixel[0] + 150u * pixel[1] + 29u * pixel[2] + 128u) >> 8);
    }
}

/* pixels [count, channels] -> out [count, wanted]; alpha (of 2 or 4 channels the last) is dropped. */
static void convert(const uint8_t *restrict pixels, size_t count, size_t channels, size_t wanted, uint8_t *restrict out)
{
    if (channels == wanted) {
        memcpy(out, pixels, count * channels);
    } else if (channels <= 2) {
        for (size_t i = 0; i < count; ++i)
            memset(out + wanted * i, pixels[channels * i], wanted);
    } else if (wanted == 3) {
        for (size_t i = 0; i < count; ++i)
            memcpy(out + 3 * i, pixels + 4 * i, 3);
    } else if (channels == 3) {
        convert_to_grey(pixels, count, 3, out);
    } else {
        convert_to_grey(pixels, count, 4, out);
    }
}

static gng_status finish(const gng_inspection *inspection, const uint8_t *pixels, int height, int width, int channels,
                         const gng_image *out)
{
    const char *format = gng_format_name(inspection->format);
    if (memory.exhausted)
        return gng_error_set(GNG_STATUS_MEMORY, "%s: memory is exhausted while decoding %d x %d pixels; close other "
                             "programs or use fewer threads", format, inspection->height, inspection->width);
    if (pixels == NULL || memory.over_budget || memory.assertion_failed || height != inspection->height ||
        width != inspection->width)
        return gng_error_set(GNG_STATUS_FORMAT, "%s: the pixel data are damaged or do not fit the header (%d x %d pixels); "
                             "copy or export the picture again", format, inspection->height, inspection->width);
    const size_t count = (size_t)height * (size_t)width;
    const size_t stored = (size_t)channels;
    if (inspection->format == GNG_FORMAT_PNG && stored % 2 == 0 && !is_opaque(pixels, count, stored))
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "%s: found transparent pixels, expected opaque ones; save the picture "
                             "without transparency (alpha channel)", format);
    convert(pixels, count, stored, (size_t)out->channels, out->pixels);
    return GNG_OK;
}

gng_status gng_image_decode(const uint8_t *bytes, size_t count, const gng_image *out)
{
    if (out->channels != 1 && out->channels != 3)
        return gng_error_set(GNG_STATUS_ARGUMENT, "channels is %d, expected 1 (grey) or 3 (RGB)", out->channels);
    gng_inspection inspection;
    GNG_TRY(gng_image_inspect(bytes, count, &inspection));
    if (out->height != inspection.height || out->width != inspection.width)
        return gng_error_set(GNG_STATUS_SHAPE, "the picture has %d x %d pixels, the buffer for it %d x %d; inspect the same "
                             "bytes first", inspection.height, inspection.width, out->height, out->width);
    /* PNG: as stored, to see the alpha. The spare byte of a BMP pixel is no alpha, and where it is one the inspector has
     * seen that it is opaque. Colour conversion of JPEG is vectorised for four channels only (the same values). */
    const int wanted = inspection.format == GNG_FORMAT_PNG   ? 0
                       : inspection.format == GNG_FORMAT_BMP ? 3
                                                             : (inspection.channels == 3 ? 4 : 1);
    int height = 0, width = 0, channels = 0;
    memory = (decoder_memory){.budget = honest_bytes(&inspection)};
    const uint8_t *pixels =
        stbi_load_from_memory(bytes, (int)inspection.picture_bytes, &width, &height, &channels, wanted);
    const gng_status status = finish(&inspection, pixels, height, width, wanted != 0 ? wanted : channels, out);
    memory_give_all();
    return status;
}

bool gng_image_is_grey(gng_image_view image)
{
    if (image.channels == 1)
        return true;
    for (int32_t y = 0; y < image.height; ++y) {
        const uint8_t *row = image.pixels + (size_t)y * (size_t)image.width * 3;
        unsigned differences = 0;
        for (int32_t x = 0; x < image.width; ++x)
            differences |= (unsigned)(row[3 * x] ^ row[3 * x + 1]) | (unsigned)(row[3 * x] ^ row[3 * x + 2]);
        if (differences != 0)
            return false;
    }
    return true;
}
