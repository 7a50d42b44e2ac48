"""Links that open a chapter's notebook elsewhere: Binder and Colab, as `_config.yml` says.

The theme has such buttons too, but they open the page's own source, which is MyST text.
"""

from urllib.parse import quote, urlsplit

import yaml

from autograder.course import Course, CourseError


def launch_links(course: Course, chapter: str) -> dict[str, str]:
    """Return the name and the address of each launch link of a chapter's released notebook.

    They are made of `repository` and `launch_buttons` of `_config.yml`; empty without either.
    Raises CourseError for a repository that is not on GitHub, which both services need.
    """
    config = yaml.safe_load((course.root / "_config.yml").read_text(encoding="utf-8"))
    repository, buttons = config.get("repository") or {}, config.get("launch_buttons") or {}
    address = repository.get("url")
    if not address or not buttons:
        return {}
    host, path = urlsplit(address).netloc, urlsplit(address).path.strip("/").removesuffix(".git")
    if host != "github.com" or path.count("/") != 1:
        raise CourseError(
            f"_config.yml, repository.url: expected https://github.com/OWNER/NAME, "
            f"found {address!r}; change it, or remove launch_buttons"
        )
    branch = repository.get("branch", "main")
    notebook = f"assignments/release/{chapter}/{chapter}.ipynb"
    links = {}
    if binder := buttons.get("binderhub_url", "").rstrip("/"):
        links["Binder"] = f"{binder}/v2/gh/{path}/{branch}?urlpath={quote(f'lab/tree/{notebook}')}"
    if colab := buttons.get("colab_url", "").rstrip("/"):
        links["Colab"] = f"{colab}/github/{path}/blob/{branch}/{notebook}"
    return links
