"""Clearing by inactive days: where the program says so, the points of who does nothing for so long lapse.

Active is who earns, redeems or cancels, and whose points a person moves; what happens by itself, maturing and lapse, is no
activity. A last day stays what it is: whichever comes first.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection
from psycopg.rows import class_row

from liyu.core.clock import start_of_day
from liyu.core.i18n import Translate
from liyu.core.ids import make_token
from liyu.core.ledger.posting import system_accounts
from liyu.members.points.expiry import INACTIVE, MonthLapse
from liyu.members.points.expiry_remind import PORTION, Reminded, tell_of_lapses
from liyu.members.points.lapse import lapse_statement
from liyu.members.points.portions import Moved, Report, move_in_portions
from liyu.members.program import load_terms

# Of the member `m` with the points account `a`: the last moment of doing something. What a host tells late counts when it is told.
_LAST_ACTIVE = """
    greatest(coalesce(m.activated_at, m.joined_at),
        (SELECT max(t.at) FROM transfer t WHERE t.credit_account_id = a.id AND t.event NOT IN ('mature', 'lapse')),
        (SELECT max(t.at) FROM transfer t WHERE t.debit_account_id = a.id AND t.event NOT IN ('mature', 'lapse')),
        (SELECT e.received_at FROM earning_event e WHERE e.member_id = m.id ORDER BY e.id DESC LIMIT 1))"""

_SILENT = f"m.state = 'active' AND {_LAST_ACTIVE} < %(cutoff)s"

_OF_MEMBER = "account a ON a.id = l.account_id AND a.kind = 'member_points' JOIN member m ON m.id = a.member_id"

_DUE = f"SELECT a.id, l.id FROM lot l JOIN {_OF_MEMBER} WHERE l.is_open AND {_SILENT} ORDER BY a.id, l.id"

_LAPSE = lapse_statement(f"lot l JOIN {_OF_MEMBER}", _SILENT, reason=f"'{INACTIVE}'")

_TO_TELL = f"""
    SELECT * FROM (
        SELECT m.id, m.email, m.phone, coalesce(m.locale, %(locale)s) AS locale, a.balance AS points,
            ({_LAST_ACTIVE} AT TIME ZONE %(zone)s)::date + %(days)s::int AS final_day
        FROM member m JOIN account a ON a.member_id = m.id AND a.kind = 'member_points'
        WHERE a.balance > 0 AND {_SILENT}) AS silent
    WHERE final_day >= %(today)s AND NOT EXISTS (
        SELECT FROM lapse_reminder r WHERE r.member_id = silent.id AND r.cause = '{INACTIVE}'
            AND r.month = date_trunc('month', final_day)::date)
    ORDER BY id"""


class _Silent(Reminded):
    """Somebody who is to be told, with the last day of their points unless they do something."""

    points: int
    final_day: date


async def lapse_inactive(
    connection: AsyncConnection[Any],
    day: date,
    *,
    zone: ZoneInfo,
    actor: str,
    now: datetime,
    report: Report | None = None,
) -> Moved:
    """Lapse the usable points of everybody who has done nothing for the program's days before `day`; nothing without such days.

    The connection must be in no transaction. Whoever does something meanwhile keeps their points: it is looked at again under
    the lock. Killed at any point it is simply run again.
    """
    days = (await load_terms(connection)).inactive_days
    if not days:
        return Moved()
    lapsed = (await system_accounts(connection))["points_lapsed"]
    values = {"cutoff": start_of_day(day - timedelta(days=days), zone), "lapsed": lapsed, "actor": actor, "now": now}

    async def lapse(lots: list[int]) -> tuple[int, int]:
        done = await connection.execute(_LAPSE, values | {"lots": lots})
        count, points = await done.fetchone() or (0, 0)
        return count, points

    return await move_in_portions(connection, _DUE, values, lapse, report)


async def remind_of_inactivity(
    connection: AsyncConnection[Any],
    today: date,
    *,
    now: datetime,
    zone: ZoneInfo,
    translate: Translate,
    base_url: str,
    locale: str,
    report: Callable[[int], None] | None = None,
) -> int:
    """Tell everybody whose points lapse for inactivity within the program's days of reminding; how many were told.

    Once for the month in which it would happen. The connection must be in no transaction.
    """
    terms = await load_terms(connection)
    if not (terms.inactive_days and terms.reminder_days):
        return 0
    told = 0
    values = {
        "cutoff": start_of_day(today + timedelta(days=terms.reminder_days - terms.inactive_days + 1), zone),
        "zone": str(zone), "days": terms.inactive_days, "today": today, "locale": locale,
    }  # fmt: skip
    name = f"silent_{make_token()[:8]}".replace("-", "_")
    async with connection.cursor(name, row_factory=class_row(_Silent), withhold=True) as found:
        await found.execute(_TO_TELL, values)
        while people := await found.fetchmany(PORTION):
            due = [(one, _month_of(one)) for one in people]
            async with connection.transaction():
                told += await tell_of_lapses(connection, due, terms, now, translate, base_url)
            if report is not None:
                report(told)
    return told


def _month_of(one: _Silent) -> MonthLapse:
    return MonthLapse(one.final_day.replace(day=1), one.final_day, one.final_day, one.points, INACTIVE)
