"""The words of an item's fields and of what differs between two versions of them."""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from liyu.catalog.versions import Difference
from liyu.core.i18n import N_
from liyu.core.money import DEFAULT_CURRENCY
from liyu.web.formats import format_instant, format_money, format_points
from liyu.web.i18n import current_locale, gettext

FIELDS = {
    "name_zh": N_("Name in Chinese"),
    "name_en": N_("Name in English"),
    "summary_zh": N_("Summary in Chinese"),
    "summary_en": N_("Summary in English"),
    "description_zh": N_("Description in Chinese"),
    "description_en": N_("Description in English"),
    "rules_zh": N_("Rules in Chinese"),
    "rules_en": N_("Rules in English"),
    "scene": N_("Scene"),
    "points": N_("Points"),
    "cash_minor": N_("and cash"),
    "value_minor": N_("Worth"),
    "is_drop": N_("Limited drop"),
    "on_sale_from": N_("On sale from"),
    "on_sale_to": N_("On sale until"),
    "visible_from": N_("Shown from"),
    "visible_to": N_("Shown until"),
    "per_order_limit": N_("Limit for each order"),
    "per_member_limit": N_("Limit for each member"),
    "per_day_limit": N_("Limit for each member a day"),
    "per_person_limit": N_("Limit for each person"),
    "tier_id": N_("Lowest tier"),
    "tier_points": N_("Prices of tiers"),
    "tag_ids": N_("Tags"),
    "cities": N_("Cities of members"),
    "partner_id": N_("Partner"),
    "voucher_days": N_("Days a voucher is valid"),
    "uses": N_("Uses of a voucher"),
    "variant_zh": N_("Name of the variant in Chinese"),
    "variant_en": N_("Name of the variant in English"),
    "coupon_purpose": N_("What the coupon is for"),
    "coupon_form": N_("Kind of coupon"),
    "coupon_threshold_minor": N_("From a bill of"),
    "coupon_benefit": N_("Takes off"),
    "ships_days": N_("Sent within working days"),
    "ships_not_to": N_("Not sent to"),
    "cancel_hours": N_("May be cancelled for hours"),
    "return_days": N_("May be returned for days"),
    "giftable": N_("May be given to another member"),
    "total": N_("Units ever offered"),
    "stores": N_("Stores"),
    "stock": N_("Units ever offered"),
    "sku": N_("Item number"),
    "kind": N_("Kind"),
}
BULK_FIELDS = {
    "points_percent": N_("Points up or down by percent"),
    "stock_more": N_("Units more"),
    "tier": N_("Lowest tier"),
}
STATUSES = {
    "new": (N_("New"), ""),
    "changed": (N_("To change"), "gold"),
    "unchanged": (N_("Unchanged"), "grey"),
}
UPLOAD_STATES = {
    "ready": (N_("Waits for your yes"), "gold"),
    "applied": (N_("Imported"), ""),
    "discarded": (N_("Discarded"), "grey"),
}
COUPON_PURPOSES = {"ordinary": N_("Ordinary"), "marketing": N_("Marketing"), "care": N_("Care")}
COUPON_FORMS = {"discount": N_("Discount"), "cash": N_("Cash"), "gift": N_("Gift")}
VERSION_REASONS = {
    "published": N_("Published"),
    "imported": N_("Imported from a file"),
    "stock": N_("Stock set"),
    "follows": N_("Follows its item"),
    "proposal": N_("A partner’s change was approved"),
    "bulk": N_("Changed with others"),
    "planned_price": N_("Planned price"),
}
PRICE_STATES = {
    "planned": (N_("Planned"), "blue"),
    "published": (N_("Published"), ""),
    "refused": (N_("Refused"), "red"),
    "withdrawn": (N_("Withdrawn"), "grey"),
}

VERDICTS = {
    "approved": N_("Approved."),
    "live": N_("Approved and on sale."),
    "returned": N_("Sent back to the partner."),
}
PROPOSAL_STATES = {
    "submitted": (N_("Waits for a review"), "gold"),
    "approved": (N_("Approved"), ""),
    "returned": (N_("Sent back"), "red"),
    "withdrawn": (N_("Withdrawn"), "grey"),
}

Lookup = dict[str, dict[int, tuple[str, str]]]
"""What tiers, tags, partners and stores are called in Chinese and English, by column and id."""

_MONEY = frozenset({"cash_minor", "value_minor", "coupon_threshold_minor"})
_TABLES = {"tier_id": "tier", "tag_ids": "tag", "partner_id": "partner", "stores": "store"}


async def load_lookup(connection: AsyncConnection[Any]) -> Lookup:
    """The names behind the ids in versions."""
    lookup: Lookup = {}
    for column, table in _TABLES.items():
        found = await connection.execute(f"SELECT id, name_zh, name_en FROM {table}")
        lookup[column] = {row[0]: (row[1], row[2]) for row in await found.fetchall()}
    return lookup


def field(name: str) -> str:
    """A field in words."""
    return gettext(FIELDS.get(name, name))


def bulk_field(name: str) -> str:
    """What can be changed of many items, in words."""
    return gettext(BULK_FIELDS.get(name) or FIELDS[name])


def say(difference: Difference, lookup: Lookup) -> dict[str, str]:
    """A difference as label, old and new value."""
    return {
        "field": field(difference.field),
        "before": _value(difference.field, difference.before, lookup),
        "after": _value(difference.field, difference.after, lookup),
    }


def version_reason(text: str) -> str:
    """Why a version was made."""
    if text.startswith("restored:"):
        return gettext(N_("Version %(number)s said again")) % {"number": text.removeprefix("restored:")}
    return gettext(VERSION_REASONS.get(text, text))


def verdict(name: str) -> str:
    """What was decided."""
    return gettext(VERDICTS[name])


def price_state(name: str) -> str:
    """The state of a planned price."""
    return gettext(PRICE_STATES[name][0])


def price_tone(name: str) -> str:
    """The tone of its pill."""
    return PRICE_STATES[name][1]


def proposal_state(name: str) -> str:
    """The state of a proposal."""
    return gettext(PROPOSAL_STATES[name][0])


def proposal_tone(name: str) -> str:
    """The tone of its pill."""
    return PROPOSAL_STATES[name][1]


def coupon_choices(names: dict[str, str]) -> list[tuple[str, str]]:
    """Choices for a select."""
    return [(name, gettext(words)) for name, words in names.items()]


def status(name: str) -> str:
    """The status of a row."""
    return gettext(STATUSES[name][0])


def status_tone(name: str) -> str:
    """The tone of its pill."""
    return STATUSES[name][1]


def upload_state(name: str) -> str:
    """The state of a file."""
    return gettext(UPLOAD_STATES[name][0])


def upload_tone(name: str) -> str:
    """The tone of its pill."""
    return UPLOAD_STATES[name][1]


def _value(column: str, value: Any, lookup: Lookup) -> str:
    if column == "total" and value is None:
        return gettext(N_("without a limit"))
    if value in (None, "", []):
        return "—"
    if isinstance(value, bool):
        return gettext(N_("Yes") if value else N_("No"))
    if column in _MONEY:
        return format_money(value, DEFAULT_CURRENCY)
    if column == "tier_points":
        tiers = lookup["tier_id"]
        return " · ".join(f"{_name(tiers, one['tier_id'])} {format_points(one['points'])}" for one in value)
    if column in lookup:
        ids = value if isinstance(value, list) else [value]
        return " · ".join(_name(lookup[column], one) for one in ids)
    if isinstance(value, list):
        return " · ".join(map(str, value))
    if column in ("on_sale_from", "on_sale_to", "visible_from", "visible_to"):
        return format_instant(datetime.fromisoformat(value), current_locale())
    return format_points(value) if isinstance(value, int) else str(value)


def _name(names: dict[int, tuple[str, str]], key: int) -> str:
    zh, en = names.get(key, (str(key), str(key)))
    return (en if current_locale() == "en" else "") or zh
