"""The Markdown of the topics: tables, and ratios that never stand without their interval."""

from collections.abc import Iterable, Sequence

from tinytorch.benchmarking import Latency, LatencyComparison, RatioInterval


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], notes: Sequence[str] = ()
) -> str:
    """A heading of level 3, the notes as one sentence a line, and the table."""
    lines = [f"### {title}", "", *notes, ""] if notes else [f"### {title}", ""]
    lines += [_line(columns), "|" + "---|" * len(columns)]
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"{title}: expected {len(columns)} cells, got {len(row)}: {row}")
        lines.append(_line(row))
    return "\n".join(lines) + "\n"


def ratio(comparison: LatencyComparison) -> str:
    """The speedup with its interval; a star when the verdict is "not resolved"."""
    text = interval(RatioInterval(comparison.speedup, comparison.ci_low, comparison.ci_high))
    return text + "*" if comparison.verdict == "not resolved" else text


def interval(value: RatioInterval) -> str:
    """A ratio and its interval with three significant digits: `2.84 (2.79..2.90)`."""
    return f"{_three(value.ratio)} ({_three(value.low)}..{_three(value.high)})"


def milliseconds(latency: Latency) -> str:
    """The median time of a call in ms, with three significant digits."""
    return _three(latency.median_ms)


def _three(value: float) -> str:
    """Three significant digits without an exponent."""
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
