"""A chapter as the page that readers see: the student's view with the reference run's outputs."""

import nbformat
from nbformat.notebooknode import NotebookNode

from autograder.authoring.chapter import front_matter, parse_chapter
from autograder.authoring.notebook import source_notebook, student_view
from autograder.authoring.outputs import executed
from autograder.authoring.student_library import write_student_library
from autograder.course import Course, find_course

DOWNLOAD = "{{download}}`Download the notebook <../../assignments/release/{name}/{name}.ipynb>`"


def read(text: str) -> NotebookNode:
    """Read any MyST page of the book; a reader for myst-nb's `nb_custom_formats`."""
    if "module" in front_matter(text):
        return chapter_page(find_course(), text)
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])


def chapter_page(course: Course, text: str) -> NotebookNode:
    """Return the page of a chapter: stubs, visible tests, questions, and outputs measured here.

    Raises CourseError when the chapter cannot be built or its reference solution fails.
    """
    file = course.chapters / f"{front_matter(text)['chapter']}.md"
    chapter = parse_chapter(text, file)
    source = source_notebook(chapter, lambda prose: prose)
    library = write_student_library(course, chapter.name)
    page = student_view_with_outputs(executed(course, chapter.name, source, library))
    title, _, rest = page.cells[0].source.partition("\n")
    page.cells[0].source = f"{title}\n\n{DOWNLOAD.format(name=chapter.name)}\n{rest}"
    return page


def student_view_with_outputs(notebook: NotebookNode) -> NotebookNode:
    """Return the student's view of an executed notebook, its outputs kept.

    The outputs of test cells are dropped: a hidden check may have printed.
    """
    page = student_view(notebook)
    for cell in page.cells:
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade"):
            cell.outputs = []
    return page
