"""Moving the lots of very many members: found once, then locked and moved portion by portion, each a transaction of its own.

Whoever does this can be killed at any point and simply run again: what a committed portion moved is no longer found, what
was not committed did not happen.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from liyu.core.ids import make_token

PORTION = 20_000
"""Lots of one transaction: few enough that members wait for their account for about a second, many enough to be quick."""

_LOCK = "SELECT id FROM account WHERE id = ANY(%s) ORDER BY id FOR UPDATE"

# A portion is a small part of its tables, and its rows lie next to each other: to look them up one by one is cheaper than the
# planner thinks, which would read all lots and all accounts again for each portion.
_PLAN = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off"


@dataclass(slots=True)
class Moved:
    """How many lots were moved, and how many points with them."""

    lots: int = 0
    points: int = 0


Report = Callable[[Moved], None]
Move = Callable[[list[int]], Awaitable[tuple[int, int]]]
"""Moves those of the given lots that still wait for it, and returns their number and their points."""


async def move_in_portions(
    connection: AsyncConnection[Any], due: str, values: dict[str, Any], move: Move, report: Report | None = None
) -> Moved:
    """Move every lot that `due` selects, as (points account of its member, lot), ordered by both.

    Each portion is a transaction, or a savepoint where the caller has one open. `move` finds the accounts locked and has to
    look at the lots again: somebody may have been there before.
    """
    moved = Moved()
    async with connection.cursor(f"due_{make_token()[:8]}".replace("-", "_"), withhold=True) as found:
        await found.execute(due, values)
        while rows := await found.fetchmany(PORTION):
            async with connection.transaction():
                await connection.execute(_PLAN)
                await connection.execute(_LOCK, (sorted({account for account, _ in rows}),))
                lots, points = await move([lot for _, lot in rows])
            moved.lots += lots
            moved.points += points
            if report is not None:
                report(moved)
    return moved
