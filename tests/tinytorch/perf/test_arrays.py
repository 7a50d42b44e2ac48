"""Which arrays a layer was given, and whether it did more than to hand them on."""

import numpy as np
import pytest

from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Linear
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor
from tinytorch.perf.arrays import arrays_in, only_passes_on
from tinytorch.perf.profiling import Trace, wrapped_forward


class Model(Module):
    def __init__(self, forward):
        super().__init__()
        self.first, self.second = Linear(4, 4), ReLU()
        self.body = forward

    def forward(self, x):
        return self.body(self, x)


def judged(body):
    """What is said of a model with this forward, when its call has ended."""
    found = {}
    trace = Trace(lambda call: found.update({type(call.layer): only_passes_on(call)}))
    model = Model(body)
    with wrapped_forward(model, trace):
        model(Tensor(np.ones((2, 4))))
    return found[Model]


@pytest.mark.parametrize(
    "body",
    [
        lambda model, x: x,
        lambda model, x: model.second(model.first(x)),
        lambda model, x: model.second(Tensor(model.first(x).data[:, ::2])),
    ],
    ids=["its input", "from layer to layer", "a view"],
)
def test_a_model_that_hands_arrays_on(body):
    assert judged(body)


@pytest.mark.parametrize(
    "body",
    [
        lambda model, x: model.first(x) + x,
        lambda model, x: model.first(x * 2),
        lambda model, x: model.second(model.first(x) + 1),
        lambda model, x: Tensor(model.first(x).data.copy()),
    ],
    ids=["adds at the end", "scales its input", "adds in the middle", "copies"],
)
def test_a_model_that_computes(body):
    assert not judged(body)


def test_arrays_are_found_in_containers():
    a, b, c = np.ones(1), np.ones(2), np.ones(3)
    assert [x.size for x in arrays_in({"k": [a, (Tensor(b), None)], "l": c})] == [1, 2, 3]
