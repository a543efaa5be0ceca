"""What members see of their own at a drop, and what operators see of all."""

from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all
from liyu.redemption.drops.errors import UnknownDropError
from liyu.redemption.state import Answer

Row = TypeVar("Row")
MOST_LINES = 200


class OpenOffer(Struct, frozen=True):
    """What is kept for a member."""

    id: int
    units: int
    deadline: datetime


class LogLine(Struct, frozen=True):
    """What happened to a member, or what an attempt of theirs was answered: `granted`, `refused`, or a note's name."""

    at: datetime
    what: str
    details: dict[str, Any]
    reasons: list[tuple[str, dict[str, Any]]] = []


class OwnDrop(Struct, frozen=True):
    """A drop as one member stands to it. `place` is 0 for who does not wait."""

    place: int
    waiting: int
    offer: OpenOffer | None
    log: list[LogLine]


class DropLine(Struct, frozen=True):
    """A drop in a list."""

    id: int
    number: str
    sku: str
    name_zh: str
    name_en: str
    state: str
    ends_at: datetime
    waves: list["WaveLine"]
    total: int | None
    taken: int
    item_state: str


class WaveLine(Struct, frozen=True):
    """A wave of a drop."""

    number: int
    opens_at: datetime
    units: int
    stocked_at: datetime | None


class StateLine(Struct, frozen=True):
    """A change of a drop's state."""

    to_state: str
    reason: str
    actor: str
    at: datetime


class DropRecord(DropLine, frozen=True, kw_only=True):
    """A drop with everything that was planned."""

    item_id: int
    offer_minutes: int
    asks_attention: bool
    created_by: str
    created_at: datetime


class WaitingLine(Struct, frozen=True):
    """A place on the list of a drop."""

    place: int
    member: str
    name: str | None
    units: int
    state: str
    joined_at: datetime
    deadline: datetime | None


class Tallied(Struct, frozen=True):
    """How often something came of attempts."""

    what: str
    count: int


class Suspect(Struct, frozen=True):
    """An account or address that was held back, and how often."""

    subject: str
    what: str
    count: int


class Figures(Struct, frozen=True):
    """The figures of a drop at one moment. `granted` counts orders from the books, the others are what processes counted."""

    attempts: int
    granted: int
    given_back: int
    refused: list[Tallied]
    per_minute: list[tuple[datetime, int]]
    total: int
    taken: int
    kept: int
    waiting: int


_LINES = """
    SELECT d.id, d.number, i.sku, i.name_zh, i.name_en, d.state, d.ends_at, s.total, s.taken, i.state AS item_state{more},
        (SELECT json_agg(json_build_object('number', w.number, 'opens_at', w.opens_at, 'units', w.units,
            'stocked_at', w.stocked_at) ORDER BY w.number) FROM drop_wave w WHERE w.drop_id = d.id) AS waves
    FROM drop d JOIN item i ON i.id = d.item_id JOIN item_stock s ON s.item_id = d.item_id"""
_RECORD = _LINES.format(more=", d.item_id, d.offer_minutes, d.asks_attention, d.created_by, d.created_at")

_PERSON = "(SELECT id FROM member WHERE %(member)s IN (id, merged_into))"
_NOTES = f"SELECT at, what, details FROM drop_note WHERE drop_id = %(drop)s AND member_id IN {_PERSON} ORDER BY id"
_HELD_BACK = f"""
    SELECT minute AS at, what, jsonb_build_object('count', count) AS details FROM drop_tally
    WHERE drop_id = %(drop)s AND subject IN (SELECT 'member:' || id FROM member WHERE id IN {_PERSON})"""
# What a host redeemed; what it was refused is a note.
_BY_HOSTS = f"""
    SELECT r.created_at AS at, 'granted' AS what, jsonb_build_object('number', r.number) AS details
    FROM drop d JOIN redemption r ON r.item_id = d.item_id
    WHERE d.id = %(drop)s AND r.member_id IN {_PERSON} AND r.channel = 'api' AND r.created_at >= d.created_at
        AND r.created_at < d.ends_at"""
_ANSWERS = """
    SELECT a.body_hash, a.answer, a.at FROM idempotent_answer a, drop d
    WHERE d.id = %(drop)s AND a.scope = 'member:' || %(member)s AND a.at >= d.created_at ORDER BY a.at LIMIT %(most)s"""


async def read_own(connection: AsyncConnection[Any], drop_id: int, sku: str, member_id: int) -> OwnDrop:
    """The member's place, what is kept for them, and the log of why."""
    offers = await _rows(
        connection,
        OpenOffer,
        "SELECT id, units, deadline FROM drop_offer WHERE drop_id = %s AND member_id = %s AND state = 'open'",
        (drop_id, member_id),
    )
    found = await connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE id <= mine.place), mine.place IS NOT NULL FROM drop_entry, "
        "(SELECT max(id) AS place FROM drop_entry WHERE drop_id = %(drop)s AND member_id = %(member)s AND state = 'waiting') "
        "AS mine WHERE drop_id = %(drop)s AND state = 'waiting' GROUP BY mine.place",
        {"drop": drop_id, "member": member_id},
    )
    waiting, place, is_waiting = await found.fetchone() or (0, 0, False)
    log = await read_log(connection, drop_id, sku, member_id)
    return OwnDrop(place if is_waiting else 0, waiting, offers[0] if offers else None, log)


async def read_log(connection: AsyncConnection[Any], drop_id: int, sku: str, member_id: int) -> list[LogLine]:
    """Everything that was answered to a member's attempts at a drop, and that happened to them since, in order."""
    values = {"drop": drop_id, "member": member_id, "most": MOST_LINES}
    told = [
        line for query in (_NOTES, _HELD_BACK, _BY_HOSTS) for line in await _rows(connection, LogLine, query, values)
    ]
    answers = await (await connection.execute(_ANSWERS, values)).fetchall()
    attempts = [_line_of(answer, at) for body, answer, at in answers if _asked_for(body) == sku]
    return sorted([*map(_with_reasons, told), *attempts], key=lambda line: line.at)


async def count_waiting(connection: AsyncConnection[Any], drop_id: int) -> int:
    """How many wait."""
    found = await connection.execute(
        "SELECT count(*) FROM drop_entry WHERE drop_id = %s AND state = 'waiting'", (drop_id,)
    )
    return int((await found.fetchone() or (0,))[0])


async def list_drops(connection: AsyncConnection[Any], begin: datetime, end: datetime) -> list[DropLine]:
    """Drops of which a wave opens in a span of time, those called off left out, in the order of their first waves."""
    query = (
        f"{_LINES.format(more='')} WHERE d.state <> 'called_off' AND EXISTS ("
        "SELECT FROM drop_wave w WHERE w.drop_id = d.id AND w.opens_at >= %s AND w.opens_at < %s)"
    )
    return sorted(await _records(connection, DropLine, query, (begin, end)), key=lambda drop: drop.waves[0].opens_at)


async def find_drop(connection: AsyncConnection[Any], number: str) -> DropRecord:
    """One drop. Raises UnknownDropError."""
    found = await _records(connection, DropRecord, f"{_RECORD} WHERE d.number = %s", (number,))
    if not found:
        raise UnknownDropError
    return found[0]


async def list_states(connection: AsyncConnection[Any], drop_id: int) -> list[StateLine]:
    """The history of a drop, the newest first."""
    query = "SELECT to_state, reason, actor, at FROM drop_transition WHERE drop_id = %s ORDER BY id DESC"
    return await _rows(connection, StateLine, query, (drop_id,))


async def list_waiting(connection: AsyncConnection[Any], drop_id: int, most: int = 50) -> list[WaitingLine]:
    """Who is kept something, then who waits, in order."""
    query = """
        SELECT CASE e.state WHEN 'waiting' THEN rank() OVER (PARTITION BY e.state ORDER BY e.id) ELSE 0 END AS place,
            m.external_id AS member, m.name, e.units, e.state, e.joined_at, o.deadline
        FROM drop_entry e JOIN member m ON m.id = e.member_id
        LEFT JOIN drop_offer o ON o.entry_id = e.id AND o.state = 'open'
        WHERE e.drop_id = %s AND e.state IN ('waiting', 'offered') ORDER BY e.state, e.id LIMIT %s"""
    return await _rows(connection, WaitingLine, query, (drop_id, most))


async def read_figures(connection: AsyncConnection[Any], drop_id: int) -> Figures:
    """The figures of a drop now."""
    values = {"drop": drop_id}
    tallied = await _rows(
        connection,
        Tallied,
        "SELECT what, sum(count)::bigint AS count FROM drop_tally WHERE drop_id = %(drop)s GROUP BY what ORDER BY 2 DESC, 1",
        values,
    )
    minutes = await connection.execute(
        "SELECT minute, sum(count)::bigint FROM drop_tally WHERE drop_id = %(drop)s GROUP BY 1 ORDER BY 1 DESC LIMIT 30",
        values,
    )
    found = await connection.execute(
        """
        SELECT count(r.id) FILTER (WHERE r.state NOT IN ('released', 'cancelled', 'refunded')),
            count(r.id) FILTER (WHERE r.state IN ('released', 'cancelled', 'refunded')), s.total, s.taken,
            (SELECT coalesce(sum(units), 0)::bigint FROM drop_offer WHERE drop_id = d.id AND state = 'open'),
            (SELECT count(*) FROM drop_entry WHERE drop_id = d.id AND state = 'waiting')
        FROM drop d JOIN item_stock s ON s.item_id = d.item_id
        LEFT JOIN redemption r ON r.item_id = d.item_id AND r.created_at >= d.created_at AND r.created_at < d.ends_at
        WHERE d.id = %(drop)s GROUP BY d.id, s.total, s.taken""",
        values,
    )
    granted, given_back, total, taken, kept, waiting = await found.fetchone() or (0, 0, 0, 0, 0, 0)
    refused = [one for one in tallied if one.what != "granted"]
    per_minute = [(minute, count) for minute, count in reversed(await minutes.fetchall())]
    attempts = sum(one.count for one in refused) + granted + given_back
    return Figures(attempts, granted, given_back, refused, per_minute, total or 0, taken, kept, waiting)


async def list_suspects(connection: AsyncConnection[Any], drop_id: int, most: int = 20) -> list[Suspect]:
    """The accounts and addresses that were held back most often."""
    query = """
        SELECT subject, what, sum(count)::bigint AS count FROM drop_tally WHERE drop_id = %s AND subject <> ''
        GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT %s"""
    return await _rows(connection, Suspect, query, (drop_id, most))


def _line_of(answer: dict[str, Any], at: datetime) -> LogLine:
    kept = msgspec.convert(answer, Answer)
    if kept.refused is not None:
        return LogLine(at, "refused", {}, [(name, dict(details)) for name, details in kept.refused])
    return LogLine(at, "granted", {"number": kept.number})


def _with_reasons(line: LogLine) -> LogLine:
    """A note; that of a refusal keeps its reasons among its details."""
    reasons = line.details.get("reasons")
    if not reasons:
        return line
    return LogLine(line.at, line.what, {}, [(name, dict(details)) for name, details in reasons])


def _asked_for(body_hash: str) -> str | None:
    """The item of a kept answer's request; None for what was no redemption."""
    try:
        body = msgspec.json.decode(body_hash)
    except msgspec.DecodeError:
        return None
    return body[1] if isinstance(body, list) and len(body) >= 3 else None


async def _rows(connection: AsyncConnection[Any], row: type[Row], query: str, values: Any) -> list[Row]:
    return await fetch_all(connection, row, query, values)


async def _records(connection: AsyncConnection[Any], row: type[Row], query: str, values: Any) -> list[Row]:
    """Rows with parts that come as JSON."""
    cursor = await connection.execute(query, values)
    names = [column.name for column in cursor.description or ()]
    return [msgspec.convert(dict(zip(names, found, strict=True)), row) for found in await cursor.fetchall()]
