"""Rows of figures as a Markdown table."""

from collections.abc import Mapping, Sequence

Row = Mapping[str, object]


def markdown_table(rows: Sequence[Row], columns: Sequence[str] | None = None) -> str:
    """The rows as a Markdown table, one line a row, headed by the names of the columns.

    Without `columns` they are the keys of the first row.
    Figures have four significant digits; a value that is missing or None is a dash.
    Raises ValueError without rows, when there are no columns to take from the first.

    >>> print(markdown_table([{"model": "mlp", "ms": 0.123456}, {"model": "cnn", "ms": None}]))
    | model | ms |
    |---|---|
    | mlp | 0.1235 |
    | cnn | - |
    """
    if columns is None:
        if not rows:
            raise ValueError("A table without rows needs the names of its columns.")
        columns = list(rows[0])
    lines = [_line(columns), "|" + "---|" * len(columns)]
    lines += [_line([_cell(row.get(column)) for column in columns]) for row in rows]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")
