"""Attempts of hosts that were refused at a drop, for the log of why: gathered in the process, written once a second.

The mall's attempts are found by the answers kept for a member's keys; a host's keys do not say whose they are. What a killed
process had not written yet, a second's worth, is missing from the log; nothing of what was granted is.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, record_of
from liyu.core.errors import DomainError
from liyu.redemption.errors import name_reason

REFUSED = "refused"


class _Row(Struct):
    drop_id: int
    member: str
    details: dict[str, Any]
    at: datetime


_WRITE = f"""
    INSERT INTO drop_note (drop_id, member_id, what, details, at)
    SELECT r.drop_id, coalesce(m.merged_into, m.id), '{REFUSED}', r.details, r.at
    FROM {record_of(_Row)} JOIN member m ON m.external_id = r.member ORDER BY r.at"""


class Attempts:
    """One for each process."""

    def __init__(self) -> None:
        self._rows: list[_Row] = []

    @property
    def has_news(self) -> bool:
        """Whether something was refused since the last write."""
        return bool(self._rows)

    def note(self, drop_id: int, member: str, refusal: DomainError, *, now: datetime) -> None:
        """Note what a member, by external id, was refused, with every reason."""
        reasons = [[name_reason(reason), reason.details] for reason in refusal.reasons]
        self._rows.append(_Row(drop_id, member, {"reasons": reasons}, now))

    async def write(self, connection: AsyncConnection[Any]) -> None:
        """Write what was noted since the last time; on failure it is kept for the next time."""
        rows, self._rows = self._rows, []
        try:
            await connection.execute(_WRITE, (encode_rows(rows),))
        except BaseException:
            self._rows = rows + self._rows
            raise
