"""The floor: the notebook's own cells in one process that has imported what they import.

Prints the processor seconds of each of some runs, as JSON.
"""

import json
import os
import sys
import time

os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from workload import PLOTS, source_notebook

RUNS = 15


def main() -> None:
    """Run the cells, tests and plots included, as often as asked, after one run to warm up."""
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    shell.enable_gui = lambda gui=None: None
    shell.enable_matplotlib("inline")
    cells = [cell.source for cell in source_notebook().cells if cell.cell_type == "code"]
    seconds = []
    for _ in range(RUNS + 1):
        started = time.process_time()
        with capture_output() as captured:
            for source in cells:
                shell.run_cell(source).raise_error()
        seconds.append(time.process_time() - started)
        assert len(captured.outputs) == PLOTS, "a plot was not drawn"
        shell.reset(new_session=True)
    json.dump(seconds[1:], sys.stdout)


if __name__ == "__main__":
    main()
