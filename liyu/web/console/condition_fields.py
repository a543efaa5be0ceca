"""The rows of a form in which conditions are put together: what, and the value; without JavaScript."""

from typing import Any, Self

from litestar import Request

from liyu.core.i18n import N_, Message
from liyu.members.tags.conditions import KINDS, MATCHES, MOST_CONDITIONS, THIS_MONTH, Condition, Conditions
from liyu.web.forms import ChoiceField, Form
from liyu.web.i18n import gettext, translate

LONGEST_VALUE = 500
EMPTY_ROWS = 4


class ConditionsForm(Form):
    """Fields `kind_0`, `value_0`, … are read beside the declared ones."""

    match = ChoiceField(MATCHES, required=False, default="all")

    rows: list[tuple[str, str]]

    @classmethod
    async def read(cls, request: Request[Any, Any, Any]) -> Self:
        """The form that came with a request."""
        form = await super().read(request)
        sent = await request.form()
        form.rows = [
            (str(sent.get(f"kind_{place}") or ""), str(sent.get(f"value_{place}") or "")[:LONGEST_VALUE])
            for place in range(MOST_CONDITIONS)
        ]
        return form


def rows_of(conditions: Conditions | None) -> list[tuple[str, str]]:
    """The rows to show: what is there, and empty ones."""
    filled = [(one.kind, one.value) for one in conditions.conditions] if conditions else []
    return trimmed(filled)


def trimmed(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The rows through the last one with something in it, in their places, and a few empty ones."""
    used = max((place for place, row in enumerate(rows, 1) if any(row)), default=0)
    return [*rows[:used], *[("", "")] * max(EMPTY_ROWS - used, 2)][:MOST_CONDITIONS]


def kinds() -> list[tuple[str, str]]:
    """The kinds of conditions for a select."""
    return [(name, gettext(kind.label)) for name, kind in KINDS.items()]


def in_words(conditions: Conditions | None) -> list[str]:
    """Conditions in words, one line each."""
    if conditions is None:
        return []
    return [_say(one) for one in conditions.conditions]


def _say(condition: Condition) -> str:
    if (condition.kind, condition.value) == ("birthday_month", THIS_MONTH):
        return gettext(N_("Born in this month"))
    what = gettext(KINDS[condition.kind].label)
    return translate(Message(N_("%(what)s: %(value)s"), {"what": what, "value": condition.value}))
