"""The columns of a file of items with their names in both languages, for people who fill in a workbook."""

from liyu.catalog.import_items import COLUMNS as CODES
from liyu.core.i18n import N_
from liyu.members.imports.columns import Column, simplify

SHEET = N_("Items")
HINTS = (
    N_("Fill in the first sheet. Number, kind, name in Chinese and points are needed; other columns may be deleted."),
    N_(
        "A known number is changed in place. A column that is not there leaves items as they are; an empty cell clears."
    ),
    N_("Nothing changes before you have seen every difference and agreed. All rows are published, or none."),
)

COLUMNS = (
    Column(
        "sku", N_("Item number"), "商品编号", ("编号", "货号"),
        N_("Letters, digits, dots, hyphens. It never changes."), "LATTE-1",
    ),
    Column(
        "kind", N_("Kind"), "类型", ("商品类型",),
        N_("goods, pick_up, coupon, partner_right, code, top_up, draw or donation. It never changes."), "coupon",
    ),
    Column("name_zh", N_("Name in Chinese"), "中文名称", ("名称", "商品名称"), N_("Up to 200 characters."), "拿铁一杯"),
    Column("name_en", N_("Name in English"), "英文名称", (), N_("Empty: the Chinese name."), "A latte"),
    Column("summary_zh", N_("Summary in Chinese"), "中文简介", ("简介",), N_("One line under the name."), "现磨中杯"),
    Column("summary_en", N_("Summary in English"), "英文简介", (), N_("One line under the name."), "Freshly ground"),
    Column("points", N_("Points"), "积分", ("积分价",), N_("For each unit."), "180"),
    Column("cash_minor", N_("and cash"), "现金（分）", ("现金",), N_("For each unit, in fen."), "0"),
    Column("value_minor", N_("Worth"), "价值（分）", ("原价", "市场价"), N_("The price elsewhere, in fen."), "2900"),
    Column("tier_prices", N_("Prices of tiers"), "等级价", (), N_("Tiers with their points."), "gold:150; platinum:120"),
    Column(
        "stock", N_("Units ever offered"), "总库存", ("库存",),
        N_("Empty: without a limit. Items with codes offer as many as they have codes."), "500",
    ),
    Column("per_order_limit", N_("Limit for each order"), "每单限兑", (), N_("Empty: none."), "2"),
    Column("per_member_limit", N_("Limit for each member"), "每人限兑", ("会员限兑",), N_("In a lifetime. Empty: none."), "2"),
    Column("per_day_limit", N_("Limit for each member a day"), "每日限兑", (), N_("Empty: none."), "1"),
    Column(
        "per_person_limit", N_("Limit for each person"), "自然人限兑", (),
        N_("In a lifetime, over all memberships of a natural person. Empty: none."), "1",
    ),
    Column("tier", N_("Lowest tier"), "最低等级", ("等级",), N_("The tier's code or name. Empty: everybody."), "gold"),
    Column("tags", N_("Tags"), "会员标签", ("标签",), N_("Members need one of them. Empty: everybody."), "vip"),
    Column(
        "cities", N_("Cities of members"), "会员城市", ("城市",),
        N_("Members live in one of them. Empty: everybody."), "上海；北京",
    ),
    Column("visible_from", N_("Shown from"), "展示开始", (), N_("As 2026-11-22 or 2026-11-22T10:00."), "2026-11-22"),
    Column("visible_to", N_("Shown until"), "展示结束", (), N_("As 2026-11-22 or 2026-11-22T10:00."), "2026-12-31"),
    Column(
        "on_sale_from", N_("On sale from"), "开售时间", (),
        N_("As 2026-11-22 or 2026-11-22T10:00."), "2026-11-25T10:00",
    ),
    Column("on_sale_to", N_("On sale until"), "停售时间", (), N_("As 2026-11-22 or 2026-11-22T10:00."), "2026-12-31"),
    Column("partner", N_("Partner"), "商户", ("商户编号",), N_("The partner's code. Empty: your own."), "LUCKIN"),
    Column(
        "stores", N_("Stores"), "适用门店", ("门店",),
        N_("Codes of the partner's stores. Empty: all of them."), "LUCKIN-SH01",
    ),
    Column(
        "scene", N_("Scene"), "场景", (),
        N_("travel, dining, hotel, car, health, coffee, shopping, entertainment, home or charity."), "coffee",
    ),
    Column(
        "variant_of", N_("Variant of"), "所属商品", (),
        N_("The number of the item that this is a colour or size of."), "",
    ),
    Column(
        "variant_zh", N_("Name of the variant in Chinese"), "规格中文名", ("规格",),
        N_("Such as a colour or a size."), "红色",
    ),
    Column("variant_en", N_("Name of the variant in English"), "规格英文名", (), N_("Such as a colour or a size."), "Red"),
    Column(
        "coupon_purpose", N_("What the coupon is for"), "券用途", (),
        N_("ordinary, marketing or care. Coupons only."), "ordinary",
    ),
    Column("coupon_form", N_("Kind of coupon"), "券种类", (), N_("discount, cash or gift. Coupons only."), "cash"),
    Column(
        "coupon_benefit", N_("Takes off"), "券优惠", (),
        N_("Fen for cash coupons; hundredths of a percent for discounts, such as 1500. Empty for gifts."), "2000",
    ),
    Column("coupon_threshold_minor", N_("From a bill of"), "使用门槛（分）", ("门槛",), N_("In fen. Empty: any bill."), "9900"),
    Column("ships_days", N_("Sent within working days"), "发货工作日", (), N_("Goods only."), "3"),
    Column("ships_not_to", N_("Not sent to"), "不发货地区", (), N_("Provinces."), "西藏；新疆"),
    Column(
        "cancel_hours", N_("May be cancelled for hours"), "可取消小时数", (),
        N_("Hours after redeeming within which members may cancel. 0: never. Empty: until it is sent or used."), "24",
    ),
    Column(
        "return_days", N_("May be returned for days"), "可退货天数", (),
        N_("Days after goods arrived. 0: never. Empty: as the program says."), "7",
    ),
)  # fmt: skip

assert {column.code for column in COLUMNS} == set(CODES), "every column that is read is explained"

_BY_NAME = {
    simplify(name): column.code
    for column in COLUMNS
    for name in (column.code, column.heading, column.heading_zh, *column.names)
}


def find_item_column(heading: str) -> str | None:
    """The column that a heading means, in either language; None when nobody knows it."""
    return _BY_NAME.get(simplify(heading))
