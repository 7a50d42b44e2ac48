"""MyST prose as the plain Markdown that JupyterLab and Colab render."""

import re
from collections.abc import Callable
from pathlib import Path

from pybtex.database import Entry, Person, parse_file

FENCE = re.compile(
    r"^(?P<ticks>`{3,}|:{3,})\{(?P<name>[\w:-]+)\}[ \t]*(?P<argument>.*?)\n"
    r"(?P<body>.*?)^(?P=ticks)[ \t]*$",
    re.DOTALL | re.MULTILINE,
)
OPTION = re.compile(r"^:([\w-]+):[ \t]*(.*)$")
ROLE = re.compile(r"\{(?P<name>[\w:-]+)\}`(?P<text>[^`]+)`")
CALLOUTS = {
    "note": "Note",
    "tip": "Tip",
    "hint": "Hint",
    "important": "Important",
    "warning": "Warning",
    "seealso": "See also",
}


class MarkdownError(ValueError):
    """Prose uses a directive or role that has no plain Markdown form here."""


def lowering(bibliography: Path, chapter_text: str) -> Callable[[str], str]:
    """Return the function that lowers a chapter's prose, with the BibTeX entries it cites."""
    known = _cited(bibliography, chapter_text)
    return lambda text: lower(text, known)


def listing(bibliography: Path, page_text: str) -> Callable[[str], str]:
    """Return the function that writes a page's references where its text asks for them.

    The page keeps all other directives. Sphinx would take a work that two pages cite for a
    duplicate if each had a bibliography of its own; its one bibliography is a page by itself.
    """
    known = _cited(bibliography, page_text)

    def listed(match: re.Match[str]) -> str:
        return _references(known) if match["name"] == "bibliography" else match[0]

    return lambda text: FENCE.sub(listed, text)


def _cited(bibliography: Path, page_text: str) -> dict[str, Entry]:
    entries = parse_file(str(bibliography)).entries if bibliography.is_file() else {}
    cited = {
        key.strip()
        for match in ROLE.finditer(page_text)
        if match["name"].startswith("cite")
        for key in match["text"].split(",")
    }
    return {key: entry for key, entry in entries.items() if key in cited}


def lower(text: str, entries: dict[str, Entry] | None = None) -> str:
    """Turn directives and roles of MyST text into CommonMark.

    Callouts become quotations, folded ones `<details>`, maths `$$`, citations "Author (year)".
    Raises MarkdownError naming a directive or role that it does not know.
    """
    known = entries or {}
    text = FENCE.sub(lambda match: _directive(match, known), text)
    text = ROLE.sub(lambda match: _role(match["name"], match["text"], known), text)
    text = re.sub(r"^\([\w-]+\)=\n", "", text, flags=re.MULTILINE)
    return re.sub(r"^% .*\n?", "", text, flags=re.MULTILINE)


def _directive(match: re.Match[str], entries: dict[str, Entry]) -> str:
    name, argument = match["name"], match["argument"].strip()
    options, body = _options(match["body"])
    body = lower(body, entries).strip("\n")
    folded = "dropdown" in options.get("class", "") or name == "dropdown"
    if name == "math":
        return f"$$\n{body}\n$$"
    if name == "bibliography":
        return _references(entries)
    if name in ("admonition", "dropdown") or name in CALLOUTS:
        title = argument if name in ("admonition", "dropdown") else CALLOUTS[name]
        if name in CALLOUTS and argument:
            body = f"{argument}\n{body}"
        if folded:
            return f"<details>\n<summary>{title}</summary>\n\n{body}\n\n</details>"
        return "\n".join(f"> {line}".rstrip() for line in [f"**{title}**", "", *body.split("\n")])
    raise MarkdownError(f"the directive {{{name}}} has no form in a notebook; use a callout")


def _options(body: str) -> tuple[dict[str, str], str]:
    options: dict[str, str] = {}
    lines = body.split("\n")
    while lines and (match := OPTION.match(lines[0])):
        options[match[1]] = match[2]
        lines.pop(0)
    return options, "\n".join(lines)


def _role(name: str, text: str, entries: dict[str, Entry]) -> str:
    if name in ("cite", "cite:p", "cite:t"):
        cited = [_short(key.strip(), entries) for key in text.split(",")]
        return "; ".join(cited) if name == "cite:t" else f"({'; '.join(cited)})"
    if name == "math":
        return f"${text}$"
    if name in ("doc", "ref"):
        return re.sub(r"\s*<[^>]*>$", "", text)
    raise MarkdownError(f"the role {{{name}}} has no form in a notebook; write plain text")


def _short(key: str, entries: dict[str, Entry]) -> str:
    if key not in entries:
        raise MarkdownError(f"the reference {key!r} is not in references.bib")
    entry = entries[key]
    names = [_last_name(person) for person in entry.persons.get("author", [])]
    if len(names) > 2:
        who = f"{names[0]} et al."
    else:
        who = " and ".join(names) or _plain(entry.fields["title"])
    return f"{who}, {entry.fields['year']}"


def _references(entries: dict[str, Entry]) -> str:
    lines = []
    for key in sorted(entries):
        fields = entries[key].fields
        where = next(
            (fields[name] for name in ("journal", "booktitle", "publisher") if name in fields), ""
        )
        link = fields.get("url") or (f"https://doi.org/{fields['doi']}" if "doi" in fields else "")
        tail = ". ".join(part for part in (_plain(where), link) if part)
        lines.append(f"- {_short(key, entries)}. *{_plain(fields['title'])}*. {tail}")
    return "\n".join(lines)


def _last_name(person: Person) -> str:
    return _plain(" ".join([*person.prelast_names, *person.last_names]))


def _plain(text: str) -> str:
    return text.replace("{", "").replace("}", "").replace("--", "\N{EN DASH}")
