"""Pages that need no network, no script and no library: a frame, tables, pictures and charts.

Each page is one file with its style, pictures and drawings inside, readable on a screen, a phone and paper, also in black and
white. Knows nothing of what is shown. Equal content gives equal bytes: no date, no path, no random number.
"""

from gonogo.page.charts import Axis, Mark, histogram, interval_bar, line_chart, swatch
from gonogo.page.frame import file_name, picture, table, text, write_page

__all__ = [
    "Axis",
    "Mark",
    "file_name",
    "histogram",
    "interval_bar",
    "line_chart",
    "picture",
    "swatch",
    "table",
    "text",
    "write_page",
]
