"""The `autograder` command: what nbgrader has no command for."""

import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from autograder.course import Course, CourseError, find_course


def main() -> None:
    """Run the command; exit 0 on success, 1 when the work failed, 2 when it was used wrongly."""
    cli(prog_name="autograder")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Build the assignments of a course, judge its hidden tests, and report grades.

    \b
    autograder build                  every chapter's notebook and student library
    autograder checks 20_capstone     which wrong solutions the hidden tests catch
    autograder report 20_capstone     students, points and what went wrong
    """


def _one_sentence(command: Callable[..., None]) -> Callable[..., None]:
    """Turn a mistake in the course's files into one sentence and exit code 2."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(find_course(), *args, **kwargs)
        except CourseError as error:
            click.echo(f"autograder: {error}", err=True)
            sys.exit(2)
        except OSError as error:
            where = f" {error.filename}" if error.filename else ""
            click.echo(f"autograder: cannot use{where}: {error.strerror or error}", err=True)
            sys.exit(2)

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
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
@_one_sentence
def checks(course: Course, chapter: str, as_json: bool) -> None:
    """Print which right solutions pass a chapter's tests and which wrong ones are caught.

    \b
    autograder checks 20_capstone
    """
    from autograder.checks.evidence import evaluate, print_table

    verdicts = evaluate(course, chapter)
    if as_json:
        click.echo(json.dumps([verdict.to_dict() for verdict in verdicts], indent=2))
    else:
        print_table(verdicts)
    if not all(verdict.as_expected for verdict in verdicts):
        sys.exit(1)


@cli.command()
@click.argument("chapter")
@click.option(
    "--course-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="nbgrader's course directory (default: assignments).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
@_one_sentence
def report(course: Course, chapter: str, course_dir: Path | None, as_json: bool) -> None:
    """Print every submission of a chapter with its points and what went wrong.

    \b
    autograder report 20_capstone
    autograder report 20_capstone --json > grades.json
    """
    from autograder.grading.report import print_rows, rows

    found = rows(course_dir or course.assignments, chapter)
    if as_json:
        click.echo(json.dumps([row.to_dict() for row in found], indent=2))
    else:
        print_rows(chapter, found)
