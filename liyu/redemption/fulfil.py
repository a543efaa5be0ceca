"""Moving a redemption along its states after it was granted: shipped, handed over, used up."""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_
from liyu.redemption.states import may_become


class WrongStateError(DomainError):
    """The redemption's state does not allow this step."""

    code = "wrong_state"
    message = N_("The redemption is %(state)s; this step does not follow from there.")


async def move_redemption(
    connection: AsyncConnection[Any], number: str, wanted: str, *, reason: str, actor: str, now: datetime
) -> None:
    """Move a redemption to `fulfilling` or `completed`, with who and why. Raises NotFoundError or WrongStateError."""
    found = await connection.execute("SELECT id, state FROM redemption WHERE number = %s FOR UPDATE", (number,))
    row = await found.fetchone()
    if row is None:
        raise NotFoundError
    redemption_id, state = row
    if not may_become(state, wanted) or wanted not in ("fulfilling", "completed"):
        raise WrongStateError(state=state)
    await write_step(connection, redemption_id, state, wanted, reason, actor, now)


_COMPLETE = """
    WITH done AS MATERIALIZED (
        SELECT r.id, r.state FROM redemption r
        WHERE r.id = ANY(%(redemptions)s::bigint[]) AND r.state IN ('confirmed', 'fulfilling')
            AND NOT EXISTS (SELECT FROM voucher v WHERE v.redemption_id = r.id AND v.uses < v.uses_allowed)
        ORDER BY r.id),
    completed AS (UPDATE redemption r SET state = 'completed' FROM done WHERE r.id = done.id)
    INSERT INTO redemption_transition (redemption_id, from_state, to_state, reason, actor, at)
    SELECT id, state, 'completed', 'used_up', 'system', %(now)s FROM done"""


async def complete_when_used_up(connection: AsyncConnection[Any], redemption_ids: list[int], now: datetime) -> None:
    """Complete those redemptions of which the last open voucher was used up. The caller holds their locks."""
    await connection.execute(_COMPLETE, {"redemptions": sorted(set(redemption_ids)), "now": now})


async def write_step(
    connection: AsyncConnection[Any],
    redemption_id: int,
    state: str,
    wanted: str,
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    """Change the state of a redemption. The caller holds its lock, and knows that the table of states allows it."""
    await connection.execute("UPDATE redemption SET state = %s WHERE id = %s", (wanted, redemption_id))
    await connection.execute(
        "INSERT INTO redemption_transition (redemption_id, from_state, to_state, reason, actor, at) "
        "VALUES (%s, %s, %s, %s, %s, %s)",
        (redemption_id, state, wanted, reason, actor, now),
    )
