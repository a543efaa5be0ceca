import asyncio
from collections.abc import Mapping, Sequence

import pytest

from liyu.web.gathering import MOST_IN_ONE, Gathering


class Register:
    """Answers even numbers with their half, in batches that it writes down; can be held up, and can fail."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.fault: BaseException | None = None

    async def ask(self, keys: Sequence[int]) -> Mapping[int, int]:
        self.batches.append(list(keys))
        await self.open.wait()
        if self.fault is not None:
            raise self.fault
        return {key: key // 2 for key in keys if key % 2 == 0}


async def test_those_who_come_at_once_are_answered_together() -> None:
    register = Register()
    gathering = Gathering(register.ask)
    assert await asyncio.gather(*(gathering.get(key) for key in (2, 3, 2, 8))) == [1, None, 1, 4]
    assert register.batches == [[2, 3, 2, 8]]


async def test_whoever_comes_while_questions_are_under_way_is_asked_for_anew() -> None:
    register = Register()
    gathering = Gathering(register.ask)
    register.open.clear()
    early = []
    for key in (2, 4):
        early.append(asyncio.create_task(gathering.get(key)))
        await asyncio.sleep(0.001)
    late = [asyncio.create_task(gathering.get(key)) for key in (2, 6)]
    await asyncio.sleep(0.001)
    assert register.batches == [[2], [4]]
    register.open.set()
    assert await asyncio.gather(*early, *late) == [1, 2, 1, 3]
    assert register.batches == [[2], [4], [2, 6]]


async def test_a_rush_is_cut_into_batches() -> None:
    register = Register()
    gathering = Gathering(register.ask)
    count = MOST_IN_ONE + 1
    await asyncio.gather(*(gathering.get(key) for key in range(count)))
    assert sorted(map(len, register.batches)) == [1, MOST_IN_ONE]


async def test_a_failure_is_told_to_all_who_waited_and_to_nobody_else() -> None:
    register = Register()
    gathering = Gathering(register.ask)
    register.fault = OSError("away")
    told = await asyncio.gather(gathering.get(2), gathering.get(4), return_exceptions=True)
    assert [str(fault) for fault in told] == ["away", "away"]
    register.fault = None
    assert await gathering.get(6) == 3


async def test_whoever_goes_away_harms_no_other() -> None:
    register = Register()
    gathering = Gathering(register.ask)
    register.open.clear()
    leaving, staying = asyncio.create_task(gathering.get(2)), asyncio.create_task(gathering.get(4))
    await asyncio.sleep(0.001)
    leaving.cancel()
    register.open.set()
    assert await staying == 2
    with pytest.raises(asyncio.CancelledError):
        await leaving
