"""Where the processor time of our pipeline goes, step by step of one submission.

The grader waits for its kernels at each step, so what its control group used in a step, less what
the grader itself used, is what the kernels used in it.
Run by `measure` in a control group and a graded course; prints JSON.
"""

import cProfile
import functools
import json
import pstats
import re
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import meter
import peers

TOP = 15
CPU_GROUP = meter.own_group()


def measure(students: int) -> dict[str, Any]:
    """Return seconds per submission by step, and the functions that take the most of the grader.

    The functions are from a run of their own, since the profiler slows what it watches.
    """
    found: dict[str, Any] = {}
    for mode in ("steps", "functions"):
        folder = peers.WORK / "run"
        shutil.rmtree(folder, ignore_errors=True)
        peers.all_peers()[2].prepare(folder, students)
        command = [sys.executable, str(Path(__file__).resolve()), mode]
        _, done = meter.measure(command, folder, peers.environment(), 1200)
        if done.returncode:
            raise peers.BenchError(f"phases.py {mode}: {done.stdout[-300:]}")
        found |= json.loads(done.stdout.strip().splitlines()[-1])
    return found


class Steps:
    """Adds up what is used within each step, less what is used within a step inside it."""

    def __init__(self) -> None:
        self.totals: dict[str, list[float]] = defaultdict(lambda: [0.0] * 4)
        self.inner: list[list[float]] = []
        self.counting = False

    @contextmanager
    def step(self, name: str) -> Any:
        """Count what is used from here on under `name`."""
        before = _now()
        self.inner.append([0.0] * 3)
        try:
            yield
        finally:
            used = [b - a for a, b in zip(before, _now(), strict=True)]
            inside = self.inner.pop()
            if self.inner:
                self.inner[-1] = [a + b for a, b in zip(self.inner[-1], used, strict=True)]
            if self.counting:
                own = [a - b for a, b in zip(used, inside, strict=True)]
                total = self.totals[name]
                self.totals[name] = [a + b for a, b in zip(total, [1.0, *own], strict=True)]

    def watch(self, owner: Any, method: str, name: str | Callable[..., str]) -> None:
        """Let each call of a method be a step; `name` may be made from the call's arguments."""
        original = getattr(owner, method)

        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            label = name if isinstance(name, str) else name(*args, **kwargs)
            step: AbstractContextManager[None] = self.step(label)
            with step:
                return original(*args, **kwargs)

        setattr(owner, method, watched)


def main() -> int:
    """Grade the course in the working directory, the first submission before the counting."""
    from autograder.startup import skip_slow_grammar

    skip_slow_grammar()
    from autograder.course import Course
    from autograder.grading.job import Job
    from autograder.grading.many import grade, plan

    mode, root = sys.argv[1], Path.cwd()
    steps = Steps()
    if mode == "steps":
        watch_all(steps)
    job = Job(root, root / "assignments", peers.ASSIGNMENT)
    todo = plan(Course(root), job)
    started = _now()
    grade(job, replace(todo, to_grade=todo.to_grade[:1]))
    ready = _now()
    rest = todo.to_grade[1:]
    profile = cProfile.Profile(time.process_time)
    steps.counting = True
    if mode == "functions":
        profile.enable()
    grade(job, replace(todo, to_grade=rest))
    profile.disable()
    ended = _now()
    if mode == "functions":
        print(json.dumps({"functions": busiest(profile, len(rest))}))  # noqa: T201
        return 0
    found = {
        "first": [b - a for a, b in zip(started, ready, strict=True)],
        "each": [(b - a) / len(rest) for a, b in zip(ready, ended, strict=True)],
        "steps": {k: [x / len(rest) for x in total] for k, total in steps.totals.items()},
    }
    print(json.dumps(found))  # noqa: T201
    return 0


def watch_all(steps: Steps) -> None:
    """Watch the steps of a submission, outer and inner."""
    import nbclient
    from nbgrader.converters import Autograde
    from nbgrader.converters.base import BaseConverter

    from autograder.grading.execute import SandboxedExecute
    from autograder.grading.pair import Pair
    from autograder.grading.recorder import Recorder

    def pass_name(converter: Any, *args: Any) -> str:
        return "nbgrader: sanitize" if converter._sanitizing else "nbgrader: autograde pass"

    def cell_name(executor: Any, cell: Any, *args: Any) -> str:
        plots = "plt.plot" in cell.source or "plt.hist" in cell.source
        return "cells: plots" if plots else "cells: others"

    steps.watch(Recorder, "record", "nbgrader: the rest")
    steps.watch(Autograde, "init_assignment", "nbgrader: set-up in the gradebook")
    steps.watch(BaseConverter, "convert_single_notebook", pass_name)
    steps.watch(SandboxedExecute, "preprocess", "execution: the rest")
    steps.watch(SandboxedExecute, "start_new_kernel", "start: fork and jail the kernel")
    steps.watch(Pair, "start_checker", "start: fork and jail the checker")
    steps.watch(SandboxedExecute, "start_new_kernel_client", "start: kernel to its first message")
    steps.watch(SandboxedExecute, "_execute", cell_name)
    steps.watch(Pair, "test", "tests: visible part, copies made for the hidden")
    if hasattr(Pair, "finish"):
        steps.watch(Pair, "finish", "tests: hidden part")
    steps.watch(nbclient.NotebookClient, "_cleanup_kernel", "end: kernel")
    steps.watch(Pair, "close", "end: checker")


def busiest(profile: cProfile.Profile, submissions: int) -> list[tuple[str, float, float]]:
    """Return functions with milliseconds per submission, own and with what they call."""
    rows = []
    stats: Any = pstats.Stats(profile)
    for (file, _, name), (_, _, own, total, _) in stats.stats.items():
        short = re.sub(r".*/(?:site-packages|python3\.\d+)/", "", file)
        short = short.removeprefix(f"{peers.ROOT}/")
        rows.append((f"{short}:{name}", 1e3 * own / submissions, 1e3 * total / submissions))
    return sorted(rows, key=lambda row: -row[1])[:TOP]


def _now() -> tuple[float, float, float]:
    """Return wall time, this process's processor time and that of all others of its group."""
    own = time.process_time()
    group = meter.cpu_seconds(CPU_GROUP) if CPU_GROUP else own
    return time.monotonic(), own, group - own


if __name__ == "__main__":
    sys.exit(main())
