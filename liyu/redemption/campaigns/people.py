"""Who a campaign is for: members by conditions, or the rows of a list of member numbers and phones."""

from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, convert, to_builtins
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows
from liyu.core.errors import InvalidInputError, Reason
from liyu.core.i18n import N_, Message
from liyu.members.imports.cells import CellError, read_id, read_phone
from liyu.members.imports.columns import find_column
from liyu.members.imports.files import open_file, refuse
from liyu.members.tags.conditions import IS_MEMBER, Condition, Conditions, compile_conditions
from liyu.redemption.campaigns.errors import NobodyMeantError, TooManyPeopleError
from liyu.redemption.campaigns.records import Chosen

MOST_PEOPLE = 200_000
"""Members of one campaign; beyond that it is several."""
MOST_ROWS = 100_000
_MANY = 1_000
_NAMED = 20
"""Faulty rows that a refusal names; of a list that is taken in part all of them are kept."""
_NUMBER, _PHONE = "external_id", "phone"


class Fault(Struct, frozen=True):
    """A row of a list that cannot be taken: as it was given, and what is wrong with it."""

    row: int
    given: list[str]
    text: str
    values: dict[str, Any] = {}


class ListRow(Struct, frozen=True):
    """A row that names somebody by number or phone."""

    row: int
    external_id: str | None
    phone: str | None
    given: list[str]


class ReadList(Struct, frozen=True):
    """What a list says: its rows, and those that say nothing."""

    header: list[str]
    rows: list[ListRow]
    faults: list[Fault]


_NOTE = """
    INSERT INTO campaign_gift (campaign_id, member_id, period, state, at)
    SELECT %(campaign)s, m.id, '', 'waiting', %(now)s FROM {tables} WHERE {predicate} ORDER BY m.id"""

_NAMED_BY = {
    "segment": ("SELECT conditions FROM segment WHERE name = %s", N_("There is no such segment.")),
    "tag": ("SELECT code FROM tag WHERE code = %s", N_("There is no such tag.")),
    "tier": ("SELECT code FROM tier WHERE code = %s", N_("There is no such tier.")),
}
"""What members are chosen by: where its name stands, and what is said when there is none of that name."""

_FIND = """
    SELECT r.row, m.id, m.state = 'closed' AS is_gone, coalesce(p.merged_into, p.id) <> m.id AS is_contradicted
    FROM json_to_recordset(%s::json) AS r(row bigint, external_id text, phone text)
    LEFT JOIN member n ON n.external_id = r.external_id
    LEFT JOIN member p ON p.phone = r.phone
    LEFT JOIN member m ON m.id = CASE WHEN r.external_id IS NULL THEN coalesce(p.merged_into, p.id)
        ELSE coalesce(n.merged_into, n.id) END
    ORDER BY r.row"""


async def choose(connection: AsyncConnection[Any], how: str, name: str = "") -> Chosen:
    """How the people of a campaign are chosen: by the name of a segment, by the code of a tag or tier, by a list, or everybody.

    Raises InvalidInputError for the field `how` when nothing is called that.
    """
    if how not in _NAMED_BY:
        return Chosen(how, name)
    query, unknown = _NAMED_BY[how]
    row = await (await connection.execute(query, (name,))).fetchone()
    if row is None:
        raise InvalidInputError.of_fields({how: Message(unknown)})
    return Chosen(how, name, convert(row[0], Conditions) if how == "segment" else Conditions([Condition(how, name)]))


def read_list(path: Path) -> ReadList:
    """Read a workbook or a text with a column of member numbers or phones, or both; numbers come first.

    Raises FileUnreadableError, which says why.
    """
    file = open_file(path)
    columns = {find_column(heading): place for place, heading in reversed(list(enumerate(file.header)))}
    if _NUMBER not in columns and _PHONE not in columns:
        raise refuse(N_("The file needs a column with member numbers or one with phone numbers."))
    rows: list[ListRow] = []
    faults: list[Fault] = []
    for number, cells in file.rows:
        if len(rows) + len(faults) == MOST_ROWS:
            raise refuse(N_("The list has more than %(most)s rows. Split it."), most=MOST_ROWS)
        try:
            rows.append(
                ListRow(
                    number,
                    _cell(cells, columns.get(_NUMBER), read_id),
                    _cell(cells, columns.get(_PHONE), read_phone),
                    cells,
                )
            )
        except CellError as fault:
            faults.append(Fault(number, cells, fault.message.text, dict(fault.message.values)))
    return ReadList(file.header, [row for row in rows if row.external_id or row.phone], faults + _empty(rows))


def list_of(external_ids: Iterable[str]) -> ReadList:
    """Member numbers that came one by one, as a list."""
    rows = [ListRow(place, number, None, [number]) for place, number in enumerate(external_ids, 1)]
    return ReadList([_NUMBER], rows, [])


async def note_people(
    connection: AsyncConnection[Any],
    campaign_id: int,
    conditions: Conditions | None,
    *,
    now: datetime,
    today: date,
    zone: ZoneInfo,
) -> int:
    """Note everybody who meets the conditions now, or everybody; how many. Raises NobodyMeantError, TooManyPeopleError."""
    if conditions is None:
        tables, predicate, values = "member m", IS_MEMBER, {}
    else:
        compiled = compile_conditions(conditions, today, zone)
        tables, predicate, values = compiled.tables, compiled.predicate, compiled.values
    found = await connection.execute(f"SELECT count(*) FROM {tables} WHERE {predicate}", values)
    (people,) = await found.fetchone() or (0,)
    _check_count(people)
    noting = _NOTE.format(tables=tables, predicate=predicate)
    noted = (await connection.execute(noting, {**values, "campaign": campaign_id, "now": now})).rowcount
    await _count_anew(connection, noted)
    return noted


async def note_list(
    connection: AsyncConnection[Any], campaign_id: int, listed: ReadList, *, now: datetime
) -> list[Fault]:
    """Note the members of a list, and give the rows that could not be taken.

    Raises NobodyMeantError with the first faults when there is no member among them; then nothing was noted.
    """
    asked = [{"row": row.row, "external_id": row.external_id, "phone": row.phone} for row in listed.rows]
    found = {row: facts for row, *facts in await _find(connection, asked)}
    faults, first = list(listed.faults), dict[int, int]()
    for row in listed.rows:
        member, is_gone, is_contradicted = found[row.row]
        if member is None:
            nobody = N_("No member has this number.") if row.external_id else N_("No member has this phone number.")
            faults.append(Fault(row.row, row.given, nobody))
        elif is_contradicted:
            faults.append(Fault(row.row, row.given, N_("The number and the phone are those of two members.")))
        elif is_gone:
            faults.append(Fault(row.row, row.given, N_("This membership is closed.")))
        elif member in first:
            faults.append(Fault(row.row, row.given, N_("The same member as in row %(row)s."), {"row": first[member]}))
        else:
            first[member] = row.row
    faults.sort(key=lambda one: one.row)
    if not first:
        raise NobodyMeantError(reasons=_name(faults))
    await connection.execute(
        "INSERT INTO campaign_gift (campaign_id, member_id, period, state, at) "
        "SELECT %s, id, '', 'waiting', %s FROM json_array_elements_text(%s::json) AS r(text), "
        "LATERAL (SELECT text::bigint AS id) AS m",
        (campaign_id, now, encode_rows(sorted(first))),
    )
    await _count_anew(connection, len(first))
    await connection.execute(
        "UPDATE campaign SET faults = %s::jsonb WHERE id = %s",
        (encode_rows(to_builtins(faults)), campaign_id),
    )
    return faults


async def _find(connection: AsyncConnection[Any], asked: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return await (await connection.execute(_FIND, (encode_rows(asked),))).fetchall()


def _name(faults: list[Fault]) -> list[Reason]:
    """The first faults as reasons of a refusal, and how many more there are."""
    reasons = [
        Reason(
            "row",
            Message(N_("Row %(row)s: %(fault)s"), {"row": one.row, "fault": Message(one.text, one.values)}),
            {"row": one.row},
        )
        for one in faults[:_NAMED]
    ]
    more = len(faults) - len(reasons)
    return [*reasons, Reason("rows", Message(N_("And %(rows)s more rows."), {"rows": more}))] if more else reasons


def _cell(cells: list[str], place: int | None, read: Any) -> str | None:
    text = cells[place] if place is not None and place < len(cells) else ""
    return read(text) if text else None


def _empty(rows: list[ListRow]) -> list[Fault]:
    text = N_("Needs a member number or a phone number.")
    return [Fault(row.row, row.given, text) for row in rows if not row.external_id and not row.phone]


async def _count_anew(connection: AsyncConnection[Any], noted: int) -> None:
    """Many rows at once are news to the planner, which takes the table for small until somebody tells it otherwise."""
    if noted >= _MANY:
        await connection.execute("ANALYZE campaign_gift")


def _check_count(people: int) -> None:
    if not people:
        raise NobodyMeantError
    if people > MOST_PEOPLE:
        raise TooManyPeopleError(people=people, most=MOST_PEOPLE)


def fault_message(fault: dict[str, Any]) -> Message:
    """What is wrong with a row, as it is kept."""
    return Message(fault["text"], fault.get("values") or {})
