"""Set-based writes: any number of rows travel as one JSON document into one statement."""

import types
from collections.abc import Iterable
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

_encoder = msgspec.json.Encoder()

_SQL_TYPES: dict[Any, str] = {
    int: "bigint",
    float: "double precision",
    str: "text",
    bool: "boolean",
    datetime: "timestamptz",
    date: "date",
}

Bigints = Annotated[list[int], "bigint[]"]
"""A field that is an array in SQL; other lists and structs are jsonb."""


def encode_rows(rows: Any) -> str:
    """Rows (a list of structs, or one) as the JSON document that the statements below read."""
    return _encoder.encode(rows).decode()


def array_of(numbers: Iterable[int]) -> str:
    """Numbers as the text of an array, for `ANY(%s::bigint[])`; the driver would look into each element of a long list."""
    return f"{{{','.join(map(str, numbers))}}}"


def record_of(row: type[msgspec.Struct], document: str = "%s") -> str:
    """`json_to_recordset(…) AS r(…)` with the columns and types of a row struct, to stand in a FROM clause.

    `document` is the statement's placeholder for the rows.
    """
    columns = ", ".join(f"{name} {_sql_type(hint)}" for name, hint in get_type_hints(row, include_extras=True).items())
    return f"json_to_recordset({document}::json) AS r({columns})"


@cache
def insert_of(table: str, row: type[msgspec.Struct], document: str = "%s") -> str:
    """The statement that inserts a JSON document of such rows into a table; the struct's fields are the columns."""
    names = ", ".join(get_type_hints(row))
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM {record_of(row, document)}"


def _sql_type(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        return str(hint.__metadata__[0])
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    return _SQL_TYPES.get(hint, "jsonb")
