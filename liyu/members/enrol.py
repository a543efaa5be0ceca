"""Enrolling members: the row, its three points accounts and the first tier, for one member or for thousands at once."""

from datetime import date, datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, insert_of
from liyu.core.ids import make_number
from liyu.core.ledger.models import MEMBER_DEBT, MEMBER_PENDING, MEMBER_POINTS
from liyu.core.ledger.posting import reserve_ids
from liyu.core.money import POINTS
from liyu.members.service.index import TermsRow, save_terms
from liyu.members.service.terms import terms_of


class NewMember(Struct, kw_only=True):
    """What is known of somebody who joins; only the host's id is needed."""

    external_id: str
    phone: str | None = None
    email: str | None = None
    name: str | None = None
    birthday: date | None = None
    city: str | None = None
    locale: str | None = None
    state: str = "active"
    """`active` or `pre_registered`."""
    joined_at: datetime | None = None
    """When they joined elsewhere; None: now."""


class _MemberRow(Struct):
    id: int
    external_id: str
    phone: str | None
    card_number: str
    email: str | None
    name: str | None
    birthday: date | None
    city: str | None
    locale: str | None
    state: str
    tier_id: int
    growth: int
    joined_at: datetime
    activated_at: datetime | None


class _AccountRow(Struct):
    kind: str
    unit: str
    member_id: int
    balance: int


class _TierChangeRow(Struct):
    member_id: int
    to_tier_id: int
    reason: str
    growth: int
    at: datetime


class _StateChangeRow(Struct):
    member_id: int
    to_state: str
    reason: str
    actor: str
    at: datetime


async def enrol_members(
    connection: AsyncConnection[Any], newcomers: list[NewMember], *, actor: str, now: datetime
) -> dict[str, int]:
    """Enrol those who are not there yet and return the ids of all of them by external id.

    Raises psycopg's UniqueViolation when a phone belongs to somebody else.
    """
    wanted = {newcomer.external_id: newcomer for newcomer in newcomers}
    known = await find_members(connection, list(wanted))
    missing = [newcomer for external_id, newcomer in wanted.items() if external_id not in known]
    if not missing:
        return known
    lowest = await connection.execute("SELECT id FROM tier ORDER BY rank LIMIT 1")
    row = await lowest.fetchone()
    assert row is not None, "the program has no tiers"
    tier_id = int(row[0])
    ids = await reserve_ids(connection, "member", len(missing))
    rows = [
        _MemberRow(
            member_id, one.external_id, one.phone, make_number("6"), one.email, one.name, one.birthday, one.city, one.locale,
            one.state, tier_id, 0, min(one.joined_at or now, now), now if one.state == "active" else None,
        )
        for member_id, one in zip(ids, missing, strict=True)
    ]  # fmt: skip
    await connection.execute(insert_of("member", _MemberRow), (encode_rows(rows),))
    accounts = [_AccountRow(kind, POINTS, i, 0) for i in ids for kind in (MEMBER_POINTS, MEMBER_PENDING, MEMBER_DEBT)]
    await connection.execute(insert_of("account", _AccountRow), (encode_rows(accounts),))
    tiers = [_TierChangeRow(i, tier_id, "joined", 0, now) for i in ids]
    await connection.execute(insert_of("tier_change", _TierChangeRow), (encode_rows(tiers),))
    states = [_StateChangeRow(i, one.state, "joined", actor, now) for i, one in zip(ids, missing, strict=True)]
    await connection.execute(insert_of("member_state_change", _StateChangeRow), (encode_rows(states),))
    phones = [[one.phone] if one.phone else [] for one in missing]
    terms = zip(ids, missing, phones, strict=True)
    await save_terms(connection, [TermsRow(i, terms_of(one.name, phone)) for i, one, phone in terms])
    return known | dict(zip((one.external_id for one in missing), ids, strict=True))


async def find_members(connection: AsyncConnection[Any], external_ids: list[str]) -> dict[str, int]:
    """The ids of the members that exist, by external id; that of a merged one leads to who lives on."""
    found = await connection.execute(
        "SELECT external_id, coalesce(merged_into, id) FROM member WHERE external_id = ANY(%s)", (external_ids,)
    )
    return dict(await found.fetchall())
