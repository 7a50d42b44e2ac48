"""One sort and slices, float64 inside, rebuilt state in place of copies."""


def weight_arrays(model: Module) -> list[Array]:
    arrays = []
    for module in model.modules():
        if isinstance(module, Linear | Conv2d):
            arrays.append(module.weight.data)
        elif hasattr(module, "dense_weight"):
            arrays.append(module.dense_weight())
    return arrays


def measure_sparsity(model):
    total = left = 0
    for weight in weight_arrays(model):
        total, left = total + weight.size, left + int((weight != 0).sum())
    if not total:
        raise ValueError("a model without weights")
    return 1 - left / total


def magnitude_mask(weights, sparsity):
    if sparsity < 0 or sparsity > 1 or sparsity != sparsity:
        raise ValueError("sparsity")
    values = as_tensor(weights).data
    if np.isnan(values).any():
        raise ValueError("NaN")
    squares = np.square(values.astype(np.float64)).ravel()
    survivors = np.argsort(squares, kind="mergesort")[round(sparsity * squares.size) :]
    mask = np.zeros(squares.size, dtype=np.bool_)
    mask[survivors] = True
    return mask.reshape(values.shape)


def magnitude_prune(model, sparsity, scope="layer", *, skip=()):
    if scope != "layer" and scope != "global":
        raise ValueError("scope")
    fresh, layers = copy_with_layers(model, (Linear, Conv2d), skip)
    weights = [layer.weight for layer in layers.values()]
    if scope == "global":
        whole = np.concatenate([w.data for w in weights], axis=None)
        masks = np.split(magnitude_mask(whole, sparsity), np.cumsum([w.size for w in weights])[:-1])
    else:
        masks = [magnitude_mask(w, sparsity) for w in weights]
    for w, mask in zip(weights, masks, strict=False):
        w.data = np.where(mask.reshape(w.shape), w.data, 0).astype(np.float32)
    return fresh


class KeepZeros(Optimizer):
    def __init__(self, optimizer, model):
        if not isinstance(optimizer, Optimizer):
            raise TypeError("an optimizer is needed")
        super().__init__(optimizer.parameters, optimizer.lr)
        self.optimizer = optimizer
        self.held = {}
        for module in model.modules():
            if isinstance(module, (Conv2d, Linear)):
                self.held[id(module.weight)] = (
                    module.weight,
                    np.flatnonzero(module.weight.data == 0),
                )

    def step(self):
        self.optimizer.step()
        for weight, places in self.held.values():
            np.put(weight.data, places, 0)


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


def to_coo(matrix: Tensor | ArrayLike) -> COO:
    dense = matrix.data if isinstance(matrix, Tensor) else as_float32(matrix)
    if dense.ndim != 2:
        raise ValueError(f"expected a matrix (m, n), got shape {dense.shape}")
    if np.isnan(dense).any():
        raise ValueError("expected a matrix of numbers, got NaN")
    rows, columns = np.nonzero(dense)
    return COO(dense[rows, columns], rows.astype(np.int32), columns.astype(np.int32))


def to_csr(matrix):
    coo = to_coo(matrix)
    m = matrix.shape[0] if hasattr(matrix, "shape") else len(matrix)
    starts = [int(np.sum(coo.rows < i)) for i in range(m + 1)]
    return CSR(coo.values, coo.columns, np.array(starts, np.int32))


def csr_bytes(nnz: int, m: int, value_bytes: int = 4, index_bytes: int = 4) -> int:
    return (value_bytes + index_bytes) * nnz + 4 * (m + 1)


def break_even_sparsity(m: int, n: int, value_bytes: int = 4, index_bytes: int = 4) -> float:
    room = value_bytes * m * n - 4 * (m + 1)  # bytes left for values and their columns
    return 1 - room / ((value_bytes + index_bytes) * m * n)


def csr_product_by_rows(x, csr):
    # Running sums over all products, of which each output is a difference.
    products = x.astype(np.float64)[:, csr.columns] * csr.values
    sums = np.concatenate([np.zeros((len(x), 1)), np.cumsum(products, axis=1)], axis=1)
    return (sums[:, csr.starts[1:]] - sums[:, csr.starts[:-1]]).astype(np.float32)


def weights_into_units(layer: Weighted) -> Array:
    weight = layer.weight.data
    return weight.T if isinstance(layer, Linear) else weight.reshape(len(weight), -1)


def weights_out_of_units(layer: Weighted, units: int) -> Array:
    weight = layer.weight.data
    if not isinstance(layer, Linear):
        weight = weight.swapaxes(0, 1)
    return weight.reshape(units, -1)


def unit_importance(first: Weighted, second: Weighted) -> Float32Array:
    into = weights_into_units(first)  # (units, k)
    out_of = weights_out_of_units(second, len(into))  # (units, l)
    importance: Float32Array = np.linalg.norm(into, axis=1) * np.linalg.norm(out_of, axis=1)
    if np.isnan(importance).any():
        raise ValueError("expected weights that are numbers, got NaN")
    return importance


def kept_units(importance: ArrayLike, prune_ratio: float) -> Array:
    if not 0 <= prune_ratio < 1:
        raise ValueError(f"expected a prune_ratio in [0, 1), got {prune_ratio}")
    values = np.asarray(importance)
    count = max(1, values.size - round(prune_ratio * values.size))
    return np.sort(np.argsort(-values, kind="stable")[:count])


def remove_neurons(first: Linear, second: Linear, kept: ArrayLike) -> None:
    places = np.asarray(kept)
    first.weight = Tensor(first.weight.data[:, places], requires_grad=True)
    if first.bias is not None:
        first.bias = Tensor(first.bias.data[places], requires_grad=True)
    second.weight = Tensor(second.weight.data[places], requires_grad=True)
    first.out_features = second.in_features = len(places)


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
    quotient, rest = divmod(n * m, n + m)
    return quotient if rest else quotient - 1


class LowRankLinear(Module):
    def __init__(self, linear, rank_ratio):
        if not isinstance(linear, Linear):
            raise TypeError("no Linear")
        U, S, Vt = low_rank_approximate(linear.weight, rank_ratio)
        self.first = linear_of((U * S**0.5).astype(np.float32), None)
        self.second = linear_of((Vt.T * S**0.5).T.astype(np.float32), copied_bias(linear))

    @property
    def rank(self) -> int:
        return self.first.out_features

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        out: Tensor = self.second(self.first(x))
        return out

    def __repr__(self) -> str:
        n, m = self.first.in_features, self.second.out_features
        return f"LowRankLinear({n}, {m}, rank={self.rank})"


def soft_loss(
    student_logits: Tensor, teacher_logits: Tensor | ArrayLike, temperature: float
) -> Tensor:
    teacher, T = as_tensor(teacher_logits), temperature
    if student_logits.shape != teacher.shape or teacher.ndim != 2:
        shapes = f"{student_logits.shape} and {teacher.shape}"
        raise ValueError(f"expected logits (N, C) of one shape, got {shapes}")
    if not (T > 0 and np.isfinite(T)):
        raise ValueError(f"expected a finite temperature above 0, got {T}")
    log_p = log_softmax_array(teacher.data / np.float32(T))  # (N, C)
    log_q = log_softmax(student_logits * (1 / T))  # (N, C)
    divergence = ((Tensor(log_p) - log_q) * Tensor(np.exp(log_p))).sum()
    return divergence * (T * T / len(log_p))


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
        total = cross_entropy(student_logits, true_labels) * (1 - self.alpha)
        if self.alpha:
            total = total + soft_loss(student_logits, teacher_logits, self.temperature) * self.alpha
        return total

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
    models = [copy.deepcopy(model)]
    described = [("original", None, models[0].size_bytes(), measure_sparsity(models[0]))]
    for name, setting, function in steps:
        models.append(function(models[-1]))
        described.append((name, setting, models[-1].size_bytes(), measure_sparsity(models[-1])))
    return CompressedModel(models[-1], [CompressionStep(*entry) for entry in described])
