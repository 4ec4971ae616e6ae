"""The browser that other tests look at pages with: it must see what it is there to see."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import chromium
import pytest
from chromium import Visit
from PIL import Image


def write(path: Path, body: str) -> Path:
    path.write_text(f'<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title><body>{body}</body></html>')
    return path


def test_a_page_is_shown_with_readable_letters_and_photographed_whole(
    open_page: Callable[..., Visit], tmp_path: Path
) -> None:
    visit = open_page(
        write(tmp_path / "page.html", '<p style="font-size:60px">iiii WWWW</p><div style="height:3000px">')
    )
    assert visit.page.title() == "t"
    with Image.open(visit.screenshot("page")) as picture:
        assert picture.width == 1280 and picture.height > 3000
    narrow, wide = (
        visit.page.evaluate(
            """letters => { const context = document.createElement("canvas").getContext("2d");
            context.font = "60px sans-serif"; return context.measureText(letters).width; }""",
            letters,
        )
        for letters in ("iiii", "WWWW")
    )
    assert wide > 2 * narrow  # without a font, all letters are boxes of one width


@pytest.mark.parametrize(
    ("body", "address"),
    [
        ('<img alt="" src="http://192.0.2.1/picture.png">', "http://192.0.2.1/picture.png"),
        ('<link rel="stylesheet" href="https://example.invalid/style.css">', "https://example.invalid/style.css"),
        ('<script>fetch("https://example.invalid/x").catch(() => 0)</script>', "https://example.invalid/x"),
        ('<script>new WebSocket("ws://192.0.2.1/socket")</script>', "ws://192.0.2.1/socket"),
    ],
)
def test_requests_to_other_machines_are_blocked_and_kept(
    open_page: Callable[..., Visit], tmp_path: Path, body: str, address: str
) -> None:
    visit = open_page(write(tmp_path / "page.html", body))
    visit.page.wait_for_function("document.readyState === 'complete'")
    assert visit.outside == [address]
    visit.outside.clear()
    visit.complaints.clear()


def test_errors_of_scripts_and_of_the_console_are_kept(open_page: Callable[..., Visit], tmp_path: Path) -> None:
    visit = open_page(write(tmp_path / "page.html", "<script>console.error('told');nowhere()</script>"))
    assert visit.complaints[0] == "told" and "nowhere is not defined" in visit.complaints[1]
    visit.complaints.clear()


def test_this_machine_itself_is_reached(open_page: Callable[..., Visit]) -> None:
    class Hello(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<!doctype html><title>hello</title>" if self.path == "/" else b""
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hello) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            visit = open_page(f"http://127.0.0.1:{server.server_address[1]}/")
            assert visit.page.title() == "hello"
        finally:
            server.shutdown()
            thread.join()


def test_a_page_wider_than_its_window_is_noticed(open_page: Callable[..., Visit], tmp_path: Path) -> None:
    page = write(tmp_path / "page.html", '<div style="width:600px">wide</div>')
    assert open_page(page, width=390, height=844).overflows()
    assert not open_page(page).overflows()


def test_a_machine_without_a_browser_skips_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "PATH": ""})
    with pytest.raises(pytest.skip.Exception, match="install Debian's package chromium"):
        chromium.program()
