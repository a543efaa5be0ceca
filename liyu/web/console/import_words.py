"""The words of the import studio: states, fields, differences and what cannot be undone."""

from datetime import date
from typing import Any

from liyu.core.i18n import N_, Message
from liyu.members.imports.queries import Change, ImportRow, Note, Refusal
from liyu.web.console import words
from liyu.web.formats import format_day, format_points
from liyu.web.i18n import current_locale, gettext, translate

STATES = {
    "uploaded": (N_("Waiting to be read"), "blue"),
    "reading": (N_("Being read"), "blue"),
    "refused": (N_("Cannot be read"), "red"),
    "ready": (N_("Waits for your yes"), "gold"),
    "discarded": (N_("Discarded"), "grey"),
    "applying": (N_("Being imported"), "blue"),
    "applied": (N_("Imported"), ""),
    "undoing": (N_("Being undone"), "blue"),
    "undone": (N_("Undone"), "grey"),
    "archived": (N_("Archived"), "grey"),
}
STATUSES = {
    "new": (N_("New"), ""),
    "changed": (N_("Different"), "gold"),
    "unchanged": (N_("Unchanged"), "grey"),
    "faulty": (N_("Faulty"), "red"),
}
FIELDS = {
    "external_id": N_("Member number"),
    "phone": N_("Mobile"),
    "name": N_("Full name"),
    "email": N_("E-mail"),
    "birthday": N_("Date of birth"),
    "city": N_("City"),
    "locale": N_("Language"),
    "state": N_("State"),
    "joined_on": N_("Joined on"),
    "tier": N_("Tier"),
    "tier_id": N_("Tier"),
    "tier_until": N_("Tier valid until"),
    "growth": N_("Growth value"),
    "tag": N_("Tags"),
    "tags": N_("Tags"),
    "points": N_("Opening points"),
    "earned_on": N_("Points earned on"),
    "expires_on": N_("Points valid until"),
}
REFUSALS = {
    "active": N_("The member has done something since: they stay."),
    "changed": N_("%(field)s was changed since and stays as it is: %(now)s"),
    "phone_taken": N_("The former number belongs to somebody else now: %(now)s"),
    "tier_moved": N_("Tier or growth value have moved on since and stay."),
    "points_spent": N_("Points were spent or have lapsed; %(now)s are left of this lot. The opening balance stays."),
    "merged": N_("The member was merged with another one: nothing of them is undone."),
}
ENCODINGS = {"xlsx": "XLSX", "xls": "XLS", "utf-8": "CSV · UTF-8", "gb18030": "CSV · GB18030", "utf-16": "CSV · UTF-16"}

Names = dict[str, dict[str, tuple[str, str]]]
"""What values are called in Chinese and English, by field: tiers (`tier_id`), tags (`tag`), options of own questions (`answer_…`).
And under `field` what those questions are called."""


def state(name: str) -> str:
    """An import's state in words."""
    return gettext(STATES[name][0])


def state_tone(name: str) -> str:
    """The tone of an import's state."""
    return STATES[name][1]


def status(name: str) -> str:
    """What a row is, in words."""
    return gettext(STATUSES[name][0])


def status_tone(name: str) -> str:
    """The tone of a row's status."""
    return STATUSES[name][1]


def encoding(name: str) -> str:
    """How the file was read."""
    return ENCODINGS.get(name, name)


def note(one: Note, names: Names | None = None) -> str:
    """A fault or a note in words, with its column in front."""
    text = translate(Message(one.text, one.values))
    return f"{_field(one.column, names or {})}{gettext(N_(': '))}{text}" if one.column else text


def difference(change: Change, names: Names) -> dict[str, Any]:
    """One field as it was and as it is to be, in words."""
    return {
        "field": _field(change.field, names),
        "old": _value(change.field, change.old, names),
        "new": _new_value(change, names),
    }


def place(change: Change) -> int:
    """Where a field stands among the others."""
    return list(FIELDS).index(change.field) if change.field in FIELDS else len(FIELDS)


def refusal(one: Refusal, names: Names) -> str:
    """What cannot be undone, in words."""
    values = {"field": _field(one.field, names), "now": _value(one.field, one.now, names) or "—"}
    return translate(Message(REFUSALS[one.code], values))


def who(row: ImportRow) -> str:
    """Whose row it is, as far as one can tell."""
    return row.name or row.member or row.external_id or row.phone or "—"


def _field(code: str, names: Names) -> str:
    own = names.get("field", {})
    return _in_language(own[code]) if code in own else gettext(FIELDS.get(code, code))


def _in_language(names: tuple[str, str]) -> str:
    chinese, english = names
    return english if current_locale() == "en" and english else chinese


def _new_value(change: Change, names: Names) -> str | None:
    if change.field != "points":
        return _value(change.field, change.new, names)
    values = {"points": int(change.new or 0), "day": _day(change.day)}
    if change.day is None:
        return translate(Message(N_("%(points)s points without an end"), values))
    return translate(Message(N_("%(points)s points through %(day)s"), values))


def _value(field: str, value: str | None, names: Names) -> str | None:
    if value is None:
        return None
    if field in names:
        return _in_language(names[field].get(value, (value, value)))
    if field in ("birthday", "tier_until"):
        return _day(value)
    if field == "state":
        return words.member_state(value)
    return format_points(int(value)) if field == "growth" else value


def _day(value: str | None) -> str:
    return format_day(date.fromisoformat(value), current_locale()) if value else ""
