"""As short as it gets: NumPy and comprehensions, closed formulas, sorted in place of max."""

import math


def count_parameters(model):
    return int(np.sum([np.prod(tensor.shape) for tensor in model.parameters()], dtype=int))


def own_parameters(layer):
    held = [*vars(layer).values()]
    return sum(v.size for v in held if isinstance(v, Tensor) and v.requires_grad)


def weight_spread(values, percentiles):
    x = np.asarray(values, dtype="float64")
    m = np.abs(x)
    return {
        "count": x.size,
        "shape": x.shape,
        "mean": np.mean(x).item(),
        "std": np.std(x).item(),
        "min": np.min(x).item(),
        "max": np.max(x).item(),
        "zero_fraction": float(1 - np.count_nonzero(x) / x.size),
        "magnitude_percentiles": {q: np.quantile(m, q / 100).item() for q in percentiles},
    }


def analyze_weight_distribution(
    model: Module, percentiles: Sequence[float] = PERCENTILES
) -> dict[str, Any]:
    parameters = {name: tensor.data for name, tensor in model.named_parameters()}
    if not parameters:
        raise ValueError(f"expected a model with parameters, {type(model).__name__} has none")
    if not all(0 <= q <= 100 for q in percentiles):
        raise ValueError(f"expected percentiles from 0 to 100, got {list(percentiles)}")
    for name, values in parameters.items():
        if not np.all(np.isfinite(values)):
            raise ValueError(f"expected finite weights, {name} holds NaN or an infinity")
    everything = np.concatenate([values.ravel() for values in parameters.values()])
    return {
        "total": weight_spread(everything, percentiles) | {"shape": None},
        "parameters": {
            name: weight_spread(values, percentiles) for name, values in parameters.items()
        },
    }


def linear_flops(rows, in_features, out_features, bias=True):
    return rows * out_features * (2 * in_features + bool(bias))


def conv2d_flops(results, in_channels, kernel_size, bias=True):
    return linear_flops(results, in_channels * kernel_size * kernel_size, 1, bias)


def softmax_flops(rows, width):
    return 5 * rows * width - 2 * rows


def attention_product_flops(batch, heads, queries, keys, head_dim):
    return math.prod((4, batch, heads, queries, keys, head_dim))


@contextmanager
def inference(*models: Any) -> Iterator[None]:
    layers = [layer for model in models if isinstance(model, Module) for layer in model.modules()]
    modes = [layer.training for layer in layers]
    try:
        for layer in layers:
            layer.training = False
        with no_grad():
            yield
    finally:
        for layer, mode in zip(layers, modes, strict=True):
            layer.training = mode


def measure_latency(model, x, warmup=10, iterations=100):
    checked_size("warmup", warmup, smallest=0), checked_size("iterations", iterations)
    clock = time.perf_counter_ns
    with inference(model):
        marks = []
        for _ in range(warmup + iterations):
            marks.append(clock())
            model(x)
        marks.append(clock())
    return np.median(np.diff(marks)[warmup:]).item() * 1e-6


def step_latencies_ms(model, x, iterations):
    def step():
        model.zero_grad()
        marks = [time.perf_counter_ns()]
        out = model(x)
        marks.append(time.perf_counter_ns())
        out.backward(np.ones_like(out.data))
        return np.diff([*marks, time.perf_counter_ns()])

    step()
    return tuple((np.median([step() for _ in range(iterations)], axis=0) / 1e6).tolist())


class Around(Protocol):
    def __call__(
        self, name: str, layer: Module, forward: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        pass


def named_layers(model: Module) -> list[tuple[str, Module]]:
    if not isinstance(model, Module):
        raise TypeError(f"expected a Module to look into, got {type(model).__name__}")
    return model.named_modules()


@contextmanager
def wrapped_forward(model: Module, around: Around) -> Iterator[None]:
    layers = named_layers(model)
    before = [vars(layer).get("forward") for _, layer in layers]
    try:
        for name, layer in layers:
            vars(layer)["forward"] = partial(around, name, layer, layer.forward)
        yield
    finally:
        for (_, layer), own_forward in zip(layers, before, strict=True):
            if own_forward is None:
                vars(layer).pop("forward", None)
            else:
                vars(layer)["forward"] = own_forward


@dataclass(eq=False)
class LayerCall:
    name: str
    layer: Module
    forward: Callable[..., Any]
    inputs: tuple[Any, ...]
    output: Any = None
    elapsed_ns: int = 0
    children: list[Any] = field(default_factory=list)

    @property
    def own_ns(self):
        return self.elapsed_ns - sum([c.elapsed_ns for c in self.children])

    @property
    def label(self) -> str:
        return self.name or type(self.layer).__name__


class Trace:
    def __init__(self, finished: Callable[[LayerCall], None] | None = None) -> None:
        self.calls: list[LayerCall] = []
        self._running: list[LayerCall] = []
        self._finished = finished

    def __call__(self, name, layer, forward, /, *args, **kwargs):
        call = LayerCall(name, layer, forward, args + tuple(kwargs.values()))
        for parent in self._running[-1:]:
            parent.children.append(call)
        self.calls += [call]
        self._running += [call]
        call.elapsed_ns = -time.perf_counter_ns()
        try:
            call.output = forward(*args, **kwargs)
        finally:
            call.elapsed_ns += time.perf_counter_ns()
            del self._running[-1]
        (self._finished or (lambda _: None))(call)
        return call.output


def own_times_ms(model, x, passes=TIMED_PASSES):
    def once():
        trace = Trace()
        with wrapped_forward(model, trace):
            model(x)
        return [call.own_ns / 1e6 for call in trace.calls]

    once()
    return np.median([once() for _ in range(passes)], axis=0).tolist()


@dataclass(frozen=True)
class Work:
    products: int
    others: int
    bytes_moved: int

    @property
    def flops(self) -> int:
        return self.products + self.others


def bytes_moved(layer, inputs, output):
    return layer.size_bytes() + sum(a.nbytes for a in arrays_in([*inputs, output]))


def arithmetic_intensity(flops, bytes_moved):
    if min(flops, bytes_moved) < 0 or max(flops, bytes_moved) == 0:
        raise ValueError(f"no work: {flops} operations, {bytes_moved} bytes")
    return math.inf if not bytes_moved else flops / bytes_moved


def linear_work(layer, inputs, output):
    n, m = layer.weight.data.shape
    rows = math.prod(output.shape[:-1])
    total = linear_flops(rows, n, m, layer.bias is not None)
    return Work(2 * rows * n * m, total - 2 * rows * n * m, bytes_moved(layer, inputs, output))


def heads_work(batch, heads, queries, keys, head_dim):
    BH, T, S, D = batch * heads, queries, keys, head_dim
    return Work(4 * BH * T * S * D, BH * T * (D + 5 * S - 2), 8 * BH * D * (T + S))


def cpu_clock() -> Clock:
    fine = time.get_clock_info("thread_time").resolution <= 1e-06
    return time.thread_time_ns if fine else time.perf_counter_ns


def best_seconds(fn, clock_ns):
    fn()
    stop, best, passes = time.perf_counter_ns() + BUDGET_NS, PASS_NS, 0
    while passes < 3 or time.perf_counter_ns() < stop:
        calls = max(1, round(PASS_NS / best))
        start = clock_ns()
        for _ in range(calls):
            fn()
        taken = max(1, (clock_ns() - start) / calls)
        best, passes = min(best, taken) if passes else taken, passes + 1
    return best * 1e-9


def product_rate(n):
    a, b = np.ones((2, n, n), dtype=np.float32)
    return 2.0 * n**3 / best_seconds(lambda: np.matmul(a, a, out=b), time.perf_counter_ns)


def copy_rate(working_set):
    a, b = np.zeros((2, working_set // 8), dtype=np.float32)
    return working_set / best_seconds(lambda: np.copyto(a, b), cpu_clock())


def read_rate(working_set: int) -> float:
    a, b = (np.ones(working_set // 8, dtype=np.float32) for _ in range(2))
    return 2 * a.nbytes / best_seconds(lambda: np.dot(a, b), cpu_clock())


@dataclass(frozen=True)
class Roofline:
    peak_flops: float
    bandwidths: tuple[tuple[int, float], ...]

    def __post_init__(self) -> None:
        sizes = [size for size, _ in self.bandwidths]
        rates = [self.peak_flops, *(rate for _, rate in self.bandwidths)]
        if not sizes or sizes != sorted(set(sizes)) or (not all(0 < r < np.inf for r in rates)):
            raise ValueError("expected limits above 0 and working sets that grow")

    def bandwidth(self, working_set: int) -> float:
        sizes, rates = zip(*self.bandwidths, strict=True)
        return float(np.interp(np.log(max(working_set, 1)), np.log(sizes), rates))

    def ridge_point(self, working_set):
        return self.peak_flops / self.bandwidth(working_set)

    def attainable(self, intensity, working_set):
        return min(intensity / self.ridge_point(working_set), 1) * self.peak_flops

    def least_seconds(self, flops, bytes_moved):
        return max((flops / self.peak_flops, bytes_moved / self.bandwidth(bytes_moved)))

    def bound(self, flops, bytes_moved):
        below = arithmetic_intensity(flops, bytes_moved) < self.ridge_point(bytes_moved)
        return ("compute", "memory")[below]


def measure_roofline(
    working_sets: tuple[int, ...] = WORKING_SETS, product_sizes: tuple[int, ...] = PRODUCT_SIZES
) -> Roofline:
    peak, bandwidths = (0.0, dict.fromkeys(working_sets, 0.0))
    for _ in range(ROUNDS):
        peak = max(peak, *(product_rate(n) for n in product_sizes))
        for size in working_sets:
            bandwidths[size] = max(bandwidths[size], copy_rate(size), read_rate(size))
    return Roofline(peak, tuple(bandwidths.items()))


@cache
def machine_roofline() -> Roofline:
    return measure_roofline()


def judge(works, latency_ms, roofline):
    if not latency_ms > 0:
        raise ValueError(f"latency {latency_ms}")
    counts = [(w.flops, w.bytes_moved) for w in works if w.flops + w.bytes_moved]
    least = [1e3 * roofline.least_seconds(*count) for count in counts]
    memory = sum(t for t, c in zip(least, counts, strict=False) if roofline.bound(*c) == "memory")
    compute = sum(t for t, c in zip(least, counts, strict=False) if roofline.bound(*c) == "compute")
    flops, moved = np.sum([(0, 0), *counts], axis=0, dtype=float).tolist()
    rate = flops / latency_ms * 1e3
    return {
        "arithmetic_intensity": arithmetic_intensity(flops, moved) if counts else None,
        "gflops_per_second": rate / 1e9,
        "memory_bandwidth_mbs": moved / latency_ms / 1e3,
        "computational_efficiency": rate / roofline.peak_flops,
        "roofline_ms": memory + compute,
        "is_memory_bound": memory > compute,
        "is_compute_bound": 0 < compute >= memory,
        "bottleneck": "overhead"
        if 2 * (memory + compute) < latency_ms
        else "memory"
        if memory > compute
        else "compute",
    }


def layer_rows(
    calls: list[tuple[LayerCall, Work]], times_ms: list[float], roofline: Roofline
) -> list[dict[str, Any]]:
    rows = []
    total_ms = sum(times_ms)
    for (call, work), own_ms in zip(calls, times_ms, strict=True):
        if call.children and (not (work.flops or work.bytes_moved)):
            continue
        latency_ms = max(own_ms, 1e-06)
        figures = judge([work], latency_ms, roofline)
        memory, compute = (figures.pop("is_memory_bound"), figures.pop("is_compute_bound"))
        rows.append(
            {
                "layer": call.label,
                "kind": type(call.layer).__name__,
                "parameters": own_parameters(call.layer),
                "flops": work.flops,
                "bytes_moved": work.bytes_moved,
                "latency_ms": latency_ms,
                "share": latency_ms / total_ms if total_ms else 0.0,
                "bound": "memory" if memory else "compute" if compute else None,
            }
            | figures
        )
    return rows


def in_use(model: Module, x: Any) -> tuple[list[tuple[LayerCall, Work]], list[float]]:
    with inference(model):
        return (work_by_call(model, x), own_times_ms(model, x))


class TracedMemory(NamedTuple):
    peak_bytes: int
    held_bytes: int


@contextmanager
def tracing() -> Iterator[None]:
    was_on = tracemalloc.is_tracing()
    if not was_on:
        tracemalloc.start()
    try:
        yield
    finally:
        if not was_on:
            tracemalloc.stop()


def traced_peak(fn):
    with tracing():
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        kept = [fn()]
        now, most = tracemalloc.get_traced_memory()
        kept.clear()
    return TracedMemory(most - before, now - before)


def held_bytes(model: Any) -> int:
    if hasattr(model, "size_bytes"):
        return int(model.size_bytes())
    return 4 * int(model.count_parameters()) if hasattr(model, "count_parameters") else 0


@dataclass(frozen=True)
class LayerMemory:
    name: str
    kind: str
    parameter_bytes: int
    output_bytes: int
    peak_bytes: int
    held_bytes: int


class MemoryTrace:
    def __init__(self) -> None:
        self.layers: list[LayerMemory] = []
        self._peaks: list[int] = []

    def __call__(
        self, name: str, layer: Module, forward: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        start = self._end_stretch()
        self._peaks.append(start)
        try:
            output = forward(*args, **kwargs)
        finally:
            end = self._end_stretch()
            peak = self._peaks.pop()
            if self._peaks:
                self._peaks[-1] = max(self._peaks[-1], peak)
        self.layers.append(
            LayerMemory(
                name=name,
                kind=type(layer).__name__,
                parameter_bytes=layer.size_bytes(),
                output_bytes=sum(array.nbytes for array in arrays_in(output)),
                peak_bytes=peak - start,
                held_bytes=end - start,
            )
        )
        return output

    def _end_stretch(self) -> int:
        in_use, peak = tracemalloc.get_traced_memory()
        if self._peaks:
            self._peaks[-1] = max(self._peaks[-1], peak)
        tracemalloc.reset_peak()
        return in_use


def measure_memory(model, x):
    with inference(model):
        model(x)
        active = traced_peak(partial(model, x)).peak_bytes
        with tracing(), wrapped_forward(model, trace := MemoryTrace()):
            model(x)
    held = held_bytes(model)
    return dict(
        zip(
            ("parameter_memory_mb", "activation_memory_mb", "peak_memory_mb"),
            (held / 2**20, active / 2**20, (held + active) / 2**20),
            strict=False,
        ),
        memory_efficiency=held / (held + active or 1),
        layers=trace.layers,
    )


@contextmanager
def training(model: Module) -> Iterator[None]:
    layers = model.modules()
    modes = [layer.training for layer in layers]
    gradients = [parameter.grad for parameter in model.parameters()]
    try:
        model.train()
        yield
    finally:
        for layer, mode in zip(layers, modes, strict=True):
            layer.training = mode
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.grad = gradient


def step_memory(model: Module, x: Any) -> tuple[int, int]:

    def step() -> None:
        output = model(x)
        output.backward(np.ones_like(output.data))

    model.zero_grad()
    held = traced_peak(lambda: model(x)).held_bytes
    return (held, traced_peak(step).peak_bytes)


def optimizer_state_bytes(
    make: Callable[[list[Tensor]], Optimizer], parameters: list[Tensor]
) -> int:
    copies = [Tensor(parameter.data, requires_grad=True) for parameter in parameters]
    for copy in copies:
        copy.grad = np.zeros_like(copy.data)

    def first_step() -> Optimizer:
        optimizer = make(copies)
        optimizer.step()
        return optimizer

    return traced_peak(first_step).held_bytes


def backward_products(call: LayerCall, work: Work) -> int:
    below = len(call.layer.modules()) > 1
    of_inputs = below or any(getattr(value, "requires_grad", False) for value in call.inputs)
    of_weights = below or bool(call.layer.parameters())
    return work.products * (int(of_inputs) + int(of_weights))


def backward_figures(model: Module, x: Any, iterations: int) -> dict[str, Any]:
    if not model.parameters():
        raise ValueError(f"expected a model with parameters, {type(model).__name__} has none")
    with training(model):
        calls = work_by_call(model, x)
        forward_ms, backward_ms = step_latencies_ms(model, x, iterations)
        held, peak = step_memory(model, x)
        gradient_bytes = sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
        optimizers = {
            name: optimizer_state_bytes(make, model.parameters()) / MB
            for name, make in OPTIMIZERS.items()
        }
    return {
        "forward_flops": sum((work.flops for _, work in calls)),
        "forward_product_flops": sum((work.products for _, work in calls)),
        "backward_product_flops": sum((backward_products(call, work) for call, work in calls)),
        "forward_latency_ms": forward_ms,
        "backward_latency_ms": backward_ms,
        "total_latency_ms": forward_ms + backward_ms,
        "parameter_memory_mb": model.size_bytes() / MB,
        "activation_memory_mb": held / MB,
        "gradient_memory_mb": gradient_bytes / MB,
        "peak_memory_mb": peak / MB,
        "optimizer_memory_mb": optimizers,
    }


class Profiler:
    def __init__(self, roofline: Roofline | None = None) -> None:
        self._roofline = roofline

    @property
    def roofline(self) -> Roofline:
        if self._roofline is None:
            self._roofline = machine_roofline()
        return self._roofline

    def count_parameters(self, model: Module) -> int:
        return count_parameters(model)

    def count_flops(self, model: Module, input_shape: Any) -> int:
        x = model_input(model, input_shape)
        with inference(model):
            return sum((work.flops for _, work in work_by_call(model, x)))

    def measure_memory(self, model: Module, input_shape: Any) -> dict[str, Any]:
        return measure_memory(model, model_input(model, input_shape))

    def measure_latency(
        self, model: Module, input_tensor: Any, warmup: int = 10, iterations: int = 100
    ) -> float:
        return measure_latency(model, model_input(model, input_tensor), warmup, iterations)

    def profile_layer(self, layer: Module, input_shape: Any) -> dict[str, Any]:
        profile = self.profile_forward_pass(layer, model_input(layer, input_shape))
        memory = self.measure_memory(layer, input_shape)
        del profile["layers"], memory["layers"]
        return {"layer_name": type(layer).__name__} | profile | memory

    def profile_forward_pass(self, model, input_tensor):
        calls, times = in_use(model, (x := model_input(model, input_tensor)))
        works = [work for _, work in calls]
        latency = self.measure_latency(model, x)
        return dict(
            judge(works, latency, self.roofline),
            parameters=count_parameters(model),
            latency_ms=latency,
            layers=layer_rows(calls, times, self.roofline),
            **{key: sum(getattr(work, key) for work in works) for key in ("flops", "bytes_moved")},
        )

    def profile_backward_pass(
        self, model: Module, input_tensor: Any, iterations: int = 30
    ) -> dict[str, Any]:
        checked_size("iterations", iterations)
        return backward_figures(model, model_input(model, input_tensor), iterations)


def quick_profile(model, input_tensor, roofline=None):
    profiler = Profiler(roofline)
    memory = profiler.measure_memory(model, input_tensor)
    profile = profiler.profile_forward_pass(model, input_tensor)
    *_, top = sorted(profile["layers"], key=lambda row: row["share"])
    return (
        memory
        | profile
        | {
            "layer_memory": memory["layers"],
            "summary": f"{profile['parameters']} parameters, {profile['flops']} operations, "
            f"limited "
            f"by {profile['bottleneck']}: {top['layer']} ({top['kind']}) takes "
            f"{top['share']:.0%}",
        }
    )
