"""Time graders side by side on the same class, and write RESULTS.md.

    python benchmarks/grading/run.py [--students 1 20 200] [--rounds N] [--quick] [--add]
        [--only NAME ...] [--without-parts] [--out PATH]

In every round each grader grades a fresh copy of the class once, in an order that rotates from
round to round, so they all meet the same machine.
What was measured is kept below build/grading-bench, so that a long comparison can be made in
pieces: with --add the rounds join those of before.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import meter
import parts
import peers
import phases
from peers import WORK, BenchError, Peer
from report import render

RUNS, COSTS = WORK / "runs.jsonl", WORK / "costs.json"
LIMIT_S = 3_000.0
MEMORY_STUDENTS = 20


@dataclass(frozen=True)
class Run:
    """One grader's run over `graded` submissions of a class of `students`."""

    grader: str
    students: int
    graded: int
    workers: int
    wall_s: float
    cpu_s: float
    others: float
    memory_bytes: int | None
    processes_left: int
    load_before: float


def main() -> int:
    """Parse the arguments, run the rounds and write the tables."""
    parser = argparse.ArgumentParser(description="Time graders side by side on the same class.")
    parser.add_argument("--students", type=int, nargs="+", default=[1, 20, 200])
    parser.add_argument("--rounds", type=int, default=3, help="rounds for each class (3)")
    parser.add_argument("--quick", action="store_true", help="one round of 1 and 4 students")
    parser.add_argument("--add", action="store_true", help="keep what was measured before")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="graders whose name has this")
    parser.add_argument("--without-parts", action="store_true", help="time whole commands alone")
    default_out = Path(__file__).with_name("RESULTS.md")
    parser.add_argument("--out", type=Path, default=default_out, help="Markdown file to write")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.students, arguments.rounds = [1, 4], 1
    if min(arguments.students) < 1 or arguments.rounds < 0:
        parser.error("--students must be 1 or more and --rounds not negative")

    WORK.mkdir(parents=True, exist_ok=True)
    if not arguments.add:
        RUNS.unlink(missing_ok=True)
        COSTS.unlink(missing_ok=True)
    graders = peers.all_peers()
    wanted = [p for p in graders if not arguments.only or any(w in p.name for w in arguments.only)]
    not_run = {peer.name: peer.missing for peer in graders if peer.missing}
    failed: dict[str, str] = {}
    for students in arguments.students:
        able = [peer for peer in wanted if peer.missing is None]
        failed |= compare(able, students, arguments.rounds)
    if not arguments.without_parts:
        keep_costs(arguments.quick)
    text = render(read_runs(), read_costs(), not_run | failed)
    arguments.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 1 if failed else 0


def compare(graders: list[Peer], students: int, rounds: int) -> dict[str, str]:
    """Let each grader grade the class once a round, and once more to see its memory.

    Returns the graders that failed, with the reason; they are not run again.
    """
    failed: dict[str, str] = {}
    seen = {run.grader for run in read_runs() if run.memory_bytes and run.students == students}
    last = [True] if students <= MEMORY_STUDENTS and rounds else []
    for number, with_memory in enumerate([False] * rounds + last):
        turn = number % len(graders)
        for peer in graders[turn:] + graders[:turn]:
            if peer.name in failed or (with_memory and peer.name in seen):
                continue
            try:
                for run in runs_of(peer, students, with_memory):
                    keep(run)
            except (BenchError, subprocess.SubprocessError) as error:
                failed[peer.name] = f"it failed ({error})"
                sys.stderr.write(f"{peer.name} failed: {error}\n")
    return failed


def runs_of(peer: Peer, students: int, with_memory: bool = False) -> Iterator[Run]:
    """Run a grader on a fresh copy of the class, and again on the graded one if it has a twin.

    Raises BenchError when it did not grade all of it right.
    """
    folder = WORK / "run"
    shutil.rmtree(folder, ignore_errors=True)
    peer.prepare(folder, students)
    for name in filter(None, (peer.name, peer.again)):
        load, used = os.getloadavg()[0], []
        for command in peer.commands(students):
            variables = peers.environment(Path(command[0]).parent)
            usage, done = meter.measure(command, folder, variables, LIMIT_S, with_memory)
            if done.returncode:
                end = "\n".join(done.stdout.strip().splitlines()[-3:])
                raise BenchError(f"{name} ended with {done.returncode}: {end}")
            used.append(usage)
        peer.check(folder, peer.graded(students))
        yield Run(
            grader=name,
            students=students,
            graded=peer.graded(students),
            workers=peer.workers,
            wall_s=sum(usage.wall_s for usage in used),
            cpu_s=sum(usage.cpu_s for usage in used),
            others=sum(u.others * u.wall_s for u in used) / sum(u.wall_s for u in used),
            memory_bytes=max(usage.memory_bytes or 0 for usage in used) or None,
            processes_left=sum(usage.processes_left for usage in used),
            load_before=load,
        )
        if with_memory:
            return
    shutil.rmtree(folder)


def keep(run: Run) -> None:
    """Add a run to those on disk, and say on the terminal what it was."""
    with RUNS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(run)) + "\n")
    rate = 60 * run.graded / run.wall_s
    sys.stderr.write(
        f"{run.grader:28} {run.graded:3} of {run.students:3}  {run.wall_s:7.1f} s  "
        f"{rate:6.1f} a minute  {run.cpu_s / run.graded:6.2f} CPU s each  "
        f"others {run.others:.0%}\n"
    )


def keep_costs(quick: bool) -> None:
    """Measure the floor, the parts and the phases, and keep them on disk."""
    costs = {
        "cells": parts.own_cells(),
        "parts": parts.measure_all(quick),
        "phases": phases.measure(4 if quick else 20),
        "exact": meter.exact(),
    }
    COSTS.write_text(json.dumps(costs), encoding="utf-8")


def read_runs() -> list[Run]:
    """Return the runs on disk."""
    rows = RUNS.read_text(encoding="utf-8").splitlines() if RUNS.is_file() else []
    return [Run(**json.loads(row)) for row in rows]


def read_costs() -> dict[str, object]:
    """Return the costs of parts on disk."""
    return json.loads(COSTS.read_text(encoding="utf-8")) if COSTS.is_file() else {}


if __name__ == "__main__":
    sys.exit(main())
