"""The accounts' totals: exact at any time, whoever writes while they are counted, and proven against all transfers."""

from datetime import UTC, date, datetime, timedelta

from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.ledger.totals import account_figures, count_totals
from liyu.members.points.health_count import count_points
from liyu.members.points.queries import moves_of_account
from tests.world import NOW, ZONE, World, open_world

_PLAIN = """
    SELECT kind, a.unit, coalesce(sum(amount) FILTER (WHERE a.id = credit_account_id), 0)::bigint,
        coalesce(sum(amount) FILTER (WHERE a.id = debit_account_id), 0)::bigint
    FROM account a LEFT JOIN transfer t ON a.id IN (debit_account_id, credit_account_id) GROUP BY 1, 2"""

_MOVE = """
    INSERT INTO transfer (debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at, recorded_at)
    SELECT d.id, c.id, %s, 'PTS', 'adjust', '', '', 't', gen_random_uuid()::text, now(), coalesce(%s, now())
    FROM account d, account c WHERE d.kind = 'points_adjusted' AND c.kind = 'points_compensation'"""


async def is_exact(world: World) -> bool:
    plain = await (await world.connection.execute(_PLAIN)).fetchall()
    found = [(one.kind, one.unit, one.came, one.went) for one in await account_figures(world.connection)]
    return set(plain) <= set(found) and len(found) == len({(kind, unit) for kind, unit, *_ in found})


async def count(world: World, *, anew: bool = False) -> None:
    async with world.connection.transaction():
        await count_totals(world.connection, anew=anew, margin=timedelta(0))


async def test_figures_are_exact_before_between_and_after_counts(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=100)
        assert await is_exact(world)
        await count(world)
        assert await is_exact(world)
        await world.member("n", points=50)
        assert await is_exact(world)
        await count(world)
        await count(world)
        assert await is_exact(world)
        assert await world.one("SELECT sum(came) - sum(went) FROM account_total") == 0


async def test_who_writes_while_it_is_counted_is_neither_missed_nor_counted_twice(database_url: str) -> None:
    async with open_world(database_url) as world, await AsyncConnection.connect(database_url) as other:
        await world.member("m", points=100)
        await other.execute(_MOVE, (7, None))
        await world.member("n", points=100)
        await count(world)
        await other.execute(_MOVE, (8, None))
        await other.commit()
        assert await is_exact(world)
        await count(world)
        assert await is_exact(world)
        assert (await world.proof()).balanced


async def test_an_account_shows_the_movements_of_a_month_wherever_they_were_recorded(database_url: str) -> None:
    async with open_world(database_url) as world:
        now = datetime.now(UTC)

        async def months_of(month: date | None) -> list[int]:
            shown, _ = await moves_of_account(world.connection, "points_adjusted", zone=ZONE, month=month)
            return [move.amount for move in shown]

        # Three of one month, told at once, a month later and long after it; and one of another month between them.
        for amount, at, recorded in ((1, 90, 90), (2, 90, 60), (3, 30, 30), (4, 90, 0)):
            moved = _MOVE.replace("now(), coalesce", "%s, coalesce")
            await world.connection.execute(moved, (amount, now - timedelta(days=at), now - timedelta(days=recorded)))
        month = local_date(now - timedelta(days=90), ZONE).replace(day=1)
        for _ in range(2):
            assert await months_of(None) == [-4, -3, -2, -1]
            assert await months_of(month) == [-4, -2, -1]
            assert await months_of(date(2001, 1, 1)) == []
            async with world.connection.transaction():
                await count_points(world.connection, now=now, zone=ZONE)


async def test_a_wrong_total_and_a_wrong_day_are_found_by_the_proof_and_counted_anew(database_url: str) -> None:
    async with open_world(database_url) as world:
        today = datetime.now(UTC)
        for days in (9, 8, 1):
            await world.connection.execute(_MOVE, (days + 1, today - timedelta(days=days)))
        async with world.connection.transaction():
            await count_points(world.connection, now=NOW, zone=ZONE)
        assert (await world.proof()).balanced
        await world.connection.execute("UPDATE account_total SET came = came + 1 WHERE kind = 'points_compensation'")
        await world.connection.execute(
            "UPDATE points_rollup SET went = went - 1 WHERE recorded_on < %s", (today - timedelta(days=3),)
        )
        offenders = (await world.proof()).offenders
        assert [(one["check"], one["found"], one["expected"]) for one in offenders] == [
            ("account_total_differs_from_transfers", 22, 21),
            ("points_rollup_differs_from_transfers", 9, 10),
            ("points_rollup_differs_from_transfers", 8, 9),
        ]
        async with world.connection.transaction():
            await count_points(world.connection, now=NOW, zone=ZONE, anew=True)
        assert (await world.proof()).balanced
        assert await is_exact(world)
