"""What drops hold about members."""

from liyu.core.i18n import N_
from liyu.core.personal import PersonalTable

PERSONAL_DATA = [
    PersonalTable(
        table="drop_entry",
        title=N_("Places on waiting lists"),
        read="""
            SELECT e.joined_at, d.number, i.name_zh, i.name_en, e.units, e.state
            FROM drop_entry e JOIN drop d ON d.id = e.drop_id JOIN item i ON i.id = d.item_id
            WHERE e.member_id = ANY(%(members)s) ORDER BY e.id""",
    ),
    PersonalTable(
        table="drop_offer",
        title=N_("Units kept at drops"),
        read="""
            SELECT o.made_at, d.number, i.name_zh, i.name_en, o.units, o.state, o.deadline
            FROM drop_offer o JOIN drop d ON d.id = o.drop_id JOIN item i ON i.id = d.item_id
            WHERE o.member_id = ANY(%(members)s) ORDER BY o.id""",
    ),
    PersonalTable(
        table="drop_note",
        title=N_("What happened at drops"),
        read="""
            SELECT n.at, d.number, n.what, n.details FROM drop_note n JOIN drop d ON d.id = n.drop_id
            WHERE n.member_id = ANY(%(members)s) ORDER BY n.id""",
    ),
]
