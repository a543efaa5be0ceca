"""Cursors of pages: opaque to programs, so that what they stand for can change."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message

_HIGHEST = 2**62


def write_cursor(place: int | None) -> str | None:
    """The cursor of a place in a list; None at the end."""
    return None if place is None else urlsafe_b64encode(str(place).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> int | None:
    """The place that a cursor stands for. Raises InvalidInputError for one that we did not make."""
    if cursor is None:
        return None
    try:
        place = int(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        place = -1
    if not 0 < place <= _HIGHEST:
        raise InvalidInputError.of_fields({"cursor": Message(N_("Send the cursor as it came."))})
    return place
