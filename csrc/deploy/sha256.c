/* SHA-256 as FIPS 180-4, section 6.2, writes it down. No key, no secrets: plain loops are all it needs. */
#include "deploy/sha256.h"

#include <string.h>

enum { BLOCK = 64, LENGTH_BYTES = 8 };

/* FIPS 180-4, section 4.2.2: fractional parts of the cube roots of the first 64 primes. */
static const uint32_t round_constants[64] = {
    0x428a2f98U, 0x71374491U, 0xb5c0fbcfU, 0xe9b5dba5U, 0x3956c25bU, 0x59f111f1U, 0x923f82a4U, 0xab1c5ed5U,
    0xd807aa98U, 0x12835b01U, 0x243185beU, 0x550c7dc3U, 0x72be5d74U, 0x80deb1feU, 0x9bdc06a7U, 0xc19bf174U,
    0xe49b69c1U, 0xefbe4786U, 0x0fc19dc6U, 0x240ca1ccU, 0x2de92c6fU, 0x4a7484aaU, 0x5cb0a9dcU, 0x76f988daU,
    0x983e5152U, 0xa831c66dU, 0xb00327c8U, 0xbf597fc7U, 0xc6e00bf3U, 0xd5a79147U, 0x06ca6351U, 0x14292967U,
    0x27b70a85U, 0x2e1b2138U, 0x4d2c6dfcU, 0x53380d13U, 0x650a7354U, 0x766a0abbU, 0x81c2c92eU, 0x92722c85U,
    0xa2bfe8a1U, 0xa81a664bU, 0xc24b8b70U, 0xc76c51a3U, 0xd192e819U, 0xd6990624U, 0xf40e3585U, 0x106aa070U,
    0x19a4c116U, 0x1e376c08U, 0x2748774cU, 0x34b0bcb5U, 0x391c0cb3U, 0x4ed8aa4aU, 0x5b9cca4fU, 0x682e6ff3U,
    0x748f82eeU, 0x78a5636fU, 0x84c87814U, 0x8cc70208U, 0x90befffaU, 0xa4506cebU, 0xbef9a3f7U, 0xc67178f2U,
};

static uint32_t rotate_right(uint32_t x, int n)
{
    return (x >> n) | (x << (32 - n));
}

static uint32_t load_big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void compress(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64];
    for (int t = 0; t < 16; t++)
        w[t] = load_big_endian(block + 4 * t);
    for (int t = 16; t < 64; t++) {
        const uint32_t s0 = rotate_right(w[t - 15], 7) ^ rotate_right(w[t - 15], 18) ^ (w[t - 15] >> 3);
        const uint32_t s1 = rotate_right(w[t - 2], 17) ^ rotate_right(w[t - 2], 19) ^ (w[t - 2] >> 10);
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int t = 0; t < 64; t++) {
        const uint32_t sum1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        const uint32_t sum0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        const uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + round_constants[t] + w[t];
        const uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    const uint32_t added[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++)
        state[i] += added[i];
}

gng_sha256 gng_sha256_create(void)
{
    /* FIPS 180-4, section 5.3.3. */
    return (gng_sha256){.state = {0x6a09e667U, 0xbb67ae85U, 0x3c6ef372U, 0xa54ff53aU, 0x510e527fU, 0x9b05688cU, 0x1f83d9abU, 0x5be0cd19U}};
}

void gng_sha256_update(gng_sha256 *hash, const void *bytes, size_t count)
{
    const uint8_t *from = bytes;
    size_t held = (size_t)(hash->bytes % BLOCK);
    hash->bytes += count;
    if (held > 0) {
        const size_t taken = count < BLOCK - held ? count : BLOCK - held;
        if (taken > 0)
            memcpy(hash->block + held, from, taken);
        if (held + taken < BLOCK)
            return;
        compress(hash->state, hash->block);
        from += taken;
        count -= taken;
    }
    for (; count >= BLOCK; count -= BLOCK, from += BLOCK)
        compress(hash->state, from);
    if (count > 0)
        memcpy(hash->block, from, count);
}

void gng_sha256_finish(gng_sha256 *hash, char digits[65])
{
    static const char hexadecimal[] = "0123456789abcdef";
    const uint64_t bits = hash->bytes * 8;
    const size_t held = (size_t)(hash->bytes % BLOCK);
    uint8_t padding[2 * BLOCK] = {0x80};
    const size_t padded = (held < BLOCK - LENGTH_BYTES ? BLOCK : 2 * BLOCK) - held;
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        padding[padded - 1 - i] = (uint8_t)(bits >> (8 * i));
    gng_sha256_update(hash, padding, padded);
    for (size_t i = 0; i < 64; i++)
        digits[i] = hexadecimal[hash->state[i / 8] >> (28 - 4 * (i % 8)) & 15U];
    digits[64] = '\0';
}
