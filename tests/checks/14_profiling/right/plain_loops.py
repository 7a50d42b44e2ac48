"""Plain loops and lists, the statistics module for medians, nothing vectorised."""

import statistics


def count_parameters(model):
    total = 0
    for _, tensor in model.named_parameters():
        size = 1
        for side in tensor.shape:
            size *= side
        total += size
    return total


def own_parameters(layer):
    total, _waiting = 0, []
    below = []
    for inner in layer.modules():
        if inner is not layer:
            below.extend(inner.parameters())
    for tensor in layer.parameters():
        if not any(tensor is other for other in below):
            total += tensor.size
    return total


def weight_spread(values, percentiles):
    numbers = [float(value) for value in values.ravel()]
    n = len(numbers)
    mean = sum(numbers) / n
    magnitudes = sorted(abs(number) for number in numbers)
    found = {}
    for q in percentiles:
        place = (n - 1) * q / 100
        low = int(place)
        high = min(low + 1, n - 1)
        found[q] = magnitudes[low] + (place - low) * (magnitudes[high] - magnitudes[low])
    return {
        "shape": values.shape,
        "count": n,
        "mean": mean,
        "std": (sum((number - mean) ** 2 for number in numbers) / n) ** 0.5,
        "min": min(numbers),
        "max": max(numbers),
        "zero_fraction": sum(number == 0 for number in numbers) / n,
        "magnitude_percentiles": found,
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
    total = 0
    for _ in range(rows):
        total += 2 * in_features * out_features
        if bias:
            total += out_features
    return total


def conv2d_flops(results, in_channels, kernel_size, bias=True):
    one = 0
    for _ in range(kernel_size):
        one += 2 * kernel_size * in_channels
    if bias:
        one += 1
    return results * one


def softmax_flops(rows, width):
    one = width - 1  # the largest
    one += width  # differences
    one += width  # exponentials
    one += width - 1  # their sum
    one += width  # quotients
    return one * rows


def attention_product_flops(batch, heads, queries, keys, head_dim):
    scores = linear_flops(queries, head_dim, keys, bias=False)
    sums = linear_flops(queries, keys, head_dim, bias=False)
    return batch * heads * (scores + sums)


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
    if warmup < 0:
        raise ValueError(f"warmup must be 0 or more, got {warmup}")
    if iterations < 1:
        raise ValueError(f"iterations must be 1 or more, got {iterations}")
    milliseconds = []
    with inference(model):
        for number in range(warmup + iterations):
            begin = time.perf_counter()
            model(x)
            end = time.perf_counter()
            if number >= warmup:
                milliseconds.append(1000 * (end - begin))
    return statistics.median(milliseconds)


def step_latencies_ms(model, x, iterations):
    forward, backward = [], []
    for number in range(1 + iterations):
        for parameter in model.parameters():
            parameter.grad = None
        a = time.perf_counter_ns()
        out = model(x)
        b = time.perf_counter_ns()
        out.backward(np.ones(out.data.shape, dtype=np.float32))
        c = time.perf_counter_ns()
        if number > 0:
            forward.append((b - a) / 1e6)
            backward.append((c - b) / 1e6)
    return statistics.median(forward), statistics.median(backward)


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
        own = self.elapsed_ns
        for child in self.children:
            own -= child.elapsed_ns
        return own

    @property
    def label(self) -> str:
        return self.name or type(self.layer).__name__


class Trace:
    def __init__(self, finished: Callable[[LayerCall], None] | None = None) -> None:
        self.calls: list[LayerCall] = []
        self._running: list[LayerCall] = []
        self._finished = finished

    def __call__(self, name, layer, forward, /, *args, **kwargs):
        inputs = list(args)
        for key in kwargs:
            inputs.append(kwargs[key])
        call = LayerCall(name, layer, forward, tuple(inputs))
        if len(self._running) > 0:
            parent = self._running[len(self._running) - 1]
            parent.children.append(call)
        self.calls.append(call)
        self._running.append(call)
        begin = time.perf_counter_ns()
        try:
            output = forward(*args, **kwargs)
        except BaseException:
            self._running.pop()
            raise
        call.elapsed_ns = time.perf_counter_ns() - begin
        call.output = output
        self._running.pop()
        if self._finished is not None:
            self._finished(call)
        return output


def own_times_ms(model, x, passes=TIMED_PASSES):
    of_call = {}
    for number in range(passes + 1):
        trace = Trace()
        with wrapped_forward(model, trace):
            model(x)
        if number == 0:
            continue
        for place, call in enumerate(trace.calls):
            of_call.setdefault(place, []).append(call.own_ns / 1_000_000)
    return [statistics.median(of_call[place]) for place in sorted(of_call)]


@dataclass(frozen=True)
class Work:
    products: int
    others: int
    bytes_moved: int

    @property
    def flops(self) -> int:
        return self.products + self.others


def bytes_moved(layer, inputs, output):
    total = layer.size_bytes()
    for array in arrays_in(inputs):
        total += array.nbytes
    for array in arrays_in(output):
        total += array.nbytes
    return total


def arithmetic_intensity(flops, bytes_moved):
    if flops < 0 or bytes_moved < 0:
        raise ValueError("counts cannot be negative")
    if bytes_moved == 0:
        if flops == 0:
            raise ValueError("there is nothing to do")
        return float("inf")
    return flops / bytes_moved


def linear_work(layer, inputs, output):
    rows = 1
    for side in output.shape[:-1]:
        rows *= side
    n, m = layer.weight.shape
    others = 0
    if layer.bias is not None:
        others = rows * m
    return Work(2 * rows * n * m, others, bytes_moved(layer, inputs, output))


def heads_work(batch, heads, queries, keys, head_dim):
    products = others = moved = 0
    for _ in range(batch * heads):
        products += attention_product_flops(1, 1, queries, keys, head_dim)
        others += queries * head_dim + softmax_flops(queries, keys)
        moved += 4 * head_dim * (queries + keys + keys + queries)
    return Work(products, others, moved)


def cpu_clock() -> Clock:
    fine = time.get_clock_info("thread_time").resolution <= 1e-06
    return time.thread_time_ns if fine else time.perf_counter_ns


def best_seconds(fn, clock_ns):
    fn()
    found = []
    calls = 1
    end = time.perf_counter_ns() + BUDGET_NS
    while len(found) < 3 or time.perf_counter_ns() < end:
        begin = clock_ns()
        for _ in range(calls):
            fn()
        found.append(max((clock_ns() - begin) / calls, 1.0))
        calls = max(1, round(PASS_NS / min(found)))
    return min(found) / 1e9


def product_rate(n):
    a = np.ones((n, n), dtype=np.float32)
    out = np.zeros((n, n), dtype=np.float32)

    def product():
        np.matmul(a, a, out=out)

    seconds = best_seconds(product, time.perf_counter_ns)
    return 2 * n * n * n / seconds


def copy_rate(working_set):
    source = np.ones(working_set // 8, dtype=np.float32)
    target = np.zeros(working_set // 8, dtype=np.float32)

    def copy_once():
        np.copyto(target, source)

    return (source.nbytes + target.nbytes) / best_seconds(copy_once, cpu_clock())


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
        slope = intensity * self.bandwidth(working_set)
        if slope < self.peak_flops:
            return slope
        return self.peak_flops

    def least_seconds(self, flops, bytes_moved):
        computing = flops / self.peak_flops
        moving = bytes_moved / self.bandwidth(bytes_moved)
        return computing if computing > moving else moving

    def bound(self, flops, bytes_moved):
        if arithmetic_intensity(flops, bytes_moved) < self.ridge_point(bytes_moved):
            return "memory"
        return "compute"


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
    if latency_ms != latency_ms or latency_ms <= 0:
        raise ValueError(f"a latency must be above 0 ms, got {latency_ms}")
    flops = moved = 0
    memory_ms = compute_ms = 0.0
    for work in works:
        flops += work.products + work.others
        moved += work.bytes_moved
        if work.products + work.others == 0 and work.bytes_moved == 0:
            continue
        least = roofline.least_seconds(work.products + work.others, work.bytes_moved) * 1000
        if roofline.bound(work.products + work.others, work.bytes_moved) == "memory":
            memory_ms += least
        else:
            compute_ms += least
    total = memory_ms + compute_ms
    if total < latency_ms / 2:
        bottleneck = "overhead"
    elif memory_ms > compute_ms:
        bottleneck = "memory"
    else:
        bottleneck = "compute"
    intensity = None
    if flops > 0 or moved > 0:
        intensity = arithmetic_intensity(flops, moved)
    return {
        "bottleneck": bottleneck,
        "is_memory_bound": memory_ms > compute_ms,
        "is_compute_bound": total > 0 and compute_ms >= memory_ms,
        "roofline_ms": total,
        "arithmetic_intensity": intensity,
        "gflops_per_second": flops / 1e9 / (latency_ms / 1e3),
        "memory_bandwidth_mbs": moved / 1e6 / (latency_ms / 1e3),
        "computational_efficiency": flops / (latency_ms / 1e3) / roofline.peak_flops,
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
        tracemalloc.reset_peak()
        start = tracemalloc.get_traced_memory()[0]
        result = fn()
        end, peak = tracemalloc.get_traced_memory()
    del result
    return TracedMemory(held_bytes=end - start, peak_bytes=peak - start)


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

        def one_pass():
            return model(x)

        activations = traced_peak(one_pass).peak_bytes
        trace = MemoryTrace()
        with tracing(), wrapped_forward(model, trace):
            model(x)
    held = held_bytes(model)
    found = {"parameter_memory_mb": held / MB, "activation_memory_mb": activations / MB}
    found["peak_memory_mb"] = (held + activations) / MB
    found["memory_efficiency"] = 0.0
    if held + activations > 0:
        found["memory_efficiency"] = held / (held + activations)
    found["layers"] = trace.layers
    return found


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
        works = []
        flops = moved = 0
        for _, work in calls:
            works.append(work)
            flops += work.flops
            moved += work.bytes_moved
        found = judge(works, latency_ms, self.roofline)
        found["parameters"] = self.count_parameters(model)
        found["flops"] = flops
        found["bytes_moved"] = moved
        found["latency_ms"] = latency_ms
        found["layers"] = layer_rows(calls, times_ms, self.roofline)
        return found

    def profile_backward_pass(
        self, model: Module, input_tensor: Any, iterations: int = 30
    ) -> dict[str, Any]:
        checked_size("iterations", iterations)
        return backward_figures(model, model_input(model, input_tensor), iterations)


def quick_profile(model, input_tensor, roofline=None):
    profiler = Profiler(roofline)
    found = profiler.profile_forward_pass(model, input_tensor)
    for key, value in profiler.measure_memory(model, input_tensor).items():
        found["layer_memory" if key == "layers" else key] = value
    slowest = found["layers"][0]
    for row in found["layers"]:
        if row["latency_ms"] > slowest["latency_ms"]:
            slowest = row
    share = round(100 * slowest["share"])
    found["summary"] = (
        f"The model has {found['parameters']:,} parameters and takes {found['flops']:,} "
        f"operations. "
        f"It is limited by {found['bottleneck']}. The slowest layer is {slowest['layer']}, a "
        f"{slowest['kind']}, with {share} % of the time."
    )
    return found
