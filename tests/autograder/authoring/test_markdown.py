"""MyST prose becomes Markdown that JupyterLab and Colab render, or is refused."""

import pytest
from pybtex.database import parse_string

from autograder.authoring.markdown import MarkdownError, listing, lower, lowering

BIB = parse_string(
    """
    @article{one, author = {Ada Lovelace}, title = {Notes}, year = 1843, journal = {Memoirs}}
    @article{two, author = {A. van Ba and C. De}, title = {The {RISC} Way}, year = 1980}
    @article{many, author = {A. One and B. Two and C. Three}, title = {More}, year = 2001,
             doi = {10.1/x}}
    """,
    "bibtex",
).entries

EXAMPLES = {
    "plain text stays": ("# Hi\n\n$x$, `{a}`, $$y$$", "# Hi\n\n$x$, `{a}`, $$y$$"),
    "a note": ("```{note}\nMind *this*.\n```", "> **Note**\n>\n> Mind *this*."),
    "a titled admonition": ("```{admonition} Read me\nBody\n```", "> **Read me**\n>\n> Body"),
    "a colon fence": (":::{tip}\nBody\n:::", "> **Tip**\n>\n> Body"),
    "a folded hint": (
        "```{dropdown} Hint\nTry `np.sum`.\n```",
        "<details>\n<summary>Hint</summary>\n\nTry `np.sum`.\n\n</details>",
    ),
    "a folded admonition": (
        "```{admonition} More\n:class: dropdown\n\nBody\n```",
        "<details>\n<summary>More</summary>\n\nBody\n\n</details>",
    ),
    "maths": ("```{math}\n:label: eq\nx = 1\n```", "$$\nx = 1\n$$"),
    "inline maths": ("{math}`x^2`", "$x^2$"),
    "one in another": (
        "````{note}\nBefore\n```{math}\nx\n```\n````", "> **Note**\n>\n> Before\n> $$\n> x\n> $$"
    ),
    "a citation": ("{cite:p}`one`", "(Lovelace, 1843)"),
    "two authors": ("{cite:t}`two`", "van Ba and De, 1980"),
    "many authors, two works": ("{cite:p}`many,one`", "(One et al., 2001; Lovelace, 1843)"),
    "a page": ("{doc}`the start <../start>`", "the start"),
    "a target": ("(here)=\n## Title", "## Title"),
    "a comment": ("a\n% nobody reads this\nb", "a\nb"),
    "ordinary code": ("```python\nx = {1}\n```", "```python\nx = {1}\n```"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), EXAMPLES.values(), ids=EXAMPLES)
def test_each_form_has_its_plain_twin(text, expected):
    assert lower(text, BIB) == expected


def test_a_bibliography_lists_what_was_cited(tmp_path):
    file = tmp_path / "references.bib"
    file.write_text(
        parse_string("@book{b, author={B. Bee}, title={Bees}, year=1}", "bibtex").to_string(
            "bibtex"
        )
        + "@book{c, author={C. Cee}, title={Seas}, year=2}"
    )
    text = "{cite:p}`b`\n\n```{bibliography}\n```"
    assert lowering(file, text)("```{bibliography}\n```") == "- Bee, 1. *Bees*. "


def test_a_page_keeps_all_directives_but_the_bibliography(tmp_path):
    file = tmp_path / "references.bib"
    file.write_text("@book{b, author={Ann Bee}, title={Bees}, year={1}}", encoding="utf-8")
    text = "{cite:p}`b`\n\n```{note}\nA word.\n```\n\n```{bibliography}\n```"
    assert listing(file, text)(text) == text.replace("```{bibliography}\n```", "- Bee, 1. *Bees*. ")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("```{figure} x.png\n```", "{figure}"),
        ("{eq}`one`", "{eq}"),
        ("{cite:p}`nobody`", "'nobody'"),
    ],
)
def test_what_has_no_plain_form_is_refused_by_name(text, named):
    with pytest.raises(MarkdownError, match=named):
        lower(text, BIB)
