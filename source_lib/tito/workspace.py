"""Where a student's notebooks are, and how one gets there or starts again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tito.course import Chapter
from tito.errors import TitoError
from tito.files import current_folder, write_whole
from tito.notebook import left_behind, merged, read_notebook
from tito.state import State, backup, change_state


class NoNotebookError(TitoError):
    """The student has no notebook of this chapter yet."""


def notebook_path(state: State, chapter: Chapter) -> Path:
    """Return where the student's notebook of a chapter is.

    A notebook in the working folder comes first, then that of the workspace, also when it was
    renamed as browsers do ("15_quantization (1).ipynb").
    Raises NoNotebookError when there is none, TitoError when several could be meant.
    """
    here = current_folder()
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
        f"'tito module start {chapter.number}' gives you one, and one that you renamed is found "
        f"again as {chapter.name}.ipynb"
    )


def start(state: State, chapter: Chapter) -> tuple[Path, bool]:
    """Return the student's notebook of a chapter, and whether it was made now.

    Without a course folder, or when that is gone, the folder of the notebook becomes it.
    """
    known = bool(state.workspace and Path(state.workspace).is_dir())
    try:
        path, new = notebook_path(state, chapter), False
    except NoNotebookError:
        folder = Path(str(state.workspace)) if known else current_folder()
        path, new = folder / chapter.name / f"{chapter.name}.ipynb", True
        if path.exists():
            raise TitoError(
                f"{path} is in the way and is no file; move it, then type this again"
            ) from None
        write_whole(path, chapter.notebook.read_bytes())
    if not known:
        parent = path.parent
        change_state(_remember(parent.parent if parent.name == chapter.name else parent))
    return path, new


def _remember(folder: Path) -> Callable[[State], None]:
    def change(state: State) -> None:
        state.workspace = str(folder)

    return change


@dataclass(frozen=True)
class Reset:
    """A notebook that starts again, its backup, and the cells that came over or did not."""

    notebook: Path
    backup: Path
    carried: list[str]
    left: list[str]


def reset(state: State, chapter: Chapter, keep_answers: bool) -> Reset:
    """Replace a notebook by the released one, after a backup.

    With `keep_answers` the student's code and answers go into the fresh notebook.
    """
    path = notebook_path(state, chapter)
    kept = backup(path)
    fresh = read_notebook(chapter.notebook)
    carried: list[str] = []
    left: list[str] = []
    if keep_answers:
        mine = read_notebook(path)
        left = left_behind(fresh, mine)
        fresh, carried = merged(fresh, mine)
    write_whole(path, fresh.text())
    return Reset(path, kept, carried, left)
