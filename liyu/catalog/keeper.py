"""Keeps a process's snapshot of the catalog fresh: listens, gathers what changed, reloads that, tells who watches."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar

import psycopg
import structlog
from msgspec import Struct

from liyu.catalog.load import Loaded, load_items, load_stock
from liyu.catalog.notify import CATALOG_CHANNEL, STOCK_CHANNEL
from liyu.catalog.snapshot import Snapshot
from liyu.catalog.views import Stock
from liyu.core.clock import Clock

RELOAD_INTERVAL = 0.25
"""At most four reloads a second, however many notifications arrive (DESIGN §4 "Live stock")."""
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
        self._loader: psycopg.Connection[Any] | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The catalog at hand. The keeper must be open."""
        assert self._snapshot is not None, "the keeper is not open"
        return self._snapshot

    async def open(self) -> None:
        """Listen, load everything and keep it fresh. Raises psycopg's OperationalError without a database."""
        # Listening comes first, so that nothing falls between the loading and the listening.
        connection = await self._listen()
        await asyncio.to_thread(self._reload, _Pending(everything=True))
        self._tasks = [asyncio.create_task(self._hear(connection)), asyncio.create_task(self._refresh())]

    async def close(self) -> None:
        """Stop; all watches end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for watch in list(self._watches):
            watch.end()
        if self._loader is not None:
            self._loader.close()

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
            async for note in connection.notifies(timeout=HEARTBEAT):
                self._note(note.channel, note.payload)
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
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._seconds_to_next_ending())
            self._news.clear()
            pending, self._pending = self._pending, _Pending()
            before = self.snapshot
            try:
                await asyncio.to_thread(self._reload, pending)
            except psycopg.Error as fault:
                log.warning("catalog_not_reloaded", fault=str(fault))
                self._forget_loader()
                self._note(CATALOG_CHANNEL, "")
                await asyncio.sleep(FIRST_PAUSE)
                continue
            self._tell(before, self.snapshot, pending.stocks)
            await asyncio.sleep(RELOAD_INTERVAL)

    def _seconds_to_next_ending(self) -> float | None:
        ending = self.snapshot.next_ending
        # Clocks that stand still, in tests, must not make this a busy loop.
        return None if ending is None else max((ending - self.clock.now()).total_seconds(), RELOAD_INTERVAL)

    def _reload(self, pending: _Pending) -> None:
        before, now = self._snapshot, self.clock.now()
        if before is None or pending.everything:
            loaded = self._load(load_items)
            self._replace(loaded, now)
        elif pending.items:
            touched = list(pending.items | pending.stocks)
            loaded = self._load(lambda connection: load_items(connection, touched))
            self._replace(_merge(before, touched, loaded), now)
        else:
            if before.next_ending is not None and before.next_ending <= now:
                before = self._replace(Loaded(dict(before.by_id), dict(before.stock)), now)
            if pending.stocks:
                touched = [item_id for item_id in pending.stocks if item_id in before.by_id]
                stock = self._load(lambda connection: load_stock(connection, touched))
                # An item that has just left the catalog stays until its own notification is handled.
                self._snapshot = before.with_stock({**before.stock, **stock})

    def _replace(self, loaded: Loaded, now: datetime) -> Snapshot:
        before = self._snapshot
        version, stock_version = (before.version + 1, before.stock_version + 1) if before else (1, 1)
        made = Snapshot(loaded.items.values(), loaded.stock, now, version, stock_version)
        made.index.warm_up()
        self._snapshot = made
        return made

    def _load(self, load: Callable[[psycopg.Connection[Any]], Result]) -> Result:
        if self._loader is None or self._loader.closed:
            self._loader = psycopg.connect(self.database_url, autocommit=True, options=CONNECTION_OPTIONS)
        return load(self._loader)

    def _forget_loader(self) -> None:
        if self._loader is not None:
            self._loader.close()
            self._loader = None

    def _tell(self, before: Snapshot, after: Snapshot, moved: set[int]) -> None:
        if before.stock is after.stock or not self._watches:
            return
        # With the same lists only the stock that was asked for can differ.
        candidates = moved & after.by_id.keys() if after.lists is before.lists else after.by_id.keys()
        changes = [
            StockChange(item_id, after.by_id[item_id].sku, stock)
            for item_id in candidates
            if (stock := after.stock[item_id]) != before.stock.get(item_id)
        ]
        if changes:
            for watch in self._watches:
                watch.tell(changes)


def _merge(before: Snapshot, touched: list[int], loaded: Loaded) -> Loaded:
    items = {item_id: item for item_id, item in before.by_id.items() if item_id not in loaded.items}
    stock = {item_id: one for item_id, one in before.stock.items() if item_id not in loaded.stock}
    for item_id in touched:
        if item_id not in loaded.items:
            items.pop(item_id, None)
            stock.pop(item_id, None)
    return Loaded(items | loaded.items, stock | loaded.stock)
