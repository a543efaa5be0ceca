"""Several names in one field: people part them by commas, semicolons, bars or lines, in either language."""

import re

_PARTS = re.compile(r"[;；,，、|\r\n]+")


def split_names(text: str) -> list[str]:
    """The names, each once, in their order."""
    return list(dict.fromkeys(name for part in _PARTS.split(text) if (name := part.strip())))
