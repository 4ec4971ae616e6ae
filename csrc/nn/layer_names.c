/* Words for the kinds of layers, activations and pooling: what model files and the Python face call them. */
#include <stdio.h>
#include <string.h>

#include "nn/graph.h"

#define WORD(name, word) word,

static const char *const layer_kind_words[GNG_LAYER_KIND_COUNT] = {GNG_LAYER_KIND_LIST(WORD)};
static const char *const activation_words[GNG_ACTIVATION_COUNT] = {GNG_ACTIVATION_LIST(WORD)};
static const char *const pool_words[GNG_POOL_COUNT] = {GNG_POOL_LIST(WORD)};

static const char *word_at(const char *const words[], unsigned count, unsigned index)
{
    return index < count ? words[index] : "unknown";
}

static gng_status word_find(const char *what, const char *const words[], unsigned count, const char *name, unsigned *out)
{
    for (unsigned i = 0; i < count; i++)
        if (name != NULL && strcmp(words[i], name) == 0) {
            *out = i;
            return GNG_OK;
        }
    char known[256] = "";
    size_t used = 0;
    for (unsigned i = 0; i < count && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", words[i]);
    return gng_error_set(GNG_STATUS_ARGUMENT, "%s: found '%.64s', expected one of: %s", what, name != NULL ? name : "", known);
}

const char *gng_layer_kind_name(gng_layer_kind kind)
{
    return word_at(layer_kind_words, GNG_LAYER_KIND_COUNT, (unsigned)kind);
}

const char *gng_activation_name(gng_activation activation)
{
    return word_at(activation_words, GNG_ACTIVATION_COUNT, (unsigned)activation);
}

const char *gng_pool_name(gng_pool_kind kind)
{
    return word_at(pool_words, GNG_POOL_COUNT, (unsigned)kind);
}

gng_status gng_layer_kind_from_name(const char *name, gng_layer_kind *out)
{
    unsigned index = 0;
    GNG_TRY(word_find("kind of layer", layer_kind_words, GNG_LAYER_KIND_COUNT, name, &index));
    *out = (gng_layer_kind)index;
    return GNG_OK;
}

gng_status gng_activation_from_name(const char *name, gng_activation *out)
{
    unsigned index = 0;
    GNG_TRY(word_find("activation", activation_words, GNG_ACTIVATION_COUNT, name, &index));
    *out = (gng_activation)index;
    return GNG_OK;
}

gng_status gng_pool_from_name(const char *name, gng_pool_kind *out)
{
    unsigned index = 0;
    GNG_TRY(word_find("kind of pooling", pool_words, GNG_POOL_COUNT, name, &index));
    *out = (gng_pool_kind)index;
    return GNG_OK;
}
