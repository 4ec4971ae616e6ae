/* What identifies the surface in a picture, whatever the light, the angle, the side and small shifts.
 *
 * pattern      the thumbnail, band-passed and divided by its local contrast: light and exposure are gone
 * angles       its log spectrum in polar coordinates, as Fourier coefficients over the angle: a shift is gone, a rotation only turns
 *              phases, a mirror image only conjugates (Reddy and Chatterji, "An FFT-based technique for translation, rotation, and
 *              scale-invariant image registration", IEEE Transactions on Image Processing 5, 1996)
 * descriptor   real parts of products of coefficients of neighbouring radii: rotation and mirror image are gone too
 */
#ifndef GNG_ANALYSIS_PATTERN_H
#define GNG_ANALYSIS_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/fourier.h"
#include "analysis/thumbnail.h"

enum {
    GNG_PATTERN_ANGLES = 128, /* over half a turn: the spectrum of a real picture repeats after it */
    GNG_PATTERN_RADII = 24,
    GNG_PATTERN_HARMONICS = 32,
    GNG_PATTERN_NEIGHBOURS = 3, /* products of radius r with r, r + 1, r + 2 */
    GNG_DESCRIPTOR_FLOATS = GNG_PATTERN_HARMONICS * (3 * GNG_PATTERN_RADII - 3)
};

/* Radii, in pixels of a thumbnail, inside which pictures are compared: a turned square keeps its inscribed circle, a shifted one a
 * little less. */
#define GNG_PATTERN_RADIUS 28.0
#define GNG_PATTERN_WINDOW_RADIUS 30.0

/* One step of `levels`: a pattern has a local deviation near 1 and is cut at 127 steps. */
#define GNG_PATTERN_STEP (1.0f / 32.0f)

typedef struct gng_pattern {
    int8_t levels[GNG_THUMBNAIL_PIXELS]; /* [64, 64], in steps */
    bool clipped[GNG_THUMBNAIL_PIXELS];    /* [64, 64]: black or white throughout, so that nobody knows what was there */
    float real[GNG_PATTERN_RADII * GNG_PATTERN_HARMONICS]; /* [radii, harmonics] */
    float imaginary[GNG_PATTERN_RADII * GNG_PATTERN_HARMONICS];
    float clipped_share; /* of the circle */
    float energy;    /* mean square of the pattern inside the circle; near 0 where a picture shows nothing but noise */
    float ambiguity; /* how much the pattern agrees with itself a little further on: near 1 for a straight line, where agreement with
                      * another picture proves little */
} gng_pattern;

/* Tables that all pictures share. Plain data, read-only once made. */
typedef struct gng_pattern_plan {
    gng_fourier picture; /* of GNG_THUMBNAIL_SIDE */
    gng_fourier angles;  /* of GNG_PATTERN_ANGLES */
    float window[GNG_THUMBNAIL_PIXELS];  /* 1 inside the circle, falling to 0 at its edge */
    float overlap[GNG_THUMBNAIL_PIXELS]; /* of the window with itself, by cyclic shift; 1 without one */
    float cosine[GNG_PATTERN_ANGLES], sine[GNG_PATTERN_ANGLES];
} gng_pattern_plan;

void gng_pattern_prepare(gng_pattern_plan *plan);

/* levels [64, 64]: a thumbnail. scratch: 4 * GNG_THUMBNAIL_PIXELS floats. Any thread. */
void gng_pattern_make(const gng_pattern_plan *plan, const float *levels, float *scratch, gng_pattern *out);

/* descriptor [GNG_DESCRIPTOR_FLOATS], of length 1, or 0 for a blank pattern. Any thread. */
void gng_pattern_describe(const gng_pattern *pattern, float *descriptor);

#endif
