"""Manual adjustments 人工调整: points given or taken by a person, with a reason, through the same lots and debts as events."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.core.errors import DomainError, IdempotencyConflictError, InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.core.ledger.posting import TransferRow, reserve_ids
from liyu.core.money import POINTS
from liyu.members.errors import MemberClosedError, UnknownMemberError
from liyu.members.points.credit import Gift, credit_points, write_movements
from liyu.members.points.lots import draw_points
from liyu.members.points.post_state import Earner, PostState, load_state
from liyu.members.points.rows import LotEntryRow
from liyu.members.program import load_terms

_DONE = """
    SELECT sum(CASE WHEN c.member_id IS NULL THEN -t.amount ELSE t.amount END)::bigint, min(t.reason), min(m.external_id)
    FROM transfer t JOIN account c ON c.id = t.credit_account_id JOIN account d ON d.id = t.debit_account_id
    JOIN member m ON m.id = coalesce(c.member_id, d.member_id) WHERE t.key IN (%(key)s, %(repay)s)"""

LARGEST_ADJUSTMENT = 1_000_000
LONGEST_REASON = 200


class NotEnoughToTakeError(DomainError):
    """The member has fewer points than the adjustment would take."""

    code = "not_enough_points"
    message = N_("The member has %(usable)s points; %(wanted)s cannot be taken.")


async def adjust_points(
    connection: AsyncConnection[Any],
    external_id: str,
    points: int,
    *,
    reason: str,
    key: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> int:
    """Give (> 0) or take (< 0) points and return the new balance. `key` makes the movement unique for ever.

    Given points pay a debt first, as earnings do.

    Raises InvalidInputError, UnknownMemberError, MemberClosedError or NotEnoughToTakeError.
    """
    check_adjustment(points, reason)
    state = await load_state(connection, [], [external_id], now, zone, await load_terms(connection))
    earner = state.earners.get(external_id)
    if earner is None:
        raise UnknownMemberError
    if earner.state == "closed":
        raise MemberClosedError
    if points > 0:
        gift = Gift("adjust", "points_adjusted", f"adjust:{key}", reason, f"adjust:{key}", actor)
        await credit_points(connection, state, earner, points, gift)
    else:
        await _take(connection, state, earner, -points, reason=reason, key=key, actor=actor)
    found = await connection.execute("SELECT balance FROM account WHERE id = %s", (earner.points_account,))
    row = await found.fetchone()
    assert row is not None
    return int(row[0])


async def check_enough(connection: AsyncConnection[Any], member_id: int, points: int) -> None:
    """Raises NotEnoughToTakeError when an adjustment would take more than the member has. The account is locked."""
    found = await connection.execute(
        "SELECT balance FROM account WHERE member_id = %s AND kind = 'member_points'", (member_id,)
    )
    (balance,) = await found.fetchone() or (0,)
    if balance + points < 0:
        raise NotEnoughToTakeError(usable=balance, wanted=-points)


def check_adjustment(points: int, reason: str) -> None:
    """Raises InvalidInputError with every fault of an adjustment."""
    faults = {}
    if points == 0 or abs(points) > LARGEST_ADJUSTMENT:
        faults["points"] = Message(
            N_("Must be between -%(most)s and %(most)s, and not 0."), {"most": LARGEST_ADJUSTMENT}
        )
    if not reason.strip() or len(reason) > LONGEST_REASON:
        faults["reason"] = Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_REASON})
    if faults:
        raise InvalidInputError.of_fields(faults)


async def adjust_points_once(
    connection: AsyncConnection[Any],
    external_id: str,
    points: int,
    *,
    reason: str,
    key: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> bool:
    """As `adjust_points`; the same key with the same figures does nothing and returns False.

    Raises IdempotencyConflictError when the key stands for another adjustment.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"adjust:{key}",))
    found = await connection.execute(_DONE, {"key": f"adjust:{key}", "repay": f"adjust:{key}:repay"})
    done, done_reason, member = await found.fetchone() or (None, None, None)
    if done is None:
        await adjust_points(connection, external_id, points, reason=reason, key=key, actor=actor, now=now, zone=zone)
        return True
    if (done, done_reason, member) != (points, reason, external_id):
        raise IdempotencyConflictError
    return False


async def _take(
    connection: AsyncConnection[Any],
    state: PostState,
    earner: Earner,
    points: int,
    *,
    reason: str,
    key: str,
    actor: str,
) -> None:
    lots = [lot for lot in earner.lots.values() if lot.account_id == earner.points_account]
    draws = draw_points(lots, points, today=None)
    usable = sum(draw.amount for draw in draws)
    if usable < points:
        raise NotEnoughToTakeError(usable=usable, wanted=points)
    (transfer_id,) = await reserve_ids(connection, "transfer", 1)
    adjusted = state.accounts["points_adjusted"]
    transfer = _transfer(transfer_id, earner.points_account, adjusted, points, reason, key, actor, state.now)
    await write_movements(
        connection, [transfer], [LotEntryRow(transfer_id, draw.lot_id, -draw.amount) for draw in draws]
    )


def _transfer(
    transfer_id: int, debit: int, credit: int, amount: int, reason: str, key: str, actor: str, now: datetime
) -> TransferRow:
    return TransferRow(
        id=transfer_id, debit_account_id=debit, credit_account_id=credit, amount=amount, unit=POINTS, event="adjust",
        source=f"adjust:{key}", reason=reason, actor=actor, key=f"adjust:{key}", at=now,
    )  # fmt: skip
