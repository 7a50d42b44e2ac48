"""The rule of each kind of layer: how much work one call of it is.

A layer without a rule is refused, since a guess would look like a measurement in every table that
it reaches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.activations import GELU, ReLU, Sigmoid, Softmax, Tanh
from tinytorch.core.attention import MultiHeadAttention
from tinytorch.core.conv import Conv2d, Flatten, MaxPool2d
from tinytorch.core.dropout import Dropout
from tinytorch.core.embedding import Embedding
from tinytorch.core.layers import Linear
from tinytorch.core.module import Module
from tinytorch.core.normalization import LayerNorm
from tinytorch.core.tensor import Tensor
from tinytorch.core.transformer import GPT, TransformerBlock
from tinytorch.perf.arrays import only_passes_on
from tinytorch.perf.profiling.flops import (
    attention_product_flops,
    conv2d_flops,
    layer_norm_flops,
    linear_flops,
    softmax_flops,
)
from tinytorch.perf.profiling.hooks import LayerCall
from tinytorch.perf.profiling.work import Work, bytes_moved

Rule = Callable[[Any, tuple[Any, ...], Any], Work]


def register_flops(layer_type: type[Module], rule: Rule) -> None:
    """Let the profiler count layers of ``layer_type`` by ``rule(layer, inputs, output) -> Work``.

    ``inputs`` are the arguments of ``forward``, ``output`` is what it returned; the rule counts
    what the layer does beside the layers below it, and ``bytes_moved(layer, inputs, output)``
    gives the bytes of the usual case.
    A subclass that has a ``forward`` of its own needs a rule of its own.
    A layer can also count itself: its class defines ``count_operations(inputs, output)``, which
    returns the operations of matrix products and the others.
    Raises TypeError unless layer_type is a subclass of ``Module`` and rule is callable.

    >>> class Double(Module):
    ...     def forward(self, x):
    ...         return x + x
    >>> register_flops(Double, lambda layer, inputs, output: Work(
    ...     products=0, others=output.size, bytes_moved=bytes_moved(layer, inputs, output)))
    """
    if not (isinstance(layer_type, type) and issubclass(layer_type, Module)):
        raise TypeError(f"expected a subclass of Module to register, got {layer_type!r}")
    if not callable(rule):
        raise TypeError(f"expected a rule to call, got {type(rule).__name__}")
    _rules[layer_type] = rule


def own_work(call: LayerCall) -> Work:
    """Return what the layer of a finished call did itself.

    Without a rule, a layer has done nothing if it only passed arrays on: from its inputs to the
    layers below, from them to each other and to its output, as they were or as views; a
    change in place would not be seen.
    Raises TypeError for a layer that has no rule and did more than that.
    """
    rule = _rule_of(call)
    if rule is not None:
        return rule(call.layer, call.inputs, call.output)
    if only_passes_on(call):
        return Work(0, 0, 0)
    kind = type(call.layer).__name__
    raise TypeError(
        f"no rule counts what {kind} ({call.label!r}) computes; tell it by "
        f"tinytorch.perf.profiling.register_flops({kind}, rule)"
    )


def _rule_of(call: LayerCall) -> Rule | None:
    """The rule of the layer's class, or of the one that its ``forward`` is inherited from."""
    kind = type(call.layer)
    if getattr(call.forward, "__func__", None) is not kind.forward:
        return None  # another function has been put on this one layer
    for base in kind.__mro__:
        if base in _rules:
            return _rules[base]
        if "count_operations" in vars(base):
            return _told_by_layer
        if "forward" in vars(base):
            return None
    return None


def _told_by_layer(layer: Any, inputs: tuple[Any, ...], output: Tensor) -> Work:
    """The work of a layer whose class counts it: products and other operations."""
    products, others = layer.count_operations(inputs, output)
    return Work(products, others, bytes_moved(layer, inputs, output))


def elementwise_work(per_element: int) -> Rule:
    def rule(layer: Module, inputs: tuple[Any, ...], output: Tensor) -> Work:
        return Work(0, per_element * output.size, bytes_moved(layer, inputs, output))

    return rule


def linear_work(layer: Linear, inputs: tuple[Any, ...], output: Tensor) -> Work:
    """Return the work of one call of a linear layer, which has a bias or none.

    >>> x = Tensor(np.ones((4, 10)))
    >>> linear_work(layer := Linear(10, 3), (x,), layer(x))
    Work(products=240, others=12, bytes_moved=340)
    """
    rows = output.size // layer.out_features
    products = linear_flops(rows, layer.in_features, layer.out_features, bias=False)
    additions = output.size if layer.bias is not None else 0
    return Work(products, additions, bytes_moved(layer, inputs, output))


def conv2d_work(layer: Conv2d, inputs: tuple[Any, ...], output: Tensor) -> Work:
    products = conv2d_flops(output.size, layer.in_channels, layer.kernel_size, bias=False)
    additions = output.size if layer.bias is not None else 0
    return Work(products, additions, bytes_moved(layer, inputs, output))


def max_pool2d_work(layer: MaxPool2d, inputs: tuple[Any, ...], output: Tensor) -> Work:
    comparisons = output.size * (layer.kernel_size**2 - 1)
    return Work(0, comparisons, bytes_moved(layer, inputs, output))


def gelu_work(layer: GELU, inputs: tuple[Any, ...], output: Tensor) -> Work:
    # x/2 (1 + erf(x/sqrt(2))), or x/2 (1 + tanh(a (x + b x^3))) with x^3 as two products.
    per_element = 5 if layer.approximate == "none" else 9
    return Work(0, per_element * output.size, bytes_moved(layer, inputs, output))


def softmax_work(layer: Softmax, inputs: tuple[Any, ...], output: Tensor) -> Work:
    width = output.shape[layer.axis]
    rows = output.size // max(width, 1)
    return Work(0, softmax_flops(rows, width), bytes_moved(layer, inputs, output))


def layer_norm_work(layer: LayerNorm, inputs: tuple[Any, ...], output: Tensor) -> Work:
    rows = output.size // layer.dim
    return Work(0, layer_norm_flops(rows, layer.dim), bytes_moved(layer, inputs, output))


def embedding_work(layer: Embedding, inputs: tuple[Any, ...], output: Tensor) -> Work:
    # Only the rows looked up are read, and written again.
    indices = np.asarray(inputs[0]).nbytes
    return Work(0, 0, indices + 2 * output.data.nbytes)


def dropout_work(layer: Dropout, inputs: tuple[Any, ...], output: Tensor) -> Work:
    if output is inputs[0]:
        return Work(0, 0, 0)
    # A comparison, a division of the mask and a product for each element.
    return Work(0, 3 * output.size, bytes_moved(layer, inputs, output))


def attention_work(layer: MultiHeadAttention, inputs: tuple[Any, ...], output: Tensor) -> Work:
    """The scores, their softmax and the weighted sum; the projections are layers of their own.

    With a cache, the keys are those it holds and the new ones, which it has not counted yet.
    """
    B, T, d = output.shape
    past = sum(value.length for value in inputs if hasattr(value, "length"))
    return heads_work(B, layer.num_heads, T, past + T, d // layer.num_heads)


def heads_work(batch: int, heads: int, queries: int, keys: int, head_dim: int) -> Work:
    """Return the work of softmax(q k^T / sqrt(D)) v in float32.

    q is (batch, heads, queries, head_dim), k and v are (batch, heads, keys, head_dim).
    ``products`` are the two matrix products; ``others`` the scaling of q, one operation for each of
    its numbers, and the softmax of its rows; the bytes are those of q, k, v and the result, each
    once: the scores need not leave the cache.

    >>> heads_work(batch=1, heads=2, queries=3, keys=5, head_dim=4)
    Work(products=480, others=162, bytes_moved=512)
    """
    products = attention_product_flops(batch, heads, queries, keys, head_dim)
    queried, kept = (batch * heads * length * head_dim for length in (queries, keys))
    others = queried + softmax_flops(batch * heads * queries, keys)
    return Work(products, others, 4 * (2 * queried + 2 * kept))


def block_work(layer: TransformerBlock, inputs: tuple[Any, ...], output: Tensor) -> Work:
    # Two additions to the residual stream, each of two arrays into a third.
    return Work(0, 2 * output.size, 6 * output.data.nbytes)


def gpt_work(layer: GPT, inputs: tuple[Any, ...], output: Tensor) -> Work:
    # The sum of the two embeddings: (B, T, d) and the (T, d) of the positions.
    B, T = output.shape[:2]
    summed = B * T * layer.embed_dim
    return Work(0, summed, (2 * summed + T * layer.embed_dim) * output.data.itemsize)


def flatten_work(layer: Flatten, inputs: tuple[Any, ...], output: Tensor) -> Work:
    # Of an array that lies in another order the elements are copied.
    copied = not np.may_share_memory(inputs[0].data, output.data)
    return Work(0, 0, 2 * output.data.nbytes if copied else 0)


_rules: dict[type[Module], Rule] = {
    Linear: linear_work,
    Conv2d: conv2d_work,
    MaxPool2d: max_pool2d_work,
    Flatten: flatten_work,
    ReLU: elementwise_work(1),  # max(x, 0)
    Sigmoid: elementwise_work(4),  # 1 / (1 + exp(-x))
    Tanh: elementwise_work(1),
    GELU: gelu_work,
    Softmax: softmax_work,
    LayerNorm: layer_norm_work,
    Embedding: embedding_work,
    Dropout: dropout_work,
    MultiHeadAttention: attention_work,
    TransformerBlock: block_work,
    GPT: gpt_work,
}
