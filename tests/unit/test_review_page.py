"""The review page in Chromium, by keyboard alone and on a phone; and what its server refuses."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from chromium import Visit
from line.output import BRIGHT, DARK, DOUBTFUL, fill, part_picture

from gonogo.labelling import page_routes
from gonogo.line.configuration import journal_of
from gonogo.line.files import LocalDisk
from gonogo.line.verdicts import Verdicts, open_verdicts
from gonogo.pages import PageServer
from gonogo.reviewing import ReviewSession

PHONE = (390, 844)


@dataclass
class Reviewing:
    """A session with its page on a port."""

    out: Path
    session: ReviewSession
    verdicts: Verdicts
    address: str
    thread: threading.Thread

    def said(self) -> list[tuple[str, str, str]]:
        """Name of the picture, verdict, and what was shown."""
        names = {item.id: item.name for item in self.session._items}
        return [(names[row.id], row.verdict, row.shown) for row in self.verdicts.standing()]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sizes = {"height": 300, "width": 400}
    pictures = {f"ok{i}.png": part_picture(BRIGHT, i, **sizes) for i in range(2)}
    pictures |= {"bad0.png": part_picture(DARK, 10, **sizes), "odd0.png": part_picture(DOUBTFUL, 20, **sizes)}
    return fill(tmp_path_factory.mktemp("review"), pictures, audit_share=1.0)


@pytest.fixture
def begin(filled: Path, tmp_path: Path) -> Iterator[Callable[..., Reviewing]]:
    """``begin(everything=True, blind=True)`` serves the page for a copy of the output."""
    running: list[tuple[PageServer, threading.Thread, Verdicts]] = []

    def start(reviewer: str = "", *, everything: bool = False, blind: bool = False) -> Reviewing:
        out = Path(shutil.copytree(filled, tmp_path / f"out{len(running)}"))
        verdicts = open_verdicts(journal_of(out), LocalDisk())
        session = ReviewSession(out, journal_of(out), LocalDisk(), verdicts, everything=everything, blind=blind)
        if reviewer:
            session.begin(reviewer)
        server = PageServer()
        thread = threading.Thread(target=server.serve, args=[page_routes(session, server.stop)])
        thread.start()
        running.append((server, thread, verdicts))
        return Reviewing(out, session, verdicts, server.address, thread)

    yield start
    for server, thread, verdicts in running:
        with server, verdicts:
            server.stop()
            thread.join()


def press(visit: Visit, key: str, then: str) -> None:
    """Press a key once the page listens, and wait until it says something."""
    visit.page.wait_for_selector("#classes button:not([disabled]), #asking[open]")
    visit.page.keyboard.press(key)
    visit.page.wait_for_function("text => document.body.innerText.includes(text)", arg=then)


def test_a_person_confirms_and_corrects_by_keyboard_alone(
    begin: Callable[..., Reviewing], open_page: Callable[..., Visit]
) -> None:
    reviewing = begin()
    visit = open_page(reviewing.address)
    visit.page.wait_for_selector("#asking[open]")
    visit.page.keyboard.type("A. Jones")
    press(visit, "Enter", "Picture 1 of 3, 0 of 3 judged")
    visit.page.wait_for_selector("#shown:not([hidden])")
    assert visit.page.title() == "Review pictures"
    assert visit.page.inner_text("[data-fact=decided]") == "REVIEW"
    assert "does not exceed" in visit.page.inner_text("[data-fact=because]")
    assert not visit.page.is_visible("#reveal") and not visit.page.is_visible("kbd.confirm")
    visit.screenshot("queue")
    visit.page.wait_for_selector("#classes button:not([disabled])")
    visit.page.keyboard.press("c")  # there is nothing to confirm
    press(visit, "1", "Picture 2 of 3, 1 of 3 judged")
    visit.page.wait_for_selector("kbd.confirm:visible")
    assert visit.page.inner_text("[data-fact=decided]") == "ok (PASS)"
    visit.screenshot("audit")
    press(visit, "c", "Picture 3 of 3, 2 of 3 judged")
    press(visit, "0", "This was the last picture of these")
    press(visit, "u", "Picture 3 of 3, 2 of 3 judged")
    visit.page.keyboard.press("?")
    visit.page.wait_for_selector("#helping[open]")
    visit.screenshot("help")
    help_text = visit.page.inner_text("#helping")
    assert "confirm the class" in help_text and "show label" not in help_text
    assert not visit.overflows()
    assert reviewing.said() == [("odd0.png", "bad", "decision"), ("ok0.png", "ok", "decision")]
    assert {row.reviewer for row in reviewing.verdicts.rows()} == {"A. Jones"}


def test_blind_the_page_never_learns_a_decision(
    begin: Callable[..., Reviewing], open_page: Callable[..., Visit]
) -> None:
    reviewing = begin("A. Jones", everything=True, blind=True)
    seen: list[str] = []
    visit = open_page("about:blank", width=PHONE[0], height=PHONE[1], has_touch=True, is_mobile=True)
    visit.page.on(
        "response", lambda answer: seen.append(answer.text()) if "json" in answer.headers["content-type"] else None
    )
    visit.page.goto(reviewing.address)
    visit.page.wait_for_selector("#picture:not([hidden])")
    visit.screenshot("blind-phone")
    assert not visit.overflows() and visit.page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    assert not visit.page.is_visible("#reveal") and not visit.page.is_visible("#shown")
    visit.page.wait_for_selector("#classes button:not([disabled])")
    visit.page.keyboard.press("s")
    visit.page.keyboard.press("c")
    for judged in range(4):
        visit.page.wait_for_selector("#picture:not([hidden])")
        press(visit, "2", f"{judged + 1} of 4 judged")
    assert seen and not [text for text in seen if "REVIEW" in text or "PASS" in text or ".png" in text]
    assert [(word, shown) for _, word, shown in reviewing.said()] == [("ok", "nothing")] * 4


def test_who_has_judged_all_is_told_so(begin: Callable[..., Reviewing], open_page: Callable[..., Visit]) -> None:
    reviewing = begin("A. Jones")
    for number in range(3):
        reviewing.session.judge(number, "ok", "A. Jones")
    reviewing.session.begin("B. Smith")
    reviewing.session.begin("A. Jones")
    visit = open_page(reviewing.address)
    visit.page.wait_for_selector("#broken:not([hidden])")
    assert "Nothing waits for you" in visit.page.inner_text("#broken")
    visit.screenshot("nothing")


def test_its_server_answers_this_page_alone(begin: Callable[..., Reviewing]) -> None:
    reviewing = begin("A. Jones")
    host, token = reviewing.address.removeprefix("http://").split("/#")
    body = json.dumps({"id": 0, "corrected": "ok", "reviewer": "A. Jones"})

    def ask(method: str, path: str, **changed: str | None) -> int:
        headers: dict[str, str | None] = {"Host": host, "Origin": f"http://{host}", "X-Gonogo-Token": token}
        headers |= {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in changed.items()}
        connection = http.client.HTTPConnection(host, timeout=30)
        connection.putrequest(method, path, skip_host=True)
        for name, value in headers.items():
            if value is not None:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body) if method == "POST" else 0))
        connection.endheaders(body.encode() if method == "POST" else None)
        status = connection.getresponse().status
        connection.close()
        return status

    reading = [("GET", "/state"), ("GET", "/picture/0")]
    changing = [("POST", path) for path in ("/verdict", "/reviewer", "/facts", "/undo", "/finish")]
    for method, path in reading + changing:
        assert ask(method, path, Host="evil.example") == 403
        assert ask(method, path, Origin="http://evil.example") == 403
        assert ask(method, path, X_Gonogo_Token=None) == 403
        assert ask(method, path, X_Gonogo_Token=token[:-1]) == 403
    for method, path in changing:
        assert ask(method, path, Origin=None) == 403
        assert ask(method, path, Content_Type="text/plain") == 415
    assert reviewing.verdicts.rows() == [] and reviewing.thread.is_alive()
    assert [ask(*order) for order in (*reading, ("POST", "/verdict"))] == [200] * 3
    assert reviewing.said() == [("odd0.png", "ok", "nothing")]


def test_the_command_serves_saves_and_ends_with_ctrl_c(filled: Path, tmp_path: Path) -> None:
    out = shutil.copytree(filled, tmp_path / "out")
    command = [str(Path(sys.executable).with_name("gonogo")), "review", str(out), "--json", "--quiet"]
    with subprocess.Popen(
        [*command, "--reviewer", "Ann"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None and process.stdout is not None
        host, token = process.stderr.readline().strip().removeprefix("http://").split("/#")
        headers = {"X-Gonogo-Token": token, "Origin": f"http://{host}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request("POST", "/verdict", json.dumps({"id": 0, "corrected": "ok", "reviewer": "Ann"}), headers)
        assert connection.getresponse().status == 200
        process.send_signal(signal.SIGINT)
        result = json.loads(process.stdout.read())
        assert process.wait(60) == 130
        connection.close()
    assert (result["reviewer"], result["pictures"], result["judged"]) == ("Ann", 3, 1)
    with open_verdicts(journal_of(Path(out)), LocalDisk()) as verdicts:
        assert [row.verdict for row in verdicts.standing("Ann")] == ["ok"]


def test_the_command_ends_with_a_word_of_the_page(filled: Path, tmp_path: Path) -> None:
    out = shutil.copytree(filled, tmp_path / "out")
    command = [str(Path(sys.executable).with_name("gonogo")), "review", str(out), "--json", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None and process.stdout is not None
        host, token = process.stderr.readline().strip().removeprefix("http://").split("/#")
        headers = {"X-Gonogo-Token": token, "Origin": f"http://{host}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request("POST", "/finish", "{}", headers)
        assert connection.getresponse().status == 200
        connection.close()
        result = json.loads(process.stdout.read())
        assert process.wait(60) == 0
    assert (result["reviewer"], result["judged"]) == ("", 0)
