"""A kernel uses no more than its limits: what is too much is an error, or ends the kernel alone."""

import resource
import signal
from dataclasses import replace

import pytest

from autograder.kernels.limits import MIB, Limits

SMALL = Limits(
    memory_bytes=512 * MIB,
    cpu_seconds=10,
    processes=20,
    open_files=60,
    file_bytes=MIB,
    scratch_bytes=8 * MIB,
    scratch_files=100,
)


def test_too_much_memory_is_an_error_of_the_cell(start_kernel):
    kernel = start_kernel(limits=Limits(memory_bytes=1024 * MIB))
    assert kernel.run("hog = bytearray(2**31)").startswith("MemoryError")
    assert "MemoryError" in kernel.run("import numpy as np; np.ones(2**28)")
    assert kernel.run("'still here'") == "'still here'"


def test_processes_that_hold_too_much_together_are_ended(start_confined):
    code = (
        "import time\n"
        "for _ in range(5):\n"
        "    if os.fork() == 0:\n"
        "        hog = b'x' * (150 * 2**20)\n"
        "        time.sleep(60)\n"
        "time.sleep(60)"
    )
    process = start_confined(code, SMALL)
    assert process.wait(30) == -signal.SIGKILL
    assert process.ended["reason"] == "memory"


@pytest.mark.slow
def test_memory_of_a_program_that_cannot_be_read_counts_too(start_confined):
    code = (
        "import shutil, subprocess, sys, time\n"
        "program = os.path.realpath(sys.executable)\n"
        "shutil.copy(program, 'p'); os.chmod('p', 0o111)\n"
        "top = os.path.dirname(os.path.dirname(program))\n"
        "paths = {'LD_LIBRARY_PATH': top + '/lib', 'PYTHONHOME': top}\n"
        "hog = 'hog = bytes(150 * 2**20).replace(bytes(1), b\"x\"); import time; time.sleep(60)'\n"
        "started = [subprocess.Popen(['./p', '-c', hog], env=paths) for _ in range(5)]\n"
        "time.sleep(1)\n"
        "if any(p.poll() is not None for p in started): os._exit(77)\n"
        "time.sleep(60)"
    )
    process = start_confined(code, replace(SMALL, file_bytes=64 * MIB, scratch_bytes=128 * MIB))
    if process.wait(30) == 77:
        pytest.skip("this Python does not run when it is copied")
    assert process.ended["reason"] == "memory"


@pytest.mark.slow
def test_copies_that_share_their_memory_count_it_once(confined):
    code = (
        "import time\n"
        "shared = b'x' * (150 * 2**20)\n"
        "for _ in range(5):\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(1.2)\n"
        "        os._exit(0)\n"
        "time.sleep(1.5)\n"
        "say('done')"
    )
    assert confined(code, SMALL) == "done"


@pytest.mark.slow
def test_processes_that_hold_little_together_are_left_alone(confined):
    code = (
        "import time\n"
        "for _ in range(5):\n"
        "    if os.fork() == 0:\n"
        "        hog = b'x' * (20 * 2**20)\n"
        "        time.sleep(1)\n"
        "        os._exit(0)\n"
        "time.sleep(1.5)\n"
        "say('done')"
    )
    assert confined(code, SMALL) == "done"


@pytest.mark.slow
def test_a_busy_process_is_ended_when_its_cpu_time_is_up(start_confined):
    process = start_confined("while True: pass", replace(SMALL, cpu_seconds=1))
    assert process.wait(30) == -signal.SIGKILL


@pytest.mark.parametrize(
    "kind", ["os.fork() or time.sleep(60)", "threading.Thread(target=f).start()"]
)
def test_processes_and_threads_are_counted(confined, kind):
    code = (
        "import threading, time\n"
        "f = lambda: time.sleep(60)\n"
        "started = 0\n"
        "try:\n"
        "    while started < 1000:\n"
        f"        {kind}\n"
        "        started += 1\n"
        "except (OSError, RuntimeError) as error:\n"
        "    say(started)\n"
        "    os._exit(0)"
    )
    assert 10 <= int(confined(code, SMALL)) < 20


def test_a_file_cannot_grow_without_bound(confined):
    code = (
        "try:\n"
        "    open('big', 'wb', buffering=0).write(bytes(2**22))\n"
        "    open('big', 'ab', buffering=0).write(b'more')\n"
        "except OSError as error:\n"
        "    say(error.strerror, os.path.getsize('big'))"
    )
    assert confined(code, SMALL) == f"File too large {MIB}"


@pytest.mark.parametrize("folder", ["/scratch/work", "/dev/shm"])
def test_what_is_written_is_bounded(confined, folder):
    code = (
        "written = 0\n"
        "try:\n"
        "    while True:\n"
        f"        written += open(f'{folder}/' + str(written), 'wb').write(bytes(2**19))\n"
        "except OSError as error:\n"
        "    say(error.strerror, written)"
    )
    assert confined(code, SMALL) == f"No space left on device {SMALL.scratch_bytes // 2}"


@pytest.mark.parametrize("folder", ["/scratch/work", "/dev/shm"])
def test_how_many_files_there_are_is_bounded(confined, folder):
    code = (
        "made = 0\n"
        "try:\n"
        "    while True:\n"
        f"        open(f'{folder}/' + str(made), 'w').close()\n"
        "        made += 1\n"
        "except OSError as error:\n"
        "    say(error.strerror, made)"
    )
    said, made = confined(code, SMALL).rsplit(" ", 1)
    assert said == "No space left on device"
    assert SMALL.scratch_files - 10 <= int(made) <= SMALL.scratch_files


def test_open_files_are_counted(confined):
    code = (
        "kept = []\n"
        "try:\n"
        "    while True: kept.append(os.dup(0))\n"
        "except OSError as error:\n"
        "    say(error.strerror)"
    )
    assert confined(code, SMALL) == "Too many open files"


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("AS", SMALL.memory_bytes),
        ("CPU", SMALL.cpu_seconds),
        ("NPROC", SMALL.processes),
        ("NOFILE", SMALL.open_files),
        ("FSIZE", SMALL.file_bytes),
        ("MEMLOCK", 0),
        ("MSGQUEUE", 0),
    ],
)
def test_a_limit_cannot_be_raised_again(confined, name, bound):
    code = (
        "import resource\n"
        f"kind = resource.RLIMIT_{name}\n"
        "say(*resource.getrlimit(kind))\n"
        "resource.setrlimit(kind, (2**40, 2**40))"
    )
    said = confined(code, SMALL).splitlines()
    assert said == [f"{bound} {bound}", "ValueError: not allowed to raise maximum limit"]


def test_a_crash_leaves_no_image_and_wakes_no_crash_handler(confined):
    assert confined("import resource; say(*resource.getrlimit(resource.RLIMIT_CORE))") == "1 1"


def test_limits_travel_as_plain_data():
    assert Limits(**SMALL.to_dict()) == SMALL
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] != SMALL.open_files, "this process is free"
