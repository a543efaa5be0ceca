"""Who is about to rise: a flag on the member's row, so that the list asks an index and not everybody.

The flag is written with every standing and changes rarely; growth value itself is in no index, so that a purchase moves a row
within its page. New thresholds are carried over by the next evaluation.
"""

from typing import Any

from psycopg import AsyncConnection

NEAR_PERCENT = 80
"""Who has so much of the next threshold is about to rise."""

NEXT = """(
    SELECT t.id AS tier_id, (SELECT min(n.threshold) FROM tier n WHERE n.rank > t.rank) AS threshold FROM tier t)"""
"""In SQL: the threshold of the tier above each tier."""

_REFRESH = """
    UPDATE member m SET nears_next = w.nears FROM (
        SELECT m.id, {nears} AS nears FROM member m JOIN {next} AS n ON n.tier_id = coalesce(m.tier_earned_id, m.tier_id)
        WHERE m.nears_next <> {nears} ORDER BY m.id FOR UPDATE OF m SKIP LOCKED) AS w
    WHERE w.id = m.id"""


def nears(growth: str, threshold: str) -> str:
    """In SQL: whether so much growth value is near a threshold that it has not reached."""
    return f"coalesce({growth} < {threshold} AND {growth} * 100 >= {threshold} * {NEAR_PERCENT}, false)"


async def refresh_near(connection: AsyncConnection[Any]) -> int:
    """Carry new thresholds over to the flags; how many changed. Members who are being written to are flagged by that."""
    statement = _REFRESH.format(nears=nears("m.growth", "n.threshold"), next=NEXT)
    return (await connection.execute(statement)).rowcount
