"""A member with a phone for the tests of the member's own corner."""

from datetime import date
from typing import Any

from liyu.members.enrol import NewMember, enrol_members
from tests.world import World

PHONE, OTHER_PHONE, NEW_PHONE = "+8613800138000", "+8613900139000", "+8613700137000"


async def enrol(world: World, external_id: str = "m-1", phone: str | None = PHONE, **known: Any) -> int:
    """Enrol a member and return their id."""
    newcomer = NewMember(external_id=external_id, phone=phone, **known)
    async with world.connection.transaction():
        return (await enrol_members(world.connection, [newcomer], actor="test", now=world.clock.now()))[external_id]


async def complete(world: World, member_id: int) -> None:
    """Fill in what counts in every program."""
    await world.connection.execute(
        "UPDATE member SET name = '林岚', email = 'lin@example.com', city = '上海', birthday = %s WHERE id = %s",
        (date(1992, 5, 20), member_id),
    )
