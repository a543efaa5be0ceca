"""The proof that the books balance: every balance and every lot is recomputed from the transfers (docs/rules.md 3)."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.ledger.models import Proof

OFFENDERS_SHOWN = 100

CHECKS: dict[str, str] = {
    "balance_differs_from_transfers": """
        WITH moved AS (
            SELECT account_id, sum(amount)::bigint AS amount FROM (
                SELECT debit_account_id AS account_id, -sum(amount) AS amount FROM transfer GROUP BY 1
                UNION ALL SELECT credit_account_id, sum(amount) FROM transfer GROUP BY 1) AS sides GROUP BY 1)
        SELECT 'account ' || a.id, a.balance AS found, coalesce(m.amount, 0) AS expected
        FROM account a LEFT JOIN moved m ON m.account_id = a.id
        WHERE a.member_id IS NOT NULL AND a.balance <> coalesce(m.amount, 0)""",
    "unit_does_not_sum_to_zero": """
        SELECT 'unit ' || unit, sum(amount)::bigint, 0::bigint FROM (
            SELECT a.unit, -t.amount AS amount FROM transfer t JOIN account a ON a.id = t.debit_account_id
            UNION ALL SELECT a.unit, t.amount FROM transfer t JOIN account a ON a.id = t.credit_account_id) AS sides
        GROUP BY unit HAVING sum(amount) <> 0""",
}
"""Each selects its offenders: what, the figure found, the figure expected. Each package adds its own."""


@dataclass(frozen=True, slots=True)
class ProofResult:
    """The outcome of one proof. `offenders` is empty exactly when the books balance."""

    at: datetime
    accounts: int
    lots: int
    transfers: int
    milliseconds: int
    offenders: list[dict[str, object]] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        """Whether every figure agrees with the transfers."""
        return not self.offenders


async def prove(connection: AsyncConnection[Any], checks: dict[str, str], now: datetime) -> ProofResult:
    """Recompute everything that `checks` name in one snapshot and keep the result in the table `proof`.

    The connection must be in no transaction, or in a fresh one: all checks must see the same instant.
    """
    began = time.monotonic()
    await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    offenders: list[dict[str, object]] = []
    for check, query in checks.items():
        found = await connection.execute(f"{query} LIMIT {OFFENDERS_SHOWN}")
        offenders += [{"check": check, "what": w, "found": f, "expected": e} for w, f, e in await found.fetchall()]
    counts = await connection.execute(
        "SELECT (SELECT count(*) FROM account), (SELECT count(*) FROM lot), (SELECT count(*) FROM transfer)"
    )
    accounts, lots, transfers = await counts.fetchone() or (0, 0, 0)
    result = ProofResult(now, accounts, lots, transfers, round((time.monotonic() - began) * 1000), offenders)
    await connection.execute(
        "INSERT INTO proof (at, balanced, accounts, lots, transfers, offenders, milliseconds) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (now, result.balanced, accounts, lots, transfers, Jsonb(offenders), result.milliseconds),
    )
    return result


async def latest_proofs(session: AsyncSession, limit: int = 10) -> list[Proof]:
    """The latest proofs, the newest first."""
    return list(await session.scalars(select(Proof).order_by(Proof.id.desc()).limit(limit)))
