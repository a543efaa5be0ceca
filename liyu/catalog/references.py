"""What items refer to by the codes that people use: tiers, partners, their agreement lines and stores."""

from datetime import date
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection


class PartnerReference(Struct, frozen=True):
    """A partner that items may name."""

    id: int
    category: str


class References(Struct):
    """All that items can refer to, by code."""

    tiers: dict[str, int]
    """By code, and by either name, in lower case."""
    tier_codes: list[str]
    partners: dict[str, PartnerReference]
    lines: dict[int, dict[str, int]]
    """Agreement lines that hold today, by partner and code."""
    stores: dict[str, tuple[int, int]]
    """Id and partner of the stores that were asked for."""
    tags: dict[str, int]
    """Tags that are in use, by code and by either name, in lower case."""
    tag_codes: list[str]


async def load_references(connection: AsyncConnection[Any], store_codes: list[str], today: date) -> References:
    """Load tiers, partners, the agreement lines in force on `today` and the named stores."""
    tiers = await _rows(connection, "SELECT id, code, name_zh, name_en FROM tier ORDER BY rank")
    partners = await _rows(connection, "SELECT code, id, category FROM partner")
    lines = await _rows(
        connection,
        "SELECT DISTINCT ON (partner_id, code) partner_id, code, id FROM agreement_line "
        "WHERE valid_from <= %(today)s AND (valid_to IS NULL OR %(today)s <= valid_to) "
        "ORDER BY partner_id, code, version DESC",
        {"today": today},
    )
    stores = await _rows(
        connection, "SELECT code, id, partner_id FROM store WHERE code = ANY(%(codes)s)", {"codes": store_codes}
    )
    tags = await _rows(connection, "SELECT id, code, name_zh, name_en FROM tag WHERE active ORDER BY id")
    lines_of: dict[int, dict[str, int]] = {}
    for partner_id, code, line_id in lines:
        lines_of.setdefault(partner_id, {})[code] = line_id
    return References(
        tiers={name.lower(): tier_id for tier_id, *names in reversed(tiers) for name in names if name},
        tier_codes=[code for _, code, _, _ in tiers],
        partners={code: PartnerReference(partner_id, category) for code, partner_id, category in partners},
        lines=lines_of,
        stores={code: (store_id, partner_id) for code, store_id, partner_id in stores},
        tags={name.lower(): tag_id for tag_id, *names in reversed(tags) for name in names if name},
        tag_codes=[code for _, code, _, _ in tags],
    )


async def _rows(connection: AsyncConnection[Any], query: str, values: dict[str, Any] | None = None) -> list[Any]:
    return await (await connection.execute(query, values)).fetchall()
