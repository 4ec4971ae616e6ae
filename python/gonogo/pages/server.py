"""A server for one page on loopback, which answers that page alone.

Any web site that is open in the same browser can send requests to 127.0.0.1, and any user of the machine can connect to its
ports. Therefore: a request names exactly this host, or it comes by a name that someone else's DNS gave us (rebinding); one
that changes something names exactly this origin and brings JSON, which no form of another site can; all but the page's own
text needs a token of 256 bits, which stands in the fragment of the address (browsers send it to nobody) and comes as a header
(no cookie: a browser adds those by itself). No header allows other origins anything, the page may load nothing from elsewhere
and may not be framed. Paths are compared with a list; what varies is a number, so that no path of a file ever comes in.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import socketserver
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any, Literal

LOOPBACK = "127.0.0.1"
TOKEN_HEADER = "X-Gonogo-Token"
_BODY_MAX = 64 * 1024
_PATIENCE = 60.0  # seconds for a silent connection
_LAST_ANSWERS = 5.0  # seconds that requests at hand have when the server ends

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Refusal(Exception):  # noqa: N818 - what the server does, not what went wrong in it
    """An answer that says no, with the reason in one sentence."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class Request:
    """What came in, already checked.

    Attributes
    ----------
    id : int
        The number in the path; 0 where the route has none.
    body : mapping
        The JSON object of a POST; empty for a GET.
    """

    id: int = 0
    body: Mapping[str, Any] = field(default_factory=dict)

    def text(self, name: str, *, longest: int = 200) -> str:
        """Return a text of the body; raise ``Refusal`` where it is missing, of another type or longer."""
        value = self.body.get(name)
        if not isinstance(value, str) or len(value) > longest:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"{name}: expected a text of at most {longest} characters")
        return value

    def number(self, name: str) -> int:
        """Return a whole number of the body that is not negative; raise ``Refusal`` where it is none."""
        value = self.body.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"{name}: expected a whole number, 0 or more")
        return value


@dataclass(frozen=True)
class Answer:
    """What goes out: a media type and bytes."""

    kind: str
    body: bytes


@dataclass(frozen=True)
class Route:
    """What is done for a path.

    Attributes
    ----------
    method : {"GET", "POST"}
        POST for all that changes something.
    path : str
        Such as ``"/state"``; ``"/picture/{id}"`` stands for any whole number of up to nine digits in this place.
    answer : callable
        Called with the :class:`Request`, in a thread of its own. It may raise ``Refusal``; ``ValueError`` and ``OSError``
        reach the page as their sentence.
    is_open : bool
        Whether it is given without the token: only texts that are the same for everyone.
    """

    method: Literal["GET", "POST"]
    path: str
    answer: Callable[[Request], Answer]
    is_open: bool = False


def json_answer(value: Any) -> Answer:
    """Return a value as JSON."""
    return Answer("application/json", json.dumps(value, allow_nan=False).encode())


class PageServer:
    """A server for one page. Use it in a ``with`` block; it listens from the start and answers in ``serve``.

    Parameters
    ----------
    port : int, default 0
        0: one that is free.

    Attributes
    ----------
    address : str
        What a person opens, with the token.

    Raises
    ------
    OSError
        The port is taken.
    """

    def __init__(self, port: int = 0) -> None:
        self._routes: list[Route] = []
        self._token = secrets.token_urlsafe(32)
        self._server = _Server(self.answer, port)
        self._host = f"{LOOPBACK}:{self._server.server_port}"
        self.address = f"http://{self._host}/#{self._token}"

    def __enter__(self) -> PageServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()
        self._server.wait_until_answered(_LAST_ANSWERS)

    def serve(self, routes: Sequence[Route]) -> None:
        """Answer until :meth:`stop`, or until an exception such as ``KeyboardInterrupt`` reaches this thread."""
        self._routes = list(routes)
        self._server.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        """Have ``serve`` return once the requests at hand are answered; any thread may call this."""
        # Another thread: serve_forever may wait for the very request that asks for the end.
        threading.Thread(target=self._server.shutdown, daemon=True).start()

    def answer(self, method: str, path: str, headers: Message, body: BufferedIOBase) -> Answer:
        """Return the answer to a request; raise ``Refusal`` where it gets none."""
        if headers.get_all("Host") != [self._host]:
            raise Refusal(HTTPStatus.FORBIDDEN, f"expected the host {self._host}; open the address that gonogo printed")
        origins = headers.get_all("Origin", [])
        if origins not in ([], [f"http://{self._host}"]) or (method == "POST" and not origins):
            raise Refusal(HTTPStatus.FORBIDDEN, "the request comes from another page")
        route, number = self._find(method, path)
        if not route.is_open and not self._knows(headers.get_all(TOKEN_HEADER, [])):
            raise Refusal(HTTPStatus.FORBIDDEN, "the token is missing or wrong; open the address that gonogo printed")
        return route.answer(Request(number, _read_json(headers, body) if method == "POST" else {}))

    def _knows(self, tokens: list[str]) -> bool:
        return len(tokens) == 1 and hmac.compare_digest(tokens[0].encode("latin-1", "replace"), self._token.encode())

    def _find(self, method: str, path: str) -> tuple[Route, int]:
        of_path = [(route, found) for route in self._routes if (found := _matches(route.path, path)) is not None]
        if not of_path:
            raise Refusal(HTTPStatus.NOT_FOUND, "there is nothing here")
        for route, number in of_path:
            if route.method == method:
                return route, number
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"expected {of_path[0][0].method}")


def _matches(pattern: str, path: str) -> int | None:
    """Return the number in a path, 0 where the pattern has none, None where they differ."""
    if not pattern.endswith("{id}"):
        return 0 if path == pattern else None
    found = re.fullmatch(re.escape(pattern.removesuffix("{id}")) + "([0-9]{1,9})", path)
    return None if found is None else int(found[1])


def _read_json(headers: Message, body: BufferedIOBase) -> dict[str, Any]:
    if headers.get_all("Content-Type") != ["application/json"]:
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected the content type application/json")
    sizes = headers.get_all("Content-Length", [])
    if "Transfer-Encoding" in headers or len(sizes) != 1 or not re.fullmatch("[0-9]{1,9}", sizes[0]):
        raise Refusal(HTTPStatus.LENGTH_REQUIRED, "expected one content length")
    if int(sizes[0]) > _BODY_MAX:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {_BODY_MAX} bytes")
    try:
        value = json.loads(body.read(int(sizes[0])))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Refusal(HTTPStatus.BAD_REQUEST, "expected a JSON object")
    return value


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answer: Callable[[str, str, Message, BufferedIOBase], Answer], port: int) -> None:
        self.answer = answer
        self._at_hand = 0
        self._changed = threading.Condition()
        super().__init__((LOOPBACK, port), _Handler)

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """Count a request while it is answered."""
        with self._changed:
            self._at_hand += 1
        try:
            yield
        finally:
            with self._changed:
                self._at_hand -= 1
                self._changed.notify_all()

    def wait_until_answered(self, seconds: float) -> None:
        """Return when no request is at hand, or after some seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._at_hand == 0, seconds)

    def server_bind(self) -> None:
        # HTTPServer would ask the network for the name of this machine.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):  # a page that was closed
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE
    server: _Server

    def do_GET(self) -> None:
        with self.server.at_hand():
            self._respond("GET")

    def do_POST(self) -> None:
        with self.server.at_hand():
            self._respond("POST")

    def _respond(self, method: str) -> None:
        try:
            answer = self.server.answer(method, self.path, self.headers, self.rfile)
        except Refusal as refusal:
            self._refuse(refusal.status, refusal.reason)
        except ValueError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"{error.filename or 'file'}: {error.strerror or error}")
        except Exception:  # noqa: BLE001 - one request must not end the others
            traceback.print_exc()
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "an error of gonogo itself; its terminal shows it")
        else:
            self._send(HTTPStatus.OK, answer)

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        # What is left of the request must not be taken for the next one.
        self.close_connection = True
        self._send(status, json_answer({"error": reason}))

    def _send(self, status: HTTPStatus, answer: Answer) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Refuse what the standard library cannot read or does not know, with the same headers as all else."""
        self.request_version = "HTTP/1.1"  # or the answer to a broken line would have no headers
        self._refuse(HTTPStatus(code), message or HTTPStatus(code).phrase)

    def version_string(self) -> str:
        """Return what the answers say of the server."""
        return "gonogo"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep quiet: the terminal is for people."""
