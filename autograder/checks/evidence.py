"""How good a chapter's tests are: right solutions that must pass, wrong ones that must not.

The evidence lies in `tests/checks/<chapter>/`: `right/*.py` are complete solutions written in
other ways than the reference; `mutants.toml` turns the reference into the mistakes students make.
"""

import contextlib
import importlib
import io
import multiprocessing
import os
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from autograder.authoring.chapter import Chapter, Code, Implement, read_chapter
from autograder.authoring.reference import solution_source
from autograder.course import Course, CourseError

MAY_LOSE = "# May lose: "


@dataclass(frozen=True)
class Subject:
    """A solution to judge; `may_lose` names tests that it need not pass."""

    name: str
    kind: str
    about: str
    script: str
    may_lose: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Verdict:
    """How one subject fared; `failed` maps a test's id to what caught it."""

    name: str
    kind: str
    about: str
    points: float
    possible: float
    failed: dict[str, tuple[str, ...]]
    as_expected: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(course: Course, name: str, repeat: int = 1) -> list[Verdict]:
    """Judge every solution there is for a chapter, each in a process of its own.

    With `repeat` above 1, only the right ones and each so many times: one failure by chance shows.
    Raises CourseError when the chapter has no evidence or a mutant no longer fits the reference.
    """
    chapter = read_chapter(course.chapter_file(name))
    subjects = list(all_subjects(course, chapter))
    if repeat > 1:
        subjects = [subject for subject in subjects if subject.kind == "right"]
    # More than the cores: the checks sleep for a good part of their time.
    workers = 3 * (os.cpu_count() or 1)
    # Forked from a process that has imported what all of them need, which takes longer than most
    # judgements.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, checks_module(name), "matplotlib.pyplot"])
    with ProcessPoolExecutor(workers, mp_context=context, max_tasks_per_child=1) as pool:
        futures = [pool.submit(judge, chapter, subject, repeat) for subject in subjects]
        waiting = track(futures, "judging solutions", console=Console(stderr=True), transient=True)
        return [future.result() for future in waiting]


def all_subjects(course: Course, chapter: Chapter) -> Iterator[Subject]:
    """Yield the reference, the right solutions and the mutants of a chapter."""
    folder = course.root / "tests" / "checks" / chapter.name
    if not folder.is_dir():
        raise CourseError(f"there is no {folder}; it holds the solutions to judge the tests by")
    reference = reference_script(chapter)
    yield Subject("reference", "right", "the library's own code", reference)
    for path in sorted((folder / "right").glob("*.py")):
        yield _right(path)
    for mutant in tomllib.loads((folder / "mutants.toml").read_text(encoding="utf-8"))["mutant"]:
        yield mutate(reference, mutant, folder / "mutants.toml")


def reference_script(chapter: Chapter) -> str:
    """Return the solutions of all implement cells as one script."""
    cells = [cell for cell in chapter.cells if isinstance(cell, Implement)]
    text = "\n\n\n".join(solution_source(cell.objects, cell.write) for cell in cells)
    return "\n".join(line for line in text.split("\n") if " SOLUTION" not in line)


def mutate(reference: str, mutant: dict[str, str], file: Path) -> Subject:
    """Return the reference with one mistake; its `find` must stand there exactly once."""
    count = reference.count(mutant["find"])
    if count != 1:
        raise CourseError(
            f"{file.name}, mutant {mutant['name']!r}: its 'find' stands {count} times in the "
            "reference; change it to stand once"
        )
    script = reference.replace(mutant["find"], mutant["replace"])
    return Subject(mutant["name"], "mutant", mutant["about"], script)


def judge(chapter: Chapter, subject: Subject, repeat: int = 1) -> Verdict:
    """Run the test cells of the chapter against one solution, so many times over.

    A mutant has to be caught by a hidden check, so its visible tests are left out.
    """
    failed: dict[str, tuple[str, ...]] = {}
    with tempfile.TemporaryDirectory() as scratch, _quietly_in(scratch):
        student = student_module(chapter, subject.script)
        checks = importlib.import_module(checks_module(chapter.name))
        for test in chapter.tests * repeat:
            caught = [check for check in test.checks if _fails(getattr(checks, check), student)]
            if subject.kind == "right" and _fails(exec, test.source, student.__dict__):
                caught.append("visible test")
            if caught:
                failed[test.id] = tuple(caught)
    points = sum(test.points for test in chapter.tests if test.id not in failed)
    possible = sum(test.points for test in chapter.tests)
    right = subject.kind == "right"
    as_expected = set(failed) <= subject.may_lose if right else bool(failed)
    return Verdict(subject.name, subject.kind, subject.about, points, possible, failed, as_expected)


def checks_module(name: str) -> str:
    """Return the module of a chapter's hidden checks."""
    return f"autograder.checks.ch{name}"


def student_module(chapter: Chapter, script: str) -> ModuleType:
    """Return a module that holds what a notebook with this solution defines."""
    student = ModuleType("student")
    needed = [cell for cell in chapter.cells if isinstance(cell, Code)]
    for cell in needed:
        if cell.options.get("needed") == "before":
            exec(cell.source, student.__dict__)
    exec(compile(script, "solution", "exec"), student.__dict__)
    for cell in needed:
        if cell.options.get("needed") == "after":
            exec(cell.source, student.__dict__)
    return student


def print_table(verdicts: list[Verdict]) -> None:
    """Print who passed, who was caught and by what."""
    table = Table()
    table.add_column("solution", overflow="fold")
    table.add_column("what it is", overflow="fold")
    table.add_column("points", justify="right")
    table.add_column("caught by", overflow="fold")
    table.add_column("as it should be")
    for verdict in verdicts:
        caught = sorted({check for checks in verdict.failed.values() for check in checks})
        table.add_row(
            f"{verdict.kind}: {verdict.name}",
            verdict.about,
            f"{verdict.points:g} / {verdict.possible:g}",
            ", ".join(caught),
            "yes" if verdict.as_expected else "NO",
        )
    console = Console()
    console.print(table)
    for kind, word in (("right", "passed"), ("mutant", "caught")):
        found = [verdict for verdict in verdicts if verdict.kind == kind]
        good = sum(verdict.as_expected for verdict in found)
        console.print(f"{kind} solutions {word}: {good} of {len(found)}")


def _right(path: Path) -> Subject:
    script = path.read_text(encoding="utf-8")
    lines = script.split("\n")
    lost = next((line for line in lines if line.startswith(MAY_LOSE)), MAY_LOSE)
    tests = frozenset(part.strip() for part in lost.removeprefix(MAY_LOSE).split(",") if part)
    return Subject(path.stem, "right", lines[0].strip('"# '), script, tests)


def _fails(function: Any, *arguments: Any) -> bool:
    try:
        function(*arguments)
    except Exception:  # noqa: BLE001  (whatever a wrong solution raises, the test has failed)
        return True
    return False


@contextlib.contextmanager
def _quietly_in(folder: str) -> Iterator[None]:
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        yield
