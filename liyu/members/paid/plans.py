"""The offers: listing them, and what an operator may write."""

import re
from datetime import date
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, record_of
from liyu.core.database import fetch_all
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.members.paid.errors import UnknownPlanError

MOST_MONTHS = 36
MOST_RETURN_DAYS = 30
HIGHEST_PRICE = 10**9
LONGEST_NAME = 60
_CODE = re.compile(r"[a-z0-9_-]{1,40}")


class PlanDraft(Struct, frozen=True):
    """An offer as it is written down; `points` and `price_minor` None: not sold for that."""

    code: str
    tier: str
    """The code of its tier, which stays what it is."""
    name_zh: str
    name_en: str
    months: int
    points: int | None
    price_minor: int | None
    return_days: int
    offered: bool


class Plan(PlanDraft, frozen=True, kw_only=True):
    """An offer with what hangs on it."""

    id: int
    tier_id: int
    tier_rank: int
    tier_zh: str
    tier_en: str
    running: int
    """How many members have it on the day that was asked for."""


_PLANS = """
    SELECT p.id, p.code, t.code AS tier, p.name_zh, p.name_en, p.months, p.points, p.price_minor, p.return_days, p.offered,
        p.tier_id, t.rank AS tier_rank, t.name_zh AS tier_zh, t.name_en AS tier_en,
        (SELECT count(DISTINCT member_id) FROM paid_period d
            WHERE d.plan_id = p.id AND %(day)s::date BETWEEN d.begins_on AND d.ends_on) AS running
    FROM paid_plan p JOIN tier t ON t.id = p.tier_id
    WHERE (%(code)s::text IS NULL OR p.code = %(code)s) AND (p.offered OR NOT %(offered)s)
    ORDER BY t.rank, p.months, p.code"""

_WRITE = f"""
    INSERT INTO paid_plan (code, tier_id, name_zh, name_en, months, points, price_minor, return_days, offered)
    SELECT r.code, t.id, r.name_zh, r.name_en, r.months, r.points, r.price_minor, r.return_days, r.offered
    FROM {record_of(PlanDraft)} JOIN tier t ON t.code = r.tier
    ON CONFLICT (code) DO UPDATE SET name_zh = excluded.name_zh, name_en = excluded.name_en, months = excluded.months,
        points = excluded.points, price_minor = excluded.price_minor, return_days = excluded.return_days,
        offered = excluded.offered"""


async def list_plans(
    connection: AsyncConnection[Any], *, offered_only: bool = False, code: str | None = None, day: date | None = None
) -> list[Plan]:
    """The offers, by tier and length; `day` is that on which it is counted how many members have each."""
    return await fetch_all(connection, Plan, _PLANS, {"offered": offered_only, "code": code, "day": day})


async def find_plan(connection: AsyncConnection[Any], code: str) -> Plan:
    """One offer, on sale or not. Raises UnknownPlanError."""
    found = await list_plans(connection, code=code)
    if not found:
        raise UnknownPlanError
    return found[0]


async def make_plan(connection: AsyncConnection[Any], draft: PlanDraft) -> None:
    """Offer something new. Raises InvalidInputError with every fault."""
    faults = _faults_of(draft)
    found = await connection.execute(
        "SELECT EXISTS (SELECT FROM paid_plan WHERE code = %s), "
        "EXISTS (SELECT FROM tier WHERE code = %s AND rank > (SELECT min(rank) FROM tier))",
        (draft.code, draft.tier),
    )
    is_taken, is_tier = await found.fetchone() or (False, False)
    if not _CODE.fullmatch(draft.code) or draft.code == "new":
        faults["code"] = Message(N_("Use small letters, digits, hyphens and underscores."))
    elif is_taken:
        faults["code"] = Message(N_("There is an offer with this code already."))
    if not is_tier:
        faults["tier"] = Message(N_("Choose a tier above the lowest, which is everybody's."))
    if faults:
        raise InvalidInputError.of_fields(faults)
    await connection.execute(_WRITE, (encode_rows([draft]),))


async def change_plan(connection: AsyncConnection[Any], draft: PlanDraft) -> None:
    """Change an offer for those who buy from now on; its tier stays. Raises UnknownPlanError, InvalidInputError."""
    before = await find_plan(connection, draft.code)
    if faults := _faults_of(draft):
        raise InvalidInputError.of_fields(faults)
    await connection.execute(_WRITE, (encode_rows([replace(draft, tier=before.tier)]),))


def _faults_of(draft: PlanDraft) -> dict[str, Message]:
    faults: dict[str, Message] = {}
    for name in ("name_zh", "name_en"):
        if not 0 < len(getattr(draft, name).strip()) <= LONGEST_NAME:
            faults[name] = Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_NAME})
    for name, least, most in (("months", 1, MOST_MONTHS), ("return_days", 0, MOST_RETURN_DAYS)):
        if not least <= getattr(draft, name) <= most:
            faults[name] = Message(N_("Must be between %(least)s and %(most)s."), {"least": least, "most": most})
    for name in ("points", "price_minor"):
        price = getattr(draft, name)
        if price is not None and not 0 < price <= HIGHEST_PRICE:
            faults[name] = Message(N_("Must be above 0."))
    if draft.points is None and draft.price_minor is None:
        faults["points"] = Message(N_("Say what it costs: points, money, or either."))
    return faults
