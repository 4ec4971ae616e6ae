/* Pooling, one picture at a time, in the layout in which the picture arrives. */
#include "nn/dnnl/dnnl_engine.h"
#include "nn/dnnl/primitive.h"
#include "nn/graph_shapes.h"

struct gng_operation {
    gng_primitive forward, backward;
    bool remembers; /* maximum in training: where each one was found */
};

typedef struct pool_plan {
    const gng_operation_request *request;
    gng_tensor_shape output;
    dnnl_engine_t engine;
    dnnl_alg_kind_t kind;
    dnnl_dims_t kernel, stride, before, after;
    dnnl_primitive_attr_t attributes;
    dnnl_memory_desc_t source, destination;
    dnnl_primitive_desc_t forward, backward;
} pool_plan;

/* The global kinds are a window over the whole plane. */
static void plan_sizes(pool_plan *plan)
{
    const gng_layer *layer = plan->request->chain[0];
    const gng_pool_kind kind = layer->as.pool.kind;
    const bool global = kind == GNG_POOL_GLOBAL_MAX || kind == GNG_POOL_GLOBAL_AVERAGE;
    const int32_t sides[2] = {plan->request->inputs[0].height, plan->request->inputs[0].width};
    const gng_window *window = &layer->as.pool.window;
    plan->kind = kind == GNG_POOL_MAX || kind == GNG_POOL_GLOBAL_MAX ? dnnl_pooling_max : dnnl_pooling_avg_exclude_padding;
    for (int side = 0; side < 2; side++) {
        plan->kernel[side] = global ? sides[side] : window->kernel[side];
        plan->stride[side] = global ? 1 : window->stride[side];
        plan->before[side] = global ? 0 : window->padding[2 * side];
        plan->after[side] = global ? 0 : window->padding[2 * side + 1];
    }
}

static gng_status choose(pool_plan *plan)
{
    const bool training = plan->request->training;
    const dnnl_dims_t dense = {0, 0};
    GNG_TRY(gng_primitive_attributes(false, &plan->attributes));
    GNG_TRY(gng_descriptor_picture(plan->request->inputs[0], &plan->source));
    GNG_TRY(gng_descriptor_picture(plan->output, &plan->destination));
    GNG_DNNL_TRY(dnnl_pooling_forward_primitive_desc_create, &plan->forward, plan->engine, training ? dnnl_forward_training : dnnl_forward_inference,
                 plan->kind, plan->source, plan->destination, plan->stride, plan->kernel, dense, plan->before, plan->after, plan->attributes);
    bool slow = gng_primitive_is_slow(plan->forward);
    if (training && plan->request->input_gradient) {
        GNG_DNNL_TRY(dnnl_pooling_backward_primitive_desc_create, &plan->backward, plan->engine, plan->kind, plan->source, plan->destination,
                     plan->stride, plan->kernel, dense, plan->before, plan->after, plan->forward, plan->attributes);
        slow |= gng_primitive_is_slow(plan->backward);
    }
    if (slow)
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "layer '%s': oneDNN has no fast pooling of this shape", plan->request->chain[0]->name);
    return GNG_OK;
}

static void pool_destroy(gng_operation *operation)
{
    if (operation == NULL)
        return;
    gng_primitive_destroy(&operation->forward);
    gng_primitive_destroy(&operation->backward);
    gng_memory_release(operation);
}

static gng_status create_primitives(const pool_plan *plan, gng_operation *operation)
{
    const const_dnnl_memory_desc_t workspace = dnnl_primitive_desc_query_md(plan->forward, dnnl_query_workspace_md, 0);
    const int32_t count = operation->remembers ? 3 : 2, workers = plan->request->workers;
    const gng_primitive_argument forward[] = {{DNNL_ARG_SRC, plan->source}, {DNNL_ARG_DST, plan->destination}, {DNNL_ARG_WORKSPACE, workspace}};
    GNG_TRY(gng_primitive_create(plan->forward, forward, count, workers, &operation->forward));
    if (plan->backward == NULL)
        return GNG_OK;
    const gng_primitive_argument backward[] = {
        {DNNL_ARG_DIFF_DST, plan->destination}, {DNNL_ARG_DIFF_SRC, plan->source}, {DNNL_ARG_WORKSPACE, workspace}};
    return gng_primitive_create(plan->backward, backward, count, workers, &operation->backward);
}

static gng_status create_operation(const pool_plan *plan, gng_operation **out, gng_operation_memory *memory)
{
    gng_operation *operation = gng_memory_allocate(sizeof *operation);
    if (operation == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "planning layer '%s'", plan->request->chain[0]->name);
    operation->remembers = plan->request->training && plan->kind == dnnl_pooling_max;
    const gng_status status = create_primitives(plan, operation);
    if (status != GNG_OK) {
        pool_destroy(operation);
        return status;
    }
    const size_t forward = operation->forward.scratch_bytes, backward = operation->backward.scratch_bytes;
    *memory = (gng_operation_memory){.output = plan->output, .scratch_bytes = forward > backward ? forward : backward};
    if (operation->remembers)
        memory->saved_bytes = dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(plan->forward, dnnl_query_workspace_md, 0));
    *out = operation;
    return GNG_OK;
}

static gng_status pool_plan_operation(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory)
{
    const gng_layer *layer = request->chain[0];
    if (request->chain_length != 1)
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "layer '%s': oneDNN fuses nothing with pooling", layer->name);
    pool_plan plan = {.request = request};
    GNG_TRY(gng_engine_get(&plan.engine));
    GNG_TRY(gng_layer_output_shape(layer, request->inputs, &plan.output));
    plan.output.block = request->inputs[0].block;
    plan_sizes(&plan);
    gng_status status = choose(&plan);
    if (status == GNG_OK)
        status = create_operation(&plan, out, memory);
    if (plan.backward != NULL)
        dnnl_primitive_desc_destroy(plan.backward);
    if (plan.forward != NULL)
        dnnl_primitive_desc_destroy(plan.forward);
    if (plan.destination != NULL)
        dnnl_memory_desc_destroy(plan.destination);
    if (plan.source != NULL)
        dnnl_memory_desc_destroy(plan.source);
    if (plan.attributes != NULL)
        dnnl_primitive_attr_destroy(plan.attributes);
    return status;
}

static gng_status pool_forward(gng_operation *operation, const gng_lane_call *call)
{
    void *const pointers[] = {(void *)call->inputs[0], call->output, call->saved};
    return gng_primitive_run(&operation->forward, call->worker, pointers, call->scratch);
}

static gng_status pool_backward(gng_operation *operation, const gng_lane_call *call)
{
    if (call->input_gradients[0] == NULL)
        return GNG_OK;
    void *const pointers[] = {(void *)call->output_gradient, call->input_gradients[0], call->saved};
    return gng_primitive_run(&operation->backward, call->worker, pointers, call->scratch);
}

const gng_operation_table gng_dnnl_pool_table = {
    .engine = "dnnl",
    .name = "pool",
    .plan = pool_plan_operation,
    .destroy = pool_destroy,
    .forward = pool_forward,
    .backward = pool_backward,
};
