"""Test cells run as they are written, with the notebook's names and the checker's own modules."""

import linecache
import sys

import pytest

from autograder.trust.checker import TestNames

CELLS = """
import numpy as np, math
x = 5
def square(v): return v * v
def sum(values): return -1
def helper(v): return "the student's"
class Stack:
    def __init__(self): self.items = []
np = "not a module"
"""


@pytest.fixture
def marked(judge):
    return judge(CELLS)


def test_the_verdict_of_a_test_that_passes(marked):
    verdict = marked.test("assert square(3) == 9")
    assert verdict == {"passed": True, "result": None, "problem": None, "busy": False}


def test_the_verdict_of_a_test_that_fails_says_which_line_and_why(marked):
    verdict = marked.test("y = 1\n\nassert square(3) == 10, 'squares are positive'\n")
    assert verdict["passed"] is False
    assert verdict["ename"] == "AssertionError"
    assert verdict["evalue"] == "squares are positive"
    assert verdict["line"] == "assert square(3) == 10, 'squares are positive'"


def test_a_failure_in_a_function_of_the_test_shows_where_it_was_called(marked):
    verdict = marked.test("def check(v):\n    assert v == 10\ncheck(square(3))")
    assert verdict["line"] == "check(square(3))"


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("undefined", "NameError"),
        ("square(", "SyntaxError"),
        ("square(1, 2)", "TypeError"),
        ("raise SystemExit", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("return 5", "SyntaxError"),
        ("assert False", "AssertionError"),
        ("exit()", "SystemExit"),
    ],
)
def test_whatever_ends_a_test_early_fails_it(marked, cell, name):
    if name == "SystemExit" and cell == "exit()" and not hasattr(sys.modules["builtins"], "exit"):
        pytest.skip("this Python has no exit()")
    assert marked.test(cell)["ename"] == name
    assert marked.passes("assert square(2) == 4")


@pytest.mark.parametrize(
    ("cell", "result"),
    [
        ("0.5", "0.5"),
        ("assert True\n1 + 1", "2"),
        ("score = 3\nscore", "3"),
        ("square(3)", "9"),
        ("None", None),
        ("score = 3", None),
        ("", None),
        ("# only words", None),
        ("'text'", "'text'"),
        ("print(5)", None),
    ],
)
def test_the_value_of_the_last_expression_may_be_partial_credit(marked, cell, result):
    verdict = marked.test(cell)
    assert verdict["passed"]
    assert verdict["result"] == result


def test_names_of_one_test_cell_are_there_in_the_next(marked):
    assert marked.passes("y = square(3)\ndef twice(v): return 2 * v")
    assert marked.passes("assert twice(y) == 18")


def test_a_name_of_the_test_hides_that_of_the_notebook_until_it_is_dropped(marked):
    assert marked.passes("x = 7\nassert x == 7")
    assert marked.passes("assert x == 7")
    assert marked.passes("assert x == 5", dropped=["x"])


def test_a_builtin_function_is_the_notebook_s_only_where_it_was_to_be_written(marked):
    assert marked.passes("assert sum([1, 2]) == 3")
    assert marked.passes("assert sum([1, 2]) == -1", owned=["sum"])
    assert marked.passes("assert sum([1, 2]) == 3")
    assert marked.passes("import __main__ as s\nassert s.sum([1]) == -1")


def test_names_with_two_underscores_are_never_the_notebook_s(marked):
    assert not marked.passes("__x__")
    assert marked.passes("assert __name__ == '__main__'")


def test_a_module_is_python_s_whatever_the_notebook_calls_so(judge):
    cells = "class math: sqrt = lambda x: 3\nclass np: allclose = lambda *a: True\nstring = 'a b'"
    marked = judge(cells)
    assert marked.passes("assert math.sqrt(16) == 4 and math.isclose(1, 1)")
    assert not marked.passes("assert np.allclose(1, 2)")
    assert marked.passes("assert string.split() == ['a', 'b'] and string.upper() == 'A B'")
    assert not judge("x = 1").passes("math.sqrt(16)")


def test_a_name_that_was_to_be_written_may_be_that_of_a_module(judge):
    marked = judge("class queue:\n    def Queue(): return 'mine'")
    assert marked.passes("assert queue.Queue() == 'mine'", owned=["queue"])
    assert marked.passes("assert queue.Queue().empty()")


def test_what_a_given_cell_defines_is_the_checker_s(marked):
    given = (
        "import math\nimport no_such_module\nLIMIT = 9\ndef helper(v):\n    return 'given'\n1 / 0"
    )
    marked.checker.obey({"do": "define", "source": given, "owned": []})
    assert marked.passes("assert helper(1) == 'given' and math.pi > 3")
    assert not marked.passes("assert LIMIT == 9"), "values are those that the notebook has"


def test_but_not_what_was_to_be_written(marked):
    given = "def helper(v):\n    return 'given'\nclass Stack:\n    given = True"
    marked.checker.obey({"do": "define", "source": given, "owned": ["helper", "Stack"]})
    assert marked.passes("assert helper(1) == \"the student's\" and not hasattr(Stack, 'given')")


@pytest.mark.parametrize("source", ["def broken(", "%%timeit\nx", "!ls", ""])
def test_a_given_cell_that_is_no_python_is_left_to_the_notebook(marked, source):
    assert marked.checker.obey({"do": "define", "source": source, "owned": []}) == {}


def test_what_a_test_prints_goes_nowhere(marked, capsys):
    assert marked.passes("import sys\nprint('out')\nprint('err', file=sys.stderr)")
    assert capsys.readouterr() == ("", "")


def test_magic_commands_do_not_fail_a_test(marked):
    assert marked.passes("%matplotlib inline\n%load_ext autoreload\nassert square(2) == 4")


def test_the_source_of_a_test_can_be_shown_by_a_traceback(marked):
    marked.test("assert square(2) == 5")
    assert linecache.getline("<test>", 1) == "assert square(2) == 5"


def test_a_missing_name_of_the_namespace_is_asked_for_each_time():
    class Counting:
        asked = 0

        def name(self, name):
            self.asked += 1
            return self.asked

    names = TestNames(Counting())
    assert [names["x"], names["x"]] == [1, 2]
    names["x"] = 7
    assert names["x"] == 7
    assert "x" in names
    with pytest.raises(KeyError):
        names["__wrapped__"]
