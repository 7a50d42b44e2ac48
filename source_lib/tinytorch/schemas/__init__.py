"""The JSON Schema files that define what the course's documents hold."""

import functools
import json
from importlib import resources
from typing import Any


@functools.cache
def load_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) called `name`, such as "capstone_submission".

    Raises FileNotFoundError when there is no schema of that name.
    """
    text = (resources.files(__name__) / f"{name}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
