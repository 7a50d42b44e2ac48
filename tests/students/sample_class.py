"""A class of students, honest and unlucky, made from the current source and release notebooks.

Each student is a function from the two notebooks to what they hand in, with the points they must
get. `python tests/students/sample_class.py COURSE_DIR` writes the class where nbgrader looks, for
every chapter that was released there: twenty students in chapter 20, five of them in the others.
"""

import copy
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode

CAPSTONE = "20_capstone"
TESTS = {
    "simple-mlp": ("mlp-forward", "mlp-parameters", "mlp-nonlinear"),
    "report": (
        "report-identity", "report-system", "metrics-present", "metrics-size", "metrics-packed",
        "metrics-accuracy", "metrics-latency", "metrics-throughput", "metrics-independent",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Student:
    """What one student hands in, and what nbgrader must make of it."""

    name: str
    about: str
    points: float | None
    problem: str
    hand_in: Callable[["Notebooks"], tuple[str, bytes] | None]


@dataclass(frozen=True)
class Notebooks:
    """The chapter with its solutions, and as it was released."""

    chapter: str
    source: NotebookNode
    release: NotebookNode

    def solved(self, *cells: str) -> NotebookNode:
        """Return the release with the reference's code in the named cells (default: in all)."""
        notebook = copy.deepcopy(self.release)
        for index, cell in enumerate(notebook.cells):
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
            if cell.metadata.get("nbgrader", {}).get("solution") and (
                not cells or grade_id in cells
            ):
                cell.source = self.source.cells[index].source
        return notebook

    def tasks(self) -> list[str]:
        """Return the ids of the cells that students write, in their order."""
        return [
            cell.metadata.nbgrader.grade_id
            for cell in self.release.cells
            if cell.metadata.get("nbgrader", {}).get("solution")
        ]


def cell_of(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    """Return the cell with that nbgrader id."""
    return next(
        cell
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id
    )


def replace(notebook: NotebookNode, grade_id: str, find: str, new: str) -> NotebookNode:
    """Return the notebook with one piece of one cell's code replaced."""
    cell = cell_of(notebook, grade_id)
    assert cell.source.count(find) == 1, f"{find!r} stands {cell.source.count(find)} times"
    cell.source = cell.source.replace(find, new)
    return notebook


def added(source: str) -> NotebookNode:
    """Return a cell of the student's own; its id is fixed so that the file's bytes are."""
    return nbformat.v4.new_code_cell(source, id="added")


def as_file(
    books: Notebooks, notebook: NotebookNode, name: str = "{chapter}.ipynb"
) -> tuple[str, bytes]:
    return name.format(chapter=books.chapter), nbformat.writes(notebook).encode()


def full_marks(books: Notebooks) -> tuple[str, bytes]:
    return as_file(books, books.solved())


def untouched(books: Notebooks) -> tuple[str, bytes]:
    return as_file(books, books.release)


def only_the_model(books: Notebooks) -> tuple[str, bytes]:
    return as_file(books, books.solved("simple-mlp"))


def model_and_report(books: Notebooks) -> tuple[str, bytes]:
    return as_file(books, books.solved("simple-mlp", "accuracy", "report"))


def first_half(books: Notebooks) -> tuple[str, bytes]:
    tasks = books.tasks()
    return as_file(books, books.solved(*tasks[: len(tasks) // 2]))


def dies_half_way(books: Notebooks) -> tuple[str, bytes]:
    notebook, tasks = books.solved(), books.tasks()
    place = notebook.cells.index(cell_of(notebook, tasks[len(tasks) // 2]))
    notebook.cells.insert(place, added("import os\nos._exit(1)"))
    return as_file(books, notebook)


def tests_of_half(books: Notebooks) -> list[str]:
    """Return the tests that stand before the second half of the tasks."""
    tasks = books.tasks()
    place = books.release.cells.index(cell_of(books.release, tasks[len(tasks) // 2]))
    return [
        cell.metadata.nbgrader.grade_id
        for cell in books.release.cells[:place]
        if cell.metadata.get("nbgrader", {}).get("grade")
    ]


def swapped_speedup(books: Notebooks) -> tuple[str, bytes]:
    find = 'figure("baseline", baseline, key, True) / figure("optimized", optimized, key, True)'
    new = 'figure("optimized", optimized, key, True) / figure("baseline", baseline, key, True)'
    return as_file(books, replace(books.solved(), "submission", find, new))


def seconds_for_milliseconds(books: Notebooks) -> tuple[str, bytes]:
    find = '"latency_ms_mean": latency.mean_ms,'
    new = '"latency_ms_mean": latency.mean_ms / 1000,'
    return as_file(books, replace(books.solved(), "report", find, new))


def no_bias(books: Notebooks) -> tuple[str, bytes]:
    notebook = replace(
        books.solved(), "simple-mlp", "Linear(hidden_size, output_size)",
        "Linear(hidden_size, output_size, bias=False)",
    )  # fmt: skip
    return as_file(books, notebook)


def all_wrong(books: Notebooks) -> tuple[str, bytes]:
    notebook = copy.deepcopy(books.release)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = cell.source.replace("raise NotImplementedError()", "return None")
    return as_file(books, notebook)


def exception_in_the_middle(books: Notebooks) -> tuple[str, bytes]:
    notebook = books.solved()
    cell_of(notebook, "submission").source += "\n\nprint(undefined_name)\n"
    return as_file(books, notebook)


def infinite_loop(books: Notebooks) -> tuple[str, bytes]:
    notebook = books.solved()
    place = notebook.cells.index(cell_of(notebook, "validate"))
    notebook.cells.insert(place, added("while True:\n    pass"))
    return as_file(books, notebook)


def memory_hog(books: Notebooks) -> tuple[str, bytes]:
    notebook = books.solved()
    place = notebook.cells.index(cell_of(notebook, "pair"))
    notebook.cells.insert(place, added("hog = bytearray(6 * 2**30)"))
    return as_file(books, notebook)


def kernel_dies(books: Notebooks) -> tuple[str, bytes]:
    notebook = books.solved()
    place = notebook.cells.index(cell_of(notebook, "submission"))
    notebook.cells.insert(place, added("import os\nos._exit(1)"))
    return as_file(books, notebook)


def deleted_test_cell(books: Notebooks) -> tuple[str, bytes]:
    notebook = books.solved()
    for grade_id in ("mlp-forward", "workflow-runs", "imports"):
        notebook.cells.remove(cell_of(notebook, grade_id))
    return as_file(books, notebook)


def skips_the_tests(books: Notebooks) -> tuple[str, bytes]:
    notebook = copy.deepcopy(books.release)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.metadata["tags"] = ["skip-execution", "raises-exception"]
    return as_file(books, notebook)


def edited_tests(books: Notebooks) -> tuple[str, bytes]:
    notebook = copy.deepcopy(books.release)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = "pass"
            cell.metadata.nbgrader["points"] = 1000
    return as_file(books, notebook)


def broken_json(books: Notebooks) -> tuple[str, bytes]:
    name, content = full_marks(books)
    return name, content[: len(content) // 2]


def byte_order_mark(books: Notebooks) -> tuple[str, bytes]:
    name, content = full_marks(books)
    return name, b"\xef\xbb\xbf" + content


def imports_the_answer(books: Notebooks) -> tuple[str, bytes]:
    notebook = copy.deepcopy(books.release)
    cell_of(notebook, "simple-mlp").source = "from tinytorch.capstone import *"
    for grade_id in ("accuracy", "report", "submission", "save-load", "validate", "pair",
                     "workflow"):  # fmt: skip
        cell_of(notebook, grade_id).source = "pass"
    return as_file(books, notebook)


def wrong_name(books: Notebooks) -> tuple[str, bytes]:
    return as_file(books, books.solved(), "{chapter} (1).ipynb")


def nothing(books: Notebooks) -> None:
    return None


def points_of(notebook: NotebookNode, *grade_ids: str) -> float:
    """Return the points of the named tests, or of all of them."""
    return sum(
        cell.metadata.nbgrader.points
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade")
        and (not grade_ids or cell.metadata.nbgrader.grade_id in grade_ids)
    )


def the_class(books: Notebooks) -> list[Student]:
    """Return the students of a chapter with the points they must get."""
    return capstone_class(books) if books.chapter == CAPSTONE else chapter_class(books)


def chapter_class(books: Notebooks) -> list[Student]:
    """Return the five who hand in every chapter."""
    everything, half = points_of(books.release), points_of(books.release, *tests_of_half(books))
    return [
        Student("ada", "solves everything", everything, "", full_marks),
        Student("bela", "hands in the release untouched", 0, "", untouched),
        Student("chen", "wrote the first half", half, "", first_half),
        Student("lena", "ends the kernel half way", half, "the kernel died", dies_half_way),
        Student("nora", "tags the tests to be skipped", 0, "", skips_the_tests),
    ]


def capstone_class(books: Notebooks) -> list[Student]:
    """Return the twenty who hand in chapter 20."""

    def points(*grade_ids: str) -> float:
        return points_of(books.release, *grade_ids)

    everything = points()
    model = points(*TESTS["simple-mlp"])
    report = points(*TESTS["report"])
    speed = ("improvements-speedup", "improvements-compression", "workflow-runs")
    return [
        Student("ada", "solves everything", everything, "", full_marks),
        Student("bela", "hands in the release untouched", 0, "", untouched),
        Student("chen", "wrote the model", model, "", only_the_model),
        Student("dana", "wrote the model and the report", model + report, "", model_and_report),
        Student(
            "emil", "speedup and compression upside down", everything - points(*speed), "",
            swapped_speedup,
        ),
        Student(
            "fay", "seconds for milliseconds",
            everything - points("metrics-latency", "metrics-throughput", "pair-verdict",
                                "workflow-runs"),
            "", seconds_for_milliseconds,
        ),
        Student(
            "gus", "forgot a bias", everything - points("mlp-parameters", "metrics-size"), "",
            no_bias,
        ),
        Student("hana", "every function returns None", 0, "", all_wrong),
        Student("ivan", "a cell raises after its work is done", everything, "",
                exception_in_the_middle),
        Student("june", "a loop without end", everything, "ran out of time", infinite_loop),
        Student("kofi", "asks for six gigabytes", everything, "", memory_hog),
        Student("lena", "ends the kernel half way", model + report, "the kernel died", kernel_dies),
        Student("milo", "deleted tests and imports", everything, "", deleted_test_cell),
        Student("nora", "tags the tests to be skipped", 0, "", skips_the_tests),
        Student("omar", "rewrote the tests", 0, "", edited_tests),
        Student("pia", "half a file", 0, "not readable", broken_json),
        Student("quin", "a byte order mark", everything, "", byte_order_mark),
        Student("rosa", "another file name", everything, "", wrong_name),
        Student("tess", "imports what the chapter asks for", 0, "", imports_the_answer),
        Student("sven", "an empty folder", None, "no notebook", nothing),
    ]  # fmt: skip


def read_notebooks(course_dir: Path, chapter: str) -> Notebooks:
    source = course_dir / "source" / chapter / f"{chapter}.ipynb"
    release = course_dir / "release" / chapter / f"{chapter}.ipynb"
    return Notebooks(chapter, nbformat.read(source, 4), nbformat.read(release, 4))


def write_class(course_dir: Path, chapter: str, names: set[str] | None = None) -> list[Student]:
    """Write what the students hand in below `course_dir/submitted`; unchanged files stay."""
    books = read_notebooks(course_dir, chapter)
    students = [s for s in the_class(books) if names is None or s.name in names]
    for student in students:
        folder = course_dir / "submitted" / student.name / chapter
        folder.mkdir(parents=True, exist_ok=True)
        handed_in = student.hand_in(books)
        if handed_in is not None:
            path = folder / handed_in[0]
            if not path.is_file() or path.read_bytes() != handed_in[1]:
                path.write_bytes(handed_in[1])
    return students


if __name__ == "__main__":
    where = Path(sys.argv[1])
    written = {
        path.name: {s.name: s.about for s in write_class(where, path.name)}
        for path in sorted((where / "release").iterdir())
    }
    json.dump(written, sys.stdout, indent=2)
