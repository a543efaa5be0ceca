"""What a printed statement says: head, lines, the terms they were reckoned with, and the entries, in one reading."""

from datetime import date
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.partners.scope import PartnerScope
from liyu.partners.settlement.queries import EntryView, StatementPage, read_rows, statement_entries, statement_page

MOST_ENTRIES = 500
"""So many entries are printed, a dozen pages; who has more takes them from the workbook, which has no limit."""


class LineTerms(Struct, frozen=True):
    """The agreed terms behind one line of a statement; amounts in minor units."""

    agreement_line_id: int
    code: str
    version: int
    mode: str
    title_zh: str
    title_en: str
    unit_price_minor: int
    commission_minor: int
    free_quota: int
    tax_rate_basis_points: int
    valid_from: date
    valid_to: date | None


class StatementDocument(Struct, frozen=True):
    """A statement as it is printed."""

    page: StatementPage
    terms: list[LineTerms]
    entries: list[EntryView]

    @property
    def left_out(self) -> int:
        """How many entries are not printed."""
        return self.page.head.entries - len(self.entries)


_TERMS = """
    SELECT l.id AS agreement_line_id, l.code, l.version, l.mode, l.title_zh, l.title_en, l.unit_price_minor,
        l.commission_minor, l.free_quota, l.tax_rate_basis_points, l.valid_from, l.valid_to
    FROM statement_line s JOIN agreement_line l ON l.id = s.agreement_line_id
    WHERE s.statement_id = %s ORDER BY s.position"""


async def load_document(
    partner: PartnerScope, connection: AsyncConnection[Any], statement_id: int
) -> StatementDocument:
    """Everything on a printed statement; a partner's own only. Raises UnknownStatementError, also for a foreign one."""
    page = await statement_page(partner, connection, statement_id)
    few = page.head.entries <= MOST_ENTRIES
    found = await statement_entries(partner, connection, statement_id, limit=MOST_ENTRIES) if few else None
    return StatementDocument(
        page=page,
        terms=await read_rows(connection, LineTerms, _TERMS, (statement_id,)),
        entries=found.entries if found else [],
    )
