"""The sandbox is the same for a person who is not root."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import autograder

ROOT = Path(autograder.__path__[0]).parent
USER = 54321
AS_USER = f"""
import os, sys
from pathlib import Path
from autograder.kernels import linux
from autograder.kernels.jail import interpreter_folders

# The interpreter may lie in root's closed home: for this process, and nowhere else, what is closed
# is replaced by folders that hold only what is needed.
linux.unshare(linux.NEW_MOUNTS)
linux.mount("none", "/", "none", linux.RECURSIVE | linux.PRIVATE)
needed = [*interpreter_folders(), Path({str(ROOT)!r})]
above = {{folder for path in needed for folder in path.parents}}
for closed in sorted(folder for folder in above if not folder.stat().st_mode & 0o001):
    if not closed.stat().st_mode & 0o001:
        kept = {{path: os.open(path, os.O_PATH) for path in needed if path.is_relative_to(closed)}}
        linux.mount("open", str(closed), "tmpfs", 0, "mode=755")
        for path, descriptor in kept.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.isdir(f"/proc/self/fd/{{descriptor}}"):
                path.mkdir(exist_ok=True)
            else:
                path.touch()
            there = f"/proc/self/fd/{{descriptor}}"
            linux.mount(there, str(path), "none", linux.BIND | linux.RECURSIVE)
os.setgroups([])
os.setresgid({USER}, {USER}, {USER})
os.setresuid({USER}, {USER}, {USER})
os.environ["HOME"] = sys.argv[1]
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
os.chdir(sys.argv[1])
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.getuid() != 0, reason="the other tests ran as an ordinary user already"),
    pytest.mark.skipif(
        not int(Path("/proc/sys/user/max_user_namespaces").read_text()),
        reason="the machine gives ordinary users no namespaces",
    ),
]


@pytest.fixture
def as_user():
    """Return a function that runs Python as an ordinary user, in a home of theirs."""
    home = tempfile.mkdtemp(prefix="ordinary-user-")
    os.chown(home, USER, USER)

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-c", AS_USER, home, *arguments],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    yield run
    shutil.rmtree(home)


def test_a_closed_home_is_closed_to_them(as_user, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o700)
    assert "PermissionError" in as_user("-c", f"open('{tmp_path}/closed/x')").stderr


def test_what_is_said_of_kernels_holds_for_an_ordinary_user(as_user):
    names = "sandbox_files sandbox_privileges limits warm provisioner archive".split()
    files = [str(Path(__file__).parent / f"test_{name}.py") for name in names]
    done = as_user(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow",
        f"--rootdir={ROOT}", f"--confcutdir={ROOT}", "-c", str(ROOT / "pyproject.toml"), *files,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
