"""Stock nbgrader's result beside ours, for every case: writes RESULTS.md.

    python -m tests.hostile.table             both sides, about an hour and a half on two cores
    python -m tests.hostile.table ours        one side; the other is taken from the last time
    python -m tests.hostile.table stock NAME  some cases of a side
    python -m tests.hostile.table --missing   the cases that have not been run yet

Stock grades each case in a house of its own, since one that ends the batch would hide the others.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from . import house
from .classes import FAILED, classes, faults, faults_around
from .courses import write_course
from .submission import CASES

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
KEPT = HERE / "results.json"
SECONDS = 150.0  # five of stock's own limits for a cell, and the start of the command
CLASS_SECONDS = 1200.0
WORKERS = 2
AROUND = "around all cases of a class"

Side = dict[str, list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("side", nargs="?", choices=("stock", "ours"))
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--missing", action="store_true", help="run what has no result yet")
    chosen = parser.parse_args()
    kept: dict[str, Side] = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
    os.nice(5)
    with tempfile.TemporaryDirectory() as folder:
        for side in (chosen.side,) if chosen.side else ("stock", "ours"):
            names = chosen.names or list(CASES)
            if chosen.missing:
                names = [name for name in names if name not in kept.get(side, {})]
            for found in grade(side, names, Path(folder)):
                kept[side] = kept.get(side, {}) | {name: told(found[name]) for name in found}
                KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    RESULTS.write_text(table(kept.get("stock", {}), kept.get("ours", {})), encoding="utf-8")


def grade(side: str, names: list[str], folder: Path) -> Iterator[Side]:
    """Yield what is wrong with each case after one side has graded it, a few cases at a time."""
    templates = {}
    for chapter in {CASES[name].chapter for name in names}:
        templates[chapter] = folder / f"{side}-{chapter}" / "course"
        write_course(templates[chapter], side, chapter)
    done = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        batches = list(classes().values()) if side == "ours" else [[name] for name in names]
        wanted = [[name for name in batch if name in names] for batch in batches]
        for result in pool.map(lambda batch: one(side, batch, templates), filter(None, wanted)):
            yield result
            done += len(result)
            sys.stderr.write(f"{side}: {done} of {len(names)}\n")


def one(side: str, names: list[str], templates: dict[bool, Path]) -> Side:
    """Return what is wrong with the cases that one command has graded.

    When a case ends the command, another one goes on with the cases after it.
    """
    found: Side = {}
    while names:
        report = graded(side, names, templates[CASES[names[0]].chapter])
        last = ended_at(report, names)
        done, names = names[: last + 1], names[last + 1 :]
        around = [fault for fault in faults_around(report) if not about_one(fault)]
        for name in done:
            found[name] = faults(report, name)
            if side == "stock":  # it would stand in nearly every row
                found[name] = [fault for fault in found[name] if FAILED not in fault]
        if names:
            found[done[-1]].append("the command ended here, and later students were not graded")
        if len(done) == 1:
            found[done[0]] += [fault for fault in around if fault not in found[done[0]]]
        elif around:
            found.setdefault(AROUND, []).extend(around)
    return found


def graded(side: str, names: list[str], template: Path) -> dict[str, Any] | None:
    """Return the report on the cases in one class."""
    seconds = SECONDS if len(names) == 1 else CLASS_SECONDS
    # Stock's feedback shows hidden tests to everybody, which would stand in every row.
    request = {"cases": names, "chapter": CASES[names[0]].chapter, "feedback": side == "ours"}
    return house.run(template, request | {"seconds": seconds}, seconds + 200)


def ended_at(report: dict[str, Any] | None, names: list[str]) -> int:
    """Return the index of the case at which the grading ended: the last, as it should be."""
    if report is None:
        return len(names) - 1
    points = {e["case"]: e["points"] for e in report["students"].values() if e["case"]}
    there = [index for index, name in enumerate(names) if points[name] is not None]
    return min((there[-1] if there else -1) + 1, len(names) - 1)


def about_one(fault: str) -> bool:
    """Tell whether a fault of the whole command only repeats that one submission failed."""
    return fault == "autograde ended with code 1"


def table(stock: Side, ours: Side) -> str:
    """Return the page."""
    cases = list(CASES.values())
    hostile = [case for case in cases if case.kind == "hostile"]
    honest = [case for case in cases if case.kind == "honest"]
    lines = [
        "# Hostile and honest submissions: what graders make of them",
        "",
        f"Written by `python -m tests.hostile.table` on {date.today()}, {versions()}: "
        f"{len(hostile)} hostile submissions and "
        f"{len(honest)} honest ones, each graded by the real command between honest neighbours, "
        f"by nbgrader {version('nbgrader')} as it comes and by this course's settings.",
        "A hostile one holds when it earned no point too many, printed no planted secret, "
        "reached no network, left nothing, and its neighbours have their points in time.",
        "Not in the rows of stock, since it would stand in nearly each: a failed test shows the "
        "source of its hidden part, and feedback shows every student all hidden tests and the mark "
        "scheme.",
        *(
            f"{len(cases) - len(side.keys() & CASES.keys())} cases have not been run by {who} yet "
            "and are blank; `python -m tests.hostile.table --missing` runs them."
            for who, side in (("stock", stock), ("ours", ours))
            if CASES.keys() - side.keys()
        ),
        "",
        "| | stock | ours |",
        "|---|---|---|",
        *(
            f"| {word} | {count(stock, some)} | {count(ours, some)} |"
            for word, some in (("hostile that hold", hostile), ("honest with their points", honest))
        ),
    ]
    if AROUND in ours:
        lines += ["", f"Ours, {AROUND}: {said(ours, AROUND)}."]
    family = ""
    for case in cases:
        if case.family != family:
            family = case.family
            lines += ["", f"## {family.replace('_', ' ').capitalize()}", ""]
            lines += ["| case | what it does | stock | ours |", "|---|---|---|---|"]
        row = (case.name, case.about, said(stock, case.name), said(ours, case.name))
        lines.append("| " + " | ".join(text.replace("|", "\\|") for text in row) + " |")
    return "\n".join(lines) + "\n"


def versions() -> str:
    packages = ("nbclient", "ipykernel", "jupyter_client")
    system = f"Python {platform.python_version()}, Linux {platform.release()}"
    return ", ".join([system, *(f"{name} {version(name)}" for name in packages)])


def count(side: Side, cases: list[Any]) -> str:
    graded = [case for case in cases if case.name in side]
    return f"{sum(not side[case.name] for case in graded)} of {len(graded)}"


def told(found: list[str]) -> list[str]:
    """Return at most four faults, short, and how many more there are: one case leaves 120,000."""
    more = [f"and {len(found) - 4} more"] if len(found) > 4 else []
    return [fault[:110].replace("\n", " ") for fault in found[:4]] + more


def said(side: Side, name: str) -> str:
    """Return one cell of the table."""
    if name not in side:
        return ""
    return "; ".join(side[name]) or "holds"


if __name__ == "__main__":
    main()
