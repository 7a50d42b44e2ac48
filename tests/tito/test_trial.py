"""Which names of a student's module its functions would look for in vain."""

import runpy
import subprocess
import sys

import pytest

from tito.trial import NAME, missing

SOURCE = """
import functools, math
from dataclasses import dataclass

LIMIT = 3

def task(x):
    return helper(x) + LIMIT + len(str(x)) + math.pi

def helper(x):
    return [y * {name} for y in range(x)]

def plot():
    return figure

@functools.cache
def remembered(x):
    return lacking_in_cache

@dataclass
class Point:
    x: float = 0.0

    @property
    def twice(self):
        return 2 * self.x * {name}

    @staticmethod
    def zero():
        return Point(0.0)

def counted():
    global count
    count = 1
    return count
"""


@pytest.fixture
def module(tmp_path):
    def load(name):
        path = tmp_path / "m.py"
        path.write_text(SOURCE.replace("{name}", name))
        return runpy.run_path(str(path), run_name=NAME)

    return load


@pytest.mark.parametrize("names", [("task",), ("Point",), ("task", "Point")])
def test_a_name_that_is_needed_is_found_however_far_away(module, names):
    assert missing(module("ZERO"), names) == {"ZERO"}
    assert missing(module("LIMIT"), names) == set()


def test_what_no_task_uses_may_lack_what_it_likes(module):
    """A function that plots stands in many notebooks, beside the tasks."""
    assert missing(module("LIMIT"), ("task", "Point", "counted")) == set()
    assert missing(module("LIMIT"), ("plot",)) == {"figure"}
    assert missing(module("LIMIT"), ("remembered",)) == {"lacking_in_cache"}


def test_as_a_command_it_ends_with_a_sentence(tmp_path):
    path = tmp_path / "m.py"
    path.write_text("def f():\n    return b + a\n")
    done = subprocess.run(
        [sys.executable, "-m", "tito.trial", str(path), "f"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "it uses a, b, which no function, class or constant of it is\n"
