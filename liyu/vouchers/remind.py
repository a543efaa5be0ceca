"""Telling members that a voucher of theirs runs out: once for each voucher, holder and last day, so many days before as the program
says.

A service message about what a member holds, which comes in any case (docs/algorithms/account.md "Consents"). The record and the
message are written in one transaction, portion by portion: killed and run again, nobody is told twice and nobody is left out.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection, AsyncServerCursor
from psycopg.rows import class_row

from liyu.core.bulk import encode_rows, record_of
from liyu.core.clock import local_date
from liyu.core.i18n import N_, Message, Translate
from liyu.core.ids import make_token
from liyu.core.outbox import MAIL, SMS, OutboxRow, post_many
from liyu.members.notices import NoticeRow, tell_members
from liyu.members.program import ProgramTerms, load_terms
from liyu.vouchers.rules import load_rules

PORTION = 2_000
NOTICE = "notice"
"""Where there is neither an e-mail address nor a phone number the page of notices alone says it."""
TOPIC = "voucher_ends"


_DUE = """
    SELECT v.id, m.id AS member_id, m.email, m.phone, coalesce(m.locale, %(locale)s) AS locale, v.expires_at,
        i.name_zh, i.name_en
    FROM voucher v JOIN member m ON m.id = coalesce(v.holder_id, v.member_id) AND m.state IN ('active', 'frozen')
    JOIN item i ON i.id = v.item_id
    WHERE v.state IN ('issued', 'partly_used') AND v.frozen_at IS NULL
        AND v.expires_at > %(now)s AND v.expires_at <= %(horizon)s
        AND NOT EXISTS (SELECT FROM voucher_reminder r JOIN member k ON k.id = r.member_id
            WHERE r.voucher_id = v.id AND coalesce(k.merged_into, k.id) = m.id AND r.expires_at = v.expires_at)
    ORDER BY m.id, v.expires_at, v.id"""


class _Due(Struct):
    """A voucher that runs out, and who holds it."""

    id: int
    member_id: int
    email: str | None
    phone: str | None
    locale: str
    expires_at: datetime
    name_zh: str
    name_en: str

    @property
    def channel(self) -> str:
        """Mail where there is an address, else SMS."""
        return MAIL if self.email else SMS if self.phone else NOTICE


class _Reminder(Struct):
    voucher_id: int
    member_id: int
    expires_at: datetime
    channel: str
    at: datetime


_RECORD = f"""
    INSERT INTO voucher_reminder (voucher_id, member_id, expires_at, channel, at)
    SELECT voucher_id, member_id, expires_at, channel, at FROM {record_of(_Reminder)}
    ON CONFLICT DO NOTHING RETURNING voucher_id"""


async def remind_of_vouchers(
    connection: AsyncConnection[Any],
    *,
    now: datetime,
    zone: ZoneInfo,
    translate: Translate,
    base_url: str,
    locale: str,
) -> int:
    """Tell everybody whose vouchers run out within the program's days; how many vouchers were told of.

    The connection must be in no transaction. `locale` is for members who have not chosen a language.
    """
    rules, terms = await load_rules(connection), await load_terms(connection)
    if rules.reminder_days <= 0:
        return 0
    told = 0
    values = {"now": now, "horizon": now + timedelta(days=rules.reminder_days), "locale": locale}
    name = f"remind_{make_token()[:8]}".replace("-", "_")
    async with connection.cursor(name, row_factory=class_row(_Due), withhold=True) as found:
        await found.execute(_DUE, values)
        async for due in _read_portions(found):
            async with connection.transaction():
                told += await _tell(connection, due, terms, now, zone, translate, base_url)
    return told


async def _read_portions(found: AsyncServerCursor[_Due]) -> AsyncIterator[list[_Due]]:
    """Portions that tear nobody's vouchers apart: everybody gets one message."""
    held: list[_Due] = []
    while page := await found.fetchmany(PORTION):
        held += page
        whole = [one for one in held if one.member_id != page[-1].member_id]
        held = held[len(whole) :]
        if whole:
            yield whole
    if held:
        yield held


async def _tell(
    connection: AsyncConnection[Any],
    due: list[_Due],
    terms: ProgramTerms,
    now: datetime,
    zone: ZoneInfo,
    translate: Translate,
    base_url: str,
) -> int:
    records = [_Reminder(one.id, one.member_id, one.expires_at, one.channel, now) for one in due]
    new = {row[0] for row in await (await connection.execute(_RECORD, (encode_rows(records),))).fetchall()}
    fresh = [one for one in due if one.id in new]
    await tell_members(connection, [_notice(one, now, zone) for one in fresh])
    messages = [
        _message(list(vouchers), terms, now, zone, translate, base_url)
        for _, vouchers in groupby((one for one in fresh if one.channel != NOTICE), key=lambda one: one.member_id)
    ]
    await post_many(connection, messages)
    return len(fresh)


def _notice(one: _Due, now: datetime, zone: ZoneInfo) -> NoticeRow:
    details = {"item": {"zh": one.name_zh, "en": one.name_en}, "day": _last_day(one, zone).isoformat()}
    return NoticeRow(one.member_id, TOPIC, str(one.id), details, now)


def _message(
    vouchers: list[_Due],
    terms: ProgramTerms,
    now: datetime,
    zone: ZoneInfo,
    translate: Translate,
    base_url: str,
) -> OutboxRow:
    """One message for all vouchers of a member; it names the one that runs out first."""
    first = vouchers[0]
    values = {
        "program": {"zh": terms.name_zh, "en": terms.name_en},
        "item": {"zh": first.name_zh, "en": first.name_en or first.name_zh},
        "day": _last_day(first, zone),
        "more": len(vouchers) - 1,
        "address": f"{base_url.rstrip('/')}/wallet",
    }
    if len(vouchers) == 1:
        text = N_("[%(program)s] Your voucher “%(item)s” can be used until %(day)s. %(address)s")
    else:
        text = N_(
            "[%(program)s] Your voucher “%(item)s” can be used until %(day)s; %(more)s more end soon. %(address)s"
        )
    subject = translate(Message(N_("“%(item)s” ends soon"), values), first.locale)
    body = translate(Message(text, values), first.locale)
    recipient = (first.email if first.channel == MAIL else first.phone) or ""
    return OutboxRow(first.channel, recipient, subject, body, first.locale, now, now)


def _last_day(one: _Due, zone: ZoneInfo) -> Any:
    return local_date(one.expires_at - timedelta(microseconds=1), zone)
