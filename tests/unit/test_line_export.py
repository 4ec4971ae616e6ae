"""Decisions for other programs: the CSV, Parquet and the queries that docs/journal.md shows."""

from __future__ import annotations

import builtins
import csv
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from line.commands import FAST, Commands, fill

from gonogo.line.csv_log import COLUMNS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "journal.md"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


@pytest.fixture
def out(line_models: dict[str, Path], tmp_path: Path, run: Commands) -> Path:
    inbox = fill(tmp_path / "inbox", {"a.png": 120, "b.png": 120, "=c.png": 0})
    (inbox / "half.png").write_bytes((inbox / "a.png").read_bytes()[:-20])
    run("sort", line_models["gated"], inbox, tmp_path / "out", *FAST)
    return tmp_path / "out"


def test_an_export_has_all_months_and_the_columns_of_the_table(
    out: Path, line_models: dict[str, Path], tmp_path: Path, run: Commands
) -> None:
    table = tmp_path / "all.csv"
    assert run("journal", "export", out, "--out", table)["rows"] == 4
    assert table.read_bytes() == (out / "decisions.csv").read_bytes()
    keeping = out / ".gonogo"
    (keeping / "journal.db").rename(keeping / "journal-2026-01.db")
    fill(tmp_path / "inbox", {"d.png": 120})
    run("sort", line_models["gated"], tmp_path / "inbox", out, *FAST)
    assert run("journal", "export", out, "--out", table)["rows"] == 5
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert [row["name"] for row in rows][-1] == "d.png"
    assert "'=c.png" in {row["name"] for row in rows}
    run("journal", "export", out, "--out", table, "--csv-separator", ";", "--csv-decimal", ",")
    assert ";" in table.read_text().splitlines()[0]


def test_parquet_has_the_same_rows_with_types(out: Path, tmp_path: Path, run: Commands) -> None:
    import pyarrow.parquet

    table = tmp_path / "all.parquet"
    assert run("journal", "export", out, "--out", table)["rows"] == 4
    found = pyarrow.parquet.read_table(table)
    assert tuple(found.column_names) == COLUMNS
    kinds = {field.name: str(field.type) for field in found.schema}
    assert (kinds["time"], kinds["passed"], kinds["score"]) == ("timestamp[ms, tz=UTC]", "bool", "double")
    with sqlite3.connect(out / ".gonogo" / "journal.db") as database:
        names = ("id", "score", "passed", "final")
        rows = database.execute(f"SELECT {','.join(names)} FROM decisions ORDER BY sequence").fetchall()
    assert [tuple(row[name] for name in names) for row in found.to_pylist()] == [
        (*r[:2], bool(r[2]), r[3]) for r in rows
    ]


def test_an_export_that_cannot_be_is_refused(
    out: Path, tmp_path: Path, run: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("journal", "export", out, "--out", tmp_path / "all.xlsx", exit_code=2)
    assert "out: found the ending '.xlsx', expected .csv or .parquet" in run.error
    run("journal", "export", tmp_path / "nothing", "--out", tmp_path / "all.csv", exit_code=2)
    run("journal", "export", out, "--out", tmp_path / "all.csv", "--csv-decimal", ",", exit_code=2)
    real = builtins.__import__

    def without_arrow(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_arrow)
    run("journal", "export", out, "--out", tmp_path / "all.parquet", exit_code=2)
    assert "the extra 'parquet'" in run.error
    assert not list(tmp_path.glob("all.*"))


def test_the_queries_of_the_documentation_answer(out: Path) -> None:
    queries = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(queries) == 3
    database = sqlite3.connect(f"{(out / '.gonogo' / 'journal.db').as_uri()}?mode=ro", uri=True)
    by_day, by_hour, closest = (database.execute(query).fetchall() for query in queries)
    assert {row[1:] for row in by_day} == {("ok", 2), ("bad", 1), ("QUARANTINE", 1)}
    assert [row[1:] for row in by_hour] == [(3, pytest.approx(1 / 3))]
    assert [row[1] for row in closest] in (["ok/a.png", "ok/b.png"], ["ok/b.png", "ok/a.png"])
    columns = [column[0] for column in database.execute("SELECT * FROM decisions").description]
    told = re.findall(r"^\| (`.*?) \|", PAGE.read_text().partition("## Counts")[0], re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(told))) == set(columns) >= set(COLUMNS)
    database.close()


def test_a_long_table_is_written_group_by_group(
    out: Path, tmp_path: Path, run: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet

    monkeypatch.setattr("gonogo.line.export._ROWS", 3)
    assert run("journal", "export", out, "--out", tmp_path / "all.parquet")["rows"] == 4
    found = pyarrow.parquet.ParquetFile(tmp_path / "all.parquet")
    assert [found.metadata.row_group(i).num_rows for i in range(found.num_row_groups)] == [3, 1]
    assert len(set(found.read().column("id").to_pylist())) == 4
