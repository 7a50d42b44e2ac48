"""A grading kernel is a real Jupyter kernel: it runs, is interrupted, restarted and shut down."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync

from autograder.kernels.limits import MIB
from autograder.kernels.provisioner import next_number, shared_warm
from autograder.kernels.specs import GRADING_KERNEL, CourseKernelSpecManager
from autograder.kernels.warm import Warm

STUDENT = Warm("autograder.kernels.student")


def test_the_kernel_is_found_without_having_been_installed():
    spec = CourseKernelSpecManager().get_kernel_spec(GRADING_KERNEL)
    assert spec.metadata["kernel_provisioner"]["provisioner_name"] == "autograder-sandbox"


def test_it_runs_code_and_keeps_what_cells_define(kernel):
    assert kernel.run("x = 6") == ""
    assert kernel.run("print(x * 7); x") == "42\n6"
    assert kernel.run("x / 0") == "ZeroDivisionError: division by zero"


def test_an_async_manager_starts_the_same_kernel():
    async def answer():
        manager = AsyncKernelManager(
            kernel_name=GRADING_KERNEL, kernel_spec_manager=CourseKernelSpecManager()
        )
        await manager.start_kernel()
        client = manager.client()
        client.start_channels(hb=False)
        try:
            await client.wait_for_ready(timeout=60)
            return (await client.execute_interactive("1 + 1", timeout=60))["content"]["status"]
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)

    assert run_sync(answer)() == "ok"


def test_it_can_be_interrupted_and_goes_on(start_kernel):
    kernel = start_kernel()
    kernel.run("x = 5")
    loop = "print('on', flush=True)\nwhile True: pass"
    # As nbclient asks when a notebook goes on after an error; else ipykernel may drop what follows.
    request = kernel.client.execute(loop, stop_on_error=False)
    while kernel.client.get_iopub_msg(timeout=30)["msg_type"] != "stream":
        pass
    kernel.manager.interrupt_kernel()
    reply = kernel.client.get_shell_msg(timeout=30)
    assert reply["parent_header"]["msg_id"] == request
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert kernel.run("x") == "5"


def test_a_line_for_the_shell_runs_in_the_sandbox(start_kernel):
    kernel = start_kernel()
    assert kernel.run("name = 'world'\n!echo hello {name}; cat; exit 3") == "hello world"
    assert kernel.run("_exit_code") == "3"
    assert kernel.run("there = !echo one; echo two\nlist(there)") == "['one', 'two']"
    assert "No such file" in kernel.run("!ls /home")


def test_a_figure_that_a_cell_leaves_open_is_shown(start_kernel):
    kernel = start_kernel()
    assert kernel.run("import matplotlib.pyplot as plt\nline = plt.plot([1, 2])").startswith("<Fig")
    assert kernel.run("plt.get_fignums()") == "[]"


def test_a_restarted_kernel_has_forgotten(start_kernel):
    kernel = start_kernel()
    kernel.run("x = 5; open('left', 'w').close()")
    before = kernel.confined
    kernel.client.stop_channels()
    kernel.manager.restart_kernel(now=True)
    kernel.connect()
    assert before.pidfd == -1
    assert kernel.run("import os; 'x' in globals(), os.listdir()") == "(False, [])"


def test_a_kernel_that_dies_says_how(start_kernel):
    kernel = start_kernel()
    kernel.client.execute("import os; os._exit(7)")
    deadline = time.monotonic() + 20
    while kernel.manager.is_alive():
        assert time.monotonic() < deadline, "the manager was not told"
        time.sleep(0.02)
    assert kernel.confined.exit_code() == 7


def test_shutdown_leaves_no_process_file_or_descriptor(start_kernel, started_from, tmp_path):
    start_kernel()  # what is opened once for all kernels is open from here on
    warm = shared_warm(STUDENT)
    processes, descriptors = started_from(warm), len(os.listdir("/proc/self/fd"))
    kernel = start_kernel()
    folder = kernel.manager.provisioner._folder
    assert os.path.isdir(folder)
    assert started_from(warm) > processes
    kernel.run("import subprocess as s; s.Popen(['sleep', '300'], start_new_session=True); 1")
    kernel.client.execute("while True: pass")
    kernel.close()
    kernel.client.context.destroy(linger=0)
    assert started_from(warm) == processes
    assert not os.path.exists(folder)
    assert len(os.listdir("/proc/self/fd")) <= descriptors


def test_a_kernel_that_ignores_interrupts_is_ended_all_the_same(start_kernel, started_from):
    kernel = start_kernel()
    before = started_from(shared_warm(STUDENT))
    kernel.run("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)")
    kernel.client.execute("while True: pass")
    kernel.manager.interrupt_kernel()
    kernel.manager.shutdown_kernel(now=True)
    assert len(started_from(shared_warm(STUDENT))) == len(before) - 2


def test_a_kernel_whose_warm_process_was_killed_is_dead_and_the_next_one_works(start_kernel):
    kernel = start_kernel()
    warm = shared_warm(STUDENT)
    starts = warm.starts
    psutil.Process(warm._process.pid).send_signal(signal.SIGKILL)
    assert kernel.confined.wait(20) == -signal.SIGKILL
    assert not warm.lasted(starts)
    assert start_kernel().run("'alive'") == "'alive'"
    assert warm.starts == starts + 1
    assert not warm.lasted(starts)
    assert warm.lasted(starts + 1)


def test_numbers_of_kernels_differ():
    numbers = {next_number() for _ in range(1000)}
    assert len(numbers) == 1000
    assert all(0 <= number < 2**30 for number in numbers)


@pytest.mark.slow
def test_thirty_kernels_in_a_row_leak_nothing(start_kernel, started_from):
    start_kernel().run("1")
    warm = shared_warm(STUDENT)
    processes, descriptors = started_from(warm), len(os.listdir("/proc/self/fd"))
    for number in range(30):
        kernel = start_kernel()
        assert kernel.run(f"{number} + 1") == str(number + 1)
        kernel.close()
        kernel.client.context.destroy(linger=0)
    assert started_from(warm) == processes
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 2


@pytest.mark.slow
def test_a_thousand_kernels_leak_no_descriptor_process_mount_or_memory(new_kernel, started_from):
    """Each is a whole kernel, which is ready and has answered before it is shut down."""
    warm = shared_warm(STUDENT)

    def one():
        kernel = new_kernel()
        assert kernel.run("1 + 1") == "2"
        kernel.close()

    def held():
        mounts = Path(f"/proc/{inside.pid}/mountinfo").read_text().count("\n")
        mine = len(os.listdir("/proc/self/fd"))
        return mine, inside.num_fds(), mounts, len(started_from(warm))

    one()
    inside = psutil.Process(warm._process.pid).children()[0]
    before, memory = held(), inside.memory_info().rss
    for _ in range(1000):
        one()
    assert held() == before
    assert inside.memory_info().rss < memory + 8 * MIB
