/* One layer on one picture through its operation table: what tests compare with an independent definition. */
#include <string.h>

#include "bind/arguments.h"
#include "bind/plans.h"
#include "nn/dnnl/dnnl_engine.h"
#include "nn/graph_shapes.h"
#include "nn/ref/ref.h"

static const gng_operation_table *const reference_tables[GNG_LAYER_KIND_COUNT] = {
    [GNG_LAYER_CONV] = &gng_ref_conv_table,       [GNG_LAYER_DENSE] = &gng_ref_dense_table,     [GNG_LAYER_ACTIVATION] = &gng_ref_activation_table,
    [GNG_LAYER_POOL] = &gng_ref_pool_table,       [GNG_LAYER_FLATTEN] = &gng_ref_flatten_table, [GNG_LAYER_DROPOUT] = &gng_ref_dropout_table,
    [GNG_LAYER_ADD] = &gng_ref_add_table,
};

/* Everything of one run; all blocks come from one arena. */
typedef struct layer_run {
    gng_layer layer;
    gng_tensor_shape inputs[GNG_LAYER_INPUTS_MAX];
    const float *values[GNG_LAYER_INPUTS_MAX];
    size_t weight_count, parameter_count;
    const float *parameters;
    const float *output_gradient; /* NULL: forward only */
    bool reference, training;
    uint64_t seed;

    const gng_operation_table *table;
    gng_operation *operation;
    gng_operation_memory memory;
    gng_arena arena;
    float *x[GNG_LAYER_INPUTS_MAX], *dx[GNG_LAYER_INPUTS_MAX], *y, *dy, *lane, *gradient;
    void *packed, *saved, *scratch;
} layer_run;

static gng_status plan(layer_run *run)
{
    gng_operation_request request = {
        .chain = {&run->layer}, .chain_length = 1, .input_count = run->layer.input_count, .training = run->output_gradient != NULL || run->training, .input_gradient = true, .rows = 1, .workers = 1};
    memcpy(request.inputs, run->inputs, sizeof request.inputs);
    int32_t taken = 1;
    if (!run->reference)
        return gng_choice_plan(&request, &run->table, &run->operation, &run->memory, &taken);
    const gng_operation_table *table = reference_tables[run->layer.kind];
    run->table = table;
    return table->plan(&request, &run->operation, &run->memory);
}

static gng_status allocate(layer_run *run)
{
    gng_arena_layout layout = {0};
    size_t x[GNG_LAYER_INPUTS_MAX] = {0}, dx[GNG_LAYER_INPUTS_MAX] = {0};
    for (int32_t k = 0; k < run->layer.input_count; k++) {
        x[k] = gng_arena_layout_add(&layout, gng_tensor_stored(run->inputs[k]), sizeof(float));
        dx[k] = gng_arena_layout_add(&layout, gng_tensor_stored(run->inputs[k]), sizeof(float));
    }
    const size_t stored = gng_tensor_stored(run->memory.output);
    const size_t y = gng_arena_layout_add(&layout, stored, sizeof(float)), dy = gng_arena_layout_add(&layout, stored, sizeof(float));
    const size_t lane = gng_arena_layout_add(&layout, run->memory.gradient_floats, sizeof(float));
    const size_t gradient = gng_arena_layout_add(&layout, run->parameter_count, sizeof(float));
    const size_t packed = gng_arena_layout_add(&layout, run->memory.packed_bytes, 1);
    const size_t saved = gng_arena_layout_add(&layout, run->memory.saved_bytes, 1);
    const size_t scratch = gng_arena_layout_add(&layout, run->memory.scratch_bytes, 1);
    GNG_TRY(gng_arena_create(&layout, &run->arena));
    GNG_TRY(gng_engine_check_room());
    for (int32_t k = 0; k < run->layer.input_count; k++) {
        run->x[k] = gng_arena_at(&run->arena, x[k]);
        run->dx[k] = gng_arena_at(&run->arena, dx[k]);
        memcpy(run->x[k], run->values[k], gng_tensor_elements(run->inputs[k]) * sizeof(float));
    }
    run->y = gng_arena_at(&run->arena, y);
    run->dy = gng_arena_at(&run->arena, dy);
    run->lane = gng_arena_at(&run->arena, lane);
    run->gradient = gng_arena_at(&run->arena, gradient);
    run->packed = gng_arena_at(&run->arena, packed);
    run->saved = gng_arena_at(&run->arena, saved);
    run->scratch = gng_arena_at(&run->arena, scratch);
    return GNG_OK;
}

/* Copies between a plain picture and the layout of the output edge. */
static void copy_output(const layer_run *run, float *plain, const float *from_plain, float *stored)
{
    const gng_tensor_shape shape = run->memory.output;
    size_t i = 0;
    for (int32_t c = 0; c < shape.channels; c++)
        for (int32_t y = 0; y < shape.height; y++)
            for (int32_t x = 0; x < shape.width; x++, i++) {
                const size_t at = gng_tensor_index(shape, c, y, x);
                if (plain != NULL)
                    plain[i] = stored[at];
                else
                    stored[at] = from_plain[i];
            }
}

static gng_status run_dense(layer_run *run, bool has_bias)
{
    gng_dense_call call = {.input = run->x[0], .output = run->y, .output_gradient = run->dy, .input_gradient = run->dx[0], .packed = run->packed, .weight_gradient = run->gradient, .bias_gradient = has_bias ? run->gradient + run->weight_count : NULL, .scratch = run->scratch};
    for (call.block = 0; call.block < run->memory.column_blocks; call.block++)
        GNG_TRY(run->table->dense_forward(run->operation, &call));
    for (call.block = 0; call.block < run->memory.column_blocks && run->output_gradient != NULL; call.block++)
        GNG_TRY(run->table->dense_backward_weights(run->operation, &call));
    for (call.block = 0; call.block < run->memory.input_blocks && run->output_gradient != NULL; call.block++)
        GNG_TRY(run->table->dense_backward_data(run->operation, &call));
    return GNG_OK;
}

static gng_status run_lane(layer_run *run, const float *bias_of_gradient)
{
    gng_lane_call call = {.training = run->training,
                          .key = {.seed = run->seed, .stream = GNG_STREAM_DROPOUT},
                          .output = run->y,
                          .output_gradient = run->dy,
                          .packed = run->packed,
                          .gradient = run->lane,
                          .saved = run->saved,
                          .scratch = run->scratch};
    for (int32_t k = 0; k < run->layer.input_count; k++) {
        call.inputs[k] = run->x[k];
        call.input_gradients[k] = run->dx[k];
    }
    GNG_TRY(run->table->forward(run->operation, &call));
    if (run->output_gradient == NULL)
        return GNG_OK;
    GNG_TRY(run->table->backward(run->operation, &call));
    if (run->memory.gradient_floats == 0)
        return GNG_OK;
    return run->table->unpack(run->operation, 0, run->lane, run->gradient, bias_of_gradient != NULL ? run->gradient + run->weight_count : NULL, run->scratch);
}

static gng_status run_layer(layer_run *run)
{
    GNG_TRY(plan(run));
    GNG_TRY(allocate(run));
    const float *bias = run->parameter_count > run->weight_count ? run->parameters + run->weight_count : NULL;
    if (run->output_gradient != NULL)
        copy_output(run, NULL, run->output_gradient, run->dy);
    if (run->parameter_count > 0)
        GNG_TRY(run->table->pack(run->operation, 0, run->parameters, bias, run->packed, run->scratch));
    return run->layer.kind == GNG_LAYER_DENSE ? run_dense(run, bias != NULL) : run_lane(run, bias);
}

/* Checks the layer as a graph would, and finds the sizes of its output, weight and bias. */
static gng_status check_layer(layer_run *run, gng_tensor_shape *output)
{
    gng_parameter tensors[GNG_LAYER_PARAMETERS_MAX];
    if (reference_tables[run->layer.kind] == NULL)
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': %s cannot be run alone", run->layer.name, gng_layer_kind_name(run->layer.kind));
    GNG_TRY(gng_layer_output_shape(&run->layer, run->inputs, output));
    const int32_t count = gng_layer_parameters(&run->layer, run->inputs[0], tensors);
    for (int32_t i = 0; i < count; i++)
        run->parameter_count += tensors[i].count;
    run->weight_count = count > 0 ? tensors[0].count : 0;
    return GNG_OK;
}

static int read_inputs(PyObject *items, layer_run *run)
{
    for (Py_ssize_t k = 0; k < PyTuple_Size(items); k++) {
        PyArrayObject *array = gng_bind_array(PyTuple_GetItem(items, k), "inputs", NPY_FLOAT32, 3);
        if (array == NULL)
            return -1;
        const npy_intp *shape = PyArray_DIMS(array);
        if (PyArray_SIZE(array) < 1 || PyArray_SIZE(array) > GNG_FEATURES_MAX) {
            PyErr_Format(PyExc_ValueError, "inputs: found an array of %zd values, expected 1 to %d", (Py_ssize_t)PyArray_SIZE(array), (int)GNG_FEATURES_MAX);
            return -1;
        }
        run->inputs[k] = (gng_tensor_shape){(int32_t)shape[0], (int32_t)shape[1], (int32_t)shape[2], 1};
        run->values[k] = PyArray_DATA(array);
    }
    return 0;
}

static PyObject *new_picture(gng_tensor_shape shape)
{
    const npy_intp dimensions[] = {shape.channels, shape.height, shape.width};
    return gng_bind_new_array(NPY_FLOAT32, 3, dimensions);
}

static PyObject *results(const layer_run *run)
{
    PyObject *output = new_picture(run->memory.output);
    if (output == NULL)
        return NULL;
    copy_output(run, PyArray_DATA((PyArrayObject *)output), NULL, run->y);
    PyObject *result = Py_BuildValue("{s:N,s:s}", "output", output, "engine", run->table->engine);
    if (result == NULL || run->output_gradient == NULL)
        return result;
    PyObject *gradients = PyList_New(0), *gradient = gng_bind_vector(run->gradient, run->parameter_count);
    int added = gradients != NULL && gradient != NULL ? 0 : -1;
    for (int32_t k = 0; k < run->layer.input_count && added == 0; k++) {
        PyObject *picture = new_picture(run->inputs[k]);
        if (picture != NULL)
            memcpy(PyArray_DATA((PyArrayObject *)picture), run->dx[k], gng_tensor_elements(run->inputs[k]) * sizeof(float));
        added = picture != NULL ? PyList_Append(gradients, picture) : -1;
        Py_XDECREF(picture);
    }
    if (added == 0)
        added = PyDict_SetItemString(result, "input_gradients", gradients) | PyDict_SetItemString(result, "gradient", gradient);
    Py_XDECREF(gradients);
    Py_XDECREF(gradient);
    if (added == 0)
        return result;
    Py_DECREF(result);
    return NULL;
}

static PyObject *checked_run(layer_run *run, int32_t inputs, PyObject *parameter_array, PyObject *gradient_array)
{
    gng_tensor_shape output;
    run->layer.input_count = inputs;
    gng_status status = check_layer(run, &output);
    if (status != GNG_OK)
        return gng_bind_raise(status);
    PyArrayObject *parameters = gng_bind_array(parameter_array, "parameters", NPY_FLOAT32, 1);
    if (parameters == NULL)
        return NULL;
    if ((size_t)PyArray_SIZE(parameters) != run->parameter_count)
        return PyErr_Format(PyExc_ValueError, "parameters: expected %zu values, found %zd", run->parameter_count, (Py_ssize_t)PyArray_SIZE(parameters));
    run->parameters = PyArray_DATA(parameters);
    if (gradient_array != Py_None) {
        PyArrayObject *gradient = gng_bind_array(gradient_array, "output_gradient", NPY_FLOAT32, 3);
        if (gradient == NULL)
            return NULL;
        if (PyArray_DIM(gradient, 0) != output.channels || PyArray_DIM(gradient, 1) != output.height || PyArray_DIM(gradient, 2) != output.width)
            return PyErr_Format(PyExc_ValueError, "output_gradient: expected the shape of the output (%d, %d, %d)", (int)output.channels,
                                (int)output.height, (int)output.width);
        run->output_gradient = PyArray_DATA(gradient);
    }
    const gng_engine_bracket bracket = gng_engine_enter();
    status = run_layer(run);
    PyObject *result = status == GNG_OK ? results(run) : gng_bind_raise(status);
    if (run->operation != NULL)
        run->table->destroy(run->operation);
    gng_engine_leave(bracket);
    gng_arena_destroy(&run->arena);
    return result;
}

PyObject *gng_bind_run_layer(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"layer", "inputs", "parameters", "output_gradient", "engine", "training", "seed", NULL};
    PyObject *mapping, *sequence, *parameter_array, *gradient_array = Py_None;
    const char *engine = "best";
    int training = 0;
    gng_bind_unsigned seed = {.name = "seed", .most = UINT64_MAX};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOO|O$spO&:run_layer", names, &mapping, &sequence, &parameter_array, &gradient_array, &engine, &training, gng_bind_read_unsigned, &seed))
        return NULL;
    if (strcmp(engine, "best") != 0 && strcmp(engine, "ref") != 0)
        return PyErr_Format(PyExc_ValueError, "engine: found '%s', expected 'best' or 'ref'", engine);
    layer_run run = {.reference = strcmp(engine, "ref") == 0, .training = training != 0, .seed = seed.value};
    gng_layer inputs[GNG_LAYER_INPUTS_MAX] = {{.name = "input_1"}, {.name = "input_2"}};
    PyObject *items = PySequence_Tuple(sequence), *result = NULL;
    if (items == NULL)
        return NULL;
    const Py_ssize_t count = PyTuple_Size(items);
    if (count < 1 || count > GNG_LAYER_INPUTS_MAX)
        PyErr_Format(PyExc_ValueError, "inputs: expected 1 to %d pictures, found %zd", (int)GNG_LAYER_INPUTS_MAX, count);
    else if (read_inputs(items, &run) == 0 && gng_bind_layer(mapping, inputs, (int32_t)count, &run.layer) == 0)
        result = checked_run(&run, (int32_t)count, parameter_array, gradient_array);
    Py_DECREF(items);
    return result;
}
