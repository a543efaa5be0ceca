"""The form of a store's address, hours and place, for its partner and for operators."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from msgspec import structs
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.notify import announce_everything
from liyu.core.database import driver_connection
from liyu.core.i18n import N_, Message
from liyu.partners.scope import PartnerScope
from liyu.partners.stores import StoreDetails, StorePage, change_store
from liyu.web.audit import record_act
from liyu.web.forms import DecimalField, Form, TextField
from liyu.web.visit import AnyConnection

LONGEST_ADDRESS = 200
LONGEST_HOURS = 60
_PLACES = 6
"""Decimals of a degree: a tenth of a metre."""
_PAIR = re.compile(r"\s*(-?\d+(?:\.\d*)?)\s*°?\s*[,，;；\s]\s*(-?\d+(?:\.\d*)?)\s*°?\s*")


class DegreesField(DecimalField):
    """An angle, with as many decimals as a device gives; kept to a tenth of a metre."""

    def __init__(self, label: str, most: int) -> None:
        super().__init__(label, minimum=-most, maximum=most, places=20, required=False)

    def parse(self, text: str) -> Decimal:
        return round(super().parse(text.strip("° ")), _PLACES)


class StoreForm(Form):
    address_zh = TextField(N_("Address in Chinese"), maximum=LONGEST_ADDRESS)
    address_en = TextField(N_("Address in English"), maximum=LONGEST_ADDRESS)
    opening_hours = TextField(N_("Opening hours"), required=False, maximum=LONGEST_HOURS)
    latitude = DegreesField(N_("Latitude"), 90)
    longitude = DegreesField(N_("Longitude"), 180)

    @classmethod
    def of(cls, store: StorePage) -> "StoreForm":
        """The form as it stands in the books."""
        place = {name: write_degrees(getattr(store, name)) for name in ("latitude", "longitude")}
        texts = {name: getattr(store, name) for name in ("address_zh", "address_en", "opening_hours")}
        return cls.blank(**texts, **place)

    def check(self) -> Iterable[tuple[str, Message]]:
        missing = [name for name in ("latitude", "longitude") if self.values[name] is None]
        if len(missing) == 1:
            yield (
                missing[0],
                Message(N_("A place has both, latitude and longitude. Fill in the other one, or clear both.")),
            )

    def _take(self, given: Mapping[str, list[Any]]) -> None:
        super()._take({**given, **_split_pair(given)})


def _split_pair(given: Mapping[str, list[Any]]) -> dict[str, list[str]]:
    """A pair that was pasted into one field, as both; what stands in the other field gives way to it."""
    for name in ("latitude", "longitude"):
        sent = given.get(name, [])
        pair = _PAIR.fullmatch(str(sent[0])) if sent else None
        if pair:
            return {"latitude": [pair[1]], "longitude": [pair[2]]}
    return {}


def write_degrees(degrees: float | None) -> str:
    """Degrees as a form shows them; nothing where no place is known."""
    return "" if degrees is None else f"{degrees:.{_PLACES}f}".rstrip("0").rstrip(".")


async def save_store(
    request: AnyConnection,
    session: AsyncSession,
    scope: PartnerScope,
    code: str,
    form: StoreForm,
    *,
    own_store_id: int | None = None,
) -> None:
    """Change a store as a valid form says, with an audit event. Raises UnknownStoreCodeError."""
    connection = await driver_connection(session)
    latitude, longitude = (
        None if form.values[name] is None else float(form.values[name]) for name in ("latitude", "longitude")
    )
    after = StoreDetails(
        address_zh=form.address_zh,
        address_en=form.address_en,
        opening_hours=form.opening_hours,
        latitude=latitude,
        longitude=longitude,
    )
    before = await change_store(scope, code, after, connection, own_store_id=own_store_id)
    await announce_everything(connection)
    await record_act(
        request, session, "store.change", f"store:{code}", before=structs.asdict(before), after=structs.asdict(after)
    )
