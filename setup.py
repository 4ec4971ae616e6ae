"""Builds gonogo._core from csrc/ and bundles oneDNN beside it; all else about the package is in pyproject.toml."""

import os
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distributions
from pathlib import Path

import numpy
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

# The compiler's flags are ours alone: those Python was built with differ between machines and would change results.
# No contraction anywhere: intrinsics ask for fused operations themselves, plain C must round alike on every machine.
# Nothing reads errno or the exception flags of arithmetic; without these two, values stay the same and loops vectorise.
FLAGS = "-std=c11 -O3 -fPIC -pthread -fvisibility=hidden -ffp-contract=off -fno-math-errno -fno-trapping-math -Icsrc"
FLAGS += " -DPy_LIMITED_API=0x030B0000 -DNPY_TARGET_VERSION=NPY_2_0_API_VERSION"
# The picture decoder of stb may meet signed overflow and unset memory in damaged files: both get a defined meaning.
FILE_FLAGS = {"csrc/image/decode.c": ["-fwrapv", "-ftrivial-auto-var-init=zero"]}
VARIANTS = {
    "sanitize": "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined",
    "threads": "-O1 -g -fno-omit-frame-pointer -fsanitize=thread",
    "debug": "-O0 -g3",
    "coverage": "-O1 -g --coverage -fprofile-update=single",  # atomic counters would be seven times slower
}
VARIANT = next((name for name in VARIANTS if os.environ.get(f"GONOGO_{name.upper()}") == "1"), "release")
# DT_RPATH and not DT_RUNPATH, which LD_LIBRARY_PATH would overrule.
LINK = "-shared -pthread -Wl,-z,relro,-z,now -Wl,--disable-new-dtags,-rpath,$ORIGIN"
ONEDNN = "libgng_dnnl.so.3"  # a name of its own, so that no other package's libdnnl.so.3 can take its place


def locate(name, folders, remedy):
    if found := [path for folder in folders if (path := Path(folder, name)).is_file()]:
        return found[0]
    sys.exit(f"setup.py: {name} was not found in {', '.join(map(str, folders)) or 'any package'}; {remedy}")


def locate_onednn(name):
    if root := os.environ.get("ONEDNN_ROOT"):
        folders = [f"{root}/{part}" for part in ("include", "lib", "lib64", "lib/x86_64-linux-gnu")]
        return locate(name, folders, "set ONEDNN_ROOT to the folder of a oneDNN 3, or unset it")
    package = "onednn-devel-cpu-gomp" if name == "dnnl.h" else "onednn-cpu-gomp"
    folders = [file.locate().parent for item in distributions(name=package) for file in item.files if file.name == name]
    return locate(name, folders, f"install {package}==2023.2.0, or set ONEDNN_ROOT to the folder of another oneDNN 3")


class BuildCore(build_ext):
    """Compiles what is out of date on all cores. Objects, and an archive of the core for C programs, stay in build/."""

    def copy_extensions_to_source(self):  # setuptools' name for the last step of an editable build
        super().copy_extensions_to_source()
        self.copy_file(f"{self.build_temp}/{ONEDNN}", f"python/gonogo/{ONEDNN}")

    def build_extension(self, ext):
        stb = [os.environ.get("STB_INCLUDE_DIR", "/usr/include/stb")]
        stb = locate("stb_image.h", stb, "install libstb-dev (Debian, Ubuntu), or set STB_INCLUDE_DIR to its folder")
        foreign = [*self.include_dirs, numpy.get_include(), stb.parent, locate_onednn("dnnl.h").parent]
        compiler, variant = os.environ.get("CC", "gcc").split(), VARIANTS.get(VARIANT, "").split()
        command = [*compiler, *FLAGS.split(), *variant, *os.environ.get("CFLAGS", "").split()]
        command += [f"-isystem{folder}" for folder in foreign]
        temp, target = Path(self.build_temp), Path(self.get_ext_fullpath(ext.name))
        record, library, archive = (temp / name for name in ("command.txt", ONEDNN, "libgonogo.a"))
        for folder in {target.parent, temp, *((temp / source).parent for source in ext.sources)}:
            folder.mkdir(parents=True, exist_ok=True)
        if not record.exists() or record.read_text() != " ".join(command):
            record.write_text(" ".join(command))
        newest = max(path.stat().st_mtime_ns for path in (record, Path("setup.py"), *Path("csrc").rglob("*.h")))

        def compile_source(source):
            item, age = temp / Path(source).with_suffix(".o"), max(newest, Path(source).stat().st_mtime_ns)
            if not item.exists() or item.stat().st_mtime_ns != age:
                self.spawn([*command, *FILE_FLAGS.get(source, []), "-c", source, "-o", str(item)])
                os.utime(item, ns=(age, age))  # so that what is edited while it compiles is compiled again
            return str(item)

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            objects = list(pool.map(compile_source, ext.sources))
        archive.unlink(missing_ok=True)
        self.spawn(["ar", "rcs", str(archive), *(item for item in objects if "/csrc/bind/" not in item)])
        if not library.exists() or library.stat().st_mtime < record.stat().st_mtime:
            programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            self.spawn(["strip", "--strip-unneeded", str(locate_onednn("libdnnl.so.3")), "-o", f"{library}.part"])
            self.spawn([shutil.which("patchelf", path=programs), "--set-soname", ONEDNN, f"{library}.part"])
            Path(f"{library}.part").replace(library)
        self.copy_file(str(library), str(target.parent / ONEDNN))
        for name in () if os.environ.get("ONEDNN_ROOT") else ("LICENSE", "THIRD-PARTY-PROGRAMS"):
            self.copy_file(str(locate_onednn(name)), str(target.parent / f"{ONEDNN}.{name}"))
        self.spawn([*compiler, *objects, str(library), *LINK.split(), *variant, "-lgomp", "-lm", "-o", str(target)])


setup(
    version=".".join(re.findall(r"define GNG_VERSION_\w+ (\d+)", Path("csrc/gonogo.h").read_text())),
    packages=[*find_packages("python"), "gonogo.models"],
    ext_modules=[Extension("gonogo._core", sorted(map(str, Path("csrc").rglob("*.c"))), py_limited_api=True)],
    cmdclass={"build_ext": BuildCore},
    options={"bdist_wheel": {"py_limited_api": "cp311"}, "build_ext": {"build_temp": f"build/{VARIANT}"}},
)
