"""``status.json`` and ``gonogo.prom``: how the line is, for pages and for Prometheus (text format, node_exporter's textfile
collector). Nothing is decided by them, and sorting goes on where they cannot be written.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gonogo.line.clock import Clock
from gonogo.line.decider import expiry_doubt
from gonogo.line.disk import Disk, FileChangedError, NotRegularError
from gonogo.line.journal import shown
from gonogo.line.sorter import Sorter

_LEAST, _MOST = 1.0, 10.0  # seconds between two writes: at least, and at most where nothing changed
_WINDOW = 60.0  # seconds that a rate is taken over


def last_status(out: Path, disk: Disk) -> Mapping[str, Any]:
    """Return what the last sorter told of itself in ``status.json``; nothing where that cannot be read."""
    with suppress(OSError, ValueError, RecursionError, FileChangedError, NotRegularError):
        said = json.loads(disk.read(out / "status.json")[0])
        return said if isinstance(said, dict) else {}
    return {}


class Status:
    """Writes both files.

    Parameters
    ----------
    sorter : Sorter
        Whose state it is.
    clock : Clock
        Of the machine.
    """

    def __init__(self, sorter: Sorter, clock: Clock) -> None:
        self._sorter, self._clock = sorter, clock
        self._started = clock.today().isoformat(timespec="seconds")
        self._written = -_MOST
        self._last: dict[str, Any] = {}
        self._seen: deque[tuple[float, int]] = deque()
        self.recovered: Mapping[str, int] = {}
        self.self_test: dict[str, Any] | None = None
        self.problem = ""

    def tell(self, state: str, problem: str = "", *, at_once: bool = False) -> None:
        """Write how the line is, unless that was done just now, or nothing changed since it was done a while ago.

        Parameters
        ----------
        state : {"starting", "sorting", "watching", "waiting", "ended", "failed"}
            What it does; ``"waiting"`` for a folder or for room.
        problem : str
            What a person should look after.
        at_once : bool
            However short ago it was written.
        """
        now = self._clock.steady()
        if now - self._written < _LEAST and not at_once:
            return
        changing = self._changing(state, problem, now)
        if changing == self._last and now - self._written < _MOST and not at_once:
            return
        self._written, self._last = now, changing
        out, disk = self._sorter.places.out, self._sorter.disk
        try:
            values = {**changing, **self._measured(now)}
            disk.publish(out / "status.json", (json.dumps(values, indent=1, allow_nan=False) + "\n").encode())
            disk.publish(out / "gonogo.prom", "".join(f"{line}\n" for line in _prometheus(values)).encode())
            self.problem = ""
        except (OSError, NotRegularError) as error:
            self.problem = f"{out}: status.json or gonogo.prom cannot be written: {error}"

    def _changing(self, state: str, problem: str, now: float) -> dict[str, Any]:
        """What is worth a write when it is another one."""
        sorter, counts = self._sorter, self._sorter.counts
        done = counts.sorted + counts.review + counts.quarantined
        alarm = "" if sorter.drift is None else sorter.drift.problem
        over = expiry_doubt(sorter.decider, self._clock.today().date())
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= _WINDOW:
            self._seen.popleft()
        return {
            "state": state,
            "problems": [text for text in (problem, sorter.inbox.problem, alarm, over, sorter.csv.problem) if text],
            "started": self._started,
            "pictures": {
                "sorted": counts.sorted,
                "review": counts.review,
                "quarantined": counts.quarantined,
                "lost": counts.lost,
                "labels": {shown(label): count for label, count in sorted(counts.labels.items())},
            },
            "waiting": len(sorter.inbox.waiting),
            "self_test": self.self_test,
            "recovered": dict(self.recovered),
            **{key: sorter.decider.description[key] for key in ("model", "certificate", "version", "fingerprint")},
        }

    def _measured(self, now: float) -> dict[str, Any]:
        sorter, places = self._sorter, self._sorter.places
        (first, before), (_, done) = self._seen[0], self._seen[-1]
        alarms = [row for kind in ("ALARM", "LOST") if (row := sorter.journal.last(kind)) is not None]
        last = max(alarms, key=lambda row: row.sequence, default=None)
        today = self._clock.today()
        return {
            "time": today.isoformat(timespec="milliseconds"),
            "timestamp": today.timestamp(),
            "pictures_per_second": round((done - before) / (now - first), 3) if now > first else 0.0,
            "oldest_waiting_seconds": sorter.inbox.oldest(),
            "room_bytes": {  # of what is there: that a folder is gone must be told, too
                name: sorter.disk.free_bytes(place)
                for name, place in (("out", places.out), ("work", places.work), ("journal", places.journal.parent))
                if sorter.disk.status(place) is not None
            },
            "reserve_bytes": sorter.configuration.reserve_mb * 1_000_000,
            "alarms": {
                "count": sorter.journal.count("ALARM", "LOST"),
                "last": None if last is None else {"time": last.time, "reason": last.body.get("reason", "")},
            },
            "drift": None if sorter.drift is None else sorter.drift.figures,
            "journal": {"rows": sorter.journal.sequence, "head": sorter.journal.head},
        }


def _prometheus(values: Mapping[str, Any]) -> Iterator[str]:
    """Lines of the text format, version 0.0.4."""
    pictures, test = values["pictures"], values["self_test"]
    none: dict[str, str] = {}
    info = {key: values[key] for key in ("model", "certificate", "version", "fingerprint")}
    yield from _family("info", "gauge", "What decides.", [(info, 1)])
    yield from _family("state", "gauge", "What the line does.", [({"state": values["state"]}, 1)])
    yield from _family("timestamp_seconds", "gauge", "When this was written.", [(none, values["timestamp"])])
    decisions = [({"decision": label}, count) for label, count in pictures["labels"].items()]
    yield from _family("pictures_total", "counter", "Pictures done since the start, by decision.", decisions)
    yield from _family("lost_total", "counter", "Pictures that cannot be found.", [(none, pictures["lost"])])
    alarms = [(none, values["alarms"]["count"])]
    yield from _family("journal_alarms", "gauge", "Rows of alarms and losses in the journal's file.", alarms)
    rate = [(none, values["pictures_per_second"])]
    yield from _family("pictures_per_second", "gauge", "Rate of the last minute.", rate)
    yield from _family("waiting_files", "gauge", "Files in the inbox.", [(none, values["waiting"])])
    oldest = [(none, values["oldest_waiting_seconds"] or 0)]
    yield from _family("oldest_waiting_seconds", "gauge", "Since the longest-waiting file changed last.", oldest)
    room = [({"place": place}, free) for place, free in values["room_bytes"].items()]
    yield from _family("room_bytes", "gauge", "Bytes that may still be written.", room)
    yield from _family(
        "problems", "gauge", "Things that a person should look after.", [(none, len(values["problems"]))]
    )
    drift = values["drift"] or {}
    level = [({"of": key}, drift[key]) for key in ("statistic", "level") if drift]
    yield from _family("drift", "gauge", "The statistic of drift, and the level at which it is an alarm.", level)
    yield from _family("drift_alarm", "gauge", "1: an alarm stands.", [(none, int(bool(drift.get("alarm"))))])
    tested = [] if test is None else [(none, test["timestamp"])]
    yield from _family("self_test_timestamp_seconds", "gauge", "When the model was last found right.", tested)


def _family(name: str, kind: str, text: str, samples: Sequence[tuple[Mapping[str, Any], Any]]) -> Iterator[str]:
    yield f"# HELP gonogo_{name} {text}"
    yield f"# TYPE gonogo_{name} {kind}"
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(str(label))}"' for key, label in labels.items())
        yield f"gonogo_{name}{f'{{{inside}}}' if inside else ''} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
