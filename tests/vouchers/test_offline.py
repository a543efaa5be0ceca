"""Tills without a network: bounds are given out, uses are verified at their own time, conflicts are borne by the agreement."""

from asyncio import gather
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import digest
from typing import Any

import pytest
from psycopg import AsyncConnection

from liyu.core.errors import DomainError, IdempotencyConflictError
from liyu.redemption.fulfil import complete_when_used_up
from liyu.vouchers.expire import expire_vouchers
from liyu.vouchers.offline import lists
from liyu.vouchers.offline.devices import Bounds, Device, add_device, find_device, offer_pairing, pair, revoke_device
from liyu.vouchers.offline.errors import (
    DeviceRevokedError,
    SameBearerError,
    UnknownConflictError,
    UnknownDeviceError,
    WrongPairingCodeError,
)
from liyu.vouchers.offline.leases import Lease, give_lease
from liyu.vouchers.offline.losses import decide_otherwise
from liyu.vouchers.offline.queries import find_conflict, list_devices, list_uses
from liyu.vouchers.offline.uses import OfflineEntry, TakenIn, take_in
from liyu.vouchers.runs.claims import claim_voucher
from liyu.vouchers.runs.service import decide_range, make_run
from liyu.vouchers.serials import serial_of
from liyu.vouchers.undo import undo
from tests.vouchers.tills import FEE, TOKENS, Connections, Shops, open_shops
from tests.world import NOW, ZONE, World, open_world

BOUNDS = Bounds(3, 10_000, 12)
HOUR = timedelta(hours=1)
KEY = b"k" * 32


@dataclass(slots=True)
class Counter:
    """A till of LUCK's store SH1 with its device."""

    world: World
    shops: Shops
    device: Device
    staff: int

    @property
    def connection(self) -> AsyncConnection[Any]:
        return self.world.connection

    async def lease(self, now: datetime = NOW, *, held: int | None = None) -> Lease:
        async with self.connection.transaction():
            return await give_lease(self.connection, self.device, staff_id=self.staff, held=held, now=now)

    async def paper(self, voucher_id: int) -> str:
        """What stands on a voucher's paper."""
        item = await self.world.one("SELECT item_id FROM voucher WHERE id = %s", voucher_id)
        return TOKENS.static_token(voucher_id, (NOW + timedelta(days=30)).date(), item)

    async def tell(
        self,
        voucher_id: int,
        lease: int,
        *,
        nonce: str = "",
        used_at: datetime = NOW,
        now: datetime = NOW + HOUR,
        skew: timedelta = timedelta(0),
        text: str | None = None,
        connection: AsyncConnection[Any] | None = None,
    ) -> TakenIn:
        entry = OfflineEntry(nonce or f"n{voucher_id}", text or await self.paper(voucher_id), used_at, lease)
        return await take_in(
            connection or self.connection,
            self.device,
            entry,
            skew=skew,
            now=now,
            zone=ZONE,
            tokens=TOKENS,
            on_used_up=complete_when_used_up,
        )

    async def agree(self, rule: str, cap: int = 0) -> None:
        """Another version of LUCK's agreement, which the next vouchers are priced with."""
        self.shops.lines["LUCK"] = await self.world.one(
            """INSERT INTO agreement_line (partner_id, code, version, mode, title_zh, title_en, currency, unit_price_minor,
                commission_minor, free_quota, tax_rate_basis_points, valid_from, offline_loss, offline_loss_cap_minor)
            SELECT partner_id, code, version + 1, mode, title_zh, title_en, currency, unit_price_minor, commission_minor,
                free_quota, tax_rate_basis_points, valid_from, %s, %s FROM agreement_line WHERE id = %s RETURNING id""",
            rule,
            cap,
            self.shops.lines["LUCK"],
        )

    async def owed(self) -> int:
        return int(await self.world.one("SELECT coalesce(sum(amount_minor), 0) FROM payable_entry"))

    async def footprint(self) -> dict[str, Any]:
        counts = {
            table: await self.world.one(f"SELECT count(*) FROM {table}")
            for table in ("offline_use", "offline_decision")
        }
        return counts | await self.shops.footprint()


async def _staff(world: World, partner: int) -> int:
    return int(
        await world.one(
            """INSERT INTO staff (email, name, password_hash, audience, role, partner_id, active, created_at)
            VALUES ('c@l.example', 'Cai', '', 'partner', 'cashier', %s, true, now()) RETURNING id""",
            partner,
        )
    )


async def open_counter(world: World, bounds: Bounds = BOUNDS) -> Counter:
    shops = await open_shops(world)
    luck = shops.partners["LUCK"]
    staff = await _staff(world, luck)
    _, code = await add_device(
        world.connection, luck, store_id=shops.stores["SH1"], name="Till 1", bounds=bounds, actor="staff:1", now=NOW
    )
    _, token = await pair(world.connection, luck, code.lower().replace("-", " "), store_id=None, now=NOW)
    device = await find_device(world.connection, luck, token)
    assert device is not None
    return Counter(world, shops, device, staff)


async def test_a_device_is_bound_by_a_code_once_in_time_and_by_its_own_partner(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        luck, tea, store = shops.partners["LUCK"], shops.partners["TEA"], shops.stores["SH1"]
        wish: dict[str, Any] = {"name": "Till", "bounds": BOUNDS, "actor": "staff:1", "now": NOW}
        with pytest.raises(UnknownDeviceError):
            await add_device(world.connection, tea, store_id=store, **wish)
        device, code = await add_device(world.connection, luck, store_id=store, **wish)
        for partner, typed, only, now in (
            (luck, "0000-0000", None, NOW),
            (tea, code, None, NOW),
            (luck, code, shops.stores["SH2"], NOW),
            (luck, code, None, NOW + HOUR),
        ):
            with pytest.raises(WrongPairingCodeError):
                await pair(world.connection, partner, typed, store_id=only, now=now)
        _, first = await pair(world.connection, luck, code, store_id=store, now=NOW)
        with pytest.raises(WrongPairingCodeError):
            await pair(world.connection, luck, code, store_id=store, now=NOW)
        assert await find_device(world.connection, tea, first) is None
        # Another browser takes its place.
        again = await offer_pairing(world.connection, luck, device, store_id=None, now=NOW)
        _, second = await pair(world.connection, luck, again, store_id=None, now=NOW)
        assert await find_device(world.connection, luck, first) is None

        for partner, only in ((tea, None), (luck, shops.stores["SH2"])):
            with pytest.raises(UnknownDeviceError):
                await revoke_device(world.connection, partner, device, store_id=only, actor="staff:1", now=NOW)
            with pytest.raises(UnknownDeviceError):
                await offer_pairing(world.connection, partner, device, store_id=only, now=NOW)
        await revoke_device(world.connection, luck, device, store_id=None, actor="staff:1", now=NOW)
        with pytest.raises(DeviceRevokedError):
            await revoke_device(world.connection, luck, device, store_id=None, actor="staff:1", now=NOW)
        known = await find_device(world.connection, luck, second)
        assert known is not None
        assert known.revoked_at == NOW
        (line,) = await list_devices(world.connection, luck)
        assert (line.paired, line.revoked_at, line.taken) == (True, NOW, 0)


async def test_a_fresh_unused_lease_is_given_again_and_others_end_when_the_device_holds_one(database_url: str) -> None:
    async with open_world(database_url) as world:
        counter = await open_counter(world)
        first = await counter.lease()
        assert (await counter.lease(NOW + timedelta(minutes=5), held=first.id)).id == first.id
        second = await counter.lease(NOW + HOUR, held=first.id)
        assert second.id != first.id
        # An answer that never came leaves the first one good; the second one ends, as the device does not hold it.
        third = await counter.lease(NOW + 2 * HOUR, held=first.id)
        assert await world.one("SELECT over_at IS NULL FROM offline_lease WHERE id = %s", first.id)
        assert await world.one("SELECT over_at FROM offline_lease WHERE id = %s", second.id) == NOW + 2 * HOUR
        fourth = await counter.lease(NOW + 3 * HOUR, held=third.id)
        assert await world.one("SELECT count(*) FROM offline_lease WHERE over_at IS NULL") == 2
        # So what was taken under one that is over cannot add to what the device may take.
        vouchers = await counter.shops.vouchers(2)
        then = NOW + 3 * HOUR + timedelta(minutes=6)
        late = await counter.tell(vouchers[0], first.id, used_at=then, now=then)
        assert late.conflict == "lease_over"
        good = await counter.tell(vouchers[1], fourth.id, used_at=then, now=then)
        assert good.conflict is None


async def test_a_use_is_verified_at_its_own_time_once(database_url: str) -> None:
    async with open_world(database_url) as world:
        counter = await open_counter(world)
        lease = await counter.lease()
        voucher, ended = await counter.shops.vouchers(2)
        taken = await counter.tell(voucher, lease.id, used_at=NOW + timedelta(minutes=3))
        assert (taken.conflict, taken.bearer, taken.repeated) == (None, None, False)
        verifier, at = await _row(
            world, "SELECT verifier, verified_at FROM verification WHERE id = %s", taken.verification_id
        )
        assert (verifier, at) == (f"device:{counter.device.id}", NOW + timedelta(minutes=3))
        assert await counter.owed() == FEE
        before = await counter.footprint()
        repeated = await counter.tell(voucher, lease.id)
        assert (repeated.verification_id, repeated.repeated) == (taken.verification_id, True)
        with pytest.raises(IdempotencyConflictError):
            await counter.tell(ended, lease.id, nonce=f"n{voucher}")
        assert await counter.footprint() == before

        # Its last day went by before it came in, and the hourly job was quicker.
        used_at = NOW + 2 * HOUR
        await world.connection.execute("UPDATE voucher SET expires_at = %s WHERE id = %s", (used_at + HOUR, ended))
        assert await expire_vouchers(world.connection, NOW + 4 * HOUR) == 1
        taken = await counter.tell(ended, lease.id, used_at=used_at, now=NOW + 5 * HOUR)
        assert taken.conflict is None
        assert await counter.shops.steps(ended) == [("issued", "expired"), ("expired", "issued"), ("issued", "used_up")]
        lines = await list_uses(world.connection, counter.device.partner_id)
        assert [(line.staff, line.conflict) for line in lines] == [("Cai", None)] * 2
        assert await list_uses(world.connection, counter.shops.partners["TEA"]) == []


async def test_a_device_that_comes_back_after_weeks_has_its_lease_still(database_url: str) -> None:
    """It comes into contact first, and tells what it took then."""
    async with open_world(database_url) as world:
        counter = await open_counter(world)
        earlier = await counter.lease(NOW - HOUR)
        lease, voucher = await counter.lease(held=earlier.id), await counter.shops.voucher()
        back = NOW + timedelta(days=20)
        await counter.lease(back, held=lease.id)
        assert (await counter.tell(voucher, lease.id, now=back)).conflict is None
        await counter.lease(back + HOUR, held=lease.id)
        assert await world.one("SELECT count(*) FROM offline_lease WHERE id = %s", earlier.id) == 0


async def test_a_use_is_taken_back_in_the_window_that_begins_when_it_came_in(database_url: str) -> None:
    """By somebody else than whoever set the device up, above the program's value; by one of those who try at once."""
    async with open_world(database_url) as world, Connections(database_url, 3) as lines:
        counter = await open_counter(world)
        lease = await counter.lease()
        vouchers = await counter.shops.vouchers(2)
        await world.connection.execute("INSERT INTO till_policy (id, undo_alone_minor) VALUES (1, 0)")
        await world.connection.execute("UPDATE item SET value_minor = 1")
        taken = [await counter.tell(voucher, lease.id, now=NOW + 5 * HOUR) for voucher in vouchers]
        came_in, before = NOW + 5 * HOUR, await counter.footprint()
        minutes = timedelta(minutes=1)

        async def take_back(line: AsyncConnection[Any], use: TakenIn, now: datetime, actor: str = "staff:99") -> str:
            luck = counter.device.partner_id
            try:
                undone = await undo(
                    line, verification_id=use.verification_id, reason="wrong drink", actor=actor, partner_id=luck,
                    now=now, zone=ZONE, window_minutes=10, tokens=TOKENS,
                )  # fmt: skip
            except DomainError as refusal:
                return refusal.code
            return undone.state

        alone = await take_back(lines[0], taken[0], came_in + minutes, f"staff:{counter.staff}")
        late = await take_back(lines[0], taken[1], came_in + 10 * minutes)
        assert (alone, late) == ("second_person_needed", "undo_too_late")
        assert await counter.footprint() == before
        told = await gather(*(take_back(line, taken[0], came_in + 9 * minutes) for line in lines))
        assert sorted(told) == ["already_undone", "already_undone", "issued"]
        assert await counter.owed() == FEE
        assert await counter.shops.state(vouchers[0]) == ("issued", 0)
        newest = (await list_uses(world.connection, counter.device.partner_id))[1]
        assert newest.undone_at == came_in + 9 * minutes
        # Told again, the use stays taken back; the voucher is used again with a network.
        assert (await counter.tell(vouchers[0], lease.id)).repeated
        assert await counter.shops.state(vouchers[0]) == ("issued", 0)
        assert (await counter.shops.verify(vouchers[0])).use_number == 1


async def test_what_oversteps_the_bounds_is_a_conflict_that_the_partner_bears(database_url: str) -> None:
    async with open_world(database_url) as world:
        counter = await open_counter(world)
        await counter.agree("operator")
        lease = await counter.lease()
        vouchers = await counter.shops.vouchers(8)
        minutes = timedelta(minutes=1)
        wishes: list[tuple[str, dict[str, Any]]] = [
            ("unknown_voucher", {"text": TOKENS.static_token(vouchers[0], NOW.date(), 1)[:-1] + "0"}),
            ("unknown_voucher", {"text": TOKENS.codes.code_of(vouchers[0])}),
            ("no_lease", {"lease": 999}),
            ("clock", {"skew": -14 * HOUR, "now": NOW + 14 * HOUR}),
            ("lease_over", {"used_at": NOW - 6 * minutes}),
            ("lease_over", {"used_at": NOW + 13 * HOUR, "now": NOW + 14 * HOUR}),
        ]
        for number, (code, wish) in enumerate(wishes):
            before = await counter.shops.footprint()
            # Each under a lease of its own, for a conflict counts towards the quota, too.
            own: dict[str, Any] = {"lease": (await counter.lease(held=lease.id)).id, "nonce": f"w{number}"}
            taken = await counter.tell(vouchers[0], **(own | wish))
            assert (taken.conflict, taken.bearer) == (code, "partner"), wish
            assert await counter.shops.footprint() == before
            await world.connection.execute("UPDATE offline_lease SET over_at = NULL")
        for voucher in vouchers[1:4]:
            await counter.tell(voucher, lease.id)
        # What counted against the bounds above was told under this lease, too.
        codes = [(await counter.tell(voucher, lease.id)).conflict for voucher in vouchers[4:6]]
        assert set(codes) == {"over_quota"}
        assert await world.one("SELECT count(*) FROM offline_use WHERE conflict IS NOT NULL") >= 9

        await revoke_device(
            world.connection, counter.device.partner_id, counter.device.id, store_id=None, actor="s", now=NOW
        )
        counter.device.revoked_at = NOW
        taken = await counter.tell(vouchers[6], lease.id, used_at=NOW + 6 * minutes)
        assert taken.conflict == "revoked"


async def test_a_clock_that_was_set_right_meanwhile_spoils_no_use_that_holds_at_its_latest_moment(
    database_url: str,
) -> None:
    """Phones set their clocks by the network when it is back; it may have been turned back before the use as well."""
    async with open_world(database_url) as world:
        counter = await open_counter(world, Bounds(9, 10_000, 12))
        lease = await counter.lease()
        behind, ahead, returned, ended, broken = await counter.shops.vouchers(5)
        at = "SELECT verified_at FROM verification WHERE id = %s"
        taken = await counter.tell(behind, lease.id, skew=-2 * HOUR, now=NOW + 9 * HOUR)
        assert (taken.conflict, await world.one(at, taken.verification_id)) == (None, NOW + 2 * HOUR)
        for voucher, skew in ((ahead, 3 * HOUR), (returned, timedelta(0))):
            taken = await counter.tell(voucher, lease.id, used_at=NOW + 4 * HOUR, skew=skew, now=NOW + 2 * HOUR)
            assert (taken.conflict, await world.one(at, taken.verification_id)) == (None, NOW + 2 * HOUR)
        await world.connection.execute("UPDATE voucher SET expires_at = %s WHERE id = %s", (NOW + HOUR, ended))
        before = await counter.shops.footprint()
        taken = await counter.tell(ended, lease.id, skew=-2 * HOUR, now=NOW + 9 * HOUR)
        assert (taken.conflict, taken.bearer) == ("expired", "partner")
        # A battery that was empty: the clock begins in another century.
        taken = await counter.tell(broken, lease.id, nonce="x", skew=-timedelta(days=700_000), now=NOW + 14 * HOUR)
        assert taken.conflict == "clock"
        assert await counter.shops.footprint() == before
        assert (await counter.tell(broken, lease.id, skew=timedelta(days=2_900_000))).conflict is None


async def test_told_many_times_at_once_a_use_counts_once_and_the_quota_holds(database_url: str) -> None:
    async with open_world(database_url) as world, Connections(database_url, 6) as lines:
        counter = await open_counter(world)
        lease = await counter.lease()
        vouchers = await counter.shops.vouchers(7)
        papers = {voucher: await counter.paper(voucher) for voucher in vouchers}

        async def tell(line: AsyncConnection[Any], voucher: int) -> TakenIn:
            return await counter.tell(voucher, lease.id, text=papers[voucher], connection=line)

        same = await gather(*(tell(line, vouchers[0]) for line in lines))
        assert len({one.verification_id for one in same}) == 1
        assert sum(not one.repeated for one in same) == 1
        others = await gather(*(tell(line, voucher) for line, voucher in zip(lines, vouchers[1:], strict=True)))
        assert sorted(one.conflict or "" for one in others) == [""] * 2 + ["over_quota"] * 4
        assert await counter.owed() == 3 * FEE


async def test_the_value_of_what_is_taken_has_a_cap(database_url: str) -> None:
    async with open_world(database_url) as world:
        counter = await open_counter(world, Bounds(100, 5_000, 12))
        lease = await counter.lease()
        vouchers = await counter.shops.vouchers(3)
        await world.connection.execute("UPDATE item SET value_minor = 2000")
        told = [(await counter.tell(voucher, lease.id)).conflict for voucher in vouchers]
        assert told == [None, None, "over_cap"]


@pytest.mark.parametrize(
    ("rule", "cap", "bearers"),
    [
        ("partner", 0, ["partner"] * 3),
        ("operator", 0, ["operator"] * 3),
        ("capped", 2 * FEE, ["operator"] * 2 + ["partner"]),
    ],
)
async def test_who_bears_what_was_taken_in_good_faith_is_agreed(
    database_url: str, rule: str, cap: int, bearers: list[str]
) -> None:
    async with open_world(database_url) as world:
        counter = await open_counter(world)
        await counter.agree(rule, cap)
        vouchers = await counter.shops.vouchers(3)
        lease = await counter.lease()
        for voucher in vouchers:
            await counter.shops.verify(voucher, store="SH2", now=NOW + timedelta(minutes=10))
        owed = await counter.owed()
        taken = [await counter.tell(voucher, lease.id, used_at=NOW + timedelta(minutes=20)) for voucher in vouchers]
        assert [one.conflict for one in taken] == ["already_verified"] * 3
        assert [one.bearer for one in taken] == bearers
        assert await counter.owed() == owed + FEE * bearers.count("operator")
        again = await counter.tell(vouchers[0], lease.id, used_at=NOW + timedelta(minutes=20))
        assert (again.bearer, again.repeated) == (bearers[0], True)
        assert await counter.owed() == owed + FEE * bearers.count("operator")


async def test_what_the_device_was_told_of_the_partner_bears(database_url: str) -> None:
    async with open_world(database_url) as world:
        counter = await open_counter(world)
        await counter.agree("operator")
        known, unknown, frozen = await counter.shops.vouchers(3)
        await counter.shops.verify(known, store="SH2", now=NOW + timedelta(minutes=1))
        lease = await counter.lease(NOW + timedelta(minutes=2))
        await counter.shops.verify(unknown, store="SH2", now=NOW + timedelta(minutes=3))
        used_at = NOW + timedelta(minutes=10)
        told = [await counter.tell(voucher, lease.id, used_at=used_at) for voucher in (known, unknown)]
        assert [one.bearer for one in told] == ["partner", "operator"]
        await world.connection.execute("UPDATE member SET state = 'frozen'")
        await world.connection.execute(
            "INSERT INTO member_state_change (member_id, from_state, to_state, reason, actor, at) "
            "SELECT id, 'active', 'frozen', 'r', 'staff:1', %s FROM member",
            (NOW + timedelta(minutes=5),),
        )
        taken = await counter.tell(frozen, lease.id, used_at=used_at)
        assert (taken.conflict, taken.bearer) == ("frozen", "operator")


async def test_what_its_own_person_had_verified_when_the_network_failed_is_paid_once(database_url: str) -> None:
    """Whether the last step arrived was not known at the till; whoever had the paper in hand took it once more."""
    async with open_world(database_url) as world:
        counter = await open_counter(world)
        await counter.agree("operator")
        vouchers, lease = await counter.shops.vouchers(3), await counter.lease()
        own = f"staff:{counter.staff}"
        wishes: list[dict[str, str]] = [
            {"store": "SH1", "verifier": own},
            {"store": "SH2", "verifier": own},
            {"store": "SH1", "verifier": "staff:99"},
        ]
        for voucher, wish in zip(vouchers[:3], wishes, strict=True):
            await counter.shops.verify(voucher, now=NOW + timedelta(minutes=1), **wish)
        owed, used_at = await counter.owed(), NOW + timedelta(minutes=2)
        taken = [await counter.tell(voucher, lease.id, used_at=used_at) for voucher in vouchers[:3]]
        assert [(one.conflict, one.bearer) for one in taken] == [
            ("already_verified", "partner"), ("already_verified", "operator"), ("already_verified", "operator"),
        ]  # fmt: skip
        assert await counter.owed() == owed + 2 * FEE
        reason = "SELECT reason FROM offline_decision ORDER BY id LIMIT 1"
        assert await world.one(reason) == "own_use"


async def test_an_operator_decides_otherwise_as_often_as_needed_and_the_money_follows(database_url: str) -> None:
    async with open_world(database_url) as world:
        counter = await open_counter(world)
        voucher = await counter.shops.voucher()
        lease = await counter.lease()
        await counter.shops.verify(voucher, store="SH2", now=NOW + timedelta(minutes=1))
        await counter.tell(voucher, lease.id)
        (line,) = await list_uses(world.connection, None, conflicts=True)

        async def decide(bearer: str) -> None:
            async with world.connection.transaction():
                await decide_otherwise(
                    world.connection, line.id, bearer, reason="goodwill", actor="staff:9", now=NOW + HOUR, zone=ZONE
                )

        for bearer, owed in (("operator", 2 * FEE), ("partner", FEE), ("operator", 2 * FEE), ("partner", FEE)):
            await decide(bearer)
            assert await counter.owed() == owed
            before = await counter.footprint()
            with pytest.raises(SameBearerError):
                await decide(bearer)
            assert await counter.footprint() == before
        with pytest.raises(UnknownConflictError):
            await decide_otherwise(world.connection, 999, "partner", reason="r", actor="a", now=NOW, zone=ZONE)
        found, decisions = await find_conflict(world.connection, line.id)
        assert (found.bearer, found.amount_minor) == ("partner", 0)
        assert [one.bearer for one in decisions] == ["partner", "operator", "partner", "operator", "partner"]


async def test_a_commission_is_never_charged_for_a_loss(database_url: str) -> None:
    async with open_world(database_url) as world:
        counter = await open_counter(world)
        counter.shops.lines["LUCK"] = await world.one(
            """INSERT INTO agreement_line (partner_id, code, version, mode, title_zh, title_en, currency, unit_price_minor,
                commission_minor, free_quota, tax_rate_basis_points, valid_from, offline_loss)
            VALUES (%s, 'D', 1, 'member_discount', '返佣', 'D', 'CNY', 0, 60, 0, 600, '2020-01-01', 'operator') RETURNING id""",
            counter.device.partner_id,
        )
        voucher = await counter.shops.voucher()
        lease = await counter.lease()
        await counter.shops.verify(voucher, store="SH2", now=NOW + timedelta(minutes=1))
        owed = await counter.owed()
        assert (await counter.tell(voucher, lease.id)).bearer == "operator"
        assert await counter.owed() == owed == -60


async def test_the_list_tells_what_is_no_good_and_what_is_good_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "PAGE", 2)
    async with open_world(database_url) as world:
        counter = await open_counter(world)
        luck = counter.device.partner_id
        vouchers = await counter.shops.vouchers(5)
        other = await counter.shops.voucher(partner="TEA")
        verified = [await counter.shops.verify(voucher) for voucher in vouchers[:3]]
        await counter.shops.verify(other, partner="TEA", store="BJ1")

        async def read(cursor: str | None) -> tuple[set[int], set[int], str]:
            gone: set[int] = set()
            back: set[int] = set()
            more = True
            while more:
                part = await lists.fetch_changes(world.connection, luck, cursor, now=NOW)
                if part.anew:
                    gone, back = set(), set()
                gone, back = (gone | set(part.gone)) - set(part.back), back | set(part.back)
                cursor, more = part.cursor, part.more
            assert cursor is not None
            return gone, back, cursor

        gone, _, cursor = await read(None)
        assert gone == set(vouchers[:3])
        await counter.shops.undo(verified[0].verification_id)
        await counter.shops.verify(vouchers[3])
        gone, back, cursor = await read(cursor)
        assert vouchers[3] in gone
        assert vouchers[0] in back
        assert vouchers[4] not in gone
        monkeypatch.setattr(lists, "LONGEST_DELTA", 0)
        assert (await read(cursor))[0] == set(vouchers[1:4])
        # Frozen by an operator, and given away: its earlier codes are no good, the present ones are.
        change = (
            "INSERT INTO voucher_change (voucher_id, change, reason, actor, at) VALUES (%s, %s, 'r', 'staff:1', now())"
        )
        hands = "UPDATE voucher SET generation = 2 WHERE id = %s"
        frozen, given = vouchers[0], vouchers[4]
        await world.connection.execute("UPDATE voucher SET frozen_at = now() WHERE id = %s", (frozen,))
        await world.connection.execute(change, (frozen, "frozen"))
        await world.connection.execute(hands, (given,))
        await world.connection.execute(change, (given, "claimed"))
        await world.connection.execute(change, (given, "claimed"))
        gone, back, _ = await read(cursor)
        assert {frozen, given, serial_of(given, 1)} <= gone
        assert serial_of(given, 2) in back
        # What an earlier version gave out keeps no device from its list.
        for unknown in ("x", "1", "1.2.3.4.5.6"):
            assert (await lists.fetch_changes(world.connection, luck, unknown, now=NOW)).anew

        (item,) = await lists.fetch_items(world.connection, luck, counter.device.store_id)
        assert (item.here, item.alone, item.usable_from, item.value_minor) == (True, True, None, 0)
        assert not item.coupon
        letters = (await counter.paper(vouchers[1]))[2:13]
        hashes = lists.hash_vouchers([vouchers[1]], TOKENS, KEY)
        assert hashes == b64encode(digest(KEY, letters.encode(), sha256)[:6]).decode()


async def test_what_a_device_cannot_judge_it_leaves_alone_and_what_it_tells_all_the_same_is_not_used(
    database_url: str,
) -> None:
    async with open_world(database_url) as world:
        counter = await open_counter(world, Bounds(9, 10_000, 12))
        await counter.agree("operator")
        lease = await counter.lease()
        vouchers = await counter.shops.vouchers(3)
        item = await world.one("SELECT DISTINCT item_id FROM voucher")
        luck, store = counter.device.partner_id, counter.device.store_id
        for rule in ("uses_a_day", "member_uses_a_day", "store_uses_a_day", "paper_confirmed"):
            value = "true" if rule == "paper_confirmed" else "1"
            await world.connection.execute(f"INSERT INTO till_rule (item_id, {rule}) VALUES (%s, {value})", (item,))
            assert [one.alone for one in await lists.fetch_items(world.connection, luck, store)] == [False], rule
            if rule != "paper_confirmed":
                await world.connection.execute("DELETE FROM till_rule")
        before = await counter.shops.footprint()
        told = await counter.tell(vouchers[0], lease.id)
        assert (told.conflict, told.bearer) == ("confirmation_needed", "partner")
        assert await counter.shops.footprint() == before
        await world.connection.execute("UPDATE till_rule SET paper_confirmed = false, member_uses_a_day = 1")
        assert (await counter.tell(vouchers[1], lease.id)).conflict is None
        limited = await counter.tell(vouchers[2], lease.id)
        assert (limited.conflict, limited.bearer) == ("daily_limit", "partner")
        assert await counter.owed() == FEE


async def test_numbers_of_a_print_run_are_told_until_they_are_activated(database_url: str) -> None:
    async with open_world(database_url) as world:
        counter = await open_counter(world, Bounds(9, 10_000, 12))
        await counter.agree("operator")
        item = await world.one("SELECT item_id FROM voucher WHERE id = %s", await counter.shops.voucher())
        sku = await world.one("SELECT sku FROM item WHERE id = %s", item)
        await world.member("m-2")

        async def read(cursor: str | None) -> lists.Changes:
            while (
                part := await lists.fetch_changes(world.connection, counter.device.partner_id, cursor, now=NOW)
            ).more:
                cursor = part.cursor
            return part

        async def make(name: str, now: datetime) -> list[int]:
            run = await make_run(
                world.connection, sku, name=name, total=3, last_day=NOW.date() + timedelta(days=9), actor="staff:1",
                now=now, zone=ZONE,
            )  # fmt: skip
            found = await world.connection.execute(
                "SELECT id FROM voucher WHERE run_id = %s ORDER BY run_number", (run,)
            )
            return [row[0] for row in await found.fetchall()]

        known = await read(None)
        first = await make("first", NOW)
        known = await read(known.cursor)
        assert known.gone == first
        lease = await counter.lease(NOW + timedelta(minutes=1))
        later = await make("second", NOW + timedelta(minutes=2))
        await decide_range(
            world.connection,
            1,
            "activated",
            first=2,
            last=3,
            reason="fair",
            actor="staff:1",
            now=NOW + timedelta(minutes=3),
            zone=ZONE,
        )
        await claim_voucher(
            world.connection, await world.one("SELECT id FROM member WHERE external_id = 'm-2'"),
            TOKENS.codes.code_of(first[2]), tokens=TOKENS, actor="member:2", now=NOW + timedelta(minutes=4), zone=ZONE,
        )  # fmt: skip
        known = await read(known.cursor)
        assert {*known.gone} == {*later, first[2]}
        assert {*known.back} >= {first[1], serial_of(first[2], 1)}

        # The device had been told of the first run; the second it could not know, nor that one went into a wallet.
        used_at = NOW + timedelta(minutes=9)
        taken = [await counter.tell(voucher, lease.id, used_at=used_at) for voucher in (first[0], later[0], first[2])]
        assert [(one.conflict, one.bearer) for one in taken] == [
            ("not_activated", "partner"), ("not_activated", "operator"), ("changed_hands", "operator"),
        ]  # fmt: skip
        # What was never activated is not opened again for a use that comes in after its last day.
        await world.connection.execute("UPDATE voucher SET expires_at = %s WHERE id = %s", (used_at + HOUR, later[1]))
        await expire_vouchers(world.connection, used_at + 2 * HOUR)
        late = await counter.tell(later[1], lease.id, used_at=used_at + timedelta(minutes=1), now=used_at + 2 * HOUR)
        assert (late.verification_id, late.conflict) == (None, "expired")


async def _row(world: World, statement: str, *values: Any) -> tuple[Any, ...]:
    row = await (await world.connection.execute(statement, values)).fetchone()
    assert row is not None
    return tuple(row)
