"""The Sphinx extension of the book: MathML, nothing from foreign hosts, and how long pages ran."""

import os
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst.states import Inliner
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

from autograder.authoring.outputs import page_seconds
from autograder.authoring.release import wheel_of
from autograder.course import find_course

_log = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the MathML renderer; choose it by `html_math_renderer = "mathml"`."""
    app.add_html_math_renderer("mathml", (_inline_math, None), (_display_math, None))
    app.add_config_value("course_release", None, "env", [str])
    app.add_role("wheel", _wheel)
    app.connect("config-inited", _drop_thebe)
    app.connect("config-inited", _drop_launch_buttons)
    app.connect("build-finished", _tell_page_seconds)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _inline_math(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _display_math(translator: HTML5Translator, node: nodes.math_block) -> None:
    block = tex2mathml(node.astext(), as_block=True)
    translator.body.append(f'<div class="course-math">{block}</div>')
    raise nodes.SkipNode


def _wheel(
    name: str, rawtext: str, text: str, lineno: int, inliner: Inliner, *rest: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Link to the wheel that students install, under the words that stand in the role."""
    env = inliner.document.settings.env
    wheel = wheel_of(find_course(), env.config.course_release)
    target = os.path.relpath(wheel, Path(env.doc2path(env.docname)).parent)
    link = addnodes.download_reference(rawtext, reftarget=target)
    link += nodes.literal(text, text)
    return [link], []


def _drop_thebe(app: Sphinx, config: Any) -> None:
    """Silence sphinx-thebe, which adds a script from a foreign host to every page even when off."""
    for event, listeners in app.events.listeners.items():
        app.events.listeners[event] = [
            listener
            for listener in listeners
            if not listener.handler.__module__.startswith("sphinx_thebe")
        ]
    app.registry.css_files = [
        (name, attributes)
        for name, attributes in app.registry.css_files
        if not name.startswith("sphinx-thebe")
    ]


def _drop_launch_buttons(app: Sphinx, config: Any) -> None:
    """Keep the theme from opening a page's MyST source; `launch` links to the notebook instead."""
    config.html_theme_options.pop("launch_buttons", None)


def _tell_page_seconds(app: Sphinx, exception: Exception | None) -> None:
    for page, seconds in page_seconds(find_course()).items():
        _log.info("finished %s: its code ran in %.1f s", page, seconds)
