"""Grade the class on a Dask cluster of this machine, which lasts as long as the command."""

import subprocess
import sys
from pathlib import Path

from distributed import LocalCluster
from workload import ASSIGNMENT


def main() -> int:
    """Start two workers of one thread each and let `autograder grade` use them."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        autograder = Path(sys.executable).parent / "autograder"
        command = [str(autograder), "grade", ASSIGNMENT, "--scheduler", cluster.scheduler_address]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
