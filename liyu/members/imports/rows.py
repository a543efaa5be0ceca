"""From the cells of a row to what it says of a member; rows of the same member are brought together. No database here."""

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct, field

from liyu.core.i18n import N_, Message
from liyu.core.settings import LOCALES
from liyu.members.imports.cells import (
    NEVER_WORDS,
    CellError,
    read_day,
    read_email,
    read_id,
    read_number,
    read_phone,
    read_text,
    split_tags,
    undo_rounding,
)
from liyu.members.personal.fields import ANSWER, ProfileQuestion, read_answer
from liyu.members.points.expiry import PRE_REGISTERED
from liyu.members.points.lots import add_months, end_of_month, last_day

Value = TypeVar("Value")

STATES = {
    "active": "active", "激活": "active", "已激活": "active", "正常": "active",
    "pre_registered": PRE_REGISTERED, "pre-registered": PRE_REGISTERED, "预注册": PRE_REGISTERED, "未激活": PRE_REGISTERED,
}  # fmt: skip
"""How files call the states in which somebody may join."""


class KnownTier(Struct, frozen=True):
    """A tier as rows may name it, the lowest rank first in lists."""

    id: int
    code: str
    name_zh: str
    name_en: str
    threshold: int
    validity_months: int


class KnownTag(Struct, frozen=True):
    """A tag as rows may name it."""

    id: int
    code: str
    name_zh: str
    name_en: str
    by_rule: bool


class Surroundings(Struct):
    """What rows are read against: the program's expiry policy, its tiers, tags and own questions, and today."""

    today: date
    expiry_policy: str
    expiry_months: int
    tiers: list[KnownTier]
    tags: list[KnownTag]
    questions: list[ProfileQuestion] = []

    def names_of_tags(self) -> dict[str, KnownTag]:
        """Tags by everything they are called, in lower case."""
        return {name.lower(): tag for tag in self.tags for name in (tag.name_en, tag.name_zh, tag.code) if name}

    def names_of_tiers(self) -> dict[str, KnownTier]:
        """Tiers by everything they are called, in lower case."""
        return {name.lower(): tier for tier in self.tiers for name in (tier.name_en, tier.name_zh, tier.code) if name}


class StagedRow(Struct):
    """A row as it waits to be compared with the members."""

    row: int
    lead: int
    given: list[str]
    external_id: str | None = None
    phone: str | None = None
    fields: dict[str, str] = field(default_factory=dict)
    joined_on: date | None = None
    tags: list[int] = field(default_factory=list)
    points: int | None = None
    expires_on: date | None = None
    faults: list[dict[str, Any]] = field(default_factory=list)
    points_unreadable: bool = False

    @property
    def waits(self) -> bool:
        """Whether it is of somebody who is pre-registered: their points have no last day before the activation."""
        return self.fields.get("state") == PRE_REGISTERED

    def note(self, column: str, message: Message) -> None:
        """Note a fault of one column."""
        self.faults.append({"column": column, "text": message.text, "values": message.values})


class _Said(Struct, frozen=True):
    """What the first row of a member said."""

    external_id: str | None
    phone: str | None
    fingerprint: int = 0
    waits: bool = False


def _print_of(row: StagedRow) -> int:
    return hash((row.joined_on, tuple(row.tags), tuple(sorted(row.fields.items()))))


_NOTHING_SAID = hash((None, (), ()))


class RowReader:
    """Reads the rows of one file in their order; remembers which row spoke of which member first."""

    def __init__(self, columns: list[str], around: Surroundings) -> None:
        self.columns = columns
        self.around = around
        self.tags = around.names_of_tags()
        self.tiers = around.names_of_tiers()
        self.leads: dict[str, int] = {}
        self.said: dict[int, _Said] = {}
        self.lots: dict[tuple[int, date | None], int] = {}

    def read(self, number: int, given: list[str]) -> StagedRow:
        """What a row says, with every fault of it."""
        cells = dict(zip(self.columns, given, strict=False))
        row = StagedRow(number, number, given)
        if len(given) > len(self.columns) and any(given[len(self.columns) :]):
            counts = {"cells": len(given), "columns": len(self.columns)}
            row.note("", Message(N_("The row has %(cells)s cells, the header %(columns)s."), counts))
        row.external_id = self._take(row, cells, "external_id", read_id)
        row.phone = self._take(row, cells, "phone", read_phone)
        if not (row.external_id or row.phone or row.faults):
            row.note("", Message(N_("Neither a member number nor a mobile: nobody knows whose row this is.")))
        self._find_lead(row)
        self._read_fields(row, cells)
        self._check_lead(row)
        self._read_opening(row, cells)
        self._check_opening(row)
        return row

    def _read_fields(self, row: StagedRow, cells: dict[str, str]) -> None:
        for column, read in (("name", read_text), ("email", read_email), ("city", read_text), ("locale", _read_locale)):
            value = self._take(row, cells, column, read)
            if value is not None:
                row.fields[column] = value
        for question in self.around.questions:
            code = f"{ANSWER}{question.key}"
            answer = self._take(row, cells, code, partial(_read_answer, question))
            if answer is not None:
                row.fields[code] = answer
        if self._take(row, cells, "state", _read_state) == PRE_REGISTERED:
            row.fields["state"] = PRE_REGISTERED
        birthday = self._take(row, cells, "birthday", self._read_past_day)
        if birthday is not None:
            row.fields["birthday"] = birthday.isoformat()
        row.joined_on = self._take(row, cells, "joined_on", self._read_past_day)
        row.tags = self._take(row, cells, "tags", self._read_tags) or []
        self._read_tier(row, cells)

    def _read_tier(self, row: StagedRow, cells: dict[str, str]) -> None:
        growth = self._take(row, cells, "growth", read_number)
        tier = self._take(row, cells, "tier", self._find_tier)
        until = self._take(row, cells, "tier_until", read_day)
        if growth is not None:
            row.fields["growth"] = str(growth)
        if tier is not None:
            row.fields["tier_id"] = str(tier.id)
            default = end_of_month(add_months(self.around.today, tier.validity_months)) if tier.threshold else None
            if until or default:
                row.fields["tier_until"] = (until or default or date.max).isoformat()
        elif until is not None and not cells.get("tier"):
            row.note("tier_until", Message(N_("Needs a tier.")))

    def _read_opening(self, row: StagedRow, cells: dict[str, str]) -> None:
        before = len(row.faults)
        points = self._take(row, cells, "points", read_number)
        row.points_unreadable = len(row.faults) > before
        earned_on = self._take(row, cells, "earned_on", self._read_past_day)
        expires_on = self._take(row, cells, "expires_on", _read_last_day)
        if not points:
            return
        row.points = points
        if row.waits:
            if expires_on is not None:
                words = N_("Points of who is pre-registered have no last day before the activation. Leave it empty.")
                row.note("expires_on", Message(words))
        elif expires_on is not None:
            row.expires_on = expires_on if expires_on is not date.max else None
        else:
            policy = self.around.expiry_policy, self.around.expiry_months
            row.expires_on = last_day(*policy, earned_on or self.around.today)
        if row.expires_on is not None and row.expires_on < self.around.today:
            day = {"day": row.expires_on.isoformat()}
            row.note(
                "points", Message(N_("These points lapsed on %(day)s already. Give a later day, or no points."), day)
            )

    def _find_lead(self, row: StagedRow) -> None:
        """Bind the row to the first one of its member."""
        by_number = self.leads.get(f"id {row.external_id}") if row.external_id else None
        by_phone = self.leads.get(f"phone {row.phone}") if row.phone else None
        if by_phone is not None and by_phone != by_number and row.external_id and self.said[by_phone].external_id:
            row.note("phone", Message(N_("Another member has this number in row %(row)s."), {"row": by_phone}))
            by_phone = None
        row.lead = by_number or by_phone or row.row
        if row.external_id:
            self.leads.setdefault(f"id {row.external_id}", row.lead)
        if row.phone:
            self.leads.setdefault(f"phone {row.phone}", row.lead)

    def _check_lead(self, row: StagedRow) -> None:
        """Keep what the first row of a member says, and see that the further ones do not contradict it."""
        if row.lead == row.row:
            self.said[row.row] = _Said(row.external_id, row.phone, _print_of(row), row.waits)
            return
        said = self.said[row.lead]
        if self._contradicts(row, said):
            row.note("", Message(N_("Says something else of the member than row %(row)s."), {"row": row.lead}))
        if said.waits:
            row.fields["state"] = PRE_REGISTERED

    def _check_opening(self, row: StagedRow) -> None:
        """See that a row neither repeats its member nor one of the member's lots."""
        if row.points is None and row.lead != row.row:
            row.note("", Message(N_("Stands in row %(row)s already."), {"row": row.lead}))
        if row.points is not None:
            first = self.lots.setdefault((row.lead, row.expires_on), row.row)
            if first != row.row:
                words = N_("Row %(row)s has points of this member with the same last day already.")
                row.note("points", Message(words, {"row": first}))

    def _contradicts(self, row: StagedRow, said: "_Said") -> bool:
        return (
            row.external_id not in (None, said.external_id)
            or row.phone not in (None, said.phone)
            or _print_of(row) not in (_NOTHING_SAID, said.fingerprint)
        )

    def _take(self, row: StagedRow, cells: dict[str, str], column: str, read: Callable[[str], Value]) -> Value | None:
        text = cells.get(column, "")
        if not text:
            return None
        try:
            return read(text)
        except CellError as fault:
            row.note(column, fault.message)
            return None

    def _read_past_day(self, text: str) -> date:
        day = read_day(text)
        if day > self.around.today:
            raise CellError(N_("This day is still to come."))
        return day

    def _find_tier(self, text: str) -> KnownTier:
        tier = self.tiers.get(text.lower())
        if tier is None:
            known = ", ".join(one.code for one in self.around.tiers)
            raise CellError(N_("Unknown tier; known are %(known)s."), known=known)
        return tier

    def _read_tags(self, text: str) -> list[int]:
        found = []
        for name in split_tags(text):
            tag = self.tags.get(name.lower())
            if tag is None:
                raise CellError(N_("No tag is called “%(name)s”. Make it first, or mend the name."), name=name)
            if tag.by_rule:
                raise CellError(N_("“%(name)s” is given by its rule alone."), name=name)
            found.append(tag.id)
        return sorted(set(found))


def _read_state(text: str) -> str:
    state = STATES.get(text.lower())
    if state is None:
        raise CellError(N_("Must be one of %(known)s."), known=f"active, {PRE_REGISTERED}")
    return state


def _read_answer(question: ProfileQuestion, text: str) -> str:
    """The answer to a question in its stored form; options by value or by either name."""
    match question.kind:
        case "date":
            text = read_day(text).isoformat()
        case "number":
            text = undo_rounding(text)
        case "choice":
            named = {
                name.lower(): one.value for one in question.options for name in (one.name_en, one.name_zh, one.value)
            }
            text = named.get(text.lower(), text)
    answer, fault = read_answer(question, text)
    if fault is not None:
        raise CellError(fault.text, **fault.values)
    return answer


def _read_locale(text: str) -> str:
    locale = {"zh": "zh_CN", "中文": "zh_CN", "english": "en"}.get(text.lower(), text.replace("-", "_"))
    if locale not in LOCALES:
        raise CellError(N_("Must be one of %(known)s."), known=", ".join(LOCALES))
    return locale


def _read_last_day(text: str) -> date:
    """The last day; `date.max` for never."""
    return date.max if text.lower() in NEVER_WORDS else read_day(text)
