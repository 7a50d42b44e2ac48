"""Which names a cell gives a value to decides what a test asks anew of the notebook."""

import pytest

from autograder.grading.names import bound_names

CELL = """
%matplotlib inline
import numpy as np
x, (y, *z) = 1, (2, 3)
x += 1
for i in range(3):
    inner = i
with open("f") as file:
    pass
if (w := 5):
    later: int = 3
a.attribute = 1
b[0] = 1
def function(argument):
    local = 1
class Kind:
    field = 1
"""


def test_statements_definitions_and_loops_bind():
    variables = {"x", "y", "z", "i", "inner", "file", "w", "later"}
    assert bound_names(CELL) == variables | {"function", "Kind"}
    assert bound_names(CELL, definitions=False) == variables


@pytest.mark.parametrize("source", ["def f(:", "x = \0", "(" * 10_000, "!ls", ""])
def test_what_is_not_python_binds_nothing(source):
    assert bound_names(source) == set()
