"""Ctrl-C at drawn moments: always heard, everything usable afterwards, no half-written file, exit code 130."""

from __future__ import annotations

import json
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gonogo import History, load

ROOT = Path(__file__).resolve().parents[2]
WORKS = ("train", "refit", "decode", "predict", "evaluate", "save")
# Every kind of work is interrupted so often; the promise is 200 times in all.
FEW, PROMISED = 4, 34


@pytest.mark.soak
@pytest.mark.parametrize("work", WORKS)
def test_an_interrupt_at_any_moment_is_heard_and_leaves_everything_usable(
    work: str,
    tmp_path: Path,
    unmeasured: dict[str, str],
    instruction_set_arguments: list[str],
    often: Callable[[int, int], int],
    report_figure: Callable[[str, object], None],
) -> None:
    moments, folder = random.Random(f"interrupt {work}"), tmp_path / "written"
    folder.mkdir()
    program = ROOT / "tests" / "programs" / "interrupted_work.py"
    command = [sys.executable, str(program), work, str(folder), *instruction_set_arguments]
    latencies = []
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, env=unmeasured) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for _ in range(often(FEW, PROMISED)):
            print("go", file=child.stdin, flush=True)
            assert child.stdout.readline() == "working\n"
            time.sleep(moments.uniform(0, 0.3))
            sent = time.monotonic()
            child.send_signal(signal.SIGINT)
            answer = json.loads(child.stdout.readline())
            latencies.append(answer["heard"] - sent)
            assert answer["same"], answer
            assert answer["fitting"] in ("unfitted", "usable"), answer
            assert set(answer["files"]) <= {"checkpoint.gonogo", "log.csv", "model.gonogo"}
        child.stdin.close()
    assert child.returncode == 0
    figure = f"{1e3 * statistics.median(latencies):.0f} ms, at most {1e3 * max(latencies):.0f} ms of {len(latencies)}"
    report_figure(f"Ctrl-C is heard by {work} after", figure)


# The installed command, with a sign that it has begun.
COMMAND = """
import sys
from gonogo import cli
parse = cli.parse
def begin(argv):
    print("started", file=sys.stderr, flush=True)
    return parse(argv)
cli.parse = begin
sys.exit(cli.main())
"""
# Each of these goes on for far longer than the latest moment.
COMMANDS = {
    "train": ["train", "CASTINGS", "--model", "NET", "--epochs", "1000000", "--out", "OUT/m.gonogo"],
    "evaluate": ["evaluate", "MODEL", "MANY", "--json"],
    "predict": ["predict", "MODEL", "MANY/ok_front", "MANY/def_front", "--csv", "OUT/rows.csv"],
    "inspect": ["inspect", "MANY", "MANY"],
    "synth": ["synth", "--out", "OUT/castings", "--n", "100000"],
    "split": ["split", "MANY", "--out", "OUT/split.csv", "--fractions", "train=0.5,test=0.5"],
}


@pytest.fixture(scope="module")
def many(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders in which each casting has many names."""
    root = tmp_path_factory.mktemp("many") / "castings"
    for source in castings.glob("*/*.png"):
        folder = root / source.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(150):
            (folder / f"{source.stem}_{number}.png").hardlink_to(source)
    return root


@pytest.mark.soak
@pytest.mark.parametrize("name", COMMANDS)
def test_an_interrupted_command_ends_with_130_and_leaves_whole_files(
    name: str,
    castings: Path,
    many: Path,
    small_net: Path,
    model: Path,
    tmp_path: Path,
    unmeasured: dict[str, str],
    instruction_set_arguments: list[str],
    run_gonogo: Callable[..., subprocess.CompletedProcess[str]],
    often: Callable[[int, int], int],
) -> None:
    moments = random.Random(f"command {name}")
    for attempt in range(often(1, 20)):
        out = tmp_path / str(attempt)
        out.mkdir()
        places = {"CASTINGS": castings, "NET": small_net, "MODEL": model, "MANY": many, "OUT": out}
        words = []
        for word in COMMANDS[name]:
            first, _, rest = word.partition("/")
            words.append(str(places[first] / rest) if first in places else word)
        command = [sys.executable, "-c", COMMAND, *words, *instruction_set_arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, **pipes, text=True, env=unmeasured) as child:
            assert child.stderr is not None
            assert child.stderr.readline() == "started\n"
            time.sleep(moments.uniform(0, 0.3))
            child.send_signal(signal.SIGINT)
            try:
                stdout, stderr = child.communicate(timeout=120)
            except subprocess.TimeoutExpired:
                child.kill()
                raise
        assert child.returncode == 130, stderr
        left = [path for path in out.rglob("*") if path.is_file()]
        assert (stdout != "") == (name == "train" and left != [])  # a training tells of the model that it has written
        assert ": interrupted" in stderr.splitlines()[-1]
        assert "Traceback" not in stderr
        assert {path.suffix for path in left} <= {".gonogo", ".png"}, left
        if name == "train" and left:
            load(left[0])
        if name == "synth" and left:
            run_gonogo("inspect", out)


def test_a_history_gets_a_whole_row_or_none() -> None:
    class Interrupted(dict[str, float]):
        def items(self):  # type: ignore[no-untyped-def]
            yield "loss", 0.5
            raise KeyboardInterrupt

    history = History()
    history.append(0, {"loss": 1.0, "accuracy": 0.5})
    with pytest.raises(KeyboardInterrupt):
        history.append(1, Interrupted())
    assert (history.epoch, history.history) == ([0], {"loss": [1.0], "accuracy": [0.5]})
