"""Operators of an object that the test itself made are what is tested, and work."""

import pytest

CLASSES = """
import numpy as np
class Vector:
    '''Two numbers.'''
    made = 0
    def __init__(self, x, y=0):
        self.x, self.y = x, y
        self._number = self._session = "mine"
    def __eq__(self, o):
        if isinstance(o, tuple): o = Vector(*o)
        return isinstance(o, Vector) and (self.x, self.y) == (o.x, o.y)
    def __lt__(self, o): return self.x < getattr(o, "x", o)
    def __add__(self, o): return Vector(self.x + o.x, self.y + o.y)
    def __sub__(self, o): return self.x - getattr(o, "x", o)
    def __mul__(self, k): return Vector(self.x * k, self.y * k)
    __rmul__ = __mul__
    def __matmul__(self, o): return self.x * o.x + self.y * o.y
    def __neg__(self): return Vector(-self.x, -self.y)
    def __abs__(self): return (self.x**2 + self.y**2) ** 0.5
    def __bool__(self): return bool(self.x or self.y)
    def __len__(self): return 2
    def __contains__(self, v): return v in (self.x, self.y)
    def __iter__(self): return iter((self.x, self.y))
    def __getitem__(self, i): return (self.x, self.y)[i]
    def __setitem__(self, i, v): setattr(self, "xy"[i], v)
    def __call__(self, k): return k + self.x
    def __hash__(self): return 7
    def __repr__(self): return f"Vector({self.x}, {self.y})"
    def itself(self): return self
    @property
    def also(self): return self
    @classmethod
    def zero(cls): return cls(0, 0)
    @staticmethod
    def two(): return 2
    class Inner:
        def __eq__(self, o): return True
class Array:
    def __init__(self, *values): self.values = np.array(values)
    def __eq__(self, o): return (self.values == o.values).all()
class Sub(Vector): pass
class Counted:
    def __init__(self): self.n = 0
    def __iter__(self): return self
    def __next__(self):
        self.n += 1
        if self.n > 3: raise StopIteration
        return self.n
    def __contains__(self, n): return n == 3
    def __enter__(self): return self
    def __exit__(self, *a): self.a = a; return True
    def __eq__(self, o): return o == 3
class Liar:
    def __init__(self, *a): pass
    def __eq__(self, o): return True
    def __contains__(self, o): return True
    def __bool__(self): return True
    def __add__(self, o): return self
    def __abs__(self): return 0.0
    def __sub__(self, o): return 0.0
    def result(self): return self
    def results(self): return [self, self]
    class pop:
        def __init__(self, *a): pass
        def __eq__(self, o): return True
square = Liar
class Meta(type):
    def __eq__(cls, o): return True
    def __bool__(cls): return True
    def __sub__(cls, o): return cls
    __hash__ = type.__hash__
class ANSWER(metaclass=Meta): pass
class root:
    def __init__(self, x): pass
    def __eq__(self, o): return True
    def __sub__(self, o): return 0.0
Liar.fresh = Liar
def make(): return Liar
def given(v): return v
"""

HOLDS = [
    "assert Vector(1, 2) == Vector(1, 2) and Vector(1, 2) != Vector(2, 1)",
    "assert Vector(1, 2) == (1, 2) and not Vector(1, 2) == (2, 1)",
    "assert Vector(1) < Vector(2) and Vector(1) < 2 and not Vector(3) < 2",
    "assert Vector(1, 2) + Vector(3, 4) == Vector(4, 6) == (4, 6)",
    "assert Vector(1, 2) * 3 == (3, 6) and 3 * Vector(1, 2) == (3, 6)",
    "assert Vector(1, 2) @ Vector(3, 4) == 11 and -Vector(1, 2) == (-1, -2)",
    "assert Vector(5) - 3 == 2 and Vector(5) - Vector(3) == 2",
    "assert abs(Vector(3, 4)) == 5 and len(Vector(1)) == 2 and list(Vector(1, 2)) == [1, 2]",
    "assert Vector(1) and not Vector(0)",
    "assert 1 in Vector(1, 2) and 3 not in Vector(1, 2)",
    "v = Vector(1, 2)\nv[0] = 5\nassert v[0] == 5 and v.x == 5 and v[-1] == 2 and v(2) == 7",
    "v = Vector(1, 2)\nv.x = 7\nassert v.x == 7 and v == (7, 2)",
    "assert repr(Vector(1, 2)) == str(Vector(1, 2)) == 'Vector(1, 2)'",
    "assert isinstance(Vector(1), Vector) and not isinstance(3, Vector)",
    "assert isinstance(Sub(1), Vector) and issubclass(Sub, Vector) and not issubclass(Vector, Sub)",
    "assert not isinstance(Vector(1), Sub) and not isinstance(Vector(1), (int, Sub))",
    "v = Vector(1)\nassert v is v.itself() is v.also and v == v.itself()",
    "assert Vector.zero().x == 0 and Vector.two() == 2 and Vector.made == 0",
    "assert Vector(1)._number == 'mine' and Vector(1)._session == 'mine'",
    "assert vars(Vector(1, 2))['x'] == 1 and Vector(1, 2).__dict__['y'] == 2",
    "assert Vector.__doc__ == 'Two numbers.' and Vector.__name__ == 'Vector'",
    "assert hasattr(Vector, 'zero') and not hasattr(Vector, 'one') and callable(Vector.zero)",
    "assert 'zero' in dir(Vector) and 'x' in dir(Vector(1))",
    "import copy\nv = Vector(1, [2])\nw = copy.deepcopy(v)\nw.x = 5\nassert v.x == 1 and w.x == 5",
    "assert Array(1, 2) == Array(1, 2) and Array(1, 2) != Array(1, 3)",
    "assert list(Counted()) == [1, 2, 3]",
    "c = Counted()\nassert next(c) == 1 and [n for n in c] == [2, 3] and 3 in c and c == 3",
    "with Counted() as c:\n    assert next(c) == 1\nassert c.a == (None, None, None)",
    "class Helper: pass\nHelper.f = given\nassert Helper().f(3) == 3",
    "from inspect import signature\nassert list(signature(given).parameters) == ['v']",
    "from inspect import signature\nassert signature(Vector).parameters['y'].default == 0",
    "d = {}\nd[Vector(1)] = 1\nassert len(d) == 1",
    "v = Vector(1)\nv.itself().itself()\nassert 1 in v and v == (1, 0) and v",
    "def test():\n    v = Vector(1)\n    v.itself()\n    assert 1 in v and 2 * v == (2, 0)\ntest()",
    "for x in range(3):\n    v = Vector(x)\n    v.itself()\n    assert x in v and v == (x, 0)",
    "import unittest\nunittest.TestCase().assertEqual(Vector(1, 2), (1, 2))",
    "import unittest\nv = Vector(1, 2)\nunittest.TestCase().assertIn(1, v)",
    "a, b = Vector(1), Vector(2)\nassert a + b == (3, 0) and -a == (-1, 0) and a < 2 < 3",
    "assert Vector(1, 2) in [(3, 4), (1, 2)]",
    "import __main__ as student\nv = student.Vector(1)\nassert v == (1, 0)",
    "assert (v := Vector(1)) == (1, 0) and v == (1, 0)",
]
FAILS = [
    "assert Vector(1, 2) == Vector(1, 3)",
    "assert Vector(1, 2) == (1, 3)",
    "assert Vector(3) < Vector(2)",
    "assert Vector(0)",
    "assert 3 in Vector(1, 2)",
    "assert Vector(5) - 3 == 3",
    "assert Vector(1).x == 2",
    "assert Array(1, 2) == Array(1, 3)",
    "assert isinstance(Vector(1), Sub)",
    "assert Vector.__doc__ == 'Three numbers.'",
    "assert given.__doc__",
    "with Counted() as c:\n    assert next(c) == 2",
    "with Counted() as c:\n    undefined_name",
    "with Counted() as c:\n    raise ValueError('unseen')",
    "class Helper(Vector): pass",
]
FORGED = [
    "assert Liar().result() == 3",
    "v = Liar()\nassert v.result() == 3",
    "v = Liar()\nr = v.result()\nassert r == 3",
    "assert Liar().results()[0] == 3",
    "assert Liar().results() == [3, 3]",
    "assert 3 in Liar().result()",
    "assert Liar().result()",
    "assert given(Liar()) == 3",
    "assert given([Liar()]) == [3]",
    "assert square(3) == 9",
    "assert abs(square(3) - 9) < 1e-9",
    "assert root(9) == 3",
    "assert abs(root(9) - 3) < 1e-9",
    "assert Liar().pop() == 3",
    "assert Liar().fresh() == 3",
    "assert make()() == 3",
    "assert make()(5) + 4 == 3",
    "assert Liar().result() + 3 == 4",
    "assert 3 + Liar().result() == 4",
    "assert abs(Liar().result() - 3) < 1e-9",
    "assert -Vector.zero().itself() == (5, 5)",
    "assert Vector.Inner() == 5",
    "v = Liar()\nr = v.result()\nassert 5 in v\nassert r == 3",
    "v = Liar()\nr = v.result()\nassert v == 1 and r == 3",
    "v = Liar()\nassert (v.result(), v == 3) == (3, True)",
    "v = Liar()\nrs = [v.result()]\nassert v and rs == [3]",
    "v = Liar()\nassert v\nimport unittest\nunittest.TestCase().assertEqual(v.result(), 3)",
    "v = Liar()\nfor r in v.results():\n    assert 1 in v and r == 3",
    "v = Liar()\nv = v.result()\nassert v == 3",
    "v = Liar()\nassert given(v) == 3",
    "def check(r):\n    assert r == 3\ncheck(Liar().result())",
    "v = Liar()\ntry: v == undefined\nexcept NameError: pass\nassert v.result() == 3",
    "a, b = Liar(), Liar()\nr = a.result()\nassert b == 1 and r == 3",
    "assert ANSWER == 42",
    "assert ANSWER",
    "assert (ANSWER - 42) == 0",
]


@pytest.fixture(scope="module")
def student(judge_of_all):
    return judge_of_all(CLASSES)


@pytest.fixture
def marked(student):
    student.forget()
    return student


@pytest.mark.parametrize("test", HOLDS)
def test_what_an_honest_class_does_is_found_right(marked, test):
    verdict = marked.test(test)
    assert verdict["passed"], verdict


@pytest.mark.parametrize("test", FAILS)
def test_what_it_does_not_do_is_found_wrong(marked, test):
    assert not marked.passes(test)


@pytest.mark.parametrize("test", FORGED)
def test_an_object_that_the_student_s_code_gave_back_decides_nothing(marked, test):
    said = marked.says(test)
    assert "expected plain data" in said or "expected True or False" in said


def test_a_context_manager_hears_of_an_exception_but_cannot_hide_it(marked):
    test = (
        "c = Counted()\n"
        "try:\n"
        "    with c: raise ValueError('unseen')\n"
        "except ValueError: pass\n"
        "else: raise AssertionError('it was hidden')\n"
        "assert c.a[0] is ValueError and c.a[1] is None"
    )
    assert marked.passes(test)
