"""A partner with one agreement line of each mode, and the shortest ways to use and settle it."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg import AsyncConnection

from liyu.core.ledger.prove import CHECKS, prove
from liyu.partners.register import import_partners
from liyu.partners.settlement import checks
from liyu.partners.settlement.accrue import accrue_use, reverse_use
from liyu.partners.settlement.settle import Prepared, approve_statement, prepare_statements, send_statement

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 12, 5, 2, 0, tzinfo=UTC)
OCTOBER = datetime(2026, 10, 15, 4, 0, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 15, 4, 0, tzinfo=UTC)


def line_record(code: str, mode: str, **figures: int) -> dict[str, Any]:
    return {"code": code, "mode": mode, "title_zh": f"条款{code}", "title_en": f"Terms {code}", **figures}


def partner_record(code: str = "P1", **changes: Any) -> dict[str, Any]:
    return {
        "code": code,
        "name_zh": f"合作方{code}",
        "name_en": f"Partner {code}",
        "category": "coffee",
        "agreement": [
            line_record(f"{code}-CON", "concierge", unit_price_minor=1750),
            line_record(f"{code}-BULK", "bulk_purchase", unit_price_minor=1600),
            line_record(f"{code}-DIS", "member_discount", commission_minor=60),
            line_record(f"{code}-FREE", "free_quota", unit_price_minor=250, free_quota=3),
        ],
        "stores": [],
    } | changes


@dataclass(slots=True)
class Books:
    """One database with partners; `connection` is in autocommit, every helper is a transaction of its own."""

    url: str
    connection: AsyncConnection[Any]
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *codes: str) -> "AsyncIterator[Books]":
        async with connect(url, autocommit=True) as connection:
            async with connection.transaction():
                await import_partners(
                    connection, [partner_record(c) for c in codes or ("P1",)], actor="test", now=OCTOBER
                )
            yield cls(url, connection)

    async def value(self, query: str, *values: Any) -> Any:
        row = await (await self.connection.execute(query, values)).fetchone()
        assert row is not None
        return row[0]

    async def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return await (await self.connection.execute(query, values)).fetchall()

    async def line(self, code: str) -> int:
        return int(await self.value("SELECT max(id) FROM agreement_line WHERE code = %s", code))

    async def use(self, code: str = "P1-CON", at: datetime = OCTOBER, times: int = 1) -> str:
        """Use a right so many times; the source of the last use."""
        for _ in range(times):
            source = f"verification:{next(self.numbers)}"
            async with self.connection.transaction():
                await accrue_use(
                    self.connection,
                    agreement_line_id=await self.line(code),
                    source=source,
                    at=at,
                    actor="till",
                    zone=ZONE,
                )
        return source

    async def undo(self, source: str, at: datetime = OCTOBER) -> None:
        async with self.connection.transaction():
            await reverse_use(self.connection, source=source, at=at, actor="till")

    async def prepare(self, period: str = "2026-10", actor: str = "anna", **options: Any) -> Prepared:
        async with self.connection.transaction():
            return await prepare_statements(self.connection, period, actor=actor, now=NOW, zone=ZONE, **options)

    async def approved(self, period: str = "2026-10") -> int:
        """Prepare, send and approve the period of the first partner; the statement's id."""
        await self.prepare(period)
        statement = int(await self.value("SELECT id FROM statement WHERE period = %s ORDER BY id LIMIT 1", period))
        async with self.connection.transaction():
            await send_statement(self.connection, statement, actor="anna", now=NOW)
        async with self.connection.transaction():
            await approve_statement(self.connection, statement, actor="bert", now=NOW)
        return statement

    async def balance(self) -> int:
        """The balance of all partners' accounts in the ledger."""
        return int(
            await self.value(
                "SELECT coalesce(sum(CASE WHEN t.credit_account_id = a.id THEN t.amount ELSE -t.amount END), 0) "
                "FROM account a JOIN transfer t ON a.id IN (t.debit_account_id, t.credit_account_id) "
                "WHERE a.kind = 'partner_payable'"
            )
        )

    async def assert_proved(self) -> None:
        async with self.connection.transaction():
            result = await prove(self.connection, CHECKS | checks.CHECKS, NOW)
        assert result.offenders == []


@asynccontextmanager
async def connect(url: str, *, autocommit: bool = False) -> AsyncIterator[AsyncConnection[Any]]:
    connection = await psycopg.AsyncConnection.connect(url, autocommit=autocommit, options="-c timezone=UTC")
    async with connection:
        yield connection
