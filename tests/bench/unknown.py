"""What the guard against unknown pictures finds and costs, on real pictures: the figures of docs/certificate.md.

Each net is trained without one fault class, or on castings alone, calibrated with a guard, and then given good parts that it has
not seen, the class that was held out, and other products. Of steel strip there is no good class: another one stands in for it
(--steel-pass). A part is flagged where its p-value is at most the share; whether it would have passed without the guard, and
whether it passes with it, is told beside.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gonogo import Augment, Dataset, InspectionClassifier, PassGate, binomial
from gonogo.unknown_guard import distances

DATA = Path(os.environ.get("GONOGO_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
STEEL = ("crazing", "inclusion", "patches", "pitted_surface", "rolled-in_scale", "scratches")
TILES = ("Free", "Blowhole", "Break", "Crack", "Fray", "Uneven")
FRACTIONS = {"train": 0.4, "calibration": 0.35, "test": 0.25}
FED = 300  # pictures of another product
SURFACE = Augment(shift=0.05, horizontal_flip=True, vertical_flip=True, brightness=(0.75, 1.25))
HEAD = "net       held out         given             parts  flagged (95 % interval)  PASS without and with guard"


@dataclass(frozen=True)
class Product:
    """Pictures of one kind, and how a net for them is trained and calibrated."""

    folder: str
    classes: tuple[str, ...]  # the PASS class first
    size: int
    epochs: int
    augment: Augment
    max_escape: float  # what the bad calibration parts suffice for at 95 %
    share: float  # of known good parts that may be flagged
    groups: str | Callable[[Path], str]

    def pictures(self, classes: Sequence[str]) -> Dataset:
        """Return the pictures of some classes."""
        return Dataset.from_folder(
            DATA / self.folder,
            classes=list(classes),
            image_size=(self.size, self.size),
            color_mode="grayscale",
            groups=DATA / self.groups if isinstance(self.groups, str) else self.groups,
        )


def steel_part(path: Path) -> str:
    """Return the part of a picture of steel; two files are equal."""
    return path.stem.replace("patches_105", "patches_101")


def products(steel_pass: str) -> dict[str, Product]:
    """Return the three products."""
    steel = (steel_pass, *(name for name in STEEL if name != steel_pass))
    casting = Augment.preset("casting")
    return {
        "steel": Product("neu/images", steel, 200, 25, SURFACE, 0.01, 0.05, steel_part),
        "tiles": Product("magnetic_tile/images", TILES, 224, 25, SURFACE, 0.2, 0.05, "magnetic_tile/groups.csv"),
        "castings": Product(
            "casting/train", ("ok_front", "def_front"), 300, 20, casting, 0.01, 0.01, "casting/groups.csv"
        ),
    }


def main() -> None:
    """Train, calibrate, feed, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--steel-pass", choices=STEEL, default="patches", help="the class that stands in for good strip"
    )
    all_products = products(parser.parse_args().steel_pass)
    if not DATA.is_dir():
        print(f"unknown pictures: not run, {DATA} does not exist; GONOGO_DATA names another folder of pictures")
        return
    print(HEAD)
    for name, product in all_products.items():
        whole = product.pictures(product.classes)
        for seed, held_out in enumerate(product.classes[1:] if len(product.classes) > 2 else ("",)):
            given: dict[str, Dataset | list[Path]] = {other: drawn(all_products[other], seed) for other in all_products}
            del given[name]
            if held_out:
                given[held_out] = whole[np.flatnonzero(whole.labels == product.classes.index(held_out))]
            gate, plain, good = calibrated(product, held_out, seed)
            for what, pictures in {"good parts": good, **given}.items():
                print(f"{name:9s} {held_out or '-':16s} {what:16s} {row(gate, plain, pictures)}", flush=True)


def calibrated(product: Product, held_out: str, seed: int) -> tuple[PassGate, PassGate, Dataset]:
    """Return a gate with a guard, one without, and good parts that neither has seen."""
    known = product.pictures([name for name in product.classes if name != held_out])
    parts = known.split(FRACTIONS, on_mixed="exclude", seed=seed)
    clf = InspectionClassifier(
        "casting_cnn", augment=product.augment, epochs=product.epochs, random_state=seed, verbose=False
    ).fit(parts["train"])
    promise = clf, product.classes[0], product.max_escape, 0.95
    guarded = PassGate(*promise, unknown_share=product.share).fit(parts["calibration"], training_data=parts["train"])
    plain = PassGate(*promise).fit(parts["calibration"])
    return guarded, plain, parts["test"][np.flatnonzero(parts["test"].labels == 0)]


def drawn(product: Product, seed: int) -> list[Path]:
    """Return some of its files; each counts as a part."""
    files = sorted(file for name in product.classes for file in (DATA / product.folder / name).iterdir())
    return [files[i] for i in np.sort(np.random.default_rng(seed).permutation(len(files))[:FED])]


def row(guarded: PassGate, plain: PassGate, pictures: Dataset | list[Path]) -> str:
    """Return how many parts are flagged, and how many pass without and with the guard."""
    guard = guarded.unknown_guard
    assert guard is not None
    away = distances(guard.known, guarded.clf.features(pictures), guard.neighbours)
    flagged = of_parts(pictures, away > guard.limit)
    passed = of_parts(pictures, np.array([decision.passed for decision in plain.decide(pictures)]))
    low, high = binomial.interval(int(flagged.sum()), len(flagged))
    share = f"{flagged.mean():.1%} ({low:.1%} to {high:.1%})"
    return f"{len(flagged):6d}  {share:24s} {passed.mean():8.1%} {(passed & ~flagged).mean():8.1%}"


def of_parts(pictures: Dataset | list[Path], said: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return for each part what was said of any of its pictures; a decision is the same for all of them."""
    if not isinstance(pictures, Dataset) or pictures.groups is None:
        return said
    of = np.unique(pictures.groups, return_inverse=True)[1]
    found = np.zeros(int(of.max()) + 1, bool)
    np.logical_or.at(found, of, said)
    return found


if __name__ == "__main__":
    main()
