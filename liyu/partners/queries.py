"""Reads of partners for the portal and the console."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.database import fetch_all
from liyu.partners.errors import UnknownPartnerError
from liyu.partners.gates import DEFAULT_RULES, CompanyFacts, Gate, GateRules, check_gates
from liyu.partners.settlement.queries import StatementSummary, partner_balances, read_rows, statements_of


class PartnerSummary(Struct, frozen=True):
    """A partner in a list; the balance in minor units, positive when owed to the partner."""

    id: int
    code: str
    name_zh: str
    name_en: str
    category: str
    state: str
    stores: int
    agreement_lines: int
    balance_minor: int = 0


class Company(Struct, frozen=True):
    """The company behind a partner."""

    id: int
    code: str
    name_zh: str
    name_en: str
    category: str
    state: str
    credit_code: str | None
    registered_capital_minor: int | None
    founded_on: date | None
    service_phone: str | None
    created_at: datetime


class KeyLine(Struct, frozen=True):
    """A key of the API as it is listed: by the beginning of its text, which is all of it that is kept."""

    id: int
    prefix: str
    name: str
    scopes: list[str]
    partner: str | None
    """The code of the partner whose own data it reaches; None is all of the program."""
    created_at: datetime
    revoked_at: datetime | None


class StoreView(Struct, frozen=True):
    """A store of a partner."""

    id: int
    code: str
    name_zh: str
    name_en: str
    city_zh: str
    city_en: str
    address_zh: str
    address_en: str
    opening_hours: str
    active: bool
    has_place: bool
    """Whether its coordinates are known, so that members see how far it is."""


class AgreementView(Struct, frozen=True):
    """The version of an agreement line that is in force, or the last one."""

    id: int
    code: str
    version: int
    mode: str
    title_zh: str
    title_en: str
    currency: str
    unit_price_minor: int
    commission_minor: int
    free_quota: int
    quota_used: int
    """Free uses of this month so far."""
    tax_rate_basis_points: int
    valid_from: date
    valid_to: date | None
    offline_loss: str
    """Who bears conflicts of tills without a network: `partner`, `operator`, or `capped`."""
    offline_loss_cap_minor: int


class StateChangeView(Struct, frozen=True):
    """One change of a partner's state; the actor's name where it is a person of the staff."""

    from_state: str | None
    to_state: str
    reason: str
    actor: str
    actor_name: str | None
    at: datetime


class PartnerChoice(Struct, frozen=True):
    """A partner to choose from a list."""

    id: int
    code: str
    name_zh: str
    name_en: str


class StaffLine(Struct, frozen=True):
    """Somebody who works for a partner."""

    id: int
    name: str
    email: str
    role: str
    store_zh: str | None
    store_en: str | None
    active: bool
    two_steps: bool


class PartnerPage(Struct, frozen=True):
    """Everything on the page of a partner."""

    company: Company
    gates: list[Gate]
    stores: list[StoreView]
    agreement: list[AgreementView]
    balance_minor: int
    statements: list[StatementSummary]
    changes: list[StateChangeView]


_LIST = """
    SELECT p.id, p.code, p.name_zh, p.name_en, p.category, p.state,
        (SELECT count(*) FROM store s WHERE s.partner_id = p.id AND s.active) AS stores,
        (SELECT count(DISTINCT l.code) FROM agreement_line l WHERE l.partner_id = p.id AND l.valid_to IS NULL)
            AS agreement_lines
    FROM partner p
    WHERE p.code > %(after)s AND (%(state)s::text IS NULL OR p.state = %(state)s)
        AND (%(search)s = '' OR strpos(lower(p.code || ' ' || p.name_zh || ' ' || p.name_en), lower(%(search)s)) > 0)
    ORDER BY p.code LIMIT %(limit)s"""

_COMPANY = """
    SELECT id, code, name_zh, name_en, category, state, credit_code, registered_capital_minor, founded_on, service_phone,
        created_at FROM partner WHERE id = %s"""

_STORES = """
    SELECT id, code, name_zh, name_en, city_zh, city_en, address_zh, address_en, opening_hours, active,
        latitude IS NOT NULL AS has_place
    FROM store WHERE partner_id = %s ORDER BY code"""

_AGREEMENT = """
    SELECT DISTINCT ON (l.code) l.id, l.code, l.version, l.mode, l.title_zh, l.title_en, l.currency, l.unit_price_minor,
        l.commission_minor, l.free_quota, coalesce(q.used, 0) AS quota_used, l.tax_rate_basis_points, l.valid_from, l.valid_to,
        l.offline_loss, l.offline_loss_cap_minor
    FROM agreement_line l LEFT JOIN quota_use q ON q.agreement_line_id = l.id AND q.month = %s
    WHERE l.partner_id = %s ORDER BY l.code, l.version DESC"""

_CHANGES = """
    SELECT c.from_state, c.to_state, c.reason, c.actor, s.name AS actor_name, c.at
    FROM partner_state_change c LEFT JOIN staff s ON c.actor = 'staff:' || s.id WHERE c.partner_id = %s ORDER BY c.id"""


_STAFF = """
    SELECT s.id, s.name, s.email, s.role, t.name_zh AS store_zh, t.name_en AS store_en, s.active,
        s.totp_secret IS NOT NULL AS two_steps
    FROM staff s LEFT JOIN store t ON t.id = s.store_id WHERE s.partner_id = %s ORDER BY s.active DESC, s.id"""


async def list_partners(
    connection: AsyncConnection[Any], *, state: str | None = None, search: str = "", after: str = "", limit: int = 50
) -> list[PartnerSummary]:
    """For operators: partners by code with counts and balance; `after` is the last code seen."""
    values = {"state": state, "search": search.strip(), "after": after, "limit": limit}
    found = await read_rows(connection, PartnerSummary, _LIST, values)
    balances = await partner_balances(connection, [partner.id for partner in found])
    return [msgspec.structs.replace(partner, balance_minor=balances[partner.id]) for partner in found]


async def count_partners(connection: AsyncConnection[Any]) -> dict[str, int]:
    """For operators: how many partners are in each state."""
    found = await connection.execute("SELECT state, count(*) FROM partner GROUP BY state ORDER BY state")
    return dict(await found.fetchall())


async def partner_page(
    partner_id: int,
    connection: AsyncConnection[Any],
    *,
    now: datetime,
    zone: ZoneInfo,
    drafts: bool = False,
    rules: GateRules = DEFAULT_RULES,
) -> PartnerPage:
    """A partner with its company, gates, stores, agreement, balance and latest statements (drafts for operators only).

    Raises UnknownPartnerError.
    """
    companies = await read_rows(connection, Company, _COMPANY, (partner_id,))
    if not companies:
        raise UnknownPartnerError
    company = companies[0]
    today = local_date(now, zone)
    facts = CompanyFacts(
        company.credit_code, company.registered_capital_minor, company.founded_on, company.service_phone
    )
    balances = await partner_balances(connection, [partner_id])
    return PartnerPage(
        company=company,
        gates=check_gates(facts, today, rules),
        stores=await stores_of(partner_id, connection),
        agreement=await read_rows(connection, AgreementView, _AGREEMENT, (f"{today:%Y-%m}", partner_id)),
        balance_minor=balances[partner_id],
        statements=await statements_of(partner_id, connection, drafts=drafts),
        changes=await read_rows(connection, StateChangeView, _CHANGES, (partner_id,)),
    )


async def stores_of(partner_id: int, connection: AsyncConnection[Any]) -> list[StoreView]:
    """A partner's stores by code."""
    return await read_rows(connection, StoreView, _STORES, (partner_id,))


async def staff_of(partner_id: int, connection: AsyncConnection[Any]) -> list[StaffLine]:
    """A partner's staff, those who left at the end."""
    return await read_rows(connection, StaffLine, _STAFF, (partner_id,))


async def partner_choices(connection: AsyncConnection[Any]) -> list[PartnerChoice]:
    """For operators: all partners by code."""
    return await read_rows(
        connection, PartnerChoice, "SELECT id, code, name_zh, name_en FROM partner ORDER BY code", ()
    )


async def list_api_keys(connection: AsyncConnection[Any]) -> list[KeyLine]:
    """All keys of the API, the revoked ones too, in the order in which they were made."""
    return await fetch_all(
        connection,
        KeyLine,
        "SELECT k.id, k.prefix, k.name, k.scopes, p.code AS partner, k.created_at, k.revoked_at "
        "FROM api_key k LEFT JOIN partner p ON p.id = k.partner_id ORDER BY k.id",
    )
