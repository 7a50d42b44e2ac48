"""A kernel under cells that do not end, and cells that end it."""

import pytest
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_code_cell

from tito import kernel

pytestmark = pytest.mark.slow

DEAF = """
import time
while True:
    try:
        time.sleep(0.05)
    except BaseException:
        pass
"""


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(kernel, "CELL_SECONDS", 1)
    monkeypatch.setattr(kernel, "STOP_SECONDS", 2)


def test_a_loop_is_interrupted_and_the_next_cell_runs(impatient, tmp_path):
    cells = [new_code_cell("x = 7\nwhile True: pass"), new_code_cell("assert x == 8")]
    with kernel.kernel_for(cells, str(tmp_path), {}) as client:
        for index, cell in enumerate(cells):
            client.execute_cell(cell, index)
        assert client.ended == ""
    assert [cell.outputs[0].ename for cell in cells] == ["KeyboardInterrupt", "AssertionError"]


def test_a_loop_that_swallows_the_interrupt_ends_with_the_kernel(impatient, tmp_path):
    cells = [new_code_cell(DEAF)]
    with kernel.kernel_for(cells, str(tmp_path), {}) as client:
        with pytest.raises(DeadKernelError):
            client.execute_cell(cells[0], 0)
        assert client.ended == "it ran for too long, and could not be interrupted"


@pytest.mark.parametrize(("source", "ended"), [("exit()", True), ("quit()", True), ("1", False)])
def test_a_cell_that_ends_python_is_noticed_at_once(tmp_path, source, ended):
    cells = [new_code_cell(source)]
    with kernel.kernel_for(cells, str(tmp_path), {}) as client:
        client.execute_cell(cells[0], 0)
        assert bool(client.ended) == ended
