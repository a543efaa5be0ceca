"""The demo brand's program: its tiers, and the customer's rules and expiry."""

from datetime import datetime

from liyu.members.program import BEGINNING, CUSTOMER_RULES, ProgramTerms, RuleRow, TierRow
from liyu.members.tiers.rights import TierRight

TERMS = ProgramTerms(
    name_zh="青禾会员",
    name_en="Qinghe Rewards",
    currency="CNY",
    expiry_policy="year_end",
    expiry_months=24,
    lapsed_grace_days=0,
    undo_minutes=10,
    points_per_currency_unit=10,
    support_phone="400-555-0100",
    demo=True,
    tier_fall="one_step",
    tier_grace_days=15,
)

TIERS = [
    TierRow(
        "standard", 1, "普通会员", "Member", 0, 10_000, 12,
        [TierRight("coins", "消费 1 元得 1 积分", "1 point per CNY"),
         TierRight("sparkles", "每日签到得积分", "Points for checking in daily")],
    ),
    TierRow(
        "silver", 2, "银卡会员", "Silver", 1_000, 11_000, 12,
        [TierRight("coins", "消费积分 1.1 倍", "1.1 × points on purchases"), TierRight("gift", "银卡专享商品", "Items for Silver"),
         TierRight("cake", "生日礼券", "Birthday coupon")],
    ),
    TierRow(
        "gold", 3, "金卡会员", "Gold", 3_000, 12_000, 12,
        [TierRight("coins", "消费积分 1.2 倍", "1.2 × points on purchases"), TierRight("ticket", "金卡专享权益", "Rights for Gold"),
         TierRight("bell", "限量活动优先提醒", "Early notice of drops")],
    ),
    TierRow(
        "platinum", 4, "白金会员", "Platinum", 5_000, 15_000, 24,
        [TierRight("coins", "消费积分 1.5 倍", "1.5 × points on purchases"),
         TierRight("plane", "机场与酒店礼遇", "Airport and hotel privileges"),
         TierRight("message-circle", "专属客服", "Personal service")],
    ),
]  # fmt: skip

EXTRAS = [
    RuleRow("profile", "profile", "完善资料", "Complete profile", 20, lifetime_cap=20),
    RuleRow("streak", "check_in", "连续签到奖励", "Days in a row", 5, condition="streak", every_days=7),
    RuleRow("birthday_month", "purchase", "生日月加赠", "Birthday month", 1, per_minor=100, yearly_cap=200,
            condition="birthday_month", pending_days=7),
]  # fmt: skip
"""What the demo's brand adds to the customer's list, to show what rules can do."""

PENDING_DAYS = 7
"""Points of a purchase become usable when it can no longer be returned."""


def rules_from(growth_since: datetime) -> list[RuleRow]:
    """The rules, in two versions of the purchase rule: growth value was introduced at `growth_since`."""
    first = RuleRow("purchase", "purchase", "消费积分", "Purchases", 1, 0, 100, pending_days=PENDING_DAYS,
                    valid_from=BEGINNING, valid_to=growth_since)  # fmt: skip
    second = RuleRow("purchase", "purchase", "消费积分", "Purchases", 1, 1, 100, tier_multiplied=True,
                     pending_days=PENDING_DAYS, version=2, valid_from=growth_since)  # fmt: skip
    return [first, second, *CUSTOMER_RULES, *EXTRAS]
