/* The whole test framework of the C programs: a check that prints where and what failed, and counts.
 *
 * A program ends with `return check_result();`, which is 0 when every check held and at least one was made.
 */
#ifndef GNG_TESTS_CHECK_H
#define GNG_TESTS_CHECK_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int checks_made, checks_failed;

static inline bool check_report(bool holds, const char *file, int line, const char *text)
{
    checks_made++;
    if (!holds) {
        checks_failed++;
        fprintf(stderr, "%s:%d: %s\n", file, line, text);
    }
    return holds;
}

/* True when it holds, so that what depends on it can be left out. */
#define CHECK(condition) check_report((condition), __FILE__, __LINE__, #condition)

#define CHECK_STATUS(expression, expected)                                                                      \
    do {                                                                                                        \
        const gng_status check_found = (expression), check_expected = (expected);                              \
        if (!check_report(check_found == check_expected, __FILE__, __LINE__, #expression))                     \
            fprintf(stderr, "    found %s (%s), expected %s\n", gng_status_name(check_found), gng_error_detail(), \
                    gng_status_name(check_expected));                                                           \
    } while (0)

#define CHECK_TEXT(expression, expected)                                                   \
    do {                                                                                   \
        const char *const check_found = (expression), *const check_expected = (expected);  \
        if (!check_report(strcmp(check_found, check_expected) == 0, __FILE__, __LINE__, #expression)) \
            fprintf(stderr, "    found '%s', expected '%s'\n", check_found, check_expected); \
    } while (0)

/* |found - expected| <= tolerance; also when both are the same infinity. */
#define CHECK_NEAR(expression, expected, tolerance)                                                        \
    do {                                                                                                   \
        const double check_found = (expression), check_expected = (expected);                              \
        const bool check_near = check_found == check_expected || fabs(check_found - check_expected) <= (tolerance); \
        if (!check_report(check_near, __FILE__, __LINE__, #expression))                                    \
            fprintf(stderr, "    found %.17g, expected %.17g\n", check_found, check_expected);             \
    } while (0)

static inline int check_result(void)
{
    if (checks_failed > 0 || checks_made == 0)
        fprintf(stderr, "%d of %d checks failed\n", checks_failed, checks_made);
    return checks_failed > 0 || checks_made == 0;
}

#endif
