"""What a labelling keeps: every verdict on the disk, with what its reviewer knew."""

from __future__ import annotations

import csv
import http.client
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo.cli import main
from gonogo.labelling import Session
from gonogo.png import png
from gonogo.worksheet import COLUMNS, Row, read_worksheet, write_worksheet

HEADER = "file,label,suggested,score,reason\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "parts"
    for label in ("bad", "good"):
        (folder / label).mkdir(parents=True)
        for i in range(8):
            (folder / label / f"{label}{i}.png").write_bytes(png(np.full((4, 4), i, np.uint8)))
    return folder


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@settings(max_examples=50)
@given(
    st.lists(
        st.builds(Row, TEXTS.filter(bool), TEXTS.filter(bool), TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS), max_size=5
    )
)
def test_a_worksheet_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    path = tmp_path_factory.getbasetemp() / "worksheet.csv"
    distinct = {row.file: row for row in rows}
    write_worksheet(path, distinct.values())
    assert read_worksheet(path) == distinct
    with path.open(newline="", encoding="utf-8") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file\na.png\n", "no column 'label'"),
        ("file,label\na.png,\n", "line 2: the column 'label' is empty"),
        ("file,label\n,x\n", "line 2: the column 'file' is empty"),
        ("file,label\na,x\na,x\n", "line 3: a is listed a second time"),
        ("file,label,seen_suggestion\na,x,yes\n", "seen_suggestion is 'yes'"),
    ],
)
def test_a_table_that_is_no_worksheet_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "w.csv").write_text(text)
    with pytest.raises(ValueError, match=says):
        read_worksheet(tmp_path / "w.csv")


def test_the_worksheet_is_there_before_the_first_verdict(root: Path, tmp_path: Path) -> None:
    Session(root, tmp_path / "w.csv")
    rows = read_worksheet(tmp_path / "w.csv")
    assert len(rows) == 16 and {row.corrected for row in rows.values()} == {""}
    assert (tmp_path / "w.csv").read_text().splitlines()[0] == ",".join(COLUMNS)


def test_neither_ids_nor_state_tell_classes_names_or_suggestions(root: Path, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(HEADER + "good/good5.png,good,bad,.9,because\n")
    session = Session(root, tmp_path / "w.csv", suspects=tmp_path / "s.csv")
    told = json.dumps({**session.state(), "classes": ""})
    assert "good" not in told and "because" not in told and ".9" not in told
    assert session.paths[0].name == "good5.png"
    labels = [path.parent.name for path in session.paths[1:]]
    assert labels not in (sorted(labels), sorted(labels, reverse=True))
    assert [path.name for path in Session(root, tmp_path / "w2.csv").paths].index("good5.png") != 0


def test_the_order_of_the_suspects_is_that_of_their_table(root: Path, tmp_path: Path) -> None:
    named = ["good/good3.png", "bad/bad1.png", "good/good0.png"]
    (tmp_path / "s.csv").write_text(HEADER + "".join(f"{name},{name.split('/')[0]},bad,1,\n" for name in named))
    session = Session(root, tmp_path / "w.csv", suspects=tmp_path / "s.csv")
    assert [path.relative_to(root).as_posix() for path in session.paths[:3]] == named
    assert session.state()["suspects"] == 3
    again = Session(root, tmp_path / "w.csv")  # the worksheet itself remembers them
    assert again.paths == session.paths and again.state()["suspects"] == 3


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("judge"), st.integers(0, 3), st.sampled_from(["bad", "good", "unclear"])),
        st.tuples(st.just("reveal"), st.integers(0, 3), st.just("")),
        st.tuples(st.just("undo"), st.just(0), st.just("")),
        st.tuples(st.just("restart"), st.just(0), st.just("")),
    ),
    max_size=12,
)


@settings(max_examples=40)
@given(STEPS)
def test_the_worksheet_says_at_any_time_who_said_what_and_knew_what(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("parts", numbered=True)
    for i in range(4):
        label = "good" if i < 2 else "bad"
        (folder / label).mkdir(exist_ok=True)
        (folder / label / f"{i}.png").touch()
    out = folder.with_suffix(".csv")
    session = Session(folder, out)
    names = [path.relative_to(folder).as_posix() for path in session.paths]
    verdicts = [("", False)] * 4  # what was said, and whether it was known by then what had been said before
    shown = [False] * 4
    history: list[tuple[int, tuple[str, bool]]] = []
    for kind, number, corrected in steps:
        if kind == "judge":
            session.judge(number, corrected, "Ann")
            history.append((number, verdicts[number]))
            verdicts[number] = (corrected, shown[number])
        elif kind == "reveal":
            assert ("file", names[number]) in session.reveal(number)["facts"]
            shown[number] = True
        elif kind == "restart":
            session, history = Session(folder, out), []
        else:
            undone = session.undo()
            assert (undone is None) == (not history)
            if history:
                number, verdicts[number] = history.pop()
        rows = read_worksheet(out)
        for name, (said, informed), seen in zip(names, verdicts, shown, strict=True):
            row = rows[name]
            assert row.corrected == said and row.reviewer == ("Ann" if said else "") and bool(row.time) == bool(said)
            expected = ("true" if informed else "afterwards" if seen else "false") if said else "true" if seen else ""
            assert row.seen_suggestion == expected


def test_a_worksheet_that_another_program_changed_is_left_alone(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "w.csv"
    first, second = Session(root, out), Session(root, out)
    second.judge(0, "good", "Bob")
    before = out.read_bytes()
    with pytest.raises(ValueError, match="another program changed the worksheet; nothing was saved"):
        first.judge(1, "bad", "Ann")
    assert out.read_bytes() == before and first.counts()["judged"] == 0


def test_a_verdict_that_could_not_be_written_is_none(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sheets"
    folder.mkdir()
    session = Session(root, folder / "w.csv")
    (folder / "w.csv").rename(tmp_path / "kept.csv")
    (folder / "w.csv").mkdir()
    with pytest.raises((OSError, ValueError)):
        session.judge(0, "good", "Ann")
    assert session.counts()["judged"] == 0 and session.undo() is None


@pytest.mark.parametrize(
    ("number", "corrected", "reviewer", "says"),
    [
        (16, "good", "Ann", "id: found 16"),
        (0, "ugly", "Ann", "corrected: found 'ugly', expected bad, good or unclear"),
        (0, "good", "  ", "reviewer: found '  '"),
        (0, "good", "a\nb", "reviewer: found"),
        (0, "good", "a" * 81, "reviewer: found"),
    ],
)
def test_verdicts_that_make_no_sense_are_refused(
    root: Path, tmp_path: Path, number: int, corrected: str, reviewer: str, says: str
) -> None:
    session = Session(root, tmp_path / "w.csv")
    with pytest.raises(ValueError, match=says):
        session.judge(number, corrected, reviewer)
    assert session.counts()["judged"] == 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("good/none.png,good,bad,1,", "'good/none.png' is not among the pictures"),
        ("good/good1.png,bad,good,1,", "has the label 'bad', but lies in 'good'"),
        ("good/good1.png,good,ugly,1,", "suggested is 'ugly', expected bad, good or unclear"),
    ],
)
def test_suspects_that_do_not_fit_the_folder_are_refused(root: Path, tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / "s.csv").write_text(f"{HEADER}{line}\n")
    with pytest.raises(ValueError, match=says):
        Session(root, tmp_path / "w.csv", suspects=tmp_path / "s.csv")
    assert not (tmp_path / "w.csv").exists()


def test_a_class_called_unclear_is_refused(root: Path, tmp_path: Path) -> None:
    (root / "good").rename(root / "unclear")
    with pytest.raises(ValueError, match="rename the folder"):
        Session(root, tmp_path / "w.csv")


def test_a_name_that_is_not_unicode_is_refused(root: Path, tmp_path: Path) -> None:
    (root / "good" / "good0.png").rename(root / "good" / "\udcff.png")
    with pytest.raises(ValueError, match="not Unicode; rename the picture"):
        Session(root, tmp_path / "w.csv")


def test_the_command_serves_saves_and_ends_with_ctrl_c(root: Path, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("gonogo")),
        "label",
        str(root),
        "--out",
        str(tmp_path / "w.csv"),
        "--json",
    ]
    with subprocess.Popen(
        [*command, "--reviewer", "Ann", "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None and process.stdout is not None
        host, token = process.stderr.readline().strip().removeprefix("http://").split("/#")
        headers = {"X-Gonogo-Token": token, "Origin": f"http://{host}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request("POST", "/verdict", json.dumps({"id": 0, "corrected": "good", "reviewer": "Ann"}), headers)
        assert connection.getresponse().status == 200
        process.send_signal(signal.SIGINT)
        result = json.loads(process.stdout.read())
        assert process.wait(60) == 130
        connection.close()
    assert (result["pictures"], result["judged"]) == (16, 1)
    assert sum(row.corrected == "good" for row in read_worksheet(tmp_path / "w.csv").values()) == 1


def test_the_command_ends_when_the_page_says_so_and_names_bad_files(root: Path, tmp_path: Path) -> None:
    (root / "good" / "notes.txt").write_text("no picture")
    command = [str(Path(sys.executable).with_name("gonogo")), "label", str(root), "--out", str(tmp_path / "w.csv")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None and process.stdout is not None
        assert "notes.txt" in (told := process.stderr.readline()) and told.startswith("left out: ")
        assert "open this address in a browser" in process.stderr.readline()
        host, token = process.stderr.readline().strip().removeprefix("http://").split("/#")
        headers = {"X-Gonogo-Token": token, "Origin": f"http://{host}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request("GET", "/picture/99", headers=headers)
        assert (refused := connection.getresponse()).status == 404 and b"there is no picture 99" in refused.read()
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request("POST", "/finish", "{}", headers)
        assert connection.getresponse().status == 200
        connection.close()
        assert "0 of 16 pictures judged" in process.stdout.read()
        assert process.wait(60) == 0


def test_the_command_refuses_what_it_cannot_use(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*arguments: str | Path) -> str:
        assert main(["label", *map(str, arguments)]) == 2
        return capsys.readouterr().err

    assert "no such folder" in refused(tmp_path / "none", "--out", tmp_path / "w.csv")
    assert "--suspects expects a CSV table" in refused(root, "--suspects", "none.csv", "--out", tmp_path / "w.csv")
    assert "--out: the folder" in refused(root, "--out", tmp_path / "none" / "w.csv")
    (tmp_path / "s.csv").write_text(HEADER)
    assert "is the table of suspects" in refused(root, "--suspects", tmp_path / "s.csv", "--out", tmp_path / "s.csv")
    with pytest.raises(SystemExit, match="2"):
        main(["label", str(root), "--port", "80"])
