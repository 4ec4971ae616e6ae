/* Runs the tests of one program again at every instruction-set limit that this processor offers. A limit is fixed for a
 * process, so each one gets a process of its own: the program itself, with the limit as its argument. */
#ifndef GNG_TESTS_INSTRUCTION_SETS_H
#define GNG_TESTS_INSTRUCTION_SETS_H

#include <stdio.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "check.h"

static inline int run_at_every_instruction_set(int argc, char **argv, void (*tests)(void))
{
    if (argc == 2) {
        gng_instruction_set limit;
        if (CHECK(gng_instruction_set_from_name(argv[1], &limit) == GNG_OK && gng_cpu_limit_set(limit) == GNG_OK))
            tests();
        return check_result();
    }
    for (int set = GNG_INSTRUCTION_SET_SCALAR; set <= (int)gng_cpu_detected(); set++) {
        char command[4096];
        const char *name = gng_instruction_set_name((gng_instruction_set)set);
        (void)snprintf(command, sizeof command, "'%s' %s", argv[0], name);
        if (!CHECK(system(command) == 0))
            fprintf(stderr, "    at the instruction-set limit '%s'\n", name);
    }
    return check_result();
}

#endif
