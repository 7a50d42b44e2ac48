"""The tables of RESULTS.md."""

import os
import platform
import statistics
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from run import Run

MB = 1e6
PACKAGES = ("nbgrader", "nbclient", "ipykernel", "numpy", "matplotlib")
HEAD = """# How fast graders are

Written by `benchmarks/grading/run.py` on {machine}.

The class: one notebook of 17 cells, five functions to write with a visible and a hidden test each, two plots, three prints; every student solved it.
Every run is a whole command on a fresh copy of the class, and counts only if all students got all points and both plots are in the graded notebooks.
In a round every grader runs once, in an order that rotates; a figure is the median over rounds, with the smallest and the largest.
Processor time is that of every process of the command, {exact}.
Stock nbgrader 0.9.6 has its default settings; otter is version 7.0.0 in an environment of its own, one `otter run` for each submission, which is how it is made to be used.
Ours has everything on: sandbox, second process for the tests, hidden tests against copies.
Others on the machine used {others} of its processors meanwhile (median over runs; {most} at most), so wall times are too long and processor times somewhat; ratios within a round are less touched.
"""  # noqa: E501  (prose, a sentence a line)
CELLS = """
The notebook's own cells, run in one process that has imported what they import: {cells} CPU s (median of {runs}); "beyond" is what is used above that.
"""  # noqa: E501


def render(runs: "list[Run]", costs: dict[str, Any], missing: dict[str, str]) -> str:
    """Return the page."""
    others = [run.others for run in runs] or [0.0]
    exact = "counted by a control group" if costs.get("exact", True) else (
        "as far as their parents collected them: this machine has no control groups of version 2"
    )  # fmt: skip
    text = HEAD.format(
        machine=machine(),
        exact=exact,
        others=f"{statistics.median(others):.0%}",
        most=f"{max(others):.0%}",
    )
    cells_s = None
    if "cells" in costs:
        cells_s = statistics.median(costs["cells"])
        text += CELLS.format(cells=f"{cells_s:.3f}", runs=len(costs["cells"]))
    text += aims_table(runs, cells_s)
    for students in sorted({run.students for run in runs}):
        text += class_table([r for r in runs if r.students == students], students, cells_s)
    text += further_table(runs, cells_s)
    for name, reason in missing.items():
        text += f"\nNot run here: {name}, because {reason}.\n"
    text += memory_table([run for run in runs if run.memory_bytes])
    if "phases" in costs:
        text += phases_tables(costs["phases"])
    if "parts" in costs:
        text += parts_table(costs["parts"])
    return text


def aims_table(runs: "list[Run]", cells_s: float | None) -> str:
    """Return what was aimed at and what was reached, of the largest class that stock graded."""
    timed = [run for run in runs if run.memory_bytes is None]
    sizes = [run.students for run in timed if run.grader == "stock nbgrader"]
    if not sizes or cells_s is None:
        return ""
    found = grouped(run for run in timed if run.students == max(sizes))
    stock = found["stock nbgrader"]

    def faster(name: str) -> str:
        if name not in found:
            return "-"
        return f"{median(map(rate, found[name])) / median(map(rate, stock)):.1f} times"

    def share(name: str) -> str:
        if name not in found:
            return "-"
        own, theirs = (median(map(each, found[n])) - cells_s for n in (name, "stock nbgrader"))
        return f"{own / theirs:.0%}"

    again = found.get("ours, unchanged class"), found.get("ours, 1 worker")
    ratio = median(run.wall_s for run in again[0]) / median(run.wall_s for run in again[1]) if (
        again[0] and again[1]
    ) else None  # fmt: skip
    memory = [
        run.memory_bytes / run.workers / MB
        for run in runs
        if run.memory_bytes and run.grader in ("ours, 1 worker", "ours, 2 workers")
    ]
    rows = [
        ["CPU beyond the cells, of stock's", "20% at most", share("ours, 1 worker")],
        ["submissions a minute, 1 worker", "2.5 times stock's", faster("ours, 1 worker")],
        ["submissions a minute, 2 workers", "5 times stock's", faster("ours, 2 workers")],
        ["the unchanged class again", "below 2%", f"{ratio:.1%}" if ratio else "-"],
        ["memory per worker", "below 400 MB", f"{max(memory):.0f} MB" if memory else "-"],
    ]
    head = ["", "aim", "reached"]
    return f"\n## Aims, for a class of {max(sizes)}\n\n" + table(head, rows)


def class_table(runs: "list[Run]", students: int, cells_s: float | None) -> str:
    """Return the table of one size of class."""
    timed = [run for run in runs if run.memory_bytes is None]
    if not timed:
        return ""
    stock = [run for run in timed if run.grader == "stock nbgrader"]
    stock_rate = median(rate(run) for run in stock) if stock else None
    beyond_stock = median(each(run) for run in stock) - cells_s if stock and cells_s else None
    rows = []
    for name, found in grouped(timed).items():
        beyond = median(each(run) for run in found) - (cells_s or 0)
        faster = f"{median(map(rate, found)) / stock_rate:.2f}" if stock_rate else "-"
        share = f"{beyond / beyond_stock:.0%}" if beyond_stock else "-"
        rows.append([
            name, f"{found[0].graded} of {students}", len(found), spread(map(rate, found), 1),
            faster, spread(map(each, found), 3), f"{beyond:.3f}" if cells_s else "-", share,
            f"{median(run.others for run in found):.0%}",
        ])  # fmt: skip
    head = ["grader", "run", "rounds", "submissions a minute", "times stock", "CPU s each",
            "beyond", "of stock's beyond", "others"]  # fmt: skip
    text = f"\n## A class of {students}\n\n" + table(head, rows)
    left = sum(run.processes_left for run in runs)
    text += f"\nProcesses left running by any grader: {left}.\n"
    first = [run.wall_s for run in timed if run.grader == "ours, 1 worker"]
    again = [run.wall_s for run in timed if run.grader == "ours, unchanged class"]
    if first and again:
        share_again = median(b / a for a, b in zip(first, again, strict=False))
        text += f"Grading the unchanged class again took {share_again:.1%} of the first time.\n"
    return text


def further_table(runs: "list[Run]", cells_s: float | None) -> str:
    """Return what one more submission costs: the slope between the smallest and a larger class."""
    timed = [run for run in runs if run.memory_bytes is None and run.graded == run.students]
    sizes = sorted({run.students for run in timed})
    if len(sizes) < 2:
        return ""
    few, rows = sizes[0], []
    costs: dict[str, tuple[float, float, float, int]] = {}
    for name, found in grouped(timed).items():
        many = max(run.students for run in found)
        small = [run for run in found if run.students == few]
        large = [run for run in found if run.students == many]
        if many == few or not small:
            continue
        wall, cpu = (
            (median(get(r) for r in large) - median(get(r) for r in small)) / (many - few)
            for get in (lambda r: r.wall_s, lambda r: r.cpu_s)
        )
        start = median(r.cpu_s for r in small) - few * cpu
        costs[name] = (wall, cpu, start, many)
    stock = costs.get("stock nbgrader")
    for name, (wall, cpu, start, many) in costs.items():
        row: list[Any] = [name, f"{few} to {many}", f"{start:.2f}", f"{wall:.3f}", f"{cpu:.3f}"]
        row.append(f"{cpu / wall:.2f}")
        own = cells_s or 0.0
        row.append(f"{(cpu - own) / (stock[1] - own):.0%}" if stock and cells_s else "-")
        rows.append(row)
    head = ["grader", "students", "CPU s to start", "wall s", "CPU s", "processors busy",
            "of stock's beyond"]  # fmt: skip
    text = "\n## One submission more\n\n" + table(head, rows)
    return text + (
        '\n"Processors busy" is CPU s divided by wall s: workers gain until it reaches the number '
        "of processors that there are.\n"
    )


def memory_table(runs: "list[Run]") -> str:
    """Return the largest memory of each grader, seen in runs that were made for that."""
    if not runs:
        return ""
    largest = max(run.students for run in runs)
    rows = []
    for name, found in grouped([r for r in runs if r.students == largest]).items():
        megabytes = median((run.memory_bytes or 0) / MB for run in found)
        rows.append([name, f"{megabytes:.0f}", f"{megabytes / found[0].workers:.0f}"])
    text = f"\n## Memory at most, MB (a class of {largest})\n\n"
    text += table(["grader", "all processes", "per worker"], rows)
    return text + (
        "\nThe sum of the proportional set sizes of all processes of the command, twenty times a "
        "second at most; on the cluster its scheduler and the command are among them.\n"
    )


def phases_tables(found: dict[str, Any]) -> str:
    """Return where the time of our pipeline goes."""
    wall, own, kernels = found["each"]
    rows = [
        [name, f"{count:.1f}", *(f"{1e3 * value:.1f}" for value in used)]
        for name, (count, *used) in sorted(found["steps"].items())
    ]
    rows.append(["**all**", "", *(f"**{1e3 * value:.1f}**" for value in (wall, own, kernels))])
    text = "\n## Where our time goes, ms of one submission\n\n"
    text += table(["step", "times", "wall", "CPU, grader", "CPU, kernels"], rows)
    text += (
        f"\nThe first submission of a command takes {found['first'][0]:.1f} s "
        f"({found['first'][1]:.2f} CPU s in the grader, {found['first'][2]:.2f} in the warm "
        "processes and kernels), most of it imports.\n"
    )
    if "functions" in found:
        text += "\nThe grader's busiest functions, CPU ms of one submission under the profiler:\n\n"
        rows = [[f"`{n}`", f"{a:.1f}", f"{b:.1f}"] for n, a, b in found["functions"]]
        text += table(["function", "itself", "with what it calls"], rows)
    return text


def parts_table(found: dict[str, Any]) -> str:
    """Return what single steps cost."""
    rows = [
        [name, *(f"{value:.2f}" for value in figure)]
        if isinstance(figure, list)
        else [name, figure, ""]
        for name, figure in found.items()
    ]
    text = "\n## What single steps cost, ms (medians)\n\n"
    return text + table(["step", "wall", "CPU, all processes"], rows)


def machine() -> str:
    """Return what was measured on."""
    versions = []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    model = next(
        (
            row.partition(":")[2].strip()
            for row in Path("/proc/cpuinfo").read_text().splitlines()
            if row.startswith("model name")
        ),
        platform.machine(),
    )
    return (
        f"{os.cpu_count()} cores ({model}), {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def table(head: list[str], rows: Iterable[list[Any]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def grouped(runs: "Iterable[Run]") -> "dict[str, list[Run]]":
    """Return runs by grader, in the order of their first."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.grader, []).append(run)
    return found


def rate(run: "Run") -> float:
    """Return submissions a minute."""
    return 60 * run.graded / run.wall_s


def each(run: "Run") -> float:
    """Return processor seconds a submission."""
    return run.cpu_s / run.graded


def median(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def spread(values: Iterable[float], digits: int) -> str:
    """Return the median with the smallest and largest value."""
    known = sorted(values)
    middle = f"{median(known):.{digits}f}"
    return f"{middle} ({known[0]:.{digits}f}-{known[-1]:.{digits}f})" if len(known) > 1 else middle
