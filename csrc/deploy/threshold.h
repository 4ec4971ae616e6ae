/* How far a score may differ between machines, and the guard band that follows from it. */
#ifndef GNG_DEPLOY_THRESHOLD_H
#define GNG_DEPLOY_THRESHOLD_H

/* float32: the largest difference of a score allowed between machines, and the guard band g = 10 h. */
#define GNG_SCORE_DIFFERENCE_FLOAT32 1e-4
#define GNG_GUARD_BAND_FLOAT32 1e-3

#endif
