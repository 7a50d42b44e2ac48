"""What a function holds is graded where its code cannot change the meter."""

import json

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from .small_class import NAME, Student, hand_in, role, run, scores, write_course

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("room")]
IMPORTS = "import numpy as np\nBLOCK = 1 << 12"
BLOCKS = """
def double(x, out):
    for start in range(0, x.size, BLOCK):
        out[start : start + BLOCK] = times(x[start : start + BLOCK])
"""
HELPER = "def times(part):\n    return part * FACTOR\nFACTOR = 2"
WHOLE = "def double(x, out):\n    out[...] = x * 2"
TEST = """
x = np.arange(10.0)
double(x, x)
assert np.array_equal(x, 2 * np.arange(10.0))
### BEGIN HIDDEN TESTS
import __main__ as student
x = np.random.default_rng().normal(size=5_000_000)
try:
    found = student.__within__(x.nbytes // 2, "double", x)
except MemoryError:
    raise AssertionError("it makes an array as large as x") from None
assert np.array_equal(found, 2 * x), "it is wrong for a long array"
### END HIDDEN TESTS
"""
PATCHED = """
import resource, tracemalloc
resource.setrlimit = lambda *bounds: None
tracemalloc.get_traced_memory = lambda: (0, 0)
kept = np.empty(5_000_000)
def double(x, out):
    np.multiply(x, 2, out=kept[: x.size])
    out[...] = kept[: x.size]
"""
CLASS = {
    "blocks": Student({"free": HELPER, "double": BLOCKS}, 4),
    "whole": Student({"double": WHOLE}, 0),
    "patched": Student({"free": PATCHED, "double": "pass"}, 0),
    "wrong": Student({"double": "def double(x, out):\n    out[:20] *= 2"}, 0),
    "killer": Student({"double": f"{WHOLE}\n    import os\n    os.kill(os.getppid(), 9)"}, 0),
    "last": Student({"free": HELPER, "double": BLOCKS}, 4),
}
COMMANDS = [("nbgrader", "autograde", NAME), ("autograder", "grade", NAME, "--workers", "2")]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_each_gets_what_was_earned(tmp_path, command):
    cells = [
        new_code_cell(IMPORTS, metadata=role("given")),
        new_code_cell("# helpers", metadata=role("free", solution=True)),
        new_code_cell("### BEGIN SOLUTION\n### END SOLUTION", metadata=role("double", None, True)),
        new_code_cell(TEST, metadata=role("test-double", 4)),
    ]
    write_course(tmp_path, new_notebook(cells=cells))
    for name, student in CLASS.items():
        hand_in(tmp_path, name, student)
    done = run(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    found = scores(tmp_path)
    points = {name: found[name, "test-double"][0] for name in CLASS}
    assert points == {name: student.points for name, student in CLASS.items()}
    path = tmp_path / "assignments" / "autograded" / "whole" / NAME / f"{NAME}.ipynb"
    assert "it makes an array as large as x" in json.dumps(json.loads(path.read_text()))
