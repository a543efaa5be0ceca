"""Points given outside the earning rules: into a lot of their own day, after they have paid off what is owed."""

from datetime import date
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows
from liyu.core.clock import local_date
from liyu.core.ledger.posting import TransferRow, post_transfers, reserve_ids
from liyu.core.money import POINTS
from liyu.members.points.expiry import last_day_for
from liyu.members.points.post import FUNDER
from liyu.members.points.post_state import Earner, PostState
from liyu.members.points.rows import INSERT_ENTRIES, MOVE_LOTS, OPEN_LOTS, LotEntryRow, LotRow, net_lot_changes


class Gift(Struct, frozen=True):
    """Why points are given: the event, the system account they come from, and the key that makes it unique for ever."""

    event: str
    account: str
    source: str
    reason: str
    key: str
    actor: str


async def credit_points(
    connection: AsyncConnection[Any], state: PostState, earner: Earner, points: int, gift: Gift
) -> None:
    """Give points to a member whose account is locked; they pay a debt first, as earnings do.

    Raises psycopg's UniqueViolation when the key was used before.
    """
    account = state.accounts[gift.account]
    repaid = min(earner.debt, points)
    first, second = await reserve_ids(connection, "transfer", 2)
    transfers, entries = [], []
    if repaid:
        transfers.append(_transfer(first, account, earner.debt_account, repaid, gift, f"{gift.key}:repay", state))
    if points > repaid:
        expires_on = last_day_for(state.terms, earner.state, local_date(state.now, state.zone))
        lot_id = await _open_lot(connection, earner.points_account, expires_on)
        transfers.append(_transfer(second, account, earner.points_account, points - repaid, gift, gift.key, state))
        entries.append(LotEntryRow(second, lot_id, points - repaid))
    await write_movements(connection, transfers, entries)


async def write_movements(
    connection: AsyncConnection[Any], transfers: list[TransferRow], entries: list[LotEntryRow]
) -> None:
    """Write transfers with what they do to lots, and move both."""
    await post_transfers(connection, transfers)
    await connection.execute(INSERT_ENTRIES, (encode_rows(entries),))
    await connection.execute(MOVE_LOTS, (encode_rows(net_lot_changes(entries)),))


async def _open_lot(connection: AsyncConnection[Any], account_id: int, expires_on: date | None) -> int:
    (lot_id,) = await reserve_ids(connection, "lot", 1)
    row = LotRow(lot_id, account_id, FUNDER, expires_on, None, 0)
    opened = await (await connection.execute(OPEN_LOTS, (encode_rows([row]),))).fetchone()
    assert opened is not None
    return int(opened[0])


def _transfer(
    transfer_id: int, debit: int, credit: int, amount: int, gift: Gift, key: str, state: PostState
) -> TransferRow:
    return TransferRow(
        id=transfer_id, debit_account_id=debit, credit_account_id=credit, amount=amount, unit=POINTS, event=gift.event,
        source=gift.source, reason=gift.reason, actor=gift.actor, key=key, at=state.now,
    )  # fmt: skip
