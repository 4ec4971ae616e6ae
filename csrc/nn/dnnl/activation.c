/* Activations that no convolution took along: elementwise over everything stored, whatever the layout. */
#include "nn/dnnl/dnnl_engine.h"
#include "nn/dnnl/primitive.h"

struct gng_operation {
    gng_primitive forward, backward;
    bool reads_output; /* backward needs the output, otherwise the input */
};

typedef struct activation_plan {
    const gng_operation_request *request;
    dnnl_engine_t engine;
    dnnl_alg_kind_t kind;
    float alpha;
    bool reads_output;
    dnnl_primitive_attr_t attributes;
    dnnl_memory_desc_t flat;
    dnnl_primitive_desc_t forward, backward;
} activation_plan;

static void plan_function(activation_plan *plan)
{
    const gng_layer *layer = plan->request->chain[0];
    plan->reads_output = layer->as.activation.function != GNG_ACTIVATION_GELU;
    switch (layer->as.activation.function) {
    case GNG_ACTIVATION_LEAKY_RELU:
        plan->kind = dnnl_eltwise_relu_use_dst_for_bwd;
        plan->alpha = layer->as.activation.slope;
        break;
    case GNG_ACTIVATION_ELU:
        plan->kind = dnnl_eltwise_elu_use_dst_for_bwd;
        plan->alpha = layer->as.activation.slope;
        break;
    case GNG_ACTIVATION_GELU:
        plan->kind = dnnl_eltwise_gelu_erf;
        break;
    case GNG_ACTIVATION_TANH:
        plan->kind = dnnl_eltwise_tanh_use_dst_for_bwd;
        break;
    case GNG_ACTIVATION_SIGMOID:
        plan->kind = dnnl_eltwise_logistic_use_dst_for_bwd;
        break;
    default:
        plan->kind = dnnl_eltwise_relu_use_dst_for_bwd;
        break;
    }
}

static gng_status choose(activation_plan *plan)
{
    const bool training = plan->request->training;
    GNG_TRY(gng_primitive_attributes(false, &plan->attributes));
    GNG_TRY(gng_descriptor_row(gng_tensor_stored(plan->request->inputs[0]), &plan->flat));
    GNG_DNNL_TRY(dnnl_eltwise_forward_primitive_desc_create, &plan->forward, plan->engine, training ? dnnl_forward_training : dnnl_forward_inference,
                 plan->kind, plan->flat, plan->flat, plan->alpha, 0, plan->attributes);
    bool slow = gng_primitive_is_slow(plan->forward);
    if (training && plan->request->input_gradient) {
        GNG_DNNL_TRY(dnnl_eltwise_backward_primitive_desc_create, &plan->backward, plan->engine, plan->kind, plan->flat, plan->flat, plan->flat,
                     plan->alpha, 0, plan->forward, plan->attributes);
        slow |= gng_primitive_is_slow(plan->backward);
    }
    if (slow)
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "layer '%s': oneDNN has no fast form of this function", plan->request->chain[0]->name);
    return GNG_OK;
}

static void activation_destroy(gng_operation *operation)
{
    if (operation == NULL)
        return;
    gng_primitive_destroy(&operation->forward);
    gng_primitive_destroy(&operation->backward);
    gng_memory_release(operation);
}

static gng_status create_primitives(const activation_plan *plan, gng_operation *operation)
{
    const const_dnnl_memory_desc_t flat = plan->flat;
    const gng_primitive_argument forward[] = {{DNNL_ARG_SRC, flat}, {DNNL_ARG_DST, flat}};
    GNG_TRY(gng_primitive_create(plan->forward, forward, 2, plan->request->workers, &operation->forward));
    if (plan->backward == NULL)
        return GNG_OK;
    const gng_primitive_argument backward[] = {
        {plan->reads_output ? DNNL_ARG_DST : DNNL_ARG_SRC, flat}, {DNNL_ARG_DIFF_DST, flat}, {DNNL_ARG_DIFF_SRC, flat}};
    return gng_primitive_create(plan->backward, backward, 3, plan->request->workers, &operation->backward);
}

static gng_status create_operation(const activation_plan *plan, gng_operation **out, gng_operation_memory *memory)
{
    gng_operation *operation = gng_memory_allocate(sizeof *operation);
    if (operation == NULL)
        return gng_error_set(GNG_STATUS_MEMORY, "planning layer '%s'", plan->request->chain[0]->name);
    operation->reads_output = plan->reads_output;
    const gng_status status = create_primitives(plan, operation);
    if (status != GNG_OK) {
        activation_destroy(operation);
        return status;
    }
    const size_t forward = operation->forward.scratch_bytes, backward = operation->backward.scratch_bytes;
    *memory = (gng_operation_memory){.output = plan->request->inputs[0], .scratch_bytes = forward > backward ? forward : backward};
    *out = operation;
    return GNG_OK;
}

static gng_status activation_plan_operation(const gng_operation_request *request, gng_operation **out, gng_operation_memory *memory)
{
    const gng_layer *layer = request->chain[0];
    const gng_tensor_shape input = request->inputs[0];
    if (request->chain_length != 1)
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "layer '%s': oneDNN fuses nothing with an activation", layer->name);
    /* Padding channels must stay zero, and sigmoid(0) is 1/2. */
    if (layer->as.activation.function == GNG_ACTIVATION_SIGMOID && gng_tensor_stored(input) != gng_tensor_elements(input))
        return gng_error_set(GNG_STATUS_UNSUPPORTED, "layer '%s': a sigmoid over %d channels in blocks of %d would write into the padding",
                             layer->name, (int)input.channels, (int)input.block);
    activation_plan plan = {.request = request};
    GNG_TRY(gng_engine_get(&plan.engine));
    plan_function(&plan);
    gng_status status = choose(&plan);
    if (status == GNG_OK)
        status = create_operation(&plan, out, memory);
    if (plan.backward != NULL)
        dnnl_primitive_desc_destroy(plan.backward);
    if (plan.forward != NULL)
        dnnl_primitive_desc_destroy(plan.forward);
    if (plan.flat != NULL)
        dnnl_memory_desc_destroy(plan.flat);
    if (plan.attributes != NULL)
        dnnl_primitive_attr_destroy(plan.attributes);
    return status;
}

static gng_status activation_forward(gng_operation *operation, const gng_lane_call *call)
{
    void *const pointers[] = {(void *)call->inputs[0], call->output};
    return gng_primitive_run(&operation->forward, call->worker, pointers, call->scratch);
}

static gng_status activation_backward(gng_operation *operation, const gng_lane_call *call)
{
    if (call->input_gradients[0] == NULL)
        return GNG_OK;
    void *const pointers[] = {operation->reads_output ? call->output : (void *)call->inputs[0], (void *)call->output_gradient,
                              call->input_gradients[0]};
    return gng_primitive_run(&operation->backward, call->worker, pointers, call->scratch);
}

const gng_operation_table gng_dnnl_activation_table = {
    .engine = "dnnl",
    .name = "activation",
    .plan = activation_plan_operation,
    .destroy = activation_destroy,
    .forward = activation_forward,
    .backward = activation_backward,
};
