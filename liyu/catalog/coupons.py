"""What coupons of an item go together with: read, and said by an operator."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from liyu.catalog.models import COUPON_FORMS, COUPON_PURPOSES
from liyu.core.database import fetch_one
from liyu.core.errors import DomainError, InvalidInputError
from liyu.core.i18n import N_, Message

COMBINES = ("nothing", "listed", "everything")
THRESHOLDS = ("rest", "bill")
PARTNERS_IN_A_BILL = (*COUPON_PURPOSES, *COUPON_FORMS)
"""What can be listed: purposes and forms of coupons."""
MOST_PER_BILL = 10
LAST_TURN = 9
LONGEST_GROUP = 40


class NoCouponError(DomainError):
    """The item is no coupon, or says not what kind."""

    code = "no_coupon"
    message = N_("Only coupons with a kind have rules of what they go together with.")


class CouponRuleTerms(Struct, frozen=True):
    """How coupons of an item stack; the default holds for an item without a rule."""

    combines: str = "nothing"
    combines_with: list[str] = []
    most_per_bill: int = 1
    exclusive_group: str | None = None
    turn: int = 5
    threshold_of: str = "rest"


_SAVE = """
    INSERT INTO coupon_rule (item_id, combines, combines_with, most_per_bill, exclusive_group, turn, threshold_of, changed_by,
        changed_at)
    SELECT id, %(combines)s, %(with)s, %(most)s, %(group)s, %(turn)s, %(threshold)s, %(actor)s, %(now)s
    FROM item WHERE sku = %(sku)s AND coupon_form IS NOT NULL
    ON CONFLICT (item_id) DO UPDATE SET combines = excluded.combines, combines_with = excluded.combines_with,
        most_per_bill = excluded.most_per_bill, exclusive_group = excluded.exclusive_group, turn = excluded.turn,
        threshold_of = excluded.threshold_of, changed_by = excluded.changed_by, changed_at = excluded.changed_at"""
_LOAD = """
    SELECT r.combines, r.combines_with, r.most_per_bill, r.exclusive_group, r.turn, r.threshold_of
    FROM coupon_rule r JOIN item i ON i.id = r.item_id WHERE i.sku = %s"""


async def load_coupon_rule(connection: AsyncConnection[Any], sku: str) -> CouponRuleTerms:
    """The rule of an item; the default where there is none."""
    return await fetch_one(connection, CouponRuleTerms, _LOAD, (sku,)) or CouponRuleTerms()


async def list_groups(connection: AsyncConnection[Any]) -> list[str]:
    """The names of exclusive groups that are in use."""
    found = await connection.execute(
        "SELECT DISTINCT exclusive_group FROM coupon_rule WHERE exclusive_group IS NOT NULL ORDER BY 1"
    )
    return [row[0] for row in await found.fetchall()]


async def save_coupon_rule(
    connection: AsyncConnection[Any], sku: str, terms: CouponRuleTerms, *, actor: str, now: datetime
) -> None:
    """Say what coupons of an item go together with; it holds for those that are out, too.

    Raises InvalidInputError, NoCouponError.
    """
    _check(terms)
    values = {
        "sku": sku, "combines": terms.combines, "with": Jsonb(terms.combines_with if terms.combines == "listed" else []),
        "most": terms.most_per_bill, "group": terms.exclusive_group, "turn": terms.turn, "threshold": terms.threshold_of,
        "actor": actor, "now": now,
    }  # fmt: skip
    if not (await connection.execute(_SAVE, values)).rowcount:
        raise NoCouponError


def _check(terms: CouponRuleTerms) -> None:
    faults: dict[str, Message] = {}
    if terms.combines not in COMBINES:
        faults["combines"] = Message(N_("Choose one of the options."))
    if terms.combines == "listed" and not terms.combines_with:
        faults["combines_with"] = Message(N_("Choose at least one."))
    if not set(terms.combines_with) <= set(PARTNERS_IN_A_BILL):
        faults["combines_with"] = Message(N_("Choose one of the options."))
    for field, value, most in (
        ("most_per_bill", terms.most_per_bill, MOST_PER_BILL),
        ("turn", terms.turn, LAST_TURN),
    ):
        if not 1 <= value <= most:
            faults[field] = Message(N_("Must be from 1 to %(most)s."), {"most": most})
    if terms.exclusive_group is not None and not 0 < len(terms.exclusive_group) <= LONGEST_GROUP:
        faults["exclusive_group"] = Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_GROUP})
    if terms.threshold_of not in THRESHOLDS:
        faults["threshold_of"] = Message(N_("Choose one of the options."))
    if faults:
        raise InvalidInputError.of_fields(faults)
