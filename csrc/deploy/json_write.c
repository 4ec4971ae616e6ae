/* The canonical writer: one value has one text. */
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/json_scan.h"

static void put(gng_json_writer *writer, const char *bytes, size_t count)
{
    if (writer->out != NULL && writer->bytes < writer->capacity) {
        const size_t room = writer->capacity - writer->bytes;
        memcpy(writer->out + writer->bytes, bytes, count < room ? count : room);
    }
    writer->bytes += count;
}

void gng_json_write(gng_json_writer *writer, const char *text)
{
    put(writer, text, strlen(text));
}

void gng_json_write_string(gng_json_writer *writer, const char *text)
{
    static const char meanings[] = "\"\\\b\f\n\r\t", escapes[] = "\"\\bfnrt";
    put(writer, "\"", 1);
    for (; *text != '\0'; text++) {
        const char *special = strchr(meanings, *text);
        if (special != NULL) {
            const char escape[] = {'\\', escapes[special - meanings]};
            put(writer, escape, sizeof escape);
        } else if ((unsigned char)*text < 0x20) {
            char escape[8];
            (void)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)(unsigned char)*text);
            put(writer, escape, 6);
        } else {
            put(writer, text, 1);
        }
    }
    put(writer, "\"", 1);
}

void gng_json_write_integer(gng_json_writer *writer, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    gng_json_write(writer, text);
}

void gng_json_write_integers(gng_json_writer *writer, const int32_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        gng_json_write(writer, i == 0 ? "[" : ",");
        gng_json_write_integer(writer, values[i]);
    }
    gng_json_write(writer, count == 0 ? "[]" : "]");
}

/* |value| = d.ddd * 10^exponent with `digits` digits, put together without the locale's decimal point. */
static int decimal_digits(float value, int digits, char *out)
{
    char text[32];
    fenv_t environment; /* printf rounds as the thread does; glibc asks the x87 unit */
    (void)fegetenv(&environment);
    (void)fesetround(FE_TONEAREST);
    (void)snprintf(text, sizeof text, "%.*e", digits - 1, (double)fabsf(value));
    (void)fesetenv(&environment);
    int used = 0;
    const char *at = text;
    for (; *at != 'e'; at++)
        if (gng_json_is_digit(*at))
            out[used++] = *at;
    out[used] = '\0';
    return (int)strtol(at + 1, NULL, 10);
}

void gng_json_write_float(gng_json_writer *writer, float value)
{
    enum { DIGITS_MAX = 9, PLAIN_LEAST = -5, PLAIN_MOST = 15 };
    if (value == 0.0F) {
        gng_json_write(writer, "0");
        return;
    }
    char digits[16], text[48];
    int exponent = 0;
    /* Nine digits tell any two float32 numbers apart (IEEE 754-2019, section 5.12.2). */
    for (int count = 1; count <= DIGITS_MAX; count++) {
        exponent = decimal_digits(value, count, digits);
        (void)snprintf(text, sizeof text, "%se%d", digits, exponent - (count - 1));
        float back = 0;
        if (gng_json_float((gng_json){.text = text, .bytes = strlen(text), .kind = GNG_JSON_NUMBER}, &back) && back == fabsf(value))
            break;
    }
    const int count = (int)strlen(digits);
    if (value < 0)
        gng_json_write(writer, "-");
    if (exponent < PLAIN_LEAST || exponent > PLAIN_MOST) {
        (void)snprintf(text, sizeof text, "%c%s%se%d", digits[0], count > 1 ? "." : "", digits + 1, exponent);
        gng_json_write(writer, text);
        return;
    }
    if (exponent < 0)
        gng_json_write(writer, "0.");
    for (int i = exponent < 0 ? exponent + 1 : 0; i < count || i <= exponent; i++) {
        if (i == exponent + 1 && i > 0 && exponent >= 0)
            gng_json_write(writer, ".");
        put(writer, i >= 0 && i < count ? &digits[i] : "0", 1);
    }
}
