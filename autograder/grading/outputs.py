"""What a graded notebook shows: verdicts on tests, and outputs up to a limit."""

from typing import Any

from nbformat.notebooknode import NotebookNode

MAX_MESSAGES = 5_000
KEPT_TYPES = ("stream", "display_data", "execute_result", "update_display_data", "error")


class Allowance:
    """How much output a notebook may still send."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.messages = MAX_MESSAGES

    def spent_by(self, message: dict[str, Any]) -> bool:
        """Count a message; tell whether it is over the allowance and has to be left out."""
        if message["msg_type"] not in KEPT_TYPES:
            return False
        self.messages -= 1
        if self.messages >= 0 and self.size > 0:
            self.size -= size_of(message["content"])
        return self.messages < 0 or self.size <= 0


def size_of(content: Any) -> int:
    """Return about how many characters there are in JSON data."""
    if isinstance(content, dict):
        return sum(len(str(key)) + size_of(value) for key, value in content.items())
    if isinstance(content, list):
        return sum(map(size_of, content))
    return len(content) if isinstance(content, str) else 8


def is_test(cell: NotebookNode) -> bool:
    """Tell whether nbgrader gives points for running this cell."""
    nbgrader = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and bool(nbgrader.get("grade")) and not nbgrader.get("solution")


def verdict_outputs(verdict: dict[str, Any]) -> list[NotebookNode]:
    """Return a verdict of the checker as the outputs that nbgrader scores and students read."""
    if verdict["passed"]:
        if verdict.get("result") is None:
            return []
        data = NotebookNode({"text/plain": verdict["result"]})
        result = NotebookNode(output_type="execute_result", execution_count=None)
        result.update(data=data, metadata=NotebookNode())
        return [result]
    name, message, line = verdict["ename"], verdict["evalue"], verdict.get("line")
    text = [f"in the line: {line}"] if line else []
    text.append(f"{name}: {message}" if message else name)
    return [NotebookNode(output_type="error", ename=name, evalue=message, traceback=text)]


def describe(cell: NotebookNode) -> str:
    """Return how a person finds the cell: its nbgrader id, or its first line."""
    grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
    if grade_id:
        return f"cell '{grade_id}'"
    line = cell.source.split("\n")[0][:60]
    shown = "".join(c if c.isprintable() else "?" for c in line)  # it is printed on a terminal
    return f"the cell '{shown}'"
