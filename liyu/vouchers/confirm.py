"""The holder's word: where the item asks for it, a code that does not renew is used once, within some minutes of it."""

from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_
from liyu.vouchers.states import OPEN

CONFIRMED = timedelta(minutes=10)
"""How long the word holds; the next use takes it."""


class NotUsableError(DomainError):
    """One's own voucher, but used up, cancelled, frozen, waiting as a gift or past its last day."""

    code = "not_usable"
    message = N_("This voucher cannot be used now, so there is nothing to confirm.")


_CONFIRM = """
    UPDATE voucher SET paper_until = %(until)s
    WHERE id = %(voucher)s AND coalesce(holder_id, member_id) = %(member)s AND state = ANY(%(open)s) AND frozen_at IS NULL
        AND %(now)s < expires_at"""
_HELD = "SELECT FROM voucher WHERE id = %(voucher)s AND coalesce(holder_id, member_id) = %(member)s"


async def confirm_use(connection: AsyncConnection[Any], *, member_id: int, voucher_id: int, now: datetime) -> datetime:
    """Let one's own voucher be used once by a code that does not renew; until when. Said again, it holds from then.

    Raises NotFoundError for what is not one's own, and NotUsableError for what cannot be used now.
    """
    until = now + CONFIRMED
    values = {"until": until, "voucher": voucher_id, "member": member_id, "open": list(OPEN), "now": now}
    if (await connection.execute(_CONFIRM, values)).rowcount == 0:
        held = await (await connection.execute(_HELD, values)).fetchone()
        raise NotFoundError if held is None else NotUsableError
    return until
