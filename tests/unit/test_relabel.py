"""Corrections lose no file, overwrite none, and can be taken back, wherever they are cut off."""

from __future__ import annotations

import contextlib
import csv
import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import gonogo as gg
from gonogo import storage
from gonogo.cli import main
from gonogo.gate.parts import Calibration, find_parts, part_ids
from gonogo.ledger import open_ledger
from gonogo.png import png
from gonogo.relabel import carry_out, moves, plan_moves, read_log, remaining, write_log
from gonogo.storage import move_without_replacing
from gonogo.worksheet import Row, write_worksheet

CLASSES = ("a", "b", "c")


def contents(root: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def fill(root: Path, files: dict[str, bytes]) -> Path:
    for name in CLASSES:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (root / name).write_bytes(data)
    return root


@pytest.fixture(scope="module")
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    return lambda: tmp_path_factory.mktemp("relabel", numbered=True)


# A picture's folder, and where it shall go; names are distinct or not.
PLANS = st.dictionaries(
    st.tuples(st.sampled_from(CLASSES), st.sampled_from(["1.png", "2.png", "3.png", "4.png"])),
    st.sampled_from([None, *CLASSES]),
    min_size=1,
)


class Killed(BaseException):
    """The process ends here."""


def killing(monkeypatch: pytest.MonkeyPatch, at: int, *, linked: bool) -> None:
    """Have the process die before the n-th step of its moves; ``linked``: where a move is two steps, link and unlink."""
    steps = iter(range(10**6))

    def dying(step: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            if next(steps) == at:
                raise Killed
            return step(*arguments, **options)

        return call

    if linked:
        monkeypatch.setattr(storage, "_rename_no_replace", lambda *_: errno.EINVAL)
        monkeypatch.setattr(os, "link", dying(os.link))
        monkeypatch.setattr(Path, "unlink", dying(Path.unlink))
    else:
        monkeypatch.setattr(storage, "_rename_no_replace", dying(storage._rename_no_replace))


@settings(max_examples=60)
@given(plan=PLANS, at=st.integers(0, 12), linked=st.booleans(), then=st.sampled_from(["undo", "go on"]))
@example(plan={("a", "1.png"): "b"}, at=1, linked=True, then="go on")  # between the two steps of a move
def test_a_kill_anywhere_loses_nothing_and_can_be_undone_or_gone_on_from(
    new_folder: Callable[[], Path], plan: dict[tuple[str, str], str | None], at: int, linked: bool, then: str
) -> None:
    folder = new_folder()
    before = {f"{label}/{name}": f"{label}/{name}".encode() for label, name in plan}
    root = fill(folder / "parts", before)
    changed = {f"{label}/{name}": to for (label, name), to in plan.items() if to is not None and to != label}
    (folder / "w.csv").touch()
    targets = [f"{to}/{file[2:]}" for file, to in changed.items()]
    if len(set(targets)) < len(targets) or set(targets) & set(before):
        with pytest.raises(ValueError, match="nothing was moved"):
            plan_moves(root, folder / "w.csv", changed)
        assert contents(root) == before
        return
    write_log(folder / "log.json", plan_moves(root, folder / "w.csv", changed))
    assert contents(root) == before
    with pytest.MonkeyPatch.context() as patched:
        killing(patched, at, linked=linked)
        with contextlib.suppress(Killed):
            carry_out(remaining(read_log(folder / "log.json")))
    assert set(contents(root).values()) == set(before.values())  # none lost, none overwritten
    carry_out(remaining(read_log(folder / "log.json"), undo=then == "undo"))
    after = {f"{changed[file]}/{file[2:]}" if file in changed else file: data for file, data in before.items()}
    assert contents(root) == (before if then == "undo" else after)
    carry_out(remaining(read_log(folder / "log.json"), undo=True))
    assert contents(root) == before


@pytest.mark.parametrize("linked", [False, True])
def test_a_name_that_is_taken_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    (tmp_path / "old").write_text("mine")
    (tmp_path / "new").write_text("theirs")
    if linked:
        monkeypatch.setattr(storage, "_rename_no_replace", lambda *_: errno.EINVAL)
    with pytest.raises(FileExistsError, match="new"):
        move_without_replacing(tmp_path / "old", tmp_path / "new")
    with pytest.raises(FileNotFoundError, match="none"):
        move_without_replacing(tmp_path / "none", tmp_path / "other")
    assert contents(tmp_path) == {"old": b"mine", "new": b"theirs"}
    move_without_replacing(tmp_path / "old", tmp_path / "newer")
    assert contents(tmp_path) == {"newer": b"mine", "new": b"theirs"}


def moved(root: Path, folder: Path) -> moves.Moves:
    (folder / "w.csv").touch()
    planned = plan_moves(root, folder / "w.csv", {"a/1.png": "b", "a/2.png": "c"})
    carry_out(remaining(planned))
    return planned


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda root: (root / "b/1.png").write_bytes(b"other"), "was changed since the log was written"),
        (lambda root: (root / "b/1.png").unlink(), "is neither here nor at"),
        (lambda root: (root / "a/1.png").write_bytes(b"new"), "is in the way of"),
        (
            lambda root: (root / "b/1.png").rename(root / "a/1.png").write_bytes(b"other"),
            "is not the file that the log",
        ),
    ],
)
def test_an_undo_that_cannot_be_exact_moves_nothing(tmp_path: Path, spoil: Callable[[Path], object], says: str) -> None:
    root = fill(tmp_path / "parts", {"a/1.png": b"1", "a/2.png": b"2"})
    planned = moved(root, tmp_path)
    spoil(root)
    before = contents(root)
    with pytest.raises(ValueError, match=f"{says}.*nothing was moved"):
        carry_out(remaining(planned, undo=True))
    assert contents(root) == before


def test_a_folder_that_was_moved_can_be_undone_where_it_is(tmp_path: Path) -> None:
    root = fill(tmp_path / "parts", {"a/1.png": b"1", "a/2.png": b"2"})
    planned = moved(root, tmp_path)
    elsewhere = root.rename(tmp_path / "elsewhere")
    carry_out(remaining(planned, undo=True, root=elsewhere))
    assert contents(elsewhere) == {"a/1.png": b"1", "a/2.png": b"2"}


def test_a_link_is_not_moved(tmp_path: Path) -> None:
    root = fill(tmp_path / "parts", {"a/1.png": b"1"})
    (root / "a/2.png").symlink_to("1.png")
    (tmp_path / "w.csv").touch()
    with pytest.raises(ValueError, match=r"is a link.*use --csv"):
        plan_moves(root, tmp_path / "w.csv", {"a/2.png": "b"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"kind": "gonogo relabel", "version": 2, "root": "/", "worksheet_sha256": "", "moves": []}',
        (
            '{"kind": "gonogo relabel", "version": 1, "root": "/", "worksheet_sha256": "", "moves": '
            '[{"from": "a/1", "to": "../../b", "sha256": ""}]}'
        ),
        (
            '{"kind": "gonogo relabel", "version": 1, "root": "/", "worksheet_sha256": "", "moves": '
            '[{"from": "/etc/x", "to": "b/1", "sha256": ""}]}'
        ),
        '{"kind": "gonogo relabel", "version": 1, "root": "/", "worksheet_sha256": "", "moves": [{"from": 1}]}',
    ],
)
def test_a_log_that_is_none_or_leads_out_of_the_folder_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.json").write_text(text)
    with pytest.raises(ValueError, match="is no log of gonogo relabel, or was damaged"):
        read_log(tmp_path / "log.json")


def picture(seed: int) -> bytes:
    return png(np.random.default_rng(seed).integers(0, 255, (12, 12), np.uint8))


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Eight pictures, two of each part, in two classes; split and worksheet beside them."""
    root = tmp_path / "parts"
    rows = [f"{label},{label}{i}.png,{label}-{i // 2}" for label in ("bad", "good") for i in range(4)]
    for line in rows:
        label, name, _ = line.split(",")
        (root / label).mkdir(parents=True, exist_ok=True)
        (root / label / name).write_bytes(picture(len(rows) * ord(label[0]) + int(name[-5])))
    (tmp_path / "groups.csv").write_text("\n".join(["class,file,group", *rows]))
    split = [
        f"{label}/{name},{label},{group},{subset}"
        for label, name, group in (row.split(",") for row in rows)
        for subset in ["calibration" if group.endswith("1") else "train"]
    ]
    (tmp_path / "split.csv").write_text("\n".join(["file,class,group,subset", *split]))
    return root


def worksheet(tmp_path: Path, **corrected: str) -> Path:
    """``bad0="good"``: the picture bad/bad0.png shall be good."""
    rows = [
        Row(f"{label}/{label}{i}.png", label, corrected=corrected.get(f"{label}{i}", ""), reviewer="Ann")
        for label in ("bad", "good")
        for i in range(4)
    ]
    return write_worksheet(tmp_path / "w.csv", rows)


@dataclass
class Said:
    """What a command printed."""

    stdout: str
    stderr: str


Run = Callable[..., Said]


@pytest.fixture
def relabel(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """``relabel(parts, "w.csv", exit_code=2)`` runs the command in this process, in the folder of the test."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path, exit_code: int = 0) -> Said:
        capsys.readouterr()
        code = main(["relabel", *map(str, arguments)])
        said = Said(*capsys.readouterr())
        assert code == exit_code, said.stderr
        return said

    return run


def test_the_command_moves_and_moves_back(parts: Path, tmp_path: Path, relabel: Run) -> None:
    before = contents(parts)
    sheet = worksheet(tmp_path, bad0="good", bad1="bad", bad2="unclear")
    dry = json.loads(relabel(parts, sheet, "--dry-run", "--json").stdout)
    assert dry["moves"] == [{"from": "bad/bad0.png", "to": "good/bad0.png"}] and dry["moved"] == 0
    assert contents(parts) == before and not (tmp_path / "w.csv.moves.json").exists()
    done = json.loads(relabel(parts, sheet, "--json").stdout)
    assert (done["moved"], done["confirmed"], done["unclear"], done["open"]) == (1, 1, 1, 5)
    assert contents(parts) == {
        **{k: v for k, v in before.items() if k != "bad/bad0.png"},
        "good/bad0.png": before["bad/bad0.png"],
    }
    again = json.loads(relabel(parts, sheet, "--json").stdout)
    assert (again["moved"], again["already"]) == (0, 1)
    other = worksheet(tmp_path, bad1="good")
    refused = relabel(parts, other, exit_code=2).stderr
    assert "belongs to other moves" in refused and "--log" in refused
    undone = json.loads(relabel("--undo", done["log"], "--json").stdout)
    assert undone["moved"] == 1 and contents(parts) == before


def test_a_conflict_is_refused_before_anything_moves(parts: Path, tmp_path: Path, relabel: Run) -> None:
    (parts / "good" / "bad1.png").write_bytes(picture(999))
    before = contents(parts)
    sheet = worksheet(tmp_path, bad0="good", bad1="good")
    refused = relabel(parts, sheet, exit_code=2).stderr
    assert "bad/bad1.png would become good/bad1.png, which exists; nothing was moved" in refused
    assert contents(parts) == before and not (tmp_path / "w.csv.moves.json").exists()


def test_a_table_with_the_corrections_is_read_as_data(parts: Path, tmp_path: Path, relabel: Run) -> None:
    before = contents(parts)
    sheet = worksheet(tmp_path, bad0="good", bad1="good", bad2="unclear")
    out = tmp_path / "corrected.csv"
    arguments = (parts, sheet, "--csv", out, "--groups", tmp_path / "groups.csv", "--json")
    assert json.loads(relabel(*arguments).stdout)["rows"] == 8
    kept = gg.Dataset.from_csv(out, root=parts, group_col="group")
    assert kept.class_counts() == {"bad": 2, "good": 6} and len(set(kept.groups.tolist())) == 4
    assert json.loads(relabel(*arguments, "--unclear", "exclude").stdout)["left_out"] == 1
    assert gg.Dataset.from_csv(out, root=parts).class_counts() == {"bad": 1, "good": 6}
    assert contents(parts) == before
    # A table is data too, and its own name is not written over.
    second = write_worksheet(tmp_path / "w2.csv", [Row("bad/bad0.png", "good", corrected="bad")])
    arguments = (out, second, "--root", parts, "--csv", tmp_path / "back.csv")
    relabel(*arguments, "--unclear", "keep")
    with (tmp_path / "back.csv").open(newline="") as file:
        assert {row["path"]: row["label"] for row in csv.DictReader(file)}["bad/bad0.png"] == "bad"
    assert "read by this command too" in relabel(out, second, "--root", parts, "--csv", out, exit_code=2).stderr


def test_a_table_brings_its_groups_and_bad_files_are_told(parts: Path, tmp_path: Path, relabel: Run) -> None:
    rows = [f"{path.relative_to(parts).as_posix()},{path.parent.name},{path.stem}" for path in parts.glob("*/*")]
    (tmp_path / "all.csv").write_text("\n".join(["path,label,part", *sorted(rows)]))
    sheet = worksheet(tmp_path, bad0="good")
    arguments = (tmp_path / "all.csv", sheet, "--root", parts, "--group-col", "part", "--csv", tmp_path / "new.csv")
    relabel(*arguments)
    with (tmp_path / "new.csv").open(newline="") as file:
        assert {row["path"]: (row["label"], row["group"]) for row in csv.DictReader(file)}["bad/bad0.png"] == (
            "good",
            "bad0",
        )
    (parts / "good" / "notes.txt").write_text("no picture")
    assert "left out: " in (told := relabel(parts, sheet, "--dry-run").stderr) and "notes.txt" in told


def test_with_groups_every_picture_of_the_table_needs_one(parts: Path, tmp_path: Path, relabel: Run) -> None:
    (tmp_path / "few.csv").write_text("class,file,group\nbad,bad0.png,1\n")
    sheet = worksheet(tmp_path, bad0="good")
    refused = relabel(parts, sheet, "--csv", tmp_path / "o.csv", "--groups", tmp_path / "few.csv", exit_code=2).stderr
    assert "--groups: bad/bad1.png has no group; give every picture the group of its part" in refused


def calibrated(parts: Path, ledger: Path, group: str) -> None:
    """Write into a ledger that a part of two pictures was calibrated on."""
    paths = [parts / group.split("-")[0] / f"{group.split('-')[0]}{i}.png" for i in (2, 3)]
    labels, names = np.zeros(2, np.intp), np.array([group, group])
    with open_ledger(ledger) as page:
        ids = part_ids(Calibration(None, labels, names, paths, None, None), find_parts(labels, names, ["x"]))
        page.append("calibration", ids, claim={})


@pytest.mark.parametrize("options", [(), ("--csv", "out.csv")], ids=["moves", "table"])
def test_labels_of_calibration_parts_are_frozen(
    parts: Path, tmp_path: Path, relabel: Run, options: tuple[str, ...]
) -> None:
    ledger = tmp_path / "split.csv.ledger"
    calibrated(parts, ledger, "bad-1")
    before = contents(parts)
    sheet = worksheet(tmp_path, bad0="good", bad3="good")
    split = ("--split", tmp_path / "split.csv", *options)
    by_groups = ("--ledger", ledger, "--groups", tmp_path / "groups.csv", *options)
    for arguments in (split, by_groups):
        refused = relabel(parts, sheet, *arguments, exit_code=2).stderr
        assert "1 of 2 corrections are of calibration parts, such as bad/bad3.png" in refused
        assert "frozen" in refused and "fresh parts" in refused
    assert contents(parts) == before and not (tmp_path / "out.csv").exists()
    # Another name and other bytes of the same pixels are the same part; other parts are free.
    (parts / "bad" / "bad2.png").write_bytes(png(gg.Dataset.from_folder(parts).images[2], level=9))
    assert "frozen" in relabel(parts, sheet, *split, exit_code=2).stderr
    free = worksheet(tmp_path, bad0="good", bad3="bad", good2="unclear")
    relabel(parts, free, *split)


def test_a_damaged_picture_was_in_no_calibration(parts: Path, tmp_path: Path, relabel: Run) -> None:
    calibrated(parts, tmp_path / "split.csv.ledger", "bad-1")
    (parts / "bad" / "bad0.png").write_bytes(b"no picture")
    relabel(parts, worksheet(tmp_path, bad0="good"), "--ledger", tmp_path / "split.csv.ledger")
    assert (parts / "good" / "bad0.png").read_bytes() == b"no picture"


def test_an_unclear_calibration_part_may_not_be_left_out_either(parts: Path, tmp_path: Path, relabel: Run) -> None:
    calibrated(parts, tmp_path / "split.csv.ledger", "good-1")
    sheet = worksheet(tmp_path, good2="unclear")
    arguments = (parts, sheet, "--split", tmp_path / "split.csv", "--csv", tmp_path / "out.csv")
    relabel(*arguments)
    assert "frozen" in relabel(*arguments, "--unclear", "exclude", exit_code=2).stderr


def test_a_ledger_that_was_edited_ends_with_code_3(parts: Path, tmp_path: Path, relabel: Run) -> None:
    ledger = tmp_path / "split.csv.ledger"
    calibrated(parts, ledger, "bad-1")
    ledger.write_text(ledger.read_text().replace("calibration", "test"))
    sheet = worksheet(tmp_path, bad0="good")
    assert "was edited" in relabel(parts, sheet, "--split", tmp_path / "split.csv", exit_code=3).stderr


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (Row("bad/none.png", "bad", corrected="good"), "bad/none.png is not among the pictures"),
        (Row("../parts/bad/bad0.png", "bad", corrected="good"), "is not among the pictures"),
        (Row("bad/bad0.png", "good", corrected="bad"), "has the label 'good', but in the data it is 'bad'"),
        (Row("bad/bad0.png", "bad", corrected="ugly"), "corrected is 'ugly', expected bad, good or unclear"),
    ],
)
def test_a_worksheet_that_does_not_fit_is_refused(
    parts: Path, tmp_path: Path, relabel: Run, row: Row, says: str
) -> None:
    sheet = write_worksheet(tmp_path / "w.csv", [row])
    assert says in relabel(parts, sheet, exit_code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "expected DATA and WORKSHEET, or --undo LOG"),
        (("parts",), "expected DATA and WORKSHEET, or --undo LOG"),
        (("parts", "w.csv", "--unclear", "exclude"), "--unclear: moves leave unclear pictures where they are"),
        (("parts", "w.csv", "--csv", "o.csv", "--log", "l"), "--log: --csv moves nothing"),
        (("parts", "w.csv", "--undo", "l"), "--undo: takes a log"),
        (("--undo", "none.json"), "expected a log that gonogo relabel wrote"),
        (("w.csv", "w.csv"), "is no folder, in which alone files can be moved"),
        (("parts", "w.csv", "--ledger", "none"), "no such ledger"),
        (("parts", "none.csv"), "expects a CSV table"),
    ],
)
def test_wrong_use_ends_with_one_line_that_helps(
    parts: Path,
    tmp_path: Path,
    relabel: Run,
    arguments: tuple[str, ...],
    says: str,
) -> None:
    worksheet(tmp_path, bad0="good")
    before = contents(tmp_path)
    refused = relabel(*arguments, exit_code=2).stderr
    assert says in refused and parts.is_dir()
    assert len([line for line in refused.splitlines() if not line.startswith("no ledger")]) == 1
    assert contents(tmp_path) == before


def test_real_kills_in_the_middle_are_gone_on_from_and_undone(
    tmp_path: Path, often: Callable[[int, int], int], run_gonogo: Callable[..., object]
) -> None:
    count = 300
    files = {f"a/{i}.png": str(i).encode() for i in range(count)} | {"b/x.png": b"x", "c/x.png": b"x"}
    root = fill(tmp_path / "parts", files)
    sheet = write_worksheet(tmp_path / "w.csv", [Row(f"a/{i}.png", "a", corrected="b") for i in range(count - 1)])
    command = [str(Path(sys.executable).with_name("gonogo")), "relabel", str(root), str(sheet), "--quiet"]
    cut_off = 0
    for _ in range(often(2, 40)):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and len(list((root / "b").iterdir())) < 2:
                pass
            process.send_signal(signal.SIGKILL)
        cut_off += 1 < len(list((root / "b").iterdir())) < count
        assert sorted(contents(root).values()) == sorted(files.values())
        run_gonogo("relabel", root, sheet, "--quiet")
        assert len(list((root / "b").iterdir())) == count
        run_gonogo("relabel", "--undo", f"{sheet}.moves.json", "--quiet")
        assert contents(root) == files
    assert cut_off
