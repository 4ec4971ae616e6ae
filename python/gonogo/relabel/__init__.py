"""Bringing what people said about labels into the data: as moves between class folders, or as a new table."""

from gonogo.relabel.corrections import Corrections, find_corrections
from gonogo.relabel.frozen import check_not_frozen, groups_of_split
from gonogo.relabel.moves import Moves, carry_out, plan_moves, read_log, remaining, write_log
from gonogo.relabel.table import corrected_table

__all__ = [
    "Corrections",
    "Moves",
    "carry_out",
    "check_not_frozen",
    "corrected_table",
    "find_corrections",
    "groups_of_split",
    "plan_moves",
    "read_log",
    "remaining",
    "write_log",
]
