"""What spreadsheets make of texts in CSV files."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def harmless(cell: str) -> str:
    """A text that a spreadsheet would take for a formula gets an apostrophe in front; imports take it off again."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
