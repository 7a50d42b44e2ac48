"""Other data structures: counters, tables and a small class of its own."""

from collections import Counter, defaultdict
from itertools import chain


class Stopwatch:
    """Collects laps in milliseconds."""

    def __init__(self):
        self.laps = []

    def __enter__(self):
        self.start = time.perf_counter_ns()

    def __exit__(self, *problem):
        self.laps.append((time.perf_counter_ns() - self.start) / 1e6)

    def median(self, skip=0):
        laps = sorted(self.laps[skip:])
        return (laps[(len(laps) - 1) // 2] + laps[len(laps) // 2]) / 2


def count_parameters(model):
    return sum({id(tensor): tensor.data.size for tensor in model.parameters()}.values())


def own_parameters(layer):
    count = Counter({id(tensor): tensor.data.size for tensor in layer.parameters()})
    for inner in layer.modules()[1:]:
        for tensor in inner.parameters():
            count.pop(id(tensor), None)
    return sum(count.values())


def weight_spread(values, percentiles):
    flat = np.sort(values.astype(np.float64), axis=None)
    magnitudes = np.sort(np.abs(flat))
    places = np.arange(flat.size) / max(flat.size - 1, 1) * 100
    spread = {"count": len(flat), "shape": tuple(int(side) for side in values.shape)}
    spread |= {"mean": float(flat.mean()), "std": float(np.sqrt(np.var(flat)))}
    spread |= {"min": float(flat[0]), "max": float(flat[-1])}
    spread["zero_fraction"] = float((flat == 0).mean())
    spread["magnitude_percentiles"] = {
        q: float(np.interp(q, places, magnitudes)) for q in percentiles
    }
    return spread


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
    operations = Counter(multiply=rows * in_features * out_features)
    operations["add"] = operations["multiply"] + (rows * out_features if bias else 0)
    return sum(operations.values())


def conv2d_flops(results, in_channels, kernel_size, bias=True):
    weights = in_channels * kernel_size**2
    operations = Counter(multiply=results * weights, add=results * weights)
    operations["bias"] = results * int(bias)
    return operations.total()


def softmax_flops(rows, width):
    per_row = {"max": width - 1, "subtract": width, "exp": width, "sum": width - 1, "divide": width}
    return rows * sum(per_row.values())


def attention_product_flops(batch, heads, queries, keys, head_dim):
    scores = batch * heads * queries * keys  # each a sum of head_dim products
    results = batch * heads * queries * head_dim  # each a sum of `keys` products
    return 2 * (scores * head_dim + results * keys)


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
    checked_size("iterations", iterations)
    checked_size("warmup", warmup, smallest=0)
    watch = Stopwatch()
    with inference(model):
        for _ in range(warmup + iterations):
            with watch:
                model(x)
    return watch.median(skip=warmup)


def step_latencies_ms(model, x, iterations):
    there, back = Stopwatch(), Stopwatch()
    for _ in range(iterations + 1):
        model.zero_grad()
        with there:
            output = model(x)
        seed = np.full(output.shape, 1, dtype=output.data.dtype)
        with back:
            output.backward(seed)
    return there.median(1), back.median(1)


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
        below = (child.elapsed_ns for child in self.children)
        return sum(below, start=-self.elapsed_ns) * -1

    @property
    def label(self) -> str:
        return self.name or type(self.layer).__name__


class Trace:
    def __init__(self, finished: Callable[[LayerCall], None] | None = None) -> None:
        self.calls: list[LayerCall] = []
        self._running: list[LayerCall] = []
        self._finished = finished

    def __call__(self, name, layer, forward, /, *args, **kwargs):
        call = LayerCall(name, layer, forward, tuple(chain(args, kwargs.values())))
        siblings = self._running[-1].children if self._running else []
        siblings.append(call)
        self.calls.append(call)
        with self._open(call):
            call.output = forward(*args, **kwargs)
        if self._finished:
            self._finished(call)
        return call.output

    @contextmanager
    def _open(self, call):
        self._running.append(call)
        start = time.perf_counter_ns()
        try:
            yield
        finally:
            call.elapsed_ns = time.perf_counter_ns() - start
            self._running.remove(call)


def own_times_ms(model, x, passes=TIMED_PASSES):
    table = defaultdict(list)
    for turn in range(-1, passes):
        with wrapped_forward(model, trace := Trace()):
            model(x)
        if turn >= 0:
            for place, call in enumerate(trace.calls):
                table[place].append(call.own_ns)
    return [float(np.median(found)) / 1e6 for _, found in sorted(table.items())]


@dataclass(frozen=True)
class Work:
    products: int
    others: int
    bytes_moved: int

    @property
    def flops(self) -> int:
        return self.products + self.others


def bytes_moved(layer, inputs, output):
    arrays = list(chain(arrays_in(inputs), arrays_in(output)))
    return sum(array.size * array.itemsize for array in arrays) + layer.size_bytes()


def arithmetic_intensity(flops, bytes_moved):
    for count in (flops, bytes_moved):
        if count < 0:
            raise ValueError(f"expected a count, got {count}")
    try:
        return flops / bytes_moved
    except ZeroDivisionError:
        if flops == 0:
            raise ValueError("expected work to do") from None
        return float("inf")


def linear_work(layer, inputs, output):
    rows = output.data.reshape(-1, layer.out_features).shape[0]
    plain = linear_flops(rows, layer.in_features, layer.out_features, False)
    whole = linear_flops(rows, layer.in_features, layer.out_features, layer.bias is not None)
    return Work(plain, whole - plain, bytes_moved(layer, inputs, output))


def heads_work(batch, heads, queries, keys, head_dim):
    shapes = {
        name: (batch, heads, n, head_dim)
        for name, n in zip(("q", "k", "v", "out"), (queries, keys, keys, queries), strict=False)
    }
    sizes = {name: int(np.prod(shape)) for name, shape in shapes.items()}
    return Work(
        attention_product_flops(batch, heads, queries, keys, head_dim),
        sizes["q"] + softmax_flops(batch * heads * queries, keys),
        sum(sizes.values()) * np.dtype(np.float32).itemsize,
    )


def cpu_clock() -> Clock:
    fine = time.get_clock_info("thread_time").resolution <= 1e-06
    return time.thread_time_ns if fine else time.perf_counter_ns


def best_seconds(fn, clock_ns):
    def one_pass(calls):
        start = clock_ns()
        for _ in range(calls):
            fn()
        return max(1.0, (clock_ns() - start) / calls)

    fn()
    begin = time.perf_counter_ns()
    best = one_pass(1)
    left = 2
    while left > 0 or time.perf_counter_ns() - begin < BUDGET_NS:
        best = min(best, one_pass(max(1, round(PASS_NS / best))))
        left -= 1
    return best / 1e9


def product_rate(n):
    matrix = np.full((n, n), 1, dtype=np.float32)
    result = np.empty_like(matrix)
    seconds = best_seconds(lambda: np.matmul(matrix, matrix, out=result), time.perf_counter_ns)
    return linear_flops(n, n, n, bias=False) / seconds


def copy_rate(working_set):
    both = np.ones((2, working_set // 8), dtype=np.float32)
    return both.nbytes / best_seconds(lambda: np.copyto(both[1], both[0]), cpu_clock())


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
        return 1 / (self.bandwidth(working_set) / self.peak_flops)

    def attainable(self, intensity, working_set):
        return intensity / max(self._seconds(intensity, 1.0, working_set).values())

    def least_seconds(self, flops, bytes_moved):
        return max(self._seconds(flops, bytes_moved, bytes_moved).values())

    def bound(self, flops, bytes_moved):
        seconds = self._seconds(flops, bytes_moved, bytes_moved)
        return max(seconds, key=seconds.get)

    def _seconds(self, flops, moved, working_set):
        return {"compute": flops / self.peak_flops, "memory": moved / self.bandwidth(working_set)}


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
    if latency_ms > 0:
        pass
    else:
        raise ValueError("the latency must be above 0")
    limits = Counter(memory=0.0, compute=0.0)
    total = Counter(flops=0, moved=0)
    for work in works:
        total.update(flops=work.flops, moved=work.bytes_moved)
        if (work.flops, work.bytes_moved) != (0, 0):
            least = roofline.least_seconds(work.flops, work.bytes_moved) * 1e3
            limits[roofline.bound(work.flops, work.bytes_moved)] += least
    least_ms = limits["memory"] + limits["compute"]
    idle = least_ms == 0
    limit = "memory" if limits["memory"] > limits["compute"] else "compute"
    seconds = latency_ms * 1e-3
    return {
        "arithmetic_intensity": None if idle else arithmetic_intensity(*total.values()),
        "gflops_per_second": total["flops"] / seconds * 1e-9,
        "memory_bandwidth_mbs": total["moved"] / seconds * 1e-6,
        "computational_efficiency": total["flops"] / seconds / roofline.peak_flops,
        "roofline_ms": least_ms,
        "is_memory_bound": not idle and limit == "memory",
        "is_compute_bound": not idle and limit == "compute",
        "bottleneck": limit if least_ms >= latency_ms / 2 else "overhead",
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
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()
        result = fn()
        after = tracemalloc.get_traced_memory()
        del result
    finally:
        if not running:
            tracemalloc.stop()
    return TracedMemory(after[1] - before[0], after[0] - before[0])


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
    trace = MemoryTrace()
    with inference(model):
        for around in (None, "peak", "layers"):
            if around is None:
                model(x)
            elif around == "peak":
                active = traced_peak(lambda: model(x))[0]
            else:
                with tracing(), wrapped_forward(model, trace):
                    model(x)
    bytes_of = {"parameter": held_bytes(model), "activation": active}
    bytes_of["peak"] = sum(bytes_of.values())
    found = {f"{name}_memory_mb": count / MB for name, count in bytes_of.items()}
    share = bytes_of["parameter"] / bytes_of["peak"] if bytes_of["peak"] else 0.0
    return found | {"memory_efficiency": share, "layers": list(trace.layers)}


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
        x = model_input(model, input_tensor)
        latency_ms = measure_latency(model, x)
        calls, times_ms = in_use(model, x)
        works = list(dict(enumerate((work for _, work in calls))).values())
        sums = Counter()
        for work in works:
            sums.update(flops=work.flops, bytes_moved=work.bytes_moved)
        return {
            **sums,
            **judge(works, latency_ms, self.roofline),
            "latency_ms": latency_ms,
            "parameters": self.count_parameters(model),
            "layers": layer_rows(calls, times_ms, self.roofline),
        }

    def profile_backward_pass(
        self, model: Module, input_tensor: Any, iterations: int = 30
    ) -> dict[str, Any]:
        checked_size("iterations", iterations)
        return backward_figures(model, model_input(model, input_tensor), iterations)


def quick_profile(model, input_tensor, roofline=None):
    profiler = Profiler() if roofline is None else Profiler(roofline)
    report = dict(profiler.profile_forward_pass(model, input_tensor))
    memory = profiler.measure_memory(model, input_tensor)
    report["layer_memory"] = memory["layers"]
    report.update((key, value) for key, value in memory.items() if key != "layers")
    rows = {row["latency_ms"]: row for row in report["layers"]}
    slowest = rows[max(rows)]
    words = [
        f"{report['parameters']} parameters;",
        f"{report['flops']} operations;",
        f"bottleneck: {report['bottleneck']};",
        f"{slowest['layer']} of kind {slowest['kind']} takes {100 * slowest['share']:.0f} %",
    ]
    return report | {"summary": " ".join(words)}
