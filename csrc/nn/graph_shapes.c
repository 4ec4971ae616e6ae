/* Shape rules: one function per kind of layer. Arithmetic is in 64 bits, where nothing below can overflow. */
#include "nn/graph_shapes.h"

#include <math.h>
#include <stdio.h>

/* Weights of one layer; keeps fans and element numbers in an int32_t. */
enum { WEIGHTS_MAX = INT32_MAX };

int32_t gng_window_output(int32_t size, int32_t before, int32_t after, int32_t kernel, int32_t stride, int32_t dilation)
{
    const int64_t room = (int64_t)size + before + after - (int64_t)dilation * (kernel - 1) - 1;
    if (room < 0 || stride < 1)
        return 0;
    const int64_t steps = room / stride + 1;
    return steps < INT32_MAX ? (int32_t)steps : INT32_MAX;
}

static gng_status check_elements(const gng_layer *layer, gng_tensor_shape shape)
{
    const int64_t most = GNG_FEATURES_MAX;
    if (shape.channels <= most && shape.height <= most && shape.width <= most &&
        (int64_t)shape.height * shape.width <= most && (int64_t)shape.height * shape.width * shape.channels <= most)
        return GNG_OK;
    return gng_error_set(GNG_STATUS_TOO_LARGE, "layer '%s': its output %dx%dx%d has more than %d elements; use fewer filters or units, or a larger stride",
                         layer->name, (int)shape.channels, (int)shape.height, (int)shape.width, (int)GNG_FEATURES_MAX);
}

static gng_status check_weights(const gng_layer *layer, int64_t outputs, int64_t weights_per_output)
{
    if (weights_per_output > WEIGHTS_MAX / outputs)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "layer '%s': found %lld x %lld weights, expected at most %d; shrink its input or its output",
                             layer->name, (long long)outputs, (long long)weights_per_output, (int)WEIGHTS_MAX);
    return GNG_OK;
}

static gng_status check_l2(const gng_layer *layer, float l2)
{
    if (isfinite(l2) && l2 >= 0)
        return GNG_OK;
    return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': l2: found %s, expected a finite number >= 0", layer->name, GNG_NUMBER((double)l2));
}

static gng_status window_output(const gng_layer *layer, const gng_window *window, gng_tensor_shape input, int32_t *height, int32_t *width)
{
    static const char *const sides[] = {"height", "width"};
    const int32_t size[] = {input.height, input.width};
    int64_t padded[2], dilated[2];
    for (int i = 0; i < 2; i++) {
        const int32_t before = window->padding[2 * i], after = window->padding[2 * i + 1];
        if (window->kernel[i] < 1 || window->stride[i] < 1 || window->dilation[i] < 1)
            return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': kernel, stride and dilation along %s: found %d, %d, %d, expected at least 1 each",
                                 layer->name, sides[i], (int)window->kernel[i], (int)window->stride[i], (int)window->dilation[i]);
        dilated[i] = (int64_t)window->dilation[i] * (window->kernel[i] - 1) + 1;
        if (before < 0 || after < 0 || before >= dilated[i] || after >= dilated[i])
            return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': padding along %s: found %d and %d, expected 0 to %lld (less than the window)",
                                 layer->name, sides[i], (int)before, (int)after, (long long)dilated[i] - 1);
        padded[i] = (int64_t)size[i] + before + after;
    }
    if (padded[0] < dilated[0] || padded[1] < dilated[1]) {
        const bool is_dilated = window->dilation[0] > 1 || window->dilation[1] > 1;
        return gng_error_set(GNG_STATUS_SHAPE, "layer '%s': kernel %lldx%lld%s is larger than its padded input %lldx%lld; use a smaller kernel, more padding, "
                             "larger pictures or less pooling before it",
                             layer->name, (long long)dilated[0], (long long)dilated[1], is_dilated ? " (dilated)" : "", (long long)padded[0], (long long)padded[1]);
    }
    *height = gng_window_output(size[0], window->padding[0], window->padding[1], window->kernel[0], window->stride[0], window->dilation[0]);
    *width = gng_window_output(size[1], window->padding[2], window->padding[3], window->kernel[1], window->stride[1], window->dilation[1]);
    return GNG_OK;
}

static gng_status conv_output(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape *out)
{
    const int32_t filters = layer->as.conv.filters, groups = layer->as.conv.groups;
    const gng_window *window = &layer->as.conv.window;
    if (filters < 1 || filters > GNG_FEATURES_MAX)
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': filters: found %d, expected 1 to %d", layer->name, (int)filters, (int)GNG_FEATURES_MAX);
    if (groups < 1 || input.channels % groups != 0 || filters % groups != 0)
        return gng_error_set(GNG_STATUS_SHAPE, "layer '%s': groups: found %d, expected a divisor of its %d input channels and of its %d filters",
                             layer->name, (int)groups, (int)input.channels, (int)filters);
    GNG_TRY(check_l2(layer, layer->as.conv.l2));
    gng_tensor_shape shape = {.channels = filters, .block = 1};
    GNG_TRY(window_output(layer, window, input, &shape.height, &shape.width));
    if ((int64_t)window->kernel[0] * window->kernel[1] > WEIGHTS_MAX / (input.channels / groups))
        return gng_error_set(GNG_STATUS_TOO_LARGE, "layer '%s': a filter of %d x %dx%d weights is too large; use a smaller kernel", layer->name,
                             (int)(input.channels / groups), (int)window->kernel[0], (int)window->kernel[1]);
    GNG_TRY(check_weights(layer, filters, (int64_t)(input.channels / groups) * window->kernel[0] * window->kernel[1]));
    *out = shape;
    return GNG_OK;
}

static gng_status dense_output(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape *out)
{
    if (input.height != 1 || input.width != 1)
        return gng_error_set(GNG_STATUS_SHAPE, "layer '%s': found an input of %dx%dx%d, expected a row of features; put a flatten or global pooling layer before it",
                             layer->name, (int)input.channels, (int)input.height, (int)input.width);
    if (layer->as.dense.units < 1 || layer->as.dense.units > GNG_FEATURES_MAX)
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': units: found %d, expected 1 to %d", layer->name, (int)layer->as.dense.units, (int)GNG_FEATURES_MAX);
    GNG_TRY(check_l2(layer, layer->as.dense.l2));
    GNG_TRY(check_weights(layer, layer->as.dense.units, input.channels));
    *out = (gng_tensor_shape){layer->as.dense.units, 1, 1, 1};
    return GNG_OK;
}

static gng_status pool_output(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape *out)
{
    const gng_window *window = &layer->as.pool.window;
    gng_tensor_shape shape = {.channels = input.channels, .height = 1, .width = 1, .block = 1};
    switch (layer->as.pool.kind) {
    case GNG_POOL_GLOBAL_MAX:
    case GNG_POOL_GLOBAL_AVERAGE:
        break;
    case GNG_POOL_MAX:
    case GNG_POOL_AVERAGE:
        if (window->dilation[0] != 1 || window->dilation[1] != 1)
            return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': dilation: found %dx%d, expected 1x1 for pooling", layer->name,
                                 (int)window->dilation[0], (int)window->dilation[1]);
        GNG_TRY(window_output(layer, window, input, &shape.height, &shape.width));
        break;
    default:
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': unknown kind of pooling %d", layer->name, (int)layer->as.pool.kind);
    }
    *out = shape;
    return GNG_OK;
}

static gng_status check_activation(const gng_layer *layer)
{
    const float slope = layer->as.activation.slope;
    if ((unsigned)layer->as.activation.function >= GNG_ACTIVATION_COUNT)
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': unknown activation %d", layer->name, (int)layer->as.activation.function);
    if (layer->as.activation.function == GNG_ACTIVATION_LEAKY_RELU && !(slope >= 0 && slope <= 1))
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': slope of leaky_relu: found %s, expected 0 to 1", layer->name, GNG_NUMBER((double)slope));
    if (layer->as.activation.function == GNG_ACTIVATION_ELU && !(isfinite(slope) && slope > 0))
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': slope (alpha) of elu: found %s, expected a finite number > 0", layer->name, GNG_NUMBER((double)slope));
    return GNG_OK;
}

static gng_status check_dropout(const gng_layer *layer)
{
    const float rate = layer->as.dropout.rate;
    if (rate >= 0 && rate < 1)
        return GNG_OK;
    return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': rate: found %s, expected 0 to less than 1, the share of values set to zero", layer->name,
                         GNG_NUMBER((double)rate));
}

static gng_status check_batch_norm(const gng_layer *layer)
{
    const float momentum = layer->as.batch_norm.momentum, epsilon = layer->as.batch_norm.epsilon;
    if (!(momentum >= 0 && momentum <= 1))
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': momentum: found %s, expected 0 to 1", layer->name, GNG_NUMBER((double)momentum));
    if (!(isfinite(epsilon) && epsilon > 0))
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': epsilon: found %s, expected a finite number > 0, such as 0.001", layer->name,
                             GNG_NUMBER((double)epsilon));
    return GNG_OK;
}

static gng_status check_add(const gng_layer *layer, gng_tensor_shape a, gng_tensor_shape b)
{
    if (a.channels == b.channels && a.height == b.height && a.width == b.width)
        return GNG_OK;
    return gng_error_set(GNG_STATUS_SHAPE, "layer '%s': found inputs of %dx%dx%d and %dx%dx%d, expected equal shapes; adapt one with a 1x1 convolution", layer->name,
                         (int)a.channels, (int)a.height, (int)a.width, (int)b.channels, (int)b.height, (int)b.width);
}

gng_status gng_layer_output_shape(const gng_layer *layer, const gng_tensor_shape *shapes, gng_tensor_shape *out)
{
    const int32_t expected = layer->kind == GNG_LAYER_ADD ? 2 : 1;
    if (layer->input_count != expected)
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': found %d inputs, expected %d for %s", layer->name, (int)layer->input_count, (int)expected,
                             gng_layer_kind_name(layer->kind));
    const gng_tensor_shape input = shapes[0];
    gng_tensor_shape shape = {input.channels, input.height, input.width, 1};
    switch (layer->kind) {
    case GNG_LAYER_CONV:
        GNG_TRY(conv_output(layer, input, &shape));
        break;
    case GNG_LAYER_DENSE:
        GNG_TRY(dense_output(layer, input, &shape));
        break;
    case GNG_LAYER_ACTIVATION:
        GNG_TRY(check_activation(layer));
        break;
    case GNG_LAYER_POOL:
        GNG_TRY(pool_output(layer, input, &shape));
        break;
    case GNG_LAYER_FLATTEN:
        shape = (gng_tensor_shape){(int32_t)gng_tensor_elements(input), 1, 1, 1};
        break;
    case GNG_LAYER_DROPOUT:
        GNG_TRY(check_dropout(layer));
        break;
    case GNG_LAYER_BATCH_NORM:
        GNG_TRY(check_batch_norm(layer));
        break;
    case GNG_LAYER_ADD:
        GNG_TRY(check_add(layer, shapes[0], shapes[1]));
        break;
    case GNG_LAYER_INPUT:
    default:
        return gng_error_set(GNG_STATUS_ARGUMENT, "layer '%s': found kind %s (%d), expected a layer that computes; only the first layer is an input", layer->name,
                             gng_layer_kind_name(layer->kind), (int)layer->kind);
    }
    GNG_TRY(check_elements(layer, shape));
    *out = shape;
    return GNG_OK;
}

uint64_t gng_layer_multiply_adds(const gng_layer *layer, gng_tensor_shape input, gng_tensor_shape output)
{
    const uint64_t outputs = gng_tensor_elements(output), channels = (uint64_t)input.channels;
    if (layer->kind == GNG_LAYER_DENSE)
        return outputs * channels;
    if (layer->kind == GNG_LAYER_CONV)
        return outputs * (channels / (uint64_t)layer->as.conv.groups) * (uint64_t)layer->as.conv.window.kernel[0] * (uint64_t)layer->as.conv.window.kernel[1];
    return 0;
}

static gng_parameter tensor(const char *name, int32_t rank, int32_t a, int32_t b, int32_t c, int32_t d)
{
    gng_parameter parameter = {.rank = rank, .shape = {a, b, c, d}, .count = (size_t)a * (size_t)b * (size_t)c * (size_t)d};
    snprintf(parameter.name, sizeof parameter.name, "%s", name);
    return parameter;
}

int32_t gng_layer_parameters(const gng_layer *layer, gng_tensor_shape input, gng_parameter out[GNG_LAYER_PARAMETERS_MAX])
{
    if (layer->kind == GNG_LAYER_CONV) {
        const int32_t filters = layer->as.conv.filters, channels = input.channels / layer->as.conv.groups;
        const int32_t rows = layer->as.conv.window.kernel[0], columns = layer->as.conv.window.kernel[1];
        out[0] = tensor("weight", 4, filters, channels, rows, columns);
        out[0].fan_in = channels * rows * columns;
        out[0].fan_out = filters * rows * columns;
        out[0].l2 = layer->as.conv.l2;
        out[1] = tensor("bias", 1, filters, 1, 1, 1);
        return layer->as.conv.bias ? 2 : 1;
    }
    if (layer->kind == GNG_LAYER_DENSE) {
        out[0] = tensor("weight", 2, layer->as.dense.units, input.channels, 1, 1);
        out[0].fan_in = input.channels;
        out[0].fan_out = layer->as.dense.units;
        out[0].l2 = layer->as.dense.l2;
        out[1] = tensor("bias", 1, layer->as.dense.units, 1, 1, 1);
        return layer->as.dense.bias ? 2 : 1;
    }
    if (layer->kind == GNG_LAYER_BATCH_NORM) {
        out[0] = tensor("gamma", 1, input.channels, 1, 1, 1);
        out[1] = tensor("beta", 1, input.channels, 1, 1, 1);
        return 2;
    }
    return 0;
}
