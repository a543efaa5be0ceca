"""Earning events as they come in: what each must hold, and what it answers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct, field

from liyu.core.i18n import N_, Message
from liyu.core.idempotency import hash_body
from liyu.members.points.pricing import AMOUNT_TYPES, EVENT_TYPES, HOST_TYPES, OWN_TYPES, PURCHASE, RETURN, Line

LARGEST_AMOUNT = 10**12
LONGEST_TEXT = 200
NUL = "\x00"
"""The one character that PostgreSQL cannot hold."""
EARLIEST_YEAR = 1970
CLOCK_SKEW = timedelta(minutes=10)


class Event(Struct, kw_only=True):
    """What a host tells: who did what, for how much, when, under which reference of its own."""

    member: str
    type: str
    reference: str
    occurred_at: datetime
    amount_minor: int | None = None
    currency: str | None = None
    purchase: str | None = None
    """The reference of the purchase that a return is of, where the return has a reference of its own."""
    points_part_minor: int | None = None
    """Of a purchase: the part of the amount that was paid with points. Whether it earns is the program's choice."""

    def earning_amount(self, *, points_part_earns: bool) -> int | None:
        """The part of the amount that earns, in minor units."""
        if self.amount_minor is None or points_part_earns:
            return self.amount_minor
        return self.amount_minor - (self.points_part_minor or 0)

    def fingerprint(self) -> str:
        """What tells two events with the same type and reference apart."""
        when = self.occurred_at.astimezone(UTC).isoformat()
        parts: list[Any] = [self.member, self.type, self.reference, self.amount_minor, self.currency, when]
        parts += [self.purchase] if self.purchase is not None else []
        parts += [{"points_part_minor": self.points_part_minor}] if self.points_part_minor is not None else []
        return hash_body(msgspec.json.encode(parts))


class Posted(Struct):
    """What became of one event: `ok`, `duplicate` (with the first answer) or `failed` (with every fault)."""

    status: str
    points: int = 0
    growth: int = 0
    lines: list[Line] = field(default_factory=list)
    code: str | None = None
    faults: dict[str, Message] = field(default_factory=dict)


def check_event(event: Event, currency: str, now: datetime) -> dict[str, Message]:
    """Every fault of an event by field; empty when it can be posted."""
    faults = _check_texts(event)
    if event.type not in EVENT_TYPES:
        faults["type"] = Message(N_("Unknown type; known are %(known)s."), {"known": ", ".join(HOST_TYPES)})
    if event.occurred_at.tzinfo is None:
        faults["occurred_at"] = Message(N_("Must say its time zone."))
    elif event.occurred_at.year < EARLIEST_YEAR:
        faults["occurred_at"] = Message(N_("Lies too far in the past."))
    elif event.occurred_at > now + CLOCK_SKEW:
        faults["occurred_at"] = Message(N_("Lies in the future."))
    faults |= _check_what_one_type_has(event)
    if event.type in AMOUNT_TYPES:
        faults |= _check_amount(event, currency)
    if abs(event.amount_minor or 0) > LARGEST_AMOUNT:
        faults["amount_minor"] = Message(N_("Is larger than %(most)s."), {"most": LARGEST_AMOUNT})
    return faults


def check_source(event: Event) -> dict[str, Message]:
    """What a host may not post, whatever else is right with it."""
    if event.type not in OWN_TYPES:
        return {}
    values = {"known": ", ".join(HOST_TYPES)}
    return {"type": Message(N_("Liyu posts this type by itself; hosts can post %(known)s."), values)}


def _check_texts(event: Event) -> dict[str, Message]:
    faults: dict[str, Message] = {}
    for name in ("member", "reference", "purchase"):
        text = getattr(event, name)
        if text is None:
            continue
        if not text.strip() or len(text) > LONGEST_TEXT:
            faults[name] = Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_TEXT})
    for name in ("member", "reference", "currency", "purchase"):
        if NUL in (getattr(event, name) or ""):
            faults[name] = Message(N_("This contains a character that cannot be stored."))
    return faults


def _check_what_one_type_has(event: Event) -> dict[str, Message]:
    faults: dict[str, Message] = {}
    if event.purchase is not None and event.type != RETURN:
        faults["purchase"] = Message(N_("Only a return names its purchase."))
    if event.points_part_minor is not None:
        if event.type != PURCHASE:
            faults["points_part_minor"] = Message(N_("Only a purchase has a part that is paid with points."))
        elif not 0 <= event.points_part_minor <= (event.amount_minor or 0):
            faults["points_part_minor"] = Message(N_("Must be between 0 and the amount."))
    return faults


def _check_amount(event: Event, currency: str) -> dict[str, Message]:
    faults: dict[str, Message] = {}
    if event.amount_minor is None:
        faults["amount_minor"] = Message(N_("Is needed for this type."))
    elif event.amount_minor < 0 and event.type != RETURN:
        faults["amount_minor"] = Message(N_("Must not be negative; send a return instead."))
    if event.currency != currency:
        faults["currency"] = Message(N_("This program counts in %(currency)s."), {"currency": currency})
    return faults
