"""Short facts in one line with dots between them: where the line breaks no dot is left at its end, and no fact is torn apart."""

from collections.abc import Iterable
from typing import Any

from markupsafe import Markup, escape

DOT = " · "


def dotted(facts: str | Iterable[Any]) -> Markup:
    """Each fact in a span of its own; the stylesheet sets the dots. Words that have dots already are parted there.

    Markup is one fact, unless it holds nothing but words.
    """
    parts = [part for fact in ([facts] if isinstance(facts, str) else facts) for part in _split(fact)]
    if len(parts) < 2:
        return escape(parts[0]) if parts else Markup()
    spans = Markup(" ").join(Markup("<span>{}</span>").format(part) for part in parts)
    return Markup('<span class="dotted">{}</span>').format(spans)


def _split(fact: Any) -> list[Any]:
    if not isinstance(fact, str) or (isinstance(fact, Markup) and "<" in fact):
        return [fact]
    return [part for part in fact.split(DOT) if part]
