"""Operations are counted, not guessed: every rule against a textbook loop that counts itself."""

import math
from types import MethodType

import numpy as np
import pytest

from tinytorch.core.activations import GELU, ReLU, Sigmoid, Softmax, Tanh
from tinytorch.core.attention import MultiHeadAttention
from tinytorch.core.autograd import no_grad
from tinytorch.core.conv import Conv2d, Flatten, MaxPool2d
from tinytorch.core.dropout import Dropout
from tinytorch.core.embedding import Embedding
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.core.normalization import LayerNorm
from tinytorch.core.tensor import Tensor
from tinytorch.core.transformer import GPT, TransformerBlock
from tinytorch.perf.profiling import Profiler, Work, bytes_moved, register_flops, rules
from tinytorch.perf.profiling.layers import work_by_call

count_flops = Profiler().count_flops


class Number:
    """A number that counts every operation it takes part in."""

    count = 0

    def __init__(self, value):
        self.value = float(value)

    def _with(self, other, operation):
        Number.count += 1
        return Number(operation(self.value, getattr(other, "value", other)))

    def __add__(self, other):
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other):
        return self._with(other, lambda a, b: a - b)

    def __mul__(self, other):
        return self._with(other, lambda a, b: a * b)

    def __truediv__(self, other):
        return self._with(other, lambda a, b: a / b)

    def of(self, function):
        """One value of an elementary function."""
        return self._with(0, lambda a, _: function(a))

    def maximum(self, other):
        """One comparison."""
        return self._with(other, max)


def numbers(array):
    """The array with each element a counting number; the count starts anew."""
    Number.count = 0
    return np.vectorize(Number, otypes=[object])(array)


def values(array):
    return np.vectorize(lambda number: number.value, otypes=[float])(array)


def dot(a, b):
    """The sum of products from 0 on: one multiplication and one addition for each."""
    total = Number(0)
    for x, y in zip(a, b, strict=True):
        total = total + x * y
    return total


def softmax(row):
    largest = row[0]
    for x in row[1:]:
        largest = x.maximum(largest)
    powers = [(x - largest).of(math.exp) for x in row]
    total = powers[0]
    for power in powers[1:]:
        total = total + power
    return [power / total for power in powers]


def noise(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("rows", "n", "m"), [((1,), 3, 2), ((4,), 7, 5), ((2, 3), 5, 1)])
def test_linear(rows, n, m, bias):
    layer = Linear(n, m, bias=bias)
    x = noise(*rows, n)
    W, b = numbers(layer.weight.data), np.zeros(m)
    out = np.empty((math.prod(rows), m), dtype=object)
    for i, row in enumerate(np.vectorize(Number, otypes=[object])(x.reshape(-1, n))):
        for j in range(m):
            out[i, j] = dot(row, W[:, j])
            if bias:
                out[i, j] = out[i, j] + b[j]
    assert count_flops(layer, (*rows, n)) == Number.count
    assert values(out) == pytest.approx(layer(x).data.reshape(-1, m), abs=1e-5)


@pytest.mark.parametrize(
    ("C", "K", "k", "stride", "padding", "size"),
    [(1, 2, 3, 1, 0, (5, 6)), (2, 3, 2, 2, 1, (5, 5)), (3, 1, 1, 1, 0, (2, 3))],
)
def test_conv2d(C, K, k, stride, padding, size):
    layer = Conv2d(C, K, k, stride, padding)
    x = noise(2, C, *size)
    expected = layer(x).data
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    weight, padded = numbers(layer.weight.data), np.vectorize(Number, otypes=[object])(padded)
    out = np.empty(expected.shape, dtype=object)
    for b, o, i, j in np.ndindex(expected.shape):
        rows, columns = i * stride, j * stride
        window = padded[b, :, rows : rows + k, columns : columns + k]
        out[b, o, i, j] = dot(window.ravel(), weight[o].ravel()) + 0.0
    assert count_flops(layer, x.shape) == Number.count
    assert values(out) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("k", "stride", "size"), [(2, None, (4, 6)), (3, 2, (7, 7))])
def test_max_pool2d(k, stride, size):
    layer = MaxPool2d(k, stride)
    x = noise(2, 3, *size)
    expected = layer(x).data
    counted, step = numbers(x), layer.stride
    out = np.empty(expected.shape, dtype=object)
    for b, c, i, j in np.ndindex(expected.shape):
        window = counted[b, c, i * step : i * step + k, j * step : j * step + k].ravel()
        largest = window[0]
        for number in window[1:]:
            largest = number.maximum(largest)
        out[b, c, i, j] = largest
    assert count_flops(layer, x.shape) == Number.count
    assert values(out) == pytest.approx(expected)


def gelu_tanh(x):
    inner = (x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)
    return (inner.of(math.tanh) + 1) * x * 0.5


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (ReLU(), lambda x: x.maximum(0)),
        (Sigmoid(), lambda x: Number(1) / ((x * -1).of(math.exp) + 1)),
        (Tanh(), lambda x: x.of(math.tanh)),
        (GELU(), lambda x: ((x / math.sqrt(2)).of(math.erf) + 1) * x * 0.5),
        (GELU(approximate="tanh"), gelu_tanh),
    ],
    ids=["relu", "sigmoid", "tanh", "gelu", "gelu-tanh"],
)
def test_elementwise_layers(layer, formula):
    x = noise(3, 5)
    out = [formula(number) for number in numbers(x).ravel()]
    assert count_flops(layer, (3, 5)) == Number.count
    assert values(out) == pytest.approx(layer(x).data.ravel(), abs=1e-5)


@pytest.mark.parametrize(("shape", "axis"), [((4, 7), -1), ((4, 7), 0), ((2, 3, 1), -1)])
def test_softmax(shape, axis):
    x = noise(*shape)
    rows = np.moveaxis(numbers(x), axis, -1)
    out = [softmax(row) for row in rows.reshape(-1, rows.shape[-1])]
    assert count_flops(Softmax(axis), shape) == Number.count
    expected = np.moveaxis(Softmax(axis)(x).data, axis, -1)
    assert values(np.array(out)) == pytest.approx(expected.reshape(-1, expected.shape[-1]))


def test_layer_norm():
    layer, x = LayerNorm(6), noise(5, 6)
    for row in numbers(x):
        mean = row[0]
        for number in row[1:]:
            mean = mean + number
        mean = mean / 6
        centred = [number - mean for number in row]
        variance = dot(centred, centred) / 6
        inverse = Number(1) / (variance + 1e-5).of(math.sqrt)
        out = [number * inverse * 1.0 + 0.0 for number in centred]
        assert len(out) == 6
    assert count_flops(layer, (5, 6)) == Number.count


@pytest.mark.parametrize(("B", "T", "H", "D"), [(1, 1, 1, 4), (2, 5, 3, 2)])
def test_attention(B, T, H, D):
    """The projections are linear layers; scores, softmax and sums are counted in loops."""
    layer, d = MultiHeadAttention(H * D, H), H * D
    q, k, v = (numbers(noise(B, H, T, D)) for _ in range(3))
    Number.count = 0
    for b, h in np.ndindex(B, H):
        scaled = [[x * D**-0.5 for x in query] for query in q[b, h]]
        P = [softmax([dot(query, key) for key in k[b, h]]) for query in scaled]
        out = [[dot(row, v[b, h, :, i]) for i in range(D)] for row in P]
        assert len(out) == T
    projections = 4 * count_flops(Linear(d, d), (B, T, d))
    assert count_flops(layer, (B, T, d)) == Number.count + projections


def test_a_transformer_is_the_sum_of_its_parts():
    """Every layer of a GPT once, plus its three kinds of addition."""
    V, d, L, H, B, T = 11, 8, 3, 2, 2, 5
    model = GPT(V, d, L, H, max_seq_len=16)
    block = (
        2 * count_flops(LayerNorm(d), (B, T, d))
        + count_flops(MultiHeadAttention(d, H), (B, T, d))
        + count_flops(Linear(d, 4 * d), (B, T, d))
        + count_flops(GELU(), (B, T, 4 * d))
        + count_flops(Linear(4 * d, d), (B, T, 4 * d))
        + 2 * B * T * d
    )
    assert count_flops(TransformerBlock(d, H), (B, T, d)) == block
    ends = count_flops(LayerNorm(d), (B, T, d)) + count_flops(Linear(d, V, bias=False), (B, T, d))
    assert count_flops(model, (B, T)) == L * block + B * T * d + ends
    tokens = np.zeros((B, T), dtype=np.int64)
    assert count_flops(model, tokens) == count_flops(model, (B, T))


class Store:
    """A cache of keys and values that simply grows."""

    def __init__(self, layers):
        self.length = 0
        self.held = [None] * layers

    def update(self, layer, k, v):
        if self.held[layer] is not None:
            k, v = (
                np.concatenate(pair, axis=2) for pair in zip(self.held[layer], (k, v), strict=True)
            )
        self.held[layer] = k, v
        return k, v

    def advance(self, n):
        self.length += n


@pytest.mark.parametrize("past", [0, 1, 6])
def test_attention_with_a_cache_counts_the_keys_it_holds(past):
    model, store = GPT(11, 8, 2, 2, max_seq_len=16), Store(2)
    with no_grad():
        if past:
            model(np.zeros((1, past), dtype=np.int64), store)
        calls = []

        class WithCache(Module):
            def __init__(self):
                self.model = model

            def forward(self, x):
                return self.model(x, store)

        calls = work_by_call(WithCache(), np.zeros((1, 1), dtype=np.int64))
    own = [work for call, work in calls if isinstance(call.layer, MultiHeadAttention)]
    S, d, H = past + 1, 8, 2
    assert [work.products for work in own] == [4 * S * d] * 2
    assert [work.others for work in own] == [d + H * (5 * S - 2)] * 2
    assert [work.bytes_moved for work in own] == [(2 * d + 2 * S * d) * 4] * 2


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_the_batch_counts(batch):
    model = Sequential(
        Conv2d(1, 2, 3), ReLU(), MaxPool2d(2), Flatten(), Linear(18, 4), LayerNorm(4), Softmax()
    )
    one = count_flops(model, (1, 1, 8, 8))
    assert count_flops(model, (batch, 1, 8, 8)) == batch * one > 0


def test_layers_that_only_move_numbers_take_no_operations():
    assert count_flops(Flatten(), (2, 3, 4)) == 0
    assert count_flops(Embedding(7, 3), (2, 5)) == 0
    assert count_flops(Dropout(0.5), (2, 5)) == 0  # in use it is off


def test_the_rest_of_training_dropout_is_counted():
    ((_, work),) = work_by_call(Dropout(0.5), np.ones((4, 5), dtype=np.float32))
    assert work.flops == 3 * 20


def test_bytes_are_operands_and_results_once():
    """x, W, b and the result of a linear layer; of an embedding only the rows looked up."""
    ((_, work),) = work_by_call(Linear(10, 3), Tensor(np.ones((4, 10))))
    assert work.bytes_moved == 4 * (4 * 10 + 10 * 3 + 3 + 4 * 3)
    ((_, work),) = work_by_call(Embedding(1000, 8), np.zeros((2, 3), dtype=np.int64))
    assert work.bytes_moved == 6 * 8 + 2 * 6 * 8 * 4


@pytest.fixture
def own_rules(monkeypatch):
    """Rules that a test registers are gone after it."""
    monkeypatch.setattr(rules, "_rules", dict(rules._rules))


class Unknown(Module):
    def forward(self, x):
        return x * x


class Residual(Module):
    def __init__(self):
        self.inner = Linear(4, 4)

    def forward(self, x):
        return x + self.inner(x)


class Free(Module):
    """Passes arrays on as they are and as views, whichever way it likes."""

    def __init__(self):
        self.first, self.second = Linear(4, 6), Linear(3, 2)

    def forward(self, x):
        hidden = self.first(x)
        return self.second(hidden.reshape(-1, 3))


@pytest.mark.parametrize("kind", [Unknown, Residual])
def test_an_unknown_layer_is_refused_and_told_how_to_be_known(own_rules, kind):
    """No figure is made up for it, not even when only a part of it is unknown."""
    x = np.ones((3, 4), dtype=np.float32)
    sentence = rf"no rule counts what {kind.__name__} .*register_flops\({kind.__name__}, rule\)"
    with pytest.raises(TypeError, match=sentence):
        count_flops(kind(), x)
    with pytest.raises(TypeError, match=sentence):
        count_flops(Sequential(ReLU(), kind()), x)
    register_flops(kind, lambda layer, inputs, output: Work(0, output.size, 0))
    below = count_flops(Linear(4, 4), x) if kind is Residual else 0
    assert count_flops(kind(), x) == 12 + below


def test_the_refusal_names_the_layer():
    with pytest.raises(TypeError, match=r"Unknown \('layers.1'\)"):
        count_flops(Sequential(ReLU(), Unknown()), (3, 4))


def test_a_model_that_only_passes_arrays_on_needs_no_rule():
    expected = count_flops(Linear(4, 6), (5, 4)) + count_flops(Linear(3, 2), (10, 3))
    assert count_flops(Free(), (5, 4)) == expected


def test_a_forward_of_its_own_is_not_counted_by_the_rule_of_another():
    class Same(Linear):
        pass

    class Twice(Linear):
        def forward(self, x):
            return super().forward(x) * 2

    assert count_flops(Same(4, 2), (3, 4)) == count_flops(Linear(4, 2), (3, 4))
    with pytest.raises(TypeError, match="no rule counts what Twice"):
        count_flops(Twice(4, 2), (3, 4))
    for other in (lambda x: x * 2, MethodType(Unknown.forward, Linear(4, 2))):
        patched = Linear(4, 2)
        patched.forward = other
        with pytest.raises(TypeError, match="no rule counts what Linear"):
            count_flops(patched, (3, 4))


def test_a_result_that_is_no_array_is_not_passed_on():
    class Norm(Module):
        def forward(self, x):
            return float((x.data**2).sum())

    with pytest.raises(TypeError, match="no rule counts what Norm"):
        count_flops(Norm(), (3, 4))


def test_rules_for_what_are_no_layers_are_refused(own_rules):
    with pytest.raises(TypeError, match="subclass of Module"):
        register_flops(int, lambda *_: Work(0, 0, 0))
    with pytest.raises(TypeError, match="rule to call"):
        register_flops(Unknown, 5)


def test_a_registered_rule_sees_inputs_and_output(own_rules):
    seen = []

    def rule(layer, inputs, output):
        seen.append((type(layer), [type(value) for value in inputs], output.shape))
        return Work(0, output.size, bytes_moved(layer, inputs, output))

    register_flops(Unknown, rule)
    ((_, work),) = work_by_call(Unknown(), Tensor(np.ones((2, 3))))
    assert seen == [(Unknown, [Tensor], (2, 3))]
    assert work == Work(0, 6, 2 * 24)


@pytest.mark.parametrize("shape", [(0, 4), (2, -1), (2, 2.5), (True, 4)])
def test_shapes_that_are_none_are_refused(shape):
    with pytest.raises((TypeError, ValueError), match="size in a shape"):
        count_flops(Linear(4, 2), shape)


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="expected a Module as model, got int"):
        Profiler().count_flops(5, np.ones(3))
