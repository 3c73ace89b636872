"""Arrays of an object: found, set, remembered and restored."""

from collections import namedtuple

import numpy as np
import pytest

from gradtool.targets.object_state import (
    Memory,
    Step,
    attribute,
    display,
    entries,
    fetch,
    fill,
    is_float,
    leaves,
    list_lengths,
    put,
    same_content,
)


class Layer:
    def __init__(self):
        self.W = np.arange(4.0).reshape(2, 2)
        self.params = {"W": self.W, "b": np.zeros(2)}
        self.history = []


class Slotted:
    __slots__ = ("W", "unset")

    def __init__(self):
        self.W = np.ones(2)


class Net:
    def __init__(self):
        self.layers = [Layer(), Slotted()]
        self.parent = self
        self.activation = np.tanh
        self.kind = Layer


def shown(root):
    return {display(path): value for path, value in leaves(root).items()}


def test_leaves_are_reached_through_containers_and_objects():
    net = Net()
    found = shown(net)
    assert found["layers[0].W"] is found["layers[0].params['W']"] is net.layers[0].W
    assert found["layers[1].W"] is net.layers[1].W
    assert found["activation"] is np.tanh
    assert found["kind"] is Layer
    assert not any(name.startswith("parent") for name in found)


def test_what_holds_nothing_of_a_users_is_no_container():
    assert entries(np.ones(2)) is None
    assert entries(np.random.default_rng(0)) is None
    assert entries(len) is None
    assert entries("text") is None
    assert entries((1, 2)) == [(Step("index", 0), 1), (Step("index", 1), 2)]


def test_put_and_fetch():
    net = Net()
    path = next(path for path in leaves(net) if display(path) == "layers[0].params['b']")
    put(net, path, 5.0)
    assert fetch(net, path) == net.layers[0].params["b"] == 5.0


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize("pair", [(1.0, 2.0), Pair(1.0, 2.0)])
def test_a_tuple_is_made_anew(pair):
    layer = Layer()
    layer.pair = pair
    put(layer, (*attribute("pair"), Step("index", 1)), 3.0)
    assert layer.pair == (1.0, 3.0)
    assert type(layer.pair) is type(pair)


def test_an_array_is_filled_in_place_where_it_can_be():
    layer = Layer()
    array = layer.W
    paths = tuple(path for path, value in leaves(layer).items() if value is array)
    fill(layer, paths, np.full((2, 2), 7.0))
    assert layer.W is array
    assert layer.params["W"][0, 0] == 7.0
    other = np.full((2, 2), 7.0 + 1j)
    fill(layer, paths, other)
    assert layer.W is layer.params["W"] is other


def test_a_float_stays_a_float():
    layer = Layer()
    layer.alpha = 0.25
    fill(layer, (attribute("alpha"),), np.array(0.5))
    assert type(layer.alpha) is float
    assert layer.alpha == 0.5


def test_float_and_content():
    assert is_float(1.0)
    assert is_float(np.float32(1))
    assert is_float(np.ones(2))
    assert not is_float(1)
    assert not is_float(True)
    assert not is_float(np.arange(2))
    assert not is_float(None)
    assert same_content(np.array([np.nan]), np.array([np.nan]))
    assert not same_content(np.ones(2), np.ones(3))
    assert same_content(1.0, 1.0)
    assert not same_content(1.0, None)


def test_memory_restores_all_but_what_is_kept():
    layer = Layer()
    layer.x = np.ones(3)
    array = layer.W
    memory = Memory(layer, frozenset({attribute("x")}))
    layer.W = layer.W - 1
    array += 10
    layer.params["b"] += 1
    layer.params["new"] = 1
    layer.history.append(1)
    layer.extra = 3
    layer.x *= 2
    memory.restore()
    assert layer.W is array
    np.testing.assert_array_equal(layer.W, np.arange(4.0).reshape(2, 2))
    np.testing.assert_array_equal(layer.params["b"], 0)
    assert set(layer.params) == {"W", "b"}
    assert layer.history == []
    assert not hasattr(layer, "extra")
    np.testing.assert_array_equal(layer.x, 2)


def test_memory_puts_back_what_was_taken_away():
    layer = Layer()
    layer.history = [1, 2]
    memory = Memory(layer)
    layer.history.clear()
    del layer.W
    memory.restore()
    assert layer.history == [1, 2]
    assert layer.W.shape == (2, 2)


def test_lengths_of_lists():
    layer = Layer()
    layer.history = [1, [2, 3, 4]]
    layer.params["list"] = []
    layer.history.append(layer.history)
    found = {display(path): length for path, length in list_lengths(layer).items()}
    assert found == {"history": 3, "history[1]": 3, "params['list']": 0}
