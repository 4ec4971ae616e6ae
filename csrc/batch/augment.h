/* Augmentation: drawing parameters (random, keyed) and turning them into a gng_warp (pure geometry), apart.
 *
 * Order and units are those of Keras' ImageDataGenerator: rotation (degrees), shifts (fraction of the side), shear
 * (degrees), zoom (factor range), all about the centre of the picture, then flips, then brightness. Contrast, gamma, blur and noise are ours.
 */
#ifndef GNG_BATCH_AUGMENT_H
#define GNG_BATCH_AUGMENT_H

#include <stdbool.h>

#include "base/rng.h"
#include "image/warp.h"

/* What may happen. Ranges are closed; equal ends switch a draw off. */
typedef struct gng_augment {
    double rotation;        /* degrees: uniform in [-rotation, rotation] */
    double shift_height;    /* fraction of the height: uniform in [-s, s] */
    double shift_width;
    double shear;           /* degrees: uniform in [-shear, shear] */
    double zoom[2];         /* factor, drawn for each axis separately as Keras does; > 0. > 1 shows more of the surroundings */
    bool horizontal_flip;   /* with probability 1/2 */
    bool vertical_flip;
    double brightness[2];   /* factor, >= 0 */
    double contrast[2];     /* factor, >= 0 */
    double gamma[2];        /* exponent, > 0 */
    double blur[2];         /* sigma in pixels, 0 to 8 */
    double noise[2];        /* sigma in grey levels, 0 to 128 */
    gng_fill fill;
    double fill_value;      /* 0 to 255 */
} gng_augment;

/* One draw. */
typedef struct gng_augment_draw {
    double rotation, shift_y, shift_x, shear, zoom_y, zoom_x; /* degrees, pixels, pixels, degrees, factors */
    bool flip_horizontal, flip_vertical;
    double brightness, contrast, gamma, blur, noise;
    uint64_t noise_seed;
} gng_augment_draw;

/* Neutral: nothing happens. */
gng_augment gng_augment_none(void);
/* ARGUMENT, with the field named, for values that are not finite or outside their range. */
GNG_MUST_CHECK gng_status gng_augment_check(const gng_augment *augment);

/* Each field has a fixed place in the sequence behind the key, so switching one on never changes another. Any thread. */
gng_augment_draw gng_augment_draw_parameters(const gng_augment *augment, int32_t height, int32_t width, const gng_rng_key *key);

/* The warp of a draw for a picture of this size. Pure. */
gng_warp gng_augment_warp(const gng_augment *augment, const gng_augment_draw *draw, int32_t height, int32_t width);

#endif
