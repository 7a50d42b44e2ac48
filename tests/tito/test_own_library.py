"""The real course: a student who completed every chapter does the capstone on their own library."""

import json

import pytest

pytestmark = pytest.mark.slow

WHOSE = """
import tinytorch.benchmarking
from tinytorch.perf import acceleration, compression, memoization, profiling, quantization
own = (profiling.own_work, quantization.quantize_int8, compression.magnitude_prune,
       memoization.KVCache, acceleration.tiled_matmul,
       tinytorch.benchmarking.bootstrap_ratio_interval)
print(*(thing.__module__ for thing in own))
"""


def test_the_capstone_on_all_of_ones_own_chapters(capstone_student):
    student, solutions = capstone_student
    *chapters, capstone = solutions
    for name in chapters:
        done = student.tito("module", "start", name, "--no-open")
        assert done.returncode == 0, done.stderr
        student.answer(name, **solutions[name])
        if name.startswith("16"):  # its experiments use what chapter 15 asks for
            done = student.tito("test", name, "--all", "--json")
            assert json.loads(done.stdout)["failures"] == {}
        done = student.tito("module", "complete", name)
        assert done.returncode == 0, (name, done.stdout, done.stderr)
    assert student.run(WHOSE).stdout.split() == [f"tinytorch_mine_{name}" for name in chapters]

    student.tito("module", "start", capstone, "--no-open")
    student.answer(capstone, **solutions[capstone])
    done = student.tito("test", capstone, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0, found
    assert found["earned"] == found["possible"] > 0
