"""A test ends when its time is up; the notebook can be used after that, or is known to be busy."""

import os
import signal
import time

import pytest

CELLS = """
import time, os, signal
def loop():
    while True: pass
def stubborn():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop()
def sleep(): time.sleep(600)
def slow_reply(f):
    while True: f(1)
def endless():
    while True: yield 1
def never(x=None):
    class Never:
        def __iter__(self): return endless()
        def __len__(self): loop()
        def __bool__(self): loop()
    return Never()
def square(x): return x * x
def calls_back(f): return f(1)
def die(): os._exit(3)
def mute():
    _channel.channel.close()
def half():
    os.write(_channel.channel.fileno(), b"\\0\\0")
    loop()
"""


@pytest.fixture
def marked(judge):
    return judge(CELLS)


@pytest.mark.parametrize("call", ["loop()", "sleep()", "len(never())", "half()"])
def test_student_code_that_does_not_end_is_cut_off(marked, call):
    verdict = marked.test(call, seconds=0.2)
    assert not verdict["passed"]
    assert verdict["problem"] == "timeout"
    assert verdict["busy"]
    assert verdict["evalue"] == "not finished after 0.2 s"


@pytest.mark.parametrize("call", ["while True: pass", "import time; time.sleep(600)"])
def test_so_is_a_test_that_does_not_end_and_the_notebook_is_free(marked, call):
    verdict = marked.test(call, seconds=0.2)
    assert verdict["problem"] == "timeout"
    assert not verdict["busy"]
    assert marked.passes("assert square(3) == 9")


@pytest.mark.parametrize("call", ["list(endless())", "for _ in endless(): pass", "sum(never())"])
def test_what_never_ends_is_cut_off(marked, call):
    assert marked.test(call, seconds=0.3)["problem"] == "timeout"


def test_no_handler_of_the_test_hides_that_the_time_is_up(marked):
    test = "try: loop()\nexcept Exception: pass\nassert True"
    assert marked.test(test, seconds=0.2)["problem"] == "timeout"


def test_interrupted_code_gives_way_and_the_next_test_is_answered(marked):
    assert marked.test("loop()", seconds=0.2)["busy"]
    os.kill(marked.process, signal.SIGINT)
    assert marked.checker.obey({"do": "settle", "seconds": 10}) == {"settled": True}
    assert marked.passes("assert square(3) == 9")


def test_code_that_ignores_the_interrupt_is_known_to_be_busy(marked):
    assert marked.test("stubborn()", seconds=0.2)["busy"]
    os.kill(marked.process, signal.SIGINT)
    assert marked.checker.obey({"do": "settle", "seconds": 0.2}) == {"settled": False}


def test_code_that_waits_for_the_test_is_told_to_give_up(marked):
    assert marked.test("slow_reply(lambda x: x)", seconds=0.2)["problem"] == "timeout"
    assert marked.checker.obey({"do": "settle", "seconds": 10}) == {"settled": True}
    assert marked.passes("assert square(3) == 9")


@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.15, 0.2, 0.25, 0.3])
def test_code_interrupted_while_it_waits_for_the_test_puts_no_answer_out_of_step(marked, seconds):
    """The answer to what it asked last comes when nobody waits for it any more."""
    assert marked.test("slow_reply(lambda x: x)", seconds=seconds)["busy"]
    os.kill(marked.process, signal.SIGINT)
    assert marked.checker.obey({"do": "settle", "seconds": 10}) == {"settled": True}
    for number in range(5):
        assert marked.passes(f"assert square({number}) == {number**2}")
        assert marked.passes("assert calls_back(lambda x: x + 1) == 2")


@pytest.mark.parametrize("call", ["die()", "mute()"])
def test_a_notebook_that_ended_is_reported_as_dead(marked, call):
    verdict = marked.test(call, seconds=5)
    assert not verdict["passed"]
    assert verdict["problem"] == "died"
    assert "ended its own process" in verdict["evalue"]


def test_the_time_of_one_test_is_not_that_of_the_next(marked):
    for _ in range(3):
        assert marked.passes("import time; time.sleep(0.7); assert square(3) == 9", seconds=2)


def test_no_alarm_is_left_behind(marked):
    marked.test("assert square(3) == 9", seconds=0.1)
    marked.test("loop()", seconds=0.1)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    time.sleep(0.1)
