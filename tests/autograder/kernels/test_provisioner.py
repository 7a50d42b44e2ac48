"""A grading kernel is a real kernel within bounds, in an environment without secrets."""

import time
from contextlib import contextmanager

import psutil
import pytest
from jupyter_client.manager import KernelManager

from autograder.kernels.limits import Limits
from autograder.kernels.specs import GRADING_KERNEL, CourseKernelSpecManager

pytestmark = pytest.mark.slow


@contextmanager
def kernel(tmp_path, **limits):
    """A running grading kernel and a function that runs code in it and returns what it printed."""
    manager = KernelManager(
        kernel_name=GRADING_KERNEL, kernel_spec_manager=CourseKernelSpecManager()
    )
    manager.start_kernel(
        cwd=str(tmp_path),
        env={"HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path / "ipython")},
        limits=Limits(**limits),
    )
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)

        def run(code, timeout=60):
            said = []

            def hear(message):
                content = message["content"]
                said.append(content.get("text") or content.get("ename") or "")

            client.execute_interactive(code, timeout=timeout, output_hook=hear)
            return "".join(said)

        yield run
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_the_kernel_is_found_without_having_been_installed():
    spec = CourseKernelSpecManager().get_kernel_spec(GRADING_KERNEL)
    assert spec.metadata["kernel_provisioner"]["provisioner_name"] == "tinytorch-bounded"


def test_it_runs_code_in_the_given_folder(tmp_path):
    with kernel(tmp_path) as run:
        assert run("import os; print(6 * 7, os.getcwd())") == f"42 {tmp_path}\n"


def test_too_much_memory_is_an_error_of_the_cell(tmp_path):
    with kernel(tmp_path, memory_bytes=2**30) as run:
        assert "MemoryError" in run("hog = bytearray(2**31)")
        assert run("print('still here')") == "still here\n"


def test_a_file_cannot_grow_without_bound(tmp_path):
    with kernel(tmp_path, file_bytes=2**20) as run:
        assert "OSError" in run("open('big', 'wb').write(bytes(2**22))")
        assert (tmp_path / "big").stat().st_size <= 2**20


def test_the_limits_cannot_be_raised_again(tmp_path):
    code = (
        "import resource\n"
        "print(resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    with kernel(tmp_path, memory_bytes=2**32) as run:
        assert run(code) == f"({2**32}, {2**32}) (0, 0)\n"


def test_secrets_of_the_environment_stay_outside(tmp_path, monkeypatch):
    monkeypatch.setenv("LMS_TOKEN", "secret")
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with kernel(tmp_path) as run:
        found = run("import os; print(sorted(os.environ))")
    assert "LMS_TOKEN" not in found
    assert "NBGRADER_EXECUTION" not in found
    assert "PATH" in found


def test_what_it_started_ends_with_it(tmp_path):
    with kernel(tmp_path) as run:
        pid = int(
            run("import subprocess as s; p = s.Popen(['sleep', '300']); print(p.pid, flush=True)")
        )
        assert psutil.pid_exists(pid)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the kernel's child outlived it"
        time.sleep(0.05)
