"""An object of the student's decides nothing about a value of the test."""

import pytest

LIARS = """
import math, random
class Liar:
    value = 9
    def __init__(self, *arguments): pass
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __sub__(self, other): return 0.0
    __rsub__ = __add__ = __radd__ = __mod__ = __rmod__ = __floordiv__ = __sub__
    def __abs__(self): return self
    def __bool__(self): return True
    def __contains__(self, item): return True
    def __array__(self, *arguments, **named): return __import__("numpy").array(9.0)
    def __hash__(self): return hash(9)
    def __getattr__(self, name): return lambda *a, **k: True
    def __array_function__(self, *arguments): return True
    @property
    def __class__(self): return int
def liar(x=None): return Liar()
def liars(x=None): return [Liar(), Liar()]
def keyed(x=None): return {"a": Liar()}

class Float(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
class Text(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__
class Numbers(list):
    def __eq__(self, other): return True
    def __contains__(self, item): return True
def number(x=None): return Float(1)
def text(x=None): return Text("wrong")
def numbers(x=None): return Numbers()

class Converts:
    def __len__(self): return 3
    def __float__(self): return 9.0
    def __index__(self): return 9
    __int__ = __index__
    def __str__(self): return "nine"
    __repr__ = __str__
    def __iter__(self): return iter([1, 2, 3])
    def __getitem__(self, index): return [1, 2, 3][index]
    def __complex__(self): return 9j
    def __round__(self, digits=None): return 9
    def __format__(self, spec): return "nine"
    def __bytes__(self): return b"nine"
def converts(x=None): return Converts()
class ConvertsToLiars:
    def __float__(self): return Float(9)
    def __str__(self): return Text("nine")
    def __len__(self): return 3
    def __getitem__(self, index): return Liar()
    def __iter__(self): return iter([Liar(), Liar()])
def converts_to_liars(x=None): return ConvertsToLiars()
"""

FORGED = [
    "assert liar(3) == 9",
    "assert 9 == liar(3)",
    "assert not liar(3) != 9",
    "assert liar(3) < 9",
    "assert 8 < liar(3) <= 9",
    "assert liar(3)",
    "assert not (not liar(3))",
    "assert liar(3) is True or liar(3)",
    "assert bool(liar(3))",
    "assert all([liar(3)])",
    "assert any(liars(3))",
    "assert abs(liar(3) - 9) < 1e-9",
    "assert abs(9 - liar(3)) < 1e-9",
    "assert liar(3) - 9 == 0",
    "assert liar(3) + liar(4) == 9",
    "assert -liar(3) == 9",
    "assert 9 in liar(3)",
    "assert 9 in liars(3)",
    "assert liar(3) in [9]",
    "assert liar(3) in {9}",
    "assert liar(3) in {9: 1}",
    "assert {liar(3)} == {9}",
    "assert liars(3) == [9, 9]",
    "assert tuple(liars(3)) == (9, 9)",
    "assert keyed(3) == {'a': 9}",
    "assert keyed(3)['a'] == 9",
    "assert sorted(liars(3)) == [9, 9]",
    "import math; assert math.isclose(liar(3), 9)",
    "import numpy as np; assert np.allclose(liar(3), 9)",
    "import numpy as np; assert np.isclose(liars(3), 9).all()",
    "import numpy as np; assert np.array_equal(liar(3), [9])",
    "import numpy as np; np.testing.assert_allclose(liar(3), 9)",
    "import numpy as np; np.testing.assert_equal(liar(3), 9)",
    "import numpy as np; assert np.float64(9) == liar(3)",
    "import numpy as np; assert (np.array([9, 9]) == liars(3)).all()",
    "import numpy as np; assert np.sum(liars(3)) == 0.0",
    "import unittest; unittest.TestCase().assertEqual(liar(3), 9)",
    "import unittest; unittest.TestCase().assertAlmostEqual(liar(3), 9)",
    "import unittest; unittest.TestCase().assertTrue(liar(3))",
    "import unittest; unittest.TestCase().assertIn(9, liar(3))",
    "assert number(3) == 9",
    "assert abs(number(3) - 9) < 1e-9",
    "assert text(3) == 'right'",
    "assert text(3) in ('right', 'wright')",
    "assert numbers(3) == [1, 2]",
    "assert 5 in numbers(3)",
    "assert sum(liars(3)) == 0",
    "assert type(liar(3)) is int",
    "assert isinstance(liar(3), int)",
    "assert float(converts_to_liars()) == 8",
    "assert converts_to_liars()[0] == 9",
    "assert list(converts_to_liars()) == [9, 9]",
    "assert 9 in converts_to_liars()",
    "liar(3)",
    "match liar(3):\n    case 9: pass\n    case _: raise AssertionError",
]


@pytest.fixture(scope="module")
def student(judge_of_all):
    return judge_of_all(LIARS)


@pytest.fixture
def marked(student):
    student.forget()
    return student


@pytest.mark.parametrize("test", FORGED)
def test_a_lying_object_passes_no_test(marked, test):
    assert not marked.passes(test)


@pytest.mark.parametrize(
    "test",
    [
        "assert len(converts()) == 3 and float(converts()) == 9.0 and int(converts()) == 9",
        "assert str(converts()) == repr(converts()) == f'{converts()}' == 'nine'",
        "assert list(converts()) == [1, 2, 3] and converts()[1] == 2 and converts()[0:2] == [1, 2]",
        "assert [10, 20][converts() - 9 if False else 1] == 20 and range(20)[converts()] == 9",
        "assert complex(converts()) == 9j and round(converts()) == 9 and "
        "bytes(converts()) == b'nine'",
        "assert sum(converts()) == 6 and max(converts()) == 3 and "
        "list(zip(converts(), 'ab'))[0][0] == 1",
    ],
)
def test_an_object_may_turn_into_plain_data_which_is_then_compared(marked, test):
    assert marked.passes(test)


@pytest.mark.parametrize(
    "test",
    [
        "assert len(converts()) == 4",
        "assert float(converts()) == 8",
        "assert str(converts()) == 'ten'",
        "assert list(converts()) == [1, 2]",
        "assert converts()[1] == 3",
    ],
)
def test_and_is_found_wrong_when_it_is(marked, test):
    assert marked.says(test).startswith("AssertionError")


def test_nothing_it_is_told_by_none(marked):
    assert not marked.passes("assert liar(3) == None")
    assert not marked.passes("assert liar(3) is None")
    assert marked.passes("assert liar(3) is not None and liar(3) != None")


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ("assert liar(3) == 9", "expected plain data such as a number, a list or an array"),
        ("assert liar(3)", "expected True or False, found an object of type Liar"),
        ("assert liar == 9", "found the function liar"),
        ("assert Liar == 9", "found the class Liar"),
        ("import numpy as np; np.asarray(liar(3))", "expected a NumPy array or a number"),
        ("liar(3)", "the value of a test must be plain data"),
        ("assert isinstance(converts() + 1, int)", "expected plain data"),
    ],
)
def test_the_student_is_told_what_was_expected(marked, test, words):
    said = marked.says(test)
    assert said.startswith("AssertionError")
    assert words in said
