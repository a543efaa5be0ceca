"""Messages that cross from the domain to people: marked here, translated at the edge (web, mail, PDF)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


def N_(message: str) -> str:  # noqa: N802 - the name that gettext tools look for
    """Mark an English message for translation without translating it yet."""
    return message


@dataclass(frozen=True, slots=True)
class Message:
    """An English message id with the values to fill in; `%(name)s` placeholders as in gettext."""

    text: str
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text % self.values if self.values else self.text


Translate = Callable[[Message, str], str]
"""Puts a message into the words of a language."""
Say = Callable[[str], str]
"""Puts a marked text into the words of the language in hand."""
