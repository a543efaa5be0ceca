"""Photos of what is wrong: judged by their content, encoded anew as pictures of items are, kept under a name nobody can guess."""

import asyncio
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.pictures import MEDIA_TYPE, make_picture
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.core.ids import make_token
from liyu.core.storage import Storage

MOST_PHOTOS = 6
SIZE = "m"
"""Of the sizes of pictures of items: enough to see a scratch."""
FIELD = "photos"


class KeptPhoto(Struct, frozen=True):
    """A photo that is in storage, and not yet with a request."""

    storage_name: str
    width: int
    height: int


async def keep_photos(storage: Storage, contents: list[bytes]) -> list[KeptPhoto]:
    """Encode and keep uploaded photos. Raises InvalidInputError for the field `photos`; then none is kept."""
    if len(contents) > MOST_PHOTOS:
        raise InvalidInputError.of_fields({FIELD: Message(N_("At most %(most)s photos."), {"most": MOST_PHOTOS})})
    try:
        made = [await asyncio.to_thread(make_picture, content) for content in contents]
    except InvalidInputError as refusal:
        raise InvalidInputError.of_fields({FIELD: refusal.reasons[0].message}) from refusal
    kept = []
    for one in made:
        name = f"after-sale/{make_token()}.webp"
        await storage.put(name, one.files[SIZE], MEDIA_TYPE)
        kept.append(KeptPhoto(name, one.width, one.height))
    return kept


async def add_photos(connection: AsyncConnection[Any], after_sale_id: int, photos: list[KeptPhoto]) -> None:
    """Put photos to a request, in the caller's transaction."""
    for position, photo in enumerate(photos, 1):
        await connection.execute(
            "INSERT INTO after_sale_photo (after_sale_id, position, storage_name, width, height) VALUES (%s, %s, %s, %s, %s)",
            (after_sale_id, position, photo.storage_name, photo.width, photo.height),
        )


async def delete_erased_photos(connection: AsyncConnection[Any], storage: Storage, *, most: int = 500) -> int:
    """Delete the files of photos whose member was erased; how many. The connection is in autocommit."""
    found = await connection.execute(
        "SELECT after_sale_id, position, storage_name FROM after_sale_photo WHERE erased_at IS NOT NULL LIMIT %s",
        (most,),
    )
    gone = await found.fetchall()
    for after_sale_id, position, name in gone:
        await storage.delete(name)
        await connection.execute(
            "DELETE FROM after_sale_photo WHERE after_sale_id = %s AND position = %s", (after_sale_id, position)
        )
    return len(gone)
