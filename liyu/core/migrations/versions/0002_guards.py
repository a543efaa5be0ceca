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
    "rights_cost": "CNY",
    "bank": "CNY",
}

APPEND_ONLY = (
    "transfer",
    "lot_entry",
    "member_state_change",
    "tier_change",
    "partner_state_change",
    "item_state_change",
    "redemption_transition",
    "voucher_transition",
    "statement_transition",
    "verification_refusal",
    "audit_event",
)

REFUSE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
"""

FREEZE = """
CREATE FUNCTION keep_entry_as_it_is() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (to_jsonb(OLD) - 'statement_id') IS DISTINCT FROM (to_jsonb(NEW) - 'statement_id') THEN
        RAISE EXCEPTION 'payable_entry is append-only: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.statement_id IS NOT NULL AND EXISTS (
        SELECT FROM statement WHERE id = OLD.statement_id AND state NOT IN ('draft', 'sent')) THEN
        RAISE EXCEPTION 'entry % belongs to an approved statement', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_statement_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.state <> 'draft' THEN
            RAISE EXCEPTION 'statement % was sent and stays', OLD.number USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF OLD.state NOT IN ('draft', 'sent') AND
        (OLD.partner_id, OLD.period, OLD.currency, OLD.payable_minor, OLD.receivable_minor, OLD.net_minor, OLD.entries,
         OLD.watermark, OLD.digest, OLD.prepared_by, OLD.approved_by)
        IS DISTINCT FROM
        (NEW.partner_id, NEW.period, NEW.currency, NEW.payable_minor, NEW.receivable_minor, NEW.net_minor, NEW.entries,
         NEW.watermark, NEW.digest, NEW.prepared_by, NEW.approved_by) THEN
        RAISE EXCEPTION 'statement % is approved and frozen', OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_lines_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    parent bigint := CASE WHEN TG_OP = 'INSERT' THEN NEW.statement_id ELSE OLD.statement_id END;
BEGIN
    IF EXISTS (SELECT FROM statement WHERE id = parent AND state NOT IN ('draft', 'sent')) THEN
        RAISE EXCEPTION 'the lines of an approved statement are frozen' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
"""


def upgrade() -> None:
    connection = op.get_bind()
    # Straight through the driver: these texts hold percent signs that are not placeholders.
    cursor = connection.connection.cursor()
    for statements in (REFUSE, FREEZE, SchemaManager.get_schema()):
        cursor.execute(statements)
    for table in APPEND_ONLY:
        connection.exec_driver_sql(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        connection.exec_driver_sql(
            f"CREATE TRIGGER never_emptied BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    for table, function, events in (
        ("payable_entry", "keep_entry_as_it_is", "UPDATE OR DELETE"),
        ("statement", "keep_statement_frozen", "UPDATE OR DELETE"),
        ("statement_line", "keep_lines_frozen", "INSERT OR UPDATE OR DELETE"),
    ):
        connection.exec_driver_sql(
            f"CREATE TRIGGER frozen BEFORE {events} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
    accounts = sa.table("account", sa.column("kind"), sa.column("unit"))
    op.bulk_insert(accounts, [{"kind": kind, "unit": unit} for kind, unit in SYSTEM_ACCOUNTS.items()])
