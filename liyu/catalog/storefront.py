"""The curated front of the mall: collections, banners and the rows of the home page, kept in the process by notification.

It is small, so it is loaded whole. A fresh one stands within a moment of the commit that changed it.
"""

import asyncio
import contextlib
from datetime import datetime
from typing import Any

import psycopg
import structlog
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import class_row

CHANNEL = "storefront"
HEARTBEAT = 15.0
PAUSE = 1.0
CONNECTION_OPTIONS = "-c timezone=UTC -c application_name=liyu-storefront"

log = structlog.get_logger()


class BannerView(Struct, frozen=True):
    """A banner that is switched on; whether it is shown depends on the time."""

    id: int
    title_zh: str
    title_en: str
    text_zh: str
    text_en: str
    href: str
    digest: str | None
    shown_from: datetime | None
    shown_to: datetime | None

    def is_shown(self, now: datetime) -> bool:
        """Whether its time is now."""
        return (self.shown_from is None or self.shown_from <= now) and (self.shown_to is None or now < self.shown_to)


class CollectionView(Struct, frozen=True):
    """A collection that is switched on, with the ids of its items in its order."""

    id: int
    code: str
    title_zh: str
    title_en: str
    intro_zh: str
    intro_en: str
    items: list[int]


class SectionView(Struct, frozen=True):
    """A row of the home page."""

    kind: str
    collection_id: int | None
    scene: str | None
    most: int


class Storefront(Struct, frozen=True):
    """All of it; `version` grows with every change."""

    version: int
    banners: list[BannerView]
    collections: dict[str, CollectionView]
    sections: list[SectionView]

    def collection_of(self, section: SectionView) -> CollectionView | None:
        """The collection that a row shows; None while it is switched off."""
        return next((one for one in self.collections.values() if one.id == section.collection_id), None)


NOTHING = Storefront(0, [], {}, [])

_BANNERS = """
    SELECT id, title_zh, title_en, text_zh, text_en, href, digest, shown_from, shown_to FROM banner
    WHERE active ORDER BY position, id"""
_COLLECTIONS = """
    SELECT c.id, c.code, c.title_zh, c.title_en, c.intro_zh, c.intro_en,
        ARRAY(SELECT item_id FROM collection_item i WHERE i.collection_id = c.id ORDER BY position, item_id) AS items
    FROM collection c WHERE c.active ORDER BY c.id"""
_SECTIONS = "SELECT kind, collection_id, scene, most FROM home_section ORDER BY position, id"


async def announce_storefront(connection: AsyncConnection[Any]) -> None:
    """Tell every process; the message leaves with the commit, or not at all."""
    await connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))


async def load_storefront(connection: AsyncConnection[Any], version: int) -> Storefront:
    """All that is switched on."""
    async with connection.cursor(row_factory=class_row(BannerView)) as cursor:
        banners = await (await cursor.execute(_BANNERS)).fetchall()
    async with connection.cursor(row_factory=class_row(CollectionView)) as collections:
        found = await (await collections.execute(_COLLECTIONS)).fetchall()
    async with connection.cursor(row_factory=class_row(SectionView)) as cursor_of_sections:
        sections = await (await cursor_of_sections.execute(_SECTIONS)).fetchall()
    return Storefront(version, banners, {one.code: one for one in found}, sections)


class StorefrontKeeper:
    """One for each process; `current` is the front as of a moment ago."""

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url
        self.current = NOTHING
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen, load, and keep it fresh. Raises psycopg's OperationalError without a database."""
        connection = await self._listen()
        self._task = asyncio.create_task(self._follow(connection))

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self) -> AsyncConnection[Any]:
        connection = await AsyncConnection.connect(self.database_url, autocommit=True, options=CONNECTION_OPTIONS)
        try:
            await connection.execute(f"LISTEN {CHANNEL}")
            # Listening came first, so nothing falls between the two.
            self.current = await load_storefront(connection, self.current.version + 1)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _follow(self, connection: AsyncConnection[Any]) -> None:
        while True:
            try:
                async with connection:
                    await self._hear(connection)
            except psycopg.OperationalError as fault:
                log.warning("storefront_lost_its_connection", fault=str(fault))
            connection = await self._listen_again()

    async def _hear(self, connection: AsyncConnection[Any]) -> None:
        while True:
            heard = [note async for note in connection.notifies(timeout=HEARTBEAT, stop_after=1)]
            if heard:
                self.current = await load_storefront(connection, self.current.version + 1)
            else:
                await connection.execute("SELECT 1")

    async def _listen_again(self) -> AsyncConnection[Any]:
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                return await self._listen()
            await asyncio.sleep(PAUSE)
