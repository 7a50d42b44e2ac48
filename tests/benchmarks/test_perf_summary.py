"""The table of bars: read off the tables of the topics, the worst row counts, a gap is no yes."""

import importlib.util
import sys
from pathlib import Path

import pytest

PERF = Path(__file__).resolve().parents[2] / "benchmarks" / "perf"
SECTION = """Measured today.

### Speed of things

A note.

| n | how | faster | limit |
|---|---|---|---|
| 1 | a | 2.5 (2.4..2.6) | 4 |
| 2 | a | 1.2e-05 (1e-05..2e-05) | 3 |
| 2 | b | -0.3 (-0.4..-0.1) | 3 |
"""


@pytest.fixture(scope="module")
def summary():
    spec = importlib.util.spec_from_file_location("perf_summary", PERF / "summary.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_tables_are_read_by_title_and_column(summary):
    """Notes and the line under the header are no rows."""
    rows = summary.tables_in(SECTION)["Speed of things"]
    assert [row["n"] for row in rows] == ["1", "2", "2"]
    assert [summary.number(row["faster"]) for row in rows] == [2.5, 1.2e-05, -0.3]


@pytest.mark.parametrize(
    ("rows", "least", "most", "reached", "met"),
    [
        ({"n": "1"}, 2.5, None, "2.5 (2.4..2.6)", "yes"),
        ({"n": "1"}, 2.6, None, "2.5 (2.4..2.6)", "NO"),
        ({"how": "a"}, 1.0, None, "1.2e-05 (1e-05..2e-05)", "NO"),  # the worst of two
        ({"how": "a"}, None, 3.0, "2.5 (2.4..2.6)", "yes"),
        ({"n": "2"}, -0.2, None, "-0.3 (-0.4..-0.1)", "NO"),
        ({"n": "1"}, None, None, "2.5 (2.4..2.6)", "-"),
        ({"n": "3"}, 1.0, None, "not measured", "NO"),
    ],
)
def test_a_bar_is_met_by_its_worst_row(summary, monkeypatch, rows, least, most, reached, met):
    """By a figure, not by a gap."""
    bar = summary.Bar("it", "topic", "Speed", rows, "faster", least, most)
    monkeypatch.setattr(summary, "BARS", (bar,))
    line = summary.summary({"topic": SECTION}).strip().split("\n")[-1]
    assert line == f"| it | {bar.asked} | {reached} | {met} | - |"


def test_a_figure_stands_beside_its_limit(summary, monkeypatch):
    """The limit is that of the same row."""
    bar = summary.Bar("it", "topic", "Speed", {"how": "a"}, "faster", 1.0, limit="limit")
    monkeypatch.setattr(summary, "BARS", (bar,))
    assert summary.summary({"topic": SECTION}).strip().endswith("| NO | 3 |")


def test_every_bar_finds_its_figure_in_the_published_results(summary):
    """A table or column that is renamed would else turn a bar into "not measured"."""
    text = (PERF / "RESULTS.md").read_text(encoding="utf-8")
    sections = {part.split("\n", 1)[0].strip(): part for part in text.split("\n## ")[1:]}
    assert "not measured" not in summary.summary(sections)
