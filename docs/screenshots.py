"""Make the pictures of the README from the built site and the graded sample class.

Run after `make demo`, by `make screenshots`.
"""

import os
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console

from autograder.grading.report import print_rows, rows

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--headless", "--no-sandbox"]
        )
        picture_of_the_chapter(browser)
        picture_of_the_grades(browser)
        browser.close()


def picture_of_the_chapter(browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    site = ROOT / "build" / "site" / "_build" / "html"
    page.goto((site / "chapters" / "20_capstone.html").as_uri())
    figure = page.locator("div.cell_output img").first
    figure.evaluate("image => image.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(500)
    page.screenshot(path=IMAGES / "chapter.png")


def picture_of_the_grades(browser: Browser) -> None:
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=90, file=nowhere)
        print_rows("20_capstone", rows(ROOT / "build" / "demo", "20_capstone"), console)
    page = browser.new_page(viewport={"width": 860, "height": 100})
    page.set_content(f"<pre style='font: 13px/1.25 monospace'>{console.export_text()}</pre>")
    page.screenshot(path=IMAGES / "grades.png", full_page=True)


if __name__ == "__main__":
    main()
