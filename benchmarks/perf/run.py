"""Run the topics of this folder, each in its own process, and write RESULTS.md.

    PYTHONPATH=source_lib python benchmarks/perf/run.py [topic ...] [--out PATH] [--minutes M]

Sections of topics that were not asked for are kept as they were, with their own date.
"""

import argparse
import importlib
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from summary import summary
from threadpoolctl import threadpool_limits

from tinytorch.benchmarking import system_info

HERE = Path(__file__).resolve().parent
NO_TOPIC = {"run", "report", "summary"}
# Those after a topic use its words; a topic not named here comes last.
ORDER = ("overhead", "profiling", "quantization", "compression", "memoization", "acceleration")
HEAD = """# What the techniques gain

Written by `benchmarks/perf/run.py`; every number was measured by the code beside it.
A ratio is baseline / candidate from interleaved arms of one run, with its 95 % interval.
Above 1 the candidate is faster.
A star: not resolved, the interval touches 1 +- 2 %, which places in memory alone can cost.
BLAS was held at one thread except where a table says otherwise.

What was asked, and what came out, read off the tables below; a ratio stands with its interval:

"""


def main() -> int:
    """Parse the arguments, run the topics and write the file."""
    parser = argparse.ArgumentParser(description="Measure what the techniques gain.")
    parser.add_argument("topics", nargs="*", help="topics to run (all)")
    default_out = HERE / "RESULTS.md"
    parser.add_argument("--out", default=str(default_out), help="Markdown file, - for the screen")
    parser.add_argument("--minutes", type=float, default=5.0, help="limit for one topic (5)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    there = find_topics(HERE)
    unknown = sorted(set(arguments.topics) - set(there))
    if unknown:
        parser.error(f"no topic {', '.join(unknown)}; there are {', '.join(there)}")
    if arguments.child:
        return print_tables(arguments.topics[0])

    wanted = [topic for topic in there if topic in arguments.topics or not arguments.topics]
    out = None if arguments.out == "-" else Path(arguments.out)
    sections: dict[str, str] = {}
    failed = False
    for topic in wanted:
        sys.stderr.write(f"{topic} ...\n")
        sections[topic], good = run_topic(topic, arguments.minutes)
        failed = failed or not good
        if out is not None:
            # After each topic, so that a stop loses one, and on top of what is there by then.
            old = split_sections(out.read_text(encoding="utf-8")) if out.exists() else {}
            merged = {name: (old | sections)[name] for name in there if name in old | sections}
            out.write_text(join_sections(merged), encoding="utf-8")
    if out is None:
        sys.stdout.write(join_sections(sections))
    return 1 if failed else 0


def find_topics(folder: Path) -> list[str]:
    """Names of the modules in the folder that are topics, in the order of the chapters."""
    names = {path.stem for path in folder.glob("*.py")} - NO_TOPIC
    return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else 99, name))


def run_topic(topic: str, minutes: float) -> tuple[str, bool]:
    """Run one topic in a process of its own; return its section and whether it went well."""
    command = [sys.executable, str(HERE / "run.py"), topic, "--child"]
    started = time.monotonic()
    info = ", ".join(f"{key} {value}" for key, value in system_info().items())
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, timeout=60 * minutes, check=False
        )
        problem = "" if done.returncode == 0 else f"exit code {done.returncode}"
        body = done.stdout
    except subprocess.TimeoutExpired:
        problem, body = f"not done after {minutes:g} minutes", ""
    seconds = time.monotonic() - started
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    head = f"Measured {when} in {seconds:.0f} s.\nMachine before the start: {info}.\n"
    if problem:
        return f"{head}\n**This topic failed: {problem}.**\n", False
    return f"{head}\n{body.strip()}\n", True


def print_tables(topic: str) -> int:
    """What the child process does: measure and print."""
    module = importlib.import_module(topic)
    with threadpool_limits(1):
        blocks = module.tables()
    sys.stdout.write("\n".join(block.strip() + "\n" for block in blocks))
    return 0


def split_sections(text: str) -> dict[str, str]:
    """The text under each heading of level 2, by the heading."""
    sections: dict[str, list[str]] = {}
    name = None
    for line in text.split("\n"):
        if line.startswith("## "):
            name = line[3:].strip()
            sections[name] = []
        elif name is not None:
            sections[name].append(line)
    return {name: "\n".join(lines).strip() + "\n" for name, lines in sections.items()}


def join_sections(sections: dict[str, str]) -> str:
    """The whole file."""
    return (
        HEAD
        + summary(sections)
        + "".join(f"\n## {name}\n\n{text}" for name, text in sections.items())
    )


if __name__ == "__main__":
    sys.exit(main())
