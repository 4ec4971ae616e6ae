/* Names, texts and the detail line. */
#include <pthread.h>

#include "base/status.h"
#include "check.h"

static void names_cover_the_list(void)
{
    CHECK_TEXT(gng_status_name(GNG_OK), "OK");
    CHECK_TEXT(gng_status_name(GNG_STATUS_CANCELLED), "CANCELLED");
    CHECK_TEXT(gng_status_name(GNG_STATUS_COUNT), "UNKNOWN");
    CHECK_TEXT(gng_status_name((gng_status)-1), "UNKNOWN");
    for (int status = 0; status < GNG_STATUS_COUNT; status++)
        CHECK(strlen(gng_status_text((gng_status)status)) > 0);
    CHECK(strlen(gng_status_text(GNG_STATUS_COUNT)) > 0);
}

static void detail_is_formatted(void)
{
    CHECK_TEXT(gng_error_detail(), "");
    CHECK(gng_error_set(GNG_STATUS_SHAPE, "layer '%s': %d", "conv", 7) == GNG_STATUS_SHAPE);
    CHECK_TEXT(gng_error_detail(), "layer 'conv': 7");
    (void)gng_error_set(GNG_STATUS_SHAPE, "net: %s", gng_error_detail());
    CHECK_TEXT(gng_error_detail(), "net: layer 'conv': 7");
}

/* printf writes the NaN of 0.0 / 0.0 on x86 as "-nan". */
static void numbers_that_are_none_have_one_name(void)
{
    (void)gng_error_set(GNG_STATUS_ARGUMENT, "%s %s %s %s", GNG_NUMBER((double)NAN), GNG_NUMBER(-(double)NAN), GNG_NUMBER(-(double)INFINITY), GNG_NUMBER(0.25));
    CHECK_TEXT(gng_error_detail(), "NaN NaN -inf 0.25");
}

static void detail_stays_one_line(void)
{
    (void)gng_error_set(GNG_STATUS_IO, "%s", "a\nb\rc\td\x7f");
    CHECK_TEXT(gng_error_detail(), "a?b?c?d?");
}

/* `lead` characters x, then a character of several bytes over and over. */
static void cut_is_at_a_whole_character(const char *character, int lead)
{
    const size_t size = strlen(character);
    char text[2 * GNG_DETAIL_BYTES] = "";
    size_t length = 0;
    while (length < (size_t)lead)
        text[length++] = 'x';
    for (; length + size < sizeof text; length += size)
        memcpy(text + length, character, size + 1);
    (void)gng_error_set(GNG_STATUS_IO, "%s", text);
    const size_t kept = strlen(gng_error_detail());
    CHECK(kept < GNG_DETAIL_BYTES && kept + size >= GNG_DETAIL_BYTES);
    CHECK((kept - (size_t)lead) % size == 0);
    CHECK(memcmp(gng_error_detail(), text, kept) == 0);
}

/* Names of files need not be UTF-8; what has no whole character in reach is cut where the room ends. */
static void cut_ends_where_there_are_no_characters(void)
{
    char text[2 * GNG_DETAIL_BYTES];
    memset(text, 0x80, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)gng_error_set(GNG_STATUS_IO, "%s", text);
    CHECK(strlen(gng_error_detail()) == GNG_DETAIL_BYTES - 1);
}

static void *detail_elsewhere(void *found)
{
    *(bool *)found = gng_error_detail()[0] == '\0';
    (void)gng_error_set(GNG_STATUS_IO, "another thread");
    return NULL;
}

static void detail_belongs_to_its_thread(void)
{
    (void)gng_error_set(GNG_STATUS_IO, "this thread");
    pthread_t thread;
    bool empty = false;
    if (CHECK(pthread_create(&thread, NULL, detail_elsewhere, &empty) == 0))
        CHECK(pthread_join(thread, NULL) == 0);
    CHECK(empty);
    CHECK_TEXT(gng_error_detail(), "this thread");
}

int main(void)
{
    names_cover_the_list();
    detail_is_formatted();
    numbers_that_are_none_have_one_name();
    detail_stays_one_line();
    cut_ends_where_there_are_no_characters();
    for (int lead = 0; lead < 4; lead++) {
        cut_is_at_a_whole_character("a", lead);
        cut_is_at_a_whole_character("\xC3\xA9", lead);         /* U+00E9 */
        cut_is_at_a_whole_character("\xE2\x82\xAC", lead);     /* U+20AC */
        cut_is_at_a_whole_character("\xF0\x9F\x94\xA9", lead); /* U+1F529 */
    }
    detail_belongs_to_its_thread();
    return check_result();
}
