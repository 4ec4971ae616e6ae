"""The line on this machine: how many files a second it handles, what it keeps of each, and whether its memory stays the same.

The inbox is filled in slices and the class folders are emptied after each, so that a long run needs little room. Only the time in
which the sorter works is counted.
"""

from __future__ import annotations

import math
import operator
import resource
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gonogo import synthetic
from gonogo.decision import Decision
from gonogo.inspector import Inspector
from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration, journal_of
from gonogo.line.decider import Decider, Fault
from gonogo.line.files import LocalDisk
from gonogo.line.inspection import InspectorDecider
from gonogo.line.running import open_line
from gonogo.model_file import model_bytes
from gonogo.network import load_spec

PICTURES = 100_000
FILE_BYTES = 60_000
SETTLED = 10_000  # after so many pictures memory is measured for the first time
_SLICE = 2_000
_SETTINGS: dict[str, Any] = {"settle_ms": 0, "frozen_after": 0, "reserve_mb": 64}


class PassEverything:
    """A decider that costs nothing, so that only the handling of files is measured."""

    labels: Sequence[str] = ("ok", "bad")
    description: Mapping[str, Any] = {
        "model": "0" * 64,
        "certificate": "0" * 64,
        "version": "0",
        "fingerprint": "0" * 16,
    }
    valid_until = None

    def check(self, data: bytes) -> Fault | None:  # noqa: ARG002 - the protocol's signature
        """As ``Decider`` says."""
        return None

    def self_test(self) -> float:
        """As ``Decider`` says."""
        return 0.0

    def decode(self, files: Sequence[bytes]) -> list[Any]:
        """As ``Decider`` says."""
        return list(files)

    def decide(self, parts: Sequence[Sequence[Any]]) -> list[Decision]:
        """As ``Decider`` says."""
        return [Decision("ok", True, 7.0)] * len(parts)


@dataclass
class Run:
    """What was measured while pictures were sorted."""

    pictures: int = 0
    seconds: float = 0.0
    journal_bytes: int = 0
    memory: dict[int, int] = field(default_factory=dict)  # resident bytes by pictures sorted until then
    rates: list[float] = field(default_factory=list)  # pictures a second, of each slice

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.pictures / self.seconds if self.seconds else math.nan

    @property
    def bytes_per_picture(self) -> float:
        """Of the journal."""
        return self.journal_bytes / max(1, self.pictures)

    @property
    def growth(self) -> int | None:
        """Resident bytes at the end less those when memory was measured first; None where the run was too short."""
        return None if len(self.memory) < 2 else self.memory[max(self.memory)] - self.memory[min(self.memory)]


def sort_many(
    folder: Path,
    pictures: int,
    contents: Iterator[bytes],
    decider: Decider,
    tell: Callable[[str], None],
    between: Callable[[], None] = lambda: None,
    **settings: Any,
) -> Run:
    """Sort pictures in an empty folder and say how that went.

    Parameters
    ----------
    folder : pathlib.Path
        Inbox and output are made in it.
    pictures : int
        How many.
    contents : iterator of bytes
        The files.
    decider : Decider
        Decides on them.
    tell : callable
        Gets a line about the progress now and then.
    between : callable
        Is called before each slice.
    **settings
        Of ``Configuration``.
    """
    inbox, out, run = folder / "inbox", folder / "out", Run()
    inbox.mkdir(parents=True)
    configuration = Configuration(**{**_SETTINGS, **settings})
    with open_line(inbox, out, configuration, decider, disk=LocalDisk(), clock=Clock()) as line:
        sorter = line.sorter
        while run.pictures < pictures:
            wanted = min(_SLICE, pictures - run.pictures)
            for number in range(wanted):
                (inbox / f"part-{run.pictures + number:07d}.png").write_bytes(next(contents))
            between()
            begun = time.perf_counter()
            done = sorter.step()
            while done < wanted:
                done += sorter.step()
            spent = time.perf_counter() - begun
            run.seconds += spent
            run.pictures += done
            run.rates.append(done / spent)
            if run.pictures >= pictures or (run.pictures >= SETTLED and not run.memory):
                run.memory[run.pictures] = resident_bytes()
                tell(f"{run.pictures:,} pictures, {run.rate:,.0f} a second, {run.memory[run.pictures] / 2**20:.1f} MiB")
            for label in sorter.counts.labels:
                shutil.rmtree(out / label)
    run.journal_bytes = journal_of(out).stat().st_size
    return run


def resident_bytes() -> int:
    """Return the memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def noise() -> Iterator[bytes]:
    """Yield files without end, each another."""
    rng = np.random.default_rng(0)
    body = rng.bytes(FILE_BYTES - 8)
    number = 0
    while True:
        number += 1
        yield number.to_bytes(8, "little") + body


def castings() -> Iterator[bytes]:
    """Yield generated castings (300x300, PNG) without end; each file is another one, though pictures come again."""
    drawn = [synthetic.png(image) for image in synthetic.castings(32, seed=0).images]
    number = 0
    while True:
        number += 1
        yield drawn[number % len(drawn)] + number.to_bytes(8, "little")


def casting_model(folder: Path, threads: int) -> InspectorDecider:
    """Return a decider with the casting net; its weights are drawn, since speed does not depend on them."""
    graph = load_spec("casting_cnn").build((1, 300, 300), 2)
    golden = np.random.default_rng(0).integers(0, 256, (1, 300, 300, 1), dtype=np.uint8)
    preprocess = {"color_mode": "grayscale", "resize_mode": "pad"}
    data = model_bytes(
        graph,
        graph.initialise("glorot_uniform", 0),
        classes=["a", "b"],
        preprocess=preprocess,
        training={},
        golden=golden,
    )
    (folder / "net.gonogo").write_bytes(data)
    return InspectorDecider(Inspector(folder / "net.gonogo", n_threads=threads or None), gated=False, threads=threads)


def speed_of(decider: Decider, contents: Iterator[bytes], batch: int) -> float:
    """Return how many pictures a second a decider checks, decodes and decides on, in memory, over as many as a slice has."""
    files = [next(contents) for _ in range(batch)]
    rounds = math.ceil(_SLICE / batch)
    begun = 0.0
    for number in range(rounds + 1):
        if number == 1:  # the first one only warms up
            begun = time.perf_counter()
        for data in files:
            decider.check(data)
        decider.decide([[pixels] for pixels in decider.decode(files)])
    return batch * rounds / (time.perf_counter() - begun)


def measure(
    folder: Path, *, pictures: int, threads: int, tell: Callable[[str], None], **settings: Any
) -> list[dict[str, Any]]:
    """Return rows with ``name``, ``value``, ``unit`` and ``goal`` of a long run with a decider that costs nothing and a short one
    with the casting net.

    The net's own speed is measured in turns with the line's, since that of many a processor changes from minute to minute; its
    share is the median over the turns.

    Parameters
    ----------
    folder : pathlib.Path
        Empty; on the disk to measure.
    pictures : int
        Of the long run; the short one has an eighth.
    threads : int
        Of the casting net; 0: one for each processor.
    tell : callable
        Gets a line about the progress now and then.
    **settings
        Of ``Configuration``.
    """
    batch = Configuration(**{**_SETTINGS, **settings}).batch
    handled = sort_many(folder / "files", pictures, noise(), PassEverything(), tell, **settings)
    shutil.rmtree(folder / "files")
    decider, drawn, alone = casting_model(folder, threads), castings(), list[float]()

    def measure_alone() -> None:
        alone.append(speed_of(decider, drawn, batch))

    whole = sort_many(folder / "castings", max(1, pictures // 8), drawn, decider, tell, measure_alone, **settings)
    own, share = statistics.median(alone), statistics.median(map(operator.truediv, whole.rates, alone))
    mebibytes = {count: held / 2**20 for count, held in handled.memory.items()}
    rows = [
        _row("files handled, decider without cost", handled.rate, "files/s", ">= 1,000"),
        _row("journal", handled.bytes_per_picture, "bytes/picture", "<= 564"),
        *(_row(f"resident memory after {count:,}", held, "MiB", "") for count, held in mebibytes.items()),
        _row("casting net alone, from bytes in memory", own, "pictures/s", ""),
        _row("casting net on the line", statistics.median(whole.rates), "pictures/s", ""),
        _row("share of the net's own speed", 100 * share, "%", ">= 80"),
    ]
    if handled.growth is not None:
        rows.insert(2, _row("growth of resident memory", handled.growth / 2**20, "MiB", "<= 5"))
    return rows


def _row(name: str, value: float, unit: str, goal: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "goal": goal}
