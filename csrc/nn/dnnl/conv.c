/* Convolution, alone or with the ReLU behind it fused, one picture at a time.
 *
 * The input arrives in the layout of whoever wrote it; the library chooses the layout of output and weights. Weights are
 * packed once per step, for the forward and for the backward pass where those differ.
 */
#include <string.h>

#include "nn/dnnl/dnnl_engine.h"
#include "nn/dnnl/primitive.h"
#include "nn/graph_shapes.h"

struct gng_operation {
    gng_primitive forward, backward_relu, backward_data, backward_weights;
    gng_primitive pack_forward, pack_data, unpack; /* pack_data: only where its layout differs from forward's */
    bool relu, bias;
    size_t filters;
    /* packed: weights of the forward pass, weights of the backward pass (the same when equal), bias */
    size_t packed_data_offset, packed_bias_offset;
    /* lane gradient, and one picture's in scratch: weights in the library's layout, bias */
    size_t weight_floats, bias_floats_offset;
    /* scratch: the library's own; in training the gradient behind the ReLU, one picture's gradient of the parameters */
    size_t scratch_relu_offset, scratch_gradient_offset;
};

/* What exists while planning only. */
typedef struct conv_plan {
    const gng_operation_request *request;
    gng_tensor_shape input, output; /* output.block is set once the library has chosen */
    dnnl_engine_t engine;
    dnnl_dims_t weight_sizes; /* [groups,] filters / groups, channels / groups, R, S */
    int weight_rank;
    dnnl_dims_t stride, dilation, before, after;
    dnnl_primitive_attr_t attributes, fused_attributes;
    dnnl_memory_desc_t source, destination, any_weight, plain_weight, bias; /* bias: NULL without */
    dnnl_primitive_desc_t forward, data, weights;
} conv_plan;

static void plan_sizes(conv_plan *plan)
{
    const gng_layer *layer = plan->request->chain[0];
    const gng_window *window = &layer->as.conv.window;
    const int32_t groups = layer->as.conv.groups;
    int rank = 0;
    if (groups > 1)
        plan->weight_sizes[rank++] = groups;
    plan->weight_sizes[rank++] = layer->as.conv.filters / groups;
    plan->weight_sizes[rank++] = plan->input.channels / groups;
    for (int side = 0; side < 2; side++) {
        plan->weight_sizes[rank++] = window->kernel[side];
        plan->stride[side] = window->stride[side];
        plan->dilation[side] = window->dilation[side] - 1; /* the library counts the gaps */
        plan->before[side] = window->padding[2 * side];
        plan->after[side] = window->padding[2 * side + 1];
    }
    plan->weight_rank = rank;
}

static gng_status plan_descriptors(conv_plan *plan)
{
    const gng_layer *layer = plan->request->chain[0];
    GNG_TRY(gng_primitive_attributes(false, &plan->attributes));
    GNG_TRY(gng_primitive_attributes(plan->request->chain_length == 2, &plan->fused_attributes));
    GNG_TRY(gng_descriptor_tagged(plan->weight_rank, plan->weight_sizes, dnnl_format_tag_any, &plan->any_weight));
    GNG_TRY(gng_descriptor_tagged(plan->weight_rank, plan->weight_sizes, plan->weight_rank == 5 ? dnnl_goihw : dnnl_oihw, &plan->plain_weight));
    return layer->as.conv.bias ? gng_descriptor_row((size_t)layer->as.conv.filters, &plan->bias) : GNG_OK;
}

static void release_choice(conv_plan *plan)
{
    if (plan->forward != NULL)
        dnnl_primitive_desc_destroy(plan->forward);
    if (plan->data != NULL)
        dnnl_primitive_desc_destroy(plan->data);
    if (plan->weights != NULL)
        dnnl_primitive_desc_destroy(plan->weights);
    if (plan->source != NULL)
        dnnl_memory_desc_destroy(plan->source);
    if (plan->destination != NULL)
        dnnl_memory_desc_destroy(plan->destination);
    plan->forward = plan->data = plan->weights = NULL;
    plan->source = plan->destination = NULL;
}

static void release_plan(conv_plan *plan)
{
    release_choice(plan);
    const dnnl_memory_desc_t descriptors[] = {plan->any_weight, plan->plain_weight, plan->bias};
    for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++)
        if (descriptors[i] != NULL)
            dnnl_memory_desc_destroy(descriptors[i]);
    if (plan->attributes != NULL)
        dnnl_primitive_attr_destroy(plan->attributes);
    if (plan->fused_attributes != NULL)
        dnnl_primitive_attr_destroy(plan->fused_attributes);
}

/* A pair of layouts to try. */
typedef struct conv_layouts {
    dnnl_format_tag_t source; /* dnnl_format_tag_undef: as it arrives */
    dnnl_format_tag_t destination;
    bool plain; /* a plain output is welcome */
} conv_layouts;

/* The three passes with one pair of layouts. UNSUPPORTED: it would be slow or cannot be described. */
static gng_status choose_with(conv_plan *plan, const conv_layouts *layouts)
{
    const bool training = plan->request->training;
    const dnnl_dims_t source = {1, plan->input.channels, plan->input.height, plan->input.width};
    const dnnl_dims_t destination = {1, plan->output.channels, plan->output.height, plan->output.width};
    if (layouts->source == dnnl_format_tag_undef)
        GNG_TRY(gng_descriptor_picture(plan->input, &plan->source));
    else
        GNG_TRY(gng_descriptor_tagged(4, source, layouts->source, &plan->source));
    GNG_TRY(gng_descriptor_tagged(4, destination, layouts->destination, &plan->destination));
    GNG_DNNL_TRY(dnnl_convolution_forward_primitive_desc_create, &plan->forward, plan->engine,
                 training ? dnnl_forward_training : dnnl_forward_inference, dnnl_convolution_direct, plan->source, plan->any_weight, plan->bias,
                 plan->destination, plan->stride, plan->dilation, plan->before, plan->after, plan->fused_attributes);
    const const_dnnl_memory_desc_t chosen = dnnl_primitive_desc_query_md(plan->forward, dnnl_query_dst_md, 0);
    GNG_TRY(gng_descriptor_block(chosen, plan->output, &plan->output.block));
    bool slow = gng_primitive_is_slow(plan->forward) || (plan->output.block == 1 && !layouts->plain);
    if (training && plan->request->input_gradient) {
        GNG_DNNL_TRY(dnnl_convolution_backward_data_primitive_desc_create, &plan->data, plan->engine, dnnl_convolution_direct, plan->source,
                     plan->any_weight, chosen, plan->stride, plan->dilation, plan->before, plan->after, plan->forward, plan->attributes);
        slow |= gng_primitive_is_slow(plan->data);
    }
    if (training) {
        GNG_DNNL_TRY(dnnl_convolution_backward_weights_primitive_desc_create, &plan->weights, plan->engine, dnnl_convolution_direct, plan->source,
                     plan->any_weight, plan->bias, chosen, plan->stride, plan->dilation, plan->before, plan->after, plan->forward, plan->attributes);
        slow |= gng_primitive_is_slow(plan->weights);
    }
    if (slow)
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "layer '%s': oneDNN has no fast convolution of this shape", plan->request->chain[0]->name);
    return GNG_OK;
}

/* What the library likes best, unless it falls back to plain matrix products: those and what follows them are slow. A
 * picture of one channel is plain and channels-last at once; for it AVX2 code exists in the second form only. */
static gng_status choose(conv_plan *plan)
{
    const conv_layouts layouts[] = {
        {dnnl_format_tag_undef, dnnl_format_tag_any, false},
        {plan->input.channels == 1 && plan->input.block == 1 ? dnnl_nhwc : dnnl_format_tag_undef, dnnl_nhwc, false},
        {dnnl_format_tag_undef, dnnl_nhwc, false},
        {dnnl_format_tag_undef, dnnl_format_tag_any, true},
        {dnnl_format_tag_undef, dnnl_nchw, true},
    };
    gng_status status = GNG_STATUS_UNSUPPORTED;
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0] && status == GNG_STATUS_UNSUPPORTED; i++) {
        release_choice(plan);
        status = choose_with(plan, &layouts[i]);
    }
    return status;
}

static gng_status create_forward(const conv_plan *plan, gng_operation *operation)
{
    const int32_t workers = plan->request->workers;
    const const_dnnl_memory_desc_t weight = dnnl_primitive_desc_query_md(plan->forward, dnnl_query_weights_md, 0);
    const gng_primitive_argument arguments[] = {
        {DNNL_ARG_SRC, plan->source},
        {DNNL_ARG_WEIGHTS, weight},
        {DNNL_ARG_DST, dnnl_primitive_desc_query_md(plan->forward, dnnl_query_dst_md, 0)},
        {DNNL_ARG_BIAS, plan->bias},
    };
    GNG_TRY(gng_primitive_create(plan->forward, arguments, operation->bias ? 4 : 3, workers, &operation->forward));
    return gng_primitive_create_reorder(plan->engine, plan->plain_weight, weight, workers, &operation->pack_forward);
}

/* The gradient behind the ReLU from the output alone: it was positive, or nothing came through. */
static gng_status create_backward_relu(const conv_plan *plan, gng_operation *operation)
{
    dnnl_memory_desc_t flat = NULL;
    dnnl_primitive_desc_t forward = NULL, backward = NULL;
    gng_status status = gng_descriptor_row(gng_tensor_stored(plan->output), &flat);
    if (status == GNG_OK)
        status = gng_engine_check(dnnl_eltwise_forward_primitive_desc_create(&forward, plan->engine, dnnl_forward_training,
                                                                             dnnl_eltwise_relu_use_dst_for_bwd, flat, flat, 0, 0, plan->attributes),
                                  "dnnl_eltwise_forward_primitive_desc_create");
    if (status == GNG_OK)
        status = gng_engine_check(dnnl_eltwise_backward_primitive_desc_create(&backward, plan->engine, dnnl_eltwise_relu_use_dst_for_bwd, flat, flat,
                                                                              flat, 0, 0, forward, plan->attributes),
                                  "dnnl_eltwise_backward_primitive_desc_create");
    if (status == GNG_OK) {
        const gng_primitive_argument arguments[] = {{DNNL_ARG_DST, flat}, {DNNL_ARG_DIFF_DST, flat}, {DNNL_ARG_DIFF_SRC, flat}};
        status = gng_primitive_create(backward, arguments, 3, plan->request->workers, &operation->backward_relu);
    }
    if (backward != NULL)
        dnnl_primitive_desc_destroy(backward);
    if (forward != NULL)
        dnnl_primitive_desc_destroy(forward);
    if (flat != NULL)
        dnnl_memory_desc_destroy(flat);
    return status;
}

static gng_status create_backward(const conv_plan *plan, gng_operation *operation)
{
    const int32_t workers = plan->request->workers;
    const const_dnnl_memory_desc_t output = dnnl_primitive_desc_query_md(plan->forward, dnnl_query_dst_md, 0);
    if (operation->relu)
        GNG_TRY(create_backward_relu(plan, operation));
    if (plan->data != NULL) {
        const const_dnnl_memory_desc_t weight = dnnl_primitive_desc_query_md(plan->data, dnnl_query_weights_md, 0);
        const gng_primitive_argument arguments[] = {{DNNL_ARG_DIFF_DST, output}, {DNNL_ARG_WEIGHTS, weight}, {DNNL_ARG_DIFF_SRC, plan->source}};
        GNG_TRY(gng_primitive_create(plan->data, arguments, 3, workers, &operation->backward_data));
        if (!dnnl_memory_desc_equal(weight, dnnl_primitive_desc_query_md(plan->forward, dnnl_query_weights_md, 0)))
            GNG_TRY(gng_primitive_create_reorder(plan->engine, plan->plain_weight, weight, workers, &operation->pack_data));
    }
    const const_dnnl_memory_desc_t gradient = dnnl_primitive_desc_query_md(plan->weights, dnnl_query_diff_weights_md, 0);
    const gng_primitive_argument arguments[] = {
        {DNNL_ARG_SRC, plan->source},
        {DNNL_ARG_DIFF_DST, output},
        {DNNL_ARG_DIFF_WEIGHTS, gradient},
        {DNNL_ARG_DIFF_BIAS, plan->bias},
    };
    GNG_TRY(gng_primitive_create(plan->weights, arguments, operation->bias ? 4 : 3, workers, &operation->backward_weights));
    return gng_primitive_create_reorder(plan->engine, gradient, plan->plain_weight, workers, &operation->unpack);
}

static void plan_memory(const conv_plan *plan, gng_operation *operation, gng_operation_memory *memory)
{
    gng_arena_layout packed = {0}, scratch = {0}, gradient = {0};
    (void)gng_arena_layout_add(&packed, dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(plan->forward, dnnl_query_weights_md, 0)), 1);
    if (operation->pack_data.handle != NULL)
        operation->packed_data_offset =
            gng_arena_layout_add(&packed, dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(plan->data, dnnl_query_weights_md, 0)), 1);
    operation->packed_bias_offset = gng_arena_layout_add(&packed, operation->bias ? operation->filters : 0, sizeof(float));

    size_t own = 0;
    const gng_primitive *primitives[] = {&operation->forward,      &operation->backward_relu, &operation->backward_data, &operation->backward_weights,
                                         &operation->pack_forward, &operation->pack_data,     &operation->unpack};
    for (size_t i = 0; i < sizeof primitives / sizeof primitives[0]; i++)
        if (primitives[i]->scratch_bytes > own)
            own = primitives[i]->scratch_bytes;
    (void)gng_arena_layout_add(&scratch, own, 1);

    *memory = (gng_operation_memory){.output = plan->output, .packed_bytes = packed.bytes};
    if (plan->request->training) {
        const const_dnnl_memory_desc_t weights = dnnl_primitive_desc_query_md(plan->weights, dnnl_query_diff_weights_md, 0);
        operation->weight_floats = dnnl_memory_desc_get_size(weights) / sizeof(float);
        (void)gng_arena_layout_add(&gradient, operation->weight_floats, sizeof(float));
        operation->bias_floats_offset = gng_arena_layout_add(&gradient, operation->bias ? operation->filters : 0, sizeof(float)) / sizeof(float);
        memory->gradient_floats = gradient.bytes / sizeof(float);
        operation->scratch_relu_offset = gng_arena_layout_add(&scratch, operation->relu ? gng_tensor_stored(plan->output) : 0, sizeof(float));
        operation->scratch_gradient_offset = gng_arena_layout_add(&scratch, gradient.bytes, 1);
    }
    memory->scratch_bytes = scratch.bytes;
}

static void conv_destroy(gng_operation *operation)
{
    if (operation == NULL)
        return;
    gng_primitive_destroy(&operation->forward);
    gng_primitive_destroy(&operation->backward_relu);
    gng_primitive_destroy(&operation->backward_data);
    gng_primitive_destroy(&operation->backward_weights);
    gng_primitive_destroy(&operation->pack_forward);
    gng_primitive_destroy(&operation->pack_data);
    gng_primitive_destroy(&operation->unpack);
    gng_memory_release(operation);
}

static gng_status create_operation(const conv_plan *plan, gng_operation **out, gng_operation_memory *memory)
{
    const gng_layer *layer = plan->request->chain[0];
    gng_operation *operation = gng_memory_allocate(sizeof *operation);
    if (operation == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "planning layer '%s'", layer->name);
    operation->relu = plan->request->chain_length == 2;
    operation->bias = layer->as.conv.bias;
    operation->filters = (size_t)layer->as.conv.filters;
    gng_status status = create_forward(plan, operation);
    if (status == GNG_OK && plan->request->training)
        status = create_backward(plan, operation);
    if (status != GNG_OK) {
        conv_destroy(operation);
        return status;
    }
    plan_memory(plan, operation, memory);
    *out = operation;
    return GNG_OK;
}

static gng_status conv_plan_operation(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory)
{
    const gng_layer *layer = request->chain[0];
    const bool relu = request->chain_length == 2 && request->chain[1]->kind == GNG_LAYER_ACTIVATION &&
                      request->chain[1]->as.activation.function == GNG_ACTIVATION_RELU;
    if (request->chain_length != 1 && !relu)
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "layer '%s': oneDNN fuses a convolution with a ReLU alone", layer->name);
    conv_plan plan = {.request = request, .input = request->inputs[0]};
    GNG_TRY(gng_engine_get(&plan.engine));
    GNG_TRY(gng_layer_output_shape(layer, request->inputs, &plan.output));
    plan_sizes(&plan);
    gng_status status = plan_descriptors(&plan);
    if (status == GNG_OK)
        status = choose(&plan);
    if (status == GNG_OK)
        status = create_operation(&plan, out, memory);
    release_plan(&plan);
    return status;
}

static unsigned char *at(const void *block, size_t offset)
{
    return (unsigned char *)block + offset;
}

static gng_status conv_pack(gng_operation *operation, int worker, const float *weight, const float *bias, void *packed, void *scratch)
{
    void *const forward[] = {(void *)weight, packed};
    GNG_TRY(gng_primitive_run(&operation->pack_forward, worker, forward, scratch));
    if (operation->pack_data.handle != NULL) {
        void *const data[] = {(void *)weight, at(packed, operation->packed_data_offset)};
        GNG_TRY(gng_primitive_run(&operation->pack_data, worker, data, scratch));
    }
    if (operation->bias)
        memcpy(at(packed, operation->packed_bias_offset), bias, operation->filters * sizeof *bias);
    return GNG_OK;
}

static gng_status conv_unpack(gng_operation *operation, int worker, const float *gradient, float *weight_gradient, float *bias_gradient,
                              void *scratch)
{
    void *const pointers[] = {(void *)gradient, weight_gradient};
    GNG_TRY(gng_primitive_run(&operation->unpack, worker, pointers, scratch));
    if (operation->bias)
        memcpy(bias_gradient, gradient + operation->bias_floats_offset, operation->filters * sizeof *gradient);
    return GNG_OK;
}

static gng_status conv_forward(gng_operation *operation, const gng_lane_call *call)
{
    void *const pointers[] = {(void *)call->inputs[0], (void *)call->packed, call->output, at(call->packed, operation->packed_bias_offset)};
    return gng_primitive_run(&operation->forward, call->worker, pointers, call->scratch);
}

static void add_to(float *restrict sum, const float *restrict addend, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += addend[i];
}

static gng_status conv_backward(gng_operation *operation, const gng_lane_call *call)
{
    void *gradient = (void *)call->output_gradient;
    if (operation->relu) {
        void *const relu[] = {call->output, gradient, at(call->scratch, operation->scratch_relu_offset)};
        GNG_TRY(gng_primitive_run(&operation->backward_relu, call->worker, relu, call->scratch));
        gradient = relu[2];
    }
    if (call->input_gradients[0] != NULL) {
        void *const data[] = {gradient, at(call->packed, operation->packed_data_offset), call->input_gradients[0]};
        GNG_TRY(gng_primitive_run(&operation->backward_data, call->worker, data, call->scratch));
    }
    float *own = (float *)(void *)at(call->scratch, operation->scratch_gradient_offset), *own_bias = own + operation->bias_floats_offset;
    void *const weights[] = {(void *)call->inputs[0], gradient, own, own_bias};
    GNG_TRY(gng_primitive_run(&operation->backward_weights, call->worker, weights, call->scratch));
    add_to(call->gradient, own, operation->weight_floats);
    if (operation->bias)
        add_to(call->gradient + operation->bias_floats_offset, own_bias, operation->filters);
    return GNG_OK;
}

const gng_operation_table gng_dnnl_conv_table = {
    .engine = "dnnl",
    .name = "conv",
    .plan = conv_plan_operation,
    .destroy = conv_destroy,
    .pack = conv_pack,
    .unpack = conv_unpack,
    .forward = conv_forward,
    .backward = conv_backward,
};
