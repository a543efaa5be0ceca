"""Loading the demo program, step by step, into an installation in which nobody has joined yet."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import structs
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.pools.imports import GivenCode, import_codes
from liyu.catalog.publish import publish_items
from liyu.catalog.records import ItemRecord
from liyu.core.access.staff import create_staff
from liyu.core.clock import local_date, start_of_day
from liyu.core.database import make_engine, make_sessions, unit_of_work
from liyu.core.settings import Settings
from liyu.demo.accounts import tell_of_themselves
from liyu.demo.activity import DAYS, SEED, open_activity
from liyu.demo.campaigns import give_campaigns
from liyu.demo.draws import announce_draws, decide_due_draws, enter_draws
from liyu.demo.drops import plan_coming_drops
from liyu.demo.evaluation import evaluate_rights, recall_some_codes
from liyu.demo.favourites import keep_an_eye
from liyu.demo.files import from_now, read_json
from liyu.demo.history import ACTOR, all_events, enrol_everybody, replay_years
from liyu.demo.logins import STAFF_PASSWORD
from liyu.demo.orders import fulfil_orders
from liyu.demo.program import TERMS, TIERS, rules_from
from liyu.demo.refusals import be_refused_at_times
from liyu.demo.runs import print_a_run
from liyu.demo.settle import settle_earlier_month
from liyu.demo.storefront import arrange_storefront, plan_prices
from liyu.demo.tags import sort_members
from liyu.demo.tiers import bring_growth_along, sell_memberships, set_one_by_hand
from liyu.members.points.events import Event
from liyu.members.points.health_count import count_points
from liyu.members.program import replace_program
from liyu.partners.register import import_partners
from liyu.redemption.books import prove_books
from liyu.vouchers.expire import expire_vouchers
from liyu.vouchers.tokens import Tokens

INTERRUPTED = "an earlier load of the demo was interrupted; empty the data folder or the database and load it again"

Report = Callable[[str], None]


async def load_demo(settings: Settings, connection: AsyncConnection[Any], now: datetime, report: Report) -> None:
    """Load the demo; the same data every time, with days counted from `now`. `report` gets a line for each step.

    Raises ValueError when the installation has members already.
    """
    random.seed(SEED)
    if await has_members(connection):
        raise ValueError("the installation has members already; the demo needs an empty one")
    if await was_interrupted(connection):
        raise ValueError(INTERRUPTED)
    report("Program, partners and catalog")
    await _open_program(settings, connection, now)
    report("Two years of purchases and returns")
    events = await _replay_history(settings, connection, now)
    report("Redemptions, vouchers and verifications")
    await _live_through_the_present(settings, connection, now, events)
    report("The month before last is settled, last month is yours to settle")
    await _settle_and_prove(settings, connection, now)


def _opening(settings: Settings, now: datetime) -> datetime:
    """When the program began with its catalog, its partners and its staff."""
    return start_of_day(local_date(now, settings.timezone) - timedelta(days=DAYS + 14), settings.timezone)


async def _open_program(settings: Settings, connection: AsyncConnection[Any], now: datetime) -> None:
    zone, today, opening = settings.timezone, local_date(now, settings.timezone), _opening(settings, now)
    async with connection.transaction():
        rules = rules_from(start_of_day(today - timedelta(days=365), zone))
        await replace_program(connection, structs.replace(TERMS, demo=False), TIERS, rules)
        await import_partners(connection, read_json("partners"), actor=ACTOR, now=opening, zone=zone)
        await publish_items(connection, _item_records(now), actor=ACTOR, now=opening, zone=zone)
        await announce_draws(connection, settings, now)
        await arrange_storefront(connection, opening)
        await plan_coming_drops(connection, now)
        for sku, codes in read_json("codes").items():
            given = [GivenCode(row, code) for row, code in enumerate(codes, 1)]
            await import_codes(
                connection, sku, given, secret_key=settings.secret_key, actor=ACTOR, now=opening, file_name=f"{sku}.csv"
            )
    await _make_staff(settings, connection, opening)


async def _replay_history(settings: Settings, connection: AsyncConnection[Any], now: datetime) -> list[Event]:
    """Members with the purchases and returns of two years; the events of the last days are for the present."""
    zone, today = settings.timezone, local_date(now, settings.timezone)
    present = start_of_day(today - timedelta(days=DAYS), zone)
    events = all_events(today, zone, TERMS.currency)
    await enrol_everybody(connection, events, zone)
    await tell_of_themselves(connection, now, zone)
    await bring_growth_along(connection, today, zone)
    await replay_years(connection, [event for event in events if event.occurred_at < present], zone)
    await connection.execute("ANALYZE")
    return [event for event in events if event.occurred_at >= present]


async def _live_through_the_present(
    settings: Settings, connection: AsyncConnection[Any], now: datetime, events: list[Event]
) -> None:
    assert settings.database_url is not None
    zone, today = settings.timezone, local_date(now, settings.timezone)
    tokens = Tokens(settings.secret_key, settings.voucher_keys)
    opening = _opening(settings, now)
    async with open_activity(connection, settings.database_url, tokens, zone, opening) as activity:
        await activity.live_through(events, today, now)
        await enter_draws(activity, now)
        await activity.order_of_partners(now)
        await activity.rush(now)
    await decide_due_draws(connection, settings, now)
    await fulfil_orders(connection, settings.database_url, now, zone)
    await set_one_by_hand(connection, today, now, zone)
    await sell_memberships(connection, now, zone)
    await sort_members(connection, today, now, zone)
    await keep_an_eye(connection, now)
    await give_campaigns(connection, settings, now)
    await print_a_run(connection, settings, tokens, now)
    await be_refused_at_times(connection, settings, now)
    async with connection.transaction():
        await expire_vouchers(connection, now)
        await evaluate_rights(connection, now)
        await recall_some_codes(connection, settings, now)
        await plan_prices(connection, now, zone)


async def _settle_and_prove(settings: Settings, connection: AsyncConnection[Any], now: datetime) -> None:
    zone = settings.timezone
    await settle_earlier_month(connection, local_date(now, zone), zone)
    async with connection.transaction():
        await prove_books(connection, now)
        await count_points(connection, now=now, zone=zone)
        # Said last: a program that is the demo's and does not say so was left half-way.
        await connection.execute("UPDATE program SET demo = true")
    await connection.execute("VACUUM ANALYZE")


async def was_interrupted(connection: AsyncConnection[Any]) -> bool:
    """Whether an earlier load of the demo was stopped before its end."""
    query = "SELECT EXISTS (SELECT FROM program WHERE name_zh = %s AND NOT demo)"
    found = await connection.execute(query, (TERMS.name_zh,))
    return await found.fetchone() == (True,)


async def has_members(connection: AsyncConnection[Any]) -> bool:
    """Whether anybody has joined."""
    found = await connection.execute("SELECT EXISTS (SELECT FROM member)")
    return await found.fetchone() == (True,)


def _item_records(now: datetime) -> list[ItemRecord]:
    records = []
    for item in read_json("items"):
        facts = {name: value for name, value in item.items() if value is not None}
        drop = facts.pop("drop", {})
        window = drop or facts.pop("sale", {})
        if facts["kind"] == "code":
            facts.pop("stock", None)  # a pool offers as many as it has codes
        record = msgspec.convert(facts, ItemRecord)
        record.is_drop = bool(drop)
        record.on_sale_from = from_now(window.get("opens"), now)
        record.on_sale_to = from_now(window.get("closes"), now)
        records.append(record)
    return records


async def _make_staff(settings: Settings, connection: AsyncConnection[Any], now: datetime) -> None:
    assert settings.database_url is not None
    staff, engine = read_json("staff"), make_engine(settings.database_url, pool_size=1)
    try:
        async with unit_of_work(make_sessions(engine)) as session:
            for person in [*staff["operators"], *staff["partner_staff"]]:
                await _make_person(session, connection, person, now)
    finally:
        await engine.dispose()


async def _make_person(
    session: AsyncSession, connection: AsyncConnection[Any], person: dict[str, Any], now: datetime
) -> None:
    await create_staff(
        session,
        email=person["email"],
        name=person["name_zh"],
        password=STAFF_PASSWORD,
        audience="partner" if person["partner"] else "operator",
        role=person["role"],
        now=now,
        partner_id=await _id_of(connection, "partner", person["partner"]),
        store_id=await _id_of(connection, "store", person["store"]),
    )


async def _id_of(connection: AsyncConnection[Any], table: str, code: str | None) -> int | None:
    if code is None:
        return None
    found = await connection.execute(f"SELECT id FROM {table} WHERE code = %s", (code,))
    row = await found.fetchone()
    return int(row[0]) if row else None
