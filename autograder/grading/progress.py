"""Grade a class and show how far it is."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from autograder.course import Course
from autograder.grading.job import Job
from autograder.grading.many import grade, plan


def grade_with_progress(
    course: Course,
    course_dir: Path,
    assignment: str,
    workers: int = 1,
    scheduler: str | None = None,
    students: tuple[str, ...] = (),
    again: bool = False,
) -> dict[str, str]:
    """Grade what has to be graded; return the students who could not be, with the reason.

    How far it is goes to standard error.
    """
    job = Job(course.root, course_dir, assignment)
    todo = plan(course, job, students, again)
    console = Console(stderr=True)
    unchanged = len(todo.prints) - len(todo.to_grade)
    if unchanged:
        console.print(f"{unchanged} of {len(todo.prints)} have not changed since they were graded")
    columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
               TextColumn("{task.fields[student]}", markup=False))  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(todo.to_grade), student="")
        return grade(
            job, todo, workers, scheduler, again,
            lambda student, error: progress.update(task, advance=1, student=student),
        )  # fmt: skip
