"""Pages of feedback and of the formgrader show what students made, and run none of it."""

import copy
from pathlib import Path

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbgrader.server_extensions.formgrader import handlers
from traitlets.config import Config

from autograder.grading.settings import configure

TEMPLATES = Path(handlers.template_path)
STYLES = TEMPLATES.parent / "static/node_modules/bootstrap/dist/css"
RESOURCES = {
    "feedback": {"nbgrader": {"notebook": "hw", "score": 1, "max_score": 2, "late_penalty": 0}},
    "formgrade": {"notebook_id": "hw", "assignment_id": "hw", "submission_id": "1", "index": 0,
                  "total": 1, "base_url": "", "last_name": "L", "first_name": "A", "student": "a",
                  "mathjax_url": "", "my_path": ""},
}  # fmt: skip
RUN = "<script>run()</script>"
PNG = "iVBORw0KGgo="
HARMFUL = {
    "html": {"text/html": f"<b>{RUN}</b>"},
    "html with a handler": {"text/html": "<img src=x onerror=run()>"},
    "html with an address": {"text/html": "<a href='javascript:run()'>here</a>"},
    "html with a page for an address": {"text/html": "<a href='data:text/html,run()'>here</a>"},
    "html with a frame": {"text/html": "<iframe srcdoc='run()'></iframe>"},
    "html with a form": {"text/html": "<form action=run()><input name=run()></form>"},
    "html with an id of the page's": {"text/html": "<div id='run()' class='run() score'></div>"},
    "javascript": {"application/javascript": "run()"},
    "svg": {"image/svg+xml": "<svg onload='run()'></svg>"},
    "markdown": {"text/markdown": f"**{RUN}** <img src=x onerror=run()>"},
    "latex": {"text/latex": f"$x$ {RUN}"},
    "a picture that is none": {"image/png": f"'>{RUN}"},
    "a widget": {"application/vnd.jupyter.widget-view+json": {"model_id": f"'>{RUN}"}},
    "a diagram": {"text/vnd.mermaid": RUN},
}  # fmt: skip


@pytest.fixture(params=["feedback", "formgrade"])
def page_of(request, tmp_path):
    config = Config()
    configure(config, tmp_path)
    config.HTMLExporter.template_name = request.param
    config.HTMLExporter.extra_template_basedirs = [str(TEMPLATES)]
    config.HTMLExporter.extra_template_paths = [str(STYLES)]
    exporter = HTMLExporter(config=config)

    def page(*cells, **metadata):
        notebook = nbformat.v4.new_notebook(cells=list(cells), metadata=metadata)
        resources = copy.deepcopy(RESOURCES[request.param])
        html, _ = exporter.from_notebook_node(notebook, resources=resources)
        return html[html.index("<body") :]

    return page


def displayed(data, **metadata):
    output = nbformat.v4.new_output("display_data", data, metadata=metadata)
    return nbformat.v4.new_code_cell("show()", outputs=[output])


def runs(page):
    """Return a part of the page that a browser would run: `run()` where it is no text."""
    shown = page.replace("&lt;script&gt;run()", "").replace("&lt;img src=x onerror=run()", "")
    place = shown.find("run()")
    return shown[max(0, place - 60) : place + 20] if place >= 0 else ""


@pytest.mark.parametrize("kind", HARMFUL)
def test_what_is_displayed_runs_nothing(page_of, kind):
    assert runs(page_of(displayed(HARMFUL[kind]))) == ""


def test_without_the_settings_it_would_run(tmp_path):
    """The negative twin."""
    exporter = HTMLExporter(template_name="classic")
    html, _ = exporter.from_notebook_node(
        nbformat.v4.new_notebook(cells=[displayed(HARMFUL["html"])])
    )
    assert runs(html)


@pytest.mark.parametrize("kind", ["markdown", "raw"])
@pytest.mark.parametrize("text", [RUN, "<img src=x onerror=run()>", "[here](javascript:run())"])
def test_prose_runs_nothing(page_of, kind, text):
    cell = getattr(nbformat.v4, f"new_{kind}_cell")(f"Answer: {text}")
    page = page_of(cell)
    assert runs(page) == ""
    assert "Answer" in page


def test_nothing_beside_the_data_of_an_output_runs(page_of):
    cell = displayed({"image/png": PNG}, **{"image/png": {"width": "1 onload=run()"}})
    cell.metadata.tags = ["'><b onclick=run()>"]
    stream = nbformat.v4.new_output("stream", name="stdout", text="hello")
    stream.name = "'><b onclick=run()>"
    error = nbformat.v4.new_output("error", ename=RUN, evalue=RUN, traceback=[RUN])
    cell.outputs += [stream, error]
    page = page_of(cell, title=RUN)
    assert runs(page) == ""
    assert "hello" in page


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({"text/plain": "a < b"}, "a &lt; b"),
        ({"text/html": "<table class='dataframe'><tr><td>7</td></tr></table>"}, "<td>7</td>"),
        ({"text/html": "<style>p {color: red}</style><p style='color: red'>x</p>"}, "color: red"),
        ({"image/png": PNG}, PNG),
        ({"image/svg+xml": "<svg/>"}, "data:image/svg+xml;base64,PHN2Zy8+"),
        ({"text/latex": "$a$"}, "$a$"),
    ],
)  # fmt: skip
def test_what_students_display_is_shown(page_of, data, wanted):
    assert wanted in page_of(displayed(data))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$a < b$ and `x < y`", "<code>x &lt; y</code>"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "<td>1</td>"),
        ("```python\nx = 1\n```", 'class="highlight'),
        ("![plot](plot.png)", 'src="plot.png"'),
        ("<div class='alert alert-info'>note</div>", 'class="alert alert-info"'),
        ("[page](https://example.org)", 'href="https://example.org"'),
        ("A **strong** word", "<strong>strong</strong>"),
    ],
)  # fmt: skip
def test_prose_is_shown(page_of, text, wanted):
    assert wanted in page_of(nbformat.v4.new_markdown_cell(text))


def test_an_attached_picture_is_shown(page_of):
    cell = nbformat.v4.new_markdown_cell("![x](attachment:x.png)")
    cell.attachments = {"x.png": {"image/png": PNG}}
    assert f"data:image/png;base64,{PNG}" in page_of(cell)
