/* The check of a JSON text (RFC 8259): grammar, UTF-8, depth, numbers and duplicate keys. Views into checked texts are json_view.c. */
#include <string.h>

#include "base/memory.h"
#include "deploy/json_scan.h"

/* A key and the object it stands in, as offsets into the text. */
typedef struct key_place {
    uint32_t object;
    uint32_t key;
} key_place;

typedef struct scan {
    const char *text;
    size_t bytes;
    size_t at;
    int depth; /* containers that may still be opened */
    int depth_max;
    const char *what;
    key_place *keys; /* NULL while they are only counted */
    size_t key_count;
} scan;

static gng_status unexpected(const scan *s, const char *expected)
{
    if (s->at >= s->bytes)
        return gng_error_set(GNG_STATUS_FORMAT, "%s: the JSON ends at byte %zu, expected %s", s->what, s->at, expected);
    const unsigned char found = (unsigned char)s->text[s->at];
    if (found >= 0x20 && found < 0x7f)
        return gng_error_set(GNG_STATUS_FORMAT, "%s: byte %zu is '%c', expected %s", s->what, s->at, found, expected);
    return gng_error_set(GNG_STATUS_FORMAT, "%s: byte %zu is 0x%02x, expected %s", s->what, s->at, (unsigned)found, expected);
}

static bool next_is(const scan *s, char expected)
{
    return s->at < s->bytes && s->text[s->at] == expected;
}

static void skip_space(scan *s)
{
    while (s->at < s->bytes && gng_json_is_space(s->text[s->at]))
        s->at++;
}

static gng_status scan_escape(scan *s)
{
    const size_t start = s->at;
    if (s->at + 1 >= s->bytes || strchr("\"\\/bfnrtu", s->text[s->at + 1]) == NULL || s->text[s->at + 1] == '\0') {
        s->at++;
        return unexpected(s, "one of \" \\ / b f n r t u after a backslash");
    }
    if (s->text[s->at + 1] != 'u') {
        s->at += 2;
        return GNG_OK;
    }
    uint32_t unit;
    if (!gng_json_hexadecimal(s->text + s->at + 2, s->bytes - s->at - 2, &unit))
        return gng_error_set(GNG_STATUS_FORMAT, "%s: byte %zu: expected four hexadecimal digits after \\u", s->what, start);
    s->at += 6;
    if (unit == 0)
        return gng_error_set(GNG_STATUS_FORMAT, "%s: byte %zu: \\u0000 is not allowed", s->what, start);
    if (unit < 0xd800 || unit > 0xdfff)
        return GNG_OK;
    uint32_t low = 0;
    if (unit > 0xdbff || s->bytes - s->at < 6 || s->text[s->at] != '\\' || s->text[s->at + 1] != 'u' ||
        !gng_json_hexadecimal(s->text + s->at + 2, s->bytes - s->at - 2, &low) || low < 0xdc00 || low > 0xdfff)
        return gng_error_set(GNG_STATUS_FORMAT, "%s: byte %zu: \\u%04x is half of a surrogate pair", s->what, start, (unsigned)unit);
    s->at += 6;
    return GNG_OK;
}

static gng_status scan_string(scan *s)
{
    if (!next_is(s, '"'))
        return unexpected(s, "a string");
    s->at++;
    while (!next_is(s, '"')) {
        if (s->at >= s->bytes || (unsigned char)s->text[s->at] < 0x20)
            return unexpected(s, "the rest of a string (control characters are written as escapes)");
        if (s->text[s->at] == '\\') {
            GNG_TRY(scan_escape(s));
            continue;
        }
        const size_t length = gng_utf8_length((const unsigned char *)s->text + s->at, s->bytes - s->at);
        if (length == 0)
            return unexpected(s, "UTF-8");
        s->at += length;
    }
    s->at++;
    return GNG_OK;
}

static size_t skip_digits(scan *s)
{
    const size_t start = s->at;
    while (s->at < s->bytes && gng_json_is_digit(s->text[s->at]))
        s->at++;
    return s->at - start;
}

static gng_status scan_number(scan *s)
{
    const size_t start = s->at;
    if (next_is(s, '-'))
        s->at++;
    const bool zero = next_is(s, '0');
    const size_t digits = skip_digits(s);
    if (digits == 0)
        return unexpected(s, "a digit");
    if (zero && digits > 1)
        return gng_error_set(GNG_STATUS_FORMAT, "%s: byte %zu: a number must not begin with 0", s->what, start);
    if (next_is(s, '.')) {
        s->at++;
        if (skip_digits(s) == 0)
            return unexpected(s, "a digit after the decimal point");
    }
    if (next_is(s, 'e') || next_is(s, 'E')) {
        s->at++;
        if (next_is(s, '+') || next_is(s, '-'))
            s->at++;
        if (skip_digits(s) == 0)
            return unexpected(s, "a digit of the exponent");
    }
    double value;
    const gng_json number = {.text = s->text + start, .bytes = s->at - start, .kind = GNG_JSON_NUMBER};
    if (number.bytes > GNG_JSON_NUMBER_BYTES || !gng_json_double(number, &value))
        return gng_error_set(GNG_STATUS_TOO_LARGE, "%s: byte %zu: a number of %zu characters is longer than %d or beyond a double", s->what, start,
                             number.bytes, (int)GNG_JSON_NUMBER_BYTES);
    return GNG_OK;
}

static gng_status scan_word(scan *s, const char *word)
{
    const size_t length = strlen(word);
    if (s->bytes - s->at < length || memcmp(s->text + s->at, word, length) != 0)
        return unexpected(s, "a value");
    s->at += length;
    return GNG_OK;
}

static gng_status scan_value(scan *s, gng_json_kind *kind);

static gng_status scan_key(scan *s, size_t object)
{
    if (s->keys != NULL)
        s->keys[s->key_count] = (key_place){.object = (uint32_t)object, .key = (uint32_t)s->at};
    s->key_count++;
    GNG_TRY(scan_string(s));
    skip_space(s);
    if (!next_is(s, ':'))
        return unexpected(s, "':'");
    s->at++;
    skip_space(s);
    return GNG_OK;
}

static gng_status scan_container(scan *s, bool object)
{
    const size_t start = s->at;
    const char end = object ? '}' : ']';
    if (s->depth == 0)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "%s: byte %zu: nested more than %d deep", s->what, start, s->depth_max);
    s->depth--;
    s->at++;
    skip_space(s);
    while (!next_is(s, end)) {
        gng_json_kind kind;
        if (object)
            GNG_TRY(scan_key(s, start));
        GNG_TRY(scan_value(s, &kind));
        skip_space(s);
        if (next_is(s, ',')) {
            s->at++;
            skip_space(s);
            if (next_is(s, end))
                return unexpected(s, object ? "a key after ','" : "a value after ','");
        } else if (!next_is(s, end)) {
            return unexpected(s, object ? "',' or '}'" : "',' or ']'");
        }
    }
    s->at++;
    s->depth++;
    return GNG_OK;
}

/* Recursion is bounded by depth. */
static gng_status scan_value(scan *s, gng_json_kind *kind)
{
    if (s->at >= s->bytes)
        return unexpected(s, "a value");
    *kind = gng_json_kind_of(s->text[s->at]);
    switch (*kind) {
    case GNG_JSON_OBJECT:
    case GNG_JSON_ARRAY:
        return scan_container(s, *kind == GNG_JSON_OBJECT);
    case GNG_JSON_STRING:
        return scan_string(s);
    case GNG_JSON_BOOLEAN:
        return scan_word(s, s->text[s->at] == 't' ? "true" : "false");
    case GNG_JSON_NULL:
        return scan_word(s, "null");
    case GNG_JSON_NUMBER:
        break;
    }
    return scan_number(s);
}

/* By object, then by unescaped key. */
static int compare_keys(const char *text, key_place a, key_place b)
{
    if (a.object != b.object)
        return a.object < b.object ? -1 : 1;
    return gng_json_compare_strings(text + a.key, text + b.key);
}

static void sift_down(const char *text, key_place *keys, size_t root, size_t count)
{
    while (2 * root + 1 < count) {
        size_t child = 2 * root + 1;
        if (child + 1 < count && compare_keys(text, keys[child], keys[child + 1]) < 0)
            child++;
        if (compare_keys(text, keys[root], keys[child]) >= 0)
            return;
        const key_place kept = keys[root];
        keys[root] = keys[child];
        keys[child] = kept;
        root = child;
    }
}

/* Heap sort: no text, however chosen, makes it slow, as a hash table or quicksort could be made. */
static void sort_keys(const char *text, key_place *keys, size_t count)
{
    for (size_t root = count / 2; root-- > 0;)
        sift_down(text, keys, root, count);
    for (size_t last = count; last-- > 1;) {
        const key_place kept = keys[0];
        keys[0] = keys[last];
        keys[last] = kept;
        sift_down(text, keys, 0, last);
    }
}

static gng_status scan_text(scan *s, gng_json *out)
{
    s->at = 0;
    s->key_count = 0;
    s->depth = s->depth_max;
    skip_space(s);
    const size_t start = s->at;
    gng_json_kind kind;
    GNG_TRY(scan_value(s, &kind));
    *out = (gng_json){.text = s->text + start, .bytes = s->at - start, .kind = kind};
    skip_space(s);
    return s->at == s->bytes ? GNG_OK : unexpected(s, "the end");
}

static gng_status refuse_duplicates(const scan *s)
{
    sort_keys(s->text, s->keys, s->key_count);
    for (size_t i = 1; i < s->key_count; i++)
        if (compare_keys(s->text, s->keys[i - 1], s->keys[i]) == 0) {
            char key[64];
            return gng_error_set(GNG_STATUS_FORMAT, "%s: the key %s stands twice in one object", s->what,
                                 gng_json_show(gng_json_at(s->text + s->keys[i].key), key, sizeof key));
        }
    return GNG_OK;
}

gng_status gng_json_check(const char *text, size_t bytes, int depth, const char *what, gng_json *out)
{
    if (bytes >= UINT32_MAX)
        return gng_error_set(GNG_STATUS_TOO_LARGE, "%s: %zu bytes of JSON are too many", what, bytes);
    scan s = {.text = text, .bytes = bytes, .depth_max = depth, .what = what};
    gng_json value;
    GNG_TRY(scan_text(&s, &value));
    gng_status status = GNG_OK;
    if (s.key_count > 1) {
        s.keys = gng_memory_allocate_array(s.key_count, sizeof *s.keys);
        if (s.keys == NULL)
            return gng_error_set(GNG_STATUS_MEMORY, "%s: no memory to compare %zu keys", what, s.key_count);
        status = scan_text(&s, &value);
        if (status == GNG_OK)
            status = refuse_duplicates(&s);
        gng_memory_release(s.keys);
    }
    if (status == GNG_OK)
        *out = value;
    return status;
}
