"""How far stores are: great-circle distances by the haversine formula (R. W. Sinnott, Virtues of the Haversine, 1984)."""

from collections.abc import Iterable
from math import asin, cos, radians, sin, sqrt
from typing import NamedTuple

from liyu.vouchers.facts import StoreFacts

EARTH_METRES = 6_371_008.8
"""The mean radius (IUGG). An error of half a per cent against the ellipsoid is no matter for a walk."""


class Place(NamedTuple):
    """A point on earth in degrees, WGS 84."""

    latitude: float
    longitude: float


class NearStore(NamedTuple):
    """A store with its distance in metres; None when nobody has said where it is."""

    store: StoreFacts
    metres: int | None


def distance(here: Place, there: Place) -> float:
    """Metres between two points along the surface."""
    rise, turn = radians(there.latitude - here.latitude), radians(there.longitude - here.longitude)
    half = sin(rise / 2) ** 2 + cos(radians(here.latitude)) * cos(radians(there.latitude)) * sin(turn / 2) ** 2
    return 2 * EARTH_METRES * asin(min(1.0, sqrt(half)))


def nearest_first(stores: Iterable[StoreFacts], here: Place) -> list[NearStore]:
    """Stores by their distance; those whose place is not known come last, in their own order."""
    found = [NearStore(store, _metres(store, here)) for store in stores]
    return sorted(found, key=lambda near: (near.metres is None, near.metres or 0))


def _metres(store: StoreFacts, here: Place) -> int | None:
    if store.latitude is None or store.longitude is None:
        return None
    return round(distance(here, Place(store.latitude, store.longitude)))
