/* A graph as canonical JSON and back. */
#include "model_examples.h"

static const char picture_text[] =
    "{\"input\":[1,8,6],\"layers\":["
    "{\"name\":\"conv_1\",\"kind\":\"conv\",\"inputs\":[\"input\"],\"filters\":2,\"kernel\":[3,3],\"stride\":[1,1],\"padding\":[1,1,1,1],\"dilation\":[1,1],"
    "\"groups\":1,\"bias\":true,\"l2\":0.0001},"
    "{\"name\":\"conv_1_norm\",\"kind\":\"batch_norm\",\"inputs\":[\"conv_1\"],\"momentum\":0.99,\"epsilon\":0.001},"
    "{\"name\":\"conv_1_relu\",\"kind\":\"activation\",\"inputs\":[\"conv_1_norm\"],\"function\":\"relu\"},"
    "{\"name\":\"pool_1\",\"kind\":\"pool\",\"inputs\":[\"conv_1_relu\"],\"pool\":\"max\",\"kernel\":[2,2],\"stride\":[2,2],\"padding\":[0,0,0,0]},"
    "{\"name\":\"conv_2\",\"kind\":\"conv\",\"inputs\":[\"pool_1\"],\"filters\":2,\"kernel\":[3,3],\"stride\":[1,1],\"padding\":[1,1,1,1],\"dilation\":[1,1],"
    "\"groups\":2,\"bias\":false,\"l2\":0},"
    "{\"name\":\"add_1\",\"kind\":\"add\",\"inputs\":[\"conv_2\",\"pool_1\"]},"
    "{\"name\":\"leaky\",\"kind\":\"activation\",\"inputs\":[\"add_1\"],\"function\":\"leaky_relu\",\"slope\":0.1},"
    "{\"name\":\"dropout\",\"kind\":\"dropout\",\"inputs\":[\"leaky\"],\"rate\":0.25},"
    "{\"name\":\"flatten\",\"kind\":\"flatten\",\"inputs\":[\"dropout\"]},"
    "{\"name\":\"logits\",\"kind\":\"dense\",\"inputs\":[\"flatten\"],\"units\":2,\"bias\":true,\"l2\":0}]}";

/* A text with global pooling, whose window means nothing and is not written. */
static const char global_text[] =
    "{\"input\":[3,9,9],\"layers\":["
    "{\"name\":\"a\",\"kind\":\"pool\",\"inputs\":[\"input\"],\"pool\":\"global_average\"},"
    "{\"name\":\"b\",\"kind\":\"activation\",\"inputs\":[\"a\"],\"function\":\"elu\",\"slope\":1}]}";

static gng_status from_text(const char *text, gng_graph **out)
{
    return gng_graph_from_json(text, strlen(text), out);
}

static void check_text_of(const gng_graph *graph, const char *expected)
{
    char text[4096];
    size_t bytes = 0;
    CHECK_STATUS(gng_graph_to_json(graph, NULL, &bytes), GNG_OK);
    CHECK(bytes == strlen(expected) + 1);
    bytes = sizeof text;
    CHECK_STATUS(gng_graph_to_json(graph, text, &bytes), GNG_OK);
    CHECK_TEXT(text, expected);
    bytes = strlen(expected);
    CHECK_STATUS(gng_graph_to_json(graph, text, &bytes), GNG_STATUS_ARGUMENT);
}

static void texts_are_canonical(void)
{
    gng_graph *graph = example_picture_graph();
    if (graph != NULL)
        check_text_of(graph, picture_text);
    gng_graph_destroy(graph);
}

static void texts_lead_back_to_equal_graphs(void)
{
    static const char *const texts[] = {picture_text, global_text};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        gng_graph *graph = NULL;
        CHECK_STATUS(from_text(texts[i], &graph), GNG_OK);
        if (graph != NULL)
            check_text_of(graph, texts[i]);
        gng_graph_destroy(graph);
    }
}

static void order_of_keys_and_spaces_do_not_matter_for_reading(void)
{
    gng_graph *graph = NULL;
    CHECK_STATUS(from_text(" { \"layers\" : [ {\"slope\":1.0,\"function\":\"elu\",\"inputs\":[\"a\"],\"kind\":\"activation\",\"name\":\"b\"} ] , \"input\" : [3,1,1] }", &graph),
                 GNG_STATUS_FORMAT); /* "a" is no layer */
    CHECK_STATUS(from_text("{ \"layers\" : [ {\"pool\":\"global_average\",\"inputs\":[\"input\"],\"kind\":\"pool\",\"name\":\"a\"},\n"
                           "{\"slope\":1.0,\"function\":\"elu\",\"inputs\":[\"a\"],\"kind\":\"activation\",\"name\":\"b\"} ] , \"input\" : [3,9,9] }",
                           &graph),
                 GNG_OK);
    if (graph != NULL)
        check_text_of(graph, global_text);
    gng_graph_destroy(graph);
}

static void an_input_of_another_name_is_refused(void)
{
    gng_layer layers[] = {example_layer("picture", GNG_LAYER_INPUT, -1), example_dense("logits", 0, 1, true)};
    const gng_tensor_shape input = {.channels = 4, .height = 1, .width = 1, .block = 1};
    gng_graph *graph = NULL;
    size_t bytes = 0;
    CHECK_STATUS(gng_graph_create(layers, 2, input, &graph), GNG_OK);
    CHECK_STATUS(gng_graph_to_json(graph, NULL, &bytes), GNG_STATUS_ARGUMENT);
    gng_graph_destroy(graph);
}

#define LAYER(fields) "{\"input\":[3,9,9],\"layers\":[{\"name\":\"a\"," fields "}]}"
#define POOL_LAYER(fields) LAYER("\"kind\":\"pool\",\"inputs\":[\"input\"]" fields)

static void faults_are_named(void)
{
    static const struct {
        const char *text;
        gng_status status;
        const char *detail;
    } faults[] = {
        {"[]", GNG_STATUS_FORMAT, "'input' and 'layers'"},
        {"{\"layers\":[]}", GNG_STATUS_FORMAT, "'input' and 'layers'"},
        {"{\"input\":[1,2,3],\"layers\":[],\"extra\":1}", GNG_STATUS_FORMAT, "no other"},
        {"{\"input\":[1,2,3],\"layers\":[]}", GNG_STATUS_FORMAT, "at least one layer"},
        {"{\"input\":[1,2,3],\"layers\":{\"a\":1}}", GNG_STATUS_FORMAT, "at least one layer"},
        {"{\"input\":[1,2],\"layers\":[{}]}", GNG_STATUS_FORMAT, "input: found [1,2]"},
        {"{\"input\":[1,2,3,4],\"layers\":[{}]}", GNG_STATUS_FORMAT, "input: found"},
        {"{\"input\":[1,2,0],\"layers\":[{}]}", GNG_STATUS_FORMAT, "input: found"},
        {"{\"input\":[1,2,99999999999],\"layers\":[{}]}", GNG_STATUS_FORMAT, "input: found"},
        {"{\"input\":[1,2,3],\"layers\":[7]}", GNG_STATUS_FORMAT, "layer 1: found a number, expected an object"},
        {"{\"input\":[1,2,3],\"layers\":[{}]}", GNG_STATUS_FORMAT, "layer 1: the key 'name' is missing"},
        {"{\"input\":[1,2,3],\"layers\":[{\"name\":5}]}", GNG_STATUS_FORMAT, "name: found 5"},
        {LAYER("\"name\":\"b\""), GNG_STATUS_FORMAT, "stands twice"},
        {LAYER("\"kind\":\"eval\",\"inputs\":[\"input\"]"), GNG_STATUS_UNSUPPORTED, "layer 'a'"},
        {LAYER("\"kind\":\"eval\",\"inputs\":[\"input\"]"), GNG_STATUS_UNSUPPORTED, "eval"},
        {LAYER("\"kind\":\"input\",\"inputs\":[\"input\"]"), GNG_STATUS_FORMAT, "not listed"},
        {LAYER("\"kind\":\"flatten\",\"inputs\":[]"), GNG_STATUS_FORMAT, "inputs: found []"},
        {LAYER("\"kind\":\"flatten\",\"inputs\":[\"input\",\"input\",\"input\"]"), GNG_STATUS_FORMAT, "one or two names"},
        {LAYER("\"kind\":\"flatten\",\"inputs\":[\"a\"]"), GNG_STATUS_FORMAT, "inputs: found \"a\", expected the name of an earlier layer"},
        {LAYER("\"kind\":\"flatten\",\"inputs\":[0]"), GNG_STATUS_FORMAT, "inputs: found 0"},
        {LAYER("\"kind\":\"flatten\",\"inputs\":[\"input\"],\"code\":\"x\""), GNG_STATUS_FORMAT, "unknown key \"code\""},
        {POOL_LAYER(",\"pool\":\"global_max\",\"kernel\":[2,2]"), GNG_STATUS_FORMAT, "unknown key \"kernel\""},
        {POOL_LAYER(",\"pool\":\"median\""), GNG_STATUS_UNSUPPORTED, "median"},
        {POOL_LAYER(",\"pool\":[]"), GNG_STATUS_FORMAT, "pool: found []"},
        {POOL_LAYER(",\"pool\":\"max\",\"kernel\":[2,2],\"stride\":[2,2]"), GNG_STATUS_FORMAT, "'padding' is missing"},
        {POOL_LAYER(",\"pool\":\"max\",\"kernel\":2,\"stride\":[2,2],\"padding\":[0,0,0,0]"), GNG_STATUS_FORMAT, "kernel: found 2, expected two whole numbers"},
        {POOL_LAYER(",\"pool\":\"max\",\"kernel\":[2],\"stride\":[2,2],\"padding\":[0,0,0,0]"), GNG_STATUS_FORMAT, "kernel: found [2]"},
        {POOL_LAYER(",\"pool\":\"max\",\"kernel\":[2,2,2],\"stride\":[2,2],\"padding\":[0,0,0,0]"), GNG_STATUS_FORMAT, "kernel: found [2,2,2]"},
        {POOL_LAYER(",\"pool\":\"max\",\"kernel\":[2,2.5],\"stride\":[2,2],\"padding\":[0,0,0,0]"), GNG_STATUS_FORMAT, "kernel: found"},
        {POOL_LAYER(",\"pool\":\"max\",\"kernel\":[2,-2],\"stride\":[2,2],\"padding\":[0,0,0,0]"), GNG_STATUS_FORMAT, "kernel: found"},
        {POOL_LAYER(",\"pool\":\"max\",\"kernel\":[0,2],\"stride\":[2,2],\"padding\":[0,0,0,0]"), GNG_STATUS_ARGUMENT, "'a'"},
        {POOL_LAYER(",\"pool\":\"max\",\"kernel\":[2147483647,2],\"stride\":[2,2],\"padding\":[0,0,0,0]"), GNG_STATUS_SHAPE, "'a'"},
        {POOL_LAYER(",\"pool\":\"max\",\"kernel\":[2,99999999999],\"stride\":[2,2],\"padding\":[0,0,0,0]"), GNG_STATUS_FORMAT, "kernel: found"},
        {LAYER("\"kind\":\"dropout\",\"inputs\":[\"input\"],\"rate\":\"0.5\""), GNG_STATUS_FORMAT, "rate: found \"0.5\", expected a number"},
        {LAYER("\"kind\":\"dropout\",\"inputs\":[\"input\"],\"rate\":1e39"), GNG_STATUS_FORMAT, "rate: found 1e39"},
        {LAYER("\"kind\":\"dropout\",\"inputs\":[\"input\"],\"rate\":2"), GNG_STATUS_ARGUMENT, "'a'"},
        {LAYER("\"kind\":\"dense\",\"inputs\":[\"input\"],\"units\":2,\"bias\":1,\"l2\":0"), GNG_STATUS_FORMAT, "bias: found 1, expected true or false"},
        {LAYER("\"kind\":\"flatten\",\"inputs\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"), GNG_STATUS_TOO_LARGE, "nested"},
        {"{\"input\":[1,2,3],\"layers\":[{\"name\":\"a b\",\"kind\":\"flatten\",\"inputs\":[\"input\"]}]}", GNG_STATUS_ARGUMENT, "a b"},
        {"{\"input\":[2147483647,2147483647,2147483647],\"layers\":[{\"name\":\"a\",\"kind\":\"flatten\",\"inputs\":[\"input\"]}]}", GNG_STATUS_TOO_LARGE, "input"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        gng_graph *graph = NULL;
        const uint64_t live = gng_memory_live_count();
        CHECK_STATUS(from_text(faults[i].text, &graph), faults[i].status);
        if (!CHECK(strstr(gng_error_detail(), faults[i].detail) != NULL))
            fprintf(stderr, "    '%s' is not in '%s'\n", faults[i].detail, gng_error_detail());
        CHECK(graph == NULL && gng_memory_live_count() == live);
    }
}

static void too_many_layers_are_refused(void)
{
    enum { BYTES = 64 * (GNG_LAYERS_MAX + 1) };
    char *text = malloc(BYTES);
    if (!CHECK(text != NULL))
        return;
    for (int count = GNG_LAYERS_MAX - 1; count <= GNG_LAYERS_MAX; count++) {
        size_t used = (size_t)snprintf(text, BYTES, "{\"input\":[1,1,1],\"layers\":[");
        for (int i = 1; i <= count; i++) {
            char before[16] = "input";
            if (i > 1)
                (void)snprintf(before, sizeof before, "l%d", i - 1);
            used += (size_t)snprintf(text + used, BYTES - used, "%s{\"name\":\"l%d\",\"kind\":\"flatten\",\"inputs\":[\"%s\"]}", i > 1 ? "," : "", i, before);
        }
        (void)snprintf(text + used, BYTES - used, "]}");
        gng_graph *graph = NULL;
        CHECK_STATUS(from_text(text, &graph), count < GNG_LAYERS_MAX ? GNG_OK : GNG_STATUS_TOO_LARGE);
        gng_graph_destroy(graph);
    }
    free(text);
}

int main(void)
{
    texts_are_canonical();
    texts_lead_back_to_equal_graphs();
    order_of_keys_and_spaces_do_not_matter_for_reading();
    an_input_of_another_name_is_refused();
    faults_are_named();
    too_many_layers_are_refused();
    return check_result();
}
