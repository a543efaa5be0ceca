"""Earning rules as data: what operators read and change. A version that has begun never changes, it only ends."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, insert_of
from liyu.core.database import fetch_all
from liyu.core.errors import DomainError, InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.core.money import BASIS_POINTS
from liyu.members.points.pricing import CHECK_IN, EARNING_TYPES, PURCHASE, STREAK
from liyu.members.points.returns import RETURN_POLICIES
from liyu.members.program import RuleRow

PLANNED, IN_FORCE, ENDED = STATUSES = ("planned", "in_force", "ended")
LONGEST_CODE = 40
LARGEST_FIGURE = 10**9
LONGEST_PENDING_DAYS = 365


class RuleDraft(Struct, kw_only=True):
    """What an operator says of a rule; caps and points in points, rates for each `per_minor` of the amount."""

    event_type: str
    name_zh: str
    name_en: str
    points: int
    growth: int = 0
    per_minor: int | None = None
    tier_multiplied: bool = False
    condition: str = "always"
    every_days: int | None = None
    birthday_basis_points: int = BASIS_POINTS
    birthday_span: str | None = None
    daily_cap: int | None = None
    yearly_cap: int | None = None
    lifetime_cap: int | None = None
    pending_days: int = 0


class RuleVersion(RuleDraft, kw_only=True):
    """One version of a rule as operators see it."""

    code: str
    version: int
    valid_from: datetime
    valid_to: datetime | None

    def status(self, now: datetime) -> str:
        """Whether it is `planned`, `in_force` or `ended`; one that was withdrawn counts as ended."""
        if self.valid_to is not None and self.valid_to <= max(now, self.valid_from):
            return ENDED
        return IN_FORCE if self.valid_from <= now else PLANNED


class RuleExistsError(DomainError):
    """Another rule has this code."""

    code = "rule_exists"
    message = N_("Another rule has this code.")


class PlannedVersionError(DomainError):
    """A version is planned already."""

    code = "version_planned"
    message = N_("Version %(version)s is planned already; withdraw it first.")


class NothingToEndError(DomainError):
    """The rule has ended, or nothing of it is planned."""

    code = "rule_not_in_force"
    message = N_("There is no such version of this rule any more.")


_COLUMNS = ", ".join(RuleVersion.__struct_fields__)
_ALL = f"SELECT {_COLUMNS} FROM earning_rule ORDER BY event_type, code, version DESC"
_OF_CODE = f"SELECT {_COLUMNS} FROM earning_rule WHERE code = %s ORDER BY version DESC"
_END = "UPDATE earning_rule SET valid_to = %s WHERE code = %s AND version = %s"


async def list_rules(connection: AsyncConnection[Any]) -> list[RuleVersion]:
    """All versions of all rules, by type and code, the newest version first."""
    return await fetch_all(connection, RuleVersion, _ALL)


async def load_rule(connection: AsyncConnection[Any], code: str) -> list[RuleVersion]:
    """The versions of one rule, the newest first. Raises NotFoundError."""
    found = await fetch_all(connection, RuleVersion, _OF_CODE, (code,))
    if not found:
        raise NotFoundError
    return found


async def add_rule(
    connection: AsyncConnection[Any], code: str, draft: RuleDraft, *, valid_from: datetime | None, now: datetime
) -> RuleVersion:
    """Make a rule that is in force from `valid_from` on, or at once. Raises InvalidInputError or RuleExistsError."""
    faults = _check(draft, valid_from, now)
    if not code.replace("_", "").isalnum() or not code.isascii() or len(code) > LONGEST_CODE:
        faults["code"] = Message(N_("Use letters, digits and underscores only."))
    if faults:
        raise InvalidInputError.of_fields(faults)
    await _lock(connection, code)
    if await (await connection.execute("SELECT version FROM earning_rule WHERE code = %s", (code,))).fetchone():
        raise RuleExistsError
    return await _insert(connection, code, 1, draft, valid_from or now)


async def add_version(
    connection: AsyncConnection[Any], code: str, draft: RuleDraft, *, valid_from: datetime | None, now: datetime
) -> RuleVersion:
    """Let a rule read otherwise from `valid_from` on, or at once; what was priced before keeps its price.

    Raises InvalidInputError, NotFoundError or PlannedVersionError.
    """
    await _lock(connection, code)
    versions = await load_rule(connection, code)
    latest = versions[0]
    faults = _check(draft, valid_from, now)
    if draft.event_type != latest.event_type:
        faults["event_type"] = Message(N_("A rule keeps its type; make another rule."))
    if faults:
        raise InvalidInputError.of_fields(faults)
    present = _present(versions, now)
    begins = valid_from or now
    if present is not None and (present.valid_to is None or present.valid_to > begins):
        await connection.execute(_END, (begins, code, present.version))
    return await _insert(connection, code, latest.version + 1, draft, begins)


async def end_rule(connection: AsyncConnection[Any], code: str, at: datetime | None, *, now: datetime) -> RuleVersion:
    """Let a rule end at an instant, or at once.

    Raises InvalidInputError, NotFoundError, PlannedVersionError, or NothingToEndError when it is not in force.
    """
    await _lock(connection, code)
    present = _present(await load_rule(connection, code), now)
    if at is not None and at < now:
        raise InvalidInputError.of_fields({"valid_to": Message(N_("Must not lie in the past."))})
    if present is None:
        raise NothingToEndError
    await connection.execute(_END, (at or now, code, present.version))
    return present


async def withdraw_planned(connection: AsyncConnection[Any], code: str, *, now: datetime) -> RuleVersion:
    """Take a planned version back before it begins; the one before it goes on. Raises NotFoundError or NothingToEndError."""
    await _lock(connection, code)
    versions = await load_rule(connection, code)
    planned = next((one for one in versions if one.status(now) == PLANNED), None)
    if planned is None:
        raise NothingToEndError
    await connection.execute(_END, (planned.valid_from, code, planned.version))
    for one in versions:
        if one.valid_to == planned.valid_from and one.status(now) == IN_FORCE:
            await connection.execute(_END, (None, code, one.version))
    return planned


class PurchasePolicy(Struct, frozen=True):
    """What returns take back, and whether the part of a purchase that was paid with points earns points, too."""

    return_policy: str
    points_part_earns: bool


async def set_purchase_policy(connection: AsyncConnection[Any], policy: PurchasePolicy) -> PurchasePolicy:
    """Set what holds for purchases and returns that come from now on, and return what it was. Raises InvalidInputError."""
    if policy.return_policy not in RETURN_POLICIES:
        raise InvalidInputError.of_fields({"policy": Message(N_("Choose one of the values offered."))})
    found = await connection.execute("SELECT return_policy, points_part_earns FROM program FOR UPDATE")
    row = await found.fetchone()
    assert row is not None
    await connection.execute(
        "UPDATE program SET return_policy = %s, points_part_earns = %s",
        (policy.return_policy, policy.points_part_earns),
    )
    return PurchasePolicy(*row)


def _check(draft: RuleDraft, valid_from: datetime | None, now: datetime) -> dict[str, Message]:
    """Every fault of a draft by field."""
    faults: dict[str, Message] = {}
    if draft.event_type not in EARNING_TYPES:
        faults["event_type"] = Message(N_("Choose one of the values offered."))
    if draft.points == 0 and draft.growth == 0:
        faults["points"] = Message(N_("A rule gives points or growth value."))
    if draft.per_minor is not None and draft.event_type != PURCHASE:
        faults["per_minor"] = Message(N_("Only purchases have an amount."))
    if draft.condition == STREAK and draft.event_type != CHECK_IN:
        faults["condition"] = Message(N_("Only check-ins make a streak."))
    if (draft.condition == STREAK) != (draft.every_days is not None):
        faults["every_days"] = Message(N_("A streak needs its days, and nothing else has them."))
    if (draft.birthday_basis_points == BASIS_POINTS) != (draft.birthday_span is None):
        faults["birthday_span"] = Message(N_("A birthday multiplier other than 1 needs to say when, and 1 needs not."))
    if valid_from is not None and valid_from < now:
        faults["valid_from"] = Message(N_("Must not lie in the past: what has happened keeps its price."))
    return faults


def _present(versions: list[RuleVersion], now: datetime) -> RuleVersion | None:
    """The version in force. Raises PlannedVersionError while another one is planned."""
    for one in versions:
        if one.status(now) == PLANNED:
            raise PlannedVersionError(version=one.version)
    return next((one for one in versions if one.status(now) == IN_FORCE), None)


async def _insert(
    connection: AsyncConnection[Any], code: str, version: int, draft: RuleDraft, valid_from: datetime
) -> RuleVersion:
    terms = {name: getattr(draft, name) for name in RuleDraft.__struct_fields__}
    made = RuleVersion(**terms, code=code, version=version, valid_from=valid_from, valid_to=None)
    await connection.execute(insert_of("earning_rule", RuleRow), (encode_rows([RuleRow(**asdict(made))]),))
    return made


async def _lock(connection: AsyncConnection[Any], code: str) -> None:
    """One change of a rule at a time, a new one included."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"rule:{code}",))
