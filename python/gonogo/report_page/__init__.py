"""The page of an evaluation, for the person who has to decide whether to ship on it."""

from gonogo.report_page.assemble import write_report

__all__ = ["write_report"]
