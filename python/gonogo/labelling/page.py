"""What the page for judging pictures asks for, as routes of a :class:`gonogo.pages.PageServer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

from gonogo import _core
from gonogo.errors import DecodeError
from gonogo.pages import Answer, Refusal, Request, Route, json_answer, static_routes
from gonogo.png import png


class Judging(Protocol):
    """Pictures that people judge one by one; all methods may be called from any thread."""

    def begin(self, reviewer: str) -> Mapping[str, Any]:
        """Take note of who is looking and return ``state``."""

    def state(self) -> Mapping[str, Any]:
        """Return what the page may know before it asks for more.

        ``title``; ``classes``; ``reviewer``, empty where it has to be asked for; ``verdicts``, one for each picture, empty where
        there is none; ``suspects``, how many of the first are shown first; ``reveals``: whether what is known of a picture is
        shown ``"asked"``, ``"at once"`` or ``"never"``; and ``empty``, what is said where there is no picture.
        """

    def counts(self) -> Mapping[str, int]:
        """Return how many ``pictures`` there are, how many are ``judged``, and what else is worth telling."""

    def judge(self, number: int, corrected: str, reviewer: str) -> None:
        """Record a verdict; when this returns it is on the disk. Raise ``ValueError`` where it makes no sense."""

    def undo(self) -> Mapping[str, Any] | None:
        """Take the last verdict back and return ``id`` and ``corrected`` of its picture; None where there is none."""

    def reveal(self, number: int) -> Mapping[str, Any]:
        """Return what is known of a picture, once it is on the disk that it was shown.

        ``facts``, pairs of a name and a text; and ``confirms``, the class that may be confirmed by one key, or an empty text.
        """

    def content(self, number: int) -> bytes:
        """Return the file of a picture. Raise ``IndexError`` where there is no such picture, ``DecodeError`` with a reason that
        names no file where it cannot be read."""


def page_routes(session: Judging, finish: Callable[[], None], *, bit_depth: int = 16) -> list[Route]:
    """Return the routes of the page.

    Parameters
    ----------
    session : Judging
        What is judged.
    finish : callable
        Called when the person says that they are done.
    bit_depth : {16, 12, 10}
        How many bits of 16-bit grey are in use.
    """

    def judge(request: Request) -> Answer:
        session.judge(request.number("id"), request.text("corrected"), request.text("reviewer"))
        return json_answer(session.counts())

    def end(_: Request) -> Answer:
        finish()
        return json_answer(session.counts())

    return [
        *static_routes("gonogo.labelling", "label.html", "label.js", "label.css"),
        Route("GET", "/state", lambda _: json_answer(session.state())),
        Route("GET", "/picture/{id}", lambda request: _picture(session, request.id, bit_depth)),
        Route("POST", "/reviewer", lambda request: json_answer(session.begin(request.text("reviewer")))),
        Route("POST", "/facts", lambda request: json_answer(session.reveal(request.number("id")))),
        Route("POST", "/verdict", judge),
        Route("POST", "/undo", lambda _: json_answer({"undone": session.undo()})),
        Route("POST", "/finish", end),
    ]


def _picture(session: Judging, number: int, bit_depth: int) -> Answer:
    """The pixels as a net sees them: a browser would turn the file by its orientation tag and hide that it is damaged."""
    try:
        pixels = _core.decode(session.content(number), 3, bit_depth)
    except IndexError:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no picture {number}") from None
    except (DecodeError, _core.CoreError) as error:
        reason = error.reason if isinstance(error, DecodeError) else str(error)  # neither names the file
        return json_answer({"error": f"This picture cannot be shown: {reason}"})
    grey = _core.is_grey(pixels)
    return Answer("image/png", png(pixels[:, :, :1] if grey else pixels))
