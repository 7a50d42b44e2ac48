"""A result is found again when, and only when, nothing that decides it has changed."""

import dataclasses

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from autograder.grading.executions import Executions, execution_key, tree_digest
from autograder.grading.pair import View
from autograder.grading.record import Record
from autograder.kernels.warm import Warm


@pytest.fixture
def notebook():
    test = new_code_cell("assert f(1)", metadata={"nbgrader": {"grade_id": "t", "points": 3}})
    return new_notebook(cells=[new_code_cell("def f(x): return x"), new_markdown_cell("?"), test])


@pytest.fixture
def view(tmp_path):
    """A view with a library each of the student's and of the checker's."""
    for name in ("student", "checker"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "library.py").write_text("x = 1")
    return View(Warm("s", tmp_path / "student"), Warm("c", tmp_path / "checker"), ("p",), ())


class TestKey:
    @pytest.fixture(autouse=True)
    def digest_anew(self):
        """In one command, the libraries are read once."""
        tree_digest.cache_clear()

    def key(self, notebook, view, files=None, settings=(30,)):
        return execution_key(notebook, files or {}, settings, view)

    def test_ids_outputs_and_counts_of_cells_decide_nothing(self, notebook, view):
        before = self.key(notebook, view)
        notebook.cells[0].id = "another"
        notebook.cells[0].outputs = [new_output("stream", text="hello")]
        notebook.cells[0].execution_count = 7
        notebook.metadata["title"] = "mine"
        assert self.key(notebook, view) == before

    @pytest.mark.parametrize(
        "change",
        [
            lambda nb: nb.cells[0].update(source="def f(x): return 2"),
            lambda nb: nb.cells[2].metadata["nbgrader"].update(points=4),
            lambda nb: nb.cells[0].metadata.update(tags=["raises-exception"]),
            lambda nb: nb.cells.reverse(),
            lambda nb: nb.cells.pop(1),
            lambda nb: nb.cells[1].update(cell_type="raw"),
        ],
        ids=["source", "points", "tags", "order", "a cell less", "type"],
    )
    def test_cells_decide(self, notebook, view, change):
        before = self.key(notebook, view)
        change(notebook)
        assert self.key(notebook, view) != before

    def test_files_and_their_names_decide(self, notebook, view, tmp_path):
        path = tmp_path / "data.txt"
        path.write_text("1 2 3")
        one = self.key(notebook, view, {"data.txt": path})
        assert one != self.key(notebook, view)
        assert one != self.key(notebook, view, {"other.txt": path})
        path.write_text("1 2 4")
        assert one != self.key(notebook, view, {"data.txt": path})

    def test_limits_decide(self, notebook, view):
        assert self.key(notebook, view) != self.key(notebook, view, settings=(31,))

    @pytest.mark.parametrize("side", ["student", "checker"])
    def test_libraries_decide(self, notebook, view, tmp_path, side):
        before = self.key(notebook, view)
        (tmp_path / side / "library.py").write_text("x = 2")
        tree_digest.cache_clear()
        assert self.key(notebook, view) != before

    def test_what_the_student_has_to_write_decides(self, notebook, view):
        other = dataclasses.replace(view, withheld=("p.module",))
        assert self.key(notebook, view) != self.key(notebook, other)


def test_data_files_of_a_library_count_and_compiled_ones_do_not(tmp_path):
    def digest():
        tree_digest.cache_clear()
        return tree_digest(tmp_path)

    before = digest()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"1")
    assert digest() == before
    (tmp_path / "weights.npz").write_bytes(b"1")
    assert digest() != before


class TestStore:
    @pytest.fixture
    def executions(self, tmp_path):
        return Executions(tmp_path / "ada")

    @pytest.fixture
    def executed(self, notebook):
        notebook.cells[0].outputs = [new_output("stream", text="hello")]
        notebook.cells[0].execution_count = 1
        notebook.metadata["language_info"] = {"name": "python"}
        return notebook

    def fresh(self, executed):
        cells = [type(cell)(cell) for cell in executed.cells]
        for cell in cells:
            if cell.cell_type == "code":
                cell.update(outputs=[], execution_count=None)
        return new_notebook(cells=cells)

    def test_outputs_and_record_come_back(self, executions, executed):
        executions.store("ps1", "key", executed, Record(["slow"], 2.0))
        notebook = self.fresh(executed)
        assert executions.load("ps1", "key", notebook) == Record(["slow"], 2.0)
        assert notebook.cells == executed.cells
        assert notebook.metadata == executed.metadata

    def test_another_key_or_notebook_is_not_there(self, executions, executed):
        executions.store("ps1", "key", executed, Record())
        notebook = self.fresh(executed)
        assert executions.load("ps1", "other", notebook) is None
        assert executions.load("ps2", "key", notebook) is None
        assert notebook.cells[0].outputs == []

    def test_only_the_latest_result_is_kept(self, executions, executed):
        for key in ("first", "second"):
            executions.store("ps1", key, executed, Record())
        assert [path.name for path in executions.folder.iterdir()] == ["ps1.json"]
        assert executions.load("ps1", "first", self.fresh(executed)) is None

    @pytest.mark.parametrize("content", ["", "[1]", '{"key": "key"}', "\xff"])
    def test_a_damaged_result_is_not_there(self, executions, executed, content):
        executions.folder.mkdir()
        (executions.folder / "ps1.json").write_bytes(content.encode("latin-1"))
        assert executions.load("ps1", "key", self.fresh(executed)) is None
