"""The curated front of the mall: collections, banners and the rows of the home page, kept in the process by notification.

It is small, so it is loaded whole. A fresh one stands within a moment of the commit that changed it.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all
from liyu.core.keeper import Keeper

CHANNEL = "storefront"


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
    banners = await fetch_all(connection, BannerView, _BANNERS)
    found = await fetch_all(connection, CollectionView, _COLLECTIONS)
    sections = await fetch_all(connection, SectionView, _SECTIONS)
    return Storefront(version, banners, {one.code: one for one in found}, sections)


class StorefrontKeeper(Keeper[Storefront]):
    """One for each process; `current` is the front as of a moment ago."""

    def __init__(self, database_url: str) -> None:
        super().__init__(database_url, CHANNEL, load_storefront, NOTHING)
