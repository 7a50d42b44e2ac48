"""The bars of the library as one table at the top of RESULTS.md.

The figures are read off the tables below it, so that the two cannot disagree; a figure whose table
is not there counts as not measured.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

Row = dict[str, str]
Tables = dict[str, list[Row]]

NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
BLAS, LOOP = "faster than float32", "faster than the first"


class Bar(NamedTuple):
    """A figure and what was asked of it: the rows of a table that match, and one column of them.

    Of several rows the worst counts.
    Without ``least`` and ``most`` the figure is reported and not judged.
    """

    what: str
    topic: str
    table: str  # how its title begins
    rows: Mapping[str, str]
    column: str
    least: float | None = None
    most: float | None = None
    limit: str | None = None  # the column with what theory or the memory allows, if there is one

    @property
    def asked(self) -> str:
        """The bar in words."""
        if self.least is not None:
            return f"{self.least:g} or more"
        return "reported" if self.most is None else f"{self.most:g} or less"

    def worst(self, rows: Sequence[Row]) -> Row:
        """The row whose figure is furthest from the bar."""
        pick = min if self.most is None else max
        return pick(rows, key=lambda row: number(row[self.column]))

    def met(self, cell: str) -> str:
        """Whether the figure itself, not the end of its interval, reaches the bar."""
        if self.least is None and self.most is None:
            return "-"
        value = number(cell)
        above = self.least is None or value >= self.least
        below = self.most is None or value <= self.most
        return "yes" if above and below else "NO"


def summary(sections: Mapping[str, str]) -> str:
    """The table of all bars, from the text of each topic's section."""
    read = {topic: tables_in(text) for topic, text in sections.items()}
    lines = ["| what | bar | reached | met | limit |", "|---|---|---|---|---|"]
    for bar in BARS:
        rows = find(bar, read.get(bar.topic, {}))
        row = bar.worst(rows) if rows else {}
        reached = row.get(bar.column, "not measured")
        met = bar.met(reached) if rows else "NO"
        limit = row.get(bar.limit or "", "-")
        lines.append(f"| {bar.what} | {bar.asked} | {reached} | {met} | {limit} |")
    return "\n".join(lines) + "\n"


def find(bar: Bar, tables: Tables) -> list[Row]:
    """The rows that the bar asks for."""
    return [
        row
        for title, rows in tables.items()
        if title.startswith(bar.table)
        for row in rows
        if bar.column in row and all(row.get(key) == cell for key, cell in bar.rows.items())
    ]


def tables_in(text: str) -> Tables:
    """The tables of a section by their titles; of each the rows by the names of the columns."""
    tables: Tables = {}
    title, columns = "", []
    for line in text.split("\n"):
        if line.startswith("### "):
            title, columns = line[4:], []
        elif line.startswith("| "):
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            if columns:
                tables[title].append(dict(zip(columns, cells, strict=True)))
            else:
                columns, tables[title] = cells, []
    return tables


def number(cell: str) -> float:
    """The first number of a cell; NaN, which meets no bar, where there is none."""
    found = NUMBER.search(cell)
    return float(found.group()) if found else float("nan")


def _int8(layer: str, least: float) -> Bar:
    what = f"int8 weights on one row, {layer}: faster than float32 BLAS"
    rows = {"layer": layer, "how": "int8 weights"}
    return Bar(what, "quantization", "A linear layer on one row", rows, BLAS, least, limit="limit")


def _csr(layer: str, rows: str) -> list[Bar]:
    place = {"layer": layer, "rows": rows}
    here = f"{layer}, {rows} rows" if rows != "1" else f"{layer}, one row"
    return [
        Bar(
            f"CSR at 95 % zeros, {here}: faster than dense",
            "compression",
            "A linear layer without its zeros",
            place | {"zeros": "95 %"},
            "CSR",
            least=1.9,
            limit="limit",
        ),
        Bar(
            f"CSR, {here}: break-even, % zeros",
            "compression",
            "Break-even of CSR",
            place,
            "% zeros",
            most=90,
        ),
    ]


def _cache(model: str, least: float) -> Bar:
    rows = {"model": model, "n": "128", "how": "`KVCache`, compiled"}
    what = f"KV cache, 128 tokens, {model}: faster than without"
    gain, limit = "faster than no cache", "FLOP ratio (limit)"
    return Bar(what, "memoization", "Writing n tokens", rows, gain, least, limit=limit)


def _effect(technique: str, column: str, least: float, what: str) -> Bar:
    rows = {"technique": technique}
    return Bar(f"digits, {technique}: {what}", "effects", "Accuracy of", rows, column, least)


CHANGE, POINTS = "change, points (over seeds)", "points of accuracy"
MEMORY = {"array": "4096x4096, 67.1 MB"}

BARS = (
    _int8("1024x1024", 1.9),
    _int8("4096x4096", 4.8),
    Bar(
        "the same, called again and again",
        "quantization",
        "The same layer again and again",
        {"layer": "4096x4096", "how": "int8 weights"},
        BLAS,
    ),
    Bar(
        "int8 weights, 1024x1024 on 256 rows: faster than float32 BLAS",
        "quantization",
        "The 1024x1024 layer on a batch",
        {"rows": "256"},
        "int8 weights",
    ),
    Bar(
        "8 bits, 784-256-10: bytes held, times fewer",
        "quantization",
        "Bytes of the MLP",
        {"bits": "8"},
        "smaller",
        least=3.9,
    ),
    Bar(
        "half the neurons of 784-256-10 gone, 64 rows: faster",
        "compression",
        "Structured pruning",
        {"neurons gone": "50 %", "rows": "64"},
        "faster",
        least=1.9,
        limit="limit",
    ),
    *_csr("784x256", "1"),
    *_csr("784x256", "64"),
    *_csr("1024x1024", "1"),
    *_csr("1024x1024", "64"),
    _cache("64 wide, 2 layers", 9.9),
    _cache("256 wide, 2 layers", 14.8),
    Bar(
        "KV cache: greedy tokens other than without, of all runs",
        "memoization",
        "Writing n tokens",
        {},
        "other tokens",
        most=0,
    ),
    Bar(
        "GELU from memory, NumPy: faster than naive",
        "acceleration",
        "GELU",
        MEMORY | {"how": "`fused_gelu`, NumPy"},
        LOOP,
        least=3,
    ),
    Bar(
        "bias and ReLU from memory, numba: faster than two passes",
        "acceleration",
        "Bias and ReLU",
        MEMORY | {"how": "`fused_bias_relu`, numba, `out=`"},
        LOOP,
        least=2.5,
    ),
    Bar(
        "layer norm from memory, numba: speed / copy",
        "acceleration",
        "Layer norm",
        {"array": "16384x1024, 67.1 MB", "how": "`fused_layer_norm`, numba, `out=`"},
        "speed / copy",
    ),
    Bar(
        "attention, 1024 causal: faster than with all scores in memory",
        "acceleration",
        "Attention",
        {"n": "1024", "causal": "yes"},
        "faster than `direct_attention`",
    ),
    Bar(
        "tiles by hand on top of BLAS, 512: speed / BLAS",
        "acceleration",
        "Matrix product",
        {"n": "512", "how": "`tiled_matmul` over BLAS, tile 64"},
        "speed / BLAS",
    ),
    Bar(
        "tiles in a compiled loop, 512: faster than the loop without",
        "acceleration",
        "Matrix product",
        {"n": "512", "how": "numba, tiled"},
        "speed / naive numba loop",
    ),
    Bar(
        "training step of 784-256-10, worst batch: times longer than NumPy",
        "overhead",
        "One training step",
        {},
        "times longer than NumPy",
        most=1.5,
    ),
    Bar(
        "forward pass of 10-20-3, worst way: us over NumPy",
        "overhead",
        "One forward pass",
        {"network": "10-20-3"},
        "us over NumPy (quartiles)",
        most=10,
    ),
    Bar(
        "`import tinytorch`: ms beyond NumPy's",
        "overhead",
        "Import",
        {"package": "`tinytorch`"},
        "ms beyond NumPy's (quartiles)",
        most=150,
    ),
    _effect("int8, per channel", CHANGE, -0.2, POINTS),
    _effect("int8, per channel", "weights", 3.99, "bytes of the weights, times fewer"),
    _effect("4 bits, per channel", CHANGE, -1.0, POINTS),
    _effect("80 % pruned, fine-tuned, CSR", CHANGE, -1.0, POINTS),
    _effect("half the neurons, fine-tuned", CHANGE, -1.0, POINTS),
    _effect("half the neurons, fine-tuned", "parameters", 1.99, "parameters, times fewer"),
)
