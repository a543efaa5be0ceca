"""Reading paid membership: what a member bought, what it would bring back today, and whose ends soon."""

from datetime import date, datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all, fetch_one
from liyu.members.leads import PERSON
from liyu.members.paid.rules import GivenBack, Sold, days_left, give_back


class Period(Struct, frozen=True):
    """One purchase; money in minor units, days with both ends."""

    id: int
    member_id: int
    tier_id: int
    reference: str
    plan: str
    name_zh: str
    name_en: str
    tier_zh: str
    tier_en: str
    begins_on: date
    ends_on: date
    days: int
    points: int
    paid_minor: int
    return_days: int
    bought_on: date
    bought_at: datetime
    actor: str
    is_first: bool
    """Whether it was the member's first one."""
    is_last: bool
    """Whether none of the member's ends later."""
    returned_at: datetime | None
    returned_points: int | None
    returned_minor: int | None
    returned_by: str | None
    return_reason: str | None

    @property
    def sold(self) -> Sold:
        """What giving it back goes by."""
        return Sold(
            self.begins_on, self.ends_on, self.days, self.points, self.paid_minor, self.bought_on, self.return_days
        )

    def is_over(self, today: date) -> bool:
        """Whether its last day has passed."""
        return self.ends_on < today

    def can_go_back(self, today: date) -> bool:
        """Whether it has days left, and no later one would hang in the air."""
        return self.returned_at is None and self.is_last and not self.is_over(today)

    def would_bring(self, today: date) -> GivenBack:
        """What comes back if it is given back today."""
        return give_back(self.sold, today, is_first=self.is_first)

    def left(self, today: date) -> int:
        """Days that are not used yet."""
        return days_left(self.sold, today)


_PERIODS = """
    SELECT d.id, d.member_id, d.tier_id, d.reference, p.code AS plan, p.name_zh, p.name_en, t.name_zh AS tier_zh,
        t.name_en AS tier_en, d.begins_on, d.ends_on, d.days, d.points, d.paid_minor, d.return_days, d.bought_on, d.bought_at,
        d.actor, NOT EXISTS (SELECT FROM paid_period e WHERE e.member_id = d.member_id AND e.id < d.id) AS is_first,
        NOT EXISTS (SELECT FROM paid_period e WHERE e.member_id = d.member_id AND e.id <> d.id
            AND e.returned_at IS NULL AND (e.ends_on, e.id) > (d.ends_on, d.id)) AS is_last,
        d.returned_at, d.returned_points, d.returned_minor, d.returned_by, d.return_reason
    FROM paid_period d JOIN paid_plan p ON p.id = d.plan_id JOIN tier t ON t.id = d.tier_id"""


async def list_periods(connection: AsyncConnection[Any], member_id: int) -> list[Period]:
    """What a member has bought, the latest first."""
    return await fetch_all(
        connection, Period, f"{_PERIODS} WHERE d.member_id IN {PERSON} ORDER BY d.id DESC", {"member": member_id}
    )


async def find_period(connection: AsyncConnection[Any], reference: str) -> Period | None:
    """What was sold under a reference."""
    return await fetch_one(connection, Period, f"{_PERIODS} WHERE d.reference = %s", (reference,))
