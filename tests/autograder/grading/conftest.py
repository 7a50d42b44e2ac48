"""A course that is built once, and copies of it that a test may do anything with."""

import shutil
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from .small_class import write_course


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """The course before anybody handed in anything."""
    root = tmp_path_factory.mktemp("template") / "course"
    write_course(root)
    return root


@pytest.fixture(scope="session")
def empty_gradebook(tmp_path_factory):
    """A gradebook with all its tables, which take seconds to make, and nothing in them."""
    path = tmp_path_factory.mktemp("gradebook") / "gradebook.db"
    Gradebook(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def new_course(template, tmp_path):
    """Return a function that makes a fresh course."""

    def make(name: str = "course") -> Path:
        shutil.copytree(template, tmp_path / name)
        return tmp_path / name

    return make
