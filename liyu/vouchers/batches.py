"""Printing the vouchers of an item into storage, as a job that can be stopped and goes on where it was.

Every finished part lies in storage and is counted in the row of the print; what is counted is never made again. The
finished file stays for some days. Connections are in autocommit, so that the progress is seen while the work goes on.
"""

import asyncio
import csv
import io
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct, convert
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from liyu.core.database import fetch_all
from liyu.core.errors import NotFoundError
from liyu.core.i18n import N_
from liyu.core.ids import make_token
from liyu.core.storage import Storage
from liyu.vouchers.errors import NothingToPrintError, PrintNotReadyError, TooManyToPrintError
from liyu.vouchers.facts import StoreFacts, VoucherFacts, fetch_facts, stores_of_item
from liyu.vouchers.pdf import PdfFailedError, PdfMaker, PdfTooLargeError, PdfTooSlowError
from liyu.vouchers.sheets import Form, Layout, Sheet
from liyu.vouchers.states import OPEN, PRINTABLE

MEDIA_TYPES: dict[Form, str] = {"pdf": "application/pdf", "zip": "application/zip", "csv": "text/csv"}
CSV_HEAD = ("number", "code", "qr", "valid_until")
ToSheets = Callable[[Sequence[tuple[VoucherFacts, Sequence[StoreFacts]]], str], list[Sheet]]
"""Sets vouchers with their stores into sheets of a language; the web layer has the templates and the words."""

MOST = 20_000
PAGE = 50
PART = 500
AT_ONCE = 2
KEPT = timedelta(days=7)
"""How long a finished file lies in storage: whoever has it has the vouchers."""
BROKE_OFF = "broke_off"
PROBLEMS: dict[str, str] = {
    **{fault.code: fault.message for fault in (PdfFailedError, PdfTooSlowError, PdfTooLargeError)},
    BROKE_OFF: N_("It broke off several times; the log of the worker says why."),
}
"""Why the worker stopped a print, in words."""
_FIRST_MOMENT = (1980, 1, 1, 0, 0, 0)


class Print(Struct, frozen=True, kw_only=True):
    """Vouchers on their way to paper. States: `printing`, `stopped`, `finished`, `gone` when its days are over."""

    id: int
    item_id: int
    sku: str
    item_zh: str
    item_en: str
    locale: str
    layout: Layout
    form: Form
    voucher_ids: list[int]
    total: int
    done: int
    state: str
    problem: str | None
    folder: str
    made_by: str
    made_at: datetime
    finished_at: datetime | None
    run_id: int | None
    run_name: str | None
    first_number: int | None
    last_number: int | None

    @property
    def file_name(self) -> str:
        """The finished file in storage."""
        return f"{self.folder}.{self.form}"

    def part_name(self, start: int) -> str:
        """A finished part in storage, by the place of its first voucher."""
        return f"{self.folder}/{start:05d}.{self.form}"


class PrintableItem(Struct, frozen=True):
    """An item and how many of its vouchers can be used."""

    id: int
    sku: str
    name_zh: str
    name_en: str
    vouchers: int


class Numbers(Struct, frozen=True):
    """A range of the numbers of a run; both ends belong to it."""

    run_id: int
    first: int
    last: int


_PRINTABLE = """
    SELECT i.id, i.sku, i.name_zh, i.name_en, v.vouchers FROM item i JOIN (
        SELECT item_id, count(*) AS vouchers FROM voucher
        WHERE state = ANY(%s) AND expires_at > %s AND run_id IS NULL GROUP BY item_id) v
    ON v.item_id = i.id ORDER BY v.vouchers DESC, i.id LIMIT 200"""
_USABLE = """
    SELECT id FROM voucher
    WHERE item_id = %(item)s AND state = ANY(%(states)s) AND expires_at > %(now)s AND run_id IS NULL ORDER BY id LIMIT %(most)s"""
# What somebody has put into a wallet is theirs: its paper is no good, and its code is nobody else's business.
_NUMBERED = """
    SELECT id FROM voucher
    WHERE run_id = %(run)s AND run_number BETWEEN %(first)s AND %(last)s AND state = ANY(%(states)s) AND expires_at > %(now)s
        AND holder_id IS NULL ORDER BY run_number LIMIT %(most)s"""
_STILL = """
    WHERE v.id = ANY(%(ids)s) AND v.state = ANY(%(states)s) AND (v.run_id IS NULL OR v.holder_id IS NULL)
    ORDER BY v.run_number, v.id"""
# A second click asks for what is being printed already.
_KNOWN = """
    SELECT id FROM voucher_print WHERE (state = 'printing' OR state = 'stopped' AND made_at >= %s)
    AND (item_id, locale, layout, form, made_by, voucher_ids) = (%s, %s, %s, %s, %s, %s::bigint[]) LIMIT 1"""
_ORDER = """
    INSERT INTO voucher_print
        (item_id, locale, layout, form, made_by, voucher_ids, total, done, state, folder, made_at, run_id, first_number,
        last_number)
    VALUES (%s, %s, %s, %s, %s, %s, %s, 0, 'printing', %s, %s, %s, %s, %s) RETURNING id"""
_SELECT = """
    SELECT p.*, i.sku, i.name_zh AS item_zh, i.name_en AS item_en, r.name AS run_name
    FROM voucher_print p JOIN item i ON i.id = p.item_id LEFT JOIN voucher_run r ON r.id = p.run_id"""
# Two jobs of one print: the one that was stopped and resumed while its worker was busy, and the one that resuming started.
_ALONE = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
_LET_GO = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"
_COUNT = "UPDATE voucher_print SET done = %s WHERE id = %s AND done = %s AND state = 'printing'"
_FINISH = "UPDATE voucher_print SET state = 'finished', finished_at = %s WHERE id = %s AND state = 'printing'"
_STOP = "UPDATE voucher_print SET state = 'stopped', problem = %s WHERE id = %s AND state = 'printing'"
# Not when its days are over: its parts may be going at this moment.
_RESUME = """
    UPDATE voucher_print SET state = 'printing', problem = NULL WHERE id = %s AND state = 'stopped' AND made_at >= %s"""


async def order_print(
    connection: AsyncConnection[Any],
    item_id: int,
    *,
    locale: str,
    layout: Layout,
    form: Form,
    actor: str,
    now: datetime,
    numbers: Numbers | None = None,
) -> tuple[int, bool]:
    """Order the vouchers of an item that can be used now: the print's id, and whether it was not on its way already.

    Those of print runs are ordered by their `numbers`, also when they are not activated yet. Raises NothingToPrintError,
    TooManyToPrintError.
    """
    wanted: dict[str, Any] = {
        "item": item_id,
        "states": list(PRINTABLE if numbers else OPEN),
        "now": now,
        "most": MOST + 1,
    }
    if numbers:
        wanted |= {"run": numbers.run_id, "first": numbers.first, "last": numbers.last}
    found = await connection.execute(_NUMBERED if numbers else _USABLE, wanted)
    ids = [row[0] for row in await found.fetchall()]
    if not ids:
        raise NothingToPrintError
    if len(ids) > MOST:
        raise TooManyToPrintError(most=MOST)
    values = (item_id, locale, layout, form, actor, ids)
    range_of = (numbers.run_id, numbers.first, numbers.last) if numbers else (None, None, None)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"print:{actor}",))
        known = await (await connection.execute(_KNOWN, (now - KEPT, *values))).fetchone()
        if known is not None:
            return known[0], False
        made = await connection.execute(_ORDER, (*values, len(ids), f"prints/{make_token()}", now, *range_of))
        row = await made.fetchone()
    assert row is not None
    return row[0], True


async def list_printable_items(connection: AsyncConnection[Any], now: datetime) -> list[PrintableItem]:
    """Items with vouchers that can be used now, those with the most first."""
    return await fetch_all(connection, PrintableItem, _PRINTABLE, (list(OPEN), now))


async def load_print(connection: AsyncConnection[Any], print_id: int) -> Print:
    """One print. Raises NotFoundError."""
    found = await _fetch(connection, f"{_SELECT} WHERE p.id = %s", (print_id,))
    if not found:
        raise NotFoundError
    return found[0]


async def list_prints(
    connection: AsyncConnection[Any], after: int | None, limit: int = PAGE, *, run_id: int | None = None
) -> list[Print]:
    """Prints from the newest on, older than the one with the id `after`; all, or those of a run."""
    of_run, values = ("AND p.run_id = %s", (run_id,)) if run_id is not None else ("", ())
    return await _fetch(
        connection,
        f"{_SELECT} WHERE p.id < %s {of_run} ORDER BY p.id DESC LIMIT %s",
        (after or 2**62, *values, limit),
    )


async def items_on_press(connection: AsyncConnection[Any]) -> list[int]:
    """The items whose vouchers are being printed."""
    found = await connection.execute(
        "SELECT DISTINCT item_id FROM voucher_print WHERE state = 'printing' ORDER BY item_id"
    )
    return [row[0] for row in await found.fetchall()]


async def stop_print(connection: AsyncConnection[Any], print_id: int, problem: str | None = None) -> None:
    """Let the worker stop after the parts in hand; they stay. `problem` is the code of what stopped it, if not a person.

    Raises PrintNotReadyError for one that is not printing.
    """
    if not (await connection.execute(_STOP, (problem, print_id))).rowcount:
        raise PrintNotReadyError


async def resume_print(connection: AsyncConnection[Any], print_id: int, now: datetime) -> None:
    """Let it go on; the caller defers the job. Raises PrintNotReadyError for one that is not stopped, or whose days are over."""
    if not (await connection.execute(_RESUME, (print_id, now - KEPT))).rowcount:
        raise PrintNotReadyError


async def carry_out(
    connection: AsyncConnection[Any],
    print_id: int,
    *,
    storage: Storage,
    maker: PdfMaker,
    to_sheets: ToSheets,
    now: datetime,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Print what is not printed yet, until it is finished or somebody stops it. A second worker waits until the first is done.

    Vouchers that have meanwhile been cancelled or used up are left out. Raises PdfFailedError, with the print stopped.
    """
    name = (f"printing:{print_id}",)
    await connection.execute(_ALONE, name)
    try:
        while (found := await load_print(connection, print_id)).state == "printing":
            if progress is not None:
                progress(found.done, found.total)
            if found.done == found.total:
                await _join(found, storage, maker)
                await connection.execute(_FINISH, (now, print_id))
                await _delete_parts(found, storage)
                return
            await _print_next(connection, found, storage, maker, to_sheets)
    except PdfFailedError as fault:
        await connection.execute(_STOP, (fault.code, print_id))
        raise
    finally:
        await connection.execute(_LET_GO, name)


async def forget_old_prints(connection: AsyncConnection[Any], storage: Storage, now: datetime) -> int:
    """Delete the files of prints whose days are over, also those that were stopped and never resumed; how many."""
    over = await _fetch(
        connection,
        f"{_SELECT} WHERE p.state IN ('finished', 'stopped') AND coalesce(p.finished_at, p.made_at) < %s ORDER BY p.id",
        (now - KEPT,),
    )
    for one in over:
        await storage.delete(one.file_name)
        await _delete_parts(one, storage)
        await connection.execute("UPDATE voucher_print SET state = 'gone', voucher_ids = '{}' WHERE id = %s", (one.id,))
    return len(over)


async def _fetch(connection: AsyncConnection[Any], query: str, values: tuple[Any, ...]) -> list[Print]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        return convert(await cursor.fetchall(), list[Print])


async def _print_next(
    connection: AsyncConnection[Any], found: Print, storage: Storage, maker: PdfMaker, to_sheets: ToSheets
) -> None:
    """Make the next parts side by side, and count them."""
    starts = range(found.done, min(found.done + AT_ONCE * PART, found.total), PART)
    stores = await stores_of_item(connection, found.item_id)
    parts = []
    for start in starts:
        ids = found.voucher_ids[start : start + PART]
        facts = await fetch_facts(
            connection,
            _STILL,
            {"ids": ids, "states": list(PRINTABLE if found.run_id else OPEN)},
        )
        parts.append((start, facts, to_sheets([(one, stores) for one in facts], found.locale)))
    await asyncio.gather(
        *(_make_part(found, start, facts, sheets, storage, maker) for start, facts, sheets in parts if facts)
    )
    done = min(starts[-1] + PART, found.total)
    await connection.execute(_COUNT, (done, found.id, found.done))


async def _make_part(
    found: Print, start: int, facts: list[VoucherFacts], sheets: list[Sheet], storage: Storage, maker: PdfMaker
) -> None:
    if found.form == "csv":
        await storage.put(found.part_name(start), _write_lines(facts, sheets), MEDIA_TYPES["csv"])
        return
    if found.form == "pdf":
        content = await maker.print_all(sheets, found.layout)
        await storage.put(found.part_name(start), content, MEDIA_TYPES["pdf"])
        return
    files = await maker.print_each(sheets)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.zip"
        named = [(_name_file(one), file) for one, file in zip(facts, files, strict=True)]
        await asyncio.to_thread(_pack, path, named)
        await storage.put_file(found.part_name(start), path, MEDIA_TYPES["zip"])


async def _join(found: Print, storage: Storage, maker: PdfMaker) -> None:
    """All parts as one file."""
    names = [found.part_name(start) for start in range(0, found.total, PART)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"all.{found.form}"
        if found.form == "pdf":
            parts = [part for name in names if (part := await _read(storage, name)) is not None]
            path.write_bytes(await maker.merge(parts))
        elif found.form == "csv":
            with path.open("wb") as file:
                # Excel reads UTF-8 only after the mark of its byte order.
                file.write(f"\ufeff{','.join(CSV_HEAD)}\r\n".encode())
                for name in names:
                    file.write(await _read(storage, name) or b"")
        else:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
                for name in names:
                    part = await _read(storage, name)
                    if part is not None:
                        await asyncio.to_thread(_unpack_into, archive, Path(folder) / "part.zip", part)
        await storage.put_file(found.file_name, path, MEDIA_TYPES[found.form])


async def _read(storage: Storage, name: str) -> bytes | None:
    """A part; None when all its vouchers had gone."""
    try:
        return await storage.get(name)
    except FileNotFoundError:
        return None


async def _delete_parts(found: Print, storage: Storage) -> None:
    for start in range(0, found.total, PART):
        await storage.delete(found.part_name(start))


def _name_file(facts: VoucherFacts) -> str:
    """In a ZIP: the number in its run, or that of the order, which may have several vouchers."""
    return f"{facts.number}.pdf" if facts.run_id else f"{facts.number}-{facts.id}.pdf"


def _write_lines(facts: list[VoucherFacts], sheets: list[Sheet]) -> bytes:
    """Number, code, contents of the QR code and last day of vouchers, as a print shop merges them into its own sheets."""
    lines = io.StringIO()
    writer = csv.writer(lines)
    for one, sheet in zip(facts, sheets, strict=True):
        writer.writerow((one.number, sheet.marks.texts["code"], sheet.marks.qr, sheet.marks.texts["last_day"]))
    return lines.getvalue().encode()


def _pack(path: Path, files: list[tuple[str, bytes]]) -> None:
    """A ZIP of files that are compressed already; without dates, so that the same files give the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, _FIRST_MOMENT), content)


def _unpack_into(archive: zipfile.ZipFile, path: Path, part: bytes) -> None:
    path.write_bytes(part)
    with zipfile.ZipFile(path) as packed:
        for entry in packed.infolist():
            archive.writestr(entry, packed.read(entry))
