"""Putting a printed voucher into a wallet: from then on it is the member's, and its paper is no voucher any more.

It gets its next generation, as a voucher does that is given away, so that whoever else has seen the paper cannot use it. One
conditional update of the voucher's row decides between two members, and between a member and a till. Locks: the member's
account, then the voucher.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.members.personal.locking import lock_member
from liyu.vouchers.errors import (
    NotActivatedError,
    UnknownVoucherError,
    VoucherCancelledError,
    VoucherExpiredError,
    VoucherFrozenError,
    VoucherRefusedError,
)
from liyu.vouchers.facts import VoucherFacts, fetch_facts
from liyu.vouchers.load import NO_VOUCHER
from liyu.vouchers.runs.errors import CannotClaimError, InWalletError, SpentError
from liyu.vouchers.states import OPEN
from liyu.vouchers.tokens import Form, Tokens


class Claimed(Struct, frozen=True):
    """A voucher in the member's wallet. `repeated` when it was there before."""

    voucher_id: int
    repeated: bool = False


_CLAIM = """
    UPDATE voucher SET holder_id = %(member)s, generation = generation + 1
    WHERE id = %(voucher)s AND generation = %(generation)s AND run_id IS NOT NULL AND holder_id IS NULL
        AND state = ANY(%(open)s) AND frozen_at IS NULL AND %(now)s < expires_at RETURNING id"""
_NOTE = """
    INSERT INTO voucher_change (voucher_id, change, reason, actor, at)
    VALUES (%(voucher)s, 'claimed', '', %(actor)s, %(now)s)"""


async def claim_voucher(
    connection: AsyncConnection[Any],
    member_id: int,
    text: str,
    *,
    tokens: Tokens,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> Claimed:
    """Put the printed voucher of a typed or scanned code into a wallet, in the caller's transaction.

    The same member with the same code again gets the same answer. Raises CannotClaimError; UnknownVoucherError for whatever is no
    voucher's, after the same questions to the database; with a right code what is in the way: InWalletError, NotActivatedError,
    VoucherFrozenError, VoucherCancelledError, VoucherExpiredError, SpentError.
    """
    member = await lock_member(connection, member_id)
    if member.state != "active":
        raise CannotClaimError
    presented = tokens.read(text, now)
    if presented is not None and presented.form is Form.DYNAMIC:
        # What a wallet shows is no paper, whoever has it.
        presented = None
    values: dict[str, Any] = {
        "member": member_id, "voucher": presented.voucher_id if presented else NO_VOUCHER, "actor": actor, "now": now,
        "generation": presented.generation if presented else 0, "open": list(OPEN),
    }  # fmt: skip
    if (await connection.execute(_CLAIM, values)).rowcount:
        await connection.execute(_NOTE, values)
        return Claimed(values["voucher"])
    found = await fetch_facts(connection, "WHERE v.id = %(voucher)s", values)
    if presented is None or not found or presented.generation > found[0].generation:
        raise UnknownVoucherError
    if found[0].member_id == member_id:
        return Claimed(found[0].id, repeated=True)
    raise _refusal_of(found[0], now, zone)


def _refusal_of(facts: VoucherFacts, now: datetime, zone: ZoneInfo) -> VoucherRefusedError:
    if facts.state == "cancelled":
        return VoucherCancelledError()
    if facts.state == "used_up":
        return SpentError()
    if facts.state == "expired" or now >= facts.expires_at:
        return VoucherExpiredError(day=facts.last_day(zone))
    if facts.member_id is not None:
        return InWalletError()
    if facts.state == "printed":
        return NotActivatedError()
    return VoucherFrozenError() if facts.frozen_at else InWalletError()
