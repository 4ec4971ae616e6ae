"""All that a process computes, as digests: what processes must agree on, whatever else goes on in them.

    python everything.py FOLDER [--limit NAME] [--threads 1,2,16] [--repeat 3] [--casting] [--first NAME]

FOLDER is a folder of pictures by class. ``--first`` names what happens before (``circumstances.py``). The last line of the
output is a JSON object with the digests of each run.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import sys
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from circumstances import CIRCUMSTANCES

RECIPE = """
model = "net.toml"
epochs = 2
batch-size = 16
learning-rate = 2.5e-3
validation = "0.25"
class-weight = "ok=1.5,bad=0.75"
pass-label = "ok"
augment = "augment.toml"
image-size = [24, 24]
color-mode = "grayscale"
"""
AUGMENT = "rotation = 12.5\nzoom = [0.9, 1.1]\nbrightness = 0.25\nblur = 0.5\nnoise = 1.5\n"
NET = """
[parameters]
rate = 0.125
[[layers]]
type = "conv"
filters = 6
kernel = 3
stride = 2
l2 = 1e-4
activation = "leaky_relu"
[[layers]]
type = "flatten"
[[layers]]
type = "dropout"
rate = "rate"
[[layers]]
type = "dense"
units = "classes"
"""


def digest(*parts: bytes | str) -> str:
    found = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        found.update(len(data).to_bytes(8, "little") + data)
    return found.hexdigest()[:16]


def trained(gonogo: Any, data: Any, validation: Any, folder: Path, **options: Any) -> Iterator[tuple[str, str]]:
    """Model file, history and answers of one training."""
    classifier = gonogo.InspectionClassifier(random_state=7, verbose=False, **options)
    classifier.fit(data, validation_data=validation)
    yield "model", digest(classifier.save(folder / "m.gonogo").read_bytes())
    yield "history", digest(*(array("d", values).tobytes() for values in classifier.history_.history.values()))
    yield (
        "probabilities",
        digest(classifier.predict_proba(data).tobytes(), classifier.predict_proba(validation).tobytes()),
    )
    loaded = gonogo.load(folder / "m.gonogo", n_threads=options["n_threads"])
    yield "scores after loading", digest(loaded.decision_function(data).tobytes())


def small_net(gonogo: Any) -> list[Any]:
    """Convolution with batch normalisation, a sum, pools, dropout and dense layers."""
    layers = gonogo.layers
    return [
        layers.conv(8, 3, stride=2, name="first"),
        layers.batch_norm(activation="relu", name="norm"),
        layers.conv(8, 3, padding="same", groups=2, name="second", l2=1e-3),
        layers.add("norm", "second", activation="elu"),
        layers.max_pool(2),
        layers.flatten(),
        layers.dense(20, activation="tanh"),
        layers.dropout(0.3),
        layers.dense("classes"),
    ]


def results(gonogo: Any, pictures: Path, threads: int) -> Iterator[tuple[str, str]]:
    """Pixels, a split, and two trainings with everything that is drawn or summed."""
    for mode, color, size in (("pad", "grayscale", (24, 24)), ("stretch", "rgb", (31, 20)), ("crop", "rgb", (24, 24))):
        options = {"image_size": size, "color_mode": color, "resize_mode": mode, "threads": threads}
        data = gonogo.Dataset.from_folder(pictures, **options)
        yield f"pixels, {mode}", digest(data.images.tobytes(), " ".join(data.classes))
    parts = data.split({"train": 0.75, "validation": 0.25}, seed=3)
    yield "split", digest(parts["train"].index.tobytes())
    augment = gonogo.Augment(rotation=360, shift=0.05, zoom=0.1, brightness=0.25, noise=2, horizontal_flip=True)
    both = {"augment": augment, "class_weight": "balanced", "n_threads": threads}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # 45 pictures: the last of three batches is short.
        first = {
            "model": small_net(gonogo),
            "epochs": 2,
            "batch_size": 16,
            "optimizer": {"kind": "adam", "clip_norm": 1.0},
        }
        for key, value in trained(gonogo, parts["train"], parts["validation"], folder, **both, **first):
            yield f"{key}, whole passes", value
        second = {"model": small_net(gonogo), "epochs": 3, "batch_size": 13, "steps_per_epoch": 2}
        second |= {"optimizer": {"kind": "rmsprop", "momentum": 0.9}, "schedule": {"kind": "cosine", "warmup_steps": 2}}
        for key, value in trained(gonogo, parts["train"], parts["validation"], folder, **both, **second):
            yield f"{key}, counted steps", value


def casting_net(gonogo: Any, pictures: Path, threads: int) -> Iterator[tuple[str, str]]:
    """Two steps of the largest net."""
    data = gonogo.Dataset.from_folder(pictures, image_size=(300, 300), color_mode="grayscale", threads=threads)
    options = {"model": "casting_cnn", "epochs": 1, "batch_size": 20, "steps_per_epoch": 2, "n_threads": threads}
    augment = gonogo.Augment(rotation=360, shift=0.05, brightness=(0.75, 1.25), horizontal_flip=True)
    with tempfile.TemporaryDirectory() as folder:
        for key, value in trained(gonogo, data, data[:7], Path(folder), augment=augment, **options):
            yield f"{key}, casting net", value


def command_line(pictures: Path, threads: int) -> Iterator[tuple[str, str]]:
    """Numbers read from TOML and written to model file, JSON, CSV and tables."""
    from gonogo.cli import main

    def run(*arguments: str | Path) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            assert main([*map(str, arguments), "--threads", str(threads), "--quiet"]) == 0
        return out.getvalue()

    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        for file, text in {"recipe.toml": RECIPE, "augment.toml": AUGMENT, "net.toml": NET}.items():
            Path(file).write_text(text)
        run("train", pictures, "--config", "recipe.toml", "--out", "m.gonogo", "--seed", "5")
        yield "model, command line", digest(Path("m.gonogo").read_bytes())
        yield "JSON", digest(run("predict", "m.gonogo", pictures / "ok", "--csv", "p.csv", "--json"))
        yield "CSV", digest(Path("p.csv").read_bytes())
        yield "tables", digest(run("predict", "m.gonogo", pictures / "bad"), run("evaluate", "m.gonogo", pictures))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--casting", action="store_true", help="the casting net too, once for each number of threads")
    parser.add_argument("--first", choices=CIRCUMSTANCES)
    args = parser.parse_args()
    runs = []
    with CIRCUMSTANCES[args.first]() if args.first else contextlib.nullcontext():
        import gonogo

        if args.limit:
            gonogo._core.set_instruction_limit(args.limit)
        for number, threads in enumerate([*map(int, args.threads.split(","))] * args.repeat):
            found = [*results(gonogo, args.folder, threads), *command_line(args.folder, threads)]
            if args.casting and number <= args.threads.count(","):
                found += casting_net(gonogo, args.folder, threads)
            runs.append(dict(found))
    print(json.dumps({"runs": runs, "instruction_set": gonogo._core.instruction_set()}))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
