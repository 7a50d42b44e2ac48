"""What can be told of a cell from its text."""

import ast

import pytest

from autograder.trust.source import (
    hidden_lines,
    is_constant,
    is_definition,
    module_names,
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
