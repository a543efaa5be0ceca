"""Everything that is published of a draw, as one document: what the mall offers as a file and the API answers."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct
from psycopg import AsyncConnection

from liyu.redemption.draws.entries import read_list
from liyu.redemption.draws.queries import list_places
from liyu.redemption.draws.records import Draw, list_prizes

Instant = Annotated[datetime, Meta(extra_json_schema={"format": "date-time"})]
EVERYTHING = 2**31


class DrawPrizeAnswer(Struct):
    """What is to be won."""

    sku: str
    name_zh: str
    name_en: str
    units: int


class DrawEntryAnswer(Struct):
    """A line of the frozen list, under pseudonyms of this draw."""

    code: str
    person: str
    tickets: int


class DrawPlaceAnswer(Struct):
    """A place in the drawn order: one for each person."""

    place: int
    code: str
    state: Annotated[str, Meta(description="won, offered, waiting, lapsed, passed_over or missed")]
    prize_zh: str | None
    prize_en: str | None


class DrawAnswer(Struct):
    """A draw. The seed, the entries and the order are empty until they are published."""

    number: str
    state: Annotated[str, Meta(description="announced, frozen, decided, finished or called_off")]
    sku: Annotated[str, Meta(description="The item that stands for an entry.")]
    name_zh: str
    name_en: str
    points: Annotated[int, Meta(description="Of one entry, without prices of tiers.")]
    announced_at: Instant | None
    opens_at: Instant | None
    closes_at: Instant | None
    draws_at: Instant
    losing_points: Annotated[str, Meta(description="kept or given_back")]
    claim_hours: int | None
    prizes: list[DrawPrizeAnswer]
    commitment: Annotated[str | None, Meta(description="SHA-256 of the seed, published before the first entry.")]
    list_hash: Annotated[str | None, Meta(description="SHA-256 of the list, published before the seed.")]
    seed: str | None
    entries: list[DrawEntryAnswer]
    order: list[DrawPlaceAnswer]


async def load_document(connection: AsyncConnection[Any], draw: Draw) -> DrawAnswer:
    """The document of an announced draw."""
    entries = await read_list(connection, draw.id) if draw.has_list else []
    places = await list_places(connection, draw.id, EVERYTHING) if draw.has_seed else []
    return DrawAnswer(
        number=draw.number,
        state=draw.state,
        sku=draw.sku,
        name_zh=draw.name_zh,
        name_en=draw.name_en,
        points=draw.points,
        announced_at=draw.announced_at,
        opens_at=draw.opens_at,
        closes_at=draw.closes_at,
        draws_at=draw.draws_at,
        losing_points=draw.losing_points,
        claim_hours=draw.claim_hours,
        prizes=[
            DrawPrizeAnswer(prize.sku, prize.name_zh, prize.name_en, prize.units)
            for prize in await list_prizes(connection, draw.id)
        ],
        commitment=draw.commitment,
        list_hash=draw.list_hash,
        seed=draw.seed,
        entries=[DrawEntryAnswer(*entry) for entry in entries],
        order=[DrawPlaceAnswer(one.place, one.code, one.state, one.prize_zh, one.prize_en) for one in places],
    )
