"""Writing to the ledger: rows for set-based inserts, the system accounts, and single transfers of money."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, insert_of


class TransferRow(Struct, kw_only=True):
    """One transfer to be written; `amount` in the unit of both accounts, `key` unique for ever."""

    id: int
    debit_account_id: int
    credit_account_id: int
    amount: int
    unit: str
    event: str
    source: str
    reason: str
    actor: str
    key: str
    at: datetime
    reversal_of: int | None = None


class BalanceChange(Struct):
    """By how much the cached balance of a member account moves."""

    id: int
    amount: int


INSERT_TRANSFERS = insert_of("transfer", TransferRow)
MOVE_BALANCES = (
    "UPDATE account SET balance = balance + r.amount "
    "FROM json_to_recordset(%s::json) AS r(id bigint, amount bigint) WHERE account.id = r.id"
)


async def system_accounts(connection: AsyncConnection[Any]) -> dict[str, int]:
    """The ids of the system accounts by kind. They are made by the migrations and never change."""
    found = await connection.execute("SELECT kind, id FROM account WHERE member_id IS NULL AND partner_id IS NULL")
    return dict(await found.fetchall())


async def reserve_ids(connection: AsyncConnection[Any], table: str, count: int) -> list[int]:
    """`count` fresh ids of a table, taken from its sequence so that rows can refer to each other before they are written."""
    found = await connection.execute(f"SELECT nextval('{table}_id_seq') FROM generate_series(1, %s)", (count,))
    return [row[0] for row in await found.fetchall()]


async def post_transfers(connection: AsyncConnection[Any], transfers: list[TransferRow]) -> None:
    """Write transfers and move the cached balances of the member accounts they touch.

    The caller holds the locks of those member accounts. Raises psycopg's UniqueViolation when a key was used before, and
    CheckViolation when a balance would take the wrong sign.
    """
    if not transfers:
        return
    await connection.execute(INSERT_TRANSFERS, (encode_rows(transfers),))
    await connection.execute(
        MOVE_BALANCES.replace("account.id = r.id", "account.id = r.id AND account.member_id IS NOT NULL"),
        (encode_rows(net_changes(transfers)),),
    )


def net_changes(transfers: list[TransferRow]) -> list[BalanceChange]:
    """What the transfers together do to each account; zero sums are left out."""
    net: dict[int, int] = {}
    for transfer in transfers:
        net[transfer.debit_account_id] = net.get(transfer.debit_account_id, 0) - transfer.amount
        net[transfer.credit_account_id] = net.get(transfer.credit_account_id, 0) + transfer.amount
    return [BalanceChange(account, amount) for account, amount in sorted(net.items()) if amount]


async def system_account(connection: AsyncConnection[Any], kind: str, unit: str) -> int:
    """The system account of a kind in one unit; made at first use."""
    find = "SELECT id FROM account WHERE kind = %s AND unit = %s AND member_id IS NULL AND partner_id IS NULL"
    row = await (await connection.execute(find, (kind, unit))).fetchone()
    if row is None:
        await connection.execute(
            "INSERT INTO account (kind, unit) VALUES (%s, %s) ON CONFLICT DO NOTHING", (kind, unit)
        )
        row = await (await connection.execute(find, (kind, unit))).fetchone()
    assert row is not None
    return int(row[0])


async def partner_account(connection: AsyncConnection[Any], partner_id: int, currency: str) -> int:
    """The payable account of a partner in one currency; made at first use."""
    found = await connection.execute(
        "INSERT INTO account (kind, unit, partner_id) VALUES ('partner_payable', %s, %s) "
        "ON CONFLICT (partner_id, kind, unit) WHERE partner_id IS NOT NULL DO UPDATE SET kind = excluded.kind RETURNING id",
        (currency, partner_id),
    )
    row = await found.fetchone()
    assert row is not None
    return int(row[0])
