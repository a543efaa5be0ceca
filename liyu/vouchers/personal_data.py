"""What the tables of vouchers hold about members: rights, who gave them to whom, and with which words."""

from liyu.core.i18n import N_
from liyu.core.personal import PersonalTable

PERSONAL_DATA = [
    PersonalTable(
        table="voucher",
        title=N_("Vouchers"),
        read="""
            SELECT r.number, i.name_zh, i.name_en, v.state, v.uses, v.uses_allowed, v.issued_at, v.expires_at
            FROM voucher v LEFT JOIN redemption r ON r.id = v.redemption_id JOIN item i ON i.id = v.item_id
            WHERE v.member_id = ANY(%(members)s) OR v.holder_id = ANY(%(members)s) ORDER BY v.id""",
    ),
    PersonalTable(
        table="voucher_gift",
        title=N_("Vouchers given away and received"),
        read="""
            SELECT i.name_zh, i.name_en, g.giver_id = ANY(%(members)s) AS given, g.state, g.offered_at, g.decided_at,
                CASE WHEN g.giver_id = ANY(%(members)s) THEN g.words END AS words
            FROM voucher_gift g JOIN voucher v ON v.id = g.voucher_id JOIN item i ON i.id = v.item_id
            WHERE g.giver_id = ANY(%(members)s) OR g.receiver_id = ANY(%(members)s) ORDER BY g.id""",
        erase="UPDATE voucher_gift SET words = '' WHERE giver_id = ANY(%(members)s)",
    ),
    PersonalTable(
        table="voucher_reminder",
        title=N_("Reminders of vouchers"),
        read="""
            SELECT i.name_zh, i.name_en, r.expires_at, r.channel, r.at
            FROM voucher_reminder r JOIN voucher v ON v.id = r.voucher_id JOIN item i ON i.id = v.item_id
            WHERE r.member_id = ANY(%(members)s) ORDER BY r.at, r.voucher_id""",
    ),
]
