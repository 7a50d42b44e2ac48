"""Looking into a model while it runs: every layer's ``forward`` is wrapped, and put back.

``Module`` calls ``self.forward``, so a function of that name on the layer itself comes before the
one of its class; taken away again, nothing of it remains.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from tinytorch.core.autograd import no_grad
from tinytorch.core.module import Module


class Around(Protocol):
    """What is called in place of a layer's ``forward``, which it is given to call."""

    def __call__(
        self, name: str, layer: Module, forward: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        """Return the output of ``forward(*args, **kwargs)``."""


@contextmanager
def wrapped_forward(model: Module, around: Around) -> Iterator[None]:
    """Call ``around(name, layer, forward, ...)`` in place of each layer's ``forward``.

    The layers are the model, named "", and all below it by their dotted names.
    On leaving, also by an exception, every layer has the ``forward`` it had.
    Raises TypeError for what is no ``Module``.
    """
    layers = named_layers(model)
    before = [vars(layer).get("forward") for _, layer in layers]
    try:
        for name, layer in layers:
            vars(layer)["forward"] = partial(around, name, layer, layer.forward)
        yield
    finally:
        for (_, layer), own_forward in zip(layers, before, strict=True):
            if own_forward is None:
                vars(layer).pop("forward", None)
            else:
                vars(layer)["forward"] = own_forward


def named_layers(model: Module) -> list[tuple[str, Module]]:
    """Return (dotted name, layer) of the model, whose name is "", and of all layers below it.

    A layer that is held in two places is there once, under its first name.
    Raises TypeError for what is no ``Module``.

    >>> from tinytorch.core.layers import Linear, Sequential
    >>> [name for name, _ in named_layers(Sequential(Linear(2, 2), Linear(2, 1)))]
    ['', 'layers.0', 'layers.1']
    """
    if not isinstance(model, Module):
        raise TypeError(f"expected a Module to look into, got {type(model).__name__}")
    return model.named_modules()


@dataclass(eq=False)
class LayerCall:
    """One call of one layer: what went in and came out, and how long it took in ns.

    ``forward`` is the function that ran, ``inputs`` are its arguments, those by name at the end,
    ``children`` the calls that it made of other layers.
    """

    name: str
    layer: Module
    forward: Callable[..., Any]
    inputs: tuple[Any, ...]
    output: Any = None
    elapsed_ns: int = 0
    children: list["LayerCall"] = field(default_factory=list)  # noqa: UP037  (notebooks evaluate it)

    @property
    def own_ns(self) -> int:
        """Time in ns that was not spent in the layers below."""
        return self.elapsed_ns - sum(child.elapsed_ns for child in self.children)

    @property
    def label(self) -> str:
        """The name, or the kind of layer where it has none."""
        return self.name or type(self.layer).__name__


class Trace:
    """The calls of a forward pass in the order in which they began, an ``around`` that records.

    ``finished`` is called with each call when it ends, for what can only be asked then.

    >>> from tinytorch.core.layers import Linear, Sequential
    >>> model, trace = Sequential(Linear(2, 3), Linear(3, 1)), Trace()
    >>> with wrapped_forward(model, trace):
    ...     _ = model([[1.0, 2.0]])
    >>> [(call.label, call.output.shape) for call in trace.calls]
    [('Sequential', (1, 1)), ('layers.0', (1, 3)), ('layers.1', (1, 1))]
    """

    def __init__(self, finished: Callable[[LayerCall], None] | None = None) -> None:
        self.calls: list[LayerCall] = []
        self._running: list[LayerCall] = []
        self._finished = finished

    def __call__(
        self, name: str, layer: Module, forward: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        call = LayerCall(name, layer, forward, (*args, *kwargs.values()))
        if self._running:
            self._running[-1].children.append(call)
        self.calls.append(call)
        self._running.append(call)
        start = time.perf_counter_ns()
        try:
            call.output = forward(*args, **kwargs)
        finally:
            call.elapsed_ns = time.perf_counter_ns() - start
            self._running.pop()
        if self._finished is not None:
            self._finished(call)
        return call.output


@contextmanager
def inference(*models: Any) -> Iterator[None]:
    """Run models as in use: nothing is recorded for gradients, dropout and the like are off.

    On leaving, every layer is back in the mode it was in.
    What is no ``Module`` has no mode and is let be.
    """
    layers = [layer for model in models if isinstance(model, Module) for layer in model.modules()]
    modes = [layer.training for layer in layers]
    try:
        for layer in layers:
            layer.training = False
        with no_grad():
            yield
    finally:
        for layer, mode in zip(layers, modes, strict=True):
            layer.training = mode
