"""The units of prizes that are not handed out yet: they count as taken in their items' stocks while the draw runs."""

from typing import Any

from psycopg import AsyncConnection

from liyu.catalog.pools.models import FREE
from liyu.catalog.pools.stock import follow_pool
from liyu.redemption.save import STOCK_CHANNEL

_KEPT = "SELECT item_id, sum(units - given)::bigint AS units FROM draw_prize WHERE draw_id = %s GROUP BY 1"
_MOVE = f"""
    WITH kept AS ({_KEPT}), moved AS (
        UPDATE item_stock s SET taken = s.taken %s kept.units FROM kept WHERE s.item_id = kept.item_id RETURNING s.item_id)
    SELECT pg_notify('{STOCK_CHANNEL}', item_id::text) FROM moved"""

SET_ASIDE = """
    SELECT coalesce(sum(p.units - p.given), 0)::bigint FROM draw_prize p JOIN draw d ON d.id = p.draw_id
    WHERE p.item_id = s.item_id AND d.state IN ('announced', 'frozen', 'decided')"""
"""Units of the item of a stock `s` that are kept for winners: what the proof of the books adds to the redemptions."""


# The youngest codes are kept: the desk gives out the oldest first, and would have to read past them.
_KEEP_CODES = f"""
    UPDATE pool_code SET kept = true WHERE id IN (
        SELECT f.id FROM ({_KEPT}) AS k CROSS JOIN LATERAL (
            SELECT c.id FROM pool_code c WHERE c.item_id = k.item_id AND {FREE} ORDER BY c.id DESC LIMIT k.units) AS f)"""
# Of codes that are bad by now, and could not be replaced, the winners get as few as can be.
_FREE_CODES = f"""
    UPDATE pool_code SET kept = false WHERE id IN (
        SELECT f.id FROM ({_KEPT}) AS k CROSS JOIN LATERAL (
            SELECT c.id FROM pool_code c WHERE c.item_id = k.item_id AND c.kept
            ORDER BY c.recall_id IS NULL, c.id LIMIT k.units) AS f)
    RETURNING item_id"""
_TAKE_CODES = """
    UPDATE pool_code SET kept = false WHERE id IN (
        SELECT f.id FROM unnest(%s::bigint[], %s::bigint[]) AS w(item_id, units) CROSS JOIN LATERAL (
            SELECT c.id FROM pool_code c WHERE c.item_id = w.item_id AND c.kept
            ORDER BY c.recall_id IS NOT NULL, c.id LIMIT w.units) AS f)
    RETURNING item_id, id, recall_id IS NOT NULL"""


async def set_units_aside(connection: AsyncConnection[Any], draw_id: int) -> None:
    """Take all units of a draw's prizes out of sale, and their codes out of the pools.

    The caller holds the stocks' locks and has looked at what is left.
    """
    await connection.execute(_KEEP_CODES, (draw_id,))
    await connection.execute(_MOVE.replace("%s kept", "+ kept"), (draw_id,))


async def take_kept_codes(connection: AsyncConnection[Any], units: dict[int, int]) -> dict[int, list[int]]:
    """Let go of so many codes of items that were set aside, for redemptions that follow; good ones stand first.

    A bad one, for which there was no other yet, is replaced as every member's is. The caller holds the stocks' locks.
    """
    if not units:
        return {}
    taken = await connection.execute(_TAKE_CODES, (list(units), list(units.values())))
    codes: dict[int, list[int]] = {item_id: [] for item_id in units}
    for item_id, code_id, _ in sorted(await taken.fetchall(), key=lambda row: (row[2], row[1])):
        codes[item_id].append(code_id)
    return codes


async def hand_units_over(connection: AsyncConnection[Any], prize_ids: list[int]) -> None:
    """Count units as handed out, one for each mention of a prize: the redemptions that follow take them from the stock."""
    await connection.execute(
        "WITH handed AS (SELECT prize_id, count(*) AS units FROM unnest(%s::bigint[]) AS prize_id GROUP BY 1), "
        "counted AS (UPDATE draw_prize p SET given = p.given + handed.units FROM handed WHERE p.id = handed.prize_id "
        "RETURNING p.item_id, handed.units) "
        "UPDATE item_stock s SET taken = s.taken - c.units "
        "FROM (SELECT item_id, sum(units)::bigint AS units FROM counted GROUP BY 1) AS c WHERE s.item_id = c.item_id",
        (prize_ids,),
    )


async def return_units(connection: AsyncConnection[Any], draw_id: int) -> None:
    """Put the units that were not handed out back on sale, and their codes into the pools. The caller holds the stocks' locks."""
    freed = await (await connection.execute(_FREE_CODES, (draw_id,))).fetchall()
    await connection.execute(_MOVE.replace("%s kept", "- kept"), (draw_id,))
    for item_id in sorted({row[0] for row in freed}):
        await follow_pool(connection, item_id)
