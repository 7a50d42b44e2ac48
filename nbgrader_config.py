"""The course as nbgrader sees it."""

from pathlib import Path

from autograder.grading.settings import configure

c = get_config()  # noqa: F821  (nbgrader defines it when it reads this file)

configure(c, root=Path(__file__).resolve().parent)

c.CourseDirectory.course_id = "ml-systems"
