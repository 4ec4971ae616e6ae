/* Any bytes -> inspector -> decoder.
 *
 * Only what the inspector lets pass is decoded; pixels do not depend on what memory held before; after a failure they are
 * untouched and nothing is left allocated. PNG files are looked at as they are and again with their checksums put right.
 */
#include <string.h>

#include "image/decode.h"
#include "image/inspect_formats.h"
#include "target.h"

enum { PIXELS_MAX = 1 << 20 }; /* a fuzzer gains nothing from larger ones */

static const int32_t bit_depths[] = {16, 12, 10};

static void check_inspection(const gng_inspection *found, gng_status status, size_t count)
{
    const char *verdict = gng_inspection_verdict(found);
    REQUIRE((status == GNG_OK) == (found->fault == GNG_FAULT_NONE));
    REQUIRE(found->fault < GNG_FAULT_COUNT && found->doubt < GNG_DOUBT_COUNT && found->offset <= count);
    if (status != GNG_OK) {
        REQUIRE(found->doubt == GNG_DOUBT_NONE && strcmp(verdict, gng_fault_word(found->fault)) == 0);
        REQUIRE(*gng_error_detail() != '\0' && strchr(gng_error_detail(), '\n') == NULL);
        return;
    }
    REQUIRE(strcmp(verdict, found->doubt == GNG_DOUBT_NONE ? "ok" : "unproven") == 0);
    REQUIRE(found->height >= 1 && found->height <= GNG_IMAGE_SIDE_MAX && found->width >= 1 && found->width <= GNG_IMAGE_SIDE_MAX);
    REQUIRE((int64_t)found->height * found->width <= GNG_IMAGE_PIXELS_MAX && (found->channels == 1 || found->channels == 3));
    REQUIRE(found->picture_bytes > 0 && found->picture_bytes <= count);
}

/* Into pixels[size], filled with `with` before. */
static gng_status decode(const uint8_t *bytes, size_t count, int32_t bit_depth, const gng_inspection *inspection, poison with,
                         const gng_image *out, size_t size)
{
    gng_inspection own = *inspection;
    uint8_t *before = malloc(size);
    REQUIRE(before != NULL);
    poison_fill(with, before, size);
    memcpy(out->pixels, before, size);
    const uint64_t live = gng_memory_live_count();
    poison_memory(with);
    const gng_status status = gng_image_decode(bytes, count, bit_depth, &own, out);
    REQUIRE(gng_memory_live_count() == live);
    if (status != GNG_OK)
        REQUIRE(memcmp(out->pixels, before, size) == 0);
    if (status == GNG_STATUS_FORMAT || status == GNG_STATUS_TRUNCATED || status == GNG_STATUS_UNSUPPORTED)
        REQUIRE(inspection->fault != GNG_FAULT_NONE || own.fault != GNG_FAULT_NONE);
    free(before);
    return status;
}

static void examine(const uint8_t *bytes, size_t count)
{
    gng_inspection found;
    const gng_status inspected = gng_image_inspect(bytes, count, &found);
    check_inspection(&found, inspected, count);
    if ((int64_t)found.height * found.width > PIXELS_MAX)
        return;
    /* A refused picture is not decoded, whoever asks. */
    const int32_t channels = count % 2 == 0 ? 1 : 3, bit_depth = bit_depths[count / 2 % 3];
    const size_t sides = inspected == GNG_OK ? (size_t)found.height * (size_t)found.width : 1;
    const size_t size = sides * (size_t)channels;
    uint8_t *pixels = malloc(size), *first = malloc(size);
    REQUIRE(pixels != NULL && first != NULL);
    const gng_image out = {.pixels = pixels, .height = found.height, .width = found.width, .channels = channels};
    gng_status said = GNG_OK;
    for (int with = 0; with < POISON_COUNT; with++) {
        const gng_status status = decode(bytes, count, bit_depth, &found, (poison)with, &out, size);
        REQUIRE(inspected == GNG_OK || status == GNG_STATUS_ARGUMENT);
        if (inspected != GNG_OK)
            break;
        if (with == 0) {
            said = status;
            memcpy(first, pixels, size);
        }
        REQUIRE(status == said && (status != GNG_OK || memcmp(first, pixels, size) == 0));
    }
    free(first);
    free(pixels);
}

/* Puts the checksums of all PNG chunks right, because nothing gets past a wrong one. True when one was wrong. */
static bool repair_checksums(uint8_t *bytes, size_t count)
{
    bool wrong = false;
    for (size_t at = 8; count - at >= 12;) {
        const size_t length = gng_read_u32_be(bytes + at);
        if (length > count - at - 12)
            break;
        uint8_t *stored = bytes + at + 8 + length;
        const uint32_t crc = gng_crc32(bytes + at + 4, length + 4);
        wrong = wrong || gng_read_u32_be(stored) != crc;
        for (int i = 0; i < 4; i++)
            stored[i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + length;
    }
    return wrong;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    examine(bytes, count);
    if (count < 20 || memcmp(bytes, "\x89PNG", 4) != 0)
        return 0;
    uint8_t *repaired = malloc(count);
    REQUIRE(repaired != NULL);
    memcpy(repaired, bytes, count);
    if (repair_checksums(repaired, count))
        examine(repaired, count);
    free(repaired);
    return 0;
}
