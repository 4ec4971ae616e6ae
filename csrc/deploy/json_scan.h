/* What the check of a JSON text and the views into it share; for the files json*.c alone. */
#ifndef GNG_DEPLOY_JSON_SCAN_H
#define GNG_DEPLOY_JSON_SCAN_H

#include "deploy/json.h"

static inline bool gng_json_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline bool gng_json_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Kind of the value that begins with `first`; a number for all that begins nothing else. */
static inline gng_json_kind gng_json_kind_of(char first)
{
    switch (first) {
    case '{':
        return GNG_JSON_OBJECT;
    case '[':
        return GNG_JSON_ARRAY;
    case '"':
        return GNG_JSON_STRING;
    case 't':
    case 'f':
        return GNG_JSON_BOOLEAN;
    case 'n':
        return GNG_JSON_NULL;
    default:
        return GNG_JSON_NUMBER;
    }
}

/* Bytes of the UTF-8 character at text[available >= 1]; 0: not valid (Unicode 15, table 3-7). */
size_t gng_utf8_length(const unsigned char *text, size_t available);
/* Value of four hexadecimal digits; false when there are none. */
bool gng_json_hexadecimal(const char *text, size_t available, uint32_t *out);
/* Order of two checked strings by their unescaped bytes; each pointer is at an opening quote. */
int gng_json_compare_strings(const char *a, const char *b);
/* View of the value that begins at `text`, inside a checked text. */
gng_json gng_json_at(const char *text);
/* Number of valid grammar and at most GNG_JSON_NUMBER_BYTES -> nearest double; false when it overflows. */
bool gng_json_double(gng_json number, double *out);

#endif
