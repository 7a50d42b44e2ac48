"""Laws of the loaders: every sample once an epoch, in the order that the seed says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core.data import DataLoader, Dataset, TensorDataset
from tinytorch.core.tensor import Tensor


class Squares(Dataset):
    """Samples made one by one."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return np.full(2, index), np.int64(index**2)


@given(st.integers(1, 20), st.integers(1, 25), st.booleans(), st.booleans())
def test_every_sample_comes_once_an_epoch(N, batch_size, shuffle, drop_last):
    """Batches are full but for the last, which may be left out; rows stay together."""
    data = TensorDataset(np.arange(N), np.arange(N) * 10)
    loader = DataLoader(data, batch_size, shuffle=shuffle, drop_last=drop_last)
    batches = list(loader)
    assert len(batches) == len(loader)
    rows = np.concatenate([np.zeros(0, int), *[first for first, _ in batches]])
    for first, second in batches:
        np.testing.assert_array_equal(second, first * 10)
    expected = N - N % batch_size if drop_last else N
    assert len(set(rows.tolist())) == len(rows) == expected
    if not shuffle:
        assert rows.tolist() == list(range(expected))


def test_the_seed_fixes_the_orders_of_all_epochs():
    """Epochs differ from each other, and repeat with the seed."""

    def epochs(seed):
        loader = DataLoader(TensorDataset(np.arange(50)), 50, shuffle=True, seed=seed)
        return [next(iter(loader))[0].tolist() for _ in range(2)]

    first, second = epochs(0)
    assert first != second
    assert epochs(0) == [first, second]
    assert epochs(1) != [first, second]


def test_samples_of_any_data_set_are_stacked():
    """A data set defines its length and one sample; parts keep their dtypes."""
    (X, y), *rest = DataLoader(Squares(), batch_size=3)
    np.testing.assert_array_equal(X, [[0, 0], [1, 1], [2, 2]])
    assert y.tolist() == [0, 1, 4]
    assert (y.dtype, len(rest)) == (np.int64, 1)


def test_tensors_arrays_and_lists_are_rows():
    """A tensor's data is shared; numbers and slices index all parts alike."""
    x = Tensor(np.eye(3))
    data = TensorDataset(x, [7, 8, 9])
    assert data.arrays[0] is x.data
    assert [part.tolist() for part in data[:2]] == [[[1, 0, 0], [0, 1, 0]], [7, 8]]


@pytest.mark.parametrize("arrays", [(), (3.0,), ([1, 2], [1, 2, 3]), ([1], 2.0)])
def test_arrays_of_no_common_length_are_refused(arrays):
    """None at all, scalars and different lengths are named by their shapes."""
    with pytest.raises(ValueError, match="of one length N, got shapes"):
        TensorDataset(*arrays)


def test_other_refusals():
    """Batches hold at least one sample; the base class has none."""
    with pytest.raises(ValueError, match="batch_size of at least 1"):
        DataLoader(Squares(), 0)
    with pytest.raises(NotImplementedError, match=r"Dataset defines no __len__\(\)"):
        len(Dataset())
    with pytest.raises(NotImplementedError, match=r"Dataset defines no __getitem__\(\)"):
        Dataset()[0]
