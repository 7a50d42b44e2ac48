"""Files of a student: written whole, kept before they are replaced."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from tito.errors import TitoError

# Windows refuses to replace a file while another program reads it; that is over in a moment.
TRIES, PAUSE = 10, 0.1


def write_whole(path: Path, data: str | bytes) -> None:
    """Write a file so that it is there whole or not at all, whenever the power goes.

    Raises TitoError when the folder or the file cannot be written.
    """
    data = data.encode("utf-8") if isinstance(data, str) else data
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, _mode(path))
        _replace(name, path)
    except OSError as error:
        _remove(name)
        raise TitoError(
            f"{path} cannot be written ({error.strerror or error}); make room or rights in its "
            "folder, then type this again",
            1,
        ) from error
    except BaseException:
        _remove(name)
        raise


def current_folder() -> Path:
    """Return the folder the user is in; raises TitoError when it was deleted meanwhile."""
    try:
        return Path.cwd()
    except OSError:
        raise TitoError("the folder you are in is gone; go to another one with cd") from None


def _mode(path: Path) -> int:
    """Return the rights that the file has, or that a new one gets; a temporary one is private."""
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _replace(name: str, path: Path) -> None:
    for left in reversed(range(TRIES)):
        try:
            os.replace(name, path)
            return
        except PermissionError:
            if os.name != "nt" or not left:
                raise
            time.sleep(PAUSE)


def _remove(name: str) -> None:
    if name:
        Path(name).unlink(missing_ok=True)
