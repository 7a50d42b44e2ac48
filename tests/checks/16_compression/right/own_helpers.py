"""Helpers of one's own, comprehensions, and a ledger as a closure."""


def weight_arrays(model: Module) -> list[Array]:
    arrays = []
    for module in model.modules():
        if isinstance(module, Linear | Conv2d):
            arrays.append(module.weight.data)
        elif hasattr(module, "dense_weight"):
            arrays.append(module.dense_weight())
    return arrays


def measure_sparsity(model):
    counted = [(np.sum(w == 0), w.size) for w in weight_arrays(model)]
    if not counted:
        raise ValueError("nothing to count")
    zeros, total = map(sum, zip(*counted, strict=False))
    return float(zeros) / float(total)


def ranks(values):
    """Return the rank of each magnitude, 0 for the smallest, equals by their order."""
    places = np.lexsort((np.arange(values.size), np.abs(values).ravel()))
    result = np.empty(values.size, dtype=int)
    result[places] = np.arange(values.size)
    return result.reshape(values.shape)


def magnitude_mask(weights, sparsity):
    values = np.asarray(weights.data if isinstance(weights, Tensor) else weights, dtype=np.float32)
    if math.isnan(sparsity) or sparsity < 0 or sparsity > 1 or np.any(values != values):
        raise ValueError("sparsity must be in [0, 1] and weights be numbers")
    return ranks(values) >= round(sparsity * values.size)


def magnitude_prune(model, sparsity, scope="layer", *, skip=()):
    result, layers = copy_with_layers(model, (Linear, Conv2d), skip)
    groups = {"layer": [[layer] for layer in layers.values()], "global": [list(layers.values())]}
    if scope not in groups:
        raise ValueError(f"no scope {scope}")
    for group in groups[scope]:
        flat = np.hstack([layer.weight.data.flatten() for layer in group])
        flat = np.where(magnitude_mask(flat, sparsity), flat, np.float32(0))
        for layer in group:
            mine, flat = np.split(flat, [layer.weight.size])
            layer.weight.data[...] = mine.reshape(layer.weight.shape)
    return result


class KeepZeros(Optimizer):
    def __init__(self, optimizer, model):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(type(optimizer).__name__)
        super().__init__(optimizer.parameters, optimizer.lr)
        self.optimizer = optimizer
        self.places = {
            position: np.nonzero(module.weight.data == 0)
            for module in model.modules()
            if isinstance(module, Linear | Conv2d)
            for position, parameter in enumerate(self.parameters)
            if parameter is module.weight
        }

    def step(self):
        for position, places in self.places.items():
            parameter = self.parameters[position]
            if parameter.grad is not None:
                parameter.grad[places] = 0  # a weight at 0 with gradients of 0 stays, for Adam
        self.optimizer.step()
        for position, places in self.places.items():
            self.parameters[position].data[places] = 0


def fine_tune(
    model: Module,
    X: ArrayLike,
    y: ArrayLike,
    *,
    epochs: int,
    batch_size: int = 32,
    lr: float = DEFAULT_LR,
    seed: int = 0,
) -> list[float]:
    optimizer = KeepZeros(Adam(model.parameters(), lr), model)
    return train(model, X, y, epochs=epochs, batch_size=batch_size, seed=seed, optimizer=optimizer)


class COO(NamedTuple):
    values: Float32Array  # (nnz,)
    rows: Int32Array  # (nnz,)
    columns: Int32Array  # (nnz,)


class CSR(NamedTuple):
    values: Float32Array  # (nnz,)
    columns: Int32Array  # (nnz,)
    starts: Int32Array  # (number of rows + 1,)


def to_coo(matrix):
    array = np.asarray(getattr(matrix, "data", matrix) if isinstance(matrix, Tensor) else matrix)
    if array.ndim != 2:
        raise ValueError("a matrix has two axes")
    array = array.astype(np.float32)
    if np.isnan(array.sum()):
        raise ValueError("NaN")
    places = np.argwhere(array).astype(np.int32)
    return COO(array[array != 0], places[:, 0].copy(), places[:, 1].copy())


def to_csr(matrix):
    array = np.asarray(matrix.data if isinstance(matrix, Tensor) else matrix)
    coo = to_coo(array)
    starts = np.zeros(array.shape[0] + 1, dtype=np.int32)
    np.cumsum(np.count_nonzero(array, axis=1), out=starts[1:])
    return CSR(values=coo.values, columns=coo.columns, starts=starts)


def csr_bytes(nnz: int, m: int, value_bytes: int = 4, index_bytes: int = 4) -> int:
    return (value_bytes + index_bytes) * nnz + 4 * (m + 1)


def break_even_sparsity(m: int, n: int, value_bytes: int = 4, index_bytes: int = 4) -> float:
    room = value_bytes * m * n - 4 * (m + 1)  # bytes left for values and their columns
    return 1 - room / ((value_bytes + index_bytes) * m * n)


def csr_product_by_rows(x, csr):
    ends = zip(csr.starts[:-1], csr.starts[1:], strict=False)
    outputs = [np.einsum("nk,k->n", x[:, csr.columns[a:b]], csr.values[a:b]) for a, b in ends]
    return np.stack(outputs, axis=1).astype(np.float32)


def weights_into_units(layer: Weighted) -> Array:
    weight = layer.weight.data
    return weight.T if isinstance(layer, Linear) else weight.reshape(len(weight), -1)


def weights_out_of_units(layer: Weighted, units: int) -> Array:
    weight = layer.weight.data
    if not isinstance(layer, Linear):
        weight = weight.swapaxes(0, 1)
    return weight.reshape(units, -1)


def unit_importance(first, second):
    into = weights_into_units(first)
    out_of = weights_out_of_units(second, len(into))

    def length(rows):
        return np.sqrt(np.einsum("uk,uk->u", rows, rows))

    product = (length(into) * length(out_of)).astype(np.float32)
    if np.any(np.isnan(product)):
        raise ValueError("NaN")
    return product


def kept_units(importance, prune_ratio):
    if not 0 <= prune_ratio < 1:
        raise ValueError("prune_ratio")
    units = sorted(range(len(importance)), key=lambda i: -importance[i])
    return np.array(
        sorted(units[: max(1, len(units) - round(prune_ratio * len(units)))]), dtype=int
    )


def parameter(array):
    return Tensor(np.ascontiguousarray(array), requires_grad=True)


def remove_neurons(first, second, kept):
    picked = np.eye(first.out_features, dtype=np.float32)[np.asarray(kept)]  # (k, h)
    first.weight = parameter(first.weight.data @ picked.T)
    if first.bias is not None:
        first.bias = parameter(picked @ first.bias.data)
    second.weight = parameter(picked @ second.weight.data)
    first.out_features, second.in_features = len(picked), len(picked)


def linear_of(weight: Float32Array, bias: Tensor | None) -> Linear:
    n, m = weight.shape
    layer = Linear(n, m, bias=False, rng=np.random.default_rng(0))
    layer.weight = Tensor(weight, requires_grad=True)
    layer.bias = bias
    return layer


def low_rank_approximate(W, rank_ratio):
    matrix = np.asarray(W.data if isinstance(W, Tensor) else W, dtype=np.float32)
    problems = [
        rank_ratio <= 0 or rank_ratio > 1,
        matrix.ndim != 2,
        matrix.size == 0,
        not np.isfinite(matrix).all(),
    ]
    if any(problems):
        raise ValueError("expected a matrix of numbers and a ratio in (0, 1]")
    r = max(1, int(np.floor(rank_ratio * min(matrix.shape))))
    # Of the transpose: the roles of U and V are exchanged.
    V, S, Ut = np.linalg.svd(matrix.T, full_matrices=False)
    return Ut[:r].T, S[:r], V[:, :r].T


def break_even_rank(n: int, m: int) -> int:
    return (n * m - 1) // (n + m)


class LowRankLinear(Module):
    def __init__(self, linear: Linear, rank_ratio: float) -> None:
        if not isinstance(linear, Linear):
            raise TypeError(f"expected a Linear to approximate, got {type(linear).__name__}")
        U, S, Vt = low_rank_approximate(linear.weight, rank_ratio)
        root = np.sqrt(S)
        self.first = linear_of(U * root, None)
        self.second = linear_of(root[:, np.newaxis] * Vt, copied_bias(linear))

    @property
    def rank(self) -> int:
        return self.first.out_features

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        out: Tensor = self.second(self.first(x))
        return out

    def __repr__(self) -> str:
        n, m = self.first.in_features, self.second.out_features
        return f"LowRankLinear({n}, {m}, rank={self.rank})"


def soft_loss(student_logits, teacher_logits, temperature):
    teacher = as_tensor(teacher_logits)
    if teacher.shape != student_logits.shape or len(teacher.shape) != 2:
        raise ValueError("shapes")
    if not math.isfinite(temperature) or temperature <= 0:
        raise ValueError("temperature")

    def log_probabilities(logits):
        shifted = logits / temperature
        shifted = shifted - Tensor(shifted.data.max(axis=1, keepdims=True))
        return shifted - shifted.exp().sum(axis=1, keepdims=True).log()

    with no_grad():
        log_p = log_probabilities(Tensor(teacher.data))
    each = (Tensor(np.exp(log_p.data)) * (log_p - log_probabilities(student_logits))).sum(axis=1)
    return each.mean() * temperature * temperature


class KnowledgeDistillation:
    def __init__(
        self, teacher: Module, student: Module, temperature: float = 3.0, alpha: float = 0.7
    ) -> None:
        for name, model in (("teacher", teacher), ("student", student)):
            if not isinstance(model, Module):
                raise TypeError(f"expected a Module as {name}, got {type(model).__name__}")
        if not (temperature > 0 and math.isfinite(temperature)):
            raise ValueError(f"expected a finite temperature above 0, got {temperature}")
        if not 0 <= alpha <= 1:
            raise ValueError(f"expected alpha in [0, 1], got {alpha}")
        self.teacher, self.student = teacher, student
        self.temperature, self.alpha = temperature, alpha

    def distillation_loss(
        self, student_logits: Tensor, teacher_logits: Tensor | ArrayLike, true_labels: ArrayLike
    ) -> Tensor:
        soft = soft_loss(student_logits, teacher_logits, self.temperature)
        hard = cross_entropy(student_logits, true_labels)
        return soft * self.alpha + hard * (1 - self.alpha)

    def train(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int,
        batch_size: int = 32,
        lr: float = 3e-3,
        seed: int = 0,
    ) -> list[float]:
        if epochs < 1:
            raise ValueError(f"expected epochs from 1, got {epochs}")
        inputs = as_float32(X)
        data = TensorDataset(inputs, y, self.teacher_logits(inputs))
        loader = DataLoader(data, batch_size, shuffle=True, seed=seed)
        optimizer = Adam(self.student.parameters(), lr)
        was_training = self.student.training
        self.student.train()
        try:
            losses = [self._run_epoch(loader, optimizer) for _ in range(epochs)]
        finally:
            self.student.train(was_training)
        return losses

    def teacher_logits(self, X: ArrayLike) -> Float32Array:
        was_training = self.teacher.training
        self.teacher.eval()
        try:
            with no_grad():
                logits: Tensor = self.teacher(as_tensor(X))
        finally:
            self.teacher.train(was_training)
        return logits.data

    def _run_epoch(self, loader: DataLoader, optimizer: Adam) -> float:
        total, count = 0.0, 0
        for inputs, labels, teacher_logits in loader:
            optimizer.zero_grad()
            loss = self.distillation_loss(self.student(Tensor(inputs)), teacher_logits, labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(inputs)  # the last batch may be smaller
            count += len(inputs)
        if not math.isfinite(total):
            raise FloatingPointError(f"loss became {total / count}; check the data or lower lr")
        return total / count


class CompressionStep(NamedTuple):
    name: str
    setting: Any
    size_bytes: int
    sparsity: float


class CompressedModel(NamedTuple):
    model: Module
    steps: list[CompressionStep]

    @property
    def compression_ratio(self) -> float:
        return self.steps[0].size_bytes / self.steps[-1].size_bytes


def apply_steps(model, steps):
    ledger = []

    def note(name, setting, current):
        ledger.append(
            CompressionStep(name, setting, current.size_bytes(), measure_sparsity(current))
        )
        return current

    current = note("original", None, replace_layers(model, lambda _, layer: layer))
    for name, setting, function in steps:
        current = note(name, setting, function(current))
    return CompressedModel(current, ledger)
