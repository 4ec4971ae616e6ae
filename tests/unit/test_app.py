"""The recipe of the one folder names all that gonogo is made of; ``make app`` builds it and has it sort pictures."""

from __future__ import annotations

import ast
import os
import shutil
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def run_spec(folder: Path) -> dict[str, Any]:
    """What the recipe asks PyInstaller for, in a tree where the package lies as its wheel would unpack it."""
    site = folder / "build" / "app" / "site"
    site.mkdir(parents=True)
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "python" / "gonogo", site / "gonogo", ignore=unwanted, copy_function=os.symlink)
    asked: dict[str, Any] = {}
    engine = ("libgng_dnnl.so.3", "somewhere", "BINARY")

    def analysis(scripts: list[str], **options: Any) -> SimpleNamespace:
        asked.update(options, scripts=scripts)
        return SimpleNamespace(pure=[], scripts=scripts, datas=[], binaries=[engine, ("libgomp.so.1", "x", "BINARY")])

    def collect(*parts: Any, **options: Any) -> None:
        asked.update(collected=parts, **options)

    names = {"Analysis": analysis, "PYZ": list, "EXE": lambda *_, **options: options, "COLLECT": collect}
    text = (ROOT / "app" / "gonogo.spec").read_text()
    exec(compile(text, "gonogo.spec", "exec"), {**names, "SPECPATH": str(folder / "app")})
    return asked


def test_the_folder_holds_every_module_page_and_library(tmp_path: Path) -> None:
    asked = run_spec(tmp_path)
    package = ROOT / "python" / "gonogo"
    modules = {".".join(path.relative_to(package.parent).with_suffix("").parts) for path in package.rglob("*.py")}
    assert {name.removesuffix(".__init__") for name in modules} == set(asked["hiddenimports"])
    libraries = {Path(source).name: target for source, target in asked["binaries"]}
    assert libraries["libgng_dnnl.so.3"] == "gonogo"
    assert any(name.startswith("_core") for name in libraries)
    pages = {path.name for path in package.rglob("*.css")} | {path.name for path in package.rglob("*.js")}
    assert pages
    assert pages <= {Path(source).name for source, _ in asked["datas"]}
    assert [item[0] for item in asked["collected"][1]] == ["libgomp.so.1"]  # the engine is there once
    assert asked["name"] == "gonogo"
    assert (ROOT / "app" / asked["scripts"][0]).exists()


def test_what_is_left_out_is_an_extra_and_no_dependency(tmp_path: Path) -> None:
    left_out = set(run_spec(tmp_path)["excludes"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert not {name.split(">")[0] for name in project["dependencies"]} & left_out
    assert "pyinstaller" in " ".join(project["optional-dependencies"]["app"])
    # The smoke run stands alone: it starts the folder, and imports nothing of gonogo.
    imports = [
        node for node in ast.walk(ast.parse((ROOT / "app" / "smoke.py").read_text())) if isinstance(node, ast.Import)
    ]
    assert not any("gonogo" in alias.name for node in imports for alias in node.names)
