"""The pages that readers see: a chapter in the student's view, and lessons whose code has run."""

from collections.abc import Callable

import jupytext
import nbformat
from nbformat.notebooknode import NotebookNode

from autograder.authoring.chapter import Code, Prose, front_matter, parse_cells, parse_chapter
from autograder.authoring.launch import launch_links
from autograder.authoring.markdown import listing
from autograder.authoring.notebook import (
    KERNELSPEC,
    given_cell,
    source_notebook,
    student_view,
    without_hidden_tests,
)
from autograder.authoring.outputs import executed
from autograder.authoring.student_library import write_student_library
from autograder.course import Course, CourseError, find_course

DOWNLOAD = "{{download}}`Download the notebook <../../assignments/release/{name}/{name}.ipynb>`"


def read(text: str) -> NotebookNode:
    """Read any MyST page of the book; a reader for myst-nb's `nb_custom_formats`."""
    front = front_matter(text)
    if "module" in front:
        return chapter_page(find_course(), text)
    if "lesson" in front:
        return lesson_page(find_course(), text)
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])


def chapter_page(course: Course, text: str) -> NotebookNode:
    """Return the page of a chapter: stubs, visible tests, questions, and outputs measured here.

    Raises CourseError when the chapter cannot be built or its reference solution fails.
    """
    file = course.chapters / f"{front_matter(text)['chapter']}.md"
    chapter = parse_chapter(text, file)
    # Hidden tests would only take time here, and their helpers hide names of the page's cells.
    source = without_hidden_tests(source_notebook(chapter, _references(course, text)))
    library = write_student_library(course, chapter.name)
    page = student_view(executed(course, chapter.name, source, library))
    title, _, rest = page.cells[0].source.partition("\n")
    page.cells[0].source = f"{title}\n\n{_where_to_work(course, chapter.name)}\n{rest}"
    return page


def lesson_page(course: Course, text: str) -> NotebookNode:
    """Return a page without tasks, its code run with the library as the first chapter has it.

    Its front matter has `lesson`, a name that no other page has.
    Raises CourseError for a cell that is no given one and when a cell fails.
    """
    name = front_matter(text)["lesson"]
    library = write_student_library(course, course.chapter_names()[0])
    prose = _references(course, text)
    cells = []
    for cell in parse_cells(jupytext.reads(text, fmt="md:myst").cells, course.root / f"{name}.md"):
        if isinstance(cell, Prose):
            cells.append(nbformat.v4.new_markdown_cell(prose(cell.text)))
        elif isinstance(cell, Code):
            cells.append(given_cell(cell))
        else:
            raise CourseError(f"{name}.md, {cell.where}: a lesson has no tasks; write a chapter")
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNELSPEC})
    return executed(course, name, notebook, library)


def _references(course: Course, text: str) -> Callable[[str], str]:
    return listing(course.root / "book" / "references.bib", text)


def _where_to_work(course: Course, chapter: str) -> str:
    links = launch_links(course, chapter).items()
    # As HTML, since Markdown gives a link no class to look like a button by.
    buttons = [
        f'<a class="launch" href="{address}">Open in {service}</a>' for service, address in links
    ]
    return "\n".join([DOWNLOAD.format(name=chapter), *buttons])
