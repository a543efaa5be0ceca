"""What partners change of their own items: a draft at once, the rest by rule or after an operator's review.

Prices and stock that stay within the rule (`listing_rule`) hold at once; all else waits, while members see what was approved.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Struct
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from liyu.catalog.dry_run import preview_row
from liyu.catalog.errors import FileFaultyError, ItemNotFoundError
from liyu.catalog.plan import ONE_WRITER_AT_A_TIME, PlannedItem, plan_publication
from liyu.catalog.publish import publish_items
from liyu.catalog.records import ItemRecord
from liyu.catalog.versions import Difference
from liyu.core.database import fetch_all, fetch_one
from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_

EDITABLE_AT_ONCE = ("draft", "returned")
"""States in which members do not see the item, and an operator will look at all of it."""
CHANGEABLE = ("approved", "live", "paused")
WHOLE = 100


class NothingProposedError(DomainError):
    """The proposal says what the item says already."""

    code = "nothing_proposed"
    message = N_("This changes nothing.")


class NotChangeableError(DomainError):
    """The item is being reviewed, or is over."""

    code = "not_changeable"
    message = N_("The item is being reviewed or no longer offered; it cannot be changed now.")


class ProposalDecidedError(DomainError):
    """Somebody has decided on the proposal, or it was withdrawn."""

    code = "proposal_decided"
    message = N_("This change was decided on already.")


class ListingTerms(Struct, frozen=True):
    """What partners may change without a review."""

    price_percent: int = 0
    """A price in points may move by so many percent of itself; 0: every change is reviewed."""
    stock_may_rise: bool = True
    stock_may_fall: bool = False


class Proposal(Struct, frozen=True):
    """A change that a partner wants, with what differs from the item as it is now."""

    id: int
    sku: str
    kind: str
    name_zh: str
    name_en: str
    partner_code: str
    partner_zh: str
    partner_en: str
    state: str
    by_rule: bool
    note: str
    made_by: str
    made_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reason: str
    given: dict[str, Any]


_PROPOSALS = """
    SELECT r.id, i.sku, i.kind, i.name_zh, i.name_en, p.code AS partner_code, p.name_zh AS partner_zh, p.name_en AS partner_en,
        r.state, r.by_rule, r.note, r.made_by, r.made_at, r.decided_by, r.decided_at, r.reason, r.given
    FROM item_proposal r JOIN item i ON i.id = r.item_id JOIN partner p ON p.id = r.partner_id
    WHERE (%(partner)s::bigint IS NULL OR r.partner_id = %(partner)s) AND (%(sku)s::text IS NULL OR i.sku = %(sku)s)
        AND (NOT %(open)s OR r.state = 'submitted')"""


async def load_listing_terms(connection: AsyncConnection[Any]) -> ListingTerms:
    """The rule in force."""
    return (
        await fetch_one(
            connection, ListingTerms, "SELECT price_percent, stock_may_rise, stock_may_fall FROM listing_rule"
        )
        or ListingTerms()
    )


async def save_listing_terms(connection: AsyncConnection[Any], terms: ListingTerms, *, now: datetime) -> None:
    """Set the rule."""
    await connection.execute(
        "INSERT INTO listing_rule (id, price_percent, stock_may_rise, stock_may_fall, changed_at) "
        "VALUES (1, %(price_percent)s, %(stock_may_rise)s, %(stock_may_fall)s, %(now)s) ON CONFLICT (id) DO UPDATE "
        "SET price_percent = excluded.price_percent, stock_may_rise = excluded.stock_may_rise, "
        "stock_may_fall = excluded.stock_may_fall, changed_at = excluded.changed_at",
        msgspec.structs.asdict(terms) | {"now": now},
    )


def passes(differences: list[Difference], terms: ListingTerms) -> bool:
    """Whether a change holds without a review: prices and stock only, each within the rule."""
    return all(_passes(one, terms) for one in differences)


def _passes(change: Difference, terms: ListingTerms) -> bool:
    match change.field:
        case "points":
            return bool(abs(change.after - change.before) * WHOLE <= change.before * terms.price_percent)
        case "total":
            # Without a limit is more than any number.
            rises = change.before is not None and (change.after is None or change.after > change.before)
            return terms.stock_may_rise if rises else terms.stock_may_fall
        case _:
            return False


async def propose(
    connection: AsyncConnection[Any],
    partner_id: int,
    record: ItemRecord,
    *,
    note: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> str:
    """Change a partner's own item, or ask for it: `saved` (a draft), `approved` (by rule) or `submitted`.

    An earlier proposal that still waits is withdrawn. Raises ItemNotFoundError, NotChangeableError, NothingProposedError, or
    FileFaultyError with every fault.
    """
    async with connection.transaction():
        await connection.execute(ONE_WRITER_AT_A_TIME)
        item_id, state = await _find_own(connection, partner_id, record.sku)
        if state not in (*EDITABLE_AT_ONCE, *CHANGEABLE):
            raise NotChangeableError
        changes = preview_row(await _plan(connection, record, now, zone), keep_states=True).differences
        if not changes:
            raise NothingProposedError
        by_rule = state in CHANGEABLE and passes(changes, await load_listing_terms(connection))
        if state in EDITABLE_AT_ONCE or by_rule:
            await publish_items(
                connection, [record], actor=actor, now=now, zone=zone, reason="proposal", keep_states=True
            )
        if state in EDITABLE_AT_ONCE:
            return "saved"
        await connection.execute(
            "UPDATE item_proposal SET state = 'withdrawn', decided_by = %s, decided_at = %s "
            "WHERE item_id = %s AND state = 'submitted'",
            (actor, now, item_id),
        )
        outcome = "approved" if by_rule else "submitted"
        await connection.execute(
            "INSERT INTO item_proposal (item_id, partner_id, given, before, state, by_rule, note, made_by, made_at, decided_by, "
            "decided_at, reason) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, '')",
            (
                item_id, partner_id, Jsonb(_given(record)), Jsonb({one.field: one.before for one in changes}), outcome, by_rule,
                note, actor, now, actor if by_rule else None, now if by_rule else None,
            ),
        )  # fmt: skip
        return outcome


async def list_proposals(
    connection: AsyncConnection[Any], *, partner_id: int | None = None, sku: str | None = None, waiting: bool = False
) -> list[Proposal]:
    """Proposals, the newest first: all, or a partner's, or those of an item, or those that wait."""
    return await fetch_all(
        connection,
        Proposal,
        f"{_PROPOSALS} ORDER BY r.id DESC LIMIT 100",
        {"partner": partner_id, "sku": sku, "open": waiting},
    )


async def differences_of(
    connection: AsyncConnection[Any], proposal: Proposal, *, now: datetime, zone: ZoneInfo
) -> list[Difference]:
    """What approving the proposal would change of the item as it is now. Raises FileFaultyError when it no longer can."""
    record = msgspec.convert({"sku": proposal.sku, **proposal.given}, ItemRecord)
    async with connection.transaction(force_rollback=True):
        return preview_row(await _plan(connection, record, now, zone), keep_states=True).differences


async def approve(
    connection: AsyncConnection[Any], proposal_id: int, *, actor: str, now: datetime, zone: ZoneInfo
) -> str:
    """Say yes: what was proposed holds from now on. Returns the item's number. Raises as `decide` and `publish_items` do."""
    proposal = await _decide(connection, proposal_id, "approved", actor=actor, now=now, reason="")
    record = msgspec.convert({"sku": proposal.sku, **proposal.given}, ItemRecord)
    await publish_items(connection, [record], actor=actor, now=now, zone=zone, reason="proposal", keep_states=True)
    return proposal.sku


async def send_back(
    connection: AsyncConnection[Any], proposal_id: int, *, reason: str, actor: str, now: datetime
) -> str:
    """Say no, with the reason that the partner reads. Returns the item's number. Raises NotFoundError, ProposalDecidedError."""
    return (await _decide(connection, proposal_id, "returned", actor=actor, now=now, reason=reason)).sku


async def withdraw(
    connection: AsyncConnection[Any], partner_id: int, proposal_id: int, *, actor: str, now: datetime
) -> None:
    """A partner takes its own proposal back. Raises NotFoundError, ProposalDecidedError."""
    await _decide(connection, proposal_id, "withdrawn", actor=actor, now=now, reason="", partner_id=partner_id)


async def _decide(
    connection: AsyncConnection[Any],
    proposal_id: int,
    state: str,
    *,
    actor: str,
    now: datetime,
    reason: str,
    partner_id: int | None = None,
) -> Proposal:
    # The catalog's writers first, as everywhere: approving publishes.
    await connection.execute(ONE_WRITER_AT_A_TIME)
    proposal = await fetch_one(
        connection,
        Proposal,
        f"{_PROPOSALS} AND r.id = %(id)s",
        {"partner": partner_id, "sku": None, "open": False, "id": proposal_id},
    )
    if proposal is None:
        raise NotFoundError
    changed = await connection.execute(
        "UPDATE item_proposal SET state = %s, decided_by = %s, decided_at = %s, reason = %s "
        "WHERE id = %s AND state = 'submitted'",
        (state, actor, now, reason, proposal_id),
    )
    if changed.rowcount == 0:
        raise ProposalDecidedError
    return proposal


async def _find_own(connection: AsyncConnection[Any], partner_id: int, sku: str) -> tuple[int, str]:
    found = await connection.execute(
        "SELECT id, state FROM item WHERE sku = %s AND partner_id = %s FOR UPDATE", (sku, partner_id)
    )
    row = await found.fetchone()
    if row is None:
        raise ItemNotFoundError
    return int(row[0]), str(row[1])


async def _plan(connection: AsyncConnection[Any], record: ItemRecord, now: datetime, zone: ZoneInfo) -> PlannedItem:
    plan = await plan_publication(connection, [record], now, zone, keep_states=True)
    if plan.faults:
        raise FileFaultyError(plan.faults)
    return next(item for item in plan.items if item.row.sku == record.sku)


def _given(record: ItemRecord) -> dict[str, Any]:
    given = {name: value for name, value in msgspec.structs.asdict(record).items() if value is not UNSET}
    built: dict[str, Any] = msgspec.to_builtins(given)
    return {name: value for name, value in built.items() if name not in ("row", "sku")}
