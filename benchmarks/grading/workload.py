"""The class that graders are timed on: one notebook of 17 cells, two of them plots, n students."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ASSIGNMENT = "ps1"
TASKS = {
    "square": "return x * x",
    "mean": "return float(np.mean(x))",
    "scale": "return [2 * item for item in x]",
    "count": "return {item: x.count(item) for item in x}",
    "top": "return sorted(x)[-1]",
}
TESTS = {
    "square": ("assert square(3) == 9", "assert square(-4) == 16"),
    "mean": ("assert mean([1, 2, 3]) == 2", "assert np.isclose(mean(np.arange(9.0)), 4)"),
    "scale": ("assert scale([1, 2]) == [2, 4]", "assert scale([]) == []"),
    "count": ("assert count([1, 1]) == {1: 2}", "assert count([3, 4]) == {3: 1, 4: 1}"),
    "top": ("assert top([1, 5, 2]) == 5", "assert top([-1, -2]) == -1"),
}
POINTS = 2
MAX_POINTS = POINTS * len(TASKS)
PLOTS = 2
OTTER_TEST = """from otter.test_files import test_case

OK_FORMAT = False
name = "{name}"
points = {points}


@test_case(points={half})
def test_visible({name}):
    import numpy as np

    {visible}


@test_case(points={half}, hidden=True)
def test_hidden({name}):
    import numpy as np

    {hidden}
"""


def source_notebook() -> nbformat.NotebookNode:
    """Return the instructor's notebook, with solutions and hidden tests."""
    cells = [
        new_markdown_cell("# Problem set 1"),
        new_code_cell("import matplotlib.pyplot as plt\nimport numpy as np"),
    ]
    for name, body in TASKS.items():
        visible, hidden = TESTS[name]
        cells.append(
            new_code_cell(
                f"def {name}(x):\n    ### BEGIN SOLUTION\n    {body}\n    ### END SOLUTION",
                metadata={"nbgrader": role(name, solution=True)},
            )
        )
        cells.append(
            new_code_cell(
                f"{visible}\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS",
                metadata={"nbgrader": role(f"test-{name}", points=POINTS)},
            )
        )
    cells.append(new_code_cell("x = np.linspace(0, 6, 200)\nplt.plot(x, np.sin(x));"))
    cells.append(new_code_cell("plt.hist(np.random.default_rng(0).normal(size=500), bins=30);"))
    cells += [new_code_cell(f"print({number}, square({number}))") for number in range(3)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def role(grade_id: str, points: int | None = None, solution: bool = False) -> dict[str, object]:
    """Return nbgrader's metadata of a cell."""
    grade = {"points": points} if points is not None else {}
    return grade | {
        "grade": points is not None,
        "grade_id": grade_id,
        "locked": not solution,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }


def student_name(number: int) -> str:
    """Return the id of a student of the class."""
    return f"s{number:04}"


def solution(name: str, number: int) -> str:
    """Return how a student solved a task, in own words."""
    return f"def {name}(x):\n    # student {number}\n    {TASKS[name]}"


def write_source(course: Path) -> None:
    """Write the instructor's notebook into nbgrader's course directory."""
    path = course / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(source_notebook(), path)


def write_submissions(course: Path, students: int) -> None:
    """Write the submissions of a class whose members all solved it."""
    for number in range(students):
        notebook = nbformat.read(course / "release" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", 4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in TASKS:
                cell.source = solution(name, number)
        path = course / "submitted" / student_name(number) / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)


def write_for_otter(folder: Path, students: int) -> None:
    """Write the same tests as otter's test files, and the same submissions as it wants them."""
    (folder / "tests").mkdir(parents=True)
    for name, (visible, hidden) in TESTS.items():
        text = OTTER_TEST.format(
            name=name, points=POINTS, half=POINTS / 2, visible=visible, hidden=hidden
        )
        (folder / "tests" / f"{name}.py").write_text(text, encoding="utf-8")
    for number in range(students):
        notebook = source_notebook()
        for cell in notebook.cells:
            grade_id = cell.metadata.pop("nbgrader", {}).get("grade_id", "")
            if grade_id in TASKS:
                cell.source = solution(grade_id, number)
            elif grade_id:
                cell.source = f'grader.check("{grade_id.removeprefix("test-")}")'
        start = new_code_cell("import otter\n\ngrader = otter.Notebook()")
        notebook.cells.insert(1, start)
        nbformat.write(notebook, folder / f"{student_name(number)}.ipynb")
