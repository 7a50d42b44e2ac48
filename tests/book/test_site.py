"""The built site, as a reader's browser has it: whole, quiet, at home, and without secrets."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from playwright.sync_api import sync_playwright

from autograder.authoring.chapter import read_chapter
from autograder.course import find_course

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("site")]
COURSE = find_course(Path(__file__))
CHAPTERS = COURSE.chapter_names()
FOUNDATION = "appendix/foundation"
# (light, wide) is how most people read; the others are looked at on a chapter and the lesson.
VIEWS = [(f"chapters/{name}", "light", 1280) for name in CHAPTERS] + [
    (page, scheme, width)
    for page in (f"chapters/{CHAPTERS[-1]}", FOUNDATION, "index")
    for scheme, width in (("dark", 1280), ("light", 390), ("dark", 390))
]
CHROMIUM = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def site(course):
    folder = course.build / "site" / "_build" / "html"
    assert (folder / "index.html").is_file(), "there is no site; 'make book' builds it"
    return folder


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        yield chromium
        chromium.close()


class Links(HTMLParser):
    """Collects what a page refers to and what can be referred to in it."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.targets.append(value)
            if name == "id":
                self.anchors.add(value)


def pages(site):
    return [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]


def test_every_link_leads_somewhere(site):
    """Links to other hosts are only looked at for their form: there may be no network here."""
    parsed = {path: Links(path.read_text(encoding="utf-8")) for path in pages(site)}
    broken = []
    for path, links in parsed.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                assert parts.scheme in ("https", "http", "data", "mailto"), target
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = parsed[there].anchors if there in parsed else None
            if not there.exists() or (parts.fragment and anchors and parts.fragment not in anchors):
                broken.append(f"{path.name}: {target}")
    assert broken == []


def test_no_page_search_index_or_download_gives_a_secret_away(site, leaks, text_of):
    searched = 0
    for path in site.rglob("*"):
        if path.suffix == ".ipynb":
            assert leaks(text_of(nbformat.read(path, 4))) == [], path
        elif path.suffix in (".html", ".js", ".json", ".txt", ".md", ".py", ".ipynb"):
            assert leaks(path.read_text(encoding="utf-8")) == [], path
            searched += 1
    assert searched > 5


def test_chapter_sources_are_not_published(site):
    assert not (site / "_sources").exists()
    assert not list(site.rglob("*.md"))


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_page_s_notebook_is_the_release(site, name):
    (download,) = site.glob(f"_downloads/*/{name}.ipynb")
    release = COURSE.assignments / "release" / name / f"{name}.ipynb"
    assert download.read_bytes() == release.read_bytes()


@pytest.mark.parametrize(("name", "scheme", "width"), VIEWS)
def test_a_page_in_a_browser(site, browser, name, scheme, width):
    """No foreign request, no error, nothing wider than the screen, figures with words for them."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    foreign, errors = [], []
    page.on("request", lambda r: foreign.append(r.url) if r.url.startswith("http") else None)
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((site / f"{name}.html").as_uri())
    page.wait_for_load_state("networkidle")

    assert foreign == []
    assert errors == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for figure in page.locator("div.cell_output img").all():
        assert figure.evaluate("image => image.naturalWidth") > 100
        assert len(figure.get_attribute("alt") or "") > 20
    for formula in page.locator("math").all()[:20]:
        assert formula.bounding_box()["width"] > 3
    page.close()


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_shows_figures_stubs_tests_questions_and_ways_to_work(site, browser, name):
    chapter = read_chapter(COURSE.chapter_file(name))
    page = browser.new_page()
    page.goto((site / f"chapters/{name}.html").as_uri())
    text = page.locator("article").inner_text()
    assert page.locator("div.cell_output img").count() >= 4
    assert page.locator("math").count() > 10
    assert page.locator("details, .sd-dropdown").count() >= 5
    assert page.locator("a.launch").count() == 2
    assert text.count("# YOUR CODE HERE") >= 6
    for test in chapter.tests:
        assert f"# Test {test.id} (" in text
    assert len(chapter.reflections) >= 4
    for number in range(1, len(chapter.reflections) + 1):
        assert f"Question {number}" in text
    assert "MARK SCHEME" not in text
    page.close()


def test_a_measured_number_is_on_the_page(site, browser):
    page = browser.new_page()
    page.goto((site / "chapters/20_capstone.html").as_uri())
    text = page.locator("article").inner_text()
    assert re.search(r"100 runs each: more than 5 % off in \d+% of 200 trials", text)
    page.close()


def test_a_figure_is_dark_on_a_dark_page(site, browser):
    """Its corner, which is white in the file, is dark on the screen."""
    page = browser.new_page(color_scheme="dark")
    page.goto((site / "chapters/20_capstone.html").as_uri())
    figure = page.locator("div.cell_output img").first
    assert "invert" in figure.evaluate("image => getComputedStyle(image).filter")
    page.close()


def test_search_finds_the_chapter(site, browser):
    page = browser.new_page()
    page.goto((site / "search.html").as_uri() + "?q=speedup")
    page.wait_for_selector("#search-results li", timeout=20_000)
    assert "Capstone" in page.locator("#search-results").inner_text()
    page.close()
