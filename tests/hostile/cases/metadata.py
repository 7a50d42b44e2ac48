"""Points from the notebook file itself: tags, types, ids and settings of its cells."""

from nbformat.notebooknode import NotebookNode

from .. import target
from ..submission import Book, cell_of, hostile, test_cells


@hostile()
def skip_execution_tag(book: Book) -> NotebookNode:
    """Test cells carry the tag that tells nbclient to leave them unrun."""
    return tagged(book, ["skip-execution"])


@hostile()
def raises_exception_tag(book: Book) -> NotebookNode:
    """Test cells carry the tags that excuse errors and remove output."""
    return tagged(book, ["raises-exception", "remove-output", "nbval-skip", "remove_cell"])


def tagged(book: Book, tags: list[str]) -> NotebookNode:
    notebook = book.untouched()
    for cell in test_cells(notebook):
        cell.metadata["tags"] = tags
    return notebook


@hostile()
def tests_turned_raw(book: Book) -> NotebookNode:
    """Test cells are raw text, which nobody runs."""
    return retyped(book, "raw")


@hostile()
def tests_turned_markdown(book: Book) -> NotebookNode:
    """Test cells are prose, which nobody runs."""
    return retyped(book, "markdown")


def retyped(book: Book, kind: str) -> NotebookNode:
    notebook = book.untouched()
    for cell in test_cells(notebook):
        cell.cell_type = kind
        for key in ("outputs", "execution_count"):
            cell.pop(key, None)
    return notebook


@hostile()
def tests_retyped_in_metadata(book: Book) -> NotebookNode:
    """nbgrader's own note of the cell type says that tests are prose."""
    notebook = book.untouched()
    for cell in test_cells(notebook):
        cell.metadata.nbgrader["cell_type"] = "markdown"
    return notebook


@hostile()
def tests_deleted(book: Book) -> NotebookNode:
    """There are no test cells."""
    notebook = book.untouched()
    for cell in test_cells(notebook):
        notebook.cells.remove(cell)
    return notebook


@hostile()
def tests_emptied(book: Book) -> NotebookNode:
    """Test cells say `pass`."""
    notebook = book.untouched()
    for cell in test_cells(notebook):
        cell.source = "pass"
    return notebook


@hostile()
def tests_unlocked(book: Book) -> NotebookNode:
    """Test cells say `pass` and are no longer locked against that."""
    notebook = tests_emptied(book)
    for cell in test_cells(notebook):
        cell.metadata.nbgrader.update(locked=False, solution=False)
    return notebook


@hostile()
def tests_called_solutions(book: Book) -> NotebookNode:
    """Test cells call themselves solutions, which are not overwritten."""
    notebook = tests_emptied(book)
    for cell in test_cells(notebook):
        cell.metadata.nbgrader.update(locked=False, solution=True)
    return notebook


@hostile()
def tests_called_tasks(book: Book) -> NotebookNode:
    """Test cells call themselves tasks, which a person grades."""
    notebook = book.untouched()
    for cell in test_cells(notebook):
        cell.metadata.nbgrader.update(grade=False, task=True)
    return notebook


@hostile(target.POINTS["announce"])
def points_raised(book: Book) -> NotebookNode:
    """One task is solved and its test says that it is worth a thousand points."""
    notebook = book.solved("announce")
    cell_of(notebook, "test-announce").metadata.nbgrader["points"] = 1000
    return notebook


@hostile(target.POINTS["announce"])
def ids_swapped(book: Book) -> NotebookNode:
    """The cheapest task is solved and its test has the id of the dearest."""
    notebook = book.solved("announce")
    cheap, dear = cell_of(notebook, "test-announce"), cell_of(notebook, "test-mean")
    cheap.metadata.nbgrader, dear.metadata.nbgrader = (
        dear.metadata.nbgrader,
        cheap.metadata.nbgrader,
    )
    return notebook


@hostile()
def second_test_of_the_same_id_before(book: Book) -> NotebookNode:
    """Before each test stands one with its id that passes."""
    return doubled(book, 0)


@hostile()
def second_test_of_the_same_id_after(book: Book) -> NotebookNode:
    """After each test stands one with its id that passes."""
    return doubled(book, 1)


def doubled(book: Book, after: int) -> NotebookNode:
    notebook = book.untouched()
    for cell in test_cells(notebook):
        twin = NotebookNode(cell, source="pass", id=f"{cell.id}-twin")
        notebook.cells.insert(notebook.cells.index(cell) + after, twin)
    return notebook


@hostile()
def graded_cells_of_its_own(book: Book) -> NotebookNode:
    """The notebook brings a test cell worth a hundred points."""
    notebook = book.opening("bonus = True")
    notebook.cells[2].metadata["nbgrader"] = target.rules(
        "test-bonus", grade=True, locked=True, points=100
    )
    return notebook


@hostile()
def outputs_of_a_pass(book: Book) -> NotebookNode:
    """Test cells come with outputs of a run in which they passed."""
    notebook = tagged(book, ["skip-execution"])
    for cell in test_cells(notebook):
        points = cell.metadata.nbgrader["points"]
        cell.execution_count = 7
        cell.outputs = [
            {
                "output_type": "execute_result",
                "execution_count": 7,
                "metadata": {},
                "data": {"text/plain": f"{points}.0"},
            }
        ]
    return notebook


@hostile()
def scores_in_the_metadata(book: Book) -> NotebookNode:
    """Cells and notebook say what they scored."""
    notebook = book.untouched()
    for cell in test_cells(notebook):
        points = cell.metadata.nbgrader["points"]
        cell.metadata.nbgrader.update(score=points, max_score=points, manual_score=points)
        cell.metadata.nbgrader.update(extra_credit=points, comment="full marks")
    notebook.metadata["nbgrader"] = {"score": target.FULL, "max_score": target.FULL}
    return notebook


@hostile()
def metadata_cleared(book: Book) -> NotebookNode:
    """No cell has metadata of nbgrader, and nothing is solved."""
    notebook = book.untouched()
    for cell in notebook.cells:
        cell.metadata.pop("nbgrader", None)
    return notebook


@hostile()
def metadata_of_another_kind(book: Book) -> NotebookNode:
    """nbgrader's metadata are a list, a text, null and a number."""
    notebook = book.untouched()
    for cell, strange in zip(test_cells(notebook), ([], "none", None, 3, True, {}), strict=True):
        cell.metadata["nbgrader"] = strange
    return notebook


@hostile()
def ids_of_another_kind(book: Book) -> NotebookNode:
    """Cell ids of nbgrader are null, a number, a path, a list and empty."""
    notebook = book.untouched()
    strange = (None, 3, "../../a_neighbour", ["test-clamp"], "", "x" * 100_000)
    for cell, grade_id in zip(test_cells(notebook), strange, strict=True):
        cell.metadata.nbgrader["grade_id"] = grade_id
    return notebook


@hostile()
def points_of_another_kind(book: Book) -> NotebookNode:
    """Points are infinite, negative, a text, null, a list and not a number."""
    notebook = book.untouched()
    strange = (float("inf"), -5, "many", None, [4], float("nan"))
    for cell, points in zip(test_cells(notebook), strange, strict=True):
        cell.metadata.nbgrader["points"] = points
    return notebook


@hostile(target.FULL)
def schema_of_the_future(book: Book) -> NotebookNode:
    """nbgrader's metadata are of version 99; the work is right."""
    return of_schema(book, 99)


@hostile(target.FULL)
def schema_of_another_kind(book: Book) -> NotebookNode:
    """nbgrader's metadata are of version "three"; the work is right."""
    return of_schema(book, "three")


def of_schema(book: Book, version: object) -> NotebookNode:
    notebook = book.solved()
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader["schema_version"] = version
    return notebook


@hostile(target.FULL)
def kernel_that_does_not_exist(book: Book) -> NotebookNode:
    """The notebook asks for a kernel that nobody has; the work is right."""
    notebook = book.solved()
    notebook.metadata["kernelspec"] = {"name": "../../evil", "display_name": "x", "language": "x"}
    return notebook


@hostile()
def kernel_of_another_language(book: Book) -> NotebookNode:
    """The notebook says that it is written in a language without assert."""
    notebook = book.untouched()
    notebook.metadata["kernelspec"] = {"name": "bash", "display_name": "B", "language": "bash"}
    notebook.metadata["language_info"] = {"name": "bash", "file_extension": ".sh"}
    return notebook


@hostile()
def settings_of_nbconvert_in_the_metadata(book: Book) -> NotebookNode:
    """The notebook's metadata try to configure what executes it."""
    notebook = book.untouched()
    notebook.metadata["execute"] = {"enabled": False, "allow_errors": True}
    notebook.metadata["nbclient"] = {"skip_cells_with_tag": "locked"}
    notebook.metadata["jupyter"] = {"skip": True}
    for cell in test_cells(notebook):
        cell.metadata["execution"] = {"skip": True}
        cell.metadata["deletable"] = True
    return notebook
