/* What the pixels alone tell of how a picture was read out of its camera: read with another bit depth it is dark, and cut short on
 * the way its last rows have one value.
 */
#ifndef GNG_IMAGE_READOUT_H
#define GNG_IMAGE_READOUT_H

#include "image/image.h"

typedef struct gng_readout {
    int32_t brightest;   /* the largest level of all channels */
    int32_t bottom_rows; /* last rows of one colour, the same in all of them; the height where the whole picture has but one */
} gng_readout;

/* image: with at least one pixel. Any thread. */
gng_readout gng_readout_measure(gng_image_view image);

#endif
