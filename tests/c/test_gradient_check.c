/* The gradient checker when memory runs out, whichever allocation fails; what it computes is tested from Python. */
#include "nn/gradient_check.h"

#include "check.h"

static gng_status check_layer(const gng_layer *layer, gng_tensor_shape input)
{
    const gng_tensor_shape inputs[] = {input, input};
    gng_gradient_check_result result = {.reference_error = -1, .engine_error = -1};
    const gng_status status = gng_gradient_check(layer, inputs, 1, &result);
    if (status == GNG_OK)
        CHECK(result.reference_error >= 0 && result.reference_error < 1e-6 && result.engine_error < 1e-5 && result.engine != NULL);
    else
        CHECK(result.reference_error == -1 && result.engine_error == -1 && result.engine == NULL);
    return status;
}

static void check_every_failure(const gng_layer *layer, gng_tensor_shape input)
{
    CHECK_STATUS(check_layer(layer, input), GNG_OK);
    const uint64_t live = gng_memory_live_count();
    gng_status status = GNG_STATUS_MEMORY;
    uint64_t n = 1;
    for (; status == GNG_STATUS_MEMORY && n < 100; n++) {
        gng_memory_fail_nth(n);
        status = check_layer(layer, input);
        CHECK(gng_memory_live_count() == live);
    }
    gng_memory_fail_nth(0);
    CHECK_STATUS(status, GNG_OK);
    CHECK(n > 2);
}

int main(void)
{
    gng_layer conv = {.name = "conv", .kind = GNG_LAYER_CONV, .input_count = 1};
    conv.as.conv.filters = 16;
    conv.as.conv.groups = 1;
    conv.as.conv.bias = true;
    conv.as.conv.window = (gng_window){.kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}};
    check_every_failure(&conv, (gng_tensor_shape){2, 5, 5, 1});
    gng_layer norm = {.name = "norm", .kind = GNG_LAYER_BATCH_NORM, .input_count = 1};
    norm.as.batch_norm.epsilon = 1e-3F;
    check_every_failure(&norm, (gng_tensor_shape){2, 3, 3, 1});
    const gng_layer add = {.name = "add", .kind = GNG_LAYER_ADD, .input_count = 2, .inputs = {0, 1}};
    check_every_failure(&add, (gng_tensor_shape){3, 2, 2, 1});
    return check_result();
}
