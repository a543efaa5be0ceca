"""The rows of the table: what is measured, against which ceiling, and what it should reach."""

import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median

import msgspec
import psycopg

from bench import events, lapse, members, paper, search, verify
from bench.installation import Installation, add_items, free_port, running, serve, sign_in_members
from bench.load import Findings, Load, send
from bench.pgbench import Ceiling

CONNECTIONS = 128
WORKERS = 2
PAGE_CONNECTIONS = 32
SIGNED_IN = 1_000
TURNS = 4
EVENT_BATCHES = 40
MANY_ITEMS = 100_000
SEARCH_MILLISECONDS = 40


class Row(msgspec.Struct):
    """One line of the table; `ratio` is the value over the ceiling."""

    name: str
    value: float
    unit: str
    ceiling: float
    ratio: float
    goal: float
    note: str = ""

    @property
    def reached(self) -> bool:
        """Whether the goal was reached."""
        return self.ratio >= self.goal


def measure_all(installation: Installation, seconds: int, lapsing: int, visited: int, vouchers: int) -> Iterator[Row]:
    """Measure every row; ceilings run next to what they are compared with. `lapsing` is the members of the lapse,
    `visited` those of the console's pages, `vouchers` those among which tills verify in the end.
    """
    yield measure_drop(installation, seconds, hot=True)
    yield measure_drop(installation, seconds, hot=False)
    yield from measure_verify(installation, seconds, vouchers)
    yield measure_mall_list(installation, seconds)
    yield measure_mall_home(installation, seconds)
    yield measure_events(installation)
    yield measure_lapse(installation, lapsing)
    yield measure_member_page(installation, visited)
    yield measure_search()
    yield measure_paper()
    yield measure_list_growth(installation, seconds)


def measure_drop(installation: Installation, seconds: int, *, hot: bool) -> Row:
    """Redemptions a second over the HTTP API, with everything on: keys, limits, vouchers, ledger, log.

    Drop and ceiling take turns, so that whatever else the machine does meets both.
    """
    ceiling = Ceiling(installation, hot=hot)
    key = installation.run("apikey", "create", "--name", "bench", "--scopes", "all").strip()
    load = Load(
        port=0,
        connections=CONNECTIONS,
        seconds=seconds / TURNS,
        warm_up_seconds=1,
        path="/api/v1/redemptions",
        headers={"Authorization": f"Bearer {key}"},
        members=installation.members,
        items=1 if hot else installation.items,
    )
    bare, found = [], []
    with serve(installation, workers=WORKERS) as port:
        for _ in range(TURNS):
            bare.append(ceiling.measure(seconds))
            found.append(send(msgspec.structs.replace(load, port=port, run=str(time.time_ns()))))
    for findings in found:
        _refuse_failures(findings, "201")
    rate = mean(findings.rate for findings in found)
    best = max(mean(rates) for rates in zip(*bare, strict=True))
    oversold = _count_oversold(installation)
    p50, p99 = (1000 * mean(times) for times in zip(*((each.p50, each.p99) for each in found), strict=True))
    note = f"p50 {p50:.0f} ms, p99 {p99:.0f} ms (goal 150), {oversold} oversold"
    name = (
        "drop: redemptions over HTTP, one hot item"
        if hot
        else f"spread: redemptions over HTTP, {installation.items} items"
    )
    return Row(name, rate, "/s", best, rate / best, 3 if hot else 1, note)


def measure_verify(installation: Installation, seconds: int, vouchers: int) -> Iterator[Row]:
    """Tills that verify over HTTP, and the same among so many vouchers."""
    till = verify.Till(installation)
    took = []
    for count in (verify.FEW, vouchers):
        if count <= till.total:
            return
        till.fill(count)
        took.append(till.measure(seconds))
        last = took[-1]
        note = (
            f"p50 {last.p50 * 1000:.0f} ms, p99 {last.p99 * 1000:.0f} ms at full load and {last.calm_p99 * 1000:.0f} ms at the "
            f"ceiling's (goal 30), {till.count_twice()} verified twice"
        )
        name = f"verify over HTTP, {verify.CONNECTIONS} tills, {count:,} vouchers"
        yield Row(name, last.ours, "/s", last.bare, last.ours / last.bare, 1, note)
    few, many = took
    name = f"verify among {vouchers:,} vouchers"
    yield Row(name, many.ours, "/s", few.ours, many.ours / few.ours, 1 / 1.3, f"the same among {verify.FEW:,}")


def measure_mall_list(installation: Installation, seconds: int) -> Row:
    """The list of 24 as a guest sees it, against a bare Litestar + Jinja that gives the same bytes."""
    load = Load(port=0, connections=PAGE_CONNECTIONS, seconds=seconds / TURNS, warm_up_seconds=0.5, path="/items")
    return _measure_page("mall list of 24, guest", installation, load, 0.7)


def measure_mall_home(installation: Installation, seconds: int) -> Row:
    """The home page of so many signed-in members in turns, no two with the same points, against a bare Litestar + Jinja that
    gives the same bytes.
    """
    cookies = sign_in_members(installation, SIGNED_IN)
    load = Load(
        port=0, connections=PAGE_CONNECTIONS, seconds=seconds / TURNS, warm_up_seconds=0.5, path="/", cookies=cookies
    )
    return _measure_page("mall home, signed-in member", installation, load, 0.35)


def _measure_page(name: str, installation: Installation, load: Load, goal: float) -> Row:
    """Page and bare page take turns, so that whatever else the machine does meets both."""
    with serve(installation, workers=1) as port, tempfile.NamedTemporaryFile(suffix=".html") as file:
        page = _get(port, load)
        Path(file.name).write_bytes(page)
        bare_port = free_port()
        command = [sys.executable, "-m", "bench.bare", str(bare_port), file.name]
        with running(command, installation.environment, f"http://127.0.0.1:{bare_port}/readyz"):
            turns = [
                (
                    send(msgspec.structs.replace(load, port=port)),
                    send(msgspec.structs.replace(load, port=bare_port, path="/")),
                )
                for _ in range(TURNS)
            ]
    for found, _ in turns:
        _refuse_failures(found, "200")
    rate, bare_rate = (mean(findings.rate for findings in side) for side in zip(*turns, strict=True))
    note = f"p50 {median(found.p50 for found, _ in turns) * 1000:.1f} ms, {len(page)} bytes"
    return Row(name, rate, "/s", bare_rate, rate / bare_rate, goal, note)


def _get(port: int, load: Load) -> bytes:
    headers = {"Cookie": load.cookies[0]} if load.cookies else {}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{load.path}", headers=headers)
    with urllib.request.urlopen(request) as answer:
        page: bytes = answer.read()
    return page


def measure_events(installation: Installation) -> Row:
    """Purchases in batches of 1,000 over the API, against COPY of the same batches into a plain table."""
    found = events.measure_batches(installation, EVENT_BATCHES)
    note = f"{found.batches} batches of {events.BATCH}, {events.SENDERS} connections"
    return Row("events/batch, rows", found.posted, "/s", found.copied, found.posted / found.copied, 0.1, note)


def measure_lapse(installation: Installation, members: int) -> Row:
    """Lots that lapse a second, one for each member, against bare SQL that writes the same rows in one go."""
    took = lapse.measure(installation, members)
    note = f"{took.ours:.1f} s; bare {took.bare:.1f} s, {took.half:.1f} s of it for transfers and lots alone"
    value, ceiling = members / took.ours, members / took.bare
    return Row(f"lapse of {members:,} members' lots", value, "/s", ceiling, value / ceiling, 0.5, note)


def measure_member_page(installation: Installation, count: int) -> Row:
    """The console's page of one member among so many, p50, against the 30 ms that it may take."""
    took = members.measure(installation, count)
    searches = ", ".join(f"{kind} {milliseconds:.0f}" for kind, milliseconds in took.searches.items())
    note = f"p50 {took.page:.1f} ms, p99 {took.slow:.0f} ms; search by {searches} ms"
    return Row(f"member page among {count:,}, a second", 1000 / took.page, "/s", 1000 / 30, 30 / took.page, 1, note)


def measure_search() -> Row:
    """A search among many items with its counts and suggestions, p50, against the 40 ms that it may take."""
    took = search.measure(MANY_ITEMS)
    note = (
        f"p50 {took.search:.1f} ms, slowest {took.slowest:.0f} ms; all indexed in {took.build_seconds:.1f} s; "
        f"a changed item after {took.change:.0f} ms, beside which others wait at most {took.longest_wait:.0f} ms"
    )
    name = f"search among {MANY_ITEMS:,} items, a second"
    return Row(name, 1000 / took.search, "/s", 1000 / SEARCH_MILLISECONDS, SEARCH_MILLISECONDS / took.search, 1, note)


def measure_paper() -> Row:
    """Vouchers as separate PDFs on two processes, against bare WeasyPrint of the same pages in one, with the system's font."""
    took = paper.measure()
    note = f"{paper.FILES} files on {paper.PROCESSES} processes; a single voucher {took.single:.1f} ms (goal 60)"
    return Row("voucher PDFs, separate files", took.ours, "/s", took.bare, took.ours / took.bare, 5, note)


def measure_list_growth(installation: Installation, seconds: int) -> Row:
    """The guest's list among many items against the same list among few. Comes last: it adds items."""
    load = Load(port=0, connections=PAGE_CONNECTIONS, seconds=seconds, warm_up_seconds=1, path="/items")
    rates = []
    for _ in ("few", "many"):
        with serve(installation, workers=1) as port:
            found = send(msgspec.structs.replace(load, port=port))
        _refuse_failures(found, "200")
        rates.append(found.rate)
        if len(rates) == 1:
            add_items(installation, MANY_ITEMS)
    few, many = rates
    name = f"guest list among {MANY_ITEMS:,} items"
    return Row(name, many, "/s", few, many / few, 1 / 1.3, f"the same among {installation.items:,}: {few:,.0f}/s")


def _refuse_failures(found: Findings, expected: str) -> None:
    if set(found.statuses) != {expected}:
        raise RuntimeError(f"expected only {expected}, got {found.statuses}")


def _count_oversold(installation: Installation) -> int:
    with psycopg.connect(installation.url) as connection:
        row = connection.execute("SELECT count(*) FROM item_stock WHERE taken > total").fetchone()
    assert row is not None
    return int(row[0])
