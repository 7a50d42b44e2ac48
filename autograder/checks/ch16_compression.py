"""Hidden checks of chapter 16: each takes `student`, whose attributes are the notebook's names."""

# mypy: ignore-errors
# No annotations: the text of a check becomes a test cell that people read while grading.

import copy
import math
from itertools import pairwise

import numpy as np

from tinytorch.core.activations import ReLU, Tanh
from tinytorch.core.conv import Conv2d, Flatten
from tinytorch.core.embedding import Embedding
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.losses import cross_entropy
from tinytorch.core.optimizers import Adam
from tinytorch.core.tensor import Tensor


def raises(kind, function, *arguments, **named):
    """Return whether the call raises an exception of that kind; any other passes through."""
    try:
        function(*arguments, **named)
    except kind:
        return True
    return False


def network(rng, *widths, bias=True):
    """Linear layers of these widths with a ReLU between them, all weights and biases not 0."""
    layers = []
    for n, m in pairwise(widths):
        layer = Linear(n, m, bias=bias, rng=rng)
        if bias:
            layer.bias.data[:] = rng.normal(size=m)
        layers += [layer, ReLU()]
    return Sequential(*layers[:-1])


def state(model):
    """Return a copy of all arrays of a model, by name."""
    return {name: array.copy() for name, array in model.state_dict().items()}


def same(first, second):
    """Return whether two states hold equal arrays under equal names."""
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )


def sparse_matrix(rng, m, n, density):
    """A float32 matrix in which about that part is not 0; magnitudes are well away from 0."""
    values = rng.uniform(0.5, 2.0, size=(m, n)) * rng.choice([-1, 1], size=(m, n))
    return (values * (rng.random((m, n)) < density)).astype(np.float32)


# Task 1


def check_sparsity_is_zeros_over_all_weights(student):
    """Sparsity is all zeros over all weights, of Linear and Conv2d layers together."""
    rng = np.random.default_rng()
    for _ in range(3):
        a, b = (int(k) for k in rng.integers(2, 9, size=2))
        model = Sequential(Conv2d(1, a, kernel_size=3), ReLU(), Linear(40, b), Linear(b, 3))
        total = zeros = 0
        for layer, density in ((model[0], 0.9), (model[2], 0.3), (model[3], 0.6)):
            weight = layer.weight.data
            weight[:] = rng.uniform(1e-6, 1, weight.shape) * (rng.random(weight.shape) < density)
            total += weight.size
            zeros += int(np.sum(weight == 0))
        found = student.measure_sparsity(model)
        assert type(found) is float, (
            f"measure_sparsity must return a Python float, found {type(found).__name__}"
        )
        assert math.isclose(found, zeros / total, rel_tol=1e-9), (
            "sparsity must be the zeros of all weights together over the number of all weights, "
            "in [0, 1]; a tiny weight is not zero"
        )


def check_sparsity_leaves_out_biases(student):
    """Biases and embeddings are not counted, whether they are zero or not."""
    rng = np.random.default_rng()
    model = Sequential(Embedding(7, 4), Linear(4, 5), Linear(5, 2, bias=False))
    model[0].weight.data[:] = 0
    for layer in (model[1], model[2]):
        layer.weight.data[:] = rng.uniform(1, 2, layer.weight.shape)
    assert student.measure_sparsity(model) == 0.0, (
        "only weights of Linear and Conv2d layers count: a bias or an embedding of zeros adds none"
    )
    model[1].weight.data[:] = 0
    assert math.isclose(student.measure_sparsity(model), 20 / 30), (
        "the sparsity is wrong when one layer is all zeros and another has none"
    )


def check_sparsity_refuses_models_without_weights(student):
    """A model without a layer that counts raises ValueError."""
    for model in (Sequential(ReLU()), Sequential(Embedding(3, 2), Tanh())):
        assert raises(ValueError, student.measure_sparsity, model), (
            "a model without a Linear or Conv2d layer must raise ValueError"
        )


# Task 2


def check_mask_keeps_the_largest(student):
    """The mask drops the smallest magnitudes, whatever their sign, and has the weights' shape."""
    rng = np.random.default_rng()
    for shape in ((7,), (5, 8), (2, 3, 3, 3)):
        weights = rng.normal(size=shape).astype(np.float32)
        before = weights.copy()
        sparsity = float(rng.choice([0.2, 0.4, 0.6]))
        mask = np.asarray(student.magnitude_mask(weights, sparsity))
        assert (mask.shape, mask.dtype) == (shape, bool), (
            "the mask must be a boolean array of the shape of the weights"
        )
        assert np.array_equal(weights, before), "magnitude_mask changes the weights it is given"
        drop = round(sparsity * weights.size)
        threshold = np.sort(np.abs(weights), axis=None)[drop]
        assert np.array_equal(mask, np.abs(weights) >= threshold), (
            "True must stand exactly where the magnitude is among the largest, sign left aside"
        )
        for other in (Tensor(weights), weights.tolist()):
            assert np.array_equal(np.asarray(student.magnitude_mask(other, sparsity)), mask), (
                "a Tensor and nested lists must give the same mask as the array"
            )


def check_mask_counts_exactly(student):
    """Exactly round(sparsity * size) weights go, also at both ends and for many equal weights."""
    rng = np.random.default_rng()
    for size in (1, 3, 10, 101):
        for sparsity in (0.0, 0.1, 0.33, 0.66, 0.99, 1.0):
            for weights in (rng.normal(size=size), np.full(size, -2.5), rng.integers(0, 2, size)):
                mask = np.asarray(student.magnitude_mask(weights.astype(np.float32), sparsity))
                assert np.sum(~mask) == round(sparsity * size), (
                    "the number of dropped weights must be round(sparsity * size) exactly, with "
                    "equal weights, at a sparsity of 0 and of 1, too"
                )


def check_mask_takes_the_first_of_equals(student):
    """Among equal magnitudes the first ones in reading order are dropped."""
    rng = np.random.default_rng()
    signs = rng.choice([-1, 1], size=(6, 50)).astype(np.float32)
    mask = np.asarray(student.magnitude_mask(signs, 0.5)).reshape(-1)
    assert np.array_equal(mask, np.arange(300) >= 150), (
        "among equal magnitudes the first in reading order must go first, whatever their sign"
    )


def check_mask_refuses(student):
    """A sparsity outside [0, 1] and NaN weights raise ValueError."""
    for sparsity in (-0.1, 1.01, float("nan")):
        assert raises(ValueError, student.magnitude_mask, np.ones(4, np.float32), sparsity), (
            "a sparsity outside [0, 1] must raise ValueError"
        )
    bad = np.array([1, np.nan, 2], dtype=np.float32)
    assert raises(ValueError, student.magnitude_mask, bad, 0.5), "NaN weights must raise ValueError"


def check_prune_by_layer(student):
    """By layer, every layer loses its own smallest weights, and the rest keeps its value."""
    rng = np.random.default_rng()
    model = Sequential(Conv2d(2, 3, kernel_size=3), ReLU(), Linear(11, 7), Linear(7, 6))
    for layer, scale in ((model[0], 100), (model[2], 1), (model[3], 0.01)):
        layer.weight.data[:] = rng.normal(size=layer.weight.shape) * scale
    for sparsity in (0.0, 0.3, 0.8, 1.0):
        for scope in ((), ("layer",)):  # it is the default
            pruned = student.magnitude_prune(model, sparsity, *scope)
            for i in (0, 2, 3):
                weight, found = model[i].weight.data, pruned[i].weight.data
                drop = round(sparsity * weight.size)
                order = np.sort(np.abs(weight), axis=None)
                keep = np.abs(weight) >= (order[drop] if drop < weight.size else np.inf)
                assert np.array_equal(found, np.where(keep, weight, 0)), (
                    "each Linear and Conv2d must lose its own smallest weights, rounded to whole "
                    "weights, and keep the others as they were"
                )


def check_prune_over_all_layers(student):
    """Globally, one ranking of all weights decides, so a layer of small weights loses more."""
    rng = np.random.default_rng()
    model = Sequential(Linear(9, 6), ReLU(), Conv2d(2, 3, kernel_size=3), Linear(6, 4))
    numbers = [0, 2, 3]
    for i, scale in zip(numbers, (1.0, 0.3, 3.0), strict=True):
        model[i].weight.data[:] = rng.normal(size=model[i].weight.shape) * scale
    together = np.concatenate([model[i].weight.data.reshape(-1) for i in numbers])
    for sparsity in (0.25, 0.5, 0.9):
        pruned = student.magnitude_prune(model, sparsity, "global")
        drop = round(sparsity * together.size)
        threshold = np.sort(np.abs(together))[drop]
        for i in numbers:
            weight = model[i].weight.data
            expected = np.where(np.abs(weight) >= threshold, weight, 0)
            assert np.array_equal(pruned[i].weight.data, expected), (
                "with scope 'global' one ranking of the weights of all layers together must "
                "decide which go, and every weight must stay at its place"
            )


def check_prune_changes_nothing_else(student):
    """The model that is passed in stays as it is; biases and shapes of the copy do, too."""
    rng = np.random.default_rng()
    for scope in ("layer", "global"):
        model = network(rng, 8, 6, 4)
        before = state(model)
        pruned = student.magnitude_prune(model, 0.75, scope)
        assert same(state(model), before), "magnitude_prune changes the model it is given"
        for i in (0, 2):
            assert np.array_equal(pruned[i].bias.data, model[i].bias.data), (
                "pruning must leave the biases alone"
            )
            assert pruned[i].weight.shape == model[i].weight.shape, "shapes must not change"
            assert pruned[i].weight.requires_grad, "pruned weights must stay trainable"


def check_prune_skips_and_refuses(student):
    """Skipped layers keep all weights and are left out of a ranking; nonsense raises ValueError."""
    rng = np.random.default_rng()
    model = network(rng, 10, 8, 6)
    model[2].weight.data *= 1e-3
    for scope in ("layer", "global"):
        pruned = student.magnitude_prune(model, 0.5, scope, skip=["layers.2"])
        assert np.array_equal(pruned[2].weight.data, model[2].weight.data), (
            "a layer named in skip must keep all its weights"
        )
        assert np.sum(pruned[0].weight.data == 0) == 40, (
            "the sparsity is that of the layers that are not skipped"
        )
    assert raises(ValueError, student.magnitude_prune, model, 0.5, "layers"), (
        "a scope other than 'layer' and 'global' must raise ValueError"
    )
    assert raises(ValueError, student.magnitude_prune, model, 1.5), (
        "a sparsity outside [0, 1] must raise ValueError"
    )
    assert raises(ValueError, student.magnitude_prune, model, 0.5, skip=["layers.7"]), (
        "a name in skip that is no layer must raise ValueError"
    )


# Task 3


def labelled_points(rng, count, inputs, classes):
    """Random inputs, and labels that a network can learn from them."""
    X = rng.normal(size=(count, inputs)).astype(np.float32)
    return X, np.argmax(X[:, :classes] + 0.1 * rng.normal(size=(count, classes)), axis=1)


def half_pruned(rng, *widths):
    """A network of which half of the weights of each layer are 0, at random places."""
    model = network(rng, *widths)
    for layer in model.layers[::2]:
        layer.weight.data[rng.random(layer.weight.shape) < 0.5] = 0
        layer.weight.data[0, 0], layer.weight.data[0, 1] = 0, 0.5
    return model


def check_zeros_stay_zero(student):
    """Weights that were zero before fine-tuning are zero after it, in every layer."""
    rng = np.random.default_rng()
    model = half_pruned(rng, 6, 9, 3)
    zeros = [layer.weight.data == 0 for layer in model.layers[::2]]
    X, y = labelled_points(rng, 40, 6, 3)
    student.fine_tune(model, X, y, epochs=3, lr=0.05)
    for layer, mask in zip(model.layers[::2], zeros, strict=True):
        assert np.all(layer.weight.data[mask] == 0), (
            "a weight that was 0 before fine-tuning is no longer 0 afterwards"
        )


def check_the_rest_is_trained(student):
    """Weights that were not zero, and biases that were, are trained."""
    rng = np.random.default_rng()
    # Wide, so that neurons no gradient reaches are never half of them.
    model = half_pruned(rng, 6, 40, 3)
    model[2].bias.data[:] = 0
    before = state(model)
    masks = {f"layers.{i}.weight": model[i].weight.data != 0 for i in (0, 2)}
    X, y = labelled_points(rng, 40, 6, 3)
    losses = student.fine_tune(model, X, y, epochs=8, lr=0.02)
    after = state(model)
    for name, mask in masks.items():
        assert np.mean(after[name][mask] != before[name][mask]) > 0.5, (
            "the weights that were not 0 must be trained"
        )
        assert not np.any(after[name][mask] == 0), "a weight that was not 0 has been set to 0"
    assert np.all(after["layers.2.bias"] != 0), "a bias that starts at 0 must be trained"
    assert losses[-1] < losses[0], "the loss must fall while the model is fine-tuned"


def check_fine_tuning_equals_projected_steps(student):
    """Each step is that of Adam, after which the zeros are set to zero again."""
    rng = np.random.default_rng()
    model = half_pruned(rng, 5, 7, 3)
    expected = copy.deepcopy(model)
    X, y = labelled_points(rng, 12, 5, 3)
    student.fine_tune(model, X, y, epochs=4, batch_size=12, lr=0.03)
    weights = [layer.weight for layer in expected.layers[::2]]
    zeros = [weight.data == 0 for weight in weights]
    optimizer = Adam(expected.parameters(), 0.03)
    for _ in range(4):
        optimizer.zero_grad()
        cross_entropy(expected(Tensor(X)), y).backward()
        optimizer.step()
        for weight, mask in zip(weights, zeros, strict=True):
            weight.data[mask] = 0
    wanted, found = (
        np.concatenate([array.reshape(-1) for array in m.state_dict().values()])
        for m in (expected, model)
    )
    # Not all of them: Adam takes a full step for a gradient that is only rounding.
    assert np.mean(np.isclose(found, wanted, rtol=1e-3, atol=1e-4)) > 0.9, (
        "fine-tuning must take the inner optimizer's step and set the zeros to 0 after each step; "
        "the weights come out otherwise"
    )


def check_filters_stay_zero(student):
    """Zeros of convolutions stay zero, too, also in a module inside a module."""
    rng = np.random.default_rng()
    inner = Sequential(Conv2d(1, 2, kernel_size=3, rng=rng), ReLU())
    model = Sequential(inner, Flatten(), Linear(8, 3, rng=rng))
    inner[0].weight.data[0], inner[0].bias.data[:] = 0, 0.5  # active, so that gradients come
    X = rng.normal(size=(20, 1, 4, 4)).astype(np.float32)
    y = rng.integers(0, 3, 20)
    trained = student.fine_tune(model, X, y, epochs=2, lr=0.05)
    assert len(trained) == 2
    assert np.all(inner[0].weight.data[0] == 0), "a filter of zeros must stay zero"
    assert np.any(inner[0].weight.data[1] != 0), "the other filter must be trained"


def check_keep_zeros_wants_an_optimizer(student):
    """What is no optimizer raises TypeError."""
    for wrong in (None, 0.01, Linear(2, 2)):
        assert raises(TypeError, student.KeepZeros, wrong, Linear(2, 2)), (
            "KeepZeros around something that is no Optimizer must raise TypeError"
        )


# Task 4


def check_coo(student):
    """COO lists value, row and column of what is not zero, sorted by rows, in the right types."""
    rng = np.random.default_rng()
    for m, n in ((5, 9), (1, 6), (7, 1), (4, 4)):
        matrix = sparse_matrix(rng, m, n, 0.4)
        before = matrix.copy()
        for given in (matrix, Tensor(matrix), matrix.tolist()):
            coo = student.to_coo(given)
            dtypes = [np.asarray(part).dtype for part in (coo.values, coo.rows, coo.columns)]
            assert dtypes == [np.float32, np.int32, np.int32], (
                "values must be float32, rows and columns int32"
            )
            rows, columns = np.nonzero(matrix)
            assert np.array_equal([coo.rows, coo.columns], [rows, columns]), (
                "rows and columns must be the places that are not 0, sorted by rows and within a "
                "row by columns"
            )
            assert np.array_equal(coo.values, matrix[rows, columns]), (
                "values must be the weights at these places"
            )
        assert np.array_equal(matrix, before), "to_coo changes the matrix it is given"


def check_formats_refuse(student):
    """What is not two-dimensional, and NaN, raise ValueError."""
    for wrong in (np.ones(3, np.float32), np.ones((2, 2, 2), np.float32)):
        assert raises(ValueError, student.to_coo, wrong), "to_coo must refuse what is no matrix"
        assert raises(ValueError, student.to_csr, wrong), "to_csr must refuse what is no matrix"
    nan = np.array([[0, 1], [np.nan, 0]], np.float32)
    assert raises(ValueError, student.to_coo, nan), "to_coo must refuse NaN"
    assert raises(ValueError, student.to_csr, nan), "to_csr must refuse NaN"


def rebuilt(csr, m, n):
    """Return the dense matrix of CSR lists."""
    dense = np.zeros((m, n), dtype=np.float32)
    for i in range(m):
        for k in range(int(csr.starts[i]), int(csr.starts[i + 1])):
            dense[i, csr.columns[k]] += csr.values[k]
    return dense


def check_csr_rebuilds_the_matrix(student):
    """The lists of CSR give the matrix back, and hold nothing that is zero."""
    rng = np.random.default_rng()
    for m, n, density in ((6, 9, 0.3), (1, 5, 0.5), (8, 1, 0.5), (5, 5, 1.0), (12, 7, 0.05)):
        matrix = sparse_matrix(rng, m, n, density)
        for given in (matrix, Tensor(matrix), matrix.tolist()):
            csr = student.to_csr(given)
            assert len(csr.starts) == m + 1, "starts must be one longer than the matrix has rows"
            ends = [int(csr.starts[0]), int(csr.starts[-1])]
            assert ends == [0, np.count_nonzero(matrix)], (
                "starts must begin with 0 and end with the number of values"
            )
            assert np.array_equal(rebuilt(csr, m, n), matrix), (
                "row i must be what lies from starts[i] up to starts[i + 1]; the matrix that these "
                "lists describe is another"
            )
            assert len(csr.values) == np.count_nonzero(matrix), "no zero may be stored"


def check_csr_of_empty_rows(student):
    """Rows without values, first, last and in between, have equal starts."""
    rng = np.random.default_rng()
    matrix = sparse_matrix(rng, 7, 6, 1.0)
    matrix[[0, 3, 4, 6]] = 0
    csr = student.to_csr(matrix)
    assert np.array_equal(csr.starts, [0, 0, 6, 12, 12, 12, 18, 18]), (
        "an empty row, also the first or the last one, must have a start equal to the next"
    )
    nothing = student.to_csr(np.zeros((3, 4), np.float32))
    assert [*nothing.starts.tolist(), len(nothing.values)] == [0, 0, 0, 0, 0], (
        "a matrix of zeros has no values, and a start of 0 for every row"
    )


def check_csr_types(student):
    """Values are float32, columns and starts int32, which is what the bytes are counted by."""
    matrix = sparse_matrix(np.random.default_rng(), 4, 5, 0.5)
    csr = student.to_csr(matrix)
    dtypes = [np.asarray(part).dtype for part in (csr.values, csr.columns, csr.starts)]
    assert dtypes == [np.float32, np.int32, np.int32], (
        "values must be float32, columns and starts int32"
    )


def check_csr_bytes(student):
    """Bytes are those of values, columns and starts, for any size of value and index."""
    rng = np.random.default_rng()
    for _ in range(5):
        nnz, m = (int(k) for k in rng.integers(0, 5000, size=2))
        for v, b in ((4, 4), (1, 4), (1, 2), (2, 1)):
            found = student.csr_bytes(nnz, m, v, b)
            assert found == nnz * v + nnz * b + 4 * (m + 1), (
                "csr_bytes must be the bytes of values and columns, and 4 for each start, of "
                "which there is one more than rows"
            )
        assert student.csr_bytes(nnz, m) == 8 * nnz + 4 * m + 4, (
            "without sizes a value and an index take 4 bytes each"
        )


def check_break_even_sparsity(student):
    """At the break-even sparsity CSR and dense take equally many bytes."""
    rng = np.random.default_rng()
    for _ in range(5):
        m, n = (int(k) for k in rng.integers(20, 2000, size=2))
        for v, b in ((4, 4), (1, 4), (1, 2), (8, 4)):
            sparsity = student.break_even_sparsity(m, n, v, b)
            csr = (v + b) * (1 - sparsity) * m * n + 4 * (m + 1)
            assert math.isclose(csr, v * m * n, rel_tol=1e-6), (
                "at the break-even sparsity, CSR with its starts must take as many bytes as the "
                "dense matrix with values of the same size"
            )
        assert math.isclose(
            student.break_even_sparsity(m, n), 0.5 + (m + 1) / (2 * m * n), rel_tol=1e-6
        ), "without sizes a value and an index take 4 bytes each"
    assert student.break_even_sparsity(50, 1) > 1, (
        "for a matrix of one column the starts alone cost as much as the values: above 1"
    )


# Task 5


def lists_of(student, matrix):
    """Return the CSR lists of a matrix, not by the student's `to_csr`, which is another task."""
    rows, columns = np.nonzero(matrix)
    starts = np.searchsorted(rows, np.arange(len(matrix) + 1)).astype(np.int32)
    return student.CSR(
        values=matrix[rows, columns], columns=columns.astype(np.int32), starts=starts
    )


def check_product_equals_dense(student):
    """The product equals that with the dense matrix, for batches and odd shapes."""
    rng = np.random.default_rng()
    for N, m, n, density in ((1, 8, 5, 0.4), (7, 3, 11, 0.3), (4, 9, 1, 0.5), (33, 1, 6, 0.7)):
        matrix = sparse_matrix(rng, m, n, density)
        x = rng.normal(size=(N, n)).astype(np.float32)
        found = student.csr_product_by_rows(x, lists_of(student, matrix))
        assert np.shape(found) == (N, m), (
            "the product of (N, n) with the transpose of a matrix (m, n) has the shape (N, m)"
        )
        assert found.dtype == np.float32, "the product of float32 arrays must be float32"
        assert np.allclose(found, x @ matrix.T, rtol=1e-4, atol=1e-5), (
            "the sparse product differs from the product with the dense matrix"
        )


def check_product_of_empty_matrices(student):
    """Empty rows give exactly zero, and so does a matrix without any value."""
    rng = np.random.default_rng()
    matrix = sparse_matrix(rng, 6, 5, 1.0)
    matrix[[0, 2, 5]] = 0
    x = rng.normal(size=(3, 5)).astype(np.float32)
    found = student.csr_product_by_rows(x, lists_of(student, matrix))
    assert np.all(found[:, [0, 2, 5]] == 0), "an empty row of the matrix must give 0"
    assert np.allclose(found, x @ matrix.T, rtol=1e-4, atol=1e-5), (
        "empty rows disturb the results of the others"
    )
    nothing = student.csr_product_by_rows(x, lists_of(student, np.zeros((4, 5), np.float32)))
    assert np.array_equal(nothing, np.zeros((3, 4))), (
        "a matrix without values must give zeros in the right shape"
    )


def check_product_touches_only_what_is_there(student):
    """Columns of x that no weight names have no part in the result."""
    rng = np.random.default_rng()
    matrix = sparse_matrix(rng, 5, 8, 0.6)
    unused = rng.permutation(8)[:3]
    matrix[:, unused] = 0
    x = rng.normal(size=(4, 8)).astype(np.float32)
    expected = x @ matrix.T
    x[:, unused] = [np.inf, np.nan, -np.inf]
    found = student.csr_product_by_rows(x, lists_of(student, matrix))
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-5), (
        "a product with a weight that is not stored must not be computed: the result depends on "
        "columns of x that no weight names"
    )


def check_product_changes_nothing(student):
    """The input and the lists stay as they were."""
    rng = np.random.default_rng()
    matrix = sparse_matrix(rng, 5, 6, 0.5)
    csr, x = lists_of(student, matrix), rng.normal(size=(3, 6)).astype(np.float32)
    before = x.copy()
    first = student.csr_product_by_rows(x, csr)
    assert np.array_equal(x, before), "csr_product_by_rows changes x"
    assert np.array_equal(first, student.csr_product_by_rows(x, csr)), (
        "a second call gives another result"
    )


# Task 6


def check_importance_of_neurons(student):
    """Importance is the norm of the weights in, times the norm of the weights out; no NaN."""
    rng = np.random.default_rng()
    for n, h, m in ((6, 5, 3), (1, 8, 2), (9, 1, 1)):
        first, second = Linear(n, h, rng=rng), Linear(h, m, rng=rng)
        found = np.asarray(student.unit_importance(first, second))
        into = np.sqrt((first.weight.data.astype(float) ** 2).sum(axis=0))
        out = np.sqrt((second.weight.data.astype(float) ** 2).sum(axis=1))
        assert found.shape == (h,), "there must be one importance for each hidden unit"
        assert found.dtype == np.float32, "importances must be float32"
        assert np.allclose(found, into * out, rtol=1e-4), (
            "the importance of a unit must be the Euclidean norm of its column in the first "
            "weight, times that of its row in the second"
        )
        for layer in (first, second):
            kept = layer.weight.data[0, 0]
            layer.weight.data[0, 0] = np.nan
            assert raises(ValueError, student.unit_importance, first, second), (
                "unit_importance must refuse NaN"
            )
            layer.weight.data[0, 0] = kept


def check_importance_of_filters(student):
    """Filters of a convolution are units like neurons, also when a Linear reads them."""
    rng = np.random.default_rng()
    first, second = Conv2d(2, 5, kernel_size=3, rng=rng), Conv2d(5, 4, kernel_size=3, rng=rng)
    into = np.sqrt((first.weight.data.astype(float) ** 2).sum(axis=(1, 2, 3)))
    out = np.sqrt((second.weight.data.astype(float) ** 2).sum(axis=(0, 2, 3)))
    assert np.allclose(student.unit_importance(first, second), into * out, rtol=1e-4), (
        "for convolutions the norm goes over all weights of a filter: use the given helpers"
    )
    reader = Linear(20, 3, rng=rng)
    blocks = reader.weight.data.astype(float).reshape(5, -1)
    out = np.sqrt((blocks**2).sum(axis=1))
    assert np.allclose(student.unit_importance(first, reader), into * out, rtol=1e-4), (
        "behind Flatten a filter is a block of rows: the given helper gathers them"
    )


def check_kept_units(student):
    """The most important units stay, listed in ascending order."""
    rng = np.random.default_rng()
    for size in (2, 5, 16, 31):
        for ratio in (0.0, 0.2, 0.4, 0.8):
            importance = rng.permutation(size) + rng.random()
            kept = np.asarray(student.kept_units(importance.astype(np.float32), ratio))
            count = max(1, size - round(ratio * size))
            expected = [i for i in range(size) if np.sum(importance > importance[i]) < count]
            assert len(kept) == count, (
                "round(prune_ratio * units) units must go, and at least one must stay"
            )
            assert kept.tolist() == expected, (
                "the units of the greatest importance must stay, and be listed in ascending order"
            )


def check_kept_units_edges(student):
    """One unit always stays, later equals go first, and ratios outside [0, 1) are refused."""
    assert np.asarray(student.kept_units([2.0, 3.0, 1.0], 0.99)).tolist() == [1], (
        "one unit always stays, the most important one"
    )
    kept = np.asarray(student.kept_units(np.ones(40, np.float32), 0.25))
    assert kept.tolist() == list(range(30)), "among equals the later units must go first"
    for ratio in (1.0, -0.1, 1.5):
        assert raises(ValueError, student.kept_units, [1.0, 2.0], ratio), (
            "a prune_ratio outside [0, 1) must raise ValueError"
        )


def some_of(rng, h):
    """Return some of h neurons, in a random order."""
    return rng.permutation(h)[: max(1, h // 2)].tolist()


def check_removal_shrinks_shapes(student):
    """Every array that belongs to a neuron shrinks, and the layers know their new sizes."""
    rng = np.random.default_rng()
    for n, h, m in ((4, 6, 3), (1, 9, 1), (8, 2, 5)):
        first, second = Linear(n, h, rng=rng), Linear(h, m, rng=rng)
        kept = some_of(rng, h)
        k = len(kept)
        student.remove_neurons(first, second, np.array(kept) if h > 2 else kept)
        shapes = first.weight.shape, first.bias.shape, second.weight.shape, second.bias.shape
        assert shapes == ((n, k), (k,), (k, m), (m,)), (
            "with the neurons, columns of the first weight, elements of its bias and rows of the "
            "second weight must go, and nothing else"
        )
        sizes = first.in_features, first.out_features, second.in_features, second.out_features
        assert sizes == (n, k, k, m), "in_features and out_features must be the new sizes"
        held = Sequential(first, second).size_bytes()
        assert held == 4 * (n * k + k + k * m + m), "the removed weights are still held somewhere"


def check_removal_leaves_trainable_layers(student):
    """What is left is float32, requires gradients, and can be trained at once."""
    rng = np.random.default_rng()
    model = network(rng, 4, 8, 3)
    student.remove_neurons(model[0], model[2], [1, 4, 6])
    names = [name for name, _ in model.named_parameters()]
    assert names == ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"], (
        "the new weights and the new bias must require gradients"
    )
    assert all(p.data.dtype == np.float32 for p in model.parameters()), "weights must be float32"
    X, y = labelled_points(rng, 6, 4, 3)
    cross_entropy(model(Tensor(X)), y).backward()
    for parameter in model.parameters():
        assert np.shape(parameter.grad) == parameter.shape, "a gradient must have the new shape"


def check_removal_equals_silencing(student):
    """The smaller network answers as the old one whose removed neurons say nothing."""
    rng = np.random.default_rng()
    for n, h, m in ((5, 8, 3), (3, 4, 6)):
        model = network(rng, n, h, m)
        bias = model[2].bias.data.copy()
        kept = some_of(rng, h)
        x = rng.normal(size=(10, n)).astype(np.float32)
        hidden = np.maximum(x @ model[0].weight.data + model[0].bias.data, 0)
        expected = hidden[:, kept] @ model[2].weight.data[kept] + bias
        columns, biases = model[0].weight.data[:, kept], model[0].bias.data[kept]
        student.remove_neurons(model[0], model[2], kept)
        assert np.allclose(model(Tensor(x)).data, expected, rtol=1e-4, atol=1e-5), (
            "without the removed neurons the network must answer as if they were silent"
        )
        assert np.array_equal(model[0].weight.data, columns), (
            "the neurons that stay must keep their weights, in the order of `kept`"
        )
        assert np.array_equal(model[0].bias.data, biases), (
            "the neurons that stay must keep their biases, in the order of `kept`"
        )
        assert np.array_equal(model[2].bias.data, bias), "the second layer's bias must not change"


def check_removal_without_bias(student):
    """Layers without a bias are pruned like others, and stay without."""
    rng = np.random.default_rng()
    model = network(rng, 4, 6, 2, bias=False)
    expected = model[0].weight.data[:, [0, 5]], model[2].weight.data[[0, 5]]
    student.remove_neurons(model[0], model[2], [0, 5])
    assert np.array_equal(model[0].weight.data, expected[0]), "wrong columns of the first weight"
    assert np.array_equal(model[2].weight.data, expected[1]), "wrong rows of the second weight"
    assert [model[0].bias, model[2].bias] == [None, None], (
        "a layer without a bias must stay without one"
    )


# Task 7


def check_low_rank_is_the_best(student):
    """The product of the three is as near to the matrix as any of that rank."""
    rng = np.random.default_rng()
    for n, m, ratio in ((8, 5, 0.5), (4, 9, 0.75), (6, 6, 1.0), (12, 3, 0.4)):
        W = rng.normal(size=(n, m)).astype(np.float32)
        before = W.copy()
        sigma = np.linalg.svd(W.astype(float), compute_uv=False)
        for given in (W, Tensor(W)):
            U, S, Vt = student.low_rank_approximate(given, ratio)
            r = len(S)
            error = np.linalg.norm(W - (U * S) @ Vt)
            best = math.sqrt(np.sum(sigma[r:] ** 2))
            assert abs(error - best) < 1e-3, (
                "(U * S) @ Vt is farther from the matrix than the theorem of Eckart and Young says"
            )
            assert np.allclose(S, sigma[:r], rtol=1e-3, atol=1e-4), (
                "S must be the greatest singular values, greatest first"
            )
            for product in (U.T @ U, Vt @ Vt.T):
                assert np.allclose(product, np.eye(r), atol=1e-3), (
                    "the columns of U and the rows of Vt must be orthonormal"
                )
        assert np.array_equal(W, before), "low_rank_approximate changes the matrix it is given"


def check_low_rank_shapes(student):
    """The rank is max(1, floor(rank_ratio * min(n, m)))."""
    rng = np.random.default_rng()
    for n, m, ratio in ((8, 5, 0.5), (5, 8, 0.5), (7, 30, 0.99), (4, 4, 0.01), (3, 6, 1.0)):
        U, S, Vt = student.low_rank_approximate(rng.normal(size=(n, m)).astype(np.float32), ratio)
        r = max(1, math.floor(ratio * min(n, m)))
        assert (np.shape(U), np.shape(S), np.shape(Vt)) == ((n, r), (r,), (r, m)), (
            "the shapes must be (n, r), (r,) and (r, m) with r = max(1, floor(rank_ratio * "
            "min(n, m)))"
        )


def check_low_rank_refuses(student):
    """Ratios outside (0, 1] and what is no finite matrix raise ValueError."""
    good = np.eye(3, dtype=np.float32)
    for ratio in (0.0, -0.5, 1.01):
        assert raises(ValueError, student.low_rank_approximate, good, ratio), (
            "a rank_ratio outside (0, 1] must raise ValueError"
        )
    infinite, missing = np.full((2, 3), np.inf), np.full((2, 2), np.nan)
    for wrong in (np.ones(4), np.ones((2, 2, 2)), np.ones((0, 3)), missing, infinite):
        assert raises(ValueError, student.low_rank_approximate, wrong, 0.5), (
            "what is no matrix, an empty matrix and one with NaN or infinity must raise ValueError"
        )


def check_low_rank_layer(student):
    """The layer computes x A B + b with the best A B of that rank, shared evenly."""
    rng = np.random.default_rng()
    for n, m, ratio, bias in ((10, 6, 0.5, True), (5, 12, 0.8, False)):
        linear = Linear(n, m, bias=bias, rng=rng)
        if bias:
            linear.bias.data[:] = rng.normal(size=m)
        before = state(linear)
        layer = student.LowRankLinear(linear, ratio)
        r = math.floor(ratio * min(n, m))
        U, S, Vt = np.linalg.svd(linear.weight.data.astype(float), full_matrices=False)
        W = (U[:, :r] * S[:r]) @ Vt[:r]
        x = rng.normal(size=(7, n)).astype(np.float32)
        expected = x @ W + (linear.bias.data if bias else 0)
        assert np.allclose(layer(Tensor(x)).data, expected, rtol=1e-3, atol=1e-3), (
            "the layer must compute x A B + b with A B the best approximation of that rank"
        )
        shapes = layer.first.weight.shape, layer.second.weight.shape
        assert shapes == ((n, r), (r, m)), (
            "`first` must hold the weight (n, r), `second` the weight (r, m)"
        )
        first, second = layer.first.weight.data, layer.second.weight.data
        lengths = [(first**2).sum(axis=0), (second**2).sum(axis=1)]
        assert np.allclose(lengths, [S[:r], S[:r]], rtol=1e-2, atol=1e-3), (
            "both weights must get the square root of the singular values"
        )
        assert layer.first.bias is None, "the bias belongs to the second layer alone"
        assert (layer.second.bias is not None) == bias, "the bias must be there as it was before"
        assert same(state(linear), before), "making the layer changes the Linear it is made of"


def check_low_rank_layer_is_trainable(student):
    """The layer holds r (n + m) weights and the bias, all of them trainable, and no other."""
    linear = Linear(9, 7, rng=np.random.default_rng())
    layer = student.LowRankLinear(linear, 0.45)
    assert layer.count_parameters() == 3 * (9 + 7) + 7, (
        "rank r holds r (n + m) weights and the bias as parameters: is the original kept as well?"
    )
    assert layer.size_bytes() == 4 * (3 * (9 + 7) + 7), (
        "the layer holds more bytes than its two weights and the bias"
    )


def check_low_rank_layer_wants_linear(student):
    """What is no Linear raises TypeError."""
    for wrong in (ReLU(), np.eye(3)):
        assert raises(TypeError, student.LowRankLinear, wrong, 0.5), (
            "LowRankLinear of what is no Linear must raise TypeError"
        )


def check_break_even_rank(student):
    """The largest rank that holds fewer weights, and not one more."""
    rng = np.random.default_rng()
    pairs = [tuple(int(k) for k in rng.integers(1, 300, size=2)) for _ in range(20)]
    for n, m in [*pairs, (1, 1), (2, 2), (3, 6), (4, 4), (10, 1), (6, 3), (12, 4)]:
        expected = max(r for r in range(min(n, m) + 1) if r == 0 or r * (n + m) < n * m)
        found = student.break_even_rank(n, m)
        assert isinstance(found, int | np.integer), "a rank is a whole number"
        assert found == expected, (
            "the break-even rank must be the largest whole r with r (n + m) strictly below n m"
        )


# Task 8


def divergence(y, z, T):
    """Return T^2 KL in float64."""

    def log_softmax(values):
        shifted = values / T - np.max(values / T, axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    log_p, log_q = log_softmax(z.astype(float)), log_softmax(y.astype(float))
    return T * T * np.mean(np.sum(np.exp(log_p) * (log_p - log_q), axis=1))


def check_soft_loss_values(student):
    """The loss is T^2 times the divergence of the student's from the teacher's, mean over rows."""
    rng = np.random.default_rng()
    for N, C, T in ((1, 3, 1.0), (5, 4, 2.0), (12, 10, 5.0)):
        y, z = (rng.normal(size=(N, C)).astype(np.float32) * 3 for _ in range(2))
        expected = divergence(y, z, T)
        for teacher in (z, Tensor(z)):
            loss = student.soft_loss(Tensor(y), teacher, T)
            assert loss.shape == (), "the loss must be a Tensor without axes"
            assert math.isclose(loss.item(), expected, rel_tol=1e-3, abs_tol=1e-4), (
                "the loss must be T^2 KL(p || q), p the teacher's softmax at temperature T and q "
                "the student's, averaged over the rows"
            )


def check_soft_loss_is_zero_for_equals(student):
    """The loss is zero when both say the same, and only then."""
    rng = np.random.default_rng()
    z = rng.normal(size=(4, 5)).astype(np.float32)
    for shift in (0, 3):  # a constant added to all logits changes no probability
        loss = student.soft_loss(Tensor(z + np.float32(shift)), z, 2.0).item()
        assert abs(loss) < 1e-4, "equal opinions must have a loss of 0"
    assert student.soft_loss(Tensor(-z), z, 2.0).item() > 1e-3, (
        "different opinions must have a loss above 0"
    )


def check_soft_loss_scale(student):
    """Thanks to T^2 the loss levels off at high temperatures, where it compares the logits."""
    rng = np.random.default_rng()
    y, z = (rng.normal(size=(6, 8)).astype(np.float32) for _ in range(2))
    high = student.soft_loss(Tensor(y), z, 40.0).item()
    limit = np.mean(np.var(y - z, axis=1)) / 2
    assert math.isclose(high, limit, rel_tol=0.15), (
        "at a high temperature the loss must not vanish: is the factor T^2 there?"
    )


def check_soft_loss_refuses(student):
    """Logits of other shapes, what is not (N, C), and such a temperature raise ValueError."""
    for y, z in (((2, 3), (2, 4)), ((2, 3), (3, 3)), ((2, 3), (1, 3)), ((3,), (3,))):
        assert raises(
            ValueError, student.soft_loss, Tensor(np.zeros(y)), np.zeros(z, np.float32), 2.0
        ), "logits of two shapes, also such as NumPy would broadcast, must raise ValueError"
    logits = np.zeros((2, 3), np.float32)
    for T in (0.0, -1.0, float("inf"), float("nan")):
        assert raises(ValueError, student.soft_loss, Tensor(logits), logits, T), (
            "a temperature that is not positive and finite must raise ValueError"
        )


def check_distillation_loss(student):
    """Alpha weighs the soft loss, 1 - alpha the cross entropy with the labels."""
    rng = np.random.default_rng()
    for T, alpha in ((1.0, 0.0), (3.0, 1.0), (2.0, 0.3), (4.0, 0.9)):
        y, z = (rng.normal(size=(7, 5)).astype(np.float32) * 2 for _ in range(2))
        labels = rng.integers(0, 5, 7)
        helper = student.KnowledgeDistillation(Linear(2, 5), Linear(2, 5), T, alpha)
        found = helper.distillation_loss(Tensor(y), z, labels)
        hard = cross_entropy(Tensor(y), labels).item()
        expected = alpha * divergence(y, z, T) + (1 - alpha) * hard
        assert found.shape == (), "the loss must be a Tensor without axes"
        assert math.isclose(found.item(), expected, rel_tol=1e-3, abs_tol=1e-4), (
            "the loss must be alpha times the soft loss plus (1 - alpha) times the cross entropy "
            "of the student's logits, not divided by T, with the labels"
        )


def check_distillation_trains_the_student(student):
    """Training changes the student by the gradients of the loss, and the teacher not at all."""
    rng = np.random.default_rng()
    teacher, small = network(rng, 4, 6, 3), Linear(4, 3, rng=rng)
    X, y = labelled_points(rng, 10, 4, 3)
    W, b = small.weight.data.astype(float), small.bias.data.astype(float)
    T, alpha, lr, before = 2.0, 0.6, 0.05, state(teacher)
    helper = student.KnowledgeDistillation(teacher, small, T, alpha)
    losses = helper.train(X, y, epochs=1, batch_size=10, lr=lr)
    z = teacher(Tensor(X)).data.astype(float)
    p, q = softmax(z / T), softmax((X @ W + b) / T)
    hard = softmax(X @ W + b) - np.eye(3)[y]
    slope = (alpha * T * (q - p) + (1 - alpha) * hard) / len(X)
    grad_W, grad_b = X.T @ slope, slope.sum(axis=0)
    # The first step of Adam is lr g / (|g| + eps).
    expected = W - lr * grad_W / (np.abs(grad_W) + 1e-8)
    clear = np.abs(grad_W) > 1e-4
    trained = helper.student
    assert np.allclose(trained.weight.data[clear], expected[clear], atol=1e-3), (
        "the gradient of the loss must reach the student's logits by both of its terms"
    )
    expected = b - lr * grad_b / (np.abs(grad_b) + 1e-8)
    clear = np.abs(grad_b) > 1e-4
    assert np.allclose(trained.bias.data[clear], expected[clear], atol=1e-3), (
        "the gradient of the loss must reach the student's logits by both of its terms"
    )
    assert same(state(helper.teacher), before), "the teacher must not be trained"
    assert len(losses) == 1, "train must return one loss for each epoch"


def softmax(values):
    """Return the softmax of each row in float64."""
    powers = np.exp(values - np.max(values, axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def check_distillation_follows_the_teacher(student):
    """With alpha 1 the student comes to think as the teacher does, whatever the labels say."""
    rng = np.random.default_rng()
    teacher, small = Linear(5, 4, rng=rng), Linear(5, 4, rng=rng)
    X = rng.normal(size=(64, 5)).astype(np.float32)
    wrong = (np.argmax(teacher(Tensor(X)).data, axis=1) + 1) % 4
    helper = student.KnowledgeDistillation(teacher, small, 2.0, 1.0)
    helper.train(X, wrong, epochs=60, lr=0.05)
    said = np.argmax(helper.student(Tensor(X)).data, axis=1)
    agreed = np.mean(said == np.argmax(teacher(Tensor(X)).data, axis=1))
    assert agreed > 0.8, "with alpha = 1 only the teacher counts: the student does not follow it"


# Task 9


class Halver:
    """A step that notes the bytes of the models it is given and returns a smaller one."""

    def __init__(self, layer):
        self.layer = layer
        self.seen = []

    def __call__(self, model):
        self.seen.append(model.size_bytes())
        return self.layer


def zero_first_row(model):
    """Set the first row of a layer to zero, in place."""
    model.weight.data[0] = 0
    return model


def check_steps_are_noted(student):
    """Each step has its name, setting, bytes and sparsity, and the first is the original."""
    rng = np.random.default_rng()
    n, m = (int(k) for k in rng.integers(3, 9, size=2))
    model = Linear(n, m, rng=rng)
    narrow = Linear(n, 1, rng=rng)
    narrow.weight.data[: n - 1] = 0
    result = student.apply_steps(
        model, [("zeros", {"rows": 1}, zero_first_row), ("narrow", 0.5, Halver(narrow))]
    )
    found = [
        (step.name, step.setting, step.size_bytes, round(step.sparsity, 6)) for step in result.steps
    ]
    assert len(found) == 3, "there must be one entry for the original and one for each step"
    assert found[0] == ("original", None, 4 * (n * m + m), 0.0), (
        "the first entry must be 'original', None, and the bytes and sparsity before any step"
    )
    assert found[1] == ("zeros", {"rows": 1}, 4 * (n * m + m), round(1 / n, 6)), (
        "an entry must have the step's name and setting, and bytes and sparsity after the step"
    )
    assert found[2] == ("narrow", 0.5, 4 * (n + 1), round((n - 1) / n, 6)), (
        "an entry must describe the model that the step returned, not the one it was given"
    )
    assert result.model.size_bytes() == 4 * (n + 1), "model must be what the last step returned"


def check_steps_are_chained(student):
    """Every function is called once, with what the one before it returned."""
    rng = np.random.default_rng()
    layers = [Linear(k, 2, rng=rng) for k in (6, 5, 4, 3)]
    steps = [Halver(layer) for layer in layers[1:]]
    result = student.apply_steps(layers[0], [(f"step {i}", i, s) for i, s in enumerate(steps)])
    assert [s.seen for s in steps] == [[56], [48], [40]], (
        "each function must be called once, in order, with what the one before returned"
    )
    assert [step.size_bytes for step in result.steps] == [56, 48, 40, 32]
    assert len(student.apply_steps(layers[0], []).steps) == 1, (
        "without steps the original alone is noted"
    )


def check_steps_leave_the_model_alone(student):
    """A step that changes its model in place leaves the model that was passed in as it was."""
    model = Linear(4, 3, rng=np.random.default_rng())
    before = state(model)
    result = student.apply_steps(model, [("zeros", None, zero_first_row)])
    assert same(state(model), before), (
        "the model that was passed in has changed: work on a copy of it"
    )
    assert np.all(result.model.weight.data[0] == 0), "the step's change must be in the result"
