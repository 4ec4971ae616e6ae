/* The shape rule of a single layer, for the graph, the reference engine and the gradient check. */
#ifndef GNG_NN_GRAPH_SHAPES_H
#define GNG_NN_GRAPH_SHAPES_H

#include "nn/graph.h"

/* Checks the layer's fields against the shapes of its inputs (shapes[layer->input_count], any block) and gives the shape of
 * its output (block 1). SHAPE, ARGUMENT or TOO_LARGE with the layer's name, what was found, what was expected and what to
 * do. Not for INPUT. Any thread. */
GNG_MUST_CHECK gng_status gng_layer_output_shape(const gng_layer *layer, const gng_tensor_shape *shapes, gng_tensor_shape *out);

/* Multiply-adds of one forward pass: those of convolutions and dense layers. The layer and its shapes were checked. */
uint64_t gng_layer_multiply_adds(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape output);

/* Shapes of the layer's trainable tensors (weight, bias or gamma, beta), given the checked shape of its input. Returns how
 * many there are: 0 to GNG_LAYER_PARAMETERS_MAX. name, rank, shape, count, fan_in, fan_out and l2 are filled; `name` is
 * the part behind the dot. */
int32_t gng_layer_parameters(const gng_layer *layer, gng_tensor_shape input, gng_parameter out[GNG_LAYER_PARAMETERS_MAX]);

#endif
