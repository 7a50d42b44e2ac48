"""Laws of the cache: trained once for each recipe, and never stopped by a bad file or folder."""

import logging
import sys
from pathlib import Path

import numpy as np
import pytest

from tinytorch.core.layers import Linear
from tinytorch.models import cache
from tinytorch.models.cache import cache_folder, cached


class Recorder:
    """Makes and "trains" a layer, and counts how often it trained."""

    def __init__(self):
        self.trainings = 0

    def get(self, name="model", **recipe):
        return cached(name, recipe, lambda: Linear(2, 2, rng=np.random.default_rng(0)), self.train)

    def train(self, model):
        self.trainings += 1
        model.weight.data[:] = 7


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_recipe_is_trained_once(folder):
    """The second call reads the file, to the bit."""
    recorder = Recorder()
    for _ in range(3):
        assert (recorder.get(seed=0).weight.data == 7).all()
    assert recorder.trainings == 1
    assert len(list(folder.iterdir())) == 1


def test_every_setting_is_part_of_the_key(folder, monkeypatch):
    """Another name, setting, NumPy or source is another model."""
    recorder = Recorder()
    recorder.get(seed=0)
    recorder.get(seed=1)
    recorder.get(seed=0, hidden=3)
    recorder.get("other", seed=0)
    assert recorder.trainings == 4
    monkeypatch.setattr(cache, "_source_digest", lambda: "changed")
    recorder.get(seed=0)
    assert recorder.trainings == 5
    monkeypatch.setattr(np, "__version__", "9.9")
    recorder.get(seed=0)
    assert recorder.trainings == 6


@pytest.mark.parametrize("content", [b"", b"not an archive", None])
def test_a_file_that_does_not_load_is_made_anew(folder, caplog, content):
    """Damaged, or of a model of another shape: the training is repeated, and said so."""
    recorder = Recorder()
    recorder.get()
    (path,) = folder.iterdir()
    if content is None:
        Linear(3, 3).save(path)
    else:
        path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert (recorder.get().weight.data == 7).all()
    assert "training model anew" in caplog.text
    assert recorder.trainings == 2
    recorder.get()
    assert recorder.trainings == 2


def test_a_folder_that_cannot_be_written_costs_only_time(monkeypatch, tmp_path, caplog):
    """A file where the folder should be: trained each time, and said so."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path / "file"))
    recorder = Recorder()
    with caplog.at_level(logging.WARNING):
        assert (recorder.get().weight.data == 7).all()
    assert "not kept" in caplog.text
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "home/.cache/tinytorch"),
        ("linux", {"XDG_CACHE_HOME": "x"}, "x/tinytorch"),
        ("darwin", {"XDG_CACHE_HOME": "x"}, "home/Library/Caches/tinytorch"),
        ("win32", {}, "home/AppData/Local/tinytorch"),
        ("win32", {"LOCALAPPDATA": "l"}, "l/tinytorch"),
        ("win32", {"TINYTORCH_CACHE": "mine"}, "mine"),
    ],
)
def test_the_folder_is_the_platforms(monkeypatch, platform, variables, expected):
    """TINYTORCH_CACHE decides, else each system has its place."""
    for name in ("TINYTORCH_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("home"))
    assert cache_folder() == Path(expected)


def test_a_user_without_a_home_has_a_cache(monkeypatch):
    """As in a sandbox: the temporary folder."""

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    for name in ("TINYTORCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert cache_folder().name == "tinytorch"
