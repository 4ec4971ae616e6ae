/* Two patterns laid over each other: by how much they agree once angle, mirror image and shift are taken out. */
#ifndef GNG_ANALYSIS_ALIGN_H
#define GNG_ANALYSIS_ALIGN_H

#include "analysis/pattern.h"

/* Floats of scratch memory of gng_pattern_agreement. */
enum { GNG_ALIGN_SCRATCH_FLOATS = 4 * GNG_THUMBNAIL_PIXELS };

/* Largest normalised correlation of two patterns inside the common circle, over rotations by any angle, mirror images and shifts of
 * up to 11 % of the side: 1 for the same surface, 0 for unrelated ones, -1 where either is blank, or
 * where next to nothing is left that is clipped in neither. What is clipped is not compared. Symmetric up to rounding. Any
 * thread. */
float gng_pattern_agreement(const gng_pattern_plan *plan, const gng_pattern *a, const gng_pattern *b, float *scratch);

#endif
