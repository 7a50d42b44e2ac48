"""``Module``: the base of every layer and model.

A module finds its tensors and submodules among its attributes, also inside lists, tuples and
dicts; nothing has to be registered.
As in PyTorch, its own tensors come before those of its submodules, each group in the order in
which the attributes were set.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from tinytorch.core.autograd import Array
from tinytorch.core.tensor import Tensor


class Module:
    """Base class: subclasses set attributes in ``__init__`` and define ``forward``.

    Parameters are the tensors that require a gradient.
    The state, which is saved and counted in bytes, is every tensor held, frozen ones included,
    and the arrays named by ``buffers``.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Tensor([2.0], requires_grad=True)
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> Scale()(Tensor([3.0])).item(), Scale().count_parameters(), Scale().size_bytes()
    (6.0, 1, 4)
    """

    training: bool = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def buffers(self) -> dict[str, Array]:
        """Return the arrays this layer itself holds beside tensors: packed weights, statistics.

        Empty unless a layer overrides it; loading a state writes into the arrays returned.
        """
        return {}

    def modules(self) -> list[Module]:
        """Return this module and all below it, each once, parents first."""
        return [module for _, module in _walk(self)]

    def named_modules(self) -> list[tuple[str, Module]]:
        """Return (dotted name, module) of this module, named "", and of all below it, each once."""
        return [(prefix.removesuffix("."), module) for prefix, module in _walk(self)]

    def named_parameters(self) -> list[tuple[str, Tensor]]:
        """Return (dotted name, tensor) of each parameter, a shared one under its first name."""
        return [(name, tensor) for name, tensor in _tensors(self) if tensor.requires_grad]

    def parameters(self) -> list[Tensor]:
        """Return the tensors that require a gradient, each once even if shared."""
        return [tensor for _, tensor in self.named_parameters()]

    @property
    def packed_parameters(self) -> int:
        """How many numbers this module itself holds in place of weights, such as int8 codes."""
        return 0

    def count_parameters(self) -> int:
        """Return the number of weights: elements of parameters, and what stands packed for them.

        Shared ones are counted once.
        """
        packed = sum(module.packed_parameters for module in self.modules())
        return packed + sum(tensor.size for tensor in self.parameters())

    def size_bytes(self) -> int:
        """Return the bytes of the state held, shared tensors counted once."""
        return sum(array.nbytes for array in _state(self).values())

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for tensor in self.parameters():
            tensor.grad = None

    def train(self, mode: bool = True) -> Self:
        """Set ``training`` here and below, for layers that act differently in training."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set ``training`` to False here and below."""
        return self.train(False)

    def state_dict(self) -> dict[str, Array]:
        """Return a copy of every array of the state under its dotted name."""
        return {name: array.copy() for name, array in _state(self).items()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Copy ``state`` into this module's arrays; all of it fits, or nothing is changed.

        Raises KeyError for missing or unexpected names, ValueError for a wrong shape, TypeError
        for a wrong dtype.
        """
        held = _state(self)
        missing, unexpected = sorted(held.keys() - state.keys()), sorted(state.keys() - held.keys())
        if missing or unexpected:
            raise KeyError(f"state does not fit: missing {missing}, unexpected {unexpected}")
        for name, array in held.items():
            given = np.asarray(state[name])
            if given.shape != array.shape:
                raise ValueError(f"expected {name} of shape {array.shape}, got {given.shape}")
            if given.dtype != array.dtype:
                raise TypeError(f"expected {name} of dtype {array.dtype}, got {given.dtype}")
        for name, array in held.items():
            np.copyto(array, state[name])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state as an npz file to exactly ``path``, replacing it only when complete."""
        target = Path(path)
        # Beside the target, since os.replace is atomic only within one file system.
        partial = target.with_name(f".{target.name}.{os.urandom(4).hex()}.partial")
        try:
            with partial.open("xb") as file:
                _write_npz(file, _state(self))
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read the state that ``save`` wrote.

        Raises ValueError for a file that is no npz or is damaged or holds pickles, and what
        ``load_state_dict`` raises for one that does not fit.
        """
        if not zipfile.is_zipfile(Path(path).resolve(strict=True)):
            raise ValueError(f"expected an npz file written by save(), got {os.fspath(path)!r}")
        try:
            with np.load(path, allow_pickle=False) as archive:
                state = {name: archive[name] for name in archive.files}
        except (zipfile.BadZipFile, zlib.error, ValueError, EOFError) as error:
            raise ValueError(f"{os.fspath(path)!r} cannot be read as npz: {error}") from error
        self.load_state_dict(state)


def _write_npz(file: Any, arrays: Mapping[str, Array]) -> None:
    """Write arrays as np.savez does.

    Not np.savez itself, which refuses an array named "file" or "allow_pickle" and stamps the
    time; here equal weights give equal bytes.
    """
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _state(root: Module) -> dict[str, Array]:
    """Return the arrays themselves, not copies, of all tensors and buffers."""
    arrays: dict[str, Array] = {name: tensor.data for name, tensor in _tensors(root)}
    for prefix, module in _walk(root):
        arrays.update({prefix + name: array for name, array in module.buffers().items()})
    return arrays


def _tensors(root: Module) -> Iterator[tuple[str, Tensor]]:
    """Yield (dotted name, tensor) of every tensor held, each once."""
    seen: set[int] = set()
    for prefix, module in _walk(root):
        for name, value in _attributes(module):
            if isinstance(value, Tensor) and id(value) not in seen:
                seen.add(id(value))
                yield prefix + name, value


def checked_module(name: str, value: Any) -> Module:
    """Return ``value`` if it is a Module.

    Raises TypeError for anything else, by ``name``.

    >>> checked_module("model", Module()).training
    True
    """
    if not isinstance(value, Module):
        raise TypeError(f"expected a Module as {name}, got {type(value).__name__}")
    return value


def _walk(root: Module) -> Iterator[tuple[str, Module]]:
    """Yield (prefix of names, module) depth first, each module once, so cycles end."""
    seen: set[int] = set()
    stack: list[tuple[str, Module]] = [("", root)]
    while stack:
        prefix, module = stack.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        yield prefix, module
        below = [(n, v) for n, v in _attributes(module) if isinstance(v, Module)]
        stack.extend((f"{prefix}{name}.", value) for name, value in reversed(below))


def _attributes(module: Module) -> Iterator[tuple[str, Any]]:
    """Yield (name, value) of the attributes, with the items of containers as name.index."""
    stack: list[tuple[str, Any]] = list(reversed(vars(module).items()))
    while stack:
        name, value = stack.pop()
        if isinstance(value, list | tuple):
            stack.extend((f"{name}.{i}", value[i]) for i in reversed(range(len(value))))
        elif isinstance(value, dict):
            stack.extend((f"{name}.{key}", item) for key, item in reversed(value.items()))
        else:
            yield name, value
