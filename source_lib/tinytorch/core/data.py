"""Data in batches: a data set gives samples by number, a loader gives shuffled batches of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.autograd import Array
from tinytorch.core.checks import checked_size
from tinytorch.core.tensor import Tensor

Batch = tuple[Array, ...]


class Dataset:
    """Base: a subclass defines ``len()`` and the sample (a tuple of arrays) of each number."""

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} defines no __len__()")

    def __getitem__(self, index: Any) -> Batch:
        raise NotImplementedError(f"{type(self).__name__} defines no __getitem__()")

    def batch(self, rows: Array) -> Batch:
        """Return the samples of the integers ``rows`` (B,), each part stacked to (B, ...)."""
        samples = [self[int(row)] for row in rows]
        return tuple(np.stack(parts) for parts in zip(*samples, strict=True))


class TensorDataset(Dataset):
    """Arrays or tensors of one length N: sample i is row i of each.

    Raises ValueError for no arrays, one without axes, or lengths that differ.

    >>> data = TensorDataset(np.eye(3), [7, 8, 9])
    >>> len(data), data[1]
    (3, (array([0., 1., 0.]), np.int64(8)))
    """

    def __init__(self, *arrays: Tensor | ArrayLike) -> None:
        self.arrays = tuple(a.data if isinstance(a, Tensor) else np.asarray(a) for a in arrays)
        shapes = [array.shape for array in self.arrays]
        if not shapes or () in shapes or len({shape[0] for shape in shapes}) > 1:
            raise ValueError(f"expected arrays (N, ...) of one length N, got shapes {shapes}")

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: Any) -> Batch:
        """Return the rows that ``index`` (a number, a slice, an array) names, of every array."""
        return tuple(array[index] for array in self.arrays)

    def batch(self, rows: Array) -> Batch:
        """Return the rows (B, ...) of every array, read at once."""
        return self[rows]


class DataLoader:
    """The batches of a data set: each pass over it is one epoch, in a new order when shuffled.

    A batch is a tuple of NumPy arrays (B, ...), so that labels and tokens stay integers; the last
    one is smaller when batch_size does not divide the length, or left out with ``drop_last``.
    ``seed`` fixes the orders of all epochs.
    Raises TypeError or ValueError for a batch_size that is no positive integer.

    >>> loader = DataLoader(TensorDataset([10, 20, 30]), batch_size=2)
    >>> [batch.tolist() for (batch,) in loader], len(loader)
    ([[10, 20], [30]], 2)
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 32,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int = 0,
    ) -> None:
        self.dataset = dataset
        self.batch_size = checked_size("batch_size", batch_size)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        extra = 0 if self.drop_last else self.batch_size - 1
        return (len(self.dataset) + extra) // self.batch_size

    def __iter__(self) -> Iterator[Batch]:
        N = len(self.dataset)
        order = self._rng.permutation(N) if self.shuffle else np.arange(N)  # (N,)
        for number in range(len(self)):
            start = number * self.batch_size
            yield self.dataset.batch(order[start : start + self.batch_size])
