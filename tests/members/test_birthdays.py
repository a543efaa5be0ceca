"""Birthdays bring what their rule says, once a year, and nothing where there is no rule."""

from datetime import date, datetime, time

from liyu.members.points.birthdays import post_birthdays
from liyu.members.program import RuleRow
from tests.world import NOW, ZONE, open_world

GIFT = [RuleRow("birthday", "birthday", "生日礼", "Birthday gift", 66)]


async def test_a_birthday_is_given_once_a_year_to_those_who_are_active(database_url: str) -> None:
    async with open_world(database_url, rules=GIFT) as world:
        for member, birthday in (
            ("a", "1990-02-28"),
            ("b", "2000-02-29"),
            ("c", "1990-03-01"),
            ("frozen", "1990-02-28"),
        ):
            await world.member(member)
            await world.connection.execute("UPDATE member SET birthday = %s WHERE external_id = %s", (birthday, member))
        await world.connection.execute("UPDATE member SET state = 'frozen' WHERE external_id = 'frozen'")
        days = [date(2026, 2, 28), date(2026, 2, 28), date(2026, 3, 1), date(2028, 2, 28), date(2028, 2, 29)]
        given = []
        for day in days:
            now = datetime.combine(day, time(9), ZONE)
            given.append(await post_birthdays(world.connection, day, actor="system", now=now, zone=ZONE))
        assert given == [2, 0, 1, 1, 1]
        assert [(await world.balances(one))["points"] for one in ("a", "b", "c", "frozen")] == [132, 132, 66, 0]


async def test_without_a_rule_no_birthday_is_told(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        await world.connection.execute("UPDATE member SET birthday = '1990-11-22'")
        assert await post_birthdays(world.connection, date(2026, 11, 22), actor="system", now=NOW, zone=ZONE) == 0
        assert await world.one("SELECT count(*) FROM earning_event") == 0
