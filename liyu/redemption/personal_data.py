"""Everything that is held about members, over all packages: for the copy that they may ask for, and for their erasure."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog import personal_data as catalog
from liyu.core import personal_data as core
from liyu.core.database import fetch_all
from liyu.core.i18n import N_
from liyu.core.personal import PersonalTable, read_personal_data
from liyu.members import personal_data as members
from liyu.members.personal_data import find_person
from liyu.redemption.campaigns import personal_data as campaigns
from liyu.redemption.drops import personal_data as drops
from liyu.redemption.orderdesk import personal_data as orderdesk
from liyu.vouchers import personal_data as vouchers

OWN = [
    PersonalTable(
        table="redemption",
        title=N_("Orders"),
        read="""
            SELECT r.created_at, r.number, i.name_zh, i.name_en, r.quantity, r.points, r.cash_minor, r.state
            FROM redemption r JOIN item i ON i.id = r.item_id WHERE r.member_id = ANY(%(members)s) ORDER BY r.id""",
    ),
    PersonalTable(
        table="redemption_address",
        title=N_("Addresses of orders"),
        read="""
            SELECT r.number, a.recipient, a.phone, a.province, a.city, a.district, a.detail
            FROM redemption_address a JOIN redemption r ON r.id = a.redemption_id
            WHERE r.member_id = ANY(%(members)s) ORDER BY r.id""",
        erase="""
            DELETE FROM redemption_address a USING redemption r
            WHERE r.id = a.redemption_id AND r.member_id = ANY(%(members)s)""",
    ),
    PersonalTable(table="limit_use", title=N_("Limits used"), read=None),
    *orderdesk.PERSONAL_DATA,
]

PERSONAL_DATA: list[PersonalTable] = [
    *members.PERSONAL_DATA,
    *catalog.PERSONAL_DATA,
    *OWN,
    *drops.PERSONAL_DATA,
    *campaigns.PERSONAL_DATA,
    *vouchers.PERSONAL_DATA,
    *core.PERSONAL_DATA,
]


class ExportLine(Struct, frozen=True):
    """A copy that was taken of a member's data."""

    actor: str
    rows: int
    bytes: int
    at: datetime


async def export_member(connection: AsyncConnection[Any], member_id: int) -> dict[str, list[dict[str, Any]]]:
    """Everything that is held about a member, by table. Raises NotFoundError."""
    person = await find_person(connection, member_id)
    return await read_personal_data(connection, PERSONAL_DATA, person)


async def note_export(
    connection: AsyncConnection[Any], member_id: int, *, actor: str, rows: int, size: int, now: datetime
) -> None:
    """Log that somebody took a copy; `size` is in bytes."""
    await connection.execute(
        "INSERT INTO data_export (member_id, actor, rows, bytes, at) VALUES (%s, %s, %s, %s, %s)",
        (member_id, actor, rows, size, now),
    )


async def list_exports(connection: AsyncConnection[Any], member_id: int, most: int = 10) -> list[ExportLine]:
    """The latest copies that were taken of a member's data, the newest first."""
    return await fetch_all(
        connection,
        ExportLine,
        "SELECT actor, rows, bytes, at FROM data_export WHERE member_id = %s ORDER BY id DESC LIMIT %s",
        (member_id, most),
    )
