"""A training that was stopped goes on to the very same bits, wherever it stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gonogo as gg
from gonogo import layers
from gonogo.callbacks.weights import weights_state
from gonogo.cli import main
from gonogo.cli.watching import EpochLines
from gonogo.model_file import read_model

pytestmark = pytest.mark.any_engine

NET = [
    layers.conv(2, 3, stride=2),
    layers.batch_norm(momentum=0.5, activation="relu"),
    layers.flatten(),
    layers.dropout(0.3),
    layers.dense("classes"),
]
X = np.random.default_rng(1).integers(0, 256, (20, 12, 12, 1), dtype=np.uint8)
Y = np.arange(20) % 3
TRAININGS: dict[str, dict[str, Any]] = {
    "adam": {"schedule": {"kind": "cosine", "warmup_steps": 2}, "validated": True},
    "momentum": {
        "optimizer": {"kind": "sgd", "momentum": 0.9, "nesterov": True},
        "schedule": "one_cycle",
        "steps_per_epoch": 3,
        "class_weight": "balanced",
    },
    "rmsprop": {
        "optimizer": {"kind": "rmsprop", "momentum": 0.5},
        "steps_per_epoch": 5,
        "validated": True,
        "epochs": 2,
    },
}


class StopAt(gg.Callback):
    """Interrupts the training at the n-th moment: hooks, and the beginning of each validation."""

    def __init__(self, moment: int) -> None:
        self.left = moment

    def count(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

    on_epoch_begin = on_epoch_end = on_train_batch_begin = on_train_batch_end = count

    def on_train_begin(self, *_: object) -> None:
        evaluate = self.model.evaluate

        def interrupted(data: Any) -> dict[str, float]:
            self.count()
            return evaluate(data)

        self.model.evaluate = interrupted  # type: ignore[method-assign]


def outputs(
    folder: Path,
    *extra: gg.Callback,
    kind: str = "adam",
    save_freq: Any = 1,
    first: Sequence[gg.Callback] = (),
    **changed: Any,
) -> dict[str, Any]:
    """Fit with every callback that remembers something; return all that the training leaves behind."""
    validated = TRAININGS[kind].get("validated", False)
    options = {"epochs": 3, "batch_size": 6, "learning_rate": 0.03, "random_state": 3, **TRAININGS[kind], **changed}
    options.pop("validated", None)
    monitor = "val_loss" if validated else "loss"
    # So impatient that the rate falls, and the last epochs are mostly not the best.
    stop = gg.EarlyStopping(monitor, patience=5, min_delta=0.1, restore_best_weights=True)
    slower = gg.ReduceLROnPlateau(monitor, factor=0.5, patience=1, min_delta=0.1, cooldown=1)
    models = gg.ModelCheckpoint(folder / "{epoch}.gonogo", monitor, save_best_only=True)
    table = gg.CSVLogger(folder / "log.csv")
    backup = gg.BackupAndRestore(folder / "backup", save_freq)
    clf = gg.InspectionClassifier(NET, augment=gg.Augment(rotation=90, noise=(0, 9)), **options)
    callbacks = [*first, backup, stop, slower, models, table, gg.TerminateOnNaN(), *extra]
    clf.fit(X, Y, validation_data=(X, Y) if validated else None, callbacks=callbacks)
    return {
        "model": clf._file.data,
        "files": {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()},
        "left": list((folder / "backup").iterdir()),
        "history": clf.history_.history,
        "epochs": clf.history_.epoch,
        "seen": (stop.best, stop.best_epoch, stop.stopped_epoch, slower.best, [path.name for path in models.saved]),
        "images": round(clf.images_per_second_ > 0),
    }


def interrupted(folder: Path, **options: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        outputs(folder, **options)


@pytest.mark.parametrize(
    ("kind", "save_freq"), [("adam", 1), ("adam", 4), ("adam", "epoch"), ("momentum", 1), ("rmsprop", 1)]
)
def test_a_training_stopped_at_any_moment_goes_on_to_the_same_bits(tmp_path: Path, kind: str, save_freq: Any) -> None:
    (tmp_path / "whole").mkdir()
    whole = outputs(tmp_path / "whole", kind=kind)
    assert whole["left"] == []
    moments = 0
    for moment in range(1, 1000):
        folder = tmp_path / str(moment)
        folder.mkdir()
        stop = StopAt(moment)
        try:
            # First of all callbacks or last, since an interrupt may come between two of them.
            place = {"first": [stop]} if moment % 2 else {}
            outputs(folder, *([] if place else [stop]), kind=kind, save_freq=save_freq, n_threads=1, **place)
        except KeyboardInterrupt:
            moments += 1
        else:
            break
        assert outputs(folder, kind=kind, save_freq=save_freq, n_threads=2) == whole
    steps = {"adam": 4, "momentum": 3, "rmsprop": 5}[kind]
    assert moments == TRAININGS[kind].get("epochs", 3) * (2 + 2 * steps + TRAININGS[kind].get("validated", False))


class EndWithEpoch(gg.Callback):
    """Asks for the end of the training inside the second epoch, which is completed first."""

    def on_train_batch_end(self, *_: object) -> None:
        if self.model.step.count == 5:
            self.model.stop_training = True


@pytest.mark.parametrize("save_freq", [1, "epoch"])
def test_an_epoch_that_is_the_last_by_a_wish_is_completed_after_a_stop(tmp_path: Path, save_freq: Any) -> None:
    (tmp_path / "whole").mkdir()
    whole = outputs(tmp_path / "whole", EndWithEpoch())
    assert whole["epochs"] == [0, 1]
    # From the step of the wish to the end of the epoch: four steps of two hooks each, and the validation between.
    for moment in range(10 + 4, 2 * 11 + 1):
        folder = tmp_path / str(moment)
        folder.mkdir()
        with pytest.raises(KeyboardInterrupt):
            outputs(folder, EndWithEpoch(), StopAt(moment), save_freq=save_freq)
        assert outputs(folder, EndWithEpoch(), save_freq=save_freq) == whole


def test_a_training_may_be_stopped_again_and_again(tmp_path: Path) -> None:
    folder, whole = tmp_path / "often", tmp_path / "whole"
    folder.mkdir()
    whole.mkdir()
    # Each run is one step long, and the next one begins where it ended.
    stops = 0
    while True:
        steps = SaveThenStop()
        try:
            found = outputs(folder, steps)
        except KeyboardInterrupt:
            stops += 1
        else:
            break
    assert stops == 12
    assert found == outputs(whole)


class SaveThenStop(gg.Callback):
    """Ends the process, so to speak, after one step, whose state has just been written."""

    hears_last = True

    def on_train_batch_end(self, *_: object) -> None:
        raise KeyboardInterrupt


def test_the_place_is_told_and_hooks_are_not_called_twice(tmp_path: Path) -> None:
    interrupted(tmp_path, first=[StopAt(1 + 8 + 2 + 1 + 5)])  # an epoch, the next one's begin, in its third step
    said: list[str] = []

    class Say(gg.Callback):
        def on_epoch_begin(self, epoch: int, logs: Mapping[str, float]) -> None:
            said.append(f"epoch {epoch} {sorted(logs)}")

        def on_train_batch_begin(self, batch: int, logs: Mapping[str, float]) -> None:
            said.append(f"batch {batch} {sorted(logs)}")

    backup = gg.BackupAndRestore(tmp_path / "backup")
    outputs(tmp_path, Say())
    figures = ["accuracy", "loss"]
    assert said[:3] == [f"batch 2 {figures}", f"batch 3 {figures}", said[2]]
    assert said[2].startswith("epoch 2 ['accuracy', 'learning_rate', 'loss', 'val_")
    assert backup.resumed_at is None


def test_a_stopped_training_that_was_over_is_only_finished(tmp_path: Path) -> None:
    interrupted(tmp_path, first=[StopAt(33)], save_freq=1)
    (tmp_path / "whole").mkdir()
    assert outputs(tmp_path)["model"] == outputs(tmp_path / "whole")["model"]


def test_the_seed_comes_from_the_file_where_none_is_given(tmp_path: Path) -> None:
    interrupted(tmp_path, first=[StopAt(20)])
    (tmp_path / "whole").mkdir()
    assert outputs(tmp_path, random_state=None)["model"] == outputs(tmp_path / "whole")["model"]


def test_the_file_stays_where_it_is_wanted(tmp_path: Path) -> None:
    clf = gg.InspectionClassifier(NET, epochs=2, random_state=1)
    backup = gg.BackupAndRestore(tmp_path / "a" / "b", delete_checkpoint=False)
    model = clf.fit(X, Y, callbacks=[backup])._file.data
    assert backup.path.is_file()
    assert backup.resumed_at is None
    # A training that is over has nothing left to do.
    assert clf.fit(X, Y, callbacks=[backup])._file.data == model
    assert backup.resumed_at is not None
    assert (backup.resumed_at.epoch, backup.resumed_at.step) == (2, 0)


class Counter(gg.Callback):
    """A callback of a user, with a state of its own."""

    def __init__(self) -> None:
        self.steps = np.zeros(3, np.int64)
        self.notes: dict[str, Any] = {"epochs": []}

    def get_state(self) -> Mapping[str, Any]:
        return {"steps": self.steps, "notes": self.notes}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.steps, self.notes = state["steps"], state["notes"]

    def on_train_batch_end(self, *_: object) -> None:
        self.steps[self.model.place.epoch] += 1

    def on_epoch_end(self, epoch: int, *_: object) -> None:
        self.notes["epochs"].append(epoch)


def test_callbacks_of_users_remember_what_they_say(tmp_path: Path) -> None:
    interrupted(tmp_path, first=[Counter(), StopAt(25)])
    counter = Counter()
    outputs(tmp_path, first=[counter])
    assert counter.steps.tolist() == [4, 4, 4]
    assert counter.notes == {"epochs": [0, 1, 2]}


class Strange(gg.Callback):
    def __init__(self, value: Any) -> None:
        self.value = value

    def get_state(self) -> Mapping[str, Any]:
        return {"value": self.value}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({1, 2}, r"\['value'\]: found \{1, 2\}, expected numbers, texts"),
        (b"x", r"\['value'\]: found b'x', expected numbers"),
        (np.complex64(1), r"\['value'\]: found \(1\+0j\), expected numbers"),
        (np.zeros(2, np.complex64), r"\['value'\]: found an array of complex64, expected uint8, int32"),
        (
            [1, {"a": np.arange(2)}],
            r"\['value'\]\[1\]\['a'\]: found array\(\[0, 1\]\), expected .*an array by a name of its",
        ),
        ({1: 2}, r"\['value'\]: found the key 1, expected a text"),
    ],
)
def test_a_state_that_no_file_holds_is_refused_before_the_first_step(tmp_path: Path, value: Any, told: str) -> None:
    steps = Counter()
    with pytest.raises(TypeError, match=rf"^callbacks: Strange\.get_state\(\){told}"):
        outputs(tmp_path, Strange(value), first=[steps])
    assert not steps.steps.any()


@pytest.mark.parametrize(("state", "told"), [([1], r": found \[1\], expected a dict"), ({2: 3}, ": found the key 2")])
def test_a_state_is_a_dict_with_texts_as_keys(tmp_path: Path, state: Any, told: str) -> None:
    strange = Strange(0)
    strange.get_state = lambda: state  # type: ignore[method-assign]
    with pytest.raises(TypeError, match=rf"^callbacks: Strange\.get_state\(\){told}"):
        outputs(tmp_path, strange)


def test_weights_have_no_state_where_there_are_none() -> None:
    assert weights_state(None) == {}


Run = Callable[..., subprocess.CompletedProcess[str]]


# A few milliseconds of work after a number of epochs the system ends the command without a word. A kill from outside comes
# when the machine has time for it, and the training may be over. Epochs are counted in each run by itself: a run that is
# resumed may begin later than any that could be named.
KILLED = """
import signal, sys
from gonogo.cli import main
epochs, seconds, write = int(sys.argv.pop(1)), float(sys.argv.pop(1)), sys.stderr.write
def written(text):
    global epochs
    epochs -= text.count("epoch ")
    if epochs == 0:
        signal.setitimer(signal.ITIMER_PROF, seconds)
    return write(text)
sys.stderr.write = written
sys.exit(main())
"""


def killed_after(command: Sequence[str | Path], epochs: int, seconds: float) -> bool:
    """Kill a command after it has told of some epochs and worked for some time more; return whether that came."""
    program = [sys.executable, "-c", KILLED, str(epochs), str(seconds), *map(str, command)]
    return subprocess.run(program, capture_output=True, timeout=300, check=False).returncode == -signal.SIGPROF


@pytest.mark.parametrize("options", [[], ["--save-every", "3"]], ids=["epochs", "steps"])
def test_a_command_killed_again_and_again_writes_the_same_file(
    run_gonogo: Run,
    castings: Path,
    small_net: Path,
    tmp_path: Path,
    options: list[str],
    instruction_set_arguments: list[str],
) -> None:
    whole, out = tmp_path / "whole.gonogo", tmp_path / "m.gonogo"
    training = ["train", castings, "--model", small_net, "--epochs", "40", "--batch-size", "16", "--validation", "0.2"]
    training += ["--augment", "casting", "--schedule", "cosine"]
    run_gonogo(*training, "--out", whole)
    command = [*training, "--out", out, "--resume", *options]
    for seconds in (0.001, 0.006, 0.012):
        assert killed_after([*command, *instruction_set_arguments], 2, seconds)
    assert (tmp_path / "m.gonogo.backup" / "training.safetensors").is_file()
    assert not out.exists()
    run_gonogo(*command, "--threads", "1")
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.gonogo", "whole.gonogo"]


def test_what_a_kill_in_the_middle_of_a_write_left_is_removed(
    run_gonogo: Run, castings: Path, small_net: Path, tmp_path: Path
) -> None:
    backup = tmp_path / "kept"
    backup.mkdir()
    (backup / ".0123456789abcdef.gonogo.tmp").write_bytes(b"half a checkpoint")
    run_gonogo("train", castings, "--model", small_net, "--epochs", "1", "--backup", backup, "--out", tmp_path / "m")
    assert not backup.exists()


def test_an_unfinished_training_is_not_written_over(
    run_gonogo: Run, castings: Path, small_net: Path, tmp_path: Path, instruction_set_arguments: list[str]
) -> None:
    backup = tmp_path / "kept"
    command = ["train", castings, "--model", small_net, "--epochs", "50", "--backup", backup, "--out", tmp_path / "m"]
    assert killed_after([*command, *instruction_set_arguments], 3, 0.001)
    kept = (backup / "training.safetensors").read_bytes()
    refused = run_gonogo(*command, exit_code=2).stderr
    assert refused.startswith("gonogo train: --backup: ")
    assert "--resume" in refused
    other = run_gonogo(*command, "--resume", "--learning-rate", "0.1", exit_code=2).stderr
    assert "--learning-rate: found 0.1, but the training that was stopped has 0.001" in other
    assert (backup / "training.safetensors").read_bytes() == kept
    (backup / "training.safetensors").write_bytes(kept[:-1])
    assert "the file is damaged" in run_gonogo(*command, "--resume", exit_code=3).stderr


def test_what_resume_needs_is_told(run_gonogo: Run, castings: Path, small_net: Path, tmp_path: Path) -> None:
    command = ["train", castings, "--model", small_net, "--epochs", "1", "--out", tmp_path / "m.gonogo"]
    (tmp_path / "file").write_text("")
    assert "--backup: " in run_gonogo(*command, "--backup", tmp_path / "file", exit_code=2).stderr
    assert "the training begins anew" in run_gonogo(*command, "--resume").stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "m.gonogo"]
    (tmp_path / "m.gonogo.backup").mkdir()
    (tmp_path / "m.gonogo.backup" / "training.safetensors").write_text("of an earlier training")
    said = run_gonogo(*command).stderr
    assert f"{tmp_path}/m.gonogo.backup/training.safetensors holds a training that was stopped; this one begins" in said
    assert (tmp_path / "m.gonogo.backup" / "training.safetensors").exists()


def test_a_resumed_command_without_validation_keeps_what_was_completed(
    castings: Path,
    small_net: Path,
    tmp_path: Path,
    instruction_set_arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Interrupted again in the first epoch after the kill, the command writes the model of the epochs before."""
    out = tmp_path / "m.gonogo"
    command = ["train", castings, "--model", small_net, "--epochs", "50", "--resume", "--save-every", "2", "--out", out]
    command += ["--batch-size", "16", *instruction_set_arguments]
    assert killed_after(command, 3, 0.001)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(EpochLines, "on_epoch_end", interrupt)
    assert main([*map(str, command)]) == 130
    assert 3 <= read_model(out).training["epochs"] < 50
