"""Months as periods of settlement, in the program's time zone."""

import re
from datetime import date, datetime
from zoneinfo import ZoneInfo

from liyu.core.clock import local_date, start_of_day
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message

_PERIOD = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


def month_of(at: datetime, zone: ZoneInfo) -> str:
    """The month of an instant, `2026-10`."""
    return f"{local_date(at, zone):%Y-%m}"


def bounds_of(period: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The instants at which a month begins and ends. Raises InvalidInputError when it is not written as `2026-10`."""
    found = _PERIOD.fullmatch(period)
    if found is None or not 1970 <= int(found[1]) <= 9998:
        raise InvalidInputError.of_fields({"period": Message(N_("Write the month as 2026-10."))})
    year, month = int(found[1]), int(found[2])
    following = date(year + month // 12, month % 12 + 1, 1)
    return start_of_day(date(year, month, 1), zone), start_of_day(following, zone)


def month_before(at: datetime, zone: ZoneInfo) -> str:
    """The last month that is over at an instant."""
    day = local_date(at, zone)
    return f"{day.year - (day.month == 1):04d}-{(day.month - 2) % 12 + 1:02d}"
