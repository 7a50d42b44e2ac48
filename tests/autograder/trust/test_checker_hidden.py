"""Hidden tests run later, against copies, and a verdict tells nothing of what they passed in."""

import os
import signal
import time

import psutil
import pytest

SECRET = "planted-40937"
CELLS = """
import os, sys, time
seen = []
def spy(x): seen.append(x); return x
def look(): return seen
def square(x): return x * x
def die(x=None): os._exit(3)
def crash(x=None): os.kill(os.getpid(), 11)
def loop(x=None):
    while True: pass
def sleep(x=None): time.sleep(600)
def shout(x): print(x); print(x, file=sys.stderr); return x
def blame(x): raise ValueError(f"got {x}")
def named_error(x): raise type(str(x), (ValueError,), {})("no")
def named_object(x): return type(str(x), (), {})()
def named_function(x):
    def f(): pass
    f.__name__ = f.__qualname__ = str(x)
    return f
def deep(x):
    value = str(x)
    for _ in range(300): value = [value]
    return value
def speak(x):
    class Speaks:
        def __repr__(self): return str(x)
        __str__ = __repr__
    return Speaks()
def exits(x): raise SystemExit(str(x))
def recursion(x): return recursion(x)
class Box:
    def __init__(self): self.content = None
    def put(self, x): self.content = x
box = Box()
"""


def hidden(*lines):
    return "\n".join(["### BEGIN HIDDEN TESTS", *lines, "### END HIDDEN TESTS"])


def check(body, doc="It squares."):
    return hidden(
        "def check_it():", f"    '''{doc}'''", *(f"    {line}" for line in body), "check_it()"
    )


def test_a_hidden_part_is_put_off_until_it_is_asked_for(judge):
    marked = judge(CELLS)
    begun = marked.begin("assert square(2) == 4\n" + hidden("assert spy(77) == 77", "assert 0"))
    assert begun["passed"]
    assert begun["place"] is not None
    assert marked.passes("assert look() == []")
    assert not marked.finish(begun)["passed"]


def test_it_sees_the_notebook_as_it_was_when_it_was_put_off(judge):
    marked = judge(CELLS)
    test = "import __main__ as s\ns.seen.append(1)\ns.box.put(5)\n"
    begun = marked.begin(test + hidden("assert look() == [1]", "assert box.content == 5"))
    assert marked.passes("import __main__ as s\ns.box.put(6)\ns.seen.append(2)")
    assert marked.finish(begun)["passed"]


def test_it_leaves_no_trace(judge):
    marked = judge(CELLS)
    assert marked.passes(
        hidden("assert spy('x') == 'x'", "box.put('x')", "assert box.content == 'x'")
    )
    assert marked.passes("assert look() == [] and box.content is None")


def test_hidden_parts_of_several_cells_wait_side_by_side(judge):
    marked = judge(CELLS)
    begun = [marked.begin(hidden(f"assert square({n}) == {n * n}")) for n in range(5)]
    begun.append(marked.begin(hidden("assert square(2) == 5")))
    assert [marked.finish(one)["passed"] for one in reversed(begun)] == [False] + [True] * 5


def test_it_sees_what_the_visible_part_made(judge):
    test = "box = Box()\nbox.put(3)\nhelper = lambda x: x + 1\n"
    assert judge(CELLS).passes(test + hidden("assert helper(box.content) == 4 and square(3) == 9"))


def test_what_follows_a_hidden_part_belongs_to_it(judge):
    marked = judge(CELLS)
    test = hidden("expected = 9") + "\nassert square(3) == expected\n"
    assert marked.passes(test)
    assert not marked.passes(test + "assert square(3) == expected + 1")


def test_what_a_hidden_part_defines_is_there_for_the_next_cell(judge):
    marked = judge(CELLS)
    assert marked.passes(hidden("import math", "def helper(x):", "    return x + 1", "LIMIT = 5"))
    assert marked.passes("assert helper(LIMIT) == 6 and math.pi > 3")


def test_a_visible_part_that_fails_is_the_verdict(judge):
    verdict = judge(CELLS).test("assert square(2) == 5\n" + hidden("assert square(3) == 9"))
    assert verdict["line"] == "assert square(2) == 5"
    assert verdict.get("place") is None


@pytest.mark.parametrize("call", ["die()", "crash()", "exits(1)", "blame(1)", "recursion(1)"])
def test_student_code_that_ends_the_copy_ends_it_alone(judge, call):
    marked = judge(CELLS)
    assert not marked.passes(hidden(call))
    assert marked.passes("assert square(3) == 9")
    assert marked.passes(hidden("assert square(3) == 9"))


@pytest.mark.parametrize("call", ["loop()", "sleep()"])
def test_a_copy_that_runs_out_of_time_does_so_alone(judge, call):
    marked = judge(CELLS)
    verdict = marked.finish(marked.begin(hidden(call)), seconds=0.3)
    assert verdict["problem"] == "timeout"
    assert verdict["ename"] == "TimeoutError"
    assert marked.passes("assert square(3) == 9")


def test_a_copy_of_the_notebook_does_not_go_on_when_its_time_is_up(judge):
    marked = judge(CELLS)
    before = children_of(marked.process)
    marked.finish(marked.begin(hidden("loop()")), seconds=0.3)
    deadline = time.monotonic() + 30
    while children_of(marked.process) != before:
        assert time.monotonic() < deadline, "the copy goes on"
        time.sleep(0.01)


def children_of(pid):
    children = psutil.Process(pid).children(recursive=True)
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]


def test_copies_of_the_checker_are_gone_when_they_have_finished(judge):
    marked = judge(CELLS)
    begun = [marked.begin(hidden("assert square(3) == 9", "loop()")) for _ in range(2)]
    processes = [hidden_part.process for hidden_part in marked.checker.hidden]
    for one in begun:
        marked.finish(one, seconds=0.2)
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_a_copy_of_the_checker_that_was_killed_fails_its_cell_only(judge):
    marked = judge(CELLS)
    begun = marked.begin(hidden("assert square(3) == 9"))
    os.kill(marked.checker.hidden[-1].process, signal.SIGKILL)
    assert not marked.finish(begun)["passed"]
    assert marked.passes(hidden("assert square(3) == 9"))


LEAKS = [
    f"assert spy('{SECRET}') == 1",
    f"assert shout('{SECRET}') == 1",
    f"blame('{SECRET}')",
    f"named_error('{SECRET}')",
    f"assert named_object('{SECRET}') == 1",
    f"assert named_object('{SECRET}')",
    f"assert named_function('{SECRET}') == 1",
    f"import numpy as np; np.testing.assert_allclose(named_object('{SECRET}'), 1)",
    f"assert deep('{SECRET}') == 1",
    f"assert speak('{SECRET}') == 1",
    f"exits('{SECRET}')",
    f"recursion('{SECRET}')",
    f"die('{SECRET}')",
    f"spy('{SECRET}').missing",
    f"getattr(box, '{SECRET}')",
    f"{{}}['{SECRET}']",
    f"int('{SECRET}')",
    f"raise RuntimeError('{SECRET}')",
    f"raise named_error('{SECRET}')",
    f"import numpy as np; np.testing.assert_equal('{SECRET}', spy('b'))",
    f"import unittest; unittest.TestCase().assertEqual('{SECRET}', spy('b'))",
    f"assert spy('{SECRET}') in ('a', 'b')",
    f"undefined_{SECRET.replace('-', '_')}",
    f"spy('{SECRET}')",
    f"[spy('{SECRET}')]",
    f"import sys; sys.exit('{SECRET}')",
]


@pytest.mark.parametrize("test", LEAKS)
@pytest.mark.parametrize("place", [hidden, lambda line: check([line])], ids=["bare", "check"])
def test_a_verdict_does_not_hold_what_a_hidden_test_passed_in(judge, test, place):
    verdict = judge(CELLS).test(place(test))
    assert SECRET not in str(verdict)
    assert SECRET.replace("-", "_") not in str(verdict)
    assert not verdict.get("line")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["assert square(3) == 8"], "It squares"),
        (["blame(3)"], "It squares: the code raised ValueError"),
        (["named_error(3)"], "It squares: the code raised ValueError"),
        (["die()"], "It squares: the notebook's code ended its own process"),
        (["assert named_object(3) == 9"], "It squares: an object came in place of data"),
        (["assert square(3) == 8, 'Try squares of odd numbers.'"], "Try squares of odd numbers."),
        (["assert undefined == 3"], "It squares"),
    ],
)
def test_it_says_which_behaviour_was_wrong(judge, lines, words):
    assert judge(CELLS).says(check(lines)) == f"AssertionError: {words}"


def test_without_words_of_the_author_it_says_that_a_hidden_test_failed(judge):
    said = judge(CELLS).says(hidden("assert square(3) == 8"))
    assert said == "AssertionError: a hidden test of this cell did not pass"


def test_the_words_of_the_student_s_assertion_are_not_the_author_s(judge):
    cells = "def f(x):\n    assert False, f'{x} was passed in'"
    said = judge(cells).says(check([f"f('{SECRET}')"]))
    assert said == "AssertionError: It squares: the code raised AssertionError"


def test_partial_credit_is_a_number_and_nothing_else(judge):
    marked = judge(CELLS)
    assert marked.test(hidden("0.5"))["result"] == "0.5"
    assert marked.test(hidden("import numpy as np", "np.float64(2) / 4"))["passed"]
    assert marked.test("2 + 2")["result"] == "4"
    assert marked.test("assert square(2) == 4")["result"] is None
    assert marked.test(hidden(f"spy('{SECRET}')"))["result"] is None
    assert marked.test("1.5\n" + hidden("assert square(2) == 4"))["result"] in (None, "1.5")
