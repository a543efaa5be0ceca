"""What publishing records would do: each held against the database, and every fault found, before anything is written."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Struct, field
from psycopg import AsyncConnection

from liyu.catalog.errors import RowFault
from liyu.catalog.known import KnownItem, load_known
from liyu.catalog.models import SCENES, VOUCHER_KINDS
from liyu.catalog.names import name_kind, name_state
from liyu.catalog.records import OWN_OF_A_VARIANT, PLAIN_FIELDS, ItemRecord, ItemRow, TierPrice
from liyu.catalog.references import References, load_references
from liyu.catalog.states import TRANSITIONS, may_become
from liyu.core.clock import local_date
from liyu.core.i18n import N_, Message

LIVE = "live"
SHOWN_CODES = 20
FULL_PRICE = 10_000
"""In basis points."""
ONE_WRITER_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('liyu:catalog'))"


class PlannedItem(Struct):
    """What one record comes to; `known` is None for a new item."""

    record: ItemRecord
    known: KnownItem | None
    row: ItemRow
    total: int | None
    stores: list[int]
    lead: str | None = None
    """The number of the item that it is a variant of, where that is new as well and has no id yet."""

    def needs_writing(self, *, keep_states: bool = False) -> bool:
        """Whether a known item needs any write; with `keep_states` its state is left as it is."""
        known = self.known
        if known is None:
            return False
        moves = not keep_states and known.state != LIVE
        return moves or (known.row, known.total, known.stores) != (self.row, self.total, self.stores)


class Plan(Struct):
    """What publishing would do, or why it cannot."""

    items: list[PlannedItem] = field(default_factory=list)
    faults: list[RowFault] = field(default_factory=list)


async def plan_publication(
    connection: AsyncConnection[Any],
    records: list[ItemRecord],
    now: datetime,
    zone: ZoneInfo,
    *,
    keep_states: bool = False,
) -> Plan:
    """Hold the records against the database: what each comes to, and every fault. Writers wait for each other.

    Variants that are not among the records follow the item that they are variants of. With `keep_states` items may be in any
    state from which a way still leads; else they must be able to go on sale.
    """
    await connection.execute(ONE_WRITER_AT_A_TIME)
    store_codes = [code for record in records for code in (record.stores or [])]
    references = await load_references(connection, store_codes, local_date(now, zone))
    known = await load_known(connection, records)
    found = await connection.execute("SELECT coalesce(max(position), 0) FROM item")
    planning = _Planning(references, known, (await found.fetchone() or (0,))[0], keep_states=keep_states)
    leads, variants = _part(records, known)
    for record in [*leads, *variants, *_followers(records, known)]:
        planning.take(record)
    return planning.plan


def _part(records: list[ItemRecord], known: dict[str, KnownItem]) -> tuple[list[ItemRecord], list[ItemRecord]]:
    """Those that may be led, then those that are variants, each in their order."""

    def is_variant(record: ItemRecord) -> bool:
        if record.variant_of is not UNSET:
            return record.variant_of is not None
        return record.sku in known and known[record.sku].row.variant_of is not None

    return [one for one in records if not is_variant(one)], [one for one in records if is_variant(one)]


def _followers(records: list[ItemRecord], known: dict[str, KnownItem]) -> list[ItemRecord]:
    """Variants of what is published which are not published themselves."""
    rows = {known[record.sku].id: record.row for record in records if record.sku in known}
    named = {record.sku for record in records}
    return [
        ItemRecord(row=rows[one.row.variant_of], sku=one.row.sku)
        for one in known.values()
        if one.row.variant_of in rows and one.row.sku not in named
    ]


class _Planning:
    """Plans record by record; a variant finds what its item comes to."""

    def __init__(
        self, references: References, known: dict[str, KnownItem], last_position: int, *, keep_states: bool
    ) -> None:
        self.keep_states = keep_states
        self.references = references
        self.known = known
        self.skus = {item.id: sku for sku, item in known.items()}
        self.last_position = last_position
        self.planned: dict[str, PlannedItem] = {}
        self.plan = Plan()

    def take(self, record: ItemRecord) -> None:
        """Plan one record."""
        known = self.known.get(record.sku)
        planner = _Planner(self.references, record, known, self.last_position + 1, self.lead_of(record, known))
        planner.check_state(keep_states=self.keep_states)
        planned = planner.plan()
        self.plan.faults += planner.faults
        if planned is not None:
            self.plan.items.append(planned)
            self.planned[record.sku] = planned
            self.last_position += planned.known is None

    def lead_of(self, record: ItemRecord, known: KnownItem | None) -> "_Lead | None":
        """What is there, or planned, of the item that a record is a variant of; None for one that is none."""
        sku = record.variant_of
        if sku is UNSET:
            sku = self.skus.get(known.row.variant_of) if known and known.row.variant_of else None
        if not sku:
            return None
        planned, there = self.planned.get(sku), self.known.get(sku)
        if planned is not None:
            return _Lead(sku, planned.row, planned.stores, there.id if there else None)
        return _Lead(sku, there.row, there.stores, there.id) if there else _Lead(sku, None, [], None)


class _Lead(Struct):
    """The item that a record is a variant of; without a row nobody knows it."""

    sku: str
    row: ItemRow | None
    stores: list[int]
    id: int | None


class _Planner:
    """Plans one record; notes every fault it finds on the way."""

    def __init__(
        self,
        references: References,
        record: ItemRecord,
        known: KnownItem | None,
        next_position: int,
        lead: _Lead | None,
    ) -> None:
        self.references = references
        self.record = record
        self.known = known
        self.next_position = next_position
        self.lead = lead
        self.faults: list[RowFault] = []

    def plan(self) -> PlannedItem | None:
        values: dict[str, Any] = {"position": self.next_position}
        if self.known:
            values |= msgspec.structs.asdict(self.known.row)
        elif self.lead and self.lead.row:
            values |= msgspec.structs.asdict(self.lead.row) | {"position": self.next_position, "sku": self.record.sku}
        given = {name: getattr(self.record, name) for name in PLAIN_FIELDS}
        values |= {name: value for name, value in given.items() if value is not UNSET}
        self._check_identity()
        values["tier_id"] = self._tier(values.get("tier_id"))
        values["tier_points"] = self._tier_prices(values.get("tier_points"))
        values["tag_ids"] = self._tags(values.get("tag_ids"))
        self._apply_partner(values)
        stores, total = self._stores(values.get("partner_id")), self._total(values)
        self._apply_lead(values)
        if self.lead and self.lead.row:
            stores = self.lead.stores
        self._check_windows(values)
        self._check_coupon(values)
        if self.faults or not {"kind", "name_zh", "points"} <= values.keys():
            return None
        values.setdefault("scene", self._default_scene(values["kind"]))
        lead = self.lead.sku if self.lead and self.lead.id is None else None
        return PlannedItem(self.record, self.known, ItemRow(**_tidy(values)), total, stores, lead)

    def _apply_lead(self, values: dict[str, Any]) -> None:
        """A variant shares all but its own with its item."""
        lead = self.lead
        if lead is None:
            if self.record.variant_of is None:
                values["variant_of"] = None
            return
        if lead.row is None:
            self._note("variant_of", N_("There is no item %(sku)s."), sku=lead.sku)
        elif lead.row.variant_of is not None or lead.sku == self.record.sku:
            self._note(
                "variant_of", N_("%(sku)s is a variant itself. Name the item that it is a variant of."), sku=lead.sku
            )
        elif lead.row.kind != values.get("kind"):
            self._note("kind", N_("A variant has the kind of its item."))
        else:
            shared = msgspec.structs.asdict(lead.row)
            values |= {name: value for name, value in shared.items() if name not in OWN_OF_A_VARIANT}
            values["variant_of"] = lead.id
            if not (values.get("variant_zh") or "").strip():
                self._note("variant_zh", N_("A variant needs its name, such as a colour or a size."))

    def _note(self, column: str, text: str, **values: Any) -> None:
        self.faults.append(RowFault(self.record.row, column, Message(text, values)))

    def _check_identity(self) -> None:
        if self.known is None:
            return
        if self.record.kind not in (UNSET, self.known.row.kind):
            self._note(
                "kind",
                N_("The item has the kind “%(kind)s”, and a kind never changes."),
                kind=name_kind(self.known.row.kind),
            )

    def check_state(self, *, keep_states: bool) -> None:
        """Note a fault for an item that cannot go on sale, or that is over."""
        state = self.known.state if self.known else LIVE
        if state == LIVE or may_become(state, LIVE) or (keep_states and TRANSITIONS[state]):
            return
        self._note("sku", N_("The item is “%(state)s”; a file cannot put it on sale."), state=name_state(state))

    def _tier(self, before: int | None) -> int | None:
        code = self.record.tier
        if code is UNSET or code is None:
            return before if code is UNSET else None
        tier_id = self.references.tiers.get(code.lower())
        if tier_id is None:
            self._note("tier", N_("Unknown tier; known are %(known)s."), known=", ".join(self.references.tier_codes))
        return tier_id

    def _tier_prices(self, before: list[TierPrice] | None) -> list[TierPrice] | None:
        given = self.record.tier_prices
        if given is UNSET or given is None:
            return before if given is UNSET else None
        prices = []
        for code, points in given.items():
            tier_id = self.references.tiers.get(code.lower())
            if tier_id is None:
                self._note(
                    "tier_prices", N_("Unknown tier; known are %(known)s."), known=", ".join(self.references.tier_codes)
                )
            else:
                prices.append(TierPrice(tier_id, points))
        return sorted(prices, key=lambda price: price.tier_id) or None

    def _tags(self, before: list[int] | None) -> list[int] | None:
        given = self.record.tags
        if given is UNSET or given is None:
            return before if given is UNSET else None
        unknown = [name for name in given if name.lower() not in self.references.tags]
        if unknown:
            known = _some(self.references.tag_codes) or "–"
            self._note("tags", N_("Unknown tag %(name)s; known are %(known)s."), name=unknown[0], known=known)
        return sorted({self.references.tags[name.lower()] for name in given if name not in unknown}) or None

    def _apply_partner(self, values: dict[str, Any]) -> None:
        code, before = self.record.partner, values.get("partner_id")
        if code is not UNSET:
            values["partner_id"] = self._partner(code)
        if values.get("partner_id") != before:
            values["agreement_line_id"] = None
        values["agreement_line_id"] = self._line(values)

    def _partner(self, code: str | None) -> int | None:
        if code is None:
            return None
        found = self.references.partners.get(code)
        if found is None and self.references.partners:
            self._note(
                "partner", N_("Unknown partner; known are %(known)s."), known=_some(list(self.references.partners))
            )
        elif found is None:
            self._note(
                "partner", N_("There are no partners yet. Make them in the console, or with `liyu partners import`.")
            )
        return found.id if found else None

    def _line(self, values: dict[str, Any]) -> int | None:
        lines = self.references.lines.get(values.get("partner_id") or 0, {})
        code, before = self.record.agreement_line, values.get("agreement_line_id")
        if code is None:
            return None
        if code is not UNSET:
            if code not in lines:
                self._note(
                    "agreement_line",
                    N_("Unknown agreement line; the partner has %(known)s."),
                    known=_some(list(lines)) or "–",
                )
            return lines.get(code)
        # One line only: no choice, so nothing is guessed.
        only = next(iter(lines.values())) if len(lines) == 1 and values.get("kind") in VOUCHER_KINDS else None
        return before if before is not None else only

    def _stores(self, partner_id: int | None) -> list[int]:
        if self.record.stores is UNSET:
            same_partner = self.known is not None and self.known.row.partner_id == partner_id
            return self.known.stores if self.known and same_partner else []
        stores = []
        for code in self.record.stores or []:
            store_id, owner = self.references.stores.get(code, (0, None))
            if owner is None or owner != partner_id:
                self._note("stores", N_("The partner has no store %(code)s."), code=code)
            stores.append(store_id)
        return sorted(stores)

    def _check_windows(self, values: dict[str, Any]) -> None:
        """What is not shown cannot be had: a sale without bounds of its own takes those of the showing."""
        shown, hidden = values.get("visible_from"), values.get("visible_to")
        opens = values["on_sale_from"] = values.get("on_sale_from") or shown
        closes = values["on_sale_to"] = values.get("on_sale_to") or hidden
        if opens is not None and closes is not None and opens >= closes:
            column = "on_sale_to" if self.record.on_sale_to is not UNSET else "on_sale_from"
            self._note(column, N_("The sale must begin before it ends."))
        elif shown is not None and opens is not None and opens < shown:
            self._note("visible_from", N_("The item must be shown before its sale begins."))
        elif hidden is not None and closes is not None and closes > hidden:
            self._note("visible_to", N_("The item must be shown until its sale ends."))

    def _check_coupon(self, values: dict[str, Any]) -> None:
        form, purpose, benefit = (values.get(f"coupon_{name}") for name in ("form", "purpose", "benefit"))
        if not form and not purpose:
            if benefit or values.get("coupon_threshold_minor"):
                self._note("coupon_form", N_("Say what kind of coupon it is."))
        elif values.get("kind") != "coupon":
            self._note("coupon_form", N_("Only coupons have the terms of a coupon."))
        elif not form or not purpose:
            missing = "coupon_purpose" if form else "coupon_form"
            self._note(missing, N_("Say what kind of coupon it is."))
        elif form == "gift" and benefit:
            self._note("coupon_benefit", N_("A gift takes nothing off the bill."))
        elif form != "gift" and not benefit:
            self._note("coupon_benefit", N_("Say how much the coupon takes off."))
        elif form == "discount" and (benefit or 0) >= FULL_PRICE:
            self._note("coupon_benefit", N_("A discount leaves something to pay."))

    def _total(self, values: dict[str, Any]) -> int | None:
        before = self.known.total if self.known else None
        if values.get("kind") == "code":
            return before or 0
        total = before if self.record.stock is UNSET else self.record.stock
        if self.known and total is not None and total < self.known.taken:
            self._note(
                "stock", N_("%(taken)s units are taken already; the stock cannot be less."), taken=self.known.taken
            )
        return total

    def _default_scene(self, kind: str) -> str:
        partner = self.record.partner
        category = self.references.partners[partner].category if isinstance(partner, str) else ""
        if category in SCENES:
            return category
        return "charity" if kind == "donation" else "shopping"


def _tidy(values: dict[str, Any]) -> dict[str, Any]:
    """Empty lists and texts of what may be without are nothing."""
    optional = ("cities", "ships_not_to", "tag_ids", "tier_points", "variant_zh", "variant_en")
    return values | {name: values.get(name) or None for name in optional}


def _some(codes: list[str]) -> str:
    shown = ", ".join(sorted(codes)[:SHOWN_CODES])
    return shown if len(codes) <= SHOWN_CODES else f"{shown}, …"
