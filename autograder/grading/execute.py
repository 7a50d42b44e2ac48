"""Run a submission: its cells in the sandbox, the test cells where they cannot be reached."""

import contextlib
import copy
import itertools
import signal
import time
from functools import cache
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbclient.util import run_sync
from nbformat.notebooknode import NotebookNode
from nbgrader.preprocessors import Execute
from traitlets import Dict, Float, Integer, Unicode, default

from autograder.course import Course
from autograder.grading.executions import Executions, execution_key
from autograder.grading.handed_in import (
    archive_of,
    files_for_kernel,
    given_modules,
    timestamp_problem,
)
from autograder.grading.names import bound_names, given_classes
from autograder.grading.outputs import Allowance, describe, is_test, verdict_outputs
from autograder.grading.pair import CheckerDiedError, Pair, library_view
from autograder.grading.record import NOTE, Record, write_record
from autograder.grading.restore import OWNED
from autograder.kernels.jail import SandboxError
from autograder.kernels.limits import MIB, Limits
from autograder.kernels.provisioner import shared_warm
from autograder.kernels.specs import CourseKernelSpecManager
from autograder.trust.room import ROOM

MAX_MESSAGE_BYTES = 64 * MIB
GIVE_WAY_SECONDS = 2.0
CONNECT_SECONDS = 0.1


class BoundedContext(zmq.asyncio.Context):
    """Makes sockets that refuse a message too large to be any cell's output."""

    def socket(self, *args: Any, **kwargs: Any) -> Any:
        made = super().socket(*args, **kwargs)
        made.maxmsgsize = MAX_MESSAGE_BYTES
        return made


@cache
def bounded_context() -> BoundedContext:
    """Return the one context of this process."""
    return BoundedContext()


class SandboxedExecute(Execute):
    """nbgrader's `Execute` for code that may loop, die, flood or cheat.

    What runs is decided here and not by the submission: every test cell runs, whatever its tags,
    in a second process that the submission cannot reach.
    When the kernel dies, points earned before stay and the cells after it fail with the reason.
    """

    notebook_seconds = Float(
        300, help="Wall time in seconds that all cells of one notebook share."
    ).tag(config=True)
    course_root = Unicode(help="The folder that holds book/ and build/ of the course.").tag(
        config=True
    )
    memory_mb = Integer(4096, help="Memory of the kernel in MiB.").tag(config=True)
    output_mb = Float(4, help="Output in MiB that is kept of one notebook.").tag(config=True)
    executions = Unicode(
        help="Folder of results of earlier runs, to use in place of running what has not changed."
    ).tag(config=True)
    limits = Dict(help="Other bounds of the kernel: the fields of `Limits`.").tag(config=True)

    keep_only = False  # set where only the result is wanted, and there is no graded notebook

    @default("shutdown_kernel")
    def _at_once(self) -> str:
        return "immediate"

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any], **kwargs: Any
    ) -> tuple[NotebookNode, dict[str, Any]]:
        folder = Path(resources["metadata"]["path"])
        names = resources["nbgrader"]
        self.view = library_view(Course(Path(self.course_root)), names["assignment"])
        self.owned: dict[str, list[str]] = nb.metadata.pop(OWNED, {})
        files = self._files(names["student"], names["assignment"])
        kept = Executions(Path(self.executions, names["student"])) if self.executions else None
        settings = [self.timeout, self.notebook_seconds, self.memory_mb, self.output_mb]
        key = execution_key(nb, files, [*settings, self.limits, self.owned], self.view)
        record = kept.load(names["notebook"], key, nb) if kept else None
        if record is None:
            nb, resources = self._run_or_retry(nb, resources, files, **kwargs)
            record = self.record
            if kept:
                kept.store(names["notebook"], key, nb, record)
        if not self.keep_only:
            problem = timestamp_problem(self._submitted(names["student"], names["assignment"]))
            if problem is not None:
                record.problems = [f"{problem}; it counts as handed in on time", *record.problems]
            write_record(folder, names["notebook"], record)
        return nb, resources

    def _submitted(self, student: str, assignment: str) -> Path:
        course = self.parent.parent.coursedir
        return Path(course.format_path(course.submitted_directory, student, assignment))

    def _files(self, student: str, assignment: str) -> dict[str, Path]:
        course = self.parent.parent.coursedir
        self.source = Path(course.format_path(course.source_directory, ".", assignment))
        return files_for_kernel(self._submitted(student, assignment), self.source)

    def _run_or_retry(
        self, nb: NotebookNode, resources: dict[str, Any], files: dict[str, Path], **kwargs: Any
    ) -> tuple[NotebookNode, dict[str, Any]]:
        handed_in = copy.deepcopy(nb)
        self.has_room = any(is_test(cell) and ROOM in cell.source for cell in nb.cells)
        views = [self.view.student, self.view.checker, *([self.view.room] * self.has_room)]
        warm = {view: shared_warm(view) for view in views}
        started = {view: process.starts for view, process in warm.items()}
        try:
            nb, resources = self._run(nb, resources, files, **kwargs)
        except DeadKernelError:  # which runs no cell before it has answered
            return self._run(handed_in, resources, files, **kwargs)
        lasted = all(process.lasted(started[view]) for view, process in warm.items())
        if self.killed or (self.death is not None and not lasted):
            # It may not be the submission's doing: somebody or the machine ended its kernel, its
            # checker, or the process that they were forked from.
            nb, resources = self._run(handed_in, resources, files, **kwargs)
        return nb, resources

    def _run(
        self, nb: NotebookNode, resources: dict[str, Any], files: dict[str, Path], **kwargs: Any
    ) -> tuple[NotebookNode, dict[str, Any]]:
        self.skip_cells_with_tag = ""
        self.timeout_func = self._seconds_left
        began = self.started = time.monotonic()
        self.death: str | None = None
        self.killed = False
        self.all_owned = sorted({name for names in self.owned.values() for name in names})
        self.rebound: set[str] = set()
        self.put_off: list[tuple[NotebookNode, int]] = []
        self.allowance = Allowance(round(self.output_mb * MIB))
        self.record = Record(
            problems=[cell.metadata[NOTE] for cell in nb.cells if NOTE in cell.metadata]
        )
        limits = Limits(memory_bytes=self.memory_mb * MIB, **self.limits)
        given = tuple(sorted(given_classes(nb) - set(self.all_owned)))
        modules = archive_of(given_modules(self.source))
        pair = Pair(self.view, limits, archive_of(files), given, modules, self.has_room)
        with contextlib.closing(pair) as self.pair:
            nb, resources = super().preprocess(nb, resources, **kwargs)
        self.record.seconds = round(time.monotonic() - began, 3)
        return nb, resources

    def create_kernel_manager(self) -> AsyncKernelManager:
        manager = AsyncKernelManager(
            kernel_name=self.kernel_name,
            kernel_spec_manager=CourseKernelSpecManager(),
            config=self.config,
        )
        self.km = manager
        return manager

    async def async_start_new_kernel(self, **kwargs: Any) -> None:
        """Start the student's kernel, and the checker beside it."""
        await super().async_start_new_kernel(**self.pair.kernel_arguments(), **kwargs)
        provisioner: Any = self.km.provisioner
        self.confined = provisioner.confined
        try:
            self.pair.start_checker(self.confined.scratch)
        except SandboxError as error:
            if not self.confined.was_killed():
                raise
            await self._async_cleanup_kernel()  # its scratch went with it
            raise DeadKernelError("the kernel was ended while its checker started") from error

    async def async_start_new_kernel_client(self) -> Any:
        """Connect to the kernel, and wait no longer than until its first message is here."""
        self.kc = self.km.client(context=bounded_context())
        self.kc.start_channels(hb=False)
        self.kc.allow_stdin = False
        try:
            for _ in range(round(self.startup_timeout / CONNECT_SECONDS)):
                self.kc.kernel_info()
                if await self.kc.iopub_channel.socket.poll(1000 * CONNECT_SECONDS):
                    return self.kc
                await self._async_check_alive()
            raise DeadKernelError("the kernel did not answer")
        except DeadKernelError:
            await self._async_cleanup_kernel()
            raise

    # nbclient binds the blocking twins to its own coroutines, so they have to be bound again.
    start_new_kernel = run_sync(async_start_new_kernel)
    start_new_kernel_client = run_sync(async_start_new_kernel_client)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        if cell.cell_type != "code":
            pass
        elif self.death is not None:
            cell.outputs = verdict_outputs(
                {"passed": False, "ename": "NotRun", "evalue": self.death}
            )
        elif is_test(cell):
            self._test(cell)
        else:
            cell, resources = self._execute(cell, resources, index)
        if index == len(self.nb.cells) - 1:
            self._finish()
        return cell, resources

    def _finish(self) -> None:
        """Run what is hidden of the test cells, when no cell is left that could tell of it."""
        self.confined.signal(signal.SIGKILL)
        self.started = time.monotonic()
        for cell, place in self.put_off:
            seconds = self._seconds_left(cell)
            try:
                found = self.pair.finish(place, seconds, self._cells_before(cell))
            except CheckerDiedError as error:
                found = {"passed": False, "ename": "NotRun", "evalue": str(error)}
                self.killed = self.killed or self.pair.checker_was_killed()
            cell.outputs = verdict_outputs(found)
            if found.get("problem") == "timeout":
                self.record.problems.append(f"{describe(cell)} ran out of time")
        self.killed = self.killed or self.pair.room_was_killed()

    def _cells_before(self, test: NotebookNode) -> list[str]:
        """Return the code before a test cell that may have a function run alone."""
        if ROOM not in test.source:
            return []
        before = itertools.takewhile(lambda cell: cell is not test, self.nb.cells)
        return [cell.source for cell in before if cell.cell_type == "code" and not is_test(cell)]

    def _execute(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Run a cell of the student's in the student's kernel."""
        try:
            cell, resources = super().preprocess_cell(cell, resources, index)
        except CellTimeoutError:
            self._end_kernel(f"{describe(cell)} did not stop when its time was up")
        except DeadKernelError:
            self._end_kernel(f"the kernel died in {describe(cell)}")
        except Exception as error:  # noqa: BLE001  (whatever its messages did to the client)
            self._end_kernel(f"{describe(cell)} sent what is no message ({type(error).__name__})")
        if self.death is not None:
            cell.outputs = [*cell.outputs, *verdict_outputs({"passed": False, "ename": "NotRun",
                                                             "evalue": self.death})]  # fmt: skip
        nbgrader = cell.metadata.get("nbgrader", {})
        if nbgrader.get("locked") and self.death is None:
            with contextlib.suppress(CheckerDiedError):
                self.pair.define(cell.source, self.all_owned)
            self.rebound |= bound_names(cell.source, definitions=False)
        self.rebound |= set(self.owned.get(nbgrader.get("grade_id"), ()))
        return cell, resources

    def _test(self, cell: NotebookNode) -> None:
        """Let the checker run a test cell, and write its verdict into the cell."""
        seconds = self._seconds_left(cell)
        try:
            found = self.pair.test(cell.source, seconds, self.all_owned, sorted(self.rebound))
        except CheckerDiedError as error:
            found = {"passed": False, "ename": "NotRun", "evalue": str(error), "problem": "checker"}
        self.rebound.clear()
        cell.execution_count = None
        cell.outputs = verdict_outputs(found)
        if found["passed"] and found.get("place") is not None:
            self.put_off.append((cell, found["place"]))
        if found.get("problem") == "timeout":
            self.record.problems.append(f"{describe(cell)} ran out of time")
            if found["busy"] and not self._interrupted():
                self._end_kernel(
                    f"the code under {describe(cell)} did not stop when its time was up"
                )
        elif found.get("problem") == "died":
            self._end_kernel(f"the kernel died in {describe(cell)}")
        elif found.get("problem") == "checker":
            self._end_kernel(f"{describe(cell)} could not be judged: {found['evalue']}")

    def _interrupted(self) -> bool:
        self.confined.signal(signal.SIGINT)
        with contextlib.suppress(CheckerDiedError):
            return self.pair.settle(GIVE_WAY_SECONDS)
        return False

    def process_message(self, msg: Any, cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """Take a message of the kernel, unless the notebook has sent more than its share."""
        if self.allowance.spent_by(msg):
            return None
        return super().process_message(msg, cell, cell_index)

    def on_cell_executed(self, **kwargs: Any) -> None:
        super().on_cell_executed(**kwargs)
        cell = kwargs["cell"]
        if kwargs["execute_reply"]["content"].get("ename") == "CellTimeoutError":
            self.record.problems.append(f"{describe(cell)} ran out of time")

    def _end_kernel(self, cause: str) -> None:
        self.death = f"{cause}; the cells after it were not run"
        self.killed = self.confined.was_killed() or self.pair.checker_was_killed()
        if self.confined.ended.get("reason") == "memory":
            self.death = f"out of memory: {self.death}"
        self.record.problems.append(self.death)
        self.confined.signal(signal.SIGKILL)

    def _seconds_left(self, cell: NotebookNode) -> float:
        left = self.notebook_seconds - (time.monotonic() - self.started)
        return max(1.0, min(float(self.timeout), left))
