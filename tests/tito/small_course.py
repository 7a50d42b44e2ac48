"""A course of three chapters of a line each, to drive `tito` through in seconds.

Chapter 15 teaches a package whose parts use each other, and chapter 16 uses what it teaches.
"""

from pathlib import Path

CHAPTER = """---
title: "{number}. {name}"
chapter: {number}_{name}
number: {number}
module: tinytorch.{name}
minutes: [30, 60]
points: {{automatic: {points}, manual: 2}}
objectives:
  - do it.
---

# {number}. {name}

```{{code-cell}} python
#| id: imports
#| needed: before
import math
{imports}
LIMITS = tuple(range(3))
```

```{{code-cell}} python
#| id: experiment
print("an experiment", math.pi)
```

{tasks}

+++ {{"reflect": "why", "points": 2}}

**Question 1.** Why?

=== BEGIN MARK SCHEME ===
2 points: because.
=== END MARK SCHEME ===
"""

TASK = """
```{{code-cell}} python
#| implement: {path}
#| id: {name}
```

```{{code-cell}} python
#| test: test-{name}
#| points: {points}
{test}
```
"""

ADDING = '''"""Chapter 14."""

LIMITS = tuple(range(3))


def add(a: float, b: float) -> float:
    """Return a + b."""
    return a + b + LIMITS[0]
'''

DOUBLING = '''"""Chapter 15's parts."""


def double(x: float) -> float:
    """Return 2 x."""
    return x + x


def quadruple(x: float) -> float:
    """Return 4 x."""
    return double(double(x))
'''

USING = '''"""Chapter 16: its result says whose double it was made with."""


def eight(x: float) -> float:
    """Return 8 x."""
    from tinytorch.doubling import double, quadruple

    return double(quadruple(x))
'''


def task(path, points, test):
    return TASK.format(path=path, name=path.rpartition(".")[2], points=points, test=test)


def write_course(root: Path) -> Path:
    """Write the course's own files below `root` and return it."""
    files = {
        "nbgrader_config.py": (
            "from pathlib import Path\n"
            "from autograder.grading.settings import configure\n"
            "c = get_config()\n"
            "configure(c, root=Path(__file__).resolve().parent)\n"
            'c.CourseDirectory.course_id = "small"\n'
        ),
        "pyproject.toml": (
            '[project]\nname = "small"\nrequires-python = ">=3.11"\ndependencies = ["numpy>=2.0"]\n'
            '[project.optional-dependencies]\ncourse = ["click>=8.1"]\nfast = ["numba>=0.60"]\n'
        ),
        "source_lib/tinytorch/__init__.py": '"""Small."""\n\n__version__ = "0.1.0"\n',
        "source_lib/tinytorch/adding.py": ADDING,
        "source_lib/tinytorch/doubling/__init__.py": (
            "from tinytorch.doubling.parts import double, quadruple\n\n"
            '__all__ = ["double", "quadruple"]\n'
        ),
        "source_lib/tinytorch/doubling/parts.py": DOUBLING,
        "source_lib/tinytorch/using.py": USING,
        "book/references.bib": "",
        "book/chapters/14_adding.md": CHAPTER.format(
            number=14, name="adding", points=3, imports="",
            tasks=task("tinytorch.adding.add", 3,
                       'assert add(1, 2) == 3, f"1 + 2: expected 3, found {add(1, 2)}"'),
        ),
        "book/chapters/15_doubling.md": CHAPTER.format(
            number=15, name="doubling", points=5, imports="from tinytorch.adding import add",
            tasks=task("tinytorch.doubling.double", 2, "assert double(3) == add(3, 3)")
            + task("tinytorch.doubling.quadruple", 3, "assert quadruple(3) == 12"),
        ),
        "book/chapters/16_using.md": CHAPTER.format(
            number=16, name="using", points=1, imports="import tinytorch.doubling",
            tasks=task("tinytorch.using.eight", 1, "assert eight(1) == 8"),
        ),
    }  # fmt: skip
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (root / "source_lib" / "tito").symlink_to(Path(__file__).parents[2] / "source_lib" / "tito")
    return root
