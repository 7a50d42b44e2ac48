"""A Ctrl+C ends the command wherever it falls, and says nothing of its own."""

import subprocess
import sys

IN_A_FINALIZER = """
import signal, time
from autograder.interrupts import never_lost

class Closing:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        print("not reached")

try:
    with never_lost():
        Closing()
        time.sleep(20)
        print("lost")
except KeyboardInterrupt:
    print("stopped")
"""
OTHER = """
from autograder.interrupts import never_lost

class Broken:
    def __del__(self):
        raise ValueError("told as ever")

with never_lost():
    Broken()
"""


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )


def test_in_a_finalizer_it_is_raised_again_and_not_printed():
    done = run(IN_A_FINALIZER)
    assert (done.stdout, done.stderr) == ("stopped\n", "")


def test_any_other_error_there_is_told_as_ever():
    assert "ValueError: told as ever" in run(OTHER).stderr
