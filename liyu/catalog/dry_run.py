"""What a publication would do, row by row, before anybody says yes."""

from msgspec import Struct

from liyu.catalog.errors import RowFault
from liyu.catalog.plan import PlannedItem
from liyu.catalog.versions import Difference, differences, facts_of


class RowPreview(Struct, frozen=True):
    """What a row would do."""

    row: int
    sku: str
    name_zh: str
    name_en: str
    status: str
    """`new`, `changed` or `unchanged`."""
    differences: list[Difference]


class DryRun(Struct, frozen=True):
    """What a file would do, row by row, or every fault."""

    rows: list[RowPreview]
    faults: list[RowFault]

    def count(self, status: str) -> int:
        """How many rows have this status."""
        return sum(row.status == status for row in self.rows)


def preview_row(item: PlannedItem, *, keep_states: bool = False) -> RowPreview:
    """What publishing a planned item would do."""
    row, known = item.row, item.known
    if known is None:
        return RowPreview(item.record.row, row.sku, row.name_zh, row.name_en, "new", [])
    changes = differences(facts_of(known.row, known.total, known.stores), facts_of(row, item.total, item.stores))
    status = "changed" if item.needs_writing(keep_states=keep_states) else "unchanged"
    return RowPreview(item.record.row, row.sku, row.name_zh, row.name_en, status, changes)
