"""The migrations and the tables in code agree, and what is written once stays."""

import psycopg
import pytest
from psycopg.errors import RestrictViolation

from liyu.core import migrations
from tests.world import open_world

APPEND_ONLY = (
    "growth_entry", "card_change",
    "transfer", "lot_entry", "member_state_change", "tier_change", "partner_state_change", "item_state_change", "item_version",
    "redemption_transition", "voucher_transition", "statement_transition", "verification_refusal", "audit_event", "payable_entry",
    "after_sale_transition", "top_up_attempt", "voucher_change", "voucher_reminder", "voucher_run_activation",
    "member_import_transition", "member_tag_change",
    "lapse_reminder",
    "consent_text", "consent_entry", "data_export",
    "member_merge", "member_note",
    "pool_import_fault", "pool_recall", "pool_reveal", "right_candidate_change", "score_sheet",
    "draw_transition", "draw_place_change",
    "drop_transition", "drop_note", "offline_decision",
)  # fmt: skip


def test_the_database_is_what_the_code_says(database_url: str) -> None:
    assert migrations.differences(database_url) == []


def test_upgrading_twice_changes_nothing(empty_database_url: str) -> None:
    migrations.upgrade(empty_database_url)
    migrations.upgrade(empty_database_url)
    assert migrations.differences(empty_database_url) == []


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_append_only_tables_cannot_be_emptied(database_url: str, table: str) -> None:
    with psycopg.connect(database_url) as connection, pytest.raises((RestrictViolation, psycopg.errors.RaiseException)):
        connection.execute(f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize(
    "change", ["UPDATE transfer SET amount = 1", "DELETE FROM transfer", "UPDATE lot_entry SET amount = 1"]
)
async def test_the_ledger_refuses_changes(database_url: str, change: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=10)
        with pytest.raises(RestrictViolation):
            await world.connection.execute(change)
