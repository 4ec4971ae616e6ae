/* gonogo: visual go/no-go inspection. The one public header of the C core. */
#ifndef GNG_GONOGO_H
#define GNG_GONOGO_H

#define GNG_VERSION_MAJOR 0
#define GNG_VERSION_MINOR 1
#define GNG_VERSION_PATCH 0

#include "analysis/neighbours.h"
#include "analysis/siblings.h"
#include "analysis/thumbnail.h"
#include "base/cpu.h"
#include "base/elementary.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/tensor.h"
#include "batch/augment.h"
#include "batch/batch.h"
#include "deploy/classifier.h"
#include "deploy/model_file.h"
#include "deploy/sha256.h"
#include "deploy/threshold.h"
#include "image/decode.h"
#include "image/enhance.h"
#include "image/image.h"
#include "image/inspect.h"
#include "image/readout.h"
#include "image/region.h"
#include "image/resize.h"
#include "image/warp.h"
#include "nn/batch_norm.h"
#include "nn/choice.h"
#include "nn/gradient_check.h"
#include "nn/graph.h"
#include "nn/initialise.h"
#include "nn/loss.h"
#include "nn/net.h"
#include "nn/operation.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/step.h"

#endif
