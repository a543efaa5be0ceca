"""Sheets of paper: what is set once for all vouchers of an item, and the marks of a single one."""

from typing import Literal

from msgspec import Struct

Layout = Literal["a6", "a4"]
LAYOUTS: tuple[Layout, ...] = ("a6", "a4")
"""A page of A6 each, or four of them on a sheet of A4 with cut marks."""
Form = Literal["pdf", "zip", "csv"]
FORMS: tuple[Form, ...] = ("pdf", "zip")
"""One document, or a document each, packed together."""
RUN_FORMS: tuple[Form, ...] = (*FORMS, "csv")
"""Of a numbered run also its data alone: what a print shop needs that sets the sheets itself."""


class Marks(Struct, frozen=True):
    """What stands on one voucher only: texts by the name of their place, the text of the QR code, and the file's date."""

    texts: dict[str, str]
    qr: str
    made_at: str
    """As PDF writes it: `D:20261122040000Z`."""


class Sheet(Struct, frozen=True):
    """One voucher to be printed: the HTML of its master with the placeholders in it, and its marks."""

    html: str
    places: dict[str, str]
    marks: Marks
