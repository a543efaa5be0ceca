"""Taking a verification back: by the own partner, in time, with a reason, once."""

from datetime import timedelta

import pytest

from liyu.core.errors import DomainError, InvalidInputError
from liyu.redemption.cancel_voucher import cancel_voucher
from liyu.vouchers.errors import AlreadyUndoneError, SecondPersonNeededError, UndoTooLateError, UnknownVerificationError
from liyu.vouchers.expire import expire_vouchers
from liyu.vouchers.serials import serial_of
from liyu.vouchers.undo import undo
from tests.vouchers.tills import FEE, TOKENS, open_shops
from tests.world import NOW, ZONE, open_world


async def test_undo_restores_the_use_and_the_partners_account(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher(uses=2)
        used = [await shops.verify(voucher) for _ in range(2)]
        undone = await shops.undo(used[1].verification_id)
        assert (undone.state, undone.uses_left) == ("partly_used", 1)
        await shops.undo(used[0].verification_id)
        assert await shops.state(voucher) == ("issued", 0)
        assert await world.one("SELECT sum(amount_minor) FROM payable_entry") == 0
        assert await shops.steps(voucher) == [
            ("issued", "partly_used"),
            ("partly_used", "used_up"),
            ("used_up", "partly_used"),
            ("partly_used", "issued"),
        ]
        assert await world.one("SELECT undone_by || undo_reason FROM verification LIMIT 1") == "staff:2wrong drink"
        assert (await shops.verify(voucher)).use_number == 1


async def test_undo_is_refused_late_twice_without_reason_and_to_others(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        used = await shops.verify(await shops.voucher(uses=2))
        before = await shops.footprint()
        refusals: tuple[tuple[type[DomainError], dict[str, object]], ...] = (
            (InvalidInputError, {"reason": "  "}),
            (UnknownVerificationError, {"partner": "TEA"}),
            (UndoTooLateError, {"now": NOW + timedelta(minutes=10)}),
        )
        for error, wish in refusals:
            with pytest.raises(error):
                await shops.undo(used.verification_id, **wish)  # type: ignore[arg-type]
        with pytest.raises(UnknownVerificationError):
            await shops.undo(999)
        assert await shops.footprint() == before
        await shops.undo(used.verification_id, now=NOW + timedelta(minutes=9))
        before = await shops.footprint()
        with pytest.raises(AlreadyUndoneError):
            await shops.undo(used.verification_id)
        assert await shops.footprint() == before


async def test_undo_by_code_takes_the_last_use(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher(uses=3)
        used = [await shops.verify(voucher) for _ in range(2)]

        async def undo_by(text: str) -> int:
            undone = await undo(
                world.connection, text=text, reason="typo", actor="staff:1", partner_id=shops.partners["LUCK"],
                now=NOW, zone=ZONE, window_minutes=10, tokens=TOKENS,
            )  # fmt: skip
            return undone.verification_id

        assert await undo_by(TOKENS.codes.code_of(voucher)) == used[1].verification_id
        assert await undo_by(TOKENS.codes.code_of(voucher).lower()) == used[0].verification_id
        with pytest.raises(AlreadyUndoneError):
            await undo_by(TOKENS.codes.code_of(voucher))
        # The code of a voucher's giver is no voucher's any more: it takes nothing of the receiver back.
        await shops.verify(voucher)
        await world.connection.execute("UPDATE voucher SET generation = 1")
        before = await shops.footprint()
        for text in ("nonsense", TOKENS.codes.code_of(voucher)):
            with pytest.raises(UnknownVerificationError):
                await undo_by(text)
        assert await shops.footprint() == before
        await undo_by(TOKENS.codes.code_of(serial_of(voucher, 1)))
        await world.connection.execute("UPDATE voucher SET generation = 0")


async def test_code_and_number_must_agree_and_one_of_them_be_there(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher, other = await shops.vouchers(2, uses=2)
        used = [await shops.verify(voucher), await shops.verify(other), await shops.verify(voucher)]

        async def take_back(number: int | None, text: str | None) -> int:
            undone = await undo(
                world.connection, verification_id=number, text=text, reason="typo", actor="staff:1", now=NOW, zone=ZONE,
                partner_id=shops.partners["LUCK"], window_minutes=10, tokens=TOKENS,
            )  # fmt: skip
            return undone.voucher_id

        before = await shops.footprint()
        for number, text in ((used[0].verification_id, TOKENS.codes.code_of(other)), (1, "nonsense"), (None, None)):
            with pytest.raises(UnknownVerificationError):
                await take_back(number, text)
        assert await shops.footprint() == before
        assert await take_back(used[0].verification_id, TOKENS.codes.code_of(voucher)) == voucher
        # One in the middle of several: the others stay, and the next use takes its number.
        assert await shops.state(voucher) == ("partly_used", 1)
        assert (await shops.verify(voucher)).use_number == 2
        assert await world.one("SELECT sum(amount_minor) FROM payable_entry") == 3 * FEE


async def test_a_repeat_tells_that_its_verification_was_taken_back(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher()
        used = await shops.verify(voucher, nonce="n")
        await shops.undo(used.verification_id)
        again = await shops.verify(voucher, nonce="n")
        assert (again.repeated, again.undone_at) == (True, NOW)
        assert await shops.state(voucher) == ("issued", 0)


async def test_a_voucher_that_ran_out_meanwhile_stays_expired(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher(uses=2)
        end = await world.one("SELECT expires_at FROM voucher")
        used = await shops.verify(voucher, now=end - timedelta(minutes=1))
        assert await expire_vouchers(world.connection, end) == 1
        await shops.undo(used.verification_id, now=end + timedelta(minutes=1))
        assert await shops.state(voucher) == ("expired", 0)


async def test_a_voucher_that_was_cancelled_meanwhile_stays_cancelled(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher(uses=2)
        used = await shops.verify(voucher)
        async with world.connection.transaction():
            await cancel_voucher(
                world.connection, voucher, points_back=False, reason="fraud", actor="staff:9", now=NOW, zone=ZONE
            )
        undone = await shops.undo(used.verification_id)
        assert (undone.state, await shops.state(voucher)) == ("cancelled", ("cancelled", 0))
        assert await world.one("SELECT sum(amount_minor) FROM payable_entry") == 0
        assert await shops.steps(voucher) == [("issued", "partly_used"), ("partly_used", "cancelled")]


async def test_above_a_value_somebody_else_takes_it_back(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        await world.connection.execute("INSERT INTO till_policy (id, undo_alone_minor) VALUES (1, 5000)")
        used = [await shops.verify(await shops.voucher(), verifier="staff:2") for _ in range(3)]
        await world.connection.execute("UPDATE item SET value_minor = 5000")
        await shops.undo(used[0].verification_id)
        await world.connection.execute("UPDATE item SET value_minor = 5001")
        before = await shops.footprint()
        with pytest.raises(SecondPersonNeededError):
            await shops.undo(used[1].verification_id)
        assert await shops.footprint() == before
        await world.connection.execute(
            "UPDATE verification SET verifier = 'staff:1' WHERE id = %s", (used[1].verification_id,)
        )
        await shops.undo(used[1].verification_id)
