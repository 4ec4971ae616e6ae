"""``gonogo info``: what is in a model file."""

from __future__ import annotations

import argparse
from datetime import date
from typing import Any

from gonogo.certificate import Certificate
from gonogo.certificate_words import assumptions, beside_words, promise
from gonogo.cli.arguments import Commands, add_command, add_common
from gonogo.cli.datasets import open_model
from gonogo.cli.failures import DONE
from gonogo.cli.output import show, table
from gonogo.expiry import days_left, validity
from gonogo.machine import fingerprint_differences
from gonogo.model_card import in_words, model_card
from gonogo.model_file import ModelFile
from gonogo.reference import Reference

DESCRIPTION = """
Show what is in a model file: classes, the pictures it expects, layers, how it was trained, and its digests. model_sha256 names
the net (layers and weights); file_sha256 names the very file. The fingerprint names what made it: code, engine, instruction
set and caches; where it is that of this machine, the same training gives the same file here. Reading a file includes its
self-test: a damaged file, or a machine that computes other scores than those stored, ends with exit code 3.
"""
EXAMPLES = """
gonogo info parts.gonogo
gonogo info parts.gonogo --json
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "info",
        run,
        summary="show what is in a model file",
        usage="FILE",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("model_file", metavar="FILE", help="model file made by gonogo train")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    model = open_model(args)
    certificate, today = model.certificate, date.today()
    last = None if certificate is None else certificate.valid_until
    result = {
        **model_card(model),
        "days_left": None if last is None else days_left(last, today),
        "fingerprint_differences": _differences(model.versions),
        "max_abs_diff": model.core.self_test(),
        "model": str(args.model_file),
    }
    words = [] if certificate is None else [_certificate_text(model, certificate, today)]
    show(args, result, "\n\n".join([_text(model, result), *words]))
    return DONE


def _certificate_text(model: ModelFile, certificate: Certificate, today: date) -> str:
    last = certificate.valid_until
    named = f"certificate {certificate.digest}" + ("" if last is None else f", {validity(last, today)}")
    needs = "\n".join(f"  - {text}" for text in assumptions(certificate))
    lines = "\n".join([*promise(certificate), *beside_words(certificate, model.review_zone, model.unknown_guard)])
    return f"{named}\n{lines}\nIt rests on this:\n{needs}"


def _text(model: ModelFile, result: dict[str, Any]) -> str:
    shape = result["input"]
    facts: list[list[object]] = [
        ["classes", ", ".join(result["classes"])],
        ["PASS class", result["pass_label"] or "not named"],
        ["pictures", f"{shape['height']}x{shape['width']} {shape['color_mode']}, other sizes: {shape['resize_mode']}"],
        ["trained on files of", "(not recorded)" if model.formats is None else str(model.formats)],
        ["preprocess", in_words(shape.get("preprocess"))],
        ["tiles", in_words(shape.get("tiles"))],
        ["16-bit grey", f"{shape['bit_depth']} bits in use"],
        ["parameters", f"{result['parameters']:,}"],
        ["multiply-adds", f"{result['multiply_adds']:,} a picture"],
        ["temperature", "none" if model.temperature is None else model.temperature],
        ["drift reference", _reference(model.reference)],
        ["self-test", f"passed, largest difference {result['max_abs_diff']:.3g}"],
        ["made by", _origin(result)],
        ["model_sha256", result["model_sha256"]],
        ["file_sha256", result["file_sha256"]],
    ]
    rows: list[list[object]] = [["layer", "kind", "output (c, h, w)", "parameters"]]
    rows += [
        [layer["name"], layer["kind"], "x".join(map(str, layer["shape"])), f"{layer['parameters']:,}"]
        for layer in result["layers"]
    ]
    training: list[list[object]] = [[key, in_words(value)] for key, value in sorted(result["training"].items())]
    return "\n\n".join([table(facts), table(rows, right=(3,)), "training\n" + table(training)])


def _reference(reference: Reference | None) -> str:
    if reference is None:
        return "none"
    low, middle, high = reference.to_dict()["brightness"]
    return f"{reference.passed:,} good parts; brightness {low:.4g} to {high:.4g}, median {middle:.4g}"


def _differences(versions: dict[str, Any]) -> list[str] | None:
    made_by = versions.get("fingerprint")
    return fingerprint_differences(made_by) if isinstance(made_by, dict) else None


def _origin(result: dict[str, Any]) -> str:
    version = f"gonogo {result['versions'].get('gonogo', 'of an unknown version')}"
    differences = result["fingerprint_differences"]
    if differences is None:
        return f"{version}, without a fingerprint"
    where = "that of this machine" if not differences else f"here others: {'; '.join(differences)}"
    return f"{version}, fingerprint {result['versions']['fingerprint'].get('digest')}, {where}"
