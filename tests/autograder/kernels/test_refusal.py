"""Where the machine does not allow the sandbox nothing runs, and one sentence says why."""

import re
import subprocess
import sys

import pytest

REFUSING = """
import errno, sys
import pyseccomp
rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
rules.add_rule(pyseccomp.ERRNO(errno.EPERM), sys.argv[1])
rules.load()
"""
REFUSING_FORKS = """
import errno, sys
import pyseccomp
from autograder.kernels.linux import NEW_PIDS
rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
into_new = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, NEW_PIDS, NEW_PIDS)
rules.add_rule(pyseccomp.ERRNO(errno.EPERM), "clone", into_new)
rules.load()
"""
WITHOUT_LIBRARY = """
import builtins, sys
real = builtins.__import__
def lacking(name, *rest):
    if name == "pyseccomp":
        raise RuntimeError("Unable to find libseccomp")
    return real(name, *rest)
builtins.__import__ = lacking
"""
START = """
from pathlib import Path
from autograder.kernels.jail import SandboxError
from autograder.kernels.limits import Limits
from autograder.kernels.warm import Warm, WarmProcess
warm = WarmProcess(Warm(sys.argv[2]))
try:
    warm.start({"code": "pass"}, [], Limits(), 1)
except SandboxError as error:
    print(error)
else:
    print("started")
warm.close()
"""
MANAGER = """
from jupyter_client.manager import KernelManager
from autograder.kernels.jail import SandboxError
from autograder.kernels.specs import GRADING_KERNEL, CourseKernelSpecManager
manager = KernelManager(
    kernel_name=GRADING_KERNEL, kernel_spec_manager=CourseKernelSpecManager()
)
try:
    manager.start_kernel()
except SandboxError as error:
    print(error)
"""


def run(program, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "call", ["unshare", "mount", "mount_setattr", "pivot_root", "umount2", "open_tree"]
)
def test_a_refused_step_is_named_with_what_allows_it(call, plain_body):
    said = run(REFUSING + with_library(plain_body), call, plain_body.module)
    assert "\n" not in said
    step = {"mount": "a mount on", "umount2": "an unmount of"}.get(call, call)
    assert re.match(f"the sandbox cannot be set up: the machine refused {step}", said)
    assert "user.max_user_namespaces" in said
    assert "apparmor_restrict_unprivileged_userns" in said


def test_a_refused_fork_into_namespaces_is_named(plain_body):
    said = run(REFUSING_FORKS + with_library(plain_body), "", plain_body.module)
    begin = (
        "the sandbox cannot be set up: the machine refused a fork into new namespaces (Operation"
    )
    assert said.startswith(begin)


def test_a_machine_that_allows_all_steps_starts(plain_body):
    assert run(REFUSING + with_library(plain_body), "acct", plain_body.module) == "started"


def test_the_kernel_manager_passes_the_sentence_on():
    said = run(REFUSING + MANAGER, "unshare")
    assert said.startswith("the sandbox cannot be set up: the machine refused unshare")


def test_a_missing_library_of_the_system_is_named(monkeypatch):
    from autograder.kernels.jail import SandboxError, enter_jail

    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    with pytest.raises(SandboxError, match=r"libseccomp cannot be loaded .* apt install"):
        enter_jail(())


def test_the_grader_can_be_imported_without_the_library():
    run(WITHOUT_LIBRARY + "import autograder.kernels.provisioner, autograder.kernels.jail")


def test_a_body_that_cannot_be_imported_is_named():
    from autograder.kernels.jail import SandboxError
    from autograder.kernels.warm import Warm, WarmProcess

    with pytest.raises(SandboxError, match=r"did not start: ModuleNotFoundError: .*nowhere_to_be"):
        WarmProcess(Warm("nowhere_to_be_found")).prepare()


def with_library(warm):
    """The program that starts what is warm, with its library."""
    return START.replace("Warm(sys.argv[2])", f"Warm(sys.argv[2], Path({str(warm.library)!r}))")
