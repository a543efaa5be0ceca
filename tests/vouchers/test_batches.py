"""Many vouchers on paper: a job with progress that is stopped and goes on, and a file that is gone after its days."""

import asyncio
import io
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pikepdf import Pdf
from psycopg import AsyncConnection
from psycopg.errors import CheckViolation

from liyu.core.storage import FolderStorage
from liyu.vouchers import batches
from liyu.vouchers.batches import (
    KEPT,
    Numbers,
    Print,
    carry_out,
    forget_old_prints,
    load_print,
    order_print,
    resume_print,
    stop_print,
)
from liyu.vouchers.errors import NothingToPrintError, PrintNotReadyError, TooManyToPrintError
from liyu.vouchers.facts import StoreFacts, VoucherFacts
from liyu.vouchers.pdf import PdfFailedError, PdfMaker
from liyu.vouchers.runs.service import decide_range, make_run
from liyu.vouchers.sheets import Form, Layout, Marks, Sheet
from tests.vouchers.tills import open_shops
from tests.world import NOW, ZONE, World, open_world


class _Counting(PdfMaker):
    """Makes documents of one blank page, counts vouchers, and fails or stops where it is told to."""

    made = 0
    fails_at = 0

    async def print_each(self, sheets: Sequence[Sheet]) -> list[bytes]:
        self._count(sheets)
        return [b"%PDF " + one.marks.qr.encode() for one in sheets]

    async def print_all(self, sheets: Sequence[Sheet], layout: Layout) -> bytes:
        self._count(sheets)
        made = Pdf.new()
        for _ in sheets:
            made.add_blank_page()
        made.docinfo["/Title"] = layout
        made.Root.Lang = "en"
        written = io.BytesIO()
        made.save(written)
        return written.getvalue()

    def _count(self, sheets: Sequence[Sheet]) -> None:
        if any(one.marks.qr == str(self.fails_at) for one in sheets):
            raise PdfFailedError
        self.made += len(sheets)


def to_sheets(vouchers: Sequence[tuple[VoucherFacts, Sequence[StoreFacts]]], locale: str) -> list[Sheet]:
    return [
        Sheet(locale, {}, Marks({"code": f"C{one.id}", "last_day": "a day"}, str(one.id), "")) for one, _ in vouchers
    ]


class Press:
    """An item with five vouchers, printed two at a time."""

    def __init__(self, world: World, vouchers: list[int], item_id: int, folder: Path) -> None:
        self.world, self.vouchers, self.item_id = world, vouchers, item_id
        self.storage, self.maker = FolderStorage(folder), _Counting()
        self.folder = folder

    async def order(
        self, form: Form = "zip", actor: str = "staff:1", numbers: Numbers | None = None, now: datetime = NOW
    ) -> tuple[int, bool]:
        return await order_print(
            self.world.connection, self.item_id, locale="en", layout="a4", form=form, actor=actor, now=now,
            numbers=numbers,
        )  # fmt: skip

    async def print(self, print_id: int) -> Print:
        await carry_out(
            self.world.connection, print_id, storage=self.storage, maker=self.maker, to_sheets=to_sheets, now=NOW
        )
        return await load_print(self.world.connection, print_id)

    def files(self) -> list[str]:
        return sorted(path.suffix for path in self.folder.rglob("*") if path.is_file())


async def test_a_print_is_stopped_fails_and_goes_on(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "PART", 1)
    async with open_world(database_url) as world:
        vouchers = sorted(await (await open_shops(world)).vouchers(5))
        press = Press(world, vouchers, await world.one("SELECT id FROM item"), tmp_path)
        print_id, is_new = await press.order()
        assert is_new
        assert await press.order() == (print_id, False)
        assert await press.order(actor="staff:2") == (print_id + 1, True)

        # The fourth fails: the first two are counted and lie in storage, the print says why it stands still.
        press.maker.fails_at = vouchers[3]
        with pytest.raises(PdfFailedError):
            await press.print(print_id)
        stopped = await load_print(world.connection, print_id)
        assert (stopped.state, stopped.done, stopped.problem) == ("stopped", 2, "pdf_failed")
        with pytest.raises(PrintNotReadyError):
            await stop_print(world.connection, print_id)
        made = press.maker.made
        assert (await press.print(print_id)).state == "stopped"
        assert press.maker.made == made

        # One is cancelled meanwhile: it is left out, and nothing is made twice.
        await world.connection.execute("UPDATE voucher SET state = 'cancelled' WHERE id = %s", (vouchers[4],))
        press.maker.fails_at, press.maker.made = 0, 0
        await resume_print(world.connection, print_id, NOW)
        finished = await press.print(print_id)
        assert (finished.state, finished.done, finished.problem) == ("finished", 5, None)
        assert press.maker.made == 2
        with zipfile.ZipFile(io.BytesIO(await press.storage.get(finished.file_name))) as archive:
            assert [archive.read(name) for name in archive.namelist()] == [
                f"%PDF {one}".encode() for one in vouchers[:4]
            ]
        assert press.files() == [".zip"]
        with pytest.raises(PrintNotReadyError):
            await stop_print(world.connection, print_id)
        with pytest.raises(PrintNotReadyError):
            await resume_print(world.connection, print_id, NOW)
        with pytest.raises(CheckViolation):
            await world.connection.execute("UPDATE voucher_print SET done = 1 WHERE id = %s", (print_id,))

        assert await forget_old_prints(world.connection, press.storage, NOW + KEPT) == 0
        assert await forget_old_prints(world.connection, press.storage, NOW + KEPT + timedelta(seconds=1)) == 1
        assert press.files() == []
        assert (await load_print(world.connection, print_id)).voucher_ids == []


async def test_a_stopped_print_is_not_resumed_when_its_days_are_over(database_url: str, tmp_path: Path) -> None:
    async with open_world(database_url) as world:
        press = Press(
            world, await (await open_shops(world)).vouchers(1), await world.one("SELECT id FROM item"), tmp_path
        )
        print_id, _ = await press.order()
        await stop_print(world.connection, print_id)
        # Its parts may be going at this moment, and the rest of it would be taken for the whole.
        with pytest.raises(PrintNotReadyError):
            await resume_print(world.connection, print_id, NOW + KEPT + timedelta(seconds=1))
        assert (await load_print(world.connection, print_id)).state == "stopped"
        assert await press.order() == (print_id, False)
        assert await press.order(now=NOW + KEPT + timedelta(seconds=1)) == (print_id + 1, True)
        await resume_print(world.connection, print_id, NOW + KEPT)


class _HeldStorage(FolderStorage):
    """The second worker comes when the first one joins the parts, and reads after that one has ended."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.first_reads, self.second_reads, self.first_is_done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def get(self, name: str) -> bytes:
        if self.first_reads.is_set() and asyncio.current_task().get_name() == "second":  # type: ignore[union-attr]
            self.second_reads.set()
            await self.first_is_done.wait()
        elif not self.first_reads.is_set():
            self.first_reads.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.second_reads.wait(), 0.3)
        return await super().get(name)


async def test_two_workers_at_one_print_lose_nothing(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped and resumed at once, a print has two jobs: the one in hand goes on, and so does the new one."""
    monkeypatch.setattr(batches, "PART", 1)
    async with open_world(database_url) as world, await AsyncConnection.connect(world.url, autocommit=True) as other:
        vouchers = await (await open_shops(world)).vouchers(3)
        press = Press(world, vouchers, await world.one("SELECT id FROM item"), tmp_path)
        storage = press.storage = _HeldStorage(tmp_path)
        print_id, _ = await press.order()
        tools: dict[str, Any] = {"storage": storage, "maker": press.maker, "to_sheets": to_sheets, "now": NOW}

        async def work_first() -> None:
            await carry_out(world.connection, print_id, **tools)
            storage.first_is_done.set()

        async def work_second() -> None:
            await storage.first_reads.wait()
            await carry_out(other, print_id, **tools)

        async with asyncio.timeout(20):
            await asyncio.gather(asyncio.create_task(work_first()), asyncio.create_task(work_second(), name="second"))
        finished = await load_print(world.connection, print_id)
        with zipfile.ZipFile(io.BytesIO(await storage.get(finished.file_name))) as archive:
            assert len(archive.namelist()) == 3
        assert press.maker.made == 3


async def test_one_document_of_all_parts(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PART", 2)
    async with open_world(database_url) as world:
        vouchers = sorted(await (await open_shops(world)).vouchers(5))
        press = Press(world, vouchers, await world.one("SELECT id FROM item"), tmp_path)
        try:
            finished = await press.print((await press.order("pdf"))[0])
        finally:
            press.maker.close()
        pieces = [piece async for piece in press.storage.pieces(finished.file_name)]
        with Pdf.open(io.BytesIO(b"".join(pieces))) as made:
            assert (len(made.pages), str(made.docinfo["/Title"])) == (5, "a4")


async def test_numbers_of_a_run_are_printed_before_they_are_activated(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "PART", 2)
    async with open_world(database_url) as world:
        own = await (await open_shops(world)).vouchers(1)
        press = Press(world, own, await world.one("SELECT id FROM item"), tmp_path)
        sku = await world.one("SELECT sku FROM item")
        run = await make_run(
            world.connection, sku, name="Fair", total=6, last_day=NOW.date(), actor="staff:1", now=NOW, zone=ZONE
        )
        who: dict[str, Any] = {"reason": "fair", "actor": "staff:1", "now": NOW, "zone": ZONE}
        await decide_range(world.connection, run, "activated", first=2, last=2, **who)
        await decide_range(world.connection, run, "withdrawn", first=3, last=3, **who)
        # Of the item only what members hold is printed, and of the run by its numbers.
        assert (await load_print(world.connection, (await press.order())[0])).voucher_ids == own
        numbers = Numbers(run, 1, 5)
        zipped, is_new = await press.order(numbers=numbers)
        listed, _ = await press.order("csv", numbers=numbers)
        assert is_new
        # Number 5 goes into a wallet before it is printed: its code is nobody else's business.
        await world.connection.execute(
            "UPDATE voucher SET holder_id = (SELECT id FROM member), state = 'issued' WHERE run_number = 5"
        )
        finished = await press.print(zipped)
        assert (finished.total, finished.first_number, finished.last_number, finished.run_name) == (4, 1, 5, "Fair")
        with zipfile.ZipFile(io.BytesIO(await press.storage.get(finished.file_name))) as archive:
            assert archive.namelist() == ["0001.pdf", "0002.pdf", "0004.pdf"]
        press.maker.fails_at = -1
        lines = (await press.storage.get((await press.print(listed)).file_name)).decode("utf-8-sig").splitlines()
        first = own[0] + 1
        assert lines[:2] == ["number,code,qr,valid_until", f"0001,C{first},{first},a day"]
        assert [line.split(",")[0] for line in lines[1:]] == ["0001", "0002", "0004"]
        with pytest.raises(NothingToPrintError):
            await press.order(numbers=Numbers(run, 3, 3))
        with pytest.raises(CheckViolation):
            await press.order("csv")
        await world.connection.execute("UPDATE voucher SET holder_id = NULL, state = 'printed' WHERE run_number = 5")


async def test_what_cannot_be_printed_is_refused(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(database_url) as world:
        vouchers = await (await open_shops(world)).vouchers(3)
        press = Press(world, vouchers, await world.one("SELECT id FROM item"), tmp_path)
        monkeypatch.setattr(batches, "MOST", 2)
        with pytest.raises(TooManyToPrintError):
            await press.order()
        await world.connection.execute("UPDATE voucher SET state = 'cancelled'")
        with pytest.raises(NothingToPrintError):
            await press.order()
        assert await world.one("SELECT count(*) FROM voucher_print") == 0
