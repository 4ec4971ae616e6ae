"""The page of an evaluation: whole, offline, equal to its figures, whatever classes and files are called."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from chromium import Visit
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import gonogo as gg
from gonogo.page import Axis, histogram, interval_bar, line_chart, text
from gonogo.report_page.verdict import open_points, percent, verdict

BAD, OK = '<script>alert("a & b")</script>', "ok </td> \N{RIGHT-TO-LEFT OVERRIDE}' &amp;"
FILE = "<img src=x onerror=alert(1)>\udcff\x1b{}.png"


class Brightness:
    """A classifier that knows bright pictures from dark ones; class k of several is the one nearest to its brightness."""

    def __init__(self, classes: list[str]) -> None:
        self.classes_ = np.array(classes)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        pixels = X.images if isinstance(X, gg.Dataset) else X
        bright = np.asarray(pixels, np.float64).reshape(len(pixels), -1).mean(axis=1)
        if len(self.classes_) == 2:
            return (bright - 128) / 8
        return -np.abs(bright[:, None] - 40 * (1 + np.arange(len(self.classes_)))) / 8

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        score = self.decision_function(X)
        z = np.stack([np.zeros(len(score)), score], axis=1) if score.ndim == 1 else score
        shares = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def pictures(bright: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Small pictures of a given brightness, no two alike."""
    grain = np.random.default_rng(5).integers(-9, 10, (len(bright), 24, 20, 1))
    return np.clip(bright[:, None, None, None] + grain, 0, 255).astype(np.uint8)


def dataset(
    labels: NDArray[np.intp], bright: NDArray[np.float64], classes: list[str], pictures_of_part: int
) -> gg.Dataset:
    n = len(labels)
    paths = [Path(FILE.format(i)) for i in range(n)]
    groups = np.array([f"<g{i // pictures_of_part}>" for i in range(n)]) if pictures_of_part > 1 else None
    index = np.arange(n, dtype=np.uint32)
    return gg.Dataset(pictures(bright), index, labels, classes, paths=paths, groups=groups, root=Path())


def two_classes(*, certified: bool, max_escape: float = 0.05) -> gg.Report:
    classifier, rng = Brightness([BAD, OK]), np.random.default_rng(1)
    gate = None
    if certified:
        labels = np.arange(200) % 2
        calibration = pictures(np.where(labels == 1, 165.0, 90.0) + rng.normal(0, 12, 200))
        gate = gg.PassGate(classifier, OK, max_escape, 0.95).fit(calibration, np.array([BAD, OK])[labels])
    labels = (np.arange(120) // 2) % 2
    bright = np.where(labels == 1, 160.0, 95.0) + rng.normal(0, 18, 120)
    return gg.evaluate(classifier, dataset(labels, bright, [BAD, OK], 2), gate, pass_label=OK)


def six_classes(pass_label: str | None = None) -> gg.Report:
    classes = [f"class {k}" for k in range(6)]
    labels = np.arange(90) % 6
    bright = 40.0 * (1 + labels) + np.random.default_rng(2).normal(0, 15, 90)
    return gg.evaluate(Brightness(classes), dataset(labels, bright, classes, 1), pass_label=pass_label)


REPORTS: dict[str, Callable[[], gg.Report]] = {
    "certified": lambda: two_classes(certified=True),
    "two classes": lambda: two_classes(certified=False),
    "six classes": six_classes,
    "six classes, one of them PASS": lambda: six_classes("class 5"),
}


def page_of(report: gg.Report, folder: Path) -> ElementTree.Element:
    content = report.to_html(folder / "report.html").read_text(encoding="utf-8")
    assert content.startswith("<!doctype html>\n")
    assert " %" not in content, "a line may not end between a number and its sign"
    return ElementTree.fromstring(content.removeprefix("<!doctype html>\n"))


def words(element: ElementTree.Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def tables(page: ElementTree.Element) -> list[list[list[str]]]:
    return [[[words(cell) for cell in row] for row in table.iter("tr")] for table in page.iter("table")]


@pytest.mark.parametrize("kind", REPORTS)
def test_the_page_is_well_formed_and_fetches_and_runs_nothing(kind: str, tmp_path: Path) -> None:
    page = page_of(REPORTS[kind](), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert not {"script", "link", "iframe", "object", "base", "form"} & {element.tag for element in page.iter()}
    links = [value for e in page.iter() for name, value in e.items() if name in ("src", "href", "srcset", "style")]
    shown = [link for link in links if not link.startswith("background:rgba(")]
    assert len(shown) == len(list(page.iter("img"))) > 0
    for link in shown:
        assert base64.b64decode(link.removeprefix("data:image/png;base64,"), validate=True).startswith(b"\x89PNG")
    assert not [name for element in page.iter() for name in element.keys() if name.startswith("on")]  # noqa: SIM118
    sections = [words(heading) for heading in page.iter("h2")]
    for title in (
        "Open points",
        "Confusion",
        "Classes",
        "Curves",
        "Pictures to look at",
        "Data and split",
        "Model card",
    ):
        assert title in sections
    assert ("Certificate" in sections) == (kind == "certified")


def test_hostile_names_are_shown_as_they_are(tmp_path: Path) -> None:
    page = page_of(two_classes(certified=True), tmp_path)
    shown = " ".join(page.itertext())
    assert BAD in shown
    assert "ok </td> \\u202e' &amp;" in shown and "\N{RIGHT-TO-LEFT OVERRIDE}" not in shown
    assert "<img src=x onerror=alert(1)>\\udcff\\x1b" in shown and "\x1b" not in shown


@pytest.mark.parametrize("kind", REPORTS)
def test_all_figures_are_those_of_the_report(kind: str, tmp_path: Path) -> None:
    report = REPORTS[kind]()
    told, page = report.to_dict(), page_of(report, tmp_path)
    found = tables(page)
    by_head = {" ".join(table[0]): table for table in found}
    classes = by_head["class precision recall F1 support"]
    for name, row in zip(told["classes"], classes[1:], strict=False):
        figures = told["per_class"][name]
        expected = [
            f"{figures[k]:.4f} {figures[f'{k}_interval'][0]:.4f}–{figures[f'{k}_interval'][1]:.4f}"
            if figures[k] is not None
            else "–"
            for k in ("precision", "recall", "f1")
        ]
        assert row == [words(ElementTree.fromstring(f"<a>{text(name)}</a>")), *expected, f"{figures['support']:,}"]
    shares = [[int(cell.split()[0]) for cell in row[1:]] for row in next(t for t in found[::-1] if is_confusion(t))[1:]]
    assert shares == told["confusion"]
    if told["by_part"] is not None:
        of_parts = [[int(cell.split()[0]) for cell in row[1:]] for row in next(t for t in found if is_confusion(t))[1:]]
        assert [row[: len(report.classes)] for row in of_parts] == told["by_part"]["confusion"]
        assert sum(row[-1] for row in of_parts) == told["by_part"]["review"] or report.certificate is None
    for row in by_head["curve area under the ROC curve average precision"][1:]:
        curve = next(
            c for name, c in told["curves"].items() if words(ElementTree.fromstring(f"<a>{text(name)}</a>")) == row[0]
        )
        low, high = curve["roc_auc_interval"]
        assert row[1] == f"{curve['roc_auc']:.4f} {low:.4f}–{high:.4f}"
        low, high = curve["average_precision_interval"]
        assert row[2] == f"{curve['average_precision']:.4f} {low:.4f}–{high:.4f}"
    cards = {words(card[0]): words(card) for card in page.iter("div") if card.get("class") == "card"}
    if "escape" in told:
        escape, overkill = told["escape"], told["overkill"]
        assert f"{escape['escapes']} of {escape['defects']} bad" in cards["Escape"]
        assert percent(escape["rate"]) in cards["Escape"]
        assert f"{overkill['refused']} of {overkill['good']} good" in cards["Overkill"]
    assert ("Review" in cards) == ("gate" in told)
    if kind == "six classes, one of them PASS":
        escapes = by_head["fault class passed of bad pictures escape rate at most"]
        assert [[row[0], int(row[1]), int(row[2])] for row in escapes[1:]] == [
            [name, rate["escapes"], rate["defects"]] for name, rate in told["escape_by_class"].items()
        ]
        assert sum(rate["escapes"] for rate in told["escape_by_class"].values()) == told["escape"]["escapes"] > 0


def is_confusion(table: list[list[str]]) -> bool:
    return table[0][0] == "" and "%" in table[1][-1] and len(table[0]) > 2 and table[0][1] not in ("right class",)


def test_the_certificate_and_its_thresholds_are_there(tmp_path: Path) -> None:
    report = two_classes(certified=True)
    made = report.certificate
    assert made is not None
    page = page_of(report, tmp_path)
    shown = words(page)
    for part in (
        "At 95 % confidence, at most 5 % of all bad parts",
        "It rests on this",
        made.digest,
        "drawn as in production",
    ):
        assert part in shown
    assert f"T = {made.threshold:.4g}: certified threshold" in shown
    captions = [words(caption) for caption in page.iter("figcaption") if words(caption).startswith("truth")]
    assert captions and all(" decided " in caption and " net: " in caption for caption in captions)
    assert f"T + g = {made.threshold + made.guard_band:.4g}: PASS needs more" in shown


def test_a_review_zone_is_drawn_and_told(tmp_path: Path) -> None:
    classifier, labels = Brightness(["bad", "ok"]), np.arange(200) % 2
    bright = np.where(labels == 1, 160.0, 95.0) + np.random.default_rng(1).normal(0, 18, 200)
    gate = gg.PassGate(classifier, "ok", 0.05, 0.95, cost_ratio=20, review_capacity=0.1)
    gate.fit(pictures(bright), np.array(["bad", "ok"])[labels])
    report = gg.evaluate(classifier, dataset(labels, bright[::-1].copy()[::-1], ["bad", "ok"], 1), gate)
    zone = gate.review_zone
    assert zone is not None and report.rule is not None and report.rule.limit == zone.upper > zone.lower
    shown = words(page_of(report, tmp_path))
    assert f"Shaded: REVIEW, above {zone.lower:.4g} and up to {zone.upper:.4g}" in shown
    assert "Review zone: PASS above" in shown


def test_equal_reports_give_equal_bytes(tmp_path: Path) -> None:
    first = two_classes(certified=True).to_html(tmp_path / "a.html").read_bytes()
    assert two_classes(certified=True).to_html(str(tmp_path / "b.html")).read_bytes() == first


def test_the_answer_follows_from_the_evidence() -> None:
    certified, bare = two_classes(certified=True), two_classes(certified=False)
    said = verdict(certified)
    assert said.word == "YES" and "at most 5 % of bad parts are passed" in said.sentence
    assert certified.escape is not None
    assert f"{certified.escape.count} of {certified.escape.of} bad parts passed" in said.sentence
    assert verdict(bare).word == "NO" and "299 bad parts" in verdict(bare).advice
    assert verdict(six_classes()).word == "OPEN"
    assert certified.parts is not None
    passing = np.full(len(certified.parts), 1)
    broken = replace(certified, parts=replace(certified.parts, predicted=passing))
    assert verdict(broken).word == "NO" and "contradicts the certificate" in verdict(broken).sentence


def test_open_points_are_named() -> None:
    report = two_classes(certified=True)
    assert report.parts is not None
    broken = replace(report, parts=replace(report.parts, predicted=np.full(len(report.parts), 1)))
    assert "More bad parts passed than the promised 5 %" in " ".join(open_points(broken))
    points = " ".join(open_points(report))
    for part in ("were not audited", "No ledger was kept", "left no record", "Lots were not given"):
        assert part in points
    assert "opened 2 times before" in " ".join(open_points(replace(report, openings=2)))
    assert "each picture was taken for a part" in " ".join(open_points(six_classes("class 0")))
    only_good = report.select(report.truth == 1)
    assert "no bad part in this test" in " ".join(open_points(only_good))
    assert "0 of 0 bad parts passed, and" in verdict(only_good).sentence


def test_tiles_are_named_and_no_certificate_is_advised(tmp_path: Path) -> None:
    labels = np.arange(12) // 6
    bright = np.where(labels == 1, 170.0, 80.0)
    boxes = np.tile(np.array([[0, 0, 24, 20], [0, 20, 24, 40], [24, 0, 48, 20]], np.int32), (4, 1))
    paths = [Path(f"{i // 3}.png") for i in range(12)]
    index = np.arange(12, dtype=np.uint32)
    groups = np.array([path.stem for path in paths])
    data = gg.Dataset(
        pictures(bright), index, labels, ["bad", "ok"], paths=paths, groups=groups, boxes=boxes, root=Path()
    )
    report = gg.evaluate(Brightness(["bad", "ok"]), data, pass_label="ok")
    assert verdict(report).advice == "These are tiles of pictures; a certificate is about whole parts."
    assert "0.png, tile 0 20 24 40" in words(page_of(report, tmp_path))


def test_parts_without_a_class_that_passes_are_called_by_the_average_of_their_pictures(tmp_path: Path) -> None:
    labels = (np.arange(40) // 2) % 2
    bright = np.where(labels == 1, 160.0, 95.0)
    data = dataset(labels, bright, ["dark", "bright"], 2)
    report = gg.evaluate(Brightness(["dark", "bright"]), data)
    shown = words(page_of(report, tmp_path))
    assert "the most probable class on the average of its pictures" in shown
    assert list(report.curves) == ["dark", "bright"] and "bright" in shown


def test_what_was_left_out_is_counted(tmp_path: Path) -> None:
    data = dataset(np.arange(20) % 2, 95.0 + 65.0 * (np.arange(20) % 2), ["dark", "bright"], 1)
    data.excluded, data.bad_files = data[:3], [gg.DecodeError("a.png", "truncated", "found the end", 17)] * 2
    shown = words(page_of(gg.evaluate(Brightness(["dark", "bright"]), data), tmp_path))
    assert "left out by the split 3 pictures of parts with more than one label" in shown
    assert "left out, no good pictures 2 files" in shown


def test_an_audit_is_told_with_the_figures_without_siblings(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    scene = np.kron(rng.integers(20, 120, (24, 12, 12)), np.ones((1, 8, 8))) + rng.integers(0, 20, (24, 96, 96))
    images, labels = scene.astype(np.uint8)[..., None], np.arange(24) % 2
    images[17] = np.rot90(images[1])
    data = gg.Dataset.from_arrays(images, labels, classes=["bad", "ok"])
    parts = {"train": data[:8], "calibration": data[8:16], "test": data[16:]}
    classifier = Brightness(["bad", "ok"])
    report = gg.evaluate(classifier, parts["test"], pass_label="ok", without=gg.audit(parts))
    shown = words(page_of(report, tmp_path))
    assert "12.5% of the test pictures (1 of 8) have a sibling in train" in shown
    assert "without the 1 pictures of parts in training" in shown
    assert "Not audited." not in shown and "Not audited." in words(page_of(six_classes(), tmp_path))
    clean = gg.evaluate(classifier, parts["calibration"], pass_label="ok", without=gg.audit(parts))
    assert "the figures stand as they are" in words(page_of(clean, tmp_path))
    images[9] = np.rot90(images[3])
    leaking = gg.audit({"train": data[:8], "calibration": data[8:16], "test": data[16:]})
    certified = replace(two_classes(certified=True), audit=leaking)
    assert verdict(certified).word == "NO" and "1 of 8 pictures" in verdict(certified).sentence


def test_rows_and_own_models_have_a_page_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.arange(60) % 2
    classifier = gg.InspectionClassifier([gg.layers.dense("classes")], epochs=1, random_state=1, pass_label=1).fit(X, y)
    shown = words(page_of(gg.evaluate(classifier, (X, y)), tmp_path))
    assert "no pictures that could be shown" in shown
    assert "batch size" in shown and classifier.model_file.core.model_sha256 in shown


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        six_classes().to_html(tmp_path / "missing" / "report.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", REPORTS)
def test_in_a_browser_it_fits_desktop_and_phone_without_a_complaint(
    kind: str, open_page: Callable[..., Visit], tmp_path: Path
) -> None:
    path = REPORTS[kind]().to_html(tmp_path / "report.html")
    for width in (1280, 390):
        visit = open_page(path, width=width)
        assert not visit.overflows()
        assert visit.page.locator(".verdict").bounding_box()["y"] < 300
        loaded = visit.page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        assert loaded


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_and_inside(low: float, span: float) -> None:
    high = low + span
    if not high > low or span < abs(low) * 1e-9:
        return
    ticks = Axis("", low, high).ticks()
    assert 2 <= len(ticks) <= 11
    slack = 1e-6 * span
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    step = (ticks[-1] - ticks[0]) / (len(ticks) - 1)
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-6)
    assert min(abs(mantissa - nice) for nice in (1, 2, 5, 10)) < 1e-2


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=60))
def test_charts_are_well_formed_and_keep_both_ends(points: list[tuple[float, float]]) -> None:
    line = np.array([*points, (math.nan, 0.5)]).T
    drawn = ElementTree.fromstring(line_chart([line], Axis("<x>", 0, 1), Axis("y", 0, 1), "a & b"))
    paths = [path.get("d", "") for path in drawn.iter("path") if path.get("stroke-width") == "2"]
    assert len(paths) == bool(points)
    if points:
        places = [tuple(map(float, place.split())) for place in paths[0].removeprefix("M").split("L")]
        for place, (x, y) in ((places[0], points[0]), (places[-1], points[-1])):
            assert place == pytest.approx((52 + 294 * x, 274 - 260 * y), abs=0.06)


@pytest.mark.parametrize("values", [[], [3.0], [2.0, 2.0], [-1e5, 1e5], [0.1] * 1000])
def test_a_histogram_holds_every_value(values: list[float]) -> None:
    array = np.array(values)
    drawn = ElementTree.fromstring(histogram(array, array[:0], ("<a>", "b"), "x", "y", "t", shaded=(-math.inf, 0.0)))
    shown = " ".join(drawn.itertext())
    assert f"<a> upwards, {len(values):,}" in shown and "b downwards, 0" in shown
    for path in drawn.iter("path"):
        assert "nan" not in path.get("d", "") and "inf" not in path.get("d", "")


def test_what_cannot_be_seen_is_spelt_out() -> None:
    assert text("a\nb\x00\u202e\ud800 <é>") == "a\\nb\\x00\\u202e\\ud800 &lt;é&gt;"
    assert [percent(x) for x in (0.0, 1e-6, 0.5, 1 - 1e-6, 1.0)] == ["0.0 %", "0.1 %", "50.0 %", "99.9 %", "100.0 %"]
    assert "circle" in interval_bar(0.5, 0.4, 0.6)
