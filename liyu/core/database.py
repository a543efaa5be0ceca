"""The engine, the metadata and the unit of work: one transaction per request or job, committed at the edge."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any, ClassVar, TypeVar, cast

from psycopg import AsyncConnection
from psycopg.abc import Params
from psycopg.rows import class_row
from sqlalchemy import BigInteger, Date, DateTime, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

NAMING = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}

Sessions = async_sessionmaker[AsyncSession]
Row = TypeVar("Row")


class Base(DeclarativeBase):
    """All tables of all packages share one metadata, so that foreign keys may cross packages by table name."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigInteger,
        str: Text,
        datetime: DateTime(timezone=True),
        date: Date,
        dict[str, Any]: JSONB,
        list[dict[str, object]]: JSONB,
        list[str]: JSONB,
    }


def driver_url(url: str) -> str:
    """The SQLAlchemy form of a plain `postgresql://` URL, with psycopg 3 as the driver."""
    scheme, rest = url.split("://", 1)
    return f"{'postgresql+psycopg' if scheme in {'postgres', 'postgresql'} else scheme}://{rest}"


def make_engine(url: str, *, pool_size: int = 10) -> AsyncEngine:
    """An engine on `url`; connections are checked before use so that a database restart costs no request."""
    return create_async_engine(
        driver_url(url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        connect_args={"options": "-c timezone=UTC -c lock_timeout=5s"},
    )


def make_sessions(engine: AsyncEngine) -> Sessions:
    """Sessions whose objects stay readable after the commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def unit_of_work(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """One transaction: committed when the block ends, rolled back when it raises."""
    async with sessions() as session, session.begin():
        yield session


async def driver_connection(session: AsyncSession) -> AsyncConnection[Any]:
    """The psycopg connection that carries the session's transaction, for set-based statements and for deferring jobs."""
    raw = await (await session.connection()).get_raw_connection()
    return cast("AsyncConnection[Any]", raw.driver_connection)


async def fetch_all(
    connection: AsyncConnection[Any], row: type[Row], query: str, values: Params | None = None
) -> list[Row]:
    """What a query finds, each row as a struct with fields of the columns' names."""
    async with connection.cursor(row_factory=class_row(row)) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()


async def fetch_one(
    connection: AsyncConnection[Any], row: type[Row], query: str, values: Params | None = None
) -> Row | None:
    """The first row that a query finds, as a struct; None when there is none."""
    async with connection.cursor(row_factory=class_row(row)) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchone()
