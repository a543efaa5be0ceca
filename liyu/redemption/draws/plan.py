"""Who gets what, without any I/O: the drawn order meets the prizes."""

from collections.abc import Iterator

from msgspec import Struct

from liyu.redemption.draws.records import Prize

NOT_ACTIVE = "not_active"


class Place(Struct, frozen=True):
    """A place in the drawn order with what it comes to at first; `reason` says why somebody was passed over."""

    place: int
    code: str
    state: str
    prize_id: int | None = None
    reason: str = ""


def plan_places(order: list[str], prizes: list[Prize], active: set[str], *, to_claim: bool) -> list[Place]:
    """Give the units of the prizes, the first prize first, down the drawn order; who is not active any more is passed over.

    `active` holds the codes of the entries whose members can receive something.
    """
    units = units_of({prize.id: prize.units for prize in prizes})
    places = []
    for number, code in enumerate(order, 1):
        if code not in active:
            places.append(Place(number, code, "passed_over", reason=NOT_ACTIVE))
            continue
        prize = next(units, None)
        if prize is None:
            places.append(Place(number, code, "waiting"))
        else:
            places.append(Place(number, code, "offered" if to_claim else "won", prize))
    return places


def units_of(left: dict[int, int]) -> Iterator[int]:
    """The prize of each unit, in the order of the prizes."""
    return (prize_id for prize_id, units in left.items() for _ in range(units))
