"""What student code raises is raised in the test, by class, and nothing more crosses."""

import pytest

CELLS = """
import json, socket, subprocess, numpy as np
class Empty(Exception): pass
class Deep(Empty, KeyError): pass
class Odd(ValueError):
    def __init__(self, a, b): super().__init__(a, b); self.a = a
class Mixin: pass
class Mixed(Mixin, Deep): pass
def parse(text): return json.loads(text)
def fails_to_run(): raise subprocess.CalledProcessError(1, "x")
def invert(): return np.linalg.inv(np.zeros((2, 2)))
class Mute(Exception):
    def __str__(self): raise RuntimeError("no")
class NotAnError: pass
class OutOfTimeError(BaseException): pass
def fail(kind, *words): raise kind(*words)
def odd():
    yield 1
    yield 3
def ends(*_): raise StopIteration
def skips(*_):
    import unittest
    raise unittest.SkipTest
def stops(*_):
    import unittest
    raise unittest.case._ShouldStop
def ends_by_another_name(*_): raise type("Mine", (StopIteration,), {})
def by_name(name, *words): raise globals()[name](*words)
def late(n):
    yield 1
    raise Empty(f"after {n}")
class Stack:
    def pop(self): raise Empty("the stack is empty")
    def __getattr__(self, name): raise AttributeError(name)
    def __getitem__(self, i): raise IndexError(i)
    def __len__(self): raise TypeError("no length")
"""

HOLDS = [
    "try: Stack().pop()\nexcept Empty as e: assert str(e) == 'the stack is empty'\nelse: assert 0",
    "try: by_name('Deep')\nexcept KeyError: pass\nelse: assert 0",
    "try: by_name('Deep')\nexcept Empty: pass\nelse: assert 0",
    "try: by_name('Deep')\nexcept Deep: pass\nelse: assert 0",
    "try: by_name('Odd', 1, 2)\nexcept ValueError: pass\nelse: assert 0",
    "try: by_name('Odd', 1, 2)\nexcept Odd as e: assert '1' in str(e)\nelse: assert 0",
    "try: by_name('Mute')\nexcept Mute as e: assert str(e) == ''\nelse: assert 0",
    "try: fail(ValueError, 'bad')\nexcept ValueError as e: assert e.args == ('bad',)\n"
    "else: assert 0",
    "try: fail(ZeroDivisionError)\nexcept ArithmeticError: pass\nelse: assert 0",
    "import json\ntry: parse('x')\n"
    "except json.JSONDecodeError as e: assert 'char 0' in str(e)\nelse: assert 0",
    "try: parse('x')\nexcept ValueError: pass\nelse: assert 0",
    "import subprocess\ntry: fails_to_run()\nexcept subprocess.SubprocessError: pass\n"
    "else: assert 0",
    "import numpy as np\ntry: invert()\nexcept np.linalg.LinAlgError: pass\nelse: assert 0",
    "try: by_name('Mixed')\nexcept Empty: pass\nelse: assert 0",
    "try: by_name('Deep')\n"
    "except Deep as e: assert isinstance(e, (Empty, KeyError)) and type(e) is Deep",
    "try: fail(KeyboardInterrupt)\nexcept KeyboardInterrupt: pass\nelse: assert 0",
    "try: fail(SystemExit, 0)\nexcept SystemExit: pass\nelse: assert 0",
    "try: fail(MemoryError)\nexcept MemoryError: pass\nelse: assert 0",
    "try: fail(AssertionError, 'x')\nexcept AssertionError as e: assert str(e) == 'x'\n"
    "else: assert 0",
    "assert not hasattr(Stack(), 'size') and getattr(Stack(), 'size', 5) == 5",
    "try: len(Stack())\nexcept TypeError as e: assert str(e) == 'no length'\nelse: assert 0",
    "try: Stack()[3]\nexcept IndexError: pass\nelse: assert 0",
    "try: undefined_name\nexcept NameError: pass\nelse: assert 0",
    "g = late(3)\nassert next(g) == 1\ntry: next(g)\n"
    "except Empty as e: assert str(e) == 'after 3'\nelse: assert 0",
    "try: raise Empty('mine')\nexcept Empty as e: assert str(e) == 'mine'",
    "import unittest\nwith unittest.TestCase().assertRaises(Empty): Stack().pop()",
    "import unittest\nwith unittest.TestCase().assertRaisesRegex(Empty, 'is empty'): Stack().pop()",
    "import contextlib\nwith contextlib.suppress(Empty): Stack().pop()",
    "assert issubclass(Deep, KeyError) and not issubclass(Empty, KeyError)",
    "g = late(3)\nnext(g)\ntry: g.throw(StopIteration)\nexcept RuntimeError: pass\nelse: assert 0",
    "try: fail(StopIteration)\nexcept StopIteration: pass\nelse: assert 0",
    "assert [n for n, _ in zip(iter(odd()), range(9))] == [1, 3]",
]
FAILS = [
    "Stack().pop()",
    "try: Stack().pop()\nexcept KeyError: pass",
    "try: Stack().pop()\nexcept Deep: pass",
    "import unittest\nwith unittest.TestCase().assertRaises(KeyError): Stack().pop()",
    "import unittest\nwith unittest.TestCase().assertRaises(Empty): Stack()",
    "fail(SystemExit, 0)",
    "fail(GeneratorExit)",
    "fail(StopIteration)",
    "fail(KeyboardInterrupt)",
    "for _ in [1]: fail(StopIteration)",
    "by_name('OutOfTimeError')",
    "assert all(map(ends, [1, 2]))",
    "assert all(map(ends_by_another_name, [1, 2]))",
    "for got, want in zip(map(ends, [1]), [2]): assert got == want",
    *(
        "import unittest\nclass T(unittest.TestCase):\n"
        f"    def test_it(self): assert {name}(1) == 2\n"
        "r = unittest.TestResult()\nunittest.TestLoader().loadTestsFromTestCase(T).run(r)\n"
        "assert r.testsRun == 1 and r.wasSuccessful()"
        for name in ("skips", "stops", "ends")
    ),
    "assert not hasattr(NotAnError(), 'x'); raise NotAnError",
]


@pytest.fixture(scope="module")
def student(judge_of_all):
    return judge_of_all(CELLS)


@pytest.fixture
def marked(student):
    student.forget()
    return student


@pytest.mark.parametrize("test", HOLDS)
def test_a_test_can_catch_what_student_code_raises(marked, test):
    verdict = marked.test(test)
    assert verdict["passed"], verdict


@pytest.mark.parametrize("test", FAILS)
def test_what_a_test_does_not_catch_fails_it(marked, test):
    verdict = marked.test(test)
    assert not verdict["passed"]
    assert verdict["problem"] is None


def test_the_student_reads_class_message_and_line(marked):
    verdict = marked.test("x = 5\nStack().pop()")
    assert verdict["ename"] == "Empty"
    assert verdict["evalue"] == "the stack is empty"
    assert verdict["line"] == "Stack().pop()"


def test_an_exception_of_the_machinery_cannot_be_named(judge):
    cells = CELLS + (
        "class Fake(Exception): pass\n"
        "Fake.__module__, Fake.__qualname__ = 'autograder.trust.frames', 'OutOfTimeError'\n"
    )
    verdict = judge(cells).test("by_name('Fake')")
    assert verdict["problem"] is None
    assert not verdict["passed"]


@pytest.mark.parametrize("name", ["a\\0b", "x" * 10_000, "", "1 2", "\\ud800"])
def test_an_exception_may_have_any_name(judge, name):
    cells = f"def fail():\n    raise type('E', (ValueError,), {{'__qualname__': '{name}'}})('x')"
    assert judge(cells).passes("try: fail()\nexcept ValueError: pass\nelse: assert 0")
