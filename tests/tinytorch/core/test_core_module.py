"""Laws of ``Module``: parameters are found once, state survives a round trip or is refused."""

import zipfile

import numpy as np
import pytest

from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor


class Nested(Module):
    """Tensors and modules in every place where they are looked for."""

    def __init__(self):
        self.first = Linear(3, 2)
        self.blocks = [Linear(2, 2), (ReLU(), Linear(2, 2, bias=False))]
        self.heads = {"a": Linear(2, 1)}
        self.tied = self.first.weight
        self.again = self.first
        self.parent = self
        self.frozen = Tensor([1.0, 2.0, 3.0])
        self.statistics = np.arange(4, dtype=np.int8)
        self.name = "nested"

    def buffers(self):
        return {"statistics": self.statistics}


def test_parameters_are_found_once_in_order():
    """Names are dotted paths, own tensors before submodules; shared and cyclic parts count once."""
    model = Nested()
    names = [name for name, _ in model.named_parameters()]
    assert names == [
        "tied",  # the same tensor as first.weight
        "first.bias",
        "blocks.0.weight",
        "blocks.0.bias",
        "blocks.1.1.weight",
        "heads.a.weight",
        "heads.a.bias",
    ]
    assert [p is q for p, (_, q) in zip(model.parameters(), model.named_parameters(), strict=True)]
    assert model.count_parameters() == 6 + 2 + 4 + 2 + 4 + 2 + 1
    assert [type(m).__name__ for m in model.modules()].count("Linear") == 4
    assert model.modules()[0] is model


def test_size_counts_all_that_is_held():
    """Bytes are those of parameters, frozen tensors and buffers, shared ones once."""
    model = Nested()
    assert model.size_bytes() == 4 * model.count_parameters() + 4 * 3 + 4
    assert Linear(10, 5).size_bytes() == 4 * 55
    assert ReLU().size_bytes() == 0


def test_train_and_eval_reach_every_module():
    """The flag is set all the way down and the module is returned."""
    model = Nested()
    assert model.training
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    assert all(module.training for module in model.train().modules())
    assert Nested().training


def test_zero_grad_forgets_all_gradients():
    """No parameter keeps a gradient."""
    model = Linear(2, 1)
    model(np.ones((1, 2))).backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_a_module_without_forward_says_so():
    """The base class computes nothing."""
    with pytest.raises(NotImplementedError, match=r"Module defines no forward\(\)"):
        Module()()


def test_state_dict_is_a_copy():
    """Writing into a state does not reach the module, nor loading alias it."""
    model = Nested()
    state = model.state_dict()
    state["first.bias"][:] = 7
    state["statistics"][:] = 7
    assert not (model.first.bias.data == 7).any()
    model.load_state_dict(state)
    assert (model.first.bias.data == 7).all()
    assert (model.statistics == 7).all()
    state["first.bias"][:] = 8
    assert (model.first.bias.data == 7).all()


def test_save_and_load_round_trip(tmp_path):
    """Every array comes back bit for bit, from exactly the path given, twice the same bytes."""
    model, other = Nested(), Nested()
    other.frozen.data[:] = 0
    for name in ("weights.npz", "weights without suffix"):
        model.save(tmp_path / name)
        other.load(str(tmp_path / name))
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], array)
        assert other.state_dict()[name].dtype == array.dtype
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["weights without suffix", "weights.npz"]
    assert files[0].read_bytes() == files[1].read_bytes()
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as archive:
        assert set(archive.files) == set(model.state_dict())


def test_names_that_savez_refuses_are_saved(tmp_path):
    """np.savez has arguments of its own named "file" and "allow_pickle"; a model may too."""
    model = Module()
    model.file, model.allow_pickle = Tensor([1.0], True), Tensor([2.0], True)
    model.save(tmp_path / "w.npz")
    model.file.data[:] = 0
    model.load(tmp_path / "w.npz")
    assert model.file.item() == 1.0


def test_a_failed_save_keeps_the_old_file(tmp_path):
    """The target is replaced only by a complete file, and nothing else is left behind."""
    path = tmp_path / "w.npz"
    model = Nested()
    model.save(path)
    before = path.read_bytes()
    model.statistics = np.array([object()])
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        model.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_save_replaces_the_file_instead_of_writing_into_it(tmp_path):
    """Who has the old file open, here a second link to it, goes on reading the old weights."""
    path, old = tmp_path / "w.npz", tmp_path / "old.npz"
    Linear(3, 2).save(path)
    old.hardlink_to(path)
    before = path.read_bytes()
    Linear(3, 2).save(path)
    assert old.read_bytes() == before != path.read_bytes()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: s.pop("bias"), KeyError, r"missing \['bias'\], unexpected \[\]"),
        (lambda s: s.update(scale=np.ones(1)), KeyError, r"unexpected \['scale'\]"),
        (lambda s: s.update(bias=np.ones(3, np.float32)), ValueError, r"\(2,\), got \(3,\)"),
        (lambda s: s.update(bias=np.ones((1, 2), np.float32)), ValueError, r"got \(1, 2\)"),
        (lambda s: s.update(bias=np.ones(2)), TypeError, "float32, got float64"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, error, message):
    """Missing, unexpected, misshapen and mistyped arrays are named, and none is loaded."""
    model = Linear(3, 2)
    before = model.state_dict()
    state = {name: array + 1 for name, array in before.items()}
    change(state)
    with pytest.raises(error, match=message):
        model.load_state_dict(state)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_files_that_are_no_state_are_refused(tmp_path):
    """Text, a bare npy, a damaged archive, one with a pickle and none at all are refused."""
    model = Linear(3, 2)
    path = tmp_path / "w.npz"
    with pytest.raises(FileNotFoundError):
        model.load(path)
    path.write_text("weights")
    with pytest.raises(ValueError, match="expected an npz file"):
        model.load(path)
    with path.open("wb") as file:
        np.save(file, np.ones(2))
    with pytest.raises(ValueError, match="expected an npz file"):
        model.load(path)
    np.savez(path, weight=np.array([{}], dtype=object), bias=np.ones(2))
    with pytest.raises(ValueError, match="cannot be read as npz"):
        model.load(path)
    model.save(path)
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(model.weight.data.tobytes())] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="cannot be read as npz"):
        model.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no arrays")
    with pytest.raises(KeyError, match="state does not fit"):
        model.load(path)


def test_editing_layers_changes_the_model():
    """A Sequential's list may be edited, and a replaced layer is discovered."""
    model = Sequential(Linear(4, 3), ReLU(), Linear(3, 2))
    model.layers[2] = Linear(3, 5)
    assert model(np.ones((1, 4))).shape == (1, 5)
    assert model.count_parameters() == 15 + 20
