"""The `autograder` command: what nbgrader has no command for."""

import errno
import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from autograder.course import Course, CourseError, find_course
from autograder.grading.job import GradingStoppedError
from autograder.interrupts import never_lost
from autograder.startup import skip_slow_grammar

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def main() -> None:
    """Run the command; exit 0 on success, 1 when the work failed, 2 when it was used wrongly."""
    skip_slow_grammar()
    cli(prog_name="autograder")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Build the assignments of a course, judge its hidden tests, and report grades.

    \b
    autograder build                  every chapter's notebook and student library
    autograder release 20_capstone    the notebooks and the wheel that students get
    autograder checks 20_capstone     which wrong solutions the hidden tests catch
    autograder grade 20_capstone      grade a class, several at once
    autograder report 20_capstone     students, points and what went wrong
    autograder report                 the gradebook: students and chapters
    """


def _one_sentence(command: Callable[..., None]) -> Callable[..., None]:
    """Turn a mistake in the course's files into one sentence and exit code 2."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            with never_lost():
                command(find_course(), *args, **kwargs)
        except CourseError as error:
            click.echo(f"autograder: {error}", err=True)
            sys.exit(2)
        except GradingStoppedError as error:
            click.echo(f"autograder: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("autograder: stopped; the next run goes on where this one was", err=True)
            sys.exit(1)
        except OSError as error:
            where = f" {error.filename}" if error.filename else ""
            click.echo(f"autograder: cannot use{where}: {error.strerror or error}", err=True)
            sys.exit(1 if error.errno in FULL else 2)

    return wrapped


@cli.command()
@click.argument("chapters", nargs=-1)
@_one_sentence
def build(course: Course, chapters: tuple[str, ...]) -> None:
    """Generate source notebooks and student libraries (default: of every chapter).

    \b
    autograder build
    autograder build 20_capstone
    """
    from autograder.authoring.build import build_chapter

    for name in chapters or course.chapter_names():
        built = build_chapter(course, name)
        state = "written" if built.changed else "unchanged"
        click.echo(f"{built.notebook.relative_to(course.root)} {state}")


@cli.command()
@click.argument("chapter")
@_one_sentence
def release(course: Course, chapter: str) -> None:
    """Write what students get when a chapter is out: the notebooks up to it, and their wheel.

    The wheel has no solution of this chapter or a later one.
    Run 'autograder build' and 'nbgrader generate_assignment' before.

    \b
    autograder release 15_quantization
    autograder release 15
    """
    from autograder.authoring.release import release as write_release

    names = [name for name in course.chapter_names() if name.partition("_")[0] == chapter]
    folder = write_release(course, course.chapter_file(names[0] if names else chapter).stem)
    for path in sorted(folder.iterdir()):
        click.echo(path.relative_to(course.root))


@cli.command()
@click.argument("chapter")
@click.option(
    "--repeat",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    metavar="N",
    help="Judge only the right solutions, N times each, to see tests that fail by chance.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
@_one_sentence
def checks(course: Course, chapter: str, repeat: int, as_json: bool) -> None:
    """Print which right solutions pass a chapter's tests and which wrong ones are caught.

    \b
    autograder checks 20_capstone
    autograder checks 20_capstone --repeat 200
    """
    from autograder.checks.evidence import evaluate, print_table

    verdicts = evaluate(course, chapter, repeat)
    if as_json:
        click.echo(json.dumps([verdict.to_dict() for verdict in verdicts], indent=2))
    else:
        print_table(verdicts)
    if not all(verdict.as_expected for verdict in verdicts):
        sys.exit(1)


@cli.command()
@click.argument("assignment")
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    metavar="N",
    help="How many submissions to run at once.",
)
@click.option(
    "--scheduler",
    metavar="tcp://HOST:PORT",
    help="Run them on the Dask cluster of this scheduler instead.",
)
@click.option("--student", "students", multiple=True, metavar="ID", help="Grade only this student.")
@click.option("--again", is_flag=True, help="Run also what has not changed since.")
@click.option(
    "--course-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="nbgrader's course directory (default: assignments).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
@_one_sentence
def grade(
    course: Course,
    assignment: str,
    workers: int,
    scheduler: str | None,
    students: tuple[str, ...],
    again: bool,
    course_dir: Path | None,
    as_json: bool,
) -> None:
    """Grade a class: what `nbgrader autograde` does, side by side, and only what has changed.

    \b
    autograder grade 20_capstone --workers 2
    autograder grade 20_capstone --student ada --again
    """
    from autograder.grading.progress import grade_with_progress

    course_dir = (course_dir or course.assignments).resolve()
    failed = grade_with_progress(
        course, course_dir, assignment, workers, scheduler, students, again
    )
    from autograder.grading.report import print_rows, rows

    found = rows(course_dir, assignment, failed)
    if as_json:
        click.echo(json.dumps([row.to_dict() for row in found], indent=2))
    else:
        print_rows(assignment, found)
    if failed:
        sys.exit(1)


@cli.command()
@click.argument("chapter", required=False)
@click.option(
    "--course-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="nbgrader's course directory (default: assignments).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
@_one_sentence
def report(course: Course, chapter: str | None, course_dir: Path | None, as_json: bool) -> None:
    """Print every submission of a chapter with its points and what went wrong.

    Without a chapter, print every student's points in all chapters that were handed in.

    \b
    autograder report
    autograder report 20_capstone
    autograder report 20_capstone --json > grades.json
    """
    from autograder.grading.overview import overview, print_overview, to_json
    from autograder.grading.report import print_rows, rows

    where = course_dir or course.assignments
    if chapter is None:
        chapters = overview(where)
        if as_json:
            click.echo(json.dumps(to_json(chapters), indent=2))
        else:
            print_overview(chapters)
        return
    found = rows(where, chapter)
    if as_json:
        click.echo(json.dumps([row.to_dict() for row in found], indent=2))
    else:
        print_rows(chapter, found)
