"""The main job under the ways in which Python can be started: no warning, no leak of a file, and the same scores."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

# Options and variables; the first two hold most of the others and run in make test.
MODES: list[tuple[list[str], dict[str, str]]] = [
    (["-X", "dev", "-W", "error", "-bb"], {}),
    (["-I", "-OO"], {}),
    (["-O"], {}),
    (["-E"], {"PYTHONOPTIMIZE": "1"}),
    ([], {"PYTHONOPTIMIZE": "2"}),
    (["-W", "error"], {"PYTHONMALLOC": "debug"}),
    (["-W", "error"], {"PYTHONMALLOC": "malloc"}),
]


@pytest.mark.soak
def test_the_main_job_gives_the_same_scores_without_a_warning_however_python_was_started(
    run_program: Callable[..., str], tmp_path: Path, often: Callable[[int, int], int]
) -> None:
    found = set()
    for number, (options, variables) in enumerate(MODES[: often(2, len(MODES))]):
        folder = tmp_path / str(number)
        folder.mkdir()
        environment = {**os.environ, **variables}
        found.add(run_program("main_workflow.py", folder, options=options, env=environment, cwd=folder))
    assert len(found) == 1
