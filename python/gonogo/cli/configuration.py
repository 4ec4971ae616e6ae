"""TOML files in place of options: the keys are the names of the options, and the command line wins over the file."""

from __future__ import annotations

import argparse
import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Options about this one call, not about the work: a word of approval that stood in a file would hold for all that comes later.
_NOT_IN_FILES = {"help", "config", "debug", "acknowledge", "approve"}


def apply_configuration(parser: argparse.ArgumentParser, path: str | Path) -> dict[str, tuple[str, Any]]:
    """Make the values of a TOML file the defaults of a command's options.

    Returns
    -------
    dict
        By parameter: how the file calls it (``"line.toml: part-pattern"``), and its value.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not TOML, has an unknown key, or a value that the option refuses.
    """
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a TOML file: {error}") from None
    actions, named = dict(_options(parser)), dict[str, tuple[str, Any]]()
    for key, value in document.items():
        if key in _NOT_IN_FILES and any(f"--{key}" in action.option_strings for action in parser._actions):
            raise ValueError(f"{path}: {key}: cannot stand in a file; it is a word for one call, on the command line")
        if key not in actions:
            near = difflib.get_close_matches(key, actions, n=1)
            known = ", ".join(sorted(actions))
            hint = f"; did you mean {near[0]!r}? Known are {known}" if near else f", expected some of {known}"
            raise ValueError(f"{path}: unknown key {key!r}{hint}")
        try:
            named[actions[key].dest] = (f"{path}: {key}", _converted(parser, actions[key], value))
            parser.set_defaults(**{actions[key].dest: named[actions[key].dest][1]})
        except (argparse.ArgumentError, argparse.ArgumentTypeError, ValueError, TypeError) as error:
            message = error.message if isinstance(error, argparse.ArgumentError) else str(error)
            raise ValueError(f"{path}: {key}: {message}") from None
    return named


def _options(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    for action in parser._actions:
        if action.option_strings and action.dest not in _NOT_IN_FILES:
            yield action.option_strings[-1].removeprefix("--"), action


def _converted(parser: argparse.ArgumentParser, action: argparse.Action, value: Any) -> Any:
    """Return the value of an option as the command line would have given it."""
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ValueError(f"found {value!r}, expected true or false")
        return value
    several = isinstance(action.nargs, (str, int)) or isinstance(action, argparse._AppendAction)
    if isinstance(value, Mapping):
        pairs = [f"{name}={_text(item)}" for name, item in value.items()]
        texts = pairs if several else [",".join(pairs)]
    else:
        texts = [_text(item) for item in (value if isinstance(value, list) else [value])]
    if isinstance(action.nargs, int) and len(texts) != action.nargs:
        raise ValueError(f"found {value!r}, expected {action.nargs} values")
    if not several and len(texts) != 1:
        raise ValueError(f"found {value!r}, expected one value")
    converted = [parser._get_value(action, text) for text in texts]
    for item in converted:
        parser._check_value(action, item)
    return converted if several else converted[0]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError(f"found {value!r}, expected text or a number")
