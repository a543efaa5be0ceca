"""What the catalog holds about members."""

from liyu.core.i18n import N_
from liyu.core.personal import PersonalTable

PERSONAL_DATA = [
    PersonalTable(
        table="favourite",
        title=N_("Favourites"),
        read="""
            SELECT f.at, i.sku, i.name_zh, i.name_en FROM favourite f JOIN item i ON i.id = f.item_id
            WHERE f.member_id = ANY(%(members)s) ORDER BY f.at, i.id""",
        erase="DELETE FROM favourite WHERE member_id = ANY(%(members)s)",
    ),
    PersonalTable(
        table="candidate_vote",
        title=N_("Votes for new rights"),
        read="""
            SELECT v.at, c.name_zh, c.name_en FROM candidate_vote v JOIN right_candidate c ON c.id = v.candidate_id
            WHERE v.member_id = ANY(%(members)s) ORDER BY v.at, c.id""",
        erase="DELETE FROM candidate_vote WHERE member_id = ANY(%(members)s)",
    ),
    PersonalTable(
        table="item_seen",
        title=N_("Items looked at last"),
        read="""
            SELECT s.at, i.sku, i.name_zh, i.name_en FROM item_seen s JOIN item i ON i.id = s.item_id
            WHERE s.member_id = ANY(%(members)s) ORDER BY s.at, i.id""",
        erase="DELETE FROM item_seen WHERE member_id = ANY(%(members)s)",
    ),
]
