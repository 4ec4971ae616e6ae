"""The training step: the same bits for any number of threads, no allocation, nothing changed by a failure."""

from __future__ import annotations

import numpy as np
import pytest

from gonogo import _core, layers, network

pytestmark = pytest.mark.any_engine

SIDE = 20
COUNT = 40


def conv_net(*, norm: bool = False, residual: bool = False, dropout: float = 0.3) -> _core.Graph:
    first = [layers.conv(8, 3, padding=1, name="first", activation=None if norm else "relu")]
    if norm:
        first.append(layers.batch_norm(name="norm", activation="relu"))
    if residual:
        source = "norm" if norm else "first"
        first += [layers.conv(8, 3, padding=1, name="second"), layers.add(source, "second", activation="relu")]
    rest = [layers.max_pool(2), layers.flatten(), layers.dense(24, activation="tanh")]
    rest += [layers.dropout(dropout), layers.dense("classes")]
    return network.ModelSpec("net", tuple(first + rest)).build((1, SIDE, SIDE), 3)


def data(channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (COUNT, SIDE, SIDE, channels), dtype=np.uint8)
    return pictures, np.eye(3, dtype=np.float32)[np.arange(COUNT) % 3]


def new_step(graph: _core.Graph, threads: int, batch: int = COUNT, **optimizer) -> _core.Step:
    step = _core.Step(graph, (SIDE, SIDE, graph.input_shape[0]), batch, {"kind": "adam", **optimizer}, threads)
    step.parameters, step.states = graph.initialise("glorot_uniform", 3)
    return step


def run(step: _core.Step, indices: np.ndarray, **options):
    pictures, targets = data()
    keys = {"dropout_seed": 5, "augment": {"rotation": 30.0, "zoom": (0.9, 1.1)}, "augment_seed": 3}
    return step.run(pictures, targets, indices.astype(np.uint32), learning_rate=1e-3, **{**keys, **options})


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_bits_do_not_depend_on_threads_or_repetition(norm, residual):
    graph = conv_net(norm=norm, residual=residual)
    found = set()
    for threads in (1, 2, 3, 2, 16, 2):
        step = new_step(graph, threads)
        figures = [run(step, np.arange(first, min(first + 37, COUNT)), epoch=e) for e in range(3) for first in (0, 37)]
        found.add((repr(figures), step.parameters.tobytes(), step.states.tobytes(), step.moments[1].tobytes()))
    assert len(found) == 1


def test_workers_do_not_share_the_scratch_memory_of_augmentation():
    step = new_step(conv_net(), 2)
    found = {repr(run(step, np.arange(37), update=False)) for _ in range(300)}
    assert len(found) == 1


def test_a_step_allocates_nothing():
    step = new_step(conv_net(norm=True, residual=True), 2)
    run(step, np.arange(COUNT))
    before = _core.allocation_count()
    for epoch in range(5):
        run(step, np.arange(COUNT), epoch=epoch)
    assert _core.allocation_count() == before


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_gradients_equal_central_differences(norm, residual):
    graph = conv_net(norm=norm, residual=residual)
    step = new_step(graph, 2)
    rng = np.random.default_rng(1)
    # Where a dead ReLU meets a bias of exactly zero the loss has a kink: no parameter may be zero.
    start = step.parameters + rng.uniform(0.02, 0.05, graph.parameter_count).astype(np.float32)
    step.parameters = start
    run(step, np.arange(COUNT), update=False)
    gradients = step.gradients
    for tensor in graph.parameters:
        direction = np.zeros_like(start)
        direction[tensor["offset"] : tensor["offset"] + tensor["count"]] = rng.standard_normal(tensor["count"])
        direction /= np.linalg.norm(direction)
        losses = []
        for sign in (1, -1):
            step.parameters = start + np.float32(sign * 5e-4) * direction
            losses.append(run(step, np.arange(COUNT), update=False)[0])
        slope = (losses[0] - losses[1]) / 1e-3
        assert slope == pytest.approx(float(gradients @ direction), rel=2e-2, abs=2e-3), tensor["name"]


def test_a_short_group_is_as_good_as_a_full_one():
    """Pictures left out of a batch leave no trace: the gradient of 5 pictures after 40 equals that of 5 alone."""
    used, fresh = new_step(conv_net(), 2), new_step(conv_net(), 1)
    run(used, np.arange(COUNT), update=False)
    figures = [run(step, np.arange(5), update=False) for step in (used, fresh)]
    assert figures[0] == figures[1]
    np.testing.assert_array_equal(used.gradients, fresh.gradients)


def test_mean_gradient_of_a_batch_is_the_mean_of_its_pictures():
    graph = conv_net(dropout=0.0)
    step = new_step(graph, 2)
    singles = []
    for i in range(20):
        run(step, np.array([i]), augment=None, update=False)
        singles.append(step.gradients.astype(np.float64))
    run(step, np.arange(20), augment=None, update=False)
    np.testing.assert_allclose(step.gradients, np.mean(singles, axis=0), atol=2e-6)


def test_dropout_keys_follow_the_sample_and_not_its_place_in_the_batch():
    step = new_step(conv_net(), 1)
    one = run(step, np.array([7, 3]), update=False)
    other = run(step, np.array([3, 7]), update=False)
    assert one[0] == pytest.approx(other[0], rel=1e-12)
    assert run(step, np.array([7, 3]), update=False, dropout_seed=6)[0] != one[0]
    assert run(step, np.array([7, 3]), update=False, epoch=1)[0] != one[0]


def test_keys_stand_for_the_samples_in_every_draw():
    """Pictures 3 and 7 drawn as 0 and 1 train like the same pictures at places 0 and 1 of their own array."""
    pictures, targets = data()
    chosen = np.array([3, 7], np.uint32)
    own, shared = new_step(conv_net(), 1), new_step(conv_net(), 1)
    keyed = run(shared, chosen, keys=np.array([0, 1], np.uint32))
    options = {"dropout_seed": 5, "augment": {"rotation": 30.0, "zoom": (0.9, 1.1)}, "augment_seed": 3}
    places = np.arange(2, dtype=np.uint32)
    assert own.run(pictures[chosen], targets[chosen], places, learning_rate=1e-3, **options) == keyed
    np.testing.assert_array_equal(own.parameters, shared.parameters)
    assert run(new_step(conv_net(), 1), chosen) != keyed


@pytest.mark.parametrize("name", ["keys", "occurrences"])
def test_keys_and_occurrences_are_as_many_as_the_indices(name):
    with pytest.raises(ValueError, match=f"{name}: expected 4 values as in indices, found 3"):
        run(new_step(conv_net(), 1), np.arange(4), **{name: np.zeros(3, np.uint32)})
    with pytest.raises((TypeError, ValueError), match=name):
        run(new_step(conv_net(), 1), np.arange(4), **{name: np.zeros(4)})


def test_a_loss_that_is_not_finite_changes_nothing():
    step = new_step(conv_net(norm=True), 2)
    parameters = step.parameters
    parameters[-1] = np.inf
    step.parameters = parameters
    states, moments, count = step.states, step.moments, step.count
    with pytest.raises(RuntimeError, match="not finite"):
        run(step, np.arange(COUNT))
    np.testing.assert_array_equal(step.parameters, parameters)
    np.testing.assert_array_equal(step.states, states)
    for before, after in zip(moments, step.moments, strict=True):
        np.testing.assert_array_equal(before, after)
    assert step.count == count


@pytest.mark.parametrize("rate", [np.nan, np.inf, -1.0])
def test_a_senseless_learning_rate_is_refused(rate):
    pictures, targets = data()
    with pytest.raises(ValueError, match="learning_rate"):
        new_step(conv_net(), 1).run(pictures, targets, np.arange(4, dtype=np.uint32), learning_rate=rate)


@pytest.mark.parametrize(
    "optimizer",
    [
        {"kind": "sgd"},
        {"kind": "sgd", "momentum": 0.9},
        {"kind": "sgd", "momentum": 0.9, "nesterov": True},
        {"kind": "rmsprop"},
        {"kind": "rmsprop", "momentum": 0.5},
        {"kind": "adam"},
        {"kind": "adamw", "weight_decay": 0.1},
        {"kind": "adam", "clip_norm": 0.1},
        {"kind": "sgd", "clip_value": 1e-3},
    ],
    ids=str,
)
def test_optimizers_follow_their_formulas(optimizer):
    """Three steps against NumPy in double precision, with the gradients that the core gives."""
    graph = conv_net()
    step = new_step(graph, 2, **optimizer)
    settings = {"momentum": 0.0, "rho": 0.9, "epsilon": 1e-7, "weight_decay": 0.0, **optimizer}
    w = step.parameters.astype(np.float64)
    weights = np.zeros(len(w), bool)
    for tensor in graph.parameters:
        weights[tensor["offset"] : tensor["offset"] + tensor["count"]] = len(tensor["shape"]) > 1
    first, second, rate = np.zeros_like(w), np.zeros_like(w), 1e-3
    for t in (1, 2, 3):
        run(step, np.arange(COUNT), update=False)
        g = step.gradients.astype(np.float64)
        norm = np.linalg.norm(g)
        assert run(step, np.arange(COUNT))[2] == pytest.approx(norm, rel=1e-6)
        if clip := settings.get("clip_norm"):
            g *= min(1.0, clip / norm)
        if clip := settings.get("clip_value"):
            g = np.clip(g, -clip, clip)
        w -= rate * settings["weight_decay"] * w * weights
        if optimizer["kind"] == "sgd":
            first = settings["momentum"] * first - rate * g
            w += settings["momentum"] * first - rate * g if optimizer.get("nesterov") else first
        elif optimizer["kind"] == "rmsprop":
            first = settings["rho"] * first + (1 - settings["rho"]) * g**2
            second = settings["momentum"] * second + rate * g / np.sqrt(first + settings["epsilon"])
            w -= second
        else:
            first += 0.1 * (g - first)
            second += 0.001 * (g**2 - second)
            corrected = rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            w -= corrected * first / (np.sqrt(second) + settings["epsilon"])
        np.testing.assert_allclose(step.parameters, w, atol=3e-6)


@pytest.mark.parametrize(
    ("optimizer", "field"),
    [
        ({"kind": "sgd", "momentum": 1.0}, "momentum"),
        ({"kind": "adam", "beta_1": np.nan}, "beta_1"),
        ({"kind": "adam", "nesterov": True}, "nesterov"),
        ({"kind": "adam", "epsilon": 0.0}, "epsilon"),
        ({"kind": "adam", "speed": 1}, "speed"),
        ({"kind": "lion"}, "lion"),
        ({}, "kind"),
    ],
)
def test_settings_of_an_optimizer_are_checked_by_name(optimizer, field):
    graph = conv_net()
    with pytest.raises(ValueError, match=field):
        _core.Step(graph, (SIDE, SIDE, 1), 8, optimizer, 1)


def test_l2_adds_to_loss_and_update():
    def build(l2):
        described = (layers.flatten(), layers.dense("classes", l2=l2))
        return network.ModelSpec("net", described).build((1, SIDE, SIDE), 3)

    plain, regular = (new_step(build(l2), 1, kind="sgd") for l2 in (0.0, 0.01))
    w = regular.parameters.astype(np.float64)
    w[-3:] = 0
    losses = [run(step, np.arange(COUNT))[0] for step in (plain, regular)]
    assert losses[1] - losses[0] == pytest.approx(0.01 * np.sum(w**2), rel=1e-6)
    np.testing.assert_allclose(plain.parameters - regular.parameters, 1e-3 * 0.02 * w, atol=1e-7)


def test_large_nets_share_the_memory_of_lane_gradients():
    """Beyond 256 MB of lane gradients segments are cut and share it; the gradient is that of small groups all the same."""
    described = (
        layers.conv(512, 3, stride=2, activation="relu"),
        layers.conv(512, 3, stride=2, activation="relu"),
        layers.conv(512, 3, activation="relu"),
        layers.global_average_pool(),
        layers.dense("classes"),
    )
    graph = network.ModelSpec("wide", described).build((1, SIDE, SIDE), 3)
    step = new_step(graph, 2, 20)
    assert step.arena_bytes < 400 << 20
    run(step, np.arange(20), augment=None, update=False)
    gradients = step.gradients.astype(np.float64)
    parts = []
    for indices in (np.arange(16), np.arange(16, 20)):
        run(step, indices, augment=None, update=False)
        parts.append(step.gradients.astype(np.float64) * len(indices))
    np.testing.assert_allclose(gradients, sum(parts) / 20, atol=1e-6)


def test_predictions_do_not_depend_on_neighbours_or_threads():
    graph = conv_net(norm=True, residual=True)
    parameters, states = graph.initialise("he_normal", 1)
    pictures = np.concatenate([data()[0], data()[0][::-1]])
    expected = None
    for threads, batch in ((1, 1), (2, 7), (2, 16), (1, 64), (3, 33)):
        predictor = _core.Predictor(graph, batch, threads)
        predictor.load(parameters, states)
        for count in (1, 2, 3, 7, 16, 33, 64):
            logits = predictor.logits(pictures[:count])
            expected = predictor.logits(pictures) if expected is None else expected
            np.testing.assert_array_equal(logits, expected[:count])


def test_indices_beyond_the_samples_are_refused():
    pictures, targets = data()
    with pytest.raises(IndexError, match="indices"):
        new_step(conv_net(), 1).run(pictures, targets, np.array([COUNT], np.uint32), learning_rate=1e-3)
