/* Which engine runs which chain of layers: a fixed table over (operation, shape class, instruction set), never a
 * measurement at run time. `gonogo bench` verifies the table. */
#ifndef GNG_NN_CHOICE_H
#define GNG_NN_CHOICE_H

#include "base/cpu.h"
#include "nn/operation.h"

/* Plans the longest prefix of request->chain that one table accepts at the effective instruction set; the reference
 * accepts every single layer. *taken: how many layers of the chain the operation covers. Any status but UNSUPPORTED from
 * a table ends the search and is returned. */
GNG_MUST_CHECK gng_status gng_choice_plan(const gng_operation_request *request, const gng_operation_table **table,
                                          gng_operation **operation, gng_operation_memory *memory, int32_t *taken);

#endif
