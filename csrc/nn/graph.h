/* A network as data: named layers in topological order, their shapes, and where their parameters lie.
 *
 * Knows shapes and names only; nothing here computes. A graph is immutable after creation.
 */
#ifndef GNG_NN_GRAPH_H
#define GNG_NN_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/tensor.h"

enum {
    GNG_NAME_BYTES = 64,          /* of a layer, terminator included */
    GNG_LAYERS_MAX = 1024,
    GNG_LAYER_INPUTS_MAX = 2,
    GNG_LAYER_PARAMETERS_MAX = 2, /* weight and bias, or gamma and beta */
    GNG_FEATURES_MAX = 1 << 27    /* elements of one tensor of one picture */
};

/* Append only: names are stored in model files. X(name, word) */
#define GNG_LAYER_KIND_LIST(X)       \
    X(INPUT, "input")                \
    X(CONV, "conv")                  \
    X(DENSE, "dense")                \
    X(ACTIVATION, "activation")      \
    X(POOL, "pool")                  \
    X(FLATTEN, "flatten")            \
    X(DROPOUT, "dropout")            \
    X(BATCH_NORM, "batch_norm")      \
    X(ADD, "add")

typedef enum gng_layer_kind {
#define GNG_LAYER_KIND_ENUM(name, word) GNG_LAYER_##name,
    GNG_LAYER_KIND_LIST(GNG_LAYER_KIND_ENUM)
#undef GNG_LAYER_KIND_ENUM
        GNG_LAYER_KIND_COUNT
} gng_layer_kind;

#define GNG_ACTIVATION_LIST(X)   \
    X(RELU, "relu")              \
    X(LEAKY_RELU, "leaky_relu")  \
    X(ELU, "elu")                \
    X(GELU, "gelu")              \
    X(TANH, "tanh")              \
    X(SIGMOID, "sigmoid")

typedef enum gng_activation {
#define GNG_ACTIVATION_ENUM(name, word) GNG_ACTIVATION_##name,
    GNG_ACTIVATION_LIST(GNG_ACTIVATION_ENUM)
#undef GNG_ACTIVATION_ENUM
        GNG_ACTIVATION_COUNT
} gng_activation;

#define GNG_POOL_LIST(X)                 \
    X(MAX, "max")                        \
    X(AVERAGE, "average")                \
    X(GLOBAL_MAX, "global_max")          \
    X(GLOBAL_AVERAGE, "global_average")

typedef enum gng_pool_kind {
#define GNG_POOL_ENUM(name, word) GNG_POOL_##name,
    GNG_POOL_LIST(GNG_POOL_ENUM)
#undef GNG_POOL_ENUM
        GNG_POOL_COUNT
} gng_pool_kind;

const char *gng_layer_kind_name(gng_layer_kind kind);
const char *gng_activation_name(gng_activation activation);
const char *gng_pool_name(gng_pool_kind kind);
/* ARGUMENT, with the known names in the detail, for an unknown one. */
GNG_MUST_CHECK gng_status gng_layer_kind_from_name(const char *name, gng_layer_kind *out);
GNG_MUST_CHECK gng_status gng_activation_from_name(const char *name, gng_activation *out);
GNG_MUST_CHECK gng_status gng_pool_from_name(const char *name, gng_pool_kind *out);

/* Sliding window of a convolution or pooling; index 0 is height, 1 is width. */
typedef struct gng_window {
    int32_t kernel[2];   /* >= 1 */
    int32_t stride[2];   /* >= 1 */
    int32_t padding[4];  /* top, bottom, left, right; >= 0, each < dilated kernel; zeros (excluded from averages) */
    int32_t dilation[2]; /* >= 1; 1 for pooling */
} gng_window;

/* One layer. Plain data: copying copies it all. Only the member of `as` that belongs to `kind` means anything. */
typedef struct gng_layer {
    char name[GNG_NAME_BYTES]; /* letters, digits, '_', '-'; unique */
    gng_layer_kind kind;
    int32_t input_count;
    int32_t inputs[GNG_LAYER_INPUTS_MAX]; /* indices of earlier layers */
    union {
        struct {
            int32_t filters;
            int32_t groups; /* divides channels and filters */
            gng_window window;
            bool bias;
            float l2; /* adds l2 * sum(weight^2) to the loss; >= 0 */
        } conv; /* weight [filters, channels / groups, R, S], bias [filters] */
        struct {
            int32_t units;
            bool bias;
            float l2;
        } dense; /* input must be a row of features; weight [units, features], bias [units] */
        struct {
            gng_activation function;
            float slope; /* leaky_relu: slope below 0 (0 to 1); elu: alpha (> 0); else unused */
        } activation;
        struct {
            gng_pool_kind kind;
            gng_window window; /* unused by the global kinds, whose output is channels x 1 x 1 */
        } pool;
        struct {
            float rate; /* share of activations set to zero in training, the rest scaled by 1 / (1 - rate); in [0, 1) */
        } dropout;
        struct {
            float momentum; /* running = momentum * running + (1 - momentum) * batch (variance biased, as Keras) */
            float epsilon;  /* > 0 */
        } batch_norm; /* gamma [channels], beta [channels]; state: mean [channels], variance [channels] */
    } as;
} gng_layer;

/* One named tensor inside a flat float32 block. */
typedef struct gng_parameter {
    char name[GNG_NAME_BYTES + 16]; /* "conv_1.weight" */
    int32_t layer;
    int32_t rank;
    int32_t shape[4]; /* plain, row-major; OIHW for convolutions */
    size_t offset;    /* in floats, from the start of the block */
    size_t count;
    int32_t fan_in;   /* for initialisation; 0 for biases, gamma, beta and state */
    int32_t fan_out;
    float l2;         /* of the weight; 0 for all others */
} gng_parameter;

typedef struct gng_graph {
    gng_layer *layers;         /* [layer_count]; layers[0] is the INPUT, the last one gives the logits */
    gng_tensor_shape *shapes;  /* [layer_count], outputs, block 1 */
    int32_t layer_count;
    gng_parameter *parameters; /* trainable, in layer order */
    int32_t parameter_count;
    size_t parameter_floats;   /* size of the flat block */
    gng_parameter *states;     /* running statistics of batch normalisation */
    int32_t state_count;
    size_t state_floats;
    uint64_t multiply_adds;    /* of one forward pass of one picture */
} gng_graph;

/* Checks the layers, infers every shape and lays out the parameters. layers[count] is copied. The last layer must give a
 * row of logits (n x 1 x 1), n >= 1, and every other layer must be used. SHAPE and ARGUMENT name the layer, what was found and what was
 * expected ("layer 'conv_2': kernel 5x5 is larger than its padded input 4x4; ..."). Caller destroys. */
GNG_MUST_CHECK gng_status gng_graph_create(const gng_layer *layers, int32_t count, gng_tensor_shape input, gng_graph **out);
void gng_graph_destroy(gng_graph *graph);

/* Output units of the last layer. */
int32_t gng_graph_outputs(const gng_graph *graph);
/* Values that the last layer reads where that is a dense one: what the net tells pictures apart by. 0 otherwise. */
int32_t gng_graph_features(const gng_graph *graph);
/* Rows of a window over an input side: floor((size + before + after - dilation * (kernel - 1) - 1) / stride) + 1; < 1: none. */
int32_t gng_window_output(int32_t size, int32_t before, int32_t after, int32_t kernel, int32_t stride, int32_t dilation);

#endif
