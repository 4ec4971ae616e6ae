"""What the labelling page asks for, as routes of a :class:`gonogo.pages.PageServer`."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from gonogo import _core
from gonogo.errors import DecodeError
from gonogo.labelling.session import Session
from gonogo.pages import Answer, Refusal, Request, Route, json_answer, static_routes
from gonogo.pictures import read_bytes
from gonogo.png import png


def page_routes(session: Session, finish: Callable[[], None], *, bit_depth: int = 16) -> list[Route]:
    """Return the routes of the page.

    Parameters
    ----------
    session : Session
        What is labelled.
    finish : callable
        Called when the person says that they are done.
    bit_depth : {16, 12, 10}
        How many bits of 16-bit grey are in use.
    """

    def show(request: Request) -> Answer:
        return _picture(session, request.id, bit_depth)

    def judge(request: Request) -> Answer:
        session.judge(request.number("id"), request.text("corrected"), request.text("reviewer"))
        return json_answer(session.counts())

    def reveal(request: Request) -> Answer:
        return json_answer(session.reveal(request.number("id")))

    def end(_: Request) -> Answer:
        finish()
        return json_answer(session.counts())

    return [
        *static_routes("gonogo.labelling", "label.html", "label.js", "label.css"),
        Route("GET", "/state", lambda _: json_answer(session.state())),
        Route("GET", "/picture/{id}", show),
        Route("POST", "/suggestion", reveal),
        Route("POST", "/verdict", judge),
        Route("POST", "/undo", lambda _: json_answer({"undone": session.undo()})),
        Route("POST", "/finish", end),
    ]


def _picture(session: Session, number: int, bit_depth: int) -> Answer:
    """The pixels as a net sees them: a browser would turn the file by its orientation tag and hide that it is damaged."""
    if number >= len(session.paths):
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no picture {number}")
    path = session.paths[number]
    try:
        pixels = _core.decode(read_bytes(path), 3, bit_depth)
    except (DecodeError, _core.CoreError) as error:
        reason = error.reason if isinstance(error, DecodeError) else str(error)  # neither names the file
        return json_answer({"error": f"This picture cannot be shown: {reason}"})
    grey = _core.is_grey(pixels)
    return Answer("image/png", png(pixels[:, :, :1] if grey else pixels))
