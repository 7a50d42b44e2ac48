"""What can be told of a cell from its text."""

import ast

import pytest

from autograder.trust.source import (
    hidden_lines,
    is_constant,
    is_definition,
    module_names,
    needed_for,
    plain_source,
)


def test_lines_between_the_marks_are_hidden():
    cell = "a\n### BEGIN HIDDEN TESTS\nb\nc\n### END HIDDEN TESTS\nd\n"
    assert hidden_lines(cell) == {2, 3, 4}


def test_there_may_be_several_hidden_parts_or_none():
    cell = "###BEGIN HIDDEN TESTS\na\n### END HIDDEN TESTS\nb\n###  BEGIN HIDDEN TESTS\nc"
    assert hidden_lines(cell) == {1, 2, 5, 6}
    assert hidden_lines("a\n# END\n") == set()


def test_magic_commands_that_mean_nothing_to_a_test_are_left_out():
    cell = "%matplotlib inline\n  %load_ext autoreload\nassert 5 % 3 == 2\n%autoreload 2"
    assert ast.parse(plain_source(cell).replace("  \n", "\n"))
    assert "assert 5 % 3 == 2" in plain_source(cell)
    assert len(plain_source(cell).split("\n")) == 4


@pytest.mark.parametrize(
    "line", ["import os", "from os import path", "def f(): pass", "class A: pass"]
)
def test_definitions_are_known(line):
    assert is_definition(ast.parse(line).body[0])
    assert not is_constant(ast.parse(line).body[0])


@pytest.mark.parametrize("line", ["x = 5", "x = [1, 'a']", "x = y = {'a': -1}", "x = None"])
def test_constants_are_known(line):
    assert is_constant(ast.parse(line).body[0])
    assert not is_definition(ast.parse(line).body[0])


@pytest.mark.parametrize(
    "line", ["x = f()", "x", "x += 1", "x = [y]", "f()", "assert x", "x: int = 5"]
)
def test_other_statements_are_neither(line):
    node = ast.parse(line).body[0]
    assert not is_definition(node)
    assert not is_constant(node)


NOTEBOOK = """
import math, os.path
from numpy import exp as e
SIZE, UNUSED = 1 << 15, 2
SIZE += 1
scratch: list = [0] * SIZE
x = make_numbers()
print(x)
def helper(v):
    return e(v) * ROOT
ROOT = math.sqrt(2)
class Kernel:
    def run(self, v):
        return helper(v)
    """
NEEDS = {
    "helper": ["from numpy import exp as e", "import math", "ROOT", "def helper"],
    "Kernel": ["class Kernel", "def helper", "from numpy import exp as e", "ROOT", "import math"],
    "scratch": ["SIZE, UNUSED", "SIZE += 1", "scratch: list"],
    "path": [],
    "os": ["import math, os.path"],
    "missing": [],
}
STAR = "from math import *\ndef f():\n    return sqrt(2)"


@pytest.mark.parametrize("name", NEEDS)
def test_a_function_needs_what_it_and_its_helpers_look_up(name):
    found = [ast.unparse(node) for node in needed_for(name, ast.parse(NOTEBOOK).body)]
    assert len(found) == len(NEEDS[name])
    assert all(any(line.startswith(start) for line in found) for start in NEEDS[name])


def test_variables_of_a_function_are_not_those_of_the_notebook():
    cells = "x = 1\nn = 2\nk = 3\ndef f(x):\n    n = [k for k in x]\n    return lambda: n\nsize = 3"
    assert len(needed_for("f", ast.parse(cells).body)) == 1


def test_what_imports_everything_is_needed():
    assert len(needed_for("f", ast.parse(STAR).body)) == 2


def test_a_wrapped_or_changed_function_is_needed_as_it_is_in_the_end():
    cells = "def f(x): pass\nf = wrap(f)\nf.calls = 0\nf.kept[3] = y\ndef wrap(g): return g\ny = 4"
    assert len(needed_for("f", ast.parse(cells).body)) == 6


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("math.sqrt(2)", {"math"}),
        ("np.allclose(a, b); plt.plot(x)", {"np", "plt"}),
        ("np.random.seed(1)", {"np"}),
        ("def f():\n    return random.random()", {"random"}),
        ("queue.push(1)", set()),
        ("math.no_such_function(2)", set()),
        ("math.sqrt(2); f(math)", set()),
        ("string = 'a'; string.ascii_letters", set()),
        ("copy(x); copy.copy(x)", set()),
        ("stack.pop()", set()),
        ("this.s; antigravity.webbrowser", set()),
        ("it does not parse", set()),
    ],
)
def test_a_module_is_known_by_its_use(cell, names):
    assert module_names(cell) == names
