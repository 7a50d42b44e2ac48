"""Hidden checks of chapter 14: each takes `student`, whose attributes are the notebook's names."""

# mypy: ignore-errors
# No annotations: the text of a check becomes a test cell that people read while grading.

import math
import re
import time
import tracemalloc

import numpy as np

from tinytorch.core.activations import GELU, ReLU
from tinytorch.core.attention import MultiHeadAttention
from tinytorch.core.autograd import no_grad
from tinytorch.core.conv import Conv2d, MaxPool2d
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.normalization import LayerNorm
from tinytorch.core.tensor import Tensor
from tinytorch.core.transformer import GPT, TransformerBlock
from tinytorch.perf.known import Pause, Scratch

ONE = Tensor(np.ones((1, 1), dtype=np.float32))


class Computer:
    """Its clock stands still but for its calls, which take so many ns in turn, the last for ever.

    The call itself takes a real moment, so that no budget of real time buys very many.
    """

    def __init__(self, *ns):
        self.ns, self.now_ns, self.calls = list(ns), 0, 0

    def work(self):
        self.calls += 1
        self.now_ns += self.ns.pop(0) if len(self.ns) > 1 else self.ns[0]
        time.sleep(0.00001)

    def clock_ns(self):
        return self.now_ns


def eventually(attempt, tries=5):
    """Return when one attempt holds: a loaded machine may stretch a timing, never shrink it."""
    for left in reversed(range(tries)):
        try:
            return attempt()
        except AssertionError:
            if not left:
                raise


def agrees(found, took_ms):
    """Tell whether a time is the median of what the calls really took, a bit of overhead aside."""
    expected = float(np.median(took_ms))
    return 0.999 * expected <= found <= 1.1 * expected + 0.8


def draw(*ranges):
    """Whole numbers, one from each range (low, high), both included."""
    rng = np.random.default_rng()
    return [int(rng.integers(low, high + 1)) for low, high in ranges]


def noise(*shape):
    return np.random.default_rng().normal(size=shape).astype(np.float32)


def refuses(kind, function, *arguments):
    """Tell whether the call raises an exception of this kind."""
    try:
        function(*arguments)
    except kind:
        return True
    return False


def made_roof(student, peak=100e9, rates=((2**18, 80e9), (2**22, 20e9), (2**26, 10e9))):
    return student.Roofline(peak_flops=peak, bandwidths=rates)


def rate_for(size, rates=((2**18, 80e9), (2**22, 20e9), (2**26, 10e9))):
    """The bandwidth of `made_roof` for a working set."""
    sizes, values = zip(*rates, strict=True)
    return float(np.interp(np.log(max(size, 1)), np.log(sizes), values))


def close(found, expected, tolerance=1e-9):
    return math.isclose(found, expected, rel_tol=tolerance, abs_tol=1e-12)


def check_count_parameters(student):
    """The parameters of all layers are counted: weights and biases, whatever their shape."""
    n, m, k, channels = draw((2, 9), (2, 9), (2, 9), (2, 5))
    cases = [
        (Linear(n, m), n * m + m),
        (Linear(n, m, bias=False), n * m),
        (Sequential(Linear(n, m), ReLU(), Linear(m, k, bias=False)), n * m + m + m * k),
        (Conv2d(channels, k, 3), 9 * channels * k + k),
        (LayerNorm(n), 2 * n),
        (ReLU(), 0),
    ]
    for model, expected in cases:
        found = student.count_parameters(model)
        assert found == expected, (
            "count_parameters must add up the sizes of all trained tensors of the model, weights "
            "and biases, and 0 for a model without any"
        )
    layer = Linear(n, m)
    layer.bias.requires_grad = False
    assert student.count_parameters(layer) == n * m, (
        "a tensor that requires no gradient is not trained and is no parameter"
    )


def check_shared_parameters(student):
    """A tensor that two layers share is counted once."""
    (n,) = draw((3, 12))
    assert student.count_parameters(student.Tied(n)) == n * n + 2 * n, (
        "a weight that two layers share is one tensor and must be counted once"
    )


def check_own_parameters(student):
    """A layer's own parameters are those that no layer below it has."""
    (half,) = draw((2, 8))
    d = 2 * half
    block = TransformerBlock(d, 2)
    cases = [
        (Linear(d, 3), 3 * d + 3),
        (Sequential(Linear(d, 3), Linear(3, 2)), 0),
        (MultiHeadAttention(d, 2), 0),
        (block, 0),
        (block.ln2, 2 * d),
        (GELU(), 0),
    ]
    for layer, expected in cases:
        assert student.own_parameters(layer) == expected, (
            "own_parameters must leave out the parameters of all layers below, and keep the "
            "layer's own"
        )
    layer = Sequential(Linear(d, 2))
    layer.scale = Tensor(np.ones(5), requires_grad=True)
    assert student.own_parameters(layer) == 5, (
        "a layer that has layers below it may have parameters of its own as well"
    )


def check_own_parameters_add_up(student):
    """Own parameters over all layers add up to those of the model."""
    model = GPT(7, 8, 2, 2, 5)
    total = sum(student.own_parameters(layer) for layer in model.modules())
    expected = sum(tensor.size for tensor in model.parameters())
    assert total == expected, (
        "the own parameters of a model and of all layers in it must add up to the model's count"
    )


def spread_of(student, values, percentiles=(50,)):
    return student.weight_spread(values, percentiles)


def check_spread_figures(student):
    """Count, shape, mean, deviation, extremes and zeros are those of the array."""
    rows, columns = draw((3, 9), (2, 7))
    values = 3 * noise(rows, columns) + 1
    values[0, 0] = 0
    before = values.copy()
    spread = spread_of(student, values)
    exact = values.astype(np.float64)
    expected = {
        "count": values.size, "mean": exact.mean(), "std": exact.std(), "min": exact.min(),
        "max": exact.max(), "zero_fraction": np.mean(values == 0),
    }  # fmt: skip
    for key, value in expected.items():
        assert key in spread, f"the spread must hold {key!r}"
        assert close(float(spread[key]), value, 1e-7), f"{key!r} is not that of the numbers"
        assert type(spread[key]) is (int if key == "count" else float), (
            f"{key!r} must be a Python number"
        )
    assert tuple(spread.get("shape", ())) == (rows, columns), "the shape must be the array's"
    assert np.array_equal(values, before), "weight_spread changes the array it is given"
    # Far from zero the sums of float32 lose digits, those of float64 do not.
    for _ in range(5):
        far = (1_000_000 + 3 * noise(4000)).astype(np.float32)
        assert close(spread_of(student, far)["std"], far.astype(np.float64).std(), 1e-6), (
            "compute in float64: digits are lost in float32"
        )


def check_spread_percentiles(student):
    """The percentiles are those of the magnitudes, under the numbers that were asked for."""
    values = noise(*draw((20, 40), (2, 9)))
    wanted = [0, 12.5, 50, 90, 100]
    found = spread_of(student, values, wanted).get("magnitude_percentiles")
    assert isinstance(found, dict), (
        "magnitude_percentiles must be a dictionary with the given percentiles as its keys"
    )
    assert list(found) == wanted, (
        "magnitude_percentiles must be a dictionary with the given percentiles as its keys"
    )
    expected = np.percentile(np.abs(values.astype(np.float64)), wanted)
    assert np.allclose(list(found.values()), expected, rtol=1e-6), (
        "magnitude_percentiles must be percentiles of the magnitudes, signs aside"
    )
    assert spread_of(student, values, ())["magnitude_percentiles"] == {}, (
        "without percentiles the dictionary is empty"
    )


def check_linear_flops(student):
    """A linear layer takes a product and a sum for each weight and row, and the biases."""
    for _ in range(5):
        rows, n, m = draw((1, 9), (1, 50), (1, 50))
        assert student.linear_flops(rows, n, m) == rows * m * 2 * n + rows * m, (
            "count a multiplication and an addition for each weight and row, and one addition of "
            "the bias for each result"
        )
        assert student.linear_flops(rows, n, m, bias=False) == 2 * rows * n * m, (
            "without a bias its additions must not be counted"
        )


def check_conv_flops(student):
    """A convolution takes a product and a sum for each weight of a kernel and each result."""
    for _ in range(5):
        results, channels, k = draw((1, 500), (1, 8), (1, 7))
        products = sum(2 for _ in range(channels * k * k)) * results
        assert student.conv2d_flops(results, channels, k) == products + results, (
            "each number of the output takes two operations for each weight of its kernel, "
            "in_channels * kernel_size ** 2 of them, and one for the bias"
        )
        assert student.conv2d_flops(results, channels, k, bias=False) == products, (
            "without a bias its additions must not be counted"
        )


def check_softmax_flops(student):
    """Softmax takes comparisons, subtractions, exponentials, additions and divisions."""
    for _ in range(5):
        rows, width = draw((1, 30), (1, 200))
        expected = rows * ((width - 1) + width + width + (width - 1) + width)
        assert student.softmax_flops(rows, width) == expected, (
            "count for each row: width - 1 comparisons and additions, and width subtractions, "
            "exponentials and divisions"
        )


def check_attention_flops(student):
    """Attention takes two products for each head, also with more keys than queries."""
    for _ in range(5):
        batch, heads, queries, more, width = draw((1, 4), (1, 6), (1, 20), (0, 20), (1, 16))
        keys = queries + more
        one = 2 * batch * heads * queries * keys * width
        found = student.attention_product_flops(batch, heads, queries, keys, width)
        assert found == 2 * one, (
            "two products, q k^T and P v, each with 2 * queries * keys * head_dim operations for "
            "every head of every sequence"
        )


def check_latency_unit(student):
    """The latency is milliseconds of one pass, as a Python float."""

    def attempt():
        pause = Pause(6)
        found = student.measure_latency(pause, ONE, 1, 5)
        assert type(found) is float, "measure_latency must return a Python float"
        assert agrees(found, pause.took_ms[1:]), (
            "the result is not the time of one forward pass in milliseconds"
        )

    eventually(attempt)


def check_latency_is_median(student):
    """A few slow passes do not move the latency, nor do a few quick ones."""

    def attempt():
        pause = Pause(3, 3, 90, 0.5, 3, 90, 3)
        found = student.measure_latency(pause, ONE, 0, 7)
        assert agrees(found, pause.took_ms), (
            "the latency must be the median of the passes: neither their mean nor the best of them"
        )

    eventually(attempt)


def check_latency_counts_passes(student):
    """The model runs `warmup` times and then `iterations` times."""
    for _ in range(3):
        warmup, iterations = draw((0, 5), (1, 9))
        model = Pause(0)
        student.measure_latency(model, ONE, warmup=warmup, iterations=iterations)
        assert len(model.modes) == warmup + iterations, (
            "run the model warmup times without counting, then iterations times"
        )


def check_latency_warmup(student):
    """The passes that warm up are not counted."""

    def attempt():
        (warmup,) = draw((2, 4))
        pause = Pause(*[30] * warmup, 4)
        found = student.measure_latency(pause, ONE, warmup, 3)
        assert agrees(found, pause.took_ms[warmup:]), (
            "the first `warmup` passes must not be counted"
        )

    eventually(attempt)


def check_latency_in_inference(student):
    """Models are timed as in use: not in training, and without recording gradients."""
    model = Sequential(Linear(1, 1), Pause(0)).train()
    student.measure_latency(model, ONE, 2, 3)
    inner = model.layers[1]  # asked of the model: what lies inside comes back as a new object
    assert len(inner.modes) == 5, (
        "the model must not be in training while it is timed: use inference(model)"
    )
    assert all(not training for training, _ in inner.modes), (
        "the model must not be in training while it is timed: use inference(model)"
    )
    assert all(not recorded for _, recorded in inner.modes), (
        "no gradients may be recorded while the model is timed: use inference(model)"
    )


def check_latency_leaves_mode(student):
    """Afterwards each layer is in the mode it was in."""
    model = Sequential(Linear(1, 1), Pause(0)).train()
    model.layers[1].training = False
    student.measure_latency(model, ONE, 1, 2)
    assert model.training, "the model must be in training again"
    assert model.layers[0].training, "the model must be in training again"
    assert not model.layers[1].training, "a layer that was not in training must stay so"


def check_latency_refuses(student):
    """A negative warm-up and a number of iterations below 1 are refused."""
    for warmup, iterations in ((-1, 3), (0, 0), (2, -4)):
        assert refuses(ValueError, student.measure_latency, Pause(0), ONE, warmup, iterations), (
            "raise ValueError for a warmup below 0 or iterations below 1"
        )
    student.measure_latency(Pause(0), ONE, 0, 1)  # no warm-up at all is allowed


def check_step_latencies(student):
    """The halves of a training step are timed separately, as medians, in milliseconds."""

    def attempt():
        pause = Pause(40, 4, 4, 30, 4, back_ms=11)
        model = Sequential(Linear(1, 1), pause)
        forward, backward = student.step_latencies_ms(model, ONE, 4)
        pause = model.layers[1]
        assert len(pause.modes) == 5, "run iterations steps and one to warm up"
        assert all(recorded for _, recorded in pause.modes), (
            "a training step records gradients: no inference here"
        )
        assert agrees(forward, pause.took_ms[1:]), (
            "the first number must be the median of the forward passes in ms, the first pass left "
            "out"
        )
        assert agrees(backward, pause.back_took_ms[1:]), (
            "the second number must be the median of the backward passes in ms, without the "
            "forward pass"
        )

    eventually(attempt)


def check_step_gradients(student):
    """Each step begins without gradients and goes back from ones."""
    rows, n, m = draw((2, 6), (2, 6), (2, 6))
    layer, x = Linear(n, m), noise(rows, n)
    layer.weight.grad = np.full((n, m), 100, dtype=np.float32)
    student.step_latencies_ms(layer, Tensor(x), 3)
    assert layer.weight.grad is not None, "the backward pass gives the weights their gradients"
    expected = np.repeat(x.sum(axis=0)[:, np.newaxis], m, axis=1)
    assert np.allclose(layer.weight.grad, expected, atol=1e-4), (
        "every step must begin with model.zero_grad() and go back from an array of ones in the "
        "shape of the output"
    )


def check_own_times(student):
    """A layer is charged with its own time, and not with that of the layers in it."""

    def attempt():
        model = Sequential(Pause(5), Sequential(Pause(12), Sequential(Pause(3))), ReLU())
        times = [float(ms) for ms in student.own_times_ms(model, ONE, 3)]
        assert len(times) == 7, "there must be one time for each call of a layer, the model's first"
        words = "an own time is the time of a call without that of the calls inside it"
        for place in (0, 2, 4, 6):
            assert times[place] < 1.5, words
        one, inside = model.layers[0], model.layers[1].layers
        for place, pause in ((1, one), (3, inside[0]), (5, inside[1].layers[0])):
            assert agrees(times[place], pause.took_ms[1:]), words

    eventually(attempt)


def check_own_times_unit(student):
    """Own times are what passed minus what the children took."""
    for _ in range(3):
        elapsed, first, second = draw((10_000, 20_000), (0, 4000), (0, 4000))
        inner = [
            student.LayerCall("a", None, None, (), elapsed_ns=first),
            student.LayerCall("b", None, None, (), elapsed_ns=second),
        ]
        call = student.LayerCall("", None, None, (), elapsed_ns=elapsed, children=inner)
        assert call.own_ns == elapsed - first - second, (
            "own_ns must be elapsed_ns without the elapsed_ns of all children"
        )
        assert inner[0].own_ns == first, "without children all of the time is a call's own"


def check_own_times_median(student):
    """Of each call it is the median over the passes that counts."""

    def attempt():
        pause = Pause(4, 4, 4, 40, 4, 1)
        model = Sequential(pause, Pause(2))
        times = [float(ms) for ms in student.own_times_ms(model, ONE, 5)]
        assert agrees(times[1], model.layers[0].took_ms[1:]), (
            "the time of a call must be its median over the passes"
        )

    eventually(attempt)


def check_every_call_is_seen(student):
    """Every call has its time, in the order in which they began."""

    def attempt():
        order = np.random.default_rng().permutation([2, 6, 12, 20])
        model = Sequential(*[Pause(int(ms)) for ms in order])
        times = student.own_times_ms(model, ONE, 3)
        assert isinstance(times, list), "own_times_ms must return a list"
        assert all(type(ms) is float for ms in times), "the times must be Python floats"
        assert len(times) == 5, "there must be one time for each call of a layer"
        found = zip(times[1:], model.layers, strict=True)
        assert all(agrees(ms, pause.took_ms[1:]) for ms, pause in found), (
            "the times must be in the order in which the calls began, the model's own first"
        )

    eventually(attempt)


def check_first_pass_is_left_out(student):
    """The model runs passes + 1 times, and the first does not count."""

    def attempt():
        (passes,) = draw((2, 5))
        for pause in (Pause(50, 3), Pause(60, 60, 3)):
            model = Sequential(pause)
            times = student.own_times_ms(model, ONE, passes)
            pause = model.layers[0]
            assert len(pause.modes) == passes + 1, (
                "run the model `passes` times and once to warm up"
            )
            assert agrees(times[1], pause.took_ms[1:]), (
                "the first pass must not count, and all others must"
            )

    eventually(attempt)


def check_hooks_are_removed(student):
    """After profiling the model has no hooks, and computes what it did before."""
    model = Sequential(Linear(3, 4), ReLU(), Linear(4, 2))
    x = Tensor(noise(5, 3))
    before = model(x).data.copy()
    student.own_times_ms(model, x, 2)
    layers = [model, *model.layers]
    assert all("forward" not in vars(layer) for layer in layers), "a hook was left in the model"
    assert np.array_equal(model(x).data, before), "the model computes something else afterwards"


def check_trace_passes_everything_on(student):
    """A trace calls the layer with what it got, notes it, and hands the output on."""
    finished = []
    trace = student.Trace(lambda call: finished.append(call.name))

    def inner(x):
        time.sleep(0.003)
        return x + 1

    def outer(x, scale):
        return scale * trace("inner", "layer", inner, x)

    (x,) = draw((1, 1000))
    assert trace("outer", "layer", outer, x, scale=3) == 3 * (x + 1), (
        "the hook must call forward with all arguments and return its output"
    )
    calls = list(trace.calls)
    assert [call.name for call in calls] == ["outer", "inner"], (
        "calls must stand in the order in which they began"
    )
    assert tuple(calls[0].inputs) == (x, 3), (
        "inputs must be the arguments by place and after them the values of those by name"
    )
    assert tuple(calls[1].inputs) == (x,), (
        "inputs must be the arguments by place and after them the values of those by name"
    )
    assert calls[0].output == 3 * (x + 1), "each call must keep its output"
    assert calls[1].output == x + 1, "each call must keep its output"
    assert [call.name for call in calls[0].children] == ["inner"], (
        "a call that begins while another runs is its child"
    )
    assert len(list(calls[1].children)) == 0, "a call is not its own child"
    assert calls[0].elapsed_ns >= calls[1].elapsed_ns > 2_900_000, (
        "elapsed_ns must be the time of forward in nanoseconds, what it calls included"
    )
    assert finished == ["inner", "outer"], "self._finished gets each call when it has ended"

    def fails():
        raise KeyError("none")

    assert refuses(KeyError, trace, "failing", "layer", fails), "an error of a layer must go on"
    trace("next", "layer", inner, 1)
    last = list(trace.calls)[-1]
    failing = next(call for call in trace.calls if call.name == "failing")
    assert last.name == "next", "a call that raised has ended: later calls are not its children"
    assert len(list(failing.children)) == 0, (
        "a call that raised has ended: later calls are not its children"
    )


def check_bytes_moved(student):
    """Bytes are those of the layer's state, of all inputs and of the output."""
    rows, n, m = draw((1, 9), (1, 30), (1, 30))
    layer, x = Linear(n, m), Tensor(noise(rows, n))
    found = student.bytes_moved(layer, (x,), layer(x))
    assert found == 4 * (rows * n + n * m + m + rows * m), (
        "count the bytes of the layer's state, of its inputs and of its output, each once"
    )
    x, y = Tensor(noise(rows, n)), Tensor(noise(rows))
    found = student.bytes_moved(ReLU(), (x, [y, y], None, 3), {"a": x})
    assert found == 4 * (2 * rows * n + 2 * rows), (
        "count all arrays in the inputs and the output, in lists and dictionaries too"
    )


def check_bytes_of_other_dtypes(student):
    """An array counts with the bytes that it has, whatever its dtype."""
    rows, n = draw((1, 9), (1, 30))
    tokens, out = np.zeros((rows, n), dtype=np.int64), np.zeros((rows, n), dtype=np.int8)
    found = student.bytes_moved(ReLU(), (tokens,), out)
    assert found == 9 * rows * n, "not every number has 4 bytes: ask the arrays for nbytes"


def check_intensity(student):
    """The intensity is operations per byte, and infinite when no bytes move."""
    for _ in range(5):
        flops, moved = draw((0, 10**9), (1, 10**9))
        assert close(student.arithmetic_intensity(flops, moved), flops / moved), (
            "the intensity must be flops / bytes_moved"
        )
    assert student.arithmetic_intensity(7, 0) == float("inf"), (
        "operations that move no bytes have an infinite intensity"
    )
    assert student.arithmetic_intensity(0, 7) == 0, "no operations: an intensity of 0"


def check_intensity_refuses(student):
    """Negative counts, and nothing at all, are refused."""
    for flops, moved in ((-1, 4), (4, -1), (0, 0), (-1, 0)):
        assert refuses(ValueError, student.arithmetic_intensity, flops, moved), (
            "raise ValueError for a negative count, and when both are 0"
        )


def check_linear_work(student):
    """A linear layer's work follows the formula for every shape of input."""
    for shape in ((1,), (7,), (2, 3), (2, 1, 4)):
        n, m = draw((1, 20), (1, 20))
        rows = math.prod(shape)
        for bias in (True, False):
            layer, x = Linear(n, m, bias=bias), Tensor(noise(*shape, n))
            work = student.linear_work(layer, (x,), layer(x))
            assert work.products == 2 * rows * n * m, (
                "products must be the operations of the matrix product alone, over all rows of an "
                "input with any number of axes"
            )
            assert work.others == (rows * m if bias else 0), (
                "others must be the additions of the bias, and none without a bias"
            )
            moved = 4 * (rows * n + n * m + (m if bias else 0) + rows * m)
            assert work.bytes_moved == moved, "bytes_moved must be those of your bytes_moved"


def check_heads_work(student):
    """The work of attention is two products, a scaling and a softmax, on four arrays."""
    for _ in range(5):
        B, H, T, more, D = draw((1, 4), (1, 5), (1, 12), (0, 9), (1, 8))
        S = T + more
        work = student.heads_work(B, H, T, S, D)
        assert work.products == 4 * B * H * T * S * D, "products must be those of q k^T and P v"
        assert work.others == B * H * T * D + B * H * T * (5 * S - 2), (
            "others must be the scaling of q and the softmax of a row of keys for each query"
        )
        assert work.bytes_moved == 4 * B * H * D * (2 * T + 2 * S), (
            "bytes_moved must be those of q, k, v and the result, each once, in float32"
        )


def check_best_is_least(student):
    """The least time counts, and the first call does not."""
    ms = 1_000_000
    computer = Computer(ms, 7 * ms, 3 * ms, 9 * ms, 8 * ms)
    found = student.best_seconds(computer.work, computer.clock_ns)
    assert close(found, 0.003), (
        "best_seconds must be the least time of a pass, in seconds by the given clock; the first "
        "call warms up and does not count"
    )
    computer = Computer(ms, 7 * ms, 6 * ms, 2 * ms, 8 * ms)
    assert close(student.best_seconds(computer.work, computer.clock_ns), 0.002), (
        "there must be three passes at least"
    )


def check_best_divides_by_calls(student):
    """A pass of several calls is divided by their number."""
    (ns,) = draw((10_000, 30_000))
    computer = Computer(5 * ns, 5 * ns, ns)
    calls_when_read = []

    def clock_ns():
        calls_when_read.append(computer.calls)
        return computer.clock_ns()

    found = student.best_seconds(computer.work, clock_ns)
    assert close(found, ns / 1e9, 1e-6), "the time of a pass must be divided by its calls"
    assert np.diff(calls_when_read).max() >= 500_000 // ns, (
        "a pass must have as many calls as fill PASS_NS: a single quick call cannot be timed"
    )


def with_clocked(student, seconds, rate, size):
    """Return what a rate function makes of a known time."""
    timed = []

    def clocked(fn, clock_ns):
        timed.append(fn)
        fn()
        return seconds

    own = student.best_seconds
    student.best_seconds = clocked
    try:
        found = getattr(student, rate)(size)
    finally:
        student.best_seconds = own
    assert len(timed) == 1, f"{rate} must time its work by best_seconds, once"
    return float(found)


def check_product_rate(student):
    """The rate of a product of n by n matrices is 2 n^3 operations over its time."""
    for _ in range(3):
        n, tenths = draw((3, 60), (1, 30))
        found = with_clocked(student, tenths / 10, "product_rate", n)
        assert close(found, 2 * n**3 / (tenths / 10)), (
            "product_rate must be 2 * n ** 3 operations over the seconds of best_seconds"
        )

    def attempt():
        a = np.ones((256, 256), dtype=np.float32)
        out = a.copy()
        np.matmul(a, a, out=out)
        seconds = []
        for _ in range(20):
            start = time.perf_counter()
            np.matmul(a, a, out=out)
            seconds.append(time.perf_counter() - start)
        expected = 2 * 256**3 / min(seconds)
        found = float(student.product_rate(256))
        assert expected / 16 < found < 16 * expected, (
            "product_rate is far from what a product of float32 matrices reaches here"
        )

    eventually(attempt)


def check_copy_rate(student):
    """The rate of a copy counts what is read and what is written."""
    for power in (12, 16, 20):
        (tenths,) = draw((1, 30))
        found = with_clocked(student, tenths / 10, "copy_rate", 2**power)
        assert close(found, 2**power / (tenths / 10)), (
            "source and target fill the working set, and copy_rate counts the bytes read and the "
            "bytes written over the seconds of best_seconds"
        )

    def attempt():
        source = np.ones(2**18, dtype=np.float32)
        target = source.copy()
        seconds = []
        for _ in range(20):
            start = time.perf_counter()
            np.copyto(target, source)
            seconds.append(time.perf_counter() - start)
        expected = 2**21 / min(seconds)
        found = float(student.copy_rate(2**21))
        assert expected / 16 < found < 16 * expected, (
            "copy_rate is far from what a copy reaches here"
        )

    eventually(attempt)


def check_ridge_point(student):
    """The ridge point is peak over bandwidth for the working set."""
    roof = made_roof(student)
    for size in (2**10, 2**18, *draw((2**18, 2**26), (2**18, 2**26)), 2**30):
        assert close(roof.ridge_point(size), 100e9 / rate_for(size)), (
            "the ridge point must be peak_flops over the bandwidth of the given working set"
        )


def check_attainable(student):
    """The roof is the lower one of the peak and intensity times bandwidth."""
    roof = made_roof(student)
    rng = np.random.default_rng()
    for size in (2**12, 2**20, 2**26):
        for intensity in 10 ** rng.uniform(-2, 3, 8):
            expected = min(100e9, intensity * rate_for(size))
            assert close(roof.attainable(float(intensity), size), expected), (
                "attainable must be the smaller one of the peak and intensity * bandwidth"
            )


def check_least_seconds(student):
    """The least time is the longer one of computing and moving."""
    roof = made_roof(student)
    for moved in draw((1000, 2**17), (2**19, 2**22), (2**24, 2**27)):
        for factor in (0, 0.3, 3):  # of the operations that take as long as moving the bytes
            flops = int(factor * 100e9 * moved / rate_for(moved))
            expected = max(flops / 100e9, moved / rate_for(moved))
            assert close(roof.least_seconds(flops, moved), expected), (
                "least_seconds must be the longer one of flops / peak and bytes / bandwidth, with "
                "the bandwidth of a working set of the bytes moved"
            )


def check_bound(student):
    """Below the ridge point memory is the limit, from there on computing."""
    roof = made_roof(student)
    for moved in draw((1000, 2**17), (2**19, 2**22), (2**24, 2**27)):
        ridge = 100e9 / rate_for(moved)
        for factor, expected in (
            (0.5, "memory"),
            (0.9, "memory"),
            (1.1, "compute"),
            (9, "compute"),
        ):
            assert roof.bound(int(factor * ridge * moved), moved) == expected, (
                "bound must compare the intensity with the ridge point for a working set of the "
                "bytes moved: 'memory' below it, 'compute' above"
            )
    assert roof.bound(0, 100) == "memory", "a copy, without operations, is bound by memory"
    assert roof.bound(100, 0) == "compute", "work that moves no bytes is bound by computing"


def judged(student, works, latency_ms):
    works = [student.Work(*work) for work in works]
    return student.judge(works, latency_ms, made_roof(student, 100e9, ((2**30, 10e9),)))


def check_judge_rates(student):
    """The rates are all operations and bytes over the time, in their units."""
    for _ in range(3):
        products, others, moved = draw((1, 10**9), (1, 10**8), (1, 10**8))
        latency = float(np.random.default_rng().uniform(0.1, 50))
        figures = judged(student, [(products, others, moved), (products, 0, moved)], latency)
        seconds, flops = latency / 1000, 2 * products + others
        expected = {
            "gflops_per_second": flops / seconds / 1e9,
            "memory_bandwidth_mbs": 2 * moved / seconds / 1e6,
            "computational_efficiency": flops / seconds / 100e9,
        }
        for key, value in expected.items():
            assert key in figures, f"the figures must hold {key!r}"
            assert close(figures[key], value), (
                f"{key!r} is wrong: it must be over all works and over the latency, in its unit"
            )


def check_judge_intensity(student):
    """The intensity is that of all works together, None when there is nothing to do."""
    figures = judged(student, [(300, 100, 50), (0, 0, 150)], 1.0)
    assert "arithmetic_intensity" in figures, "the figures must hold 'arithmetic_intensity'"
    assert figures["arithmetic_intensity"] == 2.0, (
        "arithmetic_intensity must be all operations over all bytes"
    )
    figures = judged(student, [(0, 0, 0)], 1.0)
    assert figures["arithmetic_intensity"] is None, (
        "without operations and bytes arithmetic_intensity must be None"
    )


def check_judge_verdict(student):
    """The limit that takes longer gives the verdict, unless overhead takes more than half."""
    cases = [
        ((10**8, 0, 1000), 1.0, "compute"),
        ((10**6, 0, 10**7), 1.0, "memory"),
        ((0, 0, 10**7), 1.0, "memory"),
        ((0, 10**8, 0), 1.0, "compute"),
    ]
    for work, least, limit in cases:
        for factor, bottleneck in ((1.0, limit), (1.9, limit), (2.1, "overhead"), (50, "overhead")):
            figures = judged(student, [work], factor * least)
            assert close(figures["roofline_ms"], least), (
                "roofline_ms must be the least time of the works in milliseconds"
            )
            assert figures["bottleneck"] == bottleneck, (
                "bottleneck must be the limit that takes longer, or 'overhead' when the least "
                "time is less than half of the latency"
            )
            assert figures["is_memory_bound"] is (limit == "memory"), (
                "is_memory_bound says which limit takes longer, whatever the overhead"
            )
            assert figures["is_compute_bound"] is (limit == "compute"), (
                "is_compute_bound says which limit takes longer, whatever the overhead"
            )


def check_judge_adds_up(student):
    """The least times of several works add up, each bound by its own limit."""
    compute, memory, small = (10**8, 0, 1000), (10**6, 0, 3 * 10**7), (0, 1, 10**6)
    figures = judged(student, [compute, memory, small], 5.0)
    assert close(figures["roofline_ms"], 1.0 + 3.0 + 0.1), (
        "works are done one after the other: roofline_ms must add up their least times"
    )
    assert figures["is_memory_bound"] is True, (
        "of several works it is the sum of the times of each kind that decides"
    )
    assert figures["bottleneck"] == "memory", (
        "of several works it is the sum of the times of each kind that decides"
    )
    figures = judged(student, [compute, compute, small, small], 2.5)
    assert figures["is_compute_bound"] is True, (
        "of several works it is the sum of the times of each kind that decides"
    )
    assert figures["bottleneck"] == "compute", (
        "of several works it is the sum of the times of each kind that decides"
    )


def check_judge_idle(student):
    """Where nothing is to be done neither limit applies."""
    for works in ([], [(0, 0, 0)]):
        figures = judged(student, works, 1.0)
        assert figures["roofline_ms"] == 0, "nothing to do takes no time at best"
        assert figures["is_memory_bound"] is False, "where nothing is to be done no limit is met"
        assert figures["is_compute_bound"] is False, "where nothing is to be done no limit is met"
        assert figures["bottleneck"] == "overhead", "time for nothing is overhead"
    figures = judged(student, [(0, 0, 0), (10**8, 0, 1000), (0, 0, 0)], 1.5)
    assert figures["bottleneck"] == "compute", "works without anything to do must add nothing"


def check_judge_refuses(student):
    """A latency that is not above 0 is refused."""
    for latency in (0.0, -0.5, float("nan")):
        assert refuses(ValueError, judged, student, [(1, 1, 1)], latency), (
            "raise ValueError unless the latency is above 0; NaN is not"
        )


def check_traced_peak(student):
    """The peak is the most that was in use beyond the start."""
    for _ in range(3):
        held, more = draw((50_000, 200_000), (100_000, 900_000))
        traced = student.traced_peak(Scratch(peak=held + more, held=held))
        assert held + more <= traced.peak_bytes < held + more + 10_000, (
            "peak_bytes must be the most that was in use at once while fn ran, in bytes"
        )
    found = []

    def within():
        kept = np.ones(1_000_000, dtype=np.uint8)
        student.traced_peak(Scratch(2_000_000, 100))
        found.append(student.traced_peak(Scratch(300_000, 100)))
        return kept

    student.traced_peak(within)
    assert found[0].peak_bytes < 400_000, (
        "a peak from before must not count, nor what was in use at the start: reset the one, and "
        "take off the other"
    )


def check_traced_held(student):
    """Held is what is still in use at the end, the result included."""
    for _ in range(3):
        held, more = draw((50_000, 200_000), (100_000, 900_000))
        traced = student.traced_peak(Scratch(peak=held + more, held=held))
        assert held <= traced.held_bytes < held + 10_000, (
            "held_bytes must be what is in use while the result of fn is still there"
        )


def check_traced_leaves_nothing_on(student):
    """Measured twice it is the same, and one call runs the function once."""
    calls = []
    student.traced_peak(lambda: calls.append(1))
    assert len(calls) == 1, "traced_peak must run fn() once"
    first, second = (student.traced_peak(Scratch(400_000, 100_000)) for _ in range(2))
    assert abs(first.peak_bytes - second.peak_bytes) < 5000, (
        "the same function must need the same memory each time: is all that is in use beforehand "
        "taken off?"
    )


def check_memory_of_model(student):
    """Parameters, activations, both together and their ratio are those of the model."""
    rows, hidden = draw((100, 300), (100, 300))
    model = Sequential(Linear(50, hidden), GELU(), Linear(hidden, 40)).train()
    x = Tensor(noise(rows, 50))
    model.eval()
    with no_grad():
        model(x)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        model(x)
        expected = (tracemalloc.get_traced_memory()[1] - before) / 2**20
        tracemalloc.stop()
    model.train()
    memory = student.measure_memory(model, x)
    held = 4 * (50 * hidden + hidden + hidden * 40 + 40) / 2**20
    assert close(memory["parameter_memory_mb"], held), (
        "parameter_memory_mb must be the bytes that the model holds / 2**20"
    )
    assert abs(memory["activation_memory_mb"] - expected) < 0.03 * expected + 0.01, (
        "activation_memory_mb must be the peak of one pass, in use and without gradients, / 2**20"
    )
    peak = memory["parameter_memory_mb"] + memory["activation_memory_mb"]
    assert close(memory["peak_memory_mb"], peak), "the peak must be parameters and activations"
    assert close(memory["memory_efficiency"], held / peak), (
        "memory_efficiency must be the parameters' share of the peak"
    )
    assert model.training, "the model must be in the mode it was in"


def check_memory_by_layer(student):
    """Every layer has its entry, and the passes are those that were asked for."""
    model = Sequential(Linear(30, 200), Pause(0), ReLU())
    memory = student.measure_memory(model, Tensor(noise(60, 30)))
    pause = model.layers[1]
    names = [layer.name for layer in memory["layers"]]
    assert names == ["layers.0", "layers.1", "layers.2", ""], (
        "layers must be the entries of a MemoryTrace around one pass, in the order they ended"
    )
    first = memory["layers"][0]
    assert first.output_bytes == 4 * 60 * 200, "an entry must hold the bytes of its own layer"
    assert first.parameter_bytes == 4 * (30 * 200 + 200), (
        "an entry must hold the bytes of its own layer"
    )
    assert first.peak_bytes >= 4 * 60 * 200, "the layers must run inside of tracing()"
    assert len(pause.modes) == 3, (
        "run the model three times in inference: to warm up, for the peak, and for the layers"
    )
    assert set(pause.modes) == {(False, False)}, (
        "run the model three times in inference: to warm up, for the peak, and for the layers"
    )


def check_memory_without_parameters(student):
    """A model without parameters has an efficiency of 0, and packed ones show their bytes."""
    memory = student.measure_memory(Sequential(ReLU()), Tensor(noise(100, 100)))
    assert memory["parameter_memory_mb"] == 0, (
        "a model without parameters holds 0 MB and has an efficiency of 0"
    )
    assert memory["memory_efficiency"] == 0, (
        "a model without parameters holds 0 MB and has an efficiency of 0"
    )
    model = Linear(40, 30)
    model.bias.requires_grad = False
    memory = student.measure_memory(model, Tensor(noise(5, 40)))
    assert close(memory["parameter_memory_mb"], 4 * (40 * 30 + 30) / 2**20), (
        "parameter_memory_mb must be all that the model holds, frozen tensors too: held_bytes"
    )


def check_forward_profile(student):
    """The profile of a model counts all of its layers and measures it in milliseconds."""
    rows, n, m = draw((1, 9), (2, 20), (2, 20))
    profiler = student.Profiler(made_roof(student))

    def attempt():
        model = Sequential(Linear(n, m), ReLU(), Pause(2), Linear(m, 3))
        profile = profiler.profile_forward_pass(model, (rows, n))
        pause = model.layers[2]
        assert profile["parameters"] == n * m + m + 3 * m + 3, "parameters must be all of the model"
        flops = rows * (m * (2 * n + 1) + m + 3 * (2 * m + 1))
        assert profile["flops"] == flops, "flops must be the sum over all layers"
        moved = [n * rows + n * m + m + rows * m, 2 * rows * m, rows * m + 3 * m + 3 + 3 * rows]
        assert profile["bytes_moved"] == 4 * sum(moved), "bytes_moved must be the sum over layers"
        layers = [row["layer"] for row in profile["layers"]]
        assert layers == ["layers.0", "layers.1", "layers.2", "layers.3"], (
            "layers must have a row for each layer, in the order in which they run"
        )
        low, high = min(pause.took_ms), 1.2 * np.percentile(pause.took_ms, 95) + 1
        assert low <= profile["latency_ms"] <= high, (
            "latency_ms must be that of a whole forward pass, in milliseconds"
        )
        slow = profile["layers"][2]
        assert low <= slow["latency_ms"] <= high, "a row must hold its own layer's time"
        assert slow["share"] > 0.6, "a row must hold its layer's share of the whole"

    eventually(attempt)


def check_forward_profile_judges(student):
    """The verdict of a profile follows from its own figures and the profiler's roofline."""
    model = Sequential(Conv2d(2, 3, 3), MaxPool2d(2), Pause(2))
    peak = 7e9
    roof = student.Roofline(peak_flops=peak, bandwidths=((2**20, 3e9),))
    profile = student.Profiler(roof).profile_forward_pass(model, Tensor(noise(4, 2, 8, 8)))
    seconds = profile["latency_ms"] / 1000
    expected = {
        "gflops_per_second": profile["flops"] / seconds / 1e9,
        "memory_bandwidth_mbs": profile["bytes_moved"] / seconds / 1e6,
        "computational_efficiency": profile["flops"] / seconds / peak,
        "roofline_ms": sum(row["roofline_ms"] for row in profile["layers"]),
    }
    for key, value in expected.items():
        assert key in profile, f"the profile must hold {key!r}, as all figures of judge"
        assert close(profile[key], value, 1e-6), (
            f"{key!r} does not follow from the works, the latency and the profiler's own roofline"
        )
    assert profile["bottleneck"] == "overhead", "a model that mostly waits is limited by overhead"


def check_quick_profile(student):
    """The report holds the forward profile and the memory, and neither hides the other."""
    rows, n = draw((2, 9), (2, 20))
    model = Sequential(Linear(n, 6), ReLU())
    peak = 5e9
    roof = student.Roofline(peak_flops=peak, bandwidths=((2**20, 3e9),))
    report = student.quick_profile(model, Tensor(noise(rows, n)), roof)
    for key in ("parameters", "flops", "latency_ms", "bottleneck", "roofline_ms",
                "activation_memory_mb", "peak_memory_mb", "memory_efficiency"):  # fmt: skip
        assert key in report, f"the report must hold {key!r}"
    rate = report["flops"] / report["latency_ms"] * 1000
    assert close(report["computational_efficiency"], rate / peak, 1e-6), (
        "the report must be made with the roofline that was given"
    )
    assert [row["layer"] for row in report["layers"]] == ["layers.0", "layers.1"], (
        "layers must be the rows of the forward profile, with their times"
    )
    kinds = [layer.kind for layer in report["layer_memory"]]
    assert kinds == ["Linear", "ReLU", "Sequential"], (
        "layer_memory must be the layers of measure_memory"
    )


def check_quick_summary(student):
    """The summary names the counts, the bottleneck and the slowest layer with its share."""
    place, n = draw((1, 2), (3, 20))
    layers = [Linear(n, n), ReLU(), Linear(n, 2)]
    layers.insert(place, Pause(3))
    model, x = Sequential(*layers), Tensor(noise(4, n))
    report = student.quick_profile(model, x, made_roof(student))
    summary = report.get("summary")
    assert type(summary) is str, "summary must be a sentence"
    plain = summary.replace(",", "")
    for value in (report["parameters"], report["flops"]):
        assert str(value) in plain, "the summary must say how many parameters and operations"
    assert report["bottleneck"] in summary, "the summary must say the bottleneck"
    assert f"layers.{place}" in summary, (
        "the summary must name the layer that takes most of the time, and its kind"
    )
    assert "Pause" in summary, (
        "the summary must name the layer that takes most of the time, and its kind"
    )
    share = 100 * report["layers"][place]["share"]
    said = [float(number) for number in re.findall(r"(\d+(?:\.\d+)?) ?%", summary)]
    assert any(abs(number - share) <= 1 and number == round(number) for number in said), (
        "the summary must say the slowest layer's share of the time as a whole number of percent"
    )
