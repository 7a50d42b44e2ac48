"""A notebook's end of the channel that lies is refused, and cannot make the test believe it."""

import contextlib
import socket

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.trust.frames import ChannelError, FrameReader, send_frame
from autograder.trust.proxies import is_proxy
from autograder.trust.session import Session, StudentDied

OBJECT = {"name": "f", "kind": "f", "callable": True, "bases": ["__main__:f"]}


def ok(value, changed=(), printed="", origin=None):
    return ["ok", value, list(changed), printed, origin]


LIES = {
    "nothing": None,
    "a number": 5,
    "an empty list": [],
    "an unknown kind": ["well", 5, [], "", None],
    "too short": ["ok", 5],
    "too long": ["ok", 5, [], "", None, 1],
    "an object that was never passed": ok(["theirs", 0]),
    "an object of a negative number": ok(["theirs", -1]),
    "an object of a name": ok(["theirs", "0"]),
    "an argument that was never passed": ok(["argument", 5]),
    "an argument of a negative number": ok(["argument", -1]),
    "a change to what was never passed": ok(5, [[9, 1]]),
    "a change to a negative place": ok(5, [[-1, 1]]),
    "a change to a place by name": ok(5, [["0", 1]]),
    "a change of a list to a number": ok(5, [[0, 7]]),
    "a change of what cannot change": ok(5, [[1, ["list", []]]]),
    "a proxy without description": ok(["mine", 5, None]),
    "a proxy with a name as number": ok(["mine", "5", OBJECT]),
    "a proxy with a truth as number": ok(["mine", True, OBJECT]),
    "a proxy whose bases are a number": ok(["mine", 5, {"bases": 7}]),
    "a class of nowhere": ok(["class", "os:system"]),
    "a function as class": ok(["class", "builtins:eval"]),
    "a class by number": ok(["class", 5]),
    "a value of an unknown class": ok(["value", "os:system", []]),
    "a value of a builtin class": ok(["value", "builtins:type", []]),
    "a module by number": ok(["module", 5]),
    "a list that lies": ok(["list", [["array", "O", [1], 0]]]),
    "a pickle": ok(["pickle", "gASV"]),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_an_answer_that_lies_is_refused(answered, lie):
    items = [1]
    with pytest.raises((ChannelError, TypeError)):
        answered(lie).ask("call", None, [items, 5])
    assert items == [1]


def test_an_honest_answer_is_not(answered):
    items, array = [1], np.zeros(2)
    session = answered((ok(["argument", 0], [[0, ["list", [1, 2]]]]), []))
    assert session.ask("call", None, [items, array]) is items
    assert items == [1, 2]


@pytest.mark.parametrize(
    "name", ["os", "sys", "builtins", "autograder.trust.session", "numpy.f2py"]
)
def test_a_module_is_not_what_the_student_says(answered, name):
    with pytest.raises(KeyError):
        answered(ok(["module", name])).name("np")


def test_a_module_under_its_own_name_is_imported_here(answered):
    assert answered(ok(["module", "numpy"])).name("np") is np
    assert answered(ok(["module", "math"])).name("math").pi > 3


def test_a_proxy_stands_for_what_is_not_plain(answered):
    session = answered(ok(["mine", 5, OBJECT]), ok(["mine", 5, OBJECT]), ok(["mine", 6, OBJECT]))
    first = session.name("f")
    assert is_proxy(first)
    assert session.name("f") is first
    assert session.name("g") is not first


ERRORS = [
    ["error", "E", "words", []],
    ["error", "E", "words", None],
    ["error", "E", 5, [["builtins:ValueError", []]]],
    ["error", "E", "words", [["builtins:eval", []]]],
    ["error", "E", "words", [["os:system", []]]],
    ["error", "E", "words", [["builtins:int", []]]],
    ["error", "E", "words", [["x:E", [99]]]],
    ["error", "E", "words", [["x:E", [-1]]]],
    ["error", "E", "words", [["x:E", [0]]]],
    ["error", "E", "words", ["builtins:ValueError"]],
    ["error", "E", "words", [["x:\0", [1]], ["builtins:Exception", []]]],
    ["error", "E", "words", [["x:E", [1, 1]], ["builtins:Exception", []]]],
    ["error", "E", "words", [["x:E", [1, 2]], ["builtins:OSError", []], ["builtins:KeyError", []]]],
    [
        "error",
        "E",
        "words",
        [["autograder.trust.frames:OutOfTimeError", [1]], ["builtins:ValueError", []]],
    ],
    ["error", None, None, [["builtins:ValueError", []]], "printed"],
]


@pytest.mark.parametrize("answer", ERRORS, ids=lambda answer: str(answer[3])[:50])
def test_whatever_an_error_claims_it_is_an_error_of_the_student_s(answered, answer):
    caught = None
    try:
        answered(answer).ask("name", "f")
    except Exception as error:  # noqa: BLE001  (each lie has its own class)
        caught = error
    assert getattr(caught, "from_student", False)


@pytest.mark.parametrize(
    "request_of_the_student",
    [
        ["ask", "call", ["class", "builtins:type"], [], []],
        ["ask", "call", ["theirs", 0], [], []],
        ["ask", "get", "text", ["format"], []],
        ["ask", "name", "expected", [], []],
        ["ask", "update", 0, [1], []],
        ["ask"],
        ["ask", "call", None, None, None],
        ["ask", 5, 5, 5, 5],
        ["ask", "call", ["mine", 5, OBJECT], [], []],
    ],
    ids=str,
)
def test_a_request_for_what_was_not_passed_is_answered_by_an_error(request_of_the_student):
    here, there = socket.socketpair()
    with here, there:
        send_frame(there, request_of_the_student, [])
        send_frame(there, ok(5), [])
        assert Session(here).ask("name", "f") == 5
        reader = FrameReader(there)
        reader.receive()
        assert reader.receive()[0][0] == "error"


def test_a_channel_that_is_closed_means_that_the_notebook_has_ended(answered):
    with pytest.raises(StudentDied):
        answered().ask("name", "f")


def test_bytes_that_are_no_frame_are_refused():
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"\xff" * 100)
        with pytest.raises(ChannelError):
            Session(here).ask("name", "f")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.sampled_from(
        "ok error ask call get name mine theirs class value module argument list dict array "
        "builtins:int builtins:ValueError np".split()
    ),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=15,
)  # fmt: skip


@given(answer=json_values | st.builds(lambda *p: ["ok", *p], *[json_values] * 4)
       | st.builds(lambda *p: ["error", *p], *[json_values] * 3))  # fmt: skip
@settings(max_examples=100)
def test_whatever_is_answered_ends_in_a_value_or_an_error(answer):
    here, there = socket.socketpair()
    with here, there:
        send_frame(there, answer, [])
        there.shutdown(socket.SHUT_WR)
        items = [1]
        with contextlib.suppress(Exception):
            Session(here).ask("call", None, [items])
        assert all(type(item) is not type(print) for item in items)
