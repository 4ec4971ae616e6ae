"""Pages looked at in Chromium: nothing outside this machine is reached, and every attempt and complaint is kept.

Playwright drives the Chromium of the system; it downloads none. A test takes the fixture ``open_page``::

    visit = open_page(path / "report.html", width=390, height=844)  # a phone
    visit.page.keyboard.press("ArrowRight")                          # Playwright's page
    visit.screenshot("report")                                       # a PNG in a temporary folder, the whole page
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
DESKTOP = (1280, 800)
_PATIENCE = 300_000  # milliseconds: a machine that does much else starts a browser in minutes


@dataclass
class Visit:
    """A page, what it asked of other machines, and what the browser complained about."""

    page: Page
    folder: Path
    outside: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Block and keep every request beyond this machine; keep errors, warnings and failed requests."""

        def answer(route: Route) -> None:
            if is_outside(route.request.url):
                route.abort()
            else:
                route.continue_()

        self.page.context.route("**/*", answer)
        self.page.on("request", lambda request: self._note(request.url))
        self.page.on("websocket", lambda socket: self._note(socket.url))
        self.page.on("console", lambda message: self._complain(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("crash", lambda _: self.complaints.append("the page crashed"))

    def _note(self, url: str) -> None:
        if is_outside(url):
            self.outside.append(url)

    def _complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def screenshot(self, name: str, *, full_page: bool = True) -> Path:
        """Return the path of a new PNG of the page."""
        path = self.folder / f"{name}.png"
        self.page.screenshot(path=path, full_page=full_page)
        return path

    def overflows(self) -> bool:
        """Return whether the page is wider than its window, so that a reader would have to scroll sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def is_outside(url: str) -> bool:
    """Return whether a request would leave this machine."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https", "ws", "wss", "ftp") and parts.hostname not in LOOPBACK


def program() -> str:
    """Return the path of Chromium; a test without it is skipped, and a skip is a failure where CI is set."""
    for name in PROGRAMS:
        if path := shutil.which(name):
            return path
    pytest.skip(f"none of the browsers {', '.join(PROGRAMS)} is installed; install Debian's package chromium")


# One for each module: while it runs, an event loop runs in this thread, and other modules have loops of their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window, which finds no other machine."""
    from playwright.sync_api import sync_playwright

    executable = program()
    preloaded = os.environ.pop("LD_PRELOAD", None)  # what looks for errors in our own code must not enter the browser
    try:
        playwright = sync_playwright().start()
    finally:
        if preloaded is not None:
            os.environ["LD_PRELOAD"] = preloaded
    arguments = [
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--host-resolver-rules=MAP * ~NOTFOUND, {', '.join(f'EXCLUDE {host}' for host in LOOPBACK)}",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]
    try:
        chromium = playwright.chromium.launch(executable_path=executable, args=arguments, timeout=_PATIENCE)
        yield chromium
        chromium.close()
    finally:
        playwright.stop()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Visit]]:
    """``open_page(path_or_url, width=390, height=844)`` is a :class:`Visit` in a profile of its own.

    At its end a test fails if a page asked anything of another machine, or if the browser complained; a test that expects
    either empties the list. ``script=False`` switches scripts off; other options are those of Playwright's ``new_context``.
    """
    visits: list[Visit] = []

    def visit(
        target: str | Path, *, width: int = DESKTOP[0], height: int = DESKTOP[1], script: bool = True, **options: object
    ) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            java_script_enabled=script,
            service_workers="block",
            locale="en-GB",
            timezone_id="UTC",
            **options,
        )
        context.set_default_timeout(_PATIENCE)
        visits.append(Visit(context.new_page(), tmp_path))
        visits[-1].watch()
        visits[-1].page.goto(target.resolve().as_uri() if isinstance(target, Path) else target)
        return visits[-1]

    yield visit
    for seen in visits:
        seen.page.context.close()
    for seen in visits:
        assert not seen.outside, f"asked of other machines: {seen.outside}"
        assert not seen.complaints, f"the browser complained: {seen.complaints}"
