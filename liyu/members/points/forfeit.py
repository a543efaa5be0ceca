"""Points at the end of a membership: what is left is given up, what is owed is let off, and both stand in the ledger."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows
from liyu.core.ledger.models import MEMBER_DEBT, MEMBER_PENDING, MEMBER_POINTS
from liyu.core.ledger.posting import TransferRow, post_transfers, reserve_ids, system_accounts
from liyu.core.money import POINTS
from liyu.members.points.rows import INSERT_ENTRIES, MOVE_LOTS, LotEntryRow, net_lot_changes

EVENT = "close"
REASON = "account_closed"


class Forfeited(Struct, frozen=True):
    """What became of a member's points: given up, and debt let off."""

    points: int
    debt: int


_ACCOUNTS = "SELECT id, kind, balance FROM account WHERE member_id = %s ORDER BY id FOR UPDATE"
_LOTS = "SELECT id, remaining FROM lot WHERE account_id = %s AND is_open ORDER BY id"


async def forfeit_points(connection: AsyncConnection[Any], member_id: int, *, actor: str, now: datetime) -> Forfeited:
    """Bring a member's three accounts to nothing, in the caller's transaction. A second time moves nothing."""
    found = await connection.execute(_ACCOUNTS, (member_id,))
    accounts = {kind: (account_id, balance) for account_id, kind, balance in await found.fetchall()}
    system = await system_accounts(connection)
    given_up = [accounts[kind] for kind in (MEMBER_POINTS, MEMBER_PENDING) if accounts[kind][1]]
    debt_account, debt = accounts[MEMBER_DEBT]
    movements = [(account, system["points_lapsed"], balance) for account, balance in given_up]
    movements += [(system["points_adjusted"], debt_account, -debt)] if debt else []
    ids = await reserve_ids(connection, "transfer", len(movements))
    transfers = [
        TransferRow(
            id=transfer_id, debit_account_id=debit, credit_account_id=credit, amount=amount, unit=POINTS, event=EVENT,
            source=f"member:{member_id}", reason=REASON, actor=actor, key=f"{EVENT}:{debit}:{credit}:{transfer_id}", at=now,
        )
        for transfer_id, (debit, credit, amount) in zip(ids, movements, strict=True)
    ]  # fmt: skip
    entries = []
    for transfer, (account, _balance) in zip(transfers, given_up, strict=False):
        lots = await connection.execute(_LOTS, (account,))
        entries += [LotEntryRow(transfer.id, lot, -remaining) for lot, remaining in await lots.fetchall()]
    await post_transfers(connection, transfers)
    await connection.execute(INSERT_ENTRIES, (encode_rows(entries),))
    await connection.execute(MOVE_LOTS, (encode_rows(net_lot_changes(entries)),))
    return Forfeited(sum(balance for _account, balance in given_up), -debt)
