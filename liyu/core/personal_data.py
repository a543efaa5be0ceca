"""What the tables of core hold about members."""

from liyu.core.i18n import N_
from liyu.core.personal import PersonalTable

PERSONAL_DATA = [
    PersonalTable(
        table="session",
        title=N_("Signed-in devices"),
        read="""
            SELECT created_at, last_seen_at, expires_at, revoked_at, address, user_agent FROM session
            WHERE member_id = ANY(%(members)s) ORDER BY created_at""",
        erase="DELETE FROM session WHERE member_id = ANY(%(members)s)",
    ),
    PersonalTable(
        table="login_code",
        title=N_("Codes sent to the phone"),
        read="SELECT phone, created_at, used_at FROM login_code WHERE phone = ANY(%(contacts)s) ORDER BY id",
        erase="DELETE FROM login_code WHERE phone = ANY(%(contacts)s)",
    ),
    PersonalTable(
        table="outbox_message",
        title=N_("Messages sent"),
        read="""
            SELECT created_at, channel, recipient, subject, body, sent_at FROM outbox_message
            WHERE recipient = ANY(%(contacts)s) ORDER BY id""",
        erase="DELETE FROM outbox_message WHERE recipient = ANY(%(contacts)s)",
    ),
    PersonalTable(
        table="rate_limit",
        title=N_("Attempts counted"),
        read=None,
        erase="DELETE FROM rate_limit WHERE subject = ANY(%(contacts)s) OR subject = ANY(%(actors)s)",
    ),
    # Answers to the member's own requests; those to a host's requests hold the host's id only, and belong to the host.
    PersonalTable(
        table="idempotent_answer",
        title=N_("Answers kept"),
        read=None,
        erase="DELETE FROM idempotent_answer WHERE scope = ANY(%(actors)s)",
    ),
    # The log of what staff did is never changed. It says what was changed and why, not what a person's data were.
    PersonalTable(
        table="audit_event",
        title=N_("What was done to the account"),
        read="""
            SELECT at, actor, action FROM audit_event
            WHERE actor = ANY(%(actors)s)
                OR object IN (SELECT 'member:' || id FROM unnest(%(external_ids)s::text[]) AS id) ORDER BY id""",
    ),
    PersonalTable(
        table="account",
        title=N_("Points"),
        read="SELECT kind, balance FROM account WHERE member_id = ANY(%(members)s) ORDER BY id",
    ),
    PersonalTable(
        table="transfer",
        title=N_("Movements of points"),
        read="""
            SELECT t.at, t.event, t.source, t.reason, CASE WHEN c.id IS NULL THEN -t.amount ELSE t.amount END AS points,
                coalesce(c.kind, d.kind) AS account
            FROM transfer t
            LEFT JOIN account c ON c.id = t.credit_account_id AND c.member_id = ANY(%(members)s)
            LEFT JOIN account d ON d.id = t.debit_account_id AND d.member_id = ANY(%(members)s)
            WHERE t.debit_account_id IN (SELECT id FROM account WHERE member_id = ANY(%(members)s))
                OR t.credit_account_id IN (SELECT id FROM account WHERE member_id = ANY(%(members)s))
            ORDER BY t.at, t.id""",
    ),
]
