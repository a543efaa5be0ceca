"""What a member may ask for after an order was sent or handed out: kinds, units and until when; pure."""

from datetime import datetime, timedelta

from msgspec import Struct

KINDS = ("return", "exchange", "refund")


class OrderFacts(Struct, frozen=True):
    """What decides about it. `received_at` is when its last parcel arrived, or when it was completed."""

    kind: str
    state: str
    quantity: int
    given_back: int
    """Units whose points went back before."""
    received_at: datetime | None
    return_days: int
    has_open: bool

    @property
    def left(self) -> int:
        """Units that a request can be about."""
        return self.quantity - self.given_back


class Offer(Struct, frozen=True):
    """What may be asked for; no kinds is nothing. `until` None is as long as the order is on its way."""

    kinds: tuple[str, ...]
    units: int
    until: datetime | None = None


NOTHING = Offer((), 0)


def find_offer(order: OrderFacts, now: datetime) -> Offer:
    """Goods are given back or exchanged for some days after they arrived; what did not arrive, or does not work, is refunded."""
    if order.has_open or order.left <= 0:
        return NOTHING
    if order.kind == "goods" and order.state == "fulfilling":
        return Offer(("refund",), order.left)
    kinds = {"goods": KINDS, "code": ("refund",), "top_up": ("refund",)}.get(order.kind, ())
    if not kinds or order.state != "completed" or order.received_at is None:
        return NOTHING
    until = order.received_at + timedelta(days=order.return_days)
    return Offer(kinds, order.left, until) if now < until else NOTHING


def share(whole: int, parts: int, of_parts: int) -> int:
    """What of a sum belongs to so many of its parts, rounded down: with the last part goes the last of the sum."""
    return whole * parts // of_parts
