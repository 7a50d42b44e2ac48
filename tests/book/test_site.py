"""The built site, as a reader's browser has it: whole, quiet, at home, and without secrets."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from playwright.sync_api import sync_playwright

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("site")]
CHAPTER = "chapters/20_capstone.html"
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


def test_the_page_s_notebook_is_the_release(course, site):
    (download,) = site.glob("_downloads/*/20_capstone.ipynb")
    release = course.assignments / "release" / "20_capstone" / "20_capstone.ipynb"
    assert download.read_bytes() == release.read_bytes()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_chapter_in_a_browser(site, browser, scheme, width):
    """No foreign request, no error, nothing wider than the screen, figures and formulas shown."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    foreign, errors = [], []
    page.on("request", lambda r: foreign.append(r.url) if r.url.startswith("http") else None)
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((site / CHAPTER).as_uri())
    page.wait_for_load_state("networkidle")

    assert foreign == []
    assert errors == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    figures = page.locator("div.cell_output img")
    assert figures.count() >= 5
    for figure in figures.all():
        assert figure.evaluate("image => image.naturalWidth") > 100
        assert len(figure.get_attribute("alt") or "") > 20
    formulas = page.locator("math")
    assert formulas.count() > 20
    assert all(formula.bounding_box()["width"] > 3 for formula in formulas.all()[:20])
    page.close()


def test_the_chapter_shows_stubs_tests_questions_and_measured_outputs(site, browser):
    page = browser.new_page()
    page.goto((site / CHAPTER).as_uri())
    text = page.locator("article").inner_text()
    assert text.count("# YOUR CODE HERE") >= 10
    assert "# Test mlp-parameters (2 points)" in text
    assert "Question 5: ratios or milliseconds." in text
    assert "MARK SCHEME" not in text
    assert re.search(r"100 runs each: more than 5 % off in \d+% of 200 trials", text)
    assert page.locator("details, .sd-dropdown").count() >= 5
    page.close()


def test_search_finds_the_chapter(site, browser):
    page = browser.new_page()
    page.goto((site / "search.html").as_uri() + "?q=speedup")
    page.wait_for_selector("#search-results li", timeout=20_000)
    assert "Capstone" in page.locator("#search-results").inner_text()
    page.close()
