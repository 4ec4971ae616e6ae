/* Names and texts of the status codes, and the detail line of each thread. Knows nothing of what failed. */
#include "base/status.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char detail[GNG_DETAIL_BYTES];

const char *gng_status_name(gng_status status)
{
    static const char *const names[] = {
#define STATUS_NAME(name, text) #name,
        GNG_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
    };
    return (unsigned)status < GNG_STATUS_COUNT ? names[status] : "UNKNOWN";
}

const char *gng_status_text(gng_status status)
{
    static const char *const texts[] = {
#define STATUS_TEXT(name, text) text,
        GNG_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    };
    return (unsigned)status < GNG_STATUS_COUNT ? texts[status] : "a status code outside the list";
}

/* Bytes of the longest start of text[length] that does not end inside a UTF-8 character (RFC 3629, section 3). */
static size_t whole_characters(const char *text, size_t length)
{
    for (size_t back = 1; back <= 4 && back <= length; back++) {
        const unsigned char byte = (unsigned char)text[length - back];
        if ((byte & 0xC0) == 0x80)
            continue;
        const size_t needed = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
        return needed > back ? length - back : length;
    }
    return length;
}

gng_status gng_error_set(gng_status status, const char *format, ...)
{
    /* Not into `detail` itself: an argument may be the detail before, which the new one puts into its context. */
    char line[GNG_DETAIL_BYTES];
    va_list arguments;
    va_start(arguments, format);
    const int wanted = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    size_t length = 0;
    if (wanted >= (int)sizeof line)
        length = whole_characters(line, sizeof line - 1);
    else if (wanted > 0)
        length = (size_t)wanted;
    /* File names may hold line breaks; the detail stays one line. */
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F)
            line[i] = '?';
    memcpy(detail, line, length);
    detail[length] = '\0';
    return status;
}

const char *gng_number_text(char out[GNG_NUMBER_TEXT_BYTES], double value)
{
    if (isnan(value))
        (void)snprintf(out, GNG_NUMBER_TEXT_BYTES, "NaN");
    else
        (void)snprintf(out, GNG_NUMBER_TEXT_BYTES, "%g", value);
    return out;
}

const char *gng_error_detail(void)
{
    return detail;
}
