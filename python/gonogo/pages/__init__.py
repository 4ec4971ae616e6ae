"""Pages that a person works with in a browser: a small server on loopback, and what all such pages share.

The server knows routes and a token, nothing of what a page is about. It needs the standard library alone.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

from gonogo.pages.server import Answer, PageServer, Refusal, Request, Route, json_answer

__all__ = ["Answer", "PageServer", "Refusal", "Request", "Route", "json_answer", "static_routes"]

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
_SHARED = ("connection.js", "page.css")


def static_routes(package: str, page: str, *files: str) -> list[Route]:
    """Return routes for a page and its files, as installed; they hold no secret and are given without the token.

    Parameters
    ----------
    package : str
        The package that they lie in, such as ``"gonogo.labelling"``.
    page : str
        The file that is given for ``/``.
    *files : str
        Its scripts and styles, each given under its name. ``connection.js`` and ``page.css`` of this package come with
        them.
    """
    named = [("/", package, page), *((f"/{name}", package, name) for name in files)]
    named += [(f"/{name}", __name__, name) for name in _SHARED]
    return [Route("GET", path, _giving(of, name), is_open=True) for path, of, name in named]


def _giving(package: str, name: str) -> Callable[[Request], Answer]:
    kind = _KINDS[name[name.rindex(".") :]]
    answer = Answer(kind, resources.files(package).joinpath(name).read_bytes())
    return lambda _: answer
