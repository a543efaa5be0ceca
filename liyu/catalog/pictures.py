"""Pictures of items 商品图片: judged by their content, encoded anew in several sizes, named by their digest for ever."""

import asyncio
import io
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import Any

from msgspec import Struct
from PIL import Image, ImageOps, UnidentifiedImageError
from psycopg import AsyncConnection

from liyu.catalog.errors import ItemNotFoundError
from liyu.catalog.notify import announce_items
from liyu.core.database import fetch_all
from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.core.storage import Storage

SIZES = {"s": 400, "m": 800, "l": 1600}
"""Greatest width in pixels; smaller pictures are never blown up."""
LARGEST_FILE = 15 * 1024 * 1024
MOST_PIXELS = 50_000_000
"""More would take too much memory to open, whatever the file's size."""
MOST_PICTURES = 9
SMALLEST_WIDTH = 200
QUALITY = 82
LONGEST_ALT = 200
_FORMATS = ("JPEG", "PNG", "WEBP")

MEDIA_TYPE = "image/webp"


class MadePicture(Struct, frozen=True):
    """A picture encoded anew: its files by size, and its digest."""

    digest: str
    width: int
    height: int
    files: dict[str, bytes]


class ItemPictureLine(Struct, frozen=True):
    """A picture of an item, for the console."""

    digest: str
    width: int
    height: int
    alt_zh: str
    alt_en: str


class PictureWords(Struct, frozen=True):
    """The place of a picture and what it shows in words."""

    digest: str
    position: int
    alt_zh: str
    alt_en: str


def make_picture(content: bytes) -> MadePicture:
    """Encode a picture anew: what a file carries beside the picture (place, camera, scripts) stays behind.

    Raises InvalidInputError for the field `picture`.
    """
    image = _open(content)
    files: dict[str, bytes] = {}
    for size, width in SIZES.items():
        fitting = image
        if image.width > width:
            fitting = image.resize((width, max(round(image.height * width / image.width), 1)), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        fitting.save(buffer, "WEBP", quality=QUALITY, method=4)
        files[size] = buffer.getvalue()
    largest = min(image.width, SIZES["l"])
    height = max(round(image.height * largest / image.width), 1)
    return MadePicture(sha256(files["l"]).hexdigest(), largest, height, files)


def file_name(digest: str, size: str) -> str:
    """Where a size of a picture is kept."""
    return f"pictures/{digest}-{size}.webp"


async def keep_picture(
    connection: AsyncConnection[Any], storage: Storage, content: bytes, *, actor: str, now: datetime
) -> str:
    """Keep an uploaded picture; returns its digest. The same picture again is the same. Raises InvalidInputError."""
    made = await asyncio.to_thread(make_picture, content)
    for size, file in made.files.items():
        await storage.put(file_name(made.digest, size), file, MEDIA_TYPE)
    await connection.execute(
        "INSERT INTO picture (digest, width, height, made_by, made_at) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT (digest) DO NOTHING",
        (made.digest, made.width, made.height, actor, now),
    )
    return made.digest


async def pictures_for_paper(
    connection: AsyncConnection[Any], storage: Storage, item_ids: Sequence[int]
) -> dict[int, bytes]:
    """The first picture of items as JPEG, which PDFs take as it is; items whose picture is missing or spoilt are left out."""
    found = await connection.execute(
        "SELECT DISTINCT ON (item_id) item_id, digest FROM item_picture WHERE item_id = ANY(%s) ORDER BY item_id, position",
        (list(item_ids),),
    )
    pictures = {}
    for item_id, digest in await found.fetchall():
        # Pillow's fault of a file that is no picture is an OSError, too.
        with suppress(OSError):
            content = await storage.get(file_name(digest, "m"))
            pictures[item_id] = await asyncio.to_thread(_as_jpeg, content)
    return pictures


def _as_jpeg(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        _on_white(image).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


async def list_pictures(connection: AsyncConnection[Any], item_id: int) -> list[ItemPictureLine]:
    """The pictures of an item, its cover first."""
    return await fetch_all(
        connection,
        ItemPictureLine,
        "SELECT p.digest, p.width, p.height, i.alt_zh, i.alt_en FROM item_picture i "
        "JOIN picture p ON p.digest = i.digest WHERE i.item_id = %s ORDER BY i.position, i.digest",
        (item_id,),
    )


async def add_picture(connection: AsyncConnection[Any], item_id: int, digest: str, *, alt_zh: str, alt_en: str) -> None:
    """Put a picture behind the others of an item. Raises ItemNotFoundError, or InvalidInputError when there are enough."""
    await _lock(connection, item_id)
    if len(await list_pictures(connection, item_id)) >= MOST_PICTURES:
        raise _fault(N_("An item has at most %(most)s pictures."), most=MOST_PICTURES)
    await connection.execute(
        "INSERT INTO item_picture (item_id, digest, position, alt_zh, alt_en) "
        "SELECT %(item)s, %(digest)s, coalesce(max(position), 0) + 1, %(zh)s, %(en)s FROM item_picture "
        "WHERE item_id = %(item)s ON CONFLICT (item_id, digest) DO UPDATE SET alt_zh = %(zh)s, alt_en = %(en)s",
        {"item": item_id, "digest": digest, "zh": alt_zh, "en": alt_en},
    )
    await announce_items(connection, [item_id])


async def arrange_pictures(connection: AsyncConnection[Any], item_id: int, words: list[PictureWords]) -> None:
    """Set the order of an item's pictures and what they show. Raises ItemNotFoundError."""
    await _lock(connection, item_id)
    await connection.execute(
        "UPDATE item_picture SET position = r.position, alt_zh = r.zh, alt_en = r.en "
        "FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[]) AS r(digest, position, zh, en) "
        "WHERE item_id = %s AND item_picture.digest = r.digest",
        (
            [one.digest for one in words],
            [one.position for one in words],
            [one.alt_zh for one in words],
            [one.alt_en for one in words],
            item_id,
        ),
    )
    await announce_items(connection, [item_id])


async def remove_picture(connection: AsyncConnection[Any], item_id: int, digest: str) -> None:
    """Take a picture off an item; its files stay, since pages that were sent may still show them. Raises NotFoundError."""
    await _lock(connection, item_id)
    removed = await connection.execute("DELETE FROM item_picture WHERE item_id = %s AND digest = %s", (item_id, digest))
    if removed.rowcount == 0:
        raise NotFoundError
    await announce_items(connection, [item_id])


async def _lock(connection: AsyncConnection[Any], item_id: int) -> None:
    found = await connection.execute("SELECT FROM item WHERE id = %s FOR UPDATE", (item_id,))
    if found.rowcount == 0:
        raise ItemNotFoundError


def _open(content: bytes) -> Image.Image:
    if len(content) > LARGEST_FILE:
        raise _fault(N_("The picture is larger than %(most)s MB."), most=LARGEST_FILE // (1024 * 1024))
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise _fault(N_("The picture has more than %(most)s million pixels."), most=MOST_PIXELS // 10**6)
            if image.width < SMALLEST_WIDTH:
                raise _fault(N_("The picture is narrower than %(least)s pixels."), least=SMALLEST_WIDTH)
            image.load()
            upright = ImageOps.exif_transpose(image)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as fault:
        raise _fault(N_("This is not a picture that can be read. Take a JPEG, PNG or WebP.")) from fault
    return _on_white(upright)


def _on_white(image: Image.Image) -> Image.Image:
    """What is transparent becomes white, as on the cards."""
    if image.mode == "RGB":
        return image
    layered = image.convert("RGBA")
    ground = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(ground, layered).convert("RGB")


def _fault(text: str, **values: object) -> InvalidInputError:
    return InvalidInputError.of_fields({"picture": Message(text, values)})
