"""The operator's own questions in the profile: what is asked, whether it must be answered, whether it counts."""

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec import Struct, structs
from psycopg import AsyncConnection
from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb

from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.members.personal.errors import FieldTakenError, OptionInUseError
from liyu.members.personal.models import FIELD_KINDS

LONGEST_NAME = 60
MOST_OPTIONS = 60
LONGEST_ANSWER = 200
ANSWER = "answer_"
"""What stands before a question's key in the name of its field, and of its column in a file."""
_KEY = re.compile(r"[a-z0-9_]{1,40}")


class Option(Struct, frozen=True):
    """One answer to choose."""

    value: str
    name_zh: str
    name_en: str


class FieldDraft(Struct, kw_only=True):
    """A question as the operator defines it; key and kind never change."""

    key: str
    kind: str
    name_zh: str
    name_en: str
    options: list[Option] = []
    required: bool = False
    counts: bool = False
    position: int = 0
    active: bool = True


class ProfileQuestion(FieldDraft, kw_only=True):
    """A question that is there, and how many members have answered it."""

    id: int
    answers: int = 0

    def option(self, value: str) -> Option | None:
        """The option behind a stored value."""
        return next((option for option in self.options if option.value == value), None)


_COLUMNS = "key, kind, name_zh, name_en, options, required, counts, position, active"
_INSERT = f"""
    INSERT INTO profile_field ({_COLUMNS})
    VALUES (%(key)s, %(kind)s, %(name_zh)s, %(name_en)s, %(options)s, %(required)s, %(counts)s, %(position)s, %(active)s)
    ON CONFLICT (key) DO NOTHING"""
_UPDATE = """
    UPDATE profile_field SET name_zh = %(name_zh)s, name_en = %(name_en)s, options = %(options)s, required = %(required)s,
        counts = %(counts)s, position = %(position)s, active = %(active)s WHERE key = %(key)s"""


async def list_fields(connection: AsyncConnection[Any], *, hold: bool = False) -> list[ProfileQuestion]:
    """The questions that are asked, in their order. With `hold` they stay as they are until the transaction ends."""
    query = f"SELECT id, {_COLUMNS} FROM profile_field WHERE active ORDER BY position, id"
    return await _read(connection, f"{query} FOR SHARE" if hold else query)


async def list_all_fields(connection: AsyncConnection[Any]) -> list[ProfileQuestion]:
    """For operators: also the retired questions, each with its count of answers."""
    return await _read(
        connection,
        f"SELECT id, {_COLUMNS}, (SELECT count(*) FROM profile_value v WHERE v.field_id = f.id) AS answers "
        f"FROM profile_field f ORDER BY active DESC, position, id",
    )


async def _read(connection: AsyncConnection[Any], query: str) -> list[ProfileQuestion]:
    async with connection.cursor(row_factory=kwargs_row(_row_of)) as cursor:
        await cursor.execute(query)
        return await cursor.fetchall()


def _row_of(**row: Any) -> ProfileQuestion:
    return ProfileQuestion(**(row | {"options": [Option(**option) for option in row["options"]]}))


async def find_field(connection: AsyncConnection[Any], key: str) -> ProfileQuestion:
    """One question. Raises NotFoundError."""
    found = [field for field in await list_all_fields(connection) if field.key == key]
    if not found:
        raise NotFoundError
    return found[0]


async def add_field(connection: AsyncConnection[Any], draft: FieldDraft) -> None:
    """Ask a new question. Raises InvalidInputError with every fault, or FieldTakenError."""
    check_field(draft)
    written = await connection.execute(_INSERT, _values(draft))
    if not written.rowcount:
        raise FieldTakenError


async def change_field(connection: AsyncConnection[Any], draft: FieldDraft) -> None:
    """Change how a question is asked, or retire it (`active`): answers stay. Key and kind are those that are there.

    Raises NotFoundError, InvalidInputError, or OptionInUseError when an option goes that members have chosen.
    """
    await connection.execute("SELECT FROM profile_field WHERE key = %s FOR UPDATE", (draft.key,))
    present = await find_field(connection, draft.key)
    draft = structs.replace(draft, kind=present.kind)
    check_field(draft)
    kept = {option.value for option in draft.options}
    gone = [option.value for option in present.options if option.value not in kept]
    used = await connection.execute(
        "SELECT value FROM profile_value WHERE field_id = %s AND value = ANY(%s) LIMIT 1", (present.id, gone)
    )
    row = await used.fetchone()
    if row is not None:
        raise OptionInUseError(option=row[0])
    await connection.execute(_UPDATE, _values(draft))


def check_field(draft: FieldDraft) -> None:
    """Raises InvalidInputError that names every fault of a definition."""
    faults = {}
    if not _KEY.fullmatch(draft.key):
        faults["key"] = Message(N_("Use 1 to 40 small letters, digits and underscores."))
    if draft.kind not in FIELD_KINDS:
        faults["kind"] = Message(N_("Must be one of %(known)s."), {"known": ", ".join(FIELD_KINDS)})
    for name in ("name_zh", "name_en"):
        if not 0 < len(getattr(draft, name).strip()) <= LONGEST_NAME:
            faults[name] = Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_NAME})
    fault = _fault_of_options(draft)
    if fault is not None:
        faults["options"] = fault
    if faults:
        raise InvalidInputError.of_fields(faults)


def _fault_of_options(draft: FieldDraft) -> Message | None:
    if draft.kind != "choice":
        return Message(N_("Only choices have options.")) if draft.options else None
    values = [option.value for option in draft.options]
    if not 2 <= len(values) <= MOST_OPTIONS:
        return Message(N_("Give 2 to %(most)s options."), {"most": MOST_OPTIONS})
    if len(set(values)) < len(values):
        return Message(N_("Two options have the same value."))
    if not all(
        0 < len(text) <= LONGEST_NAME for option in draft.options for text in (option.name_zh, option.name_en)
    ) or not all(_KEY.fullmatch(value) for value in values):
        return Message(N_("Write one option a line: value | Chinese | English, the value in small letters."))
    return None


def _values(draft: FieldDraft) -> dict[str, Any]:
    return structs.asdict(draft) | {"options": Jsonb([structs.asdict(option) for option in draft.options])}


def read_answer(question: ProfileQuestion, text: str) -> tuple[str, Message | None]:
    """An answer in its stored form, or what is wrong with it."""
    if not text:
        return "", Message(N_("This field is needed.")) if question.required else None
    match question.kind:
        case "number":
            return _read_number(text)
        case "date":
            try:
                return date.fromisoformat(text).isoformat(), None
            except ValueError:
                return "", Message(N_("Enter a date, such as 2026-11-22."))
        case "choice":
            known = question.option(text) is not None
            return text, None if known else Message(N_("Choose one of the values offered."))
        case _:
            fits = len(text) <= LONGEST_ANSWER and "\0" not in text
            return text, None if fits else Message(
                N_("Use at most %(maximum)s characters."), {"maximum": LONGEST_ANSWER}
            )


def _read_number(text: str) -> tuple[str, Message | None]:
    try:
        number = Decimal(text.replace(",", "").replace("，", ""))
    except InvalidOperation:
        return "", Message(N_("Enter a number."))
    if not number.is_finite() or abs(number) >= 10**12 or number != round(number, 4):
        return "", Message(N_("Enter a number."))
    return f"{number.normalize():f}", None
