/* SHA-256 against the examples of NIST (FIPS 180-4, "SHA256.pdf" and "SHA2_Additional.pdf"). */
#include "base/status.h"
#include "check.h"
#include "deploy/sha256.h"

static void hash_all(const void *bytes, size_t count, char digits[65])
{
    gng_sha256 hash = gng_sha256_create();
    gng_sha256_update(&hash, bytes, count);
    gng_sha256_finish(&hash, digits);
}

static void examples_of_the_standard(void)
{
    static const struct {
        const char *message, *digits;
    } examples[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    char digits[65];
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        hash_all(examples[i].message, strlen(examples[i].message), digits);
        CHECK_TEXT(digits, examples[i].digits);
    }
}

static void a_million_letters(void)
{
    char block[1000], digits[65];
    memset(block, 'a', sizeof block);
    gng_sha256 hash = gng_sha256_create();
    for (int i = 0; i < 1000; i++)
        gng_sha256_update(&hash, block, sizeof block);
    gng_sha256_finish(&hash, digits);
    CHECK_TEXT(digits, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* "SHA2_Additional.pdf": zero bytes around the lengths where padding needs a second block. */
static void lengths_around_a_block(void)
{
    static const struct {
        size_t count;
        const char *digits;
    } examples[] = {
        {55, "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7"},
        {56, "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb"},
        {57, "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785"},
        {64, "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"},
    };
    const char zeros[64] = {0};
    char digits[65];
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        hash_all(zeros, examples[i].count, digits);
        CHECK_TEXT(digits, examples[i].digits);
    }
}

static void pieces_give_the_same_as_the_whole(void)
{
    unsigned char bytes[200];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(31 * i + 7);
    for (size_t count = 0; count <= sizeof bytes; count += 8) {
        char whole[65], pieces[65];
        hash_all(bytes, count, whole);
        for (size_t cut = 0; cut <= count; cut++) {
            gng_sha256 hash = gng_sha256_create();
            gng_sha256_update(&hash, bytes, cut);
            gng_sha256_update(&hash, NULL, 0);
            gng_sha256_update(&hash, bytes + cut, count - cut);
            gng_sha256_finish(&hash, pieces);
            CHECK_TEXT(pieces, whole);
        }
    }
}

int main(void)
{
    examples_of_the_standard();
    a_million_letters();
    lengths_around_a_block();
    pieces_give_the_same_as_the_whole();
    return check_result();
}
