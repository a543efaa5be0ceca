"""The units of prizes that are not handed out yet: they count as taken in their items' stocks while the draw runs."""

from typing import Any

from psycopg import AsyncConnection

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


async def set_units_aside(connection: AsyncConnection[Any], draw_id: int) -> None:
    """Take all units of a draw's prizes out of sale. The caller holds the stocks' locks and has looked at what is left."""
    await connection.execute(_MOVE.replace("%s kept", "+ kept"), (draw_id,))


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
    """Put the units that were not handed out back on sale. The caller holds the stocks' locks."""
    await connection.execute(_MOVE.replace("%s kept", "- kept"), (draw_id,))
