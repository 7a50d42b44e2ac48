"""How many floating-point operations the formulas of the layers take.

One operation is one addition, subtraction, multiplication, division, comparison or one value of an
elementary function (exp, tanh, erf, sqrt); a multiplication and the addition of its result are
two, as vendors count when they state the peak of a processor.
It is the formula that is counted: how many instructions a library needs for an exp is its affair.
"""

from __future__ import annotations


def linear_flops(rows: int, in_features: int, out_features: int, bias: bool = True) -> int:
    """Return the operations of x W + b for x of (rows, in_features).

    Each of the rows x out_features results takes in_features multiplications and as many
    additions, and one more addition for the bias.

    >>> linear_flops(rows=1, in_features=784, out_features=10)
    15690
    """
    per_result = 2 * in_features + (1 if bias else 0)
    return rows * out_features * per_result


def conv2d_flops(results: int, in_channels: int, kernel_size: int, bias: bool = True) -> int:
    """Return the operations of a convolution with ``results`` numbers in its output.

    ``results`` is batch x out_channels x height x width of the output; each takes one
    multiplication and one addition per weight of its kernel, in_channels x kernel_size^2, and one
    more addition for the bias.

    >>> conv2d_flops(results=8 * 26 * 26, in_channels=1, kernel_size=3)
    102752
    """
    per_result = 2 * in_channels * kernel_size**2 + (1 if bias else 0)
    return results * per_result


def softmax_flops(rows: int, width: int) -> int:
    """Return the operations of the stable softmax of ``rows`` rows of ``width`` numbers.

    Per row: width - 1 comparisons for the largest, width subtractions, width exponentials,
    width - 1 additions and width divisions.

    >>> softmax_flops(rows=1, width=10)
    48
    """
    return rows * (5 * width - 2)


def layer_norm_flops(rows: int, width: int) -> int:
    """Return the operations of layer normalisation of ``rows`` rows of ``width`` numbers.

    Per row: the mean (width), its subtraction (width), the sum of squares (2 width); four for
    the division, the addition of eps, the root and the inverse; then for each number the products
    with the inverse and the weight and the addition of the bias (3 width).

    >>> layer_norm_flops(rows=1, width=64)
    452
    """
    return rows * (7 * width + 4)


def attention_product_flops(batch: int, heads: int, queries: int, keys: int, head_dim: int) -> int:
    """Return the operations of the two matrix products of attention, q k^T and P v.

    Each is 2 x queries x keys x head_dim for every head of every sequence; products that a causal
    mask discards are counted, since they are computed.

    >>> attention_product_flops(batch=1, heads=4, queries=16, keys=16, head_dim=8)
    32768
    """
    return 4 * batch * heads * queries * keys * head_dim
