"""Closing erases the person everywhere and keeps the books: what is copied out and what is erased are one list."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from msgspec import structs
from psycopg import AsyncConnection

from liyu.core.errors import DomainError
from liyu.core.migrations.tables import metadata
from liyu.members.errors import MemberClosedError
from liyu.members.personal.addresses import AddressDraft, save_address
from liyu.members.personal.closing import ask_to_close, find_closing, list_closings, take_back_closing
from liyu.members.personal.consents import list_standings, say
from liyu.members.personal.errors import (
    AlreadyErasedError,
    ClosingAlreadyAskedError,
    NoClosingError,
    OpenOrdersError,
)
from liyu.members.personal.fields import FieldDraft, add_field
from liyu.members.personal.own_profile import OwnProfile, save_own_profile
from liyu.members.personal.phone import change_phone_for
from liyu.redemption.addresses import Delivery, DeliveryAddress
from liyu.redemption.closing import close_account, close_due_accounts, load_holdings
from liyu.redemption.merge import merge
from liyu.redemption.personal_data import PERSONAL_DATA, export_member
from tests.members.personal.people import OTHER_PHONE, PHONE, enrol
from tests.world import NOW, ZONE, World, open_world

OLD_PHONE = "+8613600136000"
PERSON = [
    "林岚",
    "lin@example.com",
    PHONE,
    OLD_PHONE,
    "13800138000",
    "西湖区",
    "文三路",
    "1992-05-20",
    "工程师",
    "10.1.2.3",
    "离别",
]
"""What names this person anywhere; the host's own number of them is the host's."""


TRACES = [
    """INSERT INTO session (token_hash, audience, member_id, created_at, last_seen_at, expires_at, address, user_agent)
    VALUES ('x', 'member', %(one)s, now(), now(), now() + interval '1 day', '10.1.2.3', 'Firefox')""",
    """INSERT INTO outbox_message (channel, recipient, subject, body, locale, created_at, due_at, attempts) VALUES
    ('sms', %(phone)s, '', '林岚', 'en', now(), now(), 0), ('sms', %(old)s, '', '林岚', 'en', now(), now(), 0)""",
    """INSERT INTO login_code (phone, purpose, code_hash, created_at, expires_at, attempts)
    VALUES (%(phone)s, 'login', 'x', now(), now(), 0)""",
    "INSERT INTO rate_limit (action, subject, window_start, hits) VALUES ('login', %(phone)s, now(), 1)",
    "INSERT INTO member_note (member_id, text, author, at) VALUES (%(one)s, '林岚 called', 'staff:1', now())",
]


async def live(world: World) -> int:
    """A member who has left traces everywhere: points, pending ones, a debt's worth of history, a voucher, addresses, answers."""
    connection = world.connection
    one = await enrol(world, "M-77", OLD_PHONE)
    await world.post(world.purchase("M-77", 50_000), world.purchase("M-77", 7_000, at=NOW))
    await world.item("coupon-1")
    await world.redeem("M-77", "coupon-1")
    number = await _receive_goods(world, "M-77")
    assert await world.one("SELECT count(*) FROM redemption_address") == 1, number
    await add_field(connection, FieldDraft(key="job", kind="text", name_zh="职业", name_en="Job"))
    profile = OwnProfile(
        name="林岚", birthday=date(1992, 5, 20), email="lin@example.com", city="杭州", locale="zh_CN",
        answers={"job": "工程师"},
    )  # fmt: skip
    await save_own_profile(connection, one, profile, now=NOW, zone=ZONE)
    home = AddressDraft(
        recipient="林岚", phone=PHONE, province="浙江省", city="杭州市", district="西湖区", detail="文三路 1 号"
    )
    await save_address(connection, one, home, now=NOW)
    await say(connection, one, (await list_standings(connection, one))[0].text_id, given=True, actor="m", now=NOW)
    await change_phone_for(connection, one, PHONE, actor="staff:1", reason="Lost", now=NOW)
    for statement in TRACES:
        await connection.execute(statement, {"one": one, "phone": PHONE, "old": OLD_PHONE})
    await ask_to_close(connection, one, reason="离别", actor=f"member:{one}", now=NOW)
    return one


async def _receive_goods(world: World, member: str) -> str:
    """An order that went to an address and arrived."""
    await world.item("cup", kind="goods", points=1)
    home = DeliveryAddress("林岚", PHONE, "浙江省", "杭州市", "西湖区", "文三路 1 号")
    async with world.desk() as desk:
        wish = structs.replace(world.wish(member, "cup"), delivery=Delivery(home))
        number = (await desk.redeem(wish)).number
    await world.connection.execute("UPDATE redemption SET state = 'completed' WHERE number = %s", (number,))
    return number


ANSWERS_TO_THE_HOST = {"idempotent_answer.answer", "idempotent_answer.key", "idempotent_answer.body_hash"}


async def places_of(world: World, needles: list[str]) -> set[str]:
    """The columns of the whole database in which one of the texts stands."""
    found = set()
    for table in metadata.tables.values():
        for column in table.columns:
            query = f'SELECT EXISTS (SELECT FROM {table.name} WHERE "{column.name}"::text LIKE ANY(%s))'
            if await world.one(query, [f"%{needle}%" for needle in needles]):
                found.add(f"{table.name}.{column.name}")
    return found


async def ledger_of(world: World) -> Any:
    rows = await world.connection.execute("SELECT id, amount, key, event, source, at FROM transfer ORDER BY id")
    return await rows.fetchall()


def test_every_table_that_knows_members_is_on_the_one_list() -> None:
    known = {table.table for table in PERSONAL_DATA}
    assert len(known) == len(PERSONAL_DATA)
    by_order = {"redemption_address", "parcel", "top_up", "top_up_attempt"}
    by_order |= {"after_sale", "after_sale_transition", "after_sale_photo"}
    by_contact = {
        "login_code",
        "outbox_message",
        "rate_limit",
        "idempotent_answer",
        "audit_event",
        "transfer",
        "member",
    }
    with_members = {
        table.name
        for table in metadata.tables.values()
        if "member_id" in table.columns
        or any(key.column.table.name == "member" for column in table.columns for key in column.foreign_keys)
    }
    assert with_members | by_contact | by_order == known


async def test_a_person_is_gone_from_every_table_and_the_books_are_kept(database_url: str) -> None:
    async with open_world(database_url) as world:
        one = await live(world)
        await enrol(world, "M-2", OTHER_PHONE, name="王倩")
        assert len(await places_of(world, PERSON)) > 10
        copied = await export_member(world.connection, one)
        assert {table for table in ("member", "member_address", "profile_value", "session", "outbox_message",
                "login_code", "phone_change", "member_note") if not copied[table]} == set()  # fmt: skip
        ledger, events = await ledger_of(world), await world.one("SELECT count(*) FROM earning_event")
        async with world.connection.transaction():
            forfeited = await close_account(world.connection, one, actor="system", now=NOW)
        assert (forfeited.points, forfeited.debt) == (469, 0)
        assert await places_of(world, PERSON) == set()
        assert await places_of(world, ["M-77"]) <= ANSWERS_TO_THE_HOST
        assert (await ledger_of(world))[: len(ledger)] == ledger
        assert await world.one("SELECT count(*) FROM earning_event") == events
        assert await world.one("SELECT count(*) FROM redemption WHERE member_id = %s", one) == 2
        assert await world.one("SELECT sum(balance) FROM account WHERE member_id = %s", one) == 0
        assert await world.one("SELECT state FROM voucher WHERE member_id = %s", one) == "issued"
        assert await world.one("SELECT given FROM consent_entry WHERE member_id = %s", one) is True
        assert await world.one("SELECT name FROM member WHERE external_id = 'M-2'") == "王倩"
        copied = await export_member(world.connection, one)
        assert [row["name"] for row in copied["member"]] == [None]
        with pytest.raises(AlreadyErasedError):
            await close_account(world.connection, one, actor="system", now=NOW)


async def test_a_debt_is_let_off_and_pending_points_go_too(database_url: str) -> None:
    async with open_world(database_url) as world:
        one = await enrol(world, "M-1")
        reference = "A-1"
        await world.post(world.purchase("M-1", 30_000, reference=reference))
        await world.item("coupon-1", points=250)
        await world.redeem("M-1", "coupon-1")
        await world.post(world.event("M-1", "return", 30_000, reference=reference))
        assert await world.balances("M-1") == {"points": 0, "pending": 0, "debt": -250}
        holdings = await load_holdings(world.connection, one, NOW)
        assert (holdings.points, holdings.debt, holdings.vouchers) == (0, 250, 1)
        async with world.connection.transaction():
            forfeited = await close_account(world.connection, one, actor="staff:1", now=NOW)
        assert (forfeited.points, forfeited.debt) == (0, 250)
        assert await world.one("SELECT sum(abs(balance)) FROM account WHERE member_id = %s", one) == 0


async def test_the_wish_can_be_taken_back_and_is_carried_out_when_it_is_due(database_url: str) -> None:
    async with open_world(database_url) as world:
        one, connection = await enrol(world, "M-1"), world.connection
        due = await ask_to_close(connection, one, reason="", actor="m", now=NOW)
        assert due == NOW + timedelta(days=7)
        with pytest.raises(ClosingAlreadyAskedError):
            await ask_to_close(connection, one, reason="", actor="m", now=NOW)
        await take_back_closing(connection, one, now=NOW)
        with pytest.raises(NoClosingError):
            await take_back_closing(connection, one, now=NOW)
        assert await close_due_accounts(connection, due, actor="system") == 0
        await ask_to_close(connection, one, reason="", actor="m", now=NOW)
        await world.item("tea", kind="goods", points=1)
        await world.post(world.purchase("M-1", 10_000))
        number = (await world.redeem("M-1", "tea")).number
        assert await close_due_accounts(connection, due, actor="system") == 0
        with pytest.raises(OpenOrdersError) as refused:
            await close_account(connection, one, actor="staff:1", now=NOW)
        assert refused.value.values == {"orders": number}
        assert (await find_closing(connection, one)) is not None
        assert (await world.balances("M-1"))["points"] == 99
        await connection.execute("UPDATE redemption SET state = 'completed'")
        assert await close_due_accounts(connection, due, actor="system") == 1
        assert [line.is_open for line in await list_closings(connection, one)] == [False, False]


async def test_nothing_is_written_about_somebody_who_has_left(database_url: str) -> None:
    async with open_world(database_url) as world:
        one, connection = await enrol(world, "M-1"), world.connection
        text = (await list_standings(connection, one))[0].text_id
        await close_account(connection, one, actor="staff:1", now=NOW)
        home = AddressDraft(
            recipient="林岚", phone=PHONE, province="浙江省", city="杭州市", district="西湖区", detail="文三路 1 号"
        )
        for act in (
            save_address(connection, one, home, now=NOW),
            say(connection, one, text, given=True, actor="m", now=NOW),
            ask_to_close(connection, one, reason="", actor="m", now=NOW),
            change_phone_for(connection, one, PHONE, actor="staff:1", reason="x", now=NOW),
        ):
            with pytest.raises(MemberClosedError):
                await act
        (posted,) = await world.post(world.event("M-1", "check_in"))
        assert posted.code == "unknown_member"
        assert await places_of(world, ["林岚", "13800138000"]) == set()


async def test_closing_and_everything_else_at_once_leave_no_trace(database_url: str) -> None:
    async with open_world(database_url) as world:
        one = await enrol(world, "M-1")
        await world.post(world.purchase("M-1", 10_000))
        home = AddressDraft(
            recipient="林岚", phone=PHONE, province="浙江省", city="杭州市", district="西湖区", detail="文三路 1 号"
        )

        async def act(kind: str) -> str:
            async with await AsyncConnection.connect(database_url) as connection:
                try:
                    if kind == "close":
                        await close_account(connection, one, actor="staff:1", now=NOW)
                    else:
                        await save_address(connection, one, home, now=NOW)
                except DomainError as refusal:
                    return refusal.code
                return "done"

        outcomes = await asyncio.gather(*(act(kind) for kind in ["save", "close", "save", "close", "save"]))
        assert set(outcomes) <= {"done", "member_closed", "already_erased"}
        assert [outcomes[1], outcomes[3]].count("done") == 1
        assert await places_of(world, ["林岚"]) == set()
        assert await world.one("SELECT count(*) FROM transfer WHERE event = 'close'") == 1


async def test_whoever_was_merged_into_somebody_is_erased_with_them(database_url: str) -> None:
    async with open_world(database_url) as world:
        one = await enrol(world, "M-1", PHONE, name="林岚", email="lin@example.com")
        two = await enrol(world, "M-2", OTHER_PHONE, name="林岚")
        await world.post(world.purchase("M-1", 10_000), world.purchase("M-2", 5_000))
        async with world.connection.transaction():
            await merge(world.connection, "M-2", "M-1", reason="One person", actor="staff:1", now=NOW, zone=ZONE)
        with pytest.raises(MemberClosedError):
            await close_account(world.connection, two, actor="staff:1", now=NOW)
        assert await places_of(world, [OTHER_PHONE]) != set()
        async with world.connection.transaction():
            forfeited = await close_account(world.connection, one, actor="staff:1", now=NOW)
        assert forfeited.points == 150
        assert await places_of(world, ["林岚", "lin@example.com", PHONE, OTHER_PHONE]) == set()
        assert await world.one("SELECT count(*) FROM member WHERE erased_at IS NOT NULL") == 2
