"""The template of an import: an empty table with the headings of one language, and a sheet that explains every column."""

import csv
import io
from collections.abc import Sequence

import xlsxwriter

from liyu.core.i18n import N_, Say
from liyu.members.imports.columns import COLUMNS, Column

SHEET = N_("Members")
EXPLANATION = N_("Explanation")
HINTS = (
    N_(
        "Fill in the first sheet. Only the member number or the mobile is needed; columns you do not need may be deleted."
    ),
    N_(
        "An empty cell leaves the member as they are. Nothing changes before you have seen every difference and agreed."
    ),
    N_(
        "A member with several lots of points has several rows: the first with everything, the others with the key and the lot."
    ),
)
_WIDTH = 20
_TEXT_FORMAT = "@"


def template_csv(further: Sequence[Column], translate: Say) -> bytes:
    """The headings alone, in UTF-8 with the mark that spreadsheets look for; `further` are the columns of this program."""
    buffer = io.StringIO()
    buffer.write("\ufeff")
    csv.writer(buffer, lineterminator="\r\n").writerow([translate(one.heading) for one in (*COLUMNS, *further)])
    return buffer.getvalue().encode()


def template_xlsx(further: Sequence[Column], translate: Say) -> bytes:
    """The workbook for members; `further` are the columns of this program."""
    return write_workbook((*COLUMNS, *further), translate, sheet=SHEET, hints=HINTS)


def write_workbook(columns: Sequence[Column], translate: Say, *, sheet: str, hints: Sequence[str]) -> bytes:
    """A workbook: the table, its cells formatted as text so that no digit is lost, and the explanation."""
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False})
    bold, text = book.add_format({"bold": True, "bottom": 1}), book.add_format({"num_format": _TEXT_FORMAT})
    wrapped = book.add_format({"text_wrap": True, "valign": "top"})
    table = book.add_worksheet(translate(sheet))
    table.freeze_panes(1, 0)
    table.set_column(0, len(columns) - 1, _WIDTH, text)
    words = book.add_worksheet(translate(EXPLANATION))
    words.set_column(0, 1, _WIDTH)
    words.set_column(2, 2, 80, wrapped)
    words.set_column(3, 3, _WIDTH)
    for place, column in enumerate(columns):
        heading = translate(column.heading)
        table.write_string(0, place, heading, bold)
        for cell, value in enumerate((heading, column.code, translate(column.meaning), column.example)):
            words.write_string(place + len(hints) + 2, cell, value)
    for row, hint in enumerate(hints):
        words.write_string(row, 0, translate(hint))
    for cell, title in enumerate((N_("Column"), N_("Code"), N_("Meaning"), N_("Example"))):
        words.write_string(len(hints) + 1, cell, translate(title), bold)
    book.close()
    return buffer.getvalue()
