"""What the tables of members hold about them, and who somebody is to those tables."""

from typing import Any

from psycopg import AsyncConnection

from liyu.core.errors import NotFoundError
from liyu.core.i18n import N_
from liyu.core.personal import Person, PersonalTable

# A number that has become somebody else's is theirs: nothing of it is told or erased with the former owner.
_PERSON = """
    WITH RECURSIVE own AS (
        SELECT id FROM member WHERE id = %(member)s UNION SELECT m.id FROM member m JOIN own ON m.merged_into = own.id),
    known AS (
        SELECT phone AS contact FROM member WHERE id IN (SELECT id FROM own)
        UNION SELECT email FROM member WHERE id IN (SELECT id FROM own)
        UNION SELECT old_phone FROM phone_change WHERE member_id IN (SELECT id FROM own)
        UNION SELECT new_phone FROM phone_change WHERE member_id IN (SELECT id FROM own))
    SELECT (SELECT array_agg(id ORDER BY id) FROM own),
        (SELECT coalesce(array_agg(contact), '{}') FROM known WHERE contact IS NOT NULL AND NOT EXISTS (
            SELECT FROM member o WHERE o.id NOT IN (SELECT id FROM own) AND (o.phone = contact OR o.email = contact))),
        (SELECT array_agg(external_id) FROM member WHERE id IN (SELECT id FROM own))"""

PERSONAL_DATA = [
    PersonalTable(
        table="member",
        title=N_("Profile"),
        read="""
            SELECT external_id, card_number, name, phone, email, birthday, city, locale, state, growth, joined_at
            FROM member WHERE id = ANY(%(members)s) ORDER BY id""",
        erase="""
            UPDATE member SET external_id = 'erased-' || gen_random_uuid(), card_number = NULL, name = NULL, phone = NULL,
                email = NULL, birthday = NULL, city = NULL, locale = NULL, birthday_changed_at = NULL
            WHERE id = ANY(%(members)s)""",
    ),
    PersonalTable(
        table="profile_value",
        title=N_("Answers in the profile"),
        read="""
            SELECT f.name_zh, f.name_en, v.value FROM profile_value v JOIN profile_field f ON f.id = v.field_id
            WHERE v.member_id = ANY(%(members)s) ORDER BY f.position, f.id""",
        erase="DELETE FROM profile_value WHERE member_id = ANY(%(members)s)",
    ),
    PersonalTable(
        table="member_address",
        title=N_("Addresses"),
        read="""
            SELECT recipient, phone, province, city, district, detail, label, is_default, changed_at FROM member_address
            WHERE member_id = ANY(%(members)s) ORDER BY id""",
        erase="DELETE FROM member_address WHERE member_id = ANY(%(members)s)",
    ),
    PersonalTable(
        table="consent_entry",
        title=N_("Consents"),
        read="""
            SELECT t.purpose, t.version, e.given, e.at FROM consent_entry e JOIN consent_text t ON t.id = e.text_id
            WHERE e.member_id = ANY(%(members)s) ORDER BY e.id""",
    ),
    PersonalTable(
        table="phone_change",
        title=N_("Changes of the phone number"),
        read="""
            SELECT at, old_phone, new_phone, actor, reason FROM phone_change
            WHERE member_id = ANY(%(members)s) ORDER BY id""",
        erase="UPDATE phone_change SET old_phone = NULL, new_phone = NULL WHERE member_id = ANY(%(members)s)",
    ),
    PersonalTable(
        table="closing_request",
        title=N_("Wishes to close the account"),
        read="""
            SELECT requested_at, due_at, cancelled_at, done_at, actor, reason FROM closing_request
            WHERE member_id = ANY(%(members)s) ORDER BY id""",
        erase="UPDATE closing_request SET reason = '' WHERE member_id = ANY(%(members)s)",
    ),
    PersonalTable(
        table="data_export",
        title=N_("Copies of your data"),
        read="SELECT at, actor, rows, bytes FROM data_export WHERE member_id = ANY(%(members)s) ORDER BY id",
    ),
    PersonalTable(
        table="earning_event",
        title=N_("Events that brought points"),
        read="""
            SELECT occurred_at, type, reference, amount_minor, currency, points, growth FROM earning_event
            WHERE member_id = ANY(%(members)s) ORDER BY id""",
    ),
    PersonalTable(table="earning_use", title=N_("Caps used"), read=None),
    PersonalTable(
        table="tier_change",
        title=N_("Tiers"),
        read="""
            SELECT c.at, t.name_zh, t.name_en, c.reason, c.growth FROM tier_change c JOIN tier t ON t.id = c.to_tier_id
            WHERE c.member_id = ANY(%(members)s) ORDER BY c.id""",
    ),
    PersonalTable(
        table="paid_period",
        title=N_("Paid memberships"),
        read="""
            SELECT d.bought_at, p.name_zh, p.name_en, d.begins_on, d.ends_on, d.points, d.paid_minor, d.returned_at
            FROM paid_period d JOIN paid_plan p ON p.id = d.plan_id WHERE d.member_id = ANY(%(members)s) ORDER BY d.id""",
    ),
    PersonalTable(
        table="growth_entry",
        title=N_("Growth value"),
        read="""
            SELECT at, source, amount FROM growth_entry WHERE member_id = ANY(%(members)s) ORDER BY at, source""",
    ),
    PersonalTable(
        table="member_state_change",
        title=N_("States of the account"),
        read="""
            SELECT at, to_state, reason, actor FROM member_state_change
            WHERE member_id = ANY(%(members)s) ORDER BY id""",
    ),
    PersonalTable(
        table="card_change",
        title=N_("Cards"),
        read="""
            SELECT at, number, change, reason, actor FROM card_change WHERE member_id = ANY(%(members)s) ORDER BY id""",
    ),
    PersonalTable(
        table="expiry_change",
        title=N_("Points that last longer"),
        read="""
            SELECT at, kind, from_day, to_day, points, reason, actor FROM expiry_change
            WHERE member_id = ANY(%(members)s) ORDER BY id""",
    ),
    PersonalTable(
        table="lapse_reminder",
        title=N_("Reminders of points that lapse"),
        read="""
            SELECT at, first_day, points, channel FROM lapse_reminder WHERE member_id = ANY(%(members)s) ORDER BY at""",
    ),
    PersonalTable(
        table="member_note",
        title=N_("Notes of customer service"),
        read="SELECT at, author, text FROM member_note WHERE member_id = ANY(%(members)s) ORDER BY id",
        erase="DELETE FROM member_note WHERE member_id = ANY(%(members)s)",
    ),
    PersonalTable(
        table="adjustment_request",
        title=N_("Adjustments of points asked for"),
        read="""
            SELECT requested_at, points, reason, state, decided_at, decision FROM adjustment_request
            WHERE member_id = ANY(%(members)s) ORDER BY id""",
    ),
    PersonalTable(
        table="member_merge",
        title=N_("Accounts merged"),
        read="""
            SELECT at, reason, actor FROM member_merge
            WHERE source_id = ANY(%(members)s) OR target_id = ANY(%(members)s) ORDER BY id""",
    ),
    PersonalTable(
        table="member_notice",
        title=N_("Notices"),
        read="SELECT at, topic, subject, read_at FROM member_notice WHERE member_id = ANY(%(members)s) ORDER BY id",
        erase="DELETE FROM member_notice WHERE member_id = ANY(%(members)s)",
    ),
    PersonalTable(
        table="member_terms",
        title=N_("Words for searching"),
        read=None,
        erase="DELETE FROM member_terms WHERE member_id = ANY(%(members)s)",
    ),
    PersonalTable(
        table="member_tag",
        title=N_("Tags"),
        read="""
            SELECT t.name_zh, t.name_en, m.at FROM member_tag m JOIN tag t ON t.id = m.tag_id
            WHERE m.member_id = ANY(%(members)s) ORDER BY m.at, t.id""",
        erase="DELETE FROM member_tag WHERE member_id = ANY(%(members)s)",
    ),
    PersonalTable(
        table="member_tag_change",
        title=N_("Tags given and taken"),
        read="""
            SELECT c.at, t.name_zh, t.name_en, c.given, c.reason FROM member_tag_change c JOIN tag t ON t.id = c.tag_id
            WHERE c.member_id = ANY(%(members)s) ORDER BY c.id""",
    ),
    PersonalTable(
        table="member_import_row",
        title=N_("Rows of imported files"),
        read="""
            SELECT i.made_at, i.file_name, r.given FROM member_import_row r JOIN member_import i ON i.id = r.import_id
            WHERE r.member_id = ANY(%(members)s) OR r.phone = ANY(%(contacts)s) OR r.external_id = ANY(%(external_ids)s)
            ORDER BY i.id, r.row""",
        erase="""
            UPDATE member_import_row SET given = '[]', external_id = NULL, phone = NULL, fields = '{}', changes = '[]',
                faults = '[]', conflicts = '[]'
            WHERE member_id = ANY(%(members)s) OR phone = ANY(%(contacts)s) OR external_id = ANY(%(external_ids)s)""",
    ),
    PersonalTable(
        table="opening_balance",
        title=N_("Points brought along"),
        read="""
            SELECT at, points, expires_on FROM opening_balance WHERE member_id = ANY(%(members)s) ORDER BY id""",
    ),
]


async def find_person(connection: AsyncConnection[Any], member_id: int) -> Person:
    """Who a member is to the statements above. Raises NotFoundError."""
    found = await connection.execute(_PERSON, {"member": member_id})
    members, contacts, external_ids = await found.fetchone() or (None, [], [])
    if members is None:
        raise NotFoundError
    return Person(members, contacts, [f"member:{one}" for one in members], external_ids)
