/* JSON (RFC 8259) as model files use it: a strict reader over borrowed text, and a canonical writer.
 *
 * The reader first proves a whole text valid, then hands out views into it; it builds no tree and keeps no memory. Stricter than the RFC:
 * bounded depth, no duplicate keys (compared after unescaping), no NUL, no unpaired surrogates, numbers of at most
 * GNG_JSON_NUMBER_BYTES that fit a double. Nothing here depends on the locale. Any thread.
 */
#ifndef GNG_DEPLOY_JSON_H
#define GNG_DEPLOY_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { GNG_JSON_NUMBER_BYTES = 64 };

typedef enum gng_json_kind {
    GNG_JSON_OBJECT,
    GNG_JSON_ARRAY,
    GNG_JSON_STRING,
    GNG_JSON_NUMBER,
    GNG_JSON_BOOLEAN,
    GNG_JSON_NULL
} gng_json_kind;

/* "an object" and so on, for messages. */
const char *gng_json_kind_name(gng_json_kind kind);

/* One value inside a checked text; a string with its quotes. Borrowed. */
typedef struct gng_json {
    const char *text;
    size_t bytes;
    gng_json_kind kind;
} gng_json;

/* Checks text[bytes], one value with white space around it and containers nested at most `depth` deep, and gives a view of
 * the value. FORMAT and TOO_LARGE say `what` is wrong at which byte; MEMORY: the list of keys, released before returning. */
GNG_MUST_CHECK gng_status gng_json_check(const char *text, size_t bytes, int depth, const char *what, gng_json *out);

/* Member or element after *position (0 at first), which is moved on; false at the end. `key` is written for objects only and may be NULL. */
bool gng_json_next(gng_json container, size_t *position, gng_json *key, gng_json *value);
/* Number of members or elements. */
size_t gng_json_length(gng_json container);
/* Member of an object; false, and *out untouched, where there is none. */
bool gng_json_find(gng_json object, const char *key, gng_json *out);

/* The value as it stands in the text, for messages: one line, cut where it is longer than capacity (>= 8). Returns out. */
const char *gng_json_show(gng_json value, char *out, size_t capacity);
/* Unescapes a string to out[capacity], always terminated (capacity >= 1); returns the bytes a complete one has, without terminator. */
size_t gng_json_text(gng_json string, char *out, size_t capacity);
/* False for a value that is no string. */
bool gng_json_equals(gng_json string, const char *text);
/* False, and *out untouched, for other kinds, for fractions and exponents, and outside [low, high]. */
bool gng_json_integer(gng_json value, int64_t low, int64_t high, int64_t *out);
/* False, and *out untouched, for other kinds and for numbers that no finite float32 is nearest to. */
bool gng_json_float(gng_json value, float *out);
bool gng_json_boolean(gng_json value, bool *out);

/* Valid UTF-8 (no overlong forms, no surrogates), up to the terminator. */
bool gng_json_utf8(const char *text);

/* Writes into out[capacity], never beyond; `bytes` counts what a complete text needs. out NULL: counts only. */
typedef struct gng_json_writer {
    char *out;
    size_t capacity;
    size_t bytes;
} gng_json_writer;

/* As it is. */
void gng_json_write(gng_json_writer *writer, const char *text);
/* Quoted; escapes what must be escaped and nothing else. text: valid UTF-8. */
void gng_json_write_string(gng_json_writer *writer, const char *text);
void gng_json_write_integer(gng_json_writer *writer, int64_t value);
/* [a,b,c] */
void gng_json_write_integers(gng_json_writer *writer, const int32_t *values, size_t count);
/* The fewest digits that gng_json_float reads back as the same number. value: finite; -0 is written as 0. */
void gng_json_write_float(gng_json_writer *writer, float value);

#endif
