"""``gonogo pilot``: plan a trial against human inspection, and tell where it stands."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np

from gonogo.cli.arguments import Commands, Parser, add_command, add_common, positive_number, share, whole_number
from gonogo.cli.failures import DONE, check_writable, writing
from gonogo.cli.output import counted, note, show, table
from gonogo.data.tables import read_table
from gonogo.line.files import LocalDisk
from gonogo.line.places import existing_journal
from gonogo.pilot.e_process import CERTIFIED, FAILED, NOT_SHOWN, Trial
from gonogo.pilot.operating import operating_characteristic, plot_operating_characteristic
from gonogo.pilot.plan import Duration, Plan, plan_trial
from gonogo.pilot.status import Status, trial_status
from gonogo.pilot.verdicts import COLUMNS, Verdict, verdicts_from_rows
from gonogo.reviewing import pilot_verdicts
from gonogo.storage import write_atomically

DESCRIPTION = """
A trial against human inspection: people look at all parts without seeing the model's answer, and each part that they find
bad shows whether the model would have passed it. 'plan' says how many bad parts that takes, 'status' whether the promise on
the escape rate is shown. One may look at the status as often as one likes: the promise holds all the same.
"""
EXAMPLES = """
gonogo pilot plan --bad-share .01 --parts-per-day 2000
gonogo pilot status verdicts.csv
"""
PLAN_DESCRIPTION = """
Say how many bad parts, parts and months a trial takes, and how probably it ends with which answer, for each true escape rate.
"""
PLAN_EXAMPLES = """
gonogo pilot plan --max-escape .01 --confidence .95 --bad-share .01 --parts-per-day 2000
gonogo pilot plan --bad-share .03 --true-escape .001 .003 --power .8 --plot plan.svg
"""
STATUS_DESCRIPTION = """
Read the verdicts of people and say whether the escape rate is shown to be below the stated one: 'certified', 'failed' or
'not shown yet'. VERDICTS is the folder that gonogo sort has filled and of which people looked at all pictures (gonogo review
OUT --all --blind), or a table of verdicts from elsewhere. The table has a row for each look at a part, with the columns part,
model_passed (true or false), verdict (good or bad) and reviewer; time (ISO 8601) and reference (good, bad or empty: what a
better examination found) may follow. A part counts once. Verdicts must be blind: of people who do not see the model's answer;
of a folder others are left out, and told.
"""
STATUS_EXAMPLES = """
gonogo pilot status sorted/
gonogo pilot status verdicts.csv
gonogo pilot status verdicts.csv --max-escape .02 --confidence .9 --json
"""


def add_parser(commands: Commands) -> None:
    """Add the command with its two."""
    parser = add_command(
        commands,
        "pilot",
        lambda args: int(args.run(args)),
        summary="plan and judge a trial against human inspection",
        usage="plan|status",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    actions = parser.add_subparsers(
        title="commands", prog="gonogo pilot", metavar="plan|status", dest="action", required=True
    )
    _add_plan(actions)
    _add_status(actions)


def _add_plan(actions: Commands) -> None:
    parser = add_command(
        actions,
        "plan",
        run_plan,
        summary="bad parts, parts and months",
        usage="--bad-share P",
        description=PLAN_DESCRIPTION,
        examples=PLAN_EXAMPLES,
    )
    parser.usage = "gonogo pilot plan --bad-share P [options]"
    _add_promise(parser)
    parser.add_argument("--bad-share", type=share, required=True, metavar="P", help="share of bad parts, such as .01")
    parser.add_argument("--parts-per-day", type=positive_number("2000"), metavar="N", help="parts inspected in a day")
    parser.add_argument(
        "--days-per-month", type=positive_number("21"), default=21, metavar="N", help="days of production"
    )
    parser.add_argument(
        "--true-escape",
        type=share,
        nargs="+",
        default=[0.002],
        metavar="R",
        help="escape rates that the model may have (default: 0.002)",
    )
    parser.add_argument(
        "--power",
        type=share,
        default=0.9,
        metavar="Q",
        help="probability with which the largest of them below --max-escape is certified by the planned end",
    )
    parser.add_argument(
        "--bad-parts", type=whole_number(1), metavar="N", help="planned end (default: what --power asks for)"
    )
    parser.add_argument("--plot", metavar="FILE", help="also draw it: an .svg, .png or .pdf file; needs matplotlib")
    add_common(parser, threads=False)


def _add_status(actions: Commands) -> None:
    parser = add_command(
        actions,
        "status",
        run_status,
        summary="certified, failed, or not shown yet",
        usage="VERDICTS",
        description=STATUS_DESCRIPTION,
        examples=STATUS_EXAMPLES,
    )
    parser.usage = "gonogo pilot status VERDICTS [options]"
    parser.add_argument("verdicts", metavar="VERDICTS", help="folder that gonogo sort has filled, or table of verdicts")
    parser.add_argument(
        "--pass-label", metavar="LABEL", help="class that means PASS in a folder (default: as the model says)"
    )
    parser.add_argument("--journal", metavar="FILE", help="journal of a folder (default: that of the last start)")
    _add_promise(parser)
    parser.add_argument(
        "--bad-parts", type=whole_number(1), metavar="N", help="planned end: from then on an open trial is 'not shown'"
    )
    add_common(parser, threads=False)


def _add_promise(parser: Parser) -> None:
    parser.add_argument(
        "--max-escape", type=share, default=0.01, metavar="A", help="share of bad parts called PASS, at most"
    )
    parser.add_argument("--confidence", type=share, default=0.95, metavar="C", help="with which that is shown")


def run_plan(args: argparse.Namespace) -> int:
    """Run ``gonogo pilot plan``."""
    out = None if args.plot is None else _checked_plot(args.plot)
    made = plan_trial(
        Trial(args.max_escape, args.confidence),
        bad_share=args.bad_share,
        true_escape=args.true_escape,
        power=args.power,
        bad_parts=args.bad_parts,
        parts_per_day=args.parts_per_day,
        days_per_month=args.days_per_month,
    )
    if out is not None:
        _draw(made, out)
        note(args, f"drawn in {out}")
    # Nothing is shown before the first part.
    show(args, {"decision": NOT_SHOWN, **made.to_dict(), "plot": out and str(out)}, _plan_text(made))
    return DONE


def run_status(args: argparse.Namespace) -> int:
    """Run ``gonogo pilot status``."""
    verdicts = _verdicts(args)
    trial = Trial(args.max_escape, args.confidence)
    found = trial_status(verdicts, trial, planned_bad_parts=args.bad_parts, source=args.verdicts)
    for warning in found.warnings:
        note(args, f"warning: {warning}")
    show(args, found.to_dict(), _status_text(found))
    return DONE


def _verdicts(args: argparse.Namespace) -> list[Verdict]:
    out, disk = Path(args.verdicts), LocalDisk()
    if not out.exists():
        raise FileNotFoundError(
            f"VERDICTS: found no {out}; expected a table of verdicts, or a folder that gonogo sort has filled"
        )
    if not out.is_dir():
        return verdicts_from_rows(read_table(args.verdicts, COLUMNS, "VERDICTS"), args.verdicts)
    found = pilot_verdicts(out, existing_journal(out, disk, args.journal), disk, args.pass_label)
    for reason, count in found.left_out.items():
        note(args, f"left out: {count:,} {reason}")
    return found.verdicts


def _checked_plot(name: str) -> Path:
    path = check_writable("plot", name)
    if path.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise ValueError(f"plot: found {name!r}, expected a name that ends in .svg, .png or .pdf")
    try:
        import matplotlib  # noqa: F401 - before the work
    except ImportError:
        raise ValueError("plot: matplotlib is not installed; leave --plot out or install gonogo[notebook]") from None
    return path


def _draw(made: Plan, out: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    rates = np.linspace(0.0, min(3.0 * made.trial.max_escape, 1.0), 61)
    picture = io.BytesIO()
    # Neither the date nor random names: equal plans give equal files.
    with matplotlib.rc_context({"svg.hashsalt": "gonogo"}):
        figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
        plot_operating_characteristic(operating_characteristic(made.trial, rates.tolist(), made.end.bad_parts), ax=axes)
        kind = out.suffix.lower().removeprefix(".")
        dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        figure.savefig(picture, format=kind, dpi=150, metadata=dated)
        plt.close(figure)
    with writing(out):
        write_atomically(out, picture.getvalue())


def _plan_text(made: Plan) -> str:
    a, confidence = _percent(made.trial.max_escape), _percent(made.trial.confidence)
    rows: list[list[str]] = [["to certify", "bad parts", "parts", "months"]]
    for k, duration in enumerate(made.least):
        rows.append([f"with {counted(k, 'escape')}", *_cells(duration)])
    for rate, (half, powered) in made.needed.items():
        for probability, duration_or_none in ((0.5, half), (made.power, powered)):
            what = f"at a true rate of {_percent(rate)}, in {_percent(probability)} of trials"
            rows.append([what, *_cells(duration_or_none)])
    rows.append(["planned end", *_cells(made.end)])
    shown = made.characteristic
    ends: list[list[str]] = [["true escape rate", "certified", "failed", "not shown"]]
    for rate, *chances in zip(shown.true_escape, shown.certified, shown.failed, shown.not_shown, strict=True):
        ends.append([_percent(rate), *(f"{100 * chance:.1f} %" for chance in chances)])
    return "\n".join(
        [
            f"To show, at {confidence} confidence, that less than {a} of all bad parts are called PASS:",
            "",
            table(rows, right=(1, 2, 3)),
            "",
            f"How it ends, looked at after each of {made.end.bad_parts:,} bad parts:",
            "",
            table(ends, right=range(4)),
        ]
    )


def _cells(duration: Duration | None) -> list[str]:
    if duration is None:
        return ["later", "", ""]
    months = "" if duration.months is None else f"{duration.months:.1f}"
    return [f"{duration.bad_parts:,}", f"{duration.parts:,}", months]


def _status_text(found: Status) -> str:
    a, confidence = _percent(found.trial.max_escape), _percent(found.trial.confidence)
    meaning = {
        CERTIFIED: f"at {confidence} confidence, less than {a} of all bad parts are called PASS",
        FAILED: f"at {confidence} confidence, more than {a} of all bad parts are called PASS",
    }.get(found.decision, f"{counted(found.missing, 'more bad part')} would certify {a}, if no escape comes")
    lines = [f"{found.decision}: {meaning}"]
    if found.decided_by is not None and found.decided_by.time is not None:
        lines.append(f"decided with part {found.decided_by.name} at {found.decided_by.time.isoformat(' ')}")
    lines += [
        "",
        f"parts     {found.parts:,}, {len(found.disputed):,} of them disputed",
        f"escape    {found.escape.describe('parts')}",
        f"overkill  {found.overkill.describe('parts')}",
    ]
    if found.agreements:
        rows = [["agreement of", "and", "parts", "agree", "kappa", "95 % interval"]]
        for pair in found.agreements:
            low, high = pair.interval
            limits = "" if np.isnan(low) else f"{low:.3f} to {high:.3f}"
            kappa = "undefined" if np.isnan(pair.kappa) else f"{pair.kappa:.3f}"
            rows.append([*pair.judges, f"{pair.observed.of:,}", f"{pair.observed.value:.4f}", kappa, limits])
        lines += ["", table(rows, right=(2, 3, 4))]
    judged = [person for person in found.reviewers if person.escape.of + person.overkill.of > 0]
    for person in judged:
        lines += ["", f"{person.name}: escape    {person.escape}", f"{person.name}: overkill  {person.overkill}"]
    return "\n".join(lines)


def _percent(value: float) -> str:
    return f"{100 * value:g} %"
