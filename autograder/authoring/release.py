"""A release: the notebooks of the chapters that are out, and the wheel that students install.

The wheel holds `tinytorch` as students of the newest chapter have it, so no solution of that
chapter or a later one; `tito`; and the notebooks and the list of chapters that `tito` reads.
"""

import calendar
import contextlib
import hashlib
import json
import os
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipInfo

from wheel.wheelfile import WheelFile

import tinytorch
from autograder.authoring.chapter import Chapter, Code, Implement, read_chapter
from autograder.authoring.student_library import write_student_library
from autograder.course import Course, CourseError
from autograder.files import contents, write_whole

NAME = "tinytorch_course_student"
# What `tito` and the notebooks need; JupyterLab is chosen by whoever has no editor yet.
REQUIRED = ("numpy", "jsonschema", "threadpoolctl", "matplotlib", "click", "rich", "nbclient",
            "ipykernel")  # fmt: skip
# Runs when an interpreter starts: whose code an import of tinytorch gives is tito's to say.
# What is left of it after half an uninstall must not print an error at every start of Python.
STARTUP = (
    r'import sys; exec("try:\n    import tito.overlay\n    tito.overlay.install()\n'
    r'except Exception:\n    pass")' + "\n"
)
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # equal content gives equal bytes


def release(course: Course, newest: str) -> Path:
    """Write the release whose newest chapter is `newest` to `build/release/<newest>`; return it.

    It holds the wheel, the notebooks, which `nbgrader generate_assignment` must have made, and
    the list of chapters.
    Raises CourseError naming a notebook that is not there.
    """
    folder = course.build / "release" / newest
    fresh = folder.with_name(f".{newest}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    _write_contents(course, newest, fresh)
    _write_wheel(course, write_student_library(course, newest), fresh)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return folder


def wheel_of(course: Course, newest: str) -> Path:
    """Return the wheel of a release; raises CourseError when it was not made."""
    found = sorted((course.build / "release" / newest).glob("*.whl"))
    if not found:
        raise CourseError(f"there is no release of {newest}; run 'autograder release {newest}'")
    return found[0]


def _write_contents(course: Course, newest: str, folder: Path) -> None:
    """Write what `tito` reads: the list of chapters, and the notebooks up to `newest`."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for name in course.chapter_names():
        chapter = read_chapter(course.chapter_file(name))
        released = name <= newest
        entries.append(_entry(chapter, released))
        if released:
            notebook = course.assignments / "release" / name / f"{name}.ipynb"
            if not notebook.is_file():
                raise CourseError(
                    f"there is no {notebook.relative_to(course.root)}; "
                    f"run 'nbgrader generate_assignment {name}' first"
                )
            shutil.copyfile(notebook, folder / notebook.name)
    write_whole(folder / "course.json", json.dumps({"chapters": entries}, indent=1) + "\n")


def _entry(chapter: Chapter, released: bool) -> dict[str, Any]:
    front = chapter.front
    return {
        "name": chapter.name,
        "number": front["number"],
        "title": front["title"],
        "module": chapter.module,
        "minutes": front["minutes"],
        "tests": {test.id: test.points for test in chapter.tests},
        "manual_points": sum(question.points for question in chapter.reflections),
        "tasks": {
            cell.id: list(cell.objects) for cell in chapter.cells if isinstance(cell, Implement)
        },
        "needed": [
            cell.options["id"]
            for cell in chapter.cells
            if isinstance(cell, Code) and cell.options.get("needed")
        ],
        "released": released,
    }


def _write_wheel(course: Course, library: Path, target: Path) -> None:
    files = {f"tinytorch/{name}": data for name, data in contents(library / "tinytorch").items()}
    files |= {
        f"tito/{name}": data for name, data in contents(course.library.parent / "tito").items()
    }
    files |= {f"tito/released/{name}": data for name, data in contents(target).items()}
    files["tinytorch_course_student.pth"] = STARTUP.encode()
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
    # The local part tells two wheels of one version apart, so that pip replaces the older one.
    newest = json.loads(files["tito/released/course.json"])["chapters"]
    number = max(entry["number"] for entry in newest if entry["released"])
    version = f"{tinytorch.__version__}.{number}+{digest[:8]}"
    info = f"{NAME}-{version}.dist-info"
    files[f"{info}/METADATA"] = _metadata(course, version).encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: autograder\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files[f"{info}/entry_points.txt"] = b"[console_scripts]\ntito = tito.cli:main\n"
    path = target / f"{NAME}-{version}-py3-none-any.whl"
    with _times_fixed(), WheelFile(path, "w") as wheel:
        for name in sorted(files):
            entry = ZipInfo(name, LONG_AGO)
            entry.compress_type = ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, files[name])


@contextlib.contextmanager
def _times_fixed() -> Iterator[None]:
    """Let the list of files, which the wheel package adds itself, have a fixed time, too."""
    before = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = str(calendar.timegm(LONG_AGO))
    try:
        yield
    finally:
        if before is None:
            del os.environ["SOURCE_DATE_EPOCH"]
        else:
            os.environ["SOURCE_DATE_EPOCH"] = before


def _metadata(course: Course, version: str) -> str:
    project = tomllib.loads((course.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["course"]]
    needed = [one for one in wanted if one.split(">")[0] in REQUIRED]
    faster = project["optional-dependencies"]["fast"]
    return "\n".join(
        [
            "Metadata-Version: 2.1",
            f"Name: {NAME.replace('_', '-')}",
            f"Version: {version}",
            "Summary: tinytorch as students of the course have it, the notebooks, and tito.",
            f"Requires-Python: {project['requires-python']}",
            *(f"Requires-Dist: {one}" for one in needed),
            "Provides-Extra: fast",
            *(f'Requires-Dist: {one}; extra == "fast"' for one in faster),
            "",
            "",
        ]
    )
