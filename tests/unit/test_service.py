"""The sorter as a service: what systemd makes of its unit, and what the sorter tells systemd."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from line.commands import Commands, fill, make_models

from gonogo import Inspector
from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration
from gonogo.line.files import LocalDisk
from gonogo.line.inspection import InspectorDecider
from gonogo.line.running import open_line
from gonogo.systemd import Service, notify, writable_folders

Run = Commands


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Commands(capsys)


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("in", "out"):
        (tmp_path / "line 1, 100%" / name).mkdir(parents=True)
    return tmp_path / "line 1, 100%" / "in", tmp_path / "line 1, 100%" / "out"


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a systemd that listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed; apt-get install systemd")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def settings(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def test_systemd_finds_the_unit_sound_and_safe(
    models: dict[str, Path], places: tuple[Path, Path], tmp_path: Path, run: Run, report_figure: Callable[..., None]
) -> None:
    unit, config = tmp_path / "gonogo.service", tmp_path / "line.toml"
    config.write_text('settle-ms = 20\njournal = "elsewhere/journal.db"\n')
    (tmp_path / "elsewhere").mkdir()
    result = run("service", "write", models["gated"], *places, "--user", "line", "--config", config, "--out", unit)
    assert unit.read_text() == result["unit"]
    sound = analyze("verify", "--man=no", unit)
    assert (sound.returncode, sound.stdout, sound.stderr) == (0, "", "")
    safe = analyze("security", "--offline=true", "--threshold=15", "--no-pager", unit)
    assert safe.returncode == 0, safe.stdout
    score = re.search(r"exposure level for \S+: ([\d.]+)", safe.stdout)
    assert score is not None
    assert float(score[1]) <= 1.5
    report_figure("exposure of the service by systemd-analyze security", score[1])


def test_systemd_sees_what_is_wrong_with_a_unit(tmp_path: Path) -> None:
    unit = tmp_path / "bare.service"
    unit.write_text("[Service]\nExecStart=/bin/true\nProtectSystm=strict\n")
    assert "ProtectSystm" in analyze("verify", "--man=no", unit).stderr
    assert analyze("security", "--offline=true", "--threshold=15", "--no-pager", unit).returncode != 0


def test_the_units_of_the_documentation_are_sound(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "line.md").read_text()
    units = dict(re.findall(r"```ini\n# (\S+)\n(.*?)```", text, re.DOTALL))
    assert {"gonogo-verify.service", "gonogo-verify.timer"} == set(units)
    for name, content in units.items():  # a program that is not installed would be a finding
        (tmp_path / name).write_text(content.replace("/usr/local/bin/gonogo", sys.executable))
    sound = analyze("verify", "--man=no", *(tmp_path / name for name in units))
    assert (sound.returncode, sound.stderr) == (0, "")


def test_the_unit_runs_the_very_command(models: dict[str, Path], places: tuple[Path, Path], run: Run) -> None:
    inbox, out = places
    unit = settings(run("service", "write", models["gated"], inbox, out, "--user", "line", "--watchdog", "60")["unit"])
    written = str(inbox.parent).replace("%", "%%")
    model = models["gated"]
    start = f'{sys.executable} -P -m gonogo sort {model} "{written}/in" "{written}/out" --watch'
    assert unit["ExecStart"] == [start]
    assert unit["ReadWritePaths"] == unit["RequiresMountsFor"] == [f'"{written}"']
    assert (unit["User"], unit["WatchdogSec"], unit["Type"]) == (["line"], ["60"], ["notify"])
    assert unit["RestartPreventExitStatus"] == ["2 3 4 5"]
    # What lies below folders that the service does not see is shown to it.
    assert f'"{written}"' in unit["BindPaths"]
    assert str(model) in unit["BindReadOnlyPaths"]


def test_words_of_a_unit_mean_themselves() -> None:
    odd = Path('/data/a "b" $HOME %h:c\\d')
    text = Service(["/bin/x", str(odd)], "line", [Path("/data/o")], [], 60).unit()
    assert settings(text)["ExecStart"] == ['/bin/x "/data/a \\"b\\" $$HOME %%h:c\\\\d"']
    assert settings(text)["ProtectHome"] == ["yes"]
    text = Service(["/bin/x"], "line", [Path("/home") / "a:b"], [Path("/usr")], 60).unit()
    assert settings(text)["BindPaths"] == ['"/home' + r'/a\:b"']
    assert "BindReadOnlyPaths" not in text
    for path in ("/data/a\nExecStart=/bin/sh", "/data/\udcff"):
        with pytest.raises(ValueError, match="which no unit can hold"):
            Service(["/bin/x", path], "line", [Path("/data")], [], 60).unit()


def test_nothing_is_renamed_between_two_mounts(tmp_path: Path, memory: Path) -> None:
    inbox, out = tmp_path / "a" / "in", tmp_path / "a" / "out"
    for folder in (inbox, out):
        folder.mkdir(parents=True)
    journal, program = out / ".gonogo" / "journal.db", tmp_path / "b" / "program"
    assert writable_folders(inbox, out, journal, [program]) == [tmp_path / "a"]
    # A service must not write to its own program, and a folder on another disk is another mount anyway.
    for path in (tmp_path / "a", tmp_path / "a" / "bin" / "program"):
        assert writable_folders(inbox, out, journal, [path]) == [inbox, out]
    assert writable_folders(inbox, memory, journal, [program]) == [inbox, memory, journal.parent]
    assert writable_folders(inbox, out, tmp_path / "c" / "journal.db", [program]) == [tmp_path / "a", tmp_path / "c"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"--user": "root"}, "--user: found 'root'"),
        ({"--user": "a b"}, "--user: found 'a b'"),
        ({"--watchdog": "1"}, "--watchdog: found '1'"),
        ({"OUT": "none"}, "OUT: found no folder"),
        ({"INBOX": "none"}, "INBOX: found no folder"),
        ({"FILE": "none"}, "no such file"),
        ({"FILE": "plain"}, "the model has no certified PASS threshold"),
        ({"--config": "settle = 3"}, "unknown key 'settle'"),
        ({"--config": "views = 3"}, "line.toml: views: found 3 without part-pattern"),
        ({"--config": "dry-run = true"}, "line.toml: found dry-run = true, with which nothing is sorted"),
        ({"--config": "once = true"}, "line.toml: found once = true, with which the sorter ends"),
    ],
)
def test_what_the_sorter_would_refuse_gets_no_unit(
    models: dict[str, Path],
    places: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str],
    complaint: str,
) -> None:
    from gonogo.cli import main

    arguments = {"FILE": models["gated"], "INBOX": places[0], "OUT": places[1], "--user": "line"} | change
    arguments["FILE"] = models.get(str(arguments["FILE"]), arguments["FILE"])
    if "--config" in change:
        arguments["--config"] = tmp_path / "line.toml"
        arguments["--config"].write_text(change["--config"])
    unit = tmp_path / "x.service"
    words = [word for key, value in arguments.items() for word in ([key] if key[0] == "-" else []) + [str(value)]]
    try:
        code = main(["service", "write", *words, "--out", str(unit)])
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1
    assert not unit.exists()


def test_a_model_or_a_journal_that_the_sorter_would_refuse_gets_no_unit(
    models: dict[str, Path], places: tuple[Path, Path], tmp_path: Path, run: Run
) -> None:
    inbox, out = places
    fill(inbox, {"a.png": 120})
    run("sort", models["gated"], inbox, out, "--settle-ms", "0")
    config, unit = tmp_path / "line.toml", tmp_path / "x.service"
    config.write_text("no-gate = true\n")
    other = [models["plain"], inbox, out, "--config", config]
    run("sort", *other, exit_code=2)
    refused = run.error
    run("service", "write", *other, "--user", "line", "--out", unit, exit_code=2)
    assert run.error == refused.replace("gonogo sort:", "gonogo service write:")
    run("service", "write", models["gated"], inbox, out, "--user", "line")
    journal = out / ".gonogo" / "journal.db"
    journal.rename(journal.with_name("journal-2020-01.db"))  # a month that is over
    (out / ".gonogo" / "heads.log").unlink()
    run("service", "write", *other, "--user", "line", "--out", unit, exit_code=2)
    journal.with_name("journal-2020-01.db").unlink()
    (out / ".gonogo" / "heads.log").write_text(f"2026-03-01T00:00:00 row 9 head {'0' * 64}\n")
    run("service", "write", models["gated"], inbox, out, "--user", "line", "--out", unit, exit_code=3)
    assert "missing, although heads.log tells of 9 rows" in run.error
    assert not unit.exists()


def test_progress_is_each_finished_look_and_each_finished_batch(models: dict[str, Path], tmp_path: Path) -> None:
    inbox = fill(tmp_path / "in", {f"{number}.png": 120 for number in range(3)})
    looks = progress = 0
    decider = InspectorDecider(Inspector(models["gated"]))
    configuration = Configuration(settle_ms=0, batch=1)
    with open_line(inbox, tmp_path / "out", configuration, decider, disk=LocalDisk(), clock=Clock()) as line:
        step = line.sorter.step

        def look(*arguments: Any) -> int:
            nonlocal looks
            taken = step(*arguments)
            looks += 1
            return taken

        def advance() -> None:
            nonlocal progress
            progress += 1

        line.sorter.step = look  # type: ignore[method-assign]
        line.watch(lambda: line.sorter.counts.sorted == 3, advance)
    assert progress == looks + 3


def test_nobody_listens_and_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (None, "", "none", str(tmp_path / "none"), "/" + "x" * 200, "@gonogo-nobody"):
        if name is None:
            monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
        else:
            monkeypatch.setenv("NOTIFY_SOCKET", name)
        notify("READY=1")


def test_an_abstract_socket_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0gonogo-{os.getpid()}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@gonogo-{os.getpid()}")
        notify("READY=1", "STATUS=\udcff")
        assert listening.recv(100) == b"READY=1\nSTATUS=\\udcff"


# NumPy's OpenBLAS asks for a place of its memory, SQLite as root for the owner of its log: both go on without it.
DENIED = {"mbind", "fchown"}


def allowed_calls() -> set[str]:
    """System calls that the unit's filter lets through, by systemd's own lists."""
    sets: dict[str, list[str]] = {}
    name = ""
    for line in analyze("syscall-filter", "--no-pager").stdout.splitlines():
        word = line.strip()
        if line.startswith("@"):
            name = word
        elif word and not word.startswith("#"):
            sets.setdefault(name, []).append(word)

    def calls(name: str) -> set[str]:
        return set().union(*(calls(word) if word.startswith("@") else {word} for word in sets[name]))

    return calls("@system-service") - calls("@privileged") - calls("@resources")


def test_the_service_tells_how_it_is_and_asks_for_nothing_that_the_unit_denies(
    models: dict[str, Path],
    tmp_path: Path,
    told: socket.socket,
    not_run: Callable[[str], NoReturn],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("LOGNAME", "USER"):  # without them other programs ask a name service, through a socket
        monkeypatch.delenv(name, raising=False)
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed; apt-get install strace")
    if subprocess.run(["strace", "-o", os.devnull, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        not_run("ptrace")
    inbox = fill(tmp_path / "in", {"good.png": 120, "bad.png": 0})
    calls = tmp_path / "calls"
    watched = ["strace", "-f", "-qq", "-e", "signal=none", "-e", f"inject={','.join(DENIED)}:error=EPERM", "-o", calls]
    command = [Path(sys.executable).with_name("gonogo"), "sort", models["gated"], inbox, tmp_path / "out", "--watch"]
    said, process = [], subprocess.Popen([*watched, *command, "--settle-ms", "20"], stdout=subprocess.DEVNULL)
    try:
        while not said or "STATUS=2 sorted" not in said[-1]:
            said.append(told.recv(1000).decode())
        sorter = int(calls.read_text().split(maxsplit=1)[0])
        os.kill(sorter, signal.SIGTERM)
        while said[-1] != "STOPPING=1":
            said.append(told.recv(1000).decode())
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert said[0] == "READY=1"
    assert {word.partition("\n")[0] for word in said[1:-1]} == {"WATCHDOG=1"}
    lines = calls.read_text().splitlines()
    # Where two threads call at once, strace writes "<unfinished ...>" in place of the closing bracket.
    sockets = {found[1] for line in lines if (found := re.match(r"\d+ +socket\(([\w|, ]*\w)", line))}
    assert sockets == {"AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC, 0"}
    used = {found[1] for line in lines if (found := re.match(r"\d+ +(\w+)\(", line))}
    assert {"renameat2", "syncfs", "sendto", "mmap"} <= used
    assert used - allowed_calls() <= DENIED
