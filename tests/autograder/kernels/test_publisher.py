"""What a cell shows arrives while it runs, whole, and from the kernel's own process only."""

import time

import pytest


def heard(kernel, code, seconds=30):
    """Return the messages that a cell sends, each with the seconds since it was asked for."""
    started, found = time.monotonic(), []
    request = kernel.client.execute(code, stop_on_error=False)
    while True:
        message = kernel.client.get_iopub_msg(timeout=seconds)
        if message["parent_header"].get("msg_id") != request:
            continue
        found.append((message["msg_type"], message["content"], time.monotonic() - started))
        if message["content"].get("execution_state") == "idle":
            return found


def texts(messages):
    return [content["text"] for kind, content, _ in messages if kind == "stream"]


def test_what_is_printed_appears_before_the_cell_ends(kernel):
    messages = heard(kernel, "import time\nprint('early')\ntime.sleep(1.5)\nprint('late')")
    assert texts(messages) == ["early\n", "late\n"]
    times = [seconds for kind, _, seconds in messages if kind == "stream"]
    assert times[1] - times[0] > 0.5


def test_what_is_printed_before_the_kernel_dies_appears(start_kernel):
    kernel = start_kernel()
    kernel.client.execute("import os, time\nprint('last words')\ntime.sleep(1)\nos._exit(3)")
    message = kernel.client.get_iopub_msg(timeout=30)
    while message["msg_type"] != "stream":
        message = kernel.client.get_iopub_msg(timeout=30)
    assert message["content"]["text"] == "last words\n"


def test_threads_can_print(kernel):
    code = (
        "import threading\n"
        "threads = [threading.Thread(target=print, args=(n,)) for n in range(20)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()"
    )
    assert sorted("".join(texts(heard(kernel, code))).split()) == sorted(map(str, range(20)))


def test_a_process_that_a_cell_forks_shows_nothing(kernel):
    code = (
        "import os\nfrom IPython.display import display\n"
        "child = os.fork()\n"
        "if child == 0:\n    print('child', flush=True); display(5); os._exit(4)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    messages = heard(kernel, code)
    assert texts(messages) == ["4\n"]
    assert not [kind for kind, _, _ in messages if kind == "display_data"]


def test_a_cell_that_replaces_time_sleep_still_prints(kernel):
    code = "import time\nkept, time.sleep = time.sleep, None\nprint('on')\nkept(0.6)\nprint('off')"
    assert texts(heard(kernel, f"{code}\ntime.sleep = kept")) == ["on\n", "off\n"]


@pytest.mark.parametrize("way", ["print(n, flush=True)", "display(n)"])
def test_an_interrupt_leaves_no_half_of_a_message(start_kernel, way):
    kernel = start_kernel()
    for _ in range(15):
        kernel.client.execute(f"for n in range(10**9): {way}", stop_on_error=False)
        message = kernel.client.get_iopub_msg(timeout=30)
        while message["msg_type"] not in ("stream", "display_data"):
            message = kernel.client.get_iopub_msg(timeout=30)
        kernel.manager.interrupt_kernel()
        while kernel.client.get_iopub_msg(timeout=30)["msg_type"] != "error":
            pass
        assert texts(heard(kernel, "print('whole')")) == ["whole\n"]


def test_a_figure_is_drawn_no_more_often_than_for_its_picture(kernel):
    kernel.run("import io, matplotlib.pyplot as plt\ndrawn = []")
    code = (
        "figure, _ = plt.subplots()\nhook = figure.canvas.mpl_connect('draw_event', drawn.append)"
    )
    kernel.run(code)
    shown = kernel.run("len(drawn), plt.get_fignums(), drawn.clear()")
    save = "figure.savefig(io.BytesIO(), format='png', bbox_inches='tight'); plt.close()"
    kernel.run(f"{code}\n{save}")
    saved = kernel.run("len(drawn), plt.get_fignums(), drawn.clear()")
    assert shown == saved != "(0, [], None)"
