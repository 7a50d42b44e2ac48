"""tito: the student's companion, from a chapter's notebook to a library of their own."""

__version__ = "0.1.0"
