"""Real nbgrader commands give every student of the sample class the points they earned."""

import functools
import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from autograder.authoring.build import build_chapter
from autograder.authoring.chapter import read_chapter
from autograder.course import find_course
from autograder.grading.report import rows

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
CAPSTONE = "20_capstone"
BIN = Path(sys.executable).parent
NAMES = [
    "ada", "bela", "chen", "dana", "emil", "fay", "gus", "hana", "ivan", "june",
    "kofi", "lena", "milo", "nora", "omar", "pia", "quin", "rosa", "tess", "sven",
]  # fmt: skip
# What is graded by one command: a chapter and who hands it in. Groups may run side by side.
GROUPS = {
    "20_capstone, first half": (CAPSTONE, frozenset(NAMES[::2])),
    "20_capstone, second half": (CAPSTONE, frozenset(NAMES[1::2])),
} | {name: (name, None) for name in find_course(Path(__file__)).chapter_names() if name != CAPSTONE}

spec = importlib.util.spec_from_file_location(
    "sample_class", Path(__file__).with_name("sample_class.py")
)
sample_class = importlib.util.module_from_spec(spec)
sys.modules["sample_class"] = sample_class
spec.loader.exec_module(sample_class)


def nbgrader(course, course_dir, chapter, command):
    """Run nbgrader where the course's configuration is, on another course directory."""
    done = subprocess.run(
        [BIN / "nbgrader", command, f"--CourseDirectory.root={course_dir}", chapter],
        cwd=course.root,
        env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(course_dir)},
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@dataclass(frozen=True)
class Graded:
    """A class after the stock commands, feedback included."""

    course_dir: Path
    chapter: str
    students: list

    def rows(self):
        return rows(self.course_dir, self.chapter)


@pytest.fixture(scope="session")
def grade_group(course, tmp_path_factory):
    """Return a function that grades a group the first time it is asked."""

    @functools.cache
    def grade(group):
        chapter, names = GROUPS[group]
        built = build_chapter(course, chapter)
        course_dir = tmp_path_factory.mktemp("class") / "course"
        shutil.copytree(built.notebook.parent, course_dir / "source" / chapter)
        nbgrader(course, course_dir, chapter, "generate_assignment")
        students = sample_class.write_class(course_dir, chapter, names)
        nbgrader(course, course_dir, chapter, "autograde")
        nbgrader(course, course_dir, chapter, "generate_feedback")
        return Graded(course_dir, chapter, students)

    return grade


@pytest.fixture(
    params=[pytest.param(group, marks=pytest.mark.xdist_group(group)) for group in GROUPS]
)
def graded(request, grade_group):
    return grade_group(request.param)


class TestClass:
    """One grading of a group serves all of these."""

    def test_everybody_gets_the_points_they_earned_and_the_reason(self, graded):
        found = {row.student: row for row in graded.rows()}
        assert set(found) == {student.name for student in graded.students}
        points = {name: row.points for name, row in found.items()}
        assert points == {student.name: student.points for student in graded.students}
        for student in graded.students:
            reasons = "; ".join(found[student.name].problems)
            assert student.problem in reasons
            assert bool(student.problem) == bool(reasons), f"{student.name}: {reasons}"

    def test_what_a_person_must_read_is_marked(self, graded, course):
        questions = len(read_chapter(course.chapter_file(graded.chapter)).reflections)
        for row in graded.rows():
            assert row.to_read == (0 if row.points is None else questions)

    def test_feedback_names_the_behaviour_and_gives_no_secret_away(self, graded, leaks):
        pages = sorted((graded.course_dir / "feedback").glob("*/*/*.html"))
        assert len(pages) == sum(student.points is not None for student in graded.students)
        # A student's own right code is in their page, as it should be; hidden tests never are.
        for page in pages:
            text = page.read_text(encoding="utf-8")
            given_away = [name for name in leaks(text) if "solution" not in name]
            assert given_away == [], page
        untouched = [p for p in pages if p.parts[-3] in ("bela", "nora", "omar")]
        assert untouched
        for page in untouched:
            assert "NotImplementedError" in page.read_text(encoding="utf-8")
            assert leaks(page.read_text(encoding="utf-8")) == []

    def test_what_was_handed_in_is_still_there(self, graded):
        books = sample_class.read_notebooks(graded.course_dir, graded.chapter)
        for student in graded.students:
            folder = graded.course_dir / "submitted" / student.name / graded.chapter
            handed_in = student.hand_in(books)
            if handed_in:
                assert (folder / handed_in[0]).read_bytes() == handed_in[1]

    def test_nothing_that_a_student_s_code_wrote_stays_in_the_course(self, graded):
        for folder in (graded.course_dir / "autograded").glob("*/*"):
            assert {path.name for path in folder.iterdir()} == {
                f"{graded.chapter}.ipynb",
                "grading.json",
            }

    def test_grading_again_changes_nothing(self, graded, course):
        before = graded.rows()
        nbgrader(course, graded.course_dir, graded.chapter, "autograde")
        assert graded.rows() == before

    def test_the_graded_notebook_has_every_cell_of_the_gradebook(self, graded):
        name = graded.chapter
        release = nbformat.read(graded.course_dir / "release" / name / f"{name}.ipynb", 4)
        wanted = graded_cells(release)
        for path in (graded.course_dir / "autograded").glob("*/*/*.ipynb"):
            assert graded_cells(nbformat.read(path, 4)) == wanted, path


def graded_cells(notebook):
    return {
        cell.metadata.nbgrader.grade_id
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade")
    }


def test_the_names_here_are_those_of_the_class(course, tmp_path):
    build_chapter(course, CAPSTONE)
    for part in ("source", "release"):
        shutil.copytree(course.assignments / part / CAPSTONE, tmp_path / part / CAPSTONE)
    students = sample_class.the_class(sample_class.read_notebooks(tmp_path, CAPSTONE))
    assert [student.name for student in students] == NAMES
