"""Partners come into the books: an application by hand, or a file of partners whose contracts exist already."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, insert_of
from liyu.core.clock import local_date
from liyu.core.i18n import N_
from liyu.core.money import DEFAULT_CURRENCY
from liyu.partners.errors import GatesNotPassedError, PartnerStateError, UnknownPartnerError
from liyu.partners.gates import DEFAULT_RULES, CompanyFacts, GateRules, check_gates, failed_reasons
from liyu.partners.records import Faults, LineRecord, PartnerInput, read_partners
from liyu.partners.states import may_precede, name_of

DEFAULT_ZONE = ZoneInfo("Asia/Shanghai")


class Imported(Struct, frozen=True):
    """What an import did."""

    created: int
    updated: int
    line_versions: int
    """Agreement lines that are new or got a new version."""
    stores: int


class _PartnerRow(Struct):
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


class _LineRow(Struct):
    partner_id: int
    code: str
    version: int
    mode: str
    title_zh: str
    title_en: str
    currency: str
    unit_price_minor: int
    commission_minor: int
    free_quota: int
    tax_rate_basis_points: int
    valid_from: date
    offline_loss: str
    offline_loss_cap_minor: int


class _StoreRow(Struct):
    partner_id: int
    code: str
    name_zh: str
    name_en: str
    city_code: str | None
    city_zh: str
    city_en: str
    address_zh: str
    address_en: str
    opening_hours: str
    active: bool
    latitude: float | None
    longitude: float | None


class _ChangeRow(Struct):
    partner_id: int
    from_state: str | None
    to_state: str
    reason: str
    actor: str
    at: datetime


_SAVE_PARTNERS = (
    insert_of("partner", _PartnerRow)
    + """ ON CONFLICT (code) DO UPDATE SET name_zh = excluded.name_zh, name_en = excluded.name_en,
        category = excluded.category, credit_code = excluded.credit_code,
        registered_capital_minor = excluded.registered_capital_minor, founded_on = excluded.founded_on,
        service_phone = excluded.service_phone
    RETURNING code, id"""
)

_SAVE_STORES = (
    insert_of("store", _StoreRow)
    + """ ON CONFLICT (code) DO UPDATE SET name_zh = excluded.name_zh, name_en = excluded.name_en,
        city_code = excluded.city_code, city_zh = excluded.city_zh, city_en = excluded.city_en,
        address_zh = excluded.address_zh, address_en = excluded.address_en, opening_hours = excluded.opening_hours,
        latitude = coalesce(excluded.latitude, store.latitude), longitude = coalesce(excluded.longitude, store.longitude)"""
)

_OPEN_ACCOUNTS = """
    INSERT INTO account (kind, unit, partner_id) SELECT 'partner_payable', %s, unnest(%s::bigint[])
    ON CONFLICT (partner_id, kind, unit) WHERE partner_id IS NOT NULL DO NOTHING"""

_LATEST_LINES = """
    SELECT DISTINCT ON (partner_id, code) partner_id, code, version, mode, unit_price_minor, commission_minor, free_quota,
        tax_rate_basis_points, offline_loss, offline_loss_cap_minor
    FROM agreement_line WHERE partner_id = ANY(%s) ORDER BY partner_id, code, version DESC"""

_END_EARLIER_VERSIONS = """
    UPDATE agreement_line AS l SET valid_to = r.valid_from
    FROM json_to_recordset(%s::json) AS r(partner_id bigint, code text, version bigint, valid_from date)
    WHERE l.partner_id = r.partner_id AND l.code = r.code AND l.version < r.version AND l.valid_to IS NULL"""

_RENAME_LINES = """
    UPDATE agreement_line AS l SET title_zh = r.title_zh, title_en = r.title_en
    FROM json_to_recordset(%s::json) AS r(partner_id bigint, code text, title_zh text, title_en text)
    WHERE l.partner_id = r.partner_id AND l.code = r.code
        AND (l.title_zh, l.title_en) IS DISTINCT FROM (r.title_zh, r.title_en)"""


async def import_partners(
    connection: AsyncConnection[Any], records: Any, *, actor: str, now: datetime, zone: ZoneInfo = DEFAULT_ZONE
) -> Imported:
    """Write partners with their agreement lines and stores, decoded from JSON in the shape of `demo/data/partners.json`.

    Partners and stores are updated by their code, new partners begin as active. An agreement line whose terms differ from
    its latest version gets a new version from today on; what was priced with the old one stays. What the file leaves out
    stays as it is. Raises InvalidInputError naming every fault of every record; then nothing has changed.
    """
    partners = read_partners(records, local_date(now, zone))
    await _check_against_books(connection, partners)
    known = await _ids_by_code(connection, partners)
    ids = await _save_partners(connection, partners, now, state="active")
    new = [partner_id for code, partner_id in ids.items() if code not in known]
    await _record_changes(connection, new, None, "active", "imported", actor, now)
    versions = await _save_lines(connection, partners, ids, local_date(now, zone))
    stores = _store_rows(partners, ids)
    await connection.execute(_SAVE_STORES, (encode_rows(stores),))
    return Imported(len(new), len(known), versions, len(stores))


async def create_partner(
    connection: AsyncConnection[Any], record: Any, *, actor: str, now: datetime, zone: ZoneInfo = DEFAULT_ZONE
) -> int:
    """Take in one application, in the shape of one record of an import, and return the partner's id.

    Raises InvalidInputError naming every fault, also when the code or the credit code is taken.
    """
    partners = read_partners([record], local_date(now, zone))
    faults = Faults()
    if await _ids_by_code(connection, partners):
        faults.add("0.code", N_("This code belongs to another partner."))
    faults.raise_any()
    await _check_against_books(connection, partners)
    ids = await _save_partners(connection, partners, now, state="applied")
    await _record_changes(connection, list(ids.values()), None, "applied", "applied", actor, now)
    await _save_lines(connection, partners, ids, local_date(now, zone))
    await connection.execute(_SAVE_STORES, (encode_rows(_store_rows(partners, ids)),))
    return next(iter(ids.values()))


async def change_partner_state(
    connection: AsyncConnection[Any],
    partner_id: int,
    wanted: str,
    *,
    reason: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo = DEFAULT_ZONE,
    rules: GateRules = DEFAULT_RULES,
) -> None:
    """Move a partner along the table of `states.py` and record who and why; approval needs every hard gate.

    Raises UnknownPartnerError, PartnerStateError, or GatesNotPassedError naming each gate that fails.
    """
    found = await connection.execute(
        "SELECT state, credit_code, registered_capital_minor, founded_on, service_phone FROM partner WHERE id = %s "
        "FOR NO KEY UPDATE",
        (partner_id,),
    )
    row = await found.fetchone()
    if row is None:
        raise UnknownPartnerError
    state = row[0]
    if state not in may_precede(wanted):
        raise PartnerStateError(state=name_of(state), wanted=name_of(wanted))
    if wanted == "approved":
        failed = failed_reasons(check_gates(CompanyFacts(*row[1:]), local_date(now, zone), rules))
        if failed:
            raise GatesNotPassedError(reasons=failed)
    await connection.execute("UPDATE partner SET state = %s WHERE id = %s", (wanted, partner_id))
    await _record_changes(connection, [partner_id], state, wanted, reason, actor, now)


async def _check_against_books(connection: AsyncConnection[Any], partners: list[PartnerInput]) -> None:
    """What is unique over all partners must not belong to another one."""
    faults = Faults()
    codes = [one.partner.credit_code for one in partners if one.partner.credit_code]
    found = await connection.execute("SELECT credit_code, code FROM partner WHERE credit_code = ANY(%s)", (codes,))
    companies = dict(await found.fetchall())
    stores = [store.code for one in partners for store in one.stores]
    found = await connection.execute(
        "SELECT s.code, p.code FROM store s JOIN partner p ON p.id = s.partner_id WHERE s.code = ANY(%s)", (stores,)
    )
    owners = dict(await found.fetchall())
    for place, one in enumerate(partners):
        code = one.partner.code
        if companies.get(one.partner.credit_code or "", code) != code:
            faults.add(f"{place}.credit_code", N_("This credit code belongs to another partner."))
        for number, store in enumerate(one.stores):
            if owners.get(store.code, code) != code:
                faults.add(f"{place}.stores.{number}.code", N_("This store belongs to another partner."))
    faults.raise_any()


async def _ids_by_code(connection: AsyncConnection[Any], partners: list[PartnerInput]) -> dict[str, int]:
    codes = [one.partner.code for one in partners]
    found = await connection.execute("SELECT code, id FROM partner WHERE code = ANY(%s)", (codes,))
    return dict(await found.fetchall())


async def _save_partners(
    connection: AsyncConnection[Any], partners: list[PartnerInput], now: datetime, *, state: str
) -> dict[str, int]:
    rows = [
        _PartnerRow(
            p.code, p.name_zh, p.name_en, p.category, state, p.credit_code, p.registered_capital_minor, p.founded_on,
            p.service_phone, now,
        )
        for p in (one.partner for one in partners)
    ]  # fmt: skip
    saved = await connection.execute(_SAVE_PARTNERS, (encode_rows(rows),))
    ids = dict(await saved.fetchall())
    await connection.execute(_OPEN_ACCOUNTS, (DEFAULT_CURRENCY, list(ids.values())))
    return ids


async def _save_lines(
    connection: AsyncConnection[Any], partners: list[PartnerInput], ids: dict[str, int], today: date
) -> int:
    """Write the versions that differ from the latest ones, and return how many there were."""
    found = await connection.execute(_LATEST_LINES, (list(ids.values()),))
    latest = {(row[0], row[1]): (row[2], row[3:]) for row in await found.fetchall()}
    rows: list[_LineRow] = []
    for one in partners:
        partner_id = ids[one.partner.code]
        for line in one.lines:
            version, terms = latest.get((partner_id, line.code), (0, None))
            if terms != _terms_of(line):
                rows.append(
                    _LineRow(
                        partner_id, line.code, version + 1, line.mode, line.title_zh, line.title_en, DEFAULT_CURRENCY,
                        line.unit_price_minor, line.commission_minor, line.free_quota, line.tax_rate_bp, today,
                        line.offline_loss, line.offline_loss_cap_minor,
                    )
                )  # fmt: skip
    await connection.execute(insert_of("agreement_line", _LineRow), (encode_rows(rows),))
    await connection.execute(_END_EARLIER_VERSIONS, (encode_rows(rows),))
    titles = [
        {"partner_id": ids[one.partner.code], "code": line.code, "title_zh": line.title_zh, "title_en": line.title_en}
        for one in partners
        for line in one.lines
    ]
    await connection.execute(_RENAME_LINES, (encode_rows(titles),))
    return len(rows)


def _terms_of(line: LineRecord) -> tuple[object, ...]:
    """What makes a new version when it changes, in the order of `_LATEST_LINES`."""
    return (
        line.mode, line.unit_price_minor, line.commission_minor, line.free_quota, line.tax_rate_bp, line.offline_loss,
        line.offline_loss_cap_minor,
    )  # fmt: skip


def _store_rows(partners: list[PartnerInput], ids: dict[str, int]) -> list[_StoreRow]:
    return [
        _StoreRow(
            ids[one.partner.code], s.code, s.name_zh, s.name_en, s.city, s.city_name_zh, s.city_name_en, s.address_zh,
            s.address_en, s.opening_hours, True, s.latitude, s.longitude,
        )
        for one in partners
        for s in one.stores
    ]  # fmt: skip


async def _record_changes(
    connection: AsyncConnection[Any],
    partner_ids: list[int],
    state: str | None,
    wanted: str,
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    rows = [_ChangeRow(partner_id, state, wanted, reason, actor, now) for partner_id in partner_ids]
    await connection.execute(insert_of("partner_state_change", _ChangeRow), (encode_rows(rows),))
