"""People look at what the line decided: their session, and what their verdicts say together.

Knows the journal, the pages and the trial, nothing of training. Verdicts move no file.
"""

from gonogo.reviewing.pilot import PilotVerdicts, pilot_verdicts
from gonogo.reviewing.session import ReviewSession

__all__ = ["PilotVerdicts", "ReviewSession", "pilot_verdicts"]
