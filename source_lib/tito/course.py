"""The course as it was released: its chapters, their notebooks, what students write in each.

It comes with the wheel, in `tito/released`; in the course's own repository it is what
`autograder release` made last in the order of chapters. `TITO_COURSE` names another folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tito.errors import TitoError
from tito.files import current_folder

MANIFEST = "course.json"


@dataclass(frozen=True)
class Chapter:
    """One chapter: `name` is its id everywhere, such as "15_quantization".

    `tests` maps a test's id to its points, `tasks` the id of a cell that students write to the
    objects of the library that it defines, as dotted names; `needed` are given cells that the
    tests use; `released` says whether the notebook is out.
    """

    name: str
    number: int
    title: str
    module: str
    minutes: tuple[int, int]
    tests: dict[str, float]
    tasks: dict[str, list[str]]
    needed: tuple[str, ...]
    manual_points: float
    released: bool
    notebook: Path

    @property
    def short(self) -> str:
        """Return what a student types: "quantization"."""
        return self.name.partition("_")[2]

    @property
    def points(self) -> float:
        return sum(self.tests.values())


class Course:
    """What `tito` knows of the course; read from the folder that holds `course.json`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def chapters(self) -> list[Chapter]:
        path = self.folder / MANIFEST
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))["chapters"]
            return [_chapter(self.folder, entry) for entry in entries]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise TitoError(
                f"{path} cannot be read ({error}); install the course's wheel again", 1
            ) from error

    def chapter(self, asked: str) -> Chapter:
        """Return the chapter called `asked`: 15, "quantization" or "15_quantization".

        Raises TitoError naming the chapters there are, or that it is not released yet.
        """
        wanted = asked.strip().lower()
        for chapter in self.chapters:
            if wanted in (chapter.name, chapter.short, str(chapter.number)):
                if not chapter.released:
                    raise TitoError(
                        f"chapter {chapter.number}, {chapter.short}, is not released yet; "
                        "when it is, install the wheel that your teacher gives you then"
                    )
                return chapter
        there = ", ".join(f"{chapter.number} {chapter.short}" for chapter in self.chapters)
        raise TitoError(f"there is no chapter {asked!r}; choose one of: {there}")


def find_course() -> Course:
    """Return the released course.

    Raises TitoError when there is none: `tito` was installed without it.
    """
    for place in _places():
        if (place / MANIFEST).is_file():
            return Course(place)
    raise TitoError(
        "no course is installed; install the wheel from the course's site with pip, "
        "or run 'make assignments' in the course's repository",
        1,
    )


def _places() -> Iterator[Path]:
    """Yield where a released course may be, each only when it is not in the one before."""
    if os.environ.get("TITO_COURSE"):
        yield Path(os.environ["TITO_COURSE"])
        return
    yield Path(__file__).parent / "released"
    here = current_folder()
    for folder in (here, *here.parents):
        yield from sorted((folder / "build" / "release").glob("[0-9]*"), reverse=True)


def _chapter(folder: Path, entry: dict[str, Any]) -> Chapter:
    low, high = entry["minutes"]
    return Chapter(
        name=str(entry["name"]),
        number=int(entry["number"]),
        title=str(entry["title"]),
        module=str(entry["module"]),
        minutes=(low, high),
        tests={test: float(points) for test, points in entry["tests"].items()},
        tasks={task: list(names) for task, names in entry["tasks"].items()},
        needed=tuple(entry["needed"]),
        manual_points=float(entry["manual_points"]),
        released=bool(entry["released"]),
        notebook=folder / f"{entry['name']}.ipynb",
    )
