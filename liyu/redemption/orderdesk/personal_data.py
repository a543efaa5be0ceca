"""What parcels, after-sale requests and top-ups hold about members."""

from liyu.core.i18n import N_
from liyu.core.personal import PersonalTable

PERSONAL_DATA = [
    PersonalTable(
        table="parcel",
        title=N_("Parcels"),
        read="""
            SELECT p.sent_at, r.number, p.carrier, p.tracking_number, p.quantity, p.received_at
            FROM parcel p JOIN redemption r ON r.id = p.redemption_id WHERE r.member_id = ANY(%(members)s) ORDER BY p.id""",
    ),
    PersonalTable(
        table="after_sale",
        title=N_("After-sale requests"),
        read="""
            SELECT a.opened_at, a.number, r.number AS redemption, a.kind, a.reason, a.words, a.quantity, a.state, a.points,
                a.cash_minor, a.closed_at
            FROM after_sale a JOIN redemption r ON r.id = a.redemption_id WHERE r.member_id = ANY(%(members)s) ORDER BY a.id""",
        erase="""
            UPDATE after_sale SET words = '', carrier = NULL, tracking_number = NULL
            WHERE redemption_id IN (SELECT id FROM redemption WHERE member_id = ANY(%(members)s))""",
    ),
    PersonalTable(
        table="after_sale_transition",
        title=N_("Steps of after-sale requests"),
        read="""
            SELECT t.at, a.number, t.to_state, t.reason FROM after_sale_transition t JOIN after_sale a ON a.id = t.after_sale_id
            JOIN redemption r ON r.id = a.redemption_id WHERE r.member_id = ANY(%(members)s) ORDER BY t.id""",
    ),
    # Only that there were photos is told in a file of texts; the files themselves are deleted by a job.
    PersonalTable(
        table="after_sale_photo",
        title=N_("Photos of after-sale requests"),
        read="""
            SELECT a.number, f.position, f.width, f.height FROM after_sale_photo f JOIN after_sale a ON a.id = f.after_sale_id
            JOIN redemption r ON r.id = a.redemption_id
            WHERE r.member_id = ANY(%(members)s) AND f.erased_at IS NULL ORDER BY a.id, f.position""",
        erase="""
            UPDATE after_sale_photo f SET erased_at = now() FROM after_sale a JOIN redemption r ON r.id = a.redemption_id
            WHERE a.id = f.after_sale_id AND r.member_id = ANY(%(members)s) AND f.erased_at IS NULL""",
    ),
    PersonalTable(
        table="top_up",
        title=N_("Top-ups"),
        read="""
            SELECT t.ordered_at, r.number, t.phone, t.state, t.attempts FROM top_up t JOIN redemption r ON r.id = t.redemption_id
            WHERE r.member_id = ANY(%(members)s) ORDER BY t.redemption_id""",
        erase="""
            UPDATE top_up SET phone = NULL
            WHERE redemption_id IN (SELECT id FROM redemption WHERE member_id = ANY(%(members)s))""",
    ),
    PersonalTable(table="top_up_attempt", title=N_("Attempts of top-ups"), read=None),
]
