"""``gonogo pilot status``: verdicts of people, agreement, decisions, and the command line of the trial."""

from __future__ import annotations

import csv
import json
import random
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from gonogo.cli import main
from gonogo.pilot import Trial, Verdict, trial_status
from gonogo.pilot.agreement import Agreement, agreements
from gonogo.pilot.verdicts import parts_of

TRIAL = Trial(0.01, 0.95)
START = datetime(2024, 5, 1)
HEADER = "part,model_passed,verdict,reviewer\n"


def of(part: object, passed: bool, bad: bool, reviewer: str = "ann", **more: Any) -> Verdict:
    return Verdict(str(part), passed, bad, reviewer, **more)


def bad_parts(caught: int, escapes: int, *, good: int = 10) -> list[Verdict]:
    """Good parts that passed, then escapes, then bad parts that the model refused."""
    said = [of(f"good {i}", True, False) for i in range(good)] + [of(f"escape {i}", True, True) for i in range(escapes)]
    return said + [of(f"caught {i}", False, True) for i in range(caught)]


def timed(verdicts: list[Verdict]) -> list[Verdict]:
    """The same, a minute apart."""
    return [
        Verdict(v.part, v.model_passed, v.bad, v.reviewer, START + timedelta(minutes=i)) for i, v in enumerate(verdicts)
    ]


@pytest.mark.parametrize(
    ("caught", "escapes", "decision", "missing"),
    [
        (0, 0, "not shown yet", 344),
        (343, 0, "not shown yet", 1),
        (344, 0, "certified", 0),
        (343, 1, "not shown yet", 305),
        (648, 1, "certified", 0),
        (880, 2, "certified", 0),
        (40, 6, "failed", 1596),
    ],
)
def test_counts_decide(caught: int, escapes: int, decision: str, missing: int) -> None:
    found = trial_status(bad_parts(caught, escapes), TRIAL)
    assert (found.decision, found.missing) == (decision, missing)
    assert (found.escape.count, found.escape.of) == (escapes, caught + escapes)
    assert (found.overkill.count, found.overkill.of) == (0, 10)


def test_an_open_trial_at_its_planned_end_has_not_shown_it() -> None:
    assert trial_status(bad_parts(200, 0), TRIAL, planned_bad_parts=200).decision == "not shown"
    assert trial_status(bad_parts(199, 0), TRIAL, planned_bad_parts=200).decision == "not shown yet"
    assert trial_status(bad_parts(344, 0), TRIAL, planned_bad_parts=200).decision == "certified"


verdicts = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from(["ann", "bob", "cleo"]), st.booleans()),
    max_size=60,
    unique_by=lambda row: row[:2],
).map(lambda rows: [of(part, part % 3 == 0, bad, name) for part, name, bad in rows])


@given(verdicts, st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_rows_and_repeated_rows_do_not_matter(
    said: list[Verdict], shuffler: random.Random, with_times: bool
) -> None:
    said = timed(said) if with_times else said
    mixed = [*said, *said[:5]]
    shuffler.shuffle(mixed)
    assert trial_status(mixed, TRIAL).to_dict() == trial_status(said, TRIAL).to_dict()


def test_with_times_the_first_decision_stands() -> None:
    said = bad_parts(344, 0)
    late = [*said, *(of(f"late {i}", True, True) for i in range(30))]
    found = trial_status(timed(late), TRIAL)
    assert found.decision == "certified"
    assert found.decided_by is not None
    assert found.decided_by.name == "caught 343"
    assert found.escape.count == 30
    assert trial_status(late, TRIAL).decision == "failed", "without times the counts of now decide"
    early = [*said[:10], *(of(f"early {i}", True, True) for i in range(8)), *said[10:]]
    failed = trial_status(timed(early), TRIAL)
    assert failed.decided_by is not None
    assert (failed.decision, failed.decided_by.name) == ("failed", "early 5")


def test_the_time_of_a_part_is_that_of_its_last_verdict() -> None:
    said = [*timed([of(1, False, True), of(2, False, True)]), of(1, False, True, "bob", time=START + timedelta(days=1))]
    assert [part.name for part in parts_of(said)] == ["2", "1"]


def test_disputed_parts_count_against_what_is_to_be_shown() -> None:
    said = bad_parts(344, 0)
    assert trial_status([*said, of("x", True, True), of("x", True, False, "bob")], TRIAL).decision == "not shown yet"
    settled = [of("x", True, True), of("x", True, False, "bob", reference_bad=False)]
    assert trial_status([*said, *settled], TRIAL).decision == "certified"
    majority = [of("x", True, True), of("x", True, False, "bob"), of("x", True, False, "cleo")]
    assert trial_status([*said, *majority], TRIAL).decision == "certified"
    refused = [of("x", False, True), of("x", False, False, "bob")]
    found = trial_status([*bad_parts(343, 0), *refused], TRIAL)
    assert (found.decision, found.missing, found.disputed) == ("not shown yet", 1, ["x"])
    assert "1 of 354 parts are disputed" in found.warnings[0]
    failing = bad_parts(49, 6)
    assert trial_status(failing, TRIAL).decision == "failed"
    assert trial_status([*failing, *refused], TRIAL).decision == "not shown yet"


def test_people_are_judged_by_the_reference_or_by_the_others() -> None:
    said = [
        *(of(1, False, bad, name, reference_bad=True) for name, bad in (("ann", True), ("bob", False))),
        *(of(2, True, bad, name) for name, bad in (("ann", True), ("bob", False), ("cleo", False))),
        *(of(3, True, bad, name) for name, bad in (("ann", True), ("bob", True))),
    ]
    ann, bob, cleo = trial_status(said, TRIAL).reviewers
    assert [(r.name, r.parts) for r in (ann, bob, cleo)] == [("ann", 3), ("bob", 3), ("cleo", 1)]
    assert ((ann.escape.count, ann.escape.of), (ann.overkill.count, ann.overkill.of)) == ((0, 1), (1, 1))
    assert ((bob.escape.count, bob.escape.of), (bob.overkill.count, bob.overkill.of)) == ((1, 1), (0, 0))
    assert (cleo.escape.of, cleo.overkill.of) == (0, 0), "the other two disagree"


@given(verdicts)
def test_kappa_is_scikit_learns(said: list[Verdict]) -> None:
    parts = parts_of(said)
    for pair in agreements(parts):
        one, other = pair.judges
        both = [p for p in parts if one in p.said and (other in p.said or other == "the model")]
        first = [p.said[one] for p in both]
        second = [not p.model_passed if other == "the model" else p.said[other] for p in both]
        assert pair.observed.of == len(both)
        low, high = pair.interval
        if len({*first, *second}) == 1:
            assert np.isnan([pair.kappa, low, high]).all()
        else:
            assert pair.kappa == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
            assert -1 <= low <= pair.kappa <= high <= 1


def test_full_agreement_has_an_interval_with_a_width() -> None:
    pair = Agreement(("ann", "bob"), 10, 0, 0, 90)
    assert pair.kappa == 1
    assert pair.interval == pytest.approx((1 - (1 - 0.025 ** (1 / 100)) / 0.18, 1.0), abs=1e-9)


@pytest.mark.parametrize(("share", "error"), [(0.5, 0.05), (0.1, 0.05), (0.03, 0.008), (0.2, 0.25)])
def test_the_interval_of_kappa_covers_it(share: float, error: float) -> None:
    right = np.array([1 - error, error])
    cells = share * np.outer(right, right).ravel() + (1 - share) * np.outer(right[::-1], right[::-1]).ravel()
    agree, bad = cells[0] + cells[3], cells[0] + cells[1]
    chance = bad**2 + (1 - bad) ** 2
    true = (agree - chance) / (1 - chance)
    made = [Agreement(("a", "b"), *map(int, row)) for row in np.random.default_rng(3).multinomial(200, cells, 400)]
    covered = [low <= true <= high for low, high in (pair.interval for pair in made) if not np.isnan(low)]
    assert np.mean(covered) >= 0.93


def test_what_makes_the_figures_doubtful_is_said() -> None:
    found = trial_status([of(i, False, True) for i in range(400)], TRIAL)
    assert found.decision == "certified"
    assert [text.split(":")[0] for text in found.warnings] == [
        "no part that the model passed is in the table",
        "no good part is in the table",
        "one person looked",
    ]
    assert trial_status([], TRIAL).warnings == []
    two = [of(1, True, False), of(1, True, False, "bob"), of(2, False, True), of(2, False, True, "bob")]
    assert trial_status(two, TRIAL).warnings == []


def written(tmp_path: Path, said: list[Verdict], **columns: list[str]) -> Path:
    path = tmp_path / "verdicts.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["part", "model_passed", "verdict", "reviewer", *columns])
        for i, v in enumerate(said):
            row = [v.part, "yes" if v.model_passed else "No", "bad" if v.bad else "Good", v.reviewer]
            writer.writerow([*row, *(values[i] for values in columns.values())])
    return path


def test_the_command_tells_decision_and_agreement(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = bad_parts(344, 0)
    times = [(START + timedelta(minutes=i)).isoformat() for i in range(len(said))]
    path = written(tmp_path, said, time=times, reference=["good"] * 10 + ["bad"] * 300 + [""] * 44)
    assert main(["pilot", "status", str(path), "--json"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert (found["decision"], found["bad_parts"], found["escapes"], found["missing"]) == ("certified", 344, 0, 0)
    assert found["decided_by"] == {"part": "caught 343", "time": times[-1]}
    assert found["log_evidence_below"] >= found["log_evidence_needed"]
    assert found["reviewers"][0]["escape"] == {
        "escapes": 0,
        "bad_parts": 300,
        "rate": 0,
        "interval": pytest.approx([0, 0.01222], abs=1e-5),
    }
    assert found["agreement"][0]["judges"] == ["ann", "the model"]
    assert found["agreement"][0]["kappa"] == 1
    assert "warning: one person looked" in printed.err
    assert main(["pilot", "status", str(path), "--quiet"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.startswith("certified: at 95 % confidence, less than 1 % of all bad parts are called PASS\n")
    assert "decided with part caught 343 at 2024-05-01 05:53:00" in printed.out
    for option, word in (
        (["--max-escape", ".005"], "not shown yet: "),
        (["--max-escape", ".005", "--bad-parts", "300"], "not shown: "),
    ):
        assert main(["pilot", "status", str(path), *option]) == 0
        assert capsys.readouterr().out.startswith(word)


def test_an_empty_trial_is_fine(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["pilot", "status", str(written(tmp_path, []))]) == 0
    assert capsys.readouterr().out.startswith(
        "not shown yet: 344 more bad parts would certify 1 %, if no escape comes\n"
    )
    undefined = [of(1, True, False), of(1, True, False, "bob")]
    assert main(["pilot", "status", str(written(tmp_path, undefined))]) == 0
    assert "undefined" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the table is empty, expected a header"),
        ("part,verdict,reviewer\n", "no column 'model_passed'"),
        (HEADER + "1,true,bad\n", ", line 2: found 3 values, expected 4"),
        (
            HEADER + "1,true,bad,ann\n2,maybe,bad,ann\n",
            ", line 3: model_passed: found 'maybe', expected one of true, yes, 1",
        ),
        (HEADER + "1,true,scrap,ann\n", ", line 2: verdict: found 'scrap', expected one of bad, good"),
        (HEADER + "1,true,,ann\n", ", line 2: verdict: found ''"),
        (HEADER + " ,true,bad,ann\n", ", line 2: part: found nothing, expected a name"),
        (HEADER + "1,true,bad,\n", ", line 2: reviewer: found nothing"),
        (
            HEADER + "1,true,bad,ann\n1,false,bad,bob\n",
            ", lines 2 and 3: part '1': found two answers of the model that differ",
        ),
        (
            HEADER + "1,true,bad,ann\n1,true,good,ann\n",
            ", lines 2 and 3: part '1': found two verdicts of 'ann' that differ",
        ),
        (
            "part,model_passed,verdict,reviewer,reference\n1,0,bad,a,bad\n1,0,bad,b,good\n",
            "found two references that differ",
        ),
        ("part,model_passed,verdict,reviewer,reference\n1,0,bad,a,unsure\n", ", line 2: reference: found 'unsure'"),
        (
            "part,model_passed,verdict,reviewer,time\n1,0,bad,a,noon\n",
            ", line 2: time: found 'noon', expected a time such as",
        ),
        (
            "part,model_passed,verdict,reviewer,time\n1,0,bad,a,2024-05-01T10:00\n2,0,bad,a,2024-05-01T10:00Z\n",
            ", line 3: found times with and without time zone",
        ),
    ],
)
def test_a_bad_table_is_refused_with_its_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "verdicts.csv"
    path.write_text(text)
    assert main(["pilot", "status", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"gonogo pilot status: {path}")
    assert complaint in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_times_for_some_verdicts_only_are_refused() -> None:
    with pytest.raises(ValueError, match="line 3: found a time for some rows only"):
        trial_status([of(1, True, True, time=START, line=2), of(2, True, True, line=3)], TRIAL)


def test_the_plan_is_printed_and_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    given = ["pilot", "plan", "--bad-share", ".01", "--parts-per-day", "2000"]
    assert main(given) == 0
    text = capsys.readouterr().out
    rows = [line.split() for line in text.splitlines()]
    assert ["with", "0", "escapes", "344", "34,400", "0.8"] in rows
    assert ["1", "%", "4.1", "%", "0.9", "%", "95.0", "%"] in rows
    pictures = [tmp_path / "plan.svg", tmp_path / "again.svg", tmp_path / "plan.png"]
    for picture in pictures:
        assert main([*given, "--json", "--plot", str(picture)]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["decision"] == "not shown yet"
        assert found["plot"] == str(picture)
        assert found["least"][0] == {
            "escapes": 0,
            "bad_parts": 344,
            "parts": 34400,
            "months": pytest.approx(0.819, abs=1e-3),
        }
    assert b"<svg" in pictures[0].read_bytes()
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert pictures[2].read_bytes().startswith(b"\x89PNG")


def test_a_plan_that_ends_early_says_that_certainty_comes_later(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pilot", "plan", "--bad-share", ".01", "--true-escape", ".002", "--bad-parts", "400"]) == 0
    assert "later" in capsys.readouterr().out


def test_without_matplotlib_a_plot_is_refused_before_the_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["pilot", "plan", "--bad-share", ".01", "--plot", str(tmp_path / "plan.svg")]) == 2
    said = capsys.readouterr().err
    assert "--plot: matplotlib is not installed; leave --plot out or install gonogo[notebook]" in said


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([], "the following arguments are required: --bad-share"),
        (["--bad-share", "2"], "--bad-share: found '2', expected a number between 0 and 1"),
        (["--bad-share", ".01", "--confidence", "95"], "--confidence: found '95'"),
        (["--bad-share", ".01", "--true-escape", ".02"], "--true-escape: found 0.02, expected at least one below"),
        (["--bad-share", ".01", "--parts-per-day", "-1"], "--parts-per-day: found '-1'"),
        (["--bad-share", ".01", "--plot", "plan.jpg"], "--plot: found 'plan.jpg', expected a name that ends in .svg"),
        (["--bad-share", ".01", "--plot", "none/plan.svg"], "--plot: the folder none does not exist"),
        (["--bad-share", ".01", "--colour"], "unknown argument '--colour'"),
    ],
)
def test_a_wrong_option_is_named(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    options: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["pilot", "plan", *options])
    except SystemExit as ended:  # argparse
        code = int(str(ended.code))
    line = capsys.readouterr().err
    assert (code, line.count("\n")) == (2, 1)
    assert line.startswith("gonogo pilot plan: ")
    assert complaint in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("action", ["", "plan", "status"])
def test_help_teaches_with_examples_and_fits_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main([*f"pilot {action}".split(), "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: gonogo pilot {action}")
    assert f"examples:\n  gonogo pilot {action}" in text
    assert [line for line in text.splitlines() if len(line) > 80] == []
