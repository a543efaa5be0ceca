"""What the worker does for draws, minute by minute. Each step is a transaction of its own and can be stopped and run again."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.redemption.cancel import refund_redemption
from liyu.redemption.draws.award import NotActiveError
from liyu.redemption.draws.claims import carry_on
from liyu.redemption.draws.decide import decide_draw
from liyu.redemption.draws.entries import SYSTEM, freeze_list
from liyu.redemption.draws.states import RUNNING
from liyu.redemption.load import MergedMeanwhileError

MOST_REFUNDS = 2_000
"""In one run; the next one goes on."""
LOOKS_BACK = timedelta(days=7)
"""Draws that ended longer ago owe nothing any more."""

_RUNNING = """
    SELECT id FROM draw WHERE state = ANY(%(running)s) AND closes_at <= %(now)s
        AND (state <> 'frozen' OR draws_at <= %(now)s) ORDER BY closes_at, id"""
# What is given back: every entry of a draw that was called off; entries that the list lacks; and where the rule says so, those of
# people who were not drawn. Whoever did not claim a prize was drawn.
_OWED = """
    SELECT r.number, CASE WHEN d.state = 'called_off' THEN 'draw_called_off' ELSE 'draw_not_drawn' END
    FROM draw_transition t JOIN draw d ON d.id = t.draw_id AND d.state = t.to_state
    JOIN redemption r ON r.item_id = d.entry_item_id AND r.state = 'completed' AND r.points > 0
    JOIN member m ON m.id = r.member_id AND m.state <> 'closed'
    WHERE t.to_state IN ('finished', 'called_off') AND t.at > %(since)s AND (d.state = 'called_off'
        OR NOT EXISTS (SELECT FROM draw_entry e WHERE e.redemption_id = r.id)
        OR (d.losing_points = 'given_back' AND EXISTS (
            SELECT FROM draw_entry e JOIN draw_entry b ON b.draw_id = e.draw_id AND b.person = e.person
            JOIN draw_place p ON p.draw_id = b.draw_id AND p.code = b.code
            WHERE e.redemption_id = r.id AND e.draw_id = d.id AND p.state IN ('missed', 'passed_over'))))
    ORDER BY r.id LIMIT %(most)s"""


class DrawsRun(Struct):
    """What a run has done."""

    frozen: int = 0
    decided: int = 0
    finished: int = 0
    given_back: int = 0


async def run_draws(connection: AsyncConnection[Any], *, secret_key: str, now: datetime, zone: ZoneInfo) -> DrawsRun:
    """Freeze, decide, hand on and finish what is due, and give points back that are owed. The connection is in autocommit."""
    done = DrawsRun()
    due = await (await connection.execute(_RUNNING, {"running": list(RUNNING), "now": now})).fetchall()
    for (draw_id,) in due:
        done.frozen += await freeze_list(connection, draw_id, secret_key=secret_key, now=now)
        done.decided += await _decide(connection, draw_id, secret_key, now, zone)
        done.finished += await carry_on(connection, draw_id, now=now)
    owed = await (await connection.execute(_OWED, {"most": MOST_REFUNDS, "since": now - LOOKS_BACK})).fetchall()
    for number, reason in owed:
        async with connection.transaction():
            await refund_redemption(connection, number, reason=reason, actor=SYSTEM, now=now, zone=zone)
        done.given_back += 1
    return done


async def _decide(
    connection: AsyncConnection[Any], draw_id: int, secret_key: str, now: datetime, zone: ZoneInfo
) -> bool:
    try:
        return await decide_draw(connection, draw_id, secret_key=secret_key, now=now, zone=zone)
    except (NotActiveError, MergedMeanwhileError):
        # A winner left or was merged in this very moment: the next run looks again.
        return False
