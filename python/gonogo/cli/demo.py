"""``gonogo demo``: the main job from beginning to end on generated castings."""

from __future__ import annotations

import argparse
import shutil
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gonogo import synthetic
from gonogo.augment import Augment
from gonogo.callbacks import Callback, EarlyStopping
from gonogo.certificate_words import promise
from gonogo.classifier import InspectionClassifier
from gonogo.cli.arguments import Commands, add_command, add_common, whole_number
from gonogo.cli.demo_line import FOLDERS, line_text, run_line
from gonogo.cli.failures import DONE, writing
from gonogo.cli.output import csv_bytes, note, show, table
from gonogo.cli.predict import as_table, predict
from gonogo.cli.synth import drawing
from gonogo.cli.watching import EpochLines
from gonogo.data import Dataset, save_split
from gonogo.errors import NotCertifiable
from gonogo.evaluation import evaluate
from gonogo.gate import PassGate
from gonogo.model_file import read_model
from gonogo.report import Report
from gonogo.storage import write_atomically

DESCRIPTION = """
The main job from beginning to end, on pictures that are drawn for it: generate castings, split them so that pictures of one
part stay together, train with augmentation, certify a PASS threshold on parts that the net has never seen, test on others, write
the report page, classify a few files, sort those of the test as a line would, and show on a page how the line is. It takes less
than a minute on two cores and leaves everything in one folder, to look at and to play with.

The certificate is about 5 % of the bad parts at 95 % confidence, for which 59 bad parts suffice; 1 % needs 299, which take
longer to draw. With --n below 1,200 or so there are fewer than 59: then no certificate is given, and the demo says so.
"""
EXAMPLES = """
gonogo demo
gonogo demo --out /tmp/demo --json
gonogo demo --n 300 --epochs 2
"""

MARKER = ".gonogo-demo"
MARKER_TEXT = (
    "gonogo demo made this folder; a later demo replaces castings/, inbox/, sorted/ and its own files in here.\n"
)
FRACTIONS = {"train": 0.607, "validation": 0.058, "calibration": 0.232, "test": 0.103}
PASS = "ok_front"
MAX_ESCAPE, CONFIDENCE = 0.05, 0.95
# What an earlier demo made and this one may not make.
LEFT_OVER = ("certified.gonogo", "split.csv.ledger")
PREDICTED = 6
NEXT = """Next, with your own pictures, one folder per class:
  gonogo train YOUR-PICTURES --validation 0.2 --augment casting --out parts.gonogo"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "demo",
        run,
        summary="see it all work, on generated castings, in a minute",
        usage="",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument(
        "--out", default="gonogo-demo", metavar="DIR", help="folder to fill: new, empty, or made by a demo before"
    )
    parser.add_argument("--n", type=whole_number(100), default=3200, metavar="N", help="pictures to draw")
    parser.add_argument(
        "--epochs", type=whole_number(1), default=20, metavar="N", help="passes over the training pictures"
    )
    add_common(parser, seed="pictures, split and training")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    begun = time.perf_counter()
    out = _prepare(Path(args.out))
    note(args, f"1. drawing {args.n:,} castings into {out / 'castings'}")
    with writing(out), drawing(args) as progress:
        synthetic.write(out / "castings", args.n, seed=args.seed, progress=progress)

    data = Dataset.from_folder(out / "castings", groups=out / "castings" / "groups.csv", threads=args.threads or 0)
    parts = data.split(FRACTIONS, seed=args.seed)
    with writing(out):
        save_split(out / "split.csv", parts)
    counts = ", ".join(f"{len(part):,} {name}" for name, part in parts.items())
    note(args, f"2. split by part: {counts}; pictures of one part stay together")

    note(args, f"3. training casting_cnn for {args.epochs} epochs")
    classifier = _train(args, parts)
    with writing(out):
        classifier.save(out / "model.gonogo")

    gate, refusal = _calibrate(args, parts["calibration"], classifier, out)

    note(args, f"5. testing on {len(parts['test']):,} pictures of other parts that the net has never seen")
    report = evaluate(classifier, parts["test"], gate)
    model = read_model(out / "model.gonogo", threads=args.threads or 0)
    rows = predict(model, (parts["test"].paths or [])[:: max(1, len(parts["test"]) // PREDICTED)][:PREDICTED])
    with writing(out):
        page = report.to_html(out / "report.html")
        write_atomically(out / "report.txt", f"{report}\n")
        write_atomically(out / "predictions.csv", csv_bytes(*as_table(rows, model.classes)))
        drawn = _draw(out, classifier, report)
    line = run_line(
        args,
        out,
        parts["test"].paths or [],
        out / ("model.gonogo" if gate is None else "certified.gonogo"),
        gated=gate is not None,
    )
    seconds = time.perf_counter() - begun
    result = {
        "accuracy": report.accuracy.value,
        "seconds": seconds,
        "n": len(report),
        "images": len(parts["train"]),
        "images_per_second": classifier.images_per_second_,
        "epochs": classifier.n_iter_,
        "parameters": classifier.parameter_count_,
        "escape": report.to_dict()["escape"],
        "overkill": report.to_dict()["overkill"],
        "certificate": None if gate is None else gate.certificate_,
        "refusal": refusal,
        "rows": rows,
        "model": str(out / "model.gonogo"),
        "report": str(page),
        **line,
        "out": str(out),
    }
    certificate = refusal if gate is None else "\n".join(promise(gate.certificate))
    show(args, result, _summary(result, report, certificate, out, drawn))
    return DONE


def _calibrate(
    args: argparse.Namespace, parts: Dataset, classifier: InspectionClassifier, out: Path
) -> tuple[PassGate | None, str]:
    """Certify a threshold, or say why not."""
    promised = f"at most {MAX_ESCAPE:.0%} of bad parts pass, at {CONFIDENCE:.0%} confidence"
    note(args, f"4. calibrating PASS on {len(parts):,} pictures of parts that the net has never seen: {promised}")
    gate = PassGate(classifier, PASS, MAX_ESCAPE, CONFIDENCE)
    try:
        gate.fit(parts)
    except NotCertifiable as refusal:
        note(args, f"   no certificate: {refusal.reason}")
        return None, refusal.reason
    with writing(out):
        gate.save(out / "certified.gonogo")
    return gate, ""


def _prepare(out: Path) -> Path:
    """Make the folder, or empty what an earlier demo left in it; refuse one that holds anything else."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"out: {out} is a file, expected a folder")
    marked = (out / MARKER).is_file()
    if out.is_dir() and any(out.iterdir()) and not marked:
        raise ValueError(f"out: the folder {out} holds files that no demo made; name a new folder")
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / MARKER, MARKER_TEXT)
        for name in ("castings", *FOLDERS):
            if (out / name).is_dir():
                shutil.rmtree(out / name)
        for name in LEFT_OVER:
            (out / name).unlink(missing_ok=True)
    return out


def _train(args: argparse.Namespace, parts: dict[str, Dataset]) -> InspectionClassifier:
    shows_bar = not args.quiet and EpochLines.terminal()
    best = EarlyStopping(patience=args.epochs, restore_best_weights=True)
    watching: list[Callback] = [best] if shows_bar or args.quiet else [best, EpochLines(args.epochs)]
    classifier = InspectionClassifier(
        model="casting_cnn",
        augment=Augment.preset("casting"),
        epochs=args.epochs,
        batch_size=32,
        schedule="one_cycle",
        learning_rate=0.002,
        pass_label=PASS,
        n_threads=args.threads,
        random_state=args.seed,
        verbose=shows_bar,
    )
    return classifier.fit(parts["train"], validation_data=parts["validation"], callbacks=watching)


def _draw(out: Path, classifier: InspectionClassifier, report: Report) -> list[str]:
    """Draw what there is to see, where matplotlib is installed; return the names of the files."""
    if find_spec("matplotlib") is None:
        return []
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    pictures: dict[str, Any] = {
        "gallery.png": report.plot_gallery,
        "mistakes.png": report.plot_errors,
        "confusion.png": report.plot_confusion,
        "curves.png": classifier.history_.plot,
    }
    for name, plot in pictures.items():
        figure = plot().figure
        figure.savefig(out / name, dpi=120)
        plt.close(figure)
    return list(pictures)


def _summary(result: dict[str, Any], report: Report, certificate: str, out: Path, drawn: list[str]) -> str:
    files: list[list[object]] = [
        ["castings/", "the pictures, one folder per class, and which show one part (groups.csv)"],
        ["split.csv", "which picture was used for what"],
        ["model.gonogo", f"the trained net: {result['parameters']:,} parameters"],
        ["report.html", "the report: may we ship on this? Open it in a browser, or print it"],
        ["report.txt", "the table above"],
        ["predictions.csv", "the rows above"],
        ["sorted/", "what a line made of the test's pictures: a folder for each class, REVIEW and QUARANTINE"],
        ["sorted/dashboard.html", "is the line healthy? Open it in a browser"],
    ]
    if result["certificate"]:
        files.insert(3, ["certified.gonogo", "the same net with its certified PASS threshold"])
    files += [[name, "to look at"] for name in drawn]
    rows: list[list[object]] = [
        [
            Path(row["file"]).parent.name,
            Path(row["file"]).name,
            f"{row['label']} {row['probabilities'][row['label']]:.1%}",
        ]
        for row in result["rows"]
    ]
    done = (
        f"Done in {result['seconds']:.0f} s: {result['accuracy']:.2%} of {result['n']} pictures right, on parts never seen "
        f"before; trained at {result['images_per_second']:,.0f} images/s."
    )
    blocks = [
        str(report),
        f"{'certificate' if result['certificate'] else 'no certificate'}\n{certificate}",
        f"predictions: truth, file, what the net says\n{table(rows)}",
        line_text(result),
        f"files in {out}\n{table(files)}",
        done,
        f"{NEXT}\nWhat the line left to people, or marked for an audit, by keyboard:\n  gonogo review {result['sorted']}",
    ]
    return "\n\n".join(blocks)
