"""What a page shows of a submission: words and pictures, and nothing that a browser would run.

The formgrader shows what a student wrote and displayed in the session of the person who grades,
where a script could give points by the same address as the page does; feedback is opened from a
disk or a learning platform.
"""

import base64
import re
from typing import Any

import bleach  # type: ignore[import-untyped]
from bleach.css_sanitizer import CSSSanitizer  # type: ignore[import-untyped]
from jinja2 import pass_context
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import Preprocessor
from nbformat.notebooknode import NotebookNode, from_dict

TAGS = frozenset(
    "a abbr b blockquote br caption center code col colgroup dd del details div dl dt em "
    "figcaption figure h1 h2 h3 h4 h5 h6 hr i img kbd li mark ol p pre s small span strong sub "
    "summary sup table tbody td tfoot th thead tr u ul".split()
)
ATTRIBUTES = frozenset(
    "align alt border colspan height rowspan scope start style title valign width".split()
)
# Of pandas, of notes in prose and of highlighted code; others could be taken for the page's own.
CLASSES = re.compile(r"(dataframe|alert( alert-[a-z]+)?|highlight( hl-\w+)?|[a-z][a-z0-9]{0,2})?")
PICTURES = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]*")
PROTOCOLS = ("http", "https", "mailto", "data")  # data of pictures only: see `_allowed`
ENCODED = re.compile(r"[A-Za-z0-9+/=\s]*")
WORDS = ("text/plain", "text/latex", "text/markdown")
IMAGES = ("image/png", "image/jpeg")
NOT_SHOWN = re.compile(r"<(script|style)\b.*?(</\1\s*>|$)", re.DOTALL | re.IGNORECASE)


class HarmlessPage(Preprocessor):
    """A preprocessor of the exporter that makes pages, of feedback and of the formgrader."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        nb.metadata = from_dict({"language_info": {"name": "python"}})
        for cell in nb.cells:
            cell.metadata = from_dict({k: v for k, v in cell.metadata.items() if k == "nbgrader"})
            if cell.cell_type == "raw":
                cell.cell_type = "markdown"  # which shows no markup that `harmless` does not know
            if cell.cell_type == "code":
                cell.execution_count = _count(cell.execution_count)
                cell.outputs = [harmless_output(output) for output in cell.outputs]
        return nb, resources


@pass_context
def harmless_markdown(context: Any, source: str) -> str:
    """Return Markdown as HTML, as nbconvert makes it, less what a browser would run."""
    attachments = context.get("cell", {}).get("attachments", {})
    renderer = IPythonRenderer(escape=False, attachments=attachments)
    return harmless(str(MarkdownWithMath(renderer=renderer).render(source)))


def harmless(html: str) -> str:
    """Return HTML with the tags, attributes and addresses that show words and pictures."""
    return bleach.clean(
        NOT_SHOWN.sub("", html),
        tags=TAGS,
        attributes=_allowed,
        protocols=PROTOCOLS,
        css_sanitizer=CSSSanitizer(),
        strip=True,
    )


def harmless_output(output: NotebookNode) -> NotebookNode:
    """Return an output of a cell with what of it can be shown."""
    if output.output_type == "stream":
        name = "stderr" if output.name == "stderr" else "stdout"
        return from_dict({"output_type": "stream", "name": name, "text": str(output.text)})
    if output.output_type == "error":
        return output
    data = {kind: text for kind, text in output.data.items() if isinstance(text, str)}
    shown = {kind: data[kind] for kind in WORDS if kind in data}
    shown |= {kind: data[kind] for kind in IMAGES if ENCODED.fullmatch(data.get(kind, "?"))}
    if "text/html" in data:
        shown["text/html"] = harmless(data["text/html"])
    elif "image/svg+xml" in data:  # as a picture, in which no script runs
        encoded = base64.b64encode(data["image/svg+xml"].encode(errors="replace")).decode()
        shown["text/html"] = f'<img src="data:image/svg+xml;base64,{encoded}"/>'
    if not shown:
        shown["text/plain"] = f"[not shown here: {', '.join(sorted(output.data))[:200]}]"
    sizes = {kind: _sizes(output.metadata.get(kind)) for kind in IMAGES if kind in shown}
    made = {"output_type": output.output_type, "data": shown, "metadata": sizes}
    if output.output_type == "execute_result":
        made["execution_count"] = _count(output.get("execution_count"))
    return from_dict(made)


def _allowed(tag: str, name: str, value: str) -> bool:
    if name == "class":
        return CLASSES.fullmatch(value) is not None
    if name in ("href", "src") and value.strip().lower().startswith("data:"):
        return (tag, name) == ("img", "src") and PICTURES.fullmatch(value) is not None
    return name in ATTRIBUTES or (tag, name) in (("a", "href"), ("img", "src"))


def _sizes(metadata: Any) -> dict[str, int]:
    found = metadata if isinstance(metadata, dict) else {}
    return {k: v for k, v in found.items() if k in ("width", "height") and type(v) is int}


def _count(value: Any) -> int | None:
    return value if type(value) is int else None
