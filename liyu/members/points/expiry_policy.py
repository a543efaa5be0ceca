"""The program's policies of expiry, as operators change them. They hold for points earned from then on."""

from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message

EXPIRY_POLICIES = ("year_end", "rolling", "never")
LONGEST_MONTHS = 120
LONGEST_DAYS = 366
FEWEST_INACTIVE_DAYS, MOST_INACTIVE_DAYS = 30, 3650


class ExpiryPolicy(Struct, frozen=True):
    """When points lapse, for how many days lapsed ones can come back (0: not at all), how long before members are told.

    And after how many days without earning or redeeming they lapse in any case (0: never).
    """

    expiry_policy: str
    expiry_months: int
    lapsed_grace_days: int
    reminder_days: int
    inactive_days: int = 0


async def change_policy(connection: AsyncConnection[Any], policy: ExpiryPolicy) -> None:
    """Put a policy in force. Lots keep the last day that they were given. Raises InvalidInputError."""
    faults: dict[str, Message] = {}
    if policy.expiry_policy not in EXPIRY_POLICIES:
        faults["expiry_policy"] = Message(N_("Must be one of %(known)s."), {"known": ", ".join(EXPIRY_POLICIES)})
    for name, least, most in (
        ("expiry_months", 1, LONGEST_MONTHS), ("lapsed_grace_days", 0, LONGEST_DAYS), ("reminder_days", 0, LONGEST_DAYS),
    ):  # fmt: skip
        if not least <= getattr(policy, name) <= most:
            values = {"minimum": least, "maximum": most}
            faults[name] = Message(N_("Enter a number from %(minimum)s to %(maximum)s."), values)
    if policy.inactive_days and not FEWEST_INACTIVE_DAYS <= policy.inactive_days <= MOST_INACTIVE_DAYS:
        values = {"minimum": FEWEST_INACTIVE_DAYS, "maximum": MOST_INACTIVE_DAYS}
        faults["inactive_days"] = Message(N_("Enter 0, or a number from %(minimum)s to %(maximum)s."), values)
    if faults:
        raise InvalidInputError.of_fields(faults)
    await connection.execute(
        "UPDATE program SET expiry_policy = %s, expiry_months = %s, lapsed_grace_days = %s, reminder_days = %s, "
        "inactive_days = %s",
        (
            policy.expiry_policy,
            policy.expiry_months,
            policy.lapsed_grace_days,
            policy.reminder_days,
            policy.inactive_days,
        ),
    )
