"""Every notebook of the course runs from top to bottom."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_notebook_runs_and_shows_pictures(path, tmp_path, monkeypatch):
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "a notebook is stored without outputs"
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))  # no settings or history of this machine's user
    resources = {"metadata": {"path": tmp_path}}
    client = NotebookClient(notebook, timeout=1800, startup_timeout=600, resources=resources)
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 5
    assert not any(output.output_type == "error" for output in outputs)


def test_the_course_has_notebooks():
    assert NOTEBOOKS
