/* Model files: what is written comes back, and nothing damaged or forged gets in.
 *
 * A number as argument asks for so many random forgeries instead of the usual few.
 */
#include <stdint.h>

#include "deploy/sha256.h"
#include "model_examples.h"

enum { PREFIX = 8, DIGITS = 64 };

typedef struct file {
    uint8_t *bytes; /* malloc */
    size_t count;
} file;

static uint64_t header_length(const file *f)
{
    uint64_t length;
    memcpy(&length, f->bytes, sizeof length);
    return length;
}

static file picture_file(void)
{
    file f = {0};
    example e = example_model(example_picture_graph(), true);
    f.bytes = example_bytes(&e.model, &f.count);
    example_release(&e);
    return f;
}

/* What a forger would do: the hash of the changed file in the changed file. */
static void seal(file *f)
{
    char digits[DIGITS + 1];
    const char key[] = "\"file_sha256\":\"";
    for (size_t at = PREFIX; at + sizeof key + DIGITS < f->count; at++)
        if (memcmp(f->bytes + at, key, sizeof key - 1) == 0) {
            uint8_t *value = f->bytes + at + sizeof key - 1;
            memset(value, '0', DIGITS);
            gng_sha256 hash = gng_sha256_create();
            gng_sha256_update(&hash, f->bytes, f->count);
            gng_sha256_finish(&hash, digits);
            memcpy(value, digits, DIGITS);
            return;
        }
}

/* The file with the first `find` in its header replaced, filled up with spaces and sealed again. */
static file with_header(const file *f, const char *find, const char *replace)
{
    const size_t length = (size_t)header_length(f), data = f->count - PREFIX - length;
    file out = {malloc(f->count + strlen(replace) + 8), 0};
    char *header = malloc(length + 1);
    if (!CHECK(out.bytes != NULL && header != NULL))
        return out;
    memcpy(header, f->bytes + PREFIX, length);
    header[length] = '\0';
    header[strrchr(header, '}') + 1 - header] = '\0';
    char *found = strstr(header, find);
    if (!CHECK(found != NULL))
        fprintf(stderr, "    '%s' is not in the header %s\n", find, header);
    const size_t before = found != NULL ? (size_t)(found - header) : strlen(header), skipped = found != NULL ? strlen(find) : 0;
    char *to = (char *)out.bytes + PREFIX;
    uint64_t new_length = (uint64_t)sprintf(to, "%.*s%s%s", (int)before, header, found != NULL ? replace : "", header + before + skipped);
    while (new_length % 8 != 0)
        to[new_length++] = ' ';
    memcpy(out.bytes, &new_length, sizeof new_length);
    memcpy(to + new_length, f->bytes + PREFIX + length, data);
    out.count = PREFIX + (size_t)new_length + data;
    free(header);
    seal(&out);
    return out;
}

static void expect(const file *f, gng_status status, const char *detail)
{
    gng_model *model = NULL;
    const uint64_t live = gng_memory_live_count();
    CHECK_STATUS(gng_model_parse(f->bytes, f->count, &model), status);
    if (status != GNG_OK && !CHECK(strstr(gng_error_detail(), detail) != NULL))
        fprintf(stderr, "    '%s' is not in '%s'\n", detail, gng_error_detail());
    gng_model_destroy(model);
    CHECK(gng_memory_live_count() == live);
}

static bool refused(const uint8_t *bytes, size_t count)
{
    gng_model *model = NULL;
    const gng_status status = gng_model_parse(bytes, count, &model);
    gng_model_destroy(model);
    return status != GNG_OK && model == NULL;
}

static void check_round_trip(gng_graph *graph, bool golden)
{
    example e = example_model(graph, golden);
    size_t count = 0, again = 0;
    uint8_t *bytes = example_bytes(&e.model, &count), *second = NULL;
    gng_model *model = NULL;
    CHECK_STATUS(gng_model_parse(bytes, count, &model), GNG_OK);
    if (model != NULL) {
        CHECK(model->graph->parameter_floats == graph->parameter_floats && model->graph->state_floats == graph->state_floats);
        CHECK(memcmp(model->parameters, e.parameters, graph->parameter_floats * sizeof(float)) == 0);
        CHECK(memcmp(model->states, e.states, graph->state_floats * sizeof(float)) == 0);
        CHECK(model->metadata_count == 3);
        CHECK_TEXT(model->metadata[0].key, "classes");
        CHECK_TEXT(model->metadata[0].value, e.model.metadata[1].value);
        CHECK_TEXT(model->metadata[1].key, "versions");
        CHECK_TEXT(model->metadata[2].value, e.model.metadata[2].value);
        CHECK(model->golden_count == (golden ? EXAMPLE_GOLDEN : 0));
        const size_t elements = EXAMPLE_GOLDEN * gng_tensor_elements(graph->shapes[0]);
        if (golden && graph->shapes[0].height > 1)
            CHECK(model->golden_rows == NULL && memcmp(model->golden_pixels, e.golden_pixels, elements) == 0);
        if (golden && graph->shapes[0].height == 1)
            CHECK(model->golden_pixels == NULL && memcmp(model->golden_rows, e.golden_rows, elements * sizeof(float)) == 0);
        if (golden)
            CHECK(memcmp(model->golden_logits, e.golden_logits, EXAMPLE_GOLDEN * (size_t)gng_graph_outputs(graph) * sizeof(float)) == 0);
        char digits[65];
        CHECK_STATUS(gng_model_identity(graph, e.parameters, e.states, digits), GNG_OK);
        CHECK_TEXT(model->model_sha256, digits);
        CHECK(strlen(model->file_sha256) == DIGITS);
        second = example_bytes(model, &again);
        CHECK(again == count && memcmp(second, bytes, count) == 0);
    }
    gng_model_destroy(model);
    free(bytes);
    free(second);
    example_release(&e);
}

static void models_come_back_as_they_were(void)
{
    check_round_trip(example_picture_graph(), true);
    check_round_trip(example_picture_graph(), false);
    check_round_trip(example_row_graph(), true);
    check_round_trip(example_row_graph(), false);
}

static void order_of_metadata_does_not_change_the_bytes(void)
{
    example e = example_model(example_row_graph(), true);
    size_t count = 0, again = 0;
    uint8_t *first = example_bytes(&e.model, &count);
    const gng_metadata kept = e.model.metadata[0];
    e.model.metadata[0] = e.model.metadata[2];
    e.model.metadata[2] = kept;
    uint8_t *second = example_bytes(&e.model, &again);
    CHECK(count == again && memcmp(first, second, count) == 0);
    free(first);
    free(second);
    example_release(&e);
}

static void identity_leaves_metadata_out_and_tensors_in(void)
{
    example e = example_model(example_picture_graph(), false);
    char before[65], after[65];
    CHECK_STATUS(gng_model_identity(e.model.graph, e.parameters, e.states, before), GNG_OK);
    e.states[0] += 1;
    CHECK_STATUS(gng_model_identity(e.model.graph, e.parameters, e.states, after), GNG_OK);
    CHECK(strcmp(before, after) != 0);
    e.states[0] -= 1;
    size_t count = 0;
    uint8_t *bytes = example_bytes(&e.model, &count);
    e.model.metadata[2].value = "other";
    uint8_t *others = example_bytes(&e.model, &count);
    gng_model *model = NULL, *other = NULL;
    CHECK_STATUS(gng_model_parse(others, count, &other), GNG_OK);
    free(bytes);
    e.model.metadata_count = 0;
    bytes = example_bytes(&e.model, &count);
    CHECK_STATUS(gng_model_parse(bytes, count, &model), GNG_OK);
    if (model != NULL && other != NULL) {
        CHECK_TEXT(model->model_sha256, other->model_sha256);
        CHECK(strcmp(model->file_sha256, other->file_sha256) != 0);
    }
    gng_model_destroy(model);
    gng_model_destroy(other);
    free(bytes);
    free(others);
    example_release(&e);
}

static void every_flipped_bit_is_refused(void)
{
    file f = picture_file();
    size_t accepted = 0;
    for (size_t bit = 0; bit < 8 * f.count; bit++) {
        f.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        accepted += !refused(f.bytes, f.count);
        f.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    CHECK(accepted == 0);
    CHECK(!refused(f.bytes, f.count));
    free(f.bytes);
}

static void every_other_length_is_refused(void)
{
    file f = picture_file();
    size_t accepted = 0;
    for (size_t count = 0; count < f.count; count++) {
        uint8_t *start = malloc(count + (count == 0)); /* of exactly this size */
        if (!CHECK(start != NULL))
            break;
        memcpy(start, f.bytes, count);
        accepted += !refused(start, count);
        free(start);
    }
    uint8_t *longer = calloc(f.count + 32, 1);
    if (CHECK(longer != NULL)) {
        memcpy(longer, f.bytes, f.count);
        for (size_t more = 1; more <= 32; more++)
            accepted += !refused(longer, f.count + more);
    }
    CHECK(accepted == 0);
    free(longer);
    const file empty = {f.bytes, 0}, prefix = {f.bytes, 7}, header = {f.bytes, 100}, data = {f.bytes, f.count - 1};
    expect(&empty, GNG_STATUS_TRUNCATED, "0 bytes");
    expect(&prefix, GNG_STATUS_TRUNCATED, "7 bytes");
    expect(&header, GNG_STATUS_TRUNCATED, "92 are there");
    expect(&data, GNG_STATUS_TRUNCATED, "golden.input");
    free(f.bytes);
}

static void damage_is_called_damage(void)
{
    file f = picture_file();
    f.bytes[f.count - 1] ^= 1;
    expect(&f, GNG_STATUS_FORMAT, "the file is damaged");
    free(f.bytes);
}

static void lengths_of_the_header_are_checked_before_they_are_used(void)
{
    static const struct {
        uint64_t length;
        gng_status status;
    } lengths[] = {
        {0, GNG_STATUS_FORMAT},
        {7, GNG_STATUS_FORMAT},
        {8, GNG_STATUS_FORMAT},
        {1024 * 1024, GNG_STATUS_TRUNCATED},
        {1024 * 1024 + 8, GNG_STATUS_TOO_LARGE},
        {UINT64_MAX - 7, GNG_STATUS_TOO_LARGE},
        {UINT64_MAX, GNG_STATUS_TOO_LARGE},
    };
    file f = picture_file();
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        memcpy(f.bytes, &lengths[i].length, sizeof lengths[i].length);
        expect(&f, lengths[i].status, "header");
    }
    gng_model *model = NULL;
    CHECK_STATUS(gng_model_parse(f.bytes, (size_t)GNG_MODEL_FILE_BYTES_MAX + 1, &model), GNG_STATUS_TOO_LARGE);
    free(f.bytes);
}

#define WEIGHT "\"conv_1.weight\":{\"dtype\":\"F32\",\"shape\":[2,1,3,3],\"data_offsets\":[0,72]}"
#define DEEP "[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]"

static void forged_headers_are_refused_by_name(void)
{
    static const struct {
        const char *find, *replace;
        gng_status status;
        const char *detail;
    } forgeries[] = {
        {"\"format\":\"gonogo 1\"", "\"format\":\"gonogo 2\"", GNG_STATUS_UNSUPPORTED, "format: found \"gonogo 2\", expected \"gonogo 1\""},
        {"\"format\":", "\"x.format\":", GNG_STATUS_FORMAT, "'format' is missing"},
        {"\"__metadata__\":", "\"metadata\":", GNG_STATUS_FORMAT, "__metadata__"},
        {"{\"__metadata__\":", "{\"__metadata__\":{},\"__metadata__\":", GNG_STATUS_FORMAT, "\"__metadata__\" stands twice"},
        {"{\"__metadata__\":", "{\"__metadata__\":\"x\",\"m\":", GNG_STATUS_FORMAT, "__metadata__"},
        {"{\"__metadata__\":", " {\"__metadata__\":", GNG_STATUS_FORMAT, "from its first byte on"},
        {"\"x.note\":", "\"versions\":", GNG_STATUS_FORMAT, "\"versions\" stands twice"},
        {"\"x.note\":", "\"\\u0076ersions\":", GNG_STATUS_FORMAT, "stands twice"},
        {"\"x.note\":", "\"note\":", GNG_STATUS_FORMAT, "unknown key 'note'"},
        {"\"x.note\":", "\"x.no te\":", GNG_STATUS_FORMAT, "unknown key"},
        {"\"x.note\":", "\"x.\":", GNG_STATUS_FORMAT, "unknown key"},
        {"\"x.note\":", "\"x.note\":1,\"x.more\":", GNG_STATUS_FORMAT, "\"x.note\": found a number, expected a string"},
        {"\"x.note\":", "\"x.note\":" DEEP ",\"x.more\":", GNG_STATUS_TOO_LARGE, "nested"},
        {"\"x.note\":", "\"training\":\"" DEEP "\",\"x.more\":", GNG_STATUS_TOO_LARGE, "metadata: training"},
        {"\"x.note\":", "\"training\":\"{\\\"a\\\":1e999}\",\"x.more\":", GNG_STATUS_TOO_LARGE, "metadata: training"},
        {"\"x.note\":", "\"training\":\"{\\\"a\\\":1,\\\"a\\\":1}\",\"x.more\":", GNG_STATUS_FORMAT, "metadata: training: the key \"a\" stands twice"},
        {"\"x.note\":", "\"training\":\"[]\",\"x.more\":", GNG_STATUS_FORMAT, "training: found an array, expected an object"},
        {"\"x.note\":\"", "\"x.note\":\"\\u0000", GNG_STATUS_FORMAT, "\\u0000"},
        {"\"x.note\":\"", "\"x.note\":\"\xc3", GNG_STATUS_FORMAT, "UTF-8"},
        {"\"classes\":\"[", "\"classes\":\"{", GNG_STATUS_FORMAT, "metadata: classes"},
        {"\"file_sha256\":\"", "\"file_sha256\":\"0", GNG_STATUS_FORMAT, "file_sha256: expected 64"},
        {"\"file_sha256\":\"", "\"x.file_sha256\":\"", GNG_STATUS_FORMAT, "'file_sha256' is missing"},
        {"\"model_sha256\":\"", "\"model_sha256\":\"0", GNG_STATUS_FORMAT, "model_sha256: expected 64"},
        {"\"model_sha256\":\"", "\"x.model_sha256\":\"", GNG_STATUS_FORMAT, "'model_sha256' is missing"},
        {"\"golden\":\"", "\"x.golden\":\"", GNG_STATUS_FORMAT, "'golden' is missing"},
        {"{\\\"input_sha256\\\":\\\"", "{\\\"input_sha256\\\":\\\"0", GNG_STATUS_FORMAT, "metadata: golden"},
        {"\"spec\":\"", "\"x.spec\":\"", GNG_STATUS_FORMAT, "'spec' is missing"},
        {"\"spec\":\"{", "\"spec\":\"[", GNG_STATUS_FORMAT, "spec: byte"},
        {"\\\"filters\\\":2,", "\\\"filters\\\": 2,", GNG_STATUS_FORMAT, "spec: the JSON of the layers is not in its canonical form"},
        {"\\\"l2\\\":0.0001", "\\\"l2\\\":1e-4", GNG_STATUS_FORMAT, "canonical"},
        {"\\\"l2\\\":0.0001", "\\\"l2\\\":-1", GNG_STATUS_FORMAT, "spec: layer 'conv_1'"},
        {"\\\"filters\\\":2,", "\\\"filters\\\":4,", GNG_STATUS_FORMAT, "spec: layer 'add_1': found inputs of 2x4x3 and 4x4x3"},
        {"\\\"filters\\\":2,", "\\\"filters\\\":2147483647,", GNG_STATUS_FORMAT, "spec: layer 'conv_1'"},
        {"\\\"kind\\\":\\\"conv\\\"", "\\\"kind\\\":\\\"os.system\\\"", GNG_STATUS_UNSUPPORTED, "os.system"},
        {"\\\"input\\\":[1,8,6]", "\\\"input\\\":[4,8,6]", GNG_STATUS_UNSUPPORTED, "4 channels"},
        {"\\\"input\\\":[1,8,6]", "\\\"input\\\":[1,4,6]", GNG_STATUS_FORMAT, "logits.weight"},
        {"\\\"units\\\":2,", "\\\"units\\\":80000000,", GNG_STATUS_FORMAT, "the spec asks for"},
        {WEIGHT, "\"conv_1.weight\":[0,72]", GNG_STATUS_FORMAT, "tensor \"conv_1.weight\": expected an object"},
        {"[0,72]}", "[0,72],\"more\":1}", GNG_STATUS_FORMAT, "no other"},
        {"\"dtype\":\"F32\"", "\"dtype\":\"F64\"", GNG_STATUS_UNSUPPORTED, "dtype: found \"F64\""},
        {"\"dtype\":\"F32\"", "\"dtype\":7", GNG_STATUS_UNSUPPORTED, "dtype: found 7"},
        {"\"dtype\":\"F32\"", "\"dtype\":\"U8\"", GNG_STATUS_FORMAT, "data_offsets"},
        {"[2,1,3,3]", "[3,3,2,1]", GNG_STATUS_FORMAT, "conv_1.weight"},
        {"[2,1,3,3]", "[2,9]", GNG_STATUS_FORMAT, "conv_1.weight"},
        {"[2,1,3,3]", "[2,1,3,3,1]", GNG_STATUS_FORMAT, "shape: found [2,1,3,3,1]"},
        {"[2,1,3,3]", "[2,1,3,0]", GNG_STATUS_FORMAT, "shape: found"},
        {"[2,1,3,3]", "[-2,-1,3,3]", GNG_STATUS_FORMAT, "shape: found"},
        {"[2,1,3,3]", "[]", GNG_STATUS_FORMAT, "shape: found []"},
        {"[2,1,3,3]", "18", GNG_STATUS_FORMAT, "shape: found 18"},
        {"[2,1,3,3]", "[2147483647,2147483647,2147483647,2147483647]", GNG_STATUS_FORMAT, "shape: found"},
        {"[2,1,3,3]", "[2147483647,2147483647]", GNG_STATUS_FORMAT, "no holes"},
        {"[0,72]", "[0,76]", GNG_STATUS_FORMAT, "found [0,76], expected [0,72]"},
        {"[0,72]", "[4,76]", GNG_STATUS_FORMAT, "expected [0,72]"},
        {"[0,72]", "[72,0]", GNG_STATUS_FORMAT, "expected [0,72]"},
        {"[0,72]", "[-72,0]", GNG_STATUS_FORMAT, "expected [begin,end]"},
        {"[0,72]", "[0,72,80]", GNG_STATUS_FORMAT, "expected [begin,end]"},
        {"[0,72]", "[0,7.2e1]", GNG_STATUS_FORMAT, "expected [begin,end]"},
        {"[0,72]", "[0,18446744073709551616]", GNG_STATUS_FORMAT, "expected [begin,end]"},
        {"[72,80]", "[64,72]", GNG_STATUS_FORMAT, "tensor \"conv_1.bias\": data_offsets: found [64,72], expected [72,80]"},
        {"[72,80]", "[80,88]", GNG_STATUS_FORMAT, "expected [72,80]"},
        {"\"conv_1.weight\":", "\"conv_7.weight\":", GNG_STATUS_FORMAT, "\"conv_1.weight\" is missing"},
        {"\"conv_1.bias\":", "\"conv_1.weight\":", GNG_STATUS_FORMAT, "stands twice"},
        {"\"golden.input\":", "\"other.input\":", GNG_STATUS_FORMAT, "\"golden.input\" is missing"},
        {"\"golden.logits\":", "\"other.logits\":", GNG_STATUS_FORMAT, "\"golden.logits\" is missing"},
        {"\"golden.input\":{\"dtype\":\"U8\",\"shape\":[2,8,6,1]", "\"golden.input\":{\"dtype\":\"U8\",\"shape\":[96]", GNG_STATUS_TOO_LARGE, "golden.input"},
        {"\"golden.input\":{\"dtype\":\"U8\",\"shape\":[2,8,6,1]", "\"golden.input\":{\"dtype\":\"U8\",\"shape\":[2,6,8,1]", GNG_STATUS_FORMAT, "golden.input"},
        {"[72,80]}", "[72,80]},\"other\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[80,81]}", GNG_STATUS_FORMAT, "no holes"},
    };
    const file f = picture_file();
    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        file forged = with_header(&f, forgeries[i].find, forgeries[i].replace);
        expect(&forged, forgeries[i].status, forgeries[i].detail);
        free(forged.bytes);
    }
    file same = with_header(&f, "gonogo 1", "gonogo 1");
    expect(&same, GNG_OK, "");
    CHECK(same.count == f.count && memcmp(same.bytes, f.bytes, f.count) == 0);
    free(same.bytes);
    free(f.bytes);
}

static void a_tensor_that_no_layer_wants_is_refused(void)
{
    file f = picture_file();
    uint8_t *longer = realloc(f.bytes, f.count + 1);
    if (!CHECK(longer != NULL))
        return;
    f.bytes = longer;
    f.bytes[f.count++] = 7;
    seal(&f);
    expect(&f, GNG_STATUS_FORMAT, "1 bytes behind the last tensor");
    char last[32], more[128];
    const size_t end = f.count - 1 - PREFIX - (size_t)header_length(&f);
    (void)snprintf(last, sizeof last, "%zu]}}", end);
    (void)snprintf(more, sizeof more, "%zu]},\"conv_1.extra\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}}", end, end, end + 1);
    file forged = with_header(&f, last, more);
    expect(&forged, GNG_STATUS_FORMAT, "tensor \"conv_1.extra\" belongs to no layer");
    free(forged.bytes);
    free(f.bytes);
}

/* Where a tensor lies, counted in the order of the file. */
static void forged_values_are_refused_by_name(void)
{
    file f = picture_file();
    example e = example_model(example_picture_graph(), true);
    const gng_graph *graph = e.model.graph;
    uint8_t *data = f.bytes + PREFIX + header_length(&f);
    float *values = (float *)(void *)data;
    const size_t states = graph->parameter_floats, logits = states + graph->state_floats;
    const struct {
        size_t at;
        float value;
        const char *detail;
    } forgeries[] = {
        {0, NAN, "conv_1.weight: value 0 is NaN"},
        {17, INFINITY, "conv_1.weight: value 17 is infinite"},
        {graph->parameters[1].offset, -INFINITY, "conv_1.bias: value 0 is infinite"},
        {states + graph->states[0].offset, NAN, "conv_1_norm.mean: value 0 is NaN"},
        {states + graph->states[1].offset + 1, -0.5F, "conv_1_norm.variance: value 1 is -0.5"},
        {logits + 1, NAN, "golden.logits: value 1 is NaN"},
        {0, 0.25F, "model_sha256: found"},
        {states, 0.25F, "model_sha256: found"},
    };
    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        const float kept = values[forgeries[i].at];
        values[forgeries[i].at] = forgeries[i].value;
        seal(&f);
        expect(&f, GNG_STATUS_FORMAT, forgeries[i].detail);
        values[forgeries[i].at] = kept;
    }
    f.bytes[f.count - 1] ^= 1;
    seal(&f);
    expect(&f, GNG_STATUS_FORMAT, "metadata: golden: the hash");
    f.bytes[f.count - 1] ^= 1;
    seal(&f);
    expect(&f, GNG_OK, "");
    example_release(&e);
    free(f.bytes);
}

static void too_much_metadata_is_refused(void)
{
    enum { KEYS = GNG_MODEL_METADATA_MAX };
    static char keys[KEYS + 1][16];
    example e = example_model(example_row_graph(), false);
    for (int i = 0; i < KEYS; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "x.%d", i);
        e.model.metadata[i] = (gng_metadata){keys[i], ""};
    }
    e.model.metadata_count = KEYS;
    file f = {0};
    f.bytes = example_bytes(&e.model, &f.count);
    expect(&f, GNG_OK, "");
    file forged = with_header(&f, "\"x.0\":", "\"x.more\":\"\",\"x.0\":");
    expect(&forged, GNG_STATUS_TOO_LARGE, "more than 64 keys");
    free(forged.bytes);
    free(f.bytes);
    size_t count = 0;
    e.model.metadata_count = KEYS + 1;
    CHECK_STATUS(gng_model_serialise(&e.model, NULL, &count), GNG_STATUS_ARGUMENT);
    e.model.metadata_count = 1;
    char *huge = malloc(GNG_MODEL_HEADER_BYTES_MAX + 1);
    if (CHECK(huge != NULL)) {
        memset(huge, 'a', GNG_MODEL_HEADER_BYTES_MAX);
        huge[GNG_MODEL_HEADER_BYTES_MAX] = '\0';
        e.model.metadata[0].value = huge;
        CHECK_STATUS(gng_model_serialise(&e.model, NULL, &count), GNG_STATUS_TOO_LARGE);
    }
    free(huge);
    CHECK(count == 0);
    example_release(&e);
}

static void what_could_not_be_read_is_not_written(void)
{
    static const struct {
        gng_metadata entry;
        const char *detail;
    } refusals[] = {
        {{"format", "gonogo 1"}, "'format' is written by the library itself"},
        {{"spec", "{}"}, "'spec' is written by the library itself"},
        {{"golden", "{}"}, "'golden' is written by the library itself"},
        {{"file_sha256", ""}, "'file_sha256'"},
        {{"model_sha256", ""}, "'model_sha256'"},
        {{"note", ""}, "unknown key 'note'"},
        {{"classes", "{}"}, "classes: found an object, expected an array"},
        {{"classes", "[1,]"}, "metadata: classes"},
        {{"x.a", "\xff"}, "UTF-8"},
        {{"x.\xff", "a"}, "UTF-8"},
        {{"versions", "{}"}, "'versions' is given twice"},
    };
    example e = example_model(example_picture_graph(), true);
    size_t count = 4711;
    const gng_metadata kept = e.model.metadata[1];
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        e.model.metadata[1] = refusals[i].entry;
        CHECK_STATUS(gng_model_serialise(&e.model, NULL, &count), GNG_STATUS_ARGUMENT);
        if (!CHECK(strstr(gng_error_detail(), refusals[i].detail) != NULL))
            fprintf(stderr, "    '%s' is not in '%s'\n", refusals[i].detail, gng_error_detail());
    }
    e.model.metadata[1] = kept;

    float *const places[] = {&e.parameters[3], &e.states[0], &e.golden_logits[1]};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const float value = *places[i];
        *places[i] = NAN;
        CHECK_STATUS(gng_model_serialise(&e.model, NULL, &count), GNG_STATUS_ARGUMENT);
        CHECK(strstr(gng_error_detail(), "NaN") != NULL);
        *places[i] = value;
    }
    e.model.golden_pixels = NULL;
    CHECK_STATUS(gng_model_serialise(&e.model, NULL, &count), GNG_STATUS_ARGUMENT);
    e.model.golden_pixels = e.golden_pixels;
    e.model.golden_count = GNG_MODEL_GOLDEN_MAX + 1;
    CHECK_STATUS(gng_model_serialise(&e.model, NULL, &count), GNG_STATUS_TOO_LARGE);
    e.model.golden_count = EXAMPLE_GOLDEN;
    CHECK(count == 4711);

    uint8_t *bytes = example_bytes(&e.model, &count);
    size_t less = count - 1;
    memset(bytes, 0xA5, count);
    CHECK_STATUS(gng_model_serialise(&e.model, bytes, &less), GNG_STATUS_ARGUMENT);
    CHECK(less == count - 1 && bytes[0] == 0xA5 && bytes[count - 1] == 0xA5);
    free(bytes);
    example_release(&e);
}

static void check_cap(const gng_layer *layers, int32_t count, gng_tensor_shape input, const char *detail)
{
    gng_graph *graph = NULL;
    CHECK_STATUS(gng_graph_create(layers, count, input, &graph), GNG_OK);
    if (graph == NULL)
        return;
    example e = example_model(graph, false);
    size_t bytes = 0;
    CHECK_STATUS(gng_model_serialise(&e.model, NULL, &bytes), GNG_STATUS_TOO_LARGE);
    CHECK(strstr(gng_error_detail(), detail) != NULL);
    example_release(&e);
}

static void graphs_that_would_take_for_ever_are_refused(void)
{
    const gng_layer slow[] = {
        example_layer("input", GNG_LAYER_INPUT, -1),
        example_conv("conv_1", 0, 8, 31, false),
        example_conv("conv_2", 1, 8, 31, false),
        example_pool("pool", 2, GNG_POOL_GLOBAL_MAX),
    };
    check_cap(slow, 4, (gng_tensor_shape){1, 4096, 4096, 1}, "multiply-adds");
    gng_layer wide[20] = {example_layer("input", GNG_LAYER_INPUT, -1)};
    for (int i = 1; i < 19; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "relu_%d", i);
        wide[i] = example_activation(name, i - 1, GNG_ACTIVATION_RELU, 0);
    }
    wide[19] = example_pool("pool", 18, GNG_POOL_GLOBAL_MAX);
    check_cap(wide, 20, (gng_tensor_shape){1, 8192, 8192, 1}, "outputs of the layers");
}

/* Random bytes in the header or among the tensors, sealed again: an answer, never a crash; what is accepted can be written. */
static void random_forgeries_never_crash(long rounds)
{
    static const char alphabet[] = "{}[]:,\"\\0123456789-.eu_ax \xc3\xff";
    const gng_rng_key key = {.seed = 20};
    gng_rng rng = gng_rng_create(&key);
    file f = picture_file();
    const uint32_t header = (uint32_t)header_length(&f);
    uint8_t *copy = malloc(f.count);
    long accepted = 0;
    for (long i = 0; i < rounds && CHECK(copy != NULL); i++) {
        memcpy(copy, f.bytes, f.count);
        const uint32_t changes = 1 + gng_rng_below(&rng, 3);
        for (uint32_t c = 0; c < changes; c++) {
            const uint32_t at = gng_rng_below(&rng, 4) > 0 ? PREFIX + gng_rng_below(&rng, header) : gng_rng_below(&rng, (uint32_t)f.count);
            copy[at] = gng_rng_below(&rng, 2) > 0 ? (uint8_t)alphabet[gng_rng_below(&rng, sizeof alphabet - 1)] : (uint8_t)gng_rng_below(&rng, 256);
        }
        file forged = {copy, f.count};
        seal(&forged);
        gng_model *model = NULL;
        if (gng_model_parse(copy, f.count, &model) == GNG_OK) {
            size_t count = 0;
            CHECK_STATUS(gng_model_serialise(model, NULL, &count), GNG_OK);
            accepted++;
        }
        gng_model_destroy(model);
    }
    CHECK(accepted < rounds);
    free(copy);
    free(f.bytes);
}

static void every_failing_allocation_is_reported(void)
{
    file f = picture_file();
    example e = example_model(example_picture_graph(), true);
    const uint64_t live = gng_memory_live_count();
    gng_status status = GNG_STATUS_MEMORY;
    int n = 0;
    while (status != GNG_OK && CHECK(n < 100)) {
        gng_model *model = NULL;
        gng_memory_fail_nth((uint64_t)++n);
        status = gng_model_parse(f.bytes, f.count, &model);
        gng_memory_fail_nth(0);
        CHECK(status == GNG_OK || (status == GNG_STATUS_MEMORY && model == NULL));
        gng_model_destroy(model);
        CHECK(gng_memory_live_count() == live);
    }
    CHECK(n > 10);
    for (n = 0, status = GNG_STATUS_MEMORY; status != GNG_OK && CHECK(n < 100);) {
        size_t count = f.count;
        gng_memory_fail_nth((uint64_t)++n);
        status = gng_model_serialise(&e.model, f.bytes, &count);
        gng_memory_fail_nth(0);
        CHECK(status == GNG_OK || status == GNG_STATUS_MEMORY);
        CHECK(gng_memory_live_count() == live);
    }
    CHECK(n > 2);
    expect(&f, GNG_OK, "");
    example_release(&e);
    free(f.bytes);
}

int main(int count, char **arguments)
{
    models_come_back_as_they_were();
    order_of_metadata_does_not_change_the_bytes();
    identity_leaves_metadata_out_and_tensors_in();
    every_flipped_bit_is_refused();
    every_other_length_is_refused();
    damage_is_called_damage();
    lengths_of_the_header_are_checked_before_they_are_used();
    forged_headers_are_refused_by_name();
    a_tensor_that_no_layer_wants_is_refused();
    forged_values_are_refused_by_name();
    too_much_metadata_is_refused();
    what_could_not_be_read_is_not_written();
    graphs_that_would_take_for_ever_are_refused();
    random_forgeries_never_crash(count > 1 ? strtol(arguments[1], NULL, 10) : 5000);
    every_failing_allocation_is_reported();
    return check_result();
}
