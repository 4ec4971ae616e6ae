"""Options, fixtures and the rule about skipping that all tests share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest
from chromium import browser as browser
from chromium import open_page as open_page
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
NOT_RUN = "not run: no "
FIGURES = pytest.StashKey[dict[str, str]]()
# The only things a machine may lack, or forbid, without a test failing: they cannot be installed.
HARDWARE = ("AVX2", "AVX-512", "AMX", "second processor", "CPUID faulting", "mounts", "ptrace")

# No test asserts a time, however busy the machine is. Where CI is set, the same examples are drawn every time: a red run
# can be repeated.
settings.register_profile(
    "gonogo",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gonogo")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--instruction-set",
        metavar="NAME",
        help="limit of the instruction set for all tests, commands included: scalar (no oneDNN, no SIMD), sse41, "
        "avx2, avx512, amx; default: the best of this machine",
    )
    parser.addoption(
        "--full-figures",
        action="store_true",
        help="repeat what is marked soak as often as the documents promise: hours instead of minutes (make soak)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = {}
    # A job in the background starts with Ctrl-C ignored, and so would every program that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    name = config.getoption("--instruction-set")
    if name is not None:
        from gonogo import _core

        # Before any other use: the engine fixes its instruction set once per process.
        _core.set_instruction_limit(name)


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Where CI is set, a skip that is not about hardware is a failure: something was not installed."""
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith(NOT_RUN):
            report.outcome = "failed"
            report.longrepr = f"skipped where CI is set: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Any:
    report = yield
    refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Any:
    report = yield
    refuse_skip(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The figures that tests measured, and one line for each kind of hardware that they asked for in vain."""
    for name, value in sorted(config.stash[FIGURES].items()):
        terminalreporter.write_line(f"{name}: {value}")
    reasons = {report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.stats.get("skipped", [])}
    for reason in sorted(reason for reason in reasons if reason.startswith(NOT_RUN)):
        terminalreporter.write_line(reason)


@pytest.fixture(scope="session")
def not_run() -> Callable[[str], NoReturn]:
    """``not_run("AMX")`` ends a test whose hardware this machine lacks and has the summary say so."""

    def skip(hardware: str) -> NoReturn:
        if hardware not in HARDWARE:
            pytest.fail(f"not_run: {hardware!r} is not hardware that a machine may lack; known are {HARDWARE}")
        pytest.skip(NOT_RUN + hardware)

    return skip


@pytest.fixture(scope="session")
def unmeasured() -> dict[str, str]:
    """The environment of programs that coverage.py is kept out of, where it measures the others.

    An interrupt while it holds its lock makes it wait for ever at its end, and a limit on files breaks the one that it writes.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}


@pytest.fixture(scope="session")
def often(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """``often(100, 10_000)`` is the first number in ``make test`` and the second, the promised one, in ``make soak``."""
    full = request.config.getoption("--full-figures")
    return lambda few, promised: promised if full else few


@pytest.fixture(scope="session")
def report_figure(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """``report_figure("truncations refused", "1,380 of 1,380")`` has the summary print it."""
    figures = request.config.stash[FIGURES]

    def report(name: str, value: object) -> None:
        figures[name] = str(value)

    return report


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real pictures: GONOGO_DATA, or shared/data beside the repository."""
    folder = Path(os.environ.get("GONOGO_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the folder of pictures {folder} does not exist; GONOGO_DATA names another")
    return folder


@pytest.fixture(scope="session")
def instruction_set_arguments(request: pytest.FixtureRequest) -> list[str]:
    """What a command of gonogo must be given to run under the limit of this test run."""
    name = request.config.getoption("--instruction-set")
    return [] if name is None else ["--instruction-set", name]


@pytest.fixture(scope="session")
def run_gonogo(instruction_set_arguments: list[str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``run_gonogo("info", path, exit_code=2)`` runs the installed command and checks its exit code."""

    def run(
        command: str, *arguments: str | Path, exit_code: int = 0, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        program: Sequence[str] = [str(Path(sys.executable).with_name("gonogo")), command]
        completed = subprocess.run(
            [*program, *instruction_set_arguments, *map(str, arguments)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            **options,
        )
        assert completed.returncode == exit_code, f"exit code {completed.returncode}:\n{completed.stderr}"
        return completed

    return run


@pytest.fixture(scope="session")
def run_program(instruction_set_arguments: list[str]) -> Callable[..., str]:
    """``run_program("name.py", "argument")`` runs a program of tests/programs and returns what it printed; one that
    fails, warns, or has not ended after five minutes, fails the test."""

    def run(name: str, *arguments: str | Path, options: Sequence[str] = (), **others: Any) -> str:
        program = [sys.executable, *options, str(ROOT / "tests" / "programs" / name)]
        completed = subprocess.run(
            [*program, *map(str, arguments), *instruction_set_arguments],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            **others,
        )
        assert completed.returncode == 0, f"exit code {completed.returncode}:\n{completed.stdout}{completed.stderr}"
        assert completed.stderr == "", completed.stderr
        return completed.stdout

    return run
