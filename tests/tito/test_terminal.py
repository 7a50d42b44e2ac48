"""At a terminal of 80 columns: a bar while work goes on, Ctrl+C at any time, and watching."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import termios
import time

import pytest

pytestmark = pytest.mark.slow

SECONDS = 90
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
RIGHT = {
    "double": "def double(x):\n    return 2 * x\n",
    "quadruple": "def quadruple(x):\n    return 4 * x\n",
}


class Terminal:
    """A command of the student's in a terminal of its own."""

    def __init__(self, student, *words):
        self.screen = ""
        environment = {
            "PATH": "/usr/bin:/bin", "TERM": "xterm-256color",
            "TITO_HOME": str(student.home), "HOME": str(student.home.parent),
        }  # fmt: skip
        command = str(student.python.parent / "tito")
        self.pid, self.screen_end = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            os.chdir(student.cwd)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup would be inherited
            os.execve(command, [command, *words], environment)

    def until(self, text):
        """Read until a text is on the screen."""
        end = time.monotonic() + SECONDS
        while text not in CONTROL.sub("", self.screen):
            assert time.monotonic() < end, self.screen
            assert self._read(), self.screen

    def type(self, keys):
        os.write(self.screen_end, keys)

    def end(self):
        """Read to the end and return the exit code."""
        end = time.monotonic() + SECONDS
        while self._read():
            assert time.monotonic() < end, self.screen
        os.close(self.screen_end)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def lines(self):
        return re.split(r"[\r\n]+", CONTROL.sub("", self.screen))

    def _read(self):
        if select.select([self.screen_end], [], [], 1)[0]:
            try:
                found = os.read(self.screen_end, 65536)
            except OSError:  # Linux says so when the other end is closed
                return False
            self.screen += found.decode(errors="replace")
            return bool(found)
        return True


@pytest.fixture
def started(student):
    student.tito("module", "start", "15", "--no-open")
    return student


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_bar_while_it_runs_and_no_line_is_too_long(started):
    """A path is the exception: broken in two it could not be copied."""
    started.answer("15_doubling", **RIGHT)
    terminal = Terminal(started, "test", "15")
    assert terminal.end() == 0
    assert "running chapter 15" in terminal.screen
    assert "━" in terminal.screen
    assert "\x1b[32m" in terminal.screen  # green
    assert max(len(line) for line in terminal.lines() if "notebook: " not in line) <= 80


@pytest.mark.parametrize("words", [["doctor"], ["module", "list"], ["module", "status"]])
def test_tables_fit(started, words):
    terminal = Terminal(started, *words)
    terminal.end()
    lines = [line for line in terminal.lines() if not line.startswith(("notebooks:", "backups:"))]
    assert max(len(line) for line in lines) <= 80


def test_ctrl_c_leaves_no_kernel_behind(started, tmp_path):
    note = tmp_path / "pid"
    code = "def double(x):\n    import os, time\n"
    code += f"    open({str(note)!r}, 'w').write(str(os.getpid()))\n    time.sleep(600)\n"
    started.answer("15_doubling", double=code)
    terminal = Terminal(started, "test", "15")
    while not note.is_file() or not note.read_text():
        terminal._read()
    terminal.type(b"\x03")
    assert terminal.end() == 1
    assert "tito: stopped" in terminal.screen
    end = time.monotonic() + 20
    while is_running(int(note.read_text())):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_watching_runs_again_at_each_save_until_ctrl_c(started):
    terminal = Terminal(started, "test", "15", "--watch")
    terminal.until("0 of 5 points")
    (started.cwd / "15_doubling" / "15_doubling.ipynb").write_text("{half")
    terminal.until("is no notebook")
    fresh = started.tito("module", "reset", "15", "--json")
    assert json.loads(fresh.stdout)["backup"]
    started.answer("15_doubling", **RIGHT)
    terminal.until("5 of 5 points")
    terminal.type(b"\x03")
    assert terminal.end() == 0
    assert "Traceback" not in terminal.screen


def test_ctrl_c_is_for_the_editor_to_answer(started, tmp_path):
    """Jupyter asks whether to end; what was typed must not end it before it could save."""
    editor = tmp_path / "editor" / "jupyterlab.py"
    editor.parent.mkdir()
    editor.write_text(
        "import sys, time\ntry:\n    print('opened', sys.argv[1], flush=True)\n"
        "    time.sleep(60)\nexcept KeyboardInterrupt:\n    time.sleep(1)\n"
        "    print('saved', flush=True)\n"
    )
    (site,) = started.python.parent.parent.glob("lib/python*/site-packages")
    link = site / "jupyterlab.py"
    link.symlink_to(editor)
    try:
        terminal = Terminal(started, "module", "start", "15")
        terminal.until("opened")
        terminal.type(b"\x03")
        assert terminal.end() == 0
        assert "saved" in terminal.screen
    finally:
        link.unlink()


def test_a_terminal_that_is_closed_ends_it(started):
    terminal = Terminal(started, "test", "15", "--watch")
    terminal.until("watching")
    os.kill(terminal.pid, signal.SIGHUP)
    assert terminal.end() == -signal.SIGHUP
