"""Weights on disk under a key of all that determines them, so that each is trained only once."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from tinytorch.core.module import Module

AnyModule = TypeVar("AnyModule", bound=Module)
Recipe = dict[str, str | int | float]

_log = logging.getLogger(__name__)


def cached(
    name: str, recipe: Recipe, make: Callable[[], AnyModule], train: Callable[[AnyModule], object]
) -> AnyModule:
    """Return ``make()`` with the weights that ``train`` gives it, read from the cache if there.

    ``recipe`` holds the settings of make and train; the key is made of it, of the library's source
    and of the version of NumPy.
    BLAS gets one thread: products this small gain nothing from a second, and on a busy machine
    wait for it; and the weights do not depend on how many there are.
    A file that cannot be read is made anew, and a folder that cannot be written costs only the
    time to train again; both are logged.
    """
    path = cache_folder() / f"{name}-{_key(name, recipe)}.npz"
    model = make()
    try:
        model.load(path)
        return model
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("training %s anew, since its file in the cache does not load: %s", name, error)
    model = make()
    with threadpool_limits(1):
        train(model)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save(path)
    except OSError as error:
        _log.warning("%s is not kept for the next time: %s", name, error)
    return model


def cache_folder() -> Path:
    """Return the folder of the cache, which need not exist.

    It is what the environment variable TINYTORCH_CACHE says, else ``tinytorch`` in the place of
    the platform: ~/.cache or XDG_CACHE_HOME, ~/Library/Caches, or %LOCALAPPDATA%.
    """
    chosen = os.environ.get("TINYTORCH_CACHE")
    if chosen:
        return Path(chosen)
    try:
        home = Path.home()
    except RuntimeError:  # a user without an entry and without HOME
        return Path(tempfile.gettempdir()) / "tinytorch"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "tinytorch"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "tinytorch"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "tinytorch"


def _key(name: str, recipe: Recipe) -> str:
    parts = [name, json.dumps(recipe, sort_keys=True), np.__version__, _source_digest()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@cache
def _source_digest() -> str:
    """Return a hash of the source that a training runs: core, data sets and models."""
    digest = hashlib.sha256()
    for package in ("core", "datasets", "models"):
        folder = files("tinytorch") / package
        for file in sorted(folder.iterdir(), key=lambda file: file.name):
            if file.is_file():
                digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()
