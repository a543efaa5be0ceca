"""Saving a till's batch: what was verified and what was refused become rows, which travel in bulk statements."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any

from msgspec import Struct, field
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, insert_of, record_of
from liyu.core.webhooks.messages import Event, write_messages
from liyu.partners.settlement.accrue import PricedLine, Use, accrue_uses
from liyu.vouchers.errors import Attempt
from liyu.vouchers.state import TillState

UsedUpHook = Callable[[AsyncConnection[Any], list[int], datetime], Awaitable[None]]
"""Called with the connection, the ids of redemptions of which a voucher was used up, and the instant; they are locked then."""


class UsedRow(Struct):
    """One use of a voucher; the voucher goes from one state to the other, or stays in it."""

    id: int
    voucher_id: int
    partner_id: int | None
    store_id: int | None
    verifier: str
    nonce: str
    use_number: int
    from_state: str
    to_state: str


_SAVE = f"""
    WITH used AS MATERIALIZED (SELECT * FROM {record_of(UsedRow, "%(used)s")}),
    vouchers AS (
        UPDATE voucher v SET uses = v.uses + u.times,
            state = CASE WHEN v.uses + u.times = v.uses_allowed THEN 'used_up' ELSE 'partly_used' END, paper_until = NULL
        FROM (SELECT voucher_id, count(*) AS times FROM used GROUP BY voucher_id) AS u WHERE v.id = u.voucher_id),
    verifications AS (
        INSERT INTO verification (id, voucher_id, partner_id, store_id, verifier, nonce, use_number, verified_at)
        SELECT id, voucher_id, partner_id, store_id, verifier, nonce, use_number, %(now)s FROM used)
    INSERT INTO voucher_transition (voucher_id, from_state, to_state, reason, actor, at)
    SELECT voucher_id, from_state, to_state, 'verified', verifier, %(now)s FROM used WHERE from_state <> to_state
    ORDER BY id"""


class DayUseRow(Struct):
    """A use that counts for a limit of the day."""

    item_id: int
    counted: str
    day: date
    used: int
    cap: int


# In one order everywhere: uses of a member or at a store are met by batches of different vouchers.
_COUNT_DAY = insert_of("till_day_use", DayUseRow) + (
    " ORDER BY item_id, counted ON CONFLICT (item_id, counted, day) DO UPDATE "
    "SET used = till_day_use.used + excluded.used, cap = excluded.cap"
)
KEEP_REFUSALS = insert_of("verification_refusal", Attempt)


class Batch(Struct):
    """What one batch writes."""

    used: list[UsedRow] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    used_up: list[int] = field(default_factory=list)
    """Redemptions of which a voucher was used up."""
    day_uses: dict[tuple[int, str], DayUseRow] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    """For webhooks."""
    refused: list[Attempt] = field(default_factory=list)


async def save(
    connection: AsyncConnection[Any],
    batch: Batch,
    state: TillState,
    lines: dict[int, PricedLine],
    on_used_up: UsedUpHook | None,
    *,
    commit: bool,
) -> None:
    """Write the batch, and commit where it began the transaction, in one round trip.

    Raises psycopg's IntegrityError when a constraint of the database finds what the decision missed.
    """
    async with connection.pipeline():
        if batch.used:
            await connection.execute(_SAVE, {"used": encode_rows(batch.used), "now": state.now})
        if batch.day_uses:
            await connection.execute(_COUNT_DAY, (encode_rows(list(batch.day_uses.values())),))
        if batch.uses:
            await accrue_uses(connection, batch.uses, lines, at=state.now, zone=state.zone)
        if batch.used_up and on_used_up is not None:
            await on_used_up(connection, batch.used_up, state.now)
        if batch.events:
            await write_messages(connection, batch.events, state.now)
        if batch.refused:
            await connection.execute(KEEP_REFUSALS, (encode_rows(batch.refused),))
        if state.guesses.counted:
            await state.guesses.save(connection)
        if commit:
            await connection.execute("COMMIT")


async def keep_attempt(connection: AsyncConnection[Any], attempt: Attempt) -> None:
    """Keep an attempt that was refused elsewhere than in a batch, in a transaction that the refusal cannot roll back."""
    await connection.execute(KEEP_REFUSALS, (encode_rows([attempt]),))
