/* Memory that runs out: every public function that reports failure is called with each of its allocations failing in turn.
 * It must say MEMORY, leak nothing, leave its outputs alone, and work again afterwards. Functions that allocate nothing are
 * in the same table, and shown to allocate nothing. That no function is missing is proved by test_allocation_failures.py. */
#include "gonogo.h"
#include "instruction_sets.h"
#include "model_examples.h"
#include "nn/dnnl/dnnl_engine.h"
#include "picture_bytes.h"

enum { BATCH = 3, THREADS = 2, SIDE_MAX = 64, POISON = 0xA5, FAILURES_MAX = 2000 };

/* What the calls work on; made once. */
static struct {
    example pictures, rows;
    uint8_t *model_bytes;
    size_t model_count;
    char *json;
    size_t json_count;
    gng_classifier *picture_classifier, *row_classifier;
    gng_net *training, *inference;
    gng_graph *fused;
    gng_step *step;
    gng_samples samples;
    uint8_t pixels[BATCH * 48];
    float thumbnails[BATCH * GNG_THUMBNAIL_PIXELS];
    float floats[BATCH * 48], targets[BATCH * 2], logits[BATCH * 4];
    uint32_t indices[BATCH];
    file file;
} made;

static char nowhere;

/* Where an output pointer points before the call. */
static void *elsewhere(void)
{
    return &nowhere;
}

static bool poisoned(const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (((const unsigned char *)bytes)[i] != POISON)
            return false;
    return true;
}

/* --- base */

static gng_status name_a_set(void)
{
    gng_instruction_set set;
    return gng_instruction_set_from_name("avx2", &set);
}

static gng_status set_the_limit(void)
{
    return gng_cpu_limit_set(gng_cpu_effective());
}

static gng_status multiply(void)
{
    size_t size;
    return gng_size_multiply(3, 4, &size) ? GNG_OK : GNG_STATUS_TOO_LARGE;
}

static gng_status add(void)
{
    size_t size;
    return gng_size_add(3, 4, &size) ? GNG_OK : GNG_STATUS_TOO_LARGE;
}

static gng_status arena(void)
{
    const gng_arena_layout layout = {.bytes = 100};
    gng_arena out = {.bytes = 7};
    const gng_status status = gng_arena_create(&layout, &out);
    if (status == GNG_OK)
        gng_arena_destroy(&out);
    else
        CHECK(out.bytes == 7 && out.base == NULL && out.mapping == NULL);
    return status;
}

static gng_status nothing(void *argument, size_t index, int worker)
{
    (void)argument, (void)index, (void)worker;
    return GNG_OK;
}

static gng_status tasks(void)
{
    gng_context context = {.threads = THREADS};
    return gng_parallel_run(&context, 5, nothing, NULL);
}

/* --- pictures */

static gng_status decode_with(size_t room, int32_t channels)
{
    static uint8_t pixels[SIDE_MAX * SIDE_MAX * 3];
    gng_inspection inspection;
    GNG_TRY(gng_image_inspect(made.file.bytes, made.file.count, &inspection));
    const gng_inspection before = inspection;
    const gng_image out = {pixels, inspection.height, inspection.width, channels};
    memset(pixels, POISON, sizeof pixels);
    const gng_status status = gng_image_decode(made.file.bytes, made.file.count, 16, &inspection, &out);
    if (status == GNG_STATUS_MEMORY)
        CHECK(poisoned(pixels, sizeof pixels) && inspection.fault == before.fault);
    else
        CHECK(poisoned(pixels + room, sizeof pixels - room));
    return status;
}

static gng_status decode_jpeg(bool progressive, int32_t channels)
{
    const jpeg_options options = {.width = 43, .height = 29, .components = 3, .sampling = 2, .progressive = progressive, .jfif = true,
                                  .adobe_transform = -1};
    put_jpeg(&made.file, &options);
    return decode_with(43 * 29 * (size_t)channels, channels);
}

static gng_status decode_baseline_jpeg(void)
{
    return decode_jpeg(false, 3);
}

static gng_status decode_progressive_jpeg(void)
{
    return decode_jpeg(true, 1);
}

static gng_status decode_png(void)
{
    const uint8_t rows[] = {0, 1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 10, 11, 12};
    put_png_start(&made.file, 2, 2, 8, 2, 0);
    put_png_end(&made.file, rows, sizeof rows);
    return decode_with(4, 1);
}

static gng_status decode_interlaced_png(void)
{
    const uint8_t rows[] = {0, 1, 0, 2, 0, 3, 4}; /* passes 1, 6 and 7 of 2 x 2 pixels */
    put_png_start(&made.file, 2, 2, 8, 0, 1);
    put_png_end(&made.file, rows, sizeof rows);
    return decode_with(12, 3);
}

static gng_status decode_bmp(void)
{
    const uint32_t palette[] = {0x112233, 0x445566};
    put_bmp_start(&made.file, 3, 2, 8, palette, 2);
    put_bytes(&made.file, "\0\1\0\0\1\0\1\0", 8);
    return decode_with(6, 1);
}

static gng_status decode_tiff(void)
{
    put_tiff(&made.file, false, 8, 0, 0, 0, 0);
    return decode_with(60, 3);
}

static gng_status inspect(void)
{
    const jpeg_options options = {.width = 43, .height = 29, .components = 3, .sampling = 1, .adobe_transform = -1};
    gng_inspection inspection;
    put_jpeg(&made.file, &options);
    return gng_image_inspect(made.file.bytes, made.file.count, &inspection);
}

static gng_status resize_with(gng_resize_mode mode)
{
    uint8_t pixels[5 * 7];
    memset(pixels, POISON, sizeof pixels);
    const gng_status status = gng_image_resize((gng_image_view){made.pixels, 8, 6, 1}, mode, &(gng_image){pixels, 5, 7, 1});
    CHECK(status == GNG_OK || poisoned(pixels, sizeof pixels));
    return status;
}

static gng_status resize_padded(void)
{
    return resize_with(GNG_RESIZE_PAD);
}

static gng_status resize_stretched(void)
{
    return resize_with(GNG_RESIZE_STRETCH);
}

static gng_status resize_cropped(void)
{
    return resize_with(GNG_RESIZE_CROP);
}

/* A step leaves the pixels alone; `own` tells that, and a whole enhancement may not. */
static gng_status change(gng_status (*step)(const gng_image *), bool own)
{
    uint8_t pixels[48];
    memcpy(pixels, made.pixels, sizeof pixels);
    const gng_status status = step(&(gng_image){pixels, 4, 4, 3});
    CHECK((memcmp(pixels, made.pixels, sizeof pixels) != 0) == (status == GNG_OK) || !own);
    return status;
}

static gng_status median_step(const gng_image *image)
{
    return gng_image_median(image, 5);
}

static gng_status equalise_step(const gng_image *image)
{
    return gng_image_equalise(image, 2);
}

static gng_status all_steps(const gng_image *image)
{
    return gng_image_enhance(&(gng_enhancement){3, 2, 0.5}, image);
}

static gng_status median(void)
{
    return change(median_step, true);
}

static gng_status equalise(void)
{
    return change(equalise_step, true);
}

static gng_status enhance(void)
{
    return change(all_steps, false);
}

static gng_status check_enhancement(void)
{
    const gng_enhancement enhancement = gng_enhancement_identity();
    return gng_enhancement_check(&enhancement);
}

static gng_status crop(void)
{
    uint8_t pixels[4];
    gng_image out = {.pixels = pixels};
    return gng_image_crop((gng_image_view){made.pixels, 8, 6, 1}, (gng_region){1, 1, 2, 2}, &out);
}

static gng_status warp(void)
{
    static _Alignas(GNG_ALIGNMENT) unsigned char scratch[1 << 16];
    const gng_image_view view = {made.pixels, 8, 6, 1};
    gng_warp change = gng_warp_identity();
    float out[48];
    change.blur_sigma = 1;
    change.gamma = 2;
    CHECK(gng_warp_scratch_bytes(view, 8, 6) <= sizeof scratch);
    return gng_warp_apply(view, &change, scratch, (gng_tensor_shape){1, 8, 6, 1}, out);
}

static gng_status check_augmentation(void)
{
    const gng_augment augment = gng_augment_none();
    return gng_augment_check(&augment);
}

static gng_batch batch(void)
{
    return (gng_batch){.samples = &made.samples, .indices = made.indices, .count = BATCH, .targets = made.targets};
}

static gng_status fill_a_sample(void)
{
    static _Alignas(GNG_ALIGNMENT) unsigned char scratch[1 << 16];
    const gng_batch some = batch();
    float out[48];
    CHECK(gng_batch_scratch_bytes(&made.samples) <= sizeof scratch);
    return gng_batch_fill(&some, 1, scratch, out);
}

/* --- graphs and nets */

static gng_status name_a_kind(void)
{
    gng_layer_kind kind;
    return gng_layer_kind_from_name("add", &kind);
}

static gng_status name_an_activation(void)
{
    gng_activation activation;
    return gng_activation_from_name("gelu", &activation);
}

static gng_status name_a_pool(void)
{
    gng_pool_kind kind;
    return gng_pool_from_name("global_max", &kind);
}

static gng_status name_an_initialiser(void)
{
    gng_initialiser initialiser;
    return gng_initialiser_from_name("he_normal", &initialiser);
}

static gng_status graph_result(gng_status status, gng_graph *const *out)
{
    if (status == GNG_OK)
        gng_graph_destroy(*out);
    else
        CHECK(*out == elsewhere());
    return status;
}

static gng_status create_graph(void)
{
    const gng_graph *graph = made.pictures.model.graph;
    gng_graph *out = elsewhere();
    return graph_result(gng_graph_create(graph->layers, graph->layer_count, graph->shapes[0], &out), &out);
}

static gng_status read_json(void)
{
    gng_graph *out = elsewhere();
    return graph_result(gng_graph_from_json(made.json, made.json_count - 1, &out), &out);
}

static gng_status write_json(void)
{
    char text[4096];
    size_t bytes = sizeof text;
    return gng_graph_to_json(made.pictures.model.graph, text, &bytes);
}

static gng_status fold(void)
{
    const gng_model *model = &made.pictures.model;
    gng_graph *out = elsewhere();
    float *parameters = elsewhere(), *states = elsewhere();
    const gng_status status = gng_graph_fold(model->graph, model->parameters, model->states, &out, &parameters, &states);
    if (status != GNG_OK)
        CHECK(parameters == elsewhere() && states == elsewhere());
    else {
        gng_memory_release(parameters);
        gng_memory_release(states);
    }
    return graph_result(status, &out);
}

static gng_status choose(void)
{
    const gng_layer *layer = &made.pictures.model.graph->layers[1];
    const gng_operation_request request = {.chain = {layer}, .chain_length = 1, .inputs = {{1, 8, 6, 1}}, .input_count = 1, .training = true,
                                           .input_gradient = true, .workers = THREADS};
    const gng_operation_table *table = elsewhere();
    gng_operation *operation = elsewhere();
    gng_operation_memory memory;
    int32_t taken = -1;
    const gng_engine_bracket bracket = gng_engine_enter();
    const gng_status status = gng_choice_plan(&request, &table, &operation, &memory, &taken);
    if (status == GNG_OK)
        table->destroy(operation);
    else
        CHECK(table == elsewhere() && operation == elsewhere() && taken == -1);
    gng_engine_leave(bracket);
    return status;
}

static gng_status check_gradients_of(const gng_layer *layer, gng_tensor_shape input)
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

static gng_status check_convolution(void)
{
    const gng_layer layer = example_conv("conv", 0, 16, 3, true);
    return check_gradients_of(&layer, (gng_tensor_shape){2, 5, 5, 1});
}

static gng_status check_normalisation(void)
{
    const gng_layer layer = example_batch_norm("norm", 0);
    return check_gradients_of(&layer, (gng_tensor_shape){2, 3, 3, 1});
}

static gng_status check_addition(void)
{
    const gng_layer layer = example_add("add", 0, 1);
    return check_gradients_of(&layer, (gng_tensor_shape){3, 2, 2, 1});
}

static gng_status create_net(const gng_graph *graph, bool training)
{
    const gng_net_options options = {.batch = BATCH, .threads = THREADS, .training = training};
    gng_net *out = elsewhere();
    const gng_status status = gng_net_create(graph, &options, &out);
    if (status == GNG_OK)
        gng_net_destroy(out);
    else
        CHECK(out == elsewhere());
    return status;
}

static gng_status create_training_net(void)
{
    return create_net(made.pictures.model.graph, true);
}

static gng_status create_net_of_fused_layers(void)
{
    return create_net(made.fused, true);
}

static gng_status create_inference_net(void)
{
    return create_net(made.pictures.model.graph, false);
}

static gng_status pack(void)
{
    gng_context context = {.threads = THREADS};
    GNG_TRY(gng_net_pack(made.training, &context));
    return gng_net_pack(made.inference, &context);
}

static gng_status fill(void *argument, uint32_t position, int worker, float *out)
{
    (void)argument, (void)worker;
    memcpy(out, made.floats + 48 * position, 48 * sizeof *out);
    return GNG_OK;
}

static gng_status train(void)
{
    gng_context context = {.threads = THREADS};
    const gng_net_run run = {.count = BATCH, .fill = fill};
    const gng_net_targets targets = {.samples = made.indices, .keys = made.indices, .targets = made.targets};
    gng_net_score score;
    memset(&score, POISON, sizeof score);
    const gng_status status = gng_net_train(made.training, &context, &run, &targets, &score);
    CHECK(status == GNG_OK || poisoned(&score, sizeof score));
    return status;
}

/* The logits of the call before are poison in the next one. */
static gng_status logits_result(gng_status status)
{
    CHECK(poisoned(made.logits, sizeof made.logits) == (status != GNG_OK));
    memset(made.logits, POISON, sizeof made.logits);
    return status;
}

static gng_status infer(void)
{
    gng_context context = {.threads = THREADS};
    const gng_net_run run = {.count = BATCH, .fill = fill};
    return logits_result(gng_net_infer(made.inference, &context, &run, made.logits));
}

/* --- training */

static gng_status name_an_optimizer(void)
{
    gng_optimizer_kind kind;
    return gng_optimizer_from_name("adamw", &kind);
}

static gng_status check_optimizer(void)
{
    const gng_optimizer optimizer = gng_optimizer_default(GNG_OPTIMIZER_ADAM);
    return gng_optimizer_check(&optimizer);
}

static gng_status update(void)
{
    const gng_optimizer optimizer = gng_optimizer_default(GNG_OPTIMIZER_SGD);
    gng_context context = {.threads = THREADS};
    double norm;
    return gng_optimizer_update(&optimizer, &context, made.pictures.model.graph, 0.0, 1, gng_net_parameters(made.training),
                                gng_net_gradients(made.training), (float *const[2]){NULL, NULL}, &norm);
}

static gng_status name_a_schedule(void)
{
    gng_schedule_kind kind;
    return gng_schedule_from_name("cosine", &kind);
}

static gng_status check_schedule(void)
{
    gng_schedule schedule = gng_schedule_default(GNG_SCHEDULE_COSINE);
    schedule.total_steps = 10;
    return gng_schedule_check(&schedule);
}

static gng_status create_step(void)
{
    const gng_optimizer optimizer = gng_optimizer_default(GNG_OPTIMIZER_ADAM);
    gng_step *out = elsewhere();
    const gng_status status = gng_step_create(made.pictures.model.graph, &made.samples, BATCH, THREADS, &optimizer, &out);
    if (status == GNG_OK)
        gng_step_destroy(out);
    else
        CHECK(out == elsewhere());
    return status;
}

static gng_status run_step(void)
{
    gng_context context = {.threads = THREADS};
    const gng_batch some = batch();
    gng_step_result result;
    const uint64_t before = gng_step_count(made.step);
    memset(&result, POISON, sizeof result);
    const gng_status status = gng_step_run(made.step, &context, &some, 1, 1e-3, true, &result);
    CHECK(status == GNG_OK ? gng_step_count(made.step) == before + 1 : gng_step_count(made.step) == before && poisoned(&result, sizeof result));
    return status;
}

/* --- model files and classifiers */

static gng_status parse(void)
{
    gng_model *out = elsewhere();
    const gng_status status = gng_model_parse(made.model_bytes, made.model_count, &out);
    if (status == GNG_OK)
        gng_model_destroy(out);
    else
        CHECK(out == elsewhere());
    return status;
}

static gng_status ask_for_the_size(void)
{
    size_t count = 7;
    const gng_status status = gng_model_serialise(&made.pictures.model, NULL, &count);
    CHECK(count == (status == GNG_OK ? made.model_count : 7));
    return status;
}

static gng_status serialise(void)
{
    static uint8_t bytes[1 << 16];
    size_t count = made.model_count;
    CHECK(count <= sizeof bytes);
    memset(bytes, POISON, sizeof bytes);
    const gng_status status = gng_model_serialise(&made.pictures.model, bytes, &count);
    CHECK(count == made.model_count);
    CHECK(status == GNG_OK ? memcmp(bytes, made.model_bytes, count) == 0 : poisoned(bytes, sizeof bytes));
    return status;
}

static gng_status identity(void)
{
    const gng_model *model = &made.pictures.model;
    char digits[65];
    memset(digits, POISON, sizeof digits);
    const gng_status status = gng_model_identity(model->graph, model->parameters, model->states, digits);
    CHECK(status == GNG_OK || poisoned(digits, sizeof digits));
    return status;
}

static gng_status create_classifier(const gng_model *model)
{
    gng_classifier *out = elsewhere();
    const gng_status status = gng_classifier_create(model, BATCH, THREADS, &out);
    if (status == GNG_OK)
        gng_classifier_destroy(out);
    else
        CHECK(out == elsewhere());
    return status;
}

static gng_status create_picture_classifier(void)
{
    return create_classifier(&made.pictures.model);
}

static gng_status create_row_classifier(void)
{
    return create_classifier(&made.rows.model);
}

static gng_status self_test(void)
{
    gng_context context = {.threads = THREADS};
    double difference = -1;
    const gng_status status = gng_classifier_self_test(made.picture_classifier, &context, &difference);
    CHECK((difference == -1) == (status != GNG_OK));
    return status;
}

static gng_status classify_pictures(void)
{
    gng_context context = {.threads = THREADS};
    return logits_result(gng_classifier_logits(made.picture_classifier, &context, made.pixels, BATCH, made.logits, NULL));
}

static gng_status classify_rows(void)
{
    gng_context context = {.threads = THREADS};
    return logits_result(gng_classifier_row_logits(made.row_classifier, &context, made.floats, BATCH, made.logits, NULL));
}

/* --- analysis */

static gng_status find_neighbours(void)
{
    const int16_t vectors[BATCH * 2] = {3, 1, -2, 5, 4, 4};
    uint32_t nearest[BATCH];
    memset(nearest, POISON, sizeof nearest);
    gng_context context = {.threads = THREADS};
    const gng_status status = gng_neighbours_find(&context, vectors, BATCH, 2, 1, nearest);
    CHECK(status == GNG_OK || poisoned(nearest, sizeof nearest));
    return status;
}

static gng_status find_siblings(void)
{
    float *thumbnails = made.thumbnails;
    for (size_t i = 0; i < BATCH * GNG_THUMBNAIL_PIXELS; i++)
        thumbnails[i] = (float)((i * i) % 251);
    gng_context context = {.threads = THREADS};
    gng_sibling_search found;
    memset(&found, POISON, sizeof found);
    const gng_status status = gng_siblings_find(&context, thumbnails, NULL, BATCH, 2, 1, &found);
    if (status == GNG_OK)
        gng_memory_release(found.pairs);
    else
        CHECK(poisoned(&found, sizeof found));
    return status;
}

/* Whether it allocates. */
enum { NOTHING, SOMETHING };

static const struct {
    const char *function;
    gng_status (*call)(void);
    int allocates;
} entries[] = {
    {"gng_arena_create", arena, SOMETHING},
    {"gng_augment_check", check_augmentation, NOTHING},
    {"gng_activation_from_name", name_an_activation, NOTHING},
    {"gng_batch_fill", fill_a_sample, NOTHING},
    {"gng_choice_plan", choose, SOMETHING},
    {"gng_classifier_create", create_picture_classifier, SOMETHING},
    {"gng_classifier_create", create_row_classifier, SOMETHING},
    {"gng_classifier_logits", classify_pictures, NOTHING},
    {"gng_classifier_row_logits", classify_rows, NOTHING},
    {"gng_classifier_self_test", self_test, NOTHING},
    {"gng_cpu_limit_set", set_the_limit, NOTHING},
    {"gng_enhancement_check", check_enhancement, NOTHING},
    {"gng_gradient_check", check_addition, SOMETHING},
    {"gng_gradient_check", check_convolution, SOMETHING},
    {"gng_gradient_check", check_normalisation, SOMETHING},
    {"gng_graph_create", create_graph, SOMETHING},
    {"gng_graph_fold", fold, SOMETHING},
    {"gng_graph_from_json", read_json, SOMETHING},
    {"gng_graph_to_json", write_json, NOTHING},
    {"gng_image_crop", crop, NOTHING},
    {"gng_image_decode", decode_baseline_jpeg, SOMETHING},
    {"gng_image_decode", decode_bmp, SOMETHING},
    {"gng_image_decode", decode_interlaced_png, SOMETHING},
    {"gng_image_decode", decode_png, SOMETHING},
    {"gng_image_decode", decode_progressive_jpeg, SOMETHING},
    {"gng_image_decode", decode_tiff, SOMETHING},
    {"gng_image_enhance", enhance, SOMETHING},
    {"gng_image_equalise", equalise, SOMETHING},
    {"gng_image_inspect", inspect, NOTHING},
    {"gng_image_median", median, SOMETHING},
    {"gng_image_resize", resize_cropped, SOMETHING},
    {"gng_image_resize", resize_padded, SOMETHING},
    {"gng_image_resize", resize_stretched, SOMETHING},
    {"gng_initialiser_from_name", name_an_initialiser, NOTHING},
    {"gng_instruction_set_from_name", name_a_set, NOTHING},
    {"gng_layer_kind_from_name", name_a_kind, NOTHING},
    {"gng_model_identity", identity, SOMETHING},
    {"gng_model_parse", parse, SOMETHING},
    {"gng_model_serialise", ask_for_the_size, SOMETHING},
    {"gng_model_serialise", serialise, SOMETHING},
    {"gng_neighbours_find", find_neighbours, SOMETHING},
    {"gng_net_create", create_inference_net, SOMETHING},
    {"gng_net_create", create_net_of_fused_layers, SOMETHING},
    {"gng_net_create", create_training_net, SOMETHING},
    {"gng_net_infer", infer, NOTHING},
    {"gng_net_pack", pack, NOTHING},
    {"gng_net_train", train, NOTHING},
    {"gng_optimizer_check", check_optimizer, NOTHING},
    {"gng_optimizer_from_name", name_an_optimizer, NOTHING},
    {"gng_optimizer_update", update, NOTHING},
    {"gng_parallel_run", tasks, NOTHING},
    {"gng_pool_from_name", name_a_pool, NOTHING},
    {"gng_schedule_check", check_schedule, NOTHING},
    {"gng_schedule_from_name", name_a_schedule, NOTHING},
    {"gng_siblings_find", find_siblings, SOMETHING},
    {"gng_size_add", add, NOTHING},
    {"gng_size_multiply", multiply, NOTHING},
    {"gng_step_create", create_step, SOMETHING},
    {"gng_step_run", run_step, NOTHING},
    {"gng_warp_apply", warp, NOTHING},
};

static void every_allocation_may_fail(size_t entry)
{
    const char *function = entries[entry].function;
    CHECK_STATUS(entries[entry].call(), GNG_OK); /* what is made once for the process */
    const uint64_t live = gng_memory_live_count(), count = gng_memory_allocation_count();
    CHECK_STATUS(entries[entry].call(), GNG_OK);
    const uint64_t needed = gng_memory_allocation_count() - count;
    bool good = CHECK((needed > 0) == (entries[entry].allocates == SOMETHING));
    gng_status status = GNG_STATUS_MEMORY;
    uint64_t n = 0;
    while (status == GNG_STATUS_MEMORY && n < FAILURES_MAX) {
        gng_memory_fail_nth(++n);
        status = entries[entry].call();
        gng_memory_fail_nth(0);
        good = CHECK(gng_memory_live_count() == live && (status == GNG_OK || gng_error_detail()[0] != '\0')) && good;
    }
    CHECK_STATUS(status, GNG_OK);
    /* What asks whether there is room may fail more often than it allocates. */
    if (!CHECK(n > needed) || !good)
        fprintf(stderr, "    %s: %llu allocations, %llu calls\n", function, (unsigned long long)needed, (unsigned long long)n);
}

/* Golden logits that are those of the model, so that a classifier accepts it. */
static example trusted(gng_graph *graph)
{
    example e = example_model(graph, true);
    gng_model plain = e.model;
    gng_classifier *classifier = NULL;
    plain.golden_count = 0;
    CHECK_STATUS(gng_classifier_create(&plain, BATCH, 1, &classifier), GNG_OK);
    if (classifier != NULL && e.model.golden_pixels != NULL)
        CHECK_STATUS(gng_classifier_logits(classifier, NULL, e.golden_pixels, EXAMPLE_GOLDEN, e.golden_logits, NULL), GNG_OK);
    else if (classifier != NULL)
        CHECK_STATUS(gng_classifier_row_logits(classifier, NULL, e.golden_rows, EXAMPLE_GOLDEN, e.golden_logits, NULL), GNG_OK);
    gng_classifier_destroy(classifier);
    return e;
}

/* Two chains of convolution, ReLU and pooling for which there are kernels of our own. */
static gng_graph *fused_graph(void)
{
    gng_layer layers[] = {
        example_layer("input", GNG_LAYER_INPUT, -1),
        example_conv("conv_1", 0, 16, 3, true),
        example_activation("relu_1", 1, GNG_ACTIVATION_RELU, 0),
        example_pool("pool_1", 2, GNG_POOL_MAX),
        example_conv("conv_2", 3, 16, 3, true),
        example_activation("relu_2", 4, GNG_ACTIVATION_RELU, 0),
        example_pool("pool_2", 5, GNG_POOL_MAX),
        example_layer("flatten", GNG_LAYER_FLATTEN, 6),
        example_dense("logits", 7, 2, true),
    };
    gng_graph *graph = NULL;
    layers[1].as.conv.window = layers[4].as.conv.window = (gng_window){.kernel = {3, 3}, .stride = {2, 2}, .dilation = {1, 1}};
    CHECK_STATUS(gng_graph_create(layers, sizeof layers / sizeof layers[0], (gng_tensor_shape){1, 31, 31, 1}, &graph), GNG_OK);
    return graph;
}

static void make(void)
{
    for (uint32_t i = 0; i < sizeof made.pixels; i++) {
        made.pixels[i] = (uint8_t)(i * 37);
        made.floats[i] = (float)made.pixels[i] / 255.0F;
    }
    for (uint32_t i = 0; i < BATCH; i++) {
        made.indices[i] = i;
        made.targets[2 * i + i % 2] = 1;
    }
    memset(made.logits, POISON, sizeof made.logits);
    made.pictures = trusted(example_picture_graph());
    made.rows = trusted(example_row_graph());
    made.fused = fused_graph();
    const gng_graph *graph = made.pictures.model.graph;
    made.samples = (gng_samples){.pixels = made.pixels, .count = BATCH, .shape = {1, 8, 6, 1}};
    made.model_bytes = example_bytes(&made.pictures.model, &made.model_count);
    CHECK_STATUS(gng_graph_to_json(graph, NULL, &made.json_count), GNG_OK);
    made.json = gng_memory_allocate(made.json_count);
    CHECK_STATUS(gng_graph_to_json(graph, made.json, &made.json_count), GNG_OK);
    CHECK_STATUS(gng_classifier_create(&made.pictures.model, BATCH, THREADS, &made.picture_classifier), GNG_OK);
    CHECK_STATUS(gng_classifier_create(&made.rows.model, BATCH, THREADS, &made.row_classifier), GNG_OK);
    const gng_optimizer optimizer = gng_optimizer_default(GNG_OPTIMIZER_ADAM);
    CHECK_STATUS(gng_net_create(graph, &(gng_net_options){.batch = BATCH, .threads = THREADS, .training = true}, &made.training), GNG_OK);
    CHECK_STATUS(gng_net_create(graph, &(gng_net_options){.batch = BATCH, .threads = THREADS}, &made.inference), GNG_OK);
    CHECK_STATUS(gng_step_create(graph, &made.samples, BATCH, THREADS, &optimizer, &made.step), GNG_OK);
    memcpy(gng_net_parameters(gng_step_net(made.step)), made.pictures.parameters, graph->parameter_floats * sizeof(float));
    memcpy(gng_net_states(gng_step_net(made.step)), made.pictures.states, graph->state_floats * sizeof(float));
}

static void release(void)
{
    gng_step_destroy(made.step);
    gng_net_destroy(made.training);
    gng_net_destroy(made.inference);
    gng_graph_destroy(made.fused);
    gng_classifier_destroy(made.picture_classifier);
    gng_classifier_destroy(made.row_classifier);
    gng_memory_release(made.json);
    free(made.model_bytes);
    example_release(&made.pictures);
    example_release(&made.rows);
    CHECK(gng_memory_live_count() == 0);
}

static void tests(void)
{
    make();
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
        every_allocation_may_fail(i);
    release();
}

int main(int argc, char **argv)
{
    return run_at_every_instruction_set(argc, argv, tests);
}
