"""Imports that a command can do without."""

import sys


def skip_slow_grammar() -> None:
    """Keep jsonschema, which nbformat imports, from building a grammar of web addresses.

    It takes a second at every start and checks the format "iri", which no schema here has;
    jsonschema goes without when the package that holds it cannot be imported.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
