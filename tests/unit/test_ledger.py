"""The ledger: each set of calibration parts serves once, and nobody edits what was written."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gonogo import Dataset, LedgerError, NotCertifiable, PassGate, load_split, save_split
from gonogo.gate import open_test_set
from gonogo.ledger import open_ledger, read_ledger, record_test, user


class Scores:
    """Scores are one column of X times a factor: another factor is another model."""

    classes_ = np.array(["bad", "ok"])

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        return self.factor * np.asarray(X, np.float64)[:, 0]


X = np.concatenate([np.linspace(-3, 2, 500), [5.0, 6.0]])[:, None]
y = np.array(["bad"] * 500 + ["ok"] * 2)


def calibrate(
    ledger: Path, model: Scores | None = None, rows: Any = slice(None), labels: Any = y, **terms: Any
) -> PassGate:
    chosen = {"max_escape": 0.01, "confidence": 0.95, **terms}
    gate = PassGate(model or Scores(), "ok", **chosen, ledger=ledger)
    return gate.fit(X[rows], labels[rows])


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "split.csv.ledger"


def test_a_calibration_is_recorded_with_all_that_matters(ledger: Path) -> None:
    gate = calibrate(ledger)
    (entry,) = read_ledger(ledger)
    assert entry["kind"] == "calibration"
    assert len(entry["parts"]) == 502
    assert entry["claim"]["max_escape"] == 0.01
    assert entry["claim"]["pass_label"] == "ok"
    assert entry["claim"]["parts_sha256"] == gate.certificate_["parts_sha256"]
    assert entry["outcome"] == {"threshold": gate.threshold_.hex(), "escapes_allowed": 1, "defects": 500}
    assert entry["time"].endswith("+00:00")
    assert entry["user"]
    assert gate.certificate_["single_use"] == entry["sha256"]


def test_the_same_calibration_may_be_repeated(ledger: Path) -> None:
    first, second = calibrate(ledger), calibrate(ledger, rows=np.random.default_rng(0).permutation(502))
    assert first.threshold_ == second.threshold_
    assert len(read_ledger(ledger)) == 2


def test_a_second_model_is_refused_and_that_is_recorded(ledger: Path) -> None:
    calibrate(ledger)
    with pytest.raises(ValueError, match="for another model, and 1 candidate had been declared") as caught:
        calibrate(ledger, Scores(2.0))
    assert "calibrate on parts that were never used, or declare candidates=M" in str(caught.value)
    assert [entry["kind"] for entry in read_ledger(ledger)] == ["calibration", "refusal"]
    with pytest.raises(ValueError, match="in another set of parts"):
        calibrate(ledger, Scores(2.0), rows=slice(0, 400))
    assert calibrate(ledger).threshold_, "the first may still be repeated"


@pytest.mark.parametrize(
    ("terms", "what"),
    [
        ({"max_escape": 0.02}, "with another max_escape"),
        ({"confidence": 0.9}, "with another confidence"),
        ({"per_class": True}, "with another per_class"),
        ({"rows": slice(1, None)}, "in another set of parts"),
        ({"labels": np.where(np.arange(502) == 499, "ok", y)}, "under other labels, which are frozen"),
        ({"candidates": 2, "max_escape": 0.02}, "with another candidates"),
    ],
)
def test_other_terms_for_used_parts_are_refused(ledger: Path, terms: dict[str, Any], what: str) -> None:
    calibrate(ledger)
    with pytest.raises(ValueError, match=what):
        calibrate(ledger, **terms)


def test_declared_candidates_may_share_the_parts_and_no_more(ledger: Path) -> None:
    for factor in (1.0, 2.0, 3.0, 2.0):
        calibrate(ledger, Scores(factor), candidates=3, max_escape=0.02)
    with pytest.raises(ValueError, match="3 candidates had been declared"):
        calibrate(ledger, Scores(4.0), candidates=3, max_escape=0.02)


def test_too_few_parts_use_nothing_up_but_are_recorded(ledger: Path) -> None:
    with pytest.raises(NotCertifiable):
        calibrate(ledger, rows=slice(0, 200))
    assert calibrate(ledger, Scores(2.0)).certificate_["defects"] == 500
    kinds = [(entry["kind"], "299: 99 are missing" in entry.get("reason", "")) for entry in read_ledger(ledger)]
    assert kinds == [("refusal", True), ("calibration", False)]


def test_rows_are_the_same_parts_in_every_type(ledger: Path) -> None:
    rows = X.astype(np.float32)
    PassGate(Scores(), "ok", 0.01, 0.95, ledger=ledger).fit(rows, y)
    for same in (rows.astype(np.float64), X):
        with pytest.raises(ValueError, match="parts of this calibration set were used on"):
            PassGate(Scores(2.0), "ok", 0.01, 0.95, ledger=ledger).fit(same, y)


def test_fresh_parts_are_free(ledger: Path) -> None:
    calibrate(ledger)
    gate = PassGate(Scores(2.0), "ok", 0.01, 0.95, ledger=ledger).fit(X + 0.001, y)
    assert gate.threshold_ == pytest.approx(2 * (np.sort(X[:500, 0])[-2] + 0.001))


def test_without_a_ledger_the_certificate_says_so(tmp_path: Path) -> None:
    gate = PassGate(Scores(), "ok", 0.01, 0.95).fit(X, y)
    assert gate.certificate_["single_use"] == ""
    assert list(tmp_path.iterdir()) == []


def test_opening_a_test_set_is_recorded_and_its_parts_certify_no_other_model(ledger: Path) -> None:
    calibrate(ledger, rows=slice(0, 400))
    (entry,) = read_ledger(ledger)
    ids, claim = entry["parts"], entry["claim"]
    one = {"model_sha256": claim["model_sha256"], "preprocess_sha256": claim["preprocess_sha256"]}
    fresh = [part[::-1] for part in ids]
    assert record_test(ledger, fresh, **one) == 0
    assert record_test(ledger, fresh[:5], **one) == 1
    assert record_test(ledger, ids[:1], model_sha256="another", preprocess_sha256="") == 0
    with pytest.raises(ValueError, match="were a test set of another model"):
        calibrate(ledger, rows=slice(0, 400))


def test_a_test_set_that_was_opened_certifies_no_other_model(ledger: Path) -> None:
    assert open_test_set(Scores(), X, y) is None, "without a ledger nothing is recorded"
    assert [open_test_set(Scores(), X, y, ledger=ledger) for _ in range(2)] == [0, 1]
    assert calibrate(ledger).threshold_, "the very model that was tested may be calibrated on these parts"
    with pytest.raises(ValueError, match="were a test set of another model"):
        PassGate(Scores(2.0), "ok", 0.02, 0.95, ledger=ledger).fit(X, y)


def test_the_ledger_lies_beside_the_split(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for label, n in (("bad", 620), ("ok", 20)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(rng.integers(0, 256, (4, 5), dtype=np.uint8)).save(tmp_path / "data" / label / f"{i}.png")
    data = Dataset.from_folder(tmp_path / "data")

    class Brightness(Scores):
        def decision_function(self, X: Any) -> NDArray[np.float64]:
            return self.factor * X.images.mean(axis=(1, 2, 3))

    split = tmp_path / "split.csv"
    save_split(split, data.split({"calibration": 0.5, "test": 0.5}, seed=1))
    parts = load_split(split, data)
    gate = PassGate(Brightness(), "ok", 0.01, 0.95).fit(parts["calibration"])
    (entry,) = read_ledger(f"{split}.ledger")
    assert gate.certificate_["single_use"] == entry["sha256"]
    smaller = Dataset.from_folder(tmp_path / "data", image_size=(2, 2))
    resized = load_split(split, smaller)["calibration"]
    with pytest.raises(ValueError, match="for another model"):
        PassGate(Brightness(), "ok", 0.01, 0.95).fit(resized)
    copied = tmp_path / "data" / "bad" / "copy.png"
    copied.write_bytes(next((tmp_path / "data" / "bad").glob("*.png")).read_bytes())
    with pytest.raises(ValueError, match="hold the same pixels but count as two bad parts"):
        PassGate(Brightness(), "ok", 0.01, 0.95).fit(Dataset.from_folder(tmp_path / "data"))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_an_edited_ledger_is_refused(data: st.DataObject, ledger: Path) -> None:
    ledger.unlink(missing_ok=True)
    for i in range(3):
        with open_ledger(ledger) as page:
            page.append("test", [f"{i}"], model_sha256="m", preprocess_sha256="")
    whole = ledger.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    lines = whole.splitlines(keepends=True)
    edited = data.draw(
        st.sampled_from(
            [
                whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :],
                whole[:place] + whole[place + 1 :],
                b"".join(lines[1:]),
                b"".join([lines[0], lines[2]]),
                b"".join([lines[1], lines[0], lines[2]]),
                whole + b"{}\n",
                whole + lines[0],
                whole[:-1],
                b"\n" + whole,
                b"\xff\n",
                b"null\n",
                b"[" * 100_000 + b"\n",
            ]
        )
    )
    ledger.write_bytes(edited)
    with pytest.raises(LedgerError, match="restore the file from a backup") as caught:
        read_ledger(ledger)
    assert caught.value.path == ledger
    with pytest.raises(LedgerError):
        record_test(ledger, ["9"], model_sha256="m", preprocess_sha256="")
    assert ledger.read_bytes() == edited, "nothing is added to an edited ledger"


def test_an_edited_ledger_stops_a_calibration(ledger: Path) -> None:
    calibrate(ledger)
    text = ledger.read_text()
    ledger.write_text(text.replace('"max_escape":0.01', '"max_escape":0.02'))
    with pytest.raises(LedgerError, match="line 1 was edited") as caught:
        calibrate(ledger, Scores(2.0))
    twin = pickle.loads(pickle.dumps(caught.value))
    assert (str(twin), vars(twin)) == (str(caught.value), vars(caught.value))


PROGRAM = """
import sys
from gonogo.ledger import open_ledger
for i in range(40):
    with open_ledger(sys.argv[1]) as page:
        page.append("test", [f"{sys.argv[2]} {i}"], model_sha256="m", preprocess_sha256="", before=len(page.entries))
"""


def test_two_processes_take_turns(ledger: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", PROGRAM, str(ledger), name]) for name in "ab"]
    assert [process.wait(60) for process in running] == [0, 0]
    entries = read_ledger(ledger)
    assert [entry["before"] for entry in entries] == list(range(80))
    assert sorted(entry["parts"][0] for entry in entries) == sorted(f"{name} {i}" for name in "ab" for i in range(40))


def test_a_full_disk_leaves_the_ledger_as_it_was_and_gives_no_threshold(
    ledger: Path, unmeasured: dict[str, str]
) -> None:
    calibrate(ledger)
    before = ledger.read_bytes()
    program = f"""
import resource, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
import test_ledger
resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 100}, resource.RLIM_INFINITY))
try:
    test_ledger.calibrate(test_ledger.Path({str(ledger)!r}))
except OSError as error:
    sys.exit(7 if error.filename == {str(ledger)!r} else 8)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=unmeasured)
    assert done.returncode == 7, done.stderr
    assert ledger.read_bytes() == before


def test_a_ledger_that_cannot_be_written_gives_no_threshold(tmp_path: Path) -> None:
    gate = PassGate(Scores(), "ok", 0.01, 0.95, ledger=tmp_path / "missing" / "l.ledger")
    with pytest.raises(FileNotFoundError, match=r"the folder .* does not exist"):
        gate.fit(X, y)
    with pytest.raises(ValueError, match="no certificate yet"):
        _ = gate.threshold_
    with pytest.raises(IsADirectoryError):
        PassGate(Scores(), "ok", 0.01, 0.95, ledger=tmp_path).fit(X, y)


def test_lines_are_plain_json(ledger: Path) -> None:
    calibrate(ledger)
    (line,) = ledger.read_text().splitlines()
    assert json.loads(line)["previous"] == "0" * 64


def test_who_has_no_name_is_recorded_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    assert user() == "ada"
    for name in ("LOGNAME", "USER"):
        monkeypatch.delenv(name, raising=False)
    assert user() == f"uid {os.getuid()}"
