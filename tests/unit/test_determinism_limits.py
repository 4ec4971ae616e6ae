"""At each limit of the instruction set: the same bits within it, and how far results differ between limits."""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from gonogo import InspectionClassifier, _core, layers

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "tests" / "determinism"
LIMITS = {"scalar": "SSE4.1", "sse41": "SSE4.1", "avx2": "AVX2", "avx512": "AVX-512", "amx": "AMX"}
PAIRS = list(itertools.combinations(LIMITS, 2))

# Between limits a training is promised to agree only so far: after a few steps, in losses and in scores.
LOSS_DIFFERENCE = 1e-4
TRAINED_SCORE_DIFFERENCE = 1e-3

spec = importlib.util.spec_from_file_location("architectures", PROGRAMS / "architectures.py")
assert spec is not None
assert spec.loader is not None
architectures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(architectures)


def guard_band() -> float:
    """g for float32 of csrc/deploy/threshold.h."""
    text = (ROOT / "csrc" / "deploy" / "threshold.h").read_text()
    found = re.search(r"GNG_GUARD_BAND_FLOAT32 (\S+)", text)
    assert found is not None
    return float(found.group(1))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models trained until they are sure of most pictures, with pictures to score, half of them new."""
    folder = tmp_path_factory.mktemp("models")
    generator = np.random.default_rng(8)
    nets = architectures.ARCHITECTURES
    described: dict[str, tuple[Any, int, int, int, float]] = {
        "casting_cnn": ("casting_cnn", 300, 2, 8, 2e-3),
        "convolutions": (nets["convolutions"][0], 64, 2, 12, 4e-3),
        "sums": (nets["sums"][0], 16, 4, 40, 1e-2),
    }
    pictures = {}
    for name, (model, side, classes, epochs, rate) in described.items():
        labels = np.arange(48) % classes
        pixels = generator.integers(0, 90, (96, side, side), dtype=np.uint8)
        for i, label in enumerate([*labels, *labels]):
            pixels[i, side // 4 : 3 * side // 4, label * side // 8 : (label + 4) * side // 8] += 120
        options: dict[str, Any] = {"epochs": epochs, "batch_size": 16, "random_state": 2, "verbose": False}
        classifier = InspectionClassifier(model, learning_rate=rate, **options)
        classifier.fit(pixels[:48], labels).save(folder / f"{name}.gonogo")
        pictures[name] = pixels[..., None]
    np.savez(folder / "pictures.npz", **pictures)
    return folder


@pytest.fixture(scope="module")
def found(models: Path, often: Callable[[int, int], int]) -> dict[str, dict[str, Any]]:
    """What a process of its own found out at each limit that this machine has."""

    def run(limit: str) -> dict[str, Any]:
        # Below AVX2 300x300 pictures take their time.
        side = 300 if limit not in ("scalar", "sse41") else often(76, 300)
        command = [sys.executable, str(PROGRAMS / "limits.py"), limit, str(models), str(side)]
        completed = subprocess.run(command, capture_output=True, text=True, timeout=3000)
        assert completed.returncode == 0, completed.stderr
        result: dict[str, Any] = json.loads(completed.stdout)
        assert result["limit"] == limit
        return result

    available = _core.instruction_sets()
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(available, pool.map(run, available), strict=True))


@pytest.fixture
def at(found: dict[str, dict[str, Any]], not_run: Callable[[str], NoReturn]) -> Callable[[str], dict[str, Any]]:
    """``at("avx512")``: what was found there; ends the test where the machine lacks it."""
    return lambda limit: found[limit] if limit in found else not_run(LIMITS[limit])


def test_the_architectures_hold_every_layer_there_is() -> None:
    kinds = {"conv", "dense", "pool", "activation", "flatten", "dropout", "batch_norm", "add"}
    pools = {"max", "average", "global_max", "global_average"}
    assert {name for name in kinds if hasattr(layers, name)} == kinds - {"pool"}
    assert architectures.functions_used() >= kinds | pools | set(architectures.ACTIVATIONS)
    made = {
        name for name, item in vars(layers).items() if getattr(item, "__annotations__", {}).get("return") == "Layer"
    }
    assert {name for name in made if not name.startswith("_") and not name.endswith("pool")} == kinds - {"pool"}


@pytest.mark.soak
@pytest.mark.parametrize("limit", LIMITS)
def test_no_score_depends_on_its_neighbours(limit: str, at: Callable[[str], dict[str, Any]]) -> None:
    """N = 1, 2, 3, 7, 16, 33, 64 pictures in any order, plans of other sizes, as in validation and as a stored model."""
    assert at(limit)["dependent"] == []


@pytest.mark.soak
@pytest.mark.parametrize("limit", LIMITS)
def test_trainings_give_the_same_bits_at_one_limit(limit: str, at: Callable[[str], dict[str, Any]]) -> None:
    """With 1, 2, 5 and again 2 threads: model file, losses, scores."""
    assert len(at(limit)["digests"]) == 1


@pytest.mark.soak
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_between_limits_a_score_differs_by_at_most_a_tenth_of_the_guard_band(
    one: str,
    other: str,
    at: Callable[[str], dict[str, Any]],
    report_figure: Callable[[str, object], None],
) -> None:
    stored = [at(limit)["stored"] for limit in (one, other)]
    largest = 0.0
    for name in stored[0]:
        scores = [np.array(of_limit[name]) for of_limit in stored]
        assert np.abs(scores[0]).max() > 3, f"{name} is sure of nothing"
        difference = np.abs(scores[0] - scores[1]).max()
        assert difference <= guard_band() / 10, name
        largest = max(largest, float(difference))
    report_figure(f"largest difference of a score, {one} and {other}", f"{largest:.1e}, allowed {guard_band() / 10:g}")


@pytest.mark.soak
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_between_limits_a_short_training_agrees_within_a_tolerance(
    one: str,
    other: str,
    at: Callable[[str], dict[str, Any]],
    report_figure: Callable[[str, object], None],
) -> None:
    """Twelve steps. Longer trainings drift apart as they do with any other rounding: nothing is promised of them."""
    losses, scores = ([np.array(at(limit)[key]) for limit in (one, other)] for key in ("losses", "scores"))
    loss, score = (float(np.abs(values[0] - values[1]).max()) for values in (losses, scores))
    assert loss <= LOSS_DIFFERENCE
    assert score <= TRAINED_SCORE_DIFFERENCE
    allowed = f"allowed {LOSS_DIFFERENCE:g} and {TRAINED_SCORE_DIFFERENCE:g}"
    report_figure(f"twelve steps, {one} and {other}: loss and score", f"{loss:.1e} and {score:.1e}, {allowed}")
