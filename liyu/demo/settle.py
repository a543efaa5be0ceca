"""The month before last, settled with every partner as two people would do it; last month is left to settle."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.core.clock import start_of_day
from liyu.members.points.lots import add_months
from liyu.partners.settlement.errors import NothingToPayError
from liyu.partners.settlement.payout import approve_and_pay, carry_over, prepare_payout
from liyu.partners.settlement.settle import approve_statement, prepare_statements, send_statement

PREPARER = "staff:finance@example.com"
APPROVER = "staff:finance2@example.com"


async def settle_earlier_month(connection: AsyncConnection[Any], today: date, zone: ZoneInfo) -> None:
    """Prepare, send, approve and pay the statements of the month before last."""
    first = add_months(today, -2)
    prepared_at = start_of_day(add_months(first, 1), zone) + timedelta(hours=10)
    async with connection.transaction():
        await prepare_statements(connection, first.strftime("%Y-%m"), actor=PREPARER, now=prepared_at, zone=zone)
        found = await connection.execute("SELECT id, number FROM statement ORDER BY id")
        for statement_id, number in await found.fetchall():
            await _settle(connection, statement_id, number, prepared_at)


async def _settle(connection: AsyncConnection[Any], statement_id: int, number: str, prepared_at: datetime) -> None:
    await send_statement(connection, statement_id, actor=PREPARER, now=prepared_at + timedelta(hours=2))
    approved_at = prepared_at + timedelta(days=4)
    await approve_statement(connection, statement_id, actor=APPROVER, now=approved_at)
    try:
        payout_id = await prepare_payout(
            connection, statement_id, actor=PREPARER, now=approved_at, due_on=(approved_at + timedelta(days=7)).date()
        )
    except NothingToPayError:
        await carry_over(connection, statement_id, actor=PREPARER, now=approved_at)
        return
    paid_at = approved_at + timedelta(days=3)
    await approve_and_pay(connection, payout_id, bank_reference=f"DEMO-{number}", actor=APPROVER, now=paid_at)
