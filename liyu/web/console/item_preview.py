"""The phone's page of an item, made from a form that may be half finished."""

from typing import Any

from liyu.catalog.models import ITEM_KINDS, SCENES
from liyu.catalog.restrictions import NamedTag
from liyu.catalog.views import ItemView, PartnerView, StoreView, TierPriceView, TierView
from liyu.members.account import TierStanding, list_tiers
from liyu.members.tags.queries import list_tags
from liyu.partners.queries import partner_choices, stores_of
from liyu.web.console.common import AnyRequest, Connection, now_of, show
from liyu.web.console.item_fields import PRICE, ItemForm
from liyu.web.covers import choose_icon, cover_name
from liyu.web.i18n import CHINESE, current_locale
from liyu.web.item_forms import split_lines
from liyu.web.item_terms import describe_worth, list_terms
from liyu.web.lines import split_names
from liyu.web.pages import Page, fragment
from liyu.web.visit import visit_of

_PLAIN = (
    "name_zh", "name_en", "summary_zh", "summary_en", "description_zh", "description_en", "on_sale_from", "on_sale_to",
    "per_member_limit", "per_day_limit", "per_order_limit", "per_person_limit", "coupon_purpose", "coupon_form",
    "coupon_benefit", "coupon_threshold_minor", "ships_days", "cancel_hours", "return_days", "variant_zh",
    "variant_en",
)  # fmt: skip


async def preview_of(request: AnyRequest, connection: Connection, form: ItemForm) -> Page:
    """The preview: a fragment beside the form, or a page of its own."""
    item = await _view_of(request, connection, form)
    services = visit_of(request).services
    program = services.program.current(services.sessions)
    context: dict[str, Any] = {
        "item": item,
        "cover": f"/covers/{cover_name(item.scene, item.id, choose_icon(item.scene, item.kind))}",
        "terms": list_terms(item, program.lapsed_grace_days, program.currency, program.return_days),
        "worth": describe_worth(item, currency=program.currency),
        "rules": item.rules_zh if current_locale() == CHINESE or not item.rules_en else item.rules_en,
        "currency": program.currency,
        "faults": form.errors,
    }
    if visit_of(request).is_fragment:
        return fragment(request, "console/_item_preview.html", **context)
    return show(request, "item_preview", **context)


async def _view_of(request: AnyRequest, connection: Connection, form: ItemForm) -> ItemView:
    said: dict[str, Any] = {name: value for name, value in form.values.items() if value not in (None, "")}
    tiers = await list_tiers(connection)
    partner, stores = await _partner_of(connection, said.get("partner"), split_names(said.get("stores", "")))
    tags = tuple(
        NamedTag(0, tag.name_zh, tag.name_en) for tag in await list_tags(connection) if tag.code in said.get("tags", [])
    )
    texts: dict[str, Any] = {
        name: said.get(name, "" if name in ItemView.__struct_fields__[:9] else None) for name in _PLAIN
    }
    return ItemView(
        id=0, sku=said.get("sku", ""), kind=_choice(said, "kind", ITEM_KINDS), scene=_choice(said, "scene", SCENES),
        rules_zh=tuple(split_lines(said.get("rules_zh", ""))), rules_en=tuple(split_lines(said.get("rules_en", ""))),
        points=said.get("points", 0),
        cash_minor=said.get("cash_minor", 0), value_minor=said.get("value_minor", 0), is_drop=bool(said.get("is_drop")),
        voucher_days=said.get("voucher_days", 90), uses=said.get("uses", 1), position=0, created_at=now_of(request),
        tier=next((_tier_view(one) for one in tiers if one.code == said.get("tier")), None), partner=partner, stores=stores,
        cities=tuple(split_names(said.get("cities", ""))) or None, tags=tags or None,
        tier_points=tuple(
            TierPriceView(one.code, one.rank, said[PRICE + one.code], one.name_zh, one.name_en)
            for one in tiers if PRICE + one.code in said
        ),
        ships_not_to=tuple(split_names(said.get("ships_not_to", ""))), **texts,
    )  # fmt: skip


async def _partner_of(
    connection: Connection, code: str | None, named: list[str]
) -> tuple[PartnerView | None, tuple[StoreView, ...]]:
    partner = next((one for one in await partner_choices(connection) if one.code == code), None)
    if partner is None:
        return None, ()
    stores = [one for one in await stores_of(partner.id, connection) if not named or one.code in named]
    views = tuple(
        StoreView(one.id, one.code, one.name_zh, one.name_en, None, one.city_zh, one.city_en, "", "", "")
        for one in stores
    )
    return PartnerView(partner.id, partner.code, partner.name_zh, partner.name_en, "", is_open=True), views


def _tier_view(tier: TierStanding) -> TierView:
    return TierView(0, tier.code, tier.rank, tier.name_zh, tier.name_en, tier.threshold)


def _choice(said: dict[str, Any], name: str, choices: tuple[str, ...]) -> str:
    return said[name] if said.get(name) in choices else choices[0]
