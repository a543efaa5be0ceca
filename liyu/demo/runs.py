"""The demo's print run: coupons on paper for an event, of which half are handed out, some used and some in wallets."""

from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from liyu.core.clock import local_date, start_of_day
from liyu.core.settings import Settings
from liyu.demo.activity import DEMO_MEMBER
from liyu.demo.history import ACTOR
from liyu.redemption.fulfil import complete_when_used_up
from liyu.vouchers.runs.claims import claim_voucher
from liyu.vouchers.runs.service import decide_range, make_run
from liyu.vouchers.shown import VerifyRequest
from liyu.vouchers.tokens import Tokens
from liyu.vouchers.verify import verify

SKU = "CPN-LUCKIN-6"
NUMBERS, HANDED_OUT, SPOILT = 200, 100, 8
USED, CLAIMED = 9, 3
_PRINTED = """
    SELECT v.id, v.partner_id, s.code FROM voucher v CROSS JOIN LATERAL (
        SELECT code FROM store WHERE partner_id = v.partner_id AND active ORDER BY (id + v.run_number) %% 3, id LIMIT 1) AS s
    WHERE v.run_id = %s ORDER BY v.run_number LIMIT %s"""
_MEMBERS = "SELECT id FROM member WHERE state = 'active' AND external_id <> %s ORDER BY id LIMIT %s"


async def print_a_run(connection: AsyncConnection[Any], settings: Settings, tokens: Tokens, now: datetime) -> None:
    """Make a run, hand out half of it, and let some be used at tills and some be put into wallets."""
    zone = settings.timezone
    today = local_date(now, zone)
    made, handed_out = (start_of_day(today - timedelta(days=days), zone) + timedelta(hours=11) for days in (16, 12))
    last_day = today + timedelta(days=45)
    async with connection.transaction():
        run = await make_run(
            connection, SKU, name="国贸快闪店", total=NUMBERS, last_day=last_day, actor=ACTOR, now=made, zone=zone
        )
        for act, first, last, reason in (
            ("activated", 1, HANDED_OUT, "已交快闪店现场发放"), ("withdrawn", NUMBERS - SPOILT + 1, NUMBERS, "印刷破损"),
        ):  # fmt: skip
            await decide_range(
                connection, run, act, first=first, last=last, reason=reason, actor=ACTOR, now=handed_out, zone=zone
            )
        found = await connection.execute(_PRINTED, (run, USED + CLAIMED))
        printed = await found.fetchall()
        for place, (voucher, partner, store) in enumerate(printed[:USED]):
            day = local_date(handed_out, zone) + timedelta(days=1 + place % 5)
            at = start_of_day(day, zone) + timedelta(hours=10, minutes=50 * place)
            request = VerifyRequest(
                text=tokens.codes.code_of(voucher), store_code=store, nonce=f"demo-run-{voucher}", verifier="demo",
                partner_id=partner,
            )  # fmt: skip
            await verify(connection, request, now=at, zone=zone, tokens=tokens, on_used_up=complete_when_used_up)
        members = await (await connection.execute(_MEMBERS, (DEMO_MEMBER, CLAIMED))).fetchall()
        for (member,), (voucher, _, _) in zip(members, printed[USED:], strict=False):
            await claim_voucher(
                connection, member, tokens.codes.code_of(voucher), tokens=tokens, actor=f"member:{member}",
                now=handed_out + timedelta(hours=2), zone=zone,
            )  # fmt: skip
