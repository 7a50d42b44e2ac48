"""The classes that the cases are handed in to, and what a report says about each case."""

from typing import Any

from . import cases, target
from .submission import CASES

SHARDS = 4
CHAPTER_CLASS = "chapter"
LATE_SECONDS = 20.0  # an honest submission takes one; more than this is a delay by its neighbour
MOST_MB = 4096  # the limit of a kernel is 1024, and beside it there are the grader and a checker
FAILED = "a failed test shows"
assert cases


def classes() -> dict[str, list[str]]:
    """Return the names of the cases by class: some of every family in each.

    Honest cases are spread among the hostile ones, whose neighbours they are.
    """
    plain = [name for name, case in CASES.items() if not case.chapter]
    result = {}
    for number in range(SHARDS):
        hostile = [name for name in plain if CASES[name].kind == "hostile"][number::SHARDS]
        honest = [name for name in plain if CASES[name].kind == "honest"][number::SHARDS]
        result[f"class-{number}"] = spread(hostile, honest)
    result[CHAPTER_CLASS] = [name for name, case in CASES.items() if case.chapter]
    return result


def spread(many: list[str], few: list[str]) -> list[str]:
    """Return all names, those of `few` at even distances among those of `many`."""
    result = []
    for number, name in enumerate(many):
        result.append(name)
        first, last = (place * len(few) // len(many) for place in (number, number + 1))
        result += few[first:last]
    return result


def faults(report: dict[str, Any] | None, name: str) -> list[str]:
    """Return what is wrong with how a case was graded: nothing, as it should be."""
    if report is None:
        return ["the grading and all around it was ended"]
    case, students = CASES[name], list(report["students"].items())
    found = []
    for index, (student, entry) in enumerate(students):
        if entry["case"] == name:
            found += faults_of(entry, case.kind, case.points)
        elif entry["case"] is None and name in (
            students[index - 1][1]["case"] if index else None,
            students[index + 1][1]["case"] if index + 1 < len(students) else None,
        ):
            beside = faults_of(entry, "honest", report["full"])
            found += [f"the neighbour {student}: {fault}" for fault in beside]
    return found


def faults_of(entry: dict[str, Any], kind: str, points: float) -> list[str]:
    """Return what is wrong with one entry of a report."""
    found = []
    if entry["points"] is None:
        found.append("not graded")
    elif kind == "hostile" and entry["points"] > points:
        found.append(f"{entry['points']:g} points, of which {points:g} were earned")
    elif kind == "honest" and entry["points"] != points:
        found.append(f"{entry['points']:g} points instead of {points:g}")
    found += [f"printed {where}" for where in entry["printed"]]
    found += [f"{FAILED} {where}" for where in entry["failed"]]
    found += [f"feedback shows {where}" for where in entry["feedback"]]
    found += [f"worked: {word}" for word in entry["forbidden"]]
    if (entry["peak_mb"] or 0) > MOST_MB:
        found.append(f"{entry['peak_mb']} MB of memory at once")
    late = LATE_SECONDS * points / target.FULL  # a chapter has more to do
    if kind == "honest" and (entry["seconds"] or 0) > max(late, LATE_SECONDS):
        found.append(f"took {entry['seconds']} s")
    return found


def faults_around(report: dict[str, Any] | None) -> list[str]:
    """Return what is wrong with a grading as a whole."""
    if report is None:
        return ["the grading and all around it was ended"]
    found = []
    for name, command in report["commands"].items():
        if command["code"] is None:
            found.append(f"{name} did not end within {command['seconds']} s")
        elif command["code"] != 0:
            found.append(f"{name} ended with code {command['code']}")
    # Without its folder: where this machine has its programs is of no interest in a table.
    found += [f"left running: {command.rpartition('/bin/')[2]}" for command in report["left"]]
    found += [f"heard from the sandbox: {what}" for what in sorted(set(report["connections"]))]
    found += report["changes"]
    found += [f"stopped by the test's own bounds: {why}" for why in report["stopped"]]
    return found
