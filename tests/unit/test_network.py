"""From descriptions of models to graphs: shapes, names, parameters, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo import _core, layers
from gonogo.layers import Layer
from gonogo.network import INITIALISERS, ModelSpec, load_spec, model_names, parse_spec

pytestmark = pytest.mark.any_engine

LAST = layers.dense("classes")


def build(
    *described: Layer, shape: tuple[int, int, int] = (1, 24, 24), classes: int = 2, **parameters: Any
) -> _core.Graph:
    return ModelSpec("mine", described, parameters).build(shape, classes)


def shapes(graph: _core.Graph) -> list[tuple[int, int, int]]:
    return [layer["shape"] for layer in graph.layers]


def test_the_casting_net_has_the_known_size_and_takes_all_else_from_the_data() -> None:
    spec = load_spec("casting_cnn")
    assert spec.build((1, 300, 300), 2).parameter_count == 676_945
    six = spec.build((3, 224, 224), 6)
    assert (six.input_shape, six.outputs) == ((3, 224, 224), 6)
    assert "casting_cnn" in model_names()


@pytest.mark.parametrize(("classes", "outputs"), [(2, 1), (3, 3), (11, 11)])
def test_two_classes_have_one_logit_and_more_have_one_each(classes: int, outputs: int) -> None:
    assert build(layers.flatten(), LAST, classes=classes).outputs == outputs


@given(size=st.integers(5, 40), kernel=st.integers(1, 5), stride=st.integers(1, 3), dilation=st.integers(1, 2))
def test_same_padding_keeps_the_size_up_to_the_stride(size: int, kernel: int, stride: int, dilation: int) -> None:
    first = layers.conv(2, kernel, stride=stride, dilation=dilation, padding="same")
    graph = build(first, layers.global_average_pool(), LAST, shape=(1, size, size + 1))
    assert shapes(graph)[1] == (2, -(-size // stride), -(-(size + 1) // stride))


def test_windows_may_be_pairs_and_pools_stride_by_their_size() -> None:
    graph = build(
        layers.conv(4, (3, 5), stride=(1, 2), padding=(1, 0)),
        layers.max_pool((2, 3)),
        layers.average_pool(2, stride=1),
        layers.flatten(),
        LAST,
    )
    assert shapes(graph)[1:4] == [(4, 24, 10), (4, 12, 3), (4, 11, 2)]


def test_layers_read_the_one_before_or_those_that_they_name() -> None:
    graph = build(
        layers.conv(4, 3, padding=1, activation="relu", name="a"),
        layers.conv(4, 3, padding=1, name="b"),
        layers.add("a", "b", activation="relu"),
        layers.global_max_pool(),
        LAST,
    )
    assert [layer["name"] for layer in graph.layers] == [
        "input",
        "a",
        "a_relu",
        "b",
        "add_1",
        "add_1_relu",
        "pool_1",
        "dense_1",
    ]
    # A name stands for the layer with its activation.
    assert '"name":"b","kind":"conv","inputs":["a_relu"]' in graph.to_json()
    assert '"inputs":["a_relu","b"]' in graph.to_json()
    assert build(layers.flatten(inputs="input"), LAST).outputs == 1


@pytest.mark.parametrize(("function", "slope"), [("leaky_relu", '"slope":0.01'), ("elu", '"slope":1')])
@pytest.mark.parametrize("own", [True, False])
def test_activations_have_the_usual_slopes(function: str, slope: str, own: bool) -> None:
    first = (layers.conv(2, 3), layers.activation(function)) if own else (layers.conv(2, 3, activation=function),)
    assert slope in build(*first, layers.flatten(), LAST).to_json()


def test_an_activation_may_have_another_slope() -> None:
    assert '"slope":0.3' in build(layers.flatten(), layers.activation("leaky_relu", slope=0.3), LAST).to_json()


def test_a_spec_stands_for_itself() -> None:
    spec = ModelSpec("mine", (layers.flatten(), LAST))
    assert load_spec(spec) is spec


def test_texts_stand_for_model_parameters() -> None:
    spec = ModelSpec(
        "mine", (layers.flatten(), layers.dense("units"), layers.dropout("rate"), LAST), {"units": 8, "rate": 0}
    )
    assert spec.build((1, 4, 4), 2).parameter_count == 16 * 8 + 8 + 8 + 1
    more = spec.with_parameters({"units": np.int64(9), "rate": np.float32(0.5)})
    assert more.build((1, 4, 4), 2).parameter_count == 16 * 9 + 9 + 9 + 1
    assert spec.with_parameters(None).parameters == {"units": 8, "rate": 0}
    with pytest.raises(ValueError, match="'mine' has no parameter 'rates'; it has: rate, units"):
        spec.with_parameters({"rates": 1})


@pytest.mark.parametrize(
    ("described", "what"),
    [
        ((LAST,), "layer 'dense_1': found an input of 1x24x24, expected a row"),
        ((layers.conv(4, 30), layers.flatten(), LAST), "layer 'conv_1': kernel 30x30 is larger"),
        ((layers.conv(0, 3), layers.flatten(), LAST), "layer 'conv_1': filters: found 0"),
        ((layers.conv("many", 3), layers.flatten(), LAST), "layer 'conv_1': filters: 'many' is not a model parameter"),
        ((layers.conv(4, None), layers.flatten(), LAST), "layer 'conv_1': kernel: found None"),  # type: ignore[arg-type]
        ((layers.conv(4, (3, 3, 3)), layers.flatten(), LAST), "layer 'conv_1': kernel: found"),  # type: ignore[arg-type]
        ((layers.conv(4, True), layers.flatten(), LAST), "layer 'conv_1': kernel: found True"),
        ((layers.conv(4, 3, padding="full"), layers.flatten(), LAST), "layer 'conv_1': padding: 'full'"),
        ((layers.conv(4, 3, activation="rely"), layers.flatten(), LAST), "found 'rely', expected one of: relu"),
        ((layers.conv(6, 3, groups=4), layers.flatten(), LAST), "layer 'conv_1': groups: found 4"),
        ((layers.conv(4, 3, l2=-1), layers.flatten(), LAST), "layer 'conv_1': l2: found -1"),
        ((layers.flatten(), layers.dropout(1.5), LAST), "layer 'dropout_1': rate: found 1.5"),
        ((layers.flatten(), layers.dropout("0.3"), LAST), "layer 'dropout_1': rate: '0.3' is not a model parameter"),
        ((layers.batch_norm(epsilon=0), layers.flatten(), LAST), "layer 'batch_norm_1': epsilon: found 0"),
        ((layers.flatten(name="x"), layers.dense(3, name="x"), LAST), "layer 'x': layers 1 and 2 have the same name"),
        ((layers.flatten(name="input"), LAST), "layer 'input': layers 0 and 1 have the same name"),
        ((layers.flatten(inputs=["later"]), LAST), "layer 'flatten_1': inputs: 'later' is not the name of an earlier"),
        ((layers.conv(4, 3, name="a"), layers.conv(4, 3, name="b"), layers.add("a", "b")), "found inputs of 4x22x22"),
        ((layers.flatten(), layers.dense(5)), "found 5 outputs for 2 classes, expected 1"),
        ((layers.flatten(),), "found 576 outputs for 2 classes"),
        ((layers.flatten(), LAST, layers.activation("sigmoid")), "the last layer is an activation, but the loss takes"),
        ((layers.flatten(), layers.dense("classes", activation="tanh")), "the last layer is an activation"),
    ],
)
def test_what_cannot_work_is_refused_with_the_layer_named(described: tuple[Layer, ...], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        build(*described)


def test_layers_are_shown_as_they_were_made() -> None:
    made = [layers.conv(4, 3, activation="relu", l2=0.01), layers.dense("classes"), layers.add("a", "b", name="sum")]
    assert repr(made) == (
        "[conv(filters=4, kernel=3, l2=0.01, activation='relu'), dense(units='classes'), add(name='sum', inputs=('a', 'b'))]"
    )


def test_a_spec_file_says_the_same_as_the_layers(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        """
description = "A small net."
initialiser = "he_normal"
[parameters]
rate = 0.25
[[layers]]
type = "conv"
filters = 4
kernel = [3, 5]
activation = "relu"
name = "first"
[[layers]]
type = "global_average_pool"
[[layers]]
type = "dropout"
rate = "rate"
[[layers]]
type = "dense"
units = "classes"
"""
    )
    described = (
        layers.conv(4, (3, 5), activation="relu", name="first"),
        layers.global_average_pool(),
        layers.dropout("rate"),
        LAST,
    )
    assert load_spec(path) == load_spec(str(path)) == ModelSpec("mine", described, {"rate": 0.25}, "he_normal")
    assert load_spec(list(described)) == ModelSpec("custom", described)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[[layers]", "not a TOML file"),
        ("", "layers: found None, expected at least one table"),
        ("layers = 5", "layers: found 5"),
        ("layers = [1]", r"layers: found \[1\]"),
        ("colour = 1\n[[layers]]\ntype = 'flatten'", "unknown key 'colour', expected some of description"),
        (
            "initialiser = 'ones'\n[[layers]]\ntype = 'flatten'",
            "initialiser: found 'ones', expected one of glorot_uniform",
        ),
        ("parameters = 3\n[[layers]]\ntype = 'flatten'", "parameters: found 3"),
        ("[parameters]\nclasses = 3\n[[layers]]\ntype = 'flatten'", "without 'classes'"),
        ("[[layers]]\nfilters = 3", "layer 1: type: found None, expected one of conv, dense"),
        ("[[layers]]\ntype = ['conv']", r"layer 1: type: found \['conv'\]"),
        (
            "[[layers]]\ntype = 'flatten'\n[[layers]]\ntype = 'conv'",
            r"layer 2 \(conv\): lacks the key 'filters'; it needs filters, kernel",
        ),
        (
            "[[layers]]\ntype = 'conv'\nfilter = 3",
            r"layer 1 \(conv\): unknown key 'filter', expected some of activation",
        ),
    ],
)
def test_a_mistake_in_a_spec_file_is_named(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"mine\.toml: .*" + what):
        load_spec(path)


@pytest.mark.parametrize(
    ("model", "error", "what"),
    [
        ("castings", ValueError, "found 'castings', expected one of casting_cnn"),
        ("missing.toml", FileNotFoundError, "missing.toml does not exist"),
        (5, TypeError, "found 5, expected a name"),
        ([], TypeError, r"found \[\], expected a name"),
        (["conv"], TypeError, "found 'conv' in the list, expected layers"),
        (layers.flatten(), TypeError, "expected a name"),
    ],
)
def test_what_is_no_model_is_refused(model: Any, error: type[Exception], what: str) -> None:
    with pytest.raises(error, match=f"^model: .*{what}"):
        load_spec(model)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"bytes\.toml: not a TOML file"):
        load_spec(tmp_path / "bytes.toml")


@pytest.mark.parametrize("initialiser", INITIALISERS)
def test_initial_weights_have_the_spread_of_their_paper(initialiser: str) -> None:
    """Glorot and Bengio (2010): variance 2 / (fan in + fan out). He et al. (2015): 2 / fan in. Biases are zero."""
    graph = build(layers.conv(64, 5), layers.flatten(), LAST, shape=(3, 8, 8))
    weights, _ = graph.initialise(initialiser, 1)
    again, _ = graph.initialise(initialiser, 1)
    other, _ = graph.initialise(initialiser, 2)
    np.testing.assert_array_equal(weights, again)
    assert (weights != other).any()
    kernel, bias = weights[: 64 * 3 * 25], weights[64 * 3 * 25 :][:64]
    fan_in, fan_out = 3 * 25, 64 * 25
    variance = 2 / (fan_in + fan_out) if "glorot" in initialiser else 2 / fan_in
    assert kernel.var() == pytest.approx(variance, rel=0.1)
    assert not bias.any()


def test_unknown_initialisers_are_named() -> None:
    with pytest.raises(ValueError, match="ones"):
        build(layers.flatten(), LAST).initialise("ones", 1)
    with pytest.raises(ValueError, match="initialiser: found 'ones'"):
        parse_spec("initialiser = 'ones'\n[[layers]]\ntype = 'flatten'", "mine")
