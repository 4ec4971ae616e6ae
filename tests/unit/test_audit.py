"""The audit finds every kind of planted problem, nothing in sound pictures, and refuses what it cannot audit."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import gonogo as gg
from gonogo import synthetic
from gonogo.audit.connected import Connected
from gonogo.audit.giveaways import best_limit, pure
from gonogo.audit.resizing import fault_areas
from gonogo.audit.words import group_line
from gonogo.cli import main

Grey = NDArray[np.uint8]
Run = Callable[..., subprocess.CompletedProcess[str]]
Json = Callable[..., dict[str, Any]]


def surface(number: int, side: int = 96) -> Grey:
    """A surface like no other."""
    rng = np.random.default_rng(number)
    noise = sum(ndimage.gaussian_filter(rng.normal(size=(side, side)), s) * s for s in (1, 2, 4, 8))
    return np.clip(128 + 30 * noise / noise.std(), 0, 255).astype(np.uint8)


def save(path: Path, picture: Grey, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(picture)).save(path, **options)
    return path


def lay_sound(root: Path, first: int = 0, each: int = 24) -> Path:
    """Two classes of surfaces that differ in nothing, and no two pictures of one."""
    for number in range(2 * each):
        save(root / ("bad", "good")[number % 2] / f"part_{first + number:04d}.png", surface(first + number))
    return root


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return lay_sound(tmp_path / "parts")


def files(report: gg.AuditReport, kind: str) -> list[str]:
    return [finding.file for finding in report.found[kind]]


def test_sound_pictures_have_no_findings(sound: Path) -> None:
    report = gg.audit(sound)
    assert report.problems == 0 and report.leak is None and not any(report.counts.values())
    assert "nothing was found" in str(report) and "nothing was found" in report._repr_html_()
    assert repr(report) == "<AuditReport: audit of 48 pictures (bad 24, good 24), 0 findings>"
    assert report.to_dict()["classes"] == {"bad": 24, "good": 24}


def test_equal_files_and_equal_pixels(sound: Path) -> None:
    shutil.copy(sound / "good" / "part_0001.png", sound / "good" / "zz.png")
    save(sound / "bad" / "part_0000.bmp", surface(0))
    report = gg.audit(sound)
    assert report.names("exact_duplicates") == [["good/part_0001.png", "good/zz.png"]]
    assert report.names("same_pixels") == [["bad/part_0000.bmp", "bad/part_0000.png"]]
    assert sorted(map(sorted, report.names("siblings"))) == [
        ["bad/part_0000.bmp", "bad/part_0000.png"],
        ["good/part_0001.png", "good/zz.png"],
    ]


def test_equal_blank_files_are_duplicates_too(sound: Path) -> None:
    for name in ("a", "b"):
        save(sound / "bad" / f"{name}.png", np.full((96, 96), 90, np.uint8))
    report = gg.audit(sound)
    assert report.names("exact_duplicates") == [["bad/a.png", "bad/b.png"]]
    assert files(report, "blank") == ["bad/a.png", "bad/b.png"]


def test_a_part_with_two_labels(sound: Path) -> None:
    save(sound / "good" / "again.jpg", np.rot90(surface(4)), quality=90)
    report = gg.audit(sound)
    assert report.names("label_conflicts") == [["bad/part_0004.png", "good/again.jpg"]]
    assert report.conflicting_pairs[0].score > 0.9
    assert "1 good: good/again.jpg" in group_line(report, "label_conflicts", report.label_conflicts[0], 3)
    again = report.to_dict()["pairs"]
    assert again[0]["files"] == ["bad/part_0004.png", "good/again.jpg"] and again[0]["score"] > 0.9


def test_siblings_in_another_folder_are_a_leak(tmp_path: Path) -> None:
    lay_sound(tmp_path / "train", each=16)
    lay_sound(tmp_path / "test", first=100, each=5)
    save(tmp_path / "test" / "good" / "turned.png", ndimage.rotate(surface(3), 30, reshape=False, mode="nearest"))
    save(tmp_path / "test" / "bad" / "mirrored.png", surface(2)[:, ::-1])
    report = gg.audit({"test": tmp_path / "test", "train": tmp_path / "train"})
    assert report.training == "train" and report.leak is not None
    assert (report.leak.count, report.leak.of) == (2, 12)
    assert sorted(map(sorted, report.names("across_subsets"))) == [
        ["test/bad/mirrored.png", "train/bad/part_0002.png"],
        ["test/good/turned.png", "train/good/part_0003.png"],
    ]
    assert "16.7% of the test pictures (2 of 12) have a sibling in train" in str(report)


def test_the_split_of_a_data_set(sound: Path) -> None:
    save(sound / "good" / "again.png", np.rot90(surface(1)))
    data = gg.Dataset.from_folder(sound)
    names = np.array(["test" if file == "good/again.png" else "train" for file in data.files])
    parts = {name: data[names == name] for name in ("train", "test")}
    report = gg.audit(parts)
    assert report.names("across_subsets") == [["good/part_0001.png", "good/again.png"]]
    assert report.leak is not None and report.leak.value == 1
    assert report.leaked(parts["test"]).tolist() == [True]
    with pytest.raises(ValueError, match="audit the training and the test pictures together"):
        gg.audit(data).leaked(parts["test"])
    with pytest.raises(ValueError, match="1 pictures were not audited, such as good/again"):
        gg.audit({"train": parts["train"], "more": parts["train"][:3]}).leaked(parts["test"])


def test_pictures_from_arrays(tmp_path: Path) -> None:
    images = np.stack([surface(i) for i in range(12)] + [np.rot90(surface(0)), surface(1)])
    data = gg.Dataset.from_arrays(images, ["bad", "good"] * 7)
    report = gg.audit({"train": data[:12], "test": data[12:]})
    assert report.leak is not None and report.leak.count == 2
    assert report.names("exact_duplicates") == [["train/000000001", "test/000000013"]]
    assert report.leaked(data[12:]).tolist() == [True, True] and len(set(report.groups())) == 12
    with pytest.raises(ValueError, match="arrays have no files"):
        report.save_groups(tmp_path / "groups.csv")


def test_groups_serve_a_split_and_known_groups_are_united_with_what_is_found(tmp_path: Path) -> None:
    synthetic.write(tmp_path / "castings", 60, size=(96, 96))
    known = tmp_path / "castings" / "groups.csv"
    save(tmp_path / "castings" / "def_front" / "again.png", np.rot90(synthetic.casting(0, size=(96, 96)).image))
    report = gg.audit(tmp_path / "castings", groups=known)
    report.save_groups(tmp_path / "found.csv")
    data = gg.Dataset.from_folder(tmp_path / "castings", groups=tmp_path / "found.csv")
    assert data.groups is not None
    group_of = dict(zip(data.files, data.groups.tolist(), strict=True))
    first = synthetic.casting(0, size=(96, 96))
    assert group_of["def_front/again.png"] == group_of[f"{first.label}/casting_000000.png"]
    with known.open(encoding="utf-8") as table:
        parts: dict[str, set[str]] = {}
        for row in csv.DictReader(table):
            parts.setdefault(row["group"], set()).add(group_of[f"{row['class']}/{row['file']}"])
    assert all(len(found) == 1 for found in parts.values())


def test_spoilt_pictures(sound: Path) -> None:
    blurred = ndimage.gaussian_filter(surface(60).astype(float), 4)
    planted = {
        "blank": surface(50) // 100 + 100,
        "saturated": np.where(surface(51) > 120, 255, surface(51)).astype(np.uint8),
        "dark": surface(52) // 12,
        "blurred": np.clip(128 + 30 * (blurred - blurred.mean()) / blurred.std(), 0, 255).astype(np.uint8),
        "odd_sizes": surface(53, side=112),
    }
    for kind, picture in planted.items():
        save(sound / "good" / f"{kind}.png", picture)
    (sound / "bad" / "cut.png").write_bytes((sound / "bad" / "part_0000.png").read_bytes()[:900])
    (sound / "bad" / "notes.txt").write_text("no picture")
    report = gg.audit(sound)
    for kind in planted:
        assert files(report, kind) == [f"good/{kind}.png"], kind
    assert [(row["file"], row["fault"]) for row in report.to_dict()["bad_files"]] == [
        ("bad/cut.png", "truncated"),
        ("bad/notes.txt", "name"),
    ]
    assert not report.siblings


def test_names_and_formats_that_give_the_label_away(tmp_path: Path) -> None:
    for number in range(60):
        label = ("bad", "good")[number % 2]
        name = f"cast_{label[:2]}_{number}.{'png' if label == 'bad' else 'jpg'}"
        save(tmp_path / label / name, surface(number, side=96 if label == "bad" else 90))
    report = gg.audit(tmp_path)
    assert [finding.words.split(" is in")[0] for finding in report.found["telling_names"]] == ["'ba'", "'go'"]
    told = [finding.words for finding in report.found["telling_formats"]]
    assert any(words.startswith("the format is PNG in all 30 pictures of bad") for words in told)
    assert any(words.startswith("the format is JPEG in all 30 pictures of good") for words in told)


def test_light_and_jpeg_quality_that_give_the_label_away(tmp_path: Path) -> None:
    for number in range(60):
        label = ("bad", "good")[number % 2]
        light, quality = (0.6, 70) if label == "bad" else (1.0, 90)
        picture = (surface(number) * light).astype(np.uint8)
        save(tmp_path / label / f"{number}.jpg", picture, quality=quality)
    report = gg.audit(tmp_path)
    assert any(
        "the mean level alone tells bad from the rest: below" in f.words for f in report.found["telling_exposures"]
    )
    assert any("quantisation tables" in f.words for f in report.found["telling_formats"])


def test_what_a_few_pictures_share_is_an_accident() -> None:
    labels = ["a"] * 50 + ["b"] * 50
    assert pure(labels, [["rare"] if i < 6 else ["other"] for i in range(100)]) == []
    assert pure(labels, [["mine"] if i < 30 else ["other"] for i in range(100)]) == [("a", "mine", 30)]
    assert pure(["a"] * 9, [["x"]] * 9) == []


def test_best_limit_does_not_cut_equal_values() -> None:
    of_class = np.array([True] * 5 + [False] * 5)
    assert best_limit(np.arange(10.0), of_class) == (1.0, 4.5, False)
    assert best_limit(-np.arange(10.0), of_class) == (1.0, -4.5, True)
    assert best_limit(np.zeros(10), of_class)[0] == 0.5


def test_fault_areas_agree_with_scipy() -> None:
    rng = np.random.default_rng(1)
    for share in (0.02, 0.3, 0.6, 1.0):
        mask = rng.random((40, 57)) < share
        named, count = ndimage.label(mask, np.ones((3, 3)))
        expected = sorted(np.bincount(named.ravel())[1:].tolist())
        assert sorted(fault_areas(mask).tolist()) == expected and len(expected) == count
    assert fault_areas(np.zeros((3, 4), bool)).tolist() == []


def test_connected() -> None:
    sets = Connected(6)
    sets.join((4, 2))
    sets.join((5, 4, 1))
    assert sets.groups() == [[1, 2, 4, 5]] and sets.groups(least=1)[0] == [0]


def test_faults_that_shrink_and_shapes_that_are_squeezed(sound: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    for number, side in ((0, 4), (2, 40)):
        mask = np.zeros((96, 96), np.uint8)
        mask[10 : 10 + side, 20 : 20 + side] = 255
        save(masks / "bad" / f"part_{number:04d}.png", mask)
    save(masks / "bad" / "part_0004.png", np.zeros((10, 10), np.uint8))
    save(sound / "good" / "wide.png", np.tile(surface(70), (1, 3)))
    report = gg.audit(sound, masks=masks, image_size=(32, 32), resize_mode="stretch")
    assert files(report, "shrunk_faults") == ["bad/part_0000.png"] and report.mask_count == 3
    assert report.found["shrunk_faults"][0].words.startswith("1 of 1 faults shrink below 2 pixels, the smallest to 1.3")
    assert files(report, "squeezed") == ["good/wide.png"] and "3.0:1" in report.found["squeezed"][0].words
    assert files(report, "bad_masks") == ["bad/part_0004.png"]
    (masks / "bad" / "part_0006.png").write_bytes(b"nonsense")
    again = gg.audit(sound, masks=masks, image_size=(96, 96))
    assert again.counts["shrunk_faults"] == 0 and files(again, "bad_masks") == [
        "bad/part_0004.png",
        "bad/part_0006.png",
    ]
    assert again.found["bad_masks"][1].words.startswith("the mask part_0006.png is no good picture: ")
    assert gg.audit(sound, image_size=(32, 32)).counts["squeezed"] == 0


class Page(HTMLParser):
    """Checks that tags close in order, and gathers what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_and_needs_no_network(sound: Path, tmp_path: Path) -> None:
    save(sound / "good" / "<b>again & again.jpg", np.rot90(surface(4)), quality=90)
    save(sound / "good" / "dark.png", surface(52) // 12)
    page = Page()
    page.feed(gg.audit(sound).to_html(tmp_path / "report").read_text(encoding="utf-8"))
    assert page.open == [] and len(page.links) == 3
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert "good/<b>again & again.jpg" in page.text and "two labels" in page.text
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["audit.html"]


def test_plots(sound: Path) -> None:
    import matplotlib.pyplot as plt

    save(sound / "good" / "again.png", np.rot90(surface(4)))
    save(sound / "good" / "dark.png", surface(52) // 12)
    report = gg.audit(sound)
    assert "1 of 1 pairs" in report.plot_pairs().get_title()
    assert "dark pictures: 1 of 1" in report.plot_findings("dark").get_title()
    assert "blurred pictures: 0 of 0" in report.plot_findings("blurred").get_title()
    with pytest.raises(ValueError, match="kind: found 'darkness', expected one of blank, saturated"):
        report.plot_findings("darkness")
    plt.close("all")


def test_nothing_depends_on_threads(sound: Path) -> None:
    save(sound / "good" / "again.png", np.rot90(surface(4)))
    assert gg.audit(sound, threads=1).to_dict() == gg.audit(sound, threads=5).to_dict()


class Guesses:
    """A classifier that calls everything by the parity of its brightness."""

    classes_ = np.array(["bad", "good"])

    def predict_proba(self, X: gg.Dataset) -> NDArray[np.float64]:
        right = np.array([0.9 if int(picture.sum()) % 2 else 0.2 for picture, _ in X])
        return np.stack([1 - right, right], axis=1)


def test_an_evaluation_is_repeated_without_the_siblings(sound: Path) -> None:
    save(sound / "good" / "again.png", np.rot90(surface(1)))
    data = gg.Dataset.from_folder(sound)
    test = np.array([file in ("good/again.png", "good/part_0047.png", "bad/part_0046.png") for file in data.files])
    parts = {"train": data[~test], "test": data[test]}
    report = gg.evaluate(Guesses(), parts["test"], without=gg.audit(parts))
    assert len(report) == 3 and report.independent is not None and len(report.independent) == 2
    assert report.to_dict()["independent"]["n"] == 2
    assert "without the 1 pictures whose part is among the training pictures" in str(report)
    with pytest.raises(ValueError, match="nothing is left to test"):
        gg.evaluate(
            Guesses(), data[np.array([file == "good/again.png" for file in data.files])], without=gg.audit(parts)
        )


def test_a_known_part_with_two_labels_is_a_conflict(sound: Path) -> None:
    report = gg.audit(sound, groups={"bad/part_0000.png": "7", "good/part_0001.png": "7", "good/part_0003.png": "8"})
    assert report.names("label_conflicts") == [["bad/part_0000.png", "good/part_0001.png"]]
    assert not report.siblings


def test_without_a_test_set_all_other_subsets_count_for_the_leak(sound: Path) -> None:
    save(sound / "good" / "again.png", np.rot90(surface(1)))
    data = gg.Dataset.from_folder(sound)
    part = np.array([0 if file == "good/part_0001.png" else 1 + i % 2 for i, file in enumerate(data.files)])
    report = gg.audit({"train": data[part == 0], "line a": data[part == 1], "line b": data[part == 2]})
    assert report.leak is not None and (report.leak.count, report.leak.of) == (1, 48)


def test_tiles_are_audited_as_their_pictures(sound: Path) -> None:
    tiles = gg.Dataset.from_folder(sound, tiles=gg.Tiles(48, 48))
    report = gg.audit(tiles)
    assert len(tiles) == 4 * len(report.items) == 4 * 48 and report.problems == 0


def test_a_picture_that_went_away_is_a_bad_file(sound: Path) -> None:
    data = gg.Dataset.from_folder(sound)
    (sound / "bad" / "part_0000.png").unlink()
    seen: list[int] = []
    report = gg.audit(data, progress=seen.append)
    assert files(report, "bad_files") == ["bad/part_0000.png"] and len(report.items) == 47
    assert sum(seen) == 48


def test_where_all_is_blank_nothing_is_blurred(tmp_path: Path) -> None:
    for name, level in (("a", 60), ("b", 90)):
        save(tmp_path / "good" / f"{name}.png", np.full((96, 96), level, np.uint8))
    report = gg.audit(tmp_path)
    assert files(report, "blank") == ["good/a.png", "good/b.png"] and files(report, "blurred") == []


def test_bits_in_use_are_those_of_the_data_sets(sound: Path) -> None:
    twelve, all_bits = gg.Dataset.from_folder(sound, bit_depth=12), gg.Dataset.from_folder(sound)
    with pytest.raises(ValueError, match=r"bit_depth: the data sets were read with \[12, 16\], expected one"):
        gg.audit({"train": twelve, "test": all_bits})
    assert gg.audit({"train": twelve[:24], "test": all_bits[24:]}, bit_depth=10).bit_depth == 10


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"masks": "none"}, "masks: none does not exist"),
        ({"masks": "."}, "masks: given without image_size"),
        ({"masks": ".", "image_size": (9, 9)}, "holds no mask of these pictures, such as bad/part_0000.png"),
        ({"image_size": (0, 9)}, "image_size: found"),
        ({"resize_mode": "fill"}, "resize_mode: found 'fill'"),
        ({"split": "none.csv"}, "none.csv: no such file"),
        ({"groups": "none.csv"}, "none.csv: no such file"),
        ({"classes": ["ugly"]}, "no folder 'ugly'"),
    ],
)
def test_wrong_options_are_named(
    options: dict[str, Any], complaint: str, sound: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises((ValueError, OSError), match=complaint):
        gg.audit(sound, **options)


def test_wrong_data_are_named(sound: Path, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="data: found int"):
        gg.audit(3)
    with pytest.raises(ValueError, match="empty mapping"):
        gg.audit({})
    with pytest.raises(ValueError, match="are the same folder"):
        gg.audit({"a": sound, "b": str(sound) + "/"})
    with pytest.raises(ValueError, match="lie one in the other"):
        gg.audit({"a": sound, "b": sound.parent})
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="found no folder"):
        gg.audit(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        gg.audit(tmp_path / "none")
    data = gg.Dataset.from_folder(sound)
    with pytest.raises(ValueError, match="data: found the name 1, expected a text such as 'train'"):
        gg.audit({1: data})
    with pytest.raises(ValueError, match="data: found the name ''"):
        gg.audit({"": data[:9], "test": data[9:]})
    with pytest.raises(ValueError, match="classes: a Dataset has its classes already"):
        gg.audit(data, classes=["bad", "good"])
    with pytest.raises(ValueError, match="data: found no picture, expected at least one"):
        gg.audit(data[:0])
    with pytest.raises(ValueError, match="split: several data sets are subsets already"):
        gg.audit({"train": data[:9], "test": data[9:]}, split=tmp_path / "split.csv")
    arrays = gg.Dataset.from_arrays(np.stack([surface(i) for i in range(2)]), ["bad", "good"])
    with pytest.raises(ValueError, match="groups: pictures from arrays have no files"):
        gg.audit(arrays, groups={"000000000": "7"})
    split = tmp_path / "split.csv"
    split.write_text("file,subset\n" + "".join(f"{file},\n" for file in data.files))
    with pytest.raises(ValueError, match=r"split\.csv: found no subset, expected the name of one for each file"):
        gg.audit(sound, split=split)


def test_names_that_no_table_can_hold_are_refused(sound: Path, tmp_path: Path) -> None:
    save(sound / "good" / os.fsdecode(b"\xff.png"), surface(80))
    report = gg.audit(sound)
    assert report.problems == 0
    with pytest.raises(ValueError, match="is not Unicode; rename the picture"):
        report.save_groups(tmp_path / "groups.csv")
    assert not (tmp_path / "groups.csv").exists()


def test_files_of_one_name_in_two_folders_are_no_table(tmp_path: Path) -> None:
    train, test = lay_sound(tmp_path / "train", each=4), lay_sound(tmp_path / "test", first=0, each=2)
    report = gg.audit({"train": train, "test": test})
    assert report.counts["exact_duplicates"] == 4
    with pytest.raises(ValueError, match="4 files are in several folders, such as bad/part_0000"):
        report.save_groups(tmp_path / "groups.csv")


def test_one_picture_and_none_that_is_good(tmp_path: Path) -> None:
    save(tmp_path / "one" / "good" / "a.png", surface(1))
    assert gg.audit(tmp_path / "one").problems == 0
    for name in ("a.png", "b.jpg"):
        (tmp_path / "damaged" / "good").mkdir(parents=True, exist_ok=True)
        (tmp_path / "damaged" / "good" / name).write_bytes(b"nonsense")
    report = gg.audit(tmp_path / "damaged")
    assert report.counts["bad_files"] == 2 == report.problems and report.items == []
    assert "no good picture" in str(report)
    assert report.to_html(tmp_path / "page").exists()


def test_the_command(run_gonogo: Run, gonogo_json: Json, tmp_path: Path) -> None:
    train, test = lay_sound(tmp_path / "train", each=8), lay_sound(tmp_path / "test", first=100, each=4)
    assert gonogo_json("audit", train, test)["leak"] == 0
    save(test / "good" / "again.png", np.rot90(surface(1)))
    found = gonogo_json("audit", train, test, "--report", tmp_path / "page", exit_code=5)
    assert found["across_subsets"] == [["train/good/part_0001.png", "test/good/again.png"]]
    assert found["leak"] == pytest.approx(1 / 9) and Path(found["report"]).is_file()
    said = run_gonogo("audit", train, test, exit_code=5).stdout
    assert "11.1% of the test pictures (1 of 9) have a sibling in train" in said
    twice = run_gonogo("audit", train, train, exit_code=2)
    assert twice.stderr.startswith("gonogo audit: DATA: ") and twice.stderr.count("\n") == 1


def test_the_command_shows_in_a_terminal_how_far_it_is(
    sound: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["audit", str(sound)]) == 0
    shown = capsys.readouterr().err
    assert "reading" in shown and "48/48" in shown
    assert main(["audit", str(sound), "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_the_command_with_a_split(run_gonogo: Run, gonogo_json: Json, sound: Path, tmp_path: Path) -> None:
    save(sound / "good" / "again.png", np.rot90(surface(1)))
    groups = tmp_path / "groups.csv"
    assert gonogo_json("audit", sound, "--groups-out", groups, exit_code=5)["leak"] is None
    split = tmp_path / "split.csv"
    rows = [
        f"{path.relative_to(sound).as_posix()},{'test' if path.stem == 'again' else 'train'}"
        for path in sorted(sound.glob("*/*"))
    ]
    split.write_text("\n".join(["file,subset", *rows]))
    assert gonogo_json("audit", sound, "--split", split, exit_code=5)["leak"] == 1
    run_gonogo("split", sound, "--groups", groups, "--fractions", "train=.7,test=.3", "--out", split)
    again = gonogo_json("audit", sound, "--split", split, "--groups", groups)
    assert again["leak"] == 0 and again["problems"] == 0
    split.write_text("file,subset\ngood/again.png,test\n")
    assert "is not listed" in run_gonogo("audit", sound, "--split", split, exit_code=2).stderr


def test_the_command_on_a_table(gonogo_json: Json, sound: Path, tmp_path: Path) -> None:
    save(sound / "good" / "again.png", np.rot90(surface(4)))
    rows = [f"{path.relative_to(tmp_path).as_posix()},{path.parent.name}" for path in sorted(sound.glob("*/*"))]
    (tmp_path / "table.csv").write_text("\n".join(["image,class", *rows]))
    found = gonogo_json("audit", tmp_path / "table.csv", "--path-col", "image", "--label-col", "class", exit_code=5)
    assert found["label_conflicts"] == [["parts/bad/part_0004.png", "parts/good/again.png"]]


def test_evaluate_gives_both_figures(
    run_gonogo: Run, gonogo_json: Json, castings: Path, model: Path, tmp_path: Path
) -> None:
    """A split by picture cuts the parts, of which the castings have several pictures each."""
    split = tmp_path / "split.csv"
    run_gonogo("split", castings, "--fractions", "train=.6,test=.4", "--by", "image", "--out", split)
    options = ["evaluate", model, castings, "--split", split]
    found = gonogo_json("audit", castings, "--split", split, exit_code=5)
    both = gonogo_json(*options, "--audit")
    leaking = found["leaks"]["test"]["pictures"]
    assert 0 < leaking < both["n"] and both["independent"]["n"] == both["n"] - leaking
    assert "independent" not in gonogo_json(*options)
    assert "--audit: given without --split" in run_gonogo("evaluate", model, castings, "--audit", exit_code=2).stderr


def test_castings(data_folder: Path, gonogo_json: Json, report_figure: Callable[[str, object], None]) -> None:
    """The five parts of the published data that carry both labels, and the direct pairs."""
    folder = data_folder / "casting"
    found = gonogo_json("audit", folder / "train", exit_code=5)
    parts: dict[str, list[tuple[str, str]]] = {}
    for row in csv.DictReader(io.StringIO((folder / "groups.csv").read_text(encoding="utf-8"))):
        parts.setdefault(row["group"], []).append((row["class"], f"{row['class']}/{row['file']}"))
    mixed = [members for members in parts.values() if len({label for label, _ in members}) > 1]
    assert len(mixed) == 5
    for members in mixed:
        files_of = [{file for at, file in members if at == label} for label in ("def_front", "ok_front")]
        assert any(all(side & set(group) for side in files_of) for group in found["label_conflicts"])
    group_of = {file: i for i, group in enumerate(found["siblings"]) for file in group}
    together = total = 0
    for members in parts.values():
        names = [file for _, file in members]
        pairs = [(a, b) for i, a in enumerate(names) for b in names[:i]]
        total += len(pairs)
        together += sum(group_of.get(a, a) == group_of.get(b, b) for a, b in pairs)
    report_figure("direct pairs of castings that the audit joins", f"{together} of {total}")
    assert together >= 0.99 * total
    assert len(found["telling_names"]) == 2 and json.dumps(found)
