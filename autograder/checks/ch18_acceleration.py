"""Hidden checks of chapter 18: each takes `student`, whose attributes are the notebook's names."""

# mypy: ignore-errors
# No annotations: the text of a check becomes a test cell that people read while grading.

import itertools
import math
import time

import numpy as np


class CountedProduct:
    """Multiplies as np.matmul does, and notes the shapes of what it multiplied.

    The notebook's code calls it from another process, so it cannot be told wrong counts.
    """

    def __init__(self):
        self.shapes = []

    def __call__(self, left, right, out=None):
        left, right = np.asarray(left), np.asarray(right)
        self.shapes.append((left.shape, right.shape))
        result = np.matmul(left, right)
        if out is None:
            return result
        out[...] = result
        return out

    def multiplications(self):
        """How many multiplications of two numbers there were in all."""
        total = 0
        for left, right in self.shapes:
            stack = np.broadcast_shapes(left[:-2], right[:-2])
            total += math.prod(stack) * left[-2] * left[-1] * right[-1]
        return total


def draw(*shape, scale=1.0):
    """Normal numbers in float32, other ones at each grading."""
    return (scale * np.random.default_rng().normal(size=shape)).astype(np.float32)


def near(found, expected, tolerance=1e-4):
    """Whether `found` is an array of the shape and, up to rounding, of the values expected."""
    expected = np.asarray(expected)
    found = np.asarray(found)
    if found.shape != expected.shape:
        return False
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    return bool(np.allclose(found, expected, rtol=0, atol=tolerance * scale))


def unchanged(arrays, kept):
    """Whether the arrays hold what their copies hold."""
    return all(np.array_equal(one, other) for one, other in zip(arrays, kept, strict=True))


def refuses(kind, function, *args, **kwargs):
    """Whether the call raises an exception of that kind."""
    try:
        function(*args, **kwargs)
    except kind:
        return True
    return False


def eventually(attempt, tries=5):
    """Return when one attempt holds: a loaded machine may stretch a timing, never shrink it."""
    for left in reversed(range(tries)):
        try:
            return attempt()
        except AssertionError:
            if not left:
                raise


def least_seconds(function, *arguments, calls=3):
    """The least time of a few calls."""
    best = math.inf
    for _ in range(calls):
        start = time.perf_counter()
        function(*arguments)
        best = min(best, time.perf_counter() - start)
    return best


# Task 1: one call


def check_matmul_values(student):
    """The product is right for every shape, in float32, and leaves its arguments alone."""
    for n, k, m in ((1, 1, 1), (3, 7, 2), (1, 9, 4), (20, 1, 5), (17, 33, 9)):
        a, b = draw(n, k), draw(k, m)
        kept = a.copy(), b.copy()
        found = student.vectorized_matmul(a, b)
        assert np.asarray(found).dtype == np.float32, "the product must be float32"
        assert near(found, a.astype(np.float64) @ b), (
            "vectorized_matmul is not the matrix product: element (i, j) is the sum over p of "
            "a[i, p] * b[p, j], for any n, k and m"
        )
        assert unchanged((a, b), kept), "vectorized_matmul changes its arguments"
    found = student.vectorized_matmul(np.arange(6).reshape(2, 3), [[1.5], [2.0], [0.25]])
    assert np.asarray(found).dtype == np.float32, "integers, lists and float64 give float32 too"
    assert near(found, np.arange(6).reshape(2, 3) @ [[1.5], [2.0], [0.25]]), (
        "integers and lists must be multiplied as numbers, without rounding"
    )


def check_matmul_broadcasts(student):
    """Leading axes broadcast as NumPy's do."""
    for left, right in (
        ((4, 2, 3), (4, 3, 5)),
        ((4, 2, 3), (3, 5)),
        ((2, 3), (6, 3, 2)),
        ((3, 1, 2, 4), (5, 4, 3)),
    ):
        a, b = draw(*left), draw(*right)
        assert near(student.vectorized_matmul(a, b), np.matmul(a, b)), (
            "arrays of more than two axes are stacks of matrices, whose leading axes broadcast"
        )


def check_matmul_errors(student):
    """Shapes that do not fit and NaN raise ValueError."""
    product = student.vectorized_matmul
    for left, right in (((2, 3), (2, 3)), ((3,), (3, 2)), ((2, 3), (3,)), ((4, 1, 3), (2, 2))):
        assert refuses(ValueError, product, draw(*left), draw(*right)), (
            "vectorized_matmul must raise ValueError for a vector and for inner sizes that differ"
        )
    for place in (0, 1):
        factors = [draw(3, 4), draw(4, 2)]
        factors[place][1, 1] = np.nan
        assert refuses(ValueError, product, *factors), (
            "vectorized_matmul must raise ValueError when either factor holds NaN"
        )
    a, b = draw(3, 4), draw(4, 2)
    a[0, 0] = np.inf
    with np.errstate(all="ignore"):
        refused = refuses(ValueError, product, a, b)
    assert not refused, "an infinity is a number: only NaN is refused"


def loop_seconds(n=24):
    """The least time that one of the n^3 steps of three Python loops takes here."""
    a, b = draw(n, n), draw(n, n)

    def loops():
        for i in range(n):
            for j in range(n):
                total = 0.0
                for p in range(n):
                    total += a[i, p] * b[p, j]

    return least_seconds(loops) / n**3


def check_matmul_is_one_call(student):
    """The product is handed over whole: its time for a multiplication is far below a loop's."""
    n = 256

    def attempt():
        best = least_seconds(student.vectorized_matmul, draw(n, n), draw(n, n))
        assert loop_seconds() / (best / n**3) > 300, (  # a loop over rows gains 40, one call 15,000
            "a multiplication takes far longer than in one call of NumPy: hand the whole product "
            "over, without a loop over rows, columns or elements"
        )

    eventually(attempt)


# Task 2: tiles


def check_tiled_values(student):
    """The sum of products of tiles is the product, whether or not the tiles fit."""
    for n, k, m, t in ((1, 1, 1, 1), (5, 7, 3, 2), (8, 8, 8, 4), (9, 4, 13, 5), (6, 20, 2, 64)):
        a, b = draw(n, k), draw(k, m)
        kept = a.copy(), b.copy()
        found = student.tiled_matmul(a, b, t)
        assert np.asarray(found).dtype == np.float32, "the product must be float32"
        assert near(found, a.astype(np.float64) @ b), (
            "tiled_matmul is not the product: each tile of the result is the sum over all tiles "
            "along the inner axis, also where the last tiles are smaller"
        )
        assert unchanged((a, b), kept), "tiled_matmul changes its arguments"
    a, b = draw(70, 65), draw(65, 66)
    assert near(student.tiled_matmul(a, b), a @ b), "without a tile_size it must use the default"


def check_tiled_errors(student):
    """Matrices that do not fit, NaN and a tile_size below 1 are refused."""
    tiled = student.tiled_matmul
    assert refuses(ValueError, tiled, draw(2, 3), draw(2, 3), 2), (
        "tiled_matmul must raise ValueError for inner sizes that differ"
    )
    assert refuses(ValueError, tiled, draw(2, 2, 3), draw(3, 3), 2), (
        "tiled_matmul must raise ValueError for what is no matrix"
    )
    assert refuses(ValueError, tiled, draw(2, 3), draw(3, 3), 0), (
        "tiled_matmul must raise ValueError for a tile_size of 0"
    )
    broken = draw(3, 3)
    broken[2, 0] = np.nan
    assert refuses(ValueError, tiled, draw(2, 3), broken, 2), (
        "tiled_matmul must raise ValueError for NaN"
    )


def check_tiled_work(student):
    """Every pair of tiles is multiplied once by `product`, and no tile is larger than asked for."""
    for n, k, m, t in ((4, 4, 4, 2), (5, 7, 3, 2), (9, 4, 13, 5), (3, 3, 3, 8)):
        product = CountedProduct()
        a, b = draw(n, k), draw(k, m)
        found = student.tiled_matmul(a, b, t, product)
        assert near(found, a @ b), "with a product that is passed in, the result is wrong"
        assert product.shapes, "tiles must be multiplied by `product`, so that it can be counted"
        assert product.multiplications() == n * k * m, (
            "the tiles' products must do each multiplication of the whole product exactly once"
        )
        sides = [side for pair in product.shapes for shape in pair for side in shape]
        assert max(sides) <= t, "a tile has more rows or columns than tile_size"
        expected = math.prod(-(-size // t) for size in (n, k, m))
        assert len(product.shapes) == expected, (
            "there must be one product for each row of tiles, column of tiles and tile along the "
            "inner axis: tiles as large as tile_size lets them be"
        )


def check_tiled_bytes(student):
    """The bytes are those that the products of tiles read, for any sizes."""
    rng = np.random.default_rng()
    for _ in range(12):
        n, k, m, t = (int(size) for size in rng.integers(1, 40, 4))
        found = student.tiled_bytes(n, k, m, t)
        expected = 0
        for i, j, p in itertools.product(range(0, n, t), range(0, m, t), range(0, k, t)):
            rows, columns, depth = min(t, n - i), min(t, m - j), min(t, k - p)
            expected += 4 * depth * (rows + columns)
        assert type(found) is int, "tiled_bytes must return a Python int"
        assert found == expected, (
            "tiled_bytes must count a once for each column of tiles of the result and b once for "
            "each row of them, 4 bytes a number; a tile that is cut off counts as one"
        )
    assert refuses(ValueError, student.tiled_bytes, 4, 4, 4, 0), "a tile_size of 0 is a ValueError"
    assert refuses(ValueError, student.tiled_bytes, 0, 4, 4, 2), "a size of 0 is a ValueError"


# Tasks 3 and 4: convolution


def padded_with_zeros(x, padding):
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


def expected_columns(x, kh, kw, stride, padding):
    """The patches as columns, one patch after the other."""
    padded = padded_with_zeros(x, padding)
    height, width = padded.shape[2:]
    patches = [
        padded[:, :, top : top + kh, left : left + kw].reshape(len(x), -1)
        for top in range(0, height - kh + 1, stride)
        for left in range(0, width - kw + 1, stride)
    ]
    return np.stack(patches, axis=2)


def check_im2col_order(student):
    """Columns go row by row over the image, and down a column go channel, row, column."""
    for shape, kernel in (
        ((1, 1, 3, 3), (2, 2)),
        ((2, 3, 5, 4), (3, 2)),
        ((3, 2, 4, 6), (1, 4)),
        ((1, 4, 5, 5), (5, 5)),
        ((2, 2, 3, 4), (1, 1)),
    ):
        x = draw(*shape)
        kept = x.copy()
        found = np.asarray(student.im2col(x, kernel))
        expected = expected_columns(x, *kernel, 1, 0)
        assert found.shape == expected.shape, (
            "im2col must have the shape (B, C kh kw, H' W'): a row for each number of a patch, a "
            "column for each place of the kernel"
        )
        assert found.dtype == np.float32, "im2col must return float32"
        assert np.array_equal(found, expected), (
            "the numbers of im2col are not in order: column i W' + j is the patch at (i, j), and "
            "within it go channel, then row, then column; kernels need not be square"
        )
        assert np.array_equal(x, kept), "im2col changes its input"


def check_im2col_stride_and_padding(student):
    """Stride skips places, padding surrounds the image with zeros."""
    for shape, kernel, stride, padding in (
        ((1, 1, 5, 5), (3, 3), 2, 0),
        ((2, 3, 6, 7), (3, 3), 2, 1),
        ((1, 2, 4, 9), (2, 3), 3, 2),
        ((2, 1, 3, 3), (3, 3), 1, 1),
        ((1, 1, 2, 2), (4, 4), 1, 1),
        ((1, 2, 7, 8), (1, 1), 4, 0),
    ):
        x = draw(*shape)
        found = student.im2col(x, kernel, stride=stride, padding=padding)
        assert near(found, expected_columns(x, *kernel, stride, padding), 1e-6), (
            "with a stride or padding the columns are wrong: patches start every `stride` rows "
            "and columns of the image that has `padding` zeros on all four sides"
        )


def check_im2col_arguments(student):
    """Other numbers and shapes are turned into float32 or refused."""
    x = np.arange(12).reshape(1, 1, 3, 4)
    found = np.asarray(student.im2col(x, (2, 2)))
    assert found.dtype == np.float32, "an image of integers gives float32 columns"
    assert np.array_equal(found, expected_columns(x, 2, 2, 1, 0)), "an image of integers is wrong"
    assert refuses(ValueError, student.im2col, draw(3, 4, 4), (2, 2)), (
        "im2col must raise ValueError unless the input has four axes"
    )
    assert refuses(ValueError, student.im2col, draw(1, 1, 2, 2), (3, 3)), (
        "im2col must raise ValueError for a kernel larger than the padded image"
    )
    broken = draw(1, 1, 3, 3)
    broken[0, 0, 1, 1] = np.nan
    assert refuses(ValueError, student.im2col, broken, (2, 2)), (
        "im2col must raise ValueError for NaN"
    )


def expected_convolution(x, weight, bias, stride, padding):
    """The sum as the formula reads, in float64."""
    padded = padded_with_zeros(x.astype(np.float64), padding)
    kh, kw = weight.shape[2:]
    rows = (padded.shape[2] - kh) // stride + 1
    columns = (padded.shape[3] - kw) // stride + 1
    out = np.zeros((len(x), len(weight), rows, columns))
    for i, j in itertools.product(range(rows), range(columns)):
        patch = padded[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
        out[:, :, i, j] = np.einsum("bcuv,ocuv->bo", patch, weight)
    return out if bias is None else out + bias[:, np.newaxis, np.newaxis]


def check_conv_values(student):
    """The convolution is the sum over channels and kernel positions, plus the bias."""
    for shape, weights, stride, padding in (
        ((1, 1, 4, 4), (1, 1, 3, 3), 1, 0),
        ((3, 2, 7, 5), (4, 2, 3, 2), 2, 1),
        ((2, 5, 6, 6), (3, 5, 1, 1), 1, 0),
        ((2, 3, 8, 9), (5, 3, 2, 4), 3, 2),
    ):
        x, weight, bias = draw(*shape), draw(*weights), draw(weights[0])
        for offset in (bias, None):
            kept = x.copy(), weight.copy(), bias.copy()
            found = student.conv2d_im2col(x, weight, offset, stride, padding)
            expected = expected_convolution(x, weight, offset, stride, padding)
            assert np.asarray(found).shape == expected.shape, (
                "conv2d_im2col must return (B, O, H', W')"
            )
            assert np.asarray(found).dtype == np.float32, "conv2d_im2col must return float32"
            assert near(found, expected), (
                "conv2d_im2col is not the convolution: compare batch, channels, stride and "
                "padding, a bias of None and one for each output channel, with the formula"
            )
            assert unchanged((x, weight, bias), kept), "conv2d_im2col changes its arguments"


def check_conv_arguments(student):
    """Arguments that do not fit each other raise ValueError."""
    conv = student.conv2d_im2col
    assert refuses(ValueError, conv, draw(1, 2, 4, 4), draw(3, 1, 2, 2)), (
        "conv2d_im2col must raise ValueError when the channels of input and weights differ"
    )
    assert refuses(ValueError, conv, draw(1, 2, 4, 4), draw(3, 2, 2, 2), draw(2)), (
        "conv2d_im2col must raise ValueError for a bias of another length than the weights"
    )
    assert refuses(ValueError, conv, draw(1, 1, 2, 2), draw(1, 1, 3, 3)), (
        "conv2d_im2col must raise ValueError for a kernel larger than the image"
    )


def check_conv_work(student):
    """The work is done by `product`, in one call for the batch or one an image."""
    for shape, weights, stride, padding in (
        ((3, 2, 7, 5), (4, 2, 3, 2), 2, 1),
        ((2, 3, 6, 6), (5, 3, 3, 3), 1, 1),
    ):
        x, weight, bias = draw(*shape), draw(*weights), draw(weights[0])
        product = CountedProduct()
        found = student.conv2d_im2col(x, weight, bias, stride, padding, product)
        expected = expected_convolution(x, weight, bias, stride, padding)
        assert near(found, expected), "with a product that is passed in, the result is wrong"
        assert product.shapes, "conv2d_im2col must multiply by `product`, so that it can be counted"
        assert len(product.shapes) <= len(x), (
            "the convolution of an image is one matrix product: there are more calls of `product` "
            "than images"
        )
        work = expected.size * math.prod(weights[1:])
        assert product.multiplications() == work, (
            "`product` must do each multiplication of the convolution exactly once"
        )


# Task 5: bytes


def check_bytes_moved(student):
    """What is moved is what all operations read and what they write."""
    rng = np.random.default_rng()
    for count in (0, 1, 5):
        operations = [
            student.Operation(f"op{i}", *(int(size) for size in rng.integers(1, 10**9, 2)))
            for i in range(count)
        ]
        expected = sum(op.bytes_read + op.bytes_written for op in operations)
        assert student.bytes_moved(operations) == expected, (
            "bytes_moved must add what every operation reads to what it writes, 0 without any"
        )
    one = student.Operation("add", 300, 200)
    assert student.bytes_moved(iter([one, one])) == 1000, (
        "bytes_moved must take any iterable, of which the operations can be had once"
    )


def check_least_bytes(student):
    """The least is each input once and the result once, in bytes and not in numbers."""
    cases = [
        ([draw(10, 3)], draw(10, 3)),
        ([draw(10, 3), draw(3)], draw(10, 3)),
        ([draw(5), draw(7), draw(2, 2)], draw(1)),
        ([], draw(4)),
        ([np.zeros(6, dtype=np.float64), np.zeros(9, dtype=np.int8)], np.zeros(2, dtype=np.int16)),
    ]
    for inputs, result in cases:
        expected = sum(array.size * array.itemsize for array in [*inputs, result])
        found = student.least_bytes(inputs, result)
        assert found == expected, (
            "least_bytes must add the bytes of all inputs and of the result, whatever their dtype"
        )
    inputs = (array for array in (np.zeros(6, np.float32), np.zeros(2, np.float32)))
    assert student.least_bytes(list(inputs), np.zeros(1, np.float32)) == 36, (
        "least_bytes of two inputs and a result is wrong"
    )


# Task 6: GELU


def expected_gelu(x):
    x = np.asarray(x, dtype=np.float64)
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def check_gelu_values(student):
    """GELU is right for any shape and length, in float32, and leaves its input alone."""
    for shape in ((), (1,), (7, 3), (2, 3, 5), (1 << 15,), ((1 << 15) + 1,), (3, 33_333)):
        x = np.asarray(draw(*shape, scale=2.0), dtype=np.float32)
        kept = x.copy()
        found = np.asarray(student.fused_gelu(x))
        assert found.shape == shape, "fused_gelu must keep the shape of its input"
        assert found.dtype == np.float32, "fused_gelu must return float32"
        assert near(found, expected_gelu(x), 1e-5), (
            "fused_gelu is not the tanh form of GELU over the whole array: look at the constants, "
            "and at the last block, which may be shorter"
        )
        assert np.array_equal(x, kept), "fused_gelu changes its input though no out was given"
    integers = np.arange(-3, 4)
    assert near(student.fused_gelu(integers), expected_gelu(integers), 1e-5), (
        "fused_gelu of integers is wrong"
    )


def check_gelu_extremes(student):
    """Large and small numbers give what the formula gives, NaN is refused."""
    large = np.array([1e3, -1e3, 1e15, -1e15, 0.0], dtype=np.float32)
    found = np.asarray(student.fused_gelu(large))
    assert np.isfinite(found).all(), "fused_gelu of a large number must be finite"
    assert np.allclose(found, [1e3, 0, 1e15, 0, 0], rtol=1e-5, atol=1e-5), (
        "far from 0, GELU is the number itself above and 0 below"
    )
    assert not refuses(ValueError, student.fused_gelu, np.array([np.inf, 1.0], dtype=np.float32)), (
        "an infinity is a number: only NaN is refused"
    )
    small = np.array([1e-20, -3e-12, 2e-6], dtype=np.float32)
    found = np.asarray(student.fused_gelu(small), dtype=np.float64)
    assert np.allclose(found / small, 0.5, rtol=1e-4), "near 0, GELU is half the number"
    x = draw(70_000)
    x[int(np.random.default_rng().integers(x.size))] = np.nan
    assert refuses(ValueError, student.fused_gelu, x), (
        "fused_gelu must raise ValueError for NaN, wherever it stands"
    )


def check_gelu_out(student):
    """The result is written to `out`, which may be the input itself, and is returned."""
    for shape in ((5, 3), (40_000,), (2, 33_000)):
        x, out = draw(*shape), draw(*shape)
        expected, kept = expected_gelu(x), x.copy()
        found = student.fused_gelu(x, out=out)
        assert near(out, expected, 1e-5), "fused_gelu must write its result to out"
        assert near(found, expected, 1e-5), "fused_gelu must return the result also with out"
        assert np.array_equal(x, kept), "with another array as out, the input must stay as it is"
        student.fused_gelu(x, out=x)
        assert near(x, expected, 1e-5), (
            "out may be x itself: what a block still needs must not be overwritten"
        )
    assert refuses(ValueError, student.fused_gelu, draw(4), out=draw(5)), (
        "an out of another shape must raise ValueError: output_for does that"
    )
    assert refuses(TypeError, student.fused_gelu, draw(4), out=np.zeros(4)), (
        "an out of float64 must raise TypeError: output_for does that"
    )


def in_place(student, name, x, *rest):
    """What x is after a fused kernel has worked on it in place, with room for half of it beside.

    The grader runs the kernel once more for that, alone, where the system refuses it more memory;
    without such a grader the meter of the notebook has to be believed.
    Raises MemoryError where the room was not enough.
    """
    room = x.nbytes // 2
    if hasattr(student, "__within__"):
        return student.__within__(room, name, x, *rest)
    function, part = getattr(student, name), x[:500]
    if student.peak_bytes(function, part, *rest, np.empty_like(part)) > part.nbytes // 2:
        raise MemoryError
    function(x, *rest, out=x)
    return x


def large():
    """36 MB of normal numbers: with less, what Python itself needs would count."""
    return np.tile(draw(300, 3000), (10, 1))


def expect_few_blocks(student, name, expected, x, *rest, advice):
    """A kernel gets along with a few blocks beside its input and result, and is right there."""
    try:
        found = in_place(student, name, x.copy(), *rest)
    except MemoryError:
        raise AssertionError(f"{name} makes arrays about as large as x: {advice}") from None
    except NameError:
        raise AssertionError(
            f"{name} does not run with those functions, classes and variables alone that the "
            "notebook defines for it in statements of their own"
        ) from None
    rows = np.random.default_rng().choice(len(x), 50, replace=False)
    assert near(found[rows], expected(x[rows])), (
        f"{name} of a large array, with out=x, is wrong; it runs there with nothing of the "
        "notebook but the functions, classes and variables that it uses"
    )


def check_gelu_memory(student):
    """Beside input and result, a few blocks are held, however large the input is."""
    expect_few_blocks(
        student, "fused_gelu", expected_gelu, large(),
        advice="work block by block, in place, in one scratch array of a block",
    )  # fmt: skip


def check_gelu_has_no_power(student):
    """The cube is written as products: no power, which was the hot spot."""
    x = draw(50, 100)
    names = [operation.name for operation in student.record_operations(student.unfused_gelu, x)]
    assert "power" in names, "record_operations, which was given, has been changed"
    names = [operation.name for operation in student.record_operations(student.fused_gelu, x)]
    assert names, (
        "fused_gelu must work on its input by operations of NumPy that record_operations notes: "
        "make it an array by float_array, which np.asarray is not"
    )
    assert not {"power", "float_power"} & set(names), (
        "fused_gelu takes a power of its input: write x^3 as products"
    )


def check_gelu_saves_the_power(student):
    """It is faster by what a power takes, wherever the power would be: a scratch array, too."""
    x = draw(1 << 15)
    works = (lambda: x**3, lambda: student.unfused_gelu(x), lambda: student.fused_gelu(x))
    if least_seconds(works[0], calls=9) < 20 * least_seconds(lambda: x * x * x, calls=9):
        return  # next to nothing to save on this machine

    def attempt():
        # In turn, and the least of many short ones: else a moment's load passes for what was saved.
        rounds = [[least_seconds(work, calls=1) for work in works] for _ in range(31)]
        power, unfused, fused = np.min(rounds, axis=0)
        assert unfused - fused > power / 2, (
            "fused_gelu takes about as long as the unfused one, whose power is the hot spot: "
            "write x^3 as products, in the scratch array too"
        )

    eventually(attempt, tries=3)


# Task 7: bias and ReLU


def check_bias_relu_values(student):
    """max(x + bias, 0) along the last axis, for any shape and number of rows."""
    for shape in ((3,), (4, 5), (2, 3, 7), (1, 1), (700, 100), (3, 40_000), (2, 2, 17_000)):
        x, bias = draw(*shape), draw(shape[-1])
        kept = x.copy(), bias.copy()
        found = np.asarray(student.fused_bias_relu(x, bias))
        assert found.shape == shape, "fused_bias_relu must keep the shape of x"
        assert found.dtype == np.float32, "fused_bias_relu must return float32"
        assert near(found, np.maximum(x.astype(np.float64) + bias, 0), 1e-6), (
            "fused_bias_relu is not max(x + bias, 0) in all rows: look at the last block, and at "
            "rows longer than a block"
        )
        assert unchanged((x, bias), kept), (
            "fused_bias_relu changes its arguments though no out was given"
        )
    for place in (0, 1):
        arguments = [draw(6, 4), draw(4)]
        arguments[place][..., 2] = np.nan
        assert refuses(ValueError, student.fused_bias_relu, *arguments), (
            "fused_bias_relu must raise ValueError for NaN in x and in the bias"
        )
    assert refuses(ValueError, student.fused_bias_relu, draw(6, 4), draw(6)), (
        "fused_bias_relu must raise ValueError unless the bias has the length of the last axis"
    )


def check_bias_relu_out(student):
    """The result is written to `out`, which may be x itself, and is returned."""
    for shape in ((5, 3), (900, 90), (2, 3, 20_000)):
        x, bias, out = draw(*shape), draw(shape[-1]), draw(*shape)
        expected, kept = np.maximum(x + bias, 0), x.copy()
        found = student.fused_bias_relu(x, bias, out=out)
        assert near(out, expected, 1e-6), "fused_bias_relu must write its result to out"
        assert near(found, expected, 1e-6), "fused_bias_relu must return the result also with out"
        assert np.array_equal(x, kept), "with another array as out, x must stay as it is"
        student.fused_bias_relu(x, bias, out=x)
        assert near(x, expected, 1e-6), "out may be x itself"
    assert refuses(ValueError, student.fused_bias_relu, draw(4, 2), draw(2), out=draw(2, 4)), (
        "an out of another shape must raise ValueError: output_for does that"
    )


def check_bias_relu_memory(student):
    """Beside x and the result, no more than a few blocks are held."""
    bias = draw(3000)
    expect_few_blocks(
        student, "fused_bias_relu", lambda x: np.maximum(x + bias, 0), large(), bias,
        advice="add into the result, then clip it in place",
    )  # fmt: skip


# Task 8: layer norm


def expected_layer_norm(x, weight, bias, eps):
    x = np.asarray(x, dtype=np.float64)
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + eps) * weight + bias


def check_layer_norm_values(student):
    """Every row is normalised by its own mean and variance, then scaled and shifted."""
    for shape in ((6,), (4, 5), (2, 3, 7), (700, 100), (3, 40_000), (5, 1)):
        x, weight, bias = draw(*shape, scale=3.0), draw(shape[-1]), draw(shape[-1])
        kept = x.copy(), weight.copy(), bias.copy()
        for eps in (1e-5, 0.5):
            found = np.asarray(student.fused_layer_norm(x, weight, bias, eps))
            assert found.shape == shape, "fused_layer_norm must keep the shape of x"
            assert found.dtype == np.float32, "fused_layer_norm must return float32"
            assert near(found, expected_layer_norm(x, weight, bias, eps)), (
                "fused_layer_norm is not the formula: mean and variance of each row, divided by "
                "d, eps inside the root, then times weight plus bias"
            )
        assert unchanged((x, weight, bias), kept), "fused_layer_norm changes its arguments"
    x, weight, bias = draw(3, 8), draw(8), draw(8)
    assert near(
        student.fused_layer_norm(x, weight, bias), expected_layer_norm(x, weight, bias, 1e-5)
    ), "without an eps it must be 1e-5"
    for place in range(3):
        arguments = [draw(6, 4), draw(4), draw(4)]
        arguments[place][..., 1] = np.nan
        assert refuses(ValueError, student.fused_layer_norm, *arguments), (
            "fused_layer_norm must raise ValueError for NaN in x, in weight and in bias"
        )
    assert refuses(ValueError, student.fused_layer_norm, draw(6, 4), draw(4), draw(4), 0.0), (
        "fused_layer_norm must raise ValueError for an eps that is not above 0"
    )


def check_layer_norm_far_from_zero(student):
    """Rows whose mean is far larger than their spread keep their digits."""
    ones, zeros = np.ones(64, dtype=np.float32), np.zeros(64, dtype=np.float32)
    for offset in (2000.0, -3000.0):
        # Quarters are exact in float32 at this distance, so the shifted rows lose nothing.
        steps = np.random.default_rng().integers(-4, 5, (5, 64)) / 4
        steps[:, :2] = (-1.0, 1.0)
        x = (offset + steps).astype(np.float32)
        found = student.fused_layer_norm(x, ones, zeros)
        assert near(found, expected_layer_norm(x, ones, zeros, 1e-5), 1e-2), (
            "rows far from 0 lose their digits: take the variance as the mean square of the "
            "deviations from the mean, not as a difference of two large numbers"
        )


def check_layer_norm_out(student):
    """The result is written to `out`, which may be x itself, and is returned."""
    for shape in ((5, 3), (900, 90), (2, 3, 20_000)):
        x, weight, bias, out = draw(*shape), draw(shape[-1]), draw(shape[-1]), draw(*shape)
        expected, kept = expected_layer_norm(x, weight, bias, 1e-5), x.copy()
        found = student.fused_layer_norm(x, weight, bias, out=out)
        assert near(out, expected), "fused_layer_norm must write its result to out"
        assert near(found, expected), "fused_layer_norm must return the result also with out"
        assert np.array_equal(x, kept), "with another array as out, x must stay as it is"
        student.fused_layer_norm(x, weight, bias, out=x)
        assert near(x, expected), "out may be x itself"
    arguments = draw(4, 2), draw(2), draw(2)
    assert refuses(ValueError, student.fused_layer_norm, *arguments, out=draw(2, 4)), (
        "an out of another shape must raise ValueError: output_for does that"
    )


def check_layer_norm_memory(student):
    """Beside x and the result, no more than a few blocks are held."""
    rest = draw(3000), draw(3000), 1e-5
    expect_few_blocks(
        student, "fused_layer_norm", lambda x: expected_layer_norm(x, *rest), large(),
        *rest, advice="in blocks of rows, write the deviations into the result and go on in place",
    )  # fmt: skip


# Task 9: attention


def expected_attention(q, k, v, seen):
    """softmax(q k^T) v in float64, row by row; row r sees the first seen[r] keys."""
    rows = []
    for row, count in zip(q.astype(np.float64), seen, strict=True):
        scores = k[:count].astype(np.float64) @ row
        weights = np.exp(scores - scores.max())
        rows.append(weights / weights.sum() @ v[:count])
    return np.array(rows)


def check_attention_values(student):
    """For heads, queries and keys of any number, tiles give what the formula gives."""
    for leading, n, m, d, e, t in (
        ((), 1, 1, 1, 1, 1),
        ((), 7, 10, 3, 5, 4),
        ((2,), 9, 5, 4, 2, 3),
        ((2, 3), 4, 8, 2, 6, 64),
    ):
        q, k, v = draw(*leading, n, d), draw(*leading, m, d), draw(*leading, m, e)
        kept = q.copy(), k.copy(), v.copy()
        found = np.asarray(student.tiled_attention(q, k, v, False, t))
        assert found.shape == (*leading, n, e), "tiled_attention must return (..., n, e)"
        assert found.dtype == np.float32, "the result of attention must be float32"
        for head in np.ndindex(*leading):
            expected = expected_attention(q[head] / math.sqrt(d), k[head], v[head], [m] * n)
            assert near(found[head], expected), (
                "attention in tiles differs from softmax(q k^T / sqrt(d)) v: when a larger score "
                "comes, the sum and the weighted values so far must be scaled down alike"
            )
        assert unchanged((q, k, v), kept), "attention in tiles changes its arguments"


def check_attention_block(student):
    """A block of queries of any size, with tiles of any size, gets its attention."""
    for T, m, d, e, t in ((1, 1, 1, 1, 1), (3, 11, 4, 2, 4), (8, 5, 3, 7, 2), (2, 6, 5, 1, 100)):
        rows, k, v = draw(T, d), draw(m, d), draw(m, e)
        kept = rows.copy()
        found = student.attend_in_tiles(rows, k, v, None, t)
        assert near(found, expected_attention(rows, k, v, [m] * T)), (
            "attend_in_tiles differs from softmax(rows k^T) v: rows are scaled already, and every "
            "tile counts, the last and shorter one too"
        )
        assert np.array_equal(rows, kept), "attend_in_tiles changes the queries"


def check_attention_extremes(student):
    """Scores of hundreds neither overflow nor vanish, wherever the largest stands."""
    rng = np.random.default_rng()
    for t in (1, 3, 8):
        k = (200.0 * rng.permutation(np.arange(-10, 11)))[:, np.newaxis].astype(np.float32)
        v = draw(21, 4)
        rows = np.array([[1.0], [-1.0], [0.5]], dtype=np.float32)
        found = np.asarray(student.attend_in_tiles(rows, k, v, None, t))
        assert np.isfinite(found).all(), (
            "large scores give NaN or infinity: subtract the largest score so far before exp"
        )
        assert near(found, expected_attention(rows, k, v, [21] * 3)), (
            "with scores of hundreds the result is wrong: the maximum is that of each row, over "
            "all tiles so far"
        )
    low = np.full((6, 1), -500.0, dtype=np.float32)
    v = draw(6, 2)
    found = student.attend_in_tiles(np.ones((1, 1), dtype=np.float32), low, v, None, 4)
    assert near(found, v.mean(axis=0, keepdims=True)), (
        "scores that are all far below 0 must give the mean of the values: the largest score so "
        "far starts at -infinity, not at 0"
    )


def check_attention_causal(student):
    """A query sees the keys up to its own place, and nothing of the future."""
    for n, m, t in ((6, 6, 2), (7, 7, 3), (3, 10, 4), (1, 5, 2), (12, 12, 64)):
        q, k, v = draw(n, 4), draw(m, 4), draw(m, 3)
        seen = [m - n + r + 1 for r in range(n)]
        expected = expected_attention(q / 2, k, v, seen)
        found = student.tiled_attention(q, k, v, True, t)
        assert near(found, expected), (
            "causal attention is wrong: the queries are the last n of the m places, and query r "
            "of a block sees the keys 0 to position + r"
        )
        future_changed = k.copy(), v.copy()
        future_changed[0][-1], future_changed[1][-1] = 50.0, -50.0
        again = np.asarray(student.tiled_attention(q, *future_changed, True, t))
        assert np.array_equal(again[:-1], np.asarray(found)[:-1]), (
            "what stands after a query's place changes its result"
        )
    for T, m, position, t in ((4, 12, 3, 5), (3, 9, 0, 2), (5, 5, 0, 3), (2, 30, 10, 4)):
        rows, k, v = draw(T, 3), draw(m, 3), draw(m, 2)
        found = student.attend_in_tiles(rows, k, v, position, t)
        expected = expected_attention(rows, k, v, [position + r + 1 for r in range(T)])
        assert near(found, expected), (
            "with a position, query r of a block must see the keys 0 to position + r"
        )


def check_attention_work(student):
    """Scores are made and used a tile at a time, each of them once, by `product`."""
    for T, m, d, e, t in ((6, 40, 3, 5, 8), (8, 41, 4, 2, 8), (1, 9, 2, 2, 4)):
        rows, k, v = draw(T, d), draw(m, d), draw(m, e)
        product = CountedProduct()
        found = student.attend_in_tiles(rows, k, v, None, t, product)
        assert near(found, expected_attention(rows, k, v, [m] * T)), (
            "with a product that is passed in, the result is wrong"
        )
        assert product.shapes, "scores and weighted values must be made by `product`"
        sides = [side for pair in product.shapes for shape in pair for side in shape]
        assert max(sides) <= t, (
            "a product has more than a tile's keys in it: the scores of all keys are made at once"
        )
        assert product.multiplications() == T * m * (d + e), (
            "each score must be made once and used once by `product`: q k^T and the weights "
            "times v, tile by tile"
        )
    q, k, v = draw(2, 20, 3), draw(2, 24, 3), draw(2, 24, 2)
    product = CountedProduct()
    student.tiled_attention(q, k, v, False, 8, product)
    sides = [side for pair in product.shapes for shape in pair for side in shape[-2:]]
    assert sides, "tiled_attention must hand its product on to attend_in_tiles"
    assert max(sides) <= 8, "tiled_attention must work on tiles of tile_size queries and keys"


def check_attention_skips_the_future(student):
    """Keys that no query of a block may see cost nothing."""
    for T, m, position, t in ((4, 40, 3, 4), (4, 40, 10, 8), (3, 9, 2, 3)):
        rows, k, v = draw(T, 3), draw(m, 3), draw(m, 2)
        product = CountedProduct()
        student.attend_in_tiles(rows, k, v, position, t, product)
        seen = position + T
        needed = sum(position + r + 1 for r in range(T)) * 5
        assert needed <= product.multiplications() <= T * -(-seen // t) * t * 5, (
            "with a position, keys after the place of the block's last query must be left out, "
            "and all before it used"
        )


# Task 10: batches and Amdahl


def check_throughput(student):
    """Throughput is samples per second when one call follows the other."""
    for size, median_ms in ((1, 1.0), (8, 2.0), (64, 0.5), (3, 1500.0)):
        point = student.BatchPoint(size, median_ms, 2 * median_ms)
        assert math.isclose(point.samples_per_second, size / (median_ms / 1000)), (
            "samples_per_second must be batch_size samples in median_ms milliseconds, a second "
            "having 1000 of them"
        )


def check_batch_choice(student):
    """The point of the highest throughput within the bound is chosen, the smaller of equals."""
    make = student.BatchPoint
    points = [make(1, 1.0, 1.5), make(4, 2.0, 2.2), make(16, 4.0, 9.0), make(64, 30.0, 31.0)]
    for bound, expected in ((1.5, 1), (2.0, 1), (2.2, 4), (8.9, 4), (9.0, 16), (1000.0, 16)):
        for order in (points, points[::-1]):
            found = student.choose_batch_size(order, bound).batch_size
            assert found == expected, (
                "choose_batch_size must take the point of the highest throughput (not the largest "
                "batch) whose p90, not its median, is at most the bound, in whatever order they "
                "come"
            )
    equal = [make(8, 4.0, 5.0), make(2, 1.0, 5.0), make(4, 2.0, 5.0)]
    for order in itertools.permutations(equal):
        assert student.choose_batch_size(list(order), 6.0).batch_size == 2, (
            "of points with the same throughput the smallest batch must be chosen"
        )


def check_batch_errors(student):
    """No points, no bound and no point within it raise ValueError."""
    choose, points = student.choose_batch_size, [student.BatchPoint(1, 1.0, 1.5)]
    assert refuses(ValueError, choose, [], 5.0), "without points there is nothing to choose"
    assert refuses(ValueError, choose, points, 1.0), (
        "when no point is within the bound, choose_batch_size must raise ValueError"
    )
    for bound in (0.0, -1.0, math.nan):
        assert refuses(ValueError, choose, points, bound), (
            "a bound that is not above 0, NaN among them, must raise ValueError"
        )


def check_amdahl_speedup(student):
    """The speedup of the whole follows from the fraction and the factor, up to the limit."""
    rng = np.random.default_rng()
    for _ in range(10):
        fraction, factor = float(rng.uniform(0, 1)), float(rng.uniform(0.1, 50))
        found = student.amdahl_speedup(fraction, factor)
        assert math.isclose(found, 1 / ((1 - fraction) + fraction / factor)), (
            "amdahl_speedup must be 1 / ((1 - p) + p / k)"
        )
    assert math.isclose(student.amdahl_speedup(0.75, math.inf), 4), (
        "with an infinite factor the part takes no time: 1 / (1 - p)"
    )
    assert math.isclose(student.amdahl_speedup(1, 8), 8), "a whole that is all part gains k"
    assert math.isclose(student.amdahl_speedup(0, 8), 1), "without a part nothing changes"
    assert student.amdahl_speedup(1.0, math.inf) == math.inf, (
        "all of it infinitely fast is infinitely fast: math.inf, not an error"
    )
    for fraction, factor in ((-0.1, 2.0), (1.1, 2.0), (0.5, 0.0), (0.5, -1.0), (math.nan, 2.0)):
        assert refuses(ValueError, student.amdahl_speedup, fraction, factor), (
            "amdahl_speedup must raise ValueError unless 0 <= p <= 1 and k > 0"
        )


def check_amdahl_fraction(student):
    """The fraction explains the speedup, and arguments without an answer are refused."""
    rng = np.random.default_rng()
    for _ in range(10):
        fraction, factor = float(rng.uniform(0.05, 0.95)), float(rng.uniform(1.5, 50))
        speedup = 1 / ((1 - fraction) + fraction / factor)
        assert math.isclose(student.amdahl_fraction(speedup, factor), fraction, rel_tol=1e-6), (
            "amdahl_fraction must undo amdahl_speedup: (1 - 1/S) / (1 - 1/k)"
        )
    assert student.amdahl_fraction(0.8, 2) < 0, (
        "a whole that got slower has a fraction below 0: return it as it is"
    )
    assert math.isclose(student.amdahl_fraction(4.0, math.inf), 0.75), (
        "an infinite factor is allowed"
    )
    for speedup, factor in ((0.0, 2), (-1.0, 2), (math.inf, 2), (math.nan, 2), (2.0, 1), (2.0, 0)):
        assert refuses(ValueError, student.amdahl_fraction, speedup, factor), (
            "amdahl_fraction must raise ValueError unless the speedup is finite and above 0 and "
            "the factor is above 0 and not 1"
        )
