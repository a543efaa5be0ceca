"""An item as the API tells it, in one language and, where somebody is named, at their price."""

from liyu.catalog.models import VOUCHER_KINDS
from liyu.catalog.prices import worth_per_point
from liyu.catalog.snapshot import Snapshot
from liyu.catalog.views import ItemView, Stock
from liyu.members.account import MemberAccount
from liyu.web.api.item_schemas import (
    CouponAnswer,
    ItemAnswer,
    PictureAnswer,
    StoreAnswer,
    TierPriceAnswer,
    VariantAnswer,
)
from liyu.web.i18n import ENGLISH
from liyu.web.pictures import address_of


def answer_of_item(
    snapshot: Snapshot, item: ItemView, stock: Stock, locale: str, account: MemberAccount | None = None
) -> ItemAnswer:
    """All that is published of an item; its stock is the caller's, that of its variants the snapshot's."""

    def text_of(chinese: str, english: str) -> str:
        return (locale == ENGLISH and english) or chinese

    worth = worth_per_point(item.kind, item.points, item.cash_minor, item.value_minor)
    is_verified = item.kind in VOUCHER_KINDS
    leader = snapshot.by_id.get(item.variant_of) if item.variant_of else None
    return ItemAnswer(
        sku=item.sku,
        kind=item.kind,
        name=text_of(item.name_zh, item.name_en),
        points=item.points,
        cash_minor=item.cash_minor,
        stock=stock.left,
        partner=item.partner.code if item.partner else None,
        stores=[
            StoreAnswer(store.code, text_of(store.name_zh, store.name_en), text_of(store.city_zh, store.city_en))
            for store in item.stores
        ],
        name_zh=item.name_zh,
        name_en=item.name_en,
        summary=text_of(item.summary_zh, item.summary_en),
        scene=item.scene,
        tier=item.tier.code if item.tier else None,
        per_member_limit=item.per_member_limit,
        on_sale_from=item.on_sale_from,
        on_sale_to=item.on_sale_to,
        description=text_of(item.description_zh, item.description_en),
        rules=list((locale == ENGLISH and item.rules_en) or item.rules_zh),
        value_minor=item.value_minor,
        worth_per_point=None if worth is None else f"{worth.normalize():f}",
        is_drop=item.is_drop,
        tier_prices=[TierPriceAnswer(price.code, price.points) for price in item.tier_points],
        member_points=item.price_for(account.tier_rank) if account else None,
        tags=[text_of(tag.name_zh, tag.name_en) for tag in item.tags or ()],
        cities=list(item.cities or ()),
        visible_from=item.visible_from,
        visible_to=item.visible_to,
        per_order_limit=item.per_order_limit,
        per_day_limit=item.per_day_limit,
        per_person_limit=item.per_person_limit,
        coupon=CouponAnswer(
            item.coupon_purpose or "", item.coupon_form, item.coupon_benefit, item.coupon_threshold_minor
        )
        if item.coupon_form
        else None,
        voucher_days=item.voucher_days if is_verified else None,
        uses=item.uses if is_verified else None,
        ships_days=item.ships_days,
        ships_not_to=list(item.ships_not_to),
        cancel_hours=item.cancel_hours,
        return_days=item.return_days,
        variant_of=leader.sku if leader else None,
        variants=[
            VariantAnswer(
                one.sku,
                text_of(one.variant_zh or one.name_zh, one.variant_en or (one.name_en if not one.variant_zh else "")),
                one.points,
                snapshot.stock_of(one).left if one.id != item.id else stock.left,
            )
            for one in snapshot.variants_of(item)
        ],
        pictures=[
            PictureAnswer(
                address_of(picture.digest, "l"), picture.width, picture.height, text_of(picture.alt_zh, picture.alt_en)
            )
            for picture in item.pictures
        ],
    )
