"""Confined processes are forked from a warm one; they end with it, with the program, or alone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from autograder.kernels.limits import Limits
from autograder.kernels.warm import Warm, WarmProcess, inner_environment, outer_environment

DAEMON = (
    "import time\n"
    "for _ in range(3):\n"
    "    if os.fork() == 0:\n"
    "        os.setsid()\n"
    "        if os.fork() == 0:\n"
    "            time.sleep(600)\n"
    "        os._exit(0)\n"
)


def until(condition, what):
    """Wait for what another process does; the time is a bound, not an expectation."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [("pass", 0), ("os._exit(7)", 7), ("os.kill(os.getpid(), 9)", -9), ("raise ValueError", 1)],
)
def test_it_is_told_how_a_process_ended(start_confined, code, exit_code):
    process = start_confined(code)
    assert process.wait(30) == exit_code
    assert process.exit_code() == exit_code
    process.close()
    assert process.exit_code() == exit_code


def test_a_running_process_has_no_exit_code_until_it_is_closed(start_confined):
    process = start_confined("import time; time.sleep(600)")
    assert process.exit_code() is None
    assert process.wait(0.05) is None
    process.close()
    assert process.exit_code() == -signal.SIGKILL
    process.close()


def test_signals_are_passed_on(start_confined):
    process = start_confined(
        "import signal, time\n"
        "signal.signal(signal.SIGUSR1, lambda *_: os._exit(11))\n"
        "open('/scratch/ready', 'w').close()\n"
        "time.sleep(600)"
    )
    until(lambda: process.signal(signal.SIGUSR1) or process.exit_code() is not None, "no end")
    assert process.exit_code() in (11, -signal.SIGUSR1)


def test_a_signal_to_a_process_that_has_ended_does_nothing(start_confined):
    process = start_confined("pass")
    process.wait(30)
    process.signal(signal.SIGINT)
    assert process.exit_code() == 0


def test_what_a_process_started_ends_with_it(start_confined, started_from, plain_warm):
    before = started_from(plain_warm)
    process = start_confined(DAEMON + "time.sleep(600)")
    until(lambda: len(started_from(plain_warm)) >= len(before) + 5, "the daemons did not start")
    process.close()
    assert started_from(plain_warm) == before


def test_daemons_do_not_outlive_a_process_that_ended_by_itself(
    start_confined, started_from, plain_warm
):
    before = started_from(plain_warm)
    process = start_confined(DAEMON)
    assert process.wait(30) == 0
    process.close()
    assert started_from(plain_warm) == before


def test_a_killed_warm_process_takes_its_children_along_and_is_replaced(plain_body, started_from):
    warm = WarmProcess(plain_body)
    try:
        process = warm.start({"code": "import time; time.sleep(600)"}, [], Limits(), 1)
        children = started_from(warm)
        process.signal(signal.SIGWINCH)
        os.kill(warm._process.pid, signal.SIGKILL)
        until(lambda: not any(map(running, children)), "a child outlived the warm process")
        assert process.wait(30) == -signal.SIGKILL
        process.close()
        again = warm.start({"code": "os._exit(3)"}, [], Limits(), 2)
        assert again.wait(30) == 3
        again.close()
        assert warm.starts == 2
    finally:
        warm.close()


def test_closing_the_warm_process_ends_all(plain_body, started_from):
    warm = WarmProcess(plain_body)
    process = warm.start({"code": "import time; time.sleep(600)"}, [], Limits(), 1)
    children = started_from(warm)
    warm.close()
    until(lambda: not any(map(running, children)), "a child outlived the warm process")
    process.close()


def test_nothing_outlives_the_program_however_it_ended(plain_body):
    program = (
        "import os, sys, json\n"
        "from pathlib import Path\n"
        "from autograder.kernels.limits import Limits\n"
        "from autograder.kernels.warm import Warm, WarmProcess\n"
        f"warm = WarmProcess(Warm('plain_body', Path({str(plain_body.library)!r})))\n"
        "one = warm.start({'code': 'import time; time.sleep(600)'}, [], Limits(), 1)\n"
        "about = Path(f'/proc/self/fdinfo/{one.pidfd}').read_text().split()\n"
        "print(json.dumps([warm._process.pid, int(about[about.index('Pid:') + 1])]), flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running_program:
        warm, first = map(psutil.Process, json.loads(running_program.stdout.readline()))
        until(first.children, "the kernel did not start")
        started = {warm.pid, first.pid, *(child.pid for child in first.children(recursive=True))}
        running_program.kill()
    until(lambda: not any(map(running, started)), "a process outlived the program")


def test_another_process_can_share_the_scratch(start_confined, confined):
    first = start_confined(
        "open('note', 'w').write('hello'); open('/dev/shm/own', 'w'); import time; time.sleep(600)",
        number=77,
    )
    code = (
        "import time\n"
        "for _ in range(1000):\n"
        "    if os.path.exists('note') and open('note').read(): break\n"
        "    time.sleep(0.01)\n"
        "say(open('note').read(), os.listdir('/dev/shm'))"
    )
    assert confined(code, number=77, scratch=first.scratch) == "hello ['home']"
    assert confined("say(os.listdir())") == "[]"


def test_the_home_of_a_process_that_shares_the_scratch_is_its_own(start_confined, confined):
    say_home = "say(os.environ['HOME'], os.listdir(os.environ['HOME']))"
    assert confined(say_home) == "/scratch/home []"
    first = start_confined(
        "open(os.environ['HOME'] + '/compiled.nbi', 'w').close(); import time; time.sleep(600)",
        number=78,
    )
    assert confined(say_home, number=78, scratch=first.scratch) == "/dev/shm/home []"


def test_scratch_ends_with_the_process(start_confined, plain_warm):
    zygote = psutil.Process(plain_warm._process.pid).children()[0].pid
    mounts = Path(f"/proc/{zygote}/mountinfo").read_text()
    process = start_confined("open('note', 'w').close()")
    process.wait(30)
    process.close()
    assert Path(f"/proc/{zygote}/mountinfo").read_text() == mounts
    assert not any("jail-" in line for line in Path("/proc/self/mountinfo").read_text().split())


def test_a_request_gets_its_environment_and_descriptors(confined):
    assert confined("say(os.environ['CHAPTER'])", environment={"CHAPTER": "20"}) == "20"
    assert confined("say(os.environ.get('CHAPTER'), len(descriptors))") == "None 1"


def test_what_is_imported_before_the_jail_comes_from_the_library(tmp_path, plain_body):
    library = tmp_path / "library"
    (library / "given").mkdir(parents=True)
    (library / "plain_body.py").write_text((plain_body.library / "plain_body.py").read_text())
    (library / "given" / "__init__.py").write_text("")
    (library / "given" / "part.py").write_text("value = 5")
    (library / "given" / "broken.py").write_text("import not_installed_anywhere")
    warm = WarmProcess(Warm("plain_body", library, ("given",)))
    ours, theirs = os.pipe()
    try:
        code = "import sys; say('given.part' in sys.modules, 'given.broken' in sys.modules)"
        process = warm.start({"code": code}, [theirs], Limits(), 1)
        process.wait(30)
        process.close()
        assert os.read(ours, 100) == b"True False\n"
    finally:
        warm.close()
        os.close(ours)
        os.close(theirs)


def test_the_environment_inside_names_no_folder_of_the_person_who_grades(monkeypatch):
    monkeypatch.setenv("HOME", "/home/teacher")
    monkeypatch.setenv("LMS_TOKEN", "planted-secret")
    warm = Warm("plain_body")
    assert outer_environment(warm)["HOME"] == "/home/teacher"
    inside = inner_environment(warm)
    assert not {"/home/teacher", "planted-secret"} & set(inside.values())
    assert json.loads(json.dumps(inside)) == inside


def running(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
