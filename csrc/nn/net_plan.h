/* The plan of a net, shared by the files net*.c and by nobody else. */
#ifndef GNG_NN_NET_PLAN_H
#define GNG_NN_NET_PLAN_H

#include "nn/choice.h"
#include "nn/net.h"

typedef enum net_unit_kind {
    NET_UNIT_INPUT,      /* the picture itself: filled by the caller */
    NET_UNIT_LANE,       /* one picture at a time */
    NET_UNIT_DENSE,      /* blocks of columns over the rows of a group */
    NET_UNIT_BATCH_NORM  /* training: applied after the lanes' statistics were merged */
} net_unit_kind;

/* One planned operation and its output edge. */
typedef struct net_unit {
    net_unit_kind kind;
    int32_t first_layer, last_layer; /* of the chain; a change of layout borrows the layer that follows */
    int32_t inputs[GNG_LAYER_INPUTS_MAX];
    int32_t input_count;
    bool accumulates[GNG_LAYER_INPUTS_MAX]; /* backward: another consumer has written that gradient before */
    int32_t segment;
    const gng_operation_table *table;
    gng_operation *operation;
    gng_operation_memory memory;
    char description[3 * GNG_NAME_BYTES + 64];

    const gng_parameter *weight, *bias;           /* gamma and beta of batch normalisation; NULL: none */
    const gng_parameter *mean_state, *variance_state;
    size_t packed_offset;
    size_t lane_gradient_offset;                  /* [GNG_LANES][memory.gradient_floats] */
    size_t sum_offset;                            /* [memory.gradient_floats] */
    size_t saved_offset, saved_stride;            /* [group][saved_stride] bytes */
    size_t statistics_offset;                     /* doubles: mean, variance [channels] each, sums [2, channels] */
    size_t lane_statistics_offset;                /* doubles: [GNG_LANES][3, channels] */

    gng_tensor_shape shape;                       /* of the output edge */
    size_t stored;                                /* floats from one picture of the edge to the next */
    int32_t consumers, last_consumer;
    bool value_grouped, gradient_grouped;         /* [group][stored] in the arena, or one slot per worker */
    size_t value_offset, gradient_offset;         /* bytes, in the arena or in a worker's block */
    bool gradient_wanted;
} net_unit;

typedef struct net_segment {
    int32_t first, last; /* units */
    bool dense;
    bool serial;           /* too little work to be worth waking a thread */
    bool reduce_per_group; /* its lane gradients share their memory with other segments' */
} net_segment;

struct gng_net {
    const gng_graph *graph;
    gng_net_options options;
    uint32_t group;         /* pictures */
    uint32_t lanes;         /* of a group: GNG_LANES in training, one picture each in inference */
    net_unit *units;
    int32_t unit_count;
    net_segment *segments;
    int32_t segment_count;
    bool lane_gradients_dirty; /* a failed run left sums behind */

    gng_arena arena;
    size_t parameters_offset, gradients_offset, states_offset, losses_offset, correct_offset;
    size_t batch_norm_pack_offset; /* floats: beta, mean, variance of the unit being packed, by worker */
    size_t batch_norm_pack_floats;
    size_t dense_temporary_offset; /* [group][widest] for a second gradient of a dense layer's input */
    size_t workers_offset, worker_bytes;
    size_t worker_scratch_offset;   /* inside a worker's block */
    size_t worker_temporary_offset; /* [GNG_LAYER_INPUTS_MAX][temporary_bytes]: second gradients of edges with several readers */
    size_t temporary_bytes;
    size_t lane_gradients_offset, lane_gradients_bytes;
};

/* Backward of batch normalisation belongs to the segment before its own: its statistics are complete only there. */
static inline int32_t net_backward_segment(const net_unit *unit)
{
    return unit->kind == NET_UNIT_BATCH_NORM ? unit->segment - 1 : unit->segment;
}

static inline void *net_worker_block(const gng_net *net, int worker)
{
    return (unsigned char *)gng_arena_at(&net->arena, net->workers_offset) + (size_t)worker * net->worker_bytes;
}

/* Value and gradient of an edge for the picture in slot `slot` of the group. */
static inline float *net_value(const gng_net *net, int32_t unit, uint32_t slot, int worker)
{
    const net_unit *edge = &net->units[unit];
    if (edge->value_grouped)
        return (float *)gng_arena_at(&net->arena, edge->value_offset) + (size_t)slot * edge->stored;
    return (float *)(void *)((unsigned char *)net_worker_block(net, worker) + edge->value_offset);
}

static inline float *net_gradient(const gng_net *net, int32_t unit, uint32_t slot, int worker)
{
    const net_unit *edge = &net->units[unit];
    if (edge->gradient_grouped)
        return (float *)gng_arena_at(&net->arena, edge->gradient_offset) + (size_t)slot * edge->stored;
    return (float *)(void *)((unsigned char *)net_worker_block(net, worker) + edge->gradient_offset);
}

static inline float *net_lane_gradient(const gng_net *net, const net_unit *unit, uint32_t lane)
{
    return (float *)gng_arena_at(&net->arena, unit->lane_gradient_offset) + (size_t)lane * unit->memory.gradient_floats;
}

static inline void *net_saved(const gng_net *net, const net_unit *unit, uint32_t slot)
{
    return (unsigned char *)gng_arena_at(&net->arena, unit->saved_offset) + (size_t)slot * unit->saved_stride;
}

static inline void *net_scratch(const gng_net *net, int worker)
{
    return (unsigned char *)net_worker_block(net, worker) + net->worker_scratch_offset;
}

/* Statistics of a batch normalisation in training. */
static inline double *net_mean(const gng_net *net, const net_unit *unit)
{
    return gng_arena_at(&net->arena, unit->statistics_offset);
}

static inline double *net_variance(const gng_net *net, const net_unit *unit)
{
    return net_mean(net, unit) + unit->shape.channels;
}

static inline double *net_gradient_sums(const gng_net *net, const net_unit *unit)
{
    return net_mean(net, unit) + 2 * (size_t)unit->shape.channels;
}

static inline double *net_lane_statistics(const gng_net *net, const net_unit *unit, uint32_t lane, size_t values)
{
    return (double *)gng_arena_at(&net->arena, unit->lane_statistics_offset) + (size_t)lane * values * (size_t)unit->shape.channels;
}

/* One run over a group, as the tasks see it. */
typedef struct net_pass {
    gng_net *net;
    gng_context *context;
    const gng_net_run *run;
    const gng_net_targets *targets; /* NULL in inference */
    uint32_t first;                 /* position in the run of the group's first picture */
    uint32_t count;                 /* pictures in the group */
    int32_t segment;
} net_pass;

/* Slots of a lane in the group: first to last - 1, fewer or none in a short group. */
typedef struct net_slots {
    uint32_t first, last;
} net_slots;

static inline net_slots net_lane_slots(const net_pass *pass, size_t lane)
{
    const uint32_t pictures = pass->net->group / pass->net->lanes, wanted = (uint32_t)lane * pictures;
    const uint32_t first = wanted < pass->count ? wanted : pass->count;
    return (net_slots){first, first + pictures < pass->count ? first + pictures : pass->count};
}

/* The key of dropout for the picture in a slot; forward and backward draw the same mask. */
static inline gng_rng_key net_dropout_key(const net_pass *pass, const net_unit *unit, uint32_t slot)
{
    const gng_net_targets *targets = pass->targets;
    const uint32_t position = pass->first + slot;
    return (gng_rng_key){
        .seed = targets->seed,
        .stream = GNG_STREAM_DROPOUT,
        .epoch = targets->epoch,
        .occurrence = targets->occurrences != NULL ? targets->occurrences[position] : 0,
        .layer = (uint32_t)unit->first_layer,
        .sample = targets->keys[position],
    };
}

/* net_units.c: layers -> units (operations planned), edges and segments. */
GNG_MUST_CHECK gng_status gng_net_plan_units(gng_net *net);
void gng_net_plan_segments(gng_net *net);
/* net_memory.c: where everything lies; creates the arena. */
GNG_MUST_CHECK gng_status gng_net_plan_memory(gng_net *net);
/* net_forward.c: tasks of a segment, on the calling thread alone when there is too little work to wake another. */
GNG_MUST_CHECK gng_status gng_net_run_tasks(const net_pass *pass, bool serial, size_t count, gng_task task, void *argument);
/* net_forward.c, net_backward.c: one group. */
GNG_MUST_CHECK gng_status gng_net_forward_group(net_pass *pass);
GNG_MUST_CHECK gng_status gng_net_backward_group(net_pass *pass);
/* net_backward.c: lanes -> flat gradient block, after the last group. */
GNG_MUST_CHECK gng_status gng_net_reduce(net_pass *pass);

#endif
