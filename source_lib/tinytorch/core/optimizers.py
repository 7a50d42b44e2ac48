"""Gradient descent, Adam and AdamW, with the semantics of PyTorch, updating parameters in place."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from tinytorch.core.autograd import Array
from tinytorch.core.tensor import Tensor


class Optimizer:
    """Base: holds the parameters; a subclass defines how one of them is updated.

    A parameter without a gradient is skipped and its state stays as it is.
    Raises ValueError for no parameters at all, the same one twice or a learning rate that is
    not positive and finite, TypeError for a parameter that is no tensor requiring a gradient.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("expected at least one parameter to optimise, got none")
        for position, parameter in enumerate(self.parameters):
            if not isinstance(parameter, Tensor) or not parameter.requires_grad:
                raise TypeError(f"expected parameter {position} to be a tensor requiring grad")
        if len({id(parameter) for parameter in self.parameters}) < len(self.parameters):
            raise ValueError("expected each parameter once, got one twice")
        self.lr = _checked("lr", lr, lr > 0, "above 0")

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for position, parameter in enumerate(self.parameters):
            if parameter.grad is not None:
                self._update(position, parameter.data, parameter.grad)

    def zero_grad(self) -> None:
        """Forget the gradients of the parameters."""
        for parameter in self.parameters:
            parameter.grad = None

    def _update(self, position: int, data: Array, grad: Array) -> None:
        raise NotImplementedError(f"{type(self).__name__} defines no _update()")


class SGD(Optimizer):
    """Gradient descent: d = g + weight_decay p, v = momentum v + d, p = p - lr v.

    The velocity v starts as the first d (PyTorch, not Sutskever et al. 2013, whose velocity
    contains lr).
    Raises ValueError for a momentum outside [0, 1) or a negative weight_decay.

    >>> p = Tensor([1.0], requires_grad=True)
    >>> (p * p).sum().backward()
    >>> SGD([p], lr=0.25).step()
    >>> p.item()
    0.5
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        self.momentum = _checked("momentum", momentum, 0 <= momentum < 1, "in [0, 1)")
        self.weight_decay = _checked("weight_decay", weight_decay, weight_decay >= 0, "at least 0")
        self._velocity: dict[int, Array] = {}

    def _update(self, position: int, data: Array, grad: Array) -> None:
        direction = grad + self.weight_decay * data if self.weight_decay else grad
        if self.momentum:
            velocity = self._velocity.get(position)
            if velocity is None:
                velocity = self._velocity[position] = direction.copy()
            else:
                velocity *= self.momentum
                velocity += direction
            direction = velocity
        data -= self.lr * direction


class Adam(Optimizer):
    """Adam: steps of about lr, scaled by running means m of g and v of g squared.

    With t counting this parameter's updates,
    p = p - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps).
    Source: Kingma and Ba 2015, Adam: A Method for Stochastic Optimization, algorithm 1.
    Raises ValueError for betas outside [0, 1) or an eps that is not positive.

    >>> p = Tensor([1.0], requires_grad=True)
    >>> (p * p).sum().backward()
    >>> Adam([p], lr=0.25).step()
    >>> p.item()
    0.75
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(parameters, lr)
        self.betas = tuple(_checked("beta", beta, 0 <= beta < 1, "in [0, 1)") for beta in betas)
        self.eps = _checked("eps", eps, eps > 0, "above 0")
        # position -> (updates so far, m, v, room for intermediate results)
        self._state: dict[int, tuple[int, Array, Array, Array]] = {}

    def _update(self, position: int, data: Array, grad: Array) -> None:
        if position not in self._state:
            zeros = (np.zeros_like(data), np.zeros_like(data), np.empty_like(data))
            self._state[position] = (0, *zeros)
        t, m, v, work = self._state[position]
        t += 1
        self._state[position] = (t, m, v, work)
        beta1, beta2 = self.betas
        m *= beta1
        m += np.multiply(grad, 1 - beta1, out=work)
        v *= beta2
        np.multiply(grad, grad, out=work)
        work *= 1 - beta2
        v += work
        # The same formula in one array, since allocating would cost more than the arithmetic.
        np.sqrt(v, out=work)
        work /= math.sqrt(1 - beta2**t)
        work += self.eps
        np.divide(m, work, out=work)
        work *= self.lr / (1 - beta1**t)
        data -= work


class AdamW(Adam):
    """Adam with decoupled weight decay: p = p - lr weight_decay p before each step of Adam.

    Decay that joined the gradient would be divided by sqrt(v) like it, and so would hardly touch
    the weights with large gradients.
    Source: Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization, algorithm 2.
    Raises ValueError as Adam does and for a negative weight_decay.

    >>> p = Tensor([1.0], requires_grad=True)
    >>> (p * p).sum().backward()
    >>> AdamW([p], lr=0.25, weight_decay=1.0).step()
    >>> p.item()
    0.5
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(parameters, lr, betas, eps)
        self.weight_decay = _checked("weight_decay", weight_decay, weight_decay >= 0, "at least 0")

    def _update(self, position: int, data: Array, grad: Array) -> None:
        data *= 1 - self.lr * self.weight_decay
        super()._update(position, data, grad)


def _checked(name: str, value: float, fits: bool, expected: str) -> float:
    """Return ``value`` when it is finite and ``fits``; a NaN fits no comparison."""
    if not (fits and math.isfinite(value)):
        raise ValueError(f"expected a finite {name} {expected}, got {value}")
    return value
