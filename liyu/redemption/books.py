"""The proof of all books of this installation: the ledger's own checks and those of every package."""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from liyu.core.ledger import prove as ledger
from liyu.core.ledger import totals
from liyu.core.ledger.prove import ProofResult
from liyu.members.paid import checks as paid
from liyu.members.points import checks as points
from liyu.members.tiers import checks as tiers
from liyu.partners.settlement import checks as settlement
from liyu.redemption import checks as redemption
from liyu.vouchers import checks as vouchers

CHECKS = (
    ledger.CHECKS
    | totals.CHECKS
    | points.CHECKS
    | tiers.CHECKS
    | paid.CHECKS
    | settlement.CHECKS
    | vouchers.CHECKS
    | redemption.CHECKS
)


async def prove_books(connection: AsyncConnection[Any], now: datetime) -> ProofResult:
    """Prove that the books balance, in one snapshot of the database; the connection must be in no transaction yet."""
    return await ledger.prove(connection, CHECKS, now)
