"""Reminders: once for each member and month, by mail or SMS in the member's language, whatever happens in between."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from msgspec import structs

from liyu.members.personal.consents import PERSONAL, PURPOSES, list_standings, may_use, say
from liyu.members.points import expiry_remind
from liyu.members.points.expiry_remind import remind_of_lapses
from liyu.members.program import DEFAULT_TERMS
from liyu.web.i18n import load_catalogs, translate
from tests.world import World, open_world

NOVEMBER = date(2027, 11, 1)
TERMS = structs.replace(
    DEFAULT_TERMS, name_zh="青禾会员", name_en="Qinghe Rewards", expiry_policy="rolling", expiry_months=12
)


@pytest.fixture(autouse=True)
def _catalogs() -> None:
    load_catalogs()


async def remind(world: World, today: date, **options: Any) -> int:
    return await remind_of_lapses(
        world.connection, today, now=world.clock.now(), translate=translate, base_url="https://mall.example/",
        locale="zh_CN", **options,
    )  # fmt: skip


async def messages(world: World) -> list[tuple[str, ...]]:
    found = await world.connection.execute(
        "SELECT channel, recipient, locale, subject, body FROM outbox_message ORDER BY id"
    )
    return await found.fetchall()


async def test_everybody_is_told_once_for_each_month_in_their_own_language(database_url: str) -> None:
    async with open_world(database_url) as world:
        for name, facts in (
            ("zh", "phone = '+8613800138000'"), ("en", "email = 'ann@example.com', locale = 'en'"), ("host", "city = 'x'"),
            ("frozen", "phone = '+8613800138001', state = 'frozen'"), ("gone", "phone = '+8613800138002', state = 'closed'"),
        ):  # fmt: skip
            await world.member(name, points=1_200)
            await world.connection.execute(f"UPDATE member SET {facts} WHERE external_id = %s", (name,))
        await world.member("poor")
        assert await remind(world, date(2027, 10, 31)) == 0  # 61 days before
        assert await remind(world, NOVEMBER) == 4
        assert await remind(world, NOVEMBER) == 0
        assert await remind(world, date(2027, 12, 31)) == 0
        assert [(channel, recipient, locale) for channel, recipient, locale, *_ in await messages(world)] == [
            ("sms", "+8613800138000", "zh_CN"), ("mail", "ann@example.com", "en"), ("sms", "+8613800138001", "zh_CN"),
        ]  # fmt: skip
        (_, _, _, _, chinese), (_, _, _, subject, english), _ = await messages(world)
        assert (
            chinese == "【积分商城】你有 1,200 积分可使用至 2027年12月31日，到期后将失效。https://mall.example/points"
        )
        assert subject == "1,200 of your points lapse soon"
        assert english == (
            "[Points mall] 1,200 of your points can be used through 31 Dec 2027; then they lapse. https://mall.example/points"
        )
        kept = await world.connection.execute(
            "SELECT external_id, month, points, channel FROM lapse_reminder JOIN member ON id = member_id ORDER BY 1"
        )
        december = date(2027, 12, 1)
        assert await kept.fetchall() == [
            ("en", december, 1200, "mail"), ("frozen", december, 1200, "sms"), ("host", december, 1200, "notice"),
            ("zh", december, 1200, "sms"),
        ]  # fmt: skip


async def test_word_of_ones_own_points_is_a_service_message_and_needs_no_consent_to_offers(database_url: str) -> None:
    async with open_world(database_url) as world:
        now = world.clock.now()
        await world.member("no", points=1_200)
        await world.connection.execute(
            "UPDATE member SET phone = '+8613800138000', email = 'no@example.com', locale = 'en'"
        )
        member_id = await world.one("SELECT id FROM member")
        async with world.connection.transaction():
            for standing in await list_standings(world.connection, member_id):
                for given in (True, False):
                    await say(
                        world.connection, member_id, standing.text_id, given=given, actor=f"member:{member_id}", now=now
                    )
                # What members are asked to agree to says so, too.
                if standing.purpose != PERSONAL:
                    assert "Service messages" in standing.text_en
                    assert "服务通知不受影响" in standing.text_zh
        assert not any([await may_use(world.connection, member_id, one) for one in PURPOSES])
        assert await remind(world, NOVEMBER) == 1
        ((channel, recipient, _, _, text),) = await messages(world)
        assert (channel, recipient) == ("mail", "no@example.com")
        # Points, day and the page of the account, and nothing that would make an offer of it.
        assert text == (
            "[Points mall] 1,200 of your points can be used through 31 Dec 2027; then they lapse. https://mall.example/points"
        )


async def test_each_month_has_its_own_reminder_and_spent_points_none(database_url: str) -> None:
    async with open_world(database_url, terms=TERMS) as world:
        await world.member("m")
        await world.connection.execute("UPDATE member SET email = 'm@example.com', locale = 'en'")
        for month, points in ((1, 100), (2, 50), (3, 30)):
            at = datetime(2026, month, 5, tzinfo=UTC)
            await world.post(world.purchase("m", points * 100, at=at))
        sku = await world.item(points=100)
        await world.redeem("m", sku)
        assert (
            await remind(world, date(2026, 12, 31)) == 1
        )  # January's were spent; February's last day is 59 days ahead
        assert await remind(world, date(2027, 1, 31)) == 1
        assert [subject[:17] for *_, subject, _ in await messages(world)] == ["50 of your points", "30 of your points"]
        await world.connection.execute("UPDATE program SET reminder_days = 0")
        await world.connection.execute("UPDATE lot SET expires_on = '2027-06-30' WHERE remaining = 30")
        assert await remind(world, date(2027, 6, 1)) == 0


async def test_a_run_that_was_stopped_goes_on_and_tells_nobody_twice(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry_remind, "PORTION", 2)
    async with open_world(database_url) as world:
        for number in range(7):
            await world.member(f"m-{number}", points=10)
        await world.connection.execute("UPDATE member SET phone = '+86138001380' || (10 + id % 90)")

        def stop(told: int) -> None:
            if told >= 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await remind(world, NOVEMBER, report=stop)
        assert len(await messages(world)) == 4
        assert await remind(world, NOVEMBER) == 3
        assert len({recipient for _, recipient, *_ in await messages(world)}) == 7
