"""A function that runs alone has the room that it is given, and no way to more."""

import socket
import time

import numpy as np
import pytest

from autograder.kernels.limits import Limits
from autograder.kernels.provisioner import next_number
from autograder.kernels.warm import Warm, WarmProcess
from autograder.trust.frames import ChannelError, OutOfTimeError
from autograder.trust.room import Room
from autograder.trust.session import Session, StudentDied

GIVEN = """
import math
import os
import numpy as np
import matplotlib.pyplot as plt

BLOCK, ROOT = 1 << 15, math.sqrt(4)

def doubled(part):
    return part * ROOT

def in_blocks(x, out):
    flat, result = x.reshape(-1), out.reshape(-1)
    for start in range(0, flat.size, BLOCK):
        result[start : start + BLOCK] = doubled(flat[start : start + BLOCK])
"""


@pytest.fixture(scope="module")
def warm():
    process = WarmProcess(Warm("autograder.trust.room"))
    yield process
    process.close()


@pytest.fixture
def alone(warm):
    """Return a function that has code run, by default on an array and with room for its half."""
    ours, theirs = socket.socketpair()
    near, far = socket.socketpair()
    with ours, near, far:
        with theirs:
            confined = warm.start({}, [theirs.fileno()], Limits(), next_number())
        room = Room(ours, Session(near))

        def run(code, x=None, *rest, name="f", room_bytes=None, seconds=20):
            x = numbers() if x is None else x
            room.sources = [GIVEN, code]
            room.session.reader.deadline = time.monotonic() + seconds
            return room(x.nbytes // 2 if room_bytes is None else room_bytes, name, x, *rest)

        yield run
        confined.close()


def numbers(count=6_000_000):
    return np.random.default_rng(0).normal(size=(count // 1000, 1000)).astype(np.float32)


def test_work_in_blocks_has_enough_of_it_and_leaves_what_was_passed_in(alone):
    x = numbers()
    before = x.copy()
    assert np.array_equal(alone(GIVEN, x, name="in_blocks"), 2 * before)
    assert np.array_equal(x, before)


def test_an_array_of_the_size_of_x_is_too_much(alone):
    with pytest.raises(MemoryError):
        alone("def f(x, out):\n    out[...] = x * 2")


def test_with_more_room_it_is_not(alone):
    x = numbers()
    found = alone("def f(x, out):\n    out[...] = x * 2", x, room_bytes=2 * x.nbytes)
    assert np.array_equal(found, 2 * x)


@pytest.mark.parametrize(
    "take",
    [
        "scratch = np.zeros(6_000_000, dtype=np.float32)",
        "scratch = bytearray(24_000_000)",
        "def take():\n    return bytearray(24_000_000)\nscratch = take()",
        "class Scratch:\n    a = np.ones(6_000_000, dtype=np.float32)\nscratch = Scratch.a",
        "import mmap\nclass Shared:\n    m = mmap.mmap(-1, 24_000_000)\nscratch = Shared.m",
    ],
)
def test_what_was_to_be_taken_beforehand_is_not_there(alone, take):
    with pytest.raises(NameError):
        alone(f"{take}\ndef f(x, out):\n    out[...] = 1\n    len(scratch)")


def test_a_block_that_is_kept_may_be(alone):
    code = (
        "scratch = np.empty(BLOCK, dtype=np.float32)\ndef f(x, out):\n    out[0, :3] = scratch.size"
    )
    assert alone(code)[0, 0] == 2**15


@pytest.mark.parametrize(
    ("way", "error"),
    [
        ("import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))", ValueError),
        ("os.fork()", BlockingIOError),
        ("import threading\nthreading.Thread(target=print).start()", RuntimeError),
        ("import subprocess\nsubprocess.run(['true'])", BlockingIOError),
        ("x.tofile('/scratch/tmp/x')", OSError),
        ("import mmap\nmmap.mmap(-1, x.nbytes)", OSError),
        ("open(f'/proc/{os.getppid()}/mem', 'r+b')", PermissionError),
        ("kept = [os.pipe() for _ in range(20)]", OSError),
    ],
)
def test_there_is_no_other_place_to_hold_data(alone, way, error):
    body = "\n    ".join(way.split("\n"))
    with pytest.raises(error):
        alone(f"def f(x, out):\n    {body}")


def test_one_run_leaves_nothing_to_the_next(alone):
    alone("def f(x, out):\n    import builtins\n    builtins.left = 5\n    np.left = 5")
    with pytest.raises(AttributeError):
        alone("def f(x, out):\n    np.left")


def test_only_what_the_function_uses_of_the_notebook_runs(alone):
    cells = "print(5)\nBLOCK = 3\n%matplotlib inline\ny = exit()\nimport sys; sys.exit()"
    assert alone(cells + "\ndef f(x, out):\n    out[0] = BLOCK")[0, 0] == 3
    cells = "raise SystemExit\n1 / 0\nundefined()"
    assert alone(cells + "\ndef f(x, out):\n    out[0] = 7")[0, 0] == 7


def test_other_arguments_go_before_out(alone):
    x = numbers(2000)
    code = "def f(x, weight, shift, out):\n    out[...] = x * weight + shift"
    found = alone(code, x, np.full(1000, 3.0), 1.5, room_bytes=2**24)
    assert np.allclose(found, 3 * x + 1.5, atol=1e-5)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (), (5,)])
def test_an_array_of_any_shape_and_dtype_can_be_passed(alone, shape):
    x = np.full(shape, 7, dtype=np.int16)
    found = alone("def f(x, out):\n    out += 1", x, room_bytes=2**24)
    assert found.shape == shape
    assert found.dtype == np.int16
    assert np.array_equal(found, x + 1)


def test_what_the_function_raises_is_raised(alone):
    with pytest.raises(ZeroDivisionError):
        alone("def f(x, out):\n    1 / 0")
    with pytest.raises(KeyError):
        alone("", name="missing")


def test_one_that_never_ends_is_ended_and_the_next_runs(alone):
    with pytest.raises(OutOfTimeError):
        alone("def f(x, out):\n    while True: pass", seconds=0.5)
    x = numbers()
    assert np.array_equal(alone(GIVEN, x, name="in_blocks"), 2 * x)


def test_one_that_ends_its_process_is_told(alone):
    with pytest.raises(StudentDied):
        alone("def f(x, out):\n    os._exit(0)")
    with pytest.raises(StudentDied):
        alone("def f(x, out):\n    os.kill(os.getpid(), 11)")


def test_one_that_ends_the_process_it_comes_from_fails_what_is_asked_next(alone):
    alone("def f(x, out):\n    os.kill(os.getppid(), 9)")
    with pytest.raises(StudentDied):
        alone(GIVEN, name="in_blocks")


def test_answers_of_its_own_are_no_answers(alone):
    forged = """
import json, socket, struct
def f(x, out):
    text = json.dumps({}).encode()
    for number in range(3, 24):
        try:
            end = socket.socket(fileno=number)
            end.sendall(struct.pack("!3I", len(text), 1, 5) + text + b"12345")
            end.detach()
        except OSError:
            pass
    os._exit(0)
"""
    with pytest.raises((ChannelError, StudentDied)):
        alone(forged)


def test_outside_of_a_hidden_part_it_says_so():
    near, far = socket.socketpair()
    with near, far, pytest.raises(RuntimeError, match="in the hidden part of a test only"):
        Room(near, Session(near))(100, "f", numbers(1000))


def test_only_plain_data_can_be_passed(alone):
    with pytest.raises(ChannelError):
        alone("def f(x, y, out):\n    pass", None, object())
