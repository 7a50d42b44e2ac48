"""The bars, and the Markdown table that says which were met."""

from dataclasses import dataclass, field

MAX_FALSE_FASTER = 0.05
MAX_FALSE_EITHER = 0.08
MIN_FOUND = 0.95
MIN_COVERED = 0.93
MAX_HARNESS_NS = 60.0


@dataclass(frozen=True)
class Cell:
    """A model and the load beside it."""

    model: str
    load: str


@dataclass
class Row:
    """Counts out of `trials` for one method in one cell; None where it makes no such claim."""

    method: str
    cell: Cell
    trials: int
    false_faster: int = 0
    false_either: int = 0
    excluded_faster: int | None = None
    covered: dict[int, int] = field(default_factory=dict)
    found: dict[int, int] = field(default_factory=dict)
    half_width: float | None = None
    notes: str = ""

    def bars_failed(self) -> list[str]:
        """Names of the bars this row does not meet."""
        failed = []
        if self.false_faster > MAX_FALSE_FASTER * self.trials:
            failed.append("A/A faster")
        if self.false_either > MAX_FALSE_EITHER * self.trials:
            failed.append("A/A either")
        if 5 in self.found and self.found[5] < MIN_FOUND * self.trials:
            failed.append("5 % found")
        low = [p for p, count in self.covered.items() if count < MIN_COVERED * self.trials]
        if low:
            failed.append("coverage at " + ", ".join(f"{p} %" for p in low))
        return failed


@dataclass(frozen=True)
class CostRow:
    """What a harness reports for an empty function, against the cost of the bare call, in ns."""

    harness: str
    load: str
    reported_ns: float
    call_ns: float
    worst_ns: float


def percent(count: int | None, trials: int) -> str:
    """A count as a percentage, a dash where there is none."""
    return "-" if count is None or trials == 0 else f"{100 * count / trials:.1f}"


def render(
    rows: list[Row], costs: list[CostRow], info: dict[str, str | int | float | None], seconds: float
) -> str:
    """The whole of RESULTS.md."""
    machine = ", ".join(f"{key} {value}" for key, value in info.items())
    lines = [
        "# How honest the measuring is",
        "",
        "Written by `benchmarks/measuring/run.py`; every number is from one run of "
        f"{seconds / 60:.1f} minutes.",
        f"Machine: {machine}.",
        "BLAS was held at one thread; the load average is that before the start.",
        'Load "none" means no burner of ours: other people worked on the same cores meanwhile.',
        "",
        "A trial compares a model with itself (A/A) and counted work of 100 units with 101, 102, "
        "105 and 110.",
        "Ours: 300 pairs of 0.3 ms blocks in random order, median of the log ratios, 95 % sign-test"
        " interval, a claim only beyond 2 %.",
        "Coverage at 1, 2 and 10 % is from 150 rounds of four arms by the same two functions.",
        "Naive peer: 100 calls of each timed one by one with `time.time`, no warm-up, mean over "
        "mean, a claim beyond 5 %.",
        "For the big model A/A is at batch 64, where a block is one call; the counted unit is one "
        "row by 16 of the 256 hidden units, since 1 % of a batch cannot be counted in 0.3 ms.",
        "The simulated machine is a clock in software.",
        "",
        f'Bars: A/A "faster" <= {100 * MAX_FALSE_FASTER:g} %, either word <= '
        f"{100 * MAX_FALSE_EITHER:g} %, a true 5 % found in >= {100 * MIN_FOUND:g} %, "
        f"coverage >= {100 * MIN_COVERED:g} % at each true difference, harness <= "
        f"{MAX_HARNESS_NS:g} ns a call.",
        "With 200 trials an interval that truly covers 95 % shows less than 93 % once in ten.",
        "",
        "## False alarms, power, coverage (% of trials)",
        "",
        '| method | model | load | trials | A/A "faster" | A/A either word | interval all above 1 '
        "| found at 2 / 5 / 10 % | coverage at 0 / 1 / 2 / 5 / 10 % | half-width % "
        "| bars failed |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [table_line(row) for row in rows]
    lines += ["", *pooled_lines(rows), ""]
    lines += [
        "## Harness cost (ns per call of an empty function, median of 11)",
        "",
        "| harness | load | reported | bare call | net | worst of 11 | bar |",
        "|---|---|---|---|---|---|---|",
    ]
    for cost in costs:
        net = cost.reported_ns - cost.call_ns
        bar = "met" if net <= MAX_HARNESS_NS else "failed"
        lines.append(
            f"| {cost.harness} | {cost.load} | {cost.reported_ns:.0f} | {cost.call_ns:.0f} "
            f"| {net:.0f} | {cost.worst_ns:.0f} | {bar} |"
        )
    return "\n".join(lines) + "\n"


def table_line(row: Row) -> str:
    """One method in one cell as a line of the Markdown table."""
    n = row.trials
    found = " / ".join(percent(row.found.get(p), n) for p in (2, 5, 10)) if row.found else "-"
    covered = " / ".join(percent(row.covered[p], n) for p in sorted(row.covered)) or "-"
    width = "-" if row.half_width is None else f"{100 * row.half_width:.2f}"
    return (
        f"| {row.method} | {row.cell.model} | {row.cell.load} | {n} "
        f"| {percent(row.false_faster, n)} | {percent(row.false_either, n)} "
        f"| {percent(row.excluded_faster, n)} | {found} | {covered} | {width} "
        f"| {', '.join(row.bars_failed()) or 'none'} |"
    )


def pooled_lines(rows: list[Row]) -> list[str]:
    """Coverage over all true differences together, and what our own tool noted."""
    lines = []
    for row in rows:
        if row.method == "ours" and row.notes:
            total = len(row.covered) * row.trials
            pooled = percent(sum(row.covered.values()), total)
            where = f"{row.cell.model}, load {row.cell.load}"
            lines.append(f"- Ours, {where}: coverage of all five {pooled} %; {row.notes}.")
    caught = {row.method: False for row in rows if row.method.startswith("mutant")}
    for row in rows:
        if row.method in caught and row.bars_failed():
            caught[row.method] = True
    for method, is_caught in caught.items():
        verb = "fails at least one bar" if is_caught else "fails no bar, so nothing here tests it"
        lines.append(f"- {method}: {verb}.")
    return lines
