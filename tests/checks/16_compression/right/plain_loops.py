"""Loops and lists in place of array operations."""


def weight_arrays(model: Module) -> list[Array]:
    arrays = []
    for module in model.modules():
        if isinstance(module, Linear | Conv2d):
            arrays.append(module.weight.data)
        elif hasattr(module, "dense_weight"):
            arrays.append(module.dense_weight())
    return arrays


def measure_sparsity(model):
    zeros = total = 0
    for weight in weight_arrays(model):
        for value in weight.ravel():
            total += 1
            if value == 0:
                zeros += 1
    if total == 0:
        raise ValueError("this model has no weights")
    return zeros / total


def magnitude_mask(weights, sparsity):
    array = np.array(weights.data if isinstance(weights, Tensor) else weights, dtype=np.float32)
    if not (sparsity >= 0 and sparsity <= 1):
        raise ValueError("a sparsity lies between 0 and 1")
    flat = [abs(float(value)) for value in array.ravel()]
    if any(math.isnan(value) for value in flat):
        raise ValueError("a weight is NaN")
    places = sorted(range(len(flat)), key=lambda i: flat[i])  # sorted() is stable
    keep = [True] * len(flat)
    for i in places[: round(sparsity * len(flat))]:
        keep[i] = False
    return np.array(keep).reshape(array.shape)


def magnitude_prune(model, sparsity, scope="layer", *, skip=()):
    if scope not in ("layer", "global"):
        raise ValueError("scope is layer or global")
    result, layers = copy_with_layers(model, (Linear, Conv2d), skip)
    everything = []
    for layer in layers.values():
        everything.extend(layer.weight.data.ravel().tolist())
    shared = list(magnitude_mask(everything, sparsity))
    for layer in layers.values():
        array = layer.weight.data
        mask, shared = shared[: array.size], shared[array.size :]
        if scope == "layer":
            mask = magnitude_mask(array, sparsity).ravel()
        for place, keep in zip(np.ndindex(array.shape), mask, strict=False):
            if not keep:
                array[place] = 0
    return result


class KeepZeros(Optimizer):
    def __init__(self, optimizer, model):
        if not isinstance(optimizer, Optimizer):
            raise TypeError("KeepZeros goes around an Optimizer")
        super().__init__(optimizer.parameters, optimizer.lr)
        self.optimizer = optimizer
        self.dead = []
        for module in model.modules():
            if isinstance(module, (Linear, Conv2d)):
                for place in np.ndindex(module.weight.shape):
                    if module.weight.data[place] == 0:
                        self.dead.append((module.weight, place))

    def step(self):
        self.optimizer.step()
        for weight, place in self.dead:
            weight.data[place] = 0


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
    array = np.array(matrix.data if isinstance(matrix, Tensor) else matrix, dtype=np.float32)
    if array.ndim != 2:
        raise ValueError("not a matrix")
    if np.isnan(array).any():
        raise ValueError("not numbers")
    values, rows, columns = [], [], []
    for i in range(array.shape[0]):
        for j in range(array.shape[1]):
            if array[i, j] != 0:
                values.append(array[i, j])
                rows.append(i)
                columns.append(j)
    return COO(
        np.array(values, dtype=np.float32),
        np.array(rows, dtype=np.int32),
        np.array(columns, dtype=np.int32),
    )


def to_csr(matrix):
    array = np.array(matrix.data if isinstance(matrix, Tensor) else matrix, dtype=np.float32)
    if array.ndim != 2:
        raise ValueError("not a matrix")
    if np.isnan(array).any():
        raise ValueError("not numbers")
    values, columns, starts = [], [], [0]
    for row in array:
        for j, value in enumerate(row):
            if value != 0:
                values.append(value)
                columns.append(j)
        starts.append(len(values))
    return CSR(
        np.array(values, dtype=np.float32),
        np.array(columns, dtype=np.int32),
        np.array(starts, dtype=np.int32),
    )


def csr_bytes(nnz: int, m: int, value_bytes: int = 4, index_bytes: int = 4) -> int:
    return (value_bytes + index_bytes) * nnz + 4 * (m + 1)


def break_even_sparsity(m, n, value_bytes=4, index_bytes=4):
    dense = m * n * value_bytes
    nnz = (dense - csr_bytes(0, m)) / (value_bytes + index_bytes)
    return (m * n - nnz) / (m * n)


def csr_product_by_rows(x, csr):
    out = np.zeros((x.shape[0], csr.starts.size - 1), dtype=np.float32)
    for i in range(out.shape[1]):
        for k in range(csr.starts[i], csr.starts[i + 1]):
            out[:, i] += csr.values[k] * x[:, csr.columns[k]]
    return out


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
    result = []
    for a, b in zip(into, out_of, strict=False):
        result.append(math.sqrt(sum(v * v for v in a.ravel())) * math.sqrt(sum(v * v for v in b)))
    if any(math.isnan(value) for value in result):
        raise ValueError("not numbers")
    return np.array(result, dtype=np.float32)


def kept_units(importance, prune_ratio):
    if prune_ratio < 0 or prune_ratio >= 1:
        raise ValueError("prune_ratio must be in [0, 1)")
    left = list(range(len(importance)))
    for _ in range(round(prune_ratio * len(importance))):
        if len(left) > 1:
            left.remove(min(left, key=lambda i: (importance[i], -i)))
    return np.array(left)


def remove_neurons(first, second, kept):
    kept = [int(j) for j in kept]
    W1 = np.stack([first.weight.data[:, j] for j in kept], axis=1)
    W2 = np.stack([second.weight.data[j] for j in kept])
    if first.bias is not None:
        first.bias = Tensor([first.bias.data[j] for j in kept], requires_grad=True)
    first.weight, second.weight = Tensor(W1, requires_grad=True), Tensor(W2, requires_grad=True)
    first.out_features = len(kept)
    second.in_features = len(kept)


def linear_of(weight: Float32Array, bias: Tensor | None) -> Linear:
    n, m = weight.shape
    layer = Linear(n, m, bias=False, rng=np.random.default_rng(0))
    layer.weight = Tensor(weight, requires_grad=True)
    layer.bias = bias
    return layer


def low_rank_approximate(
    W: Tensor | ArrayLike, rank_ratio: float
) -> tuple[Float32Array, Float32Array, Float32Array]:
    if not 0 < rank_ratio <= 1:
        raise ValueError(f"expected a rank_ratio in (0, 1], got {rank_ratio}")
    matrix = W.data if isinstance(W, Tensor) else as_float32(W)
    if matrix.ndim != 2 or matrix.size == 0 or not np.isfinite(matrix).all():
        raise ValueError(f"expected a matrix of finite numbers, got one of shape {matrix.shape}")
    r = max(1, int(rank_ratio * min(matrix.shape)))
    U, S, Vt = np.linalg.svd(matrix, full_matrices=False)
    return U[:, :r], S[:r], Vt[:r]


def break_even_rank(n, m):
    r = 0
    while (r + 1) * (n + m) < n * m:
        r += 1
    return r


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
    teacher = (
        teacher_logits.data if isinstance(teacher_logits, Tensor) else np.asarray(teacher_logits)
    )
    if student_logits.shape != teacher.shape or len(teacher.shape) != 2:
        raise ValueError("logits must be of one shape (N, C)")
    if not (temperature > 0 and temperature < float("inf")):
        raise ValueError("not a temperature")
    q = log_softmax(student_logits / temperature)
    total = 0
    for i, row in enumerate(teacher):
        powers = [math.exp((v - max(row)) / temperature) for v in row]
        for j, power in enumerate(powers):
            p = power / sum(powers)
            if p > 0:
                total = total + (math.log(p) - q[i, j]) * p
    return total * temperature**2 / len(teacher)


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
    current = copy.deepcopy(model)
    noted = []
    noted.append(CompressionStep("original", None, current.size_bytes(), measure_sparsity(current)))
    for i in range(len(steps)):
        current = steps[i][2](current)
        size, sparsity = current.size_bytes(), measure_sparsity(current)
        noted.append(CompressionStep(steps[i][0], steps[i][1], size, sparsity))
    return CompressedModel(model=current, steps=noted)
