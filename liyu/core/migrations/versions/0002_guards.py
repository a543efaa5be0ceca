"""The guards: what is written once stays as it is, approved statements are frozen, and the ledger has its system accounts"""

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SYSTEM_ACCOUNTS = {
    "points_issued": "PTS",
    "points_redeemed": "PTS",
    "points_lapsed": "PTS",
    "points_clawed_back": "PTS",
    "points_adjusted": "PTS",
    "points_compensation": "PTS",
    "points_opening": "PTS",
    "points_extended": "PTS",
    "points_gifts": "PTS",
    "rights_cost": "CNY",
    "bank": "CNY",
}

APPEND_ONLY = (
    "transfer",
    "lot_entry",
    "payable_entry",
    "member_state_change",
    "tier_change",
    "growth_entry",
    "card_change",
    "partner_state_change",
    "item_state_change",
    "item_version",
    "redemption_transition",
    "after_sale_transition",
    "top_up_attempt",
    "voucher_transition",
    "voucher_change",
    "voucher_reminder",
    "voucher_run_activation",
    "statement_transition",
    "verification_refusal",
    "offline_decision",
    "till_bill",
    "till_bill_use",
    "member_import_transition",
    "member_tag_change",
    "audit_event",
    "lapse_reminder",
    "consent_text",
    "consent_entry",
    "data_export",
    "member_merge",
    "member_note",
    "pool_import_fault",
    "pool_recall",
    "pool_reveal",
    "right_candidate_change",
    "score_sheet",
    "draw_transition",
    "draw_place_change",
    "drop_transition",
    "drop_note",
    "campaign_transition",
    "gift_batch_act",
)

ERASED_WITH_THE_PERSON = ("member_note",)
"""Append-only while the member stays: free words about a person go when the person is erased."""

REFUSE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION refuse_change_of_who_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (SELECT FROM member WHERE id = OLD.member_id AND state IN ('closed', 'merged')) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
"""

FREEZE = """
CREATE FUNCTION keep_terms_as_agreed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR
        (OLD.id, OLD.partner_id, OLD.code, OLD.version, OLD.mode, OLD.currency, OLD.unit_price_minor, OLD.commission_minor,
         OLD.free_quota, OLD.tax_rate_basis_points, OLD.valid_from, OLD.offline_loss, OLD.offline_loss_cap_minor)
        IS DISTINCT FROM
        (NEW.id, NEW.partner_id, NEW.code, NEW.version, NEW.mode, NEW.currency, NEW.unit_price_minor, NEW.commission_minor,
         NEW.free_quota, NEW.tax_rate_basis_points, NEW.valid_from, NEW.offline_loss, NEW.offline_loss_cap_minor) THEN
        RAISE EXCEPTION 'agreement line % stays as agreed: terms change with a new version', OLD.code
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION check_entries_against_transfers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    faulty text;
BEGIN
    SELECT w.source INTO faulty FROM written w WHERE w.transfer_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM transfer t JOIN account a
            ON a.id = CASE WHEN w.amount_minor > 0 THEN t.credit_account_id ELSE t.debit_account_id END
        WHERE t.id = w.transfer_id AND t.amount = abs(w.amount_minor) AND a.partner_id = w.partner_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry % is not what its transfer moved', faulty USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION keep_statement_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'statement % stays', OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state <> 'draft' AND
        (OLD.number, OLD.partner_id, OLD.period, OLD.currency, OLD.payable_minor, OLD.receivable_minor, OLD.net_minor,
         OLD.entries, OLD.ends_at, OLD.watermark, OLD.previous_ends_at, OLD.previous_watermark, OLD.digest,
         OLD.prepared_by, OLD.prepared_at)
        IS DISTINCT FROM
        (NEW.number, NEW.partner_id, NEW.period, NEW.currency, NEW.payable_minor, NEW.receivable_minor, NEW.net_minor,
         NEW.entries, NEW.ends_at, NEW.watermark, NEW.previous_ends_at, NEW.previous_watermark, NEW.digest,
         NEW.prepared_by, NEW.prepared_at) THEN
        RAISE EXCEPTION 'statement % is frozen: only a draft can change', OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.approved_by IS NOT NULL AND
        (OLD.approved_by, OLD.approved_at) IS DISTINCT FROM (NEW.approved_by, NEW.approved_at) THEN
        RAISE EXCEPTION 'the approval of statement % stays', OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_statements_in_a_chain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before statement;
BEGIN
    PERFORM FROM partner WHERE id = NEW.partner_id FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM statement WHERE partner_id = NEW.partner_id AND period > NEW.period) THEN
        RAISE EXCEPTION 'a later statement than % builds on it', NEW.period USING ERRCODE = 'restrict_violation';
    END IF;
    SELECT * INTO before FROM statement WHERE partner_id = NEW.partner_id AND period < NEW.period
        ORDER BY period DESC LIMIT 1;
    IF NEW.previous_ends_at IS DISTINCT FROM before.ends_at
        OR NEW.previous_watermark <> coalesce(before.watermark, 0)
        OR NEW.watermark < NEW.previous_watermark
        OR NEW.ends_at <= before.ends_at THEN
        RAISE EXCEPTION 'statement % does not begin where the one before ends', NEW.number
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_lines_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    parent bigint := CASE WHEN TG_OP = 'INSERT' THEN NEW.statement_id ELSE OLD.statement_id END;
BEGIN
    IF EXISTS (SELECT FROM statement WHERE id = parent AND state <> 'draft')
        OR (TG_OP = 'UPDATE' AND NEW.statement_id <> parent) THEN
        RAISE EXCEPTION 'the lines of a statement are frozen: only a draft can change' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE FUNCTION keep_expiry_change_as_ordered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.finished_at IS NOT NULL
        OR (OLD.id, OLD.key, OLD.kind, OLD.member_id, OLD.from_day, OLD.to_day, OLD.reason, OLD.actor, OLD.at)
        IS DISTINCT FROM
        (NEW.id, NEW.key, NEW.kind, NEW.member_id, NEW.from_day, NEW.to_day, NEW.reason, NEW.actor, NEW.at)
        OR NEW.lots < OLD.lots OR NEW.points < OLD.points THEN
        RAISE EXCEPTION 'change of expiry % stays as it was ordered', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_merges_flat() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.merged_into IS NOT NULL AND NEW.merged_into IS NULL THEN
        RAISE EXCEPTION 'member % was merged for good', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM FROM member WHERE id = NEW.merged_into AND merged_into IS NULL FOR KEY SHARE;
    IF NOT FOUND OR NEW.merged_into = NEW.id THEN
        RAISE EXCEPTION 'member % is merged itself: nobody is merged into it', NEW.merged_into
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF EXISTS (SELECT FROM member WHERE merged_into = NEW.id) THEN
        RAISE EXCEPTION 'others lead to member %: they go first', NEW.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION forget_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO member_terms (member_id) VALUES (NEW.id) ON CONFLICT (member_id) DO UPDATE SET terms = NULL;
    RETURN NULL;
END $$;

CREATE FUNCTION keep_adjustment_as_requested() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state <> 'requested'
        OR (OLD.id, OLD.key, OLD.member_id, OLD.points, OLD.reason, OLD.requested_by, OLD.requested_at)
        IS DISTINCT FROM
        (NEW.id, NEW.key, NEW.member_id, NEW.points, NEW.reason, NEW.requested_by, NEW.requested_at) THEN
        RAISE EXCEPTION 'adjustment % stays as it was requested', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION refuse_blocked_card() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM card_change WHERE number = NEW.card_number AND change = 'blocked') THEN
        RAISE EXCEPTION 'card % is blocked for ever', NEW.card_number USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_rule_as_priced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT FROM earning_event) THEN
            RAISE EXCEPTION 'rule % stays: events were priced with it', OLD.code USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF to_jsonb(NEW) - 'valid_to' <> to_jsonb(OLD) - 'valid_to' THEN
        RAISE EXCEPTION 'rule % stays as it is: it changes with a new version', OLD.code
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_event_as_priced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR to_jsonb(NEW) - 'member_id' <> to_jsonb(OLD) - 'member_id' THEN
        RAISE EXCEPTION 'event % stays as it was priced', OLD.reference USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_membership_as_sold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.returned_at IS NOT NULL
        OR (OLD.plan_id, OLD.tier_id, OLD.reference, OLD.days, OLD.points,
            OLD.paid_minor, OLD.return_days, OLD.bought_on, OLD.bought_at, OLD.actor)
        IS DISTINCT FROM
        (NEW.plan_id, NEW.tier_id, NEW.reference, NEW.days, NEW.points,
            NEW.paid_minor, NEW.return_days, NEW.bought_on, NEW.bought_at, NEW.actor) THEN
        RAISE EXCEPTION 'membership % stays as it was sold, and is given back once', OLD.reference
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_payout_as_paid() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state = 'paid'
        OR (OLD.id, OLD.statement_id, OLD.amount_minor, OLD.carried_minor, OLD.currency, OLD.prepared_by, OLD.prepared_at)
        IS DISTINCT FROM
        (NEW.id, NEW.statement_id, NEW.amount_minor, NEW.carried_minor, NEW.currency, NEW.prepared_by, NEW.prepared_at) THEN
        RAISE EXCEPTION 'payout % stays as it is', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_hold_as_decided() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE'
        OR to_jsonb(NEW) - '{outcome,decided_at,intent_id,checkout_id,closed_at}'::text[]
            <> to_jsonb(OLD) - '{outcome,decided_at,intent_id,checkout_id,closed_at}'::text[]
        OR (OLD.outcome IS NOT NULL AND (NEW.outcome, NEW.decided_at) IS DISTINCT FROM (OLD.outcome, OLD.decided_at)) THEN
        RAISE EXCEPTION 'the hold of redemption % is captured or released once', OLD.redemption_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_offer_as_decided() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE'
        OR to_jsonb(NEW) - '{state,decided_at,redemption_id,member_id}'::text[]
            <> to_jsonb(OLD) - '{state,decided_at,redemption_id,member_id}'::text[]
        OR (OLD.state <> 'open' AND to_jsonb(NEW) - 'member_id' <> to_jsonb(OLD) - 'member_id') THEN
        RAISE EXCEPTION 'offer % is decided once', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_payment_as_received() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.refunded_minor < OLD.refunded_minor
        OR to_jsonb(NEW) - 'refunded_minor' <> to_jsonb(OLD) - 'refunded_minor' THEN
        RAISE EXCEPTION 'payment % stays as it was received', OLD.intent_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_refund_as_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state = 'made'
        OR to_jsonb(NEW) - '{state,provider_id,fault,done_at}'::text[]
            <> to_jsonb(OLD) - '{state,provider_id,fault,done_at}'::text[] THEN
        RAISE EXCEPTION 'refund % stays as it is', OLD.key USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_payment_event_as_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.handled_at IS NOT NULL
        OR to_jsonb(NEW) - '{handled_at,result}'::text[] <> to_jsonb(OLD) - '{handled_at,result}'::text[] THEN
        RAISE EXCEPTION 'event % stays as it was told', OLD.event_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_draw_as_announced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'draft' THEN
        IF TG_OP = 'UPDATE' AND NEW.state <> 'draft' AND EXISTS (
            SELECT FROM redemption WHERE item_id = NEW.entry_item_id) THEN
            RAISE EXCEPTION 'draw % has entries that came before its commitment', OLD.number
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'DELETE'
        OR to_jsonb(NEW) - '{state,frozen_at,list_hash,entries,tickets,decided_at,seed,finished_at}'::text[]
            <> to_jsonb(OLD) - '{state,frozen_at,list_hash,entries,tickets,decided_at,seed,finished_at}'::text[]
        OR (OLD.list_hash IS NOT NULL AND (NEW.frozen_at, NEW.list_hash, NEW.entries, NEW.tickets)
            IS DISTINCT FROM (OLD.frozen_at, OLD.list_hash, OLD.entries, OLD.tickets))
        OR (OLD.seed IS NOT NULL AND (NEW.seed, NEW.decided_at) IS DISTINCT FROM (OLD.seed, OLD.decided_at))
        OR (NEW.seed IS NOT NULL AND OLD.list_hash IS NULL) THEN
        RAISE EXCEPTION 'draw % stays as it was announced', OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_prizes_as_announced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    parent bigint := CASE WHEN TG_OP = 'INSERT' THEN NEW.draw_id ELSE OLD.draw_id END;
BEGIN
    IF EXISTS (SELECT FROM draw WHERE id = parent AND state <> 'draft')
        AND (TG_OP <> 'UPDATE' OR to_jsonb(NEW) - 'given' <> to_jsonb(OLD) - 'given') THEN
        RAISE EXCEPTION 'the prizes of a draw stay as they were announced' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE FUNCTION list_entries_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' OR NOT EXISTS (SELECT FROM draw WHERE id = NEW.draw_id AND state = 'announced') THEN
        RAISE EXCEPTION 'the list of a draw is frozen' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_places_as_drawn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (TG_OP = 'INSERT'
            AND NOT EXISTS (SELECT FROM draw WHERE id = NEW.draw_id AND state = 'frozen'))
        OR (TG_OP = 'UPDATE' AND (OLD.state NOT IN ('offered', 'waiting')
            OR (OLD.draw_id, OLD.place, OLD.code) <> (NEW.draw_id, NEW.place, NEW.code)
            OR OLD.prize_id <> NEW.prize_id)) THEN
        RAISE EXCEPTION 'the places of a draw stay as they were drawn' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_terms_of_draw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM draw WHERE entry_item_id = NEW.id AND state NOT IN ('draft', 'called_off')) THEN
        RAISE EXCEPTION 'item % stands for the entries of a draw: its terms stay as they were announced', NEW.sku
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_entries_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM draw WHERE entry_item_id = NEW.item_id AND state IN ('frozen', 'decided', 'finished')) THEN
        RAISE EXCEPTION 'item % stands for the entries of a draw whose list is frozen', NEW.item_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""


def upgrade() -> None:
    connection = op.get_bind()
    # Straight through the driver: these texts hold percent signs that are not placeholders.
    cursor = connection.connection.cursor()
    for statements in (REFUSE, FREEZE, SchemaManager.get_schema()):
        cursor.execute(statements)
    for table in APPEND_ONLY:
        refusal = "refuse_change_of_who_stays" if table in ERASED_WITH_THE_PERSON else "refuse_change"
        connection.exec_driver_sql(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {refusal}()"
        )
        connection.exec_driver_sql(
            f"CREATE TRIGGER never_emptied BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    for table, function, events in (
        ("agreement_line", "keep_terms_as_agreed", "UPDATE OR DELETE"),
        ("statement", "keep_statement_frozen", "UPDATE OR DELETE"),
        ("statement_line", "keep_lines_frozen", "INSERT OR UPDATE OR DELETE"),
        ("payout", "keep_payout_as_paid", "UPDATE OR DELETE"),
        ("payment_hold", "keep_hold_as_decided", "UPDATE OR DELETE"),
        ("payment", "keep_payment_as_received", "UPDATE OR DELETE"),
        ("drop_offer", "keep_offer_as_decided", "UPDATE OR DELETE"),
        ("payment_refund", "keep_refund_as_made", "UPDATE OR DELETE"),
        ("draw", "keep_draw_as_announced", "UPDATE OR DELETE"),
        ("draw_prize", "keep_prizes_as_announced", "INSERT OR UPDATE OR DELETE"),
        ("draw_entry", "list_entries_once", "INSERT OR UPDATE OR DELETE"),
        ("draw_place", "keep_places_as_drawn", "INSERT OR UPDATE OR DELETE"),
        ("payment_event", "keep_payment_event_as_told", "UPDATE OR DELETE"),
        ("earning_rule", "keep_rule_as_priced", "UPDATE OR DELETE"),
        ("earning_event", "keep_event_as_priced", "UPDATE OR DELETE"),
        ("paid_period", "keep_membership_as_sold", "UPDATE OR DELETE"),
        ("expiry_change", "keep_expiry_change_as_ordered", "UPDATE OR DELETE"),
        ("adjustment_request", "keep_adjustment_as_requested", "UPDATE OR DELETE"),
    ):
        connection.exec_driver_sql(
            f"CREATE TRIGGER frozen BEFORE {events} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
    connection.exec_driver_sql(
        "CREATE TRIGGER merged_for_good BEFORE UPDATE OF merged_into ON member FOR EACH ROW "
        "WHEN (OLD.merged_into IS DISTINCT FROM NEW.merged_into) EXECUTE FUNCTION keep_merges_flat()"
    )
    connection.exec_driver_sql(
        "CREATE TRIGGER to_be_found AFTER INSERT ON member FOR EACH ROW "
        "WHEN (NEW.name IS NOT NULL OR NEW.phone IS NOT NULL) EXECUTE FUNCTION forget_terms()"
    )
    connection.exec_driver_sql(
        "CREATE TRIGGER found_by_what_it_says AFTER UPDATE OF name, phone ON member FOR EACH ROW "
        "WHEN ((OLD.name, OLD.phone) IS DISTINCT FROM (NEW.name, NEW.phone)) EXECUTE FUNCTION forget_terms()"
    )
    connection.exec_driver_sql(
        "CREATE TRIGGER not_a_blocked_card BEFORE INSERT OR UPDATE OF card_number ON member "
        "FOR EACH ROW WHEN (NEW.card_number IS NOT NULL) EXECUTE FUNCTION refuse_blocked_card()"
    )
    connection.exec_driver_sql(
        "CREATE TRIGGER moved_as_written AFTER INSERT ON payable_entry REFERENCING NEW TABLE AS written "
        "FOR EACH STATEMENT EXECUTE FUNCTION check_entries_against_transfers()"
    )
    terms = "points, tier_points, on_sale_from, on_sale_to, per_member_limit, per_day_limit, per_order_limit, per_person_limit"
    connection.exec_driver_sql(
        f"CREATE TRIGGER terms_of_a_draw BEFORE UPDATE OF {terms}, tier_id, tag_ids, cities ON item FOR EACH ROW "
        f"WHEN (OLD.kind = 'draw' AND ({_each('OLD', terms)}, OLD.tier_id, OLD.tag_ids, OLD.cities) "
        f"IS DISTINCT FROM ({_each('NEW', terms)}, NEW.tier_id, NEW.tag_ids, NEW.cities)) "
        "EXECUTE FUNCTION keep_terms_of_draw()"
    )
    connection.exec_driver_sql(
        "CREATE TRIGGER entries_closed BEFORE UPDATE OF total ON item_stock FOR EACH ROW "
        "WHEN (OLD.total IS DISTINCT FROM NEW.total) EXECUTE FUNCTION keep_entries_closed()"
    )
    bounds = "partner_id, period, ends_at, watermark, previous_ends_at, previous_watermark"
    connection.exec_driver_sql(
        f"CREATE TRIGGER chained BEFORE INSERT OR UPDATE OF {bounds} ON statement "
        "FOR EACH ROW EXECUTE FUNCTION keep_statements_in_a_chain()"
    )
    accounts = sa.table("account", sa.column("kind"), sa.column("unit"))
    op.bulk_insert(accounts, [{"kind": kind, "unit": unit} for kind, unit in SYSTEM_ACCOUNTS.items()])


def _each(row: str, columns: str) -> str:
    return ", ".join(f"{row}.{column}" for column in columns.split(", "))
