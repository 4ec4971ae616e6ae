/* SHA-256 (FIPS 180-4), for the integrity and the identity of model files. */
#ifndef GNG_DEPLOY_SHA256_H
#define GNG_DEPLOY_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct gng_sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
} gng_sha256;

gng_sha256 gng_sha256_create(void);
void gng_sha256_update(gng_sha256 *hash, const void *bytes, size_t count);
/* 64 lower-case hexadecimal digits and a terminator. The state is spent afterwards. */
void gng_sha256_finish(gng_sha256 *hash, char digits[65]);

#endif
