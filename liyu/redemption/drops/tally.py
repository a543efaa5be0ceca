"""Counting what came of attempts at drops: in the process first, so that a rush is not slowed down by being counted.

What a killed process had not written yet, a second's worth, is missing from these figures; orders are counted from the books.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, insert_of

GRANTED = "granted"
SUBJECTS_KEPT = timedelta(days=30)
MOST_SUBJECTS = 2_000
"""Accounts and addresses that are told apart between two writes; further ones are counted without a name."""

_WRITE = "{insert} ON CONFLICT (drop_id, minute, what, subject) DO UPDATE SET count = drop_tally.count + excluded.count"


class _Row(Struct):
    drop_id: int
    minute: datetime
    what: str
    subject: str
    count: int


class Tally:
    """One for each process."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, datetime, str, str]] = Counter()

    @property
    def has_news(self) -> bool:
        """Whether something was counted since the last write."""
        return bool(self._counts)

    def count(self, drop_id: int, what: str, *, now: datetime, subject: str = "") -> None:
        """Count one outcome."""
        if subject and len(self._counts) >= MOST_SUBJECTS:
            subject = ""
        self._counts[drop_id, now.replace(second=0, microsecond=0), what, subject] += 1

    async def write(self, connection: AsyncConnection[Any]) -> None:
        """Add what was counted since the last time to the table; on failure it is kept for the next time."""
        counts, self._counts = self._counts, Counter()
        rows = [_Row(*place, count) for place, count in sorted(counts.items())]
        if not rows:
            return
        try:
            await connection.execute(_WRITE.format(insert=insert_of("drop_tally", _Row)), (encode_rows(rows),))
        except BaseException:
            self._counts += counts
            raise


async def forget_subjects(connection: AsyncConnection[Any], *, now: datetime) -> None:
    """Forget which accounts and addresses were held back a while ago; the counts go with them."""
    await connection.execute("DELETE FROM drop_tally WHERE subject <> '' AND minute < %s", (now - SUBJECTS_KEPT,))
