"""Options that commands share, and the types of their values."""

from __future__ import annotations

import argparse
import math
import textwrap
from collections.abc import Callable, Collection
from typing import Any, NoReturn, Protocol

from gonogo import _core
from gonogo.checks import THREADS_MAX
from gonogo.cli.failures import BAD_INPUT
from gonogo.decoding import BIT_DEPTHS, RESIZE_MODES
from gonogo.expiry import check_last_day
from gonogo.pictures import COLOR_MODES

LARGEST_SEED = 2**64 - 1


class Commands(Protocol):
    """What parsers of commands are added to."""

    def add_parser(self, name: str, **options: Any) -> Parser:
        """Return the parser of a new command."""


class _HelpFormatter(argparse.HelpFormatter):
    """Fits paragraphs to the terminal, keeps the layout of examples, and tells defaults that are worth telling."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        def fill(paragraph: str) -> str:
            layout_matters = "\n  " in f"\n{paragraph}"
            return (
                paragraph
                if layout_matters
                else textwrap.fill(" ".join(paragraph.split()), width, initial_indent=indent)
            )

        return "\n\n".join(map(fill, text.split("\n\n")))

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help or ""
        tells = (
            action.option_strings
            and isinstance(action.default, (int, float, str))
            and not isinstance(action.default, bool)
        )
        silent = action.default == argparse.SUPPRESS or "default" in text
        return f"{text} (default: %(default)s)" if tells and not silent else text


class Parser(argparse.ArgumentParser):
    """Complains in one line. ``of_file``: how the configuration file calls the parameters whose values are its own."""

    def __init__(self, **options: Any) -> None:
        self.of_file: dict[str, str] = {}
        super().__init__(**{"allow_abbrev": False, "formatter_class": _HelpFormatter, **options})

    def error(self, message: str) -> NoReturn:
        """End with exit code 2 and one line that names the option."""
        self.exit(BAD_INPUT, f"{self.prog}: {message.removeprefix('argument ')}; see {self.prog} --help\n")


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    summary: str,
    usage: str,
    description: str,
    examples: str,
) -> Parser:
    """Add a command whose ``run`` returns the exit code; ``usage`` is its line without program and ``[options]``."""
    epilog = "examples:\n" + "\n".join(map(_example, examples.strip().splitlines()))
    line = f"gonogo {name} {usage} [options]".replace("  ", " ")
    parser = commands.add_parser(name, help=summary, usage=line, description=description.strip(), epilog=epilog)
    parser.set_defaults(run=run, parser=parser)
    return parser


def _example(line: str) -> str:
    """Indent a command; one that no narrow terminal holds goes on in the next line, in a way that shells understand."""
    parts = textwrap.wrap(line, 74, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return " \\\n".join(f"  {part}" for part in parts)


def add_common(parser: Parser, *, threads: bool = True, seed: str | None = None) -> None:
    """Add what (nearly) every command takes; ``seed`` says what the seed decides."""
    group = parser.add_argument_group("common options")
    if threads:
        group.add_argument(
            "--threads",
            type=whole_number(1, THREADS_MAX),
            metavar="N",
            help="worker threads; the results do not depend on them (default: one for each processor)",
        )
    if seed:
        group.add_argument("--seed", type=whole_number(0, LARGEST_SEED), default=0, metavar="S", help=f"decides {seed}")
    group.add_argument("--json", action="store_true", help="print one JSON object; progress goes to standard error")
    group.add_argument("--quiet", action="store_true", help="no progress and no remarks on standard error")
    group.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
    group.add_argument(
        "--instruction-set",
        choices=_core.instruction_sets(),
        help="use no newer processor instructions than these (default: the best of this machine)",
    )


def add_data(parser: Parser, *, mixed: bool = False, of_model: bool = False) -> None:
    """Add DATA and the options that say how it is read; ``of_model``: a model says how its pictures are read."""
    parser.add_argument(
        "data",
        metavar="DATA",
        help="folder with one folder of pictures (JPEG, PNG, BMP, TIFF) per class, or a CSV table",
    )
    group = parser.add_argument_group("data options")
    group.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="which class folders to use, in this order; FOLDER=NAME renames, and joins folders that get one name "
        "(default: all, in alphanumeric order)",
    )
    group.add_argument(
        "--groups", metavar="CSV", help="table with columns class,file,group: which pictures show one part"
    )
    group.add_argument("--split", metavar="CSV", help="split file made by gonogo split")
    group.add_argument("--subset", metavar="NAME", help="subset of --split to use")
    group.add_argument(
        "--image-size",
        nargs=2,
        type=whole_number(1, 16384),
        metavar=("H", "W"),
        help="height and width that pictures are brought to "
        + (
            "(default: those of the model)" if of_model else "(default: their own, which must then be one and the same)"
        ),
    )
    group.add_argument(
        "--color-mode",
        choices=COLOR_MODES,
        help="channels; "
        + ("auto: those of the model (default)" if of_model else "auto: grey if all pictures are grey (default)"),
    )
    group.add_argument(
        "--resize-mode",
        choices=RESIZE_MODES,
        help=f"what happens to another aspect ratio (default: {'that of the model' if of_model else 'pad'})",
    )
    group.add_argument(
        "--bit-depth",
        type=int,
        choices=BIT_DEPTHS,
        help="bits in use of grey pictures with 16 bits; larger values make a file bad "
        f"(default: {'that of the model' if of_model else '16'})",
    )
    group.add_argument(
        "--on-bad",
        choices=("raise", "skip"),
        default="raise",
        help="end at the first bad file, or list and leave out bad ones",
    )
    if mixed:
        group.add_argument(
            "--on-mixed",
            choices=("raise", "exclude"),
            default="raise",
            help="end when a group holds pictures of several classes, or leave such groups out",
        )
    group.add_argument(
        "--cache",
        metavar="DIR",
        help="folder in which decoded pictures are kept, so that the next command reads them at once",
    )
    add_table_options(group)
    group.add_argument("--group-col", metavar="NAME", help="for a CSV table: column of the groups")


def add_table_options(group: argparse._ArgumentGroup) -> None:
    """Add what says how a CSV table is read."""
    group.add_argument(
        "--root", metavar="DIR", help="for a CSV table: folder its paths start from (default: that of the table)"
    )
    group.add_argument("--path-col", default="path", metavar="NAME", help="for a CSV table: column of the paths")
    group.add_argument("--label-col", default="label", metavar="NAME", help="for a CSV table: column of the classes")


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return the type of an integer within bounds."""
    wanted = f"a whole number of at least {least}" if most is None else f"a whole number from {least} to {most}"

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"found {text!r}, expected {wanted}")
        return value

    return parse


def positive_number(example: str) -> Callable[[str], float]:
    """Return the type of a finite number above 0."""

    def parse(text: str) -> float:
        value = as_number(text)
        if value is None or not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"found {text!r}, expected a finite number above 0, such as {example}")
        return value

    return parse


def share(text: str) -> float:
    """Return a number between 0 and 1, neither of them."""
    value = as_number(text)
    if value is None or not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number between 0 and 1, such as 0.01")
    return value


def last_day(text: str) -> str:
    """Return a day written as YYYY-MM-DD."""
    try:
        return check_last_day("day", text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("day: ")) from None


def as_number(text: str) -> float | None:
    """Return the number that a text holds, None where it holds none."""
    try:
        return float(text)
    except ValueError:
        return None


def value_of(text: str) -> int | float | bool | str:
    """Return true, false, an integer, a number or, where it is none of these, the text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return int(text)
    except ValueError:
        number = as_number(text)
        return text if number is None else number


def pair(text: str) -> tuple[str, str]:
    """Split ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected NAME=VALUE")
    return name, value


def numbers_by_name(text: str) -> dict[str, float]:
    """Split ``NAME=NUMBER,NAME=NUMBER``."""
    result: dict[str, float] = {}
    for part in text.split(","):
        name, value = pair(part.strip())
        number = as_number(value)
        if number is None or not math.isfinite(number):
            raise argparse.ArgumentTypeError(f"found {value!r} for {name!r}, expected a finite number")
        if name in result:
            raise argparse.ArgumentTypeError(f"{name!r} is given twice")
        result[name] = number
    return result


def kind_with_settings(known: Collection[str]) -> Callable[[str], dict[str, Any]]:
    """Return the type of ``NAME[,KEY=VALUE...]``, such as ``sgd,momentum=0.9``."""

    def parse(text: str) -> dict[str, Any]:
        kind, *settings = text.split(",")
        if kind not in known:
            raise argparse.ArgumentTypeError(f"found {kind!r}, expected one of {', '.join(known)}")
        return {"kind": kind, **{name: value_of(value) for name, value in map(pair, settings)}}

    return parse
