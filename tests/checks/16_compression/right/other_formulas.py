"""Other formulas: eigenvectors, thresholds with ties counted, sums by np.add.at."""


def weight_arrays(model: Module) -> list[Array]:
    arrays = []
    for module in model.modules():
        if isinstance(module, Linear | Conv2d):
            arrays.append(module.weight.data)
        elif hasattr(module, "dense_weight"):
            arrays.append(module.dense_weight())
    return arrays


def measure_sparsity(model):
    arrays = weight_arrays(model)
    if len(arrays) == 0:
        raise ValueError("no weights")
    return float(np.mean(np.concatenate([a.reshape(-1) for a in arrays]) == 0))


def magnitude_mask(weights, sparsity):
    if not 0 <= sparsity <= 1:
        raise ValueError("sparsity outside [0, 1]")
    size = np.abs(as_tensor(weights).data)
    if np.isnan(size.sum()) and np.isnan(size).any():
        raise ValueError("NaN")
    drop = round(sparsity * size.size)
    if drop == 0:
        return np.ones(size.shape, dtype=bool)
    threshold = np.partition(size, drop - 1, axis=None)[drop - 1]
    mask = size > threshold
    equal = np.flatnonzero(size == threshold)
    spare = drop - np.count_nonzero(size < threshold)
    mask.reshape(-1)[equal[spare:]] = True
    return mask


def magnitude_prune(model, sparsity, scope="layer", *, skip=()):
    pruned, layers = copy_with_layers(model, (Linear, Conv2d), skip)
    arrays = [layer.weight.data for layer in layers.values()]
    if scope == "layer":
        masks = [magnitude_mask(a, sparsity) for a in arrays]
    elif scope == "global":
        flat = magnitude_mask(np.concatenate([a.ravel() for a in arrays]), sparsity)
        masks, start = [], 0
        for a in arrays:
            masks.append(flat[start : start + a.size].reshape(a.shape))
            start += a.size
    else:
        raise ValueError(scope)
    for a, mask in zip(arrays, masks, strict=False):
        a *= mask
    return pruned


class KeepZeros(Optimizer):
    def __init__(self, optimizer, model):
        if not isinstance(optimizer, Optimizer):
            raise TypeError("no optimizer")
        super().__init__(optimizer.parameters, optimizer.lr)
        self.optimizer = optimizer
        self.layers = [m for m in model.modules() if isinstance(m, (Linear, Conv2d))]
        self.alive = [(layer.weight.data != 0).astype(np.float32) for layer in self.layers]

    def step(self):
        self.optimizer.step()
        for layer, mask in zip(self.layers, self.alive, strict=False):
            layer.weight.data *= mask


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
    dense = as_tensor(matrix).data
    if len(dense.shape) != 2:
        raise ValueError("to_coo takes a matrix")
    if (dense != dense).any():
        raise ValueError("NaN")
    flat = np.flatnonzero(dense)
    rows, columns = np.divmod(flat, dense.shape[1])
    return COO(dense.ravel()[flat], np.int32(rows), np.int32(columns))


def to_csr(matrix):
    dense = as_tensor(matrix).data
    coo = to_coo(dense)
    starts = np.searchsorted(coo.rows, np.arange(len(dense) + 1))
    return CSR(coo.values, coo.columns, starts.astype("int32"))


def csr_bytes(nnz, m, value_bytes=4, index_bytes=4):
    return nnz * value_bytes + nnz * index_bytes + (m + 1) * 4


def break_even_sparsity(m, n, value_bytes=4, index_bytes=4):
    v, b = value_bytes, index_bytes
    return (b + 4 * (m + 1) / (m * n)) / (v + b)


def csr_product_by_rows(x, csr):
    m = len(csr.starts) - 1
    rows = np.repeat(np.arange(m), np.diff(csr.starts))
    out = np.zeros((m, len(x)), dtype=np.float32)
    np.add.at(out, rows, csr.values[:, None] * x.T[csr.columns])
    return out.T


def weights_into_units(layer: Weighted) -> Array:
    weight = layer.weight.data
    return weight.T if isinstance(layer, Linear) else weight.reshape(len(weight), -1)


def weights_out_of_units(layer: Weighted, units: int) -> Array:
    weight = layer.weight.data
    if not isinstance(layer, Linear):
        weight = weight.swapaxes(0, 1)
    return weight.reshape(units, -1)


def unit_importance(first, second):
    a = weights_into_units(first)
    b = weights_out_of_units(second, a.shape[0])
    if np.isnan(a).any() or np.isnan(b).any():
        raise ValueError("NaN")
    return np.sqrt((a**2).sum(1) * (b**2).sum(1))


def kept_units(importance, prune_ratio):
    if not (0 <= prune_ratio < 1):
        raise ValueError("ratio")
    values = np.asarray(importance, dtype=float)
    go = min(round(prune_ratio * len(values)), len(values) - 1)
    order = np.lexsort((-np.arange(len(values)), values))
    stays = np.ones(len(values), bool)
    stays[order[:go]] = False
    return np.flatnonzero(stays)


def remove_neurons(first, second, kept):
    first.weight = Tensor(np.take(first.weight.data, kept, axis=1), True)
    first.bias = None if first.bias is None else Tensor(np.take(first.bias.data, kept), True)
    second.weight = Tensor(np.take(second.weight.data, kept, axis=0), True)
    second.in_features = first.out_features = first.weight.shape[1]


def linear_of(weight: Float32Array, bias: Tensor | None) -> Linear:
    n, m = weight.shape
    layer = Linear(n, m, bias=False, rng=np.random.default_rng(0))
    layer.weight = Tensor(weight, requires_grad=True)
    layer.bias = bias
    return layer


def low_rank_approximate(W, rank_ratio):
    matrix = as_tensor(W).data.astype(np.float64)
    if not (0 < rank_ratio <= 1):
        raise ValueError("rank_ratio")
    if len(matrix.shape) != 2 or 0 in matrix.shape or not np.all(np.isfinite(matrix)):
        raise ValueError("matrix")
    r = max(1, math.floor(rank_ratio * min(matrix.shape)))
    if matrix.shape[0] >= matrix.shape[1]:
        squares, V = np.linalg.eigh(matrix.T @ matrix)
        S, V = np.sqrt(np.maximum(squares[::-1][:r], 0)), V[:, ::-1][:, :r]
        U = matrix @ V / S
    else:
        squares, U = np.linalg.eigh(matrix @ matrix.T)
        S, U = np.sqrt(np.maximum(squares[::-1][:r], 0)), U[:, ::-1][:, :r]
        V = matrix.T @ U / S
    return U.astype(np.float32), S.astype(np.float32), V.T.astype(np.float32)


def break_even_rank(n, m):
    return math.ceil(n * m / (n + m)) - 1


class LowRankLinear(Module):
    def __init__(self, linear, rank_ratio):
        if type(linear) is not Linear:
            raise TypeError("LowRankLinear is made of a Linear")
        U, S, Vt = low_rank_approximate(linear.weight.data, rank_ratio)
        half = np.diag(S**0.5).astype(np.float32)
        n, m = linear.weight.shape
        self.first = Linear(n, len(S), bias=False)
        self.second = Linear(len(S), m, bias=linear.bias is not None)
        self.first.weight.data[:] = U @ half
        self.second.weight.data[:] = half @ Vt
        if linear.bias is not None:
            self.second.bias.data[:] = linear.bias.data

    @property
    def rank(self) -> int:
        return self.first.out_features

    def forward(self, x):
        return self.second.forward(self.first.forward(x))

    def __repr__(self) -> str:
        n, m = self.first.in_features, self.second.out_features
        return f"LowRankLinear({n}, {m}, rank={self.rank})"


def soft_loss(student_logits, teacher_logits, temperature):
    z = as_tensor(teacher_logits).data
    if z.ndim != 2 or z.shape != student_logits.shape:
        raise ValueError("shapes")
    if not 0 < temperature < np.inf:
        raise ValueError("temperature")
    powers = np.exp((z - z.max(axis=1, keepdims=True)) / temperature)
    p = powers / powers.sum(axis=1, keepdims=True)
    own = float(np.sum(p * np.log(np.maximum(p, 1e-30))))
    cross = (log_softmax(student_logits * (1 / temperature)) * Tensor(p)).sum()
    return (cross * -1 + own) * (temperature**2 / len(z))


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

    def distillation_loss(self, student_logits, teacher_logits, true_labels):
        hard = cross_entropy(student_logits, true_labels)
        return (
            hard + (soft_loss(student_logits, teacher_logits, self.temperature) - hard) * self.alpha
        )

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


def apply_steps(model: Module, steps: Sequence[Step]) -> CompressedModel:
    current = replace_layers(model, lambda name, layer: layer)  # a deep copy
    done = [CompressionStep("original", None, current.size_bytes(), measure_sparsity(current))]
    for name, setting, function in steps:
        current = function(current)
        noted = CompressionStep(name, setting, current.size_bytes(), measure_sparsity(current))
        done.append(noted)
    return CompressedModel(current, done)
