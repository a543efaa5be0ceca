"""Partners as they come in from outside: the shape of a record, and one pass that finds every fault."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec
from msgspec import Meta, Struct
from stdnum.cn import uscc

from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.core.money import BASIS_POINTS
from liyu.partners.models import COOPERATION_MODES, OFFLINE_LOSSES

CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,39}")
LARGEST_AMOUNT = 10**15
"""Ten trillion yuan in fen: more is a slip of the keyboard."""

Record = TypeVar("Record", bound=Struct)


class LineRecord(Struct, frozen=True):
    """One agreement line; amounts in minor units of CNY, `tax_rate_bp` in basis points."""

    code: str
    mode: str
    title_zh: str
    title_en: str
    unit_price_minor: int = 0
    commission_minor: int = 0
    free_quota: int = 0
    tax_rate_bp: int = 0
    offline_loss: str = "partner"
    offline_loss_cap_minor: int = 0


class StoreRecord(Struct, frozen=True):
    """One store; `city` is the national division code."""

    code: str
    name_zh: str
    name_en: str
    city_name_zh: str
    city_name_en: str
    address_zh: str
    address_en: str
    opening_hours: str
    city: str | None = None
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    """In degrees, WGS 84, both or neither."""


class PartnerRecord(Struct, frozen=True):
    """One partner; `agreement` and `stores` hold the raw records below it."""

    code: str
    name_zh: str
    name_en: str
    category: str
    credit_code: str | None = None
    registered_capital_minor: int | None = None
    founded_on: date | None = None
    service_phone: str | None = None
    brand_id: str | None = None
    agreement: list[Any] = []
    stores: list[Any] = []


class PartnerInput(Struct, frozen=True):
    """A partner whose every part has been read."""

    partner: PartnerRecord
    lines: list[LineRecord]
    stores: list[StoreRecord]


class Faults:
    """The faults found so far, by the place of the value: `2.stores.0.code`."""

    def __init__(self) -> None:
        self.found: dict[str, Message] = {}

    def add(self, place: str, text: str, **values: object) -> None:
        """Note a fault; the first one of a place stands."""
        self.found.setdefault(place, Message(text, dict(values)))

    def raise_any(self) -> None:
        """Raise InvalidInputError naming every fault, if there is one."""
        if self.found:
            raise InvalidInputError.of_fields(self.found)


def read_partners(records: Any, today: date) -> list[PartnerInput]:
    """Records decoded from JSON as partners. Raises InvalidInputError naming every fault of every record at once."""
    faults = Faults()
    if not isinstance(records, list):
        faults.add("records", N_("A list is needed here."))
    partners = [
        _read_partner(one, str(place), faults) for place, one in enumerate(records if isinstance(records, list) else [])
    ]
    read = [one for one in partners if one is not None]
    for place, one in enumerate(partners):
        if one is not None:
            _check_partner(one, str(place), today, faults)
    _check_unique(partners, faults)
    faults.raise_any()
    return read


def _read_partner(raw: Any, place: str, faults: Faults) -> PartnerInput | None:
    partner = _read(PartnerRecord, raw, place, faults)
    if partner is None:
        return None
    lines = [_read(LineRecord, one, f"{place}.agreement.{n}", faults) for n, one in enumerate(partner.agreement)]
    stores = [_read(StoreRecord, one, f"{place}.stores.{n}", faults) for n, one in enumerate(partner.stores)]
    if None in lines or None in stores:
        return None
    return PartnerInput(partner, [line for line in lines if line], [store for store in stores if store])


def _read(shape: type[Record], raw: Any, place: str, faults: Faults) -> Record | None:
    if not isinstance(raw, dict):
        faults.add(place, N_("An object with named values is needed here."))
        return None
    hints = get_type_hints(shape, include_extras=True)
    values: dict[str, Any] = {}
    before = len(faults.found)
    for name in raw.keys() - hints.keys():
        faults.add(f"{place}.{name}", N_("This field is not known."))
    for field in msgspec.structs.fields(shape):
        if field.name not in raw:
            if field.required:
                faults.add(f"{place}.{field.name}", N_("This is missing."))
            continue
        value = raw[field.name]
        try:
            values[field.name] = msgspec.convert(value.strip() if isinstance(value, str) else value, hints[field.name])
        except msgspec.ValidationError:
            faults.add(f"{place}.{field.name}", N_("This value is of the wrong kind."))
    return None if len(faults.found) > before else shape(**values)


def _check_partner(one: PartnerInput, place: str, today: date, faults: Faults) -> None:
    partner = one.partner
    _check_code(partner.code, place, faults)
    _check_texts(partner, place, faults, "name_zh", "name_en", "category")
    if partner.credit_code is not None and not uscc.is_valid(partner.credit_code):
        faults.add(f"{place}.credit_code", N_("This is not a valid unified social credit code."))
    if partner.registered_capital_minor is not None and not 0 <= partner.registered_capital_minor <= LARGEST_AMOUNT:
        faults.add(f"{place}.registered_capital_minor", N_("This number is out of range."))
    if partner.founded_on is not None and partner.founded_on > today:
        faults.add(f"{place}.founded_on", N_("This day is still to come."))
    for number, line in enumerate(one.lines):
        _check_line(line, f"{place}.agreement.{number}", faults)
    for number, store in enumerate(one.stores):
        spot = f"{place}.stores.{number}"
        _check_code(store.code, spot, faults)
        if (store.latitude is None) != (store.longitude is None):
            faults.add(f"{spot}.{'latitude' if store.latitude is None else 'longitude'}", N_("This is missing."))
        _check_texts(
            store, spot, faults, "name_zh", "name_en", "city_name_zh", "city_name_en", "address_zh", "address_en"
        )


def _check_line(line: LineRecord, place: str, faults: Faults) -> None:
    _check_code(line.code, place, faults)
    _check_texts(line, place, faults, "title_zh", "title_en")
    if line.mode not in COOPERATION_MODES:
        faults.add(f"{place}.mode", N_("One of these is needed: %(choices)s."), choices=", ".join(COOPERATION_MODES))
    if line.offline_loss not in OFFLINE_LOSSES:
        faults.add(
            f"{place}.offline_loss", N_("One of these is needed: %(choices)s."), choices=", ".join(OFFLINE_LOSSES)
        )
    for name in ("unit_price_minor", "commission_minor", "free_quota", "offline_loss_cap_minor"):
        if not 0 <= getattr(line, name) <= LARGEST_AMOUNT:
            faults.add(f"{place}.{name}", N_("This number is out of range."))
    if not 0 <= line.tax_rate_bp <= BASIS_POINTS:
        faults.add(f"{place}.tax_rate_bp", N_("This number is out of range."))
    needed = {"concierge": "unit_price_minor", "member_discount": "commission_minor", "free_quota": "free_quota"}
    if line.mode in needed and getattr(line, needed[line.mode]) == 0:
        faults.add(f"{place}.{needed[line.mode]}", N_("This mode of cooperation needs a figure here."))


def _check_code(code: str, place: str, faults: Faults) -> None:
    if not CODE.fullmatch(code):
        faults.add(f"{place}.code", N_("A code has up to 40 capital letters, digits, hyphens and underscores."))


def _check_texts(record: Struct, place: str, faults: Faults, *names: str) -> None:
    for name in names:
        if not getattr(record, name):
            faults.add(f"{place}.{name}", N_("This is missing."))


def _check_unique(partners: list[PartnerInput | None], faults: Faults) -> None:
    seen: set[tuple[str, str]] = set()
    for field, kind, value in _all_codes(partners):
        if (kind, value) in seen:
            faults.add(field, N_("This code stands in the file twice."))
        seen.add((kind, value))


def _all_codes(partners: list[PartnerInput | None]) -> Iterator[tuple[str, str, str]]:
    for place, one in enumerate(partners):
        if one is None:
            continue
        yield f"{place}.code", "partner", one.partner.code
        if one.partner.credit_code is not None:
            yield f"{place}.credit_code", "credit_code", one.partner.credit_code
        for number, line in enumerate(one.lines):
            yield f"{place}.agreement.{number}.code", "agreement", line.code
        for number, store in enumerate(one.stores):
            yield f"{place}.stores.{number}.code", "store", store.code
