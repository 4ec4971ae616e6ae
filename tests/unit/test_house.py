"""The walls of the house, proved from the files themselves. Each rule is also shown a small tree that breaks it."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OBJECTS = ROOT / "build" / "release"

# Room -> rooms it may include besides itself.
ROOMS = {
    "base": set(),
    "image": {"base"},
    "batch": {"image", "base"},
    "nn": {"base"},
    "train": {"nn", "batch", "base"},
    "analysis": {"nn", "image", "base"},
    "deploy": {"nn", "image", "base"},
    "bind": {"base", "image", "batch", "nn", "train", "analysis", "deploy", "gonogo.h"},
}
C_STANDARD = (
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic "
    "stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype"
)
# Headers that are not the C standard's -> the only files that may include them.
FOREIGN_HEADERS = {
    r"Python\.h|structmember\.h|numpy/.*": r"bind/",
    r"dnnl.*|oneapi/.*|omp\.h": r"nn/dnnl/",
    r".*intrin\.h": r"(.*/)?simd/",
    r"stb_image\.h": r"image/decode\.c$",
    r"cpuid\.h|pthread\.h|sched\.h|unistd\.h|fcntl\.h|sys/.*|linux/.*|asm/.*": r"base/",
}
# Writable symbols of the core: the worker pool, the watch over forks, the allocation hook with its counters, the
# instruction-set limit; and, one per thread, the error detail and the memory of stb_image, which hands its allocator no
# context; and the handle of oneDNN, whose own settings are one per process.
WRITABLE = {
    "base/parallel.o": {"pool"},
    "base/fork.o": {"forks"},
    "base/memory.o": {"allocations", "live", "countdown"},
    "base/cpu.o": {"limit"},
    "base/status.o": {"detail"},
    "image/decode.o": {"memory"},
    "nn/dnnl/engine.o": {"engine_global"},
}
# In bind: NumPy's table, and the tables that CPython's structures take as pointers to non-const.
WRITABLE_IN_BIND = (
    r"gng_numpy_table(PyArray_RUNTIME_VERSION)?|\w*(methods|members|properties|slots|spec|names|definition)"
)
CALLED_BY_NOBODY = (
    "printf vprintf puts putchar fprintf perror exit _exit quick_exit abort assert_fail getenv secure_getenv"
)
CALLED_IN_BASE = "malloc calloc realloc free aligned_alloc posix_memalign memalign"

# Module -> modules of the package it must never reach, directly or through others.
TRAINING = {"augment", "callbacks", "checkpoint", "classifier", "data", "network", "training"}
NEVER_REACHED = {
    "augment": {"data"},
    "audit": {"network", "training", "classifier"},
    "layers": {"network", "training", "classifier"},
    "network": {"training", "classifier"},
    "training": {"classifier"},
    "inspector": TRAINING | {"gate", "line", "cli"},
    "gate": TRAINING | {"line", "cli"},
    "line": TRAINING | {"cli"},
    "pilot": TRAINING | {"line", "cli"},
}
# What only line/files.py may use, and who besides it opens SQLite.
FILE_MODULES = {"os", "shutil", "tempfile", "fcntl", "glob", "subprocess", "socket", "mmap", "ctypes"}
FILE_METHODS = {
    *(
        "chmod",
        "glob",
        "hardlink_to",
        "iterdir",
        "lchmod",
        "mkdir",
        "read_bytes",
        "read_text",
        "rename",
        "rglob",
        "rmdir",
    ),
    *("symlink_to", "touch", "unlink", "write_bytes", "write_text"),
}
HOLDS_THE_JOURNAL = {"line/journal.py", "line/segments.py", "line/tables.py", "line/verdicts.py"}
# Who may open sockets: the words to systemd, pages on loopback, frames, MQTT. The sorter opens no other.
SOCKET_MODULES = ("socket", "socketserver", "http.server", "http.client", "ssl", "asyncio", "urllib.request", "paho")
HOLDS_A_SOCKET = {"systemd.py", "streaming.py", "publishing.py", "pages/server.py"}
TEXT = {"", ".c", ".cfg", ".csv", ".h", ".in", ".ipynb", ".json", ".md", ".py", ".pyi", ".toml", ".yaml"}

Rule = Callable[[Path], list[str]]


def tree(root: Path, folder: str, *suffixes: str) -> list[Path]:
    return sorted(path for path in (root / folder).rglob("*") if path.suffix in suffixes)


def texts(root: Path) -> Iterator[tuple[Path, str]]:
    """The text files of the project: what git keeps or would keep; in a tree without git, all."""
    names = [str(path.relative_to(root)) for path in root.rglob("*")]
    if (root / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        names = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
    for path in (root / name for name in sorted(filter(None, names))):
        if path.is_file() and path.suffix in TEXT and path != Path(__file__).resolve():
            yield path.relative_to(root), path.read_text(encoding="utf-8")


def includes(path: Path) -> list[tuple[str, str]]:
    """Kind (``<`` or ``"``) and name of every include."""
    return re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', path.read_text(encoding="utf-8"), re.MULTILINE)


def own_includes_point_down(root: Path) -> list[str]:
    problems = []
    for path in tree(root, "csrc", ".c", ".h"):
        name = path.relative_to(root / "csrc").as_posix()
        room = name.split("/")[0]
        if room not in ROOMS and name != "gonogo.h":
            problems.append(f"{name}: {room} is not a room")
            continue
        allowed = ROOMS.get(room, ROOMS["bind"]) | {room}
        for kind, include in includes(path):
            if any(re.fullmatch(header, include) for header in FOREIGN_HEADERS):
                continue
            if kind == '"' and not (root / "csrc" / include).is_file():
                problems.append(f"{name}: includes {include}, which is not a file below csrc")
            if kind == '"' and include.split("/")[0] not in allowed:
                problems.append(f"{name}: room {room} must not include {include}")
            if name.startswith("nn/ref/") and include.startswith(("nn/dnnl/", "nn/simd/")):
                problems.append(f"{name}: the definition must not include {include}")
    return problems


def foreign_headers_stay_in_their_rooms(root: Path) -> list[str]:
    problems = []
    for path in tree(root, "csrc", ".c", ".h"):
        name = path.relative_to(root / "csrc").as_posix()
        for kind, include in includes(path):
            places = [place for header, place in FOREIGN_HEADERS.items() if re.fullmatch(header, include)]
            if kind == "<" and include.removesuffix(".h") not in C_STANDARD.split() and not places:
                problems.append(f"{name}: {include} is neither the C standard's nor a known foreign header")
            problems += [f"{name}: must not include {include}" for place in places if not re.match(place, name)]
    return problems


def symbols(path: Path) -> Iterator[tuple[str, str, bool]]:
    """Name, section and whether it is global, for every symbol of an object file."""
    listing = subprocess.run(["objdump", "-t", str(path)], check=True, capture_output=True, text=True).stdout
    for line in listing.splitlines():
        if match := re.match(r"[0-9a-f]{8,} (.{7}) (\S+)\s+[0-9a-f]+ (?:\.hidden )?(\S+)$", line):
            flags, section, name = match.groups()
            if flags[5] not in "df" and not name.startswith("."):
                yield name, section, flags[0] in "gu!"


def objects(root: Path) -> list[tuple[str, Path]]:
    return [(path.relative_to(root / "csrc").as_posix(), path) for path in tree(root, "csrc", ".o")]


def symbols_carry_the_prefix(root: Path) -> list[str]:
    return [
        f"{name}: {symbol} is global and does not begin with gng_"
        for name, path in objects(root)
        for symbol, section, is_global in symbols(path)
        if is_global and section != "*UND*" and not symbol.startswith("gng_") and symbol != "PyInit__core"
    ]


def writable_globals_are_the_named_ones(root: Path) -> list[str]:
    problems = []
    for name, path in objects(root):
        for symbol, section, _ in symbols(path):
            plain = symbol.split(".")[0]  # the compiler numbers variables of functions: name.0
            if not re.match(r"\.(data|bss|tdata|tbss)|\*COM\*", section) or section.startswith(".data.rel.ro"):
                continue
            if name.startswith("bind/") and re.fullmatch(WRITABLE_IN_BIND, plain):
                continue
            if plain not in WRITABLE.get(name, ()):
                problems.append(f"{name}: {symbol} in {section} is writable and not on the list")
    return problems


def core_calls_only_what_it_may(root: Path) -> list[str]:
    problems = []
    for name, path in objects(root):
        for symbol, section, _ in symbols(path):
            plain = symbol.removeprefix("__").removesuffix("_chk")
            if section != "*UND*" or name.startswith("bind/"):
                continue
            if plain in CALLED_BY_NOBODY.split():
                problems.append(f"{name}: calls {symbol}")
            if plain in CALLED_IN_BASE.split() and not name.startswith("base/"):
                problems.append(f"{name}: calls {symbol}, which belongs to base/memory")
    return problems


def extension_exports_its_entry_alone(root: Path) -> list[str]:
    problems = []
    for path in tree(root, ".", ".so"):
        command = ["nm", "--dynamic", "--defined-only", "--format=posix", str(path)]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        # The three names of the linker itself mark ends of sections.
        names = {line.split()[0] for line in lines} - {"__bss_start", "_edata", "_end"}
        problems += [f"{path.name}: exports {name}" for name in sorted(names - {"PyInit__core"})]
        problems += [f"{path.name}: does not export PyInit__core"] if "PyInit__core" not in names else []
    return problems


def files_are_small(root: Path) -> list[str]:
    limits = [(path, 500) for path in tree(root, "csrc", ".c", ".h")]
    limits += [(path, 400) for path in tree(root, "python/gonogo", ".py")]
    limits += [(path, 101) for path in [root / "setup.py"] if path.exists()]
    return [
        f"{path.relative_to(root)}: {lines} lines, allowed are fewer than {limit}"
        for path, limit in limits
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) >= limit
    ]


def arithmetic_flags_are_exact(root: Path) -> list[str]:
    loose = r"-ffast-math|-Ofast|-march=native|-funsafe\S*|-fassociative\S*|-ffinite\S*|-ffp-contract=(?!off)\w+"
    pragmas = r"#\s*pragma\s+(GCC|clang)\s+(optimize|fp)|__attribute__\s*\(\(\s*optimize|FP_CONTRACT\s+ON"
    problems = []
    for path in [root / "setup.py", root / "Makefile", root / "pyproject.toml", *tree(root, "csrc", ".c", ".h")]:
        found = (
            re.search(pragmas if path.suffix in (".c", ".h") else loose, path.read_text()) if path.exists() else None
        )
        problems += [f"{path.relative_to(root)}: {found.group()}"] if found else []
    return problems


def no_traces_of_a_machine(root: Path) -> list[str]:
    pattern = r"(?<![\w.~/])/(home|root|work|Users|opt|mnt)/\w+|\b[A-Z]:\\Users"
    return [f"{path}: {found.group()}" for path, text in texts(root) if (found := re.search(pattern, text))]


def no_unfinished_work(root: Path) -> list[str]:
    pattern = r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError"
    return [f"{path}: {found.group()}" for path, text in texts(root) if (found := re.search(pattern, text))]


def run_time_imports(node: ast.AST, *, inside_functions: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports that are carried out; those under ``if TYPE_CHECKING`` are not."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        elif inside_functions or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from run_time_imports(child, inside_functions=inside_functions)


def imported(path: Path, package: Path, *, inside_functions: bool) -> set[str]:
    """Dotted names that a module of the package imports, relative ones made absolute."""
    folder = ("gonogo", *path.relative_to(package).parts[:-1])
    names = set()
    for node in run_time_imports(ast.parse(path.read_text(encoding="utf-8")), inside_functions=inside_functions):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        else:
            start = [*folder[: len(folder) - node.level + 1]] if node.level else []
            base = ".".join([*start, *filter(None, [node.module])])
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def package_graph(root: Path) -> dict[str, set[str]]:
    """Module (``gate``; all of ``line`` is one) -> modules of the package that it imports, anywhere in its text."""
    package = root / "python" / "gonogo"
    graph: dict[str, set[str]] = {}
    for path in tree(root, "python/gonogo", ".py"):
        module = path.relative_to(package).parts[0].removesuffix(".py")
        names = {
            name.split(".")[1] for name in imported(path, package, inside_functions=True) if name.startswith("gonogo.")
        }
        if module != "__init__":  # the face imports everything, and is what everything lives under
            graph.setdefault(module, set()).update(names - {module})
    return {module: names & graph.keys() for module, names in graph.items()}


def reached(graph: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def python_imports_point_down(root: Path) -> list[str]:
    graph = package_graph(root)
    problems = [f"{module} imports itself through others" for module in graph if module in reached(graph, module)]
    for module, forbidden in NEVER_REACHED.items():
        problems += [f"{module} reaches {other}" for other in sorted(reached(graph, module) & forbidden)]
    problems += [f"{module} imports cli" for module, names in graph.items() if "cli" in names and module != "__main__"]
    return problems


def heavy_packages_are_imported_where_used(root: Path) -> list[str]:
    package = root / "python" / "gonogo"
    light = sys.stdlib_module_names | {"numpy", "gonogo"}
    return [
        f"{path.relative_to(root)}: imports {name} at its top"
        for path in tree(root, "python/gonogo", ".py")
        for name in sorted(imported(path, package, inside_functions=False))
        if name.split(".")[0] not in light
    ]


def packages_are_installed(root: Path) -> list[str]:
    folders = {path.parent for path in tree(root, "python/gonogo", ".py")}
    return [f"{folder}: has no __init__.py" for folder in folders if not (folder / "__init__.py").exists()]


def line_has_one_door_to_files(root: Path) -> list[str]:
    """What the line does with files goes through ``line/files.py``, so that a simulated disk sees all of it."""
    problems = []
    for path in tree(root, "python/gonogo/line", ".py"):
        name = path.relative_to(root / "python" / "gonogo").as_posix()
        if name == "line/files.py":
            continue
        forbidden = FILE_MODULES | (set() if name in HOLDS_THE_JOURNAL else {"sqlite3"})
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            problems += [f"{name}: imports {module}" for module in modules if module.split(".")[0] in forbidden]
            problems += [f"{name}: imports {module}" for module in modules if module == "gonogo.storage"]
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
                problems.append(f"{name}: calls open")
            if isinstance(node, ast.Attribute) and node.attr in FILE_METHODS:
                problems.append(f"{name}: uses .{node.attr}")
    return problems


def sockets_are_opened_in_few_places(root: Path) -> list[str]:
    package = root / "python" / "gonogo"
    return [
        f"{path.relative_to(package)}: imports {name}"
        for path in tree(root, "python/gonogo", ".py")
        for name in sorted(imported(path, package, inside_functions=True))
        if any(f"{name}.".startswith(f"{module}.") for module in SOCKET_MODULES)
        and path.relative_to(package).as_posix() not in HOLDS_A_SOCKET
    ]


def promises_name_their_tests(root: Path) -> list[str]:
    """Each row of the table names a promise, and files of tests, or tests in them, that exist."""
    name = "csrc/README.md"
    text = (root / name).read_text() if (root / name).exists() else ""
    if "\n## Promises" not in text:
        return [f"{name}: has no section on promises"]
    section = text.split("\n## Promises")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")][2:]
    problems = [] if rows else [f"{name}: names no promise"]
    for row in rows:
        promise, tests = row[0].strip(), re.findall(r"`(test_\w+\.py)(?:::(\w+))?`", row[-1])
        problems += [] if promise and tests and len(row) == 2 else [f"{name}: no test for {promise!r}"]
        for file, test in tests:
            path = root / "tests" / "unit" / file
            source = path.read_text() if path.exists() else ""
            if not re.search(rf"^\s*(def|class) {test}\b" if test else r"^\s*def test_", source, re.MULTILINE):
                problems.append(f"{name}: {promise!r} names {file}::{test}, which does not exist")
    return problems


SOURCE_RULES: list[Rule] = [
    own_includes_point_down,
    foreign_headers_stay_in_their_rooms,
    files_are_small,
    arithmetic_flags_are_exact,
    no_traces_of_a_machine,
    no_unfinished_work,
    python_imports_point_down,
    heavy_packages_are_imported_where_used,
    packages_are_installed,
    line_has_one_door_to_files,
    sockets_are_opened_in_few_places,
    promises_name_their_tests,
]
OBJECT_RULES: list[Rule] = [
    symbols_carry_the_prefix,
    writable_globals_are_the_named_ones,
    core_calls_only_what_it_may,
]

PROMISES = "# The core\n\n## Promises\n\n| promise | tests |\n|---|---|\n"

# Rule, file of the planted tree, its content.
PLANTED_SOURCES: list[tuple[Rule, str, str]] = [
    (own_includes_point_down, "csrc/deploy/a.c", '#include "train/step.h"\n'),
    (own_includes_point_down, "csrc/image/a.h", '#include "batch/batch.h"\n'),
    (own_includes_point_down, "csrc/base/a.c", '#include "gonogo.h"\n'),
    (own_includes_point_down, "csrc/nn/ref/conv.c", '#include "nn/dnnl/dnnl_engine.h"\n'),
    (own_includes_point_down, "csrc/cellar/a.c", "\n"),
    (foreign_headers_stay_in_their_rooms, "csrc/nn/net.c", "#include <Python.h>\n"),
    (foreign_headers_stay_in_their_rooms, "csrc/image/a.c", "#include <numpy/arrayobject.h>\n"),
    (foreign_headers_stay_in_their_rooms, "csrc/nn/net.c", '#include "dnnl.h"\n'),
    (foreign_headers_stay_in_their_rooms, "csrc/image/warp.c", "#include <immintrin.h>\n"),
    (foreign_headers_stay_in_their_rooms, "csrc/nn/choice.c", "#include <cpuid.h>\n"),
    (foreign_headers_stay_in_their_rooms, "csrc/image/inspect.c", "# include <stb_image.h>\n"),
    (foreign_headers_stay_in_their_rooms, "csrc/train/step.c", "#include <pthread.h>\n"),
    (foreign_headers_stay_in_their_rooms, "csrc/base/a.c", "#include <zlib.h>\n"),
    (files_are_small, "csrc/base/a.c", "\n" * 500),
    (files_are_small, "python/gonogo/a.py", "\n" * 400),
    (files_are_small, "setup.py", "\n" * 101),
    (arithmetic_flags_are_exact, "setup.py", 'FLAGS = "-O3 -ffast' + '-math"\n'),
    (arithmetic_flags_are_exact, "Makefile", "CFLAGS = -march=" + "native\n"),
    (arithmetic_flags_are_exact, "csrc/base/a.c", '#pragma GCC optimize("O3")\n'),
    (no_traces_of_a_machine, "README.md", "see /home/" + "somebody/notes\n"),
    (no_traces_of_a_machine, "tests/a.py", 'DATA = "/' + 'root/data"\n'),
    (no_unfinished_work, "csrc/base/a.c", "/* TO" + "DO: later */\n"),
    (no_unfinished_work, "python/gonogo/a.py", "raise NotImplemented" + "Error\n"),
    (python_imports_point_down, "python/gonogo/gate/ledger.py", "from gonogo import data\n"),
    (python_imports_point_down, "python/gonogo/gate/exact_rule.py", "from gonogo.network import load_spec\n"),
    (python_imports_point_down, "python/gonogo/gate/parts.py", "def f():\n    from gonogo.through import x\n"),
    (python_imports_point_down, "python/gonogo/inspector.py", "from gonogo.gate import PassGate\n"),
    (python_imports_point_down, "python/gonogo/inspector.py", "def f():\n    from .training import fit\n"),
    (python_imports_point_down, "python/gonogo/layers.py", "from . import network\n"),
    (python_imports_point_down, "python/gonogo/line/sorter.py", "import gonogo.through\n"),
    (python_imports_point_down, "python/gonogo/metrics.py", "from ..gonogo.cli import main\n"),
    (python_imports_point_down, "python/gonogo/data.py", "from gonogo.through import x\n"),
    (heavy_packages_are_imported_where_used, "python/gonogo/a.py", "import pandas as pd\n"),
    (heavy_packages_are_imported_where_used, "python/gonogo/a.py", "class A:\n    from sklearn.base import B\n"),
    (line_has_one_door_to_files, "python/gonogo/line/sorter.py", "import os\n"),
    (line_has_one_door_to_files, "python/gonogo/line/sorter.py", "import shutil as s\n"),
    (line_has_one_door_to_files, "python/gonogo/line/sorter.py", "def f():\n    from os import rename\n"),
    (line_has_one_door_to_files, "python/gonogo/line/sorter.py", "import sqlite3\n"),
    (line_has_one_door_to_files, "python/gonogo/line/sorter.py", "from gonogo.storage import write_atomically\n"),
    (line_has_one_door_to_files, "python/gonogo/line/sorter.py", "open('x', 'w')\n"),
    (line_has_one_door_to_files, "python/gonogo/line/journal.py", "path.unlink()\n"),
    (sockets_are_opened_in_few_places, "python/gonogo/data.py", "def f():\n    import urllib.request\n"),
    (sockets_are_opened_in_few_places, "python/gonogo/cli/sort.py", "from socket import socket\n"),
    (packages_are_installed, "python/gonogo/attic/a.py", "\n"),
    (promises_name_their_tests, "csrc/README.md", "# The core\n"),
    (promises_name_their_tests, "csrc/README.md", PROMISES),
    (promises_name_their_tests, "csrc/README.md", PROMISES + "| none | by nobody |\n"),
    (promises_name_their_tests, "csrc/README.md", PROMISES + "| file | `test_b.py` |\n"),
    (promises_name_their_tests, "csrc/README.md", PROMISES + "| test | `test_a.py::test_seven` |\n"),
    (promises_name_their_tests, "tests/unit/test_a.py", "def test_six():\n    pass\n"),
]
PLANTED_OBJECTS: list[tuple[Rule, str, str]] = [
    (symbols_carry_the_prefix, "csrc/base/a.c", "int size(void) { return 1; }\n"),
    (symbols_carry_the_prefix, "csrc/nn/a.c", "const int table[2] = {1, 2};\n"),
    (writable_globals_are_the_named_ones, "csrc/nn/a.c", "static int calls; int gng_f(void) { return ++calls; }\n"),
    (writable_globals_are_the_named_ones, "csrc/nn/a.c", "int gng_f(void) { static int calls = 3; return ++calls; }\n"),
    (writable_globals_are_the_named_ones, "csrc/nn/a.c", "_Thread_local int gng_calls;\n"),
    (writable_globals_are_the_named_ones, "csrc/bind/a.c", "static int n; int gng_f(void) { return ++n; }\n"),
    (core_calls_only_what_it_may, "csrc/nn/a.c", '#include <stdio.h>\nvoid gng_f(void) { puts("here"); }\n'),
    (core_calls_only_what_it_may, "csrc/base/a.c", "#include <stdlib.h>\nvoid gng_f(void) { exit(1); }\n"),
    (core_calls_only_what_it_may, "csrc/base/a.c", "#include <assert.h>\nvoid gng_f(int n) { assert(n); }\n"),
    (core_calls_only_what_it_may, "csrc/nn/a.c", "#include <stdlib.h>\nvoid *gng_f(void) { return malloc(9); }\n"),
]
# A small tree that keeps every rule; planted files are added to it.
SOUND = {
    "setup.py": "\n",
    "csrc/README.md": PROMISES + "| five | `test_a.py`, `test_a.py::test_five` |\n",
    "tests/unit/test_a.py": "def test_five():\n    pass\n",
    "csrc/gonogo.h": '#include "base/status.h"\n',
    "csrc/base/status.h": "#include <stddef.h>\n",
    "csrc/batch/batch.h": '#include "base/status.h"\n',
    "csrc/nn/dnnl/dnnl_engine.h": "#include <dnnl.h>\n",
    "csrc/train/step.h": '#include "batch/batch.h"\n',
    "python/gonogo/__init__.py": "from gonogo.through import x\n",
    "python/gonogo/through.py": "import numpy as np\n\nfrom gonogo.training import x\n",
    "python/gonogo/training.py": "import gonogo.data\n\n\ndef f():\n    import pandas\n",
    "python/gonogo/data.py": "x = 1\n",
    "python/gonogo/network.py": "\n",
    "python/gonogo/gate/__init__.py": "\n",
    "python/gonogo/line/__init__.py": "\n",
    "python/gonogo/line/files.py": "import os\n",
    "python/gonogo/line/journal.py": "import sqlite3\n",
    "python/gonogo/cli/__init__.py": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import pandas\n",
}


def lay(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


def compile_into(root: Path, name: str, content: str) -> None:
    lay(root, {name: content})
    source = root / name
    flags = ["-O1", "-fPIC", "-fno-builtin", "-c"]
    subprocess.run(["gcc", *flags, str(source), "-o", str(source.with_suffix(".o"))], check=True)


@pytest.mark.parametrize("rule", SOURCE_RULES, ids=lambda rule: rule.__name__)
def test_the_sources_keep(rule: Rule) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize("rule", SOURCE_RULES, ids=lambda rule: rule.__name__)
def test_a_sound_tree_keeps(rule: Rule, tmp_path: Path) -> None:
    lay(tmp_path, SOUND)
    assert rule(tmp_path) == []


@pytest.mark.parametrize(("rule", "name", "content"), PLANTED_SOURCES)
def test_a_planted_source_breaks(rule: Rule, name: str, content: str, tmp_path: Path) -> None:
    lay(tmp_path, SOUND | {name: content})
    assert rule(tmp_path) != []


@pytest.mark.parametrize("rule", OBJECT_RULES, ids=lambda rule: rule.__name__)
def test_the_objects_keep(rule: Rule) -> None:
    sources = {path.relative_to(ROOT).with_suffix(".o") for path in tree(ROOT, "csrc", ".c")}
    assert sources <= {path.relative_to(OBJECTS) for _, path in objects(OBJECTS)}, "not built: make setup"
    assert rule(OBJECTS) == []


@pytest.mark.parametrize(("rule", "name", "content"), PLANTED_OBJECTS)
def test_a_planted_object_breaks(rule: Rule, name: str, content: str, tmp_path: Path) -> None:
    compile_into(
        tmp_path, "csrc/base/sound.c", "static const char *const names[] = {0}; int gng_f(void) { return !*names; }\n"
    )
    assert rule(tmp_path) == []
    compile_into(tmp_path, name, content)
    assert rule(tmp_path) != []


def test_the_extension_exports_its_entry_alone(tmp_path: Path) -> None:
    assert list((ROOT / "python" / "gonogo").glob("*.so"))
    assert extension_exports_its_entry_alone(ROOT / "python" / "gonogo") == []
    (tmp_path / "a.c").write_text("int PyInit__core(void) { return 0; } int gng_f(void) { return 0; }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "a.c", "-o", "a.so"], cwd=tmp_path, check=True)
    assert extension_exports_its_entry_alone(tmp_path) == ["a.so: exports gng_f"]


def test_importing_the_package_loads_numpy_alone() -> None:
    program = "import sys; before = set(sys.modules); import gonogo; print(*set(sys.modules) - before)"
    completed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = {name.split(".")[0] for name in completed.stdout.split()}
    assert {"gonogo", "numpy"} <= loaded
    assert loaded - sys.stdlib_module_names <= {"gonogo", "numpy"}


def test_the_bundled_engine_cannot_be_replaced_through_the_environment(tmp_path: Path) -> None:
    from gonogo import _core

    for name in ("libgng_dnnl.so.3", "libdnnl.so.3"):
        (tmp_path / "a.c").write_text("int dnnl_version(void) { return 0; }\n")
        subprocess.run(["gcc", "-shared", "-fPIC", "a.c", "-o", name], cwd=tmp_path, check=True)
    program = "import gonogo; print(*(line.split()[-1] for line in open('/proc/self/maps') if 'dnnl' in line))"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    command = [sys.executable, "-c", program]
    completed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    loaded = {Path(name).resolve() for name in shlex.split(completed.stdout)}
    assert loaded == {Path(_core.__file__).resolve().with_name("libgng_dnnl.so.3")}
