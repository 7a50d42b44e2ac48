"""Where a student's notebooks are, and how one gets there or starts again."""

from __future__ import annotations

import shutil
from pathlib import Path

from tito.course import Chapter
from tito.errors import TitoError
from tito.notebook import merged, read_notebook
from tito.state import State, backup, save_state, write_whole


class NoNotebookError(TitoError):
    """The student has no notebook of this chapter yet."""


def notebook_path(state: State, chapter: Chapter) -> Path:
    """Return where the student's notebook of a chapter is.

    A notebook in the working folder comes first, then that of the workspace, also when it was
    renamed as browsers do ("15_quantization (1).ipynb").
    Raises NoNotebookError when there is none, TitoError when several could be meant.
    """
    here = Path.cwd()
    places = [here, here / chapter.name]
    if state.workspace:
        places += [Path(state.workspace) / chapter.name, Path(state.workspace)]
    for place in places:
        if (place / f"{chapter.name}.ipynb").is_file():
            return place / f"{chapter.name}.ipynb"
    for place in places:
        renamed = sorted(place.glob(f"{chapter.name}*.ipynb")) if place.is_dir() else []
        if len(renamed) == 1:
            return renamed[0]
        if renamed:
            names = ", ".join(path.name for path in renamed)
            raise TitoError(
                f"{place} has several notebooks of chapter {chapter.number} ({names}); "
                f"rename the one that counts to {chapter.name}.ipynb"
            )
    raise NoNotebookError(
        f"you have no notebook of chapter {chapter.number} here or in your course folder; "
        f"'tito module start {chapter.number}' gives you one"
    )


def start(state: State, chapter: Chapter) -> tuple[Path, bool]:
    """Return the student's notebook of a chapter, and whether it was made now."""
    try:
        return notebook_path(state, chapter), False
    except NoNotebookError:
        if not state.workspace or not Path(state.workspace).is_dir():
            state.workspace = str(Path.cwd())
            save_state(state)
    path = Path(state.workspace) / chapter.name / f"{chapter.name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        raise TitoError(f"{path} is in the way and is no file; move it, then type this again")
    shutil.copyfile(chapter.notebook, path)
    return path, True


def reset(state: State, chapter: Chapter, keep_answers: bool) -> tuple[Path, Path, list[str]]:
    """Replace a notebook by the released one; return it, the backup, and the cells carried over.

    With `keep_answers` the student's code and answers go into the fresh notebook.
    """
    path = notebook_path(state, chapter)
    kept = backup(path)
    fresh = read_notebook(chapter.notebook)
    carried: list[str] = []
    if keep_answers:
        fresh, carried = merged(fresh, read_notebook(path))
    write_whole(path, fresh.text())
    return path, kept, carried
