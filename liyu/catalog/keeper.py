"""Keeps a process's snapshot of the catalog fresh: listens, gathers what changed, reloads that, tells who watches."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar

import psycopg
import structlog
from msgspec import Struct

from liyu.catalog.load import Loaded, load_items, load_stock
from liyu.catalog.notify import CATALOG_CHANNEL, STOCK_CHANNEL
from liyu.catalog.snapshot import Pacer, Snapshot
from liyu.catalog.views import Stock
from liyu.core.clock import Clock

RELOAD_INTERVAL = 0.25
"""At most four reloads a second, however many notifications arrive."""
HEARING_INTERVAL = 0.05
HEARTBEAT = 15.0
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
CONNECTION_OPTIONS = "-c timezone=UTC -c application_name=liyu-catalog"

Result = TypeVar("Result")
log = structlog.get_logger()


class StockChange(Struct, frozen=True):
    """The stock of an item, as it is now."""

    item_id: int
    sku: str
    stock: Stock


class StockWatch:
    """What one watcher has not seen yet: the latest stock of each item, so that a slow one skips what is outdated.

    Iterate over it for lists of changes; it ends when the keeper closes. Use it as a context manager to stop watching.
    """

    def __init__(self, leave: Callable[["StockWatch"], None]) -> None:
        self._unseen: dict[int, StockChange] = {}
        self._news = asyncio.Event()
        self._leave = leave
        self._ended = False

    def __enter__(self) -> "StockWatch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(self)

    async def __aiter__(self) -> AsyncIterator[list[StockChange]]:
        """The changes since the last look, again and again."""
        while True:
            await self._news.wait()
            self._news.clear()
            changes, self._unseen = list(self._unseen.values()), {}
            if changes:
                yield changes
            if self._ended:
                return

    def tell(self, changes: Iterable[StockChange]) -> None:
        """Note changes; what was not seen of the same items is outdated."""
        self._unseen |= {change.item_id: change for change in changes}
        self._news.set()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._news.set()


class _Pending(Struct):
    everything: bool = False
    items: set[int] = set()
    stocks: set[int] = set()


class SnapshotKeeper:
    """One for each process. `snapshot` is the catalog as of a moment ago; take it once for each page."""

    def __init__(self, database_url: str, clock: Clock) -> None:
        self.database_url = database_url
        self.clock = clock
        self._snapshot: Snapshot | None = None
        self._pending = _Pending()
        self._news = asyncio.Event()
        self._watches: set[StockWatch] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._following: asyncio.Task[None] | None = None
        self._moved: dict[int, Stock] = {}
        """Stock that was read since the items at hand began to be followed."""
        self._item_loader, self._stock_loader = _Loader(database_url), _Loader(database_url)

    @property
    def snapshot(self) -> Snapshot:
        """The catalog at hand. The keeper must be open."""
        assert self._snapshot is not None, "the keeper is not open"
        return self._snapshot

    async def open(self) -> None:
        """Listen, load everything and keep it fresh. Raises psycopg's OperationalError without a database."""
        # Listening comes first, so that nothing falls between the loading and the listening.
        connection = await self._listen()
        self._snapshot = await asyncio.to_thread(self._make_first)
        self._tasks = [asyncio.create_task(self._hear(connection)), asyncio.create_task(self._refresh())]

    async def close(self) -> None:
        """Stop; all watches end."""
        tasks = [*self._tasks, self._following] if self._following else self._tasks
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for watch in list(self._watches):
            watch.end()
        self._item_loader.close()
        self._stock_loader.close()

    def _make_first(self) -> Snapshot:
        now = self.clock.now()
        loaded = self._item_loader.run(load_items)
        return Snapshot(loaded.items.values(), loaded.stock, now, 1, 1)

    def subscribe(self) -> StockWatch:
        """Watch the stock: `with keeper.subscribe() as watch: async for changes in watch: …`."""
        watch = StockWatch(self._watches.discard)
        self._watches.add(watch)
        return watch

    async def _listen(self) -> psycopg.AsyncConnection[Any]:
        connection = await psycopg.AsyncConnection.connect(
            self.database_url, autocommit=True, options=CONNECTION_OPTIONS
        )
        for channel in (CATALOG_CHANNEL, STOCK_CHANNEL):
            await connection.execute(f"LISTEN {channel}")
        return connection

    async def _hear(self, connection: psycopg.AsyncConnection[Any]) -> None:
        while True:
            try:
                async with connection:
                    await self._note_all(connection)
            except psycopg.OperationalError as fault:
                log.warning("catalog_lost_its_connection", fault=str(fault))
            connection = await self._listen_again()
            # Whatever was said meanwhile was missed.
            self._note(CATALOG_CHANNEL, "")

    async def _note_all(self, connection: psycopg.AsyncConnection[Any]) -> None:
        while True:
            heard = False
            async for note in connection.notifies(timeout=HEARTBEAT, stop_after=1):
                self._note(note.channel, note.payload)
                heard = True
            if heard:
                # In a rush a hot item is announced a hundred times a second: what is said meanwhile is heard at once.
                await asyncio.sleep(HEARING_INTERVAL)
            else:
                await connection.execute("SELECT 1")

    async def _listen_again(self) -> psycopg.AsyncConnection[Any]:
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._listen()
            except psycopg.OperationalError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _note(self, channel: str, payload: str) -> None:
        if not payload.isdigit():
            self._pending.everything = True
        elif channel == STOCK_CHANNEL:
            self._pending.stocks.add(int(payload))
        else:
            self._pending.items.add(int(payload))
        self._news.set()

    async def _refresh(self) -> None:
        """Bring items and stock up to date, side by side: many changed items must not hold up the stock of a rush."""
        while True:
            with contextlib.suppress(TimeoutError):
                # Not wait_for, which swallows a cancellation that comes together with the news.
                async with asyncio.timeout(self._seconds_to_next_ending()):
                    await self._news.wait()
            self._news.clear()
            if self._following is None or self._following.done():
                pending, self._pending = self._pending, _Pending()
                is_over = self._seconds_to_next_ending() == 0
                if pending.everything or pending.items or is_over:
                    self._following = asyncio.create_task(self._guarded(self._follow_items(pending)))
            else:
                pending, self._pending.stocks = _Pending(stocks=self._pending.stocks), set()
            if pending.stocks:
                await self._guarded(self._follow_stock(pending.stocks))
            await asyncio.sleep(RELOAD_INTERVAL)

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except psycopg.Error as fault:
            log.warning("catalog_not_reloaded", fault=str(fault))
            await asyncio.sleep(FIRST_PAUSE)
            self._note(CATALOG_CHANNEL, "")

    def _seconds_to_next_ending(self) -> float | None:
        ending = self.snapshot.next_ending
        return None if ending is None else max((ending - self.clock.now()).total_seconds(), 0)

    async def _follow_stock(self, moved: set[int]) -> None:
        touched = [item_id for item_id in moved if item_id in self.snapshot.by_id]
        stock = await asyncio.to_thread(self._stock_loader.run, lambda connection: load_stock(connection, touched))
        before = self.snapshot
        # An item that has just left the catalog stays until its own notification is handled.
        self._moved.update(stock)
        self._snapshot = before.with_stock({**before.stock, **stock})
        self._tell(before, self.snapshot, moved)

    async def _follow_items(self, pending: _Pending) -> None:
        """Load what changed and index it, in a thread and with rests, beside whoever reads the snapshot at hand."""
        before, now = self.snapshot, self.clock.now()
        self._moved.clear()
        made, touched = await asyncio.to_thread(self._make_next, before, pending, now)
        # Stock that moved meanwhile was read later than the items were.
        moved = {item_id: stock for item_id, stock in self._moved.items() if item_id in made.stock}
        last = self.snapshot
        made.stock_version = last.stock_version + 1
        self._snapshot = made.with_stock({**made.stock, **moved}) if moved else made
        self._tell(last, self.snapshot, touched)
        self._news.set()

    def _make_next(self, before: Snapshot, pending: _Pending, now: datetime) -> tuple[Snapshot, set[int]]:
        pause = Pacer(rests=True)
        asked = None if pending.everything else list(pending.items)
        loaded = Loaded({}, {})
        if asked is None or asked:
            loaded = self._item_loader.run(lambda connection: load_items(connection, asked, pause=pause))
        known = before.by_id if asked is None else {item_id for item_id in asked if item_id in before.by_id}
        gone = [item_id for item_id in known if item_id not in loaded.items]
        come = {}
        for item_id, item in loaded.items.items():
            pause()
            if before.by_id.get(item_id) != item:
                come[item_id] = item
        stock = {**before.stock, **loaded.stock}
        for item_id in gone:
            stock.pop(item_id, None)
        moved = {item_id for item_id, one in loaded.stock.items() if before.stock.get(item_id) != one}
        return before.followed(come, gone, stock, now, pause=pause), moved

    def _tell(self, before: Snapshot, after: Snapshot, moved: Iterable[int]) -> None:
        if not self._watches:
            return
        changes = [
            StockChange(item_id, after.by_id[item_id].sku, stock)
            for item_id in moved
            if item_id in after.by_id and (stock := after.stock[item_id]) != before.stock.get(item_id)
        ]
        if changes:
            for watch in self._watches:
                watch.tell(changes)


class _Loader:
    """A connection for loading, opened again after a fault. One thread at a time uses it."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._connection: psycopg.Connection[Any] | None = None
        self._is_closed = False

    def run(self, load: Callable[[psycopg.Connection[Any]], Result]) -> Result:
        """Run what loads. After psycopg's errors the next run has a new connection."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._database_url, autocommit=True, options=CONNECTION_OPTIONS)
        # A thread cannot be cancelled: it may come back with a connection when the keeper has already closed.
        if self._is_closed:
            self._connection.close()
        try:
            return load(self._connection)
        except psycopg.Error:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the connection, for good."""
        self._is_closed = True
        if self._connection is not None:
            self._connection.close()
