"""Real nbgrader commands give every student of the sample class the points they earned."""

import functools
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder.authoring.build import build_chapter
from autograder.authoring.student_library import write_student_library
from autograder.grading.report import rows

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
CHAPTER = "20_capstone"
BIN = Path(sys.executable).parent
NAMES = [
    "ada", "bela", "chen", "dana", "emil", "fay", "gus", "hana", "ivan", "june",
    "kofi", "lena", "milo", "nora", "omar", "pia", "quin", "rosa", "tess", "sven",
]  # fmt: skip
HALVES = {"first": NAMES[::2], "second": NAMES[1::2]}

spec = importlib.util.spec_from_file_location(
    "sample_class", Path(__file__).with_name("sample_class.py")
)
sample_class = importlib.util.module_from_spec(spec)
sys.modules["sample_class"] = sample_class
spec.loader.exec_module(sample_class)


def nbgrader(course, course_dir, *command):
    """Run nbgrader where the course's configuration is, on another course directory."""
    return subprocess.run(
        [BIN / "nbgrader", *command, f"--CourseDirectory.root={course_dir}", CHAPTER],
        cwd=course.root,
        env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(course_dir)},
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )


@pytest.fixture(scope="session")
def built(course):
    """The source notebook and the students' library of the chapter."""
    write_student_library(course, CHAPTER)
    return build_chapter(course, CHAPTER)


@pytest.fixture(scope="session")
def grade_half(course, built, tmp_path_factory):
    """Return a function that grades half the class, with feedback, the first time it is asked."""

    @functools.cache
    def grade(half):
        course_dir = tmp_path_factory.mktemp(half) / "course"
        shutil.copytree(built.notebook.parent, course_dir / "source" / CHAPTER)
        done = nbgrader(course, course_dir, "generate_assignment")
        assert done.returncode == 0, done.stderr
        students = sample_class.write_class(course_dir, set(HALVES[half]))
        done = nbgrader(course, course_dir, "autograde")
        assert done.returncode == 0, done.stderr[-3000:]
        done = nbgrader(course, course_dir, "generate_feedback")
        assert done.returncode == 0, done.stderr[-3000:]
        return course_dir, students

    return grade


@pytest.fixture(params=[pytest.param(half, marks=pytest.mark.xdist_group(half)) for half in HALVES])
def graded(request, grade_half):
    """Half the class, graded: two halves may run side by side."""
    return grade_half(request.param)


class TestClass:
    """One grading serves all of these."""

    def test_everybody_gets_the_points_they_earned_and_the_reason(self, graded):
        course_dir, students = graded
        found = {row.student: row for row in rows(course_dir, CHAPTER)}
        assert set(found) == {student.name for student in students}
        points = {name: row.points for name, row in found.items()}
        assert points == {student.name: student.points for student in students}
        for student in students:
            reasons = "; ".join(found[student.name].problems)
            assert student.problem in reasons
            assert bool(student.problem) == bool(reasons), f"{student.name}: {reasons}"

    def test_what_a_person_must_read_is_marked(self, graded):
        course_dir, _ = graded
        for row in rows(course_dir, CHAPTER):
            assert row.to_read == (0 if row.points is None else 5)

    def test_feedback_names_the_behaviour_and_gives_no_secret_away(self, graded, leaks):
        course_dir, students = graded
        pages = sorted((course_dir / "feedback").glob("*/*/*.html"))
        assert len(pages) == sum(student.points is not None for student in students)
        # A student's own right code is in their page, as it should be; hidden tests never are.
        for page in pages:
            text = page.read_text(encoding="utf-8")
            given_away = [name for name in leaks(text) if "solution" not in name]
            assert given_away == [], page
        untouched = [p for p in pages if p.parts[-3] in ("bela", "nora", "omar")]
        for page in untouched:
            assert "NotImplementedError" in page.read_text(encoding="utf-8")
            assert leaks(page.read_text(encoding="utf-8")) == []

    def test_what_was_handed_in_is_still_there(self, graded):
        course_dir, students = graded
        for student in students:
            folder = course_dir / "submitted" / student.name / CHAPTER
            handed_in = student.hand_in(sample_class.read_notebooks(course_dir))
            if handed_in:
                assert (folder / handed_in[0]).read_bytes() == handed_in[1]

    def test_nothing_that_a_student_s_code_wrote_stays_in_the_course(self, graded):
        course_dir, _ = graded
        for folder in (course_dir / "autograded").glob("*/*"):
            assert {path.name for path in folder.iterdir()} == {
                f"{CHAPTER}.ipynb",
                "grading.json",
            }

    def test_grading_again_changes_nothing(self, graded, course):
        course_dir, _ = graded
        before = rows(course_dir, CHAPTER)
        done = nbgrader(course, course_dir, "autograde")
        assert done.returncode == 0, done.stderr[-3000:]
        assert rows(course_dir, CHAPTER) == before

    def test_the_graded_notebook_has_every_cell_of_the_gradebook(self, graded):
        course_dir, _ = graded
        release = nbformat.read(course_dir / "release" / CHAPTER / f"{CHAPTER}.ipynb", 4)
        wanted = {
            cell.metadata.nbgrader.grade_id
            for cell in release.cells
            if cell.metadata.get("nbgrader", {}).get("grade")
        }
        for path in (course_dir / "autograded").glob("*/*/*.ipynb"):
            notebook = nbformat.read(path, 4)
            found = {
                cell.metadata.nbgrader.grade_id
                for cell in notebook.cells
                if cell.metadata.get("nbgrader", {}).get("grade")
            }
            assert found == wanted, path


def test_the_names_here_are_those_of_the_class(course, built, tmp_path):
    for part in ("source", "release"):
        shutil.copytree(course.assignments / part / CHAPTER, tmp_path / part / CHAPTER)
    students = sample_class.the_class(sample_class.read_notebooks(tmp_path))
    assert [student.name for student in students] == NAMES
