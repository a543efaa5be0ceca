"""Printing many vouchers into storage: one PDF, or a ZIP with a PDF each. Done parts stay, so a broken run goes on."""

import asyncio
import io
import zipfile
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Any, Literal

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.storage import Storage
from liyu.vouchers.facts import StoreFacts, VoucherFacts, stores_of_item
from liyu.vouchers.pdf import PdfMaker
from liyu.vouchers.queries import facts_of

Progress = Callable[[int, int], Awaitable[None]]
"""Called with how many vouchers are done, and of how many."""
ToHtml = Callable[[Sequence[tuple[VoucherFacts, Sequence[StoreFacts]]]], str]
"""Sets vouchers with their stores into one HTML document; the web layer has the templates and the language."""

_PER_FILE = 1
_PER_DOCUMENT = 500
_AT_ONCE = 32
_FIRST_MOMENT = (1980, 1, 1, 0, 0, 0)


class PrintedBatch(Struct, frozen=True):
    """Where the batch lies, and what it is."""

    name: str
    digest: str
    media_type: str
    vouchers: int


async def vouchers_of_item(connection: AsyncConnection[Any], item_id: int) -> list[int]:
    """The ids of all vouchers of an item that can still be used."""
    found = await connection.execute(
        "SELECT id FROM voucher WHERE item_id = %s AND state IN ('issued', 'partly_used') ORDER BY id", (item_id,)
    )
    return [row[0] for row in await found.fetchall()]


async def print_batch(
    connection: AsyncConnection[Any],
    voucher_ids: Sequence[int],
    *,
    name: str,
    form: Literal["pdf", "zip"],
    storage: Storage,
    maker: PdfMaker,
    to_html: ToHtml,
    progress: Progress | None = None,
) -> PrintedBatch:
    """Print vouchers into the storage file `name`, in the order of their ids; unknown ids are left out.

    Each finished part lies under `name` with the digest of its HTML until all is done; a second run takes it from there
    instead of making it again. A PDF of more than 500 vouchers comes as a ZIP of several. Raises PdfFailedError.
    """
    facts = await facts_of(connection, list(voucher_ids))
    stores = {item_id: await stores_of_item(connection, item_id) for item_id in sorted({one.item_id for one in facts})}
    size = _PER_FILE if form == "zip" else _PER_DOCUMENT
    parts = [facts[start : start + size] for start in range(0, len(facts), size)]
    made: list[tuple[str, bytes]] = []
    kept: list[str] = []
    for start in range(0, len(parts), _AT_ONCE):
        pages = [to_html([(one, stores[one.item_id]) for one in part]) for part in parts[start : start + _AT_ONCE]]
        finished = await asyncio.gather(*(_make_part(html, name, storage, maker) for html in pages))
        kept += [place for place, _ in finished]
        made += [
            (_file_name(part), content)
            for part, (_, content) in zip(parts[start : start + _AT_ONCE], finished, strict=True)
        ]
        if progress is not None:
            await progress(min((start + _AT_ONCE) * size, len(facts)), len(facts))
    is_one = form == "pdf" and len(made) == 1
    content = made[0][1] if is_one else await asyncio.to_thread(_pack, made)
    media_type = "application/pdf" if is_one else "application/zip"
    digest = await storage.put(name, content, media_type)
    for place in kept:
        await storage.delete(place)
    return PrintedBatch(name, digest, media_type, len(facts))


async def _make_part(html: str, name: str, storage: Storage, maker: PdfMaker) -> tuple[str, bytes]:
    place = f"{name}.parts/{sha256(html.encode()).hexdigest()[:32]}.pdf"
    try:
        return place, await storage.get(place)
    except FileNotFoundError:
        content = await maker.render(html)
    await storage.put(place, content, "application/pdf")
    return place, content


def _file_name(part: Sequence[VoucherFacts]) -> str:
    """A name that tells no code: order number and voucher id."""
    first = part[0]
    return f"{first.redemption_number}-{first.id}.pdf"


def _pack(files: list[tuple[str, bytes]]) -> bytes:
    """A ZIP of files that are compressed already; without dates, so that the same files give the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, _FIRST_MOMENT), content)
    return packed.getvalue()
