"""Microseconds of decoding one JPEG file in memory with stb_image as it comes, compiled as the package compiles it."""

import os
import subprocess
import tempfile
from pathlib import Path

from photograph import photograph

PROGRAM = """
#define _POSIX_C_SOURCE 200809L
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "stb_image.h"

static unsigned char file[1 << 20];

int main(void)
{
    const int bytes = (int)fread(file, 1, sizeof file, stdin);
    double best = 1e30;
    for (int series = 0; series < 4; ++series) {
        struct timespec begun, ended;
        clock_gettime(CLOCK_MONOTONIC, &begun);
        for (int i = 0; i < 1000; ++i) {
            int width, height, channels;
            unsigned char *pixels = stbi_load_from_memory(file, bytes, &width, &height, &channels, 1);
            if (pixels == NULL || width != 300 || height != 300)
                return 1;
            free(pixels);
        }
        clock_gettime(CLOCK_MONOTONIC, &ended);
        const double mean = (double)(ended.tv_sec - begun.tv_sec) * 1e3 + (double)(ended.tv_nsec - begun.tv_nsec) * 1e-6;
        best = mean < best ? mean : best;
    }
    printf("%.3f\\n", best);
    return 0;
}
"""

with tempfile.TemporaryDirectory() as folder:
    source, program = Path(folder, "stb.c"), Path(folder, "stb")
    source.write_text(PROGRAM)
    includes = f"-I{os.environ.get('STB_INCLUDE_DIR', '/usr/include/stb')}"
    flags = ["-std=c11", "-O3", "-fwrapv", "-w", includes]
    subprocess.run([os.environ.get("CC", "cc"), *flags, source, "-o", program, "-lm"], check=True)
    subprocess.run([program], input=photograph, check=True)
