"""Settings of a line that make no sense are refused by name, with what was found and expected."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gonogo.line.configuration import Configuration, check_places


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"audit_share": 1.5}, "audit_share: found 1.5, expected a share from 0 to 1"),
        ({"frozen_after": 1}, "frozen_after: found 1, expected 2 or more pictures, or 0 for never"),
        ({"bad_share": 1.0}, "bad_share: found 1.0, expected a share between 0 and 1, such as 0.02"),
        ({"drift_run_length": 99}, "drift_run_length: found 99, expected 100 parts or more, or 0 for never"),
        ({"subfolders": "week"}, "subfolders: found 'week', expected one of 'none', 'day'"),
        ({"csv_separator": ",", "csv_decimal": ","}, "csv_separator: found the sign of csv_decimal, expected another"),
        ({"views": 2}, "views: found 2 without part_pattern, which says to which part a file belongs"),
        ({"part_pattern": "(?P<part>"}, "part_pattern: found '(?P<part>', no regular expression: "),
        ({"part_pattern": "x"}, "part_pattern: found 'x', expected a group such as (?P<part>[^_]+)"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        Configuration(**settings)


def test_an_output_that_is_a_file_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").write_bytes(b"a file")
    with pytest.raises(ValueError, match=r"OUT: found a file .*out, expected a folder"):
        check_places(tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"a file"
