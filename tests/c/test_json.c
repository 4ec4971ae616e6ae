/* The strict reader and the canonical writer of JSON. */
#include <locale.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"
#include "check.h"
#include "deploy/json.h"

enum { DEPTH = 4 };

static gng_status check_text(const char *text, gng_json *out)
{
    return gng_json_check(text, strlen(text), DEPTH, "text", out);
}

static void valid_texts_are_accepted(void)
{
    static const char *const texts[] = {
        "{}", "[]", "\"\"", "0", "-0", "true", "false", "null", " \t\r\n[ 1 , 2 ] ", "[[[[]]]]", "{\"a\":{\"a\":1},\"b\":[{\"a\":2},{\"a\":3}]}",
        "1.5e-3", "1E+2", "0.10", "-12.75", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", "\"\\ud83d\\ude00\"", "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"",
        "\"\x7f\"", "\"\xf4\x8f\xbf\xbf\"", "\"\xed\x9f\xbf\"", "1e308", "1e-999", "[1,\"a\",null,true]", "{\"\":1}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        gng_json root;
        CHECK_STATUS(check_text(texts[i], &root), GNG_OK);
    }
}

static void invalid_texts_are_refused_and_leave_the_output_alone(void)
{
    static const struct {
        const char *text;
        gng_status status;
    } texts[] = {
        {"", GNG_STATUS_FORMAT},
        {" ", GNG_STATUS_FORMAT},
        {"{", GNG_STATUS_FORMAT},
        {"[", GNG_STATUS_FORMAT},
        {"]", GNG_STATUS_FORMAT},
        {"[1", GNG_STATUS_FORMAT},
        {"[1,]", GNG_STATUS_FORMAT},
        {"[,1]", GNG_STATUS_FORMAT},
        {"[1 2]", GNG_STATUS_FORMAT},
        {"[1}", GNG_STATUS_FORMAT},
        {"{\"a\":1]", GNG_STATUS_FORMAT},
        {"{\"a\"}", GNG_STATUS_FORMAT},
        {"{\"a\":}", GNG_STATUS_FORMAT},
        {"{\"a\":1,}", GNG_STATUS_FORMAT},
        {"{a:1}", GNG_STATUS_FORMAT},
        {"{1:1}", GNG_STATUS_FORMAT},
        {"'a'", GNG_STATUS_FORMAT},
        {"\"a", GNG_STATUS_FORMAT},
        {"\"a\\\"", GNG_STATUS_FORMAT},
        {"\"\n\"", GNG_STATUS_FORMAT},
        {"\"\\x\"", GNG_STATUS_FORMAT},
        {"\"\\u12g4\"", GNG_STATUS_FORMAT},
        {"\"\\u12", GNG_STATUS_FORMAT},
        {"\"\\u0000\"", GNG_STATUS_FORMAT},
        {"\"\\ud83d\"", GNG_STATUS_FORMAT},
        {"\"\\ud83dx\"", GNG_STATUS_FORMAT},
        {"\"\\ud83d\\u0041\"", GNG_STATUS_FORMAT},
        {"\"\\ude00\"", GNG_STATUS_FORMAT},
        {"\"\xff\"", GNG_STATUS_FORMAT},
        {"\"\xc3\"", GNG_STATUS_FORMAT},
        {"\"\xc0\xaf\"", GNG_STATUS_FORMAT},         /* overlong */
        {"\"\xe0\x80\xaf\"", GNG_STATUS_FORMAT},
        {"\"\xf0\x80\x80\xaf\"", GNG_STATUS_FORMAT},
        {"\"\xed\xa0\x80\"", GNG_STATUS_FORMAT},     /* surrogate */
        {"\"\xf4\x90\x80\x80\"", GNG_STATUS_FORMAT}, /* above U+10FFFF */
        {"01", GNG_STATUS_FORMAT},
        {"-", GNG_STATUS_FORMAT},
        {"+1", GNG_STATUS_FORMAT},
        {".5", GNG_STATUS_FORMAT},
        {"1.", GNG_STATUS_FORMAT},
        {"1e", GNG_STATUS_FORMAT},
        {"1e+", GNG_STATUS_FORMAT},
        {"0x10", GNG_STATUS_FORMAT},
        {"NaN", GNG_STATUS_FORMAT},
        {"Infinity", GNG_STATUS_FORMAT},
        {"-Infinity", GNG_STATUS_FORMAT},
        {"tru", GNG_STATUS_FORMAT},
        {"nulL", GNG_STATUS_FORMAT},
        {"truefalse", GNG_STATUS_FORMAT},
        {"{} {}", GNG_STATUS_FORMAT},
        {"\xef\xbb\xbf{}", GNG_STATUS_FORMAT}, /* byte order mark */
        {"/**/1", GNG_STATUS_FORMAT},
        {"[[[[[]]]]]", GNG_STATUS_TOO_LARGE},
        {"{\"a\":[{\"a\":[{}]}]}", GNG_STATUS_TOO_LARGE},
        {"1e309", GNG_STATUS_TOO_LARGE},
        {"-1e999999999999999999999", GNG_STATUS_TOO_LARGE},
        {"[11111111111111111111111111111111111111111111111111111111111111111]", GNG_STATUS_TOO_LARGE},
        {"{\"a\":1,\"a\":2}", GNG_STATUS_FORMAT},
        {"[{\"b\":1,\"c\":2,\"d\":3,\"\\u0062\":4}]", GNG_STATUS_FORMAT}, /* equal after unescaping */
        {"{\"x\":{\"\xc3\xa9\":1,\"\\u00e9\":1}}", GNG_STATUS_FORMAT},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        gng_json root = {.text = "untouched"};
        const uint64_t live = gng_memory_live_count();
        CHECK_STATUS(check_text(texts[i].text, &root), texts[i].status);
        CHECK_TEXT(root.text, "untouched");
        CHECK(gng_memory_live_count() == live);
    }
}

static void only_the_given_bytes_are_read(void)
{
    static const char with_zero[] = {'"', 'a', '\0', 'b', '"'};
    gng_json root;
    CHECK_STATUS(gng_json_check(with_zero, sizeof with_zero, DEPTH, "text", &root), GNG_STATUS_FORMAT);
    CHECK_STATUS(gng_json_check("{}x", 2, DEPTH, "text", &root), GNG_OK);
}

static void details_name_the_place(void)
{
    gng_json root;
    CHECK_STATUS(check_text("{\"a\":1 \"b\":2}", &root), GNG_STATUS_FORMAT);
    CHECK_TEXT(gng_error_detail(), "text: byte 7 is '\"', expected ',' or '}'");
    CHECK_STATUS(check_text("{\"caf\\u00e9\":1,\"b\":2,\"caf\xc3\xa9\":3}", &root), GNG_STATUS_FORMAT);
    CHECK(strstr(gng_error_detail(), "stands twice") != NULL && strstr(gng_error_detail(), "\"caf") != NULL);
}

/* A hundred thousand keys, and the list of keys that cannot be allocated. */
static void many_keys_are_compared_in_good_time(void)
{
    enum { KEYS = 100000, BYTES = KEYS * 12 + 16 };
    char *text = malloc(BYTES);
    if (!CHECK(text != NULL))
        return;
    size_t used = 0;
    text[used++] = '{';
    for (unsigned i = 0; i < KEYS; i++)
        used += (size_t)snprintf(text + used, BYTES - used, "%s\"%06u\":1", i == 0 ? "" : ",", i * 7919U % KEYS);
    text[used++] = '}';
    gng_json root;
    CHECK_STATUS(gng_json_check(text, used, DEPTH, "text", &root), GNG_OK);
    CHECK(gng_json_length(root) == KEYS);
    gng_memory_fail_nth(1);
    CHECK_STATUS(gng_json_check(text, used, DEPTH, "text", &root), GNG_STATUS_MEMORY);
    memcpy(text + used - 10, text + 1, 8);
    CHECK_STATUS(gng_json_check(text, used, DEPTH, "text", &root), GNG_STATUS_FORMAT);
    free(text);
}

static void views_walk_a_text(void)
{
    gng_json root, key, value, list;
    if (!CHECK(check_text(" {\"a\\u0062\" : [ 1 , \"x]\\\"}\" , {\"k\":[]} ], \"t\":true , \"n\" :null,\"f\":-2.5e1 } ", &root) == GNG_OK))
        return;
    CHECK(root.kind == GNG_JSON_OBJECT && gng_json_length(root) == 4);
    size_t position = 0;
    CHECK(gng_json_next(root, &position, &key, &list) && gng_json_equals(key, "ab") && list.kind == GNG_JSON_ARRAY);
    CHECK(gng_json_length(list) == 3);
    size_t inner = 0;
    CHECK(gng_json_next(list, &inner, NULL, &value) && value.kind == GNG_JSON_NUMBER && value.bytes == 1);
    CHECK(gng_json_next(list, &inner, NULL, &value) && gng_json_equals(value, "x]\"}"));
    CHECK(gng_json_next(list, &inner, NULL, &value) && value.kind == GNG_JSON_OBJECT);
    CHECK(!gng_json_next(list, &inner, NULL, &value));
    bool truth = false;
    float number = 0;
    CHECK(gng_json_find(root, "t", &value) && gng_json_boolean(value, &truth) && truth);
    CHECK(gng_json_find(root, "n", &value) && value.kind == GNG_JSON_NULL && !gng_json_boolean(value, &truth));
    CHECK(gng_json_find(root, "f", &value) && gng_json_float(value, &number));
    CHECK_NEAR((double)number, -25.0, 0);
    CHECK(!gng_json_find(root, "a", &value) && !gng_json_find(list, "a", &value));
    size_t none = 0;
    CHECK(!gng_json_next(value, &none, NULL, &value) && gng_json_length(value) == 0);
}

static void strings_unescape_into_any_room(void)
{
    gng_json root;
    if (!CHECK(check_text("\"a\\n\\u00e9\\u20ac\\ud83d\\ude00z\"", &root) == GNG_OK))
        return;
    static const char expected[] = "a\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    for (size_t capacity = 1; capacity <= sizeof expected; capacity++) {
        char out[32];
        memset(out, '#', sizeof out);
        CHECK(gng_json_text(root, out, capacity) == sizeof expected - 1);
        CHECK(strlen(out) < capacity && strncmp(out, expected, strlen(out)) == 0 && gng_json_utf8(out) && out[capacity] == '#');
    }
    CHECK(gng_json_equals(root, expected) && !gng_json_equals(root, "a\n"));
    char shown[8];
    CHECK_TEXT(gng_json_show(root, shown, sizeof shown), "\"a\\n...");
}

static void integers_are_exact_or_refused(void)
{
    static const struct {
        const char *text;
        bool valid;
        int64_t value;
    } texts[] = {
        {"0", true, 0},
        {"-7", true, -7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999999999999999", false, 0},
        {"1.0", false, 0},
        {"1e2", false, 0},
        {"\"1\"", false, 0},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        gng_json root;
        int64_t value = 4711;
        CHECK_STATUS(check_text(texts[i].text, &root), GNG_OK);
        CHECK(gng_json_integer(root, INT64_MIN, INT64_MAX, &value) == texts[i].valid);
        CHECK(value == (texts[i].valid ? texts[i].value : 4711));
    }
    gng_json root;
    int64_t value = 4711;
    CHECK_STATUS(check_text("12", &root), GNG_OK);
    CHECK(!gng_json_integer(root, 0, 11, &value) && !gng_json_integer(root, 13, 20, &value) && value == 4711);
}

static void write_float(float value, char text[64])
{
    gng_json_writer writer = {.out = text, .capacity = 63};
    gng_json_write_float(&writer, value);
    text[writer.bytes < 63 ? writer.bytes : 63] = '\0';
}

static bool reads_back(float value)
{
    char text[64];
    gng_json root;
    float back = 0;
    write_float(value, text);
    return check_text(text, &root) == GNG_OK && gng_json_float(root, &back) && memcmp(&back, &value, sizeof back) == 0;
}

static void floats_are_short_and_read_back(void)
{
    static const struct {
        float value;
        const char *text;
    } examples[] = {
        {0.0F, "0"}, {-0.0F, "0"}, {1.0F, "1"}, {-1.0F, "-1"}, {0.1F, "0.1"}, {0.99F, "0.99"}, {1e-3F, "0.001"}, {1e-5F, "0.00001"}, {1e-6F, "1e-6"},
        {1.5e-7F, "1.5e-7"}, {16777216.0F, "16777216"}, {123456.7F, "123456.7"}, {100.0F, "100"}, {120.0F, "120"}, {1e15F, "1000000000000000"}, {1e16F, "1e16"},
        {3.4028235e38F, "3.4028235e38"}, {1.1754944e-38F, "1.1754944e-38"}, {1e-45F, "1e-45"}, {0.3333333433F, "0.33333334"},
    };
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        char text[64];
        write_float(examples[i].value, text);
        CHECK_TEXT(text, examples[i].text);
    }
    const gng_rng_key key = {.seed = 1};
    gng_rng rng = gng_rng_create(&key);
    for (int i = 0; i < 100000; i++) {
        const uint32_t bits = gng_rng_bits(&rng);
        float value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value) && !CHECK(reads_back(value)))
            break;
    }
    gng_json root;
    float value = 7;
    CHECK_STATUS(check_text("3.5e38", &root), GNG_OK);
    CHECK(!gng_json_float(root, &value) && value > 6);
}

/* A decimal comma must neither be written nor expected. Where the machine has no such locale, "C" is tried again. */
static void the_locale_changes_nothing(void)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "C"};
    size_t i = 0;
    while (setlocale(LC_ALL, names[i]) == NULL)
        i++;
    floats_are_short_and_read_back();
    CHECK(setlocale(LC_ALL, "C") != NULL);
}

static void the_writer_escapes_what_must_be_and_counts_beyond_its_room(void)
{
    static const char text[] = "\" \\ / \b\f\n\r\t \x01\x1f \x7f \xc3\xa9";
    static const char expected[] = "\"\\\" \\\\ / \\b\\f\\n\\r\\t \\u0001\\u001f \x7f \xc3\xa9\"";
    for (size_t capacity = 0; capacity <= sizeof expected; capacity++) {
        char out[64];
        memset(out, '#', sizeof out);
        gng_json_writer writer = {.out = out, .capacity = capacity};
        gng_json_write_string(&writer, text);
        CHECK(writer.bytes == sizeof expected - 1 && out[capacity] == '#');
        CHECK(memcmp(out, expected, capacity < sizeof expected ? capacity : sizeof expected - 1) == 0);
    }
    gng_json_writer counter = {0};
    gng_json_write_integers(&counter, (const int32_t[]){1, -20, 300}, 3);
    gng_json_write_integers(&counter, NULL, 0);
    CHECK(counter.bytes == strlen("[1,-20,300][]"));
}

/* Damage of every kind at every place: an answer, never a crash; what is accepted can be walked. */
static void damaged_texts_never_crash(void)
{
    static const char original[] = "{\"a\":[1,-2.5e3,\"\\u00e9\\n\",true,null],\"b\":{\"c\":\"\xe2\x82\xac\"}}";
    static const char alphabet[] = "{}[]:,\"\\u0ae-+.1tfn \xc3\xa9\xff";
    int accepted = 0;
    for (size_t at = 0; at < sizeof original - 1; at++)
        for (size_t k = 0; k < sizeof alphabet; k++) {
            char *text = malloc(sizeof original - 1); /* of exactly this size, so that a step beyond is noticed */
            if (!CHECK(text != NULL))
                return;
            memcpy(text, original, sizeof original - 1);
            text[at] = alphabet[k];
            gng_json root;
            if (gng_json_check(text, sizeof original - 1, DEPTH, "text", &root) == GNG_OK) {
                accepted++;
                size_t position = 0;
                for (gng_json key, value; gng_json_next(root, &position, &key, &value);)
                    CHECK(gng_json_length(value) <= 6);
            }
            free(text);
        }
    CHECK(accepted > 0);
}

int main(void)
{
    valid_texts_are_accepted();
    invalid_texts_are_refused_and_leave_the_output_alone();
    only_the_given_bytes_are_read();
    details_name_the_place();
    many_keys_are_compared_in_good_time();
    views_walk_a_text();
    strings_unescape_into_any_room();
    integers_are_exact_or_refused();
    floats_are_short_and_read_back();
    the_locale_changes_nothing();
    the_writer_escapes_what_must_be_and_counts_beyond_its_room();
    damaged_texts_never_crash();
    return check_result();
}
