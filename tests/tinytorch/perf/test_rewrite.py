"""Laws of replacing layers: in a copy, everywhere, each once, and sharing is kept."""

import numpy as np
import pytest

from tinytorch.core.activations import ReLU, Softmax
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.perf.rewrite import replace_layers


class Nest(Module):
    def __init__(self):
        self.a = ReLU()
        self.b = [ReLU(), (ReLU(), {"c": ReLU()})]
        self.shared = self.a
        self.parent = self


def swap(name, module):
    return Softmax() if isinstance(module, ReLU) else module


def test_every_place_is_reached_and_the_model_is_not():
    """Attributes, lists, tuples and dicts; cycles end, and what was one module stays one."""
    model = Nest()
    new = replace_layers(model, swap)
    assert [type(m) for m in model.modules()].count(ReLU) == 4
    assert [type(m) for m in new.modules()].count(ReLU) == 0
    assert [type(m) for m in new.modules()].count(Softmax) == 4
    assert new.shared is new.a
    assert new.parent is new
    assert new is not model


def test_names_are_those_of_the_parameters():
    """The dotted names are the ones of named_parameters, without the tensor."""
    model = Sequential(Linear(2, 3), Sequential(ReLU(), Linear(3, 1)))
    names = []
    replace_layers(model, lambda name, m: names.append(name) or m)
    assert names == ["", "layers.0", "layers.1", "layers.1.layers.0", "layers.1.layers.1"]
    expected = {name.rpartition(".")[0] for name, _ in model.named_parameters()}
    assert expected <= set(names)


def test_the_root_may_be_replaced_and_a_replacement_is_not_entered():
    """A layer alone is a model, too; what is put in is left as it is."""
    assert isinstance(replace_layers(ReLU(), swap), Softmax)
    new = replace_layers(
        Sequential(Linear(2, 2)),
        lambda name, m: Sequential(m, ReLU()) if isinstance(m, Linear) else m,
    )
    assert new(np.ones((1, 2))).shape == (1, 2)
    with pytest.raises(TypeError, match="expected a Module, got list"):
        replace_layers([ReLU()], swap)
