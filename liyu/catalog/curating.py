"""Writing the curated front: collections with their order, banners, rows of the home page. The caller writes the audit event."""

from datetime import datetime
from typing import Any

from msgspec import Struct, structs
from psycopg import AsyncConnection

from liyu.catalog.storefront import announce_storefront
from liyu.core.database import fetch_all, fetch_one
from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message

MOST_ITEMS = 200
MOST_SECTIONS = 12


class CollectionDraft(Struct, kw_only=True):
    """What a collection says."""

    code: str
    title_zh: str
    title_en: str = ""
    intro_zh: str = ""
    intro_en: str = ""
    active: bool = True


class CollectionLine(CollectionDraft, kw_only=True):
    """A collection with its size."""

    id: int
    items: int
    changed_at: datetime


class CollectionItemLine(Struct, frozen=True):
    """An item of a collection."""

    sku: str
    name_zh: str
    name_en: str
    state: str
    points: int


class BannerDraft(Struct, kw_only=True):
    """What a banner says, and where it leads."""

    title_zh: str
    title_en: str = ""
    text_zh: str = ""
    text_en: str = ""
    href: str
    digest: str | None = None
    active: bool = True
    shown_from: datetime | None = None
    shown_to: datetime | None = None


class BannerLine(BannerDraft, kw_only=True):
    """A banner in its place."""

    id: int
    position: int


class SectionDraft(Struct, frozen=True):
    """A row of the home page: a collection by code, a scene, or the newest items."""

    kind: str
    subject: str
    most: int


_COLLECTION = """
    SELECT c.id, c.code, c.title_zh, c.title_en, c.intro_zh, c.intro_en, c.active, c.changed_at,
        (SELECT count(*) FROM collection_item i WHERE i.collection_id = c.id) AS items FROM collection c"""
_BANNER = (
    "SELECT id, title_zh, title_en, text_zh, text_en, href, digest, active, shown_from, shown_to, position FROM banner"
)


async def list_collections(connection: AsyncConnection[Any]) -> list[CollectionLine]:
    """All collections, the latest changed first."""
    return await fetch_all(connection, CollectionLine, f"{_COLLECTION} ORDER BY c.changed_at DESC, c.id DESC")


async def load_collection(
    connection: AsyncConnection[Any], code: str
) -> tuple[CollectionLine, list[CollectionItemLine]]:
    """A collection with its items in order. Raises NotFoundError."""
    found = await fetch_one(connection, CollectionLine, f"{_COLLECTION} WHERE c.code = %s", (code,))
    if found is None:
        raise NotFoundError
    return found, await fetch_all(
        connection,
        CollectionItemLine,
        "SELECT i.sku, i.name_zh, i.name_en, i.state, i.points FROM collection_item c JOIN item i ON i.id = c.item_id "
        "WHERE c.collection_id = %s ORDER BY c.position, i.id",
        (found.id,),
    )


async def save_collection(
    connection: AsyncConnection[Any], draft: CollectionDraft, skus: list[str], *, now: datetime
) -> None:
    """Make or change a collection, its items in this order. Raises InvalidInputError for unknown items; nothing changed then."""
    found = await connection.execute("SELECT sku, id FROM item WHERE sku = ANY(%s)", (skus,))
    ids = dict(await found.fetchall())
    unknown = [sku for sku in skus if sku not in ids]
    if unknown:
        raise InvalidInputError.of_fields({"add": Message(N_("There is no item %(sku)s."), {"sku": unknown[0]})})
    if len(skus) > MOST_ITEMS:
        raise InvalidInputError.of_fields(
            {"add": Message(N_("A collection has at most %(most)s items."), {"most": MOST_ITEMS})}
        )
    saved = await connection.execute(
        "INSERT INTO collection (code, title_zh, title_en, intro_zh, intro_en, active, changed_at) "
        "VALUES (%(code)s, %(title_zh)s, %(title_en)s, %(intro_zh)s, %(intro_en)s, %(active)s, %(now)s) "
        "ON CONFLICT (code) DO UPDATE SET title_zh = excluded.title_zh, title_en = excluded.title_en, "
        "intro_zh = excluded.intro_zh, intro_en = excluded.intro_en, active = excluded.active, "
        "changed_at = excluded.changed_at RETURNING id",
        structs.asdict(draft) | {"now": now},
    )
    collection_id = (await saved.fetchone() or (0,))[0]
    await connection.execute("DELETE FROM collection_item WHERE collection_id = %s", (collection_id,))
    await connection.execute(
        "INSERT INTO collection_item (collection_id, item_id, position) "
        "SELECT %s, w.id, w.place FROM unnest(%s::bigint[]) WITH ORDINALITY AS w(id, place)",
        (collection_id, [ids[sku] for sku in skus]),
    )
    await announce_storefront(connection)


async def list_banners(connection: AsyncConnection[Any]) -> list[BannerLine]:
    """All banners in their order."""
    return await fetch_all(connection, BannerLine, f"{_BANNER} ORDER BY position, id")


async def add_banner(connection: AsyncConnection[Any], draft: BannerDraft, *, now: datetime) -> int:
    """Put a banner behind the others; returns its id."""
    added = await connection.execute(
        "INSERT INTO banner (title_zh, title_en, text_zh, text_en, href, digest, active, shown_from, shown_to, position, "
        "changed_at) SELECT %(title_zh)s, %(title_en)s, %(text_zh)s, %(text_en)s, %(href)s, %(digest)s, %(active)s, "
        "%(shown_from)s, %(shown_to)s, coalesce(max(position), 0) + 1, %(now)s FROM banner RETURNING id",
        structs.asdict(draft) | {"now": now},
    )
    await announce_storefront(connection)
    return int((await added.fetchone() or (0,))[0])


async def arrange_banners(connection: AsyncConnection[Any], ids: list[int], shown: set[int], *, now: datetime) -> None:
    """Set the order of banners and which of them are switched on."""
    await connection.execute(
        "UPDATE banner SET position = w.place, active = banner.id = ANY(%s), changed_at = %s "
        "FROM unnest(%s::bigint[]) WITH ORDINALITY AS w(id, place) WHERE banner.id = w.id",
        (list(shown), now, ids),
    )
    await announce_storefront(connection)


async def remove_banner(connection: AsyncConnection[Any], banner_id: int) -> None:
    """Take a banner away. Raises NotFoundError."""
    removed = await connection.execute("DELETE FROM banner WHERE id = %s", (banner_id,))
    if removed.rowcount == 0:
        raise NotFoundError
    await announce_storefront(connection)


async def list_sections(connection: AsyncConnection[Any]) -> list[SectionDraft]:
    """The rows of the home page in their order; none means that the mall chooses by itself."""
    return await fetch_all(
        connection,
        SectionDraft,
        "SELECT h.kind, coalesce(c.code, h.scene, '') AS subject, h.most FROM home_section h "
        "LEFT JOIN collection c ON c.id = h.collection_id ORDER BY h.position, h.id",
    )


async def save_sections(connection: AsyncConnection[Any], sections: list[SectionDraft]) -> None:
    """Set all rows of the home page. Raises NotFoundError for a collection that nobody knows."""
    await connection.execute("DELETE FROM home_section")
    for position, section in enumerate(sections[:MOST_SECTIONS], 1):
        added = await connection.execute(
            "INSERT INTO home_section (kind, collection_id, scene, most, position) "
            "SELECT %(kind)s, c.id, CASE WHEN %(kind)s = 'scene' THEN %(subject)s END, %(most)s, %(position)s "
            "FROM (SELECT 1) AS one LEFT JOIN collection c ON %(kind)s = 'collection' AND c.code = %(subject)s "
            "WHERE %(kind)s <> 'collection' OR c.id IS NOT NULL",
            structs.asdict(section) | {"position": position},
        )
        if added.rowcount == 0:
            raise NotFoundError
    await announce_storefront(connection)
