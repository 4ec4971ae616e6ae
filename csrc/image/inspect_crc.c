/* CRC-32 (ISO 3309, polynomial 0xEDB88320 reflected), eight bytes a step.
 *
 * Slicing by eight (Kounavis and Berry: "A systematic approach to building high performance software-based CRC
 * generators", 2005). slices[k][b] is the CRC of byte b followed by k zero bytes. A CRC is linear over GF(2), so a row
 * follows from its entries at the eight powers of two; the macros add them up at compile time.
 */
#include "image/inspect_formats.h"

#define PICK(i, bit, entry) (((i) >> (bit)&1u) != 0 ? (entry) : 0u)
#define SUM(i, e0, e1, e2, e3, e4, e5, e6, e7)                                                       \
    (PICK(i, 0, e0) ^ PICK(i, 1, e1) ^ PICK(i, 2, e2) ^ PICK(i, 3, e3) ^ PICK(i, 4, e4) ^ PICK(i, 5, e5) ^ \
     PICK(i, 6, e6) ^ PICK(i, 7, e7))
#define SUM4(i, ...) \
    SUM((i), __VA_ARGS__), SUM((i) + 1u, __VA_ARGS__), SUM((i) + 2u, __VA_ARGS__), SUM((i) + 3u, __VA_ARGS__)
#define SUM16(i, ...) \
    SUM4((i), __VA_ARGS__), SUM4((i) + 4u, __VA_ARGS__), SUM4((i) + 8u, __VA_ARGS__), SUM4((i) + 12u, __VA_ARGS__)
#define SUM64(i, ...) \
    SUM16((i), __VA_ARGS__), SUM16((i) + 16u, __VA_ARGS__), SUM16((i) + 32u, __VA_ARGS__), SUM16((i) + 48u, __VA_ARGS__)
#define SLICE(...) \
    {SUM64(0u, __VA_ARGS__), SUM64(64u, __VA_ARGS__), SUM64(128u, __VA_ARGS__), SUM64(192u, __VA_ARGS__)}

static const uint32_t slices[8][256] = {
    SLICE(0x77073096, 0xEE0E612C, 0x076DC419, 0x0EDB8832, 0x1DB71064, 0x3B6E20C8, 0x76DC4190, 0xEDB88320),
    SLICE(0x191B3141, 0x32366282, 0x646CC504, 0xC8D98A08, 0x4AC21251, 0x958424A2, 0xF0794F05, 0x3B83984B),
    SLICE(0x01C26A37, 0x0384D46E, 0x0709A8DC, 0x0E1351B8, 0x1C26A370, 0x384D46E0, 0x709A8DC0, 0xE1351B80),
    SLICE(0xB8BC6765, 0xAA09C88B, 0x8F629757, 0xC5B428EF, 0x5019579F, 0xA032AF3E, 0x9B14583D, 0xED59B63B),
    SLICE(0x3D6029B0, 0x7AC05360, 0xF580A6C0, 0x30704BC1, 0x60E09782, 0xC1C12F04, 0x58F35849, 0xB1E6B092),
    SLICE(0xCB5CD3A5, 0x4DC8A10B, 0x9B914216, 0xEC53826D, 0x03D6029B, 0x07AC0536, 0x0F580A6C, 0x1EB014D8),
    SLICE(0xA6770BB4, 0x979F1129, 0xF44F2413, 0x33EF4E67, 0x67DE9CCE, 0xCFBD399C, 0x440B7579, 0x8816EAF2),
    SLICE(0xCCAA009E, 0x4225077D, 0x844A0EFA, 0xD3E51BB5, 0x7CBB312B, 0xF9766256, 0x299DC2ED, 0x533B85DA),
};

uint32_t gng_crc32(const uint8_t *bytes, size_t count)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (; count >= 8; bytes += 8, count -= 8) {
        const uint32_t low = crc ^ gng_read_u32_le(bytes);
        crc = slices[7][low & 255] ^ slices[6][low >> 8 & 255] ^ slices[5][low >> 16 & 255] ^ slices[4][low >> 24] ^
              slices[3][bytes[4]] ^ slices[2][bytes[5]] ^ slices[1][bytes[6]] ^ slices[0][bytes[7]];
    }
    for (; count > 0; ++bytes, --count)
        crc = slices[0][(crc ^ *bytes) & 255] ^ crc >> 8;
    return crc ^ 0xFFFFFFFFu;
}
