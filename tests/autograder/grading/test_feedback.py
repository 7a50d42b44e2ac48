"""Feedback says which behaviour failed, and holds no hidden test, its input or what it expects."""

import html
import re

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from .small_class import NAME, Student, hand_in, role, run, write_course

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("feedback")]
# Each hidden test has an input and an expected value that occur nowhere else.
TASKS = {
    "square": (
        "def square(x):\n    return x * x",
        "assert square(3) == 9\n### BEGIN HIDDEN TESTS\nassert square(-41273) == 1703460529\n"
        "### END HIDDEN TESTS",
    ),
    "clamp": (
        "def clamp(x):\n    return min(x, 10)",
        "### BEGIN HIDDEN TESTS\n"
        "assert clamp(73519) == 10, 'large numbers are held to the limit'\n"
        "### END HIDDEN TESTS",
    ),
    "order": (
        "def order(items):\n    return sorted(items)",
        "### BEGIN HIDDEN TESTS\n"
        "def check_order(secret=(88231, 88230)):\n"
        '    """The argument stays as it was.\n\n    Internal: see ticket 52817."""\n'
        "    items = list(secret)\n    order(items)\n    assert items == [88231, 88230]\n"
        "check_order()\n### END HIDDEN TESTS",
    ),
    "spill": (
        "def spill(x):\n    return x",
        "seen = []\n### BEGIN HIDDEN TESTS\nassert spill('pelican') == 'pelican'\n"
        "### END HIDDEN TESTS",
    ),
    "after": ("x = 1", "assert x == 1"),
}
SECRETS = ("41273", "1703460529", "73519", "88231", "88230", "52817", "pelican", "check_order")
RIGHT = {name: solution for name, (solution, _) in TASKS.items()}
WRONG = {
    "square": "def square(x):\n    return abs(x) * 7 - 12",
    "clamp": "def clamp(x):\n    return x",
    "order": "def order(items):\n    items.sort()\n    return items",
    "spill": "def spill(x):\n    return x.upper()",
}
TELLING = {
    "square": "kept = []\ndef square(x):\n    kept.append(x)\n    print('got', x)\n"
    "    raise ValueError(f'cannot square {x}')",
    "clamp": "def clamp(x):\n    globals()['last'] = x\n"
    "    raise type(f'Got{x}', (Exception,), {})",
    "order": "def order(items):\n    assert False, str(items)",
    "spill": "import warnings\nclass Loud(str):\n    pass\ndef spill(x):\n    warnings.warn(x)\n"
    "    open('told', 'w').write(x)\n    import os; os.environ['TOLD'] = x\n"
    "    import sys; sys.exit(x)",
    "after": "import os\nx = 1\nprint(kept, globals().get('last'), os.environ.get('TOLD'), "
    "os.path.exists('told'))",
}
STUDENTS = {"right": RIGHT, "wrong": RIGHT | WRONG, "telling": RIGHT | TELLING}


def source_notebook():
    cells = []
    for name, (solution, test) in TASKS.items():
        head, _, body = solution.rpartition("\n")
        solution = f"{head}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION"
        if not head:
            solution = f"### BEGIN SOLUTION\n{body}\n### END SOLUTION"
        cells += [
            new_code_cell(solution, metadata=role(name, solution=True)),
            new_code_cell(test, metadata=role(f"test-{name}", 1)),
        ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """What each student's feedback shows, and its HTML."""
    root = tmp_path_factory.mktemp("feedback") / "course"
    write_course(root, source_notebook())
    for name, cells in STUDENTS.items():
        hand_in(root, name, Student(cells))
    done = run(root, "autograder", "grade", NAME, "--workers", "2")
    assert done.returncode == 0, done.stderr
    done = run(root, "nbgrader", "generate_feedback", NAME)
    assert done.returncode == 0, done.stderr
    found = {}
    for name in STUDENTS:
        folder = root / "assignments" / "feedback" / name / NAME
        assert [path.name for path in folder.iterdir()] == [f"{NAME}.html"]
        page = (folder / f"{NAME}.html").read_text(encoding="utf-8")
        body = re.sub(r"<(style|script)\b.*?</\1>", "", page, flags=re.DOTALL)
        shown = html.unescape(re.sub(r"<[^>]+>", "", body))
        found[name] = re.sub(r"\s+", " ", shown), body
    return found


@pytest.mark.parametrize("student", STUDENTS)
def test_no_hidden_input_or_value_is_there(pages, student):
    shown, body = pages[student]
    for secret in SECRETS:
        assert secret not in body, secret
        assert secret not in shown, secret
    assert "HIDDEN" not in shown


def test_what_a_test_is_about_is_said_in_words(pages):
    shown, _ = pages["wrong"]
    assert "large numbers are held to the limit" in shown
    assert "The argument stays as it was" in shown
    assert "a hidden test of this cell did not pass" in shown


def test_of_an_error_of_the_student_s_in_a_hidden_test_its_kind_is_said(pages):
    shown, _ = pages["telling"]
    assert "The argument stays as it was" in shown
    # In a visible test the line is shown, and the words of the error are the student's own.
    assert "in the line: assert square(3) == 9" in shown
    assert "ValueError: cannot square 3" in shown


def test_right_work_is_told_nothing(pages):
    shown, _ = pages["right"]
    for word in ("AssertionError", "hidden test", "did not pass"):
        assert word not in shown
