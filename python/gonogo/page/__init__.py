"""Pages that need no network, no script and no library: a frame, tables, pictures and charts.

Each page is one file with its style, pictures and drawings inside, readable on a screen, a phone and paper, also in black and
white. Knows nothing of what is shown. Equal content gives equal bytes: no date, no path, no random number.
"""

from gonogo.page.charts import Mark, histogram, interval_bar, line_chart, swatch
from gonogo.page.columns import DEFINITIONS, KEY_STYLE, Layer, column_chart, key, score_chart
from gonogo.page.frame import file_name, frame_style, page_text, picture, table, text, write_page
from gonogo.page.plot import Axis

__all__ = [
    "DEFINITIONS",
    "KEY_STYLE",
    "Axis",
    "Layer",
    "Mark",
    "column_chart",
    "file_name",
    "frame_style",
    "histogram",
    "interval_bar",
    "key",
    "line_chart",
    "page_text",
    "picture",
    "score_chart",
    "swatch",
    "table",
    "text",
    "write_page",
]
