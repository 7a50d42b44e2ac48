"""The course that the tests are about, and what of it must stay secret."""

import html
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from nbformat.notebooknode import NotebookNode

from autograder.authoring.chapter import Implement, read_chapter
from autograder.authoring.hidden import checks_file
from autograder.authoring.reference import solution_bodies
from autograder.course import Course


@pytest.fixture(scope="session")
def course() -> Course:
    return Course(Path(__file__).resolve().parent.parent)


@pytest.fixture(scope="session")
def leaks(course: Course) -> Callable[[str], list[str]]:
    """Return a function that lists the secrets that a text or page gives away."""
    kept = {name: squeezed(text) for name, text in secrets(course).items()}

    def found(text: str) -> list[str]:
        forms = {squeezed(text), squeezed(html.unescape(re.sub(r"<[^>]+>", "", text)))}
        return [name for name, secret in kept.items() if any(secret in form for form in forms)]

    return found


def secrets(course: Course) -> dict[str, str]:
    """Return every solution body, hidden check and mark scheme of the course by a name."""
    result = {}
    for name in course.chapter_names():
        chapter = read_chapter(course.chapter_file(name))
        for cell in chapter.cells:
            if isinstance(cell, Implement):
                for number, body in enumerate(solution_bodies(cell.objects, cell.write)):
                    result[f"{name}: solution {cell.id} {number}"] = body
        for reflection in chapter.reflections:
            scheme = reflection.text.partition("BEGIN MARK SCHEME ===")[2]
            for number, line in enumerate(scheme.strip().split("\n")[:-1]):
                result[f"{name}: mark scheme {reflection.id} {number}"] = line
        functions = re.split(r"^def ", checks_file(name).read_text(encoding="utf-8"), flags=re.M)
        for function in functions[1:]:
            title, _, body = function.partition("\n")
            result[f"{name}: hidden {title}"] = body[:200]
    return result


@pytest.fixture(scope="session")
def text_of() -> Callable[[NotebookNode], str]:
    """Return a function from a notebook to all that a reader of it can see."""

    def visible(notebook: NotebookNode) -> str:
        return "\n".join(f"{cell.source}\n{cell.get('outputs', '')}" for cell in notebook.cells)

    return visible


def squeezed(text: str) -> str:
    """Return the text without white space, so that no indentation hides a secret."""
    return re.sub(r"\s+", "", text)
