"""Dropout: a layer that forgets random elements while training, so that none becomes crucial."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.init import default_generator
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor, as_tensor


class Dropout(Module):
    """While training each element is 0 with probability ``p``, and else divided by 1 - p.

    The division keeps the expectation, so that nothing has to be scaled after training, when the
    layer returns its input (``eval()`` says that training is over).
    Source: Srivastava et al. 2014, Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting, section 10 (the scaling while training).
    Raises ValueError for a ``p`` outside [0, 1).

    >>> layer = Dropout(0.5, rng=np.random.default_rng(0))
    >>> layer(np.ones(4)).numpy(), layer.eval()(np.ones(4)).numpy()
    (array([2., 2., 2., 0.], dtype=float32), array([1., 1., 1., 1.], dtype=float32))
    """

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | None = None) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"expected p in [0, 1), got {p}")
        self.p = p
        self.rng = rng

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return x with random elements dropped in training mode, else x itself."""
        x = as_tensor(x)
        if not self.training or self.p == 0:
            return x
        rng = default_generator() if self.rng is None else self.rng
        kept = rng.random(x.shape, dtype=np.float32) >= self.p
        return x * (kept / np.float32(1 - self.p))

    def __repr__(self) -> str:
        return f"Dropout({self.p})"
