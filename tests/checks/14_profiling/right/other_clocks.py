"""Other clocks and walks: perf_counter in seconds, limits compared by their times."""


def count_parameters(model):
    seen, total = set(), 0
    for tensor in model.parameters():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            total += int(np.prod(tensor.data.shape))
    return total


def own_parameters(layer):
    mine = set(map(id, layer.parameters()))
    for inner in layer.modules():
        if inner is not layer:
            mine -= set(map(id, inner.parameters()))
    return sum(tensor.size for tensor in layer.parameters() if id(tensor) in mine)


def weight_spread(values, percentiles):
    exact = np.array(values, dtype=np.float64)
    n = exact.size
    mean = exact.sum() / n
    variance = ((exact - mean) ** 2).sum() / n
    figures = {
        "mean": mean,
        "std": variance**0.5,
        "min": exact.min(),
        "max": exact.max(),
        "zero_fraction": np.equal(exact, 0).sum() / n,
    }
    result = {key: float(value) for key, value in figures.items()}
    result["count"], result["shape"] = n, values.shape
    cut = np.percentile(abs(exact), percentiles) if len(percentiles) else []
    result["magnitude_percentiles"] = {q: float(c) for q, c in zip(percentiles, cut, strict=False)}
    return result


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
    multiplications = rows * in_features * out_features
    additions = rows * (in_features if bias else in_features - 1) * out_features
    return multiplications + additions + rows * out_features


def conv2d_flops(results, in_channels, kernel_size, bias=True):
    return sum(2 * results for _ in range(in_channels * kernel_size**2)) + results * bool(bias)


def softmax_flops(rows, width):
    return rows * (2 * (width - 1) + 3 * width)


def attention_product_flops(batch, heads, queries, keys, head_dim):
    total = 0
    for _ in range(2):  # q k^T, then P v
        total += 2 * (batch * heads) * (queries * keys) * head_dim
    return total


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
    if not isinstance(warmup, int) or not isinstance(iterations, int):
        raise TypeError("warmup and iterations must be integers")
    if warmup < 0 or iterations < 1:
        raise ValueError("warmup must be 0 or more, and iterations 1 or more")
    with inference(model):
        while warmup:
            model(x)
            warmup -= 1
        seconds = np.empty(iterations)
        for i in range(iterations):
            start = time.perf_counter()
            model(x)
            seconds[i] = time.perf_counter() - start
    return float(np.percentile(seconds, 50) * 1000)


def step_latencies_ms(model, x, iterations):
    laps = np.zeros((2, iterations + 1))
    for i in range(iterations + 1):
        model.zero_grad()
        laps[0, i] -= time.perf_counter()
        output = model(x)
        laps[0, i] += time.perf_counter()
        ones = np.ones_like(output.data)
        laps[1, i] -= time.perf_counter()
        output.backward(ones)
        laps[1, i] += time.perf_counter()
    return float(np.median(laps[0, 1:])) * 1e3, float(np.median(laps[1, 1:])) * 1e3


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
        return self.elapsed_ns - int(np.sum([child.elapsed_ns for child in self.children]))

    @property
    def label(self) -> str:
        return self.name or type(self.layer).__name__


class Trace:
    def __init__(self, finished: Callable[[LayerCall], None] | None = None) -> None:
        self.calls: list[LayerCall] = []
        self._running: list[LayerCall] = []
        self._finished = finished

    def __call__(self, name, layer, forward, /, *args, **kwargs):
        call = LayerCall(name, layer, forward, (*args, *[kwargs[key] for key in kwargs]))
        parent = self._running[-1] if self._running else None
        if parent is not None:
            parent.children = [*parent.children, call]
        self.calls.append(call)
        self._running = [*self._running, call]
        start = time.perf_counter()
        try:
            call.output = forward(*args, **kwargs)
        finally:
            call.elapsed_ns = round((time.perf_counter() - start) * 1000000000.0)
            self._running = self._running[:-1]
        if self._finished is not None:
            self._finished(call)
        return call.output


def own_times_ms(model, x, passes=TIMED_PASSES):
    traces = []
    while len(traces) <= passes:
        traces.append(Trace())
        with wrapped_forward(model, traces[-1]):
            model(x)
    by_call = zip(*(trace.calls for trace in traces[1:]), strict=False)
    return [float(np.median([call.own_ns for call in same]) / 1e6) for same in by_call]


@dataclass(frozen=True)
class Work:
    products: int
    others: int
    bytes_moved: int

    @property
    def flops(self) -> int:
        return self.products + self.others


def bytes_moved(layer, inputs, output):
    total = sum(array.nbytes for array in layer.state_dict().values())
    return total + sum(array.nbytes for value in (inputs, output) for array in arrays_in(value))


def arithmetic_intensity(flops, bytes_moved):
    if flops >= 0 and bytes_moved > 0:
        return flops / bytes_moved
    if flops > 0 and bytes_moved == 0:
        return float("inf")
    raise ValueError(f"{flops} operations on {bytes_moved} bytes is no work")


def linear_work(layer, inputs, output):
    rows = inputs[0].size // layer.in_features
    additions = 0 if layer.bias is None else rows * layer.bias.size
    products = 2 * rows * layer.weight.size
    return Work(products=products, others=additions, bytes_moved=bytes_moved(layer, inputs, output))


def heads_work(batch, heads, queries, keys, head_dim):
    q = out = batch * heads * queries * head_dim
    k = v = batch * heads * keys * head_dim
    scores = batch * heads * queries * keys
    return Work(
        products=2 * scores * head_dim + 2 * scores * head_dim,
        others=q + 5 * scores - 2 * batch * heads * queries,
        bytes_moved=4 * (q + k + v + out),
    )


def cpu_clock() -> Clock:
    fine = time.get_clock_info("thread_time").resolution <= 1e-06
    return time.thread_time_ns if fine else time.perf_counter_ns


def best_seconds(fn, clock_ns):
    fn()
    deadline = time.perf_counter() + BUDGET_NS / 1e9
    best, calls, passes = None, 1, 0
    while True:
        start = clock_ns()
        for _ in range(calls):
            fn()
        each = max(1, (clock_ns() - start) / calls)
        best = each if best is None else min(best, each)
        calls = max(1, round(PASS_NS / best))
        passes += 1
        if passes >= 3 and time.perf_counter() >= deadline:
            return best / 1_000_000_000


def product_rate(n):
    a, out = np.ones((n, n), np.float32), np.ones((n, n), np.float32)
    seconds = best_seconds(lambda: np.matmul(a, a, out=out), clock_ns=time.perf_counter_ns)
    return 2 * float(n) ** 3 / seconds


def copy_rate(working_set):
    numbers = working_set // 2 // 4
    source, target = np.ones(numbers, np.float32), np.ones(numbers, np.float32)
    seconds = best_seconds(lambda: np.copyto(target, source), clock_ns=cpu_clock())
    return 2 * 4 * numbers / seconds


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
        if intensity < self.ridge_point(working_set):
            return intensity * self.bandwidth(working_set)
        return self.peak_flops

    def least_seconds(self, flops, bytes_moved):
        if bytes_moved and flops:
            rate = self.attainable(flops / bytes_moved, bytes_moved)
            return flops / rate
        return flops / self.peak_flops + bytes_moved / self.bandwidth(bytes_moved)

    def bound(self, flops, bytes_moved):
        moving = bytes_moved / self.bandwidth(bytes_moved)
        return "memory" if flops / self.peak_flops < moving else "compute"


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
    if not (latency_ms > 0):
        raise ValueError(f"expected a latency above 0, got {latency_ms}")
    busy = [work for work in works if work.flops or work.bytes_moved]
    times = [
        (roofline.bound(w.flops, w.bytes_moved), roofline.least_seconds(w.flops, w.bytes_moved))
        for w in busy
    ]
    in_memory = 1000 * sum(seconds for limit, seconds in times if limit == "memory")
    in_compute = 1000 * sum(seconds for limit, seconds in times if limit == "compute")
    flops = sum(work.flops for work in busy)
    moved = sum(work.bytes_moved for work in busy)
    verdict = {"is_memory_bound": in_memory > in_compute}
    verdict["is_compute_bound"] = bool(busy) and not verdict["is_memory_bound"]
    verdict["roofline_ms"] = in_memory + in_compute
    verdict["bottleneck"] = "memory" if verdict["is_memory_bound"] else "compute"
    if verdict["roofline_ms"] < 0.5 * latency_ms:
        verdict["bottleneck"] = "overhead"
    verdict["gflops_per_second"] = 1e-6 * flops / latency_ms
    verdict["memory_bandwidth_mbs"] = 1e-3 * moved / latency_ms
    verdict["computational_efficiency"] = verdict["gflops_per_second"] * 1e9 / roofline.peak_flops
    verdict["arithmetic_intensity"] = arithmetic_intensity(flops, moved) if busy else None
    return verdict


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
        start = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        result = fn()
        now = tracemalloc.get_traced_memory()
    found = TracedMemory(peak_bytes=now[1] - start, held_bytes=now[0] - start)
    del result
    return found


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
        peak = traced_peak(lambda: model(x)).peak_bytes
        with tracing():
            trace = MemoryTrace()
            with wrapped_forward(model, trace):
                model(x)
    parameters_mb, activations_mb = held_bytes(model) / MB, peak / MB
    both = parameters_mb + activations_mb
    return {
        "parameter_memory_mb": parameters_mb,
        "activation_memory_mb": activations_mb,
        "peak_memory_mb": both,
        "memory_efficiency": 0.0 if both == 0 else parameters_mb / both,
        "layers": trace.layers,
    }


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
        calls, times_ms = in_use(model, x)
        latency_ms = self.measure_latency(model, x)
        profile = {"parameters": count_parameters(model), "latency_ms": latency_ms}
        profile["flops"] = sum((work.products + work.others for _, work in calls))
        profile["bytes_moved"] = sum((work.bytes_moved for _, work in calls))
        profile.update(judge([work for _, work in calls], latency_ms, self.roofline))
        profile["layers"] = layer_rows(calls, times_ms, self.roofline)
        return profile

    def profile_backward_pass(
        self, model: Module, input_tensor: Any, iterations: int = 30
    ) -> dict[str, Any]:
        checked_size("iterations", iterations)
        return backward_figures(model, model_input(model, input_tensor), iterations)


def quick_profile(model, input_tensor, roofline=None):
    profiler = Profiler(roofline)
    profile = profiler.profile_forward_pass(model, input_tensor)
    memory = profiler.measure_memory(model, input_tensor)
    layer_memory = memory.pop("layers")
    times = [row["latency_ms"] for row in profile["layers"]]
    slowest = profile["layers"][int(np.argmax(times))]
    summary = "{parameters} parameters; {flops} operations; limited by {bottleneck}; ".format(
        **profile
    ) + "{:.0f}% of the time in {} ({})".format(
        100 * slowest["share"], slowest["layer"], slowest["kind"]
    )
    return dict(**profile, **memory, layer_memory=layer_memory, summary=summary)
