/* Initial parameters. Every tensor has a key of its own, made from the seed and the position of its layer. */
#include "nn/initialise.h"

#include <math.h>
#include <string.h>

static const char *const words[] = {"glorot_uniform", "glorot_normal", "he_uniform", "he_normal"};

gng_status gng_initialiser_from_name(const char *name, gng_initialiser *out)
{
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
        if (name != NULL && strcmp(words[i], name) == 0) {
            *out = (gng_initialiser)i;
            return GNG_OK;
        }
    return gng_error_set(GNG_STATUS_ARGUMENT, "initialiser: found '%.64s', expected one of: %s, %s, %s, %s", name != NULL ? name : "", words[0], words[1], words[2],
                         words[3]);
}

/* Standard deviation of a standard normal variate truncated at two sigma: what is cut off is made up for, as Keras does. */
#define TRUNCATED_DEVIATION 0.87962566103423978

static double truncated_normal(gng_rng *rng)
{
    double value;
    do
        value = gng_rng_normal(rng);
    while (fabs(value) > 2);
    return value;
}

static void draw_weights(const gng_parameter *parameter, gng_initialiser initialiser, uint64_t seed, float *weights)
{
    const gng_rng_key key = {.seed = seed, .stream = GNG_STREAM_INITIALISATION, .layer = (uint32_t)parameter->layer};
    gng_rng rng = gng_rng_create(&key);
    const bool he = initialiser == GNG_INITIALISER_HE_UNIFORM || initialiser == GNG_INITIALISER_HE_NORMAL;
    const bool normal = initialiser == GNG_INITIALISER_GLOROT_NORMAL || initialiser == GNG_INITIALISER_HE_NORMAL;
    /* 2 / fan_in or 2 / (fan_in + fan_out); uniform on (-a, a) has the variance a^2 / 3. */
    const double variance = 2 / (he ? (double)parameter->fan_in : (double)parameter->fan_in + parameter->fan_out);
    const double scale = normal ? sqrt(variance) / TRUNCATED_DEVIATION : sqrt(3 * variance);
    for (size_t i = 0; i < parameter->count; i++)
        weights[i] = (float)(scale * (normal ? truncated_normal(&rng) : 2 * gng_rng_uniform(&rng) - 1));
}

static void fill(float *values, size_t count, float value)
{
    for (size_t i = 0; i < count; i++)
        values[i] = value;
}

void gng_graph_initialise(const gng_graph *graph, gng_initialiser initialiser, uint64_t seed, float *parameters, float *states)
{
    for (int32_t i = 0; i < graph->parameter_count; i++) {
        const gng_parameter *parameter = &graph->parameters[i];
        if (parameter->fan_in > 0)
            draw_weights(parameter, initialiser, seed, parameters + parameter->offset);
        else
            fill(parameters + parameter->offset, parameter->count, strstr(parameter->name, ".gamma") != NULL ? 1.0F : 0.0F);
    }
    for (int32_t i = 0; i < graph->state_count; i++)
        fill(states + graph->states[i].offset, graph->states[i].count, strstr(graph->states[i].name, ".variance") != NULL ? 1.0F : 0.0F);
}
