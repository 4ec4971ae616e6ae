/* The inference-only classifier: model file -> pixels -> logits. No augmentation, no training code.
 *
 * Batch normalisation is folded into the layer before it. At creation the golden pictures of the file are run.
 */
#ifndef GNG_DEPLOY_CLASSIFIER_H
#define GNG_DEPLOY_CLASSIFIER_H

#include "base/parallel.h"
#include "deploy/model_file.h"
#include "image/image.h"

typedef struct gng_classifier gng_classifier;

/* Plans for up to `batch` pictures a call on up to `threads` workers. The model is borrowed for the call only.
 * UNSUPPORTED when the golden logits differ by more than GNG_SCORE_DIFFERENCE_FLOAT32. Caller destroys. */
GNG_MUST_CHECK gng_status gng_classifier_create(const gng_model *model, uint32_t batch, int threads, gng_classifier **out);
void gng_classifier_destroy(gng_classifier *classifier);

/* Largest absolute difference between the golden logits and those computed now; NaN counts as infinity. 0 for a model
 * without golden pictures, which is how the logits to be stored are computed; who loads a file must insist on some. */
GNG_MUST_CHECK gng_status gng_classifier_self_test(gng_classifier *classifier, gng_context *context, double *difference);

/* pixels [count, H, W, C] of the model's input size -> logits [count, outputs] and, unless NULL, features [count,
 * gng_classifier_features]; any count >= 1. A net of rows takes pictures of one pixel; STATE where those cannot be, because it reads
 * other than 1 or 3 features, and where features are wanted of a net that has none. */
GNG_MUST_CHECK gng_status gng_classifier_logits(gng_classifier *classifier, gng_context *context, const uint8_t *pixels,
                                                uint64_t count, float *logits, float *features);
/* rows [count, inputs] -> the same. STATE for a net of pictures. */
GNG_MUST_CHECK gng_status gng_classifier_row_logits(gng_classifier *classifier, gng_context *context, const float *rows,
                                                    uint64_t count, float *logits, float *features);
/* Values that the last layer reads where that is a dense one; 0: the net has no features. */
int32_t gng_classifier_features(const gng_classifier *classifier);

/* Equivalent graph without batch normalisation that follows a convolution or dense layer directly (others are kept), with folded parameters
 * (computed in double). out_parameters and out_states: allocated with gng_memory_allocate, caller releases. */
GNG_MUST_CHECK gng_status gng_graph_fold(const gng_graph *graph, const float *parameters, const float *states,
                                         gng_graph **out, float **out_parameters, float **out_states);

#endif
