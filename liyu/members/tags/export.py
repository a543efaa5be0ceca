"""Members as a file, by tier, tag and segment."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.exports import Sheet
from liyu.core.i18n import N_, Say
from liyu.core.spreadsheets import Rows
from liyu.members.tags.queries import ROWS_AT_ONCE, Audience, ExportedMember, iterate_audience

HEADINGS = (
    N_("Member number"), N_("Full name"), N_("Mobile"), N_("E-mail"), N_("Date of birth"), N_("City"), N_("Tier"),
    N_("Growth value"), N_("Points balance"), N_("Tags"), N_("State"), N_("Joined on"),
)  # fmt: skip
_NUMBERS = frozenset({7, 8})


def members_sheet(
    connection: AsyncConnection[Any], audience: Audience, today: date, zone: ZoneInfo, translate: Say
) -> Sheet:
    """The members who are meant; reading them needs a transaction."""
    headings = [translate(heading) for heading in HEADINGS]
    return Sheet(headings, _pages(connection, audience, today, zone), _NUMBERS)


async def _pages(
    connection: AsyncConnection[Any], audience: Audience, today: date, zone: ZoneInfo
) -> AsyncIterator[Rows]:
    rows: Rows = []
    async for member in iterate_audience(connection, audience, today, zone):
        rows.append(_cells(member, zone))
        if len(rows) == ROWS_AT_ONCE:
            yield rows
            rows = []
    yield rows


def _cells(member: ExportedMember, zone: ZoneInfo) -> list[str]:
    return [
        member.external_id, member.name or "", member.phone or "", member.email or "", str(member.birthday or ""),
        member.city or "", member.tier, str(member.growth), str(member.balance), ";".join(member.tags), member.state,
        local_date(member.joined_at, zone).isoformat(),
    ]  # fmt: skip
