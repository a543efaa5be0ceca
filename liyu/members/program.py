"""The program's own row, and the default program that an empty installation starts with."""

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, field
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, insert_of
from liyu.core.database import fetch_one
from liyu.core.money import BASIS_POINTS
from liyu.members.personal.consents import ensure_texts
from liyu.members.tiers.rights import TierRight

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""Rules of the default program hold for all time, so that histories of any age can be loaded."""


class ProgramTerms(Struct, frozen=True):
    """The stated policies of the program."""

    name_zh: str
    name_en: str
    currency: str
    expiry_policy: str
    expiry_months: int
    lapsed_grace_days: int
    undo_minutes: int
    points_per_currency_unit: int
    support_phone: str
    demo: bool
    reminder_days: int = 60
    birthday_change_days: int = 365
    phone_change_days: int = 30
    closing_days: int = 7
    tier_fall: str = "one_step"
    tier_grace_days: int = 0
    adjustment_limit: int = 10_000
    issue_limit: int = 1_000
    return_policy: str = "into_debt"
    inactive_days: int = 0
    points_part_earns: bool = False


class TierRow(Struct, frozen=True):
    """A tier to be written."""

    code: str
    rank: int
    name_zh: str
    name_en: str
    threshold: int
    multiplier_basis_points: int
    validity_months: int
    rights: list[TierRight] = field(default_factory=list)


class RuleRow(Struct, frozen=True):
    """A rule version to be written."""

    code: str
    event_type: str
    name_zh: str
    name_en: str
    points: int
    growth: int = 0
    per_minor: int | None = None
    tier_multiplied: bool = False
    daily_cap: int | None = None
    yearly_cap: int | None = None
    pending_days: int = 0
    version: int = 1
    valid_from: datetime = BEGINNING
    valid_to: datetime | None = None
    condition: str = "always"
    every_days: int | None = None
    birthday_basis_points: int = BASIS_POINTS
    birthday_span: str | None = None
    lifetime_cap: int | None = None


DEFAULT_TERMS = ProgramTerms("积分商城", "Points mall", "CNY", "year_end", 24, 0, 10, 10, "", demo=False)

DEFAULT_TIERS = [
    TierRow("standard", 1, "普通会员", "Member", 0, 10_000, 24),
    TierRow("silver", 2, "银卡会员", "Silver", 1_000, 10_000, 24),
    TierRow("gold", 3, "金卡会员", "Gold", 3_000, 10_000, 24),
    TierRow("platinum", 4, "白金会员", "Platinum", 5_000, 10_000, 24),
]

CUSTOMER_RULES = [
    RuleRow("check_in", "check_in", "每日签到", "Daily check-in", 1, daily_cap=1, yearly_cap=365),
    RuleRow("share", "share", "分享", "Share", 2, yearly_cap=384),
    RuleRow("campaign", "campaign", "参加活动", "Join an event", 30, yearly_cap=500),
    RuleRow("referral", "referral", "推荐好友", "Refer a friend", 80),
    RuleRow("suggestion", "suggestion", "建议被采纳", "Adopted suggestion", 50),
]
"""The customer's list (docs/adr/0021). Caps are in points."""

DEFAULT_RULES = [RuleRow("purchase", "purchase", "消费积分", "Purchases", 1, growth=1, per_minor=100), *CUSTOMER_RULES]
"""1 point for every full unit of the currency."""


async def ensure_program(
    connection: AsyncConnection[Any],
    terms: ProgramTerms = DEFAULT_TERMS,
    tiers: list[TierRow] = DEFAULT_TIERS,
    rules: list[RuleRow] = DEFAULT_RULES,
) -> bool:
    """Write the program unless there is one already; whether it was written."""
    columns = ", ".join(ProgramTerms.__struct_fields__)
    written = await connection.execute(
        f"INSERT INTO program (id, {columns}) SELECT 1, {columns} "
        f"FROM json_populate_record(NULL::program, %s::json) ON CONFLICT DO NOTHING",
        (encode_rows(terms),),
    )
    if not written.rowcount:
        return False
    await connection.execute(insert_of("tier", TierRow), (encode_rows(tiers),))
    await connection.execute(insert_of("earning_rule", RuleRow), (encode_rows(rules),))
    await ensure_texts(connection)
    return True


async def load_terms(connection: AsyncConnection[Any]) -> ProgramTerms:
    """The program's policies. Raises LookupError when the installation has no program yet."""
    columns = ", ".join(ProgramTerms.__struct_fields__)
    terms = await fetch_one(connection, ProgramTerms, f"SELECT {columns} FROM program")
    if terms is None:
        raise LookupError("the installation has no program yet: run `liyu db upgrade`")
    return terms


async def save_account_rules(
    connection: AsyncConnection[Any], *, birthday_change_days: int, phone_change_days: int, closing_days: int
) -> None:
    """Say how often members may change their birthday and phone, and how long they may think before they leave, in days."""
    await connection.execute(
        "UPDATE program SET birthday_change_days = %s, phone_change_days = %s, closing_days = %s",
        (birthday_change_days, phone_change_days, closing_days),
    )


async def save_limits(connection: AsyncConnection[Any], *, adjustment_limit: int, issue_limit: int) -> None:
    """Say how many points, to or from one member, and how many units by campaigns one person may give in a day alone."""
    await connection.execute(
        "UPDATE program SET adjustment_limit = %s, issue_limit = %s", (adjustment_limit, issue_limit)
    )


async def replace_program(
    connection: AsyncConnection[Any], terms: ProgramTerms, tiers: list[TierRow], rules: list[RuleRow]
) -> None:
    """Put another program in the place of the default one. Raises psycopg's IntegrityError once members have joined."""
    await connection.execute("DELETE FROM earning_rule")
    await connection.execute("DELETE FROM tier")
    await connection.execute("DELETE FROM program")
    await ensure_program(connection, terms, tiers, rules)
