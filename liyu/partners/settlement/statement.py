"""A statement as a pure function of terms, entries and bounds (docs/rules.md 13). This module is the specification.

**Which entries a statement takes up.** Entries are append-only and carry no stamp; a month of a million entries is settled
without touching one of them. A statement has two bounds instead: `ends_at`, the end of its month, and `watermark`, the last
entry that was looked at. It takes up what happened before the one and was recorded up to the other, less what the
partner's statement before had taken up by its own two bounds:

    at < ends_at and id <= watermark and not (at < previous_ends_at and id <= previous_watermark)

Both bounds only ever grow along a partner's statements (the database refuses anything else), so no entry is on two
statements, and every entry is on one as soon as a statement comes after it in both respects. An entry belongs to the month
of its `at`; one that is recorded when its month is settled already (a late entry) is taken up by the next statement.

**Why no entry is lost.** Ids are given in order but committed in any order. Before a watermark is read, every transaction
that holds an id up to it has ended (`compute.read_watermark`).

**Lines.** One for each version of an agreement line: quantity, free quantity, unit and amount, where
amount = (quantity - free quantity) × unit, and the unit follows from the terms. An undone use counts as -1.
Payable is the sum of the positive lines, receivable that of the negative ones, net their difference.

**Digest.** SHA-256 over the canonical JSON of `canonical_form`: keys in order, no spaces, UTF-8, integers only.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from liyu.partners.settlement.errors import BooksDifferError
from liyu.partners.settlement.terms import Terms, unit_of

_canonical = msgspec.json.Encoder(order="deterministic")


class Entry(Struct, frozen=True):
    """A payable entry as far as statements look at it."""

    id: int
    agreement_line_id: int
    quantity: int
    free: bool
    amount_minor: int
    at: datetime


class Group(Struct, frozen=True):
    """The entries of one agreement line version, summed; the database does this for a million of them."""

    agreement_line_id: int
    quantity: int
    free_quantity: int
    amount_minor: int
    entries: int
    last_id: int


class Bounds(Struct, frozen=True):
    """Where a statement ends, and where the partner's statement before ended."""

    ends_at: datetime
    previous_ends_at: datetime | None = None
    previous_watermark: int = 0


class Period(Struct, frozen=True):
    """Whose statement it is, for which month, within which bounds."""

    partner: str
    """The partner's code."""
    period: str
    currency: str
    bounds: Bounds


class DraftLine(Struct, frozen=True):
    """One line; amounts in minor units, positive when owed to the partner."""

    position: int
    agreement_line_id: int
    code: str
    version: int
    mode: str
    quantity: int
    free_quantity: int
    unit_minor: int
    amount_minor: int


class StatementDraft(Struct, frozen=True):
    """A statement's figures, all of which can be recomputed."""

    period: Period
    lines: list[DraftLine]
    payable_minor: int
    receivable_minor: int
    net_minor: int
    entries: int
    watermark: int
    digest: str


def make_statement(terms: Iterable[Terms], entries: Iterable[Entry], period: Period) -> StatementDraft:
    """The statement of one partner from all its entries, in any order; those outside the bounds are left out.

    Raises BooksDifferError when the amounts of entries are not what the terms say.
    """
    return draft_statement(terms, group_entries(entries, period.bounds), period)


def belongs(entry: Entry, bounds: Bounds) -> bool:
    """Whether a statement within these bounds, made now, takes up an entry."""
    settled_before = (
        bounds.previous_ends_at is not None
        and entry.at < bounds.previous_ends_at
        and entry.id <= bounds.previous_watermark
    )
    return entry.at < bounds.ends_at and not settled_before


def group_entries(entries: Iterable[Entry], bounds: Bounds) -> list[Group]:
    """The entries within the bounds, summed by agreement line."""
    groups: dict[int, Group] = {}
    for entry in entries:
        if not belongs(entry, bounds):
            continue
        so_far = groups.get(entry.agreement_line_id, Group(entry.agreement_line_id, 0, 0, 0, 0, 0))
        groups[entry.agreement_line_id] = Group(
            entry.agreement_line_id,
            so_far.quantity + entry.quantity,
            so_far.free_quantity + (entry.quantity if entry.free else 0),
            so_far.amount_minor + entry.amount_minor,
            so_far.entries + 1,
            max(so_far.last_id, entry.id),
        )
    return list(groups.values())


def draft_statement(terms: Iterable[Terms], groups: Iterable[Group], period: Period) -> StatementDraft:
    """The statement of one partner from its entries summed by agreement line.

    Raises BooksDifferError when a sum is not what the terms say: lines and entries must agree (docs/rules.md 13).
    """
    by_id = {one.id: one for one in terms}
    in_order = sorted(groups, key=lambda group: _line_order(by_id[group.agreement_line_id]))
    lines = [_make_line(place, by_id[one.agreement_line_id], one) for place, one in enumerate(in_order, start=1)]
    if any(line.amount_minor != group.amount_minor for line, group in zip(lines, in_order, strict=True)):
        raise BooksDifferError(partner=period.partner)
    payable = sum(line.amount_minor for line in lines if line.amount_minor > 0)
    receivable = -sum(line.amount_minor for line in lines if line.amount_minor < 0)
    draft = StatementDraft(
        period=period,
        lines=lines,
        payable_minor=payable,
        receivable_minor=receivable,
        net_minor=payable - receivable,
        entries=sum(group.entries for group in in_order),
        watermark=max([period.bounds.previous_watermark, *(group.last_id for group in in_order)]),
        digest="",
    )
    return msgspec.structs.replace(draft, digest=digest_of(draft))


def digest_of(draft: StatementDraft) -> str:
    """SHA-256 over the canonical form, in hexadecimal."""
    return hashlib.sha256(_canonical.encode(canonical_form(draft))).hexdigest()


def canonical_form(draft: StatementDraft) -> dict[str, Any]:
    """What the digest is taken over: only what anyone who has the statement and the agreement can see."""
    bounds = draft.period.bounds
    return {
        "partner": draft.period.partner,
        "period": draft.period.period,
        "currency": draft.period.currency,
        "ends_at": _instant(bounds.ends_at),
        "watermark": draft.watermark,
        "previous_ends_at": _instant(bounds.previous_ends_at),
        "previous_watermark": bounds.previous_watermark,
        "entries": draft.entries,
        "lines": [
            {
                "agreement_line": line.code,
                "version": line.version,
                "mode": line.mode,
                "quantity": line.quantity,
                "free_quantity": line.free_quantity,
                "unit_minor": line.unit_minor,
                "amount_minor": line.amount_minor,
            }
            for line in draft.lines
        ],
        "payable_minor": draft.payable_minor,
        "receivable_minor": draft.receivable_minor,
        "net_minor": draft.net_minor,
    }


def _make_line(position: int, terms: Terms, group: Group) -> DraftLine:
    unit = unit_of(terms.mode, terms.unit_price_minor, terms.commission_minor)
    amount = (group.quantity - group.free_quantity) * unit
    return DraftLine(
        position, terms.id, terms.code, terms.version, terms.mode, group.quantity, group.free_quantity, unit, amount
    )


def _line_order(terms: Terms) -> tuple[str, int]:
    return terms.code, terms.version


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
