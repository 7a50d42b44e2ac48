"""Several techniques one after the other, with what each of them did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from tinytorch.core.module import Module
from tinytorch.perf.compression.finetuning import fine_tune
from tinytorch.perf.compression.lowrank import low_rank_model
from tinytorch.perf.compression.magnitude import magnitude_prune
from tinytorch.perf.compression.sparse_linear import to_sparse
from tinytorch.perf.compression.sparsity import measure_sparsity
from tinytorch.perf.compression.structured import structured_prune
from tinytorch.perf.quantization.model import quantize_model
from tinytorch.perf.rewrite import replace_layers

Step = tuple[str, Any, Callable[[Module], Module]]


class CompressionStep(NamedTuple):
    """The model after one step: its size, and the part of its weights that are 0."""

    name: str
    setting: Any
    size_bytes: int
    sparsity: float


class CompressedModel(NamedTuple):
    """The model that came out, and the steps; the first is the model as it was."""

    model: Module
    steps: list[CompressionStep]

    @property
    def compression_ratio(self) -> float:
        """Bytes of the model as it was / bytes of the model that came out."""
        return self.steps[0].size_bytes / self.steps[-1].size_bytes


def compress_model(
    model: Module,
    config: Mapping[str, Any],
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
) -> CompressedModel:
    """Apply the steps of ``config`` in their order to a copy of ``model``.

    Each key is a step, its value the setting:
    "structured_prune" and "low_rank" a ratio, "magnitude_prune" a sparsity, "fine_tune" a number of
    epochs on ``X`` (N, ...) and ``y`` (N,), "quantize" bits, "sparse" a layout.
    A value may be a dictionary of keyword arguments of the function behind the step instead:
    ``structured_prune``, ``low_rank_model``, ``magnitude_prune``, ``fine_tune``,
    ``quantize_model``, ``to_sparse``.
    Whether the sizes multiply is what the steps show: pruning alone changes no byte.
    Raises ValueError for an unknown step or none, and for fine-tuning without data.

    >>> from tinytorch.core.layers import Linear
    >>> result = compress_model(Linear(128, 128), {"magnitude_prune": 0.75, "sparse": "csr"})
    >>> [(step.name, step.size_bytes) for step in result.steps]
    [('original', 66048), ('magnitude_prune', 66048), ('sparse', 33796)]
    """
    unknown = sorted(set(config) - STEPS.keys())
    if unknown or not config:
        words = ", ".join(STEPS)
        raise ValueError(f"expected steps among {words}, got {unknown or 'none'}")
    if "fine_tune" in config and (X is None or y is None):
        raise ValueError("expected X and y to fine-tune on, got none")
    steps: list[Step] = []
    for name, setting in config.items():
        function, keyword = STEPS[name]
        arguments = dict(setting) if isinstance(setting, Mapping) else {keyword: setting}
        if name == "fine_tune":
            arguments = {"X": X, "y": y, **arguments}
        steps.append((name, setting, partial(function, **arguments)))
    return apply_steps(model, steps)


def apply_steps(model: Module, steps: Sequence[Step]) -> CompressedModel:
    """Call the function of each (name, setting, function) in turn, on a copy of ``model``.

    Each function takes a model and returns the one to go on with, which may be the same.
    What is noted of a model are its ``size_bytes()`` and ``measure_sparsity``, at the start under
    the name "original" with None as the setting, and again after each function.

    >>> from tinytorch.core.layers import Linear
    >>> def halve(layer):
    ...     layer.weight.data[::2] = 0
    ...     return layer
    >>> model = Linear(4, 2, bias=False)
    >>> result = apply_steps(model, [("zeros", 0.5, halve)])
    >>> [(step.name, step.size_bytes, step.sparsity) for step in result.steps]
    [('original', 32, 0.0), ('zeros', 32, 0.5)]
    """
    current = replace_layers(model, lambda name, layer: layer)  # a deep copy
    done = [CompressionStep("original", None, current.size_bytes(), measure_sparsity(current))]
    for name, setting, function in steps:
        current = function(current)
        noted = CompressionStep(name, setting, current.size_bytes(), measure_sparsity(current))
        done.append(noted)
    return CompressedModel(current, done)


def _fine_tuned(model: Module, **arguments: Any) -> Module:
    fine_tune(model, **arguments)
    return model


# The function of each step and the argument that a bare setting is.
STEPS: dict[str, tuple[Callable[..., Module], str]] = {
    "structured_prune": (structured_prune, "prune_ratio"),
    "low_rank": (low_rank_model, "rank_ratio"),
    "magnitude_prune": (magnitude_prune, "sparsity"),
    "fine_tune": (_fine_tuned, "epochs"),
    "quantize": (quantize_model, "bits"),
    "sparse": (to_sparse, "layout"),
}
