"""The two processes that judge one notebook: the student's kernel and the checker."""

import json
import socket
import time
from dataclasses import dataclass, field, replace
from typing import IO, Any

from autograder.course import Course, CourseError
from autograder.kernels.limits import Limits
from autograder.kernels.provisioner import next_number, shared_warm
from autograder.kernels.warm import Confined, Warm
from autograder.trust.checker import GIVEN_MODULES
from autograder.trust.frames import ChannelError, FrameReader, OutOfTimeError, send_frame

CHECKER_GRACE = 10.0
ALONE = Warm("autograder.trust.room")


@dataclass(frozen=True)
class View:
    """What of the course's library the student and the checker can import.

    `withheld` are the modules that the assignment asks to write.
    """

    student: Warm
    checker: Warm
    room: Warm = ALONE
    packages: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


def library_view(course: Course, assignment: str) -> View:
    """Return the view of a chapter's students; another course's assignment has no library.

    Raises CourseError when the library of a chapter has not been built.
    """
    student, checker = "autograder.kernels.student", "autograder.trust.checker"
    if assignment not in course.chapter_names():
        return View(Warm(student), Warm(checker))
    library = course.student_library(assignment)
    try:
        manifest = json.loads((library / "library.json").read_text(encoding="utf-8"))
    except OSError:
        raise CourseError(f"there is no {library}; run 'autograder build {assignment}'") from None
    packages = tuple(manifest["packages"])
    return View(
        student=Warm(student, library, packages),
        checker=Warm(checker, course.library.parent, packages),
        room=replace(ALONE, library=library, packages=packages),
        packages=packages,
        withheld=tuple(manifest["withheld"]),
    )


@dataclass
class Pair:
    """Starts the student's kernel by `kernel_arguments`, then the checker by `start_checker`.

    `given` are the classes that locked cells define, `modules` the Python files that the course
    gives, which the checker imports from where the student's kernel cannot write.
    With `has_room` the checker gets a third process, to run functions of the notebook alone.
    """

    view: View
    limits: Limits
    archive: IO[bytes] | None = None
    given: tuple[str, ...] = ()
    modules: IO[bytes] | None = None
    has_room: bool = False
    number: int = field(default_factory=next_number)

    def __post_init__(self) -> None:
        self._checker: Confined | None = None
        self._room: Confined | None = None
        self._for_checker, self._for_student = socket.socketpair()

    def kernel_arguments(self) -> dict[str, Any]:
        """Return what `start_kernel` of the kernel manager takes."""
        return {
            "warm": self.view.student,
            "limits": self.limits,
            "number": self.number,
            "channel": self._for_student,
            "request": self._shared(),
            "archive": self.archive,
        }

    def start_checker(self, scratch: int) -> None:
        """Start the checker, in the scratch of the student's kernel."""
        self._for_student.close()
        self._orders, theirs = socket.socketpair()
        self._reader = FrameReader(self._orders)
        ends = [theirs, self._for_checker, *self._open_room()]
        try:
            self._checker = shared_warm(self.view.checker).start(
                self._shared() | {"archive_to": GIVEN_MODULES},
                [end.fileno() for end in ends],
                replace(self.limits, processes=self.limits.processes + 64),
                self.number,
                archive=self.modules,
                scratch=scratch,
            )
        finally:
            for end in (theirs, *ends[2:]):
                end.close()

    def _open_room(self) -> list[socket.socket]:
        if not self.has_room:
            return []
        ours, theirs = socket.socketpair()
        with theirs:
            self._room = shared_warm(self.view.room).start(
                {}, [theirs.fileno()], self.limits, next_number()
            )
        return [ours]

    def _shared(self) -> dict[str, Any]:
        view = self.view
        return {"packages": view.packages, "withheld": view.withheld, "given": self.given}

    def define(self, source: str, owned: list[str]) -> None:
        """Let the checker take imports, functions and classes from a given cell."""
        self._order({"do": "define", "source": source, "owned": owned}, 30)

    def test(
        self, source: str, seconds: float, owned: list[str], dropped: list[str]
    ) -> dict[str, Any]:
        """Return the verdict on one test cell; its form is that of `Checker.test`."""
        order = {"do": "test", "source": source, "seconds": seconds, "owned": owned}
        return self._order(order | {"dropped": dropped}, seconds + CHECKER_GRACE)

    def finish(self, place: int, seconds: float, sources: list[str]) -> dict[str, Any]:
        """Return the verdict on the hidden part of a test cell, which has waited until now.

        `sources` are the cells before it, of which it may have a function run alone.
        """
        order = {"do": "finish", "place": place, "seconds": seconds, "sources": sources}
        return self._order(order, seconds + CHECKER_GRACE)

    def settle(self, seconds: float) -> bool:
        """Tell whether the student's code gave way after it was interrupted."""
        answer = self._order({"do": "settle", "seconds": seconds}, seconds + CHECKER_GRACE)
        return bool(answer.get("settled"))

    def checker_was_killed(self) -> bool:
        """Tell whether somebody or the machine ended the checker."""
        return self._checker is not None and self._checker.was_killed()

    def room_was_killed(self) -> bool:
        """Tell whether somebody or the machine ended the process that runs functions alone."""
        if self._room is None or self._room.wait(0) is None:
            return False
        return self._room.was_killed()

    def close(self) -> None:
        """End the checker; the kernel is ended by its manager."""
        for end in (self._for_checker, self._for_student):
            end.close()
        for archive in (self.archive, self.modules):
            if archive is not None:
                archive.close()
        if self._checker is not None:
            self._checker.close()
            self._orders.close()
            self._checker = None
        if self._room is not None:
            self._room.close()
            self._room = None

    def _order(self, order: dict[str, Any], seconds: float) -> dict[str, Any]:
        self._reader.deadline = time.monotonic() + seconds
        try:
            send_frame(self._orders, order, [])
            answer, _ = self._reader.receive()
        except (ChannelError, OutOfTimeError) as error:
            raise CheckerDiedError("the test used up what the checker may use") from error
        return dict(answer)


class CheckerDiedError(RuntimeError):
    """The trusted process ended or does not answer."""
