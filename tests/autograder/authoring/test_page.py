"""A page shows what its code printed when it ran, and a chapter's page nothing of a solution."""

import pytest

from autograder.authoring.chapter import ChapterError
from autograder.authoring.outputs import ReferenceRunError, page_seconds
from autograder.authoring.page import lesson_page, read
from autograder.course import Course, CourseError

LESSON = """---
lesson: a_lesson
---

# A lesson

Text before.

```{{code-cell}} python
{code}
```
"""

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def small_course(course, tmp_path):
    """A course of its own, with the chapters and the library of this one."""
    for name in ("book", "source_lib", "nbgrader_config.py"):
        (tmp_path / name).symlink_to(course.root / name)
    return Course(tmp_path)


def test_a_lesson_is_run_with_the_library_and_keeps_its_outputs(small_course):
    code = "#| id: sum\nimport tinytorch.core.tensor as t\nprint(t.Tensor([1, 2]).data.sum())"
    page = lesson_page(small_course, LESSON.format(code=code))
    title, cell = page.cells
    assert title.source.startswith("# A lesson")
    assert cell.outputs[0]["text"] == "3.0\n"
    assert "#|" not in cell.source
    assert page_seconds(small_course)["a_lesson"] > 0


def test_a_lesson_that_fails_or_has_a_task_is_named(small_course):
    with pytest.raises(ReferenceRunError, match=r"a_lesson: .* ZeroDivisionError"):
        lesson_page(small_course, LESSON.format(code="1 / 0"))
    with pytest.raises(CourseError, match=r"a_lesson.md, cell 2 .* has no tasks"):
        lesson_page(small_course, LESSON.format(code="#| test: x\n#| points: 1"))
    with pytest.raises(ChapterError, match="unknown option"):
        lesson_page(small_course, LESSON.format(code="#| colour: red"))


def test_a_plain_page_is_left_to_the_book(tmp_path):
    assert [cell.cell_type for cell in read("# Only text\n").cells] == ["markdown"]
