"""The server of pages answers its own page and nobody else."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.pages import Answer, PageServer, Refusal, Request, Route, json_answer, static_routes


@dataclass
class Serving:
    """A server in a thread, and what reached its routes."""

    address: str
    host: str = ""
    token: str = ""
    reached: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.host, self.token = self.address.removeprefix("http://").split("/#")

    def ask(
        self, method: str, path: str, body: bytes | None = None, *, without: str = "", **changed: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask as the page would, with some headers changed or left out; return status, headers and body."""
        headers = {"Host": self.host, "X-Gonogo-Token": self.token}
        if method == "POST":
            headers |= {"Origin": f"http://{self.host}", "Content-Type": "application/json"}
        headers |= {name.replace("_", "-"): value for name, value in changed.items()}
        headers.pop(without, None)
        connection = http.client.HTTPConnection(self.host, timeout=30)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None and "Content_Length" not in changed and without != "Content-Length":
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return found

    def raw(self, data: bytes) -> bytes:
        """Send bytes and return all that comes until the server closes."""
        name, port = self.host.split(":")
        with socket.create_connection((name, int(port)), timeout=30) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    with PageServer() as server:
        found = Serving(server.address)

        def reach(request: Request) -> Answer:
            found.reached.append(request)
            return json_answer({"id": request.id})

        def fail(_: Request) -> Answer:
            raise OSError(28, "No space left on device", "labels.csv")

        def refuse(_: Request) -> Answer:
            raise ValueError("label: found 'x', expected a class")

        routes = [
            *static_routes("gonogo.labelling", "label.html", "label.js", "label.css"),
            Route("GET", "/state", reach),
            Route("GET", "/picture/{id}", reach),
            Route("POST", "/verdict", reach),
            Route("POST", "/full", fail),
            Route("POST", "/wrong", refuse),
            Route("POST", "/bug", lambda _: 1 / 0),
        ]
        thread = threading.Thread(target=server.serve, args=[routes])
        thread.start()
        yield found
        server.stop()
        thread.join()


@pytest.fixture(autouse=True)
def _forget(serving: Serving) -> None:
    serving.reached.clear()


def test_its_own_page_is_answered(serving: Serving) -> None:
    assert serving.ask("GET", "/state")[0] == 200
    assert serving.ask("GET", "/picture/12")[0] == 200
    assert serving.ask("POST", "/verdict", b'{"id": 3}')[0] == 200
    assert [request.id for request in serving.reached] == [0, 12, 0]
    assert serving.reached[2].body == {"id": 3}


def test_it_listens_on_loopback_with_a_token_of_256_bits() -> None:
    with PageServer() as first, PageServer() as second:
        tokens = [server.address.split("#")[1] for server in (first, second)]
        assert all(server.address.startswith("http://127.0.0.1:") for server in (first, second))
    assert tokens[0] != tokens[1] and all(len(token) == 43 for token in tokens)  # 6 bits a character


@pytest.mark.parametrize(
    "host", ["localhost:{port}", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}", "[::1]:{port}", ""]
)
@pytest.mark.parametrize("path", ["/", "/label.js", "/state", "/picture/1"])
def test_another_host_is_refused_everywhere(serving: Serving, host: str, path: str) -> None:
    status, _, body = serving.ask("GET", path, Host=host.format(port=serving.host.split(":")[1]))
    assert status == 403 and serving.reached == []
    assert "expected the host" in json.loads(body)["error"]


def test_no_host_and_two_hosts_are_refused(serving: Serving) -> None:
    assert serving.ask("GET", "/", without="Host")[0] == 403
    twice = f"GET / HTTP/1.1\r\nHost: {serving.host}\r\nHost: {serving.host}\r\n\r\n"
    assert serving.raw(twice.encode()).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize(
    "token",
    ["", "x" * 43, "{token}x", " ", "\xe9" * 43, "{cut}"],
    ids=["none", "other", "longer", "space", "latin", "cut"],
)
def test_a_missing_or_wrong_token_is_refused(serving: Serving, token: str) -> None:
    given = token.format(token=serving.token, cut=serving.token[:-1])
    for method, path, body in (("GET", "/state", None), ("GET", "/picture/0", None), ("POST", "/verdict", b"{}")):
        assert serving.ask(method, path, body, X_Gonogo_Token=given)[0] == 403
        assert serving.ask(method, path, body, without="X-Gonogo-Token")[0] == 403
    assert serving.ask("GET", f"/state?token={serving.token}", without="X-Gonogo-Token")[0] == 404
    assert serving.ask("GET", "/state", without="X-Gonogo-Token", Cookie=f"X-Gonogo-Token={serving.token}")[0] == 403
    assert serving.reached == []


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost:{port}", "https://{host}", "http://{host}/", "http://{host}:1"],
)
def test_another_origin_is_refused(serving: Serving, origin: str) -> None:
    given = origin.format(host=serving.host, port=serving.host.split(":")[1])
    assert serving.ask("POST", "/verdict", b"{}", Origin=given)[0] == 403
    assert serving.ask("GET", "/state", Origin=given)[0] == 403
    assert serving.reached == []


def test_an_order_without_origin_is_refused(serving: Serving) -> None:
    assert serving.ask("POST", "/verdict", b"{}", without="Origin")[0] == 403
    assert serving.reached == []


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json, text/plain", ""],
)
def test_anything_but_json_is_refused(serving: Serving, kind: str) -> None:
    assert serving.ask("POST", "/verdict", b"{}", Content_Type=kind)[0] == 415
    assert serving.ask("POST", "/verdict", b"{}", without="Content-Type")[0] == 415
    assert serving.reached == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"\xff", b"[" * 60_000, b"null"])
def test_a_body_that_is_no_object_is_refused(serving: Serving, body: bytes) -> None:
    assert serving.ask("POST", "/verdict", body)[0] == 400
    assert serving.reached == []


@pytest.mark.parametrize("size", ["-1", "1e3", "", "+2", "999999999999"])
def test_a_strange_length_is_refused(serving: Serving, size: str) -> None:
    assert serving.ask("POST", "/verdict", b"{}", Content_Length=size)[0] == 411
    assert serving.ask("POST", "/verdict", b"{}", without="Content-Length")[0] == 411
    assert serving.ask("POST", "/verdict", b"{}", Transfer_Encoding="chunked")[0] == 411
    assert serving.ask("POST", "/verdict", b"{}", Content_Length="65537")[0] == 413
    assert serving.reached == []


@pytest.mark.parametrize(
    "path",
    [
        "/../etc/passwd",
        "/picture/../../etc/passwd",
        "/picture/%2e%2e%2fetc%2fpasswd",
        "/picture/1/../2",
        "/picture//etc/passwd",
        "/picture/-1",
        "/picture/1.png",
        "/picture/\xb2",
        "/picture/1234567890",
        "/picture/",
        "/server.py",
        "/gonogo/labelling/session.py",
        "/state/",
        "/state?x=1",
        "http://127.0.0.1/state",
        "*",
    ],
)
def test_no_path_leads_anywhere_else(serving: Serving, path: str) -> None:
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {serving.host}\r\nX-Gonogo-Token: {serving.token}\r\nConnection: close\r\n\r\n"
    )
    assert serving.raw(request.encode("latin-1")).split(b" ")[1] in (b"400", b"404")
    assert serving.reached == []


def test_other_methods_are_refused(serving: Serving) -> None:
    assert serving.ask("POST", "/state", b"{}")[0] == 405
    assert serving.ask("GET", "/verdict")[0] == 405
    for method in ("PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "PATCH"):
        assert serving.ask(method, "/state")[0] == 501
    assert serving.reached == []


@pytest.mark.parametrize("path", ["/", "/label.js", "/label.css", "/page.css", "/connection.js", "/state", "/nothing"])
def test_every_answer_forbids_frames_other_origins_and_storing(serving: Serving, path: str) -> None:
    _, headers, _ = serving.ask("GET", path)
    policy = dict(rule.strip().split(" ", 1) for rule in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
    assert set(" ".join(policy.values()).split()) <= {"'none'", "'self'", "blob:"}
    assert headers["X-Frame-Options"] == "DENY" and headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store" and headers["Referrer-Policy"] == "no-referrer"
    assert headers["Server"] == "gonogo"  # and no version
    assert not [name for name in headers if name.startswith("Access-Control") or name == "Set-Cookie"]


def test_what_is_given_without_a_token_holds_none(serving: Serving) -> None:
    for path in ("/", "/label.js", "/label.css", "/page.css", "/connection.js"):
        status, _, body = serving.ask("GET", path, without="X-Gonogo-Token")
        assert status == 200 and serving.token.encode() not in body


def test_faults_reach_the_page_as_a_sentence(serving: Serving) -> None:
    status, _, body = serving.ask("POST", "/full", b"{}")
    assert status == 500 and json.loads(body) == {"error": "labels.csv: No space left on device"}
    status, _, body = serving.ask("POST", "/wrong", b"{}")
    assert status == 400 and json.loads(body) == {"error": "label: found 'x', expected a class"}


def test_an_error_of_the_program_ends_no_other_request(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, body = serving.ask("POST", "/bug", b"{}")
    assert status == 500 and json.loads(body) == {"error": "an error of gonogo itself; its terminal shows it"}
    assert serving.ask("GET", "/state")[0] == 200
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "told"), [(ConnectionResetError, False), (RuntimeError, True)])
def test_a_page_that_was_closed_is_no_error_of_the_server(
    error: type[Exception], told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with PageServer() as server:
        try:
            raise error("gone")
        except error:
            server._server.handle_error(None, ("127.0.0.1", 1))
    assert (error.__name__ in capsys.readouterr().err) == told


def test_what_follows_a_refused_request_is_not_read(serving: Serving) -> None:
    smuggled = f"POST /verdict HTTP/1.1\r\nHost: {serving.host}\r\nOrigin: http://{serving.host}\r\n"
    smuggled += f"X-Gonogo-Token: {serving.token}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
    outer = f"POST /verdict HTTP/1.1\r\nHost: {serving.host}\r\nContent-Length: {len(smuggled)}\r\n\r\n{smuggled}"
    assert serving.raw(outer.encode()).count(b"HTTP/1.1 ") == 1
    assert serving.reached == []


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_ignored(serving: Serving, data: bytes) -> None:
    answer = serving.raw(data + b"\r\n\r\n")
    assert answer == b"" or answer.split(b" ")[1][:1] in (b"4", b"5")
    assert serving.reached == []


@pytest.mark.parametrize("body", [{}, {"name": 1}, {"name": None}, {"name": "x" * 201}])
def test_a_text_that_is_none_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(Refusal, match="name: expected a text"):
        Request(body=body).text("name")


@pytest.mark.parametrize("body", [{}, {"id": "1"}, {"id": -1}, {"id": True}, {"id": 1.0}])
def test_a_number_that_is_none_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(Refusal, match="id: expected a whole number"):
        Request(body=body).number("id")


def test_a_request_at_hand_is_answered_before_the_server_ends() -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(_: Request) -> Answer:
        begun.set()
        go.wait(30)
        return json_answer("done")

    server = PageServer()
    ending: Callable[[], None] = server.stop
    thread = threading.Thread(target=server.serve, args=[[Route("GET", "/slow", slow)]])
    thread.start()
    answers: list[bytes] = []
    asking = threading.Thread(target=lambda: answers.append(Serving(server.address).ask("GET", "/slow")[2]))
    asking.start()
    assert begun.wait(30)
    ending()
    thread.join()
    threading.Timer(0.1, go.set).start()
    with server:
        pass
    asking.join()
    assert answers == [b'"done"']


def test_a_port_that_is_taken_is_an_error() -> None:
    with PageServer() as server:
        port = int(server.address.split(":")[2].split("/")[0])
        with pytest.raises(OSError, match="in use"):
            PageServer(port)
