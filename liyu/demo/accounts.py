"""What the demo's members said of themselves: answers, addresses, consents, and one who wants to leave."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.demo.files import read_json
from liyu.members.personal.addresses import AddressDraft, save_address
from liyu.members.personal.closing import ask_to_close
from liyu.members.personal.consents import list_standings, say
from liyu.members.personal.fields import FieldDraft, Option, add_field
from liyu.members.personal.locking import read_record
from liyu.members.personal.own_profile import OwnProfile, save_own_profile
from liyu.members.queries import find_member_id

QUESTIONS = [
    FieldDraft(
        key="favourite", kind="choice", name_zh="最喜欢的礼遇", name_en="Favourite kind of right", counts=True, position=10,
        options=[
            Option("dining", "餐饮", "Dining"), Option("travel", "出行", "Travel"), Option("coffee", "咖啡茶饮", "Coffee and tea"),
            Option("health", "健康", "Health"), Option("entertainment", "影音娱乐", "Entertainment"),
        ],
    ),
    FieldDraft(key="occupation", kind="text", name_zh="职业", name_en="Occupation", counts=True, position=20),
    FieldDraft(key="household", kind="number", name_zh="家庭人数", name_en="People at home", position=30),
    FieldDraft(key="anniversary", kind="date", name_zh="纪念日", name_en="Anniversary", position=40),
]  # fmt: skip

ADDRESSES = [
    AddressDraft(
        recipient="林静怡", phone="+8613800001001", province="上海市", city="市辖区", district="徐汇区",
        detail="漕溪北路 398 号 12 楼", label="公司",
    ),
    AddressDraft(
        recipient="林静怡", phone="+8613800001001", province="浙江省", city="杭州市", district="西湖区",
        detail="文三路 259 号 3 幢 502 室", label="家", is_default=True,
    ),
]  # fmt: skip
ANSWERS = {"favourite": "coffee", "household": "3"}
AGREED = ("sms", "personal")
"""Purposes that the member of the demo's login has agreed to."""


async def tell_of_themselves(connection: AsyncConnection[Any], now: datetime, zone: ZoneInfo) -> None:
    """Ask the questions, and let some members answer; the login of the demo has a little left to fill in."""
    async with connection.transaction():
        for question in QUESTIONS:
            await add_field(connection, question)
        people = {person["role"]: person for person in reversed(read_json("members"))}
        await _tell(connection, people["demo_login"], now, zone)
        leaving = await find_member_id(connection, people["one_time"]["customer"])
        await ask_to_close(
            connection, leaving, reason="搬去国外", actor=f"member:{leaving}", now=now - timedelta(days=2)
        )


async def _tell(connection: AsyncConnection[Any], person: dict[str, Any], at: datetime, zone: ZoneInfo) -> None:
    member_id = await find_member_id(connection, person["customer"])
    known = await read_record(connection, member_id)
    profile = OwnProfile(
        name=known.name, birthday=known.birthday, email=None, city=known.city, locale=known.locale, answers=ANSWERS
    )
    await save_own_profile(connection, member_id, profile, now=at, zone=zone)
    for address in ADDRESSES:
        await save_address(connection, member_id, address, now=at)
    for standing in await list_standings(connection, member_id):
        if standing.purpose in AGREED:
            await say(connection, member_id, standing.text_id, given=True, actor=f"member:{member_id}", now=at)
