/* The reference operations once more, in double precision: for the gradient check. */
#define GNG_REFERENCE_DOUBLE

#include "nn/ref/activation.c"
#include "nn/ref/add.c"
#include "nn/ref/batch_norm.c"
#include "nn/ref/conv.c"
#include "nn/ref/dense.c"
#include "nn/ref/dropout.c"
#include "nn/ref/flatten.c"
#include "nn/ref/pool.c"
