"""The course that is attacked: one small assignment, ordinary in everything.

Its imports are in a plain cell, one helper of its tests is in a locked one, another in a file that
is given with it, and its tests are plain asserts, as in most courses; nothing in it knows what will
grade it.
Hidden values are words of `planted`, so that a leak can be recognised.
"""

from textwrap import dedent

import nbformat
from nbformat.notebooknode import NotebookNode

from . import planted

ASSIGNMENT = "homework"
POINTS = {"clamp": 4, "rescale": 4, "mean": 4, "tally": 3, "pick": 3, "announce": 2}
ESSAY_POINTS = 5
FULL = float(sum(POINTS.values()))

VALUE, NUMBER, BOUND, LEVEL, WORD, KEPT = (
    secret.word
    for secret in (
        planted.HIDDEN_SOURCE, planted.HIDDEN_NUMBER, planted.HIDDEN_BOUND,
        planted.HIDDEN_ARRAY, planted.HIDDEN_WORD, planted.HIDDEN_KEPT,
    )
)  # fmt: skip

GIVEN = "def near(a, b):\n    return abs(a - b) < 1e-9"
FILES = {"distances.py": "def apart(a, b):\n    return abs(a - b)\n"}
STUBS = {
    "clamp": '''
        def clamp(x, low, high):
            """Return x, or the bound it passes; raise ValueError when low is above high."""
            {}
        ''',
    "rescale": '''
        def rescale(X, low, high):
            """Return X (n, d) with each column scaled to [low, high]; X stays as it is."""
            {}
        ''',
    "mean": '''
        class RunningMean:
            """The mean of the numbers added so far, and how many they are."""

            {}
        ''',
    "tally": '''
        def tally(words, counts):
            """Add the words to the dict of counts; return the new ones, sorted."""
            {}
        ''',
    "pick": '''
        def pick(numbers, keep):
            """Yield the numbers for which keep(number) is true, asking once for each."""
            {}
        ''',
    "announce": '''
        def announce(values):
            """Print the largest value and return the index of its first place."""
            {}
        ''',
}

BODIES = {
    "clamp": """
        if low > high:
            raise ValueError("low is above high")
        return max(low, min(x, high))
        """,
    "rescale": """
        bottom, top = X.min(axis=0), X.max(axis=0)
        return low + (X - bottom) / (top - bottom) * (high - low)
        """,
    "mean": """
        def __init__(self):
            self.count = 0
            self.total = 0.0

        def add(self, number):
            self.count += 1
            self.total += number

        def mean(self):
            return self.total / self.count
        """,
    "tally": """
        new = sorted({word for word in words if word not in counts})
        for word in words:
            counts[word] = counts.get(word, 0) + 1
        return new
        """,
    "pick": """
        for number in numbers:
            if keep(number):
                yield number
        """,
    "announce": """
        values = list(values)
        print("largest:", max(values))
        return values.index(max(values))
        """,
}

TESTS = {
    "clamp": f"""
        assert clamp(3, 0, 10) == 3
        assert clamp(-3.5, 0, 10) == 0
        ### BEGIN HIDDEN TESTS
        {VALUE} = clamp({NUMBER}, -1, {BOUND})
        assert abs({VALUE} - {BOUND}) < 1e-9, "above the upper bound"
        try:
            clamp({NUMBER}, 5, 2)
        except ValueError:
            pass
        else:
            raise AssertionError("bounds in the wrong order must raise ValueError")
        ### END HIDDEN TESTS
        """,
    "rescale": f"""
        X = np.array([[0.0, 5.0], [1.0, 7.0], [2.0, 6.0]])
        scaled = rescale(X, 0, 1)
        assert scaled.shape == X.shape
        assert np.allclose(scaled[:, 0], [0, 0.5, 1])
        ### BEGIN HIDDEN TESTS
        before = X.copy()
        np.testing.assert_allclose(
            rescale(X, {LEVEL}, 30729),
            [[{LEVEL}.0, {LEVEL}.0], [30728, 30729], [30729, 30728]],
        )
        assert np.array_equal(X, before), "the array handed in was changed"
        ### END HIDDEN TESTS
        """,
    "mean": f"""
        running = RunningMean()
        running.add(2)
        running.add(4)
        assert near(running.mean(), 3)
        assert running.count == 2
        ### BEGIN HIDDEN TESTS
        other = RunningMean()
        other.add({NUMBER})
        assert near(other.mean(), {NUMBER}), "the mean of one number is the number"
        assert running.count == 2, "two running means must not share their numbers"
        ### END HIDDEN TESTS
        """,
    "tally": f"""
        earned = 0
        counts = {{"gull": 1}}
        if tally(["gull", "tern", "auk", "tern"], counts) == ["auk", "tern"]:
            earned += 1
        if counts == {{"gull": 2, "tern": 2, "auk": 1}}:
            earned += 1
        ### BEGIN HIDDEN TESTS
        hidden = {{}}
        tally(["{WORD}"] * 3, hidden)
        if hidden["{WORD}"] == 3:
            earned += 1
        ### END HIDDEN TESTS
        earned
        """,
    "pick": f"""
        assert list(pick([1, 2, 3, 4], lambda n: n % 2 == 0)) == [2, 4]
        ### BEGIN HIDDEN TESTS
        asked = []

        def keep(number):
            asked.append(number)
            return number == {KEPT}

        assert list(pick([5, {KEPT}, 6], keep)) == [{KEPT}]
        assert asked == [5, {KEPT}, 6], "each number is asked for once"
        ### END HIDDEN TESTS
        """,
    "announce": """
        assert announce([3, 9, 2, 9]) == 1
        ### BEGIN HIDDEN TESTS
        import distances
        assert distances.apart(announce([-71.25]), 0) == 0, "one value is the largest"
        ### END HIDDEN TESTS
        """,
}


def source_notebook() -> NotebookNode:
    """Return the instructor's notebook, with solutions, hidden tests and a mark scheme."""
    cells = [
        nbformat.v4.new_markdown_cell("# Homework", id="title"),
        nbformat.v4.new_code_cell("import numpy as np", id="imports"),
    ]
    given = nbformat.v4.new_code_cell(GIVEN, id="given")
    given.metadata["nbgrader"] = rules("given", locked=True)
    cells.append(given)
    for name, points in POINTS.items():
        solution = ["### BEGIN SOLUTION", *body(name).split("\n"), "### END SOLUTION"]
        solution.insert(1, f"# {planted.SOLUTION.word}")
        work = nbformat.v4.new_code_cell(filled(name, solution), id=name)
        work.metadata["nbgrader"] = rules(name, solution=True)
        test = nbformat.v4.new_code_cell(dedent(TESTS[name]).strip(), id=f"test-{name}")
        test.metadata["nbgrader"] = rules(f"test-{name}", grade=True, locked=True, points=points)
        cells += [work, test]
    question = (
        "Why does a running mean need no list?\n\n=== BEGIN MARK SCHEME ===\n"
        f"{planted.MARK_SCHEME.word}: sum and count suffice.\n=== END MARK SCHEME ==="
    )
    essay = nbformat.v4.new_markdown_cell(question, id="essay")
    essay.metadata["nbgrader"] = rules("essay", locked=True, task=True, points=ESSAY_POINTS)
    notebook = nbformat.v4.new_notebook(cells=[*cells, essay])
    notebook.metadata["kernelspec"] = {
        "name": "python3", "display_name": "Python 3", "language": "python",
    }  # fmt: skip
    return notebook


def rules(grade_id: str, **settings: object) -> dict[str, object]:
    """Return nbgrader's metadata of a cell."""
    plain = {"grade": False, "solution": False, "locked": False, "task": False}
    return {"schema_version": 3, "grade_id": grade_id, **plain, **settings}


def body(name: str) -> str:
    """Return the right body of a task, not yet indented."""
    return dedent(BODIES[name]).strip()


def filled(name: str, lines: list[str]) -> str:
    """Return a task's cell with these lines in the place of its body."""
    stub = dedent(STUBS[name]).strip()
    text = "\n".join(f"    {line}".rstrip() for line in lines)
    return stub.replace("    {}", text)


def right_answer(name: str) -> str:
    """Return the code of a student who solved a task."""
    return filled(name, body(name).split("\n"))
