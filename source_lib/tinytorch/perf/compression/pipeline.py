"""Several techniques one after the other, with what each of them did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    current = replace_layers(model, lambda name, module: module)
    steps = [_step("original", None, current)]
    for name, setting in config.items():
        function, keyword = STEPS[name]
        arguments = dict(setting) if isinstance(setting, Mapping) else {keyword: setting}
        if name == "fine_tune":
            arguments = {"X": X, "y": y, **arguments}
        current = function(current, **arguments)
        steps.append(_step(name, setting, current))
    return CompressedModel(current, steps)


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


def _step(name: str, setting: Any, model: Module) -> CompressionStep:
    return CompressionStep(name, setting, model.size_bytes(), measure_sparsity(model))
