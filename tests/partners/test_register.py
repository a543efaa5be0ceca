"""Partners come in, by file and by application."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import liyu.demo
from liyu.core.errors import InvalidInputError
from liyu.partners.errors import GatesNotPassedError, PartnerStateError, UnknownPartnerError
from liyu.partners.gates import CompanyFacts, GateRules, check_gates
from liyu.partners.register import change_partner_state, create_partner, import_partners
from liyu.partners.states import TRANSITIONS
from tests.partners.settling import NOVEMBER, NOW, Books, line_record, partner_record

GOOD_CODE = "91310000DEM000014U"
STORE = {
    "code": "P1-SH01", "name_zh": "一店", "name_en": "One", "city": "3101", "city_name_zh": "上海", "city_name_en": "Shanghai",
    "address_zh": "南京西路 1 号", "address_en": "1 Nanjing West Road", "opening_hours": "07:00-21:00",
}  # fmt: skip
COMPANY = {
    "credit_code": GOOD_CODE, "registered_capital_minor": 500_000_000, "founded_on": "2014-03-18",
    "service_phone": "400-555-0101",
}  # fmt: skip


async def take_in(books: Books, *records: Any) -> Any:
    async with books.connection.transaction():
        return await import_partners(books.connection, list(records), actor="test", now=NOVEMBER)


async def test_the_demo_partners_come_in_and_again_without_a_change(books: Books) -> None:
    records = json.loads((Path(liyu.demo.__path__[0]) / "data" / "partners.json").read_text())
    first, again = await take_in(books, *records), await take_in(books, *records)
    assert (first.created, first.line_versions, first.stores) == (14, 34, 65)
    assert (again.created, again.updated, again.line_versions) == (0, 14, 0)
    assert await books.value("SELECT count(*) FROM partner WHERE state = 'active'") == 15
    assert await books.value("SELECT count(*) FROM partner_state_change") == 15
    assert await books.value("SELECT count(*) FROM account WHERE kind = 'partner_payable'") == 15


async def test_new_terms_are_a_new_version_and_the_old_one_stays(books: Books) -> None:
    lines = [line_record("P1-CON", "concierge", unit_price_minor=2000) | {"title_zh": "新名称"}]
    result = await take_in(books, partner_record(agreement=lines, name_zh="新名字"))
    assert (result.updated, result.line_versions) == (1, 1)
    assert await books.rows(
        "SELECT version, unit_price_minor, title_zh, valid_from, valid_to FROM agreement_line WHERE code = 'P1-CON' "
        "ORDER BY version"
    ) == [
        (1, 1750, "新名称", date(2026, 10, 15), date(2026, 11, 15)),
        (2, 2000, "新名称", date(2026, 11, 15), None),
    ]
    assert await books.value("SELECT name_zh FROM partner") == "新名字"


async def test_every_fault_is_named_at_once_and_nothing_changes(books: Books) -> None:
    bad = partner_record(
        code="p 2", name_zh=" ", credit_code="91310000DEM000014X", founded_on="2027-01-01", colour="red",
        agreement=[line_record("A", "rebate"), line_record("A", "concierge"), {"code": 7}, "x"],
        stores=[{**STORE, "code": ""}],
    )  # fmt: skip
    good = partner_record("P3")
    with pytest.raises(InvalidInputError) as refused:
        await take_in(books, good, bad, "nonsense", partner_record("P3"))
    named = {reason.details["field"] for reason in refused.value.reasons}
    assert {"1.colour", "2", "3.code"} <= named
    with pytest.raises(InvalidInputError) as refused:
        await take_in(books, {key: value for key, value in bad.items() if key != "colour"})
    named = {reason.details["field"] for reason in refused.value.reasons}
    assert {"0.agreement.2.code", "0.agreement.2.mode", "0.agreement.3"} <= named
    with pytest.raises(InvalidInputError) as refused:
        await take_in(
            books, {key: value for key, value in bad.items() if key != "colour"} | {"agreement": bad["agreement"][:2]}
        )
    named = {reason.details["field"] for reason in refused.value.reasons}
    assert named == {
        "0.code", "0.name_zh", "0.credit_code", "0.founded_on", "0.agreement.0.mode", "0.agreement.1.unit_price_minor",
        "0.agreement.1.code", "0.stores.0.code",
    }  # fmt: skip
    assert await books.value("SELECT count(*) FROM partner") == 1


async def test_what_belongs_to_another_partner_is_refused(books: Books) -> None:
    await take_in(books, partner_record("P1", stores=[STORE], **COMPANY))
    with pytest.raises(InvalidInputError) as refused:
        await take_in(books, partner_record("P2", stores=[STORE], **COMPANY))
    assert {reason.details["field"] for reason in refused.value.reasons} == {"0.credit_code", "0.stores.0.code"}


@pytest.mark.parametrize("records", [None, {}, "x", 7])
async def test_what_is_no_list_is_refused(books: Books, records: Any) -> None:
    with pytest.raises(InvalidInputError):
        await import_partners(books.connection, records, actor="test", now=NOW)


async def test_the_way_of_an_applicant(books: Books) -> None:
    partner = await create_partner(books.connection, partner_record("P2", **COMPANY), actor="web", now=NOW)

    async def move(wanted: str, **options: Any) -> None:
        async with books.connection.transaction():
            await change_partner_state(
                books.connection, partner, wanted, reason="test", actor="anna", now=NOW, **options
            )

    with pytest.raises(PartnerStateError):
        await move("active")
    await move("reviewing")
    with pytest.raises(GatesNotPassedError) as refused:
        await move("approved", rules=GateRules(minimum_capital_minor=500_000_001, minimum_years=13))
    assert [reason.code for reason in refused.value.reasons] == ["registered_capital", "years_in_business"]
    for state in ("approved", "active", "suspended", "active", "terminated"):
        await move(state)
    changes = await books.rows("SELECT to_state FROM partner_state_change WHERE partner_id = %s ORDER BY id", partner)
    assert [row[0] for row in changes] == [
        "applied", "reviewing", "approved", "active", "suspended", "active", "terminated",
    ]  # fmt: skip
    with pytest.raises(UnknownPartnerError):
        await change_partner_state(books.connection, 999, "active", reason="", actor="a", now=NOW)
    with pytest.raises(InvalidInputError):
        await create_partner(books.connection, partner_record("P2"), actor="web", now=NOW)


def test_the_gates_at_their_edges() -> None:
    def passed(**changes: Any) -> dict[str, bool]:
        facts = CompanyFacts(GOOD_CODE, 500_000_000, date(2024, 2, 29), "400")
        return {gate.code: gate.passed for gate in check_gates(replace(facts, **changes), date(2027, 3, 1))}

    assert all(passed().values())
    assert not passed(registered_capital_minor=499_999_999)["registered_capital"]
    assert not passed(founded_on=date(2024, 3, 2))["years_in_business"]
    assert not passed(credit_code="91310000DEM000014X")["credit_code"]
    assert not any(passed(credit_code=None, registered_capital_minor=None, founded_on=None, service_phone=" ").values())


def test_terminated_is_the_end_and_every_state_leads_there() -> None:
    assert TRANSITIONS["terminated"] == ()
    assert all(
        "terminated" in following for state, following in TRANSITIONS.items() if state not in (None, "terminated")
    )
