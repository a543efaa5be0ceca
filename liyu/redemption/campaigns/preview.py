"""What a campaign would do now: how many members get it, who is left out and why, whether the stock is enough, what it may cost.

It advises; what holds is decided member by member under the desk's locks. A test holds the two against each other.
"""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.models import POSTED_KINDS
from liyu.core.database import fetch_one
from liyu.partners.settlement.terms import unit_of
from liyu.redemption.campaigns.calendar import expect_units
from liyu.redemption.campaigns.records import Campaign

CONTRACT, VALUE = "contract", "value"


class Preview(Struct, frozen=True):
    """What would happen. `left_out` has members by reason, those among them for whom the stock does not last."""

    people: int
    get_it: int
    left_out: list[tuple[str, int]]
    units: int
    """Units that it would take if there were enough."""
    stock_left: int | None
    """Units that are there; None is without limit."""
    cost_minor: int
    """What partners may ask for when all that is given is used, at most; or what it is worth elsewhere."""
    cost_basis: str
    """`contract` with a partner, or `value` of the item elsewhere."""
    is_offered: bool
    """Whether the item is live and its partner active."""

    @property
    def short(self) -> int:
        """Units that are missing."""
        return 0 if self.stock_left is None else max(self.units - self.stock_left, 0)


class _Terms(Struct, frozen=True):
    total: int | None
    taken: int
    uses: int
    value_minor: int
    is_offered: bool
    mode: str | None
    unit_price_minor: int | None
    commission_minor: int | None


_TERMS = """
    SELECT s.total, s.taken, i.uses, i.value_minor, i.state = 'live' AND coalesce(p.state = 'active', true) AS is_offered,
        l.mode, l.unit_price_minor, l.commission_minor
    FROM item i JOIN item_stock s ON s.item_id = i.id LEFT JOIN partner p ON p.id = i.partner_id
    LEFT JOIN agreement_line l ON l.id = i.agreement_line_id WHERE i.id = %s"""

# In the order in which the desk names its reasons, and in which members have their turns: whose turn comes when so many have got it
# finds the stock at its end. Limits of a variant are those of the item that leads it.
_LEFT_OUT = """
    WITH terms AS (
        SELECT i.*, coalesce(i.variant_of, i.id) AS limits_id, %(quantity)s::bigint AS wanted FROM item i WHERE i.id = %(item)s),
    asked AS (
        SELECT g.member_id, CASE
            WHEN %(skips)s AND EXISTS (
                SELECT FROM voucher v WHERE (v.holder_id = m.id OR (v.holder_id IS NULL AND v.member_id = m.id))
                    AND v.item_id = t.id AND v.state IN ('issued', 'partly_used') AND v.expires_at > %(now)s) THEN 'holds_one'
            WHEN %(posted)s AND NOT EXISTS (SELECT FROM member_address a WHERE a.member_id = m.id) THEN 'no_address'
            WHEN m.state = 'frozen' THEN 'member_frozen'
            WHEN m.state = 'pre_registered' THEN 'member_not_active'
            WHEN m.state <> 'active' THEN 'member_closed'
            END AS reason, CASE
            WHEN t.per_member_limit < t.wanted + coalesce((SELECT used FROM limit_use u
                WHERE u.item_id = t.limits_id AND u.member_id = m.id AND u.period = ''), 0) THEN 'limit_reached'
            WHEN t.per_day_limit < t.wanted + coalesce((SELECT used FROM limit_use u
                WHERE u.item_id = t.limits_id AND u.member_id = m.id AND u.period = %(today)s), 0) THEN 'daily_limit_reached'
            WHEN t.per_person_limit < t.wanted + coalesce((SELECT used FROM limit_use u
                WHERE u.item_id = t.limits_id AND u.member_id = coalesce(m.person_id, m.id) AND u.period = 'person'), 0)
                THEN 'person_limit_reached'
            WHEN %(posted)s AND EXISTS (
                SELECT FROM jsonb_array_elements_text(t.ships_not_to) AS s(name) WHERE starts_with((
                    SELECT a.province FROM member_address a WHERE a.member_id = m.id
                    ORDER BY a.is_default DESC, a.id DESC LIMIT 1), s.name)) THEN 'not_sent_there'
            END AS later_reason
        FROM campaign_gift g JOIN member k ON k.id = g.member_id JOIN member m ON m.id = coalesce(k.merged_into, k.id)
        CROSS JOIN terms t WHERE g.campaign_id = %(campaign)s AND g.state = 'waiting'),
    decided AS (
        SELECT coalesce(reason, CASE WHEN count(*) FILTER (WHERE reason IS NULL AND later_reason IS NULL) OVER (
                ORDER BY member_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) >= %(members)s::bigint
            THEN %(short)s ELSE later_reason END) AS reason, reason IS NULL AND later_reason IS NULL AS lacks_stock_alone
        FROM asked)
    SELECT reason, count(*), count(*) FILTER (WHERE lacks_stock_alone) FROM decided WHERE reason IS NOT NULL GROUP BY 1
    ORDER BY 2 DESC, 1"""


async def preview(
    connection: AsyncConnection[Any], campaign: Campaign, *, now: datetime, today: date, zone: ZoneInfo
) -> Preview:
    """What starting the campaign now would do; of a yearly one, in the next 30 days."""
    terms = await fetch_one(connection, _Terms, _TERMS, (campaign.item_id,))
    assert terms is not None
    stock_left = None if terms.total is None else terms.total - terms.taken
    last_for = None if stock_left is None else stock_left // campaign.quantity
    values = {
        "campaign": campaign.id, "item": campaign.item_id, "quantity": campaign.quantity, "skips": campaign.skips_holders,
        "posted": campaign.item_kind in POSTED_KINDS, "now": now, "today": today.isoformat(), "members": last_for,
        "short": "not_enough_left" if (stock_left or 0) % campaign.quantity else "sold_out",
    }  # fmt: skip
    found = await (await connection.execute(_LEFT_OUT, values)).fetchall()
    people = await expect_units(connection, campaign, today, zone) // campaign.quantity
    wanted = people - sum(members - short for _, members, short in found)
    get_it = people - sum(members for _, members, _ in found)
    if last_for is not None:
        get_it = min(get_it, last_for)  # The days to come of a yearly one have nobody who waits yet.
    return Preview(
        people=people,
        get_it=get_it,
        left_out=[(reason, members) for reason, members, _ in found],
        units=wanted * campaign.quantity,
        stock_left=stock_left,
        cost_minor=get_it * campaign.quantity * _cost_of_one(terms),
        cost_basis=VALUE if terms.mode is None else CONTRACT,
        is_offered=terms.is_offered,
    )


def _cost_of_one(terms: _Terms) -> int:
    """What a unit costs when it is used as often as it may be; a commission is income and no cost."""
    if terms.mode is None:
        return terms.value_minor
    return terms.uses * max(unit_of(terms.mode, terms.unit_price_minor or 0, terms.commission_minor or 0), 0)
