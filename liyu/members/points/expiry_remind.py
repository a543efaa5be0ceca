"""Telling members of points that lapse: once for each member and month, one to two months before.

The record that a member was told and the message itself are written in one transaction, portion by portion: killed at any
point and run again, nobody is told twice and nobody is left out.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from msgspec import Struct, convert
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, record_of
from liyu.core.i18n import N_, Message, Translate
from liyu.core.ids import make_token
from liyu.core.outbox import MAIL, SMS, OutboxRow, post_many
from liyu.members.account import DatedPoints
from liyu.members.points.expiry import INACTIVE, MonthLapse, months_to_remind
from liyu.members.points.lots import end_of_month
from liyu.members.program import ProgramTerms, load_terms

PORTION = 2_000
NOTICE = "notice"
"""Where there is neither an e-mail address nor a phone number the page of notices alone says it."""


_DUE = """
    SELECT m.id, m.email, m.phone, coalesce(m.locale, %(locale)s) AS locale,
        json_agg(json_build_object('on', l.expires_on, 'points', l.remaining) ORDER BY l.expires_on) AS lots
    FROM lot l JOIN account o ON o.id = l.account_id JOIN member m ON m.id = o.member_id AND m.state IN ('active', 'frozen')
    WHERE l.is_open AND l.expires_on BETWEEN %(today)s AND %(horizon)s AND NOT EXISTS (
        SELECT FROM lapse_reminder r WHERE r.member_id = m.id AND r.cause = 'last_day'
            AND r.month = date_trunc('month', l.expires_on)::date)
    GROUP BY m.id ORDER BY m.id"""


class Reminded(Struct):
    """Somebody who is to be told."""

    id: int
    email: str | None
    phone: str | None
    locale: str

    @property
    def channel(self) -> str:
        """Mail where there is an address, else SMS."""
        return MAIL if self.email else SMS if self.phone else NOTICE


class _Due(Reminded):
    """Somebody with points whose last day comes near."""

    lots: list[DatedPoints]


class _Reminder(Struct):
    """A row of the record."""

    member_id: int
    month: date
    first_day: date
    points: int
    channel: str
    at: datetime
    cause: str


_RECORD = f"""
    INSERT INTO lapse_reminder (member_id, month, first_day, points, channel, at, cause)
    SELECT member_id, month, first_day, points, channel, at, cause FROM {record_of(_Reminder)}
    ON CONFLICT DO NOTHING RETURNING member_id, month"""


async def remind_of_lapses(
    connection: AsyncConnection[Any],
    today: date,
    *,
    now: datetime,
    translate: Translate,
    base_url: str,
    locale: str,
    report: Callable[[int], None] | None = None,
) -> int:
    """Tell everybody of the months in which points of theirs lapse within the program's days; how many messages that made.

    The connection must be in no transaction. `locale` is for members who have not chosen a language.
    """
    terms = await load_terms(connection)
    if terms.reminder_days <= 0:
        return 0
    told = 0
    horizon = end_of_month(today + timedelta(days=terms.reminder_days))
    async with connection.cursor(f"remind_{make_token()[:8]}".replace("-", "_"), withhold=True) as found:
        await found.execute(_DUE, {"today": today, "horizon": horizon, "locale": locale})
        while rows := await found.fetchmany(PORTION):
            people = [_Due(row[0], row[1], row[2], row[3], convert(row[4], list[DatedPoints])) for row in rows]
            due = [(one, month) for one in people for month in months_to_remind(one.lots, today, terms.reminder_days)]
            async with connection.transaction():
                told += await tell_of_lapses(connection, due, terms, now, translate, base_url)
            if report is not None:
                report(told)
    return told


async def tell_of_lapses(
    connection: AsyncConnection[Any],
    due: Sequence[tuple[Reminded, MonthLapse]],
    terms: ProgramTerms,
    now: datetime,
    translate: Translate,
    base_url: str,
) -> int:
    """Write down who was told of what, and the messages, in the caller's transaction; how many were not told before."""
    records = [
        _Reminder(one.id, what.month, what.first_day, what.points, one.channel, now, what.cause) for one, what in due
    ]
    new = set(await (await connection.execute(_RECORD, (encode_rows(records),))).fetchall())
    messages = []
    for one, what in due:
        if (one.id, what.month) in new and one.channel != NOTICE:
            recipient = (one.email if one.channel == MAIL else one.phone) or ""
            subject, body = (translate(text, one.locale) for text in _write(what, terms, base_url))
            messages.append(OutboxRow(one.channel, recipient, subject, body, one.locale, now, now))
    await post_many(connection, messages)
    return len(new)


def _write(what: MonthLapse, terms: ProgramTerms, base_url: str) -> tuple[Message, Message]:
    """Subject and text."""
    values = {
        "program": {"zh": terms.name_zh, "en": terms.name_en}, "points": what.points, "first": what.first_day,
        "final": what.final_day, "address": f"{base_url.rstrip('/')}/points",
    }  # fmt: skip
    subject = Message(N_("%(points)s of your points lapse soon"), values)
    if what.cause == INACTIVE:
        text = N_(
            "[%(program)s] %(points)s of your points lapse after %(first)s, unless you earn or use some before. %(address)s"
        )
    elif what.first_day == what.final_day:
        text = N_("[%(program)s] %(points)s of your points can be used through %(first)s; then they lapse. %(address)s")
    else:
        text = N_(
            "[%(program)s] %(points)s of your points lapse by %(final)s, the first of them after %(first)s. %(address)s"
        )
    return subject, Message(text, values)
