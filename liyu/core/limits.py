"""Named limits, counted in the database so that they hold over all processes."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection
from sqlalchemy import CheckConstraint, case, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.bulk import encode_rows, record_of
from liyu.core.database import Base
from liyu.core.errors import DomainError, Reason
from liyu.core.i18n import N_, Message


@dataclass(frozen=True, slots=True)
class Limit:
    """So many hits in a window of so many seconds, counted from the first hit; `why` tells who went past it whose doing it was."""

    hits: int
    seconds: int
    why: str | None = None


LIMITS = {
    "login": Limit(10, 900),
    "login_address": Limit(60, 900),
    "login_code": Limit(5, 3600),
    "login_code_address": Limit(30, 3600),
    "phone_change": Limit(5, 86_400),
    "data_export": Limit(10, 86_400),
    "redeem": Limit(60, 60),
    "drop": Limit(20, 60),
    "drop_address": Limit(600, 60),
    "gift_code": Limit(10, 3600),
    "gift_code_address": Limit(60, 3600),
    "claim_code": Limit(10, 3600),
    "claim_code_address": Limit(60, 3600),
    "verify": Limit(120, 60),
    "verify_address": Limit(1_200, 60),
    "verify_failure": Limit(20, 600, N_("You tried many codes that no voucher has. Scanning a QR code still works.")),
    "verify_failure_key": Limit(
        60, 600, N_("This key sent many codes that no voucher has. What a QR code says is still taken.")
    ),
    "verify_failure_device": Limit(
        30, 600, N_("Many codes that no voucher has were tried on this device. Scanning a QR code still works.")
    ),
    "verify_failure_store": Limit(
        120, 600, N_("Many codes that no voucher has were tried at this store. Scanning a QR code still works.")
    ),
    "verify_failure_address": Limit(
        120, 600, N_("Many codes that no voucher has came from this network. Scanning a QR code still works.")
    ),
    "verify_failure_all": Limit(
        3_000, 600, N_("Somebody is trying very many codes just now. Scanning a QR code still works.")
    ),
    "voucher_pin": Limit(5, 3600),
    "api": Limit(30, 60),
}


class RateLimit(Base):
    """How often a subject did something since its window began."""

    __tablename__ = "rate_limit"
    __table_args__ = (
        CheckConstraint("hits > 0", name="hits_are_positive"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    action: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    window_start: Mapped[datetime]
    hits: Mapped[int]


class LimitExceededError(DomainError):
    """Too many in too short a time; `retry_after` says how many seconds to wait, the reason which limit it is."""

    status = 429
    code = "too_many_requests"
    message = N_("Too many attempts. Please try again in %(minutes)s min.")

    def __init__(self, name: str, retry_after: int) -> None:
        self.retry_after = retry_after
        why = LIMITS[name].why
        reasons = [Reason(name, Message(why))] if why else []
        super().__init__(reasons=reasons, minutes=max(1, -(-retry_after // 60)), retry_after=retry_after)


async def hit(session: AsyncSession, name: str, subject: str, *, now: datetime) -> None:
    """Count one hit in one statement. Raises LimitExceededError when it is one too many.

    A hit that must count although the request fails belongs into a unit of work of its own.
    """
    limit = LIMITS[name]
    is_over = RateLimit.window_start <= now - timedelta(seconds=limit.seconds)
    row = (
        await session.execute(
            insert(RateLimit)
            .values(action=name, subject=subject, window_start=now, hits=1)
            .on_conflict_do_update(
                index_elements=[RateLimit.action, RateLimit.subject],
                set_={
                    "hits": case((is_over, 1), else_=RateLimit.hits + 1),
                    "window_start": case((is_over, now), else_=RateLimit.window_start),
                },
            )
            .returning(RateLimit.hits, RateLimit.window_start)
        )
    ).one()
    if row.hits > limit.hits:
        raise LimitExceededError(name, _seconds_left(limit, row.window_start, now))


async def ensure_within(session: AsyncSession, name: str, subject: str, *, now: datetime) -> None:
    """Look without counting. Raises LimitExceededError when the limit is used up."""
    limit = LIMITS[name]
    row = await session.get(RateLimit, (name, subject))
    if row and row.hits >= limit.hits and (left := _seconds_left(limit, row.window_start, now)) > 0:
        raise LimitExceededError(name, left)


class _Hits(Struct):
    action: str
    subject: str
    hits: int


Subject = tuple[str, str]
"""The name of a limit and who is counted under it."""

READ_WINDOWS = """
    SELECT json_agg(json_build_array(r.action, r.subject, r.window_start, r.hits))
    FROM unnest(%(limits)b::text[], %(subjects)b::text[]) AS w(action, subject)
    JOIN rate_limit r ON r.action = w.action AND r.subject = w.subject"""
"""The windows of some subjects, to stand in a statement that loads more."""

_LENGTHS = " ".join(f"WHEN '{name}' THEN interval '{limit.seconds} seconds'" for name, limit in LIMITS.items())
_IS_OVER = f"w.window_start <= excluded.window_start - CASE w.action {_LENGTHS} END"
_HIT_MANY = f"""
    INSERT INTO rate_limit AS w (action, subject, window_start, hits)
    SELECT action, subject, %(now)s, hits FROM {record_of(_Hits, "%(rows)s")} ORDER BY action, subject
    ON CONFLICT (action, subject) DO UPDATE SET
        hits = excluded.hits + CASE WHEN {_IS_OVER} THEN 0 ELSE w.hits END,
        window_start = CASE WHEN {_IS_OVER} THEN excluded.window_start ELSE w.window_start END"""


@dataclass(slots=True)
class Windows:
    """Hits of several subjects that are counted together: looked at in memory, written in one statement."""

    now: datetime
    known: dict[Subject, tuple[datetime, int]] = field(default_factory=dict)
    counted: dict[Subject, int] = field(default_factory=dict)

    def find_excess(self, subjects: tuple[Subject, ...]) -> "LimitExceededError | None":
        """Why one of the subjects may try no more, if so."""
        for subject in subjects if self.known or self.counted else ():
            limit, (began, hits) = LIMITS[subject[0]], self._window_of(subject)
            if hits >= limit.hits:
                return LimitExceededError(subject[0], _seconds_left(limit, began, self.now))
        return None

    def count_left(self, subject: Subject) -> int:
        """How many hits a subject has left."""
        return max(LIMITS[subject[0]].hits - self._window_of(subject)[1], 0)

    def count(self, subjects: tuple[Subject, ...]) -> None:
        """Note one hit of each subject."""
        for subject in subjects:
            self.counted[subject] = self.counted.get(subject, 0) + 1

    async def save(self, connection: AsyncConnection[Any]) -> None:
        """Write the noted hits in the caller's transaction, in one order everywhere."""
        rows = [_Hits(*subject, hits) for subject, hits in self.counted.items()]
        await connection.execute(_HIT_MANY, {"now": self.now, "rows": encode_rows(rows)})

    def _window_of(self, subject: Subject) -> tuple[datetime, int]:
        began, hits = self.known.get(subject, (self.now, 0))
        if began <= self.now - timedelta(seconds=LIMITS[subject[0]].seconds):
            began, hits = self.now, 0
        return began, hits + self.counted.get(subject, 0)


async def forget(session: AsyncSession, name: str, subject: str) -> None:
    """Start over, after a success."""
    await session.execute(delete(RateLimit).where(RateLimit.action == name, RateLimit.subject == subject))


async def forget_old(session: AsyncSession, *, now: datetime) -> int:
    """Drop windows that ended long ago; returns how many."""
    longest = max(limit.seconds for limit in LIMITS.values())
    old = select(RateLimit.action, RateLimit.subject).where(RateLimit.window_start < now - timedelta(seconds=longest))
    rows = (await session.execute(old.limit(10_000))).all()
    for row in rows:
        await forget(session, row.action, row.subject)
    return len(rows)


def _seconds_left(limit: Limit, window_start: datetime, now: datetime) -> int:
    return int((window_start + timedelta(seconds=limit.seconds) - now).total_seconds()) + 1
