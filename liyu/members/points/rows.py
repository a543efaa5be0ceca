"""Rows and statements for set-based writes to lots; the desk, earning, clawback and lapse all write through these."""

from datetime import date

from msgspec import Struct

from liyu.core.bulk import insert_of, record_of


class LotEntryRow(Struct):
    """What one transfer does to one lot."""

    transfer_id: int
    lot_id: int
    amount: int


class LotRow(Struct):
    """A lot that a posting needs; its id is kept only if no lot of the same key is there yet, which it fills up then."""

    id: int
    account_id: int
    funder: str
    expires_on: date | None
    matures_on: date | None
    remaining: int


class LotChange(Struct):
    """By how much the rest of a lot moves."""

    id: int
    amount: int


INSERT_ENTRIES = insert_of("lot_entry", LotEntryRow)
MOVE_LOTS = (
    "UPDATE lot SET remaining = lot.remaining + r.amount "
    "FROM json_to_recordset(%s::json) AS r(id bigint, amount bigint) WHERE lot.id = r.id"
)
OPEN_LOTS = (
    f"INSERT INTO lot (id, account_id, funder, expires_on, matures_on, remaining) "
    f"SELECT id, account_id, funder, expires_on, matures_on, remaining FROM {record_of(LotRow)} "
    f"ON CONFLICT (account_id, expires_on, funder, matures_on) DO UPDATE SET remaining = lot.remaining + excluded.remaining "
    f"RETURNING id, account_id, funder, expires_on, matures_on"
)

_MOVE_DUE = """
    entries AS (
        INSERT INTO lot_entry (transfer_id, lot_id, amount)
        SELECT transfer_id, lot_id, -remaining FROM due UNION ALL SELECT {arrival}, to_lot_id, remaining FROM due),
    lots AS (
        UPDATE lot SET remaining = lot.remaining + d.amount FROM (
            SELECT id, sum(amount) AS amount FROM (
                SELECT lot_id AS id, -remaining AS amount FROM due UNION ALL SELECT to_lot_id, remaining FROM due) AS moves
            GROUP BY id) AS d
        WHERE lot.id = d.id),
    balances AS (
        UPDATE account SET balance = balance + d.amount FROM (
            SELECT id, sum(amount) AS amount FROM (
                SELECT account_id AS id, -remaining AS amount FROM due UNION ALL SELECT to_account_id, remaining FROM due) AS moves
            GROUP BY id HAVING sum(amount) <> 0) AS d
        WHERE account.id = d.id)"""


def move_due(arrival: str = "transfer_id") -> str:
    """The rest of a statement whose `due` names lots that go whole into others.

    Of `due` it needs transfer_id, lot_id and account_id, to_lot_id and to_account_id, remaining; and, where the points arrive by a
    transfer of their own, the column `arrival` with its id.
    """
    return _MOVE_DUE.format(arrival=arrival)


def net_lot_changes(entries: list[LotEntryRow]) -> list[LotChange]:
    """What the entries together do to each lot."""
    net: dict[int, int] = {}
    for entry in entries:
        net[entry.lot_id] = net.get(entry.lot_id, 0) + entry.amount
    return [LotChange(lot, amount) for lot, amount in sorted(net.items()) if amount]
