"""What campaigns and gift codes hold about members."""

from liyu.core.i18n import N_
from liyu.core.personal import PersonalTable

PERSONAL_DATA = [
    PersonalTable(
        table="campaign_gift",
        title=N_("Gifts of campaigns"),
        read="""
            SELECT g.at, c.name, i.name_zh, i.name_en, g.period, g.state, g.reason
            FROM campaign_gift g JOIN campaign c ON c.id = g.campaign_id JOIN item i ON i.id = c.item_id
            WHERE g.member_id = ANY(%(members)s) ORDER BY g.at""",
    ),
    PersonalTable(
        table="gift_code",
        title=N_("Gift codes redeemed"),
        read="""
            SELECT g.redeemed_at, b.name, g.serial, b.points, i.name_zh, i.name_en
            FROM gift_code g JOIN gift_batch b ON b.id = g.batch_id LEFT JOIN item i ON i.id = b.item_id
            WHERE g.member_id = ANY(%(members)s) ORDER BY g.redeemed_at""",
    ),
]
