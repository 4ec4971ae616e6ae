"""One page about a line for those who stand beside it: is it healthy, and what needs a person now?

``reading`` alone knows journal, verdicts and folders; the other modules turn what it found into words and drawings.
"""

from gonogo.dashboard.assemble import STYLE, TITLE, body, write_dashboard
from gonogo.dashboard.reading import LineState, read_line

__all__ = ["STYLE", "TITLE", "LineState", "body", "read_line", "write_dashboard"]
