"""The files that belong to a submission: what was handed in, under what the course gives."""

import fnmatch
import hashlib
import io
import os
import shutil
import stat
import tarfile
import tempfile
from pathlib import Path
from typing import IO

from autograder.kernels.limits import MIB

NOT_FOR_KERNELS = ("*.ipynb", "*.pyc", "timestamp.txt", "__pycache__", ".ipynb_checkpoints")
MOST_BYTES = 128 * MIB
MOST_BYTES_OF_A_TIME = 1_000


def files_for_kernel(submitted: Path, source: Path) -> dict[str, Path]:
    """Return the files that a submission's kernel finds beside it, by their path there.

    The course's own files win over submitted ones of the same name.
    Links are left out, since they may lead to anything of the person who grades; so is what is
    too large.
    """
    found: dict[str, Path] = {}
    for folder in (submitted, source):
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            inside = path.relative_to(folder)
            above = [folder / parent for parent in inside.parents]
            if path.is_file() and not any(p.is_symlink() for p in (path, *above[:-1])):
                ignored = any(
                    fnmatch.fnmatch(part, q) for part in inside.parts for q in NOT_FOR_KERNELS
                )
                if not ignored:
                    found[inside.as_posix()] = path
    left = MOST_BYTES
    kept: dict[str, Path] = {}
    for name, path in found.items():
        left -= path.stat().st_size
        if left >= 0:
            kept[name] = path
    return kept


def given_modules(source: Path) -> dict[str, Path]:
    """Return the Python files that the course gives with an assignment."""
    files = files_for_kernel(source / ".none", source)
    return {name: path for name, path in files.items() if name.endswith(".py")}


def archive_of(files: dict[str, Path]) -> IO[bytes] | None:
    """Return a tar file of the files, or None when there are none."""
    if not files:
        return None
    archive = tempfile.TemporaryFile()  # noqa: SIM115  (the caller passes it on)
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for inside, path in files.items():
            data = path.read_bytes()
            entry = tarfile.TarInfo(inside)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return archive


def digest_of(files: dict[str, Path]) -> str:
    """Return a hash of the files' names and contents; of a link, where it leads."""
    total = hashlib.sha256()
    for inside, path in sorted(files.items()):
        total.update(f"{inside}\0".encode(errors="surrogateescape"))
        if path.is_symlink():
            total.update(b"link\0" + os.fsencode(os.readlink(path)))
            continue
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def what_is_no_file(folder: Path) -> list[Path]:
    """Return what lies in a submission and is a link, a pipe or a device, or is too large."""
    return [
        Path(above, name)
        for above, _, names in os.walk(folder)
        for name in names
        if not _is_small_file(Path(above, name), MOST_BYTES)
    ]


def timestamp_problem(folder: Path) -> str | None:
    """Return why the time of handing in cannot be read, or None when it can or is not there."""
    path = folder / "timestamp.txt"
    if not os.path.lexists(path):
        return None
    if not _is_small_file(path, MOST_BYTES_OF_A_TIME):
        return "timestamp.txt is no short text"
    from nbgrader.utils import parse_utc  # late, since what has not changed needs no nbgrader

    try:
        text = path.read_text(encoding="utf-8").strip()
        if text:
            parse_utc(text)
    except (ValueError, OverflowError, TypeError, AttributeError):
        return "timestamp.txt holds no time"
    return None


def _is_small_file(path: Path, most: int) -> bool:
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_size <= most


def adopt_renamed(folder: Path, expected: list[str]) -> Path | None:
    """Copy a lone notebook with an unexpected name to the name that is looked for.

    Browsers and mail programs turn `name.ipynb` into `name (1).ipynb`.
    The file handed in stays beside the copy, whose path is returned; None when none was needed.
    """
    found = [path for path in folder.glob("*.ipynb") if not path.name.startswith(".")]
    if len(expected) != 1 or len(found) != 1 or found[0].stem == expected[0]:
        return None
    if found[0].is_symlink() or not found[0].is_file():
        return None
    target = folder / f"{expected[0]}.ipynb"
    scratch = folder / f".{expected[0]}.new"
    shutil.copyfile(found[0], scratch)
    os.replace(scratch, target)
    return target
