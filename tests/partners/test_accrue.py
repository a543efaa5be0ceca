"""What a use does to the partner's account, and what taking it back does."""

import asyncio

import pytest
from psycopg.errors import IntegrityConstraintViolation, RestrictViolation, UniqueViolation

from liyu.partners.settlement import accrue
from liyu.partners.settlement.accrue import accrue_use, reverse_use
from liyu.partners.settlement.errors import UnknownLineError
from tests.partners.settling import NOVEMBER, OCTOBER, ZONE, Books, connect


async def entries(books: Books) -> list[tuple[object, ...]]:
    return await books.rows("SELECT kind, quantity, free, amount_minor FROM payable_entry ORDER BY id")


@pytest.mark.parametrize(
    ("code", "amount"), [("P1-CON", 1750), ("P1-BULK", 0), ("P1-DIS", -60)], ids=["concierge", "bulk", "discount"]
)
async def test_each_mode_by_its_formula(books: Books, code: str, amount: int) -> None:
    await books.use(code)
    assert await entries(books) == [("use", 1, False, amount)]
    assert await books.balance() == amount
    await books.assert_proved()


async def test_a_free_quota_is_free_up_to_its_number_and_month_by_month(books: Books) -> None:
    await books.use("P1-FREE", times=5)
    await books.use("P1-FREE", NOVEMBER)
    assert await books.rows("SELECT free, amount_minor, quota_month FROM payable_entry ORDER BY id") == [
        (True, 0, "2026-10"), (True, 0, "2026-10"), (True, 0, "2026-10"),
        (False, 250, None), (False, 250, None), (True, 0, "2026-11"),
    ]  # fmt: skip
    assert await books.balance() == 500


async def test_taking_back_mirrors_the_entry_and_reverses_the_transfer(books: Books) -> None:
    source = await books.use("P1-CON")
    await books.undo(source, NOVEMBER)
    assert await entries(books) == [("use", 1, False, 1750), ("undo", -1, False, -1750)]
    assert await books.balance() == 0
    assert await books.value("SELECT count(*) FROM transfer WHERE reversal_of IS NOT NULL") == 1
    await books.assert_proved()


async def test_taking_back_a_free_use_gives_the_quota_of_its_own_month_back(books: Books) -> None:
    first = await books.use("P1-FREE")
    await books.use("P1-FREE", times=2)
    await books.undo(first, NOVEMBER)
    assert await books.rows("SELECT month, used FROM quota_use") == [("2026-10", 2)]
    await books.use("P1-FREE", times=2)
    assert [row[2:] for row in await entries(books)][-2:] == [(True, 0), (False, 250)]


async def test_one_entry_for_each_source(books: Books) -> None:
    source = await books.use("P1-FREE")
    with pytest.raises(UniqueViolation):
        async with books.connection.transaction():
            await accrue_use(
                books.connection, agreement_line_id=await books.line("P1-FREE"), source=source, at=OCTOBER, actor="t",
                zone=ZONE,
            )  # fmt: skip
    await books.undo(source)
    with pytest.raises(UniqueViolation):
        await books.undo(source)
    assert len(await entries(books)) == 2
    assert await books.value("SELECT used FROM quota_use") == 0


async def test_without_an_agreement_nothing_is_owed(books: Books) -> None:
    async with books.connection.transaction():
        await accrue_use(
            books.connection, agreement_line_id=None, source="verification:x", at=OCTOBER, actor="t", zone=ZONE
        )
        await reverse_use(books.connection, source="verification:x", at=OCTOBER, actor="t")
    assert await entries(books) == []
    with pytest.raises(UnknownLineError):
        await accrue_use(
            books.connection, agreement_line_id=999_999, source="verification:x", at=OCTOBER, actor="t", zone=ZONE
        )


async def test_entries_stay_and_say_what_their_transfer_moved(books: Books) -> None:
    await books.use("P1-CON")
    for change in ("UPDATE payable_entry SET amount_minor = 1", "DELETE FROM payable_entry", "TRUNCATE payable_entry"):
        with pytest.raises(RestrictViolation):
            await books.connection.execute(change)
    copy = (
        "INSERT INTO payable_entry (partner_id, agreement_line_id, kind, source, quantity, free, amount_minor, transfer_id, at) "
        "SELECT partner_id, agreement_line_id, 'use', 'verification:forged', 1, false, %s, %s, at FROM payable_entry"
    )
    (transfer,) = (await books.rows("SELECT max(id) FROM transfer"))[0]
    moved = await books.value(
        "INSERT INTO transfer (debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at) "
        "SELECT debit_account_id, credit_account_id, 5, unit, 'x', 'x', 'x', 'x', 'x', at FROM transfer WHERE id = %s "
        "RETURNING id",
        transfer,
    )
    with pytest.raises(IntegrityConstraintViolation):
        await books.connection.execute(copy, (6, moved))
    await books.connection.execute(copy, (5, moved))


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "guard removed"])
async def test_a_quota_is_never_exceeded_under_parallel_uses(
    books: Books, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """Without the lock of the month's row, those who read it at the same time take the same free uses."""
    if not guarded:
        unlocked = accrue._LOCK_QUOTAS.replace(
            "SELECT agreement_line_id, used FROM quota_use",
            "SELECT agreement_line_id, used FROM quota_use, pg_sleep(0.2)",
        )
        monkeypatch.setattr(accrue, "_LOCK_QUOTAS", unlocked.replace("FOR UPDATE", ""))
    line = await books.line("P1-FREE")

    async def use(number: int) -> None:
        async with connect(books.url) as connection:
            await accrue_use(
                connection, agreement_line_id=line, source=f"race:{number}", at=OCTOBER, actor="t", zone=ZONE
            )

    await asyncio.gather(*(use(number) for number in range(20)))
    free = await books.value("SELECT count(*) FROM payable_entry WHERE free")
    assert free == 3 if guarded else free > 3
    assert await books.value("SELECT count(*) FROM payable_entry") == 20
