/* Batch statistics: exact for any division into lanes and any layout. That gradients are right is the gradient check's. */
#include "nn/batch_norm.h"

#include "base/rng.h"
#include "base/status.h"
#include "check.h"

enum { CHANNELS = 5, HEIGHT = 7, WIDTH = 3, PLANE = HEIGHT * WIDTH, PICTURES = 21, STORED_MAX = 16 * PLANE };

static const gng_tensor_shape plain = {CHANNELS, HEIGHT, WIDTH, 1};
static const int32_t blocks[] = {1, 2, 5, 8, 16};

typedef struct statistics {
    double mean[CHANNELS], variance[CHANNELS];
} statistics;

/* Plain pictures of one size and offset. */
static void draw(double offset, float pictures[PICTURES][CHANNELS * PLANE])
{
    gng_rng rng = gng_rng_create(&(gng_rng_key){.seed = 3});
    for (int n = 0; n < PICTURES; n++)
        for (int i = 0; i < CHANNELS * PLANE; i++)
            pictures[n][i] = (float)(offset + gng_rng_normal(&rng));
}

static void to_layout(gng_tensor_shape shape, const float *from, float *to)
{
    memset(to, 0, gng_tensor_stored(shape) * sizeof *to);
    for (int32_t c = 0; c < CHANNELS; c++)
        for (int32_t y = 0; y < HEIGHT; y++)
            for (int32_t x = 0; x < WIDTH; x++)
                to[gng_tensor_index(shape, c, y, x)] = from[gng_tensor_index(plain, c, y, x)];
}

/* Picture n goes to lane lane_of[n]. */
static statistics collect(int32_t block, float pictures[PICTURES][CHANNELS * PLANE], const int lane_of[PICTURES])
{
    gng_tensor_shape shape = plain;
    shape.block = block;
    double lanes[GNG_LANES][3 * CHANNELS] = {{0}};
    CHECK(gng_batch_norm_lane_doubles(CHANNELS) == 3 * CHANNELS);
    for (int n = 0; n < PICTURES; n++) {
        float x[STORED_MAX];
        to_layout(shape, pictures[n], x);
        gng_batch_norm_collect(shape, x, lanes[lane_of[n]]);
    }
    statistics result;
    gng_batch_norm_merge(CHANNELS, &lanes[0][0], result.mean, result.variance);
    return result;
}

static void statistics_are_those_of_the_whole_batch(void)
{
    static float pictures[PICTURES][CHANNELS * PLANE];
    static const double offsets[] = {0, -3, 1000};
    int even[PICTURES], one[PICTURES], some[PICTURES];
    for (int n = 0; n < PICTURES; n++) {
        even[n] = n * GNG_LANES / PICTURES;
        one[n] = 4;
        some[n] = n % 2 == 0 ? 1 : 11;
    }
    const int *const divisions[] = {even, one, some};
    for (int o = 0; o < 3; o++) {
        draw(offsets[o], pictures);
        statistics expected = {{0}, {0}};
        for (int c = 0; c < CHANNELS; c++) {
            for (int n = 0; n < PICTURES; n++)
                for (int i = 0; i < PLANE; i++)
                    expected.mean[c] += (double)pictures[n][c * PLANE + i] / (PICTURES * PLANE);
            for (int n = 0; n < PICTURES; n++)
                for (int i = 0; i < PLANE; i++)
                    expected.variance[c] += pow((double)pictures[n][c * PLANE + i] - expected.mean[c], 2) / (PICTURES * PLANE);
        }
        for (int d = 0; d < 3; d++)
            for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; b++) {
                const statistics found = collect(blocks[b], pictures, divisions[d]);
                for (int c = 0; c < CHANNELS; c++) {
                    CHECK_NEAR(found.mean[c], expected.mean[c], 1e-12 * (1 + fabs(offsets[o])));
                    CHECK_NEAR(found.variance[c], expected.variance[c], 1e-12);
                }
            }
    }
}

static void a_constant_channel_has_no_variance_and_gives_beta(void)
{
    float x[PLANE], y[PLANE];
    for (int i = 0; i < PLANE; i++)
        x[i] = 0.1F;
    const gng_tensor_shape shape = {1, HEIGHT, WIDTH, 1};
    double lanes[GNG_LANES][3] = {{0}}, mean, variance;
    for (int n = 0; n < PICTURES; n++)
        gng_batch_norm_collect(shape, x, lanes[n % GNG_LANES]);
    gng_batch_norm_merge(1, &lanes[0][0], &mean, &variance);
    CHECK(mean == (double)0.1F && variance == 0);
    const float gamma = 3, beta = 0.75F;
    gng_batch_norm_apply(shape, 1e-3F, &mean, &variance, &gamma, &beta, x, y);
    for (int i = 0; i < PLANE; i++)
        CHECK(y[i] == beta);
}

static void no_pictures_give_no_variance(void)
{
    double lanes[GNG_LANES][3] = {{0}}, mean = 1, variance = 1;
    gng_batch_norm_merge(1, &lanes[0][0], &mean, &variance);
    CHECK(mean == 0 && variance == 0);
}

static void every_layout_gives_the_same_and_keeps_its_padding_zero(void)
{
    static float pictures[PICTURES][CHANNELS * PLANE];
    draw(2, pictures);
    const double mean[CHANNELS] = {2, 1, 3, 2, 2.5}, variance[CHANNELS] = {1, 2, 0.5, 0, 4}, sums[2 * CHANNELS] = {1, -2, 3, 4, 5, 6, 7, -8, 9, 1};
    const float gamma[CHANNELS] = {1, 2, -1, 0.5F, 3}, beta[CHANNELS] = {0, 1, 2, -3, 4};
    float y_plain[CHANNELS * PLANE], dx_plain[CHANNELS * PLANE], expected[STORED_MAX];
    double lane_plain[2 * CHANNELS] = {0};
    gng_batch_norm_apply(plain, 1e-3F, mean, variance, gamma, beta, pictures[0], y_plain);
    gng_batch_norm_collect_gradient(plain, 1e-3F, mean, variance, pictures[0], pictures[1], lane_plain);
    gng_batch_norm_apply_gradient(plain, 1e-3F, mean, variance, gamma, sums, 50, pictures[0], pictures[1], dx_plain);
    for (size_t b = 1; b < sizeof blocks / sizeof blocks[0]; b++) {
        gng_tensor_shape shape = plain;
        shape.block = blocks[b];
        const size_t bytes = gng_tensor_stored(shape) * sizeof(float);
        float x[STORED_MAX], dy[STORED_MAX], y[STORED_MAX];
        double lane[2 * CHANNELS] = {0};
        to_layout(shape, pictures[0], x);
        to_layout(shape, pictures[1], dy);
        memset(y, 0x55, sizeof y);
        gng_batch_norm_apply(shape, 1e-3F, mean, variance, gamma, beta, x, y);
        to_layout(shape, y_plain, expected);
        CHECK(memcmp(y, expected, bytes) == 0);
        gng_batch_norm_collect_gradient(shape, 1e-3F, mean, variance, x, dy, lane);
        CHECK(memcmp(lane, lane_plain, sizeof lane) == 0);
        memset(y, 0x55, sizeof y);
        gng_batch_norm_apply_gradient(shape, 1e-3F, mean, variance, gamma, sums, 50, x, dy, y);
        to_layout(shape, dx_plain, expected);
        CHECK(memcmp(y, expected, bytes) == 0);
    }
}

int main(void)
{
    statistics_are_those_of_the_whole_batch();
    a_constant_channel_has_no_variance_and_gives_beta();
    no_pictures_give_no_variance();
    every_layout_gives_the_same_and_keeps_its_padding_zero();
    return check_result();
}
