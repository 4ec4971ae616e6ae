"""``gonogo sort``, ``verify`` and ``recover`` on real files, with a real model."""

from __future__ import annotations

import datetime
import errno
import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from line.commands import FAST, Commands, crash, fill, keep_from_being_taken

from gonogo import Dataset
from gonogo.cli.sort import stop_signals
from gonogo.line import files as local_files
from gonogo.line.clock import Clock
from gonogo.line.disk import BlockedError
from gonogo.line.files import LocalDisk
from gonogo.line.inspection import InspectorDecider
from gonogo.line.segments import open_journal, read_journal

Run = Commands


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Two good and two bad pictures, a damaged one, and things that are no pictures."""
    folder = fill(tmp_path / "inbox", {"good 1.png": 120, "good 2.png": 120, "bad 1.png": 0, "bad\n2.png": 0})
    (folder / "half.png").write_bytes((folder / "good 1.png").read_bytes()[:-20])
    (folder / ".hidden").write_bytes(b"x")
    (folder / "link.png").symlink_to(folder / "good 1.png")
    (folder / "x.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Commands(capsys)


def names_below(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and ".gonogo" not in path.parts
    }


REPORTS = {"decisions.csv", "status.json", "gonogo.prom"}
SORTED = {"ok/good 1.png", "ok/good 2.png", "bad/bad 1.png", "bad/bad\n2.png", "QUARANTINE/half.png", *REPORTS}


def test_the_way_from_inbox_to_class_folders(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "out"
    before = {path.name: path.read_bytes() for path in inbox.iterdir() if path.is_file()}
    result = run("sort", line_models["gated"], inbox, out, *FAST)
    assert (result["sorted"], result["review"], result["quarantined"], result["lost"]) == (4, 0, 1, 0)
    assert result["refused"] == ["link.png", "pipe.png", "x.png"]
    assert names_below(out) == SORTED
    assert all(before[Path(name).name] == (out / name).read_bytes() for name in SORTED - REPORTS)
    assert {path.name for path in inbox.iterdir()} == {".hidden", "link.png", "pipe.png", "x.png"}
    verified = run("verify", out)
    assert (verified["problems"], verified["pictures"], verified["missing"]) == (0, 5, 0)
    again = run("sort", line_models["gated"], inbox, out, *FAST)
    assert again["sorted"] == 0
    assert len((out / "decisions.csv").read_bytes().split(b"\r\n")) == 7
    (out / "ok" / "good 1.png").write_bytes(b"altered")
    (out / "bad" / "bad 1.png").unlink()
    verified = run("verify", out, exit_code=5)
    assert [(row["problem"], row["file"]) for row in verified["rows"]] == [("altered", "ok/good 1.png")]
    assert verified["missing"] == 1


def test_copies_leave_the_inbox_and_are_made_once(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run
) -> None:
    out, before = tmp_path / "out", names_below(inbox)
    for count in (4, 0):
        assert run("sort", line_models["gated"], inbox, out, "--copy", *FAST)["sorted"] == count
        assert names_below(inbox) == before
        assert names_below(out) == SORTED
    assert run("verify", out)["problems"] == 0


def test_a_dry_run_writes_nothing(line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run) -> None:
    before = names_below(inbox)
    result = run("sort", line_models["gated"], inbox, tmp_path / "out", "--dry-run", *FAST)
    assert {row["file"]: row["decision"] for row in result["rows"]} == {
        "bad\n2.png": "bad",
        "bad 1.png": "bad",
        "good 1.png": "ok",
        "good 2.png": "ok",
        "half.png": "QUARANTINE",
    }
    assert names_below(inbox) == before
    assert not (tmp_path / "out").exists()


def test_an_output_on_another_disk(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, request: pytest.FixtureRequest
) -> None:
    out = Path("/dev/shm") / f"gonogo-{os.getpid()}-out"
    assert Path("/dev/shm").stat().st_dev != tmp_path.stat().st_dev
    request.addfinalizer(lambda: shutil.rmtree(out, ignore_errors=True))
    assert run("sort", line_models["gated"], inbox, out, *FAST)["sorted"] == 4
    assert {Path(name).name.partition("__")[0] for name in names_below(out / "ok")} == {"good 1", "good 2"}
    assert run("verify", out)["problems"] == 0
    assert names_below(inbox) == {".hidden"}


def test_a_model_without_gate_needs_a_word(line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "out"
    run("sort", line_models["plain"], inbox, out, exit_code=2)
    run("sort", line_models["gated"], inbox, out, "--no-gate", exit_code=2)
    assert not out.exists()
    assert run("sort", line_models["plain"], inbox, out, "--no-gate", *FAST)["labels"] == {
        "bad": 2,
        "ok": 2,
        "QUARANTINE": 1,
    }


def test_a_line_that_is_held_to_a_model_takes_no_other(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run
) -> None:
    pinned = run("info", line_models["gated"])["model_sha256"]
    other, out, config = "0" * 64, tmp_path / "out", tmp_path / "line.toml"
    config.write_text(f'model-sha256 = "{other}"\n')
    out.mkdir()
    for command in (
        ["sort", line_models["gated"], inbox, out, "--model-sha256", other],
        ["sort", line_models["gated"], inbox, out, "--config", config],
        ["stream", line_models["gated"], "--model-sha256", other],
        ["service", "write", line_models["gated"], inbox, out, "--user", "line", "--config", config],
    ):
        run(*command, exit_code=3)
        assert f"found the model_sha256 {pinned}, expected {other}" in run.error
        assert "gonogo info FILE" in run.error
    assert names_below(out) == set()
    config.write_text(f'model-sha256 = "{pinned}"\n')
    assert run("service", "write", line_models["gated"], inbox, out, "--user", "line", "--config", config)["unit"]
    assert run("sort", line_models["gated"], inbox, out, "--model-sha256", pinned.upper(), *FAST)["sorted"] > 0
    config.write_text('model-sha256 = "abc"\n')
    with pytest.raises(SystemExit) as refused:
        run("sort", line_models["gated"], inbox, out, "--config", config)
    assert refused.value.code == 2


def test_wrong_places_and_keys_are_refused(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = names_below(tmp_path)
    for source, out in (
        (inbox, inbox),
        (inbox, inbox / "out"),
        (inbox, tmp_path),
        (tmp_path / "none", tmp_path / "out"),
    ):
        run("sort", line_models["gated"], source, out, exit_code=2)
    run("verify", tmp_path, exit_code=2)
    run("recover", tmp_path, exit_code=2)
    config = tmp_path / "line.toml"
    config.write_text('part-patern = "x"\n')
    with pytest.raises(SystemExit) as ended:
        run("sort", line_models["gated"], inbox, tmp_path / "out", "--config", config)
    assert ended.value.code == 2
    assert "unknown key 'part-patern'; did you mean 'part-pattern'?" in capsys.readouterr().err
    run("sort", line_models["gated"], inbox, tmp_path / "out", "--part-pattern", "x", exit_code=2)
    run("sort", line_models["gated"], inbox, tmp_path / "out", "--views", "2", exit_code=2)
    assert names_below(tmp_path) == {*before, "line.toml"}


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("once = true\nwatch = true", [], "line.toml: watch: found once too, expected one of the two"),
        ("once = true", ["--watch"], "--watch: found once too, expected one of the two"),
        ("", ["--dry-run", "--watch"], "--watch: found dry-run too, expected one of the two"),
        ("", ["--views", "2"], "--views: found 2 without --part-pattern, which says"),
        ("views = 2", [], "line.toml: views: found 2 without part-pattern, which says"),
        ("views = 2", ["--views", "3"], "--views: found 3 without --part-pattern, which says"),
        ("csv-separator = ';'", ["--csv-decimal", ","], ""),
        (
            "csv-separator = ','\ncsv-decimal = ','",
            [],
            "line.toml: csv-separator: found the sign of csv-decimal, expected",
        ),
    ],
)
def test_what_does_not_go_together_is_named_as_it_was_written(
    text: str, options: list[str], says: str, line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run
) -> None:
    config = tmp_path / "line.toml"
    config.write_text(text)
    run(
        "sort",
        line_models["gated"],
        inbox,
        tmp_path / "out",
        "--config",
        config,
        *FAST,
        *options,
        exit_code=2 if says else 0,
    )
    assert not says or f"gonogo sort: {f'{tmp_path}/' * says.startswith('line')}{says}" in run.error
    assert (tmp_path / "out").exists() == (not says)


def test_a_folder_in_place_of_a_journal_is_wrong_use(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "out"
    run("sort", line_models["gated"], inbox, out, "--journal", tmp_path, exit_code=2)
    assert f"{tmp_path}: found a folder, expected the file of a journal, such as {tmp_path / 'journal.db'}" in run.error
    run("sort", line_models["gated"], inbox, out, *FAST)
    run("verify", out, "--journal", tmp_path, exit_code=2)
    assert f"{tmp_path}: found a folder" in run.error


def test_a_file_that_cannot_be_read_is_told_as_such(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = LocalDisk.is_open_for_writing

    def refusing(disk: LocalDisk, path: Path) -> bool:
        if path.name == "bad 1.png":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(disk, path)

    monkeypatch.setattr(LocalDisk, "is_open_for_writing", refusing)
    result = run("sort", line_models["gated"], inbox, tmp_path / "out", *FAST)
    assert result["waiting"] == ["bad 1.png"]
    assert "1 file left in the inbox that gonogo may not read (permission denied), such as bad 1.png" in run.error


def test_a_file_that_cannot_be_taken_is_told_with_its_remedy(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_from_being_taken("bad 1.png", errno.EPERM, monkeypatch)
    result = run("sort", line_models["gated"], inbox, tmp_path / "out", *FAST)
    assert result["waiting"] == ["bad 1.png"]
    told = (
        "1 file left in the inbox that gonogo may not take (permission denied), such as bad 1.png; let gonogo's account"
    )
    assert f"{told} write into this folder, and give it the files where the folder is a sticky one" in run.error


def test_a_copied_file_that_cannot_be_read_any_more_stops_no_other(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, opened = tmp_path / "out", local_files._Opened
    run("sort", line_models["gated"], inbox, out, "--copy", *FAST)

    def refusing(path: Path) -> Any:
        if path == inbox / "bad 1.png":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path)

    fill(inbox, {"new.png": 120}, seed=9)
    with monkeypatch.context() as patch:
        patch.setattr(local_files, "_Opened", refusing)
        result = run("sort", line_models["gated"], inbox, out, "--copy", *FAST)
    assert (result["sorted"], result["waiting"]) == (1, [])
    result = run("sort", line_models["gated"], inbox, out, "--copy", *FAST)
    assert result["labels"] == {}, "nothing is copied twice because it could not be read once"


def test_a_copied_file_with_another_content_is_another_picture(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run
) -> None:
    run("sort", line_models["gated"], inbox, tmp_path / "out", "--copy", *FAST)
    file = inbox / "bad 1.png"
    before, data = file.stat(), file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run("sort", line_models["gated"], inbox, tmp_path / "out", "--copy", *FAST)["labels"] == {"QUARANTINE": 1}


def test_two_sorters_do_not_meet(line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "out"
    with LocalDisk().lock(inbox):
        run("sort", line_models["gated"], inbox, out, *FAST, exit_code=2)
    with LocalDisk().lock(out / ".gonogo" / "lock"):
        run("sort", line_models["gated"], inbox, out, *FAST, exit_code=2)
        run("recover", out, exit_code=2)
    assert run("sort", line_models["gated"], inbox, out, *FAST)["sorted"] == 4
    assert not run("verify", out)["running"]
    with LocalDisk().lock(out / ".gonogo" / "lock"):
        assert run("verify", out)["running"]


def test_after_a_rebuilt_journal_the_model_that_the_status_names_goes_on_and_no_other(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "out"
    run("sort", line_models["gated"], inbox, out, *FAST)
    shutil.copy(out / "ok" / "good 1.png", inbox / "good 3.png")
    (out / ".gonogo" / "journal.db").write_bytes(b"not a database, but nearly so" * 300)
    assert not any("--approve" in text for text in run("recover", out)["unknown"])
    run("sort", line_models["plain"], inbox, out, "--no-gate", *FAST, exit_code=2)
    assert "pictures were sorted here with" in run.error
    assert run("sort", line_models["gated"], inbox, out, *FAST)["sorted"] == 1
    assert run("verify", out)["problems"] == 0


LEFT = {
    "no status": "",
    "a torn one": "{",
    "an alarm": '{"drift": {"alarm": "x"}}',
    "no model": '{"drift": null, "model": ""}',
}


@pytest.mark.parametrize("left", LEFT)
def test_a_damaged_journal_is_refused_and_rebuilt(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, left: str
) -> None:
    out = tmp_path / "out"
    run("sort", line_models["gated"], inbox, out, *FAST)
    status, journal = out / "status.json", out / ".gonogo" / "journal.db"
    if left == "an alarm":
        status.write_text(json.dumps({**json.loads(status.read_text()), **json.loads(LEFT[left])}))
    else:
        status.write_text(LEFT[left])
        if left == "no status":
            status.unlink()
    journal.write_bytes(b"not a database, but nearly so" * 300)
    run("sort", line_models["gated"], inbox, out, *FAST, exit_code=3)
    run("verify", out, exit_code=3)
    result = run("recover", out)
    assert result["rebuilt"] == 5
    assert (out / ".gonogo" / result["damaged"]).read_bytes().startswith(b"not a database")
    assert "which model was in use: the next start wants --approve 'REASON'" in result["unknown"]
    assert run("recover", out)["damaged"] is None
    assert run("verify", out)["problems"] == 0
    shutil.copy(out / "ok" / "good 1.png", inbox / "good 1.png")
    run("sort", line_models["gated"], inbox, out, *FAST, exit_code=2)
    assert "nothing tells which model sorted here, who approved of it, or whether an alarm of drift was" in run.error
    assert "add --approve 'REASON'" in run.error
    assert (inbox / "good 1.png").exists()
    assert run("sort", line_models["gated"], inbox, out, "--approve", "asked Ann", *FAST)["sorted"] == 1
    assert run("sort", line_models["gated"], inbox, out, *FAST)["sorted"] == 0
    assert len(names_below(out / "ok")) == 3
    with read_journal(journal, LocalDisk()) as opened:
        (alarm,) = [row.body["reason"] for row in opened.rows("ALARM")]
        assert alarm == f"damaged: file is not a database; kept as {result['damaged']}"
        (approved,) = [row.body for row in opened.rows("MODEL") if "change" in row.body]
    assert (approved["change"], approved["reason"]) == ("change", "asked Ann")


@pytest.mark.parametrize("left", ["nothing", "the log of the database", "a new journal"])
def test_a_journal_that_is_gone_is_not_begun_anew_in_silence(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, left: str
) -> None:
    out, journal = tmp_path / "out", tmp_path / "out" / ".gonogo" / "journal.db"
    run("sort", line_models["gated"], inbox, out, *FAST)
    shutil.copy(out / "ok" / "good 1.png", inbox / "good 3.png")
    journal.unlink()
    if left == "the log of the database":
        Path(f"{journal}-wal").write_bytes(b"x" * 5000)
    elif left == "a new journal":
        open_journal(journal, LocalDisk(), Clock()).close()
    for _ in range(2):
        run("sort", line_models["gated"], inbox, out, "--approve", "x", *FAST, exit_code=3)
        assert "although heads.log tells of" in run.error
        assert "put it back, name it with --journal, or run gonogo recover OUT" in run.error
    run("archive", out, "--before", "2020-01-01", "--delete", exit_code=3)
    assert journal.exists() == (left == "a new journal")
    result = run("recover", out)
    assert (result["rebuilt"], bool(result["damaged"])) == (5, left == "a new journal")
    assert result["cause"].startswith("incomplete" if left == "a new journal" else "missing")
    assert result["unknown"]
    kept = [file.read_bytes() == b"x" * 5000 for file in journal.parent.glob("journal.damaged-*.db-wal")]
    assert (True in kept) == (left == "the log of the database")
    assert run("recover", out)["cause"] == ""
    assert run("verify", out)["problems"] == 0
    assert run("sort", line_models["gated"], inbox, out, *FAST)["sorted"] == 1
    assert names_below(inbox) == {".hidden"}
    assert run("verify", out)["problems"] == 0


def test_a_recovery_that_was_cut_short_is_met_again(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    run("sort", line_models["gated"], inbox, out, *FAST)
    (out / ".gonogo" / "journal.db").write_bytes(b"not a database, but nearly so" * 300)
    (out / "status.json").unlink()

    def fail(*_: object) -> None:
        raise MemoryError("the program ends here")

    for step in ("rebuild", "_list_files", "heads_of", "open_journal"):
        with monkeypatch.context() as patched:
            patched.setattr(f"gonogo.line.rebuilding.{step}", fail)
            run("recover", out, exit_code=1)
        run("sort", line_models["gated"], inbox, out, *FAST, exit_code=2 if step == "open_journal" else 3)
    (out / ".gonogo" / "journal.db").unlink()
    run("sort", line_models["gated"], inbox, out, *FAST, exit_code=3)
    assert "missing, although journal.damaged-" in run.error
    assert run("recover", out)["rebuilt"] == 5
    run("sort", line_models["gated"], inbox, out, *FAST, exit_code=2)
    assert run("verify", out)["problems"] == 0
    assert len(list((out / ".gonogo").glob("journal.damaged-*.db"))) == 2


def test_a_journal_that_may_not_be_opened_is_not_replaced(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run
) -> None:
    out, journal = tmp_path / "out", tmp_path / "out" / ".gonogo" / "journal.db"
    run("sort", line_models["gated"], inbox, out, *FAST)
    for tail in ("-wal", "-shm"):
        Path(f"{journal}{tail}").unlink(missing_ok=True)
    Path(f"{journal}-wal").mkdir()
    for command in ("recover", "verify"):
        run(command, out, exit_code=3)
        assert "unable to open database file; see to the disk and start again" in run.error
    assert not list(journal.parent.glob("*damaged*"))
    Path(f"{journal}-wal").rmdir()
    assert run("recover", out)["cause"] == ""


def test_recover_without_a_model_sends_what_was_claimed_to_people(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    crash(run, line_models["gated"], inbox, out, monkeypatch)
    assert run("verify", out, exit_code=5)["rows"][0]["problem"] == "unfinished"
    result = run("recover", out)
    assert (result["finished"], result["decided"], result["lost"]) == (0, 4, 0)
    assert len(names_below(out / "REVIEW")) == 4
    assert run("verify", out)["problems"] == 0


def test_what_a_crash_left_is_finished_first_and_told(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash(run, line_models["gated"], inbox, tmp_path / "out", monkeypatch)
    assert run("sort", line_models["gated"], inbox, tmp_path / "out", *FAST)["recovered"]["decided"] == 4
    assert "recovered: 0 finished, 4 decided, 0 lost\n" in run.error


class Report:
    """Another command that takes an output for a while."""

    def __init__(self) -> None:
        self._held, self.done = ExitStack(), False
        self._is_held = False

    def hold(self, lock: Path) -> None:
        if not self._is_held:
            self._held.enter_context(LocalDisk().lock(lock))
            self._is_held = True

    def let_go(self) -> None:
        self._held.close()
        self.done = self._is_held


def at_each_pause(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have something happen whenever a line waits, and then wait."""
    sleep = Clock.sleep

    def paused(self: Clock, seconds: float) -> None:
        act()
        sleep(self, seconds)

    monkeypatch.setattr(Clock, "sleep", paused)


def test_a_watched_inbox_is_sorted_until_the_service_is_stopped(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, away, pauses = tmp_path / "out", tmp_path / "away", iter(range(10**6))

    def act() -> None:
        if (pause := next(pauses)) == 0:
            inbox.rename(away)
        elif pause == 2:
            away.rename(inbox)
        elif (out / "decisions.csv").is_file() and names_below(out) >= SORTED:
            os.kill(os.getpid(), signal.SIGTERM)

    at_each_pause(monkeypatch, act)
    assert run("sort", line_models["gated"], inbox, out, "--watch", *FAST)["sorted"] == 4
    assert run.error.count("the inbox is not there; waiting for it") == 1
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize("watched", [True, False])
def test_a_class_folder_that_cannot_be_written_is_waited_for_or_ends_the_line(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    out, closed, times = tmp_path / "out", list[bool](), iter(range(2))

    def refusing(call: str) -> Callable[..., object]:
        method = getattr(LocalDisk, call)

        def called(disk: LocalDisk, *paths: Any) -> object:
            if any(isinstance(path, Path) and path.parent == out / "ok" for path in paths):
                if call == "move" and next(times, None) is not None:
                    closed.append(True)
                if closed:
                    raise PermissionError(errno.EACCES, "Permission denied", str(paths[0]))
            return method(disk, *paths)

        return called

    def act() -> None:
        closed.clear()
        if (out / "decisions.csv").is_file() and names_below(out) >= SORTED:
            os.kill(os.getpid(), signal.SIGTERM)

    for call in ("move", "append"):
        monkeypatch.setattr(LocalDisk, call, refusing(call))
    monkeypatch.setattr("gonogo.line.waiting._LEAST", 0.0)
    monkeypatch.setattr("gonogo.line.waiting._PAUSE", 0.01)
    at_each_pause(monkeypatch, act)
    found = f"{out / 'ok'}: gonogo cannot write into this folder (Permission denied); let its account write there."
    found += f" Nothing is lost: what was decided on waits in {out / 'work'}"
    if watched:
        assert run("sort", line_models["gated"], inbox, out, "--watch", *FAST)["recovered"]["finished"] > 0
        assert run.error.count(f"{found}; waiting for it\n") == 1, "twice it was so"
    else:
        for _ in range(2):
            run("sort", line_models["gated"], inbox, out, *FAST, exit_code=1)
            assert f"gonogo sort: {found}\n" in run.error
            assert json.loads((out / "status.json").read_text())["state"] == "failed"
            closed.clear()
        run("sort", line_models["gated"], inbox, out, *FAST)
    report = run("verify", out)
    assert (report["problems"], report["pictures"], report["alarms"]) == (0, 5, 2 * watched)


def test_a_sorter_that_waits_lets_others_work_in_its_place_and_goes_on_after_them(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, move, closed, pauses = tmp_path / "out", LocalDisk.move, [True], iter(range(10**6))

    def refusing(disk: LocalDisk, source: Path, target: Path) -> None:
        if target.parent == out / "ok" and closed:
            closed.clear()
            raise BlockedError(errno.EACCES, "not now", str(out / "ok"))
        move(disk, source, target)

    def act() -> None:
        if not closed and not report.done and next(pauses) < 5:
            report.hold(out / ".gonogo" / "lock")
        elif not report.done:
            report.let_go()
        elif (out / "decisions.csv").is_file() and names_below(out) >= SORTED:
            os.kill(os.getpid(), signal.SIGTERM)

    report = Report()
    monkeypatch.setattr(LocalDisk, "move", refusing)
    monkeypatch.setattr("gonogo.line.waiting._LEAST", 0.0)
    monkeypatch.setattr("gonogo.line.waiting._PAUSE", 0.01)
    monkeypatch.setattr("gonogo.cli.sort._PATIENCE", 0.01)
    at_each_pause(monkeypatch, act)
    assert run("sort", line_models["gated"], inbox, out, "--watch", *FAST)["recovered"]["finished"] > 0
    told = f"{out / '.gonogo' / 'lock'}: another gonogo works here; wait for it or stop it; waiting for it\n"
    assert run.error.count(told) == 1
    with LocalDisk().lock(out / ".gonogo" / "lock"):  # at the first start it is another's place
        run("sort", line_models["gated"], inbox, out, "--watch", *FAST, exit_code=2)


@pytest.mark.parametrize("error", [errno.ESTALE, errno.EIO, errno.EHOSTDOWN, errno.EACCES])
def test_a_share_that_is_away_is_waited_for(
    error: int,
    line_models: dict[str, Path],
    inbox: Path,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, calls = tmp_path / "out", dict.fromkeys(("exists", "lock", "scan"), 0)

    def away(owner: type, call: str) -> None:
        method = getattr(owner, call)

        def called(self: Any, *arguments: Any) -> Any:
            if inbox in (self, *arguments) and (call != "lock" or error != errno.EACCES):
                calls[call] += 1
                if calls[call] <= 3:
                    raise OSError(error, os.strerror(error), str(inbox))
            return method(self, *arguments)

        monkeypatch.setattr(owner, call, called)

    def act() -> None:
        if (out / "decisions.csv").is_file() and names_below(out) >= SORTED:
            os.kill(os.getpid(), signal.SIGTERM)

    away(type(inbox), "exists")
    away(LocalDisk, "lock")
    away(LocalDisk, "scan")
    monkeypatch.setattr("gonogo.line.waiting._LEAST", 0.0)
    monkeypatch.setattr("gonogo.line.waiting._PAUSE", 0.01)
    at_each_pause(monkeypatch, act)
    assert run("sort", line_models["gated"], inbox, out, "--watch", *FAST)["sorted"] == 4
    assert run.error.count(f"{inbox}: the inbox is not there; waiting for it\n") == 1
    told = f"{inbox}: the inbox cannot be looked into; waiting for it ({os.strerror(error)})\n"
    assert run.error.count(told) == 1
    assert run.error.count("waiting for it") == (2 if error == errno.EACCES else 3)


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_who_waits_for_an_inbox_can_be_stopped(
    line_models: dict[str, Path], tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, number: int, exit_code: int
) -> None:
    at_each_pause(monkeypatch, lambda: os.kill(os.getpid(), number))
    monkeypatch.setattr("gonogo.line.waiting._PAUSE", 0.01)
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    assert run("sort", line_models["gated"], inbox, out, "--watch", "--self-test-hours", "8", exit_code=exit_code) == {}
    assert run.error == f"{inbox}: the inbox is not there; waiting for it\n"
    assert not out.exists()


def test_a_new_month_gets_a_journal_of_its_own_while_the_inbox_is_watched(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, today, days = tmp_path / "out", Clock().today(), [0]
    monkeypatch.setattr(Clock, "today", lambda _: today + datetime.timedelta(days=days[0]))

    def act() -> None:
        if len(list((out / ".gonogo").glob("journal*.db"))) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        elif (out / "decisions.csv").is_file() and names_below(out) >= SORTED:
            days[0] = 31

    at_each_pause(monkeypatch, act)
    assert run("sort", line_models["gated"], inbox, out, "--watch", *FAST)["sorted"] == 4
    assert (out / ".gonogo" / f"journal-{today:%Y-%m}.db").is_file()
    verified = run("verify", out)
    assert (verified["problems"], verified["pictures"]) == (0, 5)


def test_ctrl_c_leaves_what_is_not_ready_in_the_inbox(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_each_pause(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGINT))
    settle = ["--settle-ms", "60000"]
    result = run("sort", line_models["gated"], inbox, tmp_path / "out", *settle, exit_code=130)
    assert (result["sorted"], len(result["waiting"])) == (0, 5)
    assert "5 files left in the inbox that were not taken because the sorter was stopped, such as bad" in run.error


def test_a_second_ctrl_c_ends_at_once() -> None:
    with stop_signals() as stopped:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert stopped == [signal.SIGTERM, signal.SIGTERM, signal.SIGINT]


def test_a_picture_that_is_taken_away_and_a_table_that_cannot_be_written_are_told(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, decode = tmp_path / "out", InspectorDecider.decode
    (out / "decisions.csv").mkdir(parents=True)

    content = (inbox / "good 1.png").read_bytes()

    def taken_away(*arguments: Any) -> Any:
        for path in tmp_path.rglob("*"):
            if path.is_file() and path.read_bytes() == content:
                path.unlink()
        return decode(*arguments)

    monkeypatch.setattr(InspectorDecider, "decode", taken_away)
    result = run("sort", line_models["gated"], inbox, out, *FAST)
    assert (result["sorted"], result["lost"]) == (3, 1)
    assert "ALARM: 1 picture taken away after it was claimed; the journal names it\n" in run.error
    assert f"{out / 'decisions.csv'}: cannot be written: " in run.error and result["csv_problem"] in run.error


@pytest.mark.parametrize(
    ("option", "text", "says"),
    [
        ("--part-timeout", "soon", "found 'soon', expected seconds, such as 30"),
        ("--self-test-hours", "nightly", "found 'nightly', expected hours, such as 24"),
        ("--self-test-hours", "-1", "found '-1', expected hours, such as 24"),
        ("--max-wait", "-1", "found '-1', expected seconds, such as 30"),
        ("--audit-share", "2", "found '2', expected a share from 0 to 1, such as 0.02"),
        ("--audit-share", "few", "found 'few', expected a share from 0 to 1, such as 0.02"),
    ],
)
def test_numbers_that_make_no_sense_are_named(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str], option: str, text: str, says: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("sort", tmp_path / "m.gonogo", tmp_path, tmp_path / "out", option, text)
    assert f"gonogo sort: {option}: {says}" in capsys.readouterr().err


def test_a_share_is_marked_for_people(line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run) -> None:
    assert run("sort", line_models["gated"], inbox, tmp_path / "out", "--audit-share", "1", *FAST)["sorted"] == 4


def test_a_new_journal_lists_the_files_of_all_days(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "out"
    run("sort", line_models["gated"], inbox, out, "--subfolders", "day", *FAST)
    (out / ".gonogo" / "journal.db").write_bytes(b"not a database, but nearly so" * 300)
    assert run("recover", out)["rebuilt"] == 5
    assert run("verify", out)["problems"] == 0


def test_a_journal_elsewhere_is_found_without_being_named(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run
) -> None:
    model, out, journal = line_models["gated"], tmp_path / "out", tmp_path / "fast disk" / "line.db"
    journal.parent.mkdir()
    run("sort", model, inbox, out, "--journal", journal, *FAST)
    fill(inbox, {"good 3.png": 120}, seed=3)
    run("sort", line_models["plain"], inbox, out, "--no-gate", *FAST, exit_code=2)
    assert "add --approve 'REASON'" in run.error
    assert run("sort", model, inbox, out, *FAST)["sorted"] == 1
    assert run("recover", out)["cause"] == ""
    assert run("verify", out)["pictures"] == 6
    run("journal", "export", out, "--out", tmp_path / "all.csv")
    assert run("archive", out, "--before", "2100-01-01")["pictures"] == 6
    journal.rename(journal.with_name("moved.db"))
    for command in (("sort", model, inbox, out, *FAST), ("verify", out), ("journal", "export", out, "--out", "x.csv")):
        run(*command, exit_code=3)
        assert f"{journal}: missing, although heads.log tells of" in run.error
    assert run("sort", model, inbox, out, "--journal", journal.with_name("moved.db"), *FAST)["sorted"] == 0
    assert run("verify", out)["problems"] == 0
    assert not (out / ".gonogo" / "journal.db").exists()


def test_the_folder_of_claimed_pictures_is_found_without_a_journal(
    line_models: dict[str, Path],
    inbox: Path,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    out = Path("/dev/shm") / f"gonogo-{os.getpid()}-claimed"
    request.addfinalizer(lambda: shutil.rmtree(out, ignore_errors=True))
    run("sort", line_models["gated"], fill(tmp_path / "first", {"a.png": 120}), out, *FAST)
    crash(run, line_models["gated"], inbox, out, monkeypatch)
    (out / ".gonogo" / "journal.db").write_bytes(b"not a database, but nearly so" * 300)
    away = inbox.rename(tmp_path / "away")
    run("recover", out, exit_code=2)
    assert f"found no inbox {inbox}, below which pictures may lie claimed; bring it back" in run.error
    assert not inbox.exists()
    away.rename(inbox)
    assert run("recover", out)["decided"] == 4
    assert run("verify", out)["problems"] == 0
    assert len(names_below(out / "REVIEW")) == 4
    (inbox / ".gonogo-work" / "by hand.png").write_bytes(b"x")
    assert [row["problem"] for row in run("verify", out, exit_code=5)["rows"]] == ["unknown"]
    assert run("recover", out)["decided"] == 1
    assert run("verify", out)["problems"] == 0


def test_an_output_that_was_moved_after_a_crash_is_brought_to_an_end(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "plant"
    old.mkdir()
    inbox = inbox.rename(old / "inbox")
    crash(run, line_models["gated"], inbox, old / "out", monkeypatch)
    out = (old / "out").rename(tmp_path / "out")
    shutil.rmtree(old)
    assert {row["problem"] for row in run("verify", out, exit_code=5)["rows"]} == {"unfinished"}
    assert run("recover", out)["decided"] == 4
    assert run("verify", out)["problems"] == 0
    assert len(names_below(out / "REVIEW")) == 4
    assert not old.exists()


def test_claimed_pictures_that_are_out_of_reach_are_not_told_to_be_lost(
    line_models: dict[str, Path],
    inbox: Path,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    out = Path("/dev/shm") / f"gonogo-{os.getpid()}-reach"
    request.addfinalizer(lambda: shutil.rmtree(out, ignore_errors=True))
    crash(run, line_models["gated"], inbox, out, monkeypatch)
    away = inbox.rename(tmp_path / "away")
    other = fill(tmp_path / "other", {"a.png": 120})
    for command in (("recover", out), ("sort", line_models["gated"], other, out, *FAST)):
        run(*command, exit_code=2)
        assert f"{inbox / '.gonogo-work'}: found no such folder, in which pictures lie claimed; bring it" in run.error
        assert not inbox.exists()
    away.rename(inbox)
    assert run("recover", out)["decided"] == 4
    assert run("verify", out)["problems"] == 0


def test_a_folder_that_is_no_output_is_called_so(tmp_path: Path, run: Run, line_models: dict[str, Path]) -> None:
    other, model = tmp_path / "other", line_models["gated"]
    other.mkdir()
    for command in (
        ("verify", other),
        ("recover", other),
        ("replay", other, "x", model),
        ("review", other),
        ("dashboard", other),
        ("archive", other, "--before", "2020-01-01"),
        ("journal", "export", other, "--out", tmp_path / "x.csv"),
        ("pilot", "status", other, "--max-escape", "0.1"),
    ):
        run(*command, exit_code=2)
        assert f"OUT: found no .gonogo in {other}; expected a folder that gonogo sort has filled" in run.error
    with pytest.raises(FileNotFoundError, match=r"OUT: found no \.gonogo in"):
        Dataset.from_journal(other)
    run("pilot", "status", tmp_path / "none", "--max-escape", "0.1", exit_code=2)
    assert "expected a table of verdicts, or a folder that gonogo sort has filled" in run.error
    assert list(other.iterdir()) == []


def test_places_that_cannot_be_read_are_written_anew(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run
) -> None:
    places = tmp_path / "out" / ".gonogo" / "places.json"
    paths = b'{"inbox": %s, "work": "work", "journal": ".gonogo/journal.db", "copy": false}'
    odd = (paths % b'"a\\u0000b"', paths % b'"\\ud800"', paths % b"[]", b"[" * 100_000)
    for content in (b"", b"[1]", b"{}", b'{"inbox": 1}', b"\xff", *odd):
        run("sort", line_models["gated"], inbox, tmp_path / "out", *FAST)
        said = json.loads(places.read_bytes())
        assert said == {"inbox": str(inbox), "work": "work", "journal": ".gonogo/journal.db", "copy": False}
        places.write_bytes(content)
        assert run("verify", tmp_path / "out")["problems"] == 0
        assert run("recover", tmp_path / "out")["cause"] == ""
    places.unlink()
    places.mkdir()
    run("sort", line_models["gated"], inbox, tmp_path / "out", *FAST, exit_code=2)
    said = f"gonogo sort: {places}: found a folder, expected a file that gonogo writes; move it away\n"
    assert run.error == said


def test_an_output_without_a_journal_is_called_so(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "out"
    (out / ".gonogo").mkdir(parents=True)
    for command in (("verify", out), ("replay", out, "x", line_models["gated"]), ("review", out)):
        run(*command, exit_code=2)
        journal = out / ".gonogo" / "journal.db"
        assert f"OUT: found no journal {journal}; expected a folder that gonogo sort has filled" in run.error
    assert run("sort", line_models["gated"], inbox, out, *FAST)["sorted"] == 4


def test_without_readable_places_nothing_is_taken_for_copied(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "out"
    run("sort", line_models["gated"], inbox, out, "--copy", *FAST)
    for content in (b"", b"[1]", b"{}", b"\xff"):
        (out / ".gonogo" / "places.json").write_bytes(content)
        (out / ".gonogo" / "journal.db").write_bytes(b"not a database, but nearly so" * 300)
        result = run("recover", out)
        assert (result["rebuilt"], result["copied"]) == (5, 0)
    assert run("verify", out)["problems"] == 0


def test_a_disk_that_fails_while_a_journal_is_read_is_a_problem_of_verify(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    run("sort", line_models["gated"], inbox, out, *FAST)

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("gonogo.line.journal.wrong_hours", fail)
    (problem,) = run("verify", out, exit_code=5)["rows"]
    assert (problem["problem"], problem["file"]) == ("damaged", "journal.db")
    assert "disk I/O error" in problem["reason"]


def forge(journal: Path, damage: str) -> None:
    """Damage a journal so that it can still be opened."""
    with closing(sqlite3.connect(journal, isolation_level=None)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if damage == "a row":
            database.execute("DROP TRIGGER journal_keeps")
            database.execute("UPDATE journal SET time = '2020' WHERE sequence = 4")
            return
        name = "journal" if damage == "a page" else damage
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    with journal.open("r+b") as file:
        file.seek((page - 1) * 4096 + 8)
        file.write(b"\xff" * 200)


@pytest.mark.parametrize("damage", ["a row", "a page", "journal_id", "journal_kind", "hourly"])
def test_damage_of_a_journal_that_can_be_opened_is_a_problem(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run, damage: str
) -> None:
    out, journal = tmp_path / "out", tmp_path / "out" / ".gonogo" / "journal.db"
    run("sort", line_models["gated"], inbox, out, *FAST)
    with read_journal(journal, LocalDisk()) as opened:
        identifier = next(opened.rows("DONE")).id or ""
    forge(journal, damage)
    if damage == "a page":  # the table itself: nothing can be read
        run("verify", out, exit_code=3)
        assert "malformed; run gonogo recover OUT" in run.error
    else:
        found = run("verify", out, exit_code=5)
        assert found["problems"] == len(found["rows"]) >= 1
        assert found["rows"][0]["problem"] == "damaged"
    if damage in ("a row", "a page", "journal_id"):
        run("replay", out, identifier, exit_code=3)
        assert "run gonogo recover OUT" in run.error
        assert "--debug" not in run.error
    assert run("recover", out)["rebuilt"] == 5
    assert run("verify", out)["problems"] == 0


def test_what_was_copied_before_a_journal_was_lost_is_not_copied_again(
    line_models: dict[str, Path], inbox: Path, tmp_path: Path, run: Run
) -> None:
    out, copied = tmp_path / "out", ("--copy", *FAST)
    assert run("sort", line_models["gated"], inbox, out, *copied)["sorted"] == 4
    (out / "bad" / "bad 1.png").unlink()
    shutil.copy(inbox / "good 1.png", inbox / "good 1 again.png")
    (out / ".gonogo" / "journal.db").unlink()
    result = run("recover", out)
    assert (result["rebuilt"], result["copied"]) == (4, 4)
    shutil.copy(inbox / "good 2.png", inbox / "good 2 again.png")
    approved = run("sort", line_models["gated"], inbox, out, "--approve", "asked Ann", *copied)
    assert approved["labels"] == {"bad": 1, "ok": 2}, "what was taken away, and two second files with a content"
    assert run("sort", line_models["gated"], inbox, out, *copied)["sorted"] == 0
    assert run("verify", out)["problems"] == 0
