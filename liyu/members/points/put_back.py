"""Putting points back into the lots they came from, when what they paid for is cancelled or given back.

A lot that has lapsed meanwhile follows the program's stated rule: with no days of grace its points lapse again at once, with
N days they live until then (docs/rules.md 4).
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows
from liyu.core.database import fetch_all
from liyu.core.ledger.posting import TransferRow, post_transfers, reserve_ids, system_accounts
from liyu.core.money import POINTS
from liyu.members.points.post import FUNDER
from liyu.members.points.rows import INSERT_ENTRIES, MOVE_LOTS, OPEN_LOTS, LotEntryRow, LotRow, net_lot_changes
from liyu.members.program import load_terms

SPENT_INTO = "points_redeemed"
"""The account that points go to when members pay with them."""


class Taken(Struct):
    """What a payment took from one lot."""

    transfer_id: int
    lot_id: int
    account_id: int
    funder: str
    expires_on: date | None
    amount: int


class PutBack(Struct, frozen=True):
    """How points that go back are written down."""

    event: str
    source: str
    reason: str
    actor: str
    at: datetime
    part: str = ""
    """Tells several parts of one payment apart; a payment that goes back whole, or the rest of one, is reversed by it."""


_TAKEN = """
    SELECT t.id AS transfer_id, l.id AS lot_id, l.account_id, l.funder, l.expires_on, -e.amount AS amount
    FROM transfer t JOIN lot_entry e ON e.transfer_id = t.id JOIN lot l ON l.id = e.lot_id WHERE t.key = %s
    ORDER BY l.expires_on DESC NULLS FIRST, l.id DESC"""
"""The lot that lives longest comes first: where only a part goes back, the member keeps it longest."""


async def put_back(
    connection: AsyncConnection[Any],
    payment: str,
    account_id: int,
    written: PutBack,
    today: date,
    *,
    already: int,
    wanted: int,
) -> int:
    """Put `wanted` points of a payment back, after `already` went back before; returns how many.

    `payment` is the key of its transfer, `account_id` the member's account of points, whose lock the caller holds.
    """
    taken = pick_portion(await fetch_all(connection, Taken, _TAKEN, (payment,)), already, wanted)
    if not taken:
        return 0
    await _lead_to_own_lots(connection, account_id, taken)
    accounts, terms = await system_accounts(connection), await load_terms(connection)
    points = sum(one.amount for one in taken)
    lapsed = [one for one in taken if one.expires_on is not None and one.expires_on < today]
    back, *lapses = await reserve_ids(connection, "transfer", 1 + len(lapsed))
    # A transfer is reversed once. Parts are transfers of their own, and what is left at the end reverses it.
    reversal_of = None if written.part else taken[0].transfer_id
    transfers = [
        _transfer(back, accounts[SPENT_INTO], account_id, points, written, written.event, written.part, reversal_of)
    ]
    entries = [LotEntryRow(back, one.lot_id, one.amount) for one in taken if one not in lapsed]
    if lapsed and terms.lapsed_grace_days:
        alive = await _open_lot(connection, account_id, FUNDER, today + timedelta(days=terms.lapsed_grace_days))
        entries.append(LotEntryRow(back, alive, sum(one.amount for one in lapsed)))
    elif lapsed:
        for one, lapse in zip(lapsed, lapses, strict=True):
            entries += [LotEntryRow(back, one.lot_id, one.amount), LotEntryRow(lapse, one.lot_id, -one.amount)]
            place = f"{written.part}:{one.lot_id}"
            transfers.append(
                _transfer(lapse, account_id, accounts["points_lapsed"], one.amount, written, "lapse", place)
            )
    await post_transfers(connection, transfers)
    await connection.execute(INSERT_ENTRIES, (encode_rows(entries),))
    await connection.execute(MOVE_LOTS, (encode_rows(net_lot_changes(entries)),))
    return points


def pick_portion(taken: Sequence[Taken], already: int, wanted: int) -> list[Taken]:
    """Which of the points taken go back: `wanted` of them, after `already` went back before, in the order given.

    Pure, so that the parts together give exactly what was taken from each lot.
    """
    portion: list[Taken] = []
    for one in taken:
        skipped = min(already, one.amount)
        already -= skipped
        amount = min(wanted, one.amount - skipped)
        wanted -= amount
        if amount:
            portion.append(replace(one, amount=amount))
    return portion


def _transfer(
    transfer_id: int,
    debit: int,
    credit: int,
    amount: int,
    written: PutBack,
    event: str,
    part: str,
    reversal_of: int | None = None,
) -> TransferRow:
    return TransferRow(
        id=transfer_id, debit_account_id=debit, credit_account_id=credit, amount=amount, unit=POINTS, event=event,
        source=written.source, reason=written.reason, actor=written.actor, key=f"{event}:{written.source}{part}",
        at=written.at, reversal_of=reversal_of,
    )  # fmt: skip


async def _lead_to_own_lots(connection: AsyncConnection[Any], account_id: int, taken: list[Taken]) -> None:
    """The lots of a member who was merged live on in those of the same key of the one who lives on."""
    for one in taken:
        if one.account_id != account_id:
            one.lot_id = await _open_lot(connection, account_id, one.funder, one.expires_on)


async def _open_lot(connection: AsyncConnection[Any], account_id: int, funder: str, expires_on: date | None) -> int:
    (lot_id,) = await reserve_ids(connection, "lot", 1)
    row = LotRow(lot_id, account_id, funder, expires_on, None, 0)
    opened = await (await connection.execute(OPEN_LOTS, (encode_rows([row]),))).fetchone()
    assert opened is not None
    return int(opened[0])
