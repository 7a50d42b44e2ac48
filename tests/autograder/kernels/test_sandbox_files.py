"""Of the machine's files a kernel sees what it needs to run, read-only, and nothing else."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from jupyter_core.paths import jupyter_config_path

from autograder.kernels.jail import SETTINGS, SYSTEM, interpreter_folders
from autograder.kernels.warm import Warm, WarmProcess


def test_a_file_of_the_person_who_grades_is_not_there(confined, host_file):
    assert host_file.read_text() == "planted-secret"
    said = confined(f"say(os.path.exists({str(host_file)!r}), os.path.exists({os.getcwd()!r}))")
    assert said.split()[0] == "False"
    assert confined(f"open({str(host_file)!r})").startswith("FileNotFoundError")


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/shadow", "/var", "/home", "/run", "/sys"])
def test_the_machine_s_own_files_are_not_there(confined, path):
    assert os.path.exists(path)
    assert confined(f"say(os.path.exists({path!r}))") == "False"


def test_folders_above_what_is_shown_hold_nothing_else(confined, plain_warm):
    shown = [*interpreter_folders(), *map(Path, (*SYSTEM, *SETTINGS)), plain_warm.warm.library]
    inside = {path for top in shown for path in top.parents} | {Path(f) for f in SYSTEM}
    inside |= {Path("/", name) for name in ("dev", "etc", "proc", "scratch", "tmp")}
    code = (
        f"shown = {[*map(str, shown)]}\n"
        "folders = ['/']\n"
        "while folders:\n"
        "    folder = folders.pop()\n"
        "    for name in os.listdir(folder):\n"
        "        path = os.path.join(folder, name)\n"
        "        if path not in shown:\n"
        "            say(path)\n"
        "            if os.path.isdir(path) and path not in ('/proc', '/dev', '/scratch'):\n"
        "                folders.append(path)"
    )
    found = {Path(line) for line in confined(code).splitlines()}
    assert found
    assert found <= inside


def test_only_harmless_devices_are_there(confined):
    assert confined("say(*sorted(os.listdir('/dev')))") == "full null random shm urandom zero"
    assert confined("say(len(open('/dev/urandom', 'rb').read(9)), open('/dev/null').read())") == "9"


def test_tmp_is_scratch_also_where_something_visible_lies_in_it(run_confined, plain_body):
    """As in a course that was cloned into /tmp."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        shutil.copytree(plain_body.library, folder, dirs_exist_ok=True)
        os.chmod(folder, 0o755)
        warm = WarmProcess(Warm("plain_body", Path(folder)))
        code = (
            "open('/tmp/note', 'w').write('hello')\n"
            "say(open('/scratch/tmp/note').read(), len(os.listdir('/tmp')))\n"
            f"say(os.path.exists('{folder}/plain_body.py'))\n"
            "for attempt in (os.rmdir, os.mkdir):\n"
            f"    try: attempt('/scratch{folder}')\n"
            "    except OSError as error: say(error.strerror)"
        )
        said = run_confined(code, of=warm).splitlines()
        warm.close()
    assert said[0].startswith("hello ")
    assert said[1] == "True"
    assert len(said) == 4


def test_nothing_can_be_written_but_in_scratch_and_shared_memory(confined):
    code = (
        "for line in open('/proc/self/mountinfo'):\n"
        "    place, options = line.split()[4:6]\n"
        "    if not options.startswith('ro') or 'nosuid' not in options: say(place)"
    )
    found = set(confined(code).splitlines())
    assert found <= {"/proc", "/dev/shm", "/scratch", "/tmp"}
    assert "/scratch" in found


@pytest.mark.parametrize("folder", ["/", "/usr", "/usr/lib", "/etc", "/dev", "/proc", "library"])
def test_a_file_cannot_be_made_in(confined, plain_warm, folder):
    folder = str(plain_warm.warm.library) if folder == "library" else folder
    said = confined(f"open({folder!r} + '/planted', 'w')")
    assert said.split(":")[0] in ("OSError", "PermissionError", "FileNotFoundError")
    assert not os.path.exists(f"{folder}/planted")


def test_a_read_only_place_cannot_be_made_writable(confined):
    code = (
        "import ctypes\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "remount, bind = 0x20, 0x1000\n"
        "result = libc.mount(b'none', b'/usr', b'none', remount | bind, None)\n"
        "say(result, os.strerror(ctypes.get_errno()))"
    )
    assert confined(code) == "-1 Operation not permitted"


def test_it_sees_its_own_processes_and_no_others(confined):
    assert confined("say(*sorted(p for p in os.listdir('/proc') if p.isdigit()))") == "1 2"


@pytest.mark.parametrize("entry", ["environ", "mem", "root", "cwd", "fd", "exe", "maps"])
def test_the_process_that_watches_it_cannot_be_looked_into(confined, entry):
    code = f"p = '/proc/1/{entry}'; os.listdir(p) if os.path.isdir(p) else open(p, 'rb').read(1)"
    assert confined(code).startswith("PermissionError")


def test_another_kernel_s_files_are_not_there(start_confined, confined):
    start_confined("open('answers.txt', 'w').write('mine'); import time; time.sleep(60)")
    assert confined("say(os.listdir('.'), os.listdir('/dev/shm'))") == "[] []"


def test_the_configuration_of_jupyter_is_empty_where_it_lies_among_packages(confined):
    """There nbgrader may be told of a database, with its password."""
    places = [path for path in jupyter_config_path() if os.path.isdir(path)]
    shown = [path for path in places if Path(path).is_relative_to(sys.prefix)]
    assert shown
    assert os.listdir(shown[0])
    code = f"say(*[n for p in {places} if os.path.isdir(p) for n in os.listdir(p)], 'end')"
    assert confined(code) == "end"


def test_folders_below_what_is_shown_can_be_hidden(plain_body, tmp_path, monkeypatch):
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "plain_body.py").write_text(
        (plain_body.library / "plain_body.py").read_text()
    )
    (tmp_path / "shown" / "exchange").mkdir()
    (tmp_path / "shown" / "exchange" / "answers.txt").write_text("planted-secret")
    folder = tmp_path / "shown" / "exchange"
    monkeypatch.setattr("autograder.kernels.warm.PRIVATE", (str(folder),))
    warm = WarmProcess(Warm("plain_body", tmp_path / "shown"))
    ours, theirs = os.pipe()
    try:
        from autograder.kernels.limits import Limits

        code = f"say(os.listdir({str(folder)!r}), os.path.exists({str(folder)!r}))"
        process = warm.start({"code": code}, [theirs], Limits(), 1)
        process.wait(30)
        assert os.read(ours, 100) == b"[] True\n"
        process.close()
    finally:
        os.close(ours)
        os.close(theirs)
        warm.close()
