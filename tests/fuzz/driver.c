/* Runs a fuzz target without a fuzzer: on files, and on mutations of them that depend on nothing but a seed and a number.
 *
 *     PROGRAM [--repeat R] [--mutations N] [--first I] [--seed S] [--findings FOLDER] FILE...
 *
 * Every file is looked at R times as it is, then mutations I to I + N - 1. The input that ends the process is written to
 * FOLDER/crash-S-I. Prints how often the target was called.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "base/rng.h"
#include "target.h"

enum { INPUT_BYTES_MAX = 1 << 16, CHANGES_MAX = 6, RUN_BYTES_MAX = 64 };

typedef struct input {
    uint8_t bytes[INPUT_BYTES_MAX];
    size_t count;
} input;

typedef struct corpus {
    input *files;
    uint32_t count;
} corpus;

/* For the moment of a crash, when nothing else can be asked. */
static struct {
    const uint8_t *bytes;
    size_t count;
    char path[4096];
} running;

/* Of the sanitizers, where they are linked in: called before they end the process. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void write_finding(void)
{
    FILE *file = running.bytes == NULL ? NULL : fopen(running.path, "wb");
    if (file == NULL)
        return;
    (void)fwrite(running.bytes, 1, running.count, file);
    (void)fclose(file);
    (void)fprintf(stderr, "the input was written to %s\n", running.path);
    running.bytes = NULL;
}

static void handle_abort(int number)
{
    write_finding();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* A copy of exactly its size, so that a step beyond it is noticed. */
static void call_target(const uint8_t *bytes, size_t count)
{
    uint8_t *copy = malloc(count > 0 ? count : 1);
    REQUIRE(copy != NULL);
    memcpy(copy, bytes, count);
    running.bytes = copy;
    running.count = count;
    (void)LLVMFuzzerTestOneInput(copy, count);
    running.bytes = NULL;
    free(copy);
}

/* Files beyond the size of an input are cut. */
static void read_input(const char *path, input *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    out->count = fread(out->bytes, 1, sizeof out->bytes, file);
    (void)fclose(file);
}

static void put_number(uint8_t *at, uint32_t value, uint32_t bytes, bool big)
{
    for (uint32_t i = 0; i < bytes; i++)
        at[big ? bytes - 1 - i : i] = (uint8_t)(value >> 8 * i);
}

/* Replaces `removed` bytes at `at` by inserted[count], as far as there is room. */
static void splice(input *in, size_t at, size_t removed, const uint8_t *inserted, size_t count)
{
    const size_t behind = at + removed;
    if (in->count - removed + count > INPUT_BYTES_MAX)
        return;
    memmove(in->bytes + at + count, in->bytes + behind, in->count - behind);
    if (count > 0)
        memcpy(in->bytes + at, inserted, count);
    in->count += count - removed;
}

/* One change of the kinds that damage, and attackers, make. */
static void change(const corpus *known, gng_rng *rng, input *in)
{
    static const uint32_t telling[] = {0, 1, 2, 7, 8, 16, 63, 64, 127, 128, 255, 256, 16384, 32767, 32768, 65535, 0x7FFFFFFF,
                                       0x80000000, 0xFFFFFFFF, 0xFFFFFFFE};
    if (in->count == 0)
        in->bytes[in->count++] = (uint8_t)gng_rng_bits(rng);
    const size_t at = gng_rng_below(rng, (uint32_t)in->count), left = in->count - at;
    const size_t run = 1 + gng_rng_below(rng, (uint32_t)(left < RUN_BYTES_MAX ? left : RUN_BYTES_MAX));
    switch (gng_rng_below(rng, 10)) {
    case 0:
    case 1:
        in->bytes[at] ^= (uint8_t)(1u << gng_rng_below(rng, 8));
        break;
    case 2:
        in->bytes[at] = (uint8_t)gng_rng_bits(rng);
        break;
    case 3:
    case 4: {
        const uint32_t bytes = 1u << gng_rng_below(rng, 3);
        const uint32_t value = telling[gng_rng_below(rng, sizeof telling / sizeof *telling)];
        if (left >= bytes)
            put_number(in->bytes + at, value, bytes, gng_rng_below(rng, 2) == 1);
        break;
    }
    case 5:
        memset(in->bytes + at, gng_rng_below(rng, 2) == 0 ? 0 : 255, run);
        break;
    case 6:
        splice(in, at, run, NULL, 0);
        break;
    case 7: { /* some of it again, somewhere */
        uint8_t again[RUN_BYTES_MAX];
        memcpy(again, in->bytes + at, run);
        splice(in, gng_rng_below(rng, (uint32_t)in->count + 1), 0, again, run);
        break;
    }
    case 8: { /* a piece of another file */
        const input *other = &known->files[gng_rng_below(rng, known->count)];
        if (other->count == 0)
            break;
        const size_t from = gng_rng_below(rng, (uint32_t)other->count), most = other->count - from;
        const size_t count = 1 + gng_rng_below(rng, (uint32_t)(most < RUN_BYTES_MAX ? most : RUN_BYTES_MAX));
        splice(in, at, gng_rng_below(rng, 2) == 0 ? 0 : run, other->bytes + from, count);
        break;
    }
    default:
        in->count = at;
        break;
    }
}

static void run_mutations(const corpus *known, uint64_t seed, uint64_t first, uint64_t count, const char *folder)
{
    static input mutated;
    for (uint64_t i = first; i < first + count; i++) {
        const gng_rng_key key = {.seed = seed, .sample = i};
        gng_rng rng = gng_rng_create(&key);
        const input *original = &known->files[gng_rng_below(&rng, known->count)];
        memcpy(mutated.bytes, original->bytes, original->count);
        mutated.count = original->count;
        const uint32_t changes = 1 + gng_rng_below(&rng, 1 + gng_rng_below(&rng, CHANGES_MAX)); /* mostly few */
        for (uint32_t k = 0; k < changes; k++)
            change(known, &rng, &mutated);
        (void)snprintf(running.path, sizeof running.path, "%s/crash-%llu-%llu", folder, (unsigned long long)seed,
                       (unsigned long long)i);
        call_target(mutated.bytes, mutated.count);
    }
}

int main(int argc, char **argv)
{
    struct {
        const char *name, *value;
    } options[] = {{"--mutations", "0"}, {"--first", "0"}, {"--seed", "0"}, {"--findings", "."}, {"--repeat", "1"}};
    enum { OPTIONS = sizeof options / sizeof *options };
    corpus known = {.files = calloc((size_t)argc, sizeof *known.files)};
    REQUIRE(known.files != NULL);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(write_finding);
    (void)signal(SIGABRT, handle_abort);
    for (int i = 1; i < argc; i++) {
        int option = 0;
        while (option < OPTIONS && strcmp(argv[i], options[option].name) != 0)
            option++;
        if (option < OPTIONS && i + 1 < argc) {
            options[option].value = argv[++i];
            continue;
        }
        read_input(argv[i], &known.files[known.count++]);
    }
    const uint64_t count = strtoull(options[0].value, NULL, 10), repeat = strtoull(options[4].value, NULL, 10);
    for (uint64_t i = 0; i < repeat * known.count; i++)
        call_target(known.files[i % known.count].bytes, known.files[i % known.count].count);
    if (known.count > 0)
        run_mutations(&known, strtoull(options[2].value, NULL, 10), strtoull(options[1].value, NULL, 10), count,
                      options[3].value);
    (void)printf("%llu executions\n", (unsigned long long)(repeat * known.count + (known.count > 0 ? count : 0)));
    free(known.files);
    return 0;
}
