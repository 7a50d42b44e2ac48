"""Looking into a model leaves it as it was, whatever happens meanwhile."""

import copy

import numpy as np
import pytest

from tinytorch.core.autograd import is_grad_enabled
from tinytorch.core.dropout import Dropout
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor
from tinytorch.core.transformer import GPT
from tinytorch.perf.profiling import Trace, inference, named_layers, wrapped_forward


def hooked(model):
    """The names of the layers that have a `forward` of their own."""
    return [name for name, layer in named_layers(model) if "forward" in vars(layer)]


@pytest.fixture
def model():
    return Sequential(Linear(4, 8), Sequential(Linear(8, 8), Dropout(0.5)), Linear(8, 2))


def test_every_layer_is_called_by_its_name(model):
    trace = Trace()
    with wrapped_forward(model, trace):
        model(np.ones((3, 4)))
    names = [call.name for call in trace.calls]
    expected = ["", "layers.0", "layers.1", "layers.1.layers.0", "layers.1.layers.1", "layers.2"]
    assert names == expected == [name for name, _ in named_layers(model)]
    assert [call.output.shape for call in trace.calls][:2] == [(3, 2), (3, 8)]


def test_wrapping_changes_neither_results_nor_state(model):
    model.eval()
    x = Tensor(np.random.default_rng(0).normal(size=(5, 4)))
    before, keys = model(x).data.copy(), list(model.state_dict())
    with wrapped_forward(model, Trace()):
        assert np.array_equal(model(x).data, before)
        assert np.array_equal(model.forward(x).data, before)
        assert list(model.state_dict()) == keys
        assert len(hooked(model)) == 6
    assert hooked(model) == []
    assert np.array_equal(copy.deepcopy(model)(x).data, before)


def test_a_failing_layer_is_put_back_too(model):
    class Failing(Module):
        def forward(self, x):
            raise ZeroDivisionError("the layer failed")

    model.layers.append(Failing())
    trace = Trace()
    with (
        pytest.raises(ZeroDivisionError, match="the layer failed"),
        wrapped_forward(model, trace),
    ):
        model(np.ones((3, 4)))
    assert hooked(model) == []
    assert trace.calls[-1].output is None


def test_a_forward_put_on_one_layer_stays_there(model):
    own = model.layers[0].forward = lambda x: Tensor(np.zeros((3, 8)))
    trace = Trace()
    with wrapped_forward(model, trace):
        model(np.ones((3, 4)))
    assert vars(model.layers[0])["forward"] is own
    assert hooked(model) == ["layers.0"]
    assert trace.calls[1].forward is own


def test_two_looks_at_once_see_the_same(model):
    outer, inner = Trace(), Trace()
    with wrapped_forward(model, outer):
        with wrapped_forward(model, inner):
            model(np.ones((3, 4)))
        assert len(hooked(model)) == 6
    assert hooked(model) == []
    assert [c.name for c in outer.calls] == [c.name for c in inner.calls]


def test_a_layer_used_twice_has_two_calls():
    shared = Linear(4, 4)
    model = Sequential(shared, shared)
    trace = Trace()
    with wrapped_forward(model, trace):
        model(np.ones((1, 4)))
    assert [call.name for call in trace.calls] == ["", "layers.0", "layers.0"]


def test_times_add_up(model):
    """A layer's own time is what its parts leave, and all own times are the time of the whole."""
    trace = Trace()
    with wrapped_forward(model, trace):
        model(np.ones((3, 4)))
    assert sum(call.own_ns for call in trace.calls) == trace.calls[0].elapsed_ns
    assert all(call.own_ns >= 0 for call in trace.calls)


def test_arguments_by_name_and_position_are_inputs():
    model, trace = GPT(5, 4, 1, 1, max_seq_len=8), Trace()
    tokens = np.zeros((1, 3), dtype=np.int64)
    with wrapped_forward(model, trace):
        model(tokens, cache=None)
    assert trace.calls[0].inputs[0] is tokens
    assert len(trace.calls[0].inputs) == 2
    attention = next(c for c in trace.calls if c.name == "blocks.0.attention")
    assert len(attention.inputs) == 3


def test_inference_restores_every_layers_mode(model):
    model.layers[1].eval()
    modes = [layer.training for layer in model.modules()]

    def fail():
        assert not any(layer.training for layer in model.modules())
        assert not is_grad_enabled()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), inference(model, object()):
        fail()
    assert [layer.training for layer in model.modules()] == modes
    assert is_grad_enabled()


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="expected a Module to look into, got list"):
        named_layers([Linear(2, 2)])
