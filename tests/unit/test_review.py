"""What people say of the pictures of a line: who sees what, what is kept, and what trial and training make of it."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from line.commands import FAST, Commands
from line.commands import fill as line_inbox
from line.output import BRIGHT, DARK, DOUBTFUL, BrightnessDecider, fill, part_picture

from gonogo import Dataset
from gonogo.cli import main
from gonogo.dashboard import read_line
from gonogo.errors import DecodeError, JournalError
from gonogo.line.clock import Clock
from gonogo.line.configuration import journal_of
from gonogo.line.files import LocalDisk
from gonogo.line.judged import judged_pictures
from gonogo.line.rebuilding import recover
from gonogo.line.verdicts import Verdicts, open_verdicts, read_verdicts
from gonogo.reviewing import ReviewSession, pilot_verdicts

Run = Callable[..., dict[str, Any]]
OTHER_MODEL = {"model": "n" * 64, "certificate": "d" * 64, "version": "0.1.0", "fingerprint": "f"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two bright, two dark, two doubtful pictures and a damaged one, all bright ones marked for an audit."""
    pictures = {f"ok{i}.png": part_picture(BRIGHT, i) for i in range(2)}
    pictures |= {f"bad{i}.png": part_picture(DARK, 10 + i) for i in range(2)}
    pictures |= {f"odd{i}.png": part_picture(DOUBTFUL, 20 + i) for i in range(2)}
    pictures["half.png"] = part_picture(BRIGHT, 30)[:-40]
    return fill(tmp_path_factory.mktemp("review"), pictures, audit_share=1.0)


@pytest.fixture
def out(filled: Path, tmp_path: Path) -> Path:
    """A copy of the output, without verdicts."""
    return Path(shutil.copytree(filled, tmp_path / "out"))


@pytest.fixture(scope="module")
def used(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy for many examples."""
    return Path(shutil.copytree(filled, tmp_path_factory.mktemp("used") / "out"))


class Review:
    """A session with its database."""

    def __init__(self, out: Path, reviewer: str = "Ann", *, everything: bool = False, blind: bool = False) -> None:
        self.verdicts: Verdicts = open_verdicts(journal_of(out), LocalDisk())
        self.session = ReviewSession(
            out, journal_of(out), LocalDisk(), self.verdicts, everything=everything, blind=blind
        )
        self.reviewer = reviewer
        self.state = self.session.begin(reviewer)

    @property
    def names(self) -> list[str]:
        return [item.name for item in self.session._items]

    def say(self, **words: str) -> Review:
        """``say(ok0="bad")`` judges ok0.png."""
        for name, word in words.items():
            self.session.judge(self.names.index(f"{name}.png"), word, self.reviewer)
        return self


def test_the_queue_is_what_waits_for_people(out: Path) -> None:
    assert Review(out).names == ["odd0.png", "odd1.png", "ok0.png", "ok1.png"]
    (out / "REVIEW" / "odd0.png").unlink()  # taken away by the plant
    assert Review(out).names == ["odd1.png", "ok0.png", "ok1.png"]


def test_all_are_all_that_can_be_looked_at(out: Path) -> None:
    assert sorted(Review(out, everything=True).names) == [
        "bad0.png", "bad1.png", "odd0.png", "odd1.png", "ok0.png", "ok1.png",
    ]  # fmt: skip


def test_blind_nothing_tells_what_was_decided(out: Path) -> None:
    review = Review(out, everything=True, blind=True)
    told = json.dumps({**review.state, "classes": "", "title": ""})
    for word in ("ok", "bad", "odd", "REVIEW", "score"):
        assert word not in told
    assert review.state["reveals"] == "never"
    with pytest.raises(ValueError, match="stays hidden"):
        review.session.reveal(0)
    decisions = [item.decision for item in review.session._items]
    assert decisions not in (sorted(decisions), sorted(decisions, reverse=True))
    assert set(review.session.counts()) == {"pictures", "judged", "unclear"}


def test_each_reviewer_sees_what_they_have_not_judged(out: Path) -> None:
    Review(out).say(odd0="ok", ok1="ok")
    assert Review(out).names == ["odd1.png", "ok0.png"]
    bob = Review(out, "Bob")
    assert len(bob.names) == 4
    assert len(bob.session.begin("Ann")["verdicts"]) == 2  # another name begins anew
    with pytest.raises(ValueError, match="'Ann' is looking"):
        bob.session.judge(0, "ok", "Bob")


def test_pictures_that_come_later_are_added_and_ids_stay(out: Path, tmp_path: Path) -> None:
    review = Review(out)
    before = review.names
    review.say(odd0="ok")
    (tmp_path / "inbox").mkdir(exist_ok=True)
    fill(tmp_path, {"odd9.png": part_picture(DOUBTFUL, 99)})
    state = review.session.begin("Ann")
    assert review.names == [*before, "odd9.png"]
    assert state["verdicts"] == ["ok", "", "", "", ""]


def test_what_lies_in_review_from_before_a_new_journal_waits_for_people(out: Path, tmp_path: Path) -> None:
    Review(out).say(odd0="ok", ok1="ok")
    journal_of(out).unlink()
    told = recover(out, disk=LocalDisk(), clock=Clock())["unknown"]
    assert any("gonogo review shows all that lie there and have no verdict" in text for text in told)
    ann, bob = Review(out), Review(out, "Bob")
    assert (ann.names, bob.names) == (["odd1.png"], ["odd0.png", "odd1.png"])
    assert ann.session.content(0) == (out / "REVIEW" / "odd1.png").read_bytes()
    assert ["decided", "REVIEW"] in map(list, ann.session.reveal(0)["facts"])
    assert read_line(out, journal_of(out), LocalDisk(), Clock().today()).queue.listed == 1
    ann.say(odd1="bad")
    assert Review(out).names == [] and judged_pictures(out) == []
    found = read_line(out, journal_of(out), LocalDisk(), Clock().today())
    assert (found.queue.listed, found.verdicts) == (0, 3)
    ann.session.undo()
    assert Review(out).names == ["odd1.png"]
    fill(tmp_path, {"new.png": part_picture(DOUBTFUL, 40)}, audit_share=1.0)
    assert Review(out).names == ["odd1.png", "new.png"]
    everything = Review(out, everything=True)
    assert everything.names == ["new.png"]
    assert "Left out are those from before the journal was made anew" in everything.state["empty"]
    (out / "REVIEW" / "odd1.png").unlink()  # taken away by the plant
    assert Review(out).names == ["new.png"]


def test_what_an_older_file_of_the_journal_tells_of_waits_once(out: Path) -> None:
    journal = journal_of(out)
    shutil.copy(journal, journal.with_name("journal-2020-01.db"))
    journal.write_bytes(b"no journal at all" * 300)
    (journal.parent / "heads.log").unlink()
    recover(out, disk=LocalDisk(), clock=Clock())
    assert Review(out).names == ["odd0.png", "odd1.png", "ok0.png", "ok1.png"]
    found = read_line(out, journal, LocalDisk(), Clock().today()).queue
    assert (found.count, found.listed) == (2, 0)


def test_what_was_shown_is_kept_with_the_verdict(out: Path) -> None:
    review = Review(out)
    review.say(odd0="ok")
    told = review.session.reveal(1)
    assert dict(told["facts"])["decided"] == "REVIEW" and told["confirms"] == ""
    review.session.reveal(1)
    review.say(odd1="bad")
    passed = review.session.reveal(2)
    assert dict(passed["facts"])["decided"] == "ok (PASS)" and passed["confirms"] == "ok"
    rows = review.verdicts.rows()
    assert [(row.event, row.verdict, row.shown) for row in rows] == [
        ("VERDICT", "ok", "nothing"),
        ("SHOWN", "", "decision"),
        ("VERDICT", "bad", "decision"),
        ("SHOWN", "", "decision"),
    ]
    assert {row.reviewer for row in rows} == {"Ann"} and {row.selection for row in rows} == {"queue"}
    assert all(row.time.endswith("+00:00") and len(row.sha256) == 64 for row in rows)


def test_blind_leaves_out_what_one_has_seen_decided(out: Path) -> None:
    seen = Review(out)
    seen.session.reveal(0)
    name = seen.names[0]
    assert name not in Review(out, everything=True, blind=True).names
    assert name in Review(out, "Bob", everything=True, blind=True).names


def test_verdicts_move_no_file(out: Path) -> None:
    before = {path: path.read_bytes() for path in out.glob("*/*.png")}
    Review(out).say(odd0="ok", ok0="bad")
    assert {path: path.read_bytes() for path in out.glob("*/*.png")} == before and len(before) == 7


def test_rows_are_only_added(out: Path) -> None:
    Review(out).say(odd0="ok").verdicts.close()
    forger = sqlite3.connect(out / ".gonogo" / "verdicts.db")
    for change in ("UPDATE verdicts SET verdict = 'bad'", "DELETE FROM verdicts"):
        with pytest.raises(sqlite3.IntegrityError, match="rows are only added"):
            forger.execute(change)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("judge"), st.integers(0, 3), st.sampled_from(["bad", "ok", "unclear"])),
        st.tuples(st.just("reveal"), st.integers(0, 3), st.just("")),
        st.tuples(st.just("undo"), st.just(0), st.just("")),
    ),
    max_size=10,
)


@settings(max_examples=15)
@given(STEPS)
def test_what_stands_is_the_last_word_on_each_picture(used: Path, steps: list[tuple[str, int, str]]) -> None:
    (used / ".gonogo" / "verdicts.db").unlink(missing_ok=True)
    review = Review(used)
    expected: dict[int, tuple[str, str]] = {}
    history: list[int] = []
    seen: set[int] = set()
    for kind, number, word in steps:
        if kind == "judge":
            review.session.judge(number, word, "Ann")
            expected[number] = word, "decision" if number in seen else "nothing"
            history.append(number)
        elif kind == "reveal":
            review.session.reveal(number)
            seen.add(number)
        else:
            undone = review.session.undo()
            assert (undone is None) == (not history)
            if history:
                last = history.pop()
                assert undone == {"id": last, "corrected": ""}
                expected.pop(last, None)
                history = [other for other in history if other != last]
    ids = [item.id for item in review.session._items]
    said = {ids.index(row.id): (row.verdict, row.shown) for row in review.verdicts.standing("Ann")}
    assert said == expected
    assert review.session.counts()["judged"] == len(expected)
    assert review.session.state()["verdicts"] == [expected.get(i, ("",))[0] for i in range(4)]
    review.verdicts.close()


@pytest.mark.parametrize(
    ("number", "word", "reviewer", "says"),
    [
        (4, "ok", "Ann", "id: found 4, expected less than 4"),
        (0, "ugly", "Ann", "corrected: found 'ugly', expected bad, ok or unclear"),
        (0, "ok", " ", "reviewer: found"),
    ],
)
def test_verdicts_that_make_no_sense_are_refused(out: Path, number: int, word: str, reviewer: str, says: str) -> None:
    review = Review(out)
    with pytest.raises(ValueError, match=says):
        review.session.judge(number, word, reviewer)
    assert review.verdicts.rows() == []


def test_only_the_content_that_was_decided_on_is_shown(out: Path, tmp_path: Path) -> None:
    review = Review(out)
    path = out / "REVIEW" / "odd0.png"
    assert review.session.content(0) == path.read_bytes()
    path.write_bytes(part_picture(BRIGHT, 77))
    with pytest.raises(DecodeError, match="its content is another"):
        review.session.content(0)
    path.unlink()
    path.symlink_to(tmp_path)
    with pytest.raises(DecodeError, match="no longer at its place"):
        review.session.content(0)
    with pytest.raises(IndexError):
        review.session.content(4)


def test_damaged_verdicts_are_told(out: Path) -> None:
    Review(out).verdicts.close()
    (out / ".gonogo" / "verdicts.db").write_bytes(b"no database, but nearly so" * 100)
    with pytest.raises(JournalError, match="verdicts"):
        read_verdicts(journal_of(out), LocalDisk())
    with pytest.raises(JournalError, match="verdicts"):
        open_verdicts(journal_of(out), LocalDisk())


def test_a_verdict_that_cannot_be_added_adds_nothing(out: Path) -> None:
    with open_verdicts(journal_of(out), LocalDisk()) as verdicts:
        with pytest.raises(JournalError, match="the verdicts cannot be read or written: CHECK"):
            verdicts.judge("Ann", "1", "c0", "ok", "some")  # type: ignore[arg-type]
        verdicts.judge("Ann", "1", "c0", "ok", "all")
        assert [row.sequence for row in verdicts.rows()] == [1]


def test_verdicts_of_another_version_or_on_a_network_are_refused(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Review(out).verdicts.close()
    with contextlib.closing(sqlite3.connect(out / ".gonogo" / "verdicts.db")) as connection:
        connection.execute("PRAGMA user_version = 7")
    for use in (open_verdicts, read_verdicts):
        with pytest.raises(JournalError, match="found version 7, expected 1; use the gonogo that wrote it"):
            use(journal_of(out), LocalDisk())
    monkeypatch.setattr(LocalDisk, "file_system", lambda *_: "nfs4")
    with pytest.raises(JournalError, match=r"found a network file system \(nfs4\), expected a local disk"):
        open_verdicts(journal_of(out), LocalDisk())


def test_blind_verdicts_on_all_pictures_feed_the_trial(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Review(out, "Queue").say(odd0="bad")
    Review(out, "Seer", everything=True).session.reveal(0)
    words = {"ok0": "ok", "ok1": "bad", "bad0": "bad", "bad1": "ok", "odd0": "bad", "odd1": "unclear"}
    Review(out, "Ann", everything=True, blind=True).say(**words)
    Review(out, "Bob", everything=True, blind=True).say(ok0="ok", ok1="bad")
    found = pilot_verdicts(out, journal_of(out), LocalDisk())
    said = {(row.part, row.reviewer): (row.model_passed, row.bad) for row in found.verdicts}
    assert said == {
        ("ok0.png", "Ann"): (True, False),
        ("ok1.png", "Ann"): (True, True),
        ("bad0.png", "Ann"): (False, True),
        ("bad1.png", "Ann"): (False, False),
        ("odd0.png", "Ann"): (False, True),
        ("ok0.png", "Bob"): (True, False),
        ("ok1.png", "Bob"): (True, True),
    }
    assert sorted(found.left_out.values()) == [1, 1]
    assert main(["pilot", "status", str(out), "--json"]) == 0
    told = capsys.readouterr()
    status = json.loads(told.out)
    assert (status["bad_parts"], status["escapes"], status["parts"]) == (3, 1, 5)
    assert "left out: 1 verdicts on pictures that were chosen by the model's answer" in told.err
    assert main(["pilot", "status", str(out), "--pass-label", "bad", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bad_parts"] == 2
    assert main(["pilot", "status", str(out), "--pass-label", "fine"]) == 2


def test_parts_of_several_pictures_are_judged_whole(tmp_path: Path) -> None:
    views = {"part_pattern": r"(?P<part>\d+)(?P<view>\w)\.png", "views": 2}
    levels = {"1a": BRIGHT, "1b": BRIGHT, "2a": BRIGHT, "2b": BRIGHT, "3a": DARK, "3b": BRIGHT}
    pictures = {f"{name}.png": part_picture(level, i) for i, (name, level) in enumerate(levels.items())}
    out = fill(tmp_path, pictures, **views)
    Review(out, everything=True, blind=True).say(**{"1a": "ok", "1b": "ok", "2a": "ok", "3a": "bad"})
    found = pilot_verdicts(out, journal_of(out), LocalDisk())
    assert {(row.part, row.model_passed, row.bad) for row in found.verdicts} == {("1", True, False), ("3", False, True)}
    assert found.left_out == {"looks at parts of which not all pictures were judged": 1}
    # The same name on another day is another part; the same content is no new one.
    again = {name: part_picture(levels[name[:2]], 50 + i) for i, name in enumerate(["1a.png", "1b.png"])}
    again |= {"9a.png": pictures["3a.png"], "9b.png": part_picture(DARK, 60)}
    fill(tmp_path, again, **views)
    review = Review(out, everything=True, blind=True)
    assert len(review.names) == 6
    for number in range(6):
        review.session.judge(number, "bad", "Ann")
    found = pilot_verdicts(out, journal_of(out), LocalDisk())
    names = sorted(row.part for row in found.verdicts)
    assert len(names) == 5 and {name.split(" (")[0] for name in names} == {"1", "2", "3", "9"}
    assert found.left_out == {"verdicts on content that was seen before": 1}


def test_without_verdicts_a_trial_is_empty(out: Path) -> None:
    found = pilot_verdicts(out, journal_of(out), LocalDisk())
    assert (found.verdicts, found.left_out) == ([], {})


def test_what_says_nothing_about_the_present_model_is_left_out_of_a_trial(out: Path) -> None:
    review = Review(out, everything=True)  # not blind
    review.session.reveal(review.names.index("ok0.png"))
    review.say(ok0="ok", ok1="ok")
    found = pilot_verdicts(out, journal_of(out), LocalDisk())
    assert [(row.part, row.model_passed) for row in found.verdicts] == [("ok1.png", True)]
    assert found.left_out == {"verdicts of people who had seen the model's answer (without --blind)": 1}
    fill(out.parent, {"new.png": part_picture(BRIGHT, 77)}, decider=BrightnessDecider(description=OTHER_MODEL))
    found = pilot_verdicts(out, journal_of(out), LocalDisk())
    assert found.verdicts == []
    assert found.left_out["verdicts on what another model decided"] == 1


def test_a_trial_needs_to_know_which_class_is_pass(
    line_models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox, out = line_inbox(tmp_path / "inbox", {"a.png": 120}), tmp_path / "out"
    Commands(capsys)("sort", line_models["plain"], inbox, out, "--no-gate", *FAST)
    assert main(["pilot", "status", str(out)]) == 2
    assert "--pass-label: the model names no PASS class; say which class means PASS" in capsys.readouterr().err
    assert main(["pilot", "status", str(out), "--pass-label", "ok"]) == 0


def test_verdicts_become_a_training_set(out: Path) -> None:
    Review(out, everything=True).say(ok0="ok", ok1="bad", bad0="bad", odd0="ok", odd1="unclear")
    Review(out, "Bob", everything=True).say(ok1="bad", odd0="bad", bad0="ok")
    Review(out, "Cid", everything=True, blind=True).say(odd0="ok")
    data = Dataset.from_journal(out)
    assert {path.name: data.classes[label] for path, label in zip(data.paths or [], data.labels, strict=True)} == {
        "ok0.png": "ok",
        "ok1.png": "bad",
        "odd0.png": "ok",
    }
    assert data.groups is not None and set(data.groups.tolist()) == {"ok0.png", "ok1.png", "odd0.png"}
    assert data.images.shape == (3, 40, 56, 1) and data.root == out
    assert {path.name for path in Dataset.from_journal(out, classes=["ok", "bad"]).paths or []} == {
        path.name for path in data.paths or []
    }
    (out / "ok" / "ok0.png").write_bytes(part_picture(DARK, 70))
    with pytest.raises(DecodeError, match="another than the one that was judged"):
        Dataset.from_journal(out)
    assert [error.path.name for error in Dataset.from_journal(out, on_bad="skip").bad_files] == ["ok0.png"]
    (out / "REVIEW" / "odd0.png").unlink()
    with pytest.raises(ValueError, match="'ok' has no picture that is still as it was judged"):
        Dataset.from_journal(out, on_bad="skip")


def test_equal_contents_are_one_picture_and_join_their_parts(tmp_path: Path) -> None:
    same = part_picture(BRIGHT, 1)
    views = {"part_pattern": r"(?P<part>\w)(?P<view>\d)\.png", "views": 2}
    pictures = {"a1.png": same, "a2.png": part_picture(BRIGHT, 2), "b1.png": same, "b2.png": part_picture(BRIGHT, 3)}
    pictures |= {"c1.png": part_picture(DARK, 4), "c2.png": part_picture(DARK, 5)}
    out = fill(tmp_path, pictures, **views)
    review = Review(out, everything=True)
    for number, name in enumerate(review.names):
        review.session.judge(number, "bad" if name.startswith("c") else "ok", "Ann")
    data = Dataset.from_journal(out)
    assert [path.name for path in data.paths or []].count("b1.png") == 0 and len(data) == 5
    groups = {path.name[0]: group for path, group in zip(data.paths or [], np.asarray(data.groups), strict=True)}
    assert groups["a"] == groups["b"] != groups["c"]


def test_too_few_verdicts_make_no_training_set(out: Path) -> None:
    with pytest.raises(ValueError, match="found none, expected at least two classes"):
        Dataset.from_journal(out)
    Review(out).say(odd0="ok")
    with pytest.raises(ValueError, match="only of the class 'ok'"):
        Dataset.from_journal(out)
    seen = Review(out)
    seen.session.reveal(0)
    seen.say(odd1="bad")
    assert Dataset.from_journal(out).class_counts() == {"bad": 1, "ok": 1}
    with pytest.raises(ValueError, match="only of the class 'ok'"):
        Dataset.from_journal(out, blind=True)


def test_the_command_refuses_what_is_no_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["review", str(tmp_path)]) == 2
    assert "expected a folder that gonogo sort has filled" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
