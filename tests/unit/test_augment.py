"""``Augment``: its fields, its files, and what it does to a picture."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gonogo import Augment

pytestmark = pytest.mark.any_engine

CASTING = Augment(
    rotation=360,
    shift=0.05,
    shear=0.05,
    zoom=0.05,
    horizontal_flip=True,
    vertical_flip=True,
    brightness=(0.75, 1.25),
)


def picture(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


def test_the_casting_preset_is_the_recipe_of_the_castings() -> None:
    assert Augment.preset("casting") == CASTING
    assert Augment.preset("none") == Augment()


def test_numbers_stand_for_ranges_and_pairs_for_themselves() -> None:
    mapping = Augment(zoom=0.1, brightness=(0.5, 2), contrast=0.25, gamma=0.5, blur=1.5, noise=4, shift=(0.1, 0.2))
    found = mapping.core_mapping()
    assert found["zoom"] == (0.9, 1.1)
    assert found["brightness"] == (0.5, 2)
    assert found["contrast"] == (0.75, 1.25)
    assert found["gamma"] == (0.5, 1.5)
    assert found["blur"] == (0, 1.5)
    assert found["noise"] == (0, 4)
    assert (found["shift_height"], found["shift_width"]) == (0.1, 0.2)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rotation", float("nan")),
        ("rotation", -1),
        ("rotation", 361),
        ("rotation", "90"),
        ("rotation", True),
        ("rotation", None),
        ("shift", 1.5),
        ("shift", (0.1, 0.1, 0.1)),
        ("shear", 91),
        ("zoom", 1.5),
        ("zoom", (1.2, 0.8)),
        ("brightness", "bright"),
        ("brightness", ("dark", 1)),
        ("contrast", -0.1),
        ("gamma", 1.0),
        ("blur", 9),
        ("noise", -1),
        ("fill", "mirror"),
        ("fill", 3),
        ("fill_value", 256),
        ("horizontal_flip", "no"),
        ("vertical_flip", 1),
    ],
)
def test_a_bad_field_is_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^augment: {field}"):
        Augment(**{field: value})


def test_an_augment_cannot_be_changed_and_counts_as_a_value() -> None:
    with pytest.raises(AttributeError):
        CASTING.rotation = 3.0  # type: ignore[misc]
    assert Augment(brightness=[0.5, 1.5]) == Augment(brightness=(0.5, 1.5))  # type: ignore[arg-type]
    assert hash(Augment(zoom=[0.5, 1.5])) == hash(Augment(zoom=(0.5, 1.5)))  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(CASTING)) == CASTING
    assert eval(repr(CASTING)) == CASTING
    assert repr(Augment()) == "Augment()"


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "rotation": st.floats(0, 360),
            "shift": st.floats(0, 1) | st.tuples(st.floats(0, 1), st.floats(0, 1)),
            "zoom": st.floats(0, 0.99),
            "vertical_flip": st.booleans(),
            "noise": st.floats(0, 100).map(np.float64),
            "fill": st.sampled_from(["nearest", "constant", "reflect", "wrap"]),
            "fill_value": st.integers(0, 255),
        },
    )
)
def test_the_dictionary_brings_the_same_augment_back_also_through_json(fields: dict[str, Any]) -> None:
    made = Augment(**fields)
    assert Augment.from_mapping(json.loads(json.dumps(made.to_dict()))) == made


def test_a_file_is_read_and_its_mistakes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "augment.toml"
    path.write_text("rotation = 10\nbrightness = [0.9, 1.1]\n")
    assert Augment.from_file(path) == Augment(rotation=10, brightness=(0.9, 1.1))
    for text, what in (
        (b"rotatoin = 10", "unknown key 'rotatoin'"),
        (b"rotation = [", "not a TOML file"),
        (b"rotation = 400", "rotation: found 400; expected a number from 0 to 360"),
        (b"zoom = 'much'", "zoom: found 'much'"),
        (b"\xff", "not a TOML file"),
    ):
        path.write_bytes(text)
        with pytest.raises(ValueError, match=r"augment\.toml: .*" + what):
            Augment.from_file(path)
    with pytest.raises(FileNotFoundError, match=r"missing\.toml"):
        Augment.from_file(tmp_path / "missing.toml")
    with pytest.raises(ValueError, match="found 'castings', expected one of casting, none"):
        Augment.preset("castings")


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1), (20, 30, 3), (1, 1)])
def test_nothing_asked_for_changes_nothing(shape: tuple[int, ...]) -> None:
    image = picture(*shape)
    np.testing.assert_array_equal(Augment().apply(image, seed=5), image)
    assert CASTING.apply(image, seed=5).shape == image.shape


def test_a_draw_depends_on_seed_epoch_and_picture_and_on_nothing_else() -> None:
    image = picture(24, 24)
    first = CASTING.apply(image, seed=1, epoch=2, sample=3)
    np.testing.assert_array_equal(CASTING.apply(image, seed=1, epoch=2, sample=3), first)
    for key in ({"seed": 2, "epoch": 2, "sample": 3}, {"seed": 1, "epoch": 3, "sample": 3}, {"seed": 1, "epoch": 2}):
        assert (CASTING.apply(image, **key) != first).any()


def test_flips_are_the_only_change_that_was_asked_for() -> None:
    image = picture(9, 7)
    seen = Augment(horizontal_flip=True, vertical_flip=True).preview(image, 40)
    kinds = {changed.tobytes() for changed in seen}
    assert kinds == {image[::a, ::b].tobytes() for a in (1, -1) for b in (1, -1)}


def test_levels_stay_between_black_and_white() -> None:
    white = np.full((16, 16), 255, np.uint8)
    bright = Augment(brightness=(2, 3), noise=(50, 60)).preview(white, 4)
    assert bright.mean() > 200
    dark = Augment(brightness=(0.0, 0.0), noise=(50, 60)).preview(white, 4)
    assert dark.mean() < 55


def test_a_preview_shows_the_epochs_of_one_picture() -> None:
    image = picture(12, 15, 3)
    seen = CASTING.preview(image, 5, seed=8)
    assert seen.shape == (5, 12, 15, 3)
    np.testing.assert_array_equal(seen[4], CASTING.apply(image, seed=8, epoch=4))
    with pytest.raises(ValueError, match="n: found 0"):
        CASTING.preview(image, 0)


@pytest.mark.parametrize("image", [np.zeros((4, 4)), np.zeros(4, np.uint8), [[1, 2]], np.zeros((2, 2, 2, 2), np.uint8)])
def test_what_is_no_picture_is_refused(image: Any) -> None:
    with pytest.raises(TypeError, match=r"^image: found .*expected a uint8 array"):
        CASTING.apply(image, seed=0)
