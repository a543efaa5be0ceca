"""Orders as a file."""

from collections.abc import AsyncIterator
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.catalog.names import KIND_NAMES
from liyu.core.exports import Sheet
from liyu.core.i18n import N_, Say
from liyu.core.spreadsheets import Rows
from liyu.redemption.names import STATE_NAMES
from liyu.redemption.queries import RedemptionFilter, RedemptionLine, list_redemptions

ROWS_AT_ONCE = 1_000
HEADINGS = (
    N_("Order number"), N_("Redeemed at"), N_("Status"), N_("Kind"), N_("Item number"), N_("Item"), N_("Partner"),
    N_("Member number"), N_("Full name"), N_("Units"), N_("Points"), N_("Cash"),
)  # fmt: skip
_NUMBERS = frozenset({9, 10})


def orders_sheet(
    connection: AsyncConnection[Any], wanted: RedemptionFilter, locale: str, zone: ZoneInfo, translate: Say
) -> Sheet:
    """The orders that the filter leaves, the newest first, in the language of `locale`."""
    headings = [translate(heading) for heading in HEADINGS]
    return Sheet(headings, _pages(connection, wanted, locale, zone, translate), _NUMBERS)


async def _pages(
    connection: AsyncConnection[Any], wanted: RedemptionFilter, locale: str, zone: ZoneInfo, translate: Say
) -> AsyncIterator[Rows]:
    after: int | None = None
    while True:
        found = await list_redemptions(connection, wanted, after=after, size=ROWS_AT_ONCE)
        yield [_cells(line, locale, zone, translate) for line in found.lines]
        after = found.next
        if after is None:
            return


def _cells(line: RedemptionLine, locale: str, zone: ZoneInfo, translate: Say) -> list[str]:
    item, partner = (line.name_en, line.partner_en) if locale == "en" else (line.name_zh, line.partner_zh)
    return [
        line.number, line.created_at.astimezone(zone).strftime("%Y-%m-%d %H:%M"), translate(STATE_NAMES[line.state]),
        translate(KIND_NAMES[line.kind]), line.sku, item or line.name_zh, partner or "", line.member, line.member_name or "",
        str(line.quantity), str(line.points), f"{line.cash_minor // 100}.{line.cash_minor % 100:02d}",
    ]  # fmt: skip
