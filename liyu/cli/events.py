"""`liyu events`: earning events from a file, through the same code as the API."""

import csv
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import rich_click as click
from msgspec import Struct

from liyu.cli.installation import clock, connect, json_option, load_settings, run, show, show_progress, tell_faults
from liyu.core.i18n import N_, Message
from liyu.core.settings import Settings
from liyu.members.points.events import Event, Posted, check_event, check_source
from liyu.members.points.post import post_events
from liyu.members.program import load_terms

COLUMNS = ("external_id", "type", "amount_minor", "currency", "occurred_at", "reference")
PURCHASE, POINTS_PART = OPTIONAL = ("purchase", "points_part_minor")
"""Columns that may be missing: the purchase that a return is of, the part of a purchase that was paid with points."""
PORTION = 1_000


@click.group()
def command() -> None:
    """Import purchases, returns and other events."""


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def import_events(file: Path, as_json: bool) -> None:
    """Post the events of a CSV file. Members not known yet are enrolled; running it twice gives no second point.

    Columns: external_id,type,amount_minor,currency,occurred_at,reference; two may be missing: purchase, where returns have
    references of their own, and points_part_minor, where a part was paid with points. Each row is answered ok, failed or
    duplicate; a failed row changes nothing and harms no other.
    """
    with file.open(encoding="utf-8-sig", newline="") as text:
        _refuse_other_encodings(text)
        result = run(_import(load_settings(), text, file.stat().st_size))
    show(result, as_json=as_json, words=lambda: _in_words(result))


def _refuse_other_encodings(text: TextIO) -> None:
    """Read the file through once before anything is posted: what is not text changes nothing."""
    try:
        for _ in text:
            pass
    except UnicodeDecodeError as fault:
        raise click.ClickException("the file is not UTF-8 text; save it as “CSV UTF-8”") from fault
    text.seek(0)


def _in_words(result: dict[str, Any]) -> str:
    counts = f"{result['ok']} ok, {result['duplicate']} duplicate, {result['failed']} failed."
    return "\n".join([counts, *tell_faults([f"row {one['row']}: {one['message']}" for one in result["failures"]])])


async def _import(settings: Settings, text: TextIO, size: int) -> dict[str, Any]:
    result: dict[str, Any] = {"ok": 0, "duplicate": 0, "failed": 0, "points": 0, "failures": []}
    with show_progress("Posting events", size) as move:
        rows = _read(text, settings)
        async with connect(settings) as connection:
            terms = await load_terms(connection)
            while portion := [row for _, row in zip(range(PORTION), rows, strict=False)]:
                await _post(connection, portion, settings, result, terms.currency)
                move(advance=sum(row.size for row in portion))
    return result


class _Row(Struct):
    number: int
    size: int
    """Roughly, in bytes."""
    event: Event
    """With stand-ins for what cannot be read."""
    unreadable: dict[str, Message]


def _read(text: TextIO, settings: Settings) -> Iterator[_Row]:
    reader = csv.DictReader(text)
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or [])]
    if missing:
        raise click.ClickException(f"the file lacks the columns {', '.join(missing)}; it needs {', '.join(COLUMNS)}")
    for number, cells in enumerate(reader, start=2):
        size = sum(len(cell or "") + 1 for cell in cells.values() if isinstance(cell, str))
        texts = {column: (cells.get(column) or "").strip() for column in (*COLUMNS, *OPTIONAL)}
        yield _Row(number, size, *_parse(texts, settings))


def _parse(cells: dict[str, str], settings: Settings) -> tuple[Event, dict[str, Message]]:
    unreadable: dict[str, Message] = {}
    amounts: dict[str, int | None] = {}
    occurred_at = clock().now()
    for column in ("amount_minor", POINTS_PART):
        try:
            amounts[column] = int(cells[column]) if cells[column] else None
        except ValueError:
            unreadable[column] = Message(N_("Must be a whole number of minor units."))
    try:
        occurred_at = datetime.fromisoformat(cells["occurred_at"])
    except ValueError:
        unreadable["occurred_at"] = Message(N_("Must be a date and time such as 2026-11-22T10:00:00+08:00."))
    event = Event(
        member=cells["external_id"],
        type=cells["type"],
        reference=cells["reference"],
        occurred_at=occurred_at if occurred_at.tzinfo else occurred_at.replace(tzinfo=settings.timezone),
        **amounts,
        currency=cells["currency"] or None,
        purchase=cells["purchase"] or None,
    )
    return event, unreadable


async def _post(
    connection: Any, portion: list[_Row], settings: Settings, result: dict[str, Any], currency: str
) -> None:
    now = clock().now()
    faulty = {
        row.number: check_event(row.event, currency, now) | check_source(row.event) | row.unreadable
        for row in portion
        if row.unreadable or check_source(row.event)
    }
    events = [row.event for row in portion if row.number not in faulty]
    async with connection.transaction():
        posted = iter(
            await post_events(connection, events, actor="import", now=now, zone=settings.timezone, enrol_unknown=True)
        )
    for row in portion:
        faults = faulty.get(row.number)
        answer = next(posted) if faults is None else Posted("failed", code="invalid_event", faults=faults)
        result[answer.status] += 1
        result["points"] += answer.points if answer.status == "ok" else 0
        if answer.status == "failed":
            # An event has a member; the file has a column.
            named = {"external_id" if name == "member" else name: str(words) for name, words in answer.faults.items()}
            message = "; ".join(f"{name}: {words}" for name, words in named.items())
            result["failures"].append({"row": row.number, "code": answer.code, "message": message, "fields": named})
