/* Status codes and the one-line detail behind the last failure.
 *
 * Every fallible function of the core returns a gng_status. The code names the kind of fault; the detail names the
 * file or field, what was found, what was expected and what to do.
 */
#ifndef GNG_BASE_STATUS_H
#define GNG_BASE_STATUS_H

/* X(name, text). The order is part of the interface of the extension module: append only. */
#define GNG_STATUS_LIST(X)                                                 \
    X(OK, "done")                                                          \
    X(ARGUMENT, "an argument is outside its range")                        \
    X(SHAPE, "shapes do not fit together")                                 \
    X(MEMORY, "memory is exhausted")                                       \
    X(IO, "reading or writing failed")                                     \
    X(FORMAT, "the bytes violate their format")                            \
    X(TRUNCATED, "the bytes end too early")                                \
    X(TOO_LARGE, "a limit is exceeded")                                    \
    X(UNSUPPORTED, "valid, but not supported")                             \
    X(ENGINE, "the compute engine failed")                                 \
    X(STATE, "not possible in this state")                                 \
    X(CANCELLED, "cancelled by the caller")

typedef enum gng_status {
#define GNG_STATUS_ENUM(name, text) GNG_STATUS_##name,
    GNG_STATUS_LIST(GNG_STATUS_ENUM)
#undef GNG_STATUS_ENUM
        GNG_STATUS_COUNT
} gng_status;

#define GNG_OK GNG_STATUS_OK

#if defined(__GNUC__)
#define GNG_MUST_CHECK __attribute__((warn_unused_result))
#define GNG_PRINTF(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))
#else
#define GNG_MUST_CHECK
#define GNG_PRINTF(format_index, first_argument)
#endif

/* Returns from the enclosing function when the expression fails. */
#define GNG_TRY(expression)                            \
    do {                                               \
        const gng_status gng_try_status = (expression); \
        if (gng_try_status != GNG_OK)                  \
            return gng_try_status;                     \
    } while (0)

enum { GNG_DETAIL_BYTES = 512 };

/* "ARGUMENT" and so on; "UNKNOWN" for a value outside the list. Static strings. Any thread. */
const char *gng_status_name(gng_status status);
const char *gng_status_text(gng_status status);

/* Stores the detail of a failure for the calling thread and returns `status`, so that a failure is one statement:
 * `return gng_error_set(GNG_STATUS_SHAPE, "layer '%s': ...", name);`. Longer texts are cut at a whole UTF-8 character. */
gng_status gng_error_set(gng_status status, const char *format, ...) GNG_PRINTF(2, 3);

enum { GNG_NUMBER_TEXT_BYTES = 32 };
/* `value` as "%g" writes it, but "NaN" whatever its sign; returns `out`. */
const char *gng_number_text(char out[GNG_NUMBER_TEXT_BYTES], double value);
/* The same for an argument of gng_error_set; the text lives as long as the enclosing block. */
#define GNG_NUMBER(value) gng_number_text((char[GNG_NUMBER_TEXT_BYTES]){0}, (value))

/* The detail of the calling thread's last failure; "" when there was none. Valid until the thread's next failure. */
const char *gng_error_detail(void);

#endif
