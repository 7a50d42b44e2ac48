"""The launch links of a chapter open its released notebook in the repository of `_config.yml`."""

from urllib.parse import unquote

import pytest

from autograder.authoring.launch import launch_links
from autograder.course import Course, CourseError

CONFIG = """
repository: {{url: {url}, branch: spring}}
launch_buttons: {{binderhub_url: https://binder.example/, colab_url: https://colab.example}}
"""


@pytest.fixture
def links_of(tmp_path):
    def links(config):
        (tmp_path / "_config.yml").write_text(config, encoding="utf-8")
        return launch_links(Course(tmp_path), "15_quantization")

    return links


@pytest.mark.parametrize("url", ["https://github.com/a/b", "https://github.com/a/b.git"])
def test_they_are_made_of_the_configuration(links_of, url):
    found = links_of(CONFIG.format(url=url))
    notebook = "assignments/release/15_quantization/15_quantization.ipynb"
    assert found["Colab"] == f"https://colab.example/github/a/b/blob/spring/{notebook}"
    binder, _, asked = found["Binder"].partition("?urlpath=")
    assert binder == "https://binder.example/v2/gh/a/b/spring"
    assert unquote(asked) == f"lab/tree/{notebook}"


@pytest.mark.parametrize("config", ["title: x", "repository: {url: https://github.com/a/b}"])
def test_without_a_repository_or_a_service_there_are_none(links_of, config):
    assert links_of(config) == {}


def test_a_repository_that_the_services_cannot_open_is_named(links_of):
    with pytest.raises(CourseError, match=r"_config.yml, repository.url: expected https://github"):
        links_of(CONFIG.format(url="https://example.org/a/b"))


def test_the_course_s_own_lead_to_files_that_are_there(course):
    for name in course.chapter_names():
        links = launch_links(course, name)
        assert set(links) == {"Binder", "Colab"}
        for address in links.values():
            path = unquote(address).partition("assignments/")[2]
            assert (course.assignments / path).is_file()
