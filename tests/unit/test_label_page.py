"""The labelling page in Chromium: driven by keyboard alone on a desktop, by touch on a phone."""

from __future__ import annotations

import csv
import datetime
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from chromium import Visit

from gonogo.labelling import Session, page_routes
from gonogo.pages import PageServer
from gonogo.png import png

PHONE = (390, 844)


@dataclass
class Labelling:
    """A folder of pictures with its page on a port."""

    root: Path
    out: Path
    session: Session
    address: str
    thread: threading.Thread

    def rows(self) -> dict[str, dict[str, str]]:
        with self.out.open(newline="", encoding="utf-8") as file:
            return {row["file"]: row for row in csv.DictReader(file)}


def draw(path: Path, fault: bool, seed: int) -> None:
    """A grey disk, with a dark scratch where it is bad."""
    y, x = np.mgrid[:150, :200]
    part = np.where(np.hypot(y - 75, x - 100) < 65, 170, 90).astype(np.uint8)
    part += np.random.default_rng(seed).integers(0, 9, part.shape, np.uint8)
    if fault:
        part[60 + seed : 64 + seed, 70:130] = 20
    path.write_bytes(png(part))


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Labelling]]:
    """``begin(suspects)`` serves the page for six pictures of two classes."""
    root = tmp_path / "parts"
    for label in ("bad", "good"):
        (root / label).mkdir(parents=True)
        for i in range(3):
            draw(root / label / f"{label}{i}.png", label == "bad", i)
    running: list[tuple[PageServer, threading.Thread]] = []

    def start(*suspects: str, reviewer: str = "", out: str = "labels.csv") -> Labelling:
        table = None
        if suspects:
            table = tmp_path / "suspects.csv"
            table.write_text("\n".join(["file,label,suggested,score,reason", *suspects]), encoding="utf-8")
        session = Session(root, tmp_path / out, suspects=table, reviewer=reviewer)
        server = PageServer()
        thread = threading.Thread(target=server.serve, args=[page_routes(session, server.stop)])
        thread.start()
        running.append((server, thread))
        return Labelling(root, tmp_path / out, session, server.address, thread)

    yield start
    for server, thread in running:
        with server:
            server.stop()
            thread.join()


SUSPECTS = ("good/good1.png,good,bad,0.93,eight of ten nets disagree", "bad/bad2.png,bad,good,0.71,")


def press(visit: Visit, key: str, then: str) -> None:
    """Press a key once the page listens, and wait until it says something."""
    visit.page.wait_for_selector("#picture:not([hidden]), #broken:not([hidden]), #asking[open]")
    visit.page.keyboard.press(key)
    visit.page.wait_for_function(
        "text => document.body.innerText.includes(text) && !document.querySelector('#picture').hidden", arg=then
    )


def test_a_person_labels_by_keyboard_alone(begin: Callable[..., Labelling], open_page: Callable[..., Visit]) -> None:
    labelling = begin(*SUSPECTS)
    visit = open_page(labelling.address)
    visit.page.wait_for_selector("#asking[open]")
    visit.page.keyboard.type(" A. Jones ")
    press(visit, "Enter", "Picture 1 of 6, 0 of 6 judged")
    assert "good1" not in visit.page.inner_text("body") and "0.93" not in visit.page.inner_text("body")
    visit.screenshot("first")

    press(visit, "1", "Saved: bad.")
    first = labelling.rows()["good/good1.png"]
    assert (first["label"], first["corrected"], first["reviewer"]) == ("good", "bad", "A. Jones")
    assert (first["suggested"], first["score"], first["seen_suggestion"]) == ("bad", "0.93", "false")
    moment = datetime.datetime.fromisoformat(first["time"])
    assert moment.utcoffset() == datetime.timedelta(0)

    press(visit, "s", "0.71")
    assert labelling.rows()["bad/bad2.png"]["seen_suggestion"] == "true"
    visit.screenshot("shown")
    press(visit, "x", "Saved: unclear.")
    assert labelling.rows()["bad/bad2.png"]["corrected"] == "unclear"
    assert labelling.rows()["bad/bad2.png"]["seen_suggestion"] == "true"

    press(visit, "ArrowRight", "Picture 4 of 6, 2 of 6 judged")
    press(visit, "ArrowLeft", "Picture 3 of 6, 2 of 6 judged")
    press(visit, "u", "Picture 2 of 6, 1 of 6 judged")
    assert labelling.rows()["bad/bad2.png"]["corrected"] == ""
    press(visit, "u", "Picture 1 of 6, 0 of 6 judged")
    press(visit, "u", "no verdict of this session")
    visit.page.keyboard.press("?")
    visit.page.wait_for_selector("#helping[open]")
    visit.screenshot("help")
    visit.page.keyboard.press("2")  # goes to the dialog, not to the picture
    visit.page.keyboard.press("Escape")
    press(visit, "f", "Picture 1 of 2")
    press(visit, "z", "Picture 1 of 2")
    at = "() => [figure.scrollLeft, figure.scrollTop]"
    left, top = visit.page.evaluate(at)
    assert left > 0 and top > 0  # the middle
    visit.page.keyboard.press("Shift+ArrowRight")
    visit.page.keyboard.press("Shift+ArrowUp")
    assert visit.page.evaluate(at) == [left + 80, top - 80]
    visit.screenshot("zoomed")
    assert not visit.overflows()
    assert {row["corrected"] for row in labelling.rows().values()} == {""}


def test_it_works_on_a_phone(begin: Callable[..., Labelling], open_page: Callable[..., Visit]) -> None:
    labelling = begin(*SUSPECTS, reviewer="A. Jones")
    visit = open_page(labelling.address, width=PHONE[0], height=PHONE[1], has_touch=True, is_mobile=True)
    visit.page.wait_for_selector("#picture:not([hidden])")
    visit.screenshot("phone")
    for label in ("bad", "unclear", "good", "good", "bad", "good"):
        before = visit.page.inner_text("#where")
        visit.page.tap(f"[data-verdict={label}]")
        visit.page.wait_for_function("text => document.querySelector('#where').innerText !== text", arg=before)
        visit.page.wait_for_selector("#picture:not([hidden])")
    assert not visit.overflows()
    assert visit.page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    for button in visit.page.query_selector_all("button"):
        if box := button.bounding_box():
            assert box["height"] >= 44
            assert box["y"] + box["height"] <= PHONE[1]
    visit.page.tap("#reveal")
    visit.page.wait_for_selector("#shown:not([hidden])")
    visit.screenshot("phone-shown")
    visit.page.tap("#finish")
    visit.screenshot("phone-finish")
    visit.page.tap("button[value=finish]")
    visit.page.wait_for_function("() => document.body.innerText.includes('gonogo has ended')")
    labelling.thread.join(30)
    assert not labelling.thread.is_alive()
    assert labelling.session.counts()["judged"] == 6


def test_names_of_classes_and_files_are_shown_as_text(
    begin: Callable[..., Labelling], open_page: Callable[..., Visit], tmp_path: Path
) -> None:
    name = '<img src=x onerror="nowhere()">&amp;'
    (tmp_path / "parts" / name).mkdir()
    draw(tmp_path / "parts" / name / "'\"><b>.png", False, 7)
    visit = open_page(begin(reviewer="A. Jones").address)
    press(visit, "s", "lies in")
    assert visit.page.inner_text("#classes button:first-child").endswith(name)
    while visit.page.text_content("[data-fact='lies in']") != name:
        visit.page.keyboard.press("ArrowRight")
        visit.page.wait_for_selector("#shown[hidden]", state="attached")
        visit.page.wait_for_selector("#picture:not([hidden])")
        press(visit, "s", "lies in")
    assert visit.page.inner_text("[data-fact=file]") == f"{name}/'\"><b>.png"


def test_a_picture_that_cannot_be_decoded_gets_its_reason_and_no_verdict(
    begin: Callable[..., Labelling], open_page: Callable[..., Visit], tmp_path: Path
) -> None:
    whole = (tmp_path / "parts" / "bad" / "bad2.png").read_bytes()
    (tmp_path / "parts" / "bad" / "bad2.png").write_bytes(whole[: len(whole) // 2])
    labelling = begin(SUSPECTS[1], reviewer="A. Jones")
    visit = open_page(labelling.address)
    visit.page.wait_for_selector("#broken:not([hidden])")
    assert "cannot be shown" in visit.page.inner_text("#broken") and "bad2" not in visit.page.inner_text("body")
    visit.page.keyboard.press("1")
    press(visit, "ArrowRight", "Picture 2 of 6, 0 of 6 judged")


def test_a_verdict_that_was_not_saved_is_not_taken_for_saved(
    begin: Callable[..., Labelling], open_page: Callable[..., Visit]
) -> None:
    labelling = begin(*SUSPECTS, reviewer="A. Jones")
    visit = open_page(labelling.address)
    press(visit, "1", "Saved: bad.")
    labelling.out.write_text(labelling.out.read_text() + "\n")  # as a spreadsheet might
    press(visit, "1", "another program changed the worksheet")
    assert "Picture 2 of 6, 1 of 6 judged" in visit.page.inner_text("body")
    assert [row["corrected"] for row in labelling.rows().values()].count("bad") == 1
    visit.complaints.clear()


def test_the_page_goes_on_where_it_was_left(begin: Callable[..., Labelling], open_page: Callable[..., Visit]) -> None:
    begin(*SUSPECTS, reviewer="A. Jones").session.judge(0, "bad", "A. Jones")
    again = begin(reviewer="B. Smith")
    visit = open_page(again.address)
    press(visit, "2", "Saved: good.")
    rows = again.rows()
    assert rows["good/good1.png"]["reviewer"] == "A. Jones" and rows["bad/bad2.png"]["reviewer"] == "B. Smith"
