"""The fields of an item's form: from an item to texts, from texts to what is published, and to what the preview shows."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from liyu.catalog.models import COUPON_FORMS, COUPON_PURPOSES, ITEM_KINDS
from liyu.catalog.queries import ItemFacts
from liyu.catalog.records import ItemRecord
from liyu.core.i18n import N_, Message
from liyu.members.account import TierStanding
from liyu.members.tags.queries import TagLine
from liyu.web.formats import current_zone
from liyu.web.forms import (
    CheckField,
    ChoiceField,
    ChoicesField,
    Form,
    InstantField,
    IntegerField,
    MoneyField,
    TextField,
)
from liyu.web.item_forms import LARGEST_PRICE, LARGEST_STOCK, LONGEST_NAME, ItemTextsForm, amount_text, split_lines
from liyu.web.lines import split_names

PRICE = "price_"
"""Fields with the price of a tier: this and the tier's code."""

AnyItemForm = TypeVar("AnyItemForm", bound="ItemForm")


class ItemForm(ItemTextsForm):
    cash_minor = MoneyField(N_("and cash"), required=False, default=0)
    is_drop = CheckField(N_("Limited drop"))
    visible_from = InstantField(N_("Shown from"), required=False)
    visible_to = InstantField(N_("Shown until"), required=False)
    on_sale_from = InstantField(N_("On sale from"), required=False)
    on_sale_to = InstantField(N_("On sale until"), required=False)
    per_order_limit = IntegerField(N_("Limit for each order"), required=False, minimum=1)
    per_day_limit = IntegerField(N_("Limit for each member a day"), required=False, minimum=1)
    per_person_limit = IntegerField(N_("Limit for each person"), required=False, minimum=1)
    tier = TextField(N_("Lowest tier"), required=False, maximum=64)
    cities = TextField(N_("Cities of members"), required=False)
    partner = TextField(N_("Partner"), required=False, maximum=64)
    stores = TextField(N_("Stores"), required=False)
    uses = IntegerField(N_("Uses of a voucher"), required=False, minimum=1, maximum=1000, default=1)
    coupon_purpose = ChoiceField(COUPON_PURPOSES, N_("What the coupon is for"), required=False)
    coupon_form = ChoiceField(COUPON_FORMS, N_("Kind of coupon"), required=False)
    coupon_benefit = MoneyField(N_("Takes off"), required=False)
    coupon_threshold_minor = MoneyField(N_("From a bill of"), required=False)
    ships_days = IntegerField(N_("Sent within working days"), required=False, minimum=1, maximum=365)
    ships_not_to = TextField(N_("Not sent to"), required=False)
    cancel_hours = IntegerField(N_("May be cancelled for hours"), required=False, maximum=8760)
    return_days = IntegerField(N_("May be returned for days"), required=False, maximum=365)
    stays = CheckField(N_("Stays with whoever redeemed it"))
    variant_of = TextField(N_("Variant of"), required=False, maximum=64)
    variant_zh = TextField(N_("Name of the variant in Chinese"), required=False, maximum=LONGEST_NAME)
    variant_en = TextField(N_("Name of the variant in English"), required=False, maximum=LONGEST_NAME)

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.on_sale_from and self.on_sale_to and self.on_sale_from >= self.on_sale_to:
            yield "on_sale_to", Message(N_("The sale must begin before it ends."))


class NewItemForm(ItemForm):
    sku = TextField(N_("Item number"), maximum=64)
    kind = ChoiceField(ITEM_KINDS, N_("Kind"))
    stock = IntegerField(N_("Units ever offered"), required=False, maximum=LARGEST_STOCK)
    on_sale = CheckField(N_("Put on sale at once"))


_PLAIN = (
    "name_zh", "name_en", "summary_zh", "summary_en", "description_zh", "description_en", "scene", "points", "cash_minor",
    "value_minor", "is_drop", "visible_from", "visible_to", "on_sale_from", "on_sale_to", "per_order_limit", "per_member_limit",
    "per_day_limit", "per_person_limit", "voucher_days", "uses", "coupon_purpose", "coupon_form", "coupon_benefit",
    "coupon_threshold_minor", "ships_days", "cancel_hours", "return_days",
)  # fmt: skip
_MONEY = ("cash_minor", "value_minor", "coupon_benefit", "coupon_threshold_minor")
_INSTANTS = ("visible_from", "visible_to", "on_sale_from", "on_sale_to")
_LISTS = ("cities", "ships_not_to", "stores")


def form_with(form: type[AnyItemForm], tiers: Sequence[TierStanding], tags: Sequence[TagLine]) -> type[AnyItemForm]:
    """The form with a price for each tier above the lowest, and a choice of the tags."""
    fields = tier_price_fields(tiers) | {"tags": ChoicesField([tag.code for tag in tags], N_("Tags"))}
    return type(form.__name__, (form,), fields)


def tier_price_fields(tiers: Sequence[TierStanding]) -> dict[str, Any]:
    """A field with the price of each tier above the lowest."""
    return {f"{PRICE}{tier.code}": IntegerField(required=False, maximum=LARGEST_PRICE) for tier in tiers[1:]}


def tier_prices_of(form: Form) -> dict[str, int] | None:
    """The prices of tiers that were given, by code; None for none."""
    prices = {name.removeprefix(PRICE): form.values[name] for name in form.fields if name.startswith(PRICE)}
    return {code: points for code, points in prices.items() if points is not None} or None


def values_of(form: ItemForm) -> dict[str, Any]:
    """The form as the fields of a record."""
    values = {name: getattr(form, name) for name in _PLAIN}
    return values | {
        "rules_zh": split_lines(form.rules_zh),
        "rules_en": split_lines(form.rules_en),
        "giftable": not form.stays,
        "tier": form.tier or None,
        "tier_prices": tier_prices_of(form),
        "tags": form.values["tags"] or None,
        "partner": form.partner or None,
        "variant_of": form.variant_of or None,
        "variant_zh": form.variant_zh or None,
        "variant_en": form.variant_en or None,
        **{name: split_names(getattr(form, name)) or None for name in _LISTS},
    }


def record_of(form: ItemForm, sku: str, **further: Any) -> ItemRecord:
    """What is to be published."""
    return ItemRecord(sku=sku, **values_of(form), **further)


def texts_of(item: ItemFacts, stores: list[str]) -> dict[str, Any]:
    """The item as the form shows it."""
    facts = msgspec.structs.asdict(item)
    texts: dict[str, Any] = {
        name: "" if facts.get(name) is None else str(facts.get(name)) for name in NewItemForm.fields
    }
    texts |= {name: amount_text(facts[name]) for name in _MONEY}
    texts |= {name: local_text(facts[name]) for name in _INSTANTS}
    texts |= {f"{PRICE}{price['code']}": price["points"] for price in item.tier_prices}
    return texts | {
        "rules_zh": "\n".join(item.rules_zh),
        "rules_en": "\n".join(item.rules_en),
        "is_drop": "yes" if item.is_drop else "",
        "stays": "" if item.giftable else "yes",
        "tier": item.tier_code or "",
        "tags": [tag["code"] for tag in item.tags],
        "partner": item.partner_code or "",
        "variant_of": item.lead_sku or "",
        "cities": "、".join(item.cities),
        "ships_not_to": "、".join(item.ships_not_to),
        "stores": "\n".join(stores),
        "stock": "" if item.total is None else str(item.total),
    }


def local_text(instant: datetime | None) -> str:
    """An instant as `<input type="datetime-local">` wants it."""
    return instant.astimezone(current_zone()).strftime("%Y-%m-%dT%H:%M") if instant else ""
