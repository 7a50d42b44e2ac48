"""A chapter has one id, the same in every room of the course."""

import re
import tomllib

from autograder.authoring.chapter import read_chapter
from autograder.authoring.hidden import checks_file


def test_every_chapter_has_its_file_in_every_room(course):
    contents = (course.root / "book" / "_toc.yml").read_text(encoding="utf-8")
    listed = re.findall(r"file: chapters/(\w+)", contents)
    assert listed == course.chapter_names()
    for name in listed:
        front = read_chapter(course.chapter_file(name)).front
        assert name.startswith(f"{front['number']:02d}_")
        assert checks_file(name).is_file()
        assert (course.root / "tests" / "checks" / name / "mutants.toml").is_file()
        assert (course.assignments / "release" / name / f"{name}.ipynb").is_file()


def test_the_index_gives_each_chapter_its_hours_and_points(course):
    index = (course.root / "book" / "index.md").read_text(encoding="utf-8")
    for name in course.chapter_names():
        front = read_chapter(course.chapter_file(name)).front
        (row,) = [line for line in index.split("\n") if f"chapters/{name}.md" in line]
        low, high = (f"{minutes / 60:g}" for minutes in front["minutes"])
        assert f"| {low} to {high} | {sum(front['points'].values())} |" in row


def test_the_locked_set_up_has_every_dependency(course):
    project = tomllib.loads((course.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += extra
    names = {re.split(r"[<>=\[]", name)[0].lower().replace("_", "-") for name in wanted}
    locked = (course.root / "requirements.txt").read_text(encoding="utf-8")
    there = {line.partition("==")[0].lower().replace("_", "-") for line in locked.split()}
    assert names <= there
