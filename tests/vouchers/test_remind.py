"""Members are told once that a voucher of theirs runs out, and once more when that day was moved or it changed hands."""

from datetime import timedelta

import pytest

from liyu.core.i18n import Message
from liyu.members.notices import list_notices
from liyu.redemption.merge import merge
from liyu.vouchers import remind
from liyu.vouchers.remind import remind_of_vouchers
from liyu.vouchers.rules import VoucherRules, save_rules
from tests.vouchers.tills import open_shops
from tests.world import NOW, ZONE, World, open_world

DAY = timedelta(days=1)


def _translate(message: Message, locale: str) -> str:
    return f"{locale}: {message.text % message.values}"


async def _remind(world: World, days: int = 0) -> int:
    return await remind_of_vouchers(
        world.connection,
        now=NOW + days * DAY,
        zone=ZONE,
        translate=_translate,
        base_url="http://mall.test",
        locale="zh_CN",
    )


async def test_each_voucher_is_told_of_once_for_each_last_day(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        soon, also, later, frozen, used = [await shops.voucher() for _ in range(5)]
        moved = {soon: 3, also: 6, later: 30, frozen: 3, used: 3}
        for voucher, days in moved.items():
            await world.connection.execute(
                "UPDATE voucher SET expires_at = %s WHERE id = %s", (NOW + days * DAY, voucher)
            )
        await world.connection.execute("UPDATE voucher SET frozen_at = now() WHERE id = %s", (frozen,))
        await shops.verify(used)
        await world.connection.execute("UPDATE member SET email = 'lin@example.com', locale = 'en'")
        member = await world.one("SELECT id FROM member")
        assert [await _remind(world) for _ in range(2)] == [2, 0]
        body = await world.one("SELECT body FROM outbox_message")
        assert body.startswith("en: ")
        assert "1 more" in body
        assert await world.one("SELECT count(*) FROM outbox_message") == 1
        notices = (await list_notices(world.connection, member)).notices
        assert {notice.subject for notice in notices} == {str(soon), str(also)}
        # A later last day is told of anew; somebody without an address finds it among the notices.
        await world.connection.execute("UPDATE voucher SET expires_at = %s WHERE id = %s", (NOW + 8 * DAY, soon))
        await world.connection.execute("UPDATE member SET email = NULL")
        assert await _remind(world, days=2) == 1
        assert await world.one("SELECT count(*) FROM outbox_message") == 1
        await world.member("m-9")
        await world.connection.execute(
            "UPDATE voucher SET holder_id = (SELECT id FROM member WHERE external_id = 'm-9') WHERE id = %s", (also,)
        )
        assert await _remind(world, days=2) == 1
        await save_rules(world.connection, VoucherRules(reminder_days=0), NOW)
        assert await _remind(world, days=29) == 0
        await save_rules(world.connection, VoucherRules(reminder_days=1), NOW)
        assert await _remind(world, days=29) == 1


async def test_everybody_gets_one_message_whatever_the_portions_and_none_again_after_a_merge(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remind, "PORTION", 2)
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        for member, vouchers in (("m-1", 3), ("m-2", 1), ("m-3", 2)):
            await shops.vouchers(vouchers, member=member, agreement=False)
        await world.connection.execute("UPDATE voucher SET expires_at = %s", (NOW + 3 * DAY,))
        await world.connection.execute("UPDATE member SET email = external_id || '@example.com'")
        assert await _remind(world) == 6
        assert await world.one("SELECT count(*) FROM outbox_message") == 3
        async with world.connection.transaction():
            await merge(world.connection, "m-1", "m-2", reason="One", actor="t", now=NOW, zone=ZONE)
        assert await _remind(world) == 0
