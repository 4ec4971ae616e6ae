"""The page kept fresh: what its frame in the browser asks for, as routes of a :class:`gonogo.pages.PageServer`."""

from __future__ import annotations

from collections.abc import Callable

from gonogo.dashboard.assemble import STYLE, body
from gonogo.dashboard.reading import LineState
from gonogo.page import frame_style
from gonogo.pages import Answer, Request, Route, json_answer, static_routes


def live_routes(read: Callable[[], LineState]) -> list[Route]:
    """Return the routes; each look at the page calls ``read``."""

    def page(_: Request) -> Answer:
        line = read()
        return json_answer({"title": f"Line {line.name}", "style": frame_style(STYLE), "body": body(line)})

    return [*static_routes("gonogo.dashboard", "live.html", "live.js", "live.css"), Route("GET", "/page", page)]
