/* A planned net: graph + batch size + threads -> one arena, ready to run without another allocation.
 *
 * A batch runs in groups of `gng_net_group` consecutive pictures. A group has GNG_LANES lanes of equally many pictures,
 * assigned by index. The plan is a list of segments: inside a lane segment a worker takes a lane through all operations
 * without a barrier; a dense segment is one dense layer worked on in fixed blocks of columns over the rows of the group.
 * Each lane sums its own gradient over the groups; at the end lanes are added in a fixed tree. Nothing depends on which
 * thread ran a lane, so the bits are the same for any number of threads.
 */
#ifndef GNG_NN_NET_H
#define GNG_NN_NET_H

#include "base/parallel.h"
#include "nn/batch_norm.h"
#include "nn/graph.h"

typedef struct gng_net gng_net;

typedef struct gng_net_options {
    uint32_t batch; /* most pictures of one run, >= 1 */
    int threads;    /* most workers of one run, >= 1 */
    bool training;  /* false: no gradients, batch normalisation by running statistics, dropout is the identity */
} gng_net_options;

/* Plans and allocates. The graph is borrowed and must outlive the net. parameters, gradients and states start as zeros.
 * MEMORY, ENGINE, TOO_LARGE. Caller destroys. */
GNG_MUST_CHECK gng_status gng_net_create(const gng_graph *graph, const gng_net_options *options, gng_net **out);
void gng_net_destroy(gng_net *net);

/* Flat blocks of the net, laid out as graph->parameters and graph->states say. Owned by the net. */
float *gng_net_parameters(gng_net *net);
float *gng_net_gradients(gng_net *net); /* NULL without training */
float *gng_net_states(gng_net *net);

uint32_t gng_net_group(const gng_net *net);
size_t gng_net_arena_bytes(const gng_net *net);
/* Engine and layers of operation i ("dnnl conv_relu: conv_1, conv_1_relu"), NULL past the end. Static for the net's life. */
const char *gng_net_describe(const gng_net *net, int32_t i);

/* Writes the input of picture `position` of the run (0 to count - 1): float32, CHW. Called from workers. */
typedef gng_status (*gng_net_fill)(void *argument, uint32_t position, int worker, float *out);

typedef struct gng_net_run {
    uint32_t count; /* 1 to options.batch */
    gng_net_fill fill;
    void *argument;
    float *features; /* inference: written, [count, gng_graph_features]; NULL: not wanted */
} gng_net_run;

typedef struct gng_net_targets {
    const uint32_t *samples;     /* [count]: row of targets and weights */
    const uint32_t *keys;        /* [count], the sample in the key of dropout */
    const uint32_t *occurrences; /* [count], part of that key; NULL: 0 */
    const float *targets;        /* [.., outputs] */
    const float *weights;        /* [..]; NULL: 1 */
    uint64_t seed;               /* of dropout */
    uint32_t epoch;              /* of dropout */
} gng_net_targets;

typedef struct gng_net_score {
    double loss;      /* sum of weighted losses / count, without L2 */
    uint32_t correct; /* pictures whose most probable class is the target's */
} gng_net_score;

/* Brings the weights into the engine's layout: after every change of parameters or states, before a run. */
GNG_MUST_CHECK gng_status gng_net_pack(gng_net *net, gng_context *context);

/* Forward, loss, backward: gradients of `loss` are written to the flat block, running statistics are updated. STATE
 * without training. After a failure (CANCELLED included) parameters and running statistics are as before. */
GNG_MUST_CHECK gng_status gng_net_train(gng_net *net, gng_context *context, const gng_net_run *run,
                                        const gng_net_targets *targets, gng_net_score *score);

/* Forward: logits[count, outputs]. A picture's logits and features never depend on the other pictures of the run. STATE
 * for a training net, and where features are wanted of a net whose last layer is not dense. */
GNG_MUST_CHECK gng_status gng_net_infer(gng_net *net, gng_context *context, const gng_net_run *run, float *logits);

#endif
