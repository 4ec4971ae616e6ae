/* Views into a checked JSON text: members, elements, strings and numbers. Nothing here can run past a text that gng_json_check accepted. */
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arithmetic.h"
#include "deploy/json_scan.h"

const char *gng_json_kind_name(gng_json_kind kind)
{
    static const char *const names[] = {
        [GNG_JSON_OBJECT] = "an object", [GNG_JSON_ARRAY] = "an array",     [GNG_JSON_STRING] = "a string",
        [GNG_JSON_NUMBER] = "a number",  [GNG_JSON_BOOLEAN] = "a truth value", [GNG_JSON_NULL] = "null",
    };
    return names[kind];
}

size_t gng_utf8_length(const unsigned char *text, size_t available)
{
    const unsigned char first = text[0];
    if (first < 0x80)
        return 1;
    const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || length > available)
        return 0;
    /* Only the second byte has a narrower range: no overlong forms, no surrogates, nothing above U+10FFFF. */
    const unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (text[i] < 0x80 || text[i] > 0xbf)
            return 0;
    return length;
}

bool gng_json_utf8(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    for (size_t left = strlen(text); left > 0;) {
        const size_t length = gng_utf8_length(at, left);
        if (length == 0)
            return false;
        at += length;
        left -= length;
    }
    return true;
}

bool gng_json_hexadecimal(const char *text, size_t available, uint32_t *out)
{
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        if (i >= available)
            return false;
        const char c = text[i];
        uint32_t digit;
        if (gng_json_is_digit(c))
            digit = (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (uint32_t)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            digit = (uint32_t)(c - 'A') + 10;
        else
            return false;
        value = value << 4 | digit;
    }
    *out = value;
    return true;
}

/* Unescapes one character of a checked string at *at, which is moved on; returns its bytes, 0 at the closing quote. */
static size_t next_character(const char **at, unsigned char out[4])
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *text = *at;
    if (*text == '"')
        return 0;
    if (*text != '\\') {
        const size_t length = gng_utf8_length((const unsigned char *)text, 4);
        memcpy(out, text, length);
        *at += length;
        return length;
    }
    if (text[1] != 'u') {
        out[0] = (unsigned char)meanings[strchr(escapes, text[1]) - escapes];
        *at += 2;
        return 1;
    }
    uint32_t code = 0, low = 0;
    (void)gng_json_hexadecimal(text + 2, 4, &code);
    *at += 6;
    if (code >= 0xd800 && code <= 0xdbff) {
        (void)gng_json_hexadecimal(text + 8, 4, &low);
        *at += 6;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code < 0x80) {
        out[0] = (unsigned char)code;
        return 1;
    }
    const size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length; i-- > 1; code >>= 6)
        out[i] = (unsigned char)(0x80 | (code & 0x3f));
    out[0] = (unsigned char)(lead[length] | code);
    return length;
}

int gng_json_compare_strings(const char *a, const char *b)
{
    for (a++, b++;;) {
        unsigned char left[4], right[4];
        const size_t left_bytes = next_character(&a, left), right_bytes = next_character(&b, right);
        if (left_bytes == 0 || right_bytes == 0)
            return (left_bytes != 0) - (right_bytes != 0);
        /* UTF-8 characters of different lengths differ in their first byte. */
        const int order = memcmp(left, right, left_bytes < right_bytes ? left_bytes : right_bytes);
        if (order != 0)
            return order;
    }
}

static const char *string_end(const char *text)
{
    for (text++; *text != '"'; text++)
        if (*text == '\\')
            text++;
    return text + 1;
}

gng_json gng_json_at(const char *text)
{
    gng_json value = {.text = text, .kind = gng_json_kind_of(*text)};
    const char *end = text;
    int open = 0;
    switch (value.kind) {
    case GNG_JSON_OBJECT:
    case GNG_JSON_ARRAY:
        do {
            if (*end == '"') {
                end = string_end(end);
                continue;
            }
            open += (*end == '{' || *end == '[') - (*end == '}' || *end == ']');
            end++;
        } while (open > 0);
        break;
    case GNG_JSON_STRING:
        end = string_end(text);
        break;
    case GNG_JSON_BOOLEAN:
        end = text + (*text == 't' ? 4 : 5);
        break;
    case GNG_JSON_NULL:
        end = text + 4;
        break;
    case GNG_JSON_NUMBER:
        /* Values inside containers are always followed by more text. */
        while (gng_json_is_digit(*end) || (*end != '\0' && strchr("+-.eE", *end) != NULL))
            end++;
        break;
    }
    value.bytes = (size_t)(end - text);
    return value;
}

static size_t skip_space(gng_json container, size_t at)
{
    while (gng_json_is_space(container.text[at]))
        at++;
    return at;
}

bool gng_json_next(gng_json container, size_t *position, gng_json *key, gng_json *value)
{
    if (container.kind != GNG_JSON_OBJECT && container.kind != GNG_JSON_ARRAY)
        return false;
    size_t at = skip_space(container, *position == 0 ? 1 : *position);
    if (container.text[at] == ',')
        at = skip_space(container, at + 1);
    if (container.text[at] == '}' || container.text[at] == ']')
        return false;
    if (container.kind == GNG_JSON_OBJECT) {
        const gng_json found = gng_json_at(container.text + at);
        if (key != NULL)
            *key = found;
        at = skip_space(container, at + found.bytes);
        at = skip_space(container, at + 1);
    }
    *value = gng_json_at(container.text + at);
    *position = at + value->bytes;
    return true;
}

size_t gng_json_length(gng_json container)
{
    size_t position = 0, length = 0;
    for (gng_json value; gng_json_next(container, &position, NULL, &value);)
        length++;
    return length;
}

bool gng_json_find(gng_json object, const char *key, gng_json *out)
{
    if (object.kind != GNG_JSON_OBJECT)
        return false;
    size_t position = 0;
    for (gng_json name, value; gng_json_next(object, &position, &name, &value);)
        if (gng_json_equals(name, key)) {
            *out = value;
            return true;
        }
    return false;
}

const char *gng_json_show(gng_json value, char *out, size_t capacity)
{
    size_t used = value.bytes < capacity ? value.bytes : capacity - sizeof "...";
    while (used < value.bytes && used > 0 && ((unsigned char)value.text[used] & 0xc0) == 0x80)
        used--;
    for (size_t i = 0; i < used; i++)
        out[i] = gng_json_is_space(value.text[i]) ? ' ' : value.text[i];
    (void)snprintf(out + used, capacity - used, "%s", used < value.bytes ? "..." : "");
    return out;
}

size_t gng_json_text(gng_json string, char *out, size_t capacity)
{
    const char *at = string.text + 1;
    size_t bytes = 0, written = 0;
    unsigned char character[4];
    for (size_t length; (length = next_character(&at, character)) > 0; bytes += length)
        if (written == bytes && bytes + length < capacity) {
            memcpy(out + bytes, character, length);
            written += length;
        }
    out[written] = '\0';
    return bytes;
}

bool gng_json_equals(gng_json string, const char *text)
{
    if (string.kind != GNG_JSON_STRING)
        return false;
    const char *at = string.text + 1;
    unsigned char character[4];
    for (size_t length; (length = next_character(&at, character)) > 0; text += length)
        if (strncmp(text, (const char *)character, length) != 0)
            return false;
    return *text == '\0';
}

bool gng_json_integer(gng_json value, int64_t low, int64_t high, int64_t *out)
{
    if (value.kind != GNG_JSON_NUMBER)
        return false;
    const bool negative = value.text[0] == '-';
    int64_t number = 0;
    for (size_t i = negative ? 1 : 0; i < value.bytes; i++) {
        if (!gng_json_is_digit(value.text[i]))
            return false;
        const int64_t digit = value.text[i] - '0';
        if (number < (INT64_MIN + digit) / 10)
            return false;
        number = number * 10 - digit; /* negative all the way: INT64_MIN has no positive twin */
    }
    if (!negative && number == INT64_MIN)
        return false;
    number = negative ? number : -number;
    if (number < low || number > high)
        return false;
    *out = number;
    return true;
}

bool gng_json_double(gng_json number, double *out)
{
    /* Digits without a decimal point and an exponent: strtod reads those alike in every locale. */
    char text[GNG_JSON_NUMBER_BYTES + 16];
    size_t used = 0, i = 0;
    long exponent = 0;
    for (bool fraction = false; i < number.bytes && number.text[i] != 'e' && number.text[i] != 'E'; i++) {
        if (number.text[i] == '.') {
            fraction = true;
            continue;
        }
        text[used++] = number.text[i];
        exponent -= fraction;
    }
    if (i < number.bytes) {
        i++;
        const bool negative = number.text[i] == '-';
        if (negative || number.text[i] == '+')
            i++;
        long given = 0;
        for (; i < number.bytes; i++)
            if (given < 100000) /* beyond any double, whatever the digits before */
                given = given * 10 + (number.text[i] - '0');
        exponent += negative ? -given : given;
    }
    (void)snprintf(text + used, sizeof text - used, "e%ld", exponent);
    fenv_t environment; /* strtod rounds as the thread does; glibc asks the x87 unit */
    (void)fegetenv(&environment);
    (void)fesetround(FE_TONEAREST);
    const double value = strtod(text, NULL);
    (void)fesetenv(&environment);
    if (!isfinite(value))
        return false;
    *out = value;
    return true;
}

bool gng_json_float(gng_json value, float *out)
{
    double number;
    if (value.kind != GNG_JSON_NUMBER || !gng_json_double(value, &number))
        return false;
    const float nearest = gng_arithmetic_nearest_float(number);
    if (!isfinite(nearest))
        return false;
    *out = nearest;
    return true;
}

bool gng_json_boolean(gng_json value, bool *out)
{
    if (value.kind != GNG_JSON_BOOLEAN)
        return false;
    *out = value.text[0] == 't';
    return true;
}
