"""What the tables of vouchers hold about members: rights, not persons."""

from liyu.core.i18n import N_
from liyu.core.personal import PersonalTable

PERSONAL_DATA = [
    PersonalTable(
        table="voucher",
        title=N_("Vouchers"),
        read="""
            SELECT r.number, i.name_zh, i.name_en, v.state, v.uses, v.uses_allowed, v.issued_at, v.expires_at
            FROM voucher v JOIN redemption r ON r.id = v.redemption_id JOIN item i ON i.id = v.item_id
            WHERE v.member_id = ANY(%(members)s) ORDER BY v.id""",
    ),
]
