"""Gift codes: what a code gives is given once, to whoever types it first, and only while it counts."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection

from liyu.core.errors import DomainError, InvalidInputError
from liyu.core.storage import FolderStorage
from liyu.redemption.errors import ItemDoesNotFitError, NameTakenError, RefusedError
from liyu.redemption.giftcodes import redeem
from liyu.redemption.giftcodes.batches import (
    BatchDraft,
    change_range,
    find_code,
    forget_lists,
    list_acts,
    list_batches,
    list_codes,
    load_batch,
    make_batch,
    take_list,
)
from liyu.redemption.giftcodes.codes import draw_code, read_code
from liyu.redemption.giftcodes.errors import (
    GiftCodeLimitError,
    GiftCodeOverError,
    GiftCodeTooEarlyError,
    GiftCodeUsedError,
    ListGoneError,
    MistypedCodeError,
    NothingInRangeError,
    OwnBatchError,
    UnknownGiftCodeError,
)
from liyu.redemption.giftcodes.redeem import Received, redeem_gift_code
from liyu.redemption.persons import name_same_person
from liyu.vouchers.alphabet import LETTERS
from tests.world import NOW, ZONE, World, open_world

KEY = "k" * 32
DOCUMENTED = "7K3M-P9QX-4TRD-H2VF"
"""The example of the page, the API and the docs: one that could be a code."""
DAY = timedelta(days=1)


def files_in(folder: Path) -> list[bytes]:
    """What lies in the storage."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


class Shop:
    """A world with a folder for sealed lists."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.storage = FolderStorage(folder)

    async def batch(
        self, name: str = "cards", codes: int = 3, active: int | None = None, **facts: Any
    ) -> tuple[int, list[str]]:
        """A batch with its codes, activated through a number, all of them by default."""
        facts = {"valid_from": NOW - DAY, "valid_to": NOW + DAY, **facts}
        if "sku" not in facts:
            facts.setdefault("points", 100)
        draft = BatchDraft(name=name, codes=codes, **facts)
        batch = await make_batch(self.world.connection, self.storage, draft, secret_key=KEY, actor="staff:1", now=NOW)
        content = await take_list(self.world.connection, self.storage, batch, secret_key=KEY, actor="staff:1", now=NOW)
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        assert [row["serial"] for row in rows] == [str(number) for number in range(1, codes + 1)]
        if active != 0:
            await self.step(batch, "activated", 1, active or codes)
        return batch, [row["code"] for row in rows]

    async def step(self, batch: int, act: str, first: int, last: int, *, actor: str = "staff:1") -> int:
        async with self.world.connection.transaction():
            return await change_range(
                self.world.connection, batch, act, first, last, reason="x", actor=actor, now=self.world.clock.now(),
                zone=ZONE,
            )  # fmt: skip

    async def redeem(self, code: str, member: str = "m", connection: AsyncConnection[Any] | None = None) -> Received:
        return await redeem_gift_code(
            connection or self.world.connection, code, member, secret_key=KEY, actor="member:1",
            now=self.world.clock.now(), zone=ZONE,
        )  # fmt: skip

    async def refused(self, code: str, member: str = "m") -> DomainError:
        """The refusal of a code, which changes nothing."""
        before = await self.state()
        with pytest.raises(DomainError) as refusal:
            await self.redeem(code, member)
        assert await self.state() == before
        return refusal.value

    async def state(self) -> tuple[Any, ...]:
        codes = await self.world.one("SELECT json_agg(c ORDER BY batch_id, serial)::text FROM gift_code c")
        return await self.world.footprint(), codes


def look_together(patch: pytest.MonkeyPatch, people: int) -> None:
    """Nobody uses a code before so many have looked at it."""
    ready, find = asyncio.Barrier(people), redeem._find

    async def find_together(*arguments: Any) -> Any:
        found = await find(*arguments)
        if found is not None and found.state == "active":
            await asyncio.wait_for(ready.wait(), 20)
        return found

    patch.setattr(redeem, "_find", find_together)


@asynccontextmanager
async def open_shop(url: str, folder: Path) -> AsyncIterator[Shop]:
    async with open_world(url) as world:
        await world.members("m", "n")
        yield Shop(world, folder)


async def test_points_and_items_are_given_once_through_the_books(database_url: str, tmp_path: Path) -> None:
    async with open_shop(database_url, tmp_path) as shop:
        world = shop.world
        _, (first, second, third) = await shop.batch()
        got = await shop.redeem(f" {first.lower().replace('-', ' ')} ")
        assert (got.points, got.repeated, (await world.balances("m"))["points"]) == (100, False, 100)
        assert (await shop.redeem(first)).repeated
        assert (await world.balances("m"))["points"] == 100
        assert isinstance(await shop.refused(first, "n"), GiftCodeUsedError)
        moved = "SELECT a.kind FROM transfer t JOIN account a ON a.id = t.debit_account_id WHERE t.event = 'gift_code'"
        assert await world.one(moved) == "points_gifts"

        # What is owed is paid off first.
        await world.connection.execute("UPDATE member SET state = 'frozen' WHERE external_id = 'n'")
        refusal = await shop.refused(second, "n")
        assert isinstance(refusal, RefusedError)
        assert refusal.stable_code == "member_frozen"

        await world.item("cup", points=900, tier="gold", stock=2, per_member_limit=2)
        _, codes = await shop.batch("cups", codes=3, sku="cup", quantity=2)
        got = await shop.redeem(codes[0])
        assert (got.sku, got.quantity, got.order is not None) == ("cup", 2, True)
        assert (await shop.redeem(codes[0])).order == got.order
        assert await world.one("SELECT points FROM redemption WHERE channel = 'gift_code'") == 0
        assert await world.one("SELECT count(*) FROM voucher") == 2
        refusal = await shop.refused(codes[1])
        assert {reason.code for reason in refusal.reasons} == {"sold_out", "limit_reached"}
        assert (await world.balances("m"))["points"] == 100
        assert await shop.redeem(third) == Received("cards", 100, None, None, None, None, None)


async def test_whoever_has_no_good_code_hears_the_same_whatever_is_wrong(database_url: str, tmp_path: Path) -> None:
    async with open_shop(database_url, tmp_path) as shop:
        batch, codes = await shop.batch(codes=4, active=2, per_member_limit=1)
        await shop.step(batch, "cancelled", 2, 3)
        answers = [await shop.refused(code) for code in (draw_code(), codes[1], codes[2], codes[3])]
        assert {(type(one), str(one)) for one in answers} == {(UnknownGiftCodeError, str(answers[0]))}
        swapped = codes[0][1] + codes[0][0] + codes[0][2:] if codes[0][0] != codes[0][1] else codes[0][:-1]
        assert read_code(DOCUMENTED) is not None
        for typed in (swapped, codes[0][:-1], codes[0] + "0", "", "不是代码"):
            assert isinstance(await shop.refused(typed), MistypedCodeError)
        early, late = [
            (await shop.batch(name, valid_from=NOW + DAY * begins, valid_to=NOW + DAY * ends))[1][0]
            for name, begins, ends in (("early", 1, 2), ("late", -2, 0))
        ]
        assert isinstance(await shop.refused(early), GiftCodeTooEarlyError)
        over = await shop.refused(late)
        assert isinstance(over, GiftCodeOverError)
        await shop.redeem(codes[0])
        assert await shop.step(batch, "activated", 4, 99) == 1
        assert isinstance(await shop.refused(codes[3]), GiftCodeLimitError)
        await shop.redeem(codes[3], "n")
        with pytest.raises(NothingInRangeError):
            await shop.step(batch, "cancelled", 1, 1)
        found = await load_batch(shop.world.connection, batch)
        assert (found.made, found.active, found.redeemed, found.cancelled) == (0, 0, 2, 2)


async def test_more_than_one_person_may_give_away_in_a_day_is_activated_by_somebody_else(
    database_url: str, tmp_path: Path
) -> None:
    async with open_shop(database_url, tmp_path) as shop:
        await shop.world.item("cup")
        await shop.world.connection.execute("UPDATE program SET issue_limit = 4, adjustment_limit = 200")
        points, _ = await shop.batch("points", codes=4, active=0)
        cups, _ = await shop.batch("cups", codes=4, sku="cup", quantity=2, active=0)
        assert await shop.step(points, "activated", 1, 1) == 1
        before = await shop.state()
        for batch, first, last in ((points, 1, 3), (points, 2, 4), (cups, 1, 3)):
            with pytest.raises(OwnBatchError):
                await shop.step(batch, "activated", first, last)
        assert await shop.state() == before
        assert await shop.step(points, "activated", 1, 2) == 1
        assert await shop.step(cups, "activated", 1, 2) == 2
        with pytest.raises(OwnBatchError):
            await shop.step(cups, "activated", 3, 3)
        assert await shop.step(cups, "activated", 3, 4, actor="staff:2") == 2
        # Cancelling takes nobody else, and the next day begins anew.
        assert await shop.step(points, "cancelled", 3, 3) == 1
        shop.world.clock.instant += DAY
        assert await shop.step(points, "activated", 3, 4) == 1

        # Two at once are counted one after the other.
        shop.world.clock.instant += DAY
        more, _ = await shop.batch("more", codes=4, active=0)

        async def activate(first: int) -> int:
            async with await AsyncConnection.connect(shop.world.url, autocommit=True) as other, other.transaction():
                changed = await change_range(
                    other, more, "activated", first, first + 1, actor="staff:1", now=shop.world.clock.now(), zone=ZONE
                )
                await asyncio.sleep(0.1)
                return changed

        found = await asyncio.gather(activate(1), activate(3), return_exceptions=True)
        assert sorted(type(one).__name__ for one in found) == ["OwnBatchError", "int"]


async def test_a_list_is_fetched_once_and_nothing_kept_yields_a_code(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(name: str) -> None:
        raise OSError("killed")

    async with open_shop(database_url, tmp_path) as shop:
        connection = shop.world.connection
        batch, codes = await shop.batch(active=0)
        with pytest.raises(ListGoneError):
            await take_list(connection, shop.storage, batch, secret_key=KEY, actor="staff:2", now=NOW)
        assert files_in(tmp_path) == []
        kept = await shop.world.one(
            "SELECT string_agg(c::text, ' ') || (SELECT string_agg(b::text, ' ') FROM gift_batch b) FROM gift_code c"
        )
        assert not any(code.replace("-", "") in kept or code in kept for code in codes)
        assert [(act.act, act.first_serial, act.last_serial, act.codes) for act in await list_acts(connection, batch)] == [
            ("fetched", 1, 3, 3), ("made", 1, 3, 3),
        ]  # fmt: skip
        assert await find_code(connection, codes[1], secret_key=KEY) == (batch, 2)
        assert await find_code(connection, codes[1], secret_key="another" * 5) is None
        lines, following = await list_codes(connection, batch, size=2)
        assert ([line.serial for line in lines], following) == ([1, 2], 2)

        # A worker that dies before the file is deleted leaves it to the next hour; nobody else gets it meanwhile.
        dying = BatchDraft(name="dying", codes=1, valid_from=NOW, valid_to=NOW + DAY, points=1)
        left = await make_batch(connection, shop.storage, dying, secret_key=KEY, actor="staff:1", now=NOW)
        with monkeypatch.context() as patch:
            patch.setattr(shop.storage, "delete", die)
            with pytest.raises(OSError, match="killed"):
                await take_list(connection, shop.storage, left, secret_key=KEY, actor="staff:1", now=NOW)
        assert (await load_batch(connection, left)).has_list is False
        with pytest.raises(ListGoneError):
            await take_list(connection, shop.storage, left, secret_key=KEY, actor="staff:2", now=NOW)
        assert len(files_in(tmp_path)) == 1
        assert await forget_lists(connection, shop.storage, now=NOW) == 1
        assert files_in(tmp_path) == []

        forgotten = BatchDraft(name="forgotten", codes=1, valid_from=NOW, valid_to=NOW + DAY, points=1)
        await make_batch(connection, shop.storage, forgotten, secret_key=KEY, actor="staff:1", now=NOW)
        (sealed,) = files_in(tmp_path)
        assert not re.search(rb"serial", sealed)
        assert await forget_lists(connection, shop.storage, now=NOW + DAY * 6) == 0
        assert await forget_lists(connection, shop.storage, now=NOW + DAY * 8) == 1
        assert files_in(tmp_path) == []
        assert [one.has_list for one in (await list_batches(connection))[0]] == [False] * 3


async def test_batches_that_make_no_sense_are_refused_and_leave_nothing(database_url: str, tmp_path: Path) -> None:
    async with open_shop(database_url, tmp_path) as shop:
        await shop.world.item("charity", kind="donation")
        await shop.batch("taken")
        cases: list[tuple[dict[str, Any], set[str]]] = [
            ({"codes": 0, "name": ""}, {"codes", "name"}),
            ({"points": 5, "sku": "cup"}, {"points"}),
            ({"valid_to": NOW - DAY, "per_member_limit": 0}, {"valid_to", "per_member_limit"}),
        ]
        for faulty, fields in cases:
            with pytest.raises(InvalidInputError) as fault:
                await shop.batch(**{"name": "x", **faulty})
            assert {reason.details["field"] for reason in fault.value.reasons} == fields
        with pytest.raises(ItemDoesNotFitError):
            await shop.batch("x", sku="charity")
        with pytest.raises(NameTakenError):
            await shop.batch("taken")
        assert await shop.world.one("SELECT count(*) FROM gift_batch") == 1
        assert files_in(tmp_path) == []


@pytest.mark.parametrize("gives", ["points", "item"])
async def test_many_who_type_the_same_code_at_once_get_it_once(
    database_url: str, tmp_path: Path, gives: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_shop(database_url, tmp_path) as shop:
        people = await shop.world.members(*(f"p-{number}" for number in range(6)))
        await shop.world.item("cup", stock=50)
        facts = {"points": 100} if gives == "points" else {"sku": "cup"}
        _, (shared, *own) = await shop.batch(codes=7, per_member_limit=1, **facts)

        async def attempt(member: str, code: str) -> Received | DomainError:
            async with await AsyncConnection.connect(shop.world.url, autocommit=True) as connection:
                try:
                    return await shop.redeem(code, member, connection)
                except DomainError as refusal:
                    return refusal

        with monkeypatch.context() as patch:
            look_together(patch, len(people))
            outcomes = await asyncio.gather(*(attempt(member, shared) for member in people))
            assert sorted(type(one).__name__ for one in outcomes) == ["GiftCodeUsedError"] * 5 + ["Received"]
            # One person with many codes at once stays within the limit of the batch, with two memberships, too.
            await shop.world.member("also n")
            async with shop.world.connection.transaction():
                await name_same_person(shop.world.connection, "also n", "n")
            outcomes = await asyncio.gather(
                *(attempt(("n", "also n")[place % 2], code) for place, code in enumerate(own))
            )
            assert sorted(type(one).__name__ for one in outcomes) == ["GiftCodeLimitError"] * 5 + ["Received"]
        if gives == "points":
            assert await shop.world.one("SELECT sum(balance) FROM account") == 200
        else:
            assert await shop.world.one("SELECT count(*) FROM voucher") == 2


@pytest.mark.parametrize("gives", ["points", "item"])
async def test_two_taps_of_one_member_are_one_and_a_code_cancelled_under_them_is_nobodys(
    database_url: str, tmp_path: Path, gives: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_shop(database_url, tmp_path) as shop:
        await shop.world.item("cup", stock=50)
        facts = {"points": 100} if gives == "points" else {"sku": "cup"}
        batch, (tapped, cancelled) = await shop.batch(codes=2, **facts)

        async def tap() -> Received:
            async with await AsyncConnection.connect(shop.world.url, autocommit=True) as connection:
                return await shop.redeem(tapped, "m", connection)

        with monkeypatch.context() as patch:
            look_together(patch, 2)
            taps = await asyncio.gather(tap(), tap())
        assert sorted(one.repeated for one in taps) == [False, True]
        assert taps[0].order == taps[1].order

        find = redeem._find

        async def find_then_cancel(*arguments: Any) -> Any:
            found = await find(*arguments)
            if found is not None and found.state == "active":
                await shop.step(batch, "cancelled", 2, 2)
            return found

        monkeypatch.setattr(redeem, "_find", find_then_cancel)
        before = await shop.world.footprint()
        with pytest.raises(UnknownGiftCodeError):
            await shop.redeem(cancelled)
        assert await shop.world.footprint() == before


def test_every_single_wrong_letter_and_swap_is_noticed() -> None:
    code = draw_code().replace("-", "")
    assert read_code(code) == code
    for place in range(16):
        for letter in LETTERS:
            if letter != code[place]:
                assert read_code(code[:place] + letter + code[place + 1 :]) is None
    for place in range(15):
        if code[place] != code[place + 1]:
            assert read_code(code[:place] + code[place + 1] + code[place] + code[place + 2 :]) is None
