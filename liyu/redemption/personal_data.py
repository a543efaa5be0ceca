"""Everything that is held about members, over all packages: for the copy that they may ask for, and for their erasure."""

from liyu.core import personal_data as core
from liyu.core.i18n import N_
from liyu.core.personal import PersonalTable
from liyu.members import personal_data as members
from liyu.vouchers import personal_data as vouchers

OWN = [
    PersonalTable(
        table="redemption",
        title=N_("Orders"),
        read="""
            SELECT r.created_at, r.number, i.name_zh, i.name_en, r.quantity, r.points, r.cash_minor, r.state
            FROM redemption r JOIN item i ON i.id = r.item_id WHERE r.member_id = ANY(%(members)s) ORDER BY r.id""",
    ),
    PersonalTable(table="limit_use", title=N_("Limits used"), read=None),
]

PERSONAL_DATA: list[PersonalTable] = [*OWN, *vouchers.PERSONAL_DATA, *core.PERSONAL_DATA, *members.PERSONAL_DATA]
