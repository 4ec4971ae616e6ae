/* Any bytes -> model file -> classifier.
 *
 * The bytes are looked at as they are, and again with their hashes put right, because nothing gets past a wrong hash. What is
 * accepted is written and read again without a difference.
 */
#define _GNU_SOURCE /* memmem */

#include <string.h>

#include "base/memory.h"
#include "deploy/classifier.h"
#include "target.h"

enum { DIGITS = 64, ELEMENTS_MAX = 100000, REPAIRS_MAX = 8 };

/* What the reader says of a wrong hash, with the right one behind it, and what stands in front of the hash in the file. */
static const struct {
    const char *said, *in_front;
} hashes[] = {
    {"the bytes give ", "\"file_sha256\":\""},
    {"spec and tensors give ", "\"model_sha256\":\""},
    {"is not theirs, expected {\"input_sha256\":\"", "{\\\"input_sha256\\\":\\\""},
};

static gng_status parse(const uint8_t *bytes, size_t count, gng_model **out)
{
    const uint64_t live = gng_memory_live_count();
    *out = NULL;
    const gng_status status = gng_model_parse(bytes, count, out);
    REQUIRE((status == GNG_OK) == (*out != NULL));
    if (status != GNG_OK)
        REQUIRE(gng_memory_live_count() == live && *gng_error_detail() != '\0' && strchr(gng_error_detail(), '\n') == NULL);
    return status;
}

static uint8_t *serialise(const gng_model *model, size_t *count)
{
    REQUIRE(gng_model_serialise(model, NULL, count) == GNG_OK);
    uint8_t *bytes = malloc(*count);
    REQUIRE(bytes != NULL && gng_model_serialise(model, bytes, count) == GNG_OK);
    return bytes;
}

/* Nets that a fuzzer can afford to plan. */
static bool is_small(const gng_graph *graph)
{
    size_t elements = graph->parameter_floats;
    for (int32_t i = 0; i < graph->layer_count && elements <= ELEMENTS_MAX; i++)
        elements += gng_tensor_elements(graph->shapes[i]);
    return elements <= ELEMENTS_MAX;
}

static void classify(const gng_model *model)
{
    gng_classifier *classifier = NULL;
    const uint64_t live = gng_memory_live_count();
    if (gng_classifier_create(model, 1, 1, &classifier) == GNG_OK) {
        double difference = -1;
        REQUIRE(gng_classifier_self_test(classifier, NULL, &difference) == GNG_OK && difference >= 0);
        gng_classifier_destroy(classifier);
    }
    REQUIRE(gng_memory_live_count() == live);
}

static gng_status examine(const uint8_t *bytes, size_t count)
{
    gng_model *model, *again;
    const gng_status status = parse(bytes, count, &model);
    if (status != GNG_OK)
        return status;
    size_t written_count, rewritten_count;
    uint8_t *written = serialise(model, &written_count);
    REQUIRE(parse(written, written_count, &again) == GNG_OK);
    uint8_t *rewritten = serialise(again, &rewritten_count);
    REQUIRE(written_count == rewritten_count && memcmp(written, rewritten, written_count) == 0);
    REQUIRE(strcmp(model->model_sha256, again->model_sha256) == 0);
    if (is_small(model->graph))
        classify(model);
    free(rewritten);
    free(written);
    gng_model_destroy(again);
    gng_model_destroy(model);
    return GNG_OK;
}

/* Puts the hash right that the last failure was about; false when it was about something else. */
static bool repair(uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
        const char *said = strstr(gng_error_detail(), hashes[i].said);
        const size_t length = strlen(hashes[i].in_front);
        uint8_t *at = said == NULL ? NULL : memmem(bytes, count, hashes[i].in_front, length);
        if (at == NULL || (size_t)(bytes + count - at) < length + DIGITS)
            continue;
        memcpy(at + length, said + strlen(hashes[i].said), DIGITS);
        return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    poison_memory((poison)(count % POISON_COUNT));
    if (examine(bytes, count) == GNG_OK)
        return 0;
    uint8_t *repaired = malloc(count > 0 ? count : 1);
    REQUIRE(repaired != NULL);
    memcpy(repaired, bytes, count);
    for (int i = 0; i < REPAIRS_MAX && repair(repaired, count); i++)
        if (examine(repaired, count) == GNG_OK)
            break;
    free(repaired);
    return 0;
}
