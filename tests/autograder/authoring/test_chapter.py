"""A chapter file is parsed into typed cells, and whatever is wrong in it is said with its place."""

from pathlib import Path
from textwrap import dedent

import pytest

from autograder.authoring import chapter as ch
from autograder.authoring.chapter import ChapterError, parse_chapter
from autograder.authoring.notebook import source_notebook

FRONT = """\
---
title: A chapter
chapter: 20_capstone
number: 20
module: tinytorch.capstone
minutes: [60, 120]
points: {automatic: 3, manual: 2}
objectives: [to test]
---

# A chapter
"""
IMPORTS = """
```{code-cell} python
#| id: imports
import math
```
"""
IMPLEMENT = """
```{code-cell} python
#| implement: tinytorch.capstone.SimpleMLP
#| id: model
```
"""
TEST = """
```{code-cell} python
#| test: works
#| points: 3
#| checks: check_parameter_count
assert True
```
"""
REFLECT = """
+++ {"reflect": "why", "points": 2}

Why?

=== BEGIN MARK SCHEME ===
2 points: because.
=== END MARK SCHEME ===

+++
"""
FILE = Path("20_capstone.md")


def chapter_text(front=FRONT, cells=(IMPORTS, IMPLEMENT, TEST, REFLECT)):
    return front + "".join(dedent(cell) for cell in cells)


def build(text):
    chapter = parse_chapter(text, FILE)
    source_notebook(chapter, str)
    return chapter


def test_a_chapter_is_its_cells_in_order():
    chapter = build(chapter_text())
    assert [type(cell) for cell in chapter.cells] == [
        ch.Prose,
        ch.Code,
        ch.Implement,
        ch.Test,
        ch.Reflect,
    ]
    assert chapter.name == "20_capstone"
    assert chapter.module == "tinytorch.capstone"
    assert chapter.tests[0].checks == ("check_parameter_count",)
    assert chapter.reflections[0].points == 2


MISTAKES = {
    "an object that does not exist": (
        "tinytorch.capstone.SimpleMLP", "tinytorch.capstone.NoSuchThing",
        r"cell 3 \(implement model\): the library has no object",
    ),
    "a module that does not exist": (
        "tinytorch.capstone.SimpleMLP", "tinytorch.nowhere.SimpleMLP",
        r"cell 3 \(implement model\): the library has no object",
    ),
    "a value that is no class or function": (
        "tinytorch.capstone.SimpleMLP", "tinytorch.capstone.__name__",
        r"cell 3 \(implement model\): the library has no object",
    ),
    "a function that the object has not": (
        "#| id: model", "#| id: model\n#| write: SimpleMLP.backward",
        "'SimpleMLP.backward' is to be written by students",
    ),
    "a check that does not exist": (
        "check_parameter_count", "check_nothing",
        r"cell 4 \(test works\): ch20_capstone.py has no check 'check_nothing'",
    ),
    "an id taken twice": (
        "#| test: works", "#| test: model",
        r"cell 4 \(test model\): the id 'model' is taken by cell 3",
    ),
    "an id taken by a given cell": (
        "#| test: works", "#| test: imports",
        r"cell 4 \(test imports\): the id 'imports' is taken by cell 2",
    ),
    "test points that do not add up": (
        "automatic: 3", "automatic: 5",
        "front matter: points.automatic says 5, but the cells add up to 3",
    ),
    "manual points that do not add up": (
        "manual: 2", "manual: 0",
        "front matter: points.manual says 0, but the cells add up to 2",
    ),
    "no points": ("#| points: 3", "#| points: 0", "points must be a number above 0, found 0"),
    "points in words": ("#| points: 3", "#| points: three", "found 'three'"),
    "a needed cell that would not come back": (
        "#| id: imports\n", "#| needed: before\n",
        r"cell 2: tests need it, so it must come back when deleted",
    ),
    "an unknown option": ("#| points: 3", "#| point: 3", "unknown option 'point'"),
    "options that are not YAML": ("#| points: 3", "#| points: [3", "its options are not YAML"),
    "checks that are no list of names": ("check_parameter_count", "3", "must be a name or a list"),
    "an implement cell without an id": ("#| id: model\n", "", "it has no id"),
    "an implement cell with code": (
        "#| id: model", "#| id: model\nprint(1)", "it has code of its own",
    ),
    "a question without a mark scheme": (
        "=== BEGIN MARK SCHEME ===\n", "", r"cell 5 \(reflect why\): it has no mark scheme",
    ),
    "another chapter's name": ("chapter: 20_capstone", "chapter: 19_other", "must be the file's"),
    "no title": ("# A chapter", "A chapter", "a chapter begins with its title"),
    "no module": ("module: tinytorch.capstone\n", "", "'module' is missing"),
}  # fmt: skip


@pytest.mark.parametrize(("find", "new", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_file_and_cell(find, new, message):
    text = chapter_text()
    assert find in text
    with pytest.raises(ChapterError, match=message) as caught:
        build(text.replace(find, new))
    assert str(caught.value).startswith("20_capstone.md, ")
    assert "\n" not in str(caught.value)


def test_a_test_before_any_task_is_refused():
    with pytest.raises(ChapterError, match=r"cell 3 \(test works\): no implement cell"):
        build(chapter_text(cells=(IMPORTS, TEST, IMPLEMENT, REFLECT)))
