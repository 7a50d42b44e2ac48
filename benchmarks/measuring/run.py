"""Measure the measuring tools: false alarms, power, coverage and cost, and write RESULTS.md.

    PYTHONPATH=source_lib python benchmarks/measuring/run.py [--quick] [--trials N] [--out PATH]
        [--max-minutes M] [--model tiny|big] [--load none|"2 burners"]

All methods of a trial run one after another, so they meet the same machine.
"""

import argparse
import signal
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import methods
import numpy as np
import workloads
from methods import LogRatios
from report import Cell, CostRow, Row, render
from threadpoolctl import threadpool_limits

from tinytorch.benchmarking import (
    RatioInterval,
    compare_latency,
    median_ratio_interval,
    system_info,
    time_interleaved,
    verdict,
)

LOADS = {"none": 0, "2 burners": 2}
# The two mutants that need timings of their own get a part of the trials: they fail by far.
MUTANT_SHARE = 5
SIMULATED_TRIALS = 100
HEADLINE_PERCENT = 5
OTHER_PERCENTS = (1, 2, 10)
COVERAGE_ROUNDS = 150

Interval = Callable[[LogRatios], RatioInterval]


@dataclass
class Trials:
    """What the trials of one model under one load gave, one entry a trial."""

    log_ratios: dict[tuple[str, int], list[LogRatios]] = field(
        default_factory=lambda: defaultdict(list)
    )
    naive_ratios: list[float] = field(default_factory=list)
    self_checks: int = 0
    self_check_misses: int = 0
    contended: int = 0
    seconds: list[float] = field(default_factory=list)


def main() -> int:
    """Parse the arguments, run every cell and write the table."""
    parser = argparse.ArgumentParser(description="Measure the measuring tools.")
    parser.add_argument("--trials", type=int, default=200, help="trials a cell (200)")
    parser.add_argument("--quick", action="store_true", help="4 trials a cell, under 60 s")
    parser.add_argument("--max-minutes", type=float, default=12.0, help="stop collecting then")
    default_out = Path(__file__).with_name("RESULTS.md")
    parser.add_argument("--out", type=Path, default=default_out, help="Markdown file to write")
    parser.add_argument("--model", choices=["tiny", "big"], help="this model alone")
    parser.add_argument("--load", choices=list(LOADS), help="this load alone")
    arguments = parser.parse_args()
    trials = 4 if arguments.quick else arguments.trials
    if trials < 1 or not arguments.max_minutes > 0:
        parser.error("--trials must be 1 or more and --max-minutes above 0")

    # Without this a polite kill would skip the finally that ends the burners.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    info = system_info()
    models = [m for m in workloads.models() if arguments.model in (None, m.split()[0])]
    loads = [load for load in LOADS if arguments.load in (None, load)]
    cells = [(model, load) for model in models for load in loads]
    rows: list[Row] = []
    costs: list[CostRow] = []
    with threadpool_limits(1):
        for i, (model, load) in enumerate(cells):
            spent = time.monotonic() - started
            share = (arguments.max_minutes * 60 - spent) / (len(cells) - i)
            with workloads.background_load(LOADS[load], limit_seconds=share + 120):
                cell = Cell(model, load)
                rows += judge(cell, collect(cell, trials, share))
                if model == cells[0][0]:
                    costs += harness_costs(load)
    rows += simulated_rows()
    text = render(rows, costs, info, time.monotonic() - started)
    arguments.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


def collect(cell: Cell, trials: int, limit_seconds: float) -> Trials:
    """Run the trials of one cell, fewer only if the time is up."""
    forward, unit = workloads.models()[cell.model]
    counted = workloads.counted(unit)
    result = Trials()
    started = time.monotonic()
    for trial in range(trials):
        if time.monotonic() - started > limit_seconds:
            break
        before = time.perf_counter()
        check = trial % MUTANT_SHARE == 0
        same = compare_latency(forward, forward, seed=trial, self_check=check)
        result.seconds.append(time.perf_counter() - before)
        result.contended += same.contended
        if same.self_ratio_ci is not None:
            result.self_checks += 1
            result.self_check_misses += not same.self_ratio_ci[0] <= 1 <= same.self_ratio_ci[1]
        logs = np.log(same.baseline.samples_ms) - np.log(same.candidate.samples_ms)
        result.log_ratios["same", 0].append(logs)
        result.naive_ratios.append(methods.naive_ratio(forward, forward))

        longer = counted[HEADLINE_PERCENT]
        found = compare_latency(longer, counted[0], seed=trial, self_check=False)
        logs = np.log(found.baseline.samples_ms) - np.log(found.candidate.samples_ms)
        result.log_ratios["counted", HEADLINE_PERCENT].append(logs)
        # The other differences are arms of one run: the same blocks in less time.
        arms = [counted[percent] for percent in OTHER_PERCENTS]
        latencies = time_interleaved([counted[0], *arms], COVERAGE_ROUNDS, seed=trial)
        base = np.log(latencies[0].samples_ms)  # (COVERAGE_ROUNDS,)
        for percent, latency in zip(OTHER_PERCENTS, latencies[1:], strict=True):
            result.log_ratios["counted", percent].append(np.log(latency.samples_ms) - base)

        if check:
            sequential = methods.all_a_then_all_b(forward, forward)
            result.log_ratios["A then B", 0].append(sequential)
            result.log_ratios["no shuffle", 0].append(methods.fixed_order(forward, forward))
        if trial % 20 == 0:
            elapsed = time.monotonic() - started
            note = f"{cell.model}, load {cell.load}: trial {trial} of {trials}, {elapsed:.0f} s"
            sys.stderr.write(note + "\n")
    return result


def judge(cell: Cell, result: Trials) -> list[Row]:
    """One row for our method, the peer and each mutant."""
    same = result.log_ratios["same", 0]
    counted = {
        p: result.log_ratios["counted", p] for p in sorted((HEADLINE_PERCENT, *OTHER_PERCENTS))
    }
    ours = row_of("ours", cell, same, counted, median_ratio_interval)
    ours.notes = (
        f"{statistics.median(result.seconds):.2f} s a comparison, {result.contended} of "
        f"{len(same)} contended; built-in A/A left 1 out in {result.self_check_misses} of "
        f"{result.self_checks}"
    )
    n = len(result.naive_ratios)
    naive = Row("naive peer", cell, n)
    naive.false_faster = sum(ratio > 1.05 for ratio in result.naive_ratios)
    naive.false_either = sum(not 0.95 <= ratio <= 1.05 for ratio in result.naive_ratios)
    return [
        ours,
        naive,
        row_of("mutant: mean for median", cell, same, counted, methods.mean_interval),
        row_of("mutant: swapped ratio", cell, same, counted, methods.swapped_interval),
        row_of("mutant: A then B", cell, result.log_ratios["A then B", 0], {}),
        row_of("mutant: no shuffle", cell, result.log_ratios["no shuffle", 0], {}),
    ]


def row_of(
    method: str,
    cell: Cell,
    same: list[LogRatios],
    counted: dict[int, list[LogRatios]],
    interval: Interval = median_ratio_interval,
) -> Row:
    """Count false alarms, coverage and finds of one method."""
    row = Row(method, cell, len(same))
    intervals = [interval(logs) for logs in same]
    words = [verdict(each.low, each.high) for each in intervals]
    row.false_faster = words.count("faster")
    row.false_either = len(words) - words.count("not resolved")
    row.covered[0] = sum(each.low <= 1 <= each.high for each in intervals)
    row.excluded_faster = sum(each.low > 1 for each in intervals)
    row.half_width = statistics.median((each.high - each.low) / 2 for each in intervals)
    for percent, trials in counted.items():
        truth = 1 + percent / 100
        intervals = [interval(logs) for logs in trials]
        row.covered[percent] = sum(each.low <= truth <= each.high for each in intervals)
        words = [verdict(each.low, each.high) for each in intervals]
        row.found[percent] = words.count("faster")
    return row


def harness_costs(load: str) -> list[CostRow]:
    """Median over 11 turns of what each harness reports for an empty function."""
    call_ns, figures = [], defaultdict(list)
    for _ in range(11):
        call_ns.append(methods.call_cost_ns())
        for name, value in methods.reported_ns().items():
            figures[name].append(value)
    call = statistics.median(call_ns)
    return [
        CostRow(name, load, statistics.median(values), call, max(values))
        for name, values in figures.items()
    ]


def simulated_rows() -> list[Row]:
    """Our method and the one without shuffle on the machine that alternates."""
    cell = Cell("simulated", "every 2nd block 3 % slower")
    ours, mutant = [], []
    for seed in range(SIMULATED_TRIALS):
        machine = workloads.AlternatingMachine(seed)
        same = compare_latency(
            machine.work, machine.work, seed=seed, self_check=False, clock_ns=machine.clock_ns
        )
        ours.append(np.log(same.baseline.samples_ms) - np.log(same.candidate.samples_ms))
        machine = workloads.AlternatingMachine(seed)
        mutant.append(methods.fixed_order(machine.work, machine.work, machine.clock_ns))
    return [
        row_of("ours", cell, ours, {}),
        row_of("mutant: no shuffle", cell, mutant, {}),
    ]


if __name__ == "__main__":
    sys.exit(main())
