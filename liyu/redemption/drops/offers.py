"""What is kept for a member, as the desk sees it: read under the stock's lock, taken together with the redemption."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, record_of
from liyu.core.database import fetch_all

_READ = "SELECT id, item_id, member_id, units, state, deadline FROM drop_offer WHERE id = ANY(%s)"

KEPT = """
    SELECT coalesce(sum(o.units), 0)::bigint FROM drop_offer o WHERE o.item_id = s.item_id AND o.state = 'open'"""
"""Units of the item of a stock `s` that are kept for members: what the proof of the books adds to the redemptions."""


class Offer(Struct):
    """Units that are kept for one member until the deadline."""

    id: int
    item_id: int
    member_id: int
    units: int
    state: str
    deadline: datetime

    def holds(self, member_id: int, item_id: int, now: datetime) -> bool:
        """Whether it is kept for this member, of this item, now."""
        return self.state == "open" and (self.member_id, self.item_id) == (member_id, item_id) and now < self.deadline


class OfferTaken(Struct):
    """An offer and the redemption that took it."""

    id: int
    redemption_id: int
    at: datetime


TAKE_OFFERS = f"""
    WITH taken AS (
        UPDATE drop_offer o SET state = 'taken', decided_at = r.at, redemption_id = r.redemption_id
        FROM {record_of(OfferTaken)} WHERE o.id = r.id RETURNING o.drop_id, o.member_id, o.entry_id, r.at),
    served AS (UPDATE drop_entry e SET state = 'served' FROM taken WHERE e.id = taken.entry_id)
    INSERT INTO drop_note (drop_id, member_id, what, details, at) SELECT drop_id, member_id, 'taken', '{{}}', at FROM taken"""


async def read_offers(connection: AsyncConnection[Any], offer_ids: list[int]) -> dict[int, Offer]:
    """What is kept, by id. The caller holds the locks of the items' stocks, under which offers are made and decided."""
    return {offer.id: offer for offer in await fetch_all(connection, Offer, _READ, (offer_ids,))}


async def take_offers(connection: AsyncConnection[Any], taken: list[OfferTaken]) -> None:
    """Mark offers as taken by their redemptions."""
    await connection.execute(TAKE_OFFERS, (encode_rows(taken),))
