"""``gonogo predict``: what a model says about pictures, one row for each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.cli.arguments import Commands, add_command, add_common
from gonogo.cli.datasets import open_model
from gonogo.cli.failures import BAD_INPUT, DONE, check_writable, writing
from gonogo.cli.output import counted, csv_bytes, note, note_expired, show, table
from gonogo.decision import REVIEW, Decision, Rule
from gonogo.errors import DecodeError
from gonogo.model_file import ModelFile
from gonogo.pictures import SUFFIXES, Pictures, read_pictures
from gonogo.storage import write_atomically
from gonogo.tiles import decide

DESCRIPTION = """
Classify picture files. A folder stands for the pictures that lie directly in it. A file that is no good picture gets a row
with its error; the others are classified all the same, and the exit code is 2. A model of tiles cuts each file; the file
passes only if every tile does, and --json tells what was found in each.
"""
EXAMPLES = """
gonogo predict parts.gonogo part-0815.png
gonogo predict parts.gonogo inbox/ --csv verdicts.csv
gonogo predict parts.gonogo inbox/*.jpg --json
"""

_CHUNK = 256  # pictures in memory at a time


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "predict",
        run,
        summary="classify pictures",
        usage="FILE PATH...",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("model_file", metavar="FILE", help="model file made by gonogo train")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="pictures, or folders of pictures")
    parser.add_argument("--csv", metavar="CSV", help="also write the rows to a table")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    out = None if args.csv is None else check_writable("csv", args.csv)
    model = open_model(args)
    rows = predict(model, find_pictures(args.paths), args.threads or 0)
    note_expired(args, None if model.certificate is None else model.certificate.valid_until)
    errors = sum("error" in row for row in rows)
    if out is not None:
        with writing(out):
            write_atomically(out, csv_bytes(*as_table(rows, model.classes)))
        note(args, f"{counted(len(rows), 'row')} written to {out}")
    show(args, {"rows": rows, "errors": errors, "model": str(args.model_file)}, _text(rows))
    if errors:
        print(
            f"{args.parser.prog}: {errors} of {counted(len(rows), 'file')} could not be classified; their rows say why",
            file=sys.stderr,
        )
    return BAD_INPUT if errors else DONE


def find_pictures(paths: list[str]) -> list[Path]:
    """Return the files that PATH stands for; missing ones are kept, to be told of in their row.

    Raises
    ------
    ValueError
        A folder holds no picture.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(entry for entry in path.iterdir() if not entry.name.startswith(".") and entry.is_file())
        pictures = [entry for entry in inside if entry.suffix.lower() in SUFFIXES]
        if not pictures:
            raise ValueError(
                f"PATH: the folder {path} holds no picture ({', '.join(sorted(SUFFIXES))}); folders in it are not searched"
            )
        files += pictures
    return files


def predict(model: ModelFile, files: Sequence[Path], threads: int = 0) -> list[dict[str, Any]]:
    """Return a row for each file: ``file`` and either ``label`` and ``probabilities`` or ``error`` and ``fault``.

    Of a model of tiles also ``tiles``: labels, probabilities and boxes on their grid; ``probabilities`` are then those of the
    tile that decides. Where the model has a gate, also ``decision`` (a class or REVIEW), ``score`` and ``reason``; a file is
    then one part.
    """
    rows: list[dict[str, Any]] = []
    for first in range(0, len(files), _CHUNK):
        part = files[first : first + _CHUNK]
        pictures, bad = _read(model, part, threads)
        if pictures is not None:
            logits, features = model.run(pictures.images)
            plain, shown = _core.probabilities(logits), model.probabilities(logits)
            # Without a probability a picture has no class: by position alone it would be the first, perhaps PASS.
            lost = pictures.kept[np.isnan(plain).any(axis=1)].tolist()
            reason = "the scores are not finite numbers; the net's weights are too large, train it again"
            bad |= {part[i]: DecodeError(part[i], "not-finite", reason, 0) for i in lost}
        for position, path in enumerate(part):
            row: dict[str, Any] = {"file": str(path)}
            if (error := bad.get(path)) is not None:
                row |= {"error": error.reason, "fault": error.fault}
                if model.certificate is not None:
                    row |= {"decision": REVIEW, "score": None, "reason": error.reason}
            elif pictures is not None:
                own = slice(*np.searchsorted(pictures.kept, [position, position + 1]).tolist())
                row |= _verdict(model, plain[own], shown[own], None if pictures.boxes is None else pictures.boxes[own])
                if (rule := model.rule) is not None:
                    said = model.decide(logits[own], None if features is None else features[own])
                    made = _doubted(model, rule, said, pictures, own)
                    row |= {"decision": made.label, "score": made.score, "reason": made.reason}
            rows.append(row)
    return rows


def _verdict(
    model: ModelFile, plain: NDArray[np.float64], shown: NDArray[np.float64], boxes: NDArray[np.int32] | None
) -> dict[str, Any]:
    """Label and probabilities of a picture, of which a model of tiles also says what it thinks of each tile."""
    if boxes is None:
        label = model.classes[int(plain[0].argmax())]
        return {"label": label, "probabilities": dict(zip(model.classes, shown[0].tolist(), strict=True))}
    made = decide(plain, boxes, model.classes, model.training.get("pass_label"), shown)
    return {
        "label": made.label,
        "probabilities": dict(zip(model.classes, made.probabilities.tolist(), strict=True)),
        "tiles": {
            "labels": made.tile_labels.tolist(),
            "probabilities": made.tile_probabilities.tolist(),
            "boxes": made.boxes.tolist(),
        },
    }


def _doubted(model: ModelFile, rule: Rule, said: Decision, pictures: Pictures, own: slice) -> Decision:
    """The gate's decision about a file that shows a part, or REVIEW where the file or a row of pixels leaves a doubt."""
    if doubt := model.checks.doubt_about_file(pictures.formats[own.start], pictures.unproven[own.start]):
        return rule.review(doubt)
    for view, readout in zip(pictures.images[own], pictures.readouts[own].tolist(), strict=True):
        if doubt := model.checks.doubt_about(view, readout):
            return rule.review(doubt)
    return said


def _read(model: ModelFile, files: Sequence[Path], threads: int) -> tuple[Pictures | None, dict[Path, DecodeError]]:
    """Decode files; return the good ones, in their order, and the errors of the others."""
    height, width, _ = model.sample_shape
    options: dict[str, Any] = {
        "image_size": (height, width),
        "color_mode": model.preprocess["color_mode"],
        "decoding": model.decoding,
        "threads": threads,
    }
    try:
        pictures = read_pictures(files, on_bad="skip", **options)
    except ValueError:
        # Not one is good, and that error tells of the first alone.
        bad = {}
        for path in files:
            try:
                read_pictures([path], **options)
            except DecodeError as error:
                bad[path] = error
        if len(bad) < len(set(files)):
            raise
        return None, bad
    return pictures, {error.path: error for error in pictures.bad}


def as_table(rows: Sequence[dict[str, Any]], classes: Sequence[str]) -> tuple[list[str], list[list[object]]]:
    """Return header and cells for a CSV table; a bad file has its error in the last column and no figures."""
    gated = ["decision", "score", "reason"] if any("decision" in row for row in rows) else []
    header = ["file", "label", *(f"probability_{name}" for name in classes), *gated, "error"]
    cells: list[list[object]] = []
    for row in rows:
        shares = row.get("probabilities", {})
        said = ["" if row[name] is None else row[name] for name in gated]
        figures = [shares.get(name, "") for name in classes]
        cells.append([row["file"], row.get("label", ""), *figures, *said, row.get("error", "")])
    return header, cells


def _text(rows: Sequence[dict[str, Any]]) -> str:
    gated = any("decision" in row for row in rows)
    shown: list[list[object]] = [["file", "class", "probability", *(["decision", "reason"] if gated else [])]]
    for row in rows:
        said = [row["decision"], row["reason"]] if gated else []
        if "error" in row:
            shown.append([row["file"], "ERROR", *(["", *said] if gated else [row["error"]])])
        else:
            shown.append([row["file"], row["label"], f"{row['probabilities'][row['label']]:.4f}", *said])
    return table(shown)
