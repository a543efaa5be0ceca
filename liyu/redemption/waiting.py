"""What waits for somebody of the operator's staff."""

from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all
from liyu.redemption.aftersale.states import WAITS_FOR_US


class Waiting(Struct, frozen=True):
    """How many of each kind wait; what the asker began is left out where somebody else has to decide."""

    adjustments: int
    campaigns: int
    extensions: int
    offers: int
    after_sales: int
    top_ups: int
    """Those that no system carries out."""


_COUNTS = """
    SELECT (SELECT count(*) FROM adjustment_request WHERE state = 'requested' AND requested_by <> %(actor)s) AS adjustments,
        (SELECT count(*) FROM campaign WHERE state = 'asked' AND asked_by IS DISTINCT FROM %(actor)s) AS campaigns,
        (SELECT count(*) FROM voucher_extension WHERE state = 'waiting' AND asked_by IS DISTINCT FROM %(actor)s) AS extensions,
        (SELECT count(*) FROM item WHERE state = 'submitted')
            + (SELECT count(*) FROM item_proposal WHERE state = 'submitted') AS offers,
        (SELECT count(*) FROM after_sale WHERE closed_at IS NULL AND state = ANY(%(after_sales)s)) AS after_sales,
        (SELECT count(*) FROM top_up WHERE state IN ('waiting', 'unknown') AND next_at IS NULL) AS top_ups"""


async def count_waiting(connection: AsyncConnection[Any], actor: str) -> Waiting:
    """What waits for `actor`, a reference such as `staff:3`."""
    (found,) = await fetch_all(connection, Waiting, _COUNTS, {"actor": actor, "after_sales": list(WAITS_FOR_US)})
    return found
