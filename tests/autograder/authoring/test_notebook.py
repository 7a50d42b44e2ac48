"""From a chapter come a source notebook, the student's view of it, and the same bytes each time."""

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from autograder.authoring.build import build_chapter, notebook_text
from autograder.authoring.chapter import read_chapter
from autograder.authoring.notebook import student_view
from autograder.authoring.student_library import write_student_library
from autograder.course import Course, CourseError

CHAPTER = "20_capstone"


@pytest.fixture(scope="module")
def source(course):
    return nbformat.reads(notebook_text(course, CHAPTER), as_version=4)


@pytest.fixture(scope="module")
def release(source):
    return student_view(source)


def cells_with(notebook, key):
    return [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get(key)]


def test_the_same_chapter_gives_the_same_bytes(course):
    assert notebook_text(course, CHAPTER) == notebook_text(course, CHAPTER)


def test_the_points_of_the_cells_are_those_of_the_chapter(course, source):
    chapter = read_chapter(course.chapter_file(CHAPTER))
    automatic = sum(cell.metadata.nbgrader.points for cell in cells_with(source, "grade"))
    manual = sum(cell.metadata.nbgrader.points for cell in cells_with(source, "task"))
    assert {"automatic": automatic, "manual": manual} == chapter.front["points"]


def test_every_graded_cell_calls_a_hidden_check(source):
    for cell in cells_with(source, "grade"):
        hidden = cell.source.partition("### BEGIN HIDDEN TESTS")[2]
        assert "(student)\n### END HIDDEN TESTS" in hidden, cell.metadata.nbgrader.grade_id


def test_the_student_s_view_has_no_solution_no_hidden_test_and_no_mark_scheme(
    source, release, leaks, text_of
):
    given_away = leaks(text_of(source))
    assert len(given_away) > 60, "the source notebook has them all: that is how leaks are seen"
    text = text_of(release)
    assert leaks(text) == []
    assert "MARK SCHEME" not in text
    assert "HIDDEN" not in text
    assert "SOLUTION" not in text


def test_the_notebook_holds_no_myst(release):
    for cell in release.cells:
        if cell.cell_type == "markdown":
            assert "{cite" not in cell.source
            assert "```{" not in cell.source
            assert ":::{" not in cell.source


@pytest.mark.slow
def test_the_release_runs_from_the_top_to_the_first_task(course, release, tmp_path):
    """Imports and experiments work; the first thing that stops is the first task's stub."""
    library = write_student_library(course, CHAPTER)
    notebook = nbformat.from_dict(release)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    with pytest.raises(CellExecutionError, match="NotImplementedError"):
        client.execute(env={"PYTHONPATH": str(library), "PATH": "/usr/bin:/bin"})
    ran = [cell for cell in notebook.cells if cell.get("execution_count")]
    assert ran[-1].metadata.nbgrader.grade_id == "mlp-forward"


@pytest.fixture
def own_course(course, tmp_path):
    """A course of one chapter that a test may spoil."""
    (tmp_path / "book" / "chapters").mkdir(parents=True)
    (tmp_path / "nbgrader_config.py").write_text("")
    (tmp_path / "source_lib").symlink_to(course.root / "source_lib")
    for name in (f"chapters/{CHAPTER}.md", "references.bib"):
        (tmp_path / "book" / name).write_text((course.root / "book" / name).read_text())
    return Course(tmp_path)


def test_a_build_writes_only_what_changed(own_course):
    first = build_chapter(own_course, CHAPTER)
    stamp = first.notebook.stat().st_mtime_ns
    second = build_chapter(own_course, CHAPTER)
    assert (first.changed, second.changed) == (True, False)
    assert second.notebook.stat().st_mtime_ns == stamp


def test_a_chapter_that_cannot_be_built_leaves_the_old_notebook(own_course):
    built = build_chapter(own_course, CHAPTER)
    before = built.notebook.read_bytes()
    file = own_course.chapter_file(CHAPTER)
    file.write_text(file.read_text().replace("tinytorch.capstone.SimpleMLP", "tinytorch.x.Y"))
    with pytest.raises(CourseError, match=r"20_capstone\.md, cell .* has no object"):
        build_chapter(own_course, CHAPTER)
    assert built.notebook.read_bytes() == before
    assert list(built.notebook.parent.iterdir()) == [built.notebook]


def test_prose_without_a_plain_form_is_named_with_its_cell(own_course):
    file = own_course.chapter_file(CHAPTER)
    file.write_text(file.read_text().replace("## Beyond the grade", "{eq}`one`\n\n## Beyond"))
    with pytest.raises(CourseError, match=r"20_capstone\.md, cell \d+: the role \{eq\}"):
        build_chapter(own_course, CHAPTER)


def test_the_release_in_the_repository_is_the_one_the_chapter_gives(course, release):
    """Stale means that somebody changed the chapter and did not run `make assignments`."""
    kept = nbformat.read(course.assignments / "release" / CHAPTER / f"{CHAPTER}.ipynb", 4)
    assert [cell.source for cell in kept.cells] == [cell.source for cell in release.cells]
    assert [cell.id for cell in kept.cells] == [cell.id for cell in release.cells]
