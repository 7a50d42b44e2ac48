"""The runner of benchmarks/perf: each topic in its own process, its section replaced alone."""

import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

PERF = Path(__file__).resolve().parents[2] / "benchmarks" / "perf"
TOPIC = """
import os
from report import table
def tables():
    return [table("{title}", ["pid"], [[os.getpid()]], ["A note."])]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the runner and two topics."""
    for name in ("run.py", "report.py", "summary.py"):
        shutil.copy(PERF / name, tmp_path)
    for name in ("alpha", "memoization"):
        (tmp_path / f"{name}.py").write_text(TOPIC.format(title=name.title()), encoding="utf-8")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "run.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def pids(folder: Path) -> list[str]:
    lines = (folder / "RESULTS.md").read_text(encoding="utf-8").split("\n")
    return [after for before, after in pairwise(lines) if before == "|---|"]


def test_all_topics_make_one_file_and_one_topic_replaces_its_section(folder):
    """In the order of the chapters, each from another process, then one of them anew."""
    assert run(folder).returncode == 0
    text = (folder / "RESULTS.md").read_text(encoding="utf-8")
    headings = [line for line in text.split("\n") if line.startswith("##")]
    assert headings == ["## memoization", "### Memoization", "## alpha", "### Alpha"]
    first, second = pids(folder)
    assert first != second
    assert run(folder, "alpha").returncode == 0
    assert pids(folder)[0] == first
    assert pids(folder)[1] != second


def test_a_topic_that_fails_says_so_and_costs_the_others_nothing(folder):
    """The exit code is 1, the traceback goes to the screen, the other section is there."""
    (folder / "alpha.py").write_text("def tables():\n    raise ZeroDivisionError\n")
    result = run(folder)
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr
    text = (folder / "RESULTS.md").read_text(encoding="utf-8")
    assert "**This topic failed: exit code 1.**" in text
    assert "### Memoization" in text


def test_the_screen_instead_of_the_file(folder):
    """--out - writes no file."""
    result = run(folder, "alpha", "--out", "-")
    assert "### Alpha" in result.stdout
    assert not (folder / "RESULTS.md").exists()


def test_an_unknown_topic_is_refused(folder):
    """With the names there are."""
    result = run(folder, "beta")
    assert result.returncode == 2
    assert "no topic beta; there are memoization, alpha" in result.stderr
