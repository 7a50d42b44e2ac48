"""The `tito` command: what it takes and when it exits; the work is in the modules beside it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tito.errors import TitoError

if TYPE_CHECKING:
    from tito.course import Chapter, Course
    from tito.notebook import Notebook
    from tito.running import Run
    from tito.state import State

EPILOG_COMPLETION = """\b
Completion of names with the tab key, for bash (also zsh, fish):
eval "$(_TITO_COMPLETE=bash_source tito)"
"""


def main() -> None:
    """Run the command; exit 0 on success, 1 when the work failed, 2 when it was used wrongly."""
    _show_what_the_terminal_cannot()
    try:
        cli(prog_name="tito", standalone_mode=False)
    except click.exceptions.Exit as left:
        sys.exit(left.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("tito: stopped", err=True)
        sys.exit(1)
    except TitoError as error:
        click.echo(f"tito: {error}", err=True)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        click.echo(
            f"tito: the package {package} is missing; "
            f"'python -m pip install {package}' gets it, and 'tito doctor' looks for more",
            err=True,
        )
        sys.exit(1)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        click.echo(
            f"tito: cannot use{where}: {error.strerror or error}; see 'tito doctor'", err=True
        )
        sys.exit(1)


def _show_what_the_terminal_cannot() -> None:
    """Write letters that the terminal's encoding lacks as escapes, and do not fail on a path."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from tito.course import find_course

    try:
        chapters = find_course().chapters
    except TitoError:
        return []
    names = [name for chapter in chapters for name in (chapter.short, str(chapter.number))]
    return [name for name in names if name.startswith(incomplete)]


CHAPTER = click.argument("chapter", shell_complete=_complete)
JSON = click.option("--json", "as_json", is_flag=True, help="Print plain data for programs.")


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG_COMPLETION,
)
@click.version_option(package_name=None, version="0.1.0", prog_name="tito")
def cli() -> None:
    """Work on the course's chapters and make their code your own library.

    \b
    tito doctor                    is everything there
    tito module start 14           get the notebook and open it
    tito test profiling            what your notebook's tests say
    tito module complete 14        pass, and import your own code from then on
    tito submit 14                 hand it in
    tito progress                  what is done, and what to type next
    """


def command(
    group: click.Group, name: str | None = None
) -> Callable[[Callable[..., None]], click.Command]:
    """Register a function as a command that is given the course and the state first."""

    def register(function: Callable[..., None]) -> click.Command:
        @wraps(function)
        def called(*args: Any, **kwargs: Any) -> None:
            from tito.course import find_course
            from tito.state import load_state

            function(find_course(), load_state(), *args, **kwargs)

        return group.command(name)(called)

    return register


@cli.command()
@JSON
def doctor(as_json: bool) -> None:
    """Say what is missing, and which command gets it.

    \b
    tito doctor
    """
    from dataclasses import asdict

    from tito import show
    from tito.doctor import examine

    findings = examine()
    if as_json:
        _print_json([asdict(finding) for finding in findings])
    else:
        show.findings(findings)
    if any(finding.state == "missing" for finding in findings):
        sys.exit(1)


@command(cli)
@CHAPTER
@click.option("--watch", is_flag=True, help="Run again whenever you save the notebook.")
@click.option("--reference", is_flag=True, help="Test the course's own solution instead.")
@click.option("--all", "everything", is_flag=True, help="Run every cell, experiments too.")
@JSON
def test(
    course: Course,
    state: State,
    chapter: str,
    watch: bool,
    reference: bool,
    everything: bool,
    as_json: bool,
) -> None:
    """Run the visible tests of your notebook.

    They run in a fresh kernel, on the file as you saved it; one line says what came of each.

    \b
    tito test quantization
    tito test 15 --watch
    """
    from tito.watching import on_each_save

    wanted = course.chapter(chapter)
    if watch and reference:
        raise click.UsageError("--watch does not go with --reference")

    def once() -> bool:
        run, _ = _test(wanted, state, reference, everything, as_json)
        if as_json:
            _print_json({"chapter": wanted.name, **run.to_dict()})
        return run.passed

    if watch:
        on_each_save(wanted, state, once)
    elif not once():
        sys.exit(1)


def _test(
    chapter: Chapter, state: State, reference: bool, everything: bool, as_json: bool
) -> tuple[Run, Notebook]:
    """Run the tests, remember what came of them, and return that and the notebook they saw."""
    from tito import show
    from tito.notebook import problems, read_notebook
    from tito.running import run_tests
    from tito.state import change_state
    from tito.workspace import notebook_path

    released = read_notebook(chapter.notebook)
    path = chapter.notebook if reference else notebook_path(state, chapter)
    saved, mine = show.saved(path), read_notebook(path)
    with show.progress(f"running chapter {chapter.number}", quiet=as_json) as progress:
        run = run_tests(
            chapter, mine, released, everything=everything, reference=reference, progress=progress
        )
    if not reference:
        result = {"earned": run.earned, "possible": run.possible, "digest": mine.digest()}
        try:
            change_state(lambda now: now.results.update({chapter.name: result}))
        except TitoError as error:  # what was found is worth more than that it is remembered
            click.echo(f"tito: {error}", err=True)
    if not as_json:
        show.run(chapter, run, "" if reference else saved)
        show.problems(problems(mine, released))
    return run, mine


@cli.group()
def module() -> None:
    """Get a chapter's notebook, finish it, or start it again.

    \b
    tito module start 14
    tito module complete 14
    """


@command(module, "list")
@JSON
def module_list(course: Course, state: State, as_json: bool) -> None:
    """List the chapters: number, name, hours, points.

    \b
    tito module list
    """
    from tito import show

    if as_json:
        _print_json(
            [
                {
                    "chapter": c.name,
                    "number": c.number,
                    "title": c.title,
                    "points": c.points,
                    "manual_points": c.manual_points,
                    "minutes": c.minutes,
                    "released": c.released,
                }
                for c in course.chapters
            ]
        )
    else:
        show.chapters(course.chapters)


@command(module, "start")
@CHAPTER
@click.option("--no-open", is_flag=True, help="Only say where the notebook is.")
@JSON
def module_start(course: Course, state: State, chapter: str, no_open: bool, as_json: bool) -> None:
    """Get a chapter's notebook and open it.

    It goes into your course folder; one that is there already is never replaced.
    The first time, the folder you are in becomes your course folder.

    \b
    tito module start 14
    """
    from tito.opening import open_notebook
    from tito.workspace import start

    wanted = course.chapter(chapter)
    path, new = start(state, wanted)
    if as_json:
        _print_json({"chapter": wanted.name, "notebook": str(path), "new": new})
        return
    click.echo(f"{'new' if new else 'yours'}: {path}")
    if not no_open and sys.stdout.isatty():
        open_notebook(path)


@command(module, "status")
@JSON
def module_status(course: Course, state: State, as_json: bool) -> None:
    """Say how far each chapter is.

    Also whose code its import gives, and where your notebooks and the backups are.

    \b
    tito module status
    """
    from tito import show
    from tito.progress import lines
    from tito.state import home

    found = lines(course, state)
    backups = str(home() / "backups")
    if as_json:
        _print_json({"chapters": [line.to_dict() for line in found], "backups": backups})
    else:
        show.status(found, state.workspace, backups)


@command(module, "complete")
@CHAPTER
@JSON
def module_complete(course: Course, state: State, chapter: str, as_json: bool) -> None:
    """Import your own code, once its tests pass.

    Runs the visible tests, and makes your code what `import tinytorch` gives from then on.

    \b
    tito module complete 15
    """
    from datetime import datetime

    from tito.export import export
    from tito.state import MINE, change_state

    wanted = course.chapter(chapter)
    run, mine = _test(wanted, state, reference=False, everything=False, as_json=as_json)
    path = export(wanted, mine) if run.passed else None
    if as_json:
        exported = {"module": wanted.module, "exported": str(path) if path else None}
        _print_json({"chapter": wanted.name, **run.to_dict(), **exported})
    if path is None:
        raise TitoError(
            f"chapter {wanted.number} is not complete yet, and nothing was changed; "
            f"go on in the notebook, then 'tito test {wanted.number}'",
            1,
        )

    def complete(now: State) -> None:
        now.uses[wanted.name] = MINE
        now.completed[wanted.name] = f"{datetime.now():%Y-%m-%d %H:%M:%S}"

    change_state(complete)
    if not as_json:
        click.echo(
            f"complete: 'import {wanted.module}' now gives your code, from {path}\n"
            f"'tito use reference {wanted.number}' switches back; "
            f"'tito submit {wanted.number}' hands it in"
        )


@command(module, "reset")
@CHAPTER
@click.option(
    "--keep-answers",
    is_flag=True,
    help="Take the released notebook and put your code and answers into it.",
)
@JSON
def module_reset(
    course: Course, state: State, chapter: str, keep_answers: bool, as_json: bool
) -> None:
    """Start again from the released notebook.

    Yours is kept as a backup.

    \b
    tito module reset 15
    tito module reset 15 --keep-answers     repair it, or bring it up to date
    """
    from tito.workspace import reset

    done = reset(state, course.chapter(chapter), keep_answers)
    if as_json:
        _print_json(
            {
                "notebook": str(done.notebook),
                "backup": str(done.backup),
                "carried": done.carried,
                "left": done.left,
            }
        )
        return
    click.echo(f"fresh: {done.notebook}\nyours is kept as {done.backup}")
    if keep_answers:
        carried = ", ".join(done.carried) or "nothing, there was no work in it"
        click.echo(f"carried over: {carried}")
    if done.left:
        click.echo(f"only in the kept one, since there is no place: {', '.join(done.left)}")


@command(cli)
@click.argument("whose", type=click.Choice(["mine", "reference"]))
@click.argument("chapter", required=False, shell_complete=_complete)
@JSON
def use(course: Course, state: State, whose: str, chapter: str | None, as_json: bool) -> None:
    """Choose whose code `import tinytorch` gives.

    Without a chapter, the choice is for all that you completed.

    \b
    tito use reference 15
    tito use mine
    """
    from tito.export import mine_path
    from tito.state import change_state

    if chapter is None:
        chosen = [one for one in course.chapters if one.name in state.completed]
    else:
        chosen = [course.chapter(chapter)]
    for one in chosen:
        if whose == "mine" and not mine_path(one.name).is_file():
            raise TitoError(
                f"there is no code of yours for chapter {one.number} yet; "
                f"'tito module complete {one.number}' exports it"
            )
    if chosen:
        state = change_state(lambda now: now.uses.update({one.name: whose for one in chosen}))
    if as_json:
        _print_json(state.uses)
    elif not chosen:
        click.echo("no chapter is complete yet, so there is nothing to switch")
    for one in [] if as_json else chosen:
        click.echo(f"import {one.module}: {'your code' if whose == 'mine' else 'the reference'}")


@command(cli)
@CHAPTER
@click.option("--exchange", is_flag=True, help="Hand in by 'nbgrader submit', on a class server.")
@click.option("--force", is_flag=True, help="Hand in although not all visible tests pass.")
@JSON
def submit(
    course: Course, state: State, chapter: str, exchange: bool, force: bool, as_json: bool
) -> None:
    """Check a notebook as the grader will, then pack it to hand in.

    \b
    tito submit 15
    tito submit 15 --force          with what you have, before the deadline
    """
    from tito import show
    from tito.notebook import read_notebook
    from tito.submitting import (
        check,
        demand_exchange,
        hand_in_by_exchange,
        hand_in_folder,
        pack,
    )
    from tito.workspace import notebook_path

    wanted = course.chapter(chapter)
    path = notebook_path(state, wanted)
    if exchange:
        demand_exchange(wanted, path)
    packed = path.read_bytes()  # what is looked at is what is handed in, also if it is saved now
    with show.progress(f"running all of chapter {wanted.number}", quiet=as_json) as progress:
        found = check(wanted, read_notebook(path), progress)
    if not as_json:
        show.checked(wanted, path, found)
    if not found.run.passed and not force:
        if as_json:
            _print_json({"problems": found.problems, **found.run.to_dict()})
        raise TitoError(
            "nothing was handed in, since not all visible tests pass; "
            f"'tito submit {wanted.number} --force' hands in what you have",
            1,
        )
    if exchange:
        with show.progress("handing in by nbgrader", quiet=as_json):
            said = hand_in_by_exchange(wanted, path)
    else:
        said = str(pack(wanted, packed, hand_in_folder(wanted, path)))
    if as_json:
        _print_json({"problems": found.problems, "handed_in": said, **found.run.to_dict()})
    else:
        click.echo(f"ready to hand in: {said}" if not exchange else said)


@cli.group()
def submission() -> None:
    """Look at capstone submissions.

    \b
    tito submission validate my_submission.json
    tito submission compare mine.json theirs.json
    """


FILES = click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


@submission.command()
@FILES
@JSON
def validate(files: tuple[Path, ...], as_json: bool) -> None:
    """Say whether files are in order.

    If not, all that is wrong with each is named.

    \b
    tito submission validate my_submission.json
    """
    from tito.submission import problems, read_submission

    found: dict[str, list[str]] = {}
    for path in files:
        try:
            found[str(path)] = problems(read_submission(path))
        except TitoError as error:
            found[str(path)] = [str(error)]
    if as_json:
        _print_json(found)
    for name, wrong in {} if as_json else found.items():
        click.echo(f"{name}: {'in order' if not wrong else f'{len(wrong)} problems'}")
        for problem in wrong:
            click.echo(f"  {problem}")
    if any(found.values()):
        sys.exit(1)


@submission.command("show")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@JSON
def submission_show(file: Path, as_json: bool) -> None:
    """Print the figures of one submission.

    \b
    tito submission show my_submission.json
    """
    _compare((file,), as_json)


@submission.command()
@FILES
@JSON
def compare(files: tuple[Path, ...], as_json: bool) -> None:
    """Print the figures of several side by side.

    \b
    tito submission compare mine.json theirs.json
    """
    _compare(files, as_json)


def _compare(files: tuple[Path, ...], as_json: bool) -> None:
    from tito import show
    from tito.submission import problems, read_submission, summary

    rows = []
    for path in files:
        content = read_submission(path)
        wrong = problems(content)
        if wrong:
            raise TitoError(
                f"{path} is not in order ({wrong[0]}); see 'tito submission validate {path}'", 1
            )
        rows.append(summary(path, content))
    if as_json:
        _print_json(rows)
    else:
        show.submissions(rows)


@command(cli)
@JSON
def progress(course: Course, state: State, as_json: bool) -> None:
    """Show what is done, and what to type next.

    \b
    tito progress
    """
    from tito import show
    from tito.progress import lines, next_step

    found = lines(course, state)
    if as_json:
        rows = [line.to_dict() for line in found]
        _print_json({"chapters": rows, "next": next_step(found)})
    else:
        show.progress_table(found, next_step(found))


def _print_json(data: Any) -> None:
    click.echo(json.dumps(data, indent=2))
