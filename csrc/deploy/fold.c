/* Batch normalisation folded into the convolution or dense layer before it: exact algebra, done once, in double.
 *
 *     gamma (W x + b - mean) / sqrt(variance + epsilon) + beta = (s W) x + s (b - mean) + beta,  s = gamma / sqrt(variance + epsilon)
 */
#include <math.h>
#include <string.h>

#include "deploy/classifier.h"

/* For each layer: the batch normalisation that is folded into it, -1: none; and its index in the folded graph (of a folded batch
 * normalisation: that of the layer before it). */
typedef struct fold_plan {
    int32_t *partner;
    int32_t *index;
} fold_plan;

/* What reads layer `layer` if that is one layer with one input, -1 otherwise. */
static int32_t only_reader(const gng_graph *graph, int32_t layer)
{
    int32_t reader = -1;
    for (int32_t i = layer + 1; i < graph->layer_count; i++)
        for (int32_t k = 0; k < graph->layers[i].input_count; k++)
            if (graph->layers[i].inputs[k] == layer) {
                if (reader >= 0)
                    return -1;
                reader = i;
            }
    return reader;
}

/* Layers of the folded graph, written to layers[graph->layer_count]; returns their number. */
static int32_t plan_fold(const gng_graph *graph, const fold_plan *plan, gng_layer *layers)
{
    int32_t count = 0;
    for (int32_t i = 0; i < graph->layer_count; i++)
        plan->partner[i] = -1;
    for (int32_t i = 0; i < graph->layer_count; i++) {
        const gng_layer *layer = &graph->layers[i];
        if (layer->kind == GNG_LAYER_BATCH_NORM && plan->partner[layer->inputs[0]] == i) {
            plan->index[i] = plan->index[layer->inputs[0]];
            continue;
        }
        gng_layer *out = &layers[count];
        *out = *layer;
        for (int32_t k = 0; k < layer->input_count; k++)
            out->inputs[k] = plan->index[layer->inputs[k]];
        plan->index[i] = count++;
        if (layer->kind != GNG_LAYER_CONV && layer->kind != GNG_LAYER_DENSE)
            continue;
        const int32_t reader = only_reader(graph, i);
        if (reader < 0 || graph->layers[reader].kind != GNG_LAYER_BATCH_NORM)
            continue;
        plan->partner[i] = reader;
        if (layer->kind == GNG_LAYER_CONV)
            out->as.conv.bias = true;
        else
            out->as.dense.bias = true;
    }
    return count;
}

/* The n-th tensor of a layer, NULL when it has fewer. */
static const gng_parameter *tensor_of(const gng_parameter *tensors, int32_t count, int32_t layer, int n)
{
    for (int32_t i = 0; i < count; i++)
        if (tensors[i].layer == layer && n-- == 0)
            return &tensors[i];
    return NULL;
}

/* weight [outputs, ..] and bias [outputs] of layer `layer` with the batch normalisation `norm` in them. */
static gng_status fold_tensors(const gng_graph *graph, int32_t layer, int32_t norm, const float *parameters, const float *states, float *weight,
                               float *bias)
{
    const gng_parameter *in_weight = tensor_of(graph->parameters, graph->parameter_count, layer, 0);
    const gng_parameter *in_bias = tensor_of(graph->parameters, graph->parameter_count, layer, 1);
    const float *gamma = parameters + tensor_of(graph->parameters, graph->parameter_count, norm, 0)->offset;
    const float *beta = parameters + tensor_of(graph->parameters, graph->parameter_count, norm, 1)->offset;
    const float *mean = states + tensor_of(graph->states, graph->state_count, norm, 0)->offset;
    const float *variance = states + tensor_of(graph->states, graph->state_count, norm, 1)->offset;
    const double epsilon = (double)graph->layers[norm].as.batch_norm.epsilon;
    const size_t outputs = (size_t)in_weight->shape[0], inputs = in_weight->count / outputs;
    bool finite = true;
    for (size_t k = 0; k < outputs; k++) {
        const double scale = (double)gamma[k] / sqrt((double)variance[k] + epsilon);
        const double before = in_bias != NULL ? (double)parameters[in_bias->offset + k] : 0;
        bias[k] = (float)((before - (double)mean[k]) * scale + (double)beta[k]);
        finite = finite && isfinite(bias[k]);
        for (size_t i = 0; i < inputs; i++) {
            const float folded = (float)((double)parameters[in_weight->offset + k * inputs + i] * scale);
            finite = finite && isfinite(folded);
            weight[k * inputs + i] = folded;
        }
    }
    if (!finite)
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': with batch normalisation '%s' in it, its weights are not finite; a variance is below 0 or a value huge",
                             graph->layers[layer].name, graph->layers[norm].name);
    return GNG_OK;
}

static gng_status copy_parameters(const gng_graph *graph, const fold_plan *plan, const gng_graph *folded, const float *parameters, const float *states,
                                  float *out_parameters, float *out_states)
{
    for (int32_t i = 0; i < graph->layer_count; i++) {
        if (plan->partner[i] >= 0) {
            const gng_parameter *weight = tensor_of(folded->parameters, folded->parameter_count, plan->index[i], 0);
            const gng_parameter *bias = tensor_of(folded->parameters, folded->parameter_count, plan->index[i], 1);
            GNG_TRY(fold_tensors(graph, i, plan->partner[i], parameters, states, out_parameters + weight->offset, out_parameters + bias->offset));
            continue;
        }
        if (graph->layers[i].kind == GNG_LAYER_BATCH_NORM && plan->partner[graph->layers[i].inputs[0]] == i)
            continue;
        const gng_parameter *tensor;
        for (int n = 0; (tensor = tensor_of(graph->parameters, graph->parameter_count, i, n)) != NULL; n++)
            memcpy(out_parameters + tensor_of(folded->parameters, folded->parameter_count, plan->index[i], n)->offset, parameters + tensor->offset,
                   tensor->count * sizeof *parameters);
        for (int n = 0; (tensor = tensor_of(graph->states, graph->state_count, i, n)) != NULL; n++)
            memcpy(out_states + tensor_of(folded->states, folded->state_count, plan->index[i], n)->offset, states + tensor->offset,
                   tensor->count * sizeof *states);
    }
    return GNG_OK;
}

gng_status gng_graph_fold(const gng_graph *graph, const float *parameters, const float *states, gng_graph **out, float **out_parameters,
                          float **out_states)
{
    const size_t count = (size_t)graph->layer_count;
    gng_layer *layers = gng_memory_allocate_array(count, sizeof *layers);
    int32_t *numbers = gng_memory_allocate_array(2 * count, sizeof *numbers);
    gng_graph *folded = NULL;
    float *new_parameters = NULL, *new_states = NULL;
    gng_status status = GNG_OK;
    if (layers == NULL || numbers == NULL)
        status = gng_error_set(GNG_STATUS_MEMORY, "folding a graph of %zu layers", count);
    const fold_plan plan = {.partner = numbers, .index = numbers != NULL ? numbers + count : NULL};
    if (status == GNG_OK)
        status = gng_graph_create(layers, plan_fold(graph, &plan, layers), graph->shapes[0], &folded);
    if (status == GNG_OK) {
        new_parameters = gng_memory_allocate_array(folded->parameter_floats, sizeof *new_parameters);
        new_states = gng_memory_allocate_array(folded->state_floats, sizeof *new_states);
        if (new_parameters == NULL || new_states == NULL)
            status = gng_error_set(GNG_STATUS_MEMORY, "folding %zu parameters", folded->parameter_floats);
    }
    if (status == GNG_OK)
        status = copy_parameters(graph, &plan, folded, parameters, states, new_parameters, new_states);
    gng_memory_release(layers);
    gng_memory_release(numbers);
    if (status != GNG_OK) {
        gng_graph_destroy(folded);
        gng_memory_release(new_parameters);
        gng_memory_release(new_states);
        return status;
    }
    *out = folded;
    *out_parameters = new_parameters;
    *out_states = new_states;
    return GNG_OK;
}
