"""A small machine in the machine, where a case cannot do harm whatever grades it.

The grading runs as an ordinary user in namespaces of its own (bubblewrap), without network, with
its home, /tmp and /dev/shm in memory and of limited size, and the rest read-only. All that is left
when the command ends is what `inside` wrote to its standard output, so what a grader lets through
can be looked for exactly: every process, connection and file there belongs to this one grading.
"""

import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = Path("/home/teacher")
TEMPLATE, MEETING = Path("/template"), Path("/mnt")
UID = 61_234  # of nobody in particular, and not of root, whose processes no limit counts
MIB = 2**20


class HouseError(RuntimeError):
    """The machine cannot contain the cases; the message says what is missing."""


def run(template: Path, request: dict[str, Any], seconds: float) -> dict[str, Any] | None:
    """Run `inside` with a request on a copy of the course in `template` and return its report.

    Returns None when everything inside was ended before there was one.
    Raises HouseError when the machine does not allow the containment.
    """
    root = os.geteuid() == 0
    inside = [sys.executable, "-m", "tests.hostile.inside", json.dumps(request)]
    command = [*walls(MEETING if root else template), *inside]
    if root:
        command = [*as_nobody(template), *command]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()  # and with it, as process 1 of its namespace, everything inside
        process.communicate()
        return None
    report = output.rpartition(b"\n\x1e")[2]
    if not report:
        if b"bwrap:" in errors or b"unshare:" in errors or b"Traceback" in errors:
            raise HouseError(errors.decode(errors="replace").strip()[-2000:])
        return None
    found: dict[str, Any] = json.loads(report)
    return found


def as_nobody(template: Path) -> list[str]:
    """Return what makes an ordinary user of root, who can read interpreter and template."""
    steps = ["set -e"]
    closed = first_closed(Path(sys.base_prefix))
    if closed is not None:
        # Root's own home: shown with nothing in it but the interpreter.
        steps += [
            f"mount --bind {sys.base_prefix} {MEETING}",
            f"mount -t tmpfs -o mode=755,size=1m tmpfs {closed}",
            f"mkdir -p {sys.base_prefix}",
            f"mount --move {MEETING} {sys.base_prefix}",
        ]
    steps.append(f"mount --bind {shlex.quote(str(template))} {MEETING}")
    user = f"setpriv --reuid={UID} --regid={UID} --clear-groups --no-new-privs"
    steps.append(f'exec {user} "$@"')
    return ["unshare", "--mount", "--propagation=private", "sh", "-c", "\n".join(steps), "house"]


def first_closed(path: Path) -> Path | None:
    """Return the topmost folder above `path` that other users may not enter, or None."""
    for folder in reversed(path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None


def walls(template: Path) -> list[str]:
    """Return the bubblewrap command: what is seen inside, and how large what can be written is."""
    if shutil.which("bwrap") is None:
        raise HouseError("bubblewrap is needed to run hostile cases: apt install bubblewrap")
    seen = {Path("/usr"), Path("/etc"), Path(sys.base_prefix), Path(sys.prefix), ROOT}
    shown = sorted(path for path in seen if not any(path.is_relative_to(p) for p in seen - {path}))
    command = ["bwrap", "--die-with-parent", "--unshare-all", "--clearenv"]
    command += ["--proc", "/proc", "--dev", "/dev"]
    for path, size in ((HOME, 500), (Path("/tmp"), 128), (Path("/dev/shm"), 64)):
        command += ["--perms", "1777", "--size", str(size * MIB), "--tmpfs", str(path)]
    for path in shown:  # which may lie in /tmp
        command += ["--ro-bind", str(path), str(path)]
    for name in ("bin", "sbin", "lib", "lib64"):
        if Path("/", name).is_symlink():
            command += ["--symlink", os.readlink(f"/{name}"), f"/{name}"]
    command += ["--ro-bind", str(template), str(TEMPLATE), "--ro-bind", "/sys", "/sys"]
    for path in ("/var/tmp", "/run"):
        command += ["--perms", "1777", "--size", str(4 * MIB), "--tmpfs", path]
    command += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(ROOT)]
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return [*command, "--setenv", "HOME", str(HOME), "--setenv", "PATH", path,
            "--setenv", "PYTHONDONTWRITEBYTECODE", "1", "--"]  # fmt: skip
