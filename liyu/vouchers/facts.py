"""What is known of vouchers with everything around them: item, partner, member, stores, the last use."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.database import fetch_all
from liyu.vouchers.serials import serial_of
from liyu.vouchers.states import OPEN

_RUN_DIGITS = 4


def write_number(number: int, total: int) -> str:
    """A number of a print run as it stands on paper: with four digits, or as many as the last one has."""
    return f"{number:0{max(_RUN_DIGITS, len(str(total)))}}"


class VoucherFacts(Struct, kw_only=True):
    """One voucher. Texts come in both languages, `rules_*` as lists; instants are UTC."""

    id: int
    redemption_id: int | None
    redemption_number: str | None
    member_id: int | None
    """Who holds it; None for a printed one that nobody has put into a wallet."""
    redeemer_id: int | None = None
    """Who redeemed it, and gets the points back if it is cancelled."""
    member_name: str | None
    member_state: str | None
    member_locale: str | None
    item_id: int
    sku: str
    kind: str
    scene: str
    item_zh: str
    item_en: str
    summary_zh: str
    summary_en: str
    rules_zh: list[str]
    rules_en: list[str]
    value_minor: int
    partner_id: int | None
    partner_code: str | None
    partner_zh: str | None
    partner_en: str | None
    partner_phone: str | None
    agreement_line_id: int | None
    state: str
    uses: int
    uses_allowed: int
    issued_at: datetime
    expires_at: datetime
    generation: int = 0
    frozen_at: datetime | None = None
    run_id: int | None = None
    run_number: int | None = None
    run_total: int | None = None
    """How many numbers its print run has."""
    order_points: int = 0
    """What its whole order cost in points."""
    giftable: bool = True
    paper_confirmed: bool = False
    """Whether its holder confirms before a code is taken that does not renew, and until when they have."""
    paper_until: datetime | None = None
    cancel_hours: int | None = None
    """The item's rule: 0 is never, None until it is used."""

    @property
    def number(self) -> str:
        """What stands on paper for people to tell vouchers apart: the order's number, or that in its print run."""
        return self.redemption_number or write_number(self.run_number or 0, self.run_total or 0)

    @property
    def serial(self) -> int:
        """What codes and QR codes are made from."""
        return serial_of(self.id, self.generation)

    @property
    def is_frozen(self) -> bool:
        """Whether an operator holds it back, or whoever holds it: no till takes it."""
        return self.frozen_at is not None or self.member_state == "frozen"

    def is_usable(self, now: datetime) -> bool:
        """Whether it can be used at this instant, as far as the voucher itself goes."""
        return self.state in OPEN and self.issued_at <= now < self.expires_at

    def last_day(self, zone: ZoneInfo) -> date:
        """The last day of validity in the program's time zone."""
        return local_date(self.expires_at - timedelta(microseconds=1), zone)


class StoreFacts(Struct):
    """A store that takes an item's vouchers."""

    id: int
    code: str
    name_zh: str
    name_en: str
    city_zh: str
    city_en: str
    address_zh: str
    address_en: str
    opening_hours: str
    latitude: float | None = None
    longitude: float | None = None


FACTS = """
    SELECT v.id, v.redemption_id, r.number AS redemption_number, coalesce(v.holder_id, v.member_id) AS member_id,
        v.member_id AS redeemer_id, m.name AS member_name,
        m.state AS member_state, m.locale AS member_locale, v.item_id, i.sku, i.kind, i.scene,
        i.name_zh AS item_zh, i.name_en AS item_en, i.summary_zh, i.summary_en, i.rules_zh, i.rules_en, i.value_minor,
        v.partner_id, p.code AS partner_code, p.name_zh AS partner_zh, p.name_en AS partner_en,
        p.service_phone AS partner_phone,
        v.agreement_line_id, v.state, v.uses, v.uses_allowed, v.issued_at, v.expires_at, v.generation, v.frozen_at,
        v.run_id, v.run_number, run.total AS run_total, coalesce(r.points, 0) AS order_points, i.giftable, i.cancel_hours,
        coalesce(rule.paper_confirmed, false) AS paper_confirmed, v.paper_until
    FROM voucher v LEFT JOIN redemption r ON r.id = v.redemption_id
    LEFT JOIN member m ON m.id = coalesce(v.holder_id, v.member_id)
    JOIN item i ON i.id = v.item_id LEFT JOIN partner p ON p.id = v.partner_id
    LEFT JOIN till_rule rule ON rule.item_id = v.item_id LEFT JOIN voucher_run run ON run.id = v.run_id"""
"""Everything about vouchers; the caller adds the condition that says whose."""

_STORES = """
    SELECT s.id, s.code, s.name_zh, s.name_en, s.city_zh, s.city_en, s.address_zh, s.address_en, s.opening_hours,
        s.latitude, s.longitude
    FROM item i JOIN store s ON s.partner_id = i.partner_id AND s.active
    WHERE i.id = %(item)s AND (
        NOT EXISTS (SELECT FROM item_store WHERE item_id = i.id)
        OR EXISTS (SELECT FROM item_store WHERE item_id = i.id AND store_id = s.id))
    ORDER BY s.city_zh, s.code"""


async def fetch_facts(connection: AsyncConnection[Any], condition: str, values: dict[str, Any]) -> list[VoucherFacts]:
    """Vouchers that meet a condition on the tables of `FACTS`; conditions come from code, values from people."""
    return await fetch_all(connection, VoucherFacts, f"{FACTS} {condition}", values)


async def stores_of_item(connection: AsyncConnection[Any], item_id: int) -> list[StoreFacts]:
    """The open stores at which an item's vouchers are taken: the ones it names, or all of its partner."""
    return await fetch_all(connection, StoreFacts, _STORES, {"item": item_id})


def mask_name(name: str | None) -> str:
    """A member's name for staff at a till: 李**, M**; nothing when the member gave none."""
    name = (name or "").strip()
    return f"{name[0]}**" if name else ""
