"""The main job from folder to report, with every plot and every command, in one process.

Usage: main_workflow.py FOLDER, an empty one. Prints a digest of the scores, which must not depend on how Python was
started. It stands alone, since an isolated Python does not look beside the program; and it asserts nothing, since an
optimising Python would leave that out.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

import gonogo
from gonogo import Augment, Dataset, InspectionClassifier, evaluate, load, load_split, save_split
from gonogo.cli import build_parser, main

mpl.use("Agg")
FOLDER = Path(sys.argv[1])
CASTINGS, MODEL, OTHER, NET = (FOLDER / name for name in ("castings", "a.gonogo", "b.gonogo", "net.toml"))
SPLIT = FOLDER / "split.csv"
NET_TEXT = """
[[layers]]
type = "conv"
filters = 4
kernel = 3
stride = 2
activation = "relu"

[[layers]]
type = "flatten"

[[layers]]
type = "dense"
units = "classes"
"""
TRAIN = ["--split", SPLIT, "--subset", "train", "--groups", CASTINGS / "groups.csv"]
UNSEEN = ["--split", SPLIT, "--subset", "rest", "--groups", CASTINGS / "groups.csv"]
TRAINING = [*TRAIN, "--model", NET, "--pass-label", "ok_front", "--quiet"]
# Command, exit codes that are right, arguments.
COMMANDS: list[tuple[str, set[int], list[object]]] = [
    ("synth", {0}, ["--out", CASTINGS, "--n", 160, "--size", 64, 64]),
    ("inspect", {0}, [CASTINGS, "--json"]),
    ("audit", {0, 5}, [CASTINGS, "--report", FOLDER / "audit"]),
    ("split", {0}, [CASTINGS, *TRAIN[-2:], "--fractions", "train=.5,rest=.5", "--out", SPLIT]),
    ("train", {0}, [CASTINGS, *TRAINING, "--epochs", 2, "--resume", "--out", MODEL]),
    ("train", {0}, [CASTINGS, *TRAINING, "--epochs", 3, "--cache", FOLDER / "cache", "--out", OTHER]),
    (
        "calibrate",
        {0},
        [MODEL, CASTINGS, *UNSEEN, "--max-escape", ".6", "--confidence", ".6", "--out", FOLDER / "c.gonogo"],
    ),
    ("evaluate", {0}, [MODEL, CASTINGS, *TRAIN, "--json"]),
    ("compare", {0, 5}, [MODEL, OTHER, CASTINGS, *UNSEEN]),
    ("predict", {0}, [MODEL, CASTINGS / "ok_front", "--csv", FOLDER / "rows.csv"]),
    ("info", {0}, [FOLDER / "c.gonogo"]),
    ("cross-validate", {0}, [CASTINGS, *TRAINING, "--folds", 2, "--epochs", 1, "--worksheet", FOLDER / "suspects.csv"]),
    ("label", {2}, [FOLDER / "nowhere"]),  # what it serves, it serves until Ctrl-C
    ("relabel", {0}, [CASTINGS, FOLDER / "suspects.csv", "--csv", FOLDER / "relabelled.csv"]),
    ("sort", {0}, [FOLDER / "c.gonogo", CASTINGS / "ok_front", FOLDER / "sorted", "--copy"]),
    (
        "service",
        {0},
        ["write", FOLDER / "c.gonogo", CASTINGS / "ok_front", FOLDER / "sorted", "--user", "line", "--json"],
    ),
    ("stream", {2}, [FOLDER / "c.gonogo", "--socket", FOLDER / "c.gonogo"]),  # as label
    ("mqtt", {2}, [FOLDER / "nowhere", "--topic", "line"]),  # as label
    ("review", {2}, [FOLDER / "nowhere"]),  # as label
    ("dashboard", {0}, [FOLDER / "sorted", "--page", FOLDER / "line.html"]),
    ("recover", {0}, [FOLDER / "sorted"]),
    ("verify", {0}, [FOLDER / "sorted"]),
    ("replay", {2}, [FOLDER / "sorted", "nobody"]),  # ids are drawn when the journal is made
    ("journal", {0}, ["export", FOLDER / "sorted", "--out", FOLDER / "decisions.csv"]),
    ("archive", {0}, [FOLDER / "sorted", "--before", "2100-01-01", "--delete"]),
    ("selftest", {0}, [MODEL]),
    ("bench", {0}, ["line", "--pictures", 4, "--dir", FOLDER]),
    ("pilot", {0}, ["plan", "--bad-share", ".01", "--parts-per-day", 2000]),
    ("demo", {0}, ["--out", FOLDER / "demo", "--n", 120, "--epochs", 1]),
]


def require(holds: bool, text: str) -> None:
    """End the program with a text where something does not hold."""
    if not holds:
        raise SystemExit(text)


def run_commands() -> None:
    """Run every command."""
    NET.write_text(NET_TEXT)
    for command, right, arguments in COMMANDS:
        told = io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            code = main([command, *map(str, arguments)])
        require(code in right, f"{command}: exit code {code}:\n{told.getvalue()}")
    parsers = build_parser()._subparsers
    choices = next(iter(parsers._group_actions)).choices if parsers is not None else None
    forgotten = set(choices or ()) - {command for command, *_ in COMMANDS}
    require(choices is not None and not forgotten, f"add to COMMANDS of this program: {forgotten}")


def work() -> str:
    """Do the same from Python; return the scores as a digest."""
    data = Dataset.from_folder(CASTINGS, groups=CASTINGS / "groups.csv")
    parts = load_split(save_split(FOLDER / "parts.csv", data.split({"train": 0.5, "test": 0.5}, seed=3)), data)
    classifier = InspectionClassifier(
        str(NET), augment=Augment.preset("casting"), epochs=2, random_state=1, pass_label="ok_front", verbose=False
    )
    log = [gonogo.CSVLogger(FOLDER / "log.csv"), gonogo.ModelCheckpoint(FOLDER / "checkpoint.gonogo")]
    classifier.fit(parts["train"], validation_data=parts["test"], callbacks=log)
    loaded = load(classifier.save(FOLDER / "model.gonogo"))
    scores = loaded.decision_function(parts["test"])
    require(bool((scores == classifier.decision_function(parts["test"])).all()), "a loaded model scores otherwise")
    report = evaluate(loaded, parts["test"])
    require(len(str(report)) > 0, "the report is empty")
    for plot in (report.plot_confusion, report.plot_gallery, report.plot_errors, classifier.history_.plot):
        plot()
    data.plot_classes()
    data.plot_grid(n=4)
    data.plot_pixels(0, rows=slice(0, 4), cols=slice(0, 4))
    gonogo.plot_split(parts)
    plt.close("all")
    return hashlib.sha256(scores.tobytes()).hexdigest()[:16]


if __name__ == "__main__":
    run_commands()
    print(work())
